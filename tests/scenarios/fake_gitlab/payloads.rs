//! What webhooks say: all that people do is told, as real payloads tell it, and the service reads it rightly.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gatewright_core::event::{CommentPlace, CommentRef, Event, PullChange, PullEvent, PushEvent, TagEvent, User};
use gatewright_core::{ForgeKind, RepoRef};
use gatewright_tests::gitlab::{Delivery, Signing};

use super::shown::assert_alike;
use super::*;

/// Everything that people do, and all that was told of it.
async fn everything() -> (FakeGitLab, Vec<Delivery>) {
    let (gitlab, receiver) = (FakeGitLab::start().await, Receiver::start().await);
    gitlab.create_project(REPO);
    gitlab.set_webhook(&receiver.url, Signing::Token("a secret token of some length".to_owned()));
    gitlab.commit(REPO, "topic", "alice", "add a test", [("src/a b.txt", "one\ntwo\n")]);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "topic").draft());
    gitlab.retitle(REPO, iid, "Draft: another title", "alice");
    gitlab.retitle(REPO, iid, "another title", "alice");
    let head = gitlab.commit(REPO, "topic", "alice", "more", [("b", "b\n")]);
    let note = gitlab.comment(REPO, iid, "bob", "/gw run");
    gitlab.comment(REPO, iid, "bob", "nice");
    gitlab.edit_note(note, "/gw help");
    let bot = Client::bot(&gitlab);
    let thread = json!({"body": "this line", "position": position(&bot, iid, "src/a b.txt", 1).await});
    assert_eq!(bot.post(&format!("{}/discussions", request_path(iid)), thread).await.0, 201);
    let emoji = format!("{}/notes/{note}/award_emoji", request_path(iid));
    let (_, award) = bot.post(&emoji, json!({"name": "eyes"})).await;
    assert_eq!(bot.delete(&format!("{emoji}/{}", id(&award))).await, 204);
    let status = json!({"state": "success", "name": "gatewright", "ref": "topic", "description": "all well"});
    assert_eq!(bot.post(&format!("{PROJECT}/statuses/{head}"), status).await.0, 201);
    gitlab.approve(REPO, iid, "bob");
    gitlab.close(REPO, iid, "alice");
    gitlab.reopen(REPO, iid, "alice");
    gitlab.merge(REPO, iid, "alice").expect("no conflict");
    gitlab.tag(REPO, "v1.0.0", &head, "alice");
    gitlab.delete_branch(REPO, "topic", "alice");
    gitlab.deliveries_settled().await;
    gitlab.assert_valid();
    let told = gitlab.deliveries();
    (gitlab, told)
}

/// An added line of the newest version of a merge request's diff.
async fn position(client: &Client, iid: u64, path: &str, line: u64) -> Value {
    let (_, mr) = client.get(&request_path(iid)).await;
    let mut position = mr["diff_refs"].clone();
    position["position_type"] = json!("text");
    position["old_path"] = json!(path);
    position["new_path"] = json!(path);
    position["new_line"] = json!(line);
    position
}

#[tokio::test]
async fn everything_that_people_do_is_told_under_gitlabs_names() {
    let (_, told) = everything().await;
    let names: BTreeMap<String, &str> = told.iter().map(|delivery| (delivery.name(), delivery.event)).collect();
    let wanted = [
        ("build", "Job Hook"),
        ("emoji.award", "Emoji Hook"),
        ("emoji.revoke", "Emoji Hook"),
        ("merge_request.approved", "Merge Request Hook"),
        ("merge_request.close", "Merge Request Hook"),
        ("merge_request.merge", "Merge Request Hook"),
        ("merge_request.open", "Merge Request Hook"),
        ("merge_request.reopen", "Merge Request Hook"),
        ("merge_request.update", "Merge Request Hook"),
        ("note.create", "Note Hook"),
        ("note.update", "Note Hook"),
        ("pipeline", "Pipeline Hook"),
        ("push", "Push Hook"),
        ("tag_push", "Tag Push Hook"),
    ];
    assert_eq!(names.iter().map(|(name, event)| (name.as_str(), *event)).collect::<Vec<_>>(), wanted);
}

/// As the service reads them, in the order in which they were told.
fn read(told: &[Delivery]) -> Vec<(String, Event)> {
    let parse = |one: &Delivery| gatewright_webhook::gitlab::parse(one.event, &one.body).expect("it is JSON").event;
    told.iter().map(|one| (one.name(), parse(one))).collect()
}

fn pulls(events: &[(String, Event)]) -> Vec<(&str, Option<&PullEvent>)> {
    let requests = events.iter().filter(|(name, _)| name.starts_with("merge_request"));
    requests.map(|(name, event)| (name.as_str(), if let Event::Pull(pull) = event { Some(pull) } else { None })).collect()
}

#[tokio::test]
async fn the_service_understands_what_it_is_told_of_merge_requests() {
    let (gitlab, told) = everything().await;
    let events = read(&told);
    let changes: Vec<(&str, Option<PullChange>)> =
        pulls(&events).into_iter().map(|(name, pull)| (name, pull.map(|pull| pull.change))).collect();
    let wanted = [
        ("merge_request.open", Some(PullChange::Opened)),
        ("merge_request.update", None),
        ("merge_request.update", Some(PullChange::Opened)),
        ("merge_request.update", Some(PullChange::Updated)),
        ("merge_request.approved", None),
        ("merge_request.close", Some(PullChange::Closed)),
        ("merge_request.reopen", Some(PullChange::Opened)),
        ("merge_request.merge", Some(PullChange::Closed)),
    ];
    assert_eq!(changes, wanted);
    let pull = pulls(&events).remove(3).1.expect("the update with commits");
    let changed_at = pull.changed_at.expect("it says when");
    let (_, project) = Client::bot(&gitlab).get(PROJECT).await;
    let repo = RepoRef { forge: ForgeKind::Gitlab, id: id(&project), path: REPO.to_owned(), installation: None };
    let sender = User { id: gitlab.user_id("alice"), login: "alice".to_owned() };
    let head = gitlab.head(REPO, 1).parse().expect("a commit");
    let expected = PullEvent {
        repo,
        number: 1,
        head,
        base_ref: "main".to_owned(),
        sender,
        change: PullChange::Updated,
        changed_at: Some(changed_at),
        labels: Vec::new(),
    };
    assert_eq!(pull, &expected);
}

#[tokio::test]
async fn the_service_understands_what_it_is_told_of_notes_and_pushes() {
    let (gitlab, told) = everything().await;
    let events = read(&told);
    let comments: Vec<_> =
        events.iter().filter_map(|(_, event)| if let Event::Comment(one) = event { Some(one) } else { None }).collect();
    let note = gitlab.notes(REPO, 1).remove(0);
    assert_eq!(comments.len(), 1, "one is a command, and what it was edited to is not read");
    assert_eq!(comments[0].comment, CommentRef { number: 1, id: note.id, place: CommentPlace::Conversation });
    assert_eq!((comments[0].by.id, comments[0].body.as_str()), (gitlab.user_id("bob"), "/gw run"));
    assert_eq!(comments[0].head.as_ref().map(|head| head.as_str()), Some(gitlab.head(REPO, 1).as_str()));
    let pushes: Vec<&PushEvent> =
        events.iter().filter_map(|(_, event)| if let Event::Push(one) = event { Some(one) } else { None }).collect();
    let moved: Vec<(&str, bool)> = pushes.iter().map(|push| (push.branch.as_str(), push.before.is_some())).collect();
    assert_eq!(moved, [("topic", false), ("topic", true), ("main", true)]);
    assert_eq!((pushes[2].after.as_str(), pushes[2].default_branch.as_str()), (gitlab.branch(REPO, "main").as_str(), "main"));
    let tags: Vec<&TagEvent> =
        events.iter().filter_map(|(_, event)| if let Event::Tag(one) = event { Some(one) } else { None }).collect();
    let told: Vec<(&str, bool)> = tags.iter().map(|tag| (tag.tag.as_str(), tag.commit.is_some())).collect();
    assert_eq!(told, [("v1.0.0", true)]);
    for (name, event) in
        events.iter().filter(|(name, _)| ["build", "pipeline", "emoji"].iter().any(|kind| name.starts_with(kind)))
    {
        assert!(matches!(event, Event::Unused { .. }), "{name}");
    }
}

/// What the service reads of each kind.
const READ: [(&str, &[&str]); 3] = [
    (
        "merge_request",
        &[
            "/object_kind",
            "/event_type",
            "/user/id",
            "/user/username",
            "/project/id",
            "/project/path_with_namespace",
            "/object_attributes/iid",
            "/object_attributes/action",
            "/object_attributes/oldrev",
            "/object_attributes/target_branch",
            "/object_attributes/target_project_id",
            "/object_attributes/target/path_with_namespace",
            "/object_attributes/last_commit/id",
            "/object_attributes/updated_at",
            "/changes/draft/previous",
            "/changes/draft/current",
            "/changes/title/previous",
            "/changes/title/current",
        ],
    ),
    (
        "note",
        &[
            "/object_kind",
            "/event_type",
            "/user/id",
            "/user/username",
            "/project/id",
            "/project/path_with_namespace",
            "/object_attributes/id",
            "/object_attributes/note",
            "/object_attributes/noteable_type",
            "/object_attributes/author_id",
            "/object_attributes/action",
            "/object_attributes/system",
            "/object_attributes/internal",
            "/object_attributes/created_at",
            "/object_attributes/updated_at",
            "/merge_request/iid",
            "/merge_request/target_project_id",
            "/merge_request/target/path_with_namespace",
            "/merge_request/last_commit/id",
        ],
    ),
    (
        "push",
        &[
            "/object_kind",
            "/event_name",
            "/ref",
            "/before",
            "/after",
            "/user_id",
            "/user_username",
            "/user_name",
            "/project_id",
            "/project/id",
            "/project/path_with_namespace",
            "/project/default_branch",
        ],
    ),
];

/// Recorded payloads of a kind. Of comments, those on merge requests.
fn recorded(fixtures: &Path, kind: &str) -> Vec<Value> {
    let folders = std::fs::read_dir(fixtures.join("webhooks/gitlab")).expect("the folder is there");
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.expect("it can be read").path()).expect("a folder"));
    let texts = files.map(|file| std::fs::read(file.expect("it can be read").path()).expect("it can be read"));
    // Some of them have been cut.
    let payloads = texts.filter_map(|text| serde_json::from_slice::<Value>(&text).ok());
    let of_request = |one: &Value| kind != "note" || one["object_attributes"]["noteable_type"] == "MergeRequest";
    let found: Vec<Value> = payloads.filter(|one| one["object_kind"] == kind && of_request(one)).collect();
    assert!(!found.is_empty(), "{kind} was recorded");
    found
}

fn of_kind(told: &[Delivery], kind: &str) -> Vec<Value> {
    told.iter().map(Delivery::payload).filter(|payload| payload["object_kind"] == kind).collect()
}

#[tokio::test]
async fn what_the_service_reads_is_there_and_of_the_recorded_type() {
    let Some(fixtures) = fixtures("payloads against recorded ones") else { return };
    let (_, told) = everything().await;
    for (kind, pointers) in READ {
        let (real, fake) = (recorded(&fixtures, kind), of_kind(&told, kind));
        for pointer in pointers {
            let here = |payload: &Value| payload.pointer(pointer).is_some_and(|value| !value.is_null());
            assert!(fake.iter().any(here), "{kind}{pointer} is never told");
            // Older versions leave some out; what all have, the fake has always.
            assert!(!real.iter().all(here) || fake.iter().all(here), "{kind}{pointer} is not always told");
        }
    }
}

/// The parts whose fields are compared.
const PARTS: [&str; 9] = [
    "",
    "/user",
    "/project",
    "/repository",
    "/object_attributes",
    "/object_attributes/last_commit",
    "/merge_request",
    "/commit",
    "/commits/0",
];

fn fields(payload: &Value, part: &str) -> Option<BTreeSet<String>> {
    Some(payload.pointer(part)?.as_object()?.keys().cloned().collect())
}

/// The fields that most of those have which have this part.
fn usual(payloads: &[Value], part: &str) -> BTreeSet<String> {
    let all: Vec<BTreeSet<String>> = payloads.iter().filter_map(|payload| fields(payload, part)).collect();
    let often = |name: &&String| all.iter().filter(|fields| fields.contains(*name)).count() * 2 > all.len();
    all.iter().flatten().filter(often).cloned().collect()
}

#[tokio::test]
async fn payloads_have_what_most_recorded_ones_have_with_the_same_types() {
    let Some(fixtures) = fixtures("payloads against recorded ones") else { return };
    let (_, told) = everything().await;
    let mut missing = BTreeSet::new();
    for kind in ["merge_request", "note", "push", "tag_push", "build", "pipeline"] {
        let (real, fake) = (recorded(&fixtures, kind), of_kind(&told, kind));
        assert!(!fake.is_empty(), "{kind} was told");
        for part in PARTS {
            let usual = usual(&real, part);
            let here = fake.iter().filter_map(|payload| fields(payload, part));
            missing.extend(here.flat_map(|here| &usual - &here).map(|name| format!("{kind}{part}/{name}")));
        }
        for (one, other) in real.iter().flat_map(|one| fake.iter().map(move |other| (one, other))) {
            assert_alike(one, other, kind);
        }
    }
    assert_eq!(missing, BTreeSet::new(), "recorded ones have them");
}

#[tokio::test]
async fn an_emoji_is_told_with_who_what_and_where() {
    let (gitlab, told) = everything().await;
    let payload = of_kind(&told, "emoji").remove(0);
    let note = gitlab.notes(REPO, 1).remove(0);
    assert_eq!((&payload["event_type"], &payload["user"]["username"]), (&json!("award"), &json!(BOT)));
    let attributes = &payload["object_attributes"];
    assert_eq!((&attributes["name"], &attributes["action"]), (&json!("eyes"), &json!("award")));
    assert_eq!((&attributes["awardable_type"], &attributes["awardable_id"]), (&json!("Note"), &json!(note.id)));
    assert_eq!((&payload["note"]["id"], &payload["merge_request"]["iid"]), (&json!(note.id), &json!(1)));
    assert!(attributes["awarded_on_url"].as_str().is_some_and(|url| url.ends_with(&format!("#note_{}", note.id))));
}

#[tokio::test]
async fn a_status_is_told_as_a_job_and_as_its_pipeline() {
    let (gitlab, told) = everything().await;
    let (job, pipeline) = (of_kind(&told, "build").remove(0), of_kind(&told, "pipeline").remove(0));
    assert_eq!(
        (&job["build_name"], &job["build_status"], &job["ref"]),
        (&json!("gatewright"), &json!("success"), &json!("topic"))
    );
    assert_eq!((&job["sha"], &job["pipeline_id"]), (&json!(gitlab.head(REPO, 1)), &pipeline["object_attributes"]["id"]));
    let attributes = &pipeline["object_attributes"];
    assert_eq!(
        (&attributes["status"], &attributes["source"], &attributes["ref"]),
        (&json!("success"), &json!("external"), &json!("topic"))
    );
}
