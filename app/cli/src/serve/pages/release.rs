//! What the page of a release says: what it is, how its gates stand, where it is, and what is given out with it.

use std::fmt::Write;

use gatewright_core::RunId;
use gatewright_core::run::{GatesState, PlannedEnvironment, ReleaseRun};
use gatewright_engine::render::rollout_words;

use super::rollout::class;
use crate::desk::releases::{ReleaseView, RolloutOf};
use crate::serve::html::{InPath, Text};

pub(super) fn sections(out: &mut String, id: RunId, run: &gatewright_core::run::Run, release: &ReleaseRun) {
    let view = ReleaseView::of(run, release);
    summary(out, &view);
    environments(out, &view);
    artefacts(out, id, &view);
    if !view.notes.is_empty() {
        let _ = write!(out, "<h2>Notes</h2><pre><code>{}</code></pre>", Text(&view.notes));
    }
}

fn summary(out: &mut String, release: &ReleaseView) {
    // Writing to a String cannot fail.
    let _ = write!(out, "<h2>Release {}</h2><p>{}</p><table><tbody>", Text(&release.tag), Text(&release.headline));
    let mut row = |name: &str, value: String| {
        let _ = write!(out, "<tr><th>{name}</th><td>{value}</td></tr>");
    };
    if let Some(version) = &release.version {
        row("Version", format!("{}{}", Text(version), if release.prerelease { ", a pre-release" } else { "" }));
    }
    if let Some(branch) = &release.branch {
        row("On", format!("{}, a protected branch", Text(branch)));
    }
    if let Some(previous) = &release.previous {
        row("After", Text(previous).to_string());
    }
    if let Some(gates) = &release.gates {
        row("Gates", self::gates(gates));
    }
    if let Some(changelog) = &release.changelog {
        row("Changelog", Text(changelog).to_string());
    }
    if let Some(problem) = &release.problem {
        row("Problem", format!("<span class=\"bad\">{}</span>", Text(problem)));
    }
    out.push_str("</tbody></table>");
}

fn gates(state: &GatesState) -> String {
    let link = |run: &RunId| format!("(<a href=\"/runs/{run}\">run</a>)");
    match state {
        GatesState::Passed { run: None } => "none are asked for".to_owned(),
        GatesState::Passed { run: Some(run) } => format!("<span class=\"good\">have passed</span> {}", link(run)),
        GatesState::Running { run, .. } => format!("run {}", link(run)),
        GatesState::Failed { run, because } => format!("<span class=\"bad\">{}</span> {}", Text(because), link(run)),
    }
}

fn environments(out: &mut String, release: &ReleaseView) {
    if release.planned.is_empty() {
        return;
    }
    out.push_str("<h2>Environments</h2><table><thead><tr><th>Environment</th><th>State</th><th>Planned</th></tr></thead><tbody>");
    for planned in &release.planned {
        let rollout = release.rollouts.iter().find(|of| of.environment == planned.name);
        let _ = write!(out, "<tr><td>{}</td>{}<td>{}</td></tr>", name(planned, rollout), state(rollout), changes(planned));
    }
    out.push_str("</tbody></table>");
}

fn name(planned: &PlannedEnvironment, rollout: Option<&RolloutOf>) -> String {
    match rollout {
        Some(of) => format!("<a href=\"/runs/{}\">{}</a>", of.run, planned.name),
        None => planned.name.to_string(),
    }
}

fn state(rollout: Option<&RolloutOf>) -> String {
    match rollout.map(|of| of.state.as_ref()) {
        None => "<td class=\"quiet\">not started</td>".to_owned(),
        Some(None) => "<td class=\"quiet\">getting ready</td>".to_owned(),
        Some(Some(state)) => format!("<td class=\"{}\">{}</td>", class(state), Text(&rollout_words(state))),
    }
}

fn changes(planned: &PlannedEnvironment) -> String {
    match &planned.problem {
        Some(problem) => format!("<span class=\"bad\">{}</span>", Text(problem)),
        None => planned.changes.iter().map(|change| Text(change).to_string()).collect::<Vec<_>>().join("<br>"),
    }
}

fn artefacts(out: &mut String, id: RunId, release: &ReleaseView) {
    if release.artefacts.is_empty() {
        return;
    }
    out.push_str("<h2>Artefacts</h2><table><thead><tr><th>File</th><th>Bytes</th><th>SHA-256</th></tr></thead><tbody>");
    for of in &release.artefacts {
        let (file, sum) = (of.name.to_string(), of.blob.to_string());
        let _ = write!(
            out,
            "<tr><td><a href=\"/runs/{id}/artefacts/{}\">{}</a></td><td>{}</td><td><code>{}</code></td></tr>",
            InPath(&file),
            Text(&file),
            of.bytes,
            Text(&sum)
        );
    }
    out.push_str("</tbody></table>");
}
