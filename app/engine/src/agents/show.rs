//! What people are told of a pipeline of agents, in words.

use gatewright_core::ForgeKind;
use gatewright_core::config::Offering;
use gatewright_core::report::ReportKey;
use gatewright_core::run::{AgentRun, Run, StageRun, StageState};

/// What a line of [`outcome`] begins with that may have other people's words in it.
pub const NOT_SHOWN: &str = "Not shown:";

/// The pipeline in one line.
pub fn headline(of: &AgentRun) -> String {
    let name = of.pipeline().unwrap_or("agents");
    if let Some(reason) = &of.cancel {
        let reason = reason.to_string();
        return if reason.starts_with("stopped") {
            format!("{name}: {reason}")
        } else {
            format!("{name}: stopped, since {reason}")
        };
    }
    if of.refused.is_some() {
        return format!("{name}: not started");
    }
    if of.prepared.is_none() {
        return "getting ready".to_owned();
    }
    if of.offers.is_some() {
        return format!("{name}: {}", ended(of));
    }
    if of.stopped.is_some() {
        return format!("{name}: stopped early");
    }
    let working: Vec<&str> =
        of.stages.iter().filter(|stage| stage.state == StageState::Working).map(|stage| stage.name.as_str()).collect();
    if working.is_empty() { format!("{name}: deciding what is shown") } else { format!("{name}: {}", working.join(", ")) }
}

/// What a pipeline has come to, in a few words.
fn ended(of: &AgentRun) -> String {
    let shown = |what| of.offers_any(what);
    let what = if shown(Offering::Commit) {
        "a commit was made"
    } else if shown(Offering::PullRequest) {
        "a pull request is proposed"
    } else if shown(Offering::Suggestion) {
        "changes are suggested"
    } else if shown(Offering::Finding) {
        "something was found"
    } else if shown(Offering::Issue) {
        "an issue was opened"
    } else if of.offers.iter().flatten().any(|offer| matches!(offer.what, Offering::PullRequest | Offering::Commit)) {
        return "what it changed is not proposed".to_owned();
    } else if of.stopped.is_some() {
        return "stopped early, with nothing to propose".to_owned();
    } else {
        return "nothing was found to change".to_owned();
    };
    if of.stopped.is_some() { format!("{what}, and it was stopped early") } else { what.to_owned() }
}

/// As people refer to a pull request, so that the forge makes a link of it.
pub fn reference(forge: ForgeKind, number: u64) -> String {
    match forge {
        ForgeKind::Github => format!("#{number}"),
        ForgeKind::Gitlab => format!("!{number}"),
    }
}

/// What was handed over, in words.
fn words(what: Offering) -> &'static str {
    match what {
        Offering::Comment => "what the agents say",
        Offering::Suggestion => "what they suggest",
        Offering::Finding => "what they found",
        Offering::Commit | Offering::PullRequest => "the change",
        Offering::Issue => "an issue",
    }
}

/// What came of it, line by line, with what was not shown and why.
pub fn outcome(run: &Run, of: &AgentRun) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(offers) = &of.offers else { return lines };
    let refused = |key: &ReportKey| run.published.get(key).is_some_and(|state| state.shown.is_none() && state.refused.is_some());
    if of.offers_any(Offering::PullRequest) {
        lines.push(match run.published.get(&ReportKey::Proposal).and_then(|state| state.shown.as_ref()) {
            Some((_, number)) => format!("Proposed as {}, a draft. {}", reference(run.repo.forge, *number), verified(of)),
            None if refused(&ReportKey::Proposal) => {
                "The forge did not take the pull request; the run's page says why.".to_owned()
            }
            None => format!("A draft pull request is being made. {}", verified(of)),
        });
    }
    if of.offers_any(Offering::Commit) {
        lines.push(match refused(&ReportKey::Pushed) {
            true => "The forge did not take the commit; the run's page says why.".to_owned(),
            false => format!("Committed to the pull request's branch. {}", verified(of)),
        });
    }
    if of.offers_any(Offering::Finding) {
        lines.push("What was found is on the check, place by place.".to_owned());
    }
    if of.offers_any(Offering::Suggestion) {
        lines.push("What could stand there instead is suggested on the changed lines.".to_owned());
    }
    for offer in offers {
        if let Some(because) = &offer.refused {
            lines.push(format!("{NOT_SHOWN} {}, since {because}.", words(offer.what)));
        }
    }
    if offers.iter().all(|offer| matches!(offer.what, Offering::Comment)) && of.result().is_empty() {
        lines.push("Nothing was changed.".to_owned());
    }
    lines
}

/// What gates made of the result.
pub fn verified(of: &AgentRun) -> String {
    let mut gates: Vec<&str> =
        of.stages.iter().filter(|stage| stage.proves()).flat_map(StageRun::gates).map(|gate| gate.as_str()).collect();
    gates.sort_unstable();
    gates.dedup();
    match (of.is_verified(), gates.is_empty()) {
        (true, _) => format!("Passed in a fresh sandbox: {}.", gates.join(", ")),
        (false, true) => "Not verified: the pipeline has no gates.".to_owned(),
        (false, false) => "Not verified.".to_owned(),
    }
}

/// What it used up.
pub fn cost(of: &AgentRun) -> String {
    let money = match (of.spent.micro_usd, of.unpriced) {
        (0, true) => "price not known".to_owned(),
        (micro, unpriced) => {
            let more = if unpriced { " and what has no price" } else { "" };
            format!("{}.{:04} USD{more}", micro / 1_000_000, micro % 1_000_000 / 100)
        }
    };
    let turns = if of.turns == 1 { "1 turn".to_owned() } else { format!("{} turns", of.turns) };
    format!("{turns}, {} tokens, {money}", of.spent.tokens)
}
