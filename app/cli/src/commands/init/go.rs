//! Go: `go test`.

use super::detect::{Gate, Project, numbers, version};

/// What the tests write in place of a log.
const REPORT: &str = "go-test.json";

/// Used where the project names no version.
const VERSION: &str = "1.25";

pub(super) fn gates(project: &Project<'_>) -> Vec<Gate> {
    let named = |word: &str| version(project.text("go.mod")?.lines().find_map(|line| line.trim().strip_prefix(word))?);
    let version = named("toolchain ").or_else(|| named("go ")).map_or(VERSION.to_owned(), |version| numbers(&version, 2));
    // Only `/tmp` and the workspace can be written to; the image has the module cache elsewhere.
    let env = vec![("GOPATH", "/tmp/go".to_owned()), ("GOCACHE", "/tmp/go-build".to_owned())];
    vec![Gate {
        name: "tests".to_owned(),
        image: format!("golang:{version}-bookworm"),
        env,
        run: vec!["go vet ./...".to_owned(), format!("go test -json ./... > {REPORT}")],
        tests: Some(project.path(REPORT)),
        network: true,
        timeout: Some("15m"),
        ..Gate::default()
    }]
}
