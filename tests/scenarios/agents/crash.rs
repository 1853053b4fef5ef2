//! The process is killed, for real, at many places in a pipeline's work, and started again: what is proposed in the end is the same, once,
//! and at most one question to the model is asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use gatewright_engine::Point;
use gatewright_tests::process::{Crash, Home, places};
use gatewright_tests::stage::{GitHubStage, GitLabStage, Role, Stage};
use serde_json::{Value, json};

use super::{BROKEN, MENDED, SHORT, TEST};

/// A pipeline, its command and the gates of what it proposes have fewer appends and effects than this.
const PLACES_MAX: u64 = 120;

/// So many questions does the pipeline ask where nothing goes wrong.
const ASKS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_an_append_a_pipeline_proposes_the_same_once_on_github() {
    killed_now_and_then(Arc::new(GitHubStage::start().await), Point::Appended, 2, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_an_effect_a_pipeline_proposes_the_same_once_on_github() {
    killed_now_and_then(Arc::new(GitHubStage::start().await), Point::Performed, 1, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_an_append_a_pipeline_proposes_the_same_once_on_gitlab() {
    killed_now_and_then(Arc::new(GitLabStage::start().await), Point::Appended, 8, 18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_an_effect_a_pipeline_proposes_the_same_once_on_gitlab() {
    killed_now_and_then(Arc::new(GitLabStage::start().await), Point::Performed, 5, 13).await;
}

/// A pull request after the other, each with a crash `step` places further on, until one is mended before its crash comes.
async fn killed_now_and_then(forge: Arc<dyn Stage>, point: Point, from: u64, step: usize) {
    forge.commit("main", "alice", &[(".gatewright.yml", SHORT)]);
    forge.set_role("ada", Role::Admin);
    let (port, asked) = model().await;
    let more = format!(
        "[[model]]\nkind = \"openai\"\nname = \"local\"\nurl = \"http://127.0.0.1:{port}/v1\"\n\
         [[model.price]]\nmodel = \"*\"\ninput = 3\noutput = 15\n\n[agents]\nmodels = [\"local/m\"]\n\n"
    );
    let home = Home::on_with(&*forge, &more);
    let mut reached = 0;
    for nth in places(from, step, PLACES_MAX) {
        if !pipeline_ends_right(&*forge, &home, &asked, Crash { point, nth }).await {
            break;
        }
        reached = nth;
    }
    assert!(reached > 12, "a pipeline has more places than {reached}");
    assert!(reached + 18 < PLACES_MAX, "the series came to its end");
}

/// Has a service that kills itself mend a pull request, starts it again, and looks at what there is. True if it did kill itself.
async fn pipeline_ends_right(forge: &dyn Stage, home: &Home, asked: &AtomicUsize, crash: Crash) -> bool {
    let program = env!("CARGO_BIN_EXE_service-under-test");
    let nth = crash.nth;
    let branch = format!("topic-{nth}");
    let mut service = home.start(program, None).await;
    forge.send_again();
    forge.commit(&branch, "alice", &[("add.sh", BROKEN), ("test.sh", TEST)]);
    let number = forge.open("alice", &branch);
    assert!(!service.dies_or_idles_on(forge).await, "without a crash it lives on: {}", home.log());
    service.kill().await;
    let before = forge.proposed().len();
    asked.store(0, Ordering::SeqCst);

    let mut service = home.start(program, Some(crash)).await;
    forge.advance(2);
    let comment = forge.comment(number, "ada", "/gw fix");
    let died = service.dies_or_idles_on(forge).await;
    service.kill().await;
    let mut service = home.start(program, None).await;
    forge.send_again();
    assert!(!service.dies_or_idles_on(forge).await, "without a crash it lives on: {}", home.log());
    service.kill().await;

    let place = format!("{:?} {nth}", crash.point);
    assert_eq!(forge.reactions(number, comment), ["eyes", "+1"], "{place}");
    assert_eq!(forge.replies(number), [], "{place}: one comment, and no others");
    let comment = forge.sticky(number).unwrap_or_default();
    for part in ["### Gatewright: 1 of 1 gate failed\n", "### fix: a pull request is proposed\n"] {
        assert_eq!(comment.matches(part).count(), 1, "{place}: {comment}");
    }
    let proposed = forge.proposed().split_off(before);
    assert_eq!(proposed.len(), 1, "{place}: one proposal: {proposed:#?}");
    let commit = forge.head_of(&proposed[0].branch).unwrap_or_default();
    assert_eq!(forge.file(&commit, "add.sh").as_deref(), Some(MENDED), "{place}");
    assert_eq!(forge.checks(&commit).get("gatewright").map(String::as_str), Some("success"), "{place}");
    let asks = asked.load(Ordering::SeqCst);
    assert!((ASKS..=ASKS + 1).contains(&asks), "{place}: {asks} questions");
    assert_eq!(home.leftovers().await, Vec::<String>::new(), "{place}");
    forge.assert_valid();
    died
}

/// A provider that counts what it is asked. It mends the sum in its first answer, and is done in its second.
async fn model() -> (u16, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, asked)
}

async fn answer(State(asked): State<Arc<AtomicUsize>>, Json(body): Json<Value>) -> Json<Value> {
    asked.fetch_add(1, Ordering::SeqCst);
    let spoken = body["messages"].as_array().into_iter().flatten().filter(|message| message["role"] == "assistant").count();
    let (tool, arguments) = match spoken {
        0 => ("patch", json!({ "path": "add.sh", "old": "$1 - $2", "new": "$1 + $2" })),
        _ => ("finish", json!({ "summary": "It adds.", "title": "Add" })),
    };
    let function = json!({ "name": tool, "arguments": arguments.to_string() });
    let call = json!({ "id": format!("call_{spoken}"), "type": "function", "function": function });
    Json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{
            "index": 0, "finish_reason": "tool_calls", "logprobs": null,
            "message": { "role": "assistant", "content": null, "refusal": null, "tool_calls": [call] },
        }],
        "usage": { "prompt_tokens": 1_000, "completion_tokens": 50, "total_tokens": 1_050 },
    }))
}
