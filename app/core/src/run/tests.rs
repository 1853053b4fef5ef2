//! Behaviour of the state machine.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::config::{Checkout, GateConfig, When};
use crate::event::{CommentPlace, CommentRef, User};
use crate::forge::PullState;
use crate::ids::{ForgeKind, GateName, RepoRef, Subject};
use crate::order::{Order, OrderChange, OrderKey, Ordered};
use crate::plan::{Applies, Plan, PlannedGate};
use crate::report::{Known, ScanReport};
use crate::verdict::{Exit, StepOutcome, Verdict, VerdictStatus};

mod releases;

fn now(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

fn gate(name: &str, needs: &[&str]) -> PlannedGate {
    let config = GateConfig {
        name: name.parse().expect("valid"),
        image: "image".to_owned(),
        run: Some("true".to_owned()),
        env: BTreeMap::new(),
        needs: needs.iter().map(|need| need.parse().expect("valid")).collect(),
        when: When::default(),
        timeout_secs: None,
        junit: Vec::new(),
        tests: Vec::new(),
        retries: 0,
        coverage: Vec::new(),
        coverage_of: Vec::new(),
        coverage_counted: false,
        outputs: Vec::new(),
        cache: None,
        findings: Vec::new(),
        code_scanning: false,
        benchmark: crate::config::Benchmark::default(),
        policy: crate::config::Policy::default(),
        require: crate::config::Require::default(),
        network: false,
        required: true,
        line: 1,
        checkout: Checkout::default(),
    };
    PlannedGate { config, applies: Applies::Yes }
}

fn replayed(subject: Subject, work: Work) -> Run {
    let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: Some(1) };
    let spec = Box::new(RunSpec { repo, subject, work });
    let journal = [JournalEntry { seq: 0, at: now(0), event: RunEvent::Created { spec } }];
    Run::replay(RunId::new(), &journal).expect("a journal of one entry")
}

fn head() -> crate::ids::CommitId {
    "a".repeat(40).parse().expect("valid")
}

fn created() -> Run {
    created_with(None)
}

/// A run of these gates only.
fn created_with(only: Option<Vec<GateName>>) -> Run {
    let spec = GatesSpec { only, ..GatesSpec::of(head(), "main".to_owned(), Cause::Opened) };
    replayed(Subject::Pull { number: 7 }, Work::Gates(spec))
}

fn gates(run: &Run) -> &Gates {
    run.gates().expect("it runs gates")
}

/// A change of orders, as the `n`th signal of a run.
fn told(n: u64, what: Ordered) -> RunEvent {
    let order = Order { by: User { id: 2, login: "alice".to_owned() }, at: now(1), run: RunId::new(), what };
    RunEvent::Signalled { n, signal: Signal::Order { change: OrderChange::Set { order } } }
}

fn skip(gate: &str) -> Ordered {
    Ordered::Skip { gate: gate.parse().expect("valid"), commit: head(), reason: "known to be broken".to_owned() }
}

fn prepared(outcome: Preparation) -> RunEvent {
    let author = crate::event::User { id: 1, login: "octo".to_owned() };
    let head = head();
    let pull = PullState {
        number: 7,
        open: true,
        head_ref: "topic".to_owned(),
        fork: false,
        base_ref: "main".to_owned(),
        base: head.clone(),
        author,
        title: "t".to_owned(),
        head,
    };
    RunEvent::Prepared {
        prepared: Box::new(Prepared {
            pull: Some(pull),
            base: None,
            compared_with: None,
            shown: BTreeMap::new(),
            orders: Vec::new(),
            outcome,
        }),
    }
}

fn planned(gates: Vec<PlannedGate>) -> RunEvent {
    prepared(Preparation::Planned {
        plan: Plan { gates },
        carried: BTreeMap::new(),
        head_problems: Vec::new(),
        base_problems: Vec::new(),
        commands: BTreeMap::new(),
        agents_on: Vec::new(),
    })
}

fn finished(gate: &GateName, status: VerdictStatus) -> RunEvent {
    let verdict = Verdict::plain(status, "title", "summary");
    let outcome = StepOutcome::of(Exit::Code { code: 0 }, verdict);
    RunEvent::StepFinished { gate: gate.clone(), outcome: Box::new(outcome) }
}

fn cancel() -> RunEvent {
    RunEvent::Signalled { n: 1, signal: Signal::Cancel { reason: CancelReason::Closed } }
}

fn wanted(run: &Run) -> Vec<Action> {
    match run.next(Timestamp::UNIX_EPOCH) {
        Next::Perform { actions, .. } => actions,
        Next::Over(_) => Vec::new(),
    }
}

fn claims(run: &Run) -> Vec<String> {
    let claim = |action: Action| match action {
        Action::Claim { gate, .. } => Some(gate.as_str().to_owned()),
        Action::Prepare
        | Action::Execute { .. }
        | Action::Stop { .. }
        | Action::Rule
        | Action::Obey
        | Action::Release(_)
        | Action::Rollout(_)
        | Action::Agent(_)
        | Action::Notice(_)
        | Action::Permit(_)
        | Action::Publish { .. }
        | Action::SetAside { .. }
        | Action::Finish { .. } => None,
    };
    wanted(run).into_iter().filter_map(claim).collect()
}

fn apply(run: &mut Run, events: impl IntoIterator<Item = RunEvent>) {
    for event in events {
        run.apply(now(1), &event).expect("possible");
    }
}

fn start(name: &str, attempt: u32) -> RunEvent {
    RunEvent::StepStarted { gate: name.parse().expect("valid"), attempt }
}

#[test]
fn a_gate_starts_once_what_it_needs_has_passed() {
    let mut run = created();
    assert_eq!(wanted(&run), [Action::Prepare]);
    apply(&mut run, [planned(vec![gate("build", &[]), gate("tests", &["build"])])]);
    assert_eq!(claims(&run), ["build"]);
    apply(&mut run, [start("build", 1), finished(&"build".parse().expect("valid"), VerdictStatus::Passed)]);
    assert_eq!(claims(&run), ["tests"]);
}

#[test]
fn what_needs_a_failed_gate_is_skipped_and_the_run_fails() {
    let mut run = created();
    apply(&mut run, [planned(vec![gate("a", &[]), gate("b", &["a"]), gate("c", &["b"])])]);
    apply(&mut run, [start("a", 1), finished(&"a".parse().expect("valid"), VerdictStatus::Failed)]);
    let statuses: Vec<_> = gates(&run).steps.iter().map(Step::status).collect();
    assert_eq!(statuses, [Some(VerdictStatus::Failed), Some(VerdictStatus::Skipped), Some(VerdictStatus::Skipped)]);
    assert_eq!(run.conclusion(), Conclusion::Failure);
}

#[test]
fn an_advisory_gate_fails_alone() {
    let mut advisory = gate("a", &[]);
    advisory.config.required = false;
    let mut run = created();
    apply(&mut run, [planned(vec![advisory]), start("a", 1), finished(&"a".parse().expect("valid"), VerdictStatus::Failed)]);
    assert_eq!(run.conclusion(), Conclusion::Success);
}

#[test]
fn a_required_gate_that_never_ran_for_want_of_an_advisory_one_is_no_pass() {
    let mut advisory = gate("a", &[]);
    advisory.config.required = false;
    let mut run = created();
    apply(&mut run, [planned(vec![advisory, gate("b", &["a"]), gate("c", &["b"])])]);
    apply(&mut run, [start("a", 1), finished(&"a".parse().expect("valid"), VerdictStatus::Failed)]);
    let statuses: Vec<_> = gates(&run).steps.iter().map(Step::status).collect();
    assert_eq!(statuses, [Some(VerdictStatus::Failed), Some(VerdictStatus::Errored), Some(VerdictStatus::Skipped)]);
    assert_eq!(run.conclusion(), Conclusion::Failure);
}

#[test]
fn a_gate_that_does_not_apply_is_shown_as_skipped_and_lets_others_go_on() {
    let mut none = gate("a", &[]);
    none.applies = Applies::No { because: "no changed file matches".to_owned() };
    let mut run = created();
    apply(&mut run, [planned(vec![none, gate("b", &["a"])])]);
    assert_eq!(claims(&run), ["b"]);
    let status = gates(&run).gate_status(&gates(&run).steps[0]);
    assert!(matches!(status, crate::report::CheckStatus::Completed { conclusion: Conclusion::Skipped, .. }), "{status:?}");
}

#[test]
fn a_step_that_a_crash_interrupted_runs_again_as_the_next_try() {
    let mut run = created();
    apply(&mut run, [planned(vec![gate("a", &[])]), start("a", 1)]);
    apply(&mut run, [RunEvent::Resumed { attempt: 2, worker: "w".to_owned() }]);
    assert!(wanted(&run).contains(&Action::Claim { gate: "a".parse().expect("valid"), attempt: 2 }));
    assert!(run.apply(now(2), &start("a", 1)).is_err(), "a try is counted once");
}

#[test]
fn a_check_whose_making_was_cut_short_is_looked_for_before_it_is_made() {
    let mut run = created();
    apply(&mut run, [planned(vec![gate("a", &[])])]);
    let known = |run: &Run, key: &ReportKey| {
        wanted(run).into_iter().find_map(|action| match action {
            Action::Publish { key: of, known, .. } if of == *key => Some(known),
            Action::Publish { .. }
            | Action::Prepare
            | Action::Claim { .. }
            | Action::Execute { .. }
            | Action::Stop { .. }
            | Action::Rule
            | Action::Obey
            | Action::Release(_)
            | Action::Rollout(_)
            | Action::Agent(_)
            | Action::Notice(_)
            | Action::Permit(_)
            | Action::SetAside { .. }
            | Action::Finish { .. } => None,
        })
    };
    assert_eq!(known(&run, &ReportKey::Aggregate), Some(Known::Never));
    assert_eq!(known(&run, &ReportKey::Comment), Some(Known::Maybe), "an earlier run may have made the comment");
    apply(&mut run, [RunEvent::PublishBegun { key: ReportKey::Aggregate }]);
    assert_eq!(known(&run, &ReportKey::Aggregate), Some(Known::Maybe));
    let (_, digest) = run.wanted().into_iter().find(|(key, _)| *key == ReportKey::Aggregate).expect("wanted");
    apply(&mut run, [RunEvent::Published { key: ReportKey::Aggregate, digest, id: 5 }]);
    assert_eq!(known(&run, &ReportKey::Aggregate), None, "it shows what it should");
    apply(&mut run, [start("a", 1)]);
    assert_eq!(known(&run, &ReportKey::Aggregate), Some(Known::Id(5)));
}

#[test]
fn a_superseded_run_stops_its_steps_and_leaves_the_comment_to_the_newer_one() {
    let mut run = created();
    apply(&mut run, [planned(vec![gate("a", &[]), gate("b", &[])]), start("a", 1)]);
    let reason = CancelReason::Superseded { by: RunId::new(), commit: "b".repeat(40).parse().expect("valid") };
    apply(&mut run, [RunEvent::Signalled { n: 1, signal: Signal::Cancel { reason } }]);
    assert!(wanted(&run).contains(&Action::Stop { gate: "a".parse().expect("valid") }));
    assert!(claims(&run).is_empty());
    assert!(run.wanted().iter().all(|(key, _)| *key != ReportKey::Comment));
    assert_eq!(run.conclusion(), Conclusion::Cancelled);
}

#[test]
fn a_pull_request_that_is_merged_right_after_its_gates_passed_keeps_their_verdict() {
    let mut run = created();
    apply(
        &mut run,
        [planned(vec![gate("a", &[])]), start("a", 1), finished(&"a".parse().expect("valid"), VerdictStatus::Passed)],
    );
    apply(&mut run, [cancel()]);
    assert_eq!(run.conclusion(), Conclusion::Success);
}

#[test]
fn a_run_that_is_not_about_the_head_leaves_no_trace() {
    let mut run = created();
    apply(&mut run, [prepared(Preparation::Stale { head: "b".repeat(40).parse().expect("valid") })]);
    assert_eq!(wanted(&run), [Action::Finish { conclusion: Conclusion::Cancelled }]);
}

#[test]
fn a_fork_waits_for_approval_and_runs_nothing() {
    let mut run = created();
    apply(&mut run, [prepared(Preparation::NeedsApproval)]);
    assert!(claims(&run).is_empty());
    assert_eq!(run.conclusion(), Conclusion::ActionRequired);
}

#[test]
fn a_run_that_is_given_up_says_so_on_the_forge_and_goes_on_when_it_is_tried_again() {
    let mut run = created();
    apply(&mut run, [planned(vec![gate("a", &[])]), start("a", 1), RunEvent::GivenUp { cause: "tried 5 times".to_owned() }]);
    assert_eq!(run.conclusion(), Conclusion::Failure);
    for (key, digest) in run.wanted() {
        assert!(wanted(&run).iter().all(|action| matches!(action, Action::Publish { .. })));
        apply(&mut run, [RunEvent::PublishBegun { key: key.clone() }, RunEvent::Published { key, digest, id: 1 }]);
    }
    assert_eq!(wanted(&run), [Action::SetAside { cause: "tried 5 times".to_owned() }]);
    let status = gates(&run).gate_status(&gates(&run).steps[0]);
    assert!(matches!(status, crate::report::CheckStatus::Completed { conclusion: Conclusion::Failure, .. }), "{status:?}");
    apply(&mut run, [RunEvent::Resumed { attempt: 1, worker: "w".to_owned() }]);
    assert_eq!(claims(&run), ["a"]);
}

#[test]
fn findings_are_given_to_code_scanning_once_where_the_forge_takes_them() {
    let scanned = |fork: bool, forge: ForgeKind| {
        let mut run = created();
        run.repo.forge = forge;
        let mut planned = planned(vec![gate("a", &[])]);
        if let RunEvent::Prepared { prepared } = &mut planned
            && let Some(pull) = &mut prepared.pull
        {
            pull.fork = fork;
        }
        let mut over = finished(&"a".parse().expect("valid"), VerdictStatus::Failed);
        if let RunEvent::StepFinished { outcome, .. } = &mut over {
            outcome.scan = Some(crate::ids::BlobId::of(b"sarif"));
        }
        apply(&mut run, [planned, start("a", 1), over]);
        run
    };
    let scans = |run: &Run| run.wanted().into_iter().filter(|(key, _)| matches!(key, ReportKey::Scan(_))).collect::<Vec<_>>();
    let mut run = scanned(false, ForgeKind::Github);
    let shown = |run: &Run| run.wanted().into_iter().find(|(key, _)| matches!(key, ReportKey::Gate(_)));
    let mut untaken = run.clone();
    let [(key, digest)] = scans(&run).try_into().expect("one");
    let refused = RunEvent::PublishRefused { key: key.clone(), digest: digest.clone(), cause: "no".to_owned() };
    apply(&mut untaken, [RunEvent::PublishBegun { key: key.clone() }, refused]);
    assert_ne!(shown(&untaken), shown(&run), "that it was not taken is shown");
    assert_eq!(untaken.scan_refused(&gates(&untaken).steps[0]), Some("no"));
    assert_eq!(String::from(key.clone()), "scan:a");
    assert_eq!(ReportKey::try_from("scan:a".to_owned()).expect("a key"), key);
    let mut open = run.clone();
    let pending = RunEvent::Published { key: key.clone(), digest: digest.clone(), id: ScanReport::PENDING };
    apply(&mut open, [RunEvent::PublishBegun { key: key.clone() }, pending]);
    assert_ne!(shown(&open), shown(&run), "that it is still open is shown");
    assert!(open.scan_pending(&gates(&open).steps[0]).is_some() && scans(&open).len() == 1);
    let taken = RunEvent::Published { key: key.clone(), digest, id: ScanReport::TAKEN };
    let before = shown(&run);
    apply(&mut run, [RunEvent::PublishBegun { key: key.clone() }, taken]);
    assert_eq!(shown(&run), before, "that it was taken is not worth a word");
    let again = |action: &Action| matches!(action, Action::Publish { key: of, .. } if *of == key);
    assert!(!wanted(&run).iter().any(again), "it is given once");
    assert_eq!(scans(&scanned(true, ForgeKind::Github)), [], "a fork's are not taken");
    assert_eq!(scans(&scanned(false, ForgeKind::Gitlab)), [], "there is none");
}

#[test]
fn a_finished_run_takes_nothing_more() {
    let mut run = created();
    apply(&mut run, [cancel(), RunEvent::Finished { conclusion: Conclusion::Cancelled }]);
    assert!(run.apply(now(2), &RunEvent::Resumed { attempt: 1, worker: "w".to_owned() }).is_err());
    assert_eq!(run.next(Timestamp::UNIX_EPOCH), Next::Over(Conclusion::Cancelled));
}

#[test]
fn a_skipped_gate_counts_as_passed_and_what_needs_it_goes_on() {
    let mut run = created();
    apply(&mut run, [planned(vec![gate("a", &[]), gate("b", &["a"])]), told(1, skip("a"))]);
    assert_eq!(claims(&run), ["b"]);
    apply(&mut run, [start("b", 1), finished(&"b".parse().expect("valid"), VerdictStatus::Passed)]);
    assert_eq!(run.conclusion(), Conclusion::Success);
}

#[test]
fn a_gate_that_is_skipped_after_it_failed_is_shown_anew_and_blocks_no_more() {
    let mut run = created();
    let failed = finished(&"a".parse().expect("valid"), VerdictStatus::Failed);
    apply(&mut run, [planned(vec![gate("a", &[])]), start("a", 1), failed]);
    let before = run.wanted();
    assert_eq!(run.conclusion(), Conclusion::Failure);
    apply(&mut run, [told(1, skip("a"))]);
    assert_eq!(run.conclusion(), Conclusion::Success);
    let changed = |key: ReportKey| before.iter().find(|(of, _)| *of == key) != run.wanted().iter().find(|(of, _)| *of == key);
    assert!(
        changed(ReportKey::Gate("a".parse().expect("valid"))) && changed(ReportKey::Aggregate) && changed(ReportKey::Comment)
    );
}

#[test]
fn what_was_skipped_since_another_gate_failed_runs_once_that_one_is_skipped() {
    let mut run = created();
    let failed = finished(&"a".parse().expect("valid"), VerdictStatus::Failed);
    let mut elsewhere = gate("d", &["a"]);
    elsewhere.applies = Applies::No { because: "no file of it has changed".to_owned() };
    let plan = vec![gate("a", &[]), gate("b", &["a"]), gate("c", &["b"]), elsewhere];
    apply(&mut run, [planned(plan), start("a", 1), failed]);
    assert_eq!(claims(&run), Vec::<String>::new());
    apply(&mut run, [told(1, skip("a"))]);
    assert_eq!(claims(&run), ["b"], "the third needs the second, and the fourth does not apply here");
    let failed = finished(&"b".parse().expect("valid"), VerdictStatus::Failed);
    apply(&mut run, [start("b", 1), failed]);
    assert_eq!(run.conclusion(), Conclusion::Failure);
}

#[test]
fn somebody_who_cancels_does_not_stop_the_run_that_shows_what_was_ordered() {
    let by_user = || {
        let reason = CancelReason::User { login: "mallory".to_owned() };
        RunEvent::Signalled { n: 1, signal: Signal::Cancel { reason } }
    };
    let mut run = created_with(Some(Vec::new()));
    apply(&mut run, [by_user()]);
    assert!(matches!(&wanted(&run)[..], [Action::Prepare]), "{:?}", run.next(Timestamp::UNIX_EPOCH));
    let mut run = created();
    apply(&mut run, [by_user()]);
    assert_eq!(run.conclusion(), Conclusion::Cancelled);
}

#[test]
fn a_skip_that_was_given_for_another_commit_changes_nothing() {
    let mut run = created();
    let commit = "b".repeat(40).parse().expect("valid");
    let other = Ordered::Skip { gate: "a".parse().expect("valid"), commit, reason: "old".to_owned() };
    apply(&mut run, [planned(vec![gate("a", &[])]), told(1, other)]);
    assert_eq!(claims(&run), ["a"]);
}

#[test]
fn a_held_pull_request_does_not_pass_until_it_is_let_go() {
    let mut run = created();
    apply(&mut run, [planned(vec![]), told(1, Ordered::Hold { reason: None })]);
    assert_eq!(run.conclusion(), Conclusion::ActionRequired);
    let change = OrderChange::Clear { key: OrderKey::Hold, run: RunId::new() };
    apply(&mut run, [RunEvent::Signalled { n: 2, signal: Signal::Order { change } }]);
    assert_eq!(run.conclusion(), Conclusion::Success);
}

#[test]
fn what_was_read_before_an_order_was_taken_back_does_not_bring_it_back() {
    let by = User { id: 2, login: "alice".to_owned() };
    let order = Order { by, at: now(1), run: RunId::new(), what: Ordered::Hold { reason: None } };
    let change = OrderChange::Clear { key: OrderKey::Hold, run: RunId::new() };
    let mut run = created();
    apply(&mut run, [RunEvent::Signalled { n: 1, signal: Signal::Order { change } }]);
    let RunEvent::Prepared { mut prepared } = planned(vec![]) else { unreachable!("that is what it makes") };
    prepared.orders = vec![order];
    apply(&mut run, [RunEvent::Prepared { prepared }]);
    assert!(!gates(&run).is_held());
}

#[test]
fn a_gate_that_nobody_asked_for_runs_where_no_verdict_stands() {
    let mut unasked = gate("a", &[]);
    unasked.applies = Applies::NotAskedFor;
    let mut run = created();
    apply(&mut run, [planned(vec![unasked, gate("b", &[])])]);
    assert_eq!(claims(&run), ["a", "b"]);
}

fn said(flood: Flood) -> Run {
    let comment = CommentRef { number: 7, id: 9, place: CommentPlace::Conversation };
    let spec = CommandSpec {
        origin: Origin::Comment { comment },
        by: User { id: 2, login: "alice".to_owned() },
        said_at: now(0),
        head: None,
        calls: vec![Call { name: "hold".to_owned(), args: Vec::new() }],
        unread: 0,
        flood,
    };
    replayed(Subject::Commands { about: Box::new(Subject::Pull { number: 7 }) }, Work::Command(spec))
}

fn ruled(outcome: RulingOutcome) -> RunEvent {
    let rulings = vec![Ruling { command: "hold".to_owned(), outcome }];
    RunEvent::Ruled { ruled: Box::new(Ruled { head: Some(head()), rulings, ..Ruled::default() }) }
}

fn wanted_reports(run: &Run) -> Vec<ReportKey> {
    run.wanted().into_iter().map(|(key, _)| key).collect()
}

#[test]
fn a_command_is_seen_at_once_weighed_done_and_only_then_answered() {
    let mut run = said(Flood::No);
    assert_eq!(wanted(&run)[0], Action::Rule);
    assert_eq!(wanted_reports(&run), [ReportKey::Seen]);
    apply(&mut run, [ruled(RulingOutcome::Granted { deed: Box::default(), means: "held".to_owned() })]);
    assert_eq!(wanted(&run)[0], Action::Obey);
    assert_eq!(wanted_reports(&run), [ReportKey::Seen]);
    apply(&mut run, [RunEvent::Obeyed]);
    assert_eq!(wanted_reports(&run), [ReportKey::Seen, ReportKey::Answered]);
    assert_eq!(run.conclusion(), Conclusion::Success);
}

#[test]
fn a_refused_command_gets_a_reply_but_in_a_flood_only_the_first() {
    for (flood, expected) in [
        (Flood::No, vec![ReportKey::Seen, ReportKey::Answered, ReportKey::Reply]),
        (Flood::Begins, vec![ReportKey::Answered, ReportKey::Reply]),
        (Flood::GoesOn, vec![ReportKey::Answered]),
    ] {
        let mut run = said(flood);
        apply(&mut run, [ruled(RulingOutcome::Refused { because: "no".to_owned() }), RunEvent::Obeyed]);
        assert_eq!(wanted_reports(&run), expected);
        assert_eq!(run.conclusion(), Conclusion::Failure);
    }
}

#[test]
fn what_a_program_wrote_is_not_answered() {
    let mut run = said(Flood::No);
    apply(&mut run, [RunEvent::Ruled { ruled: Box::default() }, RunEvent::Obeyed]);
    assert_eq!(wanted_reports(&run), [ReportKey::Seen]);
}

#[test]
fn a_kind_of_run_refuses_what_only_another_kind_does() {
    let mut run = said(Flood::No);
    assert!(run.apply(now(1), &planned(Vec::new())).is_err());
    assert!(run.apply(now(1), &RunEvent::Obeyed).is_err(), "nothing was ruled");
    assert!(created().apply(now(1), &RunEvent::Obeyed).is_err());
}

/// What a driver, a forge or a crash may make happen next.
#[derive(Debug, Clone)]
enum Stroke {
    /// The wanted action of this number ends well.
    Do(usize, bool),
    /// The process dies and another takes the run up.
    Crash,
    /// The run is told to stop.
    Cancel,
    /// Somebody orders something about the subject.
    Order(usize),
    /// The forge refuses the wanted report of this number.
    Refuse(usize),
}

fn stroke() -> impl Strategy<Value = Stroke> {
    prop_oneof![
        12 => (any::<usize>(), prop::bool::weighted(0.7)).prop_map(|(n, passes)| Stroke::Do(n, passes)),
        2 => Just(Stroke::Crash),
        1 => Just(Stroke::Cancel),
        2 => any::<usize>().prop_map(Stroke::Order),
        1 => any::<usize>().prop_map(Stroke::Refuse),
    ]
}

/// What is in the journal once an action has been performed.
fn effects(action: &Action, passes: bool, graph: &[PlannedGate]) -> Vec<RunEvent> {
    let mut events: Vec<RunEvent> = action.begins().into_iter().collect();
    let status = if passes { VerdictStatus::Passed } else { VerdictStatus::Failed };
    events.extend(match action {
        Action::Prepare => Some(planned(graph.to_vec())),
        Action::Claim { gate, attempt } => Some(RunEvent::StepStarted { gate: gate.clone(), attempt: *attempt }),
        Action::Execute { gate, .. } => Some(finished(gate, status)),
        Action::Stop { gate } => Some(finished(gate, VerdictStatus::Cancelled)),
        Action::Rule
        | Action::Obey
        | Action::Release(_)
        | Action::Rollout(_)
        | Action::Agent(_)
        | Action::Notice(_)
        | Action::Permit(_)
        | Action::SetAside { .. } => {
            unreachable!("these runs check commits, and nobody gives them up")
        }
        Action::Publish { key, digest, .. } => Some(RunEvent::Published { key: key.clone(), digest: digest.clone(), id: 1 }),
        Action::Finish { conclusion } => Some(RunEvent::Finished { conclusion: *conclusion }),
    });
    events
}

fn graph() -> impl Strategy<Value = Vec<PlannedGate>> {
    prop::collection::vec((prop::collection::vec(any::<usize>(), 0..3), any::<bool>()), 0..6).prop_map(|gates| {
        let gate = |(index, (needs, applies)): (usize, &(Vec<usize>, bool))| {
            // A gate can only need earlier ones, so there is no cycle; the file's reader refuses those.
            let needs: BTreeSet<String> = needs.iter().filter(|_| index > 0).map(|n| format!("g{}", n % index.max(1))).collect();
            let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
            let mut gate = gate(&format!("g{index}"), &needs);
            if !applies && index % 2 == 0 {
                gate.applies = Applies::No { because: "not here".to_owned() };
            }
            gate
        };
        gates.iter().enumerate().map(gate).collect()
    })
}

proptest! {
    /// Whatever the order in which actions end, whenever the process dies or somebody cancels: the run never wants
    /// nothing while it is open, never refuses what its own actions bring, comes to an end, and then the forge shows what
    /// it should.
    #[test]
    fn every_run_ends_whatever_happens(graph in graph(), strokes in prop::collection::vec(stroke(), 0..60)) {
        let mut run = created();
        let mut journal = Vec::new();
        let mut cancelled = false;
        let mut refused = false;
        let more = std::iter::repeat_with(|| Stroke::Do(0, true)).take(200);
        for stroke in strokes.into_iter().chain(more) {
            let Next::Perform { actions, .. } = run.next(Timestamp::UNIX_EPOCH) else { break };
            prop_assert!(!actions.is_empty(), "open, and nothing to do: {run:?}");
            let events = match stroke {
                Stroke::Do(n, passes) => effects(&actions[n % actions.len()], passes, &graph),
                Stroke::Crash => vec![RunEvent::Resumed { attempt: 2, worker: "w".to_owned() }],
                Stroke::Cancel if cancelled => Vec::new(),
                Stroke::Cancel => {
                    cancelled = true;
                    vec![RunEvent::Signalled { n: run.signals_taken + 1, signal: Signal::Cancel { reason: CancelReason::Closed } }]
                }
                Stroke::Order(0) => vec![told(run.signals_taken + 1, Ordered::Hold { reason: None })],
                Stroke::Order(n) => vec![told(run.signals_taken + 1, skip(&format!("g{}", n % 6)))],
                Stroke::Refuse(n) => match &actions[n % actions.len()] {
                    Action::Publish { key, digest, .. } => {
                        refused = true;
                        let refused = RunEvent::PublishRefused { key: key.clone(), digest: digest.clone(), cause: String::new() };
                        vec![RunEvent::PublishBegun { key: key.clone() }, refused]
                    }
                    other => effects(other, true, &graph),
                },
            };
            for event in events {
                run.apply(now(1), &event).map_err(|e| TestCaseError::fail(e.to_string()))?;
                journal.push(event);
            }
        }
        let (conclusion, _) = run.finished.ok_or_else(|| TestCaseError::fail("it did not end"))?;
        prop_assert_eq!(conclusion == Conclusion::Cancelled, gates(&run).cancel.is_some());
        prop_assert!(cancelled || gates(&run).cancel.is_none());
        for (key, digest) in run.wanted() {
            let shown = run.published.get(&key).and_then(|state| state.shown.as_ref()).map(|(shown, _)| shown);
            prop_assert!(refused || shown == Some(&digest), "{:?} is not shown", key);
        }
        // The same journal gives the same run.
        let mut again = created();
        for event in &journal {
            again.apply(now(1), event).map_err(|e| TestCaseError::fail(e.to_string()))?;
        }
        prop_assert_eq!(again.finished.map(|(c, _)| c), run.finished.map(|(c, _)| c));
        prop_assert_eq!(gates(&again).steps.iter().map(|s| s.state.clone()).collect::<Vec<_>>(), gates(&run).steps.iter().map(|s| s.state.clone()).collect::<Vec<_>>());
    }
}
