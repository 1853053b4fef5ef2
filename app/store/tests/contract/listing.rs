//! Lists, filters and pages.

use gatewright_core::RunId;
use gatewright_core::store::{AuditEntry, Phase, RunFilter, RunRecord, Store, StoreUpkeep};

use crate::bed::{Bed, Wanted, at, commit};

with_every_driver!(
    the_newest_run_comes_first,
    filters_let_through_what_meets_all_of_them,
    pages_follow_on_each_other_without_gap_or_overlap,
    the_audit_log_is_read_newest_first,
    deliveries_are_listed_newest_first,
);

fn ids(records: &[RunRecord]) -> Vec<RunId> {
    records.iter().map(|record| record.id).collect()
}

async fn the_newest_run_comes_first(bed: Bed) {
    let first = bed.start(Wanted::by("a")).await;
    let second = bed.start(Wanted::by("b")).await;
    assert_eq!(ids(&bed.store.list(&RunFilter::default(), 10).await.unwrap()), [second, first]);
    assert_eq!(ids(&bed.store.list(&RunFilter::default(), 1).await.unwrap()), [second]);
    assert_eq!(bed.store.list(&RunFilter::default(), 0).await.unwrap(), []);
}

/// Every combination of what a filter can name, compared with filtering the whole list.
async fn filters_let_through_what_meets_all_of_them(bed: Bed) {
    for n in 0..24_u64 {
        let delivery = n.to_string();
        let commit = if n % 5 == 0 { 'a' } else { 'b' };
        bed.start(Wanted { repo: n % 2, pull: n % 3, commit, second: n as i64, ..Wanted::by(&delivery) }).await;
    }
    for second in 30..40 {
        bed.finish_next(second).await;
    }
    bed.lease(40).await.unwrap();

    let all = bed.store.list(&RunFilter::default(), 100).await.unwrap();
    assert_eq!(all.len(), 24);
    let finished = |r: &RunRecord| matches!(r.state, gatewright_core::store::RunState::Finished { .. });
    assert_eq!(all.iter().filter(|r| finished(r)).count(), 10);
    for repo in [None, Some("github/0".to_owned()), Some("github/7".to_owned())] {
        for subject in [None, Some("github/0/pull/1".to_owned())] {
            for commit in [None, Some(commit('a')), Some(commit('c'))] {
                for phase in [None, Some(Phase::Open), Some(Phase::Finished), Some(Phase::SetAside)] {
                    for before in [None, Some(all[6].id)] {
                        let filter =
                            RunFilter { repo: repo.clone(), subject: subject.clone(), commit: commit.clone(), phase, before };
                        let wanted = |r: &&RunRecord| {
                            repo.as_ref().is_none_or(|repo| *repo == r.repo.key())
                                && subject.as_ref().is_none_or(|subject| *subject == r.subject)
                                && (commit.is_none() || commit == r.commit)
                                && phase.is_none_or(|phase| phase != Phase::SetAside && finished(r) == (phase == Phase::Finished))
                                && before.is_none_or(|before| r.id < before)
                        };
                        let expected: Vec<RunRecord> = all.iter().filter(wanted).cloned().collect();
                        assert_eq!(bed.store.list(&filter, 100).await.unwrap(), expected, "{filter:?}");
                    }
                }
            }
        }
    }
}

async fn pages_follow_on_each_other_without_gap_or_overlap(bed: Bed) {
    let mut started = Vec::new();
    for n in 0..10 {
        started.push(bed.start(Wanted::by(&n.to_string())).await);
    }
    started.reverse();
    let mut paged = Vec::new();
    let mut filter = RunFilter { repo: Some("github/1".to_owned()), ..RunFilter::default() };
    loop {
        let page = ids(&bed.store.list(&filter, 3).await.unwrap());
        filter.before = page.last().copied().or(filter.before);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, started);
}

async fn the_audit_log_is_read_newest_first(bed: Bed) {
    let entry = |n: i64| AuditEntry {
        at: at(n),
        actor: "operator".to_owned(),
        action: "run.retry".to_owned(),
        target: format!("run {n}"),
        commit: Some(commit('a')),
        outcome: "ready again".to_owned(),
    };
    for n in 0..5 {
        bed.store.audit(&entry(n)).await.unwrap();
    }
    assert_eq!(bed.store.audited(2).await.unwrap(), [entry(4), entry(3)]);
    assert_eq!(bed.store.audited(100).await.unwrap().len(), 5);
}

async fn deliveries_are_listed_newest_first(bed: Bed) {
    for (delivery, second) in [("late", 9), ("early", 1), ("middle", 5)] {
        bed.start(Wanted { second, ..Wanted::by(delivery) }).await;
    }
    let listed = bed.store.deliveries(2).await.unwrap();
    assert_eq!(listed.iter().map(|d| d.id.guid()).collect::<Vec<_>>(), ["late", "middle"]);
}
