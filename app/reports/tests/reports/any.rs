//! Whatever the bytes are, they are read or refused within bounds, and how they are cut into pieces does not matter.

use std::fmt::Debug;
use std::io::Read;

use gatewright_reports::benchmarks::{self, BenchmarkFormat};
use gatewright_reports::coverage::{self, CoverageFormat};
use gatewright_reports::findings::{self, FindingsFormat};
use gatewright_reports::testing::{self, TestCounts, TestFormat, TestRun};
use gatewright_reports::{Diff, ReportError};
use proptest::prelude::*;

const COVERAGE: [CoverageFormat; 8] = [
    CoverageFormat::Lcov,
    CoverageFormat::Cobertura,
    CoverageFormat::Jacoco,
    CoverageFormat::Clover,
    CoverageFormat::GoProfile,
    CoverageFormat::OpenCover,
    CoverageFormat::CoveragePy,
    CoverageFormat::Llvm,
];
const FINDINGS: [FindingsFormat; 11] = [
    FindingsFormat::Sarif,
    FindingsFormat::Checkstyle,
    FindingsFormat::RdJson,
    FindingsFormat::RdJsonLines,
    FindingsFormat::Eslint,
    FindingsFormat::Cargo,
    FindingsFormat::Semgrep,
    FindingsFormat::Trivy,
    FindingsFormat::Gitleaks,
    FindingsFormat::CargoAudit,
    FindingsFormat::EmptyArray,
];
const TESTS: [TestFormat; 5] = [TestFormat::Junit, TestFormat::GoTest, TestFormat::Libtest, TestFormat::Tap, TestFormat::Trx];
const BENCHMARKS: [BenchmarkFormat; 7] = [
    BenchmarkFormat::Hyperfine,
    BenchmarkFormat::Go,
    BenchmarkFormat::Pytest,
    BenchmarkFormat::Google,
    BenchmarkFormat::Jmh,
    BenchmarkFormat::Cargo,
    BenchmarkFormat::Plain,
];

/// A small report of each kind, to be spoiled.
const SEEDS: [&str; 14] = [
    "SF:a.c\nDA:1,5\nBRDA:1,0,0,-\nend_of_record\n",
    "<?xml version='1.0'?><coverage><sources><source>/x</source></sources><class filename='a'><lines><line number='1' hits='1' condition-coverage='50% (1/2)'/></lines></class></coverage>",
    "<report><package name='p'><sourcefile name='a'><line nr='1' mi='0' ci='1' mb='0' cb='2'/></sourcefile></package></report>",
    "mode: set\nm/a.go:1.1,3.2 2 1\n",
    "{\"data\":[{\"files\":[{\"filename\":\"a\",\"segments\":[[1,1,1,true,true,false],[2,1,0,false,false,false]]}]}]}",
    "{\"files\":{\"a\":{\"executed_lines\":[1],\"missing_lines\":[2],\"executed_branches\":[[1,2]]}}}",
    "{\"version\":\"2.1.0\",\"runs\":[{\"results\":[{\"message\":{\"text\":\"m\"},\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":\"a\"},\"region\":{\"startLine\":1}}}]}]}]}",
    "<checkstyle><file name='a'><error line='1' message='m &lt; &#65;'/></file></checkstyle>",
    "{\"Action\":\"run\",\"Package\":\"p\",\"Test\":\"T\"}\n{\"Action\":\"pass\",\"Package\":\"p\",\"Test\":\"T\",\"Elapsed\":0.1}\n",
    "<testsuites><testsuite name='s'><!-- c --><testcase name='a' time='0.1'><system-out><![CDATA[x]]></system-out></testcase><testcase name='b' file='b.c' line='3'><failure message='m'>a &lt; &#65; <![CDATA[<c>]]></failure></testcase></testsuite></testsuites>",
    "<TestRun><Results><UnitTestResult testId='1' testName='a' outcome='Failed'><Output><ErrorInfo><Message>m</Message></ErrorInfo></Output></UnitTestResult></Results><TestDefinitions><UnitTest id='1'><TestMethod className='C'/></UnitTest></TestDefinitions><ResultSummary outcome='Failed'><Counters failed='1'/></ResultSummary></TestRun>",
    "# Subtest: a\n    ok 1 - b\n      ---\n      duration_ms: 1\n      ...\n    1..1\nok 1 - a\n1..1\n",
    "[{\"name\":\"a\",\"unit\":\"s\",\"value\":1.5}]",
    "--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n a\n+b\n+c\n-d\n",
];

/// A few bytes at a time.
struct Pieces<'b>(&'b [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let amount = self.1.min(buf.len()).min(self.0.len());
        let (now, later) = self.0.split_at(amount);
        buf[..amount].copy_from_slice(now);
        self.0 = later;
        Ok(amount)
    }
}

/// Reads whole and in pieces: what comes of both, as text.
fn both<T: Debug>(bytes: &[u8], step: usize, read: impl Fn(&mut dyn Read) -> Result<T, ReportError>) {
    let text = |result: Result<T, ReportError>| result.map(|value| format!("{value:?}")).map_err(|error| error.to_string());
    let whole = text(read(&mut &*bytes));
    assert_eq!(whole, text(read(&mut Pieces(bytes, step))));
    if let Err(error) = whole {
        assert!(error.starts_with("line "), "{error}");
    }
}

/// What is kept of each test, each suite and all of them agrees.
fn adds_up(run: &TestRun) {
    assert_eq!(run.counts.bad(), run.bad.iter().map(|case| case.stands_for).sum::<u64>());
    assert_eq!(run.counts.tests(), run.suites.values().map(TestCounts::tests).sum::<u64>());
    assert!(run.counts.flaky <= run.counts.passed && run.flaky.len() as u64 == run.counts.flaky && run.secs >= 0.0);
    for place in run.bad.iter().filter_map(|case| case.place("/workspace")) {
        assert!(place.line >= 1 && !place.path.starts_with('/') && !place.path.split('/').any(|part| part == ".."), "{place:?}");
    }
}

fn everything(bytes: &[u8], step: usize) {
    for format in COVERAGE {
        both(bytes, step, |source| coverage::read(format, source));
    }
    for format in FINDINGS {
        both(bytes, step, |source| findings::read(format, source));
    }
    for format in TESTS {
        both(bytes, step, |source| testing::read(format, source));
        if let Ok(run) = testing::read(format, bytes) {
            adds_up(&run);
        }
    }
    for format in BENCHMARKS {
        both(bytes, step, |source| benchmarks::read(format, source));
    }
    both(bytes, step, |source| Diff::read(source));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1_usize..9) {
        everything(&bytes, step);
    }

    #[test]
    fn spoiled_reports_are_read_or_refused(
        seed in 0..SEEDS.len(),
        spoils in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 0..4),
        step in 1_usize..9,
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (at, how, byte) in spoils {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match how {
                0 if !bytes.is_empty() => drop(bytes.remove(at)),
                1 => bytes.insert(at, byte),
                2 if !bytes.is_empty() => bytes[at] = byte,
                _ => bytes.truncate(at),
            }
        }
        everything(&bytes, step);
    }

    #[test]
    fn lcov_lines_are_the_largest_count_of_each(counts in proptest::collection::vec((1_u32..40, 0_u32..5), 1..80)) {
        let mut expected = std::collections::BTreeMap::new();
        let mut text = "SF:a\n".to_owned();
        for (line, hits) in counts {
            text += &format!("DA:{line},{hits}\n");
            let most: &mut u32 = expected.entry(line).or_default();
            *most = hits.max(*most);
        }
        text += "end_of_record\n";
        let report = coverage::read(CoverageFormat::Lcov, text.as_bytes()).unwrap();
        let found: Vec<(u32, u32)> = report.files[0].1.lines().iter().map(|line| (line.number, line.hits)).collect();
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn seeds_are_good_reports() {
    let good = SEEDS.iter().filter(|seed| {
        let bytes = seed.as_bytes();
        COVERAGE.iter().any(|format| coverage::read(*format, bytes).is_ok())
            || FINDINGS.iter().any(|format| findings::read(*format, bytes).is_ok())
            || TESTS.iter().any(|format| testing::read(*format, bytes).is_ok())
            || BENCHMARKS.iter().any(|format| benchmarks::read(*format, bytes).is_ok())
            || Diff::read(bytes).is_ok_and(|diff| diff.added().count() == 1)
    });
    assert_eq!(good.count(), SEEDS.len());
}
