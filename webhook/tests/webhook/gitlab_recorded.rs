//! Deliveries of real GitLab instances, as other projects have recorded them.

use std::fs;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use gatewright_core::Timestamp;
use gatewright_core::event::{Event, PullChange};
use gatewright_webhook::replay::DeliveryFile;
use serde_json::Value;

use crate::examples::json_files;
use crate::support::{KEY, Recording, Sent, send, service};

/// None where this machine has no recordings, which is then said.
fn recorded() -> Option<Vec<(PathBuf, Vec<u8>)>> {
    let Ok(fixtures) = std::env::var("GATEWRIGHT_FIXTURES") else {
        eprintln!("NOT RUN: recorded payloads of other projects; GATEWRIGHT_FIXTURES does not say where they are");
        return None;
    };
    let mut files = json_files(&Path::new(&fixtures).join("webhooks/gitlab"));
    assert!(!files.is_empty(), "there are no recorded payloads in {fixtures}");
    files.sort();
    Some(files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect())
}

/// What GitLab's header would say.
fn header(payload: &Value) -> &'static str {
    match payload["object_kind"].as_str() {
        Some("merge_request") => "Merge Request Hook",
        Some("note") => "Note Hook",
        Some("push") => "Push Hook",
        Some(_) => "Some Hook",
        None => "System Hook",
    }
}

#[tokio::test]
async fn every_recorded_delivery_is_taken_with_either_proof_and_with_neither_refused() {
    let Some(recorded) = recorded() else { return };
    let (service, intake) = service();
    for (n, (file, body)) in recorded.iter().enumerate() {
        let payload: Value = serde_json::from_slice(body).unwrap();
        let sent = Sent::gitlab(header(&payload), body.clone()).header("idempotency-key", &format!("token-{n}"));
        assert_eq!(send(&service, sent.clone().request()).await.status, StatusCode::ACCEPTED, "{}", file.display());
        let signed = sent.clone().header("idempotency-key", &format!("signed-{n}")).signed(&KEY, Timestamp::now());
        assert_eq!(send(&service, signed.clone().request()).await.status, StatusCode::ACCEPTED, "{}", file.display());
        let wrong = [
            sent.clone().header("x-gitlab-token", "not the token of the tests"),
            sent.clone().without("x-gitlab-token"),
            sent.signed(&[0; 32], Timestamp::now()),
            Sent { body: [&body[..], b" "].concat(), ..signed },
        ];
        for sent in wrong {
            assert_eq!(send(&service, sent.request()).await.status, StatusCode::UNAUTHORIZED, "{}", file.display());
        }
    }
    assert_eq!(intake.taken().len(), 2 * recorded.len());
    agree(&intake, &recorded);
}

/// Each is used, or not, by rules of the test's own.
fn agree(intake: &Recording, recorded: &[(PathBuf, Vec<u8>)]) {
    let taken = intake.taken();
    for (pair, (file, body)) in taken.chunks(2).zip(recorded) {
        let payload: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(pair[0].event, pair[1].event);
        let used = pair[0].event.repo().map(|repo| repo.path.as_str());
        assert_eq!(used, used_repo(&payload), "{}: {:?}", file.display(), pair[0].event);
        let (Event::Pull(_), Event::Pull(_)) = (&pair[0].event, &pair[1].event) else { continue };
        assert_eq!(pair[0].action.as_deref(), payload["object_attributes"]["action"].as_str());
    }
    let changes: Vec<PullChange> = taken.iter().filter_map(|delivery| change(&delivery.event)).collect();
    for change in [PullChange::Opened, PullChange::Updated, PullChange::Closed] {
        assert!(changes.contains(&change), "no recorded merge request was {change:?}");
    }
}

fn change(event: &Event) -> Option<PullChange> {
    match event {
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
    }
}

/// Whether an update brings a label that was not there before.
fn gives_labels(payload: &Value) -> bool {
    let titles = |at: &str| {
        let labels = payload["changes"]["labels"][at].as_array().into_iter().flatten();
        labels.map(|label| label["title"].clone()).collect::<Vec<_>>()
    };
    titles("current").iter().any(|label| !titles("previous").contains(label))
}

/// The project of a payload that is used. None of the recorded comments holds a command.
fn used_repo(payload: &Value) -> Option<&str> {
    let attributes = &payload["object_attributes"];
    let kind = payload["object_kind"].as_str().or(payload["event_name"].as_str());
    let used = match (kind, attributes["action"].as_str()) {
        // One recording names no project's number.
        (Some("merge_request"), Some("open" | "reopen" | "close" | "merge")) => attributes["target_project_id"].is_u64(),
        (Some("merge_request"), Some("update")) => {
            let title = |at: &str| payload["changes"]["title"][at].as_str().is_some_and(|title| title.starts_with("Draft:"));
            let draft = |at: &str| payload["changes"]["draft"][at] == true;
            attributes["oldrev"].is_string()
                || gives_labels(payload)
                || title("previous") && !title("current")
                || draft("previous") && !draft("current")
        }
        (Some("issue"), Some("open")) => true,
        (Some("issue"), Some("update")) => gives_labels(payload),
        (Some("push"), _) => payload["ref"].as_str().unwrap().starts_with("refs/heads/"),
        (Some("tag_push"), _) => true,
        _ => false,
    };
    used.then(|| payload["project"]["path_with_namespace"].as_str().unwrap())
}

#[test]
fn a_recorded_payload_alone_is_a_delivery_file_of_gitlab() {
    let Some(recorded) = recorded() else { return };
    for (file, body) in recorded {
        let delivery = DeliveryFile::read(&body, None).unwrap();
        assert_eq!(delivery.forge, gatewright_core::ForgeKind::Gitlab, "{}", file.display());
        let parsed = delivery.parse(0).unwrap();
        assert_eq!(parsed.name, delivery.event_name, "{}", file.display());
    }
}
