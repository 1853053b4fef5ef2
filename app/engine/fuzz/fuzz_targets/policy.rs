//! Any change is judged within bounds, whatever is in its titles, messages, lock files, changelog, Markdown and owners, and what people
//! read of it has no effect. Run: `cargo +nightly fuzz run policy` in `app/engine`.

#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use gatewright_core::config::{RepoConfig, parse};
use gatewright_core::event::User;
use gatewright_core::survey::{Approval, Changed, CommitFacts, Commits, Content, Contents, FileChange, PullFacts, Side, Survey};
use gatewright_core::verdict::{Evidence, Exit};
use libfuzzer_sys::fuzz_target;

#[path = "../inert.rs"]
mod inert;

/// Lock files of all formats, what is linked, what is logged and who owns.
const PATHS: [&str; 16] = [
    "Cargo.lock",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "poetry.lock",
    "uv.lock",
    "Pipfile.lock",
    "requirements.txt",
    "go.mod",
    "go.sum",
    "Gemfile.lock",
    "composer.lock",
    "docs/a.md",
    "CHANGELOG.md",
    ".github/CODEOWNERS",
    "src/<b>@x`.rs",
];

static FILE: LazyLock<RepoConfig> = LazyLock::new(|| {
    let text = "gates:
  change:
    require:
      changelog: true
      title: conventional
      commits: [conventional, signed-off]
      types: [feat, fix]
      touched: ['docs/**']
      forbidden: ['**/*.pem']
      size-at-most: { lines: 10, file-bytes: 100 }
      links: true
      reviewers: codeowners
      dependencies: { new-at-most: 1, sources: [crates.io], licences: { deny: ['AGPL-*'] } }
";
    parse(text).expect("a valid file")
});

fn survey(at: usize, base: &str, head: &str) -> Survey {
    let path = PATHS[at];
    let user = |id| User { id, login: head.lines().next().unwrap_or_default().to_owned() };
    let content = |side, path: &str, text: &str| Content { side, path: path.to_owned(), bytes: Bytes::from(text.to_owned()) };
    let commit = CommitFacts {
        id: "a".repeat(40).parse().expect("a commit"),
        parents: 1,
        author: base.to_owned(),
        email: base.to_owned(),
        message: head.to_owned(),
    };
    let change = FileChange { path: path.to_owned(), how: Changed::Modified, added: Some(1), removed: None, bytes: 1 };
    let files = vec![content(Side::Base, path, base), content(Side::Head, path, head), content(Side::Base, PATHS[14], base)];
    Survey {
        files: PATHS.iter().map(|path| (*path).to_owned()).collect(),
        diff: Some(Bytes::from(head.to_owned())),
        changes: Some(vec![change]),
        commits: Some(Commits { list: vec![commit], incomplete: false }),
        contents: Contents { files, left_out: Vec::new() },
        pull: Some(PullFacts {
            title: head.to_owned(),
            author: user(1),
            approvals: Some(vec![Approval { by: user(2), teams: vec![base.to_owned()] }]),
        }),
        ..Survey::default()
    }
}

fuzz_target!(|input: (u8, &str, &str)| {
    let (which, base, head) = input;
    let survey = survey(usize::from(which) % PATHS.len(), base, head);
    let evidence = Evidence { survey: Some(survey), ..Evidence::of(Exit::Code { code: 0 }) };
    let verdict = gatewright_engine::gates::judge(&FILE.gates[0], &evidence).verdict;
    assert!(!verdict.title.contains(['@', '<', '`', '\n']), "{}", verdict.title);
    inert::assert_inert(&verdict.summary);
    for annotation in &verdict.annotations {
        assert!(PATHS.contains(&annotation.path.as_str()) || annotation.path.is_empty(), "{}", annotation.path);
        assert!(annotation.start_line >= 1 && annotation.end_line >= annotation.start_line);
    }
});
