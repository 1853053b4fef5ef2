//! What GitLab's payloads mean.

use gatewright_core::event::{CommentEvent, CommentPlace, CommentRef, Event, PullChange, PullEvent, PushEvent, TagEvent, User};
use gatewright_core::{ForgeKind, RepoRef};
use gatewright_webhook::gitlab::parse;
use gatewright_webhook::{COMMENT_BYTES_MAX, Parsed};
use serde_json::{Value, json};

use crate::events::commit;
use crate::support::unused;

const HEAD: &str = "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d";
const BEFORE: &str = "380387fbc80638b734a49e1be1c4dfec1c01b33c";
const ZERO: &str = "0000000000000000000000000000000000000000";
const AT: &str = "2026-03-01 10:00:00 UTC";

pub(crate) fn repo() -> RepoRef {
    RepoRef { forge: ForgeKind::Gitlab, id: 40, path: "group/sub.group/app_x".to_owned(), installation: None }
}

pub(crate) fn mona() -> User {
    User { id: 31, login: "mona".to_owned() }
}

/// What all payloads say of the project. A fork's, where the merge request comes from one, is the source.
pub(crate) fn project() -> Value {
    json!({ "id": 40, "name": "App X", "path_with_namespace": "group/sub.group/app_x", "default_branch": "main" })
}

pub(crate) fn user() -> Value {
    json!({ "id": 31, "name": "Mona", "username": "mona", "email": "[REDACTED]" })
}

fn merge_request() -> Value {
    json!({
        "id": 9_000, "iid": 7, "title": "Faster", "state": "opened", "created_at": AT, "updated_at": "2026-03-01 10:05:00 UTC",
        "source_branch": "faster", "source_project_id": 41, "source": { "id": 41, "path_with_namespace": "mona/app_x" },
        "target_branch": "main", "target_project_id": 40, "target": project(), "author_id": 32,
        "last_commit": { "id": HEAD, "message": "Faster", "author": { "name": "Mona" } }, "draft": false, "work_in_progress": false,
    })
}

pub(crate) fn merged(action: &str) -> Value {
    let mut attributes = merge_request();
    attributes["action"] = action.into();
    json!({
        "object_kind": "merge_request", "event_type": "merge_request", "user": user(), "project": project(),
        "object_attributes": attributes, "labels": [], "changes": {}, "repository": { "name": "App X" },
    })
}

pub(crate) fn updated(changes: Value) -> Value {
    let mut payload = merged("update");
    payload["changes"] = changes;
    payload
}

pub(crate) fn note(body: &str) -> Value {
    json!({
        "object_kind": "note", "event_type": "note", "user": user(), "project_id": 40, "project": project(),
        "object_attributes": {
            "id": 1_244, "note": body, "noteable_type": "MergeRequest", "noteable_id": 9_000, "author_id": 31, "action": "create",
            "system": false, "internal": false, "type": null, "created_at": AT, "updated_at": AT, "project_id": 40,
        },
        "repository": { "name": "App X" }, "merge_request": merge_request(),
    })
}

fn push(git_ref: &str, before: &str, after: &str) -> Value {
    json!({
        "object_kind": "push", "event_name": "push", "ref": git_ref, "before": before, "after": after, "checkout_sha": after,
        "user_id": 31, "user_name": "Mona L.", "user_username": "mona", "project_id": 40, "project": project(), "commits": [],
    })
}

fn meaning(payload: &Value) -> Parsed {
    parse("System Hook", payload.to_string().as_bytes()).unwrap()
}

pub(crate) fn event(payload: &Value) -> Event {
    meaning(payload).event
}

pub(crate) fn reason(payload: &Value) -> String {
    unused(event(payload))
}

/// The payload with another value in one place, made where it was not.
pub(crate) fn with(mut payload: Value, path: &str, value: Value) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    payload.pointer_mut(parent).unwrap()[key] = value;
    payload
}

pub(crate) fn without(mut payload: Value, path: &str) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    payload.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
    payload
}

fn pull(change: PullChange) -> Event {
    let changed_at = Some("2026-03-01T10:05:00Z".parse().unwrap());
    let base_ref = "main".to_owned();
    Event::Pull(PullEvent {
        repo: repo(),
        number: 7,
        head: commit(HEAD),
        base_ref,
        sender: mona(),
        change,
        changed_at,
        labels: Vec::new(),
    })
}

#[test]
fn a_merge_request_is_opened_and_closed() {
    for (action, change) in [
        ("open", PullChange::Opened),
        ("reopen", PullChange::Opened),
        ("close", PullChange::Closed),
        ("merge", PullChange::Closed),
    ] {
        let Parsed { name, action: said, event } = meaning(&merged(action));
        assert_eq!(event, pull(change), "{action}");
        assert_eq!((name.as_str(), said.as_deref()), ("merge_request", Some(action)));
    }
}

#[test]
fn an_update_matters_when_it_brings_commits_or_another_target_branch_or_ends_a_draft() {
    let commits = with(merged("update"), "/object_attributes/oldrev", BEFORE.into());
    assert_eq!(event(&commits), pull(PullChange::Updated));
    let changes = [
        (json!({ "target_branch": { "previous": "develop", "current": "main" } }), PullChange::Updated),
        (json!({ "draft": { "previous": true, "current": false } }), PullChange::Opened),
        (json!({ "work_in_progress": { "previous": true, "current": false } }), PullChange::Opened),
        (json!({ "title": { "previous": "Draft: Faster", "current": "Faster" } }), PullChange::Opened),
        (json!({ "title": { "previous": "[WIP] Faster", "current": "Faster" } }), PullChange::Opened),
    ];
    for (changes, change) in changes {
        assert_eq!(event(&updated(changes.clone())), pull(change), "{changes}");
    }
}

#[test]
fn other_updates_are_not_used() {
    let changes = [
        json!({}),
        Value::Null,
        json!([]),
        json!({ "draft": { "previous": false, "current": true }, "title": { "previous": "Faster", "current": "Draft: Faster" } }),
        json!({ "draft": { "previous": null, "current": false } }),
        json!({ "draft": false }),
        json!({ "title": { "previous": "Draft: Faster", "current": "draft: faster" } }),
        json!({ "title": { "previous": "Drafts: x", "current": "x" } }),
        json!({ "title": { "previous": "Dr\u{e4}ft: x", "current": "x" } }),
        json!({ "labels": { "previous": [{ "id": 1, "title": "draft" }], "current": [] } }),
        json!({ "description": { "previous": "", "current": "/gw run" }, "last_edited_at": { "previous": null, "current": AT } }),
        json!({ "assignees": {}, "reviewers": {}, "milestone_id": {}, "updated_at": {} }),
    ];
    for changes in changes {
        let reason = reason(&updated(changes.clone()));
        assert_eq!(reason, "the update brings neither commits nor another target branch", "{changes}");
    }
}

#[test]
fn approvals_and_what_else_happens_to_a_merge_request_are_recorded() {
    for action in ["approved", "unapproved", "approval", "unapproval", "", "new"] {
        let Parsed { action: said, event, .. } = meaning(&merged(action));
        assert_eq!(unused(event), format!("merge_request events with the action {action:?} are not used"));
        assert_eq!(said.as_deref(), Some(action));
    }
    let silent = without(merged("open"), "/object_attributes/action");
    assert_eq!(reason(&silent), "merge_request events without an action are not used");
}

#[test]
fn a_merge_request_from_a_fork_is_one_to_its_target() {
    // Which project the hook belongs to does not matter.
    let from_fork = with(merged("open"), "/project", json!({ "id": 41, "path_with_namespace": "mona/app_x" }));
    assert_eq!(event(&from_fork), pull(PullChange::Opened));
    let unnamed = without(merged("open"), "/object_attributes/target");
    assert_eq!(event(&unnamed), pull(PullChange::Opened), "the project is the target, as its number says");
    let numberless = without(unnamed.clone(), "/object_attributes/target_project_id");
    assert_eq!(event(&numberless), pull(PullChange::Opened));
    let of_another = with(unnamed, "/project/id", 41.into());
    assert_eq!(reason(&of_another), "the payload has no path_with_namespace");
}

#[test]
fn what_is_missing_of_a_merge_request_is_named() {
    let cases = [
        ("/object_attributes", "the payload has no object_attributes"),
        ("/object_attributes/iid", "the payload has no object_attributes.iid"),
        ("/object_attributes/last_commit", "the payload has no object_attributes.last_commit.id"),
        ("/object_attributes/last_commit/id", "the payload has no object_attributes.last_commit.id"),
        ("/object_attributes/target_branch", "the payload has no object_attributes.target_branch"),
    ];
    for (path, named) in cases {
        assert_eq!(reason(&with(merged("open"), path, Value::Null)), named);
        assert_eq!(reason(&without(merged("open"), path)), named);
    }
    let nowhere = without(without(merged("open"), "/project"), "/object_attributes/target");
    assert_eq!(reason(&nowhere), "the payload has no path_with_namespace");
    let numberless = without(nowhere, "/object_attributes/target_project_id");
    assert_eq!(reason(&numberless), "the payload has no target_project_id");
    let not_so = "the payload does not have the form of merge_request events";
    for (path, value, named) in [
        ("/object_attributes/last_commit/id", json!("--upload-pack=x"), "object_attributes.last_commit.id is not a commit"),
        ("/object_attributes/last_commit/id", json!(ZERO), "object_attributes.last_commit.id is no commit"),
        (
            "/object_attributes/target_branch",
            json!("x".repeat(1025)),
            "object_attributes.target_branch is longer than 1024 bytes",
        ),
        ("/object_attributes/iid", json!("7"), not_so),
        ("/object_attributes/iid", json!(-7), not_so),
        ("/object_attributes/iid", json!(1e300), not_so),
        ("/object_attributes/iid", "184467440737095516160".parse().unwrap(), not_so),
        ("/object_attributes/iid", json!(7.5), not_so),
        ("/object_attributes/target_project_id", json!([40]), not_so),
        ("/object_attributes/oldrev", json!({}), not_so),
        ("/object_attributes", json!(7), not_so),
        ("/project", json!("group/app"), not_so),
    ] {
        assert_eq!(reason(&with(merged("open"), path, value)), named, "{path}");
    }
}

#[test]
fn a_path_that_could_lead_elsewhere_is_none() {
    let deep = vec!["g"; 23].join("/");
    for path in [
        "app",
        "group/",
        "/app",
        "../app",
        "group/..",
        "group//app",
        "group/a b",
        "group/a?b",
        "group/a%2fb",
        "group\\app",
        &deep,
    ] {
        let payload = with(merged("open"), "/object_attributes/target/path_with_namespace", path.into());
        assert_eq!(reason(&payload), "path_with_namespace is not of the form group/project", "{path}");
    }
    let deep = with(merged("open"), "/object_attributes/target/path_with_namespace", vec!["g"; 22].join("/").into());
    assert!(matches!(event(&deep), Event::Pull(_)));
}

#[test]
fn whoever_is_not_named_has_no_permission_but_the_change_is_checked() {
    for user in [Value::Null, json!({}), json!("mona"), json!({ "id": "31", "username": 7 }), json!({ "username": "" })] {
        let Event::Pull(pull) = event(&with(merged("open"), "/user", user)) else { panic!("it is used") };
        assert_eq!(pull.sender, User { id: 0, login: "ghost".to_owned() });
    }
    let Event::Pull(pull) = event(&without(merged("open"), "/user/id")) else { panic!("it is used") };
    assert_eq!(pull.sender, User { id: 0, login: "mona".to_owned() }, "versions before 13.2 send no id");
}

#[test]
fn a_time_that_is_none_is_left_out() {
    for at in [Value::Null, json!("yesterday"), json!("2026-03-01"), json!(1_772_359_500), json!({})] {
        let Event::Pull(pull) = event(&with(merged("open"), "/object_attributes/updated_at", at)) else { panic!("it is used") };
        assert_eq!(pull.changed_at, None);
    }
    let Event::Pull(pull) = event(&with(merged("open"), "/object_attributes/updated_at", json!("2026-03-01T11:05:00.250+01:00")))
    else {
        panic!("it is used")
    };
    assert_eq!(pull.changed_at, Some("2026-03-01T10:05:00.25Z".parse().unwrap()));
}

fn said(body: &str) -> CommentEvent {
    CommentEvent {
        repo: repo(),
        comment: CommentRef { number: 7, id: 1_244, place: CommentPlace::Conversation },
        by: mona(),
        written_at: "2026-03-01T10:00:00Z".parse().unwrap(),
        head: Some(commit(HEAD)),
        body: body.to_owned(),
    }
}

#[test]
fn a_comment_with_a_command_is_handed_on_whole() {
    let body = "Thanks!\n\n/gw run tests\n\n> /gw skip x";
    assert_eq!(event(&note(body)), Event::Comment(Box::new(said(body))));
    // Those at a line of the diff and those in a thread are notes like any other.
    for kind in ["DiffNote", "DiscussionNote"] {
        assert_eq!(event(&with(note(body), "/object_attributes/type", kind.into())), Event::Comment(Box::new(said(body))));
    }
    // The two formats in which versions write times.
    let rfc = with(note(body), "/object_attributes/created_at", "2026-03-01T10:00:00Z".into());
    assert_eq!(event(&rfc), Event::Comment(Box::new(said(body))));
}

#[test]
fn comments_that_are_not_for_us_are_not_used() {
    for body in ["", "lgtm", "see /gw help", "> /gw run", "//", "/1"] {
        assert_eq!(reason(&note(body)), "the comment holds no command", "{body:?}");
    }
    for kind in [json!("Commit"), json!("Snippet"), json!("Epic"), Value::Null] {
        let payload = without(with(note("/gw run"), "/object_attributes/noteable_type", kind), "/merge_request");
        assert_eq!(reason(&payload), "comments on anything but a merge request or an issue are not used");
    }
    let system = with(note("/gw run"), "/object_attributes/system", true.into());
    assert_eq!(reason(&system), "the comment is GitLab's own");
    for (path, value) in [("/object_attributes/internal", json!(true)), ("/event_type", json!("confidential_note"))] {
        assert_eq!(reason(&with(note("/gw run"), path, value)), "internal comments are not read");
    }
}

#[test]
fn edits_of_comments_are_not_read_whichever_way_they_are_told() {
    let later = json!("2026-03-01 10:00:01 UTC");
    let edit = |action: Option<&str>, updated_at: &Value| {
        let payload = with(note("/gw run"), "/object_attributes/updated_at", updated_at.clone());
        match action {
            Some(action) => with(payload, "/object_attributes/action", action.into()),
            None => without(payload, "/object_attributes/action"),
        }
    };
    for (action, updated_at) in [(Some("update"), &later), (Some("update"), &json!(AT)), (Some("create"), &later), (None, &later)]
    {
        assert_eq!(reason(&edit(action, updated_at)), "edits of comments are not read", "{action:?} {updated_at}");
    }
    // Before 16.11 there is no action.
    assert_eq!(event(&edit(None, &json!(AT))), Event::Comment(Box::new(said("/gw run"))));
    assert_eq!(event(&edit(None, &json!("2026-03-01T10:00:00Z"))), Event::Comment(Box::new(said("/gw run"))));
    assert_eq!(reason(&edit(None, &Value::Null)), "the payload does not say whether the comment is new");
    assert_eq!(event(&edit(Some("create"), &Value::Null)), Event::Comment(Box::new(said("/gw run"))));
    assert_eq!(reason(&edit(Some("destroy"), &json!(AT))), "note events with the action \"destroy\" are not used");
}

#[test]
fn the_author_is_known_by_number() {
    let by_author = without(note("/gw run"), "/user/id");
    assert_eq!(event(&by_author), Event::Comment(Box::new(said("/gw run"))), "versions before 13.2 send no id of the user");
    let nobody = without(by_author, "/object_attributes/author_id");
    assert_eq!(reason(&nobody), "the payload does not say who wrote the comment");
    let nameless = without(note("/gw run"), "/user/username");
    let Event::Comment(comment) = event(&nameless) else { panic!("it is used") };
    assert_eq!(comment.by, User { id: 31, login: "ghost".to_owned() });
}

#[test]
fn what_is_missing_of_a_comment_is_named() {
    for (path, named) in [
        ("/object_attributes", "the payload has no object_attributes"),
        ("/object_attributes/id", "the payload has no object_attributes.id"),
        ("/object_attributes/note", "the payload has no text of the comment"),
        ("/object_attributes/created_at", "the payload has no object_attributes.created_at"),
        ("/merge_request", "the payload has no merge_request"),
        ("/merge_request/iid", "the payload has no merge_request.iid"),
    ] {
        assert_eq!(reason(&without(note("/gw run"), path)), named);
    }
    let odd_day = with(note("/gw run"), "/object_attributes/created_at", "2026-03-01".into());
    assert_eq!(reason(&odd_day), "object_attributes.created_at is not a time");
    for (path, value) in [
        ("/object_attributes/note", json!(["/gw run"])),
        ("/object_attributes/system", json!("true")),
        ("/object_attributes/internal", json!(1)),
        ("/object_attributes/id", json!(1e300)),
        ("/merge_request", json!([1, 2])),
    ] {
        let reason = reason(&with(note("/gw run"), path, value));
        assert_eq!(reason, "the payload does not have the form of note events", "{path}");
    }
    for head in [Value::Null, json!({}), json!({ "id": "main" }), json!({ "id": ZERO }), json!("x")] {
        let Event::Comment(comment) = event(&with(note("/gw run"), "/merge_request/last_commit", head)) else {
            panic!("it is used")
        };
        assert_eq!(comment.head, None);
    }
}

#[test]
fn comments_of_any_size_are_read_or_said_to_be_too_long() {
    let fits = format!("/gw {}", "x".repeat(COMMENT_BYTES_MAX - 4));
    assert_eq!(event(&note(&fits)), Event::Comment(Box::new(said(&fits))));
    assert_eq!(reason(&note(&format!("{fits}x"))), "the comment is longer than 131072 bytes");
    let endless = "/gw run\n".repeat(10 * 1024 * 1024 / 8);
    assert_eq!(reason(&note(&endless)), "the comment is longer than 131072 bytes");
    let many = "/gw run\n".repeat(10_000);
    assert_eq!(event(&note(&many)), Event::Comment(Box::new(said(&many))), "how many are obeyed is not decided here");
}

#[test]
fn a_comment_that_is_not_text_is_not_used() {
    let lone = note("/gw run?").to_string().replace('?', "\\ud800");
    let parsed = parse("Note Hook", lone.as_bytes()).unwrap();
    assert_eq!(unused(parsed.event), "the payload does not have the form of note events");
    let controls = "/gw run\u{0}\u{1b}[31m\u{202e}";
    assert_eq!(event(&note(controls)), Event::Comment(Box::new(said(controls))), "what is shown of it is not decided here");
}

#[test]
fn a_push_moves_a_branch() {
    let expected = |branch: &str, before: Option<&str>, login: &str| {
        Event::Push(PushEvent {
            repo: repo(),
            branch: branch.to_owned(),
            before: before.map(commit),
            after: commit(HEAD),
            default_branch: "main".to_owned(),
            sender: User { id: 31, login: login.to_owned() },
        })
    };
    let moved = push("refs/heads/main", BEFORE, HEAD);
    assert_eq!(event(&moved), expected("main", Some(BEFORE), "mona"));
    assert_eq!(event(&push("refs/heads/fix/a", ZERO, HEAD)), expected("fix/a", None, "mona"));
    // A system hook names the event otherwise, the project's number beside the project, and only the user's full name.
    let system = without(without(without(moved, "/object_kind"), "/project/id"), "/user_username");
    assert_eq!(event(&system), expected("main", Some(BEFORE), "Mona L."));
}

#[test]
fn pushes_that_leave_no_branch_of_interest_are_not_used() {
    for git_ref in
        ["refs/notes/x", "refs/merge-requests/7/head", "refs/merge-requests/7/train", "refs/keep-around/x", "main", "refs/heads/"]
    {
        assert_eq!(reason(&push(git_ref, BEFORE, HEAD)), "pushes to anything but a branch are not used", "{git_ref}");
    }
    assert_eq!(reason(&push("refs/heads/old", BEFORE, ZERO)), "the branch was deleted");
    assert_eq!(reason(&push("refs/heads/main", "main", HEAD)), "before is not a commit");
    let nowhere = without(without(push("refs/heads/main", BEFORE, HEAD), "/project_id"), "/project/id");
    assert_eq!(reason(&nowhere), "the payload has no project.id");
    let young = with(push("refs/heads/main", BEFORE, HEAD), "/project/default_branch", Value::Null);
    assert_eq!(reason(&young), "the payload has no project.default_branch");
}

#[test]
fn a_push_of_a_tag_names_its_commit_and_what_it_was_before() {
    let expected = |now: Option<&str>, before: Option<&str>| {
        Event::Tag(TagEvent {
            repo: repo(),
            tag: "releases/v1.2.0".to_owned(),
            commit: now.map(commit),
            before: before.map(commit),
            default_branch: "main".to_owned(),
            sender: User { id: 31, login: "mona".to_owned() },
        })
    };
    let tag = |before: &str, after: &str| {
        let kind = with(push("refs/tags/releases/v1.2.0", before, after), "/object_kind", "tag_push".into());
        with(kind, "/event_name", "tag_push".into())
    };
    assert_eq!(event(&tag(ZERO, HEAD)), expected(Some(HEAD), None));
    // Of an annotated tag, `after` is the tag object.
    assert_eq!(event(&with(tag(BEFORE, BEFORE), "/checkout_sha", HEAD.into())), expected(Some(HEAD), Some(BEFORE)));
    assert_eq!(event(&with(tag(BEFORE, HEAD), "/checkout_sha", Value::Null)), expected(Some(HEAD), Some(BEFORE)));
    assert_eq!(event(&with(tag(BEFORE, ZERO), "/checkout_sha", Value::Null)), expected(None, Some(BEFORE)));
    // As a system hook tells it.
    assert_eq!(event(&without(without(tag(ZERO, HEAD), "/object_kind"), "/project/id")), expected(Some(HEAD), None));
    assert_eq!(reason(&with(tag(ZERO, HEAD), "/ref", "refs/tags/a b".into())), "the tag's name is none that git takes");
    assert_eq!(reason(&with(tag(ZERO, HEAD), "/ref", "refs/heads/a".into())), "the ref is no tag");
}

#[test]
fn events_without_a_use_are_recorded_under_their_own_name() {
    let kinds = [
        "work_item",
        "wiki_page",
        "pipeline",
        "build",
        "deployment",
        "release",
        "emoji",
        "feature_flag",
        "access_token",
        "milestone",
        "vulnerability",
        "an_event_of_next_year",
    ];
    for kind in kinds {
        let Parsed { name, action, event } =
            meaning(&json!({ "object_kind": kind, "object_attributes": { "action": "create" } }));
        assert_eq!((name.as_str(), action.as_deref()), (kind, Some("create")));
        assert_eq!(unused(event), format!("{kind} events are not used"));
    }
    for kind in ["project_create", "user_add_to_team", "repository_update", "key_destroy"] {
        assert_eq!(reason(&json!({ "event_name": kind, "object_attributes": 7 })), format!("{kind} events are not used"));
    }
    assert_eq!(
        reason(&json!({ "event_type": "gitlab_subscription_member_approval" })),
        "gitlab_subscription_member_approval events are not used"
    );
}

#[test]
fn an_event_that_does_not_say_what_it_is_has_the_name_of_its_header() {
    let long = "x".repeat(65);
    for odd in ["[]", "null", "7", "\"text\"", "{}", r#"{"object_kind":7}"#, r#"{"object_kind":"a b"}"#, r#"{"object_kind":""}"#]
    {
        let Parsed { name, action, event } = parse("Some Hook", odd.as_bytes()).unwrap();
        assert_eq!((name.as_str(), action), ("Some Hook", None), "{odd}");
        assert_eq!(unused(event), "the payload does not say which event it is");
    }
    assert_eq!(parse("", b"{}").unwrap().name, "unknown");
    assert_eq!(meaning(&json!({ "object_kind": long, "event_name": "push" })).name, "push");
}

#[test]
fn a_field_that_is_there_twice_is_trusted_in_neither_form() {
    let twice = |payload: &Value, field: &str| payload.to_string().replacen('{', &format!(r#"{{"{field}":null,"#), 1);
    for (payload, field) in
        [(merged("open"), "project"), (note("/gw run"), "merge_request"), (push("refs/heads/x", BEFORE, HEAD), "ref")]
    {
        let parsed = parse("System Hook", twice(&payload, field).as_bytes()).unwrap();
        assert!(unused(parsed.event).starts_with("the payload does not have the form of"), "{field}");
    }
}

#[test]
fn what_is_not_json_is_said_to_be_none() {
    for not_json in [&b""[..], b"{", b"object_kind=push", b"{}{}", b"{\"object_kind\":\"push\xff\"}", b"\xef\xbb\xbf{}"] {
        assert!(parse("Push Hook", not_json).is_err(), "{not_json:?}");
    }
}

#[test]
fn nesting_however_deep_is_no_danger() {
    const DEPTH: usize = 1_000_000;
    let arrays = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
    for deep in [arrays, objects] {
        assert!(matches!(parse("Push Hook", deep.as_bytes()).unwrap().event, Event::Unused { .. }));
        assert!(parse("Push Hook", &deep.as_bytes()[..DEPTH]).is_err());
        for place in ["/deep", "/changes", "/object_attributes/updated_at", "/object_attributes/deep"] {
            let inside = with(merged("open"), place, "DEEP".into()).to_string().replace("\"DEEP\"", &deep);
            let Event::Pull(pull) = parse("x", inside.as_bytes()).unwrap().event else { panic!("it is used") };
            assert_eq!(pull.change, PullChange::Opened, "{place}");
        }
    }
}
