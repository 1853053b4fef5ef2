//! Issues, labels, and comments on issues, as GitHub and GitLab tell of them.

use gatewright_core::event::{CommentPlace, Event, IssueChange, IssueEvent, LABELS_MAX, LabelledEvent, PullChange};
use serde_json::{Value, json};

use crate::events::{self, BASE, HEAD};
use crate::gitlab_events as gitlab;

fn issues(action: &str, label: Option<&str>) -> Value {
    let mut payload = events::payload(json!({
        "action": action,
        "issue": { "number": 9, "title": "Slow", "state": "open", "updated_at": "2019-05-15T15:20:33Z", "labels": [{ "name": "old" }] },
    }));
    if let Some(label) = label {
        payload["label"] = json!({ "id": 1, "name": label });
    }
    payload
}

fn issue(change: IssueChange) -> Event {
    let at = Some("2019-05-15T15:20:33Z".parse().unwrap());
    Event::Issue(IssueEvent { repo: events::repo(), number: 9, sender: events::mona(), change, at })
}

fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_issue_on_github_is_opened_and_labelled_by_events_of_their_own() {
    assert_eq!(events::event("issues", &issues("opened", None)), issue(IssueChange::Opened { labels: Vec::new() }));
    let labelled = IssueChange::Labelled { labels: labels(&["agents"]) };
    assert_eq!(events::event("issues", &issues("labeled", Some("agents"))), issue(labelled));
    for label in [None, Some("")] {
        assert!(events::reason("issues", &issues("labeled", label)).contains("label.name"));
    }
    for action in ["reopened", "closed", "edited", "unlabeled", "assigned", "transferred", "pinned"] {
        let reason = events::reason("issues", &issues(action, Some("x")));
        assert_eq!(reason, format!("issues events with the action {action:?} are not used"));
    }
}

#[test]
fn a_pull_request_on_github_is_labelled() {
    let payload = events::payload(json!({
        "action": "labeled", "number": 7, "label": { "name": "agents" },
        "pull_request": { "head": { "sha": HEAD }, "base": { "sha": BASE, "ref": "main" }, "updated_at": "2019-05-15T15:20:33Z" },
    }));
    let expected = LabelledEvent {
        repo: events::repo(),
        number: 7,
        head: events::commit(HEAD),
        base_ref: "main".to_owned(),
        sender: events::mona(),
        labels: labels(&["agents"]),
        at: Some("2019-05-15T15:20:33Z".parse().unwrap()),
    };
    assert_eq!(events::event("pull_request", &payload), Event::Labelled(expected));
}

fn hook(action: &str, changes: Value) -> Value {
    json!({
        "object_kind": "issue", "event_type": "issue", "user": gitlab::user(), "project": gitlab::project(),
        "object_attributes": {
            "id": 300, "iid": 9, "project_id": 40, "title": "Slow", "action": action, "confidential": false,
            "updated_at": "2026-03-01 10:05:00 UTC",
        },
        "labels": [{ "id": 1, "title": "bug" }, { "id": 2, "title": "agents" }], "changes": changes,
    })
}

fn of_gitlab(change: IssueChange) -> Event {
    let at = Some("2026-03-01T10:05:00Z".parse().unwrap());
    Event::Issue(IssueEvent { repo: gitlab::repo(), number: 9, sender: gitlab::mona(), change, at })
}

fn label_change(before: &[&str], now: &[&str]) -> Value {
    let labels = |names: &[&str]| names.iter().map(|name| json!({ "id": 1, "title": name })).collect::<Vec<_>>();
    json!({ "labels": { "previous": labels(before), "current": labels(now) } })
}

#[test]
fn an_issue_on_gitlab_is_opened_with_its_labels_and_given_more_by_an_update() {
    let opened = IssueChange::Opened { labels: labels(&["bug", "agents"]) };
    assert_eq!(gitlab::event(&hook("open", json!({}))), of_gitlab(opened));
    let update = hook("update", label_change(&["bug"], &["bug", "agents", "more"]));
    assert_eq!(gitlab::event(&update), of_gitlab(IssueChange::Labelled { labels: labels(&["agents", "more"]) }));
    for changes in [json!({}), json!({ "title": { "previous": "a", "current": "b" } }), label_change(&["bug"], &[])] {
        assert_eq!(gitlab::reason(&hook("update", changes)), "the update brings no label");
    }
    for action in ["close", "reopen"] {
        assert_eq!(gitlab::reason(&hook(action, json!({}))), format!("issue events with the action {action:?} are not used"));
    }
}

#[test]
fn what_is_confidential_on_gitlab_is_not_read() {
    for (path, value) in [("/object_attributes/confidential", json!(true)), ("/event_type", json!("confidential_issue"))] {
        assert_eq!(gitlab::reason(&gitlab::with(hook("open", json!({})), path, value)), "confidential issues are not read");
    }
    let hidden = gitlab::with(note("/gw do it"), "/issue/confidential", true.into());
    assert_eq!(gitlab::reason(&hidden), "confidential issues are not read");
}

#[test]
fn labels_of_a_merge_request_are_told_unless_the_update_brings_more_than_them() {
    let labelled = |labels: &[&str]| {
        let Event::Labelled(event) = gitlab::event(&gitlab::updated(label_change(&[], labels))) else { panic!("it is used") };
        event.labels
    };
    assert_eq!(labelled(&["agents"]), labels(&["agents"]));
    let many: Vec<String> = (0..=LABELS_MAX).map(|n| format!("l{n}")).collect();
    assert_eq!(labelled(&many.iter().map(String::as_str).collect::<Vec<_>>()).len(), LABELS_MAX);
    let with_commits = gitlab::with(gitlab::updated(label_change(&[], &["x"])), "/object_attributes/oldrev", BASE.into());
    let Event::Pull(pull) = gitlab::event(&with_commits) else { panic!("it is used") };
    assert_eq!((pull.change, pull.labels), (PullChange::Updated, Vec::new()));
    let opened = gitlab::with(gitlab::merged("open"), "/labels", json!([{ "title": "agents" }, { "title": "" }, {}]));
    let Event::Pull(pull) = gitlab::event(&opened) else { panic!("it is used") };
    assert_eq!(pull.labels, labels(&["agents"]));
    let taken = gitlab::reason(&gitlab::updated(label_change(&["x"], &[])));
    assert_eq!(taken, "the update brings neither commits nor another target branch");
    for odd in [json!("x"), json!({ "previous": 1 }), json!({ "current": [7] }), Value::Null] {
        let payload = gitlab::updated(json!({ "labels": odd }));
        assert_eq!(gitlab::reason(&payload), "the update brings neither commits nor another target branch");
    }
}

fn note(body: &str) -> Value {
    let mut payload = gitlab::without(gitlab::note(body), "/merge_request");
    payload["object_attributes"]["noteable_type"] = "Issue".into();
    payload["issue"] = json!({ "id": 300, "iid": 9, "project_id": 40, "confidential": false });
    payload
}

#[test]
fn a_comment_on_an_issue_says_that_it_is_on_one() {
    let Event::Comment(said) = gitlab::event(&note("/gw do it")) else { panic!("it is used") };
    assert_eq!((said.comment.number, said.comment.place, said.head), (9, CommentPlace::Issue, None));
    assert_eq!(said.repo, gitlab::repo());
    assert_eq!(gitlab::reason(&gitlab::without(note("/gw do it"), "/issue")), "the payload has no issue");
    let quiet = note("lgtm");
    assert_eq!(gitlab::reason(&quiet), "the comment holds no command");
}
