//! What is written for each kind of project. Every file is read back by the reader of repository files.

use gatewright_core::config::{self, GateConfig};

use super::detect::detect;
use super::{Listing, TELLING, file};

fn listing(files: &[(&str, &str)]) -> Listing {
    let content = |path: &str, text: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        TELLING.contains(&name).then(|| text.to_owned())
    };
    Listing { files: files.iter().map(|(path, text)| ((*path).to_owned(), content(path, text))).collect() }
}

fn text(files: &[(&str, &str)]) -> String {
    file::render(&detect(&listing(files)))
}

/// The gates of the file that is written for these files.
fn gates(files: &[(&str, &str)]) -> Vec<GateConfig> {
    let text = text(files);
    config::parse(&text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}")).gates
}

/// The only gate of it.
fn gate(files: &[(&str, &str)]) -> GateConfig {
    let gates = gates(files);
    let [gate] = gates.as_slice() else { panic!("{} gates", gates.len()) };
    gate.clone()
}

fn names(gates: &[GateConfig]) -> Vec<&str> {
    gates.iter().map(|gate| gate.name.as_str()).collect()
}

/// Its command, as one text.
fn run(gate: &GateConfig) -> String {
    format!("{:?}", gate.run)
}

/// Whether its command has this in it.
#[track_caller]
fn runs(gate: &GateConfig, command: &str) {
    let run = run(gate);
    let quoted = format!("{command:?}");
    assert!(run.contains(quoted.trim_matches('"')), "{run}");
}

#[test]
fn a_file_reads_like_one_that_a_person_wrote() {
    insta::assert_snapshot!(text(&[("Cargo.toml", "[package]"), ("Cargo.lock", ""), ("src/lib.rs", ""), ("Dockerfile", "")]), @r"
    # What has to hold before a change is merged. Each gate is a command in a fresh container that has the commit's files.
    # `gatewright run` runs them on the working tree, `gatewright check` finds mistakes in this file, and `gatewright schema`
    # prints what an editor needs to help with it.

    image: rust:1.95.0-bookworm

    gates:
      # Clippy and rustfmt are not in this image; one that has them makes gates of `cargo clippy` and `cargo fmt --check`.
      tests:
        env:
          CARGO_HOME: /tmp/cargo
        run: cargo test --workspace --locked
        timeout: 20m
        # It fetches what the project depends on. An image that has it needs no network, and is faster.
        network: true

      # What the linter has to say of the Dockerfile. It is shown, and stops nothing.
      dockerfile:
        image: hadolint/hadolint:v2.12.0-debian
        run: hadolint Dockerfile
        required: false
    ");
}

#[test]
fn rust_with_nextest_and_a_toolchain() {
    let toolchain = "[toolchain]\nchannel = \"1.80\"\ncomponents = [\"clippy\"]\n";
    let nextest = "[profile.ci]\nfail-fast = false\n[profile.ci.junit]\npath = \"junit.xml\"\n";
    let gate = gate(&[("Cargo.toml", ""), ("rust-toolchain.toml", toolchain), (".config/nextest.toml", nextest)]);
    assert_eq!(gate.image, "rust:1.80.0-bookworm");
    assert_eq!(gate.env["RUSTUP_TOOLCHAIN"], "1.80.0");
    assert_eq!(gate.junit, ["target/nextest/ci/junit.xml"]);
    runs(&gate, "cargo nextest run --workspace --profile ci");
    let old_form = self::gate(&[("Cargo.toml", ""), ("rust-toolchain", "stable\n")]);
    assert_eq!((old_form.image.as_str(), old_form.env["RUSTUP_TOOLCHAIN"].as_str()), ("rust:1.95.0-bookworm", "1.95.0"));
    runs(&old_form, "cargo test --workspace");
}

#[test]
fn node_with_each_way_to_install() {
    let package = r#"{"scripts": {"test": "mocha", "lint": "eslint ."}, "engines": {"node": ">=20.1"}}"#;
    let with = |lock: &str| gates(&[("package.json", package), (lock, "")]);
    for (lock, install, test) in [
        ("package-lock.json", "npm ci", "npm run test"),
        ("yarn.lock", "yarn install --frozen-lockfile", "yarn run test"),
        (".yarnrc.yml", "corepack yarn install --immutable", "corepack yarn run test"),
        ("pnpm-lock.yaml", "corepack pnpm install --frozen-lockfile", "corepack pnpm run test"),
        ("bun.lock", "bun install --frozen-lockfile", "bun run test"),
        ("README.md", "npm install --no-audit --no-fund", "npm run test"),
    ] {
        let gates = with(lock);
        assert_eq!(names(&gates), ["tests", "lint"], "{lock}");
        runs(&gates[0], install);
        runs(&gates[0], test);
        let image = if lock == "bun.lock" { "oven/bun:1.2" } else { "node:20-bookworm" };
        assert_eq!(gates[0].image, image, "{lock}");
    }
}

#[test]
fn node_reports_where_the_tests_program_can_write_them() {
    let gate_of = |package: &str| gate(&[("package.json", package), ("package-lock.json", ""), (".nvmrc", "v22.3.0\n")]);
    let vitest = gate_of(r#"{"scripts": {"test": "vitest"}}"#);
    assert_eq!(vitest.image, "node:22-bookworm");
    assert_eq!(vitest.junit, ["junit.xml"]);
    runs(&vitest, "npm run test -- --run --reporter=default --reporter=junit --outputFile.junit=junit.xml");
    let jest = gate_of(r#"{"scripts": {"test": "jest"}, "devDependencies": {"jest-junit": "^16"}}"#);
    assert_eq!(jest.junit, ["junit.xml"]);
    runs(&jest, "--reporters=jest-junit");
    assert_eq!(gate_of(r#"{"scripts": {"test": "node --test"}}"#).junit, ["junit.xml"]);
    for plain in
        [r#"{"scripts": {"test": "jest"}}"#, r#"{"scripts": {"test": "vitest && tsc"}}"#, r#"{"scripts": {"test": "tap"}}"#]
    {
        assert!(gate_of(plain).junit.is_empty(), "{plain}");
    }
}

#[test]
fn node_without_tests_has_no_gate_for_them() {
    let package = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
    assert_eq!(names(&gates(&[("package.json", package)])), ["conflicts"]);
    assert_eq!(names(&gates(&[("package.json", "{ this is no JSON")])), ["conflicts"]);
}

#[test]
fn python_with_pip_uv_and_poetry() {
    let project =
        "[project]\nname = \"x\"\n[project.optional-dependencies]\ntest = [\"pytest\"]\n[dependency-groups]\ndev = []\n";
    let pip = gate(&[("pyproject.toml", project), ("tests/test_a.py", ""), ("requirements.txt", "")]);
    assert_eq!((pip.image.as_str(), pip.junit.as_slice()), ("python:3.13-bookworm", ["junit.xml".to_owned()].as_slice()));
    runs(&pip, "pip install --quiet pytest -r requirements.txt -e '.[test]' --group dev");
    runs(&pip, "python -m pytest --junitxml=junit.xml");
    let uv = gate(&[("pyproject.toml", project), ("uv.lock", ""), (".python-version", "3.12.4\n")]);
    assert_eq!(uv.image, "ghcr.io/astral-sh/uv:python3.12-bookworm");
    runs(&uv, "uv run python -m pytest --junitxml=junit.xml");
    let poetry = gate(&[("pyproject.toml", "[tool.poetry]\n[tool.pytest.ini_options]\n"), ("poetry.lock", "")]);
    runs(&poetry, "poetry install");
    let unittest = gate(&[("setup.py", ""), ("tests/test_a.py", "")]);
    runs(&unittest, "python -m unittest discover");
    assert!(unittest.junit.is_empty());
    assert_eq!(names(&gates(&[("requirements.txt", "mkdocs\n")])), ["conflicts"], "nothing is tested here");
}

#[test]
fn go_with_the_version_of_its_module() {
    let gate = gate(&[("go.mod", "module example.com/x\n\ngo 1.23.4\n"), ("x_test.go", "")]);
    assert_eq!(gate.image, "golang:1.23-bookworm");
    assert_eq!(gate.env["GOPATH"], "/tmp/go");
    runs(&gate, "go test -json ./... > go-test.json");
    assert_eq!(gate.tests, ["go-test.json"]);
    assert_eq!(self::gate(&[("go.mod", "go 1.23\ntoolchain go1.24.1\n")]).image, "golang:1.24-bookworm");
}

#[test]
fn java_with_maven_and_gradle() {
    let pom = "<project><properties><maven.compiler.release>17</maven.compiler.release></properties></project>";
    let maven = gate(&[("pom.xml", pom), ("src/test/java/ATest.java", "")]);
    assert_eq!(
        (maven.image.as_str(), maven.junit.as_slice()),
        ("maven:3.9-eclipse-temurin-17", ["**/target/surefire-reports/TEST-*.xml".to_owned()].as_slice())
    );
    runs(&maven, "mvn --batch-mode");
    let old = "<properties><java.version>1.8</java.version></properties>";
    assert_eq!(gate(&[("pom.xml", old)]).image, "maven:3.9-eclipse-temurin-11");
    assert!(gate(&[("pom.xml", old)]).junit.is_empty(), "without tests there are no reports");
    let gradle = gate(&[("build.gradle.kts", "kotlin { jvmToolchain(25) }"), ("gradlew", "")]);
    assert_eq!(gradle.image, "gradle:8-jdk25");
    runs(&gradle, "sh ./gradlew --no-daemon check");
}

#[test]
fn ruby_with_rspec_and_rake() {
    let rspec = gate(&[("Gemfile", "ruby '3.3.1'\ngem 'rspec_junit_formatter'\n"), ("spec/a_spec.rb", "")]);
    assert_eq!((rspec.image.as_str(), rspec.junit.as_slice()), ("ruby:3.3-bookworm", ["junit.xml".to_owned()].as_slice()));
    runs(&rspec, "bundle exec rspec --format progress --format RspecJunitFormatter --out junit.xml");
    let rake = gate(&[("Gemfile", ""), ("Rakefile", ""), (".ruby-version", "ruby-3.2.9\n")]);
    assert_eq!(rake.image, "ruby:3.2-bookworm");
    runs(&rake, "bundle exec rake test");
}

#[test]
fn several_kinds_are_told_apart_by_name_and_image() {
    let package = r#"{"scripts": {"test": "vitest"}}"#;
    let found =
        gates(&[("Cargo.toml", ""), ("web/package.json", package), ("api/package.json", package), ("go.mod", "go 1.24\n")]);
    assert_eq!(names(&found), ["rust-tests", "node-tests-api", "node-tests-web", "go-tests"]);
    runs(&found[2], "cd web");
    assert_eq!(found[2].junit, ["web/junit.xml"]);
}

#[test]
fn a_project_in_a_folder_with_a_strange_name_is_left_to_a_person() {
    assert_eq!(names(&gates(&[("$(id)/Cargo.toml", ""), ("a b/go.mod", ""), ("'/package.json", "{}")])), ["conflicts"]);
}

#[test]
fn where_nothing_is_recognised_there_is_a_gate_all_the_same() {
    let gate = gate(&[("README.md", "")]);
    assert_eq!((gate.name.as_str(), gate.network), ("conflicts", false));
}

#[test]
fn every_image_has_a_tag() {
    let all = [
        ("Cargo.toml", ""),
        ("package.json", r#"{"scripts": {"test": "x"}}"#),
        ("pyproject.toml", "pytest"),
        ("go.mod", ""),
        ("pom.xml", ""),
        ("Gemfile", ""),
        ("Rakefile", ""),
        ("Dockerfile", ""),
    ];
    let gates = gates(&all);
    assert_eq!(gates.len(), 7);
    for gate in gates {
        let tag = gate.image.rsplit_once(':').map(|(_, tag)| tag.to_owned());
        assert!(
            tag.is_some_and(|tag| tag.starts_with(|c: char| c.is_ascii_digit() || "vpj".contains(c)) && tag != "latest"),
            "{}",
            gate.image
        );
    }
}
