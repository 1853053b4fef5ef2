//! JavaScript and TypeScript: the scripts of package.json, with npm, yarn, pnpm or bun.

use serde_json::Value;

use super::detect::{Gate, Project, numbers, version};

/// Used where the project names no version.
const NODE: &str = "24";
const BUN: &str = "1.2";

/// What `npm init` writes for a project that has no tests.
const NO_TESTS: &str = "no test specified";

/// How packages are installed and scripts are run.
struct Manager {
    install: &'static str,
    run: &'static str,
    /// Between a script's name and the arguments that are passed on.
    pass: &'static str,
}

pub(super) fn gates(project: &Project<'_>) -> Vec<Gate> {
    let Some(package) = project.text("package.json").and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return Vec::new();
    };
    let (manager, image) = (manager(project, &package), image(project, &package));
    let gate = |name: &str, command: String, junit| Gate {
        name: name.to_owned(),
        image: image.clone(),
        run: vec![manager.install.to_owned(), command],
        junit,
        network: true,
        timeout: Some("15m"),
        ..Gate::default()
    };
    let script = |name: &str| package["scripts"][name].as_str().filter(|script| !script.contains(NO_TESTS));
    let tests = script("test").map(|script| {
        let report = report(script, &package);
        let arguments = report.map(|arguments| format!(" {}{arguments}", manager.pass)).unwrap_or_default();
        gate("tests", format!("{} test{arguments}", manager.run), report.map(|_| project.path("junit.xml")))
    });
    let lint = script("lint").map(|_| gate("lint", format!("{} lint", manager.run), None));
    tests.into_iter().chain(lint).collect()
}

fn manager(project: &Project<'_>, package: &Value) -> Manager {
    let named = package["packageManager"].as_str().unwrap_or_default();
    if named.starts_with("bun") || project.has("bun.lock") || project.has("bun.lockb") {
        Manager { install: "bun install --frozen-lockfile", run: "bun run", pass: "" }
    } else if named.starts_with("pnpm") || project.has("pnpm-lock.yaml") {
        Manager { install: "corepack pnpm install --frozen-lockfile", run: "corepack pnpm run", pass: "" }
    } else if project.has(".yarnrc.yml") || (named.starts_with("yarn@") && !named.starts_with("yarn@1.")) {
        Manager { install: "corepack yarn install --immutable", run: "corepack yarn run", pass: "" }
    } else if project.has("yarn.lock") {
        Manager { install: "yarn install --frozen-lockfile", run: "yarn run", pass: "" }
    } else if project.has("package-lock.json") || project.has("npm-shrinkwrap.json") {
        Manager { install: "npm ci", run: "npm run", pass: "-- " }
    } else {
        Manager { install: "npm install --no-audit --no-fund", run: "npm run", pass: "-- " }
    }
}

fn image(project: &Project<'_>, package: &Value) -> String {
    let named = package["packageManager"].as_str().unwrap_or_default();
    if named.starts_with("bun") || project.has("bun.lock") || project.has("bun.lockb") {
        return format!("oven/bun:{BUN}");
    }
    let wanted = project.version(".nvmrc").or_else(|| project.version(".node-version"));
    let wanted = wanted.or_else(|| version(package["engines"]["node"].as_str()?));
    format!("node:{}-bookworm", wanted.map_or(NODE.to_owned(), |version| numbers(&version, 1)))
}

/// What has the tests' program write a JUnit report to `junit.xml`, where it can without anything being added.
fn report(script: &str, package: &Value) -> Option<&'static str> {
    let depends = |name: &str| package["devDependencies"][name].is_string() || package["dependencies"][name].is_string();
    // With more than one program in the script, it is not known whose arguments these would be.
    if script.contains(['&', '|', ';']) {
        return None;
    }
    let words: Vec<&str> = script.split_whitespace().collect();
    match words.as_slice() {
        ["vitest", ..] => Some("--run --reporter=default --reporter=junit --outputFile.junit=junit.xml"),
        // It writes to `junit.xml` unless it is told otherwise.
        ["jest", ..] if depends("jest-junit") => Some("--ci --reporters=default --reporters=jest-junit"),
        ["node", "--test"] => Some(
            "--test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination=junit.xml",
        ),
        _ => None,
    }
}
