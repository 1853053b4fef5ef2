//! Renders what people read on the forge, from a run and the templates in `templates/comments/`.
//!
//! Text that may come from outside is escaped wherever a template shows it, see [`escape()`]; what a gate wrote itself
//! (its summary) is escaped there.

use std::sync::LazyLock;

use gatewright_core::config::{self, Problem};
use gatewright_core::order::{OrderKey, Ordered};
use gatewright_core::report::{
    COMMENT_MARKER, CheckAction, CheckReport, CheckStatus, CommentReport, Conclusion, EXPLAIN, Holds, ProtectionAnswer,
    RERUN_FAILED, Reaction, ReactionReport, Report, ReportKey, SKIP, external_id, reply_marker,
};
use gatewright_core::run::{Command, Gates, Kind, Origin, Preparation, Run, Step, StepState};
use gatewright_core::verdict::{Annotation, AnnotationLevel, VerdictStatus};
use gatewright_core::{GateName, Subject};
use minijinja::{Environment, UndefinedBehavior, Value, context};

use crate::commands::parse::written;

pub(crate) mod agent;
mod escape;
pub(crate) mod release;
pub use escape::escape;
pub(crate) use escape::is_issue;
pub(crate) use release::comment as release_comment;
pub use release::{headline as release_headline, patience_words, words as rollout_words};

/// The name of the aggregate check, and the first part of every other check's.
pub const CHECK_NAME: &str = "gatewright";

/// So many characters of why code scanning has taken nothing are shown.
const REFUSAL_CHARS_MAX: usize = 500;

/// Where checks hold no text, the comment shows that of so many gates; the run's page has the others.
const EVIDENCE_MAX: usize = 10;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = minijinja::syntax::SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("only white space differs from the default"));
    environment.set_formatter(|out, _, value| {
        match value.as_str() {
            Some(text) if !value.is_safe() => out.write_str(&escape(text))?,
            Some(_) | None => write!(out, "{value}")?,
        }
        Ok(())
    });
    for (name, text) in [
        ("gate", include_str!("../../../../templates/comments/gate.md")),
        ("aggregate", include_str!("../../../../templates/comments/aggregate.md")),
        ("comment", include_str!("../../../../templates/comments/comment.md")),
        ("table", include_str!("../../../../templates/comments/table.md")),
        ("notes", include_str!("../../../../templates/comments/notes.md")),
        ("reply", include_str!("../../../../templates/comments/reply.md")),
        ("release", include_str!("../../../../templates/comments/release.md")),
        ("agent", include_str!("../../../../templates/comments/agent.md")),
        ("earlier", include_str!("../../../../templates/comments/earlier.md")),
        ("proposal", include_str!("../../../../templates/comments/proposal.md")),
    ] {
        environment.add_template(name, text).expect("the built-in templates are valid; a test renders each");
    }
    environment
});

/// A report of a run as the forge is to show it. `public_url` is where the service's own pages are.
pub fn report(run: &Run, key: &ReportKey, public_url: Option<&str>) -> Result<Report, String> {
    let details_url = public_url.map(|url| format!("{url}/runs/{}", run.id));
    match key {
        ReportKey::Gate(gate) => {
            let gates = run.gates().ok_or("the run has no gates")?;
            let step = gates.step(gate).ok_or_else(|| format!("the run has no gate {gate}"))?;
            gate_check(run, gates, step, details_url)
        }
        ReportKey::Aggregate => aggregate_check(run, run.gates().ok_or("the run has no gates")?, details_url),
        ReportKey::Comment => {
            let on = run.subject.item().ok_or("the run is about no pull request")?;
            let body = comment_of_gates(run, public_url)?;
            Ok(Report::Comment(CommentReport { on, marker: COMMENT_MARKER.to_owned(), body, holds: Holds::Yes }))
        }
        ReportKey::Seen => reaction(run, Reaction::Eyes),
        ReportKey::Answered => {
            let reaction_now = run.command().and_then(Command::reaction).ok_or("nothing was answered yet")?;
            reaction(run, reaction_now)
        }
        ReportKey::Reply => reply(run, Holds::Yes),
        ReportKey::Scan(_) => Err("what code scanning is given is stored, not rendered".to_owned()),
        ReportKey::Resolved(_) => Err("the reply to another command is rendered from that command's run".to_owned()),
        ReportKey::Release => release::release(run.release().ok_or("the run is no release")?),
        ReportKey::ReleaseComment => Err("what a release came to is asked from its rollouts too".to_owned()),
        ReportKey::Deployment(_) => Ok(release::deployment(run, run.rollout().ok_or("the run is no rollout")?, details_url)),
        ReportKey::Asset(_) => Err("artefacts are stored, not rendered".to_owned()),
        ReportKey::ProtectionRule => crate::permit::report(run.permit().ok_or("the run answers no workflow")?),
        ReportKey::AgentComment | ReportKey::Proposal | ReportKey::Pushed | ReportKey::Issue(_) => {
            Err("what agents hand over is kept, and rendered from there".to_owned())
        }
    }
}

/// What the comment of a pull request says of its gates.
pub(crate) fn comment_of_gates(run: &Run, public_url: Option<&str>) -> Result<String, String> {
    let gates = run.gates().ok_or("the run has no gates")?;
    let details_url = public_url.map(|url| format!("{url}/runs/{}", run.id));
    let evidence = if run.repo.forge.checks_hold_text() { Vec::new() } else { evidence(run, gates)? };
    render("comment", &context! { evidence, ..view(run, gates, details_url.as_deref()) })
}

fn reaction(run: &Run, reaction: Reaction) -> Result<Report, String> {
    match run.command().map(|command| &command.spec.origin) {
        Some(Origin::Comment { comment }) => Ok(Report::Reaction(ReactionReport { comment: comment.clone(), reaction })),
        Some(Origin::Button { .. }) | None => Err("there is no comment to react to".to_owned()),
    }
}

/// The reply to a command: what was not obeyed, and why.
pub fn reply(run: &Run, holds: Holds) -> Result<Report, String> {
    let ruled = run.command().and_then(|command| command.ruled.as_ref()).ok_or("nothing was ruled yet")?;
    let Subject::Commands { about } = &run.subject else { return Err("the run is about no command".to_owned()) };
    let on = about.item().ok_or("what it is about has no comments")?;
    let refusal = |(command, because): (&str, &str)| context! { command, because => Value::from_safe_string(because.to_owned()) };
    let refusals: Vec<Value> = ruled.refusals().map(refusal).collect();
    let body = render("reply", &context! { refusals })?;
    Ok(Report::Comment(CommentReport { on, marker: reply_marker(run.id), body, holds }))
}

fn render(template: &str, view: &Value) -> Result<String, String> {
    let rendered = TEMPLATES.get_template(template).and_then(|template| template.render(view));
    rendered.map_err(|error| format!("the template `{template}` cannot be rendered: {error}"))
}

/// The texts of the gates that stand in the way, as their checks would hold them.
fn evidence(run: &Run, gates: &Gates) -> Result<Vec<Value>, String> {
    let in_the_way = |step: &&Step| match step.status() {
        Some(VerdictStatus::Failed | VerdictStatus::Errored) => step.waiver.is_none(),
        Some(VerdictStatus::Passed | VerdictStatus::Skipped | VerdictStatus::Cancelled) | None => false,
    };
    let shown = gates.steps.iter().filter(in_the_way).take(EVIDENCE_MAX);
    let one = |step: &Step| {
        let body = Value::from_safe_string(gate_text(run, step)?);
        Ok(context! { line => gate_line(run, step), body })
    };
    shown.map(one).collect()
}

fn gate_check(run: &Run, gates: &Gates, step: &Step, details_url: Option<String>) -> Result<Report, String> {
    Ok(Report::Check(Box::new(CheckReport {
        name: check_name(gates, Some(step.gate.name.as_str())),
        head: gates.spec.head.clone(),
        pull: run.subject.pull(),
        external_id: external_id(run.id, Some(&step.gate.name)),
        status: gates.gate_status(step),
        title: gate_title(run, step),
        summary: gate_text(run, step)?,
        text: None,
        annotations: step.verdict().map(|v| v.annotations.clone()).unwrap_or_default(),
        suggestions: step.verdict().map(|v| v.suggestions.clone()).unwrap_or_default(),
        actions: gate_actions(gates, step),
        details_url,
    })))
}

/// What a gate found, in full.
fn gate_text(run: &Run, step: &Step) -> Result<String, String> {
    let verdict = step.verdict();
    let line = gate_line(run, step);
    let summary = verdict.map(|v| Value::from_safe_string(v.summary.clone()));
    let left_out = verdict.map_or(0, |v| v.annotations_left_out);
    let needs: Vec<String> = step.gate.needs.iter().map(|need| need.as_str().to_owned()).collect();
    let waiver = step.waiver.as_ref().map(|waiver| context! { by => waiver.by.as_str(), reason => waiver.reason.as_str() });
    let kept = match &step.state {
        StepState::Done { outcome, .. } => outcome.outputs.len(),
        StepState::Waiting | StepState::Running { .. } | StepState::NotRun { .. } | StepState::Carried { .. } => 0,
    };
    let not_scanned =
        run.scan_refused(step).map(|because| Value::from_safe_string(crate::gates::markdown::code(because, REFUSAL_CHARS_MAX)));
    let scan_pending = run.scan_pending(step).map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let scan = context! { refused => not_scanned, pending => scan_pending };
    render("gate", &context! { line, summary, left_out, needs, waiver, kept, scan, attempts => step.attempts })
}

/// The buttons of a gate that stands in the way. Whether the one who presses them may do so is found out then.
fn gate_actions(gates: &Gates, step: &Step) -> Vec<CheckAction> {
    let bad = match step.status() {
        Some(VerdictStatus::Failed | VerdictStatus::Errored) => step.waiver.is_none(),
        Some(VerdictStatus::Passed | VerdictStatus::Skipped | VerdictStatus::Cancelled) | None => false,
    };
    // Both are answered in a pull request's comment.
    if !bad || gates.subject.pull().is_none() {
        return Vec::new();
    }
    vec![
        button("Explain", "Say in the comment why this gate did not pass", EXPLAIN),
        button("Skip", "Count as passed at this commit", SKIP),
    ]
}

fn button(label: &str, description: &str, identifier: &str) -> CheckAction {
    CheckAction { label: label.to_owned(), description: description.to_owned(), identifier: identifier.to_owned() }
}

fn aggregate_check(run: &Run, gates: &Gates, details_url: Option<String>) -> Result<Report, String> {
    let status = gates.aggregate_status();
    let can_rerun = match status {
        CheckStatus::Completed { conclusion, .. } => {
            matches!(conclusion, Conclusion::Failure | Conclusion::TimedOut | Conclusion::Cancelled)
        }
        CheckStatus::Queued | CheckStatus::InProgress { .. } => false,
    };
    let rerun = button("Re-run failed", "Run the gates that did not pass again", RERUN_FAILED);
    Ok(Report::Check(Box::new(CheckReport {
        name: check_name(gates, None),
        head: gates.spec.head.clone(),
        pull: run.subject.pull(),
        external_id: external_id(run.id, None),
        status,
        title: headline(run),
        summary: render("aggregate", &view(run, gates, details_url.as_deref()))?,
        text: None,
        annotations: head_problems(gates).iter().map(annotation).collect(),
        suggestions: Vec::new(),
        actions: if can_rerun && !gates.steps.is_empty() { vec![rerun] } else { Vec::new() },
        details_url,
    })))
}

/// `gatewright`, or `gatewright/GATE`. A push's check says so, since a pull request's may be on the same commit.
fn check_name(gates: &Gates, gate: Option<&str>) -> String {
    let name = gate.map_or_else(|| CHECK_NAME.to_owned(), |gate| format!("{CHECK_NAME}/{gate}"));
    match gates.event() {
        config::GateEvent::Push => format!("{name} (push)"),
        config::GateEvent::PullRequest | config::GateEvent::MergeGroup => name,
    }
}

fn annotation(problem: &Problem) -> Annotation {
    let line = u32::try_from(problem.line.max(1)).unwrap_or(u32::MAX);
    Annotation {
        path: config::PATH.to_owned(),
        start_line: line,
        end_line: line,
        column: u32::try_from(problem.column).ok().filter(|column| *column > 0),
        level: AnnotationLevel::Failure,
        title: format!("{} is not valid", config::PATH),
        message: problem.message.clone(),
    }
}

/// What is wrong with the repository file in the change itself.
fn head_problems(gates: &Gates) -> &[Problem] {
    match gates.preparation() {
        Some(Preparation::Planned { head_problems, .. } | Preparation::NoConfig { head_problems: Some(head_problems) }) => {
            head_problems
        }
        Some(Preparation::ConfigBroken { problems }) => problems,
        Some(
            Preparation::NoConfig { head_problems: None }
            | Preparation::Stale { .. }
            | Preparation::Closed
            | Preparation::NeedsApproval
            | Preparation::Gone { .. },
        )
        | None => &[],
    }
}

/// What the aggregate and the comment are rendered from.
fn view(run: &Run, gates: &Gates, details_url: Option<&str>) -> Value {
    let line = |step: &Step| {
        let at = details_url.filter(|_| matches!(step.state, StepState::Done { .. }));
        let evidence = at.map(|url| Value::from_safe_string(format!("{url}#{}", evidence_anchor(&step.gate.name))));
        context! { evidence, ..gate_line(run, step) }
    };
    let lines: Vec<Value> = gates.steps.iter().map(line).collect();
    let compared = gates.steps.iter().filter_map(Step::verdict).any(|verdict| !verdict.change.is_empty());
    let state = match gates.preparation() {
        None => "preparing",
        Some(Preparation::Planned { .. }) => "planned",
        Some(Preparation::NoConfig { .. }) => "no-config",
        Some(Preparation::ConfigBroken { .. }) => "broken",
        Some(Preparation::NeedsApproval) => "needs-approval",
        Some(Preparation::Stale { .. } | Preparation::Closed | Preparation::Gone { .. }) => "over",
    };
    let base_problems: &[Problem] = match gates.preparation() {
        Some(Preparation::Planned { base_problems, .. }) => base_problems,
        Some(_) | None => &[],
    };
    let words = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let skipped: Vec<Value> = gates.steps.iter().filter_map(skipped).collect();
    context! {
        headline => headline(run),
        given_up => run.given_up.as_ref().map(|_| run.id.to_string()),
        state,
        gates => lines,
        compared,
        file => Value::from_safe_string(format!("`{}`", config::PATH)),
        head_problems => words(head_problems(gates)),
        base_problems => words(base_problems),
        cancelled => gates.cancel.as_ref().map(ToString::to_string),
        held => hold(gates),
        approved => approval(gates),
        skipped,
        answer => answer(gates),
        commit => gates.spec.head.short(),
        base => gates.prepared.as_ref().and_then(|p| p.base.as_ref()).map(|base| base.short().to_owned()),
        base_ref => gates.base_ref(),
        details => details_url.map(|url| Value::from_safe_string(url.to_owned())),
    }
}

fn skipped(step: &Step) -> Option<Value> {
    let waiver = step.waiver.as_ref()?;
    Some(context! { gate => step.gate.name.as_str(), by => waiver.by.as_str(), reason => waiver.reason.as_str() })
}

fn hold(gates: &Gates) -> Option<Value> {
    let order = gates.order(&OrderKey::Hold)?;
    let reason = match &order.what {
        Ordered::Hold { reason } => reason.as_deref(),
        Ordered::Approval { .. }
        | Ordered::Skip { .. }
        | Ordered::Answer { .. }
        | Ordered::Lock
        | Ordered::Live { .. }
        | Ordered::Freeze { .. }
        | Ordered::Arrival { .. }
        | Ordered::Drift { .. } => None,
    };
    Some(context! { by => order.by.login.as_str(), reason })
}

fn approval(gates: &Gates) -> Option<Value> {
    let order = gates.order(&OrderKey::Approval)?;
    Some(context! { by => order.by.login.as_str() })
}

fn answer(gates: &Gates) -> Option<Value> {
    let order = gates.order(&OrderKey::Answer)?;
    match &order.what {
        Ordered::Answer { question, body, .. } => {
            Some(context! { by => order.by.login.as_str(), question, body => Value::from_safe_string(body.clone()) })
        }
        Ordered::Hold { .. }
        | Ordered::Approval { .. }
        | Ordered::Skip { .. }
        | Ordered::Lock
        | Ordered::Live { .. }
        | Ordered::Freeze { .. }
        | Ordered::Arrival { .. }
        | Ordered::Drift { .. } => None,
    }
}

/// Where a run's page says what a gate has found.
pub fn evidence_anchor(gate: &GateName) -> String {
    format!("gate-{gate}")
}

fn gate_line(run: &Run, step: &Step) -> Value {
    let (icon, because, duration_ms) = match &step.state {
        StepState::Waiting | StepState::Running { .. } if run.given_up.is_some() => (icon(VerdictStatus::Errored), None, None),
        StepState::Waiting => ("⏳", None, None),
        StepState::Running { .. } => ("🔄", None, None),
        StepState::Done { outcome, .. } => (icon(outcome.verdict.status), None, Some(outcome.duration_ms)),
        StepState::NotRun { because, status, .. } => (icon(*status), Some(because.clone()), None),
        StepState::Carried { verdict } => (icon(verdict.status), None, None),
    };
    let icon = if step.waiver.is_some() && step.is_over() { "⏭️" } else { icon };
    context! {
        name => step.gate.name.as_str(),
        icon,
        title => gate_title(run, step),
        because,
        required => step.gate.required,
        carried => matches!(step.state, StepState::Carried { .. }),
        change => step.verdict().map(|verdict| verdict.change.clone()),
        time => duration_ms.map(duration),
    }
}

fn gate_title(run: &Run, step: &Step) -> String {
    if run.given_up.is_some() && !step.is_over() {
        return "could not be finished".to_owned();
    }
    let title = title_of(step);
    match &step.waiver {
        Some(waiver) if matches!(step.state, StepState::Done { .. } | StepState::Carried { .. }) => {
            format!("skipped by {}; it said: {title}", waiver.by)
        }
        Some(_) | None => title,
    }
}

fn title_of(step: &Step) -> String {
    match &step.state {
        StepState::Waiting if step.gate.needs.is_empty() => "waiting for a slot".to_owned(),
        StepState::Waiting => "waiting for what it needs".to_owned(),
        StepState::Running { .. } => "running".to_owned(),
        StepState::Done { outcome, .. } => outcome.verdict.title.clone(),
        StepState::NotRun { status: VerdictStatus::Skipped, because, .. } => format!("skipped: {because}"),
        StepState::NotRun { status: VerdictStatus::Errored, because, .. } => format!("not run: {because}"),
        StepState::NotRun { because, .. } => format!("cancelled: {because}"),
        StepState::Carried { verdict } => verdict.title.clone(),
    }
}

fn icon(status: VerdictStatus) -> &'static str {
    match status {
        VerdictStatus::Passed => "✅",
        VerdictStatus::Failed => "❌",
        VerdictStatus::Errored => "⚠️",
        VerdictStatus::Cancelled => "🚫",
        VerdictStatus::Skipped => "➖",
    }
}

/// `0.4 s`, `12 s`, `3 min 5 s`.
fn duration(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..120_000 => format!("{} s", ms / 1000),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// The run in one line.
pub fn headline(run: &Run) -> String {
    if let Some((cause, _)) = &run.given_up {
        return format!("given up: {cause}");
    }
    match &run.kind {
        Kind::Gates(gates) => headline_of(gates),
        Kind::Command(command) => {
            let said: Vec<String> = command.spec.calls.iter().map(written).collect();
            format!("{} said: {}", command.spec.by.login, said.join("; "))
        }
        Kind::Release(of) => release::headline(of),
        Kind::Rollout(of) => release::headline_of_rollout(of),
        Kind::Agent(of) => crate::agents::show::headline(of),
        Kind::Notice(of) => of.spec.notice.title.clone(),
        Kind::Permit(of) => match &of.answer {
            None => "getting ready".to_owned(),
            Some((ProtectionAnswer::Approved, because)) => format!("may deploy: {because}"),
            Some((ProtectionAnswer::Rejected, because)) => format!("may not deploy: {because}"),
            Some((ProtectionAnswer::NotYet, because)) => format!("waits: {because}"),
        },
    }
}

fn headline_of(gates: &Gates) -> String {
    let headline = headline_unheld(gates);
    match gates.order(&OrderKey::Hold) {
        Some(order) => format!("held by {}; {headline}", order.by.login),
        None => headline,
    }
}

fn headline_unheld(gates: &Gates) -> String {
    if let Some(reason) = &gates.cancel {
        return format!("stopped: {reason}");
    }
    match gates.preparation() {
        None => "getting ready".to_owned(),
        Some(Preparation::Stale { head }) => format!("gave way to {}", head.short()),
        Some(Preparation::Closed) => "it is closed".to_owned(),
        Some(Preparation::Gone { cause }) => cause.clone(),
        Some(Preparation::NeedsApproval) => "waiting for approval: this comes from a fork".to_owned(),
        Some(Preparation::ConfigBroken { .. }) => format!("{} on the base branch is not valid", config::PATH),
        Some(Preparation::NoConfig { head_problems: Some(problems) }) if !problems.is_empty() => {
            format!("{} is not valid", config::PATH)
        }
        Some(Preparation::NoConfig { .. }) => "nothing to check yet: the base branch has no repository file".to_owned(),
        Some(Preparation::Planned { head_problems, .. }) if !head_problems.is_empty() => format!("{} is not valid", config::PATH),
        Some(Preparation::Planned { .. }) => gates_headline(gates),
    }
}

fn gates_headline(gates: &Gates) -> String {
    let waived = gates.steps.iter().filter(|step| step.waiver.is_some()).count();
    let counted = || gates.steps.iter().filter(|step| step.waiver.is_none());
    let count = |wanted: &[VerdictStatus]| counted().filter(|step| step.status().is_some_and(|s| wanted.contains(&s))).count();
    let passed = count(&[VerdictStatus::Passed]);
    let bad = count(&[VerdictStatus::Failed, VerdictStatus::Errored, VerdictStatus::Cancelled]);
    let over = gates.steps.iter().filter(|step| step.is_over()).count();
    let total = gates.steps.len();
    let skipped = if waived > 0 { format!(", {waived} skipped by hand") } else { String::new() };
    if gates.is_open() {
        let failing = if bad > 0 { format!(", {bad} failed") } else { String::new() };
        format!("{over} of {total} gates done{failing}{skipped}")
    } else if bad > 0 {
        format!("{bad} of {} failed{skipped}", count_gates(total))
    } else if passed + waived > 0 {
        format!("{} passed{skipped}", count_gates(passed))
    } else {
        "no gate applies here".to_owned()
    }
}

fn count_gates(count: usize) -> String {
    if count == 1 { "1 gate".to_owned() } else { format!("{count} gates") }
}

#[cfg(test)]
mod tests;
