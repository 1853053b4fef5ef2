//! What people read of pipelines of agents: the one comment, the check, and what is proposed.

use std::fmt::Write as _;

use gatewright_core::config::Offering;
use gatewright_core::report::{
    AGENT_COMMENT_MARKER, CheckReport, CheckStatus, CommentReport, Holds, IssueReport, ProposalReport, PushedReport, Report,
    ReportKey, external_id,
};
use gatewright_core::run::{AgentPrepared, AgentRun, Run, StageRun, StageState};
use gatewright_core::tree::FileChange;
use gatewright_core::{ItemRef, Subject};
use minijinja::{Value, context};

use super::{duration, escape, render};
use crate::agents::policy::{LABEL, Shown};
use crate::agents::show;
use crate::gates::markdown::code;

/// So many changed files are named.
const FILES_SHOWN_MAX: usize = 30;

/// And so many characters of the name of each.
const PATH_CHARS_MAX: usize = 200;

/// A report of a pipeline's run. `shown` is what the policy let through, `changes` what the result changes.
pub(crate) fn report(
    run: &Run,
    of: &AgentRun,
    key: &ReportKey,
    shown: &[(Offering, Shown)],
    changes: Vec<FileChange>,
    details_url: Option<String>,
) -> Result<Report, String> {
    match key {
        ReportKey::Aggregate => check(run, of, shown, details_url),
        ReportKey::AgentComment => comment_on_issue(run, of, shown, details_url),
        ReportKey::Proposal => proposal(run, of, shown, changes, details_url),
        ReportKey::Pushed => pushed(run, of, shown, changes),
        ReportKey::Issue(n) => issue(run, of, shown, *n, details_url),
        other => Err(format!("a pipeline of agents has no report {}", String::from(other.clone()))),
    }
}

fn check(run: &Run, of: &AgentRun, shown: &[(Offering, Shown)], details_url: Option<String>) -> Result<Report, String> {
    let head = run.commit().ok_or("it is about no commit")?.clone();
    let started_at = of.prepared_at;
    let over = of.offers.is_some() || of.refused.is_some() || of.cancel.is_some() || run.given_up.is_some();
    let status = match over {
        false => CheckStatus::InProgress { started_at },
        true => CheckStatus::Completed { started_at: Some(started_at), completed_at: of.since, conclusion: run.conclusion() },
    };
    let (mut annotations, mut suggestions) = (Vec::new(), Vec::new());
    for (_, shown) in shown {
        match shown {
            Shown::Findings { annotations: found } => annotations.extend(found.clone()),
            Shown::Suggestions { suggestions: made } => suggestions.extend(made.clone()),
            Shown::Comment { .. } | Shown::Change { .. } | Shown::Issue { .. } => {}
        }
    }
    Ok(Report::Check(Box::new(CheckReport {
        name: format!("{} agent: {}", super::CHECK_NAME, of.pipeline().unwrap_or("pipeline")),
        head,
        pull: run.about().pull(),
        external_id: external_id(run.id, None),
        status,
        title: show::headline(of),
        summary: text(run, of, shown, details_url.as_deref())?,
        text: None,
        annotations,
        suggestions,
        actions: Vec::new(),
        details_url,
    })))
}

/// Where there are no gates, and with them no other comment.
fn comment_on_issue(
    run: &Run,
    of: &AgentRun,
    shown: &[(Offering, Shown)],
    details_url: Option<String>,
) -> Result<Report, String> {
    let Subject::Issue { number } = run.about() else { return Err("it is about no issue".to_owned()) };
    let on = ItemRef::Issue { number: *number };
    let body = text(run, of, shown, details_url.as_deref())?;
    Ok(Report::Comment(CommentReport { on, marker: AGENT_COMMENT_MARKER.to_owned(), body, holds: Holds::Yes }))
}

/// The part of a pull request's comment that tells of the newest pipeline.
pub(crate) fn headed(of: &AgentRun, body: &str) -> String {
    format!("### {}\n\n{body}", escape(&show::headline(of)))
}

/// The part that tells of an earlier one.
pub(crate) fn folded(of: &AgentRun, body: &str) -> Result<String, String> {
    render("earlier", &context! { headline => show::headline(of), body => Value::from_safe_string(body.to_owned()) })
}

/// How it goes and what came of it, in one line and then in full.
fn text(run: &Run, of: &AgentRun, shown: &[(Offering, Shown)], details_url: Option<&str>) -> Result<String, String> {
    Ok(headed(of, &body(run, of, shown, details_url)?))
}

/// How it goes and what came of it.
pub(crate) fn body(run: &Run, of: &AgentRun, shown: &[(Offering, Shown)], details_url: Option<&str>) -> Result<String, String> {
    let said = shown.iter().find_map(|(_, shown)| match shown {
        Shown::Comment { text } => Some(text.clone()),
        Shown::Findings { .. } | Shown::Suggestions { .. } | Shown::Change { .. } | Shown::Issue { .. } => None,
    });
    let over = of.cancel.is_some() || run.given_up.is_some();
    let stages: Vec<Value> = of.stages.iter().map(|of| stage(of, over)).collect();
    render(
        "agent",
        &context! {
            refused => of.refused.as_ref().map(|(because, _)| Value::from_safe_string(because.clone())),
            stages,
            stopped => of.stopped.clone(),
            text => said.map(Value::from_safe_string),
            outcome => show::outcome(run, of).into_iter().map(line).collect::<Vec<_>>(),
            cost => show::cost(of),
            took => of.prepared.as_ref().map(|_| took(of)),
            commit => of.prepared.as_ref().map(|prepared| prepared.commit.short().to_owned()),
            by => of.spec.by.as_ref().map(|by| by.login.clone()),
            details => details_url.map(|url| Value::from_safe_string(url.to_owned())),
        },
    )
}

/// From its beginning to what happened last.
fn took(of: &AgentRun) -> String {
    let ms = of.since.duration_since(of.prepared_at).as_millis();
    duration(u64::try_from(ms).unwrap_or_default())
}

/// A line of what came of it. References in our own words are to be links.
fn line(line: String) -> Value {
    if line.starts_with(show::NOT_SHOWN) { Value::from(line) } else { Value::from_safe_string(line) }
}

/// `over`: nothing more becomes of what is not done.
fn stage(stage: &StageRun, over: bool) -> Value {
    let icon = match &stage.state {
        StageState::Waiting | StageState::Working if over => "⏭️",
        StageState::Waiting => "⏳",
        StageState::Working => "🔄",
        StageState::Done { .. } => "✅",
        StageState::Failed { .. } => "❌",
        StageState::NotRun => "⏭️",
    };
    let words = match &stage.state {
        StageState::Failed { because, .. } => because.clone(),
        StageState::Working if stage.tries > 1 => format!("try {}", stage.tries),
        StageState::Done { .. } if stage.tries > 1 => format!("after {} tries", stage.tries),
        StageState::Waiting | StageState::Working | StageState::Done { .. } | StageState::NotRun => String::new(),
    };
    let name = match stage.gates() {
        [] => stage.name.clone(),
        gates => format!("{}: {}", stage.name, gates.iter().map(|gate| gate.as_str()).collect::<Vec<_>>().join(", ")),
    };
    let turns = if stage.turns.is_empty() { String::new() } else { stage.turns.len().to_string() };
    context! { icon, name, words, turns }
}

/// What the result is called and how it is described.
fn change<'a>(of: &'a AgentRun, shown: &'a [(Offering, Shown)]) -> Result<(&'a AgentPrepared, &'a str, &'a str), String> {
    let prepared = of.prepared.as_ref().ok_or("it was never prepared")?;
    let change = shown.iter().find_map(|(_, shown)| match shown {
        Shown::Change { title, summary } => Some((title.as_str(), summary.as_str())),
        Shown::Comment { .. } | Shown::Findings { .. } | Shown::Suggestions { .. } | Shown::Issue { .. } => None,
    });
    let (title, summary) = change.ok_or("no change is shown")?;
    Ok((prepared, title, summary))
}

fn proposal(
    run: &Run,
    of: &AgentRun,
    shown: &[(Offering, Shown)],
    changes: Vec<FileChange>,
    details_url: Option<String>,
) -> Result<Report, String> {
    let (prepared, title, summary) = change(of, shown)?;
    let files: Vec<&str> = changes.iter().take(FILES_SHOWN_MAX).map(|change| change.path.as_str()).collect();
    let body = render(
        "proposal",
        &context! {
            text => Value::from_safe_string(summary.to_owned()),
            verified => Value::from_safe_string(show::verified(of)),
            files => files.into_iter().map(|path| Value::from_safe_string(code(path, PATH_CHARS_MAX))).collect::<Vec<_>>(),
            more => changes.len().saturating_sub(FILES_SHOWN_MAX),
            pipeline => prepared.pipeline.name.as_str(),
            about => run.about().item().map(|item| Value::from_safe_string(match item {
                ItemRef::Pull { number } => show::reference(run.repo.forge, number),
                ItemRef::Issue { number } => format!("#{number}"),
            })),
            by => of.spec.by.as_ref().map(|by| by.login.clone()),
            commit => prepared.commit.short(),
            cost => show::cost(of),
            details => details_url.map(Value::from_safe_string),
        },
    )?;
    let short: String = run.id.to_string().chars().filter(char::is_ascii_hexdigit).collect();
    let number = run.about().item().map(|item| format!("-{}", item.number())).unwrap_or_default();
    Ok(Report::Proposal(Box::new(ProposalReport {
        branch: format!("gatewright/{}{number}-{short}", prepared.pipeline.name),
        parent: prepared.commit.clone(),
        changes,
        message: message(of, title),
        target: prepared.target.clone(),
        title: title.to_owned(),
        body,
        labels: vec![LABEL.to_owned()],
        draft: true,
        external_id: run.id.to_string(),
    })))
}

fn pushed(run: &Run, of: &AgentRun, shown: &[(Offering, Shown)], changes: Vec<FileChange>) -> Result<Report, String> {
    let (prepared, title, _) = change(of, shown)?;
    Ok(Report::Pushed(Box::new(PushedReport {
        branch: prepared.target.clone(),
        parent: prepared.commit.clone(),
        changes,
        message: message(of, title),
        external_id: run.id.to_string(),
    })))
}

/// A commit's message, with trailers that say where it comes from.
fn message(of: &AgentRun, title: &str) -> String {
    let mut message = format!("{title}\n\n");
    let mut trailer = |name: &str, value: &str| {
        let _ = writeln!(message, "{name}: {value}");
    };
    if let Some(name) = of.pipeline() {
        trailer("Gatewright-Pipeline", name);
    }
    if let Some(by) = &of.spec.by {
        trailer("Gatewright-Requested-By", &by.login);
    }

    message
}

fn issue(run: &Run, of: &AgentRun, shown: &[(Offering, Shown)], n: u8, details_url: Option<String>) -> Result<Report, String> {
    let issues = shown.iter().filter_map(|(_, shown)| match shown {
        Shown::Issue { title, body } => Some((title, body)),
        Shown::Comment { .. } | Shown::Findings { .. } | Shown::Suggestions { .. } | Shown::Change { .. } => None,
    });
    let (title, body) = issues.into_iter().nth(usize::from(n)).ok_or("there is no such issue")?;
    let pipeline = of.pipeline().unwrap_or_default();
    let details = details_url.map(|url| format!(" · [details]({url})")).unwrap_or_default();
    let body = format!("{body}\n\n<sub>Written by the pipeline {pipeline} of Gatewright, a program{details}</sub>");
    let marker = format!("<!-- gatewright:issue {}/{n} -->", run.id);
    Ok(Report::Issue(IssueReport { title: title.clone(), body, labels: vec![LABEL.to_owned()], marker }))
}
