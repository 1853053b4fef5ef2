//! The files that no agent may change, whatever it is told: those that decide what runs, with which rights, and who has to look.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// What decides what runs, where, with which rights and by whose leave: files of CI, owners, dependencies, folders and files that start
/// with a dot, and what instructs agents.
pub(super) const ALWAYS: [&str; 20] = [
    ".*",
    ".*/**",
    "**/.*",
    "**/.*/**",
    "CODEOWNERS",
    "**/CODEOWNERS",
    "Jenkinsfile",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "**/AGENTS.md",
    "**/CLAUDE.md",
    "**/GEMINI.md",
    "**/copilot-instructions.md",
    "**/SKILL.md",
    "**/Dockerfile*",
    "**/Makefile",
    "**/{package.json,package-lock.json,yarn.lock,pnpm-lock.yaml,Cargo.toml,Cargo.lock,build.rs,go.mod,go.sum}",
    "**/{pyproject.toml,poetry.lock,uv.lock,Pipfile,Pipfile.lock,setup.py,setup.cfg,requirements*.txt,Gemfile,Gemfile.lock}",
    "**/{pom.xml,build.gradle,build.gradle.kts,settings.gradle,gradle.properties,composer.json,composer.lock,*.csproj,*.sln}",
    "**/{conftest.py,tox.ini,noxfile.py,jest.config.*,vitest.config.*,webpack.config.*,vite.config.*,rollup.config.*}",
];

/// Whether one of these globs names the path. A glob that is none names nothing; the repository file is not taken with one.
pub(super) fn is_protected(globs: &[String], path: &str) -> bool {
    set(globs).is_match(path)
}

fn set(globs: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    // Where case makes no difference, another writing is the same file.
    let glob =
        |glob: &String| -> Option<Glob> { GlobBuilder::new(glob).literal_separator(true).case_insensitive(true).build().ok() };
    globs.iter().filter_map(glob).for_each(|glob| {
        set.add(glob);
    });
    set.build().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_what_runs_is_protected_and_code_is_not() {
        let globs = ALWAYS.map(str::to_owned);
        for path in [
            ".gatewright.yml",
            ".github/workflows/ci.yml",
            "sub/.github/x",
            ".gitlab-ci.yml",
            "docs/CODEOWNERS",
            "a/b/package.json",
            "A/B/PACKAGE.JSON",
            "Cargo.toml",
            "AGENTS.md",
            "x/claude.md",
            "Dockerfile.prod",
            ".env",
            "src/.hidden",
            "requirements-dev.txt",
        ] {
            assert!(is_protected(&globs, path), "{path}");
        }
        for path in ["src/main.rs", "tests/a.py", "docs/guide.md", "package/index.js", "a.b/c"] {
            assert!(!is_protected(&globs, path), "{path}");
        }
    }

    #[test]
    fn what_mends_code_until_tests_pass_changes_no_tests() {
        let fix = gatewright_core::agent::PIPELINES.iter().find(|pipeline| pipeline.name == "fix").expect("it is built in");
        let globs: Vec<String> = fix.protect.iter().map(|glob| (*glob).to_owned()).collect();
        for path in [
            "tests/add.rs",
            "app/tests/harness/lib.rs",
            "src/test/java/org/acme/AddTest.java",
            "test.sh",
            "scripts/test.py",
            "pkg/add_test.go",
            "test_add.py",
            "web/add.test.ts",
            "web/add.spec.tsx",
            "web/__tests__/add.js",
            "web/__snapshots__/add.js.snap",
            "spec/add_spec.rb",
            "Acme.Tests/AddTests.cs",
            "features/add.feature",
        ] {
            assert!(is_protected(&globs, path), "{path}");
        }
        for path in [
            "add.sh",
            "src/contest.rs",
            "src/latest.js",
            "docs/testing.md",
            "src/attest/mod.rs",
            "special.py",
            "src/greatest_hits.py",
        ] {
            assert!(!is_protected(&globs, path), "{path}");
        }
    }
}
