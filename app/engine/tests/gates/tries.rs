//! A step that is tried again: in which sandboxes, with which log, and what the gate is told.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::config::Checkout;
use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::{
    Command, ExecEnd, ExecResult, Folder, Limits, OutputSink, Restored, Sandbox, SandboxError, SandboxHandle, SandboxKey,
    SandboxSpec, Source,
};
use gatewright_core::store::{Blobs, StoreError};
use gatewright_core::survey::SurveyWanted;
use gatewright_core::verdict::{ReportFile, StepOutcome, Survey, VerdictStatus};
use gatewright_core::{BlobId, CommitId, ForgeKind, RepoRef, RunId};
use gatewright_engine::step::{CacheScopes, Known, StepInput, StepRunner};
use insta::assert_snapshot;

use super::gate;

/// What a command does at each try: its end, and the report that it writes, if any.
type Script = Vec<(ExecEnd, Option<&'static str>)>;

/// Sandboxes in which commands do as they are told, and a place for what is stored.
#[derive(Default)]
struct Told {
    script: Script,
    opened: Mutex<Vec<SandboxKey>>,
    stored: Mutex<Vec<Bytes>>,
}

impl Told {
    /// Which try it is, from 0.
    fn nth(&self) -> usize {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).len() - 1
    }
}

#[async_trait]
impl Sandbox for Told {
    async fn open(&self, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
        self.opened.lock().unwrap().push(spec.key.clone());
        Ok(SandboxHandle {
            key: spec.key.clone(),
            name: "told".to_owned(),
            restored: Restored::Nothing,
            folder: Folder::Workspace,
        })
    }

    async fn exec(&self, _: &SandboxHandle, _: &Command, output: &dyn OutputSink) -> Result<ExecResult, SandboxError> {
        output.write(format!("output {}\n", self.nth() + 1).as_bytes());
        Ok(ExecResult { end: self.script[self.nth()].0, disk_full: false })
    }

    async fn read(&self, _: &SandboxHandle, _: &str, _: usize, _: u64) -> Result<Vec<ReportFile>, SandboxError> {
        Ok(self.script[self.nth()].1.iter().map(|text| ReportFile::new("out.xml", *text)).collect())
    }

    async fn survey(&self, _: &Source, _: Option<&CommitId>, _: &SurveyWanted) -> Result<Survey, SandboxError> {
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
        Ok("told".to_owned())
    }
}

#[async_trait]
impl Blobs for Told {
    async fn put(&self, bytes: Bytes) -> Result<BlobId, StoreError> {
        let id = BlobId::of(&bytes);
        self.stored.lock().unwrap().push(bytes);
        Ok(id)
    }

    async fn get(&self, _: &BlobId) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }
}

fn source() -> Source {
    Source {
        repo: RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: None },
        commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        credential: CloneCredential { url: "https://localhost/octo/app".to_owned(), login: None, one_repository: true },
        checkout: Checkout::default(),
    }
}

/// Runs and judges a step. What it came to, how many sandboxes it had, and its log.
async fn stepped(config: &str, script: Script) -> (StepOutcome, usize, String) {
    let told = Told { script, ..Told::default() };
    let runner = StepRunner { sandbox: &told, blobs: &told, limits: Limits::default(), secrets: &[] };
    let gate = gate(config);
    let key = SandboxKey { run: RunId::new(), gate: gate.name.clone() };
    let input = StepInput {
        key,
        gate: &gate,
        source: source(),
        since: None,
        pull: None,
        past: Known::default(),
        scopes: CacheScopes::default(),
    };
    let log = runner.log();
    let ended = runner.run(&input, &log).await.unwrap();
    let outcome = runner.judge(&gate, Known::default(), ended, log.finish(), Instant::now()).await;
    let opened = told.opened.lock().unwrap().len();
    let log = String::from_utf8(told.stored.lock().unwrap()[0].to_vec()).unwrap();
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
