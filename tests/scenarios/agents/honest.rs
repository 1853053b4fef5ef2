//! Twenty honest changes, of the kinds that look most like what is refused: one of them is, since whatever stands behind `Authorization:` is
//! taken for a token.

use std::sync::Arc;
use std::time::Duration;

use gatewright_core::ItemRef;
use gatewright_tests::service::Setting;
use gatewright_tests::stage::{GitHubStage, Scene};
use serde_json::{Value, json};

use super::{conversations, script, uses};

const FILE: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: 'true' }
agents:
  do: { steps: [coder, verify] }
";

/// All of them are at work at once, on whatever machine this is.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is written where, each a task of its own.
fn changes() -> Vec<(&'static str, String)> {
    let written = |path: &'static str, content: &str| (path, content.to_owned());
    vec![
        written("src/lib.rs", "pub fn add(a: i64, b: i64) -> i64 {\n    a + b\n}\n"),
        written(
            "docs/guide.md",
            "# Guide\n\nAsk @octo/docs, see #12 and <https://example.com/a?b=c#d>.\n\n/close is a command.\n",
        ),
        written("src/auth.py", "password = os.environ[\"APP_PASSWORD\"]\nheaders = {\"Authorization\": f\"Bearer {token}\"}\n"),
        written("config/settings.yaml", "token_ttl: 3600\nsecret_name: app-credentials\napi_key: ${API_KEY}\n"),
        written("tests/test_add.py", "def test_add():\n    assert add(2, 3) == 5\n"),
        written("CHANGELOG.md", "## Unreleased\n\n- Adds. Fixes #3.\n"),
        written("src/hash.js", "const EMPTY = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';\nmodule.exports = { EMPTY };\n"),
        written("src/ids.go", "package ids\n\nconst Root = \"123e4567-e89b-42d3-a456-426614174000\"\n"),
        written(
            "web/logo.html",
            "<img src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\">\n",
        ),
        written(
            "db/migrations/0001_users.sql",
            "CREATE ROLE app LOGIN PASSWORD :'app_password';\nGRANT SELECT ON users TO app;\n",
        ),
        written("i18n/zh.json", "{ \"hello\": \"你好 👋\", \"bye\": \"再见\" }\n"),
        written("src/scan.rs", "const TOKEN: &str = r\"gh[pousr]_[A-Za-z0-9]{36}\";\nconst AWS: &str = r\"AKIA[0-9A-Z]{16}\";\n"),
        written("scripts/run", "#!/bin/sh\nexec app --token \"$TOKEN\" \"$@\"\n"),
        written("src/long.txt", &"a line that says nothing much\n".repeat(2_000)),
        written("src/windows.ini", "[app]\r\nname = gatewright\r\n"),
        written("src/keys.ts", "export const apiKey = process.env.API_KEY ?? fail('API_KEY is missing');\n"),
        written(
            "web/index.html",
            "<script src=\"/app.js\" integrity=\"sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC\"></script>\n",
        ),
        written("docs/api.md", "    curl -H \"Authorization: Bearer $TOKEN\" https://api.example.com/v1/items\n"),
        written(
            "deploy/values.txt",
            "image: registry.example.com/app@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\n",
        ),
        written("src/connect.rb", "Db.connect(\"postgres://app:#{password}@db.internal/app\")\n"),
    ]
}

fn task(n: usize) -> String {
    format!("change number {n:02}")
}

fn writes(setting: &mut Setting) {
    let turn = |(path, content): (&str, String)| {
        let done = json!({ "summary": format!("`{path}` is written."), "title": format!("Write {path}") });
        vec![uses(&[("write", json!({ "path": path, "content": content })), ("finish", done)])]
    };
    let tasks: Vec<String> = (0..changes().len()).map(task).collect();
    let words: Vec<[&str; 1]> = tasks.iter().map(|task| [task.as_str()]).collect();
    let all: Vec<(&[&str], Vec<Value>)> = words.iter().zip(changes()).map(|(words, change)| (&words[..], turn(change))).collect();
    script(setting, &conversations(&all));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_honest_changes_only_one_with_an_authorization_header_is_refused() {
    let scene = Scene::with(Arc::new(GitHubStage::start().await), FILE, writes).await;
    let mut pulls: Vec<u64> = Vec::new();
    for n in 0..changes().len() {
        pulls.push(scene.open(&format!("topic-{n}"), "a", &n.to_string()).0);
        scene.idle_within(PATIENCE).await;
    }
    // Few at a time, so that a slow machine is not late with the webhooks of all.
    for some in pulls.iter().enumerate().collect::<Vec<_>>().chunks(4) {
        scene.forge.advance(2);
        for (n, number) in some {
            scene.forge.comment(**number, ["wendy", "max", "ada", "wendy"][n % 4], &format!("/gw do {}", task(*n)));
        }
        scene.idle_within(PATIENCE).await;
    }
    let proposals = scene.forge.proposed();
    let there = |path: &str, content: &str| {
        let commits = proposals.iter().filter_map(|proposal| scene.forge.head_of(&proposal.branch));
        commits.into_iter().any(|commit| scene.forge.file(&commit, path).as_deref() == Some(content))
    };
    let refused: Vec<&str> = changes().iter().filter(|(path, content)| !there(path, content)).map(|(path, _)| *path).collect();
    assert_eq!(refused, ["docs/api.md"]);
    assert!(proposals.iter().all(|proposal| matches!(proposal.item, ItemRef::Pull { .. }) && proposal.draft));
    scene.end().await;
}
