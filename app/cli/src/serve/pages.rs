//! The page of a run, to which the forge's details link leads, the logs of its gates, and the page of an environment.
//!
//! A run's id cannot be guessed, and nothing here lists runs: who has the link may read the page. An environment is found by the id of a
//! rollout that went there.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use gatewright_core::report::{Report, ReportKey};
use gatewright_core::run::{Gates, Run, Step, StepState};
use gatewright_core::verdict::{Output, VerdictStatus};
use gatewright_core::{GateName, RepoRef, RunId, Timestamp};
use gatewright_engine::overview::EnvironmentOverview;
use gatewright_engine::rollout::picture;
use gatewright_engine::statistics::Figures;

mod agent;
mod environment;
mod release;
mod rollout;

use super::html::{InPath, Text};
use super::trend;
use crate::args::release::STATS_DAYS_MAX;
use crate::desk::{Desk, DeskError, RunPage};
use crate::{markup, words};

/// Of a log the page itself shows so much, the end of it; the whole is behind a link.
const LOG_TAIL_BYTES_MAX: usize = 16 * 1024;

/// Styles are in the page, scripts nowhere, and nothing is loaded.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2328;background:#fff}\
    h1{font-size:1.3rem}h2{font-size:1.15rem;margin-top:2rem}h3{font-size:1rem}.found table{width:auto}table{border-collapse:collapse;width:100%}\
    td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #d1d9e0}\
    pre{background:#f6f8fa;padding:1rem;overflow:auto;max-height:30rem}code{font:13px/1.45 ui-monospace,monospace}\
    svg{max-width:100%;height:auto}.when{white-space:nowrap}.bar{background:#d1d9e0;width:12rem;height:.6rem;border-radius:.3rem;overflow:hidden;display:inline-block;margin-right:.6rem}\
    .bar span{display:block;height:100%;background:#0969da}\
    .good{color:#1a7f37}.bad{color:#b3261e}.quiet{color:#59636e}\
    @media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#151b23}td,th{border-color:#3d444d}\
    .good{color:#3fb950}.bad{color:#ff7b72}.quiet{color:#9198a1}a{color:#4493f8}}";

/// How an environment has fared is told of so many days, where nobody asks for another number of them.
const STATS_DAYS: u32 = 30;

type Shared = State<Arc<Desk>>;

pub(super) fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/runs/{id}", get(run))
        .route("/runs/{id}/logs/{gate}", get(log))
        .route("/runs/{id}/agents/{stage}", get(transcript))
        .route("/runs/{id}/outputs/{gate}/{*path}", get(output))
        .route("/runs/{id}/artefacts/{name}", get(artefact))
        .route("/runs/{id}/measured.svg", get(measured))
        .route("/runs/{id}/hooks/{n}", get(hook))
        .route("/environments/{rollout}", get(environment))
        .route("/environments/{rollout}/json", get(environment_json))
        .route("/environments/{rollout}/stats", get(environment_stats))
        .with_state(Arc::new(desk))
}

async fn run(State(desk): Shared, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<RunId>() else { return missing() };
    let page = match desk.run(id).await {
        Ok(page) => page,
        Err(error) => return refused(&error),
    };
    let run = page.replayed();
    let mut logs = Vec::new();
    for step in run.iter().filter_map(Run::gates).flat_map(|gates| &gates.steps) {
        let runs = matches!(step.state, StepState::Running { .. });
        if (runs || page.log_of(&step.gate.name).is_some())
            && let Ok(log) = desk.log(id, &step.gate.name).await
        {
            let title = if runs { format!("{}, so far", step.gate.name) } else { step.gate.name.to_string() };
            logs.push((step.gate.name.clone(), title, String::from_utf8_lossy(tail(&log)).into_owned()));
        }
    }
    let trends = match &run {
        Some(run) => trends(&desk, run).await,
        None => Vec::new(),
    };
    let html = render(&page, run.as_ref(), &trends, &logs, Timestamp::now());
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)], html).into_response()
}

/// What the benchmarks of gates have taken, as tables. A page without them is better than none.
async fn trends(desk: &Desk, run: &Run) -> Vec<(GateName, String)> {
    let past = desk.benchmarks(run).await;
    let past = past.inspect_err(|error| tracing::warn!(%error, "past benchmarks could not be read")).unwrap_or_default();
    let tables = past.into_iter().map(|(gate, runs)| (gate, trend::table(&runs)));
    tables.filter(|(_, table)| !table.is_empty()).collect()
}

async fn log(State(desk): Shared, Path((id, gate)): Path<(String, String)>) -> Response {
    let (Ok(id), Ok(gate)) = (id.parse::<RunId>(), gate.parse::<GateName>()) else { return missing() };
    match desk.log(id, &gate).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], bytes).into_response(),
        Err(error) => refused(&error),
    }
}

/// What was asked and answered in a stage of a pipeline of agents.
async fn transcript(State(desk): Shared, Path((id, stage)): Path<(String, String)>) -> Response {
    let (Ok(id), Ok(stage)) = (id.parse::<RunId>(), stage.parse::<u16>()) else { return missing() };
    match desk.transcript(id, stage).await {
        Ok(ask) => {
            let html = agent::transcript(id, stage, &ask, STYLE);
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)], html)
                .into_response()
        }
        Err(error) => refused(&error),
    }
}

/// A file that a gate has kept. A step's program wrote it: browsers are to save it, never to show it as a page of this service.
async fn output(State(desk): Shared, Path((id, gate, path)): Path<(String, String, String)>) -> Response {
    let (Ok(id), Ok(gate)) = (id.parse::<RunId>(), gate.parse::<GateName>()) else { return missing() };
    saved(desk.output(id, &gate, &path).await)
}

/// A file that is given out with a release.
async fn artefact(State(desk): Shared, Path((id, name)): Path<(String, String)>) -> Response {
    let Ok(id) = id.parse::<RunId>() else { return missing() };
    saved(desk.artefact(id, &name).await)
}

/// What was measured of a rollout, as the image that comments show. Made of numbers and words of our own.
async fn measured(State(desk): Shared, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<RunId>() else { return missing() };
    let page = match desk.run(id).await {
        Ok(page) => page,
        Err(error) => return refused(&error),
    };
    let run = page.replayed();
    let svg = run.as_ref().and_then(Run::rollout).map(|rollout| picture(rollout, &page.journal)).unwrap_or_default();
    if svg.is_empty() { missing() } else { ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response() }
}

/// The log of a command around a rollout, by its place among them.
async fn hook(State(desk): Shared, Path((id, n)): Path<(String, String)>) -> Response {
    let (Ok(id), Ok(n)) = (id.parse::<RunId>(), n.parse::<usize>()) else { return missing() };
    match desk.hook_log(id, n).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], bytes).into_response(),
        Err(error) => refused(&error),
    }
}

/// What is known of an environment, for whoever has the link of a rollout there.
async fn environment(State(desk): Shared, Path(rollout): Path<String>) -> Response {
    let Ok(rollout) = rollout.parse::<RunId>() else { return missing() };
    match stands(&desk, rollout, STATS_DAYS).await {
        Ok((repo, overview, figures)) => {
            let html = environment::render(&repo, &overview, figures.as_ref());
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)], html)
                .into_response()
        }
        Err(error) => refused(&error),
    }
}

/// How it stands, and how it has fared for so many days.
async fn stands(desk: &Desk, rollout: RunId, days: u32) -> Result<(RepoRef, EnvironmentOverview, Option<Figures>), DeskError> {
    let now = Timestamp::now();
    let (repo, overview) = desk.environment_by(rollout, now).await?;
    let figures = desk.figures(&repo, &overview.name, days, now).await?;
    Ok((repo, overview, figures))
}

/// How an environment has fared, for programs.
async fn environment_stats(
    State(desk): Shared,
    Path(rollout): Path<String>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let Ok(rollout) = rollout.parse::<RunId>() else { return missing() };
    let days = asked.get("days").map_or(Ok(STATS_DAYS), |days| days.parse());
    let Some(days) = days.ok().filter(|days| (1..=STATS_DAYS_MAX).contains(days)) else {
        return (StatusCode::BAD_REQUEST, format!("days is a number from 1 to {STATS_DAYS_MAX}\n")).into_response();
    };
    match stands(&desk, rollout, days).await {
        Ok((repo, overview, figures)) => {
            let name = overview.name;
            axum::Json(serde_json::json!({ "repo": repo, "environment": name, "days": days, "figures": figures })).into_response()
        }
        Err(error) => refused(&error),
    }
}

/// The same for programs.
async fn environment_json(State(desk): Shared, Path(rollout): Path<String>) -> Response {
    let Ok(rollout) = rollout.parse::<RunId>() else { return missing() };
    match desk.environment_by(rollout, Timestamp::now()).await {
        Ok((repo, environment)) => axum::Json(serde_json::json!({ "repo": repo, "environment": environment })).into_response(),
        Err(error) => refused(&error),
    }
}

/// Bytes that a browser is to save.
fn saved(found: Result<Bytes, DeskError>) -> Response {
    match found {
        Ok(bytes) => {
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream"),
                (header::CONTENT_DISPOSITION, "attachment"),
                (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, bytes).into_response()
        }
        Err(error) => refused(&error),
    }
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing here; it may have been pruned\n").into_response()
}

fn refused(error: &DeskError) -> Response {
    match error {
        DeskError::Missing(_) => missing(),
        DeskError::Refused(cause) | DeskError::Failed(cause) => {
            tracing::warn!(cause, "a page could not be read");
            (StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read now; try again\n").into_response()
        }
    }
}

fn tail(log: &[u8]) -> &[u8] {
    &log[log.len().saturating_sub(LOG_TAIL_BYTES_MAX)..]
}

fn render(
    page: &RunPage,
    run: Option<&Run>,
    trends: &[(GateName, String)],
    logs: &[(GateName, String, String)],
    now: Timestamp,
) -> String {
    let (record, mut out) = (&page.run, String::new());
    let title = format!("{} {}", record.repo.path, record.title);
    let title = Text(&title);
    let state = words::state(&record.state, now);
    // Of a tag it is found out what commit it names.
    let of_release = run.and_then(Run::release).and_then(|release| Some(&release.release()?.commit));
    let commit = record.commit.as_ref().or(of_release);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}: {state}</title><style>{STYLE}</style></head><body><main>\
         <h1>{title}: {state}</h1><p class=\"quiet\">{}accepted {} UTC, run <code>{}</code></p>",
        commit.map(|commit| format!("commit <code>{commit}</code>, ")).unwrap_or_default(),
        words::time(record.created_at),
        record.id,
    );
    if let Some(gates) = run.and_then(Run::gates).filter(|gates| !gates.steps.is_empty()) {
        out.push_str("<h2>Gates</h2><table><thead><tr><th>Gate</th><th>State</th><th>Verdict</th></tr></thead><tbody>");
        gates.steps.iter().for_each(|step| gate_row(&mut out, step));
        out.push_str("</tbody></table>");
        outputs(&mut out, page, gates);
    }
    if let Some(run) = run {
        evidence(&mut out, run);
    }
    if let Some((of, rollout)) = run.and_then(|run| Some((run, run.rollout()?))) {
        rollout::sections(&mut out, of.id, rollout, &page.journal);
    }
    if let Some((of, release)) = run.and_then(|run| Some((run, run.release()?))) {
        release::sections(&mut out, of.id, of, release);
    }
    if let Some(agents) = run.and_then(Run::agent) {
        agent::sections(&mut out, record.id, agents);
    }
    for (gate, table) in trends {
        let _ = write!(out, "<h2>Benchmarks of {gate}</h2>{table}");
    }
    for (gate, title, text) in logs {
        let link = format!("/runs/{}/logs/{gate}", record.id);
        let _ = write!(
            out,
            "<h2>Log of {title}</h2><pre><code>{}</code></pre><p><a href=\"{link}\">The whole log</a></p>",
            Text(text)
        );
    }
    out.push_str("<h2>What happened</h2><table><thead><tr><th>When (UTC)</th><th>What</th></tr></thead><tbody>");
    for entry in &page.journal {
        let _ = write!(
            out,
            "<tr><td class=\"when\">{}</td><td>{}</td></tr>",
            words::time(entry.at),
            Text(&words::event_in_public(&entry.event))
        );
    }
    out.push_str("</tbody></table></main></body></html>\n");
    out
}

/// What gates have found, as their checks say it: what comments refer to.
fn evidence(out: &mut String, run: &Run) {
    for step in run.gates().into_iter().flat_map(|gates| &gates.steps) {
        let name = &step.gate.name;
        // A gate without a verdict of its own has nothing to show.
        if let (StepState::Done { .. }, Ok(Report::Check(check))) =
            (&step.state, gatewright_engine::render::report(run, &ReportKey::Gate(name.clone()), None))
        {
            let (anchor, body) = (gatewright_engine::render::evidence_anchor(name), markup::html(&check.summary));
            let _ = write!(out, "<h2 id=\"{anchor}\">What {name} found</h2><div class=\"found\">{body}</div>");
        }
    }
}

/// The files that gates have kept.
fn outputs(out: &mut String, page: &RunPage, gates: &Gates) {
    let of_step =
        |step: &Step| page.outputs_of(&step.gate.name).map(|output| (step.gate.name.clone(), output)).collect::<Vec<_>>();
    let kept: Vec<(GateName, &Output)> = gates.steps.iter().flat_map(of_step).collect();
    if kept.is_empty() {
        return;
    }
    out.push_str("<h2>Files kept</h2><table><thead><tr><th>Gate</th><th>File</th><th>Bytes</th></tr></thead><tbody>");
    for (gate, Output { path, bytes, .. }) in kept {
        let link = format!("/runs/{}/outputs/{gate}/{}", page.run.id, InPath(path));
        let _ = write!(out, "<tr><td>{gate}</td><td><a href=\"{link}\">{}</a></td><td>{bytes}</td></tr>", Text(path));
    }
    out.push_str("</tbody></table>");
}

fn gate_row(out: &mut String, step: &Step) {
    let (word, what) = words::step(step);
    let class = match step.status() {
        Some(VerdictStatus::Passed) => "good",
        Some(VerdictStatus::Failed | VerdictStatus::Errored) => "bad",
        Some(VerdictStatus::Cancelled | VerdictStatus::Skipped) | None => "quiet",
    };
    let _ = write!(out, "<tr><td>{}</td><td class=\"{class}\">{word}</td><td>{}</td></tr>", step.gate.name, Text(&what));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gatewright_core::config;
    use gatewright_core::event::User;
    use gatewright_core::plan::{Applies, Plan, PlannedGate};
    use gatewright_core::run::{Cause, GatesSpec, JournalEntry, Preparation, Prepared, RunEvent, RunSpec, Work};
    use gatewright_core::store::{RunRecord, RunState};
    use gatewright_core::verdict::{Exit, StepOutcome, Verdict};
    use gatewright_core::{CommitId, ForgeKind, RepoRef, Subject};

    use super::*;

    const HOSTILE: &str = "</title><script>alert(1)</script>\"'&";

    fn page() -> RunPage {
        let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: HOSTILE.to_owned(), installation: None };
        let head: CommitId = "a".repeat(40).parse().expect("this is a commit");
        let subject = Subject::Branch { name: HOSTILE.to_owned() };
        let at = Timestamp::UNIX_EPOCH;
        let spec = RunSpec {
            repo: repo.clone(),
            subject: subject.clone(),
            work: Work::Gates(GatesSpec::of(
                head.clone(),
                HOSTILE.to_owned(),
                Cause::Rerequested { by: User { id: 1, login: HOSTILE.to_owned() } },
            )),
        };
        let run = RunRecord {
            id: RunId::new(),
            subject: subject.key(&repo),
            repo,
            title: subject.to_string(),
            commit: Some(head),
            state: RunState::Ready { ready_at: at },
            attempts: 0,
            seq: 1,
            created_at: at,
            updated_at: at,
        };
        RunPage {
            run,
            journal: vec![JournalEntry { seq: 0, at, event: RunEvent::Created { spec: spec.into() } }],
            waits: Vec::new(),
        }
    }

    #[test]
    fn the_page_does_not_say_where_the_service_runs() {
        let mut page = page();
        let worker = "ci-host-7.internal/4711".to_owned();
        page.run.state = RunState::Leased { worker: worker.clone(), expires_at: Timestamp::UNIX_EPOCH };
        let event = RunEvent::Resumed { attempt: 2, worker };
        page.journal.push(JournalEntry { seq: 1, at: Timestamp::UNIX_EPOCH, event });
        let html = render(&page, page.replayed().as_ref(), &[], &[], Timestamp::UNIX_EPOCH);
        assert!(html.contains("taken up, attempt 2") && html.contains("running"), "{html}");
        assert!(!html.contains("ci-host-7") && !html.contains("4711"), "{html}");
    }

    #[test]
    fn files_that_were_kept_are_behind_links_that_lead_to_them_alone() {
        let html = |path: &str| format!("/runs/1/outputs/tests/{}", InPath(path));
        assert_eq!(html("out/a b.html"), "/runs/1/outputs/tests/out/a%20b.html");
        assert_eq!(html("\"><script>?x#y%2f"), "/runs/1/outputs/tests/%22%3E%3Cscript%3E%3Fx%23y%252f");
    }

    /// The page of a run of which one gate has found this, in Markdown.
    fn judged(summary: &str) -> RunPage {
        let config = config::parse("image: a\ngates:\n  tests: { run: x }\n").expect("it is valid");
        let gate = config.gates[0].name.clone();
        let gates = config.gates.into_iter().map(|config| PlannedGate { config, applies: Applies::Yes }).collect();
        let outcome = Preparation::Planned {
            plan: Plan { gates },
            carried: BTreeMap::new(),
            head_problems: Vec::new(),
            base_problems: Vec::new(),
            commands: BTreeMap::new(),
            agents_on: Vec::new(),
        };
        let (shown, orders) = (BTreeMap::new(), Vec::new());
        let prepared = Prepared { pull: None, base: None, compared_with: None, shown, orders, outcome };
        let verdict = Verdict::plain(VerdictStatus::Failed, "2 passed, 1 failed", summary);
        let outcome = Box::new(StepOutcome::of(Exit::Code { code: 1 }, verdict));
        let events = [
            RunEvent::Prepared { prepared: Box::new(prepared) },
            RunEvent::StepStarted { gate: gate.clone(), attempt: 1 },
            RunEvent::StepFinished { gate, outcome },
        ];
        let mut page = page();
        for (seq, event) in (1..).zip(events) {
            page.journal.push(JournalEntry { seq, at: Timestamp::UNIX_EPOCH, event });
        }
        page
    }

    #[test]
    fn numbers_lead_to_what_the_gate_has_found() {
        let page = judged("### Failed tests\n\n- `a` <img src=x>\n\n<script>alert(1)</script>\n");
        let run = page.replayed().expect("the journal is right");
        let aggregate = gatewright_engine::render::report(&run, &ReportKey::Aggregate, Some("https://ci.example.com"));
        let Ok(Report::Check(check)) = aggregate else { panic!("{aggregate:?}") };
        let link = format!("[2 passed, 1 failed](https://ci.example.com/runs/{}#gate-tests)", run.id);
        assert!(check.summary.contains(&link), "{}", check.summary);
        let html = render(&page, Some(&run), &[], &[], Timestamp::UNIX_EPOCH);
        assert!(html.contains("<h2 id=\"gate-tests\">What tests found</h2>") && html.contains("<h3>Failed tests</h3>"), "{html}");
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    }

    #[test]
    fn nothing_from_outside_is_markup_on_the_page() {
        let page = page();
        let gate: GateName = "tests".parse().expect("this is a gate's name");
        let html = render(
            &page,
            page.replayed().as_ref(),
            &[],
            &[(gate.clone(), gate.to_string(), HOSTILE.to_owned())],
            Timestamp::UNIX_EPOCH,
        );
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("</title>").count(), 1);
        // The title twice with path and branch, the log, and the journal's one line with path, branch and login.
        assert_eq!(html.matches("&lt;script&gt;").count(), 8);
    }
}
