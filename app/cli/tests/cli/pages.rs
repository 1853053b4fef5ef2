//! What the README and the pages in `docs/` show works as it is shown.

use serde_json::{Value, json};

use crate::support::Bench;

const README: &str = include_str!("../../../../README.md");
const OPERATIONS: &str = include_str!("../../../../docs/operations.md");
const APP: &str = include_str!("../../../../docs/github-app.html");
const DOCKERFILE: &str = include_str!("../../../../Dockerfile");

/// The blocks of a language on a page, without the indentation of the list that they are in.
fn blocks<'p>(page: &'p str, language: &'p str) -> impl Iterator<Item = String> + 'p {
    let begin = format!("```{language}");
    let mut lines = page.lines();
    std::iter::from_fn(move || {
        let head = lines.find(|line| line.trim() == begin)?;
        let indent = head.len() - head.trim_start().len();
        let body = lines.by_ref().take_while(|line| line.trim() != "```");
        Some(body.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect())
    })
}

#[test]
fn the_repository_file_of_the_readme_is_valid() {
    let bench = Bench::new();
    let files: Vec<String> = blocks(README, "yaml").collect();
    let [gates, releases, agents] = files.as_slice() else { panic!("gates, and releases and agents to be added: {files:?}") };
    for file in [gates.clone(), format!("{gates}\n{releases}"), format!("{gates}\n{releases}\n{agents}")] {
        bench.write(".gatewright.yml", &file);
        assert_eq!(bench.run(&["check"]).stdout, ".gatewright.yml: no problems\n");
    }
}

#[test]
fn the_server_file_of_the_readme_is_valid_with_either_forge_and_with_both() {
    let bench = Bench::new();
    let files: Vec<String> = blocks(README, "toml").collect();
    let [github, gitlab] = files.as_slice() else { panic!("one file, and what is to be added for GitLab: {files:?}") };
    for file in [github.clone(), gitlab.clone(), format!("{github}\n{gitlab}")] {
        bench.write("gatewright.toml", &file);
        assert_eq!(bench.run(&["check", "gatewright.toml"]).stdout, "gatewright.toml: no problems\n");
    }
}

/// The names of the environment variables that a text takes secrets from.
fn variables(text: &str) -> Vec<&str> {
    text.split("\"env:").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_secret_that_the_readme_names_is_set_where_the_service_is_started() {
    let started: String = blocks(README, "sh").filter(|block| block.contains("gatewright serve")).collect();
    let container: String = blocks(OPERATIONS, "sh").filter(|block| block.contains("docker run")).collect();
    let files: String = blocks(README, "toml").collect();
    assert_eq!(variables(&files).len(), 3);
    for name in variables(&files) {
        assert!(started.contains(&format!("{name}=")), "{name}: {started}");
        assert!(container.contains(&format!("--env {name} ")), "{name}: {container}");
    }
}

#[test]
fn the_container_page_names_the_user_that_the_image_runs_as() {
    let user = DOCKERFILE.lines().find_map(|line| line.strip_prefix("USER ")).expect("the image names a user");
    assert!(OPERATIONS.contains(&format!("runs as the user {user} ")) && OPERATIONS.contains(&format!("chown -R {user} ")));
}

/// The manifest that the page sends.
fn manifest() -> Value {
    let from = APP.split("<script type=\"application/json\" id=\"manifest\">").nth(1).expect("the page has a manifest");
    serde_json::from_str(from.split("</script>").next().unwrap_or_default()).expect("it is JSON")
}

/// A row of the README's table about the App.
fn row(name: &str) -> &'static str {
    let begin = format!("| {name} |");
    let line = README.lines().find_map(|line| line.trim().strip_prefix(&begin));
    line.expect("the table has this row").trim().trim_end_matches('|').trim()
}

#[test]
fn the_manifest_of_the_app_asks_for_what_the_readme_has_people_tick() {
    let manifest = manifest();
    let ticked = |row: &str| -> Vec<(String, Value)> {
        let permissions = row.split(" · ").filter_map(|one| one.split_once(": "));
        let level = |level: &str| json!(if level.starts_with("read and write") { "write" } else { "read" });
        // The one permission that the page calls otherwise than the API.
        let name = |name: &str| name.to_lowercase().replace(' ', "_").replace("code_scanning_alerts", "security_events");
        permissions.map(|(named, is)| (name(named), level(is))).collect()
    };
    let mut expected = ticked(row("Repository permissions"));
    expected.extend(ticked(row("Organisation permissions")));
    let expected: serde_json::Map<String, Value> = expected.into_iter().collect();
    assert_eq!(manifest["default_permissions"], Value::Object(expected));
    let events: Vec<String> = row("Events").split(" · ").map(|event| event.to_lowercase().replace(' ', "_")).collect();
    assert_eq!(manifest["default_events"], json!(events));
    assert_eq!(manifest["hook_attributes"]["url"], "HOST/webhooks/github");
}
