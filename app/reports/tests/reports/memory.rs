//! Reports that are larger than what reading one may take of memory: read in a process of its own, which says how much it took.

use std::io::Read;
use std::process::Command;

use gatewright_reports::coverage::{self, CoverageFormat};
use gatewright_reports::testing::{self, TestFormat};

/// What no report may take, as the crate's own documentation says.
const BOUND: u64 = 256 * 1024 * 1024;
/// So large is each report here.
const REPORT: u64 = 300 * 1024 * 1024;
/// Names the report, in the process that reads it.
const VARIABLE: &str = "GATEWRIGHT_TEST_REPORT";
/// What a failed test or a name has to say. Long, so that it is the memory and not the tests' time that is large.
const TEXT_BYTES: usize = 20_000;

/// A report that is made while it is read: a beginning, different parts until it is large enough, and an end.
struct Made {
    part: fn(u64) -> String,
    end: &'static str,
    /// What is to be read next, and how far it was.
    now: (String, usize),
    parts: u64,
    made: u64,
}

impl Made {
    fn of(begin: &str, part: fn(u64) -> String, end: &'static str) -> Made {
        Made { part, end, now: (begin.to_owned(), 0), parts: 0, made: 0 }
    }
}

impl Read for Made {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.now.1 == self.now.0.len() {
            let next = if self.made < REPORT { (self.part)(self.parts) } else { std::mem::take(&mut self.end).to_owned() };
            self.parts += 1;
            self.made += next.len() as u64;
            self.now = (next, 0);
        }
        let read = (&self.now.0.as_bytes()[self.now.1..]).read(into)?;
        self.now.1 += read;
        Ok(read)
    }
}

/// A text that no other part has.
fn text(number: u64) -> String {
    format!("{number} ").repeat(TEXT_BYTES / 8)
}

/// Reads the report of this name; how much was in it.
fn read(name: &str) -> u64 {
    match name {
        "junit" => {
            let part =
                |n| format!("<testcase name='test {n}' time='0.1'><failure message='no {n}'>{}</failure></testcase>\n", text(n));
            let report = Made::of("<testsuite name='all'>\n", part, "</testsuite>\n");
            testing::read(TestFormat::Junit, report).expect("it is good").counts.tests()
        }
        "lcov" => {
            let part = |n| format!("TN:{}\nSF:src/{n}.c\nDA:1,1\nDA:2,0\nend_of_record\n", text(n));
            let report = Made::of("", part, "");
            coverage::read(CoverageFormat::Lcov, report).expect("it is good").totals().lines.total
        }
        other => panic!("no report is called {other}"),
    }
}

/// The most memory that this process has had.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says so");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("it is a number") * 1024
}

#[expect(clippy::print_stdout, reason = "the process that reads says so what it took")]
fn is_read_within_the_bound(name: &str) {
    if let Ok(asked) = std::env::var(VARIABLE) {
        if asked == name {
            println!("\nread {} {}", read(name), peak_bytes());
        }
        return;
    }
    let mut reader = Command::new(std::env::current_exe().expect("this is a program"));
    let output = reader.args(["memory::", "--nocapture", "--test-threads=1"]).env(VARIABLE, name).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix("read ")).unwrap_or_else(|| panic!("{said}"));
    let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
    let [items, peak] = numbers[..] else { panic!("two numbers, not {line}") };
    assert!(items >= REPORT / (2 * TEXT_BYTES as u64), "all of it is read: {items}");
    assert!(peak < BOUND, "reading {REPORT} bytes of {name} took {peak} bytes");
}

#[test]
fn a_junit_that_is_larger_than_the_memory_it_may_take_is_read_within_that() {
    is_read_within_the_bound("junit");
}

#[test]
fn an_lcov_that_is_larger_than_the_memory_it_may_take_is_read_within_that() {
    is_read_within_the_bound("lcov");
}
