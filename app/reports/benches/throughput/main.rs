//! How fast reports are read, in MB for a second of processor time, and how much memory that takes: made-up reports of 10 and
//! 200 MB, each read by a process of its own, so that its peak is what the system says of it (Linux).
//!
//! ```text
//! cargo bench -p gatewright-reports                      all formats
//! cargo bench -p gatewright-reports -- sarif             those whose name has that in it
//! cargo bench -p gatewright-reports -- --mb 500 junit    of another size
//! app/reports/benches/peers/run.sh [NAME...]             beside what others read the same files with
//! ```
#![expect(clippy::print_stdout, reason = "a bench is there to print")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use gatewright_reports::Diff;
use gatewright_reports::benchmarks::BenchmarkFormat;
use gatewright_reports::coverage::CoverageFormat;
use gatewright_reports::findings::FindingsFormat;
use gatewright_reports::testing::TestFormat;

mod benchmarks;
mod coverage;
mod findings;
mod testing;

const MB: u64 = 1_000_000;

type Written = std::io::Result<()>;

/// A format: how a report of about so many bytes is written, and read; what comes of it is a number that shows it was.
struct Case {
    name: &'static str,
    sizes: [u64; 2],
    write: fn(&mut Report) -> Written,
    read: fn(File) -> u64,
    /// Readers of `peers.py` that understand it.
    peers: &'static [&'static str],
}

const fn case(
    name: &'static str,
    write: fn(&mut Report) -> Written,
    read: fn(File) -> u64,
    peers: &'static [&'static str],
) -> Case {
    Case { name, sizes: [10, 200], write, read, peers }
}

/// Of benchmarks, which may not have as many samples as 200 MB hold.
const fn smaller(case: Case) -> Case {
    Case { sizes: [10, 80], ..case }
}

const CASES: [Case; 33] = [
    case("junit", |report| testing::junit(report, 0), |file| tests(TestFormat::Junit, file), &["junitparser"]),
    case("junit, output", |report| testing::junit(report, 200), |file| tests(TestFormat::Junit, file), &["junitparser"]),
    case("junit, all bad", testing::junit_bad, |file| tests(TestFormat::Junit, file), &["junitparser"]),
    case("tap", testing::tap, |file| tests(TestFormat::Tap, file), &["tap.py"]),
    case("go test", testing::go_test, |file| tests(TestFormat::GoTest, file), &["json-lines"]),
    case("libtest", testing::libtest, |file| tests(TestFormat::Libtest, file), &["json-lines"]),
    case("lcov", coverage::lcov, |file| lines(CoverageFormat::Lcov, file), &["diff-cover-lcov"]),
    case("cobertura", coverage::cobertura, |file| lines(CoverageFormat::Cobertura, file), &["pycobertura", "diff-cover-xml"]),
    case("jacoco", coverage::jacoco, |file| lines(CoverageFormat::Jacoco, file), &["diff-cover-xml"]),
    case("clover", coverage::clover, |file| lines(CoverageFormat::Clover, file), &["diff-cover-xml"]),
    case("opencover", coverage::opencover, |file| lines(CoverageFormat::OpenCover, file), &["xml"]),
    case("go profile", coverage::go_profile, |file| lines(CoverageFormat::GoProfile, file), &[]),
    case("coverage.py json", coverage::coverage_py, |file| lines(CoverageFormat::CoveragePy, file), &["json"]),
    case("llvm-cov json", coverage::llvm, |file| lines(CoverageFormat::Llvm, file), &["json"]),
    case("sarif", |report| findings::sarif(report, true), |file| found(FindingsFormat::Sarif, file), &["sarif-tools"]),
    case(
        "sarif, rules last",
        |report| findings::sarif(report, false),
        |file| found(FindingsFormat::Sarif, file),
        &["sarif-tools"],
    ),
    case("checkstyle", findings::checkstyle, |file| found(FindingsFormat::Checkstyle, file), &["diff-quality-checkstyle"]),
    case("rdjson", findings::rdjson, |file| found(FindingsFormat::RdJson, file), &["json"]),
    case("rdjsonl", findings::rdjsonl, |file| found(FindingsFormat::RdJsonLines, file), &["json-lines"]),
    case("eslint", findings::eslint, |file| found(FindingsFormat::Eslint, file), &["json"]),
    case("cargo, clippy", findings::cargo, |file| found(FindingsFormat::Cargo, file), &["json-lines"]),
    case("semgrep", findings::semgrep, |file| found(FindingsFormat::Semgrep, file), &["json"]),
    case("trivy", findings::trivy, |file| found(FindingsFormat::Trivy, file), &["json"]),
    case("gitleaks", findings::gitleaks, |file| found(FindingsFormat::Gitleaks, file), &["json"]),
    case("cargo-audit", findings::cargo_audit, |file| found(FindingsFormat::CargoAudit, file), &["json"]),
    case("diff", coverage::diff, |file| Diff::read(file).expect("it is good").added().count() as u64, &["diff-cover-diff"]),
    smaller(case("hyperfine", benchmarks::hyperfine, |file| samples(BenchmarkFormat::Hyperfine, file), &["json"])),
    smaller(case("pytest-benchmark", benchmarks::pytest, |file| samples(BenchmarkFormat::Pytest, file), &["json"])),
    smaller(case("google benchmark", benchmarks::google, |file| samples(BenchmarkFormat::Google, file), &["json"])),
    smaller(case("jmh", benchmarks::jmh, |file| samples(BenchmarkFormat::Jmh, file), &["json"])),
    smaller(case("plain", benchmarks::plain, |file| samples(BenchmarkFormat::Plain, file), &["json"])),
    smaller(case("go bench", benchmarks::go, |file| samples(BenchmarkFormat::Go, file), &[])),
    smaller(case("cargo bench", benchmarks::cargo, |file| samples(BenchmarkFormat::Cargo, file), &[])),
];

fn lines(format: CoverageFormat, file: File) -> u64 {
    gatewright_reports::coverage::read(format, file).expect("it is good").totals().lines.total
}

fn found(format: FindingsFormat, file: File) -> u64 {
    gatewright_reports::findings::read(format, file).expect("it is good").counts().values().sum()
}

fn tests(format: TestFormat, file: File) -> u64 {
    gatewright_reports::testing::read(format, file).expect("it is good").counts.tests()
}

fn samples(format: BenchmarkFormat, file: File) -> u64 {
    let read = gatewright_reports::benchmarks::read(format, file).expect("it is good");
    read.list.iter().map(|measurement| measurement.samples.len() as u64).sum()
}

/// What is asked for.
#[derive(Default)]
struct Asked {
    names: Vec<String>,
    mb: Option<u64>,
    /// The Python to read the same files with, with what `benches/peers/requirements.txt` names.
    peers: Option<String>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, name, path] = arguments.as_slice()
        && flag == "--read"
    {
        return read_once(name, Path::new(path));
    }
    let asked = asked(arguments.into_iter());
    println!("| format | MB | MB/s | peak MB | items | other reader | MB/s | peak MB | times as fast |");
    println!("|---|--:|--:|--:|--:|---|--:|--:|--:|");
    for case in
        CASES.iter().filter(|case| asked.names.is_empty() || asked.names.iter().any(|name| case.name.contains(name.as_str())))
    {
        for mb in asked.mb.map_or(case.sizes.to_vec(), |mb| vec![mb]) {
            measure(case, mb * MB, asked.peers.as_deref());
        }
    }
}

fn asked(mut arguments: impl Iterator<Item = String>) -> Asked {
    let mut asked = Asked::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--mb" => asked.mb = Some(arguments.next().and_then(|mb| mb.parse().ok()).expect("--mb is followed by a number")),
            "--peers" => asked.peers = Some(arguments.next().expect("--peers is followed by a Python")),
            _ => asked.names.push(argument),
        }
    }
    asked
}

fn measure(case: &Case, size: u64, peers: Option<&str>) {
    let file = tempfile::NamedTempFile::new().expect("there is room");
    let mut report = Report { out: BufWriter::new(file.reopen().expect("it is there")), written: 0, size };
    (case.write)(&mut report).and_then(|()| report.out.flush()).expect("there is room");
    let mb = file.path().metadata().expect("it is there").len() as f64 / MB as f64;
    let me = std::env::current_exe().expect("it runs");
    let ours = Figures::of(Command::new(me).args(["--read", case.name]).arg(file.path()));
    let row = format!("| {} | {mb:.0} | {:.0} | {:.0} | {} |", case.name, mb / ours.secs, ours.peak_mb, ours.items);
    let others = peers.map_or(&[][..], |_| case.peers);
    if others.is_empty() {
        println!("{row} | | | |");
    }
    for name in others {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/peers.py");
        let other = Figures::of(Command::new(peers.unwrap_or_default()).arg(script).arg(name).arg(file.path()));
        let times = other.secs / ours.secs;
        println!("{row} {name} | {:.0} | {:.0} | {times:.1} |", mb / other.secs, other.peak_mb);
    }
}

/// What a process says of itself: seconds of a processor, its peak of memory in bytes, and what it found.
struct Figures {
    secs: f64,
    peak_mb: f64,
    items: String,
}

impl Figures {
    fn of(command: &mut Command) -> Figures {
        let output = command.output().expect("it can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let words: Vec<&str> = text.split_whitespace().collect();
        let [secs, peak, items] = words[..] else { panic!("three words, not {text}") };
        let number = |word: &str| word.parse::<f64>().expect("it is a number");
        Figures { secs: number(secs), peak_mb: number(peak) / MB as f64, items: items.to_owned() }
    }
}

/// In a process of its own.
fn read_once(name: &str, path: &Path) {
    let case = CASES.iter().find(|case| case.name == name).expect("the name is of a case");
    let file = File::open(path).expect("it is there");
    let began = processor_secs();
    let items = (case.read)(file);
    println!("{} {} {items}", processor_secs() - began, peak_bytes());
}

/// How long this thread has had a processor: what else the machine does must not count.
fn processor_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("this is Linux");
    let nanos: f64 = stat.split(' ').next().and_then(|first| first.parse().ok()).expect("it is a number");
    nanos / 1e9
}

/// The most memory that this process has had.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says so");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("it is a number") * 1024
}

/// A report that grows until it is large enough.
struct Report {
    out: BufWriter<File>,
    written: u64,
    size: u64,
}

impl Report {
    fn put(&mut self, text: &str) -> Written {
        self.written += text.len() as u64;
        self.out.write_all(text.as_bytes())
    }

    fn is_full(&self) -> bool {
        self.written >= self.size
    }
}

/// Calls for one part after another, with a number, until there is enough. Parts are told from each other by `between`.
fn parts(report: &mut Report, between: &str, mut part: impl FnMut(u64) -> String) -> Written {
    let mut nth = 0;
    while !report.is_full() {
        let text = part(nth);
        if nth > 0 {
            report.put(between)?;
        }
        report.put(&text)?;
        nth += 1;
    }
    Ok(())
}

/// Of a file with so many lines.
fn joined(lines: std::ops::Range<u64>, line: impl Fn(u64) -> String) -> String {
    lines.map(line).collect()
}

/// A report of 1,000,000 lines is about 14 MB; the paths of the larger one come again, as with many test programs.
fn path(nth: u64) -> String {
    format!("src/module_{}/part_{}/file_{nth}.c", nth % 17, nth % 101)
}
