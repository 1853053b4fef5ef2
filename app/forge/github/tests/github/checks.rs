//! Publishing check runs.

use std::sync::{Arc, Mutex};

use gatewright_core::forge::{Forge, ForgeError};
use gatewright_core::report::{CheckStatus, Known, Report};
use serde_json::{Value, json};

use crate::stub::*;

/// The check runs of one commit, kept as GitHub keeps them: annotations are appended by every write.
#[derive(Clone, Default)]
struct Runs(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    runs: Vec<Value>,
    annotations: Vec<Value>,
    /// Statuses that the next writes are answered with, and whether they are done all the same.
    faults: Vec<(u16, bool)>,
}

impl Runs {
    fn with(runs: Vec<Value>) -> Self {
        Runs(Arc::new(Mutex::new(State { runs, ..State::default() })))
    }

    fn fault(&self, status: u16, done: bool) {
        self.0.lock().unwrap().faults.push((status, done));
    }

    fn annotations(&self) -> Vec<u64> {
        self.0.lock().unwrap().annotations.iter().map(|a| a["start_line"].as_u64().unwrap()).collect()
    }

    fn runs(&self) -> Vec<Value> {
        self.0.lock().unwrap().runs.clone()
    }

    fn answer(&self, seen: &Seen) -> Option<Reply> {
        if !seen.target.starts_with("/repos/octo/app/") {
            return None;
        }
        let mut state = self.0.lock().unwrap();
        if seen.target.contains("/annotations") {
            return Some(Reply::json(200, &json!(state.annotations)));
        }
        if seen.method == "GET" {
            return Some(Reply::json(200, &json!({"total_count": state.runs.len(), "check_runs": state.runs})));
        }
        let fault = (!state.faults.is_empty()).then(|| state.faults.remove(0));
        if matches!(fault, Some((_, false))) {
            return fault.map(|(status, _)| Reply::status(status));
        }
        let reply = state.write(seen)?;
        Some(fault.map_or(reply, |(status, _)| Reply::status(status)))
    }
}

impl State {
    fn write(&mut self, seen: &Seen) -> Option<Reply> {
        let mut run = seen.body.clone();
        let sent = run["output"]["annotations"].as_array().cloned().unwrap_or_default();
        if sent.len() > 50 {
            return Some(Reply::status(422));
        }
        if seen.method == "POST" {
            run["id"] = json!(self.runs.len() + 100);
            run["app"] = json!({"id": APP});
            self.runs.push(run);
        } else {
            let id: u64 = seen.target.rsplit('/').next()?.parse().ok()?;
            let known = self.runs.iter_mut().find(|run| run["id"] == id)?;
            run.as_object()?.iter().for_each(|(key, value)| known[key] = value.clone());
        }
        self.annotations.extend(sent);
        let id = if seen.method == "POST" { self.runs.last()?["id"].clone() } else { json!(null) };
        Some(Reply::json(if seen.method == "POST" { 201 } else { 200 }, &json!({"id": id})))
    }
}

async fn stub_of(runs: &Runs) -> Stub {
    let runs = runs.clone();
    Stub::start(move |seen| runs.answer(seen)).await
}

fn line_numbers(to: u64) -> Vec<u64> {
    (1..=to).collect()
}

#[tokio::test]
async fn a_check_goes_from_queued_to_completed_in_one_check_run() {
    let runs = Runs::default();
    let stub = stub_of(&runs).await;
    let github = stub.github();
    let mut report = check(2);
    report.status = CheckStatus::Queued;
    let made = github.publish(&repo(), &Report::Check(Box::new(report.clone())), &Known::Never).await.unwrap();
    let known = Known::Id(made.id);
    report.status = CheckStatus::InProgress { started_at: at(0) };
    assert_eq!(github.publish(&repo(), &Report::Check(Box::new(report)), &known).await, Ok(made.clone()));
    assert_eq!(github.publish(&repo(), &check_report(2), &known).await, Ok(made));
    assert_eq!(
        stub.lines(),
        [
            "POST /repos/octo/app/check-runs",
            "PATCH /repos/octo/app/check-runs/100",
            "GET /repos/octo/app/check-runs/100/annotations?per_page=100",
            "PATCH /repos/octo/app/check-runs/100",
        ]
    );
    let bodies: Vec<_> = stub.seen().into_iter().filter(|s| s.target.contains("check-runs") && s.method != "GET").collect();
    assert_eq!(bodies[0].body["head_sha"], commit('a').as_str());
    assert_eq!(bodies[0].body["status"], "queued");
    assert_eq!(bodies[1].body["started_at"], at(0).to_string());
    assert_eq!(bodies[2].body["conclusion"], "failure");
    assert_eq!(bodies[2].body["completed_at"], at(60).to_string());
    assert_eq!(bodies[2].body["external_id"], "run-1/tests");
    assert!(bodies[2].body.get("head_sha").is_none());
    assert_eq!(runs.annotations(), [1, 2]);
}

#[tokio::test]
async fn a_post_answered_502_is_sent_once_and_found_the_next_time() {
    for done in [true, false] {
        let runs = Runs::default();
        runs.fault(502, done);
        let stub = stub_of(&runs).await;
        let github = stub.github();
        let result = github.publish(&repo(), &check_report(3), &Known::Never).await;
        assert!(is_unavailable(&result), "{result:?}");
        assert_eq!(stub.count("POST", "/repos/"), 1);
        github.publish(&repo(), &check_report(3), &Known::Maybe).await.unwrap();
        assert_eq!(runs.runs().len(), 1);
        assert_eq!(runs.annotations(), [1, 2, 3]);
        let looked = "GET /repos/octo/app/commits/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/check-runs\
                      ?check_name=gatewright%2Ftests&filter=all&app_id=4711&per_page=100";
        assert!(stub.lines().iter().any(|line| line == looked), "{:?}", stub.lines());
    }
}

#[tokio::test]
async fn sixty_annotations_go_as_fifty_and_ten() {
    let runs = Runs::default();
    let stub = stub_of(&runs).await;
    stub.github().publish(&repo(), &check_report(60), &Known::Never).await.unwrap();
    assert_eq!(stub.lines(), ["POST /repos/octo/app/check-runs", "PATCH /repos/octo/app/check-runs/100"]);
    assert_eq!(runs.annotations(), line_numbers(60));
    assert_eq!(runs.runs()[0]["output"]["summary"], "It did not pass.", "the second request did not take the text away");
    assert_eq!(runs.runs()[0]["output"]["text"], "log");
}

#[tokio::test]
async fn annotations_are_not_doubled_by_a_second_attempt() {
    for done in [true, false] {
        let runs = Runs::default();
        let stub = stub_of(&runs).await;
        let github = stub.github();
        let mut queued = check(0);
        queued.status = CheckStatus::Queued;
        let made = github.publish(&repo(), &Report::Check(Box::new(queued)), &Known::Never).await.unwrap();
        let patches = stub.count("PATCH", "/repos/");
        runs.fault(502, done);
        let result = github.publish(&repo(), &check_report(120), &Known::Id(made.id)).await;
        assert!(is_unavailable(&result), "{result:?}");
        assert_eq!(stub.count("PATCH", "/repos/"), patches + 1, "an update that appends is not repeated blindly");
        github.publish(&repo(), &check_report(120), &Known::Id(made.id)).await.unwrap();
        assert_eq!(runs.annotations(), line_numbers(120));
        github.publish(&repo(), &check_report(120), &Known::Id(made.id)).await.unwrap();
        assert_eq!(runs.annotations(), line_numbers(120), "nor by a third");
    }
}

#[tokio::test]
async fn an_update_without_annotations_is_repeated_by_itself() {
    let runs = Runs::default();
    let stub = stub_of(&runs).await;
    let github = stub.github();
    let made = github.publish(&repo(), &check_report(0), &Known::Never).await.unwrap();
    runs.fault(503, false);
    github.publish(&repo(), &check_report(0), &Known::Id(made.id)).await.unwrap();
    assert_eq!(stub.count("PATCH", "/repos/"), 2);
}

#[tokio::test]
async fn a_check_run_that_is_gone_is_made_again() {
    let runs = Runs::default();
    let stub = stub_of(&runs).await;
    let published = stub.github().publish(&repo(), &check_report(1), &Known::Id(12)).await;
    assert!(matches!(published, Ok(ref p) if p.id == 100), "{published:?}");
}

#[tokio::test]
async fn a_check_run_of_another_app_or_key_is_left_alone() {
    let foreign = vec![
        json!({"id": 1, "external_id": "run-1/tests", "app": {"id": APP + 1}, "status": "queued"}),
        json!({"id": 2, "external_id": "run-0/tests", "app": {"id": APP}, "status": "queued"}),
        json!({"id": 3, "external_id": null, "app": null}),
    ];
    let runs = Runs::with(foreign);
    let stub = stub_of(&runs).await;
    let published = stub.github().publish(&repo(), &check_report(0), &Known::Maybe).await.unwrap();
    assert_eq!(published.id, 103);
    assert_eq!(stub.count("PATCH", "/repos/"), 0);
}

#[tokio::test]
async fn of_two_of_our_check_runs_the_newest_is_set_and_the_other_concluded() {
    let ours = |id: u64| json!({"id": id, "external_id": "run-1/tests", "app": {"id": APP}, "status": "in_progress"});
    let runs = Runs::with(vec![ours(21), ours(20)]);
    let stub = stub_of(&runs).await;
    let published = stub.github().publish(&repo(), &check_report(0), &Known::Maybe).await.unwrap();
    assert_eq!(published.id, 21);
    let runs = runs.runs();
    assert_eq!((&runs[0]["conclusion"], &runs[1]["conclusion"]), (&json!("failure"), &json!("neutral")));
}

#[tokio::test]
async fn our_check_run_is_found_on_a_later_page() {
    let stub = Stub::start(|seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("GET", "/second?page=2") => {
            Some(Reply::json(200, &json!({"check_runs": [{"id": 8, "external_id": "run-1/tests", "app": {"id": APP}}]})))
        }
        ("GET", target) if target.contains("/check-runs?") => {
            let link = r#"<http://elsewhere.example/second?page=2>; rel="next""#;
            Some(Reply::json(200, &json!({"check_runs": [{"id": 9}]})).with("link", link))
        }
        ("PATCH", "/repos/octo/app/check-runs/8") => Some(Reply::json(200, &json!({}))),
        _ => None,
    })
    .await;
    let published = stub.github().publish(&repo(), &check_report(0), &Known::Maybe).await.unwrap();
    assert_eq!(published.id, 8);
}

#[tokio::test]
async fn what_github_will_never_take_is_refused_in_its_words() {
    let words = json!({"message": "Validation Failed", "errors": [{"field": "head_sha", "code": "invalid"}]});
    let stub = Stub::start(move |seen| seen.is("POST", "/repos/").then(|| Reply::json(422, &words))).await;
    let error = stub.github().publish(&repo(), &check_report(0), &Known::Never).await.unwrap_err();
    assert!(
        matches!(&error, ForgeError::Refused { cause, .. } if cause.contains("Validation Failed") && cause.contains("head_sha")),
        "{error}"
    );
}

#[tokio::test]
async fn a_long_log_and_summary_fit_and_keep_what_matters() {
    let runs = Runs::default();
    let stub = stub_of(&runs).await;
    let mut report = check(0);
    report.summary = format!("The verdict.\n{}", "日本語の行\n".repeat(20_000));
    report.text = Some(format!("{}the last line", "an earlier line 🦀\n".repeat(20_000)));
    stub.github().publish(&repo(), &Report::Check(Box::new(report)), &Known::Never).await.unwrap();
    let run = runs.runs().remove(0);
    let (summary, text) = (run["output"]["summary"].as_str().unwrap(), run["output"]["text"].as_str().unwrap());
    assert!(summary.len() <= 65_535 && summary.starts_with("The verdict.") && summary.contains("left out"));
    assert!(text.len() <= 65_535 && text.ends_with("the last line") && text.contains("left out"));
}
