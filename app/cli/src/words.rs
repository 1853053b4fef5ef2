//! Runs and their journals in words, for the command line and the run's page. Text from outside is not yet made harmless
//! here: whoever shows it does that.

pub(crate) mod agent;
pub(crate) mod figures;
mod release;

use gatewright_core::Timestamp;
use gatewright_core::order::{Order, OrderChange, OrderKey, Ordered};
use gatewright_core::report::{ProtectionAnswer, ReportKey};
use gatewright_core::run::{
    Again, Call, CancelReason, Cause, CommandSpec, Look, NoticeEvent, PermitEvent, Preparation, Prepared, RolloutEvent, Ruled,
    RulingOutcome, RunEvent, RunSpec, Signal, Step, StepState, Work,
};
use gatewright_core::store::RunState;
use gatewright_core::verdict::Exit;

/// A run's state in one word or two.
pub(crate) fn state(state: &RunState, now: Timestamp) -> &'static str {
    match state {
        RunState::Ready { ready_at } if *ready_at > now => "waiting",
        RunState::Ready { .. } => "ready",
        RunState::Leased { .. } => "running",
        RunState::Finished { conclusion } => conclusion.as_str(),
        RunState::SetAside { .. } => "set aside",
    }
}

/// A time to the second, in UTC.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A span of time as people say it.
pub(crate) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => format!("{} min {:02} s", ms / 60_000, ms / 1000 % 60),
    }
}

/// What a run is to do: `octo/app #7 at abc1234 (opened)`.
pub(crate) fn spec(spec: &RunSpec) -> String {
    match &spec.work {
        Work::Gates(gates) => format!("{} {} at {} ({})", spec.repo, spec.subject, gates.head.short(), cause(&gates.cause)),
        Work::Command(command) => format!("{} {}: {}", spec.repo, spec.subject, said(command)),
        Work::Release(of) => format!("{} {}", spec.repo, release::spec(of)),
        Work::Rollout(of) => format!("{} {}", spec.repo, release::rollout_spec(of)),
        Work::Agent(of) => format!("{} {} ({})", spec.repo, spec.subject, agent::trigger(of)),
        Work::Permit(of) => {
            format!("{} workflow run {} waits for leave to deploy to {}", spec.repo, of.workflow_run, of.environment)
        }
        Work::Notice(of) => format!("{} notice to {}: {}", spec.repo, of.channels.join(", "), of.notice.title),
    }
}

/// What somebody has said.
fn said(command: &CommandSpec) -> String {
    let call = |call: &Call| gatewright_engine::commands::parse::written(call);
    let calls: Vec<String> = command.calls.iter().map(call).collect();
    format!("{} says {}", command.by.login, calls.join("; "))
}

/// Why a run was started.
pub(crate) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Opened => "opened".to_owned(),
        Cause::Updated => "updated".to_owned(),
        Cause::MergeQueue => "merge queue".to_owned(),
        Cause::Pushed => "pushed".to_owned(),
        Cause::Rerequested { by } => format!("asked for again by {}", by.login),
        Cause::Commanded { by, command } => format!("{command}, by {}", by.login),
        Cause::CaughtUp => "its delivery never arrived".to_owned(),
        Cause::Released { run } => format!("for the release of run {run}"),
    }
}

/// An event's name with its action, where it has one: `issue_comment.created`.
pub(crate) fn event_name(name: &str, action: Option<&str>) -> String {
    match action {
        Some(action) if !action.is_empty() => format!("{name}.{action}"),
        Some(_) | None => name.to_owned(),
    }
}

/// As [`event`], for those who have nothing to do with the machine: not where the service runs.
pub(crate) fn event_in_public(event: &RunEvent) -> String {
    if let RunEvent::Resumed { attempt, .. } = event {
        return format!("taken up, attempt {attempt}");
    }
    if let RunEvent::Rollout { event } = event
        && let RolloutEvent::Measured { look, finding } = event.as_ref()
        && look.unmeasured.is_some()
    {
        // Why a source could not be read says where it is.
        let look = Look { unmeasured: Some("a source could not be read".to_owned()), ..(**look).clone() };
        return release::rollout_event(&RolloutEvent::Measured { look: Box::new(look), finding: finding.clone() });
    }
    self::event(event)
}

/// A journal's event as a sentence.
pub(crate) fn event(event: &RunEvent) -> String {
    match event {
        RunEvent::Created { spec: of } => format!("accepted: {}", spec(of)),
        RunEvent::Resumed { attempt, worker } => format!("taken by {worker}, attempt {attempt}"),
        RunEvent::Signalled { signal: Signal::Cancel { reason }, .. } => format!("told to stop: {}", reason_words(reason)),
        RunEvent::Signalled { signal: Signal::Order { change }, .. } => format!("told: {}", change_words(change)),
        RunEvent::Signalled { signal: Signal::Release { word }, .. } => release::word(word),
        RunEvent::Signalled { signal: Signal::Rollout { word }, .. } => release::rollout_word(word),
        RunEvent::Release { event } => release::event(event),
        RunEvent::Rollout { event } => release::rollout_event(event),
        RunEvent::Agent { event } => agent::event(event),
        RunEvent::Permit { event: PermitEvent::Looked { answer, because, .. } } => {
            let word = match answer {
                ProtectionAnswer::Approved => "may deploy",
                ProtectionAnswer::Rejected => "may not deploy",
                ProtectionAnswer::NotYet => "may not deploy yet",
            };
            format!("{word}: {because}")
        }
        RunEvent::Notice { event: NoticeEvent::Sent { channel } } => format!("{channel} was told"),
        RunEvent::Notice { event: NoticeEvent::Failed { channel, because, again: Again::Never } } => {
            format!("{channel} will not be told: {because}")
        }
        RunEvent::Notice { event: NoticeEvent::Failed { channel, because, again: Again::After(_) } } => {
            format!("{channel} was not told: {because}")
        }
        RunEvent::Prepared { prepared: of } => prepared(of),
        RunEvent::StepStarted { gate, attempt: 1 } => format!("gate {gate} started"),
        RunEvent::StepStarted { gate, attempt } => format!("gate {gate} started, try {attempt}"),
        RunEvent::StepFinished { gate, outcome } => {
            let (word, title) = (outcome.verdict.status.words(), &outcome.verdict.title);
            format!("gate {gate} {word}: {title} ({}, {})", exit(&outcome.exit), span(outcome.duration_ms))
        }
        RunEvent::Ruled { ruled: of } => ruled(of),
        RunEvent::Obeyed => "done, as it was ruled".to_owned(),
        RunEvent::PublishBegun { key } => format!("publishing {}", report(key)),
        RunEvent::Published { key, id, .. } => format!("{} is shown (id {id})", report(key)),
        RunEvent::PublishRefused { key, cause, .. } => format!("the forge will not show {}: {cause}", report(key)),
        RunEvent::GivenUp { cause } => format!("given up: {cause}"),
        RunEvent::Finished { conclusion } => format!("finished: {}", conclusion.as_str()),
    }
}

fn reason_words(reason: &CancelReason) -> String {
    reason.to_string()
}

fn change_words(change: &OrderChange) -> String {
    match change {
        OrderChange::Set { order } | OrderChange::Take { order } => order_words(order),
        OrderChange::Clear { key: OrderKey::Hold, .. } => "let go again".to_owned(),
        OrderChange::Clear { key, .. } | OrderChange::Yield { key, .. } => {
            format!("{} no longer stands", String::from(key.clone()))
        }
        OrderChange::MovedTo { commit } => format!("the head is {}", commit.short()),
    }
}

fn order_words(order: &Order) -> String {
    let by = &order.by.login;
    match &order.what {
        Ordered::Hold { reason } => format!("held by {by}{}", reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default()),
        Ordered::Approval { commit } => format!("{} approved by {by}", commit.short()),
        Ordered::Skip { gate, reason, .. } => format!("gate {gate} skipped by {by}: {reason}"),
        Ordered::Answer { question, .. } => format!("{by} was answered: {question}"),
        Ordered::Lock => format!("rollout {} has the environment", order.run),
        Ordered::Live { live } => format!("{} is live", live.release.tag),
        Ordered::Freeze { reason, .. } => {
            format!("frozen by {by}{}", reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default())
        }
        Ordered::Arrival { arrival } => format!("{} has arrived: {:?}", arrival.live.release.tag, arrival.outcome),
        Ordered::Drift { drift } if drift.stands() => format!("drift: {}", drift.words()),
        Ordered::Drift { .. } => "no drift any more".to_owned(),
    }
}

fn ruled(ruled: &Ruled) -> String {
    if ruled.rulings.is_empty() {
        return "not answered: a program said it, or what it is about is gone".to_owned();
    }
    let words = ruled.rulings.iter().map(|ruling| match &ruling.outcome {
        RulingOutcome::Granted { means, .. } => format!("{}: {means}", ruling.command),
        RulingOutcome::Refused { because } => format!("{}: refused: {because}", ruling.command),
    });
    words.collect::<Vec<_>>().join("; ")
}

fn prepared(prepared: &Prepared) -> String {
    match &prepared.outcome {
        Preparation::Planned { plan, .. } => {
            let names: Vec<&str> = plan.gates.iter().map(|gate| gate.config.name.as_str()).collect();
            format!("planned: {}", if names.is_empty() { "no gates".to_owned() } else { names.join(", ") })
        }
        Preparation::NoConfig { .. } => "there is no repository file on the base branch".to_owned(),
        Preparation::ConfigBroken { problems } => {
            let first = problems.first().map(|problem| format!(": {problem}")).unwrap_or_default();
            format!("the repository file is broken{first}")
        }
        Preparation::Stale { head } => format!("the commit is no longer the head, {} is", head.short()),
        Preparation::Closed => "the pull request is closed".to_owned(),
        Preparation::NeedsApproval => "it comes from a fork and waits for approval".to_owned(),
        Preparation::Gone { cause } => format!("the repository or the pull request is gone: {cause}"),
    }
}

/// How a command ended.
pub(crate) fn exit(exit: &Exit) -> String {
    match exit {
        Exit::Code { code } => format!("exit {code}"),
        Exit::TimedOut { after_secs } => format!("killed at its limit of {after_secs} s"),
        Exit::OutOfMemory { memory_mib } => format!("killed for want of memory, limit {memory_mib} MiB"),
        Exit::Cancelled => "stopped".to_owned(),
        Exit::NotStarted { cause } => format!("not started: {cause}"),
    }
}

fn report(key: &ReportKey) -> String {
    match key {
        ReportKey::Gate(gate) => format!("the check of {gate}"),
        ReportKey::Scan(gate) => format!("what {gate} found, for code scanning"),
        ReportKey::Aggregate => "the run's check".to_owned(),
        ReportKey::Comment => "the comment".to_owned(),
        ReportKey::Seen => "the reaction that it was seen".to_owned(),
        ReportKey::Answered => "the reaction that says how it went".to_owned(),
        ReportKey::Reply => "the reply".to_owned(),
        ReportKey::Resolved(run) => format!("that the reply of run {run} no longer holds"),
        ReportKey::Release => "the release".to_owned(),
        ReportKey::Asset(name) => format!("the artefact {name}"),
        ReportKey::ReleaseComment => "the release's comment".to_owned(),
        ReportKey::Deployment(environment) => format!("the deployment to {environment}"),
        ReportKey::ProtectionRule => "the answer to the workflow that waits".to_owned(),
        ReportKey::AgentComment => "the agents' comment".to_owned(),
        ReportKey::Proposal => "the pull request that an agent proposes".to_owned(),
        ReportKey::Pushed => "the commit that an agent pushes".to_owned(),
        ReportKey::Issue(n) => format!("issue {} that an agent opens", u16::from(*n) + 1),
    }
}

/// How far a gate is, in a word, and what there is to say of it.
pub(crate) fn step(step: &Step) -> (&'static str, String) {
    match &step.state {
        StepState::Waiting => ("waiting", String::new()),
        StepState::Running { started_at, .. } => ("running", format!("since {}", time(*started_at))),
        StepState::Done { outcome, .. } => {
            let title = &outcome.verdict.title;
            (outcome.verdict.status.words(), format!("{title} ({}, {})", exit(&outcome.exit), span(outcome.duration_ms)))
        }
        StepState::NotRun { because, status, .. } => (status.words(), because.clone()),
        StepState::Carried { verdict: of } => (of.status.words(), format!("{} (of an earlier run)", of.title)),
    }
}
