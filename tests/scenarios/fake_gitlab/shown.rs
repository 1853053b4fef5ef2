//! Answers look like recorded ones.

use std::mem::discriminant;
use std::path::Path;

use super::*;

/// Asserts that what both have is of the same types. What is null in either says nothing.
pub(crate) fn assert_alike(real: &Value, fake: &Value, at: &str) {
    match (real, fake) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(real), Value::Object(fake)) => {
            for (name, value) in real {
                assert_alike(value, fake.get(name).unwrap_or(&Value::Null), &format!("{at}/{name}"));
            }
        }
        (Value::Array(real), Value::Array(fake)) => {
            if let (Some(real), Some(fake)) = (real.first(), fake.first()) {
                assert_alike(real, fake, &format!("{at}/0"));
            }
        }
        _ => assert_eq!(discriminant(real), discriminant(fake), "{at}: {real} is recorded, the fake says {fake}"),
    }
}

fn recorded(fixtures: &Path, name: &str) -> Value {
    let file = fixtures.join("gitlab/responses").join(name);
    let text = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[tokio::test]
async fn answers_are_of_the_types_that_were_recorded() {
    let Some(fixtures) = fixtures("answers against recorded ones") else { return };
    let gitlab = FakeGitLab::start().await;
    let (iid, head) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    bot.post(&format!("{PROJECT}/statuses/{head}"), json!({"state": "success", "ref": "topic"})).await;
    bot.post(&format!("{}/notes", request_path(iid)), json!({"body": "b"})).await;
    let request = request_path(iid);
    for (path, files) in [
        (
            request.clone(),
            ["atlantis/vcs__gitlab__testdata__pipeline-success.json", "atlantis/testdata__gitlab-get-merge-request.json"],
        ),
        (format!("{request}/changes"), ["drone-go-scm/merge_diff.json", "jenkins-x-go-scm/merge_diff.json"]),
        (format!("{request}/diffs"), ["drone-go-scm/commit_diff.json", "go-gitlab/list_merge_request_diff.json"]),
        (
            format!("{request}/notes/{}", gitlab.bot_notes(REPO, iid)[0].id),
            ["drone-go-scm/merge_note.json", "jenkins-x-go-scm/edit_issue_note.json"],
        ),
        ("/projects?membership=true".to_owned(), ["drone-go-scm/repos.json", "jenkins-x-go-scm/repos.json"]),
        (format!("{PROJECT}/repository/files/x.md?ref=topic"), ["drone-go-scm/content.json", "jenkins-x-go-scm/content.json"]),
        (format!("{PROJECT}/repository/commits/{head}"), ["go-gitlab/get_commit.json", "go-gitlab/get_commit.json"]),
        (
            "/user".to_owned(),
            ["atlantis/vcs__gitlab__testdata__user-success.json", "atlantis/vcs__gitlab__testdata__user-success.json"],
        ),
    ] {
        let (status, fake) = bot.get(&path).await;
        assert_eq!(status, 200, "{path}: {fake}");
        for file in files {
            let real = recorded(&fixtures, file);
            let fake = if real.is_array() && !fake.is_array() { json!([fake]) } else { fake.clone() };
            let real = if fake.is_array() && !real.is_array() { json!([real]) } else { real };
            assert_alike(&real, &fake, &format!("{path} ({file})"));
        }
    }
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_unchanged_answer_is_told_by_its_tag_alone() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    let path = request_path(iid);
    let first = bot.request(Method::GET, &path).send().await.expect("it answers");
    let tag = header(first.headers(), "etag").to_owned();
    let again = async || {
        let answer = bot.request(Method::GET, &path).header("if-none-match", &tag).send().await.expect("it answers");
        (answer.status().as_u16(), answer.bytes().await.expect("a body").len())
    };
    assert_eq!(again().await, (304, 0));
    gitlab.retitle(REPO, iid, "Another title", "alice");
    assert_eq!(again().await.0, 200);
    gitlab.assert_valid();
}
