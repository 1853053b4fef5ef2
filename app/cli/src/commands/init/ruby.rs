//! Ruby: rspec, or rake, or minitest by way of rails, with bundler.

use super::detect::{Gate, Project, numbers, version};

/// Used where the project names no version.
const VERSION: &str = "3.4";

pub(super) fn gates(project: &Project<'_>) -> Vec<Gate> {
    let gemfile = project.text("Gemfile").unwrap_or_default();
    let named = gemfile.lines().find_map(|line| version(line.trim().strip_prefix("ruby ")?));
    let version = project.version(".ruby-version").or(named).map_or(VERSION.to_owned(), |version| numbers(&version, 2));
    let uses = |gem: &str| gemfile.contains(gem) || project.text("Gemfile.lock").is_some_and(|lock| lock.contains(gem));
    let report = uses("rspec_junit_formatter");
    let (tests, junit) = if project.any(|path| path.starts_with("spec/")) && report {
        let tests = "bundle exec rspec --format progress --format RspecJunitFormatter --out junit.xml";
        (tests, Some(project.path("junit.xml")))
    } else if project.any(|path| path.starts_with("spec/")) {
        ("bundle exec rspec", None)
    } else if project.has("bin/rails") {
        ("bundle exec rails test", None)
    } else if project.has("Rakefile") {
        ("bundle exec rake test", None)
    } else {
        return Vec::new();
    };
    vec![Gate {
        name: "tests".to_owned(),
        image: format!("ruby:{version}-bookworm"),
        // Only `/tmp` and the workspace can be written to; the image keeps gems elsewhere.
        env: vec![("BUNDLE_APP_CONFIG", "/tmp/bundle".to_owned()), ("BUNDLE_PATH", "/tmp/bundle".to_owned())],
        run: vec!["bundle install --quiet".to_owned(), tests.to_owned()],
        junit,
        network: true,
        timeout: Some("15m"),
        ..Gate::default()
    }]
}
