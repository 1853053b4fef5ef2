//! What the page of a rollout says: what it waits for, its moves, what was measured, why it went back, and what was written down.
//!
//! Where instances are is nobody's business who has the link: of them only pools and numbers are shown.

use std::collections::BTreeMap;
use std::fmt::Write;

use gatewright_core::RunId;
use gatewright_core::rollout::analysis::{Counts, Evidence};
use gatewright_core::rollout::{Finding, Move, Seen, drift};
use gatewright_core::run::{JournalEntry, Look, Rollout, RolloutCause, RolloutEvent, RolloutState, RunEvent, Way};
use gatewright_core::target::{PoolId, Reading, Totals};
use gatewright_engine::render::{patience_words, rollout_words};
use gatewright_engine::rollout::{evidence, picture};

use crate::serve::html::Text;
use crate::words;

/// Of what was measured so many looks are shown, the last ones.
const LOOKS_SHOWN_MAX: usize = 20;

/// Of what was written down so many are shown, the last ones.
const CHECKPOINTS_SHOWN_MAX: usize = 20;

pub(super) fn sections(out: &mut String, id: RunId, rollout: &Rollout, journal: &[JournalEntry]) {
    summary(out, id, rollout);
    waits(out, rollout);
    moves(out, rollout, journal);
    measured(out, rollout, journal);
    hooks(out, id, rollout);
    checkpoints(out, rollout);
    timeline(out, rollout);
}

/// How a state is coloured.
pub(super) fn class(state: &RolloutState) -> &'static str {
    match state {
        RolloutState::Promoted => "good",
        RolloutState::RollingBack { .. } | RolloutState::RolledBack { .. } => "bad",
        RolloutState::Waiting { .. }
        | RolloutState::Moving { .. }
        | RolloutState::Paused { .. }
        | RolloutState::GivenUp { .. } => "quiet",
    }
}

fn summary(out: &mut String, id: RunId, rollout: &Rollout) {
    let (spec, state) = (&rollout.spec, rollout.state());
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<h2>{} to {}</h2><p class=\"{}\">{}</p><table><tbody>",
        Text(&spec.release.tag),
        spec.environment.name,
        class(&state),
        Text(&rollout_words(&state))
    );
    let mut row = |name: &str, value: String| {
        let _ = write!(out, "<tr><th>{name}</th><td>{value}</td></tr>");
    };
    let percent = if rollout.settled && rollout.back.is_none() { 100 } else { rollout.percent };
    row("Share of requests", format!("<div class=\"bar\"><span style=\"width:{percent}%\"></span></div>{percent} %"));
    row("Version", format!("{}, commit <code>{}</code>", Text(&spec.release.version), spec.release.commit.short()));
    row("Why", Text(&cause(&spec.cause)).to_string());
    row("Environment", format!("<a href=\"/environments/{id}\">{}</a>", spec.environment.name));
    if let Some(run) = spec.release.run {
        row("Release", format!("<a href=\"/runs/{run}\">{}</a>", Text(&spec.release.tag)));
    }
    if let Some(live) = rollout.live() {
        let since = words::time(live.since);
        let rollout = live.rollout;
        let tag = Text(&live.release.tag);
        row("Before it", format!("<a href=\"/runs/{rollout}\">{tag}</a>, since {since} UTC"));
    }
    if let Some(at) = rollout.back.as_ref().and_then(|back| Some((back.decided_at, back.read_back_at?))) {
        let ms = u64::try_from(at.1.duration_since(at.0).as_millis()).unwrap_or(0);
        row("Back within", format!("{}, from the decision until the router was read to give it nothing", words::span(ms)));
    }
    out.push_str("</tbody></table>");
}

fn cause(cause: &RolloutCause) -> String {
    match cause {
        RolloutCause::Released => "it was released".to_owned(),
        RolloutCause::Commanded { by } => format!("{} has said so", by.login),
        RolloutCause::Restored { by, because } if because.is_empty() => format!("{} wants back what was there", by.login),
        RolloutCause::Restored { by, because } => format!("{} wants back what was there: {because}", by.login),
        RolloutCause::Drifted { differences, .. } => {
            format!("what ran was not what had been released: {}", drift::words(differences))
        }
    }
}

fn waits(out: &mut String, rollout: &Rollout) {
    if rollout.waits.is_empty() || rollout.admission.is_some() || rollout.refused.is_some() {
        return;
    }
    out.push_str("<h2>Waits for</h2><ul>");
    for wait in &rollout.waits {
        let owner = wait.owner().map(|owner| format!(" <small>(up to {})</small>", Text(&owner))).unwrap_or_default();
        let _ = write!(out, "<li>{}{owner}</li>", Text(&wait.to_string()));
    }
    let _ = write!(out, "</ul><p class=\"quiet\">{}</p>", Text(patience_words(&rollout.state()).trim()));
    if !rollout.approvals.is_empty() {
        let by: Vec<String> = rollout.approvals.iter().map(|user| Text(&user.login).to_string()).collect();
        let _ = write!(out, "<p class=\"quiet\">Approved by {}.</p>", by.join(", "));
    }
}

/// The moves of the way forth, with how far it got, and those of the way back.
fn moves(out: &mut String, rollout: &Rollout, journal: &[JournalEntry]) {
    let (mut forth, mut made) = (None, 0);
    for event in journal.iter().filter_map(of_rollout) {
        match event {
            RolloutEvent::Admitted { moves, .. } => forth = Some(moves),
            RolloutEvent::Made { way: Way::Forth, n, .. } => made = made.max(n + 1),
            RolloutEvent::Looked { .. }
            | RolloutEvent::Refused { .. }
            | RolloutEvent::Made { .. }
            | RolloutEvent::Failed { .. }
            | RolloutEvent::Measured { .. }
            | RolloutEvent::Told { .. }
            | RolloutEvent::Reminded => {}
        }
    }
    let Some(forth) = forth else { return };
    match &rollout.back {
        // A hold that is over by itself is no event of its own.
        None => list(out, "Moves", forth, rollout.made.max(made), !rollout.settled || rollout.made < forth.len()),
        Some(back) => {
            list(out, "Moves", forth, made, false);
            list(out, "Moves of the way back", &rollout.moves, rollout.made, true);
            let at = words::time(back.decided_at);
            let _ = write!(out, "<p class=\"bad\">Decided at {at} UTC: {}</p>", Text(&back.because));
        }
    }
}

fn of_rollout(entry: &JournalEntry) -> Option<&RolloutEvent> {
    match &entry.event {
        RunEvent::Rollout { event } => Some(event),
        _ => None,
    }
}

fn list(out: &mut String, title: &str, moves: &[Move], made: usize, goes_on: bool) {
    let _ = write!(out, "<h2>{title}</h2><ol>");
    for (n, what) in moves.iter().enumerate() {
        let (class, word) = match n {
            n if n < made => ("good", "made"),
            n if n == made && goes_on => ("", "now"),
            n if n == made => ("bad", "went back here"),
            _ => ("quiet", if goes_on { "to come" } else { "not made" }),
        };
        let _ = write!(out, "<li class=\"{class}\">{} <small>({word})</small></li>", Text(&what.words()));
    }
    out.push_str("</ol>");
}

fn measured(out: &mut String, rollout: &Rollout, journal: &[JournalEntry]) {
    if rollout.looks.is_empty() {
        return;
    }
    out.push_str("<h2>What was measured</h2>");
    // Made of numbers and words of our own.
    out.push_str(&picture(rollout, journal));
    if let Some(evidence) = evidence(rollout) {
        odds(out, evidence);
    }
    let (new, old) = (&rollout.spec.pool.id, rollout.live().map(|live| &live.pool.id));
    let _ = write!(
        out,
        "<h3>The last looks</h3><table><thead><tr><th>When (UTC)</th><th>Share</th><th>New: requests, errors</th><th>Stable: requests, errors</th>\
         <th>Ready</th><th>Finding</th></tr></thead><tbody>"
    );
    let from = rollout.looks.len().saturating_sub(LOOKS_SHOWN_MAX);
    for (n, (at, look, finding)) in rollout.looks.iter().enumerate().skip(from).rev() {
        let before = n.checked_sub(1).and_then(|n| rollout.looks.get(n)).and_then(|(_, look, _)| look.reading.as_ref());
        let counted = |pool: Option<&PoolId>| pool.and_then(|pool| counted(before, look, pool)).unwrap_or_default();
        let ready = look.instances.map(|instances| format!("{} of {}", instances.ready, instances.all)).unwrap_or_default();
        let _ = write!(
            out,
            "<tr><td class=\"when\">{}</td><td>{} %</td><td>{}</td><td>{}</td><td>{ready}</td><td>{}</td></tr>",
            words::time(*at),
            look.share_millipercent as f64 / 1_000.0,
            counted(Some(new)),
            counted(old),
            Text(&found(finding, look)),
        );
    }
    let _ = write!(out, "</tbody></table><p class=\"quiet\">{} looks in all, the last ones first.</p>", rollout.looks.len());
}

/// What a pool did between two looks.
fn counted(before: Option<&Reading>, look: &Look, pool: &PoolId) -> Option<String> {
    let none = Totals::default();
    let now = look.reading.as_ref()?.pools.get(pool)?;
    let before = before?.pools.get(pool).unwrap_or(&none);
    let requests = now.requests.checked_sub(before.requests)?;
    let errors = now.errors.checked_sub(before.errors)?;
    let counts = Counts { requests, errors, ..Counts::default() };
    let percent = counts.error_percent().map(|percent| format!(" ({percent:.1} %)")).unwrap_or_default();
    Some(format!("{requests}, {errors}{percent}"))
}

fn found(finding: &Finding, look: &Look) -> String {
    let words = match finding {
        Finding::GoOn => "nothing speaks against going on".to_owned(),
        Finding::Wait { because } => format!("not yet: {because}"),
        Finding::Pause { because } => format!("stays: {because}"),
        Finding::Back { because, .. } => format!("goes back: {because}"),
    };
    if look.unmeasured.is_some() { format!("{words} (a source could not be read)") } else { words }
}

fn odds(out: &mut String, evidence: &Evidence) {
    let _ = write!(
        out,
        "<p class=\"bad\">{}</p><table><thead><tr><th>Metric</th><th>Odds that it is worse</th><th>Times as often</th>\
         <th>At most (95 %)</th><th>Tolerated</th></tr></thead><tbody>",
        Text(&evidence.to_string())
    );
    for of in &evidence.metrics {
        let times =
            |times: Option<gatewright_core::rollout::analysis::Times>| times.map(|times| times.to_string()).unwrap_or_default();
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            of.metric,
            of.odds,
            times(of.estimate),
            times(of.at_most),
            of.tolerated
        );
    }
    out.push_str("</tbody></table>");
}

fn hooks(out: &mut String, id: RunId, rollout: &Rollout) {
    if rollout.hooks.is_empty() {
        return;
    }
    out.push_str("<h2>Hooks</h2><table><thead><tr><th>Hook</th><th>Ended</th><th>Took</th><th>Log</th></tr></thead><tbody>");
    for (n, hook) in rollout.hooks.iter().enumerate() {
        let class = if hook.passed { "good" } else { "bad" };
        let log = hook.log.as_ref().map(|_| format!("<a href=\"/runs/{id}/hooks/{n}\">log</a>")).unwrap_or_default();
        let _ = write!(
            out,
            "<tr><td>{}</td><td class=\"{class}\">{}</td><td>{}</td><td>{log}</td></tr>",
            hook.name,
            Text(&hook.ended),
            words::span(hook.duration_ms)
        );
    }
    out.push_str("</tbody></table>");
}

fn checkpoints(out: &mut String, rollout: &Rollout) {
    if rollout.checkpoints.is_empty() {
        return;
    }
    out.push_str(
        "<h2>Checkpoints</h2><p class=\"quiet\">What target and router had around each change of shares, read back from them.</p>\
         <table><thead><tr><th>When (UTC)</th><th>Before</th><th>Afterwards</th></tr></thead><tbody>",
    );
    let from = rollout.checkpoints.len().saturating_sub(CHECKPOINTS_SHOWN_MAX);
    for (at, seen) in rollout.checkpoints.iter().skip(from) {
        let (before, after) = match seen.as_slice() {
            [] => (None, None),
            [only] => (None, Some(only)),
            [first, .., last] => (Some(first), Some(last)),
        };
        let _ = write!(
            out,
            "<tr><td class=\"when\">{}</td><td>{}</td><td>{}</td></tr>",
            words::time(*at),
            before.map(pools).unwrap_or_default(),
            after.map(pools).unwrap_or_default()
        );
    }
    out.push_str("</tbody></table>");
}

/// Each pool with its instances and its share. The names have no markup in them.
fn pools(seen: &Seen) -> String {
    let mut instances: BTreeMap<&PoolId, usize> = BTreeMap::new();
    seen.instances.iter().for_each(|instance| *instances.entry(&instance.pool).or_default() += 1);
    let of = |(pool, count): (&&PoolId, &usize)| {
        let share = seen.routes.share_millipercent(pool) as f64 / 1_000.0;
        format!("<code>{pool}</code>: {count}, {share} %")
    };
    instances.iter().map(of).collect::<Vec<_>>().join("<br>")
}

fn timeline(out: &mut String, rollout: &Rollout) {
    if rollout.timeline.is_empty() {
        return;
    }
    out.push_str("<h2>Timeline</h2><table><thead><tr><th>When (UTC)</th><th>What</th></tr></thead><tbody>");
    for past in &rollout.timeline {
        let _ = write!(out, "<tr><td class=\"when\">{}</td><td>{}</td></tr>", words::time(past.at), Text(&past.what));
    }
    out.push_str("</tbody></table>");
}
