//! What is looked through for what was missed.

use gatewright_core::event::User;
use gatewright_core::forge::{CatchUp, OpenPull};
use gatewright_core::{ForgeKind, RepoRef};
use serde_json::{Value, json};

use crate::stub::*;

fn repository(id: u64, name: &str, archived: bool) -> Value {
    json!({"id": id, "full_name": name, "archived": archived, "new_field": 1})
}

fn covered(repositories: &[Value]) -> Reply {
    Reply::json(200, &json!({"total_count": 9, "repositories": repositories}))
}

fn next(path: &str) -> String {
    format!("<https://api.github.com{path}>; rel=\"next\"")
}

fn installed(id: u64, path: &str, installation: u64) -> RepoRef {
    RepoRef { forge: ForgeKind::Github, id, path: path.to_owned(), installation: Some(installation) }
}

#[tokio::test]
async fn repositories_are_those_of_every_installation_that_is_not_suspended() {
    let stub = Stub::start(|seen| match (seen.target.as_str(), seen.header("authorization")) {
        ("/app/installations?per_page=100", _) => Some(
            Reply::json(200, &json!([{"id": 1, "suspended_at": null}, {"id": 2, "suspended_at": "2026-01-01T00:00:00Z"}]))
                .with("link", next("/app/installations?per_page=100&page=2")),
        ),
        ("/app/installations?per_page=100&page=2", _) => Some(Reply::json(200, &json!([{"id": 3}]))),
        ("/installation/repositories?per_page=100", with) if with.ends_with(&token(1)) => Some(
            covered(&[repository(11, "octo/a", false), repository(12, "octo/old", true)])
                .with("link", next("/installation/repositories?per_page=100&page=2")),
        ),
        ("/installation/repositories?per_page=100&page=2", _) => Some(covered(&[repository(13, "octo/b", false)])),
        ("/installation/repositories?per_page=100", _) => Some(covered(&[repository(14, "acme/c", false)])),
        _ => None,
    })
    .await;
    let found = stub.github().repositories().await.unwrap();
    assert_eq!(found, [installed(11, "octo/a", 1), installed(13, "octo/b", 1), installed(14, "acme/c", 3)]);
    let mints: Vec<Value> = stub.seen().into_iter().filter(|seen| seen.method == "POST").map(|seen| seen.body).collect();
    assert_eq!(mints, [json!({"permissions": {"metadata": "read"}}), json!({"permissions": {"metadata": "read"}})]);
}

#[tokio::test]
async fn an_installation_that_went_meanwhile_holds_no_other_up_but_a_failure_is_one() {
    for (status, expected) in [(404, Some(1)), (403, Some(1)), (502, None)] {
        let stub = Stub::start(move |seen| match seen.target.as_str() {
            "/app/installations?per_page=100" => Some(Reply::json(200, &json!([{"id": 1}, {"id": 2}]))),
            "/app/installations/1/access_tokens" => Some(Reply::status(status)),
            "/installation/repositories?per_page=100" => Some(covered(&[repository(11, "octo/a", false)])),
            _ => None,
        })
        .await;
        let found = stub.github().repositories().await;
        match expected {
            Some(count) => assert_eq!(found.unwrap().len(), count),
            None => assert!(is_unavailable(&found)),
        }
    }
}

fn pull(number: u64, secs: i64) -> Value {
    json!({
        "number": number, "user": {"id": 42, "login": "ada"}, "head": {"sha": commit('a'), "ref": "topic", "repo": null},
        "base": {"ref": "main"}, "updated_at": at(secs).to_string(),
    })
}

/// Serves pages of open pull requests.
async fn with_pulls(pages: Vec<Vec<Value>>) -> Stub {
    const FIRST: &str = "/repos/octo/app/pulls?state=open&sort=updated&direction=desc&per_page=50";
    Stub::start(move |seen| {
        let rest = seen.target.strip_prefix(FIRST)?;
        let page: usize = rest.strip_prefix("&page=").map_or(1, |page| page.parse().unwrap());
        let reply = Reply::json(200, &json!(pages[page - 1]));
        Some(if page < pages.len() { reply.with("link", next(&format!("{FIRST}&page={}", page + 1))) } else { reply })
    })
    .await
}

fn numbers(found: &[OpenPull]) -> Vec<u64> {
    found.iter().map(|pull| pull.number).collect()
}

#[tokio::test]
async fn open_pulls_end_where_they_are_older_than_asked_for() {
    let stub = with_pulls(vec![vec![pull(9, 90), pull(8, 60)], vec![pull(7, 50), pull(6, 49)], vec![pull(5, 10)]]).await;
    let found = stub.github().open_pulls(&repo(), at(50)).await.unwrap();
    assert_eq!(numbers(&found), [9, 8, 7]);
    assert_eq!(stub.count("GET", "/repos/"), 2);
    let author = User { id: 42, login: "ada".to_owned() };
    let first = OpenPull { number: 9, head: commit('a'), base_ref: "main".to_owned(), author, updated_at: at(90) };
    assert_eq!(found[0], first);
}

#[tokio::test]
async fn one_of_the_very_second_counts_as_changed_since() {
    let stub = with_pulls(vec![vec![pull(9, 50)]]).await;
    let since = at(50) + std::time::Duration::from_millis(700);
    assert_eq!(numbers(&stub.github().open_pulls(&repo(), since).await.unwrap()), [9]);
}

#[tokio::test]
async fn one_that_moves_between_two_pages_is_told_once() {
    let stub = with_pulls(vec![vec![pull(9, 90), pull(8, 80)], vec![pull(8, 80), pull(7, 70)]]).await;
    assert_eq!(numbers(&stub.github().open_pulls(&repo(), at(0)).await.unwrap()), [9, 8, 7]);
}

#[tokio::test]
async fn pages_of_pull_requests_end_at_the_limit_and_a_deleted_author_is_no_error() {
    let mut ghostly = pull(0, 100);
    ghostly["user"] = Value::Null;
    let stub = with_pulls((0..60).map(|n| vec![if n == 0 { ghostly.clone() } else { pull(n, 100) }]).collect()).await;
    let found = stub.github().open_pulls(&repo(), at(0)).await.unwrap();
    assert_eq!((found.len(), stub.count("GET", "/repos/")), (40, 40));
    assert_eq!(found[0].author.login, "ghost");
}
