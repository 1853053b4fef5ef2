//! Twenty honest changes, of the kinds that look most like what is refused.

use std::sync::Arc;

use gatewright_tests::service::Setting;
use gatewright_tests::stage::{GitHubStage, Scene};
use serde_json::{Value, json};

use super::{conversations, proposed, script, uses};

const FILE: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: 'true' }
agents:
  do: { steps: [coder, verify] }
";

/// What is written where.
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

/// So many files are written in one turn.
const FILES_OF_TURN: usize = 5;

fn writes(setting: &mut Setting) {
    let write = |(path, content): &(&str, String)| ("write", json!({ "path": path, "content": content }));
    let turn = |some: &[(&str, String)]| uses(&some.iter().map(write).collect::<Vec<_>>());
    let mut turns: Vec<Value> = changes().chunks(FILES_OF_TURN).map(turn).collect();
    turns.push(uses(&[("finish", json!({ "summary": "All of it is written.", "title": "Write it" }))]));
    script(setting, &conversations(&[(&[], turns)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_honest_changes_none_is_refused_and_none_is_altered() {
    let scene = Scene::with(Arc::new(GitHubStage::start().await), FILE, writes).await;
    let (number, _) = scene.open("topic", "a", "b");
    scene.idle().await;
    scene.say(number, "wendy", "/gw do write it").await;
    let commit = scene.forge.head_of(&proposed(&scene).branch).expect("the branch is there");
    for (path, content) in changes() {
        assert_eq!(scene.forge.file(&commit, path), Some(content), "{path}");
    }
    scene.end().await;
}
