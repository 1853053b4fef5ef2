//! Python: pytest where there is a sign of it, else unittest; with uv, poetry or pip.

use super::detect::{Gate, Project, numbers};

/// Used where the project names no version.
const VERSION: &str = "3.13";

pub(super) fn gates(project: &Project<'_>) -> Vec<Gate> {
    let pytest = uses_pytest(project);
    let is_test = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        (name.starts_with("test_") || name.ends_with("_test.py")) && name.ends_with(".py")
    };
    if !pytest && !project.any(is_test) {
        return Vec::new();
    }
    let version = project.version(".python-version").map_or(VERSION.to_owned(), |version| numbers(&version, 2));
    let tests = if pytest { "python -m pytest --junitxml=junit.xml" } else { "python -m unittest discover" };
    let (image, run) = if project.has("uv.lock") {
        let run = vec!["uv sync --locked --all-extras --all-groups".to_owned(), format!("uv run {tests}")];
        (format!("ghcr.io/astral-sh/uv:python{version}-bookworm"), run)
    } else {
        let install = if project.has("poetry.lock") { with_poetry() } else { with_pip(project, pytest) };
        let run =
            [vec!["python -m venv /tmp/venv".to_owned(), ". /tmp/venv/bin/activate".to_owned()], install, vec![tests.to_owned()]];
        (format!("python:{version}-bookworm"), run.concat())
    };
    let env = if project.has("uv.lock") { vec![("UV_PROJECT_ENVIRONMENT", "/tmp/venv".to_owned())] } else { Vec::new() };
    let junit = pytest.then(|| project.path("junit.xml"));
    let timeout = Some("15m");
    vec![Gate {
        name: "tests".to_owned(),
        about: Vec::new(),
        image,
        env,
        run,
        junit,
        tests: None,
        network: true,
        timeout,
        advisory: false,
    }]
}

fn uses_pytest(project: &Project<'_>) -> bool {
    let says = |name: &str| project.text(name).is_some_and(|text| text.contains("pytest"));
    let files = [
        "pyproject.toml",
        "setup.cfg",
        "tox.ini",
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-test.txt",
        "Pipfile",
    ];
    project.has("pytest.ini") || files.into_iter().any(says) || project.any(|path| path.ends_with("conftest.py"))
}

fn with_poetry() -> Vec<String> {
    // Within the environment that is active, poetry makes none of its own.
    vec!["pip install --quiet poetry".to_owned(), "poetry install --all-extras".to_owned()]
}

fn with_pip(project: &Project<'_>, pytest: bool) -> Vec<String> {
    let mut wanted: Vec<String> = if pytest { vec!["pytest".to_owned()] } else { Vec::new() };
    for name in ["requirements.txt", "requirements-dev.txt", "requirements-test.txt"] {
        if project.has(name) {
            wanted.push(format!("-r {name}"));
        }
    }
    let table = project.text("pyproject.toml").and_then(|text| text.parse::<toml::Table>().ok());
    let is_package = table.as_ref().is_some_and(|table| table.contains_key("project") || table.contains_key("build-system"));
    if is_package || project.has("setup.py") {
        wanted.push(match table.as_ref().and_then(|table| extra(table)) {
            Some(extra) => format!("-e '.[{extra}]'"),
            None => "-e .".to_owned(),
        });
    }
    if let Some(group) = table.as_ref().and_then(|table| first_of(table.get("dependency-groups")?)) {
        wanted.push(format!("--group {group}"));
    }
    if wanted.is_empty() { Vec::new() } else { vec![format!("pip install --quiet {}", wanted.join(" "))] }
}

/// The extra that tests are likely to need.
fn extra(table: &toml::Table) -> Option<&'static str> {
    first_of(table.get("project")?.get("optional-dependencies")?)
}

fn first_of(groups: &toml::Value) -> Option<&'static str> {
    ["test", "tests", "testing", "dev"].into_iter().find(|name| groups.get(name).is_some())
}
