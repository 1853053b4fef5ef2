//! A step that is tried again: in which sandboxes, with which log, and what the gate is told.

#![expect(clippy::unwrap_used, reason = "a test may fail at once")]

use std::time::Instant;

use gatewright_core::sandbox::{ExecEnd, Limits};
use gatewright_core::verdict::{StepOutcome, VerdictStatus};
use insta::assert_snapshot;

use super::fake::{Fake, gate, input};
use super::{Known, StepRunner};

/// What a command does at each try: its end, and the report that it writes, if any.
type Script = Vec<(ExecEnd, Option<&'static str>)>;

/// Runs and judges a step. What it came to, how many sandboxes it had, and its log.
async fn stepped(config: &str, script: Script) -> (StepOutcome, usize, String) {
    let reports = script.clone();
    let fake = Fake::new(move |nth| script[nth].0, move |nth, _| reports[nth].1);
    let runner = StepRunner { sandbox: &fake, blobs: &fake, limits: Limits::default(), secrets: &[] };
    let gate = gate(&format!("run: x{config}"));
    let log = runner.log();
    let ended = runner.run(&input(&gate, None), &log).await.unwrap();
    let outcome = runner.judge(&gate, Known::default(), ended, log.finish(), Instant::now()).await;
    let opened = fake.asked().iter().filter(|words| words.starts_with("open ")).count();
    let log = String::from_utf8(fake.stored()[0].to_vec()).unwrap();
    (outcome, opened, log)
}

const GOOD: &str = "<testsuite name='s'><testcase name='a'/><testcase name='b'/></testsuite>";
const BAD: &str = "<testsuite name='s'><testcase name='a'/><testcase name='b'><failure message='no'/></testcase></testsuite>";

#[tokio::test]
async fn a_gate_passes_with_a_later_try_and_names_what_is_flaky() {
    let script = vec![(ExecEnd::Exited(1), Some(BAD)), (ExecEnd::Exited(0), Some(GOOD))];
    let (outcome, opened, log) = stepped(", junit: out.xml, retries: 3", script).await;
    assert_eq!((outcome.verdict.status, opened), (VerdictStatus::Passed, 2));
    assert_snapshot!(outcome.verdict.title, @"exit code 0 at try 2; 2 passed, 1 flaky");
    assert!(outcome.verdict.summary.contains("- `b`: it failed at an earlier try, and not at the last one, with `no`"));
    assert_snapshot!(log, @r"
    output 1

    === The gate failed. Try 2 of 4. ===

    output 2
    ");
}

#[tokio::test]
async fn a_command_without_reports_is_tried_again_too() {
    let (outcome, opened, _) = stepped(", retries: 1", vec![(ExecEnd::Exited(1), None), (ExecEnd::Exited(0), None)]).await;
    assert_eq!((outcome.verdict.title.as_str(), opened), ("exit code 0 at try 2", 2));
    assert_eq!(outcome.verdict.status, VerdictStatus::Passed);
}

#[tokio::test]
async fn there_are_no_more_tries_than_the_file_says() {
    let always = || vec![(ExecEnd::Exited(1), Some(BAD)); 6];
    for (retries, opened) in [(0, 1), (1, 2), (5, 6)] {
        let (outcome, found, _) = stepped(&format!(", junit: out.xml, retries: {retries}"), always()).await;
        assert_eq!((outcome.verdict.status, found), (VerdictStatus::Failed, opened));
        assert!(!outcome.verdict.summary.contains("flaky"), "{}", outcome.verdict.summary);
    }
}

#[tokio::test]
async fn what_was_killed_at_a_limit_or_has_passed_is_not_tried_again() {
    for (end, report) in [(ExecEnd::TimedOut, None), (ExecEnd::OutOfMemory, None), (ExecEnd::Exited(0), Some(GOOD))] {
        let (_, opened, _) = stepped(", junit: out.xml, retries: 5", vec![(end, report)]).await;
        assert_eq!(opened, 1);
    }
}

#[tokio::test]
async fn a_report_that_names_failures_is_reason_enough_to_try_again() {
    let script = vec![(ExecEnd::Exited(0), Some(BAD)), (ExecEnd::Exited(0), Some(GOOD))];
    let (outcome, opened, _) = stepped(", junit: out.xml, retries: 1", script).await;
    assert_eq!((outcome.verdict.status, opened), (VerdictStatus::Passed, 2));
}
