//! Renders what people read on the forge, from a run and the templates in `templates/comments/`.
//!
//! Text that may come from outside is escaped wherever a template shows it, see [`escape()`]; what a gate wrote itself
//! (its summary) is escaped there.

use std::sync::LazyLock;

use gatewright_core::config::{self, Problem};
use gatewright_core::report::{
    COMMENT_MARKER, CheckAction, CheckReport, CheckStatus, CommentReport, Conclusion, RERUN_FAILED, Report, ReportKey,
    external_id,
};
use gatewright_core::run::{Preparation, Run, Step, StepState};
use gatewright_core::verdict::{Annotation, AnnotationLevel, VerdictStatus};
use minijinja::{Environment, UndefinedBehavior, Value, context};

mod escape;
pub use escape::escape;

/// The name of the aggregate check, and the first part of every other check's.
pub const CHECK_NAME: &str = "gatewright";

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
            let step = run.step(gate).ok_or_else(|| format!("the run has no gate {gate}"))?;
            gate_check(run, step, details_url)
        }
        ReportKey::Aggregate => aggregate_check(run, details_url),
        ReportKey::Comment => {
            let pull = run.spec.subject.pull().ok_or("the run is about no pull request")?;
            let body = render("comment", &view(run, details_url.as_deref()))?;
            Ok(Report::Comment(CommentReport { pull, marker: COMMENT_MARKER, body }))
        }
    }
}

fn render(template: &str, view: &Value) -> Result<String, String> {
    let rendered = TEMPLATES.get_template(template).and_then(|template| template.render(view));
    rendered.map_err(|error| format!("the template `{template}` cannot be rendered: {error}"))
}

fn gate_check(run: &Run, step: &Step, details_url: Option<String>) -> Result<Report, String> {
    let verdict = step.verdict();
    let line = gate_line(step);
    let summary = verdict.map(|v| Value::from_safe_string(v.summary.clone()));
    let left_out = verdict.map_or(0, |v| v.annotations_left_out);
    let needs: Vec<String> = step.gate.needs.iter().map(|need| need.as_str().to_owned()).collect();
    let view = context! { line, summary, left_out, needs, attempts => step.attempts };
    Ok(Report::Check(Box::new(CheckReport {
        name: check_name(run, Some(step.gate.name.as_str())),
        head: run.spec.head.clone(),
        external_id: external_id(run.id, Some(&step.gate.name)),
        status: run.gate_status(step),
        title: gate_title(step),
        summary: render("gate", &view)?,
        text: None,
        annotations: verdict.map(|v| v.annotations.clone()).unwrap_or_default(),
        actions: Vec::new(),
        details_url,
    })))
}

fn aggregate_check(run: &Run, details_url: Option<String>) -> Result<Report, String> {
    let status = run.aggregate_status();
    let can_rerun = match status {
        CheckStatus::Completed { conclusion, .. } => {
            matches!(conclusion, Conclusion::Failure | Conclusion::TimedOut | Conclusion::Cancelled)
        }
        CheckStatus::Queued | CheckStatus::InProgress { .. } => false,
    };
    let rerun = CheckAction {
        label: "Re-run failed".to_owned(),
        description: "Run the gates that did not pass again".to_owned(),
        identifier: RERUN_FAILED.to_owned(),
    };
    Ok(Report::Check(Box::new(CheckReport {
        name: check_name(run, None),
        head: run.spec.head.clone(),
        external_id: external_id(run.id, None),
        status,
        title: headline(run),
        summary: render("aggregate", &view(run, details_url.as_deref()))?,
        text: None,
        annotations: head_problems(run).iter().map(annotation).collect(),
        actions: if can_rerun && !run.steps.is_empty() { vec![rerun] } else { Vec::new() },
        details_url,
    })))
}

/// `gatewright`, or `gatewright/GATE`. A push's check says so, since a pull request's may be on the same commit.
fn check_name(run: &Run, gate: Option<&str>) -> String {
    let name = gate.map_or_else(|| CHECK_NAME.to_owned(), |gate| format!("{CHECK_NAME}/{gate}"));
    match run.spec.gate_event() {
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
fn head_problems(run: &Run) -> &[Problem] {
    match run.preparation() {
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
fn view(run: &Run, details_url: Option<&str>) -> Value {
    let gates: Vec<Value> = run.steps.iter().map(gate_line).collect();
    let state = match run.preparation() {
        None => "preparing",
        Some(Preparation::Planned { .. }) => "planned",
        Some(Preparation::NoConfig { .. }) => "no-config",
        Some(Preparation::ConfigBroken { .. }) => "broken",
        Some(Preparation::NeedsApproval) => "needs-approval",
        Some(Preparation::Stale { .. } | Preparation::Closed | Preparation::Gone { .. }) => "over",
    };
    let base_problems: &[Problem] = match run.preparation() {
        Some(Preparation::Planned { base_problems, .. }) => base_problems,
        Some(_) | None => &[],
    };
    let lines = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    context! {
        headline => headline(run),
        state,
        gates,
        file => Value::from_safe_string(format!("`{}`", config::PATH)),
        head_problems => lines(head_problems(run)),
        base_problems => lines(base_problems),
        cancelled => run.cancel.as_ref().map(ToString::to_string),
        commit => run.spec.head.short(),
        base => run.prepared.as_ref().and_then(|p| p.base.as_ref()).map(|base| base.short().to_owned()),
        base_ref => run.spec.base_ref.as_str(),
        details => details_url.map(|url| Value::from_safe_string(url.to_owned())),
    }
}

fn gate_line(step: &Step) -> Value {
    let (icon, because, duration_ms) = match &step.state {
        StepState::Waiting => ("⏳", None, None),
        StepState::Running { .. } => ("🔄", None, None),
        StepState::Done { outcome, .. } => (icon(outcome.verdict.status), None, Some(outcome.duration_ms)),
        StepState::NotRun { because, status, .. } => (icon(*status), Some(because.clone()), None),
        StepState::Carried { verdict } => (verdict.as_ref().map_or("➖", |v| icon(v.status)), None, None),
    };
    context! {
        name => step.gate.name.as_str(),
        icon,
        title => gate_title(step),
        because,
        required => step.gate.required,
        carried => matches!(step.state, StepState::Carried { .. }),
        time => duration_ms.map(duration),
    }
}

fn gate_title(step: &Step) -> String {
    match &step.state {
        StepState::Waiting if step.gate.needs.is_empty() => "waiting for a slot".to_owned(),
        StepState::Waiting => "waiting for what it needs".to_owned(),
        StepState::Running { .. } => "running".to_owned(),
        StepState::Done { outcome, .. } => outcome.verdict.title.clone(),
        StepState::NotRun { status: VerdictStatus::Skipped, because, .. } => format!("skipped: {because}"),
        StepState::NotRun { because, .. } => format!("cancelled: {because}"),
        StepState::Carried { verdict } => verdict.as_ref().map_or_else(|| "not run".to_owned(), |v| v.title.clone()),
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
    if let Some(reason) = &run.cancel {
        return format!("stopped: {reason}");
    }
    match run.preparation() {
        None => "getting ready".to_owned(),
        Some(Preparation::Stale { head }) => format!("gave way to {}", head.short()),
        Some(Preparation::Closed) => "the pull request is closed".to_owned(),
        Some(Preparation::Gone { cause }) => cause.clone(),
        Some(Preparation::NeedsApproval) => "waiting for approval: this comes from a fork".to_owned(),
        Some(Preparation::ConfigBroken { .. }) => format!("{} on the base branch is not valid", config::PATH),
        Some(Preparation::NoConfig { head_problems: Some(problems) }) if !problems.is_empty() => {
            format!("{} is not valid", config::PATH)
        }
        Some(Preparation::NoConfig { .. }) => "nothing to check yet: the base branch has no repository file".to_owned(),
        Some(Preparation::Planned { head_problems, .. }) if !head_problems.is_empty() => format!("{} is not valid", config::PATH),
        Some(Preparation::Planned { .. }) => gates_headline(run),
    }
}

fn gates_headline(run: &Run) -> String {
    let count =
        |wanted: &[VerdictStatus]| run.steps.iter().filter(|step| step.status().is_some_and(|s| wanted.contains(&s))).count();
    let passed = count(&[VerdictStatus::Passed]);
    let bad = count(&[VerdictStatus::Failed, VerdictStatus::Errored, VerdictStatus::Cancelled]);
    let over = run.steps.iter().filter(|step| step.is_over()).count();
    let total = run.steps.len();
    if run.is_open() {
        let failing = if bad > 0 { format!(", {bad} failed") } else { String::new() };
        format!("{over} of {total} gates done{failing}")
    } else if bad > 0 {
        format!("{bad} of {} failed", gates(total))
    } else if passed > 0 {
        format!("{} passed", gates(passed))
    } else {
        "no gate applies here".to_owned()
    }
}

fn gates(count: usize) -> String {
    if count == 1 { "1 gate".to_owned() } else { format!("{count} gates") }
}
