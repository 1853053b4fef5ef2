//! Publishing checks as commit statuses.

use std::sync::{Arc, Mutex};

use gatewright_core::forge::Forge;
use gatewright_core::report::{CheckReport, CheckStatus, Conclusion, Known, external_id};
use serde_json::{Value, json};

use crate::stub::*;

/// The statuses of the head, as GitLab keeps them: one that is not finished is set, one that is makes room for another.
#[derive(Clone, Default)]
struct Statuses(Arc<Mutex<Vec<Value>>>);

fn post_path() -> String {
    format!("{PROJECT}/statuses/{}", commit('a'))
}

fn list_path() -> String {
    format!("{PROJECT}/repository/commits/{}/statuses", commit('a'))
}

fn is_over(status: &Value) -> bool {
    !matches!(status["status"].as_str(), Some("pending" | "running"))
}

impl Statuses {
    fn with(statuses: Vec<Value>) -> Self {
        Statuses(Arc::new(Mutex::new(statuses)))
    }

    fn answer(&self, seen: &Seen) -> Option<Reply> {
        if seen.is("POST", &post_path()) {
            return Some(self.post(&seen.body));
        }
        if seen.is("GET", &list_path()) {
            let newest_first: Vec<Value> = self.all().into_iter().rev().collect();
            return Reply::ok(json!(newest_first));
        }
        if seen.is("GET", &format!("{REQUEST}/discussions")) {
            return Reply::ok(json!([]));
        }
        seen.is("GET", REQUEST).then(|| Reply::json(200, &merge_request_with(json!({"head_pipeline": pipeline(42)}))))
    }

    fn post(&self, body: &Value) -> Reply {
        let mut all = self.0.lock().unwrap();
        let next = all.len() as u64 + 90;
        let same = |one: &&mut Value| one["name"] == body["name"] && one["pipeline_id"] == body["pipeline_id"] && !is_over(one);
        let state = body["state"].as_str().unwrap();
        if let Some(there) = all.iter_mut().find(same) {
            let from = there["status"].as_str().unwrap().to_owned();
            let event = if state == "running" { "run" } else { "enqueue" };
            if from == state || (from == "running" && state == "pending") {
                return Reply::says(400, &format!("Cannot transition status via :{event} from :{from} (Reason(s): ...)"));
            }
            for name in ["description", "target_url"] {
                there[name] = body[name].clone();
            }
            there["status"] = json!(state);
            return Reply::json(201, there);
        }
        let mut made = body.clone();
        made["id"] = json!(next);
        made["status"] = json!(state);
        made["author"] = json!({"id": ME, "username": "gatewright"});
        all.push(made.clone());
        Reply::json(201, &made)
    }

    fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }

    fn states(&self) -> Vec<(u64, String)> {
        self.all().iter().map(|one| (one["id"].as_u64().unwrap(), one["status"].as_str().unwrap().to_owned())).collect()
    }
}

async fn stub_of(statuses: &Statuses) -> Stub {
    let statuses = statuses.clone();
    Stub::start(move |seen| statuses.answer(seen)).await
}

fn kept(id: u64, state: &str, by: u64, pipeline: u64) -> Value {
    json!({"id": id, "name": "gatewright/tests", "status": state, "ref": "refs/merge-requests/5/head", "pipeline_id": pipeline,
        "description": "60 failed", "target_url": "https://gw.example/runs/1", "author": {"id": by}})
}

fn state(id: u64, word: &str) -> (u64, String) {
    (id, word.to_owned())
}

fn of_run(number: u128, check: CheckReport) -> CheckReport {
    CheckReport { external_id: external_id(run(number), Some(&"tests".parse().unwrap())), ..check }
}

#[tokio::test]
async fn a_status_names_the_merge_requests_own_pipeline() {
    let statuses = Statuses::default();
    let stub = stub_of(&statuses).await;
    let published = stub.gitlab().publish(&repo(), &report(check(CheckStatus::Queued)), &Known::Never).await.unwrap();
    assert_eq!(published.id, 90);
    let expected = json!({
        "state": "pending", "name": "gatewright/tests", "description": "60 failed",
        "target_url": "https://gw.example/runs/1", "ref": "refs/merge-requests/5/head", "pipeline_id": 42
    });
    assert_eq!(stub.bodies("POST", &post_path()), [expected]);
}

#[tokio::test]
async fn a_check_goes_from_pending_over_running_to_its_end_as_one_status() {
    let statuses = Statuses::default();
    let stub = stub_of(&statuses).await;
    let gitlab = stub.gitlab();
    let made = gitlab.publish(&repo(), &report(check(CheckStatus::Queued)), &Known::Never).await.unwrap();
    for status in [running(), completed(Conclusion::Failure)] {
        let published = gitlab.publish(&repo(), &report(check(status)), &Known::Id(made.id)).await.unwrap();
        assert_eq!(published, made);
    }
    assert_eq!(statuses.states(), [state(90, "failed")]);
    assert_eq!(stub.count("GET", REQUEST), 1, "where it goes is looked up once a minute");
}

#[tokio::test]
async fn a_status_that_is_so_already_is_no_error() {
    for known in [Known::Id(90), Known::Never, Known::Maybe] {
        let statuses = Statuses::with(vec![kept(90, "running", ME, 42)]);
        let stub = stub_of(&statuses).await;
        let again = CheckReport { title: "another title".to_owned(), ..check(running()) };
        assert_eq!(stub.gitlab().publish(&repo(), &report(again), &known).await.map(|p| p.id), Ok(90), "{known:?}");
        assert_eq!(statuses.states(), [state(90, "running")]);
    }
}

#[tokio::test]
async fn a_running_status_is_not_set_back_to_pending_and_that_is_no_error() {
    let statuses = Statuses::with(vec![kept(90, "running", ME, 42)]);
    let stub = stub_of(&statuses).await;
    let published = stub.gitlab().publish(&repo(), &report(check(CheckStatus::Queued)), &Known::Maybe).await;
    assert_eq!(published.map(|published| published.id), Ok(90));
}

#[tokio::test]
async fn a_transition_refused_at_the_end_counts_only_if_it_ended_so() {
    for (standing, ended) in [("success", true), ("running", false), ("canceled", false)] {
        let words = "Cannot transition status via :success from :success";
        let stub = Stub::start(move |seen| match (seen.method.as_str(), seen.path()) {
            ("GET", REQUEST) => Reply::ok(merge_request_with(json!({"head_pipeline": pipeline(42)}))),
            ("GET", path) if path == list_path() => Reply::ok(json!([kept(90, standing, ME, 42)])),
            ("GET", path) if path.ends_with("/discussions") => Reply::ok(json!([])),
            ("POST", _) => Some(Reply::says(400, words)),
            _ => None,
        })
        .await;
        let published = stub.gitlab().publish(&repo(), &report(check(completed(Conclusion::Success))), &Known::Never).await;
        assert_eq!(published.is_ok(), ended, "{standing}");
        assert_eq!(is_unavailable(&published), !ended, "{standing}");
    }
}

#[tokio::test]
async fn another_refusal_is_told_with_gitlabs_words() {
    let stub = Stub::start(|seen| match (seen.method.as_str(), seen.path()) {
        ("GET", REQUEST) => Reply::ok(merge_request_with(json!({"head_pipeline": pipeline(42)}))),
        ("POST", _) => Some(Reply::json(400, &json!({"message": {"name": ["is too long"]}}))),
        _ => None,
    })
    .await;
    let error = stub.gitlab().publish(&repo(), &report(check(running())), &Known::Never).await.unwrap_err();
    assert!(error.to_string().contains("is too long"), "{error}");
}

#[tokio::test]
async fn a_rerun_makes_a_new_status_in_the_place_of_the_finished_one() {
    let statuses = Statuses::default();
    let stub = stub_of(&statuses).await;
    let gitlab = stub.gitlab();
    gitlab.publish(&repo(), &report(check(completed(Conclusion::Failure))), &Known::Never).await.unwrap();
    let rerun = gitlab.publish(&repo(), &report(of_run(2, check(CheckStatus::Queued))), &Known::Maybe).await.unwrap();
    assert_eq!(statuses.states(), [state(90, "failed"), state(91, "pending")]);
    gitlab.publish(&repo(), &report(of_run(2, check(completed(Conclusion::Success)))), &Known::Id(rerun.id)).await.unwrap();
    assert_eq!(statuses.states(), [state(90, "failed"), state(91, "success")]);
}

#[tokio::test]
async fn what_an_older_run_still_says_is_not_shown() {
    let statuses = Statuses::default();
    let stub = stub_of(&statuses).await;
    let gitlab = stub.gitlab();
    let old = gitlab.publish(&repo(), &report(of_run(1, check(running()))), &Known::Never).await.unwrap();
    let new = gitlab.publish(&repo(), &report(of_run(2, check(completed(Conclusion::Success)))), &Known::Maybe).await.unwrap();
    let late = gitlab.publish(&repo(), &report(of_run(1, check(completed(Conclusion::Cancelled)))), &Known::Id(old.id)).await;
    assert_eq!(late, Ok(new));
    assert_eq!(statuses.states(), [state(90, "success")]);
}

#[tokio::test]
async fn a_status_answered_502_is_sent_once_and_found_the_next_time() {
    for status in [CheckStatus::Queued, running(), completed(Conclusion::Success)] {
        let statuses = Statuses::default();
        let inner = statuses.clone();
        let stub = Stub::start(move |seen| {
            let reply = inner.answer(seen);
            if seen.method == "POST" { Some(Reply::status(502)) } else { reply }
        })
        .await;
        let gitlab = stub.gitlab();
        assert!(is_unavailable(&gitlab.publish(&repo(), &report(check(status)), &Known::Never).await));
        assert_eq!(gitlab.publish(&repo(), &report(check(status)), &Known::Maybe).await.map(|p| p.id), Ok(90));
        assert_eq!(stub.count("POST", &post_path()), 1);
    }
}

#[tokio::test]
async fn a_finished_status_published_again_is_looked_at_and_left() {
    let statuses = Statuses::default();
    let stub = stub_of(&statuses).await;
    let gitlab = stub.gitlab();
    let over = report(check(completed(Conclusion::Success)));
    let made = gitlab.publish(&repo(), &over, &Known::Never).await.unwrap();
    for known in [Known::Id(made.id), Known::Maybe] {
        assert_eq!(gitlab.publish(&repo(), &over, &known).await, Ok(made.clone()));
    }
    assert_eq!(stub.count("POST", &post_path()), 1);
}

#[tokio::test]
async fn a_status_of_our_name_by_somebody_else_is_not_ours() {
    let statuses = Statuses::with(vec![kept(80, "success", 77, 42), kept(81, "success", ME, 41)]);
    let stub = stub_of(&statuses).await;
    stub.gitlab().publish(&repo(), &report(check(completed(Conclusion::Success))), &Known::Maybe).await.unwrap();
    assert_eq!(stub.count("POST", &post_path()), 1, "neither somebody else's nor one of another pipeline stands for it");
}

#[tokio::test]
async fn what_was_left_waiting_in_another_pipeline_ends_too() {
    let statuses = Statuses::with(vec![kept(90, "running", ME, 41), kept(91, "pending", 77, 40), kept(92, "running", ME, 42)]);
    let stub = stub_of(&statuses).await;
    stub.gitlab().publish(&repo(), &report(check(completed(Conclusion::Success))), &Known::Id(92)).await.unwrap();
    assert_eq!(statuses.states(), [state(90, "success"), state(91, "pending"), state(92, "success")]);
}

#[tokio::test]
async fn ten_publications_at_once_make_one_status() {
    let statuses = Statuses::default();
    let stub = stub_of(&statuses).await;
    let gitlab = Arc::new(stub.gitlab());
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let gitlab = gitlab.clone();
            tokio::spawn(async move { gitlab.publish(&repo(), &report(check(running())), &Known::Maybe).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().id, 90);
    }
    assert_eq!(statuses.states(), [state(90, "running")]);
    assert_eq!(stub.count("POST", &post_path()), 1);
}
