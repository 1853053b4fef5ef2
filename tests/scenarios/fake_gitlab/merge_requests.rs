//! Merge requests: what becomes of them, and what is told of them.

use gatewright_tests::gitlab::{Edit, Signing};

use super::*;

/// As the API has it now.
async fn read(client: &Client, iid: u64) -> Value {
    let (status, mr) = client.get(&request_path(iid)).await;
    assert_eq!(status, 200, "{mr}");
    mr
}

/// What was told since the last time: of merge requests, the attributes and what changed.
async fn told(gitlab: &FakeGitLab, receiver: &Receiver) -> Vec<(Value, Value)> {
    let got = receiver.take(gitlab).await;
    let of_requests = got.iter().map(|(_, body)| parsed(body)).filter(|payload| payload["object_kind"] == "merge_request");
    of_requests.map(|payload| (payload["object_attributes"].clone(), payload["changes"].clone())).collect()
}

async fn hooked() -> (FakeGitLab, Receiver, u64, String) {
    let (gitlab, receiver) = (FakeGitLab::start().await, Receiver::start().await);
    gitlab.set_webhook(&receiver.url, Signing::Token("a secret token of some length".to_owned()));
    let (iid, head) = with_request(&gitlab);
    (gitlab, receiver, iid, head)
}

#[tokio::test]
async fn an_open_merge_request_says_between_what_it_lies() {
    let (gitlab, receiver, iid, head) = hooked().await;
    let mr = read(&Client::bot(&gitlab), iid).await;
    let main = gitlab.branch(REPO, "main");
    assert_eq!((&mr["iid"], &mr["state"], &mr["sha"]), (&json!(iid), &json!("opened"), &json!(head)));
    assert_eq!((&mr["source_branch"], &mr["target_branch"], &mr["draft"]), (&json!("topic"), &json!("main"), &json!(false)));
    assert_eq!(mr["diff_refs"], json!({"base_sha": main, "start_sha": main, "head_sha": head}));
    assert_eq!((&mr["changes_count"], &mr["author"]["username"]), (&json!("2"), &json!("alice")));
    assert_eq!((&mr["source_project_id"], &mr["head_pipeline"]), (&mr["target_project_id"], &Value::Null));
    let (attributes, _) = told(&gitlab, &receiver).await.remove(0);
    assert_eq!(
        (&attributes["action"], &attributes["last_commit"]["id"], &attributes["id"]),
        (&json!("open"), &json!(head), &mr["id"])
    );
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_update_with_commits_names_the_head_before_and_makes_a_version() {
    let (gitlab, receiver, iid, old) = hooked().await;
    told(&gitlab, &receiver).await;
    gitlab.commit(REPO, "main", "bob", "meanwhile", [("other", "o\n")]);
    assert!(told(&gitlab, &receiver).await.is_empty(), "the target branch moved, not the merge request");
    let new = gitlab.commit(REPO, "topic", "alice", "more", [Edit::from(("z", "z\n")), Edit::delete("x.md")]);
    let (attributes, _) = told(&gitlab, &receiver).await.remove(0);
    assert_eq!((&attributes["action"], &attributes["oldrev"]), (&json!("update"), &json!(old)));
    assert_eq!(attributes["last_commit"]["id"], json!(new));
    let bot = Client::bot(&gitlab);
    let mr = read(&bot, iid).await;
    assert_eq!((&mr["sha"], &mr["diff_refs"]["head_sha"], &mr["changes_count"]), (&json!(new), &json!(new), &json!("2")));
    assert_eq!(mr["diff_refs"]["start_sha"], json!(gitlab.branch(REPO, "main")));
    assert_ne!(mr["diff_refs"]["base_sha"], mr["diff_refs"]["start_sha"], "where the two parted is older");
    let (_, versions) = bot.get(&format!("{}/versions", request_path(iid))).await;
    assert_eq!(all(&versions, "/head_commit_sha"), [json!(new), json!(old)], "newest first");
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_update_without_commits_names_what_changed() {
    let (gitlab, receiver, iid, _) = hooked().await;
    told(&gitlab, &receiver).await;
    for (title, draft) in [("Another", None), ("Draft: Another", Some(true)), ("Another", Some(false))] {
        gitlab.retitle(REPO, iid, title, "alice");
        let (attributes, changes) = told(&gitlab, &receiver).await.remove(0);
        assert_eq!(
            (&attributes["action"], &attributes["oldrev"], &attributes["title"]),
            (&json!("update"), &Value::Null, &json!(title))
        );
        assert_eq!((&changes["title"]["current"], changes["draft"]["current"].as_bool()), (&json!(title), draft));
        assert_eq!(read(&Client::bot(&gitlab), iid).await["draft"], json!(draft == Some(true)));
    }
}

#[tokio::test]
async fn a_merge_request_is_closed_and_reopened_and_follows_its_branch_only_while_open() {
    let (gitlab, receiver, iid, head) = hooked().await;
    let bot = Client::bot(&gitlab);
    gitlab.close(REPO, iid, "bob");
    told(&gitlab, &receiver).await;
    gitlab.commit(REPO, "topic", "alice", "while it is closed", [("z", "z\n")]);
    assert!(told(&gitlab, &receiver).await.is_empty());
    let mr = read(&bot, iid).await;
    assert_eq!((&mr["state"], &mr["sha"]), (&json!("closed"), &json!(head)));
    gitlab.reopen(REPO, iid, "bob");
    let new = gitlab.branch(REPO, "topic");
    let actions: Vec<(Value, Value)> = told(&gitlab, &receiver)
        .await
        .into_iter()
        .map(|(told, _)| (told["action"].clone(), told["last_commit"]["id"].clone()))
        .collect();
    assert_eq!(actions, [(json!("reopen"), json!(new))]);
    assert_eq!((read(&bot, iid).await["state"].clone(), gitlab.head(REPO, iid)), (json!("opened"), new));
}

#[tokio::test]
async fn a_merge_makes_a_commit_and_a_conflict_makes_none() {
    let (gitlab, receiver, iid, head) = hooked().await;
    gitlab.commit(REPO, "other", "bob", "conflicts", [("x.md", "y\n")]);
    let other = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("bob", "other"));
    told(&gitlab, &receiver).await;
    let merged = gitlab.merge(REPO, iid, "alice").expect("no conflict");
    assert_eq!(gitlab.branch(REPO, "main"), merged);
    let (attributes, _) = told(&gitlab, &receiver).await.remove(0);
    assert_eq!((&attributes["action"], &attributes["state"]), (&json!("merge"), &json!("merged")));
    assert_eq!(attributes["merge_commit_sha"], json!(merged));
    let bot = Client::bot(&gitlab);
    let (_, commit) = bot.get(&format!("{PROJECT}/repository/commits/{merged}")).await;
    assert_eq!(commit["parent_ids"].as_array().map(|parents| parents.contains(&json!(head))), Some(true));
    assert_eq!(gitlab.merge(REPO, other, "bob"), None);
    assert_eq!(read(&bot, other).await["state"], "opened");
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_approval_is_shown_and_told() {
    let (gitlab, receiver, iid, _) = hooked().await;
    told(&gitlab, &receiver).await;
    let (bot, path) = (Client::bot(&gitlab), format!("{}/approvals", request_path(iid)));
    assert_eq!(bot.get(&path).await.1["approved"], false);
    gitlab.approve(REPO, iid, "bob");
    let (_, approvals) = bot.get(&path).await;
    assert_eq!((&approvals["approved"], all(&approvals["approved_by"], "/user/username")), (&json!(true), vec![json!("bob")]));
    assert_eq!(told(&gitlab, &receiver).await[0].0["action"], "approved");
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_forks_merge_request_is_of_the_fork_and_the_target_has_its_commits() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_public_project(REPO);
    let fork = gitlab.fork(REPO, "mallory");
    assert_eq!((gitlab.fork(REPO, "mallory"), fork.as_str()), (fork.clone(), "mallory/app"), "forked once");
    gitlab.commit(&fork, "main", "mallory", "evil", [("evil.sh", "x\n")]);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("mallory", "main").from_fork(&fork));
    let head = gitlab.commit(&fork, "main", "mallory", "more", [("evil2.sh", "x\n")]);
    let bot = Client::bot(&gitlab);
    let mr = read(&bot, iid).await;
    assert_eq!((&mr["sha"], &mr["changes_count"]), (&json!(head), &json!("2")));
    assert_ne!(mr["source_project_id"], mr["target_project_id"]);
    let (_, project) = bot.get("/projects/mallory%2Fapp").await;
    assert_eq!(
        (&project["id"], &project["forked_from_project"]["path_with_namespace"]),
        (&mr["source_project_id"], &json!(REPO))
    );
    assert_eq!(bot.get(&format!("{PROJECT}/repository/commits/{head}")).await.0, 200);
    gitlab.assert_valid();
}

#[tokio::test]
async fn the_files_of_a_diff_are_named_with_what_became_of_them() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    gitlab.commit(REPO, "main", "alice", "before", [("old", "1\n2\n3\n4\n"), ("gone", "g\n"), ("kept", "a\nb\n")]);
    let moved = [Edit::delete("old"), Edit::from(("new", "1\n2\n3\n4\n")), Edit::delete("gone"), Edit::from(("kept", "a\nB\n"))];
    gitlab.commit(REPO, "topic", "alice", "after", moved);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "topic"));
    let bot = Client::bot(&gitlab);
    let (_, diffs) = bot.get(&format!("{}/diffs", request_path(iid))).await;
    let file = |name: &str| {
        let files = diffs.as_array().expect("a list");
        files.iter().find(|file| file["old_path"] == name).unwrap_or_else(|| panic!("no {name}: {diffs}")).clone()
    };
    assert_eq!((&file("old")["new_path"], &file("old")["renamed_file"]), (&json!("new"), &json!(true)));
    assert_eq!((&file("gone")["deleted_file"], &file("gone")["b_mode"]), (&json!(true), &json!("0")));
    assert_eq!(file("kept")["diff"], "@@ -1,2 +1,2 @@\n a\n-b\n+B\n");
    let (_, changes) = bot.get(&format!("{}/changes", request_path(iid))).await;
    assert_eq!((&changes["changes"], &changes["changes_count"]), (&diffs, &json!("3")));
    gitlab.assert_valid();
}

#[tokio::test]
async fn merge_requests_are_listed_by_state_branch_and_when_they_changed() {
    let (gitlab, _, first, _) = hooked().await;
    gitlab.advance(10);
    gitlab.commit(REPO, "two", "alice", "two", [("2", "2\n")]);
    let second = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "two"));
    let bot = Client::bot(&gitlab);
    let listed = async |query: &str| {
        let (status, list) = bot.get(&format!("{PROJECT}/merge_requests?{query}")).await;
        assert_eq!(status, 200, "{list}");
        all(&list, "/iid")
    };
    assert_eq!(listed("").await, [second, first], "newest first, where nothing is said");
    assert_eq!(listed("order_by=updated_at&sort=asc").await, [first, second]);
    gitlab.advance(10);
    gitlab.comment(REPO, first, "bob", "a note is a change too");
    assert_eq!(listed("order_by=updated_at").await, [first, second]);
    let since = read(&bot, first).await["updated_at"].as_str().expect("a time").to_owned();
    assert_eq!(listed(&format!("updated_after={since}")).await, [first]);
    gitlab.close(REPO, first, "alice");
    assert_eq!((listed("state=opened").await, listed("state=closed").await), (vec![json!(second)], vec![json!(first)]));
    assert_eq!((listed("source_branch=two").await, listed("target_branch=two").await), (vec![json!(second)], vec![]));
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_list_says_less_than_one_merge_request() {
    let (gitlab, _, iid, _) = hooked().await;
    let bot = Client::bot(&gitlab);
    let (_, listed) = bot.get(&format!("{PROJECT}/merge_requests")).await;
    for name in ["changes_count", "diff_refs", "head_pipeline"] {
        assert!(listed[0].get(name).is_none() && read(&bot, iid).await.get(name).is_some(), "{name}");
    }
    assert_eq!((bot.get(&request_path(99)).await.0, bot.get(&format!("{PROJECT}/merge_requests/x")).await.0), (404, 400));
    gitlab.assert_valid();
}

#[tokio::test]
async fn the_head_pipeline_is_the_newest_of_the_head_whether_of_the_branch_or_of_the_request() {
    let (gitlab, _, iid, head) = hooked().await;
    let bot = Client::bot(&gitlab);
    let of_branch = gitlab.start_pipeline(REPO, "topic");
    assert_eq!(read(&bot, iid).await["head_pipeline"]["id"], json!(of_branch));
    let reference = format!("refs/merge-requests/{iid}/head");
    let of_request = gitlab.start_pipeline(REPO, &reference);
    let mr = read(&bot, iid).await;
    assert_eq!((&mr["head_pipeline"]["id"], &mr["head_pipeline"]["ref"]), (&json!(of_request), &json!(reference)));
    gitlab.start_pipeline(REPO, "main");
    gitlab.commit(REPO, "topic", "alice", "more", [("z", "z\n")]);
    assert_eq!(read(&bot, iid).await["head_pipeline"], Value::Null, "the new head has none yet");
    let (_, pipelines) = bot.get(&format!("{}/pipelines", request_path(iid))).await;
    assert_eq!(all(&pipelines, "/id"), [of_request, of_branch]);
    assert!(all(&pipelines, "/sha").iter().all(|sha| *sha == head));
    gitlab.assert_valid();
}
