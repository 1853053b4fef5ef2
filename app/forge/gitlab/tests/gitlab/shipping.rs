//! Tags, releases and deployments.

use gatewright_core::forge::{Forge, Protection, Releases, Signature};
use gatewright_core::report::{
    AssetReport, Channel, DeploymentReport, DeploymentState, Known, Latest, Life, Published, RELEASE_MARKER, ReleaseReport,
    ReleaseStage, Report, Tier,
};
use serde_json::{Value, json};

use crate::stub::*;

pub(crate) fn release(tag: &str) -> Report {
    Report::Release(Box::new(ReleaseReport {
        tag: tag.to_owned(),
        commit: commit('a'),
        name: "Version 1".to_owned(),
        body: "notes".to_owned(),
        stage: ReleaseStage::Published,
        channel: Channel::Stable,
        latest: Latest::Yes,
    }))
}

pub(crate) fn asset(url: Option<&str>) -> Report {
    Report::Asset(Box::new(AssetReport {
        tag: "v1".to_owned(),
        name: "app.tar.gz".parse().unwrap(),
        content_type: "application/gzip".to_owned(),
        content: "x".into(),
        sha256: "0".repeat(64),
        url: url.map(str::to_owned),
    }))
}

pub(crate) fn deployment(environment: &str, state: DeploymentState) -> Report {
    Report::Deployment(Box::new(DeploymentReport {
        key: format!("run/{environment}"),
        environment: environment.parse().unwrap(),
        tag: "v1".to_owned(),
        commit: commit('a'),
        since: at(0),
        state,
        description: "5 %".to_owned(),
        log_url: None,
        environment_url: Some("https://live.example".to_owned()),
        tier: Tier::Production,
        life: Life::Permanent,
    }))
}

/// A project with the tags `v1` and `new`, a release of the first, an environment `there`, and a deployment that runs.
pub(crate) fn answer(seen: &Seen) -> Option<Reply> {
    let tag = |name: &str| json!({"name": name, "target": commit('a'), "message": "", "commit": {"id": commit('a')}});
    match (seen.method.as_str(), seen.path().strip_prefix(PROJECT)?) {
        ("GET", "") => Reply::ok(json!({"default_branch": "main", "visibility": "public"})),
        ("GET", "/repository/branches/main") => {
            Reply::ok(json!({"name": "main", "commit": {"id": commit('d')}, "protected": true}))
        }
        ("GET", "/repository/tags") => Reply::ok(json!([tag("new"), tag("v1")])),
        ("GET", path) if path.ends_with("/signature") => Some(no_signature()),
        ("GET", "/releases/new") => Some(Reply::status(404)),
        ("GET", "/releases/v1") => Reply::ok(json!({"tag_name": "v1", "name": "x", "description": RELEASE_MARKER})),
        ("GET", "/environments") if seen.target.contains("name=new") => Reply::ok(json!([])),
        ("GET", "/environments") => Reply::ok(json!([{"id": 4, "name": "there", "external_url": null}])),
        ("GET", "/deployments") => Reply::ok(json!([running(90, 'a', "v1", ME, 0)])),
        ("PUT", _) => Reply::ok(json!({"id": 90})),
        _ => None,
    }
}

fn no_signature() -> Reply {
    Reply::json(404, &json!({"message": "404 GPG Signature Not Found"}))
}

/// What is said of the signatures of an annotated tag and of its commit, where GitLab answers so.
async fn signatures(message: &str, tag: Reply, commit_too: Reply) -> (Signature, Signature) {
    let listed = json!([{"name": "v1", "target": commit('b'), "message": message, "commit": {"id": commit('a')}}]);
    let stub = Stub::start(move |seen| match seen.path().strip_prefix(PROJECT)? {
        "/repository/tags" => Reply::ok(listed.clone()),
        "/repository/tags/v1/signature" => Some(tag.clone()),
        path if path == format!("/repository/commits/{}/signature", commit('a')) => Some(commit_too.clone()),
        _ => None,
    })
    .await;
    let tag = stub.gitlab().tag(&repo(), "v1").await.unwrap().unwrap();
    (tag.signature, tag.commit_signature)
}

#[tokio::test]
async fn of_a_signature_is_said_what_gitlab_says_of_it() {
    let verified = |by: Option<&str>| Signature::Verified { by: by.map(str::to_owned) };
    let pgp = json!({
        "signature_type": "PGP", "verification_status": "verified", "gpg_key_user_name": "Ada", "gpg_key_user_email": "ada@example.com",
    });
    let x509 =
        json!({"signature_type": "X509", "verification_status": "verified", "x509_certificate": {"email": "ada@example.com"}});
    let both = signatures("m", Reply::json(200, &x509), Reply::json(200, &pgp)).await;
    assert_eq!(both, (verified(Some("ada@example.com")), verified(Some("Ada <ada@example.com>"))));
    let own = Reply::json(200, &json!({"signature_type": "SSH", "verification_status": "verified_system", "key": null}));
    assert_eq!(signatures("m", no_signature(), own).await, (Signature::Unsigned, verified(None)));
    for status in
        ["unverified", "unknown_key", "other_user", "same_user_different_email", "unverified_author_email", "a_new_word"]
    {
        let said = Reply::json(200, &json!({"verification_status": status}));
        let unverified = Signature::Unverified { reason: status.to_owned() };
        assert_eq!(signatures("m", said.clone(), said).await, (unverified.clone(), unverified));
    }
}

#[tokio::test]
async fn what_gitlab_does_not_tell_of_a_signature_counts_as_not_known() {
    let is_unknown = |signature: &Signature| matches!(signature, Signature::Unknown { .. });
    let armoured = "v1\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n";
    let (of_tag, of_commit) = signatures(armoured, no_signature(), no_signature()).await;
    assert!(is_unknown(&of_tag) && of_commit == Signature::Unsigned, "{of_tag:?}, {of_commit:?}");
    let elsewhere = || Reply::json(404, &json!({"error": "404 Not Found"}));
    let (of_tag, of_commit) = signatures("m", elsewhere(), Reply::status(403)).await;
    assert!(is_unknown(&of_tag) && is_unknown(&of_commit), "{of_tag:?}, {of_commit:?}");
    let (of_tag, _) = signatures("m", Reply::json(200, &json!({})), no_signature()).await;
    assert!(is_unknown(&of_tag), "{of_tag:?}");
}

fn running(id: u64, digit: char, of: &str, user: u64, at_secs: i64) -> Value {
    json!({"id": id, "sha": commit(digit), "ref": of, "status": "running", "user": {"id": user}, "created_at": at(at_secs)})
}

#[tokio::test]
async fn a_tag_is_looked_for_among_those_that_begin_like_it() {
    let stub = Stub::start(answer).await;
    let found = stub.gitlab().tag(&repo(), "v1").await.unwrap().unwrap();
    assert_eq!((found.commit, found.object), (commit('a'), None));
    assert!(stub.lines()[0].contains("search=%5Ev1&order_by=name&sort=asc"), "{:?}", stub.lines());
    assert_eq!(stub.gitlab().tag(&repo(), "v").await, Ok(None));
    let odd = json!([{"name": "v1", "target": commit('b'), "commit": null}]);
    let stub = Stub::start(move |_| Reply::ok(odd.clone())).await;
    assert!(is_refused(&stub.gitlab().tag(&repo(), "v1").await), "it names no commit");
    let stub = Stub::start(|_| Some(Reply::json(200, &json!([{"name": "v10", "commit": null}])).with("x-next-page", 2))).await;
    assert!(is_refused(&stub.gitlab().tag(&repo(), "v1").await), "it may lie behind what is looked through");
    assert_eq!(stub.seen().len(), 5);
}

#[tokio::test]
async fn a_comparison_that_is_cut_short_proves_nothing() {
    for comparison in [json!({"commits": [], "compare_timeout": true}), json!({"commits": [{"id": 1}]})] {
        let stub = Stub::start(move |seen| match seen.path() {
            path if path.ends_with("/compare") => Reply::ok(comparison.clone()),
            path if path.ends_with("/merge_requests") => Reply::ok(json!([])),
            _ => answer(seen),
        })
        .await;
        let off = Protection::Off { looked_at: vec!["main".to_owned()], incomplete: true };
        assert_eq!(stub.gitlab().protection(&repo(), &commit('a')).await, Ok(off));
    }
}

#[tokio::test]
async fn a_release_is_made_without_a_ref_so_that_no_tag_comes_of_it() {
    let stub = Stub::start(|seen| match seen.method.as_str() {
        "POST" => Reply::made(json!({"tag_name": "new"})),
        _ => answer(seen),
    })
    .await;
    assert_eq!(stub.gitlab().publish(&repo(), &release("new"), &Known::Never).await, Ok(Published { id: 0 }));
    let sent = stub.seen().into_iter().find(|seen| seen.method == "POST").unwrap().body;
    assert_eq!(sent, json!({"tag_name": "new", "name": "Version 1", "description": format!("{RELEASE_MARKER}\nnotes")}));
    // Two at once: the other was first, and the next attempt finds it.
    let stub = Stub::start(|seen| match seen.method.as_str() {
        "POST" => Some(Reply::says(409, "Release already exists")),
        _ => answer(seen),
    })
    .await;
    assert!(is_unavailable(&stub.gitlab().publish(&repo(), &release("new"), &Known::Never).await));
}

#[tokio::test]
async fn only_a_deployment_that_can_be_this_one_is_taken_for_it() {
    let others = json!([
        running(95, 'b', "v1", ME, 0),
        running(94, 'a', "v2", ME, 0),
        running(93, 'a', "v1", ME + 1, 0),
        running(92, 'a', "v1", ME, 0),
        running(91, 'a', "v1", ME, -299),
        running(80, 'a', "v1", ME, -301),
    ]);
    let stub = Stub::start(move |seen| match seen.path().strip_prefix(PROJECT) {
        Some("/deployments") => Reply::ok(others.clone()),
        _ => answer(seen),
    })
    .await;
    let runs = deployment("there", DeploymentState::InProgress);
    assert_eq!(stub.gitlab().publish(&repo(), &runs, &Known::Maybe).await, Ok(Published { id: 91 }));
    let over = deployment("there", DeploymentState::Failure);
    assert_eq!(stub.gitlab().publish(&repo(), &over, &Known::Id(80)).await, Ok(Published { id: 80 }));
    let sent: Vec<_> = stub.seen().into_iter().filter(|seen| seen.method == "PUT").map(|seen| (seen.line(), seen.body)).collect();
    assert_eq!(sent, [(format!("PUT {PROJECT}/deployments/80"), json!({"status": "failed"}))]);
}

#[tokio::test]
async fn a_transition_that_was_made_meanwhile_is_no_error_and_another_refusal_is() {
    for (words, fine) in [("cannot transition via \"succeed\"", true), ("is not allowed", false)] {
        let stub = Stub::start(move |seen| match seen.method.as_str() {
            "PUT" => Some(Reply::json(400, &json!({"message": {"status": [words]}}))),
            _ => answer(seen),
        })
        .await;
        let result = stub.gitlab().publish(&repo(), &deployment("there", DeploymentState::Success), &Known::Id(90)).await;
        assert_eq!(result.is_ok(), fine, "{result:?}");
    }
}

#[tokio::test]
async fn an_environment_that_somebody_else_makes_at_that_moment_is_taken() {
    let stub = Stub::start(|seen| match (seen.method.as_str(), seen.path().strip_prefix(PROJECT)) {
        ("POST", Some("/environments")) => Some(Reply::json(400, &json!({"message": {"name": ["has already been taken"]}}))),
        ("POST", Some("/deployments")) => Reply::made(json!({"id": 90})),
        ("GET", Some("/environments")) => Reply::ok(json!([])),
        _ => answer(seen),
    })
    .await;
    let refused = stub.gitlab().publish(&repo(), &deployment("new", DeploymentState::InProgress), &Known::Never).await;
    assert!(is_refused(&refused), "it is not there after all: {refused:?}");
}
