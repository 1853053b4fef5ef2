//! What the page of a pipeline of agents says: its stages, what each turn did and cost, what gates made of it, what was shown to people
//! and what was not; and on a page of its own, all that was asked and answered in a stage.

use std::fmt::Write;

use gatewright_core::RunId;
use gatewright_core::model::{Arguments, Ask, Message};
use gatewright_core::run::{AgentRun, Doing, StageRun, StageState, Turn};
use gatewright_core::tree::FileNow;
use gatewright_engine::agents::show;

use crate::serve::html::Text;
use crate::words;

pub(super) fn sections(out: &mut String, id: RunId, of: &AgentRun) {
    // Writing to a String cannot fail.
    let _ = write!(out, "<h2>{}</h2><table><tbody>", Text(&show::headline(of)));
    let mut row = |name: &str, value: String| {
        let _ = write!(out, "<tr><th>{name}</th><td>{value}</td></tr>");
    };
    row("Task", format!("<pre><code>{}</code></pre>", Text(&of.spec.task)));
    for (name, value) in of.inputs() {
        row(&format!("Input {name}"), Text(value).to_string());
    }
    row("Asked for by", Text(of.spec.by.as_ref().map_or("time", |by| by.login.as_str())).to_string());
    row("Cost", Text(&show::cost(of)).to_string());
    if let Some((because, _)) = &of.refused {
        row("Not started", Text(because).to_string());
    }
    if let Some(because) = &of.stopped {
        row("Stopped", Text(because).to_string());
    }
    out.push_str("</tbody></table>");
    stages(out, id, of);
    result(out, of);
}

fn class(state: &StageState) -> &'static str {
    match state {
        StageState::Done { .. } => "good",
        StageState::Failed { .. } => "bad",
        StageState::Waiting | StageState::Working | StageState::NotRun => "quiet",
    }
}

fn stages(out: &mut String, id: RunId, of: &AgentRun) {
    out.push_str("<h2>Stages</h2><table><thead><tr><th>Stage</th><th>State</th><th>What it said</th></tr></thead><tbody>");
    for (n, stage) in of.stages.iter().enumerate() {
        let name = match stage.what {
            Doing::Agent(_) if !stage.turns.is_empty() => {
                format!("<a href=\"/runs/{id}/agents/{n}\">{}</a>", Text(&stage.name))
            }
            Doing::Agent(_) | Doing::Program(_) | Doing::Verify(_) | Doing::Finally(_) => Text(&stage.name).to_string(),
        };
        let why = match &stage.state {
            StageState::Failed { because, .. } => format!(": {because}"),
            StageState::Waiting | StageState::Working | StageState::Done { .. } | StageState::NotRun => String::new(),
        };
        let tries = if stage.tries > 1 { format!(", try {}", stage.tries) } else { String::new() };
        let _ = write!(
            out,
            "<tr><td>{name}</td><td class=\"{}\">{}{tries}{}</td><td>{}</td></tr>",
            class(&stage.state),
            stage.word(),
            Text(&why),
            Text(&said(stage))
        );
    }
    out.push_str("</tbody></table>");
    for (n, stage) in of.stages.iter().enumerate().filter(|(_, stage)| !stage.turns.is_empty()) {
        turns(out, n, stage);
    }
}

/// What a stage said: an agent its summary, gates their verdicts.
fn said(stage: &StageRun) -> String {
    match stage.rounds.last() {
        Some(round) => {
            let verdict = |(gate, outcome): &(gatewright_core::GateName, Box<gatewright_core::verdict::StepOutcome>)| {
                format!("{gate}: {}", outcome.verdict.title)
            };
            round.iter().map(verdict).collect::<Vec<_>>().join("; ")
        }
        None => stage.handover.as_ref().map(|handover| handover.summary.clone()).unwrap_or_default(),
    }
}

fn turns(out: &mut String, n: usize, stage: &StageRun) {
    let _ = write!(
        out,
        "<h2>Turns of {} (stage {n})</h2><table><thead><tr><th>Turn</th><th>Model</th><th>Tokens</th><th>Cost</th><th>Time</th>\
         <th>What it did</th></tr></thead><tbody>",
        Text(&stage.name)
    );
    for (at, turn) in stage.turns.iter().enumerate() {
        turn_row(out, at + 1, turn);
    }
    out.push_str("</tbody></table>");
}

fn turn_row(out: &mut String, number: usize, turn: &Turn) {
    let Some(reply) = &turn.reply else {
        let _ = write!(out, "<tr><td>{number}</td><td colspan=\"5\" class=\"quiet\">being asked</td></tr>");
        return;
    };
    let cost = reply.micro_usd.map_or_else(|| "not known".to_owned(), words::agent::usd);
    let acts: Vec<String> = turn.acted.iter().flat_map(|acted| &acted.acts).map(act).collect();
    let _ = write!(
        out,
        "<tr><td>{number}</td><td>{}</td><td>{}</td><td>{cost}</td><td>{}</td><td>{}</td></tr>",
        Text(&reply.model.to_string()),
        reply.usage.total(),
        words::span(reply.millis),
        if acts.is_empty() { "no tool".to_owned() } else { acts.join("<br>") }
    );
}

fn act(act: &gatewright_core::run::ActNote) -> String {
    let class = if act.failed { " class=\"bad\"" } else { "" };
    format!("<span{class}>{} <code>{}</code></span>", Text(&act.tool), Text(&act.about))
}

fn result(out: &mut String, of: &AgentRun) {
    let Some(offers) = &of.offers else { return };
    out.push_str("<h2>Result</h2><ul>");
    for offer in offers {
        let what = match &offer.refused {
            None => format!("{}: shown", offer.what.as_str()),
            Some(because) => format!("{}: not shown, since {because}", offer.what.as_str()),
        };
        let _ = write!(out, "<li>{}</li>", Text(&what));
    }
    let _ = write!(out, "</ul><p>{}</p>", Text(&show::verified(of)));
    if of.result().is_empty() {
        return;
    }
    out.push_str("<table><thead><tr><th>File</th><th>Now</th></tr></thead><tbody>");
    for (path, now) in &of.result().files {
        let now = match now {
            FileNow::There { bytes, .. } => format!("{bytes} bytes"),
            FileNow::Gone => "gone".to_owned(),
        };
        let _ = write!(out, "<tr><td><code>{}</code></td><td>{now}</td></tr>", Text(path));
    }
    out.push_str("</tbody></table>");
}

/// All that was asked and answered in a stage, as a page.
pub(super) fn transcript(id: RunId, stage: u16, ask: &Ask, style: &str) -> String {
    let mut out = String::new();
    let title = format!("Stage {stage} of run {id}");
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title><style>{style}</style></head><body><main><h1>{title}</h1>\
         <p class=\"quiet\"><a href=\"/runs/{id}\">Back to the run</a>. Everything below but the first two parts was written by a program. \
         Secrets that the service knows are masked; what was said long ago may be shortened.</p>"
    );
    part(&mut out, "What the model is", &ask.system);
    for message in &ask.messages {
        match message {
            Message::User { text } => part(&mut out, "Said to it", text),
            Message::Model { text, calls, .. } => {
                part(&mut out, "It said", text);
                for call in calls {
                    let arguments = match &call.arguments {
                        Arguments::Json(value) => serde_json::to_string_pretty(value).unwrap_or_default(),
                        Arguments::Malformed(text) => text.clone(),
                    };
                    part(&mut out, &format!("It used {}", call.name), &arguments);
                }
            }
            Message::Results { results } => {
                for result in results {
                    let failed = if result.is_error { ", which failed" } else { "" };
                    part(&mut out, &format!("What {} said{failed}", result.name), &result.content);
                }
            }
        }
    }
    out.push_str("</main></body></html>\n");
    out
}

fn part(out: &mut String, name: &str, text: &str) {
    if !text.trim().is_empty() {
        let _ = write!(out, "<h2>{}</h2><pre><code>{}</code></pre>", Text(name), Text(text));
    }
}

#[cfg(test)]
mod tests {
    use gatewright_core::model::ToolCall;

    use super::*;

    #[test]
    fn nothing_that_a_model_says_is_markup() {
        let hostile = "</code></pre><script>alert(1)</script>";
        let call = ToolCall { id: "1".to_owned(), name: hostile.to_owned(), arguments: Arguments::Malformed(hostile.to_owned()) };
        let ask = Ask {
            run: RunId::new(),
            stage: 0,
            turn: 1,
            models: Vec::new(),
            system: hostile.to_owned(),
            messages: vec![Message::Model { text: hostile.to_owned(), calls: vec![call], opaque: None }],
            tools: Vec::new(),
            tokens_max: 1,
            within: std::time::Duration::ZERO,
        };
        let page = transcript(RunId::new(), 0, &ask, "");
        assert!(!page.contains("<script>"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 4);
    }
}
