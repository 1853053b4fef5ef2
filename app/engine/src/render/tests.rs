//! What a gate's check says beside its verdict.

use std::collections::BTreeMap;

use gatewright_core::plan::{Applies, Plan, PlannedGate};
use gatewright_core::report::ScanReport;
use gatewright_core::run::{Cause, GatesSpec, JournalEntry, Preparation, Prepared, RunEvent, RunSpec, Work};
use gatewright_core::verdict::{Exit, StepOutcome, Verdict};
use gatewright_core::{BlobId, ForgeKind, RepoRef, RunId, Subject, Timestamp};

use super::*;

/// A push whose one gate has found something for code scanning, which is as far with it as this says.
fn scanned(id: u64) -> Run {
    let file = "image: a\ngates: { lint: { run: x, sarif: a.sarif, code-scanning: true } }";
    let config = gatewright_core::config::parse(file).expect("a valid file").gates.swap_remove(0);
    let spec = GatesSpec::of("a".repeat(40).parse().expect("a commit"), "main".to_owned(), Cause::Opened);
    let (subject, gate) = (Subject::Branch { name: "main".to_owned() }, config.name.clone());
    let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: Some(1) };
    let created = RunEvent::Created { spec: Box::new(RunSpec { repo, subject, work: Work::Gates(spec) }) };
    let prepared = Prepared {
        pull: None,
        base: None,
        compared_with: None,
        shown: BTreeMap::new(),
        orders: Vec::new(),
        outcome: Preparation::Planned {
            plan: Plan { gates: vec![PlannedGate { config, applies: Applies::Yes }] },
            carried: BTreeMap::new(),
            head_problems: Vec::new(),
            base_problems: Vec::new(),
            commands: BTreeMap::new(),
            agents_on: Vec::new(),
        },
    };
    let verdict = Verdict::plain(VerdictStatus::Passed, "no findings", "");
    let outcome = StepOutcome { scan: Some(BlobId::of(b"sarif")), ..StepOutcome::of(Exit::Code { code: 0 }, verdict) };
    let at = Timestamp::from_second(1_800_000_000).expect("it is in range");
    let mut run = Run::replay(RunId::new(), &[JournalEntry { seq: 0, at, event: created }]).expect("a journal of one entry");
    let events = [
        RunEvent::Prepared { prepared: Box::new(prepared) },
        RunEvent::StepStarted { gate: gate.clone(), attempt: 1 },
        RunEvent::StepFinished { gate: gate.clone(), outcome: Box::new(outcome) },
    ];
    for event in &events {
        run.apply(at, event).expect("it can happen");
    }
    let key = ReportKey::Scan(gate);
    let (_, digest) = run.wanted().into_iter().find(|(wanted, _)| *wanted == key).expect("it is for code scanning");
    for event in [RunEvent::PublishBegun { key: key.clone() }, RunEvent::Published { key, digest, id }] {
        run.apply(at, &event).expect("it can happen");
    }
    run
}

#[test]
fn findings_that_code_scanning_has_not_processed_yet_are_said_to_be_on_their_way_and_no_others() {
    let text = |id| {
        let run = scanned(id);
        gate_text(&run, &run.gates().expect("it runs gates").steps[0]).expect("it can be rendered")
    };
    insta::assert_snapshot!(text(ScanReport::PENDING).trim(), @"
    no findings

    <sub>The findings are uploaded to code scanning, which was still processing them at 2027-01-15 08:00 UTC.</sub>
    ");
    assert!(!text(ScanReport::TAKEN).contains("code scanning"));
}
