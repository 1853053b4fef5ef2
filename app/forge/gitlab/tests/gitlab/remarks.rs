//! Annotations as threads at the lines of a merge request.

use std::sync::{Arc, Mutex};

use gatewright_core::forge::Forge;
use gatewright_core::report::{CheckReport, Conclusion, Known, external_id};
use gatewright_core::suggestion::Suggestion;
use gatewright_core::verdict::{Annotation, AnnotationLevel};
use gatewright_forge_gitlab::Limits;
use serde_json::{Value, json};

use crate::stub::*;

const THREADS: &str = "/api/v4/projects/7/merge_requests/5/discussions";

/// A merge request's threads, with a diff that adds 30 lines to `src/lib.rs` and shows one more.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<Vec<Value>>>);

impl Threads {
    fn answer(&self, seen: &Seen) -> Option<Reply> {
        let mut threads = self.0.lock().unwrap();
        match (seen.method.as_str(), seen.path()) {
            ("GET", REQUEST) => return Reply::ok(merge_request_with(json!({"head_pipeline": pipeline(42)}))),
            ("GET", path) if path.ends_with("/diffs") => return Reply::ok(diffs()),
            ("GET", path) if path.ends_with("/statuses") => return Reply::ok(json!([])),
            ("POST", path) if path.contains("/statuses/") => return Reply::made(json!({"id": 90})),
            ("GET", THREADS) => return Reply::ok(json!(*threads)),
            ("POST", THREADS) => {
                let number = threads.len() as u64 + 700;
                let made = thread(number, &[(ME, seen.body["body"].as_str().unwrap())]);
                threads.push(made.clone());
                return Reply::made(made);
            }
            _ => {}
        }
        let mut parts = seen.path().strip_prefix(THREADS)?.strip_prefix('/')?.split('/');
        let id = parts.next()?;
        let at = threads.iter().position(|thread| thread["id"] == id)?;
        match (seen.method.as_str(), parts.next()) {
            ("DELETE", Some("notes")) => {
                threads.remove(at);
                Some(Reply::text(204, ""))
            }
            ("PUT", None) => {
                for note in threads[at]["notes"].as_array_mut().unwrap() {
                    note["resolved"] = seen.body["resolved"].clone();
                    note["resolved_by"] = if seen.body["resolved"] == true { json!({"id": ME}) } else { json!(null) };
                }
                Reply::ok(threads[at].clone())
            }
            _ => None,
        }
    }

    fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }

    /// Somebody answers in the thread at this place in the list.
    fn reply(&self, at: usize) {
        let note = json!({"id": 9_000, "body": "Why?", "author": {"id": 77}, "resolved": false});
        self.0.lock().unwrap()[at]["notes"].as_array_mut().unwrap().push(note);
    }

    fn set(&self, at: usize, name: &str, value: Value) {
        self.0.lock().unwrap()[at]["notes"][0][name] = value;
    }
}

fn thread(number: u64, notes: &[(u64, &str)]) -> Value {
    let notes: Vec<Value> = notes
        .iter()
        .map(|(author, body)| json!({"id": number + 1_000, "body": body, "author": {"id": author}, "resolved": false}))
        .collect();
    json!({"id": format!("{number:040x}"), "notes": notes})
}

fn diffs() -> Value {
    let added: String = (0..30).map(|n| format!("+line {n}\n")).collect();
    json!([
        {"old_path": "src/old.rs", "new_path": "src/lib.rs", "diff": format!("@@ -4,1 +4,31 @@\n same\n{added}")},
        {"old_path": "b", "new_path": "b", "diff": "", "too_large": true}
    ])
}

async fn stub_of(threads: &Threads) -> Stub {
    let threads = threads.clone();
    Stub::start(move |seen| threads.answer(seen)).await
}

fn failed(annotations: Vec<Annotation>) -> CheckReport {
    CheckReport { annotations, title: "failed".to_owned(), ..check(completed(Conclusion::Failure)) }
}

fn of_run(number: u128, check: CheckReport) -> CheckReport {
    CheckReport { external_id: external_id(run(number), Some(&"tests".parse().unwrap())), ..check }
}

async fn publish(stub: &Stub, check: CheckReport) {
    stub.gitlab().publish(&repo(), &report(check), &Known::Maybe).await.unwrap();
}

fn description(stub: &Stub) -> String {
    let status = format!("{PROJECT}/statuses/{}", commit('a'));
    stub.bodies("POST", &status).last().unwrap()["description"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_failure_becomes_a_thread_at_its_line() {
    let threads = Threads::default();
    let stub = stub_of(&threads).await;
    publish(&stub, failed(vec![failure("src/lib.rs", 7, "assertion failed")])).await;
    let made = stub.bodies("POST", THREADS).remove(0);
    let place = json!({
        "position_type": "text", "base_sha": commit('b'), "start_sha": commit('c'), "head_sha": commit('a'),
        "old_path": "src/old.rs", "new_path": "src/lib.rs", "new_line": 7
    });
    assert_eq!(made["position"], place);
    let body = made["body"].as_str().unwrap();
    assert!(body.starts_with("<!-- gatewright:remark "), "{body}");
    assert!(
        body.ends_with("`gatewright/tests` failed here:\n\n```text\nassertion failed\n\nassertion failed, in full\n```"),
        "{body}"
    );
    assert_eq!(description(&stub), "failed");
}

fn proposal(first_line: u32, last_line: u32, text: &str) -> Suggestion {
    let (path, text, message) = ("src/lib.rs".to_owned(), text.to_owned(), "`rule`: `better so`".to_owned());
    Suggestion { path, first_line, last_line, text, message }
}

#[tokio::test]
async fn what_a_tool_proposes_becomes_a_thread_that_can_be_applied() {
    let threads = Threads::default();
    let stub = stub_of(&threads).await;
    let suggestions = vec![
        proposal(7, 8, "let x = 1;"),
        // On a line that is not added, and text that would have to be changed to be harmless.
        proposal(4, 4, "y"),
        proposal(9, 9, "/merge now"),
    ];
    let passed = CheckReport { suggestions, ..check(completed(Conclusion::Success)) };
    publish(&stub, passed.clone()).await;
    let bodies = stub.bodies("POST", THREADS);
    let [made] = bodies.as_slice() else { panic!("{bodies:?}") };
    let text = "\n`gatewright/tests` proposes: `rule`: `better so`\n\n```suggestion:-0+1\nlet x = 1;\n```";
    assert!(made["body"].as_str().unwrap().ends_with(text), "{made}");
    assert_eq!(made["position"]["new_line"], 7);
    publish(&stub, passed).await;
    assert_eq!(stub.count("POST", THREADS), 1, "it is said once");
}

#[tokio::test]
async fn a_line_that_is_only_shown_is_named_by_both_its_numbers() {
    let stub = stub_of(&Threads::default()).await;
    publish(&stub, failed(vec![failure("src/lib.rs", 4, "x")])).await;
    let made = stub.bodies("POST", THREADS).remove(0);
    assert_eq!((&made["position"]["new_line"], &made["position"]["old_line"]), (&json!(4), &json!(4)));
}

#[tokio::test]
async fn what_lies_outside_of_the_diff_is_counted_in_the_status() {
    let stub = stub_of(&Threads::default()).await;
    let outside =
        [failure("src/lib.rs", 400, "a"), failure("b", 1, "b"), failure("not/there", 1, "c"), failure("src/old.rs", 7, "d")];
    publish(&stub, failed(outside.into_iter().chain([failure("src/lib.rs", 7, "e")]).collect())).await;
    assert_eq!(stub.count("POST", THREADS), 1);
    assert_eq!(description(&stub), "failed (4 of 5 remarks not shown at their lines)");
}

#[tokio::test]
async fn no_check_makes_more_than_twenty_threads() {
    let stub = stub_of(&Threads::default()).await;
    publish(&stub, failed((5..35).map(|line| failure("src/lib.rs", line, "x")).collect())).await;
    assert_eq!(stub.count("POST", THREADS), 20);
    assert_eq!(description(&stub), "failed (10 of 30 remarks not shown at their lines)");
}

#[tokio::test]
async fn warnings_and_notices_become_no_threads() {
    let stub = stub_of(&Threads::default()).await;
    let of = |level| Annotation { level, ..failure("src/lib.rs", 7, "x") };
    publish(&stub, failed(vec![of(AnnotationLevel::Warning), of(AnnotationLevel::Notice)])).await;
    assert_eq!((stub.count("POST", THREADS), description(&stub).as_str()), (0, "failed"));
}

#[tokio::test]
async fn nothing_is_said_before_the_verdict_nor_without_one() {
    let stub = stub_of(&Threads::default()).await;
    let remark = vec![failure("src/lib.rs", 7, "x")];
    for status in [running(), completed(Conclusion::Cancelled), completed(Conclusion::Skipped)] {
        publish(&stub, CheckReport { annotations: remark.clone(), ..check(status) }).await;
    }
    publish(&stub, CheckReport { pull: None, ..failed(remark) }).await;
    assert_eq!((stub.count("GET", THREADS), stub.count("POST", THREADS)), (0, 0));
}

#[tokio::test]
async fn what_was_said_is_not_said_again_by_a_second_attempt_or_a_later_run() {
    let threads = Threads::default();
    let stub = stub_of(&threads).await;
    let remark = vec![failure("src/lib.rs", 7, "x"), failure("src/lib.rs", 7, "x")];
    for run in [1, 1, 2] {
        publish(&stub, of_run(run, failed(remark.clone()))).await;
    }
    assert_eq!((threads.all().len(), stub.count("POST", THREADS)), (1, 1));
}

#[tokio::test]
async fn what_no_longer_is_so_is_taken_back_and_answers_stay() {
    let threads = Threads::default();
    let stub = stub_of(&threads).await;
    publish(
        &stub,
        failed(vec![failure("src/lib.rs", 7, "kept"), failure("src/lib.rs", 8, "gone"), failure("src/lib.rs", 9, "answered")]),
    )
    .await;
    threads.reply(2);
    for run in [2, 3] {
        publish(&stub, of_run(run, failed(vec![failure("src/lib.rs", 7, "kept")]))).await;
    }
    let all = threads.all();
    assert_eq!(all.len(), 2);
    assert_eq!((&all[0]["notes"][0]["resolved"], &all[1]["notes"][0]["resolved"]), (&json!(false), &json!(true)));
    let writes = stub.seen().iter().filter(|seen| ["PUT", "DELETE"].contains(&seen.method.as_str())).count();
    assert_eq!(writes, 2, "one is deleted, one resolved, and neither twice");
    let green = CheckReport { annotations: Vec::new(), ..check(completed(Conclusion::Success)) };
    publish(&stub, of_run(4, green)).await;
    assert_eq!(threads.all().len(), 1, "a check that passes takes all of it back");
}

#[tokio::test]
async fn what_is_so_again_is_open_again_unless_somebody_else_resolved_it() {
    for (by, reopened) in [(ME, true), (77, false)] {
        let threads = Threads::default();
        let stub = stub_of(&threads).await;
        let remark = vec![failure("src/lib.rs", 7, "x")];
        publish(&stub, failed(remark.clone())).await;
        threads.set(0, "resolved", json!(true));
        threads.set(0, "resolved_by", json!({"id": by}));
        publish(&stub, of_run(2, failed(remark))).await;
        assert_eq!(threads.all()[0]["notes"][0]["resolved"], json!(!reopened));
        assert_eq!(threads.all().len(), 1);
    }
}

#[tokio::test]
async fn a_thread_answered_502_is_found_the_next_time() {
    let threads = Threads::default();
    let inner = threads.clone();
    let stub = Stub::start(move |seen| {
        let reply = inner.answer(seen);
        if seen.is("POST", THREADS) { Some(Reply::status(502)) } else { reply }
    })
    .await;
    let gitlab = stub.gitlab();
    let check = report(failed(vec![failure("src/lib.rs", 7, "x")]));
    assert!(is_unavailable(&gitlab.publish(&repo(), &check, &Known::Never).await));
    gitlab.publish(&repo(), &check, &Known::Maybe).await.unwrap();
    assert_eq!((stub.count("POST", THREADS), threads.all().len()), (1, 1));
}

#[tokio::test]
async fn threads_that_were_made_twice_become_one() {
    let threads = Threads::default();
    let stub = stub_of(&threads).await;
    let remark = vec![failure("src/lib.rs", 7, "x")];
    publish(&stub, failed(remark.clone())).await;
    let body = threads.all()[0]["notes"][0]["body"].as_str().unwrap().to_owned();
    threads.0.lock().unwrap().insert(0, thread(900, &[(ME, &body)]));
    publish(&stub, of_run(2, failed(remark))).await;
    let ids: Vec<Value> = threads.all().iter().map(|thread| thread["id"].clone()).collect();
    assert_eq!(ids, [json!(format!("{:040x}", 700))], "the older one stays");
}

#[tokio::test]
async fn somebody_elses_thread_with_our_marker_neither_stands_for_ours_nor_is_touched() {
    let first = Threads::default();
    publish(&stub_of(&first).await, failed(vec![failure("src/lib.rs", 7, "x")])).await;
    let body = first.all()[0]["notes"][0]["body"].as_str().unwrap().to_owned();
    let forged = thread(100, &[(77, &body), (ME, &body)]);
    let threads = Threads(Arc::new(Mutex::new(vec![forged.clone()])));
    let stub = stub_of(&threads).await;
    publish(&stub, failed(vec![failure("src/lib.rs", 7, "x")])).await;
    assert_eq!(threads.all().len(), 2);
    publish(&stub, of_run(2, failed(Vec::new()))).await;
    assert_eq!(threads.all(), [forged]);
}

#[tokio::test]
async fn the_threads_of_another_check_are_not_touched() {
    let threads = Threads::default();
    let stub = stub_of(&threads).await;
    publish(&stub, failed(vec![failure("src/lib.rs", 7, "x")])).await;
    publish(&stub, CheckReport { name: "gatewright/lint".to_owned(), ..failed(vec![failure("src/lib.rs", 7, "x")]) }).await;
    publish(&stub, CheckReport { name: "gatewright/lint".to_owned(), ..failed(Vec::new()) }).await;
    assert_eq!((stub.count("POST", THREADS), threads.all().len()), (2, 1));
}

#[tokio::test]
async fn a_report_about_an_older_head_leaves_the_threads_of_the_new_one() {
    let threads = Threads::default();
    let stub = stub_of(&threads).await;
    publish(&stub, failed(vec![failure("src/lib.rs", 7, "x")])).await;
    let inner = threads.clone();
    let moved = Stub::start(move |seen| {
        let refs = json!({"base_sha": commit('b'), "start_sha": commit('c'), "head_sha": commit('e')});
        match seen.path() {
            REQUEST => Reply::ok(merge_request_with(json!({"sha": commit('e'), "diff_refs": refs}))),
            path if path.ends_with("/pipelines") => Reply::ok(json!([pipeline(42)])),
            _ => inner.answer(seen),
        }
    })
    .await;
    publish(&moved, failed(Vec::new())).await;
    assert_eq!(threads.all().len(), 1);
    assert_eq!(moved.count("DELETE", THREADS), 0);
}

#[tokio::test]
async fn a_place_that_gitlab_refuses_leaves_the_status_shown() {
    let threads = Threads::default();
    let inner = threads.clone();
    let stub = Stub::start(move |seen| match seen.is("POST", THREADS) {
        true => Some(Reply::says(400, r#"Note {:line_code=>["can't be blank"]}"#)),
        false => inner.answer(seen),
    })
    .await;
    publish(&stub, failed(vec![failure("src/lib.rs", 7, "x"), failure("src/lib.rs", 8, "y")])).await;
    assert_eq!(stub.count("POST", THREADS), 2);
}

#[tokio::test]
async fn threads_that_are_not_for_us_leave_the_status_shown() {
    let threads = Threads::default();
    let stub = Stub::start(move |seen| match seen.is("GET", THREADS) {
        true => Some(Reply::status(403)),
        false => threads.answer(seen),
    })
    .await;
    publish(&stub, failed(vec![failure("src/lib.rs", 7, "x")])).await;
    assert_eq!(description(&stub), "failed");
}

#[tokio::test]
async fn threads_beyond_the_minutes_notes_come_with_the_next_attempt() {
    let threads = Threads::default();
    let stub = stub_of(&threads).await;
    let gitlab = stub.gitlab_with(Limits { notes_per_minute: 2, ..Limits::default() });
    let check = report(failed((5..8).map(|line| failure("src/lib.rs", line, "x")).collect()));
    assert!(is_limited(&gitlab.publish(&repo(), &check, &Known::Never).await, 61));
    stub.pass(61);
    gitlab.publish(&repo(), &check, &Known::Maybe).await.unwrap();
    assert_eq!((threads.all().len(), stub.count("POST", THREADS)), (3, 3));
}
