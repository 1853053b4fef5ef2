//! The scripted provider.

use std::sync::Arc;

use gatewright_core::RunId;
use gatewright_core::model::{Arguments, Ask, Finish, Message, Model, ModelError, Usage};
use gatewright_model::{Kind, Models, ProviderConfig, Script, Scripted};
use serde_json::json;

use crate::support::{ask, models, result, user};

const SCRIPT: &str = r#"
conversations:
  - match: ["You mend", "build fails"]
    exchanges:
      - expect: { last: "build fails", system: You mend, tools: read }
        reply:
          text: I look.
          calls: [{ tool: read, arguments: { path: a.rs } }, { tool: read, malformed: "{" }]
          usage: { input: 100, output: 10 }
      - expect: { last: [fn main, "no JSON"] }
        fails: [{ kind: overloaded }, { kind: rate-limited, after_secs: 0 }]
        reply: { text: A semicolon is missing. }
  - match: Review
    exchanges:
      - reply: { text: "Looks good.", finish: length }
      - fails: [{ kind: spend-limit }]
  - exchanges: [{ fails: [{ kind: not-allowed }] }]
"#;

fn scripted() -> Arc<Scripted> {
    Arc::new(Scripted::new(Script::read(SCRIPT).expect("a script")))
}

fn of(scripted: &Arc<Scripted>) -> Models {
    models(vec![ProviderConfig::new("script", Kind::Scripted(scripted.clone()))])
}

fn question(text: &str) -> Ask {
    Ask { messages: vec![user(text)], ..ask(&["script/any"]) }
}

/// The same conversation, one exchange on.
fn goes_on(ask: &Ask, reply: &gatewright_core::model::Reply, contents: &[&str]) -> Ask {
    let mut next = ask.clone();
    let (text, calls, opaque) = (reply.text.clone(), reply.calls.clone(), reply.opaque.clone());
    let results = calls.iter().zip(contents).map(|(call, content)| result(&call.id, content)).collect();
    next.messages.push(Message::Model { text, calls, opaque });
    next.messages.push(Message::Results { results });
    next
}

#[tokio::test]
async fn a_conversation_is_had_as_the_script_says_with_its_failures() {
    let scripted = scripted();
    let models = of(&scripted);
    let first = question("The build fails. Why?");
    let reply = models.reply(&first).await.expect("an answer");
    assert_eq!((reply.text.as_str(), reply.finish), ("I look.", Finish::Tools));
    assert_eq!(reply.calls[0].arguments, Arguments::Json(json!({ "path": "a.rs" })));
    assert_eq!(reply.calls[1].arguments, Arguments::Malformed("{".to_owned()));
    assert_eq!(reply.usage, Usage { input: 100, output: 10, ..Usage::default() });
    assert_eq!(models.reply(&first).await.expect("the same again").calls, reply.calls, "asked again it is the same answer");
    let second = goes_on(&first, &reply, &["fn main()", "that is no JSON"]);
    let reply = models.reply(&second).await.expect("an answer after two failures");
    assert_eq!((reply.text.as_str(), reply.finish), ("A semicolon is missing.", Finish::End));
    assert_eq!(scripted.unasked(), ["conversation 2, exchange 1", "conversation 2, exchange 2", "conversation 3, exchange 1"]);
}

#[tokio::test]
async fn where_it_stands_survives_a_restart_for_it_is_in_the_question() {
    let first = question("The build fails. Why?");
    let reply = of(&scripted()).reply(&first).await.expect("an answer");
    let second = goes_on(&first, &reply, &["fn main()", "no JSON"]);
    assert_eq!(of(&scripted()).reply(&second).await.expect("an answer").text, "A semicolon is missing.");
}

#[tokio::test]
async fn several_conversations_go_on_at_once() {
    let models = of(&scripted());
    let (build, review) = (question("The build fails. Why?"), question("Review this."));
    let (one, other) = tokio::join!(models.reply(&build), models.reply(&review));
    assert_eq!(one.expect("an answer").text, "I look.");
    let other = other.expect("an answer");
    assert_eq!((other.text.as_str(), other.finish), ("Looks good.", Finish::Length));
}

#[tokio::test]
async fn what_the_script_does_not_expect_is_an_error_that_names_it() {
    let models = of(&scripted());
    let first = question("The build fails. Why?");
    let reply = models.reply(&first).await.expect("an answer");
    let mut errors = String::new();
    let mut fails = async |ask: Ask| errors += &format!("{}\n", models.reply(&ask).await.expect_err("it is not expected"));
    fails(Ask { tools: Vec::new(), ..first.clone() }).await;
    let second = goes_on(&first, &reply, &["fn main()", "something else"]);
    fails(second.clone()).await;
    let mut third = goes_on(&second, &reply, &["", ""]);
    third.messages.push(user("Go on."));
    fails(third).await;
    fails(question("Hello.")).await;
    let review = question("Review this.");
    let said = models.reply(&review).await.expect("an answer");
    let mut next = review.clone();
    next.messages.push(Message::Model { text: said.text, calls: Vec::new(), opaque: None });
    next.messages.push(user("And?"));
    fails(next).await;
    insta::assert_snapshot!(errors, @r"
    script did not take the question: the script, conversation 1, exchange 1: the tool `read` is expected to be offered, and none is
    script did not take the question: the script, conversation 1, exchange 2: `no JSON` is expected in the last message, which is: fn main() something else
    script did not take the question: the script's conversation 1 ends after 2 exchanges; asked on was: Go on.
    script does not let us ask any: the script acts out a failure: not allowed
    the limit of spending at script is reached: the script acts out a failure: the limit of spending
    ");
}

#[tokio::test]
async fn without_a_server_file_the_script_itself_is_the_model() {
    let script =
        Script::read("conversations: [{ match: nothing else, exchanges: [{ reply: { text: Hello. } }] }]").expect("a script");
    let scripted = Scripted::new(script);
    assert_eq!(scripted.usual()[0].to_string(), "scripted/model");
    let error = scripted.reply(&Ask { run: RunId::new(), ..question("Hello?") }).await.expect_err("no conversation matches");
    assert!(matches!(error, ModelError::Invalid { .. }), "{error}");
    let reply = scripted.reply(&question("Say hello, nothing else.")).await.expect("an answer");
    assert_eq!(reply.text, "Hello.");
}

#[test]
fn the_script_on_the_page_about_models_is_one() {
    let page = include_str!("../../../../docs/models.md");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has an example");
    assert_eq!(Script::read(example).expect("a script").conversations[0].exchanges.len(), 2);
}

#[test]
fn a_file_that_is_no_script_is_refused_with_its_place() {
    let bad = [
        "conversations: []",
        "conversations:\n  - exchanges:\n      - repli: {}\n",
        "conversations: [{ exchanges: [{ expect: { last: x } }] }]",
        "conversations: 7",
    ];
    let errors: Vec<String> = bad.iter().map(|text| Script::read(text).expect_err("no script").to_string()).collect();
    insta::assert_snapshot!(errors.join("\n---\n"), @r"
    this is no script of a model: it has no conversation
    ---
    this is no script of a model: line 3 column 9: unknown field `repli`, expected one of expect, fails, reply, delay_ms
     --> <input>:3:9
      |
    1 | conversations:
    2 |   - exchanges:
    3 |       - repli: {}
      |         ^ unknown field `repli`, expected one of expect, fails, reply, delay_ms
    ---
    this is no script of a model: conversation 1, exchange 1 has neither `reply` nor `fails`
    ---
    this is no script of a model: line 1 column 16: expected sequence start
     --> <input>:1:16
      |
    1 | conversations: 7
      |                ^ expected sequence start
    ");
}
