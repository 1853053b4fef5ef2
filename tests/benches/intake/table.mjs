// Reads the measurements of one session, one JSON object a line, and prints the medians as a table.
import { readFileSync } from "node:fs";

const runs = readFileSync(0, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const groups = new Map();
for (const run of runs) {
  const key = `${run.connections} ${run.server}`;
  groups.set(key, [...(groups.get(key) ?? []), run]);
}

for (const run of runs) run.cpu_us = (run.cpu_ms * 1000) / run.sent_with_warmup;

const rows = [...groups.values()].map((group) => ({
  server: group[0].server,
  connections: group[0].connections,
  rounds: group.length,
  ...Object.fromEntries(
    ["per_second", "p50_ms", "p99_ms", "rss_peak_mib", "cpu_us"].map((field) => [field, median(group.map((run) => run[field]))]),
  ),
  failed: group.reduce((sum, run) => sum + run.not_2xx + run.errors, 0),
  wrong: [...new Set(group.map((run) => run.wrong_signature_status ?? "closed"))].join("/"),
}));

console.log("| server | connections | req/s | of probot | p50 ms | p99 ms | CPU µs/request | peak RSS MiB | not 2xx | wrong signature |");
console.log("|---|---|---|---|---|---|---|---|---|---|");
for (const row of rows.sort((a, b) => a.connections - b.connections)) {
  const probot = rows.find((other) => other.server === "probot" && other.connections === row.connections);
  const ratio = probot ? `${(row.per_second / probot.per_second).toFixed(1)}x` : "";
  const cells = [row.per_second, ratio, row.p50_ms.toFixed(1), row.p99_ms.toFixed(1), row.cpu_us.toFixed(0), row.rss_peak_mib, row.failed, row.wrong];
  console.log(`| ${row.server} | ${row.connections} | ${cells.join(" | ")} |`);
}
console.log(`\nMedians of ${Math.max(...rows.map((row) => row.rounds))} rounds, servers in turn within each.`);
