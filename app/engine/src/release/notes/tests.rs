use gatewright_core::forge::{PullRef, ReleasedCommit, ReleasedCommits};
use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn commit(message: &str, pulls: &[(u64, &str, &str)]) -> ReleasedCommit {
    let pull = |(number, title, author): &(u64, &str, &str)| PullRef {
        number: *number,
        title: (*title).to_owned(),
        author: (*author).to_owned(),
        labels: Vec::new(),
    };
    ReleasedCommit {
        id: "1234567890123456789012345678901234567890".parse().expect("valid"),
        message: message.to_owned(),
        author: "Mona Lisa".to_owned(),
        login: None,
        pulls: pulls.iter().map(pull).collect(),
    }
}

fn of(commits: Vec<ReleasedCommit>) -> ReleasedCommits {
    let compare_url = Some("https://github.com/octo/app/compare/1...2".to_owned());
    ReleasedCommits { commits, compare_url, ..ReleasedCommits::default() }
}

fn shown(commits: Vec<ReleasedCommit>) -> String {
    let commits = of(commits);
    notes(&Notes { commits: &commits, previous: Some("v1.0.0"), tag: "v1.1.0", artefacts: &[], forge: ForgeKind::Github })
}

#[test]
fn what_breaks_comes_first_and_the_sections_have_their_order() {
    let text = shown(vec![
        commit("chore: tidy up", &[]),
        commit("fix(api): answer 404 (#12)", &[(12, "fix(api): answer 404", "hubot")]),
        commit("feat!: drop the old API\n\nBREAKING CHANGE: /v1 is gone; use /v2", &[(13, "feat!: drop", "octocat")]),
        commit("feat(ui): dark mode", &[]),
        commit("docs: how to release", &[]),
        commit("Update the thing", &[]),
        commit("perf: half the time", &[]),
        commit("Revert \"feat: too early\"\n\nThis reverts commit abc.", &[]),
        commit("wip: not a type of ours", &[]),
    ]);
    assert_snapshot!(text, @r#"
    ## Breaking changes

    - drop the old API (#13 by octocat)
      - /v1 is gone; use /v2

    ## Features

    - **ui:** dark mode (by Mona Lisa)

    ## Fixes

    - **api:** answer 404 (#12 by hubot)

    ## Performance

    - half the time (by Mona Lisa)

    ## Reverted

    - Revert "feat: too early" (by Mona Lisa)

    ## Documentation

    - how to release (by Mona Lisa)

    ## Under the hood

    - tidy up (by Mona Lisa)

    ## Other changes

    - Update the thing (by Mona Lisa)
    - not a type of ours (by Mona Lisa)

    [All that changed from v1.0.0 to v1.1.0](https://github.com/octo/app/compare/1...2)
    "#);
}

#[test]
fn a_merge_is_left_out_where_its_commits_are_listed_and_stands_for_them_where_they_say_nothing() {
    let merged = (7, "Faster search", "octocat");
    let said = (8, "Whatever", "hubot");
    let text = shown(vec![
        commit("wip", &[merged]),
        commit("try again", &[merged]),
        commit("Merge pull request #7 from octo/fast\n\nFaster search", &[merged]),
        commit("fix: first", &[said]),
        commit("fix: second", &[said]),
        commit("Merge pull request #8 from octo/x", &[said]),
        commit("Merge branch 'main' into release", &[]),
        commit("Only one commit (#9)", &[(9, "feat: its title is not what was merged", "hubot")]),
    ]);
    assert_snapshot!(text, @r"
    ## Fixes

    - first (#8 by hubot)
    - second (#8 by hubot)

    ## Other changes

    - Faster search (#7 by octocat)
    - Only one commit (#9 by hubot)

    [All that changed from v1.0.0 to v1.1.0](https://github.com/octo/app/compare/1...2)
    ");
}

#[test]
fn nothing_that_people_wrote_takes_effect() {
    let text = shown(vec![
        commit("fix: closes #1, fixes GH-2, thanks @octo/team & <img src=x onerror=alert(1)> [x](http://evil)", &[]),
        commit("feat(`<b>`): **bold** !3 %4 ~5 $6 &7 https://evil.example www.evil.example", &[(1, "x", "<script>")]),
        commit("- [ ] a list\n# heading\n<!-- gatewright:sticky -->", &[]),
        commit("fix: a\u{202e}b\u{1b}[31m\rc", &[]),
    ]);
    assert_snapshot!(text, @r"
    ## Features

    - **\`&lt;b&gt;\`:** \*\*bold\*\* !&#8203;3 %&#8203;4 \~&#8203;5 \$&#8203;6 &amp;&#8203;7 https&#58;//evil.example www&#46;evil.example (#1 by &lt;script&gt;)

    ## Fixes

    - closes &#35;&#8203;1, fixes GH-&#8203;2, thanks &#64;&#8203;octo/team &amp;&#8203; &lt;img src=x onerror=alert(1)&gt; \[x\](http&#58;//evil) (by Mona Lisa)

    ## Other changes

    - &#8203;- \[ \] a list (by Mona Lisa)
    - fix: ab c (by Mona Lisa)

    [All that changed from v1.0.0 to v1.1.0](https://github.com/octo/app/compare/1...2)
    ");
}

#[test]
fn gitlab_names_merge_requests_in_its_own_way_and_artefacts_have_their_sums() {
    let commits = of(vec![commit("fix: a", &[(5, "fix: a", "mona")])]);
    let artefacts = [
        Artefact { name: "app.tar.gz".to_owned(), sha256: "0".repeat(64) },
        Artefact { name: "```\n@all".to_owned(), sha256: "1".repeat(64) },
    ];
    let of = Notes { commits: &commits, previous: Some("1.0"), tag: "1.1", artefacts: &artefacts, forge: ForgeKind::Gitlab };
    assert_snapshot!(notes(&of), @r"
    ## Fixes

    - a (!5 by mona)

    ## SHA-256 checksums

    ````text
    0000000000000000000000000000000000000000000000000000000000000000  app.tar.gz
    1111111111111111111111111111111111111111111111111111111111111111  ``` @all
    ````

    [All that changed from 1.0 to 1.1](https://github.com/octo/app/compare/1...2)
    ");
}

#[test]
fn a_first_release_without_commits_says_so() {
    let commits = ReleasedCommits::default();
    let of = Notes { commits: &commits, previous: None, tag: "v1", artefacts: &[], forge: ForgeKind::Github };
    assert_snapshot!(notes(&of), @"No changes since the release before.");
    let unread = ReleasedCommits { more: 1, ..ReleasedCommits::default() };
    assert_snapshot!(notes(&Notes { commits: &unread, ..of }), @"What it brings is too much to be listed.");
}

#[test]
fn an_address_that_would_leave_its_brackets_is_not_shown() {
    for url in ["javascript:alert(1)", "https://x/)[y](z", "https://x y", "https://x/<b>"] {
        let commits = ReleasedCommits { compare_url: Some(url.to_owned()), ..ReleasedCommits::default() };
        let of = Notes { commits: &commits, previous: Some("v0"), tag: "v1", artefacts: &[], forge: ForgeKind::Github };
        assert!(!notes(&of).contains("All that changed"), "{url}");
    }
}

#[test]
fn what_does_not_fit_is_counted() {
    let long = "word ".repeat(60);
    let many: Vec<ReleasedCommit> = (0..1_000).map(|n| commit(&format!("fix: {n} {long}"), &[])).collect();
    let commits = ReleasedCommits { more: 5, ..of(many) };
    let artefacts = [Artefact { name: "app".to_owned(), sha256: "0".repeat(64) }];
    let of = Notes { commits: &commits, previous: Some("v0"), tag: "v1", artefacts: &artefacts, forge: ForgeKind::Github };
    let text = notes(&of);
    assert!(text.len() <= GITHUB_BYTES_MAX && text.len() > GITHUB_BYTES_MAX - 1_000, "{}", text.len());
    let listed = text.lines().filter(|line| line.starts_with("- ")).count();
    assert!(text.contains(&format!("… and {} more changes.", 1_005 - listed)));
    assert!(text.contains("  app\n") && text.ends_with("(https://github.com/octo/app/compare/1...2)"), "the end is kept");
}

proptest! {
    #[test]
    fn no_commit_makes_a_line_of_its_own_kind(message in ".{0,200}", scope in "[^\n]{0,20}", title in ".{0,80}") {
        let text = shown(vec![
            commit(&message, &[]),
            commit(&format!("feat({scope}): {message}"), &[(1, &title, &title)]),
            commit("Merge pull request #2 from x", &[(2, &title, &scope)]),
        ]);
        for line in text.lines().filter(|line| !line.is_empty()) {
            prop_assert!(["- ", "## ", "  ", "[All that changed from v1.0.0 to v1.1.0](https://"].iter().any(|start| line.starts_with(start)), "{line}");
            prop_assert!(!line.contains('@') && !line.contains('<') || line.starts_with('['), "{line}");
        }
    }
}
