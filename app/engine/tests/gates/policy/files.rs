//! What files a change may have, where their links lead, and who has to approve them.

use super::*;

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
    let left_out = |path: &str| {
        let mut change = Change::new().modified(path).content(Side::Head, "docs/a.md", "[x](a.md)");
        change.0.contents.left_out.push(path.to_owned());
        change
    };
    assert_snapshot!(left_out("docs/big.md").said("links: true"), @r"
    Failed: `links` is broken

    | rule | | |
    |---|---|---|
    | `links` | ❌ | `docs/big.md` cannot be looked at, being too large or too many |

    What to do:

    - `links`: Make the files smaller, or name in `links` only those that are to be looked at.
    ");
    assert_snapshot!(shown(&left_out("big.md").judged("links: 'docs/**'")), @"Passed: the change touches no relative link");
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
