//! pytest, Jest, Node's own runner, libtest and nextest.

use std::fs;
use std::process::Command;

use gatewright_reports::testing::{TestCounts, TestFormat, TestRun, read, read_any};

use crate::{Project, before, line_with, node, python};

fn counts(passed: u64, failed: u64, errored: u64, skipped: u64) -> TestCounts {
    TestCounts { passed, failed, errored, skipped, flaky: 0 }
}

fn bad(run: &TestRun) -> Vec<&str> {
    run.bad.iter().map(|case| case.name.as_str()).collect()
}

#[test]
fn of_pytest_the_numbers_of_its_last_line_are_read() {
    let tests = r#"
import pytest

@pytest.fixture
def broken():
    raise RuntimeError("no such thing")

@pytest.mark.parametrize("x", [1, 2, "a<b>&\"c\""])
def test_fine(x):
    assert x

class TestGroup:
    def test_wrong(self):
        assert 1 + 1 == 3

def test_no_fixture(broken):
    pass

@pytest.mark.skip(reason="not here")
def test_skipped():
    pass

@pytest.mark.xfail
def test_known():
    assert False
"#;
    let project = Project::new(&[("tests/test_cart.py", tests)]);
    let said = project.run(python("pytest").args(["-q", "-p", "no:cacheprovider", "--junitxml=out.xml"]), &[1]);
    let last = line_with(&said, " passed");
    let run = read_any(project.open("out.xml")).expect("it is read");
    // What is expected to fail did not count; JUnit calls that skipped.
    let skipped = before(last, "skipped") + before(last, "xfailed");
    assert_eq!(run.counts, counts(before(last, "passed"), before(last, "failed"), before(last, "error"), skipped), "{last}");
    assert_eq!(run.counts, counts(3, 1, 1, 2));
    assert_eq!(bad(&run), ["tests.test_cart.TestGroup test_wrong", "tests.test_cart test_no_fixture"]);
    let place = run.bad[0].place("/workspace").expect("pytest says where");
    assert_eq!((place.path.as_str(), place.line), ("tests/test_cart.py", 14));
}

#[test]
fn of_jest_the_numbers_of_its_own_json_are_read() {
    let tests = r#"
test("fine", () => expect(1).toBe(1));
describe("a group", () => {
  test("wrong", () => expect({ a: 1 }).toEqual({ a: 2 }));
  test.skip("skipped", () => {});
  test.todo("to be written");
});
"#;
    let project =
        Project::new(&[("package.json", "{}"), ("cart.test.js", tests), ("dead.test.js", "throw new Error('no module');\n")]);
    let reporter = crate::installed("npm/node_modules/jest-junit/index.js");
    let mut command = node("jest/bin/jest.js");
    command.args(["--ci", "--watchman=false", "--json", "--outputFile=jest.json", "--reporters=default"]);
    command.arg(format!("--reporters={}", reporter.display())).env("JEST_JUNIT_REPORT_TEST_SUITE_ERRORS", "true");
    project.run(&mut command, &[1]);
    let run = read_any(project.open("junit.xml")).expect("it is read");
    let stated = project.json("jest.json");
    let stated = |key: &str| stated[key].as_u64().expect("a number");
    // jest-junit writes what is still to be written as if it had passed, and a file that cannot be loaded twice: as an error, and
    // as a failure.
    let dead = stated("numRuntimeErrorTestSuites");
    let passed = stated("numPassedTests") + stated("numTodoTests");
    assert_eq!(run.counts, counts(passed, stated("numFailedTests") + dead, dead, stated("numPendingTests")));
    assert_eq!(run.counts, counts(2, 2, 1, 1));
}

#[test]
fn of_nodes_own_runner_the_numbers_below_its_tap_are_read() {
    let tests = r#"
const { test, describe, it } = require("node:test");
const assert = require("node:assert");
test("fine", () => assert.ok(true));
test("fine # with a hash", () => assert.ok(true));
describe("a group", () => {
  it("is wrong", () => assert.strictEqual(1, 2));
  it("is skipped", { skip: "not here" }, () => {});
  it("is to be written", { todo: true }, () => assert.ok(false));
});
"#;
    let project = Project::new(&[("cart.test.js", tests)]);
    let said = project.run(Command::new("node").args(["--test", "--test-reporter=tap"]), &[1]);
    let run = read(TestFormat::Tap, said.as_bytes()).expect("it is read");
    let stated = |word: &str| {
        let number = said.lines().find_map(|line| line.strip_prefix(&format!("# {word} ")));
        number.and_then(|number| number.parse::<u64>().ok()).unwrap_or_else(|| panic!("{word} is not in\n{said}"))
    };
    let expected = (stated("pass"), stated("fail"), stated("skipped") + stated("todo"));
    assert_eq!((run.counts.passed, run.counts.bad(), run.counts.skipped), expected, "{said}");
}

const CRATE: &str = r#"
#[test]
fn fine() {}
#[test]
fn wrong() { assert_eq!(1 + 1, 3, "sums"); }
#[test]
#[ignore]
fn ignored() {}
#[test]
fn flaky() {
    let first = std::path::Path::new("was-here");
    if !first.exists() {
        std::fs::write(first, "").expect("it can be written");
        panic!("the first time it fails");
    }
}
"#;

fn tiny_crate() -> Project {
    let manifest = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    let nextest = "[profile.default]\nretries = 1\nfail-fast = false\n[profile.default.junit]\npath = \"junit.xml\"\n";
    Project::new(&[("Cargo.toml", manifest), (".config/nextest.toml", nextest), ("src/lib.rs", CRATE)])
}

#[test]
fn of_nextest_and_libtest_the_numbers_of_their_last_lines_are_read() {
    let project = tiny_crate();
    let mut nextest = Command::new("cargo");
    nextest
        .args(["nextest", "run", "--offline", "--message-format", "libtest-json"])
        .env("NEXTEST_EXPERIMENTAL_LIBTEST_JSON", "1");
    let said = project.run(&mut nextest, &[100]);
    let last = line_with(&said, "Summary");
    let run = read_any(project.open("target/nextest/default/junit.xml")).expect("it is read");
    let expected = TestCounts { flaky: before(last, "flaky"), ..counts(before(last, "passed"), before(last, "failed"), 0, 0) };
    assert_eq!(run.counts, expected, "{last}");
    assert_eq!(run.counts, TestCounts { flaky: 1, ..counts(2, 1, 0, 0) });
    let json: String = said.lines().filter(|line| line.starts_with('{')).map(|line| format!("{line}\n")).collect();
    let run = read(TestFormat::Libtest, json.as_bytes()).expect("it is read");
    // In this format a test that was left out is named.
    assert_eq!((run.counts.passed, run.counts.bad()), (before(last, "passed"), before(last, "failed")), "{last}");

    fs::remove_file(project.path("was-here")).expect("the flaky test has made it");
    let mut libtest = Command::new("cargo");
    libtest.args(["test", "--offline", "--lib", "--", "-Z", "unstable-options", "--format", "json"]).env("RUSTC_BOOTSTRAP", "1");
    let said = project.run(&mut libtest, &[101]);
    let run = read_any(said.as_bytes()).expect("it is read");
    fs::remove_file(project.path("was-here")).expect("the flaky test has made it");
    let said = project.run(Command::new("cargo").args(["test", "--offline", "--lib"]).env("RUSTC_BOOTSTRAP", "1"), &[101]);
    let last = line_with(&said, "test result:");
    assert_eq!(run.counts, counts(before(last, "passed"), before(last, "failed"), 0, before(last, "ignored")), "{last}");
    assert_eq!(run.counts, counts(1, 2, 0, 1));
}
