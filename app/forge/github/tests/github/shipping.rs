//! Tags, releases and deployments.

use gatewright_core::forge::{Forge, Protection, Releases, Signature};
use gatewright_core::report::{
    AssetReport, Channel, DeploymentReport, DeploymentState, Known, Latest, Life, ProtectionAnswer, ProtectionReport, Published,
    RELEASE_MARKER, ReleaseReport, ReleaseStage, Report, Tier,
};
use serde_json::{Value, json};

use crate::stub::*;

const TAG: &str = "/repos/octo/app/git/ref/tags/v1";
const RELEASES: &str = "/repos/octo/app/releases";
const DEPLOYMENTS: &str = "/repos/octo/app/deployments";

/// A lightweight tag of the commit `aaaa...`.
fn tag_reply() -> Reply {
    Reply::json(200, &json!({"ref": "refs/tags/v1", "object": {"type": "commit", "sha": commit('a')}}))
}

fn path(seen: &Seen) -> &str {
    seen.target.split('?').next().unwrap()
}

/// What tokens were asked for.
fn scopes(stub: &Stub) -> Vec<Value> {
    let asked = stub.seen().into_iter().filter(|seen| seen.is("POST", "/app/"));
    asked.map(|seen| seen.body["permissions"].clone()).collect()
}

#[tokio::test]
async fn a_tag_that_names_no_commit_or_hides_behind_too_many_others_is_refused() {
    let tag_of = |kind: &'static str| {
        move |seen: &Seen| {
            Some(match path(seen) {
                TAG => Reply::json(200, &json!({"ref": "refs/tags/v1", "object": {"type": kind, "sha": commit('b')}})),
                _ if seen.is("GET", "/repos/octo/app/git/tags/") => {
                    Reply::json(200, &json!({"message": "m", "object": {"type": "tag", "sha": commit('b')}}))
                }
                _ => return None,
            })
        }
    };
    for (kind, objects) in [("tree", 0), ("blob", 0), ("tag", 5)] {
        let stub = Stub::start(tag_of(kind)).await;
        assert!(is_refused(&stub.github().tag(&repo(), "v1").await), "{kind}");
        assert_eq!(stub.count("GET", "/repos/octo/app/git/tags/"), objects, "{kind}");
    }
    // Older servers answer with a tag that only begins like it.
    let like = json!({"ref": "refs/tags/v1.2", "object": {"type": "commit", "sha": commit('b')}});
    let stub = Stub::start(move |seen| seen.is("GET", TAG).then(|| Reply::json(200, &like))).await;
    assert_eq!(stub.github().tag(&repo(), "v1").await, Ok(None));
}

#[tokio::test]
async fn a_server_that_does_not_speak_of_signatures_leaves_them_unknown() {
    let stub = Stub::start(|seen| match path(seen) {
        TAG => Some(tag_reply()),
        _ if seen.is("GET", "/repos/octo/app/git/commits/") => Some(Reply::json(200, &json!({"sha": commit('a')}))),
        _ => None,
    })
    .await;
    let tag = stub.github().tag(&repo(), "v1").await.unwrap().unwrap();
    assert_eq!((tag.signature, tag.message), (Signature::Unsigned, None));
    assert!(matches!(tag.commit_signature, Signature::Unknown { .. }));
}

#[tokio::test]
async fn no_more_than_thirty_other_branches_are_compared_with() {
    let stub = Stub::start(|seen| {
        Some(match path(seen) {
            "/repos/octo/app" => Reply::json(200, &json!({"default_branch": "main"})),
            "/repos/octo/app/branches/main" => {
                Reply::json(200, &json!({"name": "main", "commit": {"sha": commit('b')}, "protected": true}))
            }
            "/repos/octo/app/branches" => {
                let branch =
                    |n: usize| json!({"name": format!("r{n}"), "commit": {"sha": format!("{n:040x}")}, "protected": true});
                Reply::json(200, &(0..60).map(branch).collect())
            }
            path if path.ends_with("/pulls") => Reply::json(200, &json!([])),
            path if path.contains("/compare/") => Reply::json(200, &json!({"status": "diverged"})),
            _ => return None,
        })
    })
    .await;
    let Ok(Protection::Off { looked_at, incomplete }) = stub.github().protection(&repo(), &commit('a')).await else { panic!() };
    assert_eq!((looked_at.len(), looked_at[0].as_str(), incomplete), (31, "main", true));
    assert_eq!(stub.count("GET", "/repos/octo/app/compare/"), 31);
    assert!(stub.lines().iter().filter(|line| line.contains("/compare/")).all(|line| line.ends_with("?per_page=1&page=2")));
}

/// A comparison of so many commits, page by page.
fn commits(total: u64) -> impl Fn(&Seen) -> Option<Reply> + Send + Sync {
    move |seen| {
        let number = |name: &str| {
            let query = seen.target.split_once('?').map_or("", |(_, query)| query);
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok()).unwrap_or(1)
        };
        if path(seen).ends_with("/pulls") {
            return Some(Reply::json(200, &json!([])));
        }
        let (page, per_page) = (number("page"), number("per_page"));
        let one = |n: u64| json!({"sha": format!("{n:040x}"), "commit": {"message": format!("fix: {n}")}, "author": {}});
        let some: Vec<Value> = ((page - 1) * per_page..(page * per_page).min(total)).map(one).collect();
        path(seen).contains("/compare/").then(|| Reply::json(200, &json!({"total_commits": total, "commits": some})))
    }
}

#[tokio::test]
async fn commits_beyond_the_bound_are_counted_and_only_the_newest_are_asked_for_their_pull_requests() {
    let stub = Stub::start(commits(1_000)).await;
    let found = stub.github().commits_between(&repo(), Some(&commit('b')), &commit('a')).await.unwrap();
    assert_eq!((found.commits.len(), found.more, found.pulls_incomplete), (250, 750, true));
    assert_eq!((found.commits[0].message.as_str(), found.commits[249].message.as_str()), ("fix: 0", "fix: 249"));
    assert_eq!((stub.count("GET", "/repos/octo/app/compare/"), stub.count("GET", "/repos/octo/app/commits/")), (3, 100));
    let stub = Stub::start(commits(100)).await;
    let found = stub.github().commits_between(&repo(), Some(&commit('b')), &commit('a')).await.unwrap();
    assert_eq!((found.commits.len(), found.more, found.pulls_incomplete), (100, 0, false));
    assert_eq!(stub.count("GET", "/repos/octo/app/compare/"), 1);
}

fn release(stage: ReleaseStage) -> Report {
    Report::Release(Box::new(ReleaseReport {
        tag: "v1".to_owned(),
        commit: commit('a'),
        name: "Version 1".to_owned(),
        body: "notes".to_owned(),
        stage,
        channel: Channel::Stable,
        latest: Latest::Yes,
    }))
}

#[tokio::test]
async fn a_release_is_made_by_a_token_that_writes_content_and_nothing_else() {
    let stub = Stub::start(|seen| {
        Some(match (seen.method.as_str(), path(seen)) {
            ("GET", TAG) => tag_reply(),
            ("GET", RELEASES) => Reply::json(200, &json!([])),
            ("GET", _) => Reply::status(404),
            ("POST", RELEASES) => Reply::json(201, &json!({"id": 5})),
            _ => return None,
        })
    })
    .await;
    let github = stub.github();
    for stage in [ReleaseStage::Draft, ReleaseStage::Published] {
        assert_eq!(github.publish(&repo(), &release(stage), &Known::Never).await, Ok(Published { id: 5 }));
    }
    let sent: Vec<Value> = stub.seen().into_iter().filter(|seen| seen.is("POST", RELEASES)).map(|seen| seen.body).collect();
    let body = format!("{RELEASE_MARKER}\nnotes");
    let draft = json!({"tag_name": "v1", "target_commitish": commit('a'), "name": "Version 1", "body": body, "draft": true, "prerelease": false});
    let mut out = draft.clone();
    out["draft"] = false.into();
    out["make_latest"] = "true".into();
    assert_eq!(sent, [draft, out]);
    let api = json!({"checks": "write", "contents": "read", "metadata": "read", "pull_requests": "write"});
    assert_eq!(scopes(&stub), [api, json!({"contents": "write", "metadata": "read"})]);
}

#[tokio::test]
async fn a_draft_that_was_made_twice_is_one_again_and_others_drafts_are_left_alone() {
    let stub = Stub::start(|seen| {
        let draft = |id: u64, tag: &str, body: &str| json!({"id": id, "tag_name": tag, "body": body, "draft": true, "name": "x"});
        let ours = format!("{RELEASE_MARKER}\nearlier");
        Some(match (seen.method.as_str(), path(seen)) {
            ("GET", TAG) => tag_reply(),
            ("GET", RELEASES) => {
                let theirs = [draft(9, "v1", "by hand"), draft(8, "v2", &ours)];
                Reply::json(200, &json!([draft(7, "v1", &ours), draft(6, "v1", &ours), theirs[0], theirs[1]]))
            }
            ("GET", _) => Reply::status(404),
            ("DELETE", _) => Reply::text(204, ""),
            ("PATCH", _) => Reply::json(200, &json!({"id": 6})),
            _ => return None,
        })
    })
    .await;
    let made = stub.github().publish(&repo(), &release(ReleaseStage::Published), &Known::Id(404)).await;
    assert_eq!(made, Ok(Published { id: 6 }));
    let writes: Vec<String> = stub.lines().into_iter().filter(|line| !line.starts_with("GET")).collect();
    assert_eq!(writes, [format!("DELETE {RELEASES}/7"), format!("PATCH {RELEASES}/6")]);
}

fn asset(content: &str) -> Report {
    Report::Asset(Box::new(AssetReport {
        tag: "v1".to_owned(),
        name: "app-1.0+x.tar.gz".parse().unwrap(),
        content_type: "application/gzip".to_owned(),
        content: content.to_owned().into(),
        // Of "all of it".
        sha256: "3ed5ae07e1d1b0ee47d5a5a3c4e2b8a2b0a5d2d7bf1ffdbfdb6d0f6cc25b9c1f".to_owned(),
        url: None,
    }))
}

/// A release with these artefacts, which takes others and says this of them.
fn with_assets(there: Value, made: Value) -> impl Fn(&Seen) -> Option<Reply> + Send + Sync {
    move |seen| {
        Some(match (seen.method.as_str(), path(seen)) {
            ("GET", "/repos/octo/app/releases/tags/v1") => Reply::json(200, &json!({"id": 5, "tag_name": "v1"})),
            ("GET", "/repos/octo/app/releases/5/assets") => Reply::json(200, &there),
            ("POST", "/repos/octo/app/releases/5/assets") => Reply::json(201, &made),
            ("DELETE", _) => Reply::text(204, ""),
            _ => return None,
        })
    }
}

#[tokio::test]
async fn an_artefact_goes_up_as_it_is_and_what_arrives_otherwise_is_refused() {
    let name = "app-1.0+x.tar.gz";
    let of = |digest: Value, size: u64| json!({"id": 3, "name": name, "state": "uploaded", "size": size, "digest": digest});
    let digest = json!("sha256:3ed5ae07e1d1b0ee47d5a5a3c4e2b8a2b0a5d2d7bf1ffdbfdb6d0f6cc25b9c1f");
    let stub = Stub::start(with_assets(json!([]), of(digest.clone(), 9))).await;
    assert_eq!(stub.github().publish(&repo(), &asset("all of it"), &Known::Never).await, Ok(Published { id: 3 }));
    let sent: Vec<Seen> = stub.seen().into_iter().filter(|seen| seen.is("POST", "/repos/")).collect();
    assert_eq!(sent[0].target, "/repos/octo/app/releases/5/assets?name=app-1.0%2Bx.tar.gz");
    assert_eq!((sent[0].header("content-type"), sent[0].header("content-length")), ("application/gzip", "9"));
    // A server without digests goes by the size.
    for (there, uploads) in [(of(digest, 1), 0), (of(Value::Null, 9), 0), (of(Value::Null, 8), 1), (of(json!("sha256:0"), 9), 1)]
    {
        let stub = Stub::start(with_assets(json!([there]), of(Value::Null, 9))).await;
        assert_eq!(stub.github().publish(&repo(), &asset("all of it"), &Known::Maybe).await, Ok(Published { id: 3 }));
        assert_eq!((stub.count("POST", "/repos/"), stub.count("DELETE", "/repos/")), (uploads, uploads));
    }
    let stub = Stub::start(with_assets(json!([]), of(json!("sha256:0"), 9))).await;
    assert!(is_refused(&stub.github().publish(&repo(), &asset("all of it"), &Known::Never).await));
    assert_eq!(scopes(&stub), [json!({"contents": "write", "metadata": "read"})]);
}

#[tokio::test]
async fn an_upload_of_unknown_end_is_not_repeated_within_the_call() {
    let stub = Stub::start(|seen| match seen.method.as_str() {
        "POST" if path(seen).ends_with("/assets") => Some(Reply::status(502)),
        _ => with_assets(json!([]), Value::Null)(seen),
    })
    .await;
    assert!(is_unavailable(&stub.github().publish(&repo(), &asset("all of it"), &Known::Never).await));
    assert_eq!(stub.count("POST", "/repos/"), 1);
}

fn deployment(key: &str, state: DeploymentState) -> Report {
    Report::Deployment(Box::new(DeploymentReport {
        key: key.to_owned(),
        environment: "staging".parse().unwrap(),
        tag: "v1".to_owned(),
        commit: commit('a'),
        since: at(0),
        state,
        description: "5 %".to_owned(),
        log_url: None,
        environment_url: None,
        tier: Tier::Before,
        life: Life::Transient,
    }))
}

#[tokio::test]
async fn a_deployment_asks_for_no_status_and_no_merge() {
    let stub = Stub::start(|seen| {
        Some(match (seen.method.as_str(), path(seen)) {
            ("GET", TAG) => tag_reply(),
            ("POST", DEPLOYMENTS) => Reply::json(201, &json!({"id": 5})),
            ("GET", "/repos/octo/app/deployments/5/statuses") => Reply::json(200, &json!([])),
            ("POST", "/repos/octo/app/deployments/5/statuses") => Reply::json(201, &json!({"id": 1})),
            _ => return None,
        })
    })
    .await;
    let made = stub.github().publish(&repo(), &deployment("run/staging", DeploymentState::InProgress), &Known::Never).await;
    assert_eq!(made, Ok(Published { id: 5 }));
    let sent: Vec<Value> = stub.seen().into_iter().filter(|seen| seen.is("POST", "/repos/")).map(|seen| seen.body).collect();
    let expected = [
        json!({"ref": "v1", "environment": "staging", "auto_merge": false, "required_contexts": [], "description": "5 %",
            "payload": {"gatewright": "run/staging"}, "transient_environment": true, "production_environment": false}),
        json!({"state": "in_progress", "description": "5 %", "auto_inactive": true}),
    ];
    assert_eq!(sent, expected);
    assert!(scopes(&stub).contains(&json!({"deployments": "write", "metadata": "read"})));
    let long = deployment(&"x".repeat(201), DeploymentState::Queued);
    assert!(is_refused(&stub.github().publish(&repo(), &long, &Known::Never).await));
}

#[tokio::test]
async fn a_deployment_is_found_by_its_key_however_the_payload_is_written() {
    let stub = Stub::start(|seen| {
        let text = json!({"gatewright": "run/staging"}).to_string();
        Some(match (seen.method.as_str(), path(seen)) {
            ("GET", DEPLOYMENTS) => Reply::json(
                200,
                &json!([{"id": 9, "payload": "deploy:migrate"}, {"id": 8, "payload": null}, {"id": 7, "payload": text}, {"id": 6}]),
            ),
            ("GET", "/repos/octo/app/deployments/4/statuses") => Reply::status(404),
            ("GET", _) => Reply::json(200, &json!([{"id": 1, "state": "in_progress", "description": "5 %"}])),
            _ => return None,
        })
    })
    .await;
    for known in [Known::Maybe, Known::Id(4)] {
        let found = stub.github().publish(&repo(), &deployment("run/staging", DeploymentState::InProgress), &known).await;
        assert_eq!(found, Ok(Published { id: 7 }), "nothing is new, so nothing is written");
    }
    assert!(stub.lines().iter().any(|line| line.contains(&format!("environment=staging&sha={}&per_page=100", commit('a')))));
}

#[tokio::test]
async fn a_refused_answer_to_a_workflow_is_an_error_the_first_time_only() {
    let answer = Report::ProtectionRule(ProtectionReport {
        workflow_run: 77,
        environment: "prod eu".to_owned(),
        answer: ProtectionAnswer::Rejected,
        comment: "a gate failed".to_owned(),
    });
    const RULE: &str = "/repos/octo/app/actions/runs/77/deployment_protection_rule";
    let stub = Stub::start(|seen| seen.is("POST", RULE).then(|| Reply::status(422))).await;
    assert!(is_refused(&stub.github().publish(&repo(), &answer, &Known::Never).await));
    assert_eq!(stub.github().publish(&repo(), &answer, &Known::Maybe).await, Ok(Published { id: 77 }));
    let sent = stub.seen().into_iter().find(|seen| seen.is("POST", RULE)).unwrap().body;
    assert_eq!(sent, json!({"environment_name": "prod eu", "state": "rejected", "comment": "a gate failed"}));
}
