//! Answers of real GitLab instances, as other projects have recorded them.

use std::path::Path;

use gatewright_core::forge::{CatchUp, Change, Forge};
use gatewright_core::report::{CheckReport, Known};
use serde_json::{Value, json};

use crate::stub::*;

/// The recorded answers that are about what has all of these keys, or lists of such. None where this machine has no
/// recordings, which is then said.
fn recorded(keys: &[&str]) -> Option<Vec<(String, Value)>> {
    let Ok(fixtures) = std::env::var("GATEWRIGHT_FIXTURES") else {
        eprintln!("NOT RUN: recorded answers of GitLab; GATEWRIGHT_FIXTURES does not say where they are");
        return None;
    };
    let mut found = Vec::new();
    for project in std::fs::read_dir(Path::new(&fixtures).join("gitlab/responses")).unwrap() {
        for file in std::fs::read_dir(project.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let Ok(answer) = serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()) else { continue };
            let first = if answer.is_array() { &answer[0] } else { &answer };
            if keys.iter().all(|key| first.get(key).is_some()) {
                found.push((path.display().to_string(), answer));
            }
        }
    }
    assert!(found.len() > 1, "there are no recorded answers with {keys:?} in {fixtures}");
    Some(found)
}

#[tokio::test]
async fn every_recorded_merge_request_is_read_and_can_have_a_status() {
    let Some(recorded) = recorded(&["iid", "source_branch", "target_branch", "sha"]) else { return };
    for (file, answer) in recorded.into_iter().filter(|(_, answer)| answer.is_object()) {
        let (head, iid) = (answer["sha"].as_str().unwrap().parse().unwrap(), answer["iid"].as_u64().unwrap());
        let request = format!("{PROJECT}/merge_requests/{iid}");
        let listed = json!([answer]);
        let stub = Stub::start(move |seen| match (seen.method.as_str(), seen.path()) {
            ("GET", path) if path == request => Reply::ok(answer.clone()),
            ("GET", path) if path.contains("/repository/branches/") => Some(branch_reply('d')),
            ("GET", path) if path.ends_with("/merge_requests") => Reply::ok(listed.clone()),
            ("POST", path) if path.contains("/statuses/") => Reply::made(json!({"id": 90})),
            _ => None,
        })
        .await;
        let gitlab = stub.gitlab();
        let pull = gitlab.pull(&repo(), iid).await.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!((&pull.head, pull.number), (&head, iid), "{file}");
        assert_eq!(gitlab.open_pulls(&repo(), at(0)).await.unwrap()[0].head, head, "{file}");
        let check = CheckReport { head, pull: Some(iid), ..check(running()) };
        gitlab.publish(&repo(), &report(check), &Known::Never).await.unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

#[tokio::test]
async fn every_recorded_diff_names_its_files() {
    let Some(recorded) = recorded(&["new_path", "old_path", "diff"]) else { return };
    for (file, answer) in recorded {
        let names = answer.as_array().unwrap().len();
        let stub = Stub::start(move |_| Reply::ok(json!({"diffs": answer}))).await;
        let change = Change::Between { base: commit('b'), head: commit('a') };
        assert!(stub.gitlab().changed_files(&repo(), &change).await.unwrap().paths.len() >= names, "{file}");
    }
}

#[tokio::test]
async fn every_recorded_project_is_listed() {
    let Some(recorded) = recorded(&["id", "path_with_namespace"]) else { return };
    for (file, answer) in recorded {
        let answer = if answer.is_array() { answer } else { json!([answer]) };
        let names = answer.as_array().unwrap().len();
        let stub = Stub::start(move |_| Reply::ok(answer.clone())).await;
        assert_eq!(stub.gitlab().repositories().await.unwrap().len(), names, "{file}");
    }
}
