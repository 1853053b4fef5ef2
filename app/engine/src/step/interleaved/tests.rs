#![expect(clippy::unwrap_used, reason = "a test may fail at once")]

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::config::{Checkout, parse};
use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::{OutputSink, Sandbox, SandboxError, SandboxKey, SandboxSpec};
use gatewright_core::store::{Blobs, StoreError};
use gatewright_core::verdict::{ReportFile, Survey};
use gatewright_core::{BlobId, CommitId, ForgeKind, RepoRef, RunId};
use insta::assert_snapshot;

use super::*;

/// A sandbox in which commands end as they are told to. It writes down what it was asked for.
#[derive(Default)]
struct Fake {
    /// How the n-th command ends, where it does not end well.
    ends: BTreeMap<usize, ExecEnd>,
    /// Whether the base writes a report.
    base_is_silent: bool,
    asked: Mutex<Vec<String>>,
}

impl Fake {
    fn note(&self, words: String) -> usize {
        let mut asked = self.asked.lock().unwrap();
        asked.push(words);
        asked.len()
    }
}

#[async_trait]
impl Sandbox for Fake {
    async fn open(&self, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
        let commit = |source: &Option<Source>| source.as_ref().map(|source| source.commit.as_str()[..1].to_owned());
        self.note(format!("open {:?} {:?}", commit(&spec.source), commit(&spec.base)));
        Ok(SandboxHandle { key: spec.key.clone(), name: "fake".to_owned(), folder: Folder::Workspace })
    }

    async fn exec(&self, sandbox: &SandboxHandle, command: &Command, _: &dyn OutputSink) -> Result<ExecResult, SandboxError> {
        let number = self.note(format!("{:?}: {}", sandbox.folder, command.script)) - 1;
        Ok(ExecResult { end: self.ends.get(&number).copied().unwrap_or(ExecEnd::Exited(0)), disk_full: false })
    }

    async fn read(&self, sandbox: &SandboxHandle, glob: &str, _: usize, _: u64) -> Result<Vec<ReportFile>, SandboxError> {
        let silent = self.base_is_silent && sandbox.folder == Folder::Base;
        Ok(if silent { Vec::new() } else { vec![ReportFile::new(glob, b"[]".to_vec())] })
    }

    async fn survey(&self, _: &Source, _: Option<&CommitId>) -> Result<Survey, SandboxError> {
        Ok(Survey::default())
    }

    async fn write(&self, _: &SandboxHandle, _: &str, _: Bytes) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn close(&self, _: &SandboxKey) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn leftovers(&self) -> Result<Vec<SandboxKey>, SandboxError> {
        Ok(Vec::new())
    }

    async fn probe(&self) -> Result<String, SandboxError> {
        Ok(String::new())
    }
}

/// What a step that only runs needs of a store.
struct Nothing;

#[async_trait]
impl Blobs for Nothing {
    async fn put(&self, _: Bytes) -> Result<BlobId, StoreError> {
        unreachable!("a step that is not judged stores nothing")
    }

    async fn get(&self, _: &BlobId) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }
}

fn commit(letter: &str) -> CommitId {
    letter.repeat(40).parse().unwrap()
}

/// Runs a gate with these keys beside its command. What was asked of the sandbox, a line each, and how the step ended.
async fn ran(sandbox: Fake, more: &str, since: Option<CommitId>) -> (String, Ended) {
    let keys = format!("run: bench, junit: t.xml, benchmark: b.json, compare: interleaved, rounds: 6{more}");
    let file = parse(&format!("image: a\ngates:\n  speed: {{ {keys} }}\n")).unwrap();
    let runner = StepRunner { sandbox: &sandbox, blobs: &Nothing, limits: Limits::default(), secrets: &[] };
    let input = StepInput {
        key: SandboxKey { run: RunId::new(), gate: "speed".parse().unwrap() },
        gate: &file.gates[0],
        source: Source {
            repo: RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: None },
            commit: commit("b"),
            credential: CloneCredential { url: "https://forge.example/octo/app".to_owned(), login: None, one_repository: true },
            checkout: Checkout::default(),
        },
        since,
    };
    let ended = runner.run(&input, &runner.log()).await.map_err(|failure| failure.cause).unwrap();
    let asked = sandbox.asked.into_inner().unwrap().join("\n");
    (asked, ended)
}

fn rounds(ended: &Ended) -> (usize, Option<&str>) {
    let rounds = ended.rounds.as_ref().unwrap();
    (rounds.list.len(), rounds.cut_short.as_deref())
}

#[tokio::test]
async fn neither_source_always_comes_first_and_both_are_prepared_once() {
    let (asked, ended) = ran(Fake::default(), ", prepare: build", Some(commit("a"))).await;
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
    let fake = Fake { ends: [(2, ExecEnd::Exited(101))].into(), ..Fake::default() };
    let (asked, ended) = ran(fake, ", prepare: build", Some(commit("a"))).await;
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
    let fake = Fake { ends: [(2, ExecEnd::OutOfMemory)].into(), ..Fake::default() };
    let (_, ended) = ran(fake, "", Some(commit("a"))).await;
    assert_eq!(rounds(&ended), (0, Some("the command takes more than 2048 MiB of memory on the base")));
    assert_eq!(ended.exit, Exit::Code { code: 0 });
    let (_, ended) = ran(Fake { base_is_silent: true, ..Fake::default() }, "", Some(commit("a"))).await;
    assert_eq!(rounds(&ended), (0, Some("the base writes no such report")));
    assert_eq!(ended.exit, Exit::Code { code: 0 });
}

#[tokio::test]
async fn a_head_that_fails_in_any_round_fails_the_step() {
    let fake = Fake { ends: [(5, ExecEnd::Exited(3))].into(), ..Fake::default() };
    let (_, ended) = ran(fake, "", Some(commit("a"))).await;
    assert_eq!(ended.exit, Exit::Code { code: 3 });
    let fake = Fake { ends: [(1, ExecEnd::Exited(2))].into(), ..Fake::default() };
    let (asked, ended) = ran(fake, ", prepare: build", Some(commit("a"))).await;
    assert_eq!((asked.lines().count(), ended.exit), (2, Exit::Code { code: 2 }));
}

#[tokio::test]
async fn a_run_that_takes_too_long_among_many_ends_the_rounds_only() {
    let fake = Fake { ends: [(3, ExecEnd::TimedOut)].into(), ..Fake::default() };
    let (_, ended) = ran(fake, "", Some(commit("a"))).await;
    assert_eq!(rounds(&ended), (1, Some("the command takes too much of the gate's time of 300 s on the base")));
    let fake = Fake { ends: [(5, ExecEnd::TimedOut)].into(), ..Fake::default() };
    let (_, ended) = ran(fake, "", Some(commit("a"))).await;
    assert_eq!(rounds(&ended), (2, Some("the gate's time of 300 s does not allow for more")));
    assert_eq!(ended.exit, Exit::Code { code: 0 });
    let fake = Fake { ends: [(1, ExecEnd::TimedOut)].into(), ..Fake::default() };
    let (_, ended) = ran(fake, "", Some(commit("a"))).await;
    assert_eq!(ended.exit, Exit::TimedOut { after_secs: 300 });
}

#[tokio::test]
async fn without_a_base_the_command_runs_once() {
    let (asked, ended) = ran(Fake::default(), "", None).await;
    assert_snapshot!(asked, @r#"
    open Some("b") None
    Workspace: bench
    "#);
    assert_eq!(rounds(&ended), (0, Some(NO_BASE)));
}
