//! The keys of `require` that ask something of the change itself.

use crate::config::keys::{Shape, Table, key};

/// Keys of `require` for which a gate needs no `run`.
pub(in crate::config) const NAMES: [&str; 10] =
    ["touched", "changelog", "title", "commits", "types", "size-at-most", "forbidden", "links", "reviewers", "dependencies"];

/// Keys of a gate that say nothing without `run`.
pub(in crate::config) const NEED_A_COMMAND: [&str; 13] = [
    "junit",
    "tests",
    "retries",
    "coverage",
    "sarif",
    "findings",
    "code-scanning",
    "benchmark",
    "compare",
    "rounds",
    "prepare",
    "outputs",
    "cache",
];

/// The most that a number of the file can be.
pub(in crate::config) const COUNT_MAX: u64 = 1_000_000_000_000;

/// So many approvals can be asked for.
pub(in crate::config) const REVIEWS_MAX: u64 = 20;

/// `require.size-at-most`.
pub(in crate::config) static SIZE: Table = Table {
    what: "`size-at-most`",
    keys: &[
        key("files", Shape::Number { least: 0, most: COUNT_MAX }, "So many files may be changed."),
        key("lines", Shape::Number { least: 0, most: COUNT_MAX }, "So many lines may be added and removed, together."),
        key("file-bytes", Shape::Number { least: 0, most: COUNT_MAX }, "So many bytes may a file have that is added or changed."),
        key("except", Shape::PathGlobs, "Globs of files that do not count. Lock files never do."),
    ],
    later: &[],
};

/// `require.forbidden`, where it is not a list.
pub(in crate::config) static FORBIDDEN: Table = Table {
    what: "`forbidden`",
    keys: &[
        key("added", Shape::PathGlobs, "Globs of files that must not be added, nor be given such a name."),
        key("changed", Shape::PathGlobs, "Globs of files whose content must not be changed."),
        key("removed", Shape::PathGlobs, "Globs of files that must not be removed, nor be given another name."),
    ],
    later: &[],
};

/// A rule of `require.reviewers`.
pub(in crate::config) static REVIEW: Table = Table {
    what: "a rule of `reviewers`",
    keys: &[
        key("paths", Shape::PathGlobs, "Globs of files; every change if not written."),
        key("from", Shape::People, "`@user` or `@org/team`, or a list of them; anybody if not written."),
        key("count", Shape::Number { least: 1, most: REVIEWS_MAX }, "So many of them have to approve; 1 if not written."),
    ],
    later: &[],
};

/// `require.dependencies`.
pub(in crate::config) static DEPENDENCIES: Table = Table {
    what: "`dependencies`",
    keys: &[
        key("new-at-most", Shape::Number { least: 0, most: COUNT_MAX }, "So many packages may come in that were not there."),
        key(
            "sources",
            Shape::Patterns,
            "Places that packages may come from: `crates.io`, `registry.npmjs.org`, `github.com/acme/*`.",
        ),
        key("licences", Shape::Table(&LICENCES), "Which licences are right, as far as lock files tell them."),
    ],
    later: &[],
};

/// `require.dependencies.licences`.
pub(in crate::config) static LICENCES: Table = Table {
    what: "`licences`",
    keys: &[
        key("allow", Shape::Patterns, "SPDX identifiers, such as `MIT` or `BSD-*`, one of which has to cover a package."),
        key("deny", Shape::Patterns, "SPDX identifiers, such as `AGPL-*`, that a package must not be under."),
    ],
    later: &[],
};
