//! The keys of the repository file: one table, from which the reading, its messages and the JSON Schema come.

use super::benchmark::COMPARE;
use super::environments::keys as environments;
use super::policy::keys as policy;
use super::tree::quoted;
use super::{Benchmark, coverage, findings};

/// A mapping of the file.
pub(super) struct Table {
    /// What it is, for messages: "a gate".
    pub(super) what: &'static str,
    /// What it may hold.
    pub(super) keys: &'static [Key],
    /// What later versions take here. An error too, but one that says so: ignoring it would be to pass what was meant to
    /// be checked.
    pub(super) later: &'static [&'static str],
}

/// A key of a mapping.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// For editors.
    pub(super) about: &'static str,
}

/// What a key's value looks like.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// A name of a sandbox image.
    Image,
    /// A command for `sh -c`.
    Command,
    /// Names of variables with their values.
    Env,
    /// Gates by their names.
    Gates,
    /// Slash commands by their names.
    Commands,
    /// One role, user or team, or a list.
    Who,
    /// One gate's name, or a list.
    Needs,
    /// One glob of paths that changed, or a list; `!` takes paths out.
    PathGlobs,
    /// One path or glob of report files, or a list.
    ReportGlobs,
    /// One glob of files, or a list.
    FileGlobs,
    /// One folder of the workspace, or a list.
    Folders,
    /// One glob of branches, or a list.
    BranchGlobs,
    /// One event, or a list.
    Events,
    /// A span of time.
    Span,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number.
    Whole {
        /// At least this.
        least: u32,
        /// At most this.
        most: u32,
        /// What it is where it is not written.
        default: Option<u32>,
    },
    /// A number from 0 to 100 with at most two decimals.
    Percent,
    /// True or false.
    Flag {
        /// What it is where it is not written.
        default: bool,
    },
    /// A whole number within bounds.
    Number {
        /// The least that it can be.
        least: u64,
        /// The most.
        most: u64,
    },
    /// `true` for the usual files, one glob of paths, or a list.
    TrueOrGlobs,
    /// How a title is to be written.
    Style,
    /// One rule of commits, or a list.
    CommitRules,
    /// One type of change, or a list.
    Types,
    /// How large a change may be.
    Size,
    /// Files that must not be touched: globs, or a mapping of them.
    Forbidden,
    /// Who has to approve.
    Reviewers,
    /// One user or team, or a list.
    People,
    /// One word in which `*` may stand, or a list.
    Patterns,
    /// One glob of tags, or a list.
    TagGlobs,
    /// One file of the source.
    Path,
    /// One environment's name, or a list.
    After,
    /// Environments by their names.
    Environments,
    /// One role that may write, user or team, or a list.
    Writers,
    /// One day of the week or range of days, or a list.
    Days,
    /// A text of this form.
    Text(&'static Text),
    /// The same, or a number or a boolean, which is taken as it is written.
    Scalar(&'static Text),
    /// A span of time, in seconds.
    SpanWithin {
        /// At least this.
        least: u64,
        /// At most this.
        most: u64,
    },
    /// A number with decimals.
    Decimal {
        /// At least this.
        least: f64,
        /// At most this.
        most: f64,
    },
    /// One of these shapes.
    OneOf(&'static [Shape]),
    /// One of this shape, or a list of up to so many.
    OneOrMore(&'static Shape, usize),
    /// A list of this shape, of up to so many.
    List(&'static Shape, usize),
    /// Names with values.
    MapOf(&'static MapOf),
    /// A mapping of this table with exactly one of its keys.
    OneKey(&'static Table),
    /// A mapping of this table that has to have these of its keys.
    Needing(&'static Table, &'static [&'static str]),
    /// Pipelines by their names.
    Pipelines,
    /// Roles of agents by their names.
    Roles,
    /// One thing that a pipeline may hand over, or a list.
    Offerings,
    /// One tool of an agent, or a list.
    Tools,
    /// A program in the place of an agent.
    Program,
    /// What a gate brings from one run to the next.
    Cache,
    /// When a gate applies.
    When,
    /// A mapping of this table.
    Table(&'static Table),
    /// The same, with one key at least.
    Filled(&'static Table),
}

/// The form of a text.
pub(super) struct Text {
    /// As a pattern, for the JSON Schema.
    pub(super) pattern: fn() -> String,
    /// It may have so many bytes.
    pub(super) bytes_max: usize,
}

/// A mapping of names, which are not known beforehand, to values.
pub(super) struct MapOf {
    /// What names look like, as a pattern.
    pub(super) name: &'static str,
    pub(super) value: Shape,
    /// There may be so many.
    pub(super) most: usize,
}

/// A command is run so often again at most.
pub(super) const RETRIES_MAX: u32 = 5;

/// More than so many new failures are none that anybody allows.
pub(super) const NEW_FAILURES_MAX: u32 = 10_000;

pub(super) const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, about }
}

/// The file itself.
pub(super) static FILE: Table = Table {
    what: "the file",
    keys: &[
        key("image", Shape::Image, "The sandbox image of every gate that names no other."),
        key("env", Shape::Env, "Environment of every gate. A gate's own values go over these."),
        key("gates", Shape::Gates, "The gates, by name. They run in parallel as far as their needs allow."),
        key("releases", Shape::Needing(&environments::RELEASES, &["on"]), "Which tags are releases, and what they need."),
        key("environments", Shape::Environments, "Where releases go, by name."),
        key("agents", Shape::Pipelines, "Pipelines of agents, by name."),
        key("roles", Shape::Roles, "Roles of agents that are other than built in, or added, by name."),
        key("commands", Shape::Commands, "Who may give which slash command, where that differs from the default."),
    ],
    later: &[],
};

/// A command.
pub(super) static COMMAND: Table = Table {
    what: "a command",
    keys: &[key("who", Shape::Who, "A role (`read`, `write`, `maintain`, `admin`), `@user` or `@org/team`, or a list of them.")],
    later: &[],
};

/// A gate.
pub(super) static GATE: Table = Table {
    what: "a gate",
    keys: &[
        key("run", Shape::Command, "The command, given to `sh -c` in the root of the source. Exit code 0 passes."),
        key("image", Shape::Image, "The sandbox image."),
        key("env", Shape::Env, "Environment of this gate."),
        key("needs", Shape::Needs, "Gates that must have passed before this one begins."),
        key("when", Shape::When, "When the gate applies. Where it does not, its check is reported as skipped."),
        key("timeout", Shape::Span, "Its time limit: `90s`, `10m`, `1h30m`, or a number of seconds; 1 s to 24 h."),
        key("junit", Shape::ReportGlobs, "JUnit XML files that the command writes, relative to the root of the source."),
        key(
            "tests",
            Shape::ReportGlobs,
            "Test reports in any format: JUnit XML, `go test -json`, libtest's and nextest's JSON, TAP. Instead of `junit`.",
        ),
        key(
            "retries",
            Shape::Whole { least: 0, most: RETRIES_MAX, default: Some(0) },
            "How often the command is run again in a fresh sandbox while the gate fails.",
        ),
        key(
            "coverage",
            Shape::OneOf(&[Shape::ReportGlobs, Shape::Needing(&coverage::COVERAGE, &["of"])]),
            "Coverage reports that the command writes: LCOV, Cobertura, JaCoCo, Clover, Go, OpenCover, coverage.py, llvm-cov; or \
             `of`, gates whose coverage counts together.",
        ),
        key(
            "findings",
            Shape::ReportGlobs,
            "Reports of linters, compilers and scanners that the command writes: SARIF, Checkstyle, rdjson, ESLint, Cargo, Semgrep, \
             Trivy, gitleaks, cargo-audit.",
        ),
        key("sarif", Shape::ReportGlobs, "The same as `findings`, by the name of the most common format."),
        key(
            "code-scanning",
            Shape::Flag { default: false },
            "Whether findings are uploaded to the forge's code scanning, where it has one and the App may write it.",
        ),
        key(
            "benchmark",
            Shape::ReportGlobs,
            "Benchmark reports that the command writes, or folders of them: Criterion, hyperfine, Go, pytest-benchmark, Google \
             Benchmark, JMH, `cargo bench`, plain JSON.",
        ),
        key("compare", Shape::Word(COMPARE), "What benchmarks are compared with: earlier runs, or the base, measured in turn."),
        key(
            "rounds",
            Shape::Whole { least: Benchmark::ROUNDS_MIN, most: Benchmark::ROUNDS_MAX, default: Some(Benchmark::ROUNDS_DEFAULT) },
            "How often base and head are measured in turn.",
        ),
        key(
            "prepare",
            Shape::Command,
            "Run once in base and head before the rounds: what need not be measured, such as a build.",
        ),
        key("require", Shape::Table(&REQUIRE), "What the gate's reports have to say for it to pass."),
        key(
            "outputs",
            Shape::ReportGlobs,
            "Files to keep as long as the run is, for people to look at: at most 100, of 64 MiB each.",
        ),
        key("cache", Shape::Cache, "Folders that are brought from one run to the next."),
        key("network", Shape::Flag { default: false }, "Whether the gate may reach a network."),
        key("required", Shape::Flag { default: true }, "Whether the aggregate check fails when this gate does."),
        key("checkout", Shape::Table(&CHECKOUT), "What of the source is fetched beside the commit's own files."),
    ],
    later: &["matrix", "services"],
};

/// A gate's `require`.
pub(super) static REQUIRE: Table = Table {
    what: "`require`",
    keys: &[
        key("lines", Shape::Percent, "So many percent of the lines that can be run have to be run."),
        key("branches", Shape::Percent, "So many percent of the branches have to be taken."),
        key("changed-lines", Shape::Percent, "So many percent of the lines that the change adds have to be run."),
        key(
            "drop-at-most",
            Shape::Percent,
            "The part of all lines that is run may be so many percentage points less than on the base.",
        ),
        key("touched", Shape::PathGlobs, "Globs of paths, one of which must have changed; `!glob` takes paths out again."),
        key(
            "changelog",
            Shape::TrueOrGlobs,
            "A changelog that must have a new line under `Unreleased`; `true` for `CHANGELOG.md`.",
        ),
        key("title", Shape::Style, "How the pull request's title is to be written."),
        key("commits", Shape::CommitRules, "What every commit has to be: `conventional`, `signed-off`."),
        key("types", Shape::Types, "The types that a conventional title or message may have; any if not written."),
        key("size-at-most", Shape::Size, "How large the change may be."),
        key("forbidden", Shape::Forbidden, "Globs of files that must not be added or changed."),
        key("links", Shape::TrueOrGlobs, "Markdown files whose relative links have to lead somewhere; `true` for `**/*.md`."),
        key("reviewers", Shape::Reviewers, "Who has to approve: `codeowners`, or rules by path."),
        key("dependencies", Shape::Table(&policy::DEPENDENCIES), "What may come in by lock files."),
        key(
            "new-failures-at-most",
            Shape::Whole { least: 0, most: NEW_FAILURES_MAX, default: None },
            "Only failures that the base does not have count, and so many of them may be.",
        ),
        key("tests-drop-at-most", Shape::Percent, "So many percent fewer tests than on the base may be run."),
        key(
            "new",
            Shape::Filled(&findings::LIMITS),
            "So many findings that the base does not have at most; no error if not written.",
        ),
        key("total", Shape::Filled(&findings::LIMITS), "So many findings at most, new or not."),
        key("slower-at-most", Shape::Percent, "A benchmark may be so many percent slower than on the base."),
    ],
    later: &[],
};

/// A gate's `cache`.
pub(super) static CACHE: Table = Table {
    what: "`cache`",
    keys: &[
        key("paths", Shape::Folders, "Folders to bring from one run to the next, relative to the root of the source."),
        key("key", Shape::ReportGlobs, "Files of the source, such as a lock file: a change of them makes the cache anew."),
    ],
    later: &[],
};

/// What of `require` is about which reports: a gate that asks for it needs one of them.
pub(super) static REQUIRE_OF: &[Asked] = &[
    Asked { of: "coverage", reports: &["coverage"], keys: &["lines", "branches", "changed-lines", "drop-at-most"] },
    Asked { of: "tests", reports: &["junit", "tests"], keys: &["new-failures-at-most", "tests-drop-at-most"] },
    Asked { of: "findings", reports: &["sarif", "findings"], keys: &["new", "total"] },
    Asked { of: "benchmarks", reports: &["benchmark"], keys: &["slower-at-most"] },
];

/// Some keys of `require`.
pub(super) struct Asked {
    /// What they ask for, for messages.
    pub(super) of: &'static str,
    /// The keys of a gate that name such reports.
    pub(super) reports: &'static [&'static str],
    pub(super) keys: &'static [&'static str],
}

/// A gate's `when`.
pub(super) static WHEN: Table = Table {
    what: "`when`",
    keys: &[
        key("changed", Shape::PathGlobs, "Globs of paths, one of which must have changed; `!glob` takes paths out again."),
        key("paths", Shape::PathGlobs, "Another name of `changed`."),
        key("branches", Shape::BranchGlobs, "Globs of branches that the change must be going to."),
        key("events", Shape::Events, "The events that the gate runs for; pull requests and merge groups if not written."),
    ],
    later: &[],
};

/// A gate's `checkout`.
pub(super) static CHECKOUT: Table = Table {
    what: "`checkout`",
    keys: &[
        key("submodules", Shape::Flag { default: false }, "Fetch submodules too."),
        key(
            "lfs",
            Shape::Flag { default: false },
            "Fetch the content of files that are kept in Git LFS, instead of their pointers.",
        ),
    ],
    later: &[],
};

/// What to say of a key that a table does not have.
pub(super) fn unknown(table: &Table, key: &str) -> String {
    if table.later.contains(&key) {
        return format!("`{key}` is not supported by this version of Gatewright");
    }
    match meant(table, key) {
        Some(name) => format!("unknown key {}; did you mean `{name}`?", quoted(key)),
        None => {
            let names = table.keys.iter().map(|key| key.name);
            format!("unknown key {}; {} takes {}", quoted(key), table.what, listed(names))
        }
    }
}

/// The key of a table that was most likely meant by one that it does not have.
pub(super) fn meant(table: &Table, key: &str) -> Option<&'static str> {
    nearest(key, table.keys.iter().map(|key| key.name))
}

/// The name that was most likely meant. None where no name is near.
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    // Long words are no slips of a name, and the distance of very long ones is dear to compute.
    let length = word.chars().count().min(100);
    let word: String = word.chars().take(100).collect();
    let distances = names.map(|name| (strsim::osa_distance(&word, &name.to_lowercase()), name));
    let near = |&(distance, name): &(usize, &str)| distance <= 1.max(length.max(name.len()) / 3) && distance < length;
    distances.filter(near).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// `a`, `b` and `c`, or the first 20 of them.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] if names.len() <= 20 => format!("{} and {last}", first.join(", ")),
        [..] => format!("{} and {} more", names[..20].join(", "), names.len() - 20),
    }
}
