#![expect(clippy::unwrap_used, reason = "a test may fail at once")]

use gatewright_core::CommitId;
use insta::assert_snapshot;

use super::*;
use crate::step::fake::{Fake, commit, gate, input};

/// A sandbox in which all goes well, but for the n-th command, counted from 0.
fn fake(ends: &'static [(usize, ExecEnd)]) -> Fake {
    let end = |nth| ends.iter().find(|(at, _)| *at == nth).map_or(ExecEnd::Exited(0), |(_, end)| *end);
    Fake::new(end, |_, _| Some("[]"))
}

/// Runs a gate with these keys beside its command. What was asked of the sandbox, a line each, and how the step ended.
async fn ran(sandbox: Fake, more: &str, since: Option<CommitId>) -> (String, Ended) {
    let gate = gate(&format!("run: bench, junit: t.xml, benchmark: b.json, compare: interleaved, rounds: 6{more}"));
    let runner = StepRunner { sandbox: &sandbox, blobs: &sandbox, limits: Limits::default(), secrets: &[] };
    let ended = runner.run(&input(&gate, since), &runner.log()).await.map_err(|failure| failure.cause).unwrap();
    (sandbox.asked().join("\n"), ended)
}

fn rounds(ended: &Ended) -> (usize, Option<&str>) {
    let rounds = ended.rounds.as_ref().unwrap();
    (rounds.list.len(), rounds.cut_short.as_deref())
}

#[tokio::test]
async fn neither_source_always_comes_first_and_both_are_prepared_once() {
    let (asked, ended) = ran(fake(&[]), ", prepare: build", Some(commit("a"))).await;
    assert_snapshot!(asked, @r#"
    open Some("b") Some("a")
    Workspace: build
    Base: build
    Workspace: bench
    Base: bench
    Base: bench
    Workspace: bench
    Workspace: bench
    Base: bench
    Base: bench
    Workspace: bench
    Workspace: bench
    Base: bench
    Base: bench
    Workspace: bench
    "#);
    assert_eq!(rounds(&ended), (6, None));
    assert_eq!(ended.exit, Exit::Code { code: 0 });
    // Other reports are the head's.
    assert_eq!(ended.reports.keys().collect::<Vec<_>>(), [&ReportKind::Tests, &ReportKind::Benchmarks]);
}

#[tokio::test]
async fn a_base_that_does_not_build_leaves_the_head_to_be_judged_alone() {
    let sandbox = fake(&[(1, ExecEnd::Exited(101))]);
    let (asked, ended) = ran(sandbox, ", prepare: build", Some(commit("a"))).await;
    assert_snapshot!(asked, @r#"
    open Some("b") Some("a")
    Workspace: build
    Base: build
    Workspace: bench
    "#);
    assert_eq!(rounds(&ended), (0, Some("`prepare` fails on the base, with exit code 101")));
    assert_eq!(ended.exit, Exit::Code { code: 0 });
}

#[tokio::test]
async fn a_base_that_fails_or_says_nothing_ends_the_rounds_and_not_the_step() {
    let sandbox = fake(&[(1, ExecEnd::OutOfMemory)]);
    let (_, ended) = ran(sandbox, "", Some(commit("a"))).await;
    assert_eq!(rounds(&ended), (0, Some("the command takes more than 2048 MiB of memory on the base")));
    assert_eq!(ended.exit, Exit::Code { code: 0 });
    let (_, ended) =
        ran(Fake::new(|_| ExecEnd::Exited(0), |_, folder| (folder != Folder::Base).then_some("[]")), "", Some(commit("a"))).await;
    assert_eq!(rounds(&ended), (0, Some("the base writes no such report")));
    assert_eq!(ended.exit, Exit::Code { code: 0 });
}

#[tokio::test]
async fn a_head_that_fails_in_any_round_fails_the_step() {
    let sandbox = fake(&[(4, ExecEnd::Exited(3))]);
    let (_, ended) = ran(sandbox, "", Some(commit("a"))).await;
    assert_eq!(ended.exit, Exit::Code { code: 3 });
    let sandbox = fake(&[(0, ExecEnd::Exited(2))]);
    let (asked, ended) = ran(sandbox, ", prepare: build", Some(commit("a"))).await;
    assert_eq!((asked.lines().count(), ended.exit), (2, Exit::Code { code: 2 }));
}

#[tokio::test]
async fn a_run_that_takes_too_long_among_many_ends_the_rounds_only() {
    let sandbox = fake(&[(2, ExecEnd::TimedOut)]);
    let (_, ended) = ran(sandbox, "", Some(commit("a"))).await;
    assert_eq!(rounds(&ended), (1, Some("the command takes too much of the gate's time of 300 s on the base")));
    let sandbox = fake(&[(4, ExecEnd::TimedOut)]);
    let (_, ended) = ran(sandbox, "", Some(commit("a"))).await;
    assert_eq!(rounds(&ended), (2, Some("the gate's time of 300 s does not allow for more")));
    assert_eq!(ended.exit, Exit::Code { code: 0 });
    let sandbox = fake(&[(0, ExecEnd::TimedOut)]);
    let (_, ended) = ran(sandbox, "", Some(commit("a"))).await;
    assert_eq!(ended.exit, Exit::TimedOut { after_secs: 300 });
}

#[tokio::test]
async fn without_a_base_the_command_runs_once() {
    let (asked, ended) = ran(fake(&[]), "", None).await;
    assert_snapshot!(asked, @r#"
    open Some("b") None
    Workspace: bench
    "#);
    assert_eq!(rounds(&ended), (0, Some(NO_BASE)));
}
