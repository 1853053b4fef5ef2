//! What a change tells of itself: changelog, title, commits, and how large it is.

use super::*;

const LOG: &str = "# Changes\n\n## [Unreleased]\n\n### Added\n\n- A new thing.\n\n## 1.0\n\n- The first.\n";

fn log_with(hunk: &str) -> Change {
    let diff = format!("--- a/CHANGELOG.md\n+++ b/CHANGELOG.md\n{hunk}");
    Change::new().modified("CHANGELOG.md").content(Side::Head, "CHANGELOG.md", LOG).diff(&diff)
}

#[test]
fn a_changelog_entry_is_a_new_line_under_unreleased() {
    assert_snapshot!(log_with("@@ -6,0 +7 @@\n+- A new thing.\n").said("changelog: true"), @r#"
    Passed: `changelog` is kept

    | rule | | |
    |---|---|---|
    | `changelog` | ✅ | `CHANGELOG.md` has a new line under "Unreleased": line 7 |
    "#);
    assert_snapshot!(log_with("@@ -10,0 +11 @@\n+- The first.\n").said("changelog: true"), @r#"
    Failed: `changelog` is broken
    Failure CHANGELOG.md:3 No changelog entry: This change adds no line here. Say there what this change is for the users, in a line of its own.

    | rule | | |
    |---|---|---|
    | `changelog` | ❌ | `CHANGELOG.md` has no new line under "Unreleased" |

    What to do:

    - `changelog`: Say there what this change is for the users, in a line of its own.
    "#);
    let heading_only = log_with("@@ -4,0 +5,2 @@\n+### Added\n+\n");
    assert_eq!(heading_only.judged("changelog: true").status, VerdictStatus::Failed);
    let none = Change::new().modified("a.rs").diff("");
    assert_snapshot!(none.said("changelog: true"), @r"
    Failed: `changelog` is broken

    | rule | | |
    |---|---|---|
    | `changelog` | ❌ | No file matches `CHANGELOG.md` |

    What to do:

    - `changelog`: Add the file, with a heading `## Unreleased` and a line on what this change is for its users.
    ");
    let without = Change::new().content(Side::Head, "CHANGELOG.md", "# 1.0\n- x\n").diff("");
    assert_snapshot!(without.said("changelog: CHANGELOG.md"), @r#"
    Failed: `changelog` is broken

    | rule | | |
    |---|---|---|
    | `changelog` | ❌ | `CHANGELOG.md` has no heading "Unreleased" |

    What to do:

    - `changelog`: Add a heading `## Unreleased`. Say there what this change is for the users, in a line of its own.
    "#);
}

#[test]
fn a_title_is_conventional_or_says_how_to_be() {
    let said = |title: &str, require: &str| Change::new().pull(title, &[]).said(require);
    assert_snapshot!(said("feat(parser)!: read arrays", "title: conventional"), @r"
    Passed: `title` is kept

    | rule | | |
    |---|---|---|
    | `title` | ✅ | The title is conventional: `feat(parser)!: read arrays` |
    ");
    assert_snapshot!(said("Read @everyone `arrays`", "title: conventional"), @r"
    Failed: `title` is broken

    | rule | | |
    |---|---|---|
    | `title` | ❌ | The title `` Read @everyone `arrays` `` is not conventional: `` missing type in the commit summary, expected `type: description` `` |

    What to do:

    - `title`: Give the pull request another title, such as `feat(parser): read arrays`, `fix: …`, or `feat!: …` for what breaks its users; then `/gw rerun`, if the gate does not run by itself.
    ");
    assert_snapshot!(said("chore: tidy", "title: conventional, types: [feat, fix]"), @r"
    Failed: `title` is broken

    | rule | | |
    |---|---|---|
    | `title` | ❌ | The title `chore: tidy` is not conventional: the type `chore` is none of `feat`, `fix` |

    What to do:

    - `title`: Give the pull request another title, such as `feat(parser): read arrays`, `fix: …`, or `feat!: …` for what breaks its users; then `/gw rerun`, if the gate does not run by itself.
    ");
    assert_eq!(Change::new().pull("Draft: fix: it", &[]).judged("title: conventional").status, VerdictStatus::Passed);
    assert_snapshot!(Change::new().said("title: conventional"), @r"
    Skipped: `title` is not judged

    | rule | | |
    |---|---|---|
    | `title` | not judged | There is no pull request here that could have a title |
    ");
}

#[test]
fn commits_are_judged_but_for_merges() {
    let change = || {
        Change::new()
            .commit('a', 1, "fix: it\n\nSigned-off-by: Alice <alice@example.com>")
            .commit('b', 2, "Merge branch 'main' into topic")
            .commit('c', 1, "Make it work\n\nSigned-off-by: Bob <bob@example.com>")
            .commit('d', 1, "fixup! fix: it")
            .commit('e', 1, "Revert \"fix: it\"\n\nsigned-off-by: alice <ALICE@example.com>")
    };
    assert_snapshot!(change().said("commits: [conventional, signed-off]"), @r"
    Failed: `commits: conventional` and 1 more rule are broken

    | rule | | |
    |---|---|---|
    | `commits: conventional` | ❌ | 2 of 4 commits are not conventional |
    | `commits: signed-off` | ❌ | 2 of 4 commits are not signed off |

    What to do:

    - `commits: conventional`: Write their messages anew (`git rebase --interactive`) and push again. Right are `feat(parser): read arrays`, `fix: …`, or `feat!: …` for what breaks its users.
    - `commits: signed-off`: Sign them off (`git rebase --signoff BASE`, or `git commit --amend --signoff` for one) and push again.

    Not conventional:

    - ccccccc `Make it work`: `` missing type in the commit summary, expected `type: description` ``
    - ddddddd `fixup! fix: it`: it is to be squashed (`git rebase --autosquash`)

    Not signed off:

    - ccccccc `Make it work`: it is signed off by `bob@example.com`, and its author is `alice@example.com`
    - ddddddd `fixup! fix: it`: it has no line `Signed-off-by:` of `alice@example.com`
    ");
    let right = Change::new().commit('a', 1, "fix: it\n\nSigned-off-by: Alice <alice@example.com>");
    assert_snapshot!(shown(&right.judged("commits: [conventional, signed-off]")), @"Passed: 2 rules are kept");
}

#[test]
fn a_change_of_which_not_all_commits_are_known_is_no_pass() {
    let mut change = Change::new().commit('a', 1, "fix: it");
    change.0.commits.get_or_insert_default().incomplete = true;
    assert_snapshot!(change.said("commits: conventional"), @r"
    Failed: the change has more commits than can be looked at (1000), or its history has no beginning in common

    | rule | | |
    |---|---|---|
    | `commits: conventional` | ❌ | The change has more commits than can be looked at (1000), or its history has no beginning in common |

    What to do:

    - `commits: conventional`: Bring the branch up to date with its base, or split the change.
    ");
    assert_eq!(Commits::MAX, 1000, "the message says how many");
}

#[test]
fn a_large_change_names_what_is_largest() {
    let change = || {
        Change::new()
            .file("a.rs", Changed::Modified, (300, 100), 9_000)
            .file("gen/b.rs", Changed::Added, (5_000, 0), 90_000)
            .file("Cargo.lock", Changed::Modified, (900, 900), 90_000)
            .file("pic|ture.png", Changed::Added, (0, 0), 2_000_000)
    };
    let require = "size-at-most: { files: 1, lines: 300, file-bytes: 1000000, except: gen/** }";
    assert_snapshot!(change().said(require), @r"
    Failed: `size-at-most` is broken
    Failure pic|ture.png:1 Too large: This file has 2000000 bytes; 1000000 are allowed.

    | rule | | |
    |---|---|---|
    | `size-at-most` | ❌ | 2 files changed, 1 are allowed; 400 lines added or removed, 300 are allowed; more than 1000000 bytes in `pic\|ture.png` |

    What to do:

    - `size-at-most`: Split the change, keep large files elsewhere, or take generated files out with `size-at-most.except` in the repository file.

    The largest of what has changed:

    | file | lines | bytes |
    |---|--:|--:|
    | `a.rs` | +300 −100 | 9000 |
    | `pic\|ture.png` | +0 −0 | 2000000 |
    ");
    assert_snapshot!(shown(&change().judged("size-at-most: { lines: 400, except: gen/** }")), @"Passed: 2 files and 400 lines changed");
}
