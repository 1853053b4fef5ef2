//! Deliveries that GitHub and others have published.

use std::fs;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use gatewright_core::event::{Event, PullChange};
use gatewright_core::report::{EXPLAIN, RERUN_FAILED, SKIP};
use serde::Deserialize;
use serde_json::Value;

use crate::events::USED;
use crate::support::{APP_ID, Sent, send, service};

/// The examples of one event, as the package has them.
#[derive(Deserialize)]
struct Examples {
    name: String,
    examples: Vec<Value>,
}

/// The package's example deliveries, of github.com and of the Enterprise Servers.
fn examples() -> Vec<(String, Vec<u8>)> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/npm/node_modules/@octokit/webhooks-examples");
    let Ok(folders) = fs::read_dir(&package) else {
        panic!("{} is not there: run tests/setup/npm.sh", package.display());
    };
    let mut indexes: Vec<PathBuf> =
        folders.map(|folder| folder.unwrap().path().join("index.json")).filter(|p| p.is_file()).collect();
    indexes.sort();
    let events = indexes.iter().flat_map(|index| serde_json::from_slice::<Vec<Examples>>(&fs::read(index).unwrap()).unwrap());
    events
        .flat_map(|event| event.examples.into_iter().map(move |body| (event.name.clone(), body.to_string().into_bytes())))
        .collect()
}

#[tokio::test]
async fn every_published_example_is_taken() {
    let (service, intake) = service();
    let examples = examples();
    for (n, (name, body)) in examples.iter().enumerate() {
        let answer = send(&service, Sent::new(name, body.clone()).guid(&n.to_string()).request()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{name} {n}");
    }
    let taken = intake.taken();
    assert_eq!(taken.len(), examples.len());
    // So many are in the version that is installed; a package that has lost some must not pass for all.
    assert_eq!(taken.len(), 726);
    for (delivery, (name, body)) in taken.iter().zip(&examples) {
        assert_eq!((&delivery.name, &delivery.body[..]), (name, &body[..]));
        let payload: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(delivery.action.as_deref(), payload["action"].as_str(), "{name}");
        assert_eq!(
            delivery.event.repo().map(|repo| repo.path.as_str()),
            used_repo(name, &payload),
            "{name}: {:?}",
            delivery.event
        );
    }
}

/// The repository of a payload that is used, by rules of the test's own.
fn used_repo<'a>(name: &str, payload: &'a Value) -> Option<&'a str> {
    let used = match (name, payload["action"].as_str()) {
        ("pull_request", Some("opened" | "reopened" | "ready_for_review" | "synchronize" | "closed" | "labeled")) => true,
        ("pull_request", Some("edited")) => payload["changes"]["base"].is_object(),
        ("merge_group", Some("checks_requested" | "destroyed")) => true,
        ("push", _) => {
            let of = payload["ref"].as_str().unwrap();
            of.starts_with("refs/tags/") || of.starts_with("refs/heads/") && payload["deleted"] == false
        }
        ("deployment_protection_rule", action) => action == Some("requested"),
        ("check_suite", Some("rerequested")) => payload["check_suite"]["app"]["id"] == APP_ID,
        ("check_run", Some("rerequested")) => {
            payload["check_run"]["app"]["id"] == APP_ID && payload["check_run"]["external_id"] != ""
        }
        ("check_run", Some("requested_action")) => {
            let pressed = payload["requested_action"]["identifier"].as_str();
            payload["check_run"]["app"]["id"] == APP_ID && [RERUN_FAILED, SKIP, EXPLAIN].map(Some).contains(&pressed)
        }
        ("issues", Some("opened" | "labeled")) => true,
        ("issue_comment" | "pull_request_review_comment", Some("created")) => commands(&payload["comment"]),
        _ => false,
    };
    used.then(|| payload["repository"]["full_name"].as_str().unwrap())
}

/// Whether a person wrote something that may be a command.
fn commands(comment: &Value) -> bool {
    let line = |line: &str| line.trim_start().starts_with('/');
    comment["user"]["type"] != "Bot"
        && comment["performed_via_github_app"].is_null()
        && comment["body"].as_str().unwrap().lines().any(line)
}

#[tokio::test]
async fn no_published_example_is_taken_with_a_wrong_signature() {
    let (service, intake) = service();
    for (n, (name, body)) in examples().into_iter().enumerate() {
        let other = crate::support::sign("the secret of somebody else", &body);
        let sent = Sent::new(&name, body).guid(&n.to_string()).header("x-hub-signature-256", &other);
        assert_eq!(send(&service, sent.request()).await.status, StatusCode::UNAUTHORIZED, "{name} {n}");
    }
    assert_eq!(intake.taken().len(), 0);
}

pub(crate) fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(json_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files
}

#[tokio::test]
async fn payloads_that_other_projects_recorded_are_taken() {
    let Ok(fixtures) = std::env::var("GATEWRIGHT_FIXTURES") else {
        eprintln!("NOT RUN: recorded payloads of other projects; GATEWRIGHT_FIXTURES does not say where they are");
        return;
    };
    let (service, intake) = service();
    let files = json_files(&Path::new(&fixtures).join("webhooks/github-extra"));
    assert!(!files.is_empty(), "there are no recorded payloads in {fixtures}");
    for (n, file) in files.iter().enumerate() {
        let body = fs::read(file).unwrap();
        // The files do not say which event they are, so each is sent as every one that is looked into.
        for name in USED.into_iter().chain(["ping"]) {
            let sent = Sent::new(name, body.clone()).guid(&format!("{name}-{n}"));
            assert_eq!(send(&service, sent.request()).await.status, StatusCode::ACCEPTED, "{name} {}", file.display());
        }
    }
    let changes = intake.taken().into_iter().filter_map(|delivery| match delivery.event {
        Event::Pull(pull) => Some(pull.change),
        Event::MergeGroup(_)
        | Event::Push(_)
        | Event::Rerequested(_)
        | Event::Comment(_)
        | Event::Button(_)
        | Event::Tag(_)
        | Event::ProtectionRule(_)
        | Event::Issue(_)
        | Event::Labelled(_)
        | Event::Unused { .. } => None,
    });
    let changes: Vec<PullChange> = changes.collect();
    for change in [PullChange::Opened, PullChange::Updated, PullChange::Closed] {
        assert!(changes.contains(&change), "no recorded pull request was {change:?}");
    }
}
