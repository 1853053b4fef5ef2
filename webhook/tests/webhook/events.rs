//! What GitHub's payloads mean.

use gatewright_core::event::{
    ButtonEvent, Event, MergeGroupEvent, ProtectionRuleEvent, PullChange, PullEvent, PushEvent, Rerequested, RerequestedEvent,
    TagEvent, User,
};
use gatewright_core::report::{EXPLAIN, RERUN_FAILED, SKIP};
use gatewright_core::{CommitId, ForgeKind, RepoRef};
use gatewright_webhook::Parsed;
use gatewright_webhook::github::parse;
use serde_json::{Value, json};

use crate::support::{APP_ID, unused};

pub(crate) const HEAD: &str = "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d";
pub(crate) const BASE: &str = "380387fbc80638b734a49e1be1c4dfec1c01b33c";
const ZERO: &str = "0000000000000000000000000000000000000000";

/// The events that are looked into.
pub(crate) const USED: [&str; 9] = [
    "pull_request",
    "merge_group",
    "push",
    "check_run",
    "check_suite",
    "issue_comment",
    "issues",
    "pull_request_review_comment",
    "deployment_protection_rule",
];

pub(crate) fn commit(sha: &str) -> CommitId {
    sha.parse().unwrap()
}

pub(crate) fn repo() -> RepoRef {
    RepoRef { forge: ForgeKind::Github, id: 186_853_002, path: "octo-org/app.rs".to_owned(), installation: Some(375_706) }
}

pub(crate) fn mona() -> User {
    User { id: 21_031_067, login: "mona".to_owned() }
}

/// The payload's own fields beside those that all have.
pub(crate) fn payload(own: Value) -> Value {
    let mut payload = json!({
        "repository": { "id": 186_853_002, "full_name": "octo-org/app.rs", "default_branch": "main", "private": false },
        "installation": { "id": 375_706, "node_id": "x" },
        "sender": { "login": "mona", "id": 21_031_067, "type": "User" },
    });
    payload.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    payload
}

fn pull_request(action: &str) -> Value {
    payload(json!({
        "action": action,
        "number": 7,
        "pull_request": {
            "number": 7,
            "head": { "sha": HEAD, "ref": "feature", "repo": null },
            "base": { "sha": BASE, "ref": "main" },
            "updated_at": "2019-05-15T15:20:33Z",
        },
    }))
}

pub(crate) fn event(name: &str, payload: &Value) -> Event {
    let parsed = parse(name, payload.to_string().as_bytes(), APP_ID).unwrap();
    let Parsed { name: named, action, event } = parsed;
    assert_eq!((named.as_str(), action.as_deref()), (name, payload["action"].as_str()));
    event
}

pub(crate) fn reason(name: &str, payload: &Value) -> String {
    unused(event(name, payload))
}

fn pull(change: PullChange) -> Event {
    let base_ref = "main".to_owned();
    let changed_at = Some("2019-05-15T15:20:33Z".parse().unwrap());
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
fn a_pull_request_is_opened_updated_and_closed() {
    for (action, change) in [
        ("opened", PullChange::Opened),
        ("reopened", PullChange::Opened),
        ("ready_for_review", PullChange::Opened),
        ("synchronize", PullChange::Updated),
        ("closed", PullChange::Closed),
    ] {
        assert_eq!(event("pull_request", &pull_request(action)), pull(change), "{action}");
    }
}

#[test]
fn a_pull_request_that_does_not_say_when_it_was_changed_is_checked_all_the_same() {
    for at in [Value::Null, "yesterday".into(), "".into(), 7.into(), json!({}), "x".repeat(1_000_000).into()] {
        let mut payload = pull_request("synchronize");
        payload["pull_request"]["updated_at"] = at;
        let Event::Pull(pull) = event("pull_request", &payload) else { panic!("it is used") };
        assert_eq!((pull.changed_at, pull.change), (None, PullChange::Updated));
    }
}

#[test]
fn an_edit_matters_when_it_changes_the_base_branch() {
    let mut edited = pull_request("edited");
    edited["changes"] = json!({ "title": { "from": "before" } });
    assert_eq!(reason("pull_request", &edited), "pull_request events with the action \"edited\" are not used");
    edited["changes"] = json!({ "base": { "ref": { "from": "develop" }, "sha": { "from": BASE } } });
    assert_eq!(event("pull_request", &edited), pull(PullChange::Updated));
}

#[test]
fn other_things_that_happen_to_a_pull_request_are_not_used() {
    for action in ["unlabeled", "converted_to_draft", "enqueued", "dequeued", "auto_merge_enabled", "", "new"] {
        let reason = reason("pull_request", &pull_request(action));
        assert_eq!(reason, format!("pull_request events with the action {action:?} are not used"));
    }
}

#[test]
fn what_is_missing_of_a_pull_request_is_named() {
    let mut cases = Vec::new();
    for (path, named) in [
        ("/repository", "the payload names no repository"),
        ("/repository/id", "the payload has no repository.id"),
        ("/repository/full_name", "the payload has no repository.full_name"),
        ("/pull_request", "the payload has no pull_request"),
        ("/pull_request/head", "the payload has no pull_request.head.sha"),
        ("/pull_request/base", "the payload has no pull_request.base"),
        ("/pull_request/base/ref", "the payload has no pull_request.base.ref"),
    ] {
        let mut payload = pull_request("opened");
        *payload.pointer_mut(path).unwrap() = Value::Null;
        cases.push((payload, named));
    }
    let with = |path: &str, value: Value| {
        let mut payload = pull_request("opened");
        *payload.pointer_mut(path).unwrap() = value;
        payload
    };
    cases.push((with("/pull_request/head/sha", "--upload-pack=x".into()), "pull_request.head.sha is not a commit"));
    cases.push((with("/pull_request/head/sha", ZERO.into()), "pull_request.head.sha is no commit"));
    cases.push((with("/pull_request/base/ref", "x".repeat(1025).into()), "pull_request.base.ref is longer than 1024 bytes"));
    for path in ["octo", "octo/app/x", "../..", "octo/..", "octo/a?b", "octo/", "/app", "octo/a b"] {
        cases.push((with("/repository/full_name", path.into()), "repository.full_name is not of the form owner/name"));
    }
    for odd in [with("/number", "seven".into()), with("/pull_request", 7.into()), with("/repository/id", (-1).into())] {
        cases.push((odd, "the payload does not have the form of pull_request events"));
    }
    for (payload, named) in cases {
        assert_eq!(reason("pull_request", &payload), named, "{payload}");
    }
}

#[test]
fn a_sender_that_is_not_named_has_no_permission_but_its_change_is_checked() {
    for sender in [Value::Null, json!({}), json!({ "login": "" })] {
        let mut payload = pull_request("opened");
        payload["sender"] = sender;
        let Event::Pull(pull) = event("pull_request", &payload) else { panic!("it is used") };
        assert_eq!(pull.sender, User { id: 0, login: "ghost".to_owned() });
    }
}

#[test]
fn a_hook_without_an_app_names_no_installation() {
    let mut payload = pull_request("opened");
    payload["installation"] = Value::Null;
    assert_eq!(event("pull_request", &payload).repo().unwrap().installation, None);
}

#[test]
fn a_merge_queue_asks_for_checks_and_gives_up() {
    let head_ref = format!("refs/heads/gh-readonly-queue/main/pr-104-{BASE}");
    let group = |action: &str| {
        payload(json!({
            "action": action,
            "merge_group": { "head_sha": HEAD, "head_ref": head_ref, "base_sha": BASE, "base_ref": "refs/heads/main", "head_commit": {} },
        }))
    };
    for (action, wanted) in [("checks_requested", true), ("destroyed", false)] {
        let expected = MergeGroupEvent {
            repo: repo(),
            head: commit(HEAD),
            head_ref: head_ref.clone(),
            base: commit(BASE),
            base_ref: "main".to_owned(),
            sender: mona(),
            wanted,
        };
        assert_eq!(event("merge_group", &group(action)), Event::MergeGroup(expected));
    }
    assert_eq!(reason("merge_group", &group("new")), "merge_group events with the action \"new\" are not used");
}

fn pushed(git_ref: &str, before: &str, after: &str) -> Value {
    let own = json!({ "ref": git_ref, "before": before, "after": after, "created": false, "deleted": false, "forced": false });
    payload(own)
}

#[test]
fn a_push_moves_a_branch() {
    let expected = |branch: &str, before: Option<&str>| {
        Event::Push(PushEvent {
            repo: repo(),
            branch: branch.to_owned(),
            before: before.map(commit),
            after: commit(HEAD),
            default_branch: "main".to_owned(),
            sender: mona(),
        })
    };
    assert_eq!(event("push", &pushed("refs/heads/main", BASE, HEAD)), expected("main", Some(BASE)));
    assert_eq!(event("push", &pushed("refs/heads/fix/a/b", ZERO, HEAD)), expected("fix/a/b", None));
    let mut created = pushed("refs/heads/new", BASE, HEAD);
    created["created"] = true.into();
    assert_eq!(event("push", &created), expected("new", None));
}

#[test]
fn pushes_that_leave_no_branch_of_interest_are_not_used() {
    assert_eq!(reason("push", &pushed("refs/notes/x", ZERO, HEAD)), "pushes to anything but a branch are not used");
    assert_eq!(reason("push", &pushed("refs/heads/old", BASE, ZERO)), "the branch was deleted");
    let mut deleted = pushed("refs/heads/old", BASE, HEAD);
    deleted["deleted"] = true.into();
    assert_eq!(reason("push", &deleted), "the branch was deleted");
    assert_eq!(reason("push", &pushed("refs/heads/main", "main", HEAD)), "before is not a commit");
    let queued = pushed("refs/heads/gh-readonly-queue/main/pr-7-x", ZERO, HEAD);
    assert_eq!(reason("push", &queued), "the branch is a merge queue's own");
    assert_eq!(reason("push", &pushed("", BASE, HEAD)), "ref is empty");
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
            sender: mona(),
        })
    };
    let tag = |before: &str, after: &str| pushed("refs/tags/releases/v1.2.0", before, after);
    assert_eq!(event("push", &tag(ZERO, HEAD)), expected(Some(HEAD), None));
    // Of an annotated tag, `after` is the tag object.
    let mut annotated = tag(BASE, BASE);
    annotated["head_commit"] = json!({ "id": HEAD });
    assert_eq!(event("push", &annotated), expected(Some(HEAD), Some(BASE)));
    for odd in [json!("none"), json!({ "id": "main" }), Value::Null] {
        annotated["head_commit"] = odd;
        assert_eq!(event("push", &annotated), expected(Some(BASE), Some(BASE)));
    }
    let mut deleted = tag(BASE, ZERO);
    deleted["deleted"] = true.into();
    assert_eq!(event("push", &deleted), expected(None, Some(BASE)));
    assert_eq!(reason("push", &pushed("refs/tags/--upload-pack=x", ZERO, HEAD)), "the tag's name is none that git takes");
    for told_twice in ["create", "delete", "release", "deployment", "deployment_status"] {
        assert_eq!(reason(told_twice, &tag(ZERO, HEAD)), format!("{told_twice} events are not used"));
    }
}

#[test]
fn a_workflow_that_waits_for_leave_is_known_by_its_run_and_environment() {
    let asked = |url: &str| {
        payload(json!({
            "action": "requested", "environment": "prod eu", "event": "push", "deployment_callback_url": url,
            "deployment": { "sha": HEAD, "ref": "v1.2.0", "environment": "prod eu" }, "pull_requests": [],
        }))
    };
    let expected = |head: Option<&str>, deployed: Option<&str>| {
        Event::ProtectionRule(Box::new(ProtectionRuleEvent {
            repo: repo(),
            environment: "prod eu".to_owned(),
            workflow_run: 77,
            head: head.map(commit),
            deployed_ref: deployed.map(str::to_owned),
            sender: mona(),
        }))
    };
    let whole = asked("https://api.github.com/repos/octo/app/actions/runs/77/deployment_protection_rule");
    assert_eq!(event("deployment_protection_rule", &whole), expected(Some(HEAD), Some("v1.2.0")));
    // The number alone is used of the address, wherever that leads.
    let mut elsewhere = asked("https://evil.example/x/actions/runs/77/deployment_protection_rule");
    elsewhere["deployment"] = Value::Null;
    assert_eq!(event("deployment_protection_rule", &elsewhere), expected(None, None));
    for odd in ["", "https://api.github.com/", "/actions/runs/x/deployment_protection_rule", "/actions/runs/77"] {
        assert!(reason("deployment_protection_rule", &asked(odd)).contains("deployment_callback_url"), "{odd}");
    }
    let mut other = whole.clone();
    other["action"] = "answered".into();
    let unused = "deployment_protection_rule events with the action \"answered\" are not used";
    assert_eq!(reason("deployment_protection_rule", &other), unused);
    let mut nowhere = whole;
    nowhere["environment"] = Value::Null;
    assert_eq!(reason("deployment_protection_rule", &nowhere), "the payload has no environment");
}

fn check_run(action: &str, app: u64) -> Value {
    payload(json!({ "action": action, "check_run": { "head_sha": HEAD, "external_id": "run/gate", "app": { "id": app } } }))
}

fn rerequested(what: Rerequested) -> Event {
    Event::Rerequested(RerequestedEvent { repo: repo(), head: commit(HEAD), pulls: Vec::new(), sender: mona(), what })
}

#[test]
fn the_forges_buttons_ask_for_checks_to_run_again() {
    let external_id = "run/gate".to_owned();
    let one = event("check_run", &check_run("rerequested", APP_ID));
    assert_eq!(one, rerequested(Rerequested::Check { external_id }));

    let suite = payload(json!({ "action": "rerequested", "check_suite": { "head_sha": HEAD, "app": { "id": APP_ID } } }));
    assert_eq!(event("check_suite", &suite), rerequested(Rerequested::All));
}

#[test]
fn a_button_brings_the_pull_requests_that_the_check_is_about() {
    let numbered = |number: u64| json!({ "number": number, "head": { "sha": HEAD, "ref": "topic" }, "base": { "ref": "main" } });
    let mut pulls: Vec<Value> = (1..=20).map(numbered).collect();
    pulls[1]["base"] = Value::Null;
    let mut one = check_run("rerequested", APP_ID);
    one["check_run"]["pull_requests"] = json!(pulls);
    let suite = json!({ "head_sha": HEAD, "app": { "id": APP_ID }, "pull_requests": pulls });
    let suite = payload(json!({ "action": "rerequested", "check_suite": suite }));
    for (name, body) in [("check_run", &one), ("check_suite", &suite)] {
        let Event::Rerequested(event) = event(name, body) else { panic!("{name} is a wish to run again") };
        let numbers: Vec<u64> = event.pulls.iter().map(|pull| pull.number).collect();
        assert_eq!(numbers, [1, 3, 4, 5, 6, 7, 8, 9, 10, 11], "{name}");
        assert!(event.pulls.iter().all(|pull| pull.base_ref == "main"));
    }
}

#[test]
fn our_buttons_say_who_pressed_them_and_on_which_check() {
    let mut pressed = check_run("requested_action", APP_ID);
    for button in [RERUN_FAILED, SKIP, EXPLAIN] {
        pressed["requested_action"] = json!({ "identifier": button });
        let (external_id, button) = ("run/gate".to_owned(), button.to_owned());
        let expected = ButtonEvent { repo: repo(), head: commit(HEAD), by: mona(), external_id, button };
        assert_eq!(event("check_run", &pressed), Event::Button(expected));
    }
    for other in [json!({ "identifier": "something else" }), json!({ "identifier": null }), json!({}), Value::Null] {
        pressed["requested_action"] = other;
        assert_eq!(reason("check_run", &pressed), "the button is not one of ours");
    }
    pressed["requested_action"] = json!({ "identifier": SKIP });
    pressed["check_run"]["app"]["id"] = 1.into();
    assert_eq!(reason("check_run", &pressed), "the check belongs to another app, 1");
}

#[test]
fn checks_that_are_not_ours_are_left_alone() {
    assert_eq!(reason("check_run", &check_run("rerequested", 1)), "the check belongs to another app, 1");
    let mut suite = payload(json!({ "action": "rerequested", "check_suite": { "head_sha": HEAD, "app": { "id": 1 } } }));
    assert_eq!(reason("check_suite", &suite), "the check belongs to another app, 1");
    suite["check_suite"]["app"] = Value::Null;
    assert_eq!(reason("check_suite", &suite), "the check does not say which app it belongs to");
    for action in ["created", "completed"] {
        assert!(reason("check_run", &check_run(action, APP_ID)).contains("not used"));
    }
}

#[test]
fn events_that_are_not_used_still_say_their_action() {
    for name in ["ping", "installation", "installation_repositories", "milestone", "pull_request_review", "star", "new"] {
        assert_eq!(reason(name, &payload(json!({ "action": "created" }))), format!("{name} events are not used"));
    }
    let endless = payload(json!({ "action": "\u{e4}".repeat(80) }));
    let cut = parse("star", endless.to_string().as_bytes(), APP_ID).unwrap().action.unwrap();
    assert_eq!(cut, "\u{e4}".repeat(50), "cut between characters");
}

#[test]
fn json_that_is_no_payload_is_not_used() {
    for odd in ["[]", "null", "7", "\"text\"", "{}", r#"{"action":7}"#, r#"{"action":"opened","action":"closed"}"#] {
        for name in USED.into_iter().chain(["ping"]) {
            let parsed = parse(name, odd.as_bytes(), APP_ID).unwrap();
            assert!(matches!(parsed.event, Event::Unused { .. }), "{name} {odd}");
        }
    }
}

#[test]
fn nesting_however_deep_is_no_danger() {
    const DEPTH: usize = 1_000_000;
    let arrays = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
    for deep in [arrays, objects] {
        for name in ["pull_request", "ping"] {
            assert!(matches!(parse(name, deep.as_bytes(), APP_ID).unwrap().event, Event::Unused { .. }));
            assert!(parse(name, &deep.as_bytes()[..DEPTH], APP_ID).is_err());
        }
        let mut inside = pull_request("opened").to_string();
        inside.insert_str(1, &format!(r#""deep":{deep},"#));
        assert_eq!(parse("pull_request", inside.as_bytes(), APP_ID).unwrap().event, pull(PullChange::Opened));
    }
}
