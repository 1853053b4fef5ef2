//! How fast reports are read, in MB for a second of processor time, and how much memory that takes: made-up reports of 10 and
//! 200 MB, each read by a process of its own, so that its peak is what the system says of it (Linux).
//!
//! `cargo bench -p gatewright-reports` for all of them, `-- sarif` for those whose name has that in it.
#![expect(clippy::print_stdout, reason = "a bench is there to print")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use gatewright_reports::Diff;
use gatewright_reports::benchmarks::{self, BenchmarkFormat};
use gatewright_reports::coverage::{self, CoverageFormat};
use gatewright_reports::findings::{self, FindingsFormat};
use gatewright_reports::testing::{self, TestFormat};

const MB: u64 = 1_000_000;

/// A format: how a report of about so many bytes is written, and read; what comes of it is a number that shows it was.
struct Case {
    name: &'static str,
    write: fn(&mut Report) -> std::io::Result<()>,
    read: fn(File) -> u64,
}

const CASES: [Case; 16] = [
    Case { name: "lcov", write: lcov, read: |file| lines(CoverageFormat::Lcov, file) },
    Case { name: "cobertura", write: cobertura, read: |file| lines(CoverageFormat::Cobertura, file) },
    Case { name: "jacoco", write: jacoco, read: |file| lines(CoverageFormat::Jacoco, file) },
    Case { name: "go profile", write: go_profile, read: |file| lines(CoverageFormat::GoProfile, file) },
    Case { name: "coverage.py json", write: coverage_py, read: |file| lines(CoverageFormat::CoveragePy, file) },
    Case { name: "llvm-cov json", write: llvm, read: |file| lines(CoverageFormat::Llvm, file) },
    Case { name: "sarif", write: |report| sarif(report, true), read: |file| found(FindingsFormat::Sarif, file) },
    Case { name: "sarif, rules last", write: |report| sarif(report, false), read: |file| found(FindingsFormat::Sarif, file) },
    Case { name: "checkstyle", write: checkstyle, read: |file| found(FindingsFormat::Checkstyle, file) },
    Case { name: "eslint", write: eslint, read: |file| found(FindingsFormat::Eslint, file) },
    Case { name: "rdjsonl", write: rdjsonl, read: |file| found(FindingsFormat::RdJsonLines, file) },
    Case { name: "junit", write: |report| junit(report, 0), read: |file| tests(TestFormat::Junit, file) },
    Case { name: "junit, output", write: |report| junit(report, 200), read: |file| tests(TestFormat::Junit, file) },
    Case { name: "go test", write: go_test, read: |file| tests(TestFormat::GoTest, file) },
    Case {
        name: "go bench",
        write: go_bench,
        read: |file| benchmarks::read(BenchmarkFormat::Go, file).expect("it is good").list.len() as u64,
    },
    Case { name: "diff", write: diff, read: |file| Diff::read(file).expect("it is good").added().count() as u64 },
];

fn lines(format: CoverageFormat, file: File) -> u64 {
    coverage::read(format, file).expect("it is good").totals().lines.total
}

fn found(format: FindingsFormat, file: File) -> u64 {
    findings::read(format, file).expect("it is good").counts().values().sum()
}

fn tests(format: TestFormat, file: File) -> u64 {
    testing::read(format, file).expect("it is good").counts.tests()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, name, path] = arguments.as_slice()
        && flag == "--read"
    {
        return read_once(name, Path::new(path));
    }
    println!("{:<20} {:>8} {:>8} {:>8} {:>12}", "format", "MB", "MB/s", "peak MB", "items");
    for case in CASES.iter().filter(|case| arguments.iter().all(|argument| case.name.contains(argument.as_str()))) {
        for size in [10 * MB, 200 * MB] {
            measure(case, size);
        }
    }
}

fn measure(case: &Case, size: u64) {
    let file = tempfile::NamedTempFile::new().expect("there is room");
    let mut report = Report { out: BufWriter::new(file.reopen().expect("it is there")), written: 0, size };
    (case.write)(&mut report).and_then(|()| report.out.flush()).expect("there is room");
    let me = std::env::current_exe().expect("it runs");
    let output = Command::new(me).args(["--read", case.name]).arg(file.path()).output().expect("it runs again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

/// In a process of its own.
fn read_once(name: &str, path: &Path) {
    let case = CASES.iter().find(|case| case.name == name).expect("the name is of a case");
    let size = path.metadata().expect("it is there").len();
    let began = processor_secs();
    let items = (case.read)(File::open(path).expect("it is there"));
    let secs = processor_secs() - began;
    let mb = size as f64 / MB as f64;
    println!("{name:<20} {mb:>8.0} {:>8.0} {:>8.0} {items:>12}", mb / secs, peak_mb());
}

/// How long this thread has had a processor: what else the machine does must not count.
fn processor_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("this is Linux");
    let nanos: f64 = stat.split(' ').next().and_then(|first| first.parse().ok()).expect("it is a number");
    nanos / 1e9
}

/// The most memory that this process has had.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says so");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kib * 1024.0 / MB as f64
}

/// A report that grows until it is large enough.
struct Report {
    out: BufWriter<File>,
    written: u64,
    size: u64,
}

impl Report {
    fn put(&mut self, text: &str) -> std::io::Result<()> {
        self.written += text.len() as u64;
        self.out.write_all(text.as_bytes())
    }

    fn is_full(&self) -> bool {
        self.written >= self.size
    }
}

/// Calls for one part after another, with a number, until there is enough. Parts are told from each other by `between`.
fn parts(report: &mut Report, between: &str, mut part: impl FnMut(u64) -> String) -> std::io::Result<()> {
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

fn lcov(report: &mut Report) -> std::io::Result<()> {
    parts(report, "", |nth| {
        let lines = joined(1..400, |line| format!("DA:{},{}\n", line * 2, (line * 7919) % 13));
        let branches = joined(1..100, |line| format!("BRDA:{},0,{},{}\n", line * 8, line % 2, line % 3));
        format!("TN:\nSF:{}\nFN:1,f\nFNDA:3,f\n{branches}{lines}LF:399\nLH:300\nend_of_record\n", path(nth % 3000))
    })
}

fn cobertura(report: &mut Report) -> std::io::Result<()> {
    report.put("<?xml version=\"1.0\"?>\n<coverage line-rate=\"0.5\"><sources><source>/ci/x</source></sources><packages><package name=\"p\"><classes>\n")?;
    parts(report, "\n", |nth| {
        let lines = joined(1..300, |line| match line % 5 {
            0 => format!("<line number=\"{line}\" hits=\"3\" branch=\"true\" condition-coverage=\"50% (1/2)\"/>\n"),
            _ => format!("<line number=\"{line}\" hits=\"{}\" branch=\"false\"/>\n", line % 3),
        });
        format!("<class name=\"c{nth}\" filename=\"{}\" line-rate=\"0.9\"><methods/><lines>\n{lines}</lines></class>", path(nth))
    })?;
    report.put("</classes></package></packages></coverage>\n")
}

fn jacoco(report: &mut Report) -> std::io::Result<()> {
    report.put("<?xml version=\"1.0\" encoding=\"UTF-8\"?><report name=\"x\">")?;
    parts(report, "\n", |nth| {
        let lines = joined(1..300, |line| {
            let branches = u64::from(line % 4 == 0);
            format!("<line nr=\"{line}\" mi=\"0\" ci=\"{}\" mb=\"{branches}\" cb=\"{branches}\"/>", line % 4)
        });
        format!(
            "<package name=\"org/x{nth}\"><sourcefile name=\"A.java\">{lines}<counter type=\"LINE\" missed=\"1\" covered=\"2\"/></sourcefile></package>"
        )
    })?;
    report.put("</report>")
}

fn go_profile(report: &mut Report) -> std::io::Result<()> {
    report.put("mode: atomic\n")?;
    parts(report, "", |nth| {
        joined(1..200, |block| {
            format!(
                "example.com/organisation/repository/module/{}:{}.20,{}.3 2 {}\n",
                path(nth),
                block * 4,
                block * 4 + 2,
                block % 3
            )
        })
    })
}

fn coverage_py(report: &mut Report) -> std::io::Result<()> {
    report.put("{\"meta\": {\"format\": 3, \"branch_coverage\": true}, \"files\": {")?;
    parts(report, ", ", |nth| {
        let lines = (1..400).map(|line| (line * 2).to_string()).collect::<Vec<_>>().join(", ");
        // Lines come again by function and by class.
        let again = format!("{{\"\": {{\"executed_lines\": [{lines}], \"summary\": {{}}}}}}");
        format!(
            "\"{}\": {{\"executed_lines\": [{lines}], \"summary\": {{\"covered_lines\": 399}}, \"missing_lines\": [1, 3, 5], \"excluded_lines\": [], \"functions\": {again}, \"classes\": {again}}}",
            path(nth)
        )
    })?;
    report.put("}, \"totals\": {}}")
}

fn llvm(report: &mut Report) -> std::io::Result<()> {
    report.put("{\"data\":[{\"files\":[")?;
    let whole = report.size;
    report.size /= 3;
    parts(report, ",", |nth| {
        let segments =
            (1..400).map(|line| format!("[{},5,{},true,true,false]", line * 2, line % 9)).collect::<Vec<_>>().join(",");
        format!(
            "{{\"branches\":[],\"expansions\":[],\"filename\":\"/ci/{}\",\"segments\":[{segments}],\"summary\":{{}}}}",
            path(nth)
        )
    })?;
    report.size = whole;
    // Most of such a file is of functions, which are not read.
    report.put("],\"functions\":[")?;
    parts(report, ",", |nth| {
        let regions = (1..100).map(|line| format!("[{line},5,{line},9,1,0,0,0]")).collect::<Vec<_>>().join(",");
        format!(
            "{{\"branches\":[],\"count\":1,\"filenames\":[\"/ci/{}\"],\"name\":\"_ZN{nth}\",\"regions\":[{regions}]}}",
            path(nth)
        )
    })?;
    report.put("],\"totals\":{}}],\"type\":\"llvm.coverage.json.export\",\"version\":\"2.0.1\"}")
}

fn sarif(report: &mut Report, rules_first: bool) -> std::io::Result<()> {
    let rules = (0..200).map(|n| {
        format!("{{\"id\":\"R{n}\",\"helpUri\":\"https://example.com/{n}\",\"defaultConfiguration\":{{\"level\":\"error\"}}}}")
    });
    let tool = format!("\"tool\":{{\"driver\":{{\"name\":\"lint\",\"rules\":[{}]}}}}", rules.collect::<Vec<_>>().join(","));
    let begin = if rules_first { format!("{tool},") } else { String::new() };
    report.put(&format!("{{\"version\":\"2.1.0\",\"runs\":[{{{begin}\"results\":[\n"))?;
    parts(report, ",\n", |nth| {
        format!(
            "{{\"ruleId\":\"R{}\",\"ruleIndex\":{},\"message\":{{\"text\":\"variable `x{nth}` is assigned \\\"twice\\\" and never read in between\"}},\
             \"locations\":[{{\"physicalLocation\":{{\"artifactLocation\":{{\"uri\":\"{}\",\"uriBaseId\":\"%SRCROOT%\"}},\"region\":{{\"startLine\":{},\"startColumn\":5,\"endColumn\":20,\"snippet\":{{\"text\":\"    let x = 5;\"}}}}}}}}],\
             \"partialFingerprints\":{{\"primaryLocationLineHash\":\"{nth:016x}:1\"}},\"properties\":{{\"precision\":\"high\",\"weights\":[1,2.5,-3e4,null,true]}}}}",
            nth % 200,
            nth % 200,
            path(nth % 5000),
            nth % 900 + 1
        )
    })?;
    let end = if rules_first { String::new() } else { format!(",{tool}") };
    report.put(&format!("]{end}}}]}}"))
}

fn checkstyle(report: &mut Report) -> std::io::Result<()> {
    report.put("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<checkstyle version=\"8\">\n")?;
    parts(report, "\n", |nth| {
        let errors = joined(1..40, |line| {
            format!(
                "<error line=\"{line}\" column=\"3\" severity=\"warning\" message=\"&apos;,&apos; is not followed by whitespace.\" source=\"com.puppycrawl.tools.checkstyle.checks.whitespace.WhitespaceAfterCheck\"/>\n"
            )
        });
        format!("<file name=\"/ci/{}\">\n{errors}</file>", path(nth))
    })?;
    report.put("</checkstyle>\n")
}

fn eslint(report: &mut Report) -> std::io::Result<()> {
    report.put("[")?;
    parts(report, ",", |nth| {
        let messages = (1..30).map(|line| format!("{{\"ruleId\":\"semi\",\"severity\":2,\"message\":\"Extra semicolon.\",\"line\":{line},\"column\":3,\"nodeType\":\"X\",\"endLine\":{line},\"endColumn\":4,\"fix\":{{\"range\":[{line},{}],\"text\":\"\"}}}}", line + 1));
        let source = "const x = require('y');;\\n".repeat(40);
        format!(
            "{{\"filePath\":\"/ci/{}\",\"messages\":[{}],\"suppressedMessages\":[],\"errorCount\":29,\"source\":\"{source}\"}}",
            path(nth),
            messages.collect::<Vec<_>>().join(",")
        )
    })?;
    report.put("]")
}

fn rdjsonl(report: &mut Report) -> std::io::Result<()> {
    parts(report, "", |nth| {
        format!(
            "{{\"message\":\"something is odd here\",\"location\":{{\"path\":\"{}\",\"range\":{{\"start\":{{\"line\":{},\"column\":2}},\"end\":{{\"line\":{},\"column\":9}}}}}},\"severity\":\"WARNING\",\"source\":{{\"name\":\"lint\"}},\"code\":{{\"value\":\"L{}\"}}}}\n",
            path(nth % 5000),
            nth % 900 + 1,
            nth % 900 + 1,
            nth % 50
        )
    })
}

/// Of which each test has written so many lines.
fn junit(report: &mut Report, lines: u64) -> std::io::Result<()> {
    report.put("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n")?;
    let output = joined(0..lines, |line| format!("2026-01-01 00:00:00 INFO  step {line} &lt;done&gt;\n"));
    let output = if lines == 0 { output } else { format!("<system-out>{output}</system-out>") };
    parts(report, "\n", |nth| {
        let cases = joined(0..50, |case| match case % 25 {
            7 => format!(
                "<testcase name=\"test_{case}[x-{nth}]\" classname=\"pkg.mod{nth}.TestCase\" time=\"0.{case:03}\"><failure message=\"assert {case} == 4\" type=\"AssertionError\">def test_x():\n&gt;   assert f() == 4\npkg/mod{nth}.py:12: AssertionError</failure>{output}</testcase>\n"
            ),
            _ => format!(
                "<testcase name=\"test_{case}[x-{nth}]\" classname=\"pkg.mod{nth}.TestCase\" time=\"0.{case:03}\">{output}</testcase>\n"
            ),
        });
        format!("<testsuite name=\"pkg.mod{nth}.TestCase\" tests=\"50\" failures=\"2\">\n{cases}</testsuite>")
    })?;
    report.put("</testsuites>\n")
}

fn go_test(report: &mut Report) -> std::io::Result<()> {
    parts(report, "", |nth| {
        let event = |action: &str, more: &str| {
            format!(
                "{{\"Time\":\"2026-01-01T00:00:00.123456789Z\",\"Action\":\"{action}\",\"Package\":\"example.com/m/p{}\",\"Test\":\"TestX{nth}\"{more}}}\n",
                nth / 500
            )
        };
        let output = joined(0..5, |line| event("output", &format!(",\"Output\":\"    x_test.go:{line}: some log line\\n\"")));
        format!("{}{output}{}", event("run", ""), event(if nth % 97 == 0 { "fail" } else { "pass" }, ",\"Elapsed\":0.01"))
    })
}

fn go_bench(report: &mut Report) -> std::io::Result<()> {
    let mut left = 400_000_u64;
    parts(report, "", |nth| {
        left = left.saturating_sub(1);
        match left {
            0 => "a line that says nothing of a benchmark, as most of a log does\n".to_owned(),
            _ => format!("BenchmarkX{}-8 \t 5000000\t {}.5 ns/op\t 16 B/op\t 2 allocs/op\n", nth % 9000, nth % 1000),
        }
    })
}

fn diff(report: &mut Report) -> std::io::Result<()> {
    parts(report, "", |nth| {
        let hunks = joined(0..20, |hunk| {
            format!(
                "@@ -{0},4 +{0},6 @@ fn f() {{\n context\n-old line of code\n+new line of code\n+another line of code\n+and one more\n context\n context\n",
                hunk * 40 + 1
            )
        });
        format!("diff --git a/{0} b/{0}\nindex 123..456 100644\n--- a/{0}\n+++ b/{0}\n{hunks}", path(nth))
    })
}
