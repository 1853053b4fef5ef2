//! What is appended comes back.

use gatewright_core::report::{Conclusion, ReportKey};
use gatewright_core::run::RunEvent;
use gatewright_core::store::Store;
use gatewright_core::verdict::{Annotation, AnnotationLevel, Exit, LogRef, StepOutcome, Verdict, VerdictStatus};
use gatewright_core::{BlobId, GateName};

use crate::bed::{Bed, Wanted, at, noise};

with_every_driver!(a_journal_comes_back_as_it_was_appended, large_events_come_back_as_they_were_appended);

/// The end of a step with so many bytes of words, which do not compress.
pub(crate) fn step_finished(log: Option<BlobId>, words: usize) -> RunEvent {
    let gate: GateName = "tests".parse().unwrap();
    let summary: String = noise(words as u64, words).iter().map(|byte| char::from(b' ' + byte % 90)).collect();
    let mut verdict = Verdict::plain(VerdictStatus::Failed, "2 failed", summary);
    verdict.annotations.push(Annotation {
        path: "src/lib.rs".to_owned(),
        start_line: 1,
        end_line: 2,
        column: None,
        level: AnnotationLevel::Failure,
        title: "it fails".to_owned(),
        message: "left: 1, right: 2".to_owned(),
    });
    let log = log.map(|blob| LogRef { blob, bytes: 5, dropped_bytes: 0 });
    let outcome = StepOutcome { log, duration_ms: 12, ..StepOutcome::of(Exit::Code { code: 1 }, verdict) };
    RunEvent::StepFinished { gate, outcome: Box::new(outcome) }
}

async fn a_journal_comes_back_as_it_was_appended(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let lease = bed.lease(1).await.unwrap().lease;
    let gate: GateName = "tests".parse().unwrap();
    let appends = [
        vec![RunEvent::Resumed { attempt: 1, worker: "worker".to_owned() }],
        vec![RunEvent::StepStarted { gate: gate.clone(), attempt: 1 }, RunEvent::PublishBegun { key: ReportKey::Gate(gate) }],
        vec![step_finished(None, 10), RunEvent::Finished { conclusion: Conclusion::Failure }],
    ];
    let mut seq = 1;
    for (n, events) in appends.iter().enumerate() {
        bed.store.append(&lease, seq, events, at(2 + n as i64)).await.unwrap();
        seq += events.len() as u64;
    }
    let (record, journal) = bed.store.journal(run).await.unwrap();
    assert_eq!((record.seq, record.updated_at), (6, at(4)));
    assert_eq!(journal.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(journal.iter().map(|entry| entry.at).collect::<Vec<_>>(), [0, 2, 3, 3, 4, 4].map(at));
    let events: Vec<RunEvent> = journal.into_iter().skip(1).map(|entry| entry.event).collect();
    assert_eq!(events, appends.concat());
}

async fn large_events_come_back_as_they_were_appended(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let lease = bed.lease(1).await.unwrap().lease;
    let sizes = [10_000, 30_000, 200_000, 1_000_000];
    for (seq, words) in (1..).zip(sizes) {
        bed.store.append(&lease, seq, &[step_finished(None, words)], at(2)).await.unwrap();
    }
    let (_, journal) = bed.store.journal(run).await.unwrap();
    for (entry, words) in journal[1..].iter().zip(sizes) {
        assert!(entry.event == step_finished(None, words), "{words}");
    }
    assert_eq!(journal.len(), 5);
}
