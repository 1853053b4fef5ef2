//! What is sent: valid by the types of each provider's own client, whatever the conversation was like.

use std::path::Path;
use std::process::Command;

use gatewright_core::model::{Arguments, Ask, Message, Model, ToolCall};
use serde_json::{Value, json};

use crate::fake::{Canned, Fake};
use crate::support::{KEY, KINDS, ask, call, one, result, said, user, wants, words};

/// Conversations of all kinds that providers would trip over if they were sent as they are.
fn conversations() -> Vec<(&'static str, Vec<Message>)> {
    let results = |results: Vec<_>| Message::Results { results };
    let mut failed = result("c1", "no such file");
    failed.is_error = true;
    let hostile = ToolCall {
        id: "an id with spaces, and longer than any provider takes it back".to_owned(),
        name: "functions.read file!".to_owned(),
        arguments: Arguments::Malformed("{\"path\": ".to_owned()),
    };
    let hostile_result = gatewright_core::model::ToolResult {
        call: hostile.id.clone(),
        name: hostile.name.clone(),
        content: "there is no such tool".to_owned(),
        is_error: true,
    };
    vec![
        ("first", vec![user("The build fails. Why?")]),
        ("told", vec![user("Hello."), said("Hello.", vec![]), user("The build fails.")]),
        (
            "used",
            vec![
                user("Why?"),
                said("I look.", vec![call("c1", json!({ "path": "a" })), call("c2", json!({ "path": "b" }))]),
                results(vec![result("c2", "bbb"), result("c1", "aaa")]),
            ],
        ),
        (
            "failed",
            vec![user("Why?"), said("", vec![call("c1", json!({}))]), results(vec![failed]), user("Go on."), user("Soon.")],
        ),
        ("hostile", vec![user("Why?"), said("", vec![hostile]), results(vec![hostile_result])]),
        (
            "same-ids",
            vec![
                user("Why?"),
                said("", vec![call("call_0", json!({ "path": "a" }))]),
                results(vec![result("call_0", "aaa")]),
                said("", vec![call("call_0", json!({ "path": "b" }))]),
                results(vec![result("call_0", "bbb")]),
            ],
        ),
        ("no-object", vec![user("Why?"), said("", vec![call("c1", json!([1, 2]))]), results(vec![result("c1", "")])]),
        ("empty", vec![user(""), said("", vec![]), user("  ")]),
    ]
}

fn with(kind: &str, messages: Vec<Message>) -> Ask {
    Ask { messages, ..ask(&[&format!("{kind}/m")]) }
}

/// The bodies of a kind: of each conversation, of one without system text and tools, and of one that goes on from what the provider
/// itself said.
async fn bodies(kind: &str) -> Vec<(String, Value)> {
    let fake = Fake::start().await;
    fake.will(Canned::ok(&wants(kind)));
    fake.always(Canned::ok(&words(kind)));
    let models = one(kind, &fake);
    let own = models.reply(&with(kind, vec![user("Why?")])).await.expect("an answer");
    let results = own.calls.iter().map(|call| result(&call.id, "fn main()")).collect();
    let own = Message::Model { text: own.text, calls: own.calls, opaque: own.opaque };
    let mut named: Vec<(&str, Ask)> = conversations().into_iter().map(|(name, messages)| (name, with(kind, messages))).collect();
    named.push(("own", with(kind, vec![user("Why?"), own, Message::Results { results }])));
    let bare = Ask { system: String::new(), tools: Vec::new(), ..with(kind, vec![user("Hello.")]) };
    named.push(("bare", bare));
    for (name, ask) in &named {
        models.reply(ask).await.unwrap_or_else(|error| panic!("{kind}, {name}: {error}"));
    }
    let names = named.iter().map(|(name, _)| (*name).to_owned());
    let seen = fake.seen().into_iter().skip(1).map(|seen| seen.body);
    names.zip(seen).collect()
}

/// The body with a key that no provider knows: on its own, in a turn, and in a tool.
fn wrong(body: &Value) -> [Value; 3] {
    let turns = ["messages", "contents", "input"].into_iter().find(|key| body.get(key).is_some()).expect("it has turns");
    [format!("/{turns}/1"), "/tools/0".to_owned(), String::new()].map(|place| {
        let mut body = body.clone();
        let object = body.pointer_mut(&place).and_then(Value::as_object_mut).expect("there is an object");
        object.insert("nonsense".to_owned(), json!(true));
        body
    })
}

#[tokio::test]
async fn what_is_sent_and_what_the_tests_answer_are_valid_by_the_providers_own_clients() {
    let folder = tempfile::tempdir().expect("a folder");
    for kind in KINDS {
        let write = |name: &str, body: &Value| {
            std::fs::write(folder.path().join(format!("{kind}-{name}.json")), body.to_string()).expect("a file");
        };
        for (name, body) in bodies(kind).await {
            if name == "used" {
                wrong(&body).iter().enumerate().for_each(|(nth, body)| write(&format!("wrong-{nth}"), body));
            }
            write(&format!("request-{name}"), &body);
        }
        write("answer-words", &words(kind));
        write("answer-wants", &wants(kind));
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../.tools/python/bin/python");
    assert!(python.exists(), "the providers' clients are not installed; run tests/setup/all.sh first");
    let output = Command::new(python).arg(here.join("tests/model/validate.py")).arg(folder.path()).output().expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("75 bodies, 0 of them wrong"), "{said}");
}

#[tokio::test]
async fn each_provider_is_asked_at_its_own_path_with_its_own_header() {
    let mut asked = String::new();
    for kind in KINDS {
        let fake = Fake::start().await;
        fake.will(Canned::ok(&words(kind)));
        one(kind, &fake).reply(&ask(&[&format!("{kind}/m")])).await.expect("an answer");
        let seen = fake.seen().remove(0);
        let header = seen.headers.iter().find(|(_, value)| value.to_str().is_ok_and(|value| value.contains(KEY)));
        asked += &format!("{kind}: {} {}\n", seen.path, header.expect("the key is sent").0);
    }
    insta::assert_snapshot!(asked, @r"
    anthropic: /v1/messages x-api-key
    openai: /chat/completions authorization
    gemini: /v1beta/models/m:generateContent x-goog-api-key
    perplexity: /v1/responses authorization
    ollama: /api/chat authorization
    ");
}

#[tokio::test]
async fn results_are_sent_in_the_order_of_their_calls() {
    for kind in KINDS {
        let bodies = bodies(kind).await;
        let used = &bodies.iter().find(|(name, _)| name == "used").expect("it is there").1;
        let text = used.to_string();
        let (a, b) = (text.find("aaa").expect("the first result"), text.find("bbb").expect("the second result"));
        assert!(a < b, "{kind}: {text}");
    }
}

#[tokio::test]
async fn what_is_the_same_from_turn_to_turn_is_marked_for_keeping_at_anthropic() {
    let bodies = bodies("anthropic").await;
    let body = &bodies.iter().find(|(name, _)| name == "same-ids").expect("it is there").1;
    let marked = |value: &Value| value.get("cache_control").is_some();
    assert!(marked(&body["system"][0]));
    let messages: Vec<bool> =
        body["messages"].as_array().expect("a list").iter().map(|message| marked(&message["content"][0])).collect();
    assert_eq!(messages, [false, false, true, false, true]);
}

#[tokio::test]
async fn signatures_of_thoughts_go_back_beside_what_they_belong_to_and_to_their_own_model_alone() {
    let fake = Fake::start().await;
    fake.will(Canned::ok(&wants("gemini")));
    fake.always(Canned::ok(&words("gemini")));
    let models = one("gemini", &fake);
    let own = models.reply(&with("gemini", vec![user("Why?")])).await.expect("an answer");
    let results: Vec<_> = own.calls.iter().map(|call| result(&call.id, "fn main()")).collect();
    let history = vec![
        user("Why?"),
        Message::Model { text: own.text, calls: own.calls.clone(), opaque: own.opaque },
        Message::Results { results },
    ];
    models.reply(&with("gemini", history.clone())).await.expect("an answer");
    let other = Ask { messages: history, ..ask(&["gemini/another"]) };
    models.reply(&other).await.expect("an answer");
    let parts = |nth: usize| fake.seen()[nth].body["contents"][1]["parts"].clone();
    let call = |nth: usize, args: Option<Value>| {
        let mut call = json!({ "id": own.calls[nth].id, "name": "read" });
        if let Some(args) = args {
            call["args"] = args;
        }
        call
    };
    assert_eq!(
        parts(1),
        json!([
            { "text": "I look." },
            { "functionCall": call(0, Some(json!({ "path": "a.rs" }))), "thoughtSignature": "c2lnbmVk" },
            { "functionCall": call(1, None) },
        ])
    );
    assert_eq!(parts(2)[1]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(fake.seen()[1].body["contents"][2]["parts"][0]["functionResponse"]["id"], json!(own.calls[0].id));
}

#[tokio::test]
async fn thoughts_of_anthropic_and_perplexity_go_back_unread() {
    let bodies_of = async |kind| bodies(kind).await.into_iter().find(|(name, _)| name == "own").expect("it is there").1;
    let anthropic = bodies_of("anthropic").await;
    assert_eq!(anthropic["messages"][1]["content"][0]["signature"], "c2lnbmVk");
    let perplexity = bodies_of("perplexity").await;
    assert_eq!(perplexity["input"][1]["thought_signature"], "c2lnbmVk");
    assert_eq!(perplexity["input"][3]["thought_signature"], "c2lnbmVk");
}

#[tokio::test]
async fn a_broken_conversation_is_not_sent() {
    let results = |results: Vec<_>| Message::Results { results };
    let two = || said("", vec![call("a", json!({})), call("b", json!({}))]);
    let broken: Vec<(&str, Vec<Message>)> = vec![
        ("nothing", vec![]),
        ("the model first", vec![said("Hello.", vec![]), user("Hello.")]),
        ("the model last", vec![user("Hello."), said("Hello.", vec![])]),
        ("the model twice", vec![user("Hello."), said("A.", vec![]), said("B.", vec![]), user("Hello.")]),
        ("no results", vec![user("Hello."), two(), user("Go on.")]),
        ("one of two results", vec![user("Hello."), two(), results(vec![result("a", "")])]),
        ("a result twice", vec![user("Hello."), two(), results(vec![result("a", ""), result("a", ""), result("b", "")])]),
        ("a foreign result", vec![user("Hello."), two(), results(vec![result("a", ""), result("b", ""), result("c", "")])]),
        ("results of nothing", vec![user("Hello."), results(vec![result("a", "")])]),
        (
            "one id for two calls",
            vec![
                user("Hello."),
                said("", vec![call("a", json!({})), call("a", json!({}))]),
                results(vec![result("a", ""), result("a", "")]),
            ],
        ),
    ];
    let mut errors = String::new();
    for (name, messages) in broken {
        let fake = Fake::start().await;
        let error = one("anthropic", &fake).reply(&with("anthropic", messages)).await.expect_err("it is broken");
        assert!(fake.seen().is_empty(), "{name}");
        errors += &format!("{name}: {error}\n");
    }
    insta::assert_snapshot!(errors, @r"
    nothing: anthropic did not take the question: the conversation is broken and was not sent: there is no message
    the model first: anthropic did not take the question: the conversation is broken and was not sent: message 1: the model speaks first, or twice in a row
    the model last: anthropic did not take the question: the conversation is broken and was not sent: the last message is the model's own
    the model twice: anthropic did not take the question: the conversation is broken and was not sent: message 3: the model speaks first, or twice in a row
    no results: anthropic did not take the question: the conversation is broken and was not sent: message 3: 2 calls of the message before have no result
    one of two results: anthropic did not take the question: the conversation is broken and was not sent: message 3: a call does not have exactly one result
    a result twice: anthropic did not take the question: the conversation is broken and was not sent: message 3: a call does not have exactly one result
    a foreign result: anthropic did not take the question: the conversation is broken and was not sent: message 3: a result is of no call of the message before
    results of nothing: anthropic did not take the question: the conversation is broken and was not sent: message 2: results without calls
    one id for two calls: anthropic did not take the question: the conversation is broken and was not sent: message 2: two calls have the same id
    ");
}
