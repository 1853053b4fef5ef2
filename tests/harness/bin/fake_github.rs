//! The fake GitHub as a process of its own, for `make demo`: GitHub on one port, what people do on another.
//!
//! It writes one line of JSON once it serves (`url`, `control`, `app_id`, `bot`), and runs until it is ended.
//! The control side speaks JSON: `POST /repos`, `/forks`, `/commits`, `/pulls`, `/pulls/close`, `/pulls/reopen`,
//! `/pulls/merge`, `/pulls/enqueue`, `/comments`, `/tags`, `/permissions`, `/buttons`, `/rerequests`, `/tokens`, `/webhook`,
//! `/redeliveries`, `/faults`, `/settle`; `DELETE /faults`; `GET /pull`, `/checks`, `/deliveries`, `/log`, `/violations`.
//! Its shapes are the structs below.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use gatewright_tests::FakeGitHub;
use gatewright_tests::github::{Edit, Effect, Fault, Level, Options, PullSpec};
use serde::Deserialize;
use serde_json::{Value, json};

/// A GitHub on this machine, for trying Gatewright out.
#[derive(Parser)]
struct Arguments {
    /// The port of GitHub; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The port of the control side; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// Where the App's private key is written.
    #[arg(long)]
    key_file: PathBuf,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let github = FakeGitHub::start_with(Options { port: arguments.port, ..Options::default() }).await;
    write_key(&arguments.key_file, &github.private_key_pem())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", arguments.control_port)).await?;
    let control = format!("http://{}", listener.local_addr()?);
    let line = json!({"url": github.url(), "control": control, "app_id": github.app_id(), "bot": github.bot_login()});
    writeln!(std::io::stdout(), "{line}")?;
    axum::serve(listener, router(github)).await
}

/// For its owner's eyes only.
fn write_key(file: &PathBuf, pem: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(file)?.write_all(pem.as_bytes())
}

fn router(github: FakeGitHub) -> Router {
    Router::new()
        .route("/repos", post(create_repo))
        .route("/forks", post(fork))
        .route("/commits", post(commit))
        .route("/pulls", post(open_pull))
        .route("/pulls/close", post(close_pull))
        .route("/pulls/reopen", post(reopen_pull))
        .route("/pulls/merge", post(merge_pull))
        .route("/pulls/enqueue", post(enqueue))
        .route("/comments", post(comment))
        .route("/tags", post(tag))
        .route("/permissions", post(permission))
        .route("/buttons", post(press))
        .route("/rerequests", post(rerequest))
        .route("/tokens", post(token))
        .route("/webhook", post(webhook))
        .route("/redeliveries", post(redeliver))
        .route("/faults", post(fault).delete(clear_faults))
        .route("/settle", post(settle))
        .route("/pull", get(pull))
        .route("/checks", get(checks))
        .route("/deliveries", get(deliveries))
        .route("/log", get(log))
        .route("/violations", get(violations))
        .with_state(github)
}

type Github = State<FakeGitHub>;
type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

/// Does what somebody asked for. A name that does not exist panics in the harness; here it is the caller's mistake.
async fn act(github: FakeGitHub, act: impl FnOnce(&FakeGitHub) -> Value + Send + 'static) -> Answer {
    let done = tokio::task::spawn_blocking(move || act(&github)).await;
    done.map(Json).map_err(|e| {
        let panic = e.into_panic();
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": text.unwrap_or_default()})))
    })
}

#[derive(Deserialize)]
struct NewRepo {
    repo: String,
    #[serde(default)]
    public: bool,
}

async fn create_repo(State(github): Github, Json(new): Json<NewRepo>) -> Answer {
    act(github, move |github| {
        let id = if new.public { github.create_public_repo(&new.repo) } else { github.create_repo(&new.repo) };
        json!({"id": id, "clone_url": format!("{}/{}.git", github.url(), new.repo)})
    })
    .await
}

#[derive(Deserialize)]
struct NewFork {
    repo: String,
    user: String,
}

async fn fork(State(github): Github, Json(new): Json<NewFork>) -> Answer {
    act(github, move |github| json!({"repo": github.fork(&new.repo, &new.user)})).await
}

#[derive(Deserialize)]
struct NewCommit {
    repo: String,
    branch: String,
    user: String,
    message: String,
    /// Path and content.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Path and content of what may be executed.
    #[serde(default)]
    scripts: BTreeMap<String, String>,
    #[serde(default)]
    delete: Vec<String>,
}

async fn commit(State(github): Github, Json(new): Json<NewCommit>) -> Answer {
    act(github, move |github| {
        let files = new.files.iter().map(|(path, content)| Edit::from((path.as_str(), content.as_str())));
        let scripts = new.scripts.iter().map(|(path, content)| Edit::script(path, content));
        let edits = files.chain(scripts).chain(new.delete.iter().map(|path| Edit::delete(path)));
        json!({"commit": github.commit(&new.repo, &new.branch, &new.user, &new.message, edits)})
    })
    .await
}

#[derive(Deserialize)]
struct NewPull {
    repo: String,
    user: String,
    head: String,
    fork: Option<String>,
    title: Option<String>,
    body: Option<String>,
}

async fn open_pull(State(github): Github, Json(new): Json<NewPull>) -> Answer {
    act(github, move |github| {
        let mut spec = PullSpec::of(&new.user, &new.head);
        if let Some(fork) = &new.fork {
            spec = spec.from_fork(fork);
        }
        if let Some(title) = &new.title {
            spec = spec.title(title);
        }
        if let Some(body) = &new.body {
            spec = spec.body(body);
        }
        let number = github.open_pull(&new.repo, spec);
        json!({"number": number, "head": github.pull_head(&new.repo, number)})
    })
    .await
}

/// A pull request, and who does something to it.
#[derive(Deserialize)]
struct OnPull {
    repo: String,
    number: u64,
    #[serde(default)]
    user: String,
}

async fn close_pull(State(github): Github, Json(on): Json<OnPull>) -> Answer {
    act(github, move |github| {
        github.close_pull(&on.repo, on.number, &on.user);
        json!({})
    })
    .await
}

async fn reopen_pull(State(github): Github, Json(on): Json<OnPull>) -> Answer {
    act(github, move |github| {
        github.reopen_pull(&on.repo, on.number, &on.user);
        json!({})
    })
    .await
}

async fn merge_pull(State(github): Github, Json(on): Json<OnPull>) -> Answer {
    act(github, move |github| json!({"commit": github.merge_pull(&on.repo, on.number, &on.user)})).await
}

async fn enqueue(State(github): Github, Json(on): Json<OnPull>) -> Answer {
    act(github, move |github| {
        let group = github.enqueue(&on.repo, on.number, &on.user);
        json!({"head_ref": group.head_ref, "head": group.head, "base": group.base})
    })
    .await
}

#[derive(Deserialize)]
struct NewComment {
    repo: String,
    number: u64,
    user: String,
    body: String,
}

async fn comment(State(github): Github, Json(new): Json<NewComment>) -> Answer {
    act(github, move |github| json!({"id": github.comment(&new.repo, new.number, &new.user, &new.body)})).await
}

#[derive(Deserialize)]
struct NewTag {
    repo: String,
    name: String,
    commit: String,
    user: String,
}

async fn tag(State(github): Github, Json(new): Json<NewTag>) -> Answer {
    act(github, move |github| {
        github.tag(&new.repo, &new.name, &new.commit, &new.user);
        json!({})
    })
    .await
}

#[derive(Deserialize)]
struct NewPermission {
    repo: String,
    user: String,
    level: Level,
}

async fn permission(State(github): Github, Json(new): Json<NewPermission>) -> Answer {
    act(github, move |github| {
        github.set_permission(&new.repo, &new.user, new.level);
        json!({})
    })
    .await
}

#[derive(Deserialize)]
struct OnCheck {
    check: u64,
    #[serde(default)]
    identifier: String,
    user: String,
}

async fn press(State(github): Github, Json(on): Json<OnCheck>) -> Answer {
    act(github, move |github| {
        github.press_button(on.check, &on.identifier, &on.user);
        json!({})
    })
    .await
}

async fn rerequest(State(github): Github, Json(on): Json<OnCheck>) -> Answer {
    act(github, move |github| {
        github.rerequest(on.check, &on.user);
        json!({})
    })
    .await
}

#[derive(Deserialize)]
struct NewToken {
    user: String,
}

async fn token(State(github): Github, Json(new): Json<NewToken>) -> Answer {
    act(github, move |github| json!({"token": github.user_token(&new.user)})).await
}

#[derive(Deserialize)]
struct Webhook {
    url: String,
    secret: String,
}

async fn webhook(State(github): Github, Json(hook): Json<Webhook>) -> Answer {
    act(github, move |github| {
        github.set_webhook(&hook.url, &hook.secret);
        json!({})
    })
    .await
}

#[derive(Deserialize)]
struct Redelivery {
    guid: String,
}

async fn redeliver(State(github): Github, Json(which): Json<Redelivery>) -> Answer {
    act(github, move |github| {
        github.redeliver(&which.guid);
        json!({})
    })
    .await
}

/// A fault of the API, once or `times`.
#[derive(Deserialize)]
struct NewFault {
    /// An operation's id or a path, as a glob.
    on: String,
    effect: FaultKind,
    #[serde(default = "once")]
    times: u64,
}

fn once() -> u64 {
    1
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum FaultKind {
    ServerError,
    BadGatewayAfter,
    Cut,
    SecondaryLimit,
    Hang,
}

async fn fault(State(github): Github, Json(new): Json<NewFault>) -> Answer {
    act(github, move |github| {
        let effect = match new.effect {
            FaultKind::ServerError => Effect::ServerError,
            FaultKind::BadGatewayAfter => Effect::BadGatewayAfter,
            FaultKind::Cut => Effect::Cut,
            FaultKind::SecondaryLimit => Effect::SecondaryLimit { retry_after_secs: 2 },
            FaultKind::Hang => Effect::Hang(Duration::from_secs(30)),
        };
        let when = gatewright_tests::github::When::First(new.times);
        json!({"fault": github.fault(Fault::on(&new.on, effect).when(when))})
    })
    .await
}

async fn clear_faults(State(github): Github) -> Answer {
    act(github, |github| {
        github.clear_faults();
        json!({})
    })
    .await
}

async fn settle(State(github): Github) -> Json<Value> {
    github.deliveries_settled().await;
    Json(json!({}))
}

/// What a person sees of a pull request.
async fn pull(State(github): Github, Query(on): Query<OnPull>) -> Answer {
    act(github, move |github| {
        let head = github.pull_head(&on.repo, on.number);
        let comments = github.comments(&on.repo, on.number);
        let comments: Vec<Value> = comments
            .iter()
            .map(|c| json!({"id": c.id, "author": c.author, "body": c.body, "edited": c.edited, "reactions": c.reactions}))
            .collect();
        json!({"head": head, "comments": comments, "checks": check_list(github, &on.repo, &head)})
    })
    .await
}

#[derive(Deserialize)]
struct OnCommit {
    repo: String,
    commit: String,
}

async fn checks(State(github): Github, Query(on): Query<OnCommit>) -> Answer {
    act(github, move |github| check_list(github, &on.repo, &on.commit)).await
}

fn check_list(github: &FakeGitHub, repo: &str, commit: &str) -> Value {
    let shape = |check: &gatewright_tests::github::CheckRun| {
        json!({
            "id": check.id, "name": check.name, "status": check.status, "conclusion": check.conclusion, "title": check.title,
            "summary": check.summary, "details_url": check.details_url, "annotations": check.annotations, "buttons": check.buttons,
        })
    };
    github.check_runs(repo, commit).values().map(shape).collect()
}

async fn deliveries(State(github): Github) -> Answer {
    act(github, |github| {
        let attempts = |d: &gatewright_tests::github::Delivery| -> Vec<Value> {
            d.attempts
                .iter()
                .map(|a| json!({"id": a.id, "status_code": a.status_code, "redelivery": a.redelivery, "ms": a.ms}))
                .collect()
        };
        github.deliveries().iter().map(|d| json!({"guid": d.guid, "event": d.name(), "attempts": attempts(d)})).collect()
    })
    .await
}

#[derive(Deserialize)]
struct Since {
    /// So many requests are left out, from the oldest.
    #[serde(default)]
    skip: usize,
}

async fn log(State(github): Github, Query(since): Query<Since>) -> Answer {
    act(github, move |github| {
        let seen = github.log().into_iter().skip(since.skip);
        seen.map(|s| json!({"at": s.at.to_string(), "method": s.method, "path": s.path, "status": s.status, "ms": s.ms}))
            .collect()
    })
    .await
}

async fn violations(State(github): Github) -> Answer {
    act(github, |github| json!(github.violations())).await
}
