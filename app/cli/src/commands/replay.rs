//! `gatewright replay`: what would this delivery do, as far as that can be known without a forge. Nothing is written.

use std::path::Path;
use std::process::ExitCode;

use gatewright_core::ForgeKind;
use gatewright_core::config::{self, GateEvent, Pushed};
use gatewright_core::event::{
    ButtonEvent, CommentEvent, Event, IssueChange, IssueEvent, LabelledEvent, MergeGroupEvent, PullChange, PullEvent, PushEvent,
    Rerequested, RerequestedEvent, TagEvent,
};
use gatewright_core::forge::ChangedFiles;
use gatewright_core::plan::{self, Applies, Change, Plan};
use gatewright_engine::commands::parse;
use gatewright_webhook::replay::DeliveryFile;
use serde::Serialize;
use serde_json::Value;

use crate::args::ReplayArgs;
use crate::failure::Failure;
use crate::load;
use crate::print::{self, Tone, printable};
use crate::words;

/// A delivery may have so many bytes, as over HTTP, with some room for what a file has around it.
const FILE_BYTES_MAX: u64 = 26 * 1024 * 1024;

/// What would happen.
#[derive(Serialize)]
struct Answer {
    forge: ForgeKind,
    delivery: Option<String>,
    event: String,
    action: Option<String>,
    means: Event,
    /// What the service would do, for people.
    does: String,
    /// The plan by the repository file that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    /// What cannot be known here.
    notes: Vec<String>,
}

pub(super) async fn run(args: ReplayArgs) -> Result<ExitCode, Failure> {
    let delivery = delivery(&args).await?;
    let mut notes = Vec::new();
    let app_id = app_id(&args, &delivery, &mut notes)?;
    let parsed = delivery.parse(app_id).map_err(|error| Failure::Wrong(error.to_string()))?;
    let plan = plan(&parsed.event, args.repository_file.as_deref(), &mut notes)?;
    let does = does(&parsed.event);
    let answer = Answer {
        forge: delivery.forge,
        delivery: delivery.guid,
        event: delivery.event_name,
        action: parsed.action,
        means: parsed.event,
        does,
        plan,
        notes,
    };
    if args.json {
        print::json(&answer)?
    } else {
        show(&answer)?
    }
    Ok(ExitCode::SUCCESS)
}

async fn delivery(args: &ReplayArgs) -> Result<DeliveryFile, Failure> {
    if let Some(id) = &args.id {
        let page = super::source(&args.config).await?.delivery(id).await?;
        let guid = Some(page.delivery.id.guid().to_owned());
        return Ok(DeliveryFile {
            forge: page.delivery.forge,
            guid,
            event_name: page.delivery.name,
            body: page.body.into_bytes(),
        });
    }
    let Some(file) = &args.delivery_file else {
        return Err(Failure::Wrong("name a delivery file, or a recorded delivery with --id".to_owned()));
    };
    let bytes = load::read_bytes(file, FILE_BYTES_MAX)?;
    DeliveryFile::read(&bytes, args.event.as_deref()).map_err(|error| Failure::Wrong(format!("{}: {error}", file.display())))
}

/// The App whose checks are ours. Where there is no server file, a check counts as ours.
fn app_id(args: &ReplayArgs, delivery: &DeliveryFile, notes: &mut Vec<String>) -> Result<u64, Failure> {
    let file = &args.config.config;
    if file.exists() || file != Path::new(crate::args::SERVER_FILE) {
        let forges = load::server_config(file, Vec::new())?.forges;
        return Ok(forges.github.map_or(0, |github| github.app_id));
    }
    let payload: Value = serde_json::from_slice(&delivery.body).unwrap_or_default();
    let app = ["/check_run/app/id", "/check_suite/app/id"].iter().find_map(|at| payload.pointer(at)?.as_u64());
    if app.is_some() {
        notes.push(
            "without a server file (--config) it is not known which checks are our own, so this one counts as ours".to_owned(),
        );
    }
    Ok(app.unwrap_or(0))
}

fn plan(event: &Event, file: Option<&Path>, notes: &mut Vec<String>) -> Result<Option<Plan>, Failure> {
    let (event, branch, pushed) = match event {
        Event::Pull(PullEvent { change: PullChange::Opened | PullChange::Updated, base_ref, .. }) => {
            (GateEvent::PullRequest, base_ref, Pushed::Elsewhere)
        }
        Event::MergeGroup(MergeGroupEvent { wanted: true, base_ref, .. }) => (GateEvent::MergeGroup, base_ref, Pushed::Elsewhere),
        Event::Push(PushEvent { branch, default_branch, .. }) => {
            (GateEvent::Push, branch, if branch == default_branch { Pushed::DefaultBranch } else { Pushed::Elsewhere })
        }
        Event::Pull(_)
        | Event::MergeGroup(_)
        | Event::Rerequested(_)
        | Event::Comment(_)
        | Event::Button(_)
        | Event::Tag(_)
        | Event::ProtectionRule(_)
        | Event::Issue(_)
        | Event::Labelled(_)
        | Event::Unused { .. } => return Ok(None),
    };
    let Some(file) = file else {
        notes.push(
            "the gates are those of the base branch's repository file; give one with --repository-file to see them".to_owned(),
        );
        return Ok(None);
    };
    let text = load::read_text(file, config::BYTES_MAX as u64)?;
    let config = config::parse(&text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("{}:{problem}", file.display())).collect();
        Failure::Wrong(format!("the repository file is wrong\n{}", lines.join("\n")))
    })?;
    if plan::needs_changed_files(&config) {
        notes.push("which files changed only the forge knows, so every `changed` rule counts as met".to_owned());
    }
    let files = ChangedFiles { paths: Vec::new(), incomplete: true };
    Ok(Some(plan::plan(&config, &Change { event, branch, pushed, files: &files, only: None })))
}

/// What the service would do, in a sentence.
fn does(event: &Event) -> String {
    match event {
        Event::Pull(PullEvent { repo, number, change: PullChange::Closed, .. }) => {
            format!("stops what runs for {repo} #{number}")
        }
        Event::Pull(PullEvent { repo, number, head, base_ref, .. }) => {
            let commit = head.short();
            format!(
                "starts a run for {repo} #{number} at {commit}, by the repository file of `{base_ref}`; older runs of #{number} are stopped"
            )
        }
        Event::MergeGroup(MergeGroupEvent { repo, head_ref, wanted: false, .. }) => {
            format!("stops what runs for {repo}, {head_ref}")
        }
        Event::MergeGroup(MergeGroupEvent { repo, head, base_ref, .. }) => {
            format!("starts a run for {repo}, merge group to `{base_ref}` at {}", head.short())
        }
        Event::Push(PushEvent { repo, branch, after, default_branch, .. }) => {
            let commit = after.short();
            format!("starts a run for {repo}, branch `{branch}` at {commit}, by the repository file of `{default_branch}`")
        }
        Event::Rerequested(RerequestedEvent { repo, head, pulls: _, sender, what }) => {
            let what = match what {
                Rerequested::All => format!("every gate of {}", head.short()),
                Rerequested::Check { external_id } => format!("the check {external_id}"),
            };
            format!("runs again for {repo}, asked by {}: {what}", sender.login)
        }
        Event::Comment(event) => said(event),
        Event::Button(ButtonEvent { repo, by, external_id, button, .. }) => {
            format!("weighs the button `{button}` on the check {external_id} of {repo}, pressed by {}", by.login)
        }
        Event::Tag(TagEvent { repo, tag, commit: Some(_), .. }) => {
            format!("asks for the tag `{tag}` of {repo}, which may be a release")
        }
        Event::Tag(TagEvent { repo, tag, commit: None, .. }) => format!("says that the tag `{tag}` of {repo} is gone"),
        Event::ProtectionRule(event) => {
            format!(
                "asks, for workflow run {} of {}, whether it may deploy to `{}`",
                event.workflow_run, event.repo, event.environment
            )
        }
        Event::Issue(IssueEvent { repo, number, change: IssueChange::Opened { .. }, .. }) => {
            format!("says that issue {number} of {repo} was opened")
        }
        Event::Issue(IssueEvent { repo, number, change: IssueChange::Labelled { labels }, .. }) => {
            format!("says that issue {number} of {repo} was labelled {}", labels.join(", "))
        }
        Event::Labelled(LabelledEvent { repo, number, labels, .. }) => {
            format!("says that {repo} #{number} was labelled {}", labels.join(", "))
        }
        Event::Unused { reason } => format!("is recorded, and nothing else: {reason}"),
    }
}

/// What comes of a comment. Who may say it only the forge knows.
fn said(event: &CommentEvent) -> String {
    let said = parse::parse(&event.body);
    let CommentEvent { repo, comment, by, .. } = event;
    if said.calls.is_empty() {
        return format!("is recorded, and nothing else: no line of the comment on {repo} {} is a command", comment.item());
    }
    let calls: Vec<String> = said.calls.iter().map(parse::written).collect();
    format!("weighs what {} says on {repo} {}: {}", by.login, comment.item(), calls.join("; "))
}

fn show(answer: &Answer) -> Result<(), Failure> {
    let event = words::event_name(&answer.event, answer.action.as_deref());
    let delivery = answer.delivery.as_deref().map(|guid| format!(" {guid}")).unwrap_or_default();
    print::line(&printable(&format!("delivery{delivery} ({event}) {}", answer.does)))?;
    if let Some(plan) = &answer.plan {
        print::line("")?;
        let rows: Vec<_> = plan.gates.iter().map(row).collect();
        print::table(&["plan", "gate", "command or reason"], &rows, "no gates")?;
    }
    for note in &answer.notes {
        print::line(&format!("\nnote: {note}"))?;
    }
    Ok(())
}

fn row(gate: &plan::PlannedGate) -> (Tone, Vec<String>) {
    let name = gate.config.name.to_string();
    match &gate.applies {
        Applies::Yes => (Tone::Good, vec!["runs".to_owned(), name, gate.config.run.clone().unwrap_or_default()]),
        Applies::No { because } => (Tone::Quiet, vec!["skipped".to_owned(), name, because.clone()]),
        Applies::NotAskedFor => (Tone::Quiet, vec!["not asked for".to_owned(), name, String::new()]),
    }
}
