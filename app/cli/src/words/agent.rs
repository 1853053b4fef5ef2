//! What a pipeline of agents is, and what has happened to it, as sentences.

use gatewright_core::run::{AgentEvent, AgentSpec, Amount, Trigger};

/// What has started a pipeline.
pub(super) fn trigger(spec: &AgentSpec) -> String {
    let by = spec.by.as_ref().map(|by| format!(", by {}", by.login)).unwrap_or_default();
    let trigger = match &spec.trigger {
        Trigger::Command { name } => name.to_string(),
        Trigger::Failed { gates, .. } => {
            let names: Vec<&str> = gates.iter().map(|gate| gate.as_str()).collect();
            format!("{} failed", names.join(", "))
        }
        Trigger::Labelled { label } => format!("labelled {label}"),
        Trigger::IssueOpened => "issue opened".to_owned(),
        Trigger::Scheduled { pipeline } => format!("time for {pipeline}"),
        Trigger::Local { pipeline, .. } => pipeline.to_string(),
    };
    trigger + &by
}

/// Money as people write it.
pub(crate) fn usd(micro: u64) -> String {
    format!("{}.{:04} USD", micro / 1_000_000, micro % 1_000_000 / 100)
}

/// An event of a pipeline as a sentence.
pub(super) fn event(event: &AgentEvent) -> String {
    match event {
        AgentEvent::Prepared { prepared } => {
            format!("pipeline {} works on {}", prepared.pipeline.name, prepared.commit.short())
        }
        AgentEvent::Refused { because, .. } => format!("not started: {because}"),
        AgentEvent::TurnBegun { stage, turn, reserved: Amount { tokens, micro_usd } } => {
            format!("stage {stage}, turn {turn}: asking, {tokens} tokens and {} set aside", usd(*micro_usd))
        }
        AgentEvent::Replied { stage, turn, reply } => {
            let cost = reply.micro_usd.map_or_else(|| "price not known".to_owned(), usd);
            let calls = if reply.calls.is_empty() { "no tool".to_owned() } else { reply.calls.join(", ") };
            let span = super::span(reply.millis);
            format!(
                "stage {stage}, turn {turn}: {} answered: {calls} ({} tokens, {cost}, {span})",
                reply.model,
                reply.usage.total()
            )
        }
        AgentEvent::TurnFailed { stage, turn, because } => format!("stage {stage}, turn {turn}: no answer: {because}"),
        AgentEvent::Acted { stage, turn, acted } => {
            let act = |act: &gatewright_core::run::ActNote| {
                let failed = if act.failed { ", failed" } else { "" };
                format!("{} {} ({} ms{failed})", act.tool, act.about, act.millis)
            };
            let acts: Vec<String> = acted.acts.iter().map(act).collect();
            let over = if acted.handover.is_some() { "; handed over" } else { "" };
            format!("stage {stage}, turn {turn}: {}{over}", acts.join("; "))
        }
        AgentEvent::ProgramEnded { stage, ended } => {
            format!("stage {stage}: program {}", ended.failed.as_deref().unwrap_or("ended with 0"))
        }
        AgentEvent::Broken { stage, because } => format!("stage {stage} cannot go on: {because}"),
        AgentEvent::Expired { stage } => format!("stage {stage} was not over in time"),
        AgentEvent::Spent { what } => format!("stopped: {}", what.words()),
        AgentEvent::Verified { stage, gate, outcome } => {
            format!("stage {stage}: gate {gate} {}: {}", outcome.verdict.status.words(), outcome.verdict.title)
        }
        AgentEvent::Judged { offers } => {
            let shown = offers.iter().filter(|offer| offer.refused.is_none()).count();
            format!("{shown} of {} things are shown to people", offers.len())
        }
    }
}
