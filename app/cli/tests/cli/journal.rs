//! `runs`, `deliveries`, `audit` and `replay --id`: through the running service, and through the store without it.

use serde_json::Value;

use crate::files::pull_request;
use crate::support::{Bench, Service, forge, nobody, sign};

fn deliver(service: &Service, guid: &str, number: u64) {
    let mut payload = pull_request();
    payload["number"] = number.into();
    payload["pull_request"]["number"] = number.into();
    let payload = payload.to_string();
    assert_eq!(service.deliver(guid, "pull_request", &payload, &sign(&payload)).status, 202);
}

fn json(bench: &Bench, args: &[&str]) -> Value {
    let done = bench.run(args);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{args:?}");
    serde_json::from_str(&done.stdout).expect("this is JSON")
}

#[test]
fn the_journal_reads_the_same_with_and_without_a_running_service() {
    let bench = Bench::with_server_file(forge(), "sled:data");
    let service = bench.serve(&[]);
    deliver(&service, "d-1", 7);
    let deliveries = json(&bench, &["deliveries", "--json"]);
    assert_eq!((deliveries[0]["id"].as_str(), deliveries[0]["action"].as_str()), (Some("github/d-1"), Some("opened")));
    let id = deliveries[0]["run"].as_str().expect("it started a run").to_owned();
    let created = |page: &Value| page["journal"][0]["event"].clone();
    let with = json(&bench, &["runs", "show", &id, "--json"]);
    service.stop();
    let without = json(&bench, &["runs", "show", &id, "--json"]);
    assert_eq!(created(&with), created(&without));
    assert_eq!((&with["run"]["id"], &with["run"]["repo"]["path"]), (&without["run"]["id"], &without["run"]["repo"]["path"]));
    assert_eq!(json(&bench, &["deliveries", "--json"]), deliveries);
    let text = bench.run(&["runs", "show", &id]).stdout;
    assert!(text.contains("accepted: acme/shop #7 at aaaaaaa (opened)"), "{text}");
}

#[test]
fn runs_are_listed_by_repository_and_page_by_page() {
    let bench = Bench::with_server_file(forge(), "sled:data");
    let service = bench.serve(&[]);
    for number in 1..=3 {
        deliver(&service, &format!("d-{number}"), number);
    }
    for repo in ["acme/shop", "ACME/Shop", "github/1"] {
        assert_eq!(json(&bench, &["runs", "--repo", repo, "--json"]).as_array().map(Vec::len), Some(3), "{repo}");
    }
    let page = json(&bench, &["runs", "--limit", "2", "--json"]);
    let last = page[1]["id"].as_str().expect("a run has an id");
    let next = json(&bench, &["runs", "--limit", "2", "--before", last, "--json"]);
    assert_eq!(
        (page[0]["title"].as_str(), next[0]["title"].as_str(), next.as_array().map(Vec::len)),
        (Some("#3"), Some("#1"), Some(1))
    );
    let done = bench.run(&["runs", "--repo", "acme/nothing"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), "gatewright: no run of a repository `acme/nothing` is known\n"));
    service.stop();
}

#[test]
fn deliveries_are_listed_page_by_page() {
    let bench = Bench::with_server_file(forge(), "sled:data");
    let service = bench.serve(&[]);
    for number in 1..=3 {
        deliver(&service, &format!("d-{number}"), number);
    }
    let ids = |args: &[&str]| -> Vec<String> {
        let page = json(&bench, &[&["deliveries", "--json"], args].concat());
        page.as_array().expect("a list").iter().map(|d| d["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(ids(&["--limit", "2"]), ["github/d-3", "github/d-2"]);
    assert_eq!(ids(&["--limit", "1", "--before", "github/d-3"]), ["github/d-2"]);
    assert_eq!(ids(&["--before", "d-2"]), ["github/d-1"]);
    assert!(ids(&["--before", "d-1"]).is_empty());
    let unknown = "gatewright: the delivery github/d-9 is not among the newest 10000\n";
    let asked = ["deliveries", "--before", "d-9"];
    let through_the_service = bench.run(&asked);
    assert_eq!((through_the_service.code, through_the_service.stderr.as_str()), (Some(2), unknown));
    service.stop();
    assert_eq!(bench.run(&asked).stderr, unknown);
    assert_eq!(ids(&["--before", "d-2"]), ["github/d-1"]);
}

#[test]
fn a_run_that_is_not_there_and_one_that_needs_no_retry_are_told_apart() {
    let bench = Bench::with_server_file(forge(), "sled:data");
    let service = bench.serve(&[]);
    deliver(&service, "d-1", 7);
    let id = json(&bench, &["runs", "--json"])[0]["id"].as_str().expect("a run has an id").to_owned();
    let done = bench.run(&["runs", "retry", &id]);
    assert_eq!((done.code, done.stdout), (Some(1), format!("run {id} is not set aside, so there is nothing to retry\n")));
    let nothing = "0199e2a4-7c1e-7000-8000-000000000000";
    for args in [&["runs", "show", nothing][..], &["runs", "retry", nothing], &["runs", "show", &id, "--log", "tests"]] {
        let done = bench.run(args);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{}", done.stderr);
    }
    service.stop();
}

/// Whatever this lists, as soon as it lists something. Asking takes a while each time, so a hundred times are enough.
fn first_of(bench: &Bench, args: &[&str]) -> Value {
    let found = (0..100).map(|_| json(bench, args)).find(|list| list.as_array().is_some_and(|list| !list.is_empty()));
    found.expect("something is listed at last")[0].clone()
}

#[test]
fn a_run_that_killed_the_process_too_often_is_set_aside_and_can_be_tried_again() {
    // Nobody is there to say what the pull request is, so the run stays under way.
    let bench = Bench::with_server_file(nobody(), "sled:data").env("GATEWRIGHT__ENGINE__ATTEMPTS_MAX", "1");
    let service = bench.serve(&[]);
    deliver(&service, "d-1", 7);
    service.wait_for("to be tried again");
    service.signal("KILL");
    service.wait();
    let service = bench.serve(&[]);
    // The forge is told first. That it does not answer is no reason to go on for ever.
    service.wait_for("the run was set aside");
    let run = first_of(&bench, &["runs", "--state", "set-aside", "--json"]);
    let id = run["id"].as_str().expect("a run has an id");
    let shown = bench.run(&["runs", "show", id]).stdout;
    assert!(shown.contains(&format!("next        gatewright runs retry {id}")), "{shown}");
    let done = bench.run(&["runs", "retry", id]);
    assert_eq!((done.code, done.stdout), (Some(0), format!("run {id} is ready again\n")));
    let audit = first_of(&bench, &["audit", "--json"]);
    assert_eq!(
        (audit["actor"].as_str(), audit["action"].as_str(), audit["target"].as_str()),
        (Some("operator"), Some("run.retry"), Some(id))
    );
    let at = audit["at"].as_str().expect("it has a time");
    assert_eq!(json(&bench, &["audit", "--json", "--before", at]), serde_json::json!([]), "only what was before it");
    assert_eq!(json(&bench, &["audit", "--json", "--before", "2999-01-01 00:00:00"])[0], audit);
    let table = bench.run(&["audit"]).stdout;
    let header: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(header, ["WHEN", "(UTC)", "WHO", "WHAT", "ON", "COMMIT", "OUTCOME"]);
    service.wait_for("to be tried again");
    let shown = bench.run(&["runs", "show", id]).stdout;
    assert!(shown.contains("got on      last at 2") && shown.contains("\nworker      "), "{shown}");
    service.stop();
}

#[test]
fn a_recorded_delivery_is_replayed_by_its_id() {
    let bench = Bench::with_server_file(forge(), "sled:data");
    let service = bench.serve(&[]);
    deliver(&service, "d-1", 7);
    for id in ["d-1", "github/d-1"] {
        let done = bench.run(&["replay", "--id", id]);
        let said = "delivery d-1 (pull_request.opened) starts a run for acme/shop #7 at aaaaaaa";
        assert!(done.stdout.starts_with(said), "{} {}", done.stdout, done.stderr);
    }
    assert_eq!(bench.run(&["replay", "--id", "d-2"]).code, Some(2));
    assert_eq!(json(&bench, &["deliveries", "--json"]).as_array().map(Vec::len), Some(1));
    service.stop();
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_looking() {
    let bench = Bench::with_server_file(forge(), "sled:data");
    let done = bench.run(&["runs"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("there is no store in data yet"), "{}", done.stderr);
    assert!(!bench.path("data").exists());
}

#[test]
fn a_store_in_memory_cannot_be_looked_into() {
    let bench = Bench::with_server_file(forge(), "memory:");
    let done = bench.run(&["audit"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("in the service's memory"), "{}", done.stderr);
}

#[test]
fn only_the_services_own_user_may_use_its_socket() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::with_server_file(forge(), "sled:data");
    let service = bench.serve(&[]);
    let mode = |name: &str| std::fs::metadata(bench.path(name)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode("data/control.sock"), mode("data")), (0o600, 0o700));
    service.stop();
}
