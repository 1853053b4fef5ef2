use gatewright_core::agent::inputs::Inputs;
use gatewright_core::config::{Pipeline, parse};
use gatewright_core::event::User;
use gatewright_core::forge::{Permission, PullState, Standing};
use gatewright_core::order::{Order, Ordered};
use gatewright_core::run::{Call, JournalEntry, RulingOutcome, RunEvent, Signal, SignalTarget};
use gatewright_core::{CommitId, ForgeKind, RepoRef, Timestamp};
use insta::assert_snapshot;

use super::*;
use crate::commands::may::Rules;
use crate::commands::{self, Case};

const FILE: &str = "image: a\ngates: { tests: { run: x } }\nagents: { fix: {}, care: { on: { command: do }, steps: [coder] } }\n";

fn head() -> CommitId {
    "a1b2c3d".repeat(6)[..40].parse().expect("a commit")
}

fn user(id: u64) -> User {
    User { id, login: format!("user{id}") }
}

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a time")
}

/// How things stand, and who says something.
struct Stand {
    repo: RepoRef,
    about: Subject,
    pull: PullState,
    by: User,
    standing: Standing,
    rules: Rules,
    pipelines: Vec<Pipeline>,
    agents: Vec<Run>,
    orders: Vec<Order>,
    busy: bool,
}

impl Stand {
    fn new() -> Self {
        let head = head();
        Stand {
            repo: RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: None },
            about: Subject::Pull { number: 7 },
            pull: PullState {
                number: 7,
                open: true,
                base: head.clone(),
                head,
                fork: false,
                base_ref: "main".to_owned(),
                head_ref: "topic".to_owned(),
                author: user(1),
                title: String::new(),
            },
            by: user(2),
            standing: Standing { permission: Permission::Write, login: "user2".to_owned(), bot: false, teams: Vec::new() },
            rules: Rules::Written(Default::default()),
            pipelines: parse(FILE).expect("a file").agents,
            agents: Vec::new(),
            orders: Vec::new(),
            busy: false,
        }
    }

    /// A pipeline that was started so many minutes ago.
    fn with_agents(mut self, minutes_ago: i64, over: bool) -> Self {
        let spec = AgentSpec {
            trigger: Trigger::Command { name: CommandName::Fix },
            task: "x".to_owned(),
            inputs: Inputs::new(),
            head: None,
            by: None,
            triggered_at: now(),
        };
        let subject = Subject::Agents { about: Box::new(self.about.clone()) };
        let spec = RunSpec { repo: self.repo.clone(), subject, work: Work::Agent(spec) };
        let at = now() - SignedDuration::from_mins(minutes_ago);
        let journal = [JournalEntry { seq: 0, at, event: RunEvent::Created { spec: spec.into() } }];
        let mut run = Run::replay(RunId::new(), &journal).expect("a run");
        run.finished = over.then_some((gatewright_core::report::Conclusion::Success, at));
        self.agents.push(run);
        self
    }

    fn say(&self, words: &str) -> RulingOutcome {
        let mut words = words.split_whitespace().map(str::to_owned);
        let call = Call { name: words.next().expect("a command"), args: words.collect() };
        let case = Case {
            run: RunId::new(),
            now: now(),
            repo: &self.repo,
            about: &self.about,
            by: &self.by,
            said_at: now(),
            said_about: None,
            by_button: false,
            head: &self.pull.head,
            pull: Some(&self.pull),
            standing: &self.standing,
            rules: &self.rules,
            gates: &[],
            latest: None,
            head_since: None,
            queued: &[],
            busy: self.busy,
            pipelines: &self.pipelines,
            agents: &self.agents,
            orders: &self.orders,
            environments: &[],
            tags: &[],
        };
        commands::rule(&case, &call).outcome
    }

    /// The pipeline's run that this starts.
    fn started(&self, words: &str) -> (Subject, AgentSpec) {
        match self.say(words) {
            RulingOutcome::Granted { deed, .. } => {
                let Some(NewRun { spec: RunSpec { subject, work: Work::Agent(spec), .. }, .. }) = deed.run else {
                    panic!("no agents")
                };
                (subject, spec)
            }
            RulingOutcome::Refused { because } => panic!("refused: {because}"),
        }
    }

    fn refused(&self, words: &str) -> String {
        match self.say(words) {
            RulingOutcome::Granted { means, .. } => panic!("granted: {means}"),
            RulingOutcome::Refused { because } => because,
        }
    }
}

#[test]
fn the_words_of_the_command_are_the_task() {
    let (subject, spec) = Stand::new().started("do count from zero, please");
    assert_eq!(subject, Subject::Agents { about: Box::new(Subject::Pull { number: 7 }) });
    let wanted = AgentSpec {
        trigger: Trigger::Command { name: CommandName::Do },
        task: "count from zero, please".to_owned(),
        inputs: Inputs::new(),
        head: Some(head()),
        by: Some(user(2)),
        triggered_at: now(),
    };
    assert_eq!(spec, wanted);
    assert_eq!(Stand::new().started("fix the tests").1.task, "the tests");
    assert_eq!(Stand::new().started("fix").1.task, "Find out why gates fail on this pull request, and mend it.");
}

#[test]
fn inputs_stand_before_the_text_and_what_is_wrong_with_them_is_said_at_once() {
    let file = "image: a\ngates: { t: { run: x } }\nagents:\n  fix: { inputs: { focus: { options: [speed, safety], default: safety } } }\n  \
                care: { on: { command: do }, steps: [coder], inputs: { area: { description: where to look } } }\n";
    let stand = Stand { pipelines: parse(file).expect("a file").agents, ..Stand::new() };
    let given = |words: &str| {
        let spec = stand.started(words).1;
        (spec.inputs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "), spec.task)
    };
    assert_eq!(given("fix focus=speed the tests"), ("focus=speed".to_owned(), "the tests".to_owned()));
    assert_eq!(given("fix focus=speed").1, "Find out why gates fail on this pull request, and mend it.");
    assert_eq!(given("fix the tests"), (String::new(), "the tests".to_owned()), "the default is the file's to say");
    assert_eq!(given("do area=\"the first floor\" sweep").0, "area=the first floor");
    assert_snapshot!(stand.refused("fix focus=beauty"), @"the input `focus` is one of `speed` and `safety`.");
    assert_snapshot!(stand.refused("do sweep"), @"the input `area` (where to look) has to be given, as `area=...`.");
    assert_snapshot!(stand.refused("do area=all"), @"say behind the inputs what is to be done.");
    assert_snapshot!(stand.refused("fix fokus=speed"), @"the pipeline has no input `fokus`; did you mean `focus`?");
}

#[test]
fn a_review_stays_one_whatever_else_is_said() {
    let pipelines = parse("image: a\ngates: { t: { run: x } }\nagents: { review: {} }\n").expect("a file").agents;
    let stand = Stand { pipelines, ..Stand::new() };
    assert_eq!(stand.started("review").1.task, "Review this pull request.");
    assert_eq!(stand.started("review the locking").1.task, "Review this pull request. Look above all at this: the locking");
}

#[test]
fn a_command_that_starts_nothing_says_what_to_write() {
    let stand = Stand::new();
    assert_snapshot!(stand.refused("review"), @"no pipeline is started by it. Add `agents: { review: {} }` to `.gatewright.yml` on the base branch.");
    assert_snapshot!(stand.refused("do"), @"it is written `/gw do TEXT`.");
    let none = Stand { pipelines: Vec::new(), ..Stand::new() };
    let told = none.refused("do it");
    assert_snapshot!(told, @"no pipeline is started by it. Add `agents: { help: { on: { command: do }, steps: [coder, verify] } }` to `.gatewright.yml` on the base branch.");
    let lines = told.split('`').nth(1).expect("the lines");
    let file = parse(&format!("image: a\ngates: {{ t: {{ run: x }} }}\n{lines}\n")).expect("the lines are right");
    assert_eq!(file.agents[0].on.command, Some(CommandName::Do));
}

#[test]
fn agents_never_work_on_a_fork_that_nobody_has_approved_at_this_commit() {
    let pull = PullState { fork: true, ..Stand::new().pull };
    let fork = Stand { pull, ..Stand::new() };
    assert_snapshot!(fork.refused("fix"), @"this comes from a fork, and a1b2c3d is not approved. Look at it, then write `/gw approve a1b2c3d`.");
    let approval = |commit: CommitId| Order { by: user(3), at: now(), run: RunId::new(), what: Ordered::Approval { commit } };
    let other = Stand { orders: vec![approval("0".repeat(40).parse().expect("a commit"))], ..fork };
    assert!(other.refused("fix").contains("is not approved"));
    let approved = Stand { orders: vec![approval(head())], ..other };
    assert_eq!(approved.started("fix").1.head, Some(head()));
}

#[test]
fn who_may_only_read_starts_no_agents() {
    let standing = Standing { permission: Permission::Read, ..Stand::new().standing };
    let reader = Stand { standing, ..Stand::new() };
    for words in ["fix", "review", "do x"] {
        assert!(reader.refused(words).contains("it is for those who may write to the repository"), "{words}");
    }
    let author = Stand { by: user(1), ..reader };
    assert!(author.refused("fix").contains("may not give this command"), "the author is nobody special");
}

#[test]
fn a_closed_pull_request_is_left_alone() {
    let pull = PullState { open: false, ..Stand::new().pull };
    assert_snapshot!(Stand { pull, ..Stand::new() }.refused("fix"), @"it is closed. Reopen it first.");
}

#[test]
fn one_pipeline_works_at_a_time_and_ten_an_hour() {
    let told = Stand::new().with_agents(70, true).with_agents(1, false).refused("fix");
    assert!(told.starts_with("agents are at work here already (getting ready; run "), "{told}");
    let many = (0..STARTS_PER_HOUR).fold(Stand::new(), |stand, _| stand.with_agents(30, true));
    assert_snapshot!(many.refused("fix"), @"10 pipelines were started here within an hour. Look at what they came to first.");
    let earlier = (0..STARTS_PER_HOUR).fold(Stand::new(), |stand, _| stand.with_agents(61, true));
    earlier.started("fix");
}

#[test]
fn cancel_stops_gates_and_agents() {
    let keys = |stand: &Stand| match stand.say("cancel") {
        RulingOutcome::Granted { deed, .. } => deed
            .signals
            .into_iter()
            .map(|(target, signal)| match (target, signal) {
                (SignalTarget::Subject { key, .. }, Signal::Cancel { .. }) => key,
                (target, signal) => panic!("{target:?} {signal:?}"),
            })
            .collect::<Vec<_>>(),
        RulingOutcome::Refused { because } => vec![because],
    };
    assert_eq!(keys(&Stand::new()), ["nothing runs here."]);
    assert_eq!(keys(&Stand::new().with_agents(1, true)), ["nothing runs here."]);
    assert_eq!(keys(&Stand::new().with_agents(1, false)), ["github/1/pull/7/agents"]);
    let both = Stand { busy: true, ..Stand::new().with_agents(1, false) };
    assert_eq!(keys(&both), ["github/1/pull/7", "github/1/pull/7/agents"]);
}
