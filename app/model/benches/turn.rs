//! What a turn costs beside the model itself: `Models::reply` against a provider on loopback that answers at once, with a conversation
//! of forty turns and 400 KiB.
//!
//! `cargo bench -p gatewright-model` prints the median and the 99th percentile of each provider, and of the bare exchange without us.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use gatewright_core::RunId;
use gatewright_core::model::{Arguments, Ask, Message, Model, ToolCall, ToolResult};
use gatewright_model::{Config, Endpoint, Kind, Models, Patience, ProviderConfig};
use serde_json::json;

/// So many turns are measured, after a tenth of them that is not.
const TURNS: usize = 500;

/// A tool's result in the conversation has so many bytes.
const RESULT_BYTES: usize = 20_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let answer = json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Done." } }],
        "usage": { "prompt_tokens": 100_000, "completion_tokens": 2, "total_tokens": 100_002 },
    });
    let url = serve(answer.to_string()).await;
    let endpoint = Endpoint { url: Some(url.clone()), key: Some("a key".to_owned().into()) };
    let config = Config {
        providers: vec![ProviderConfig::new("openai", Kind::OpenAi(endpoint))],
        usual: Vec::new(),
        patience: Patience::default(),
    };
    let models = Models::new(config).expect("the configuration is valid");
    let ask = ask();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let body = "x".repeat(RESULT_BYTES * 20);
    let mut bare = Vec::new();
    let mut turns = Vec::new();
    for nth in 0..TURNS + TURNS / 10 {
        let started = Instant::now();
        let sent = client.post(&url).body(body.clone()).send().await.expect("an answer");
        sent.bytes().await.expect("its body");
        let exchange = started.elapsed();
        let started = Instant::now();
        models.reply(&ask).await.expect("an answer");
        if nth >= TURNS / 10 {
            bare.push(exchange);
            turns.push(started.elapsed());
        }
    }
    #[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
    for (name, times) in [("a bare exchange of the same size", &mut bare), ("a turn", &mut turns)] {
        times.sort_unstable();
        println!("{name}: p50 {:?}, p99 {:?}", percentile(times, 50), percentile(times, 99));
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

async fn serve(answer: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let app = Router::new().fallback(move |_: Bytes| std::future::ready(answer.clone()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn ask() -> Ask {
    let mut messages = vec![Message::User { text: "The build fails. Why?".to_owned() }];
    for nth in 0..20 {
        let (id, name) = (format!("call_{nth}"), "read".to_owned());
        let arguments = Arguments::Json(json!({ "path": "a.rs" }));
        let calls = vec![ToolCall { id: id.clone(), name: name.clone(), arguments }];
        messages.push(Message::Model { text: "I look.".to_owned(), calls, opaque: None });
        let content = "fn main() {}\n".repeat(RESULT_BYTES / 13);
        messages.push(Message::Results { results: vec![ToolResult { call: id, name, content, is_error: false }] });
    }
    Ask {
        run: RunId::new(),
        stage: 0,
        turn: 1,
        models: vec!["openai/m".parse().expect("a name")],
        system: "You mend code.".to_owned(),
        messages,
        tools: Vec::new(),
        tokens_max: 1000,
        within: Duration::from_secs(30),
    }
}
