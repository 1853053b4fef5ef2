//! What may have been missed.

use gatewright_core::forge::CatchUp;
use serde_json::{Value, json};

use crate::stub::*;

const PULLS: &str = "/api/v4/projects/7/merge_requests";

fn pull(iid: u64, digit: char) -> Value {
    json!({"iid": iid, "sha": commit(digit), "target_branch": "main", "author": {"id": 77, "username": "ada"},
        "updated_at": "2027-01-15T08:00:00.123Z"})
}

#[tokio::test]
async fn all_projects_in_which_we_may_write_are_listed_by_their_keys() {
    let next = r#"<https://gl.example/api/v4/projects?id_after=8&pagination=keyset&per_page=100>; rel="next""#;
    let stub = Stub::start(move |seen| {
        if seen.target.contains("id_after=8") {
            return Reply::ok(json!([{"id": 9, "path_with_namespace": "c"}]));
        }
        let page = json!([{"id": 7, "path_with_namespace": "group/sub/app"}, {"id": 8, "path_with_namespace": "b"}]);
        seen.is("GET", "/api/v4/projects").then(|| Reply::json(200, &page).with("link", next))
    })
    .await;
    let repos = stub.gitlab().repositories().await.unwrap();
    assert_eq!(repos[0], repo());
    assert_eq!(repos.iter().map(|repo| repo.id).collect::<Vec<_>>(), [7, 8, 9]);
    let first = stub.lines().remove(0);
    for part in ["membership=true", "min_access_level=30", "archived=false", "pagination=keyset", "order_by=id"] {
        assert!(first.contains(part), "{first}");
    }
}

#[tokio::test]
async fn open_merge_requests_are_asked_for_by_when_they_were_changed() {
    let stub = Stub::start(|seen| {
        let mut preparing = pull(8, 'c');
        preparing["sha"] = json!(null);
        seen.is("GET", PULLS).then(|| Reply::json(200, &json!([pull(7, 'a'), preparing, pull(6, 'b'), pull(7, 'a')])))
    })
    .await;
    let pulls = stub.gitlab().open_pulls(&repo(), at(-60)).await.unwrap();
    assert_eq!(
        pulls.iter().map(|pull| (pull.number, pull.head.clone())).collect::<Vec<_>>(),
        [(7, commit('a')), (6, commit('b'))]
    );
    assert_eq!((pulls[0].author.id, pulls[0].base_ref.as_str()), (77, "main"));
    assert_eq!(pulls[0].updated_at.to_string(), "2027-01-15T08:00:00.123Z");
    let query = "state=opened&order_by=updated_at&sort=desc&updated_after=2027-01-15T07%3A59%3A00Z&per_page=100";
    assert_eq!(stub.lines(), [format!("GET {PULLS}?{query}")]);
}

#[tokio::test]
async fn deliveries_are_not_sent_again_and_nothing_is_asked_for_that() {
    let stub = Stub::start(|_| None).await;
    assert_eq!(stub.gitlab().redeliver(at(0), &|_| true).await, Ok(gatewright_core::forge::Redelivered::default()));
    assert!(stub.lines().is_empty());
}
