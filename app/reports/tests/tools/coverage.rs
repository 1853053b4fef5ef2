//! coverage.py and Istanbul (by Jest), and diff-cover as a second opinion on the lines that a change adds.

use std::process::Command;

use gatewright_reports::coverage::{CoverageFormat, Totals, read};
use gatewright_reports::{Diff, Mapping, RepositoryFiles};
use serde_json::Value;

use crate::{Project, node, python};

const CART: &str = "
def total(prices, discount=False):
    if discount:
        return sum(prices) * 0.9
    return sum(prices)


def unused(prices):
    for price in prices:
        if price > 3:
            return price
    return None
";

const TESTS: &str = "
from shop.cart import total

def test_total():
    assert total([1, 2]) == 3
";

fn shop() -> Project {
    Project::new(&[("shop/__init__.py", ""), ("shop/cart.py", CART), ("test_cart.py", TESTS)])
}

/// Runs the tests and writes all reports of coverage.py.
fn cover(project: &Project) {
    let run = ["run", "--branch", "--source=shop", "-m", "pytest", "-q", "-p", "no:cacheprovider"];
    project.run(python("coverage").args(run), &[0]);
    for (format, file) in [("json", "out.json"), ("xml", "out.xml"), ("lcov", "out.lcov")] {
        project.run(python("coverage").args([format, "-o", file]), &[0]);
    }
}

fn numbers(totals: Totals) -> [u64; 4] {
    [totals.lines.covered, totals.lines.total, totals.branches.covered, totals.branches.total]
}

fn stated(totals: &Value, keys: [&str; 4]) -> [u64; 4] {
    keys.map(|key| totals.pointer(key).and_then(Value::as_u64).unwrap_or_else(|| panic!("{key} is not in {totals}")))
}

#[test]
fn of_coverage_py_all_formats_have_the_totals_that_it_states() {
    let project = shop();
    cover(&project);
    let totals = &project.json("out.json")["totals"];
    let expected = stated(totals, ["/covered_lines", "/num_statements", "/covered_branches", "/num_branches"]);
    assert_eq!(expected, [4, 9, 1, 6]);
    for (format, file) in
        [(CoverageFormat::CoveragePy, "out.json"), (CoverageFormat::Cobertura, "out.xml"), (CoverageFormat::Lcov, "out.lcov")]
    {
        let report = read(format, project.open(file)).expect("it is read");
        assert_eq!(numbers(report.totals()), expected, "{file}");
    }
}

#[test]
fn of_istanbul_all_formats_have_the_totals_that_it_states() {
    let cart = "
function total(prices, discount) {
  if (discount) {
    return 0.9 * total(prices);
  }
  return prices.reduce((a, b) => a + b, 0);
}
function unused(price) {
  return price > 3 ? price : null;
}
module.exports = { total, unused };
";
    let tests = "const { total } = require('./cart');\ntest('total', () => expect(total([1, 2])).toBe(3));\n";
    let project = Project::new(&[("package.json", "{}"), ("cart.js", cart), ("cart.test.js", tests)]);
    let mut command = node("jest/bin/jest.js");
    command.args(["--ci", "--watchman=false", "--coverage"]);
    command.args(["lcovonly", "clover", "cobertura", "json-summary"].map(|reporter| format!("--coverageReporters={reporter}")));
    project.run(&mut command, &[0]);
    let totals = &project.json("coverage/coverage-summary.json")["total"];
    let expected = stated(totals, ["/lines/covered", "/lines/total", "/branches/covered", "/branches/total"]);
    assert!(expected[0] > 0 && expected[0] < expected[1] && expected[2] < expected[3], "{expected:?}");
    let reports = [(CoverageFormat::Lcov, "lcov.info"), (CoverageFormat::Cobertura, "cobertura-coverage.xml")];
    for (format, file) in reports {
        let report = read(format, project.open(&format!("coverage/{file}"))).expect("it is read");
        assert_eq!(numbers(report.totals()), expected, "{file}");
    }
    // Clover's XML has lines of statements only, one for several on one line, and branches of conditions as it counts them.
    let clover = read(CoverageFormat::Clover, project.open("coverage/clover.xml")).expect("it is read");
    assert_eq!(clover.totals().lines.covered, expected[0]);
}

#[test]
fn diff_cover_finds_the_same_changed_lines_uncovered() {
    let project = shop();
    project.git(&["init", "--quiet"]);
    project.git(&["add", "."]);
    project.git(&["commit", "--quiet", "-m", "base"]);
    project.git(&["checkout", "--quiet", "-b", "change"]);
    let added = "
def shipping(weight, express):
    if express:
        return weight * 3
    # A comment is no line that can be run.
    fee = (
        weight
        + 1
    )
    return fee

def dearest(prices):
    return max(prices)
";
    project.write("shop/cart.py", &(CART.replace("0.9", "0.8") + added));
    let tested = "\nfrom shop.cart import shipping\n\ndef test_shipping():\n    assert shipping(1, False) == 2\n";
    project.write("test_cart.py", &format!("{TESTS}{tested}"));
    project.git(&["commit", "--quiet", "--all", "-m", "change"]);
    cover(&project);

    let diff = project.git(&["diff", "base...change"]);
    let diff = Diff::read(diff.as_bytes()).expect("it is read");
    let files = RepositoryFiles::new(project.git(&["ls-files"]).lines().map(str::to_owned));
    for (format, file) in [(CoverageFormat::Cobertura, "out.xml"), (CoverageFormat::Lcov, "out.lcov")] {
        let mapping = Mapping { roots: vec![project.path("").display().to_string()], ..Mapping::default() };
        let (coverage, unmapped) = read(format, project.open(file)).expect("it is read").map(&files, &mapping);
        assert!(unmapped.is_empty(), "{unmapped:?}");
        let changed = coverage.changed_lines(&diff);

        let mut opinion = python("diff-cover");
        opinion.args([file, "--compare-branch=base", "--format", "json:opinion.json"]);
        project.run(&mut opinion, &[0]);
        let opinion = project.json("opinion.json");
        let number = |key: &str| opinion[key].as_u64().expect("a number");
        assert_eq!(changed.lines.total, number("total_num_lines"), "{file}: {opinion}");
        assert_eq!(changed.lines.total - changed.lines.covered, number("total_num_violations"), "{file}: {opinion}");
        let lines: Vec<u64> = opinion["src_stats"]["shop/cart.py"]["violation_lines"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect();
        let cart = coverage.file("shop/cart.py").expect("it was read");
        let ours: Vec<u64> = changed
            .uncovered
            .iter()
            .flat_map(|found| found.range.first..=found.range.last)
            .filter(|line| cart.hits(*line) == Some(0))
            .map(u64::from)
            .collect();
        assert_eq!(ours, lines, "{file}");
        assert_eq!(changed.lines.to_string(), "62.5 % (5 of 8)", "{file}");
    }
}

#[test]
fn git_and_the_diff_reader_count_the_same_added_lines() {
    let project = shop();
    project.git(&["init", "--quiet"]);
    project.git(&["add", "."]);
    project.git(&["commit", "--quiet", "-m", "base"]);
    project.write("shop/cart.py", &CART.replace("price", "cost"));
    project.write("a file with spaces and ü.txt", "one\ntwo\r\nno end");
    project.git(&["add", "."]);
    let stated: u64 = project
        .git(&["diff", "--cached", "--numstat"])
        .lines()
        .filter_map(|line| line.split('\t').next()?.parse::<u64>().ok())
        .sum();
    let diff = Diff::read(project.run(Command::new("git").args(["diff", "--cached"]), &[0]).as_bytes()).expect("it is read");
    let added: u64 = diff.added().flat_map(|(_, ranges)| ranges).map(|range| u64::from(range.last - range.first + 1)).sum();
    assert_eq!(added, stated);
}
