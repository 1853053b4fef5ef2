//! What policy gates say of a change, as people read it.

use gatewright_core::config::{GateConfig, RepoConfig, parse};
use gatewright_core::event::User;
use gatewright_core::survey::{Approval, Changed, CommitFacts, Commits, Content, Contents, FileChange, PullFacts, Side, Survey};
use gatewright_core::verdict::{Evidence, Exit, Verdict, VerdictStatus};
use gatewright_engine::gates;
use insta::assert_snapshot;

use super::{judge, shown};

/// A gate without a command that asks for this.
fn gate(require: &str) -> GateConfig {
    let file = format!("gates:\n  t: {{ require: {{ {require} }} }}\n");
    let RepoConfig { gates, .. } = parse(&file).unwrap_or_else(|problems| panic!("{problems:?}"));
    gates.into_iter().next().unwrap()
}

/// A change, made of what matters to a test.
#[derive(Default)]
struct Change(Survey);

impl Change {
    fn new() -> Change {
        Change(Survey { changes: Some(Vec::new()), ..Survey::default() })
    }

    fn file(mut self, path: &str, how: Changed, lines: (u64, u64), bytes: u64) -> Change {
        let change = FileChange { path: path.to_owned(), how, added: Some(lines.0), removed: Some(lines.1), bytes };
        self.0.changes.get_or_insert_default().push(change);
        self
    }

    fn modified(self, path: &str) -> Change {
        self.file(path, Changed::Modified, (1, 1), 100)
    }

    fn content(mut self, side: Side, path: &str, text: &str) -> Change {
        let Contents { files, .. } = &mut self.0.contents;
        files.push(Content { side, path: path.to_owned(), bytes: text.to_owned().into() });
        if side == Side::Head {
            self.0.files.push(path.to_owned());
        }
        self
    }

    fn diff(mut self, diff: &str) -> Change {
        self.0.diff = Some(diff.to_owned().into());
        self
    }

    fn commit(mut self, id: char, parents: usize, message: &str) -> Change {
        let (author, email) = ("Alice".to_owned(), "alice@example.com".to_owned());
        let id = id.to_string().repeat(40).parse().unwrap();
        let commit = CommitFacts { id, parents, author, email, message: message.to_owned() };
        self.0.commits.get_or_insert_default().list.push(commit);
        self
    }

    fn pull(mut self, title: &str, approvals: &[(u64, &str, &[&str])]) -> Change {
        let author = User { id: 1, login: "alice".to_owned() };
        let approval = |(id, login, teams): &(u64, &str, &[&str])| Approval {
            by: User { id: *id, login: (*login).to_owned() },
            teams: teams.iter().map(|team| (*team).to_owned()).collect(),
        };
        let approvals = Some(approvals.iter().map(approval).collect());
        self.0.pull = Some(PullFacts { title: title.to_owned(), author, approvals });
        self
    }

    fn judged(self, require: &str) -> Verdict {
        let Change(survey) = self;
        judge(&gate(require), &Evidence { survey: Some(survey), ..Evidence::of(Exit::Code { code: 0 }) })
    }

    /// Status, title and annotations, and what the check's page says.
    fn said(self, require: &str) -> String {
        let verdict = self.judged(require);
        format!("{}\n\n{}", shown(&verdict), verdict.summary)
    }
}

#[test]
fn a_change_of_code_without_docs_is_told_what_to_touch() {
    assert_snapshot!(Change::new().modified("app/a.rs").said("touched: ['docs/**', CHANGELOG.md]"), @r"
    Failed: the one changed file matches none of `docs/**`, `CHANGELOG.md`

    | rule | | |
    |---|---|---|
    | `touched` | ❌ | The one changed file matches none of `docs/**`, `CHANGELOG.md` |

    What to do:

    - `touched`: Change one of these files too. Where there is nothing to change, somebody with the right to can pass the gate: `/gw skip GATE REASON`.
    ");
    assert_snapshot!(Change::new().modified("app/a.rs").modified("docs/a.md").said("touched: ['docs/**']"), @r"
    Passed: `touched` is kept

    | rule | | |
    |---|---|---|
    | `touched` | ✅ | The change touches `docs/a.md` |
    ");
    let moved = Changed::Renamed { from: "docs/old.md".to_owned() };
    let moved_away = Change::new().file("old.md", moved, (0, 0), 5);
    assert_eq!(moved_away.judged("touched: ['docs/**']").status, VerdictStatus::Passed);
}

#[test]
fn what_is_compared_with_nothing_is_not_judged_and_no_pass() {
    assert_snapshot!(Change::default().said("touched: a, links: true"), @r"
    Skipped: 2 rules are not judged

    | rule | | |
    |---|---|---|
    | `touched` | not judged | There is no commit that this one is compared with |
    | `links` | not judged | There is no commit that this one is compared with |
    ");
    assert_snapshot!(shown(&Change::default().pull("feat: x", &[]).judged("touched: a, title: conventional")), @"Passed: `title` is kept, `touched` is not judged");
}

#[test]
fn a_source_that_cannot_be_asked_is_an_error() {
    let cause = "the source could not be fetched: gone".to_owned();
    let verdict = judge(&gate("touched: a"), &Evidence::of(Exit::NotStarted { cause }));
    assert_eq!(verdict.status, VerdictStatus::Errored);
}

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

#[test]
fn forbidden_files_are_told_where_they_are() {
    let change = || {
        Change::new()
            .file("keys/a.pem", Changed::Added, (1, 0), 5)
            .file("db/2020.sql", Changed::Modified, (1, 1), 5)
            .file("db/2021.sql", Changed::Removed, (0, 5), 0)
            .file("db/new.sql", Changed::Renamed { from: "db/2022.sql".to_owned() }, (0, 0), 5)
    };
    assert_snapshot!(change().said("forbidden: { added: '**/*.pem', changed: 'db/*.sql', removed: 'db/*.sql' }"), @r"
    Failed: 4 files must not be touched like that
    Failure keys/a.pem:1 Forbidden: This file is added by the change, which the repository's policy forbids.
    Failure db/2020.sql:1 Forbidden: This file is changed by the change, which the repository's policy forbids.

    | rule | | |
    |---|---|---|
    | `forbidden` | ❌ | 4 files must not be touched like that |

    What to do:

    - `forbidden`: Take them out of the change (`git checkout BASE -- FILE`, `git rm FILE`). Where it has to be, somebody with the right to can pass the gate: `/gw skip GATE REASON`.

    What must not be:

    - `keys/a.pem` is added
    - `db/2020.sql` is changed
    - `db/2021.sql` is removed
    - `db/2022.sql` is removed, by giving it another name
    ");
    assert_snapshot!(shown(&change().judged("forbidden: ['*.exe']")), @"Passed: `forbidden` is kept");
}

#[test]
fn links_that_lead_nowhere_are_told_at_their_lines() {
    let guide =
        "# Guide\n\n[a](other.md#second-part) [b](gone.md) ![c](../pic.png)\n\n[d](#guide) [e](#nowhere) [f](https://x/y)\n";
    let change = Change::new()
        .modified("docs/guide.md")
        .file("docs/gone.md", Changed::Removed, (0, 1), 0)
        .content(Side::Head, "docs/guide.md", guide)
        .content(Side::Head, "docs/other.md", "# Other\n\n## Second part\n\n[old](nothing.md)\n[gone](./gone.md)\n")
        .content(Side::Head, "pic.png", "");
    assert_snapshot!(change.said("links: true"), @r"
    Failed: 3 of 6 relative links lead nowhere
    Failure docs/guide.md:3 Broken link: The link `gone.md` leads nowhere: there is no `docs/gone.md`.
    Failure docs/guide.md:5 Broken link: The link `#nowhere` leads nowhere: `docs/guide.md` has no heading `#nowhere`.
    Failure docs/other.md:6 Broken link: The link `./gone.md` leads nowhere: there is no `docs/gone.md`.

    | rule | | |
    |---|---|---|
    | `links` | ❌ | 3 of 6 relative links lead nowhere |

    What to do:

    - `links`: Make the links lead to what is there; they are named below.

    Links that lead nowhere:

    - `docs/guide.md:3`: `gone.md`: there is no `docs/gone.md`
    - `docs/guide.md:5`: `#nowhere`: `docs/guide.md` has no heading `#nowhere`
    - `docs/other.md:6`: `./gone.md`: there is no `docs/gone.md`
    ");
    let untouched = Change::new().modified("a.rs").content(Side::Head, "README.md", "[x](nothing.md)");
    assert_snapshot!(shown(&untouched.judged("links: true")), @"Passed: the change touches no relative link");
    let mut behind_others =
        Change::new().modified("a.md").content(Side::Head, "a.md", "[x](lib/README.md) [y](src/) [z](src/b.rs)");
    behind_others.0.others = vec!["lib".to_owned()];
    behind_others.0.files.push("src/b.rs".to_owned());
    assert_snapshot!(shown(&behind_others.judged("links: true")), @"Passed: 3 relative links lead somewhere");
}

#[test]
fn approvals_count_by_rule_and_never_the_authors_own() {
    let require = "reviewers: [{ paths: 'db/**', from: ['@octo/dba', '@dora'], count: 2 }, { count: 1 }]";
    let change = |approvals: &[(u64, &str, &[&str])]| Change::new().modified("db/a.sql").pull("x", approvals);
    assert_snapshot!(change(&[(1, "alice", &["octo/dba"]), (2, "Dora", &[])]).said(require), @r"
    Failed: an approval is still missing

    | rule | | |
    |---|---|---|
    | `reviewers` | ❌ | An approval is still missing |

    What to do:

    - `reviewers`: Ask them for a review; once they have approved, `/gw rerun` looks again.

    There are:

    - 1 of 2 approvals by `@octo/dba`, `@dora` for `db/**`
    ");
    let enough: &[(u64, &str, &[&str])] = &[(2, "Dora", &[]), (3, "eve", &["octo/dba"])];
    assert_snapshot!(shown(&change(enough).judged(require)), @"Passed: `reviewers` is kept");
    assert_snapshot!(shown(&Change::new().modified("a.rs").pull("x", &[]).judged("reviewers: { paths: 'db/**' }")), @"Passed: `reviewers` is kept");
    assert_snapshot!(Change::new().modified("a.rs").said("reviewers: { from: '@a' }"), @r"
    Skipped: `reviewers` is not judged

    | rule | | |
    |---|---|---|
    | `reviewers` | not judged | There is no pull request here that could be reviewed |
    ");
}

#[test]
fn owners_are_those_of_the_base_branch() {
    let change = |approvals: &[(u64, &str, &[&str])]| {
        Change::new()
            .modified("src/a.rs")
            .modified("docs/a.md")
            .content(Side::Base, "CODEOWNERS", "* @octo/core\n/docs/ @dora\n")
            .pull("x", approvals)
    };
    assert_snapshot!(change(&[(2, "dora", &[])]).said("reviewers: codeowners"), @r"
    Failed: not every changed file has an owner's approval

    | rule | | |
    |---|---|---|
    | `reviewers` | ❌ | Not every changed file has an owner's approval |

    What to do:

    - `reviewers`: Ask them for a review; once they have approved, `/gw rerun` looks again.

    One of these owners is missing:

    - `@octo/core` of `src/a.rs`
    ");
    let both: &[(u64, &str, &[&str])] = &[(2, "dora", &[]), (3, "eve", &["octo/core"])];
    assert_snapshot!(shown(&change(both).judged("reviewers: codeowners")), @"Passed: `reviewers` is kept");
    assert_snapshot!(Change::new().modified("a").pull("x", &[]).said("reviewers: codeowners"), @r"
    Failed: `reviewers` is broken

    | rule | | |
    |---|---|---|
    | `reviewers` | ❌ | The base branch has no `CODEOWNERS` |

    What to do:

    - `reviewers`: Add one to the base branch (`.github/CODEOWNERS`, `CODEOWNERS`, `docs/CODEOWNERS`, `.gitlab/CODEOWNERS`), or take `reviewers: codeowners` out of the repository file.
    ");
}

fn crates(packages: &[(&str, &str, &str)]) -> String {
    let one = |(name, version, source): &(&str, &str, &str)| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n\n")
    };
    packages.iter().map(one).collect()
}

const INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn what_comes_in_and_leaves_by_a_lock_file_is_listed() {
    let before = crates(&[("gone", "1.0.0", INDEX), ("up", "1.0.0", INDEX), ("moved", "1.0.0", INDEX)]);
    let after =
        crates(&[("moved", "1.0.0", "registry+https://crates.example/i"), ("new", "0.1.0", INDEX), ("up", "1.2.0", INDEX)]);
    let change = || {
        Change::new().modified("Cargo.lock").content(Side::Base, "Cargo.lock", &before).content(Side::Head, "Cargo.lock", &after)
    };
    assert_snapshot!(change().said("dependencies: {}"), @r"
    Passed: 1 package came in, 1 left, 2 changed
    Warning Cargo.lock:2 Dependency from another place: `moved` comes from `crates.example/i` now. Before, it came from `crates.io`.

    | rule | | |
    |---|---|---|
    | `dependencies` | ✅ | 1 package came in, 1 left, 2 changed |

    | package | | before | now | from | licence |
    |---|---|---|---|---|---|
    | ⚠️ `moved` (Cargo) | moved | `1.0.0` | `1.0.0` | `crates.example/i`, was `crates.io` | unknown |
    | `new` (Cargo) | new |  | `0.1.0` | `crates.io` | unknown |
    | `gone` (Cargo) | gone | `1.0.0` |  |  |  |
    | `up` (Cargo) | up | `1.0.0` | `1.2.0` | `crates.io` | unknown |
    ");
    assert_eq!(change().judged("dependencies: {}").change, "packages: 1 in, 1 out, 2 changed");
    assert_snapshot!(change().said("dependencies: { new-at-most: 0, sources: crates.io }"), @r"
    Failed: 1 package came in, 0 may; 1 package has a source or a licence that is not allowed
    Failure Cargo.lock:2 Dependency not allowed: `moved` comes from `crates.example/i`, which the repository's policy does not allow.

    | rule | | |
    |---|---|---|
    | `dependencies` | ❌ | 1 package came in, 0 may; 1 package has a source or a licence that is not allowed |

    What to do:

    - `dependencies`: Take these packages from another place or do without them; the list below names them.

    | package | | before | now | from | licence |
    |---|---|---|---|---|---|
    | ❌ `moved` (Cargo) | moved | `1.0.0` | `1.0.0` | `crates.example/i`, was `crates.io` | unknown |
    | `new` (Cargo) | new |  | `0.1.0` | `crates.io` | unknown |
    | `gone` (Cargo) | gone | `1.0.0` |  |  |  |
    | `up` (Cargo) | up | `1.0.0` | `1.2.0` | `crates.io` | unknown |
    ");
    assert_snapshot!(shown(&Change::new().modified("a.rs").judged("dependencies: {}")), @"Passed: `dependencies` is kept");
}

#[test]
fn licences_are_judged_as_far_as_they_are_known() {
    let after = r#"{"lockfileVersion": 3, "packages": {
  "node_modules/free": {"version": "1.0.0", "license": "MIT OR GPL-3.0-only"},
  "node_modules/@all/bound": {"version": "2.0.0", "license": "AGPL-3.0-or-later"},
  "node_modules/un<b>known": {"version": "3.0.0"}
}}"#;
    let added = Change::new().file("web/package-lock.json", Changed::Added, (5, 0), 50);
    let change = added.content(Side::Head, "web/package-lock.json", after);
    assert_snapshot!(change.said("dependencies: { licences: { deny: ['GPL-*', 'AGPL-*'] } }"), @r"
    Failed: 1 package has a source or a licence that is not allowed
    Failure web/package-lock.json:3 Dependency not allowed: `@all/bound` is under `AGPL-3.0-or-later`, which the repository's policy does not allow.

    | rule | | |
    |---|---|---|
    | `dependencies` | ❌ | 1 package has a source or a licence that is not allowed |

    What to do:

    - `dependencies`: Take these packages from another place or do without them; the list below names them.

    | package | | before | now | from | licence |
    |---|---|---|---|---|---|
    | ❌ `@all/bound` (npm) | new |  | `2.0.0` | `the configured registry` | `AGPL-3.0-or-later` |
    | `free` (npm) | new |  | `1.0.0` | `the configured registry` | `MIT OR GPL-3.0-only` |
    | `un<b>known` (npm) | new |  | `3.0.0` | `the configured registry` | unknown |

    Of 1 package the lock files do not tell the licence; it was not looked at.
    ");
}

#[test]
fn a_lock_file_that_cannot_be_read_is_no_pass() {
    let broken = Change::new().modified("Cargo.lock").content(Side::Head, "Cargo.lock", "version = 4\n<<<<<<< ours\n");
    assert_snapshot!(broken.said("dependencies: {}"), @r"
    Failed: `dependencies` is broken
    Failure Cargo.lock:2 Lock file cannot be read: `` line 2, column 9: key with no value, expected `=` ``.

    | rule | | |
    |---|---|---|
    | `dependencies` | ❌ | `Cargo.lock` cannot be read |

    What to do:

    - `dependencies`: Let the package manager write the lock file anew; the annotations name the places.

    `Cargo.lock`: `` line 2, column 9: key with no value, expected `=` ``
    ");
    let left_out = Change::new().modified("yarn.lock");
    assert_snapshot!(shown(&left_out.judged("dependencies: {}")), @r"
    Failed: `dependencies` is broken
    Failure yarn.lock:1 Lock file cannot be read: `it is too large, or no regular file`.
    ");
}

#[test]
fn several_rules_give_one_verdict() {
    let change = Change::new().modified("app/a.rs").pull("feat: x", &[]);
    assert_snapshot!(change.said("touched: 'docs/**', title: conventional, forbidden: 'app/*.rs', commits: conventional"), @r"
    Failed: `touched` and 1 more rule are broken, `commits: conventional` is not judged
    Failure app/a.rs:1 Forbidden: This file is changed by the change, which the repository's policy forbids.

    | rule | | |
    |---|---|---|
    | `touched` | ❌ | The one changed file matches none of `docs/**` |
    | `title` | ✅ | The title is conventional: `feat: x` |
    | `commits: conventional` | not judged | There is no commit that this one is compared with |
    | `forbidden` | ❌ | 1 file must not be touched like that |

    What to do:

    - `touched`: Change one of these files too. Where there is nothing to change, somebody with the right to can pass the gate: `/gw skip GATE REASON`.
    - `forbidden`: Take them out of the change (`git checkout BASE -- FILE`, `git rm FILE`). Where it has to be, somebody with the right to can pass the gate: `/gw skip GATE REASON`.

    What must not be:

    - `app/a.rs` is changed
    ");
}

#[test]
fn rules_are_kept_beside_a_command_too() {
    let file = "image: a\ngates:\n  t: { run: x, require: { touched: 'docs/**' } }\n";
    let config = parse(file).unwrap().gates.remove(0);
    let evidence = |code| Evidence { survey: Some(Change::new().modified("docs/a").0), ..Evidence::of(Exit::Code { code }) };
    assert_snapshot!(shown(&judge(&config, &evidence(0))), @"Passed: `touched` is kept");
    assert_snapshot!(shown(&judge(&config, &evidence(1))), @"Failed: exit code 1; `touched` is kept");
}

#[test]
fn a_gate_asks_for_no_more_than_it_needs() {
    let wanted = gates::survey_wanted(&gate("title: conventional"));
    assert!(wanted.is_empty(), "a title needs no source");
    assert!(gates::pull_wanted(&gate("title: conventional")));
    let wanted = gates::survey_wanted(&gate("touched: a"));
    assert!(wanted.changes && !wanted.commits && wanted.contents.is_empty() && !wanted.diff);
    assert!(gates::survey_wanted(&gate("commits: signed-off")).commits);
    assert!(gates::base_wanted(&gate("touched: a")));
}
