//! Pipelines of agents, from what starts them to what people see: the same scenarios on every forge, with models that follow a script.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use gatewright_core::model::{Ask, Model, ModelError, ModelName, Price, ProviderHealth, Reply};
use gatewright_engine::agents::show;
use gatewright_model::{Script, Scripted};
use gatewright_tests::service::{Setting, until};
use gatewright_tests::stage::{Proposed, Scene};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// A repository file with these pipelines, and one gate that runs the repository's test.
macro_rules! with_agents {
    ($pipelines:literal) => {
        concat!("image: gatewright-sandbox:local\ngates:\n  tests: { run: sh test.sh }\nagents:", $pipelines)
    };
}

#[path = "agents/comment.rs"]
mod comment;
#[path = "agents/crash.rs"]
mod crash;
#[path = "agents/fix.rs"]
mod fix;
#[path = "agents/honest.rs"]
mod honest;
#[path = "agents/injection.rs"]
mod injection;
#[path = "agents/lfs.rs"]
mod lfs;
#[path = "agents/limits.rs"]
mod limits;
#[path = "agents/looks_back.rs"]
mod looks_back;
#[path = "agents/on_demand.rs"]
mod on_demand;
#[path = "agents/programs.rs"]
mod programs;
#[path = "agents/refused.rs"]
mod refused;
#[path = "agents/started.rs"]
mod started;
#[path = "agents/stopped.rs"]
mod stopped;

/// A repository whose test fails: the sum of two numbers is their difference.
const FILE: &str = with_agents!(
    "
  fix: { budget: { usd: 2.00, turns: 20, minutes: 5 } }
"
);

/// The same with the shortest pipeline that mends something.
const SHORT: &str = with_agents!(
    "
  fix: { steps: [repair, verify], tries: 2 }
"
);

/// What is broken.
const BROKEN: &str = "#!/bin/sh\necho $(($1 - $2))\n";

/// What it is once it is mended.
const MENDED: &str = "#!/bin/sh\necho $(($1 + $2))\n";

/// The test that says so.
const TEST: &str = "test \"$(sh add.sh 2 3)\" = 5 || { echo \"2 + 3 is not $(sh add.sh 2 3)\"; exit 1; }\n";

/// What models of scenarios cost.
const PRICE: Price = Price { input: 3_000_000, cache_read: 300_000, cache_write: 3_750_000, output: 15_000_000 };

/// The model of scenarios follows this script, which is JSON or YAML.
fn script(setting: &mut Setting, script: &str) {
    setting.models = Arc::new(scripted(script).with_price(PRICE));
}

fn scripted(script: &str) -> Scripted {
    Scripted::new(Script::read(script).unwrap_or_else(|error| panic!("{error}")))
}

/// A script in which every agent that is asked this says this.
fn conversations(all: &[(&[&str], Vec<Value>)]) -> String {
    let conversation = |(words, exchanges): &(&[&str], Vec<Value>)| json!({ "match": words, "exchanges": exchanges });
    json!({ "conversations": all.iter().map(conversation).collect::<Vec<_>>() }).to_string()
}

/// An answer that uses tools.
fn uses(calls: &[(&str, Value)]) -> Value {
    let call = |(tool, arguments): &(&str, Value)| json!({ "tool": tool, "arguments": arguments });
    json!({ "reply": { "calls": calls.iter().map(call).collect::<Vec<_>>(), "usage": { "input": 2_000, "output": 50 } } })
}

/// The same, once the last message has these words in it.
fn on_hearing(words: &[&str], mut exchange: Value) -> Value {
    exchange["expect"] = json!({ "last": words });
    exchange
}

fn finish(summary: &str) -> Value {
    uses(&[("finish", json!({ "summary": summary }))])
}

/// The change that mends the sum.
fn mend() -> (&'static str, Value) {
    ("patch", json!({ "path": "add.sh", "old": "$1 - $2", "new": "$1 + $2" }))
}

/// Opens a pull request that breaks the sum, and waits until its gates have said so. Its number, and its head.
async fn broken(scene: &Scene) -> (u64, String) {
    broken_with(scene, &[]).await
}

/// The same with other files in it.
async fn broken_with(scene: &Scene, more: &[(&str, &str)]) -> (u64, String) {
    let files: Vec<(&str, &str)> = [("add.sh", BROKEN), ("test.sh", TEST)].into_iter().chain(more.iter().copied()).collect();
    let head = scene.forge.commit("topic", "alice", &files);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_eq!(scene.forge.checks(&head).get("gatewright/tests").map(String::as_str), Some("failure"));
    (number, head)
}

/// What the service has proposed, which is one thing.
fn proposed(scene: &Scene) -> Proposed {
    let mut all = scene.forge.proposed();
    let one = all.pop().unwrap_or_else(|| panic!("nothing was proposed"));
    assert!(all.is_empty(), "{all:?}");
    one
}

/// As the forge's people refer to a pull request.
fn reference(scene: &Scene, number: u64) -> String {
    show::reference(scene.forge.kind(), number)
}

/// What the service says of its agents on a pull request, with names in the place of what is never the same: the part of its one comment
/// behind that of the gates, and its replies to commands.
fn said(scene: &Scene, number: u64, head: &str) -> String {
    let comment = scene.sticky(number);
    let (gates, agents) = comment.split_once("\n\n### ").map_or((&*comment, None), |(gates, agents)| (gates, Some(agents)));
    assert!(gates.starts_with("### Gatewright: "), "{comment}");
    let agents = agents.map(|agents| format!("### {agents}"));
    let said: Vec<String> = agents.into_iter().chain(scene.replies(number)).collect();
    steady(&said.join("\n"), head)
}

/// A text without what is never the same: the commit, and the ids of runs.
fn steady(text: &str, head: &str) -> String {
    let text = text.replace(&head[..7], "HEAD");
    let is_id = |word: &str| word.len() == 36 && word.chars().filter(|c| *c == '-').count() == 4;
    let ids: Vec<&str> = text.split(|c: char| !c.is_ascii_hexdigit() && c != '-').filter(|word| is_id(word)).collect();
    ids.iter().fold(text.clone(), |text, id| text.replace(id, "RUN"))
}

/// A model that answers when it is let, and counts how often it is asked.
struct Held {
    inner: Scripted,
    asked: AtomicUsize,
    lets: Semaphore,
}

impl Held {
    /// It answers so often before it is let again.
    fn after(answers: usize, script: &str) -> Arc<Held> {
        let inner = scripted(script).with_price(PRICE);
        Arc::new(Held { inner, asked: AtomicUsize::new(0), lets: Semaphore::new(answers) })
    }

    fn let_answer(&self) {
        self.lets.add_permits(1_000);
    }

    async fn until_asked(&self, times: usize) {
        until("a model is asked", || async { self.asked.load(Ordering::SeqCst) >= times }).await;
    }
}

#[async_trait]
impl Model for Held {
    async fn reply(&self, ask: &Ask) -> Result<Reply, ModelError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.lets.acquire().await.expect("it is never closed").forget();
        self.inner.reply(ask).await
    }

    fn price(&self, model: &ModelName) -> Option<Price> {
        self.inner.price(model)
    }

    fn usual(&self) -> Vec<ModelName> {
        self.inner.usual()
    }

    fn unknown(&self, model: &ModelName) -> Option<String> {
        self.inner.unknown(model)
    }

    fn health(&self) -> Vec<ProviderHealth> {
        self.inner.health()
    }
}
