//! The keys of `releases` and `environments`.

use super::values::{NAME, PATH_OF_HEALTH, PIN, SECRET, TEMPLATE, TEMPLATED_IMAGE, TIME, TIME_OF_END, URL, ZONE};
use crate::config::keys::{Key, MapOf, Shape, Table, key};
use crate::config::values::ENV_MAX;

/// Things that wait do so for this long at most, unless the file says otherwise: 7 days.
pub(super) const DEADLINE_SECS: u64 = 7 * DAY_SECS;

const DAY_SECS: u64 = 24 * 3600;

/// So many people can be asked to agree.
pub(super) const APPROVALS_MAX: u32 = 20;

/// An environment may have so many windows.
pub(super) const WINDOWS_MAX: usize = 20;

/// There may be so many hooks of a kind. They run one after the other.
pub(super) const HOOKS_MAX: usize = 20;

/// A version may have so many instances in an environment.
pub(super) const REPLICAS_MAX: u32 = 100;

/// A canary may have so many steps.
pub(super) const STEPS_MAX: usize = 50;

/// A command of an instance may have so many words.
pub(super) const WORDS_MAX: usize = 100;

/// The least that Docker starts a container with, and 1 TiB.
pub(super) const MEMORY_MIB: (u32, u32) = (6, 1024 * 1024);

/// Thousandths of a processor: from a hundredth of one to 1,024.
pub(super) const CPUS_MILLI: (u32, u32) = (10, 1_024_000);

/// How long something may wait: a minute at least, since what waits is looked at now and then; 30 days at most.
pub(super) const WAIT: Spans = Spans { least: 60, most: 30 * DAY_SECS };

/// How long an environment before must have had a release.
pub(super) const SOAK: Spans = Spans { least: 1, most: 30 * DAY_SECS };

/// How long a step of a canary lasts.
pub(super) const STEP: Spans = Spans { least: 1, most: 7 * DAY_SECS };

/// Between two batches, and what may as well not be.
pub(super) const PAUSE: Spans = Spans { least: 0, most: 7 * DAY_SECS };

/// How often an instance is asked whether it is ready, and how long it has to answer.
pub(super) const ASKED: Spans = Spans { least: 1, most: 300 };

/// How long an instance has to become ready, or to stop.
pub(super) const READY: Spans = Spans { least: 1, most: 3600 };

/// The least and the most that a span of time can be, in seconds.
#[derive(Clone, Copy)]
pub(super) struct Spans {
    pub(super) least: u64,
    pub(super) most: u64,
}

impl Spans {
    const fn shape(self) -> Shape {
        Shape::SpanWithin { least: self.least, most: self.most }
    }
}

/// The words of `notes`, `signed`, `busy`, `start`, `drift` and `preview`.
pub(super) const NOTES: &[&str] = &["conventional", "none"];
pub(super) const SIGNED: &[&str] = &["tag", "commit", "either"];
pub(super) const BUSY: &[&str] = &["wait", "supersede"];
pub(super) const START: &[&str] = &["release", "command"];
pub(super) const DRIFT: &[&str] = &["report", "restore"];
pub(super) const PREVIEW: &[&str] = &["none", "manual"];

/// The strategies, each with its table.
pub(super) const STRATEGIES: &[&str] = &["recreate", "rolling", "blue-green", "canary"];

/// `releases`.
pub(in crate::config) static RELEASES: Table = Table {
    what: "`releases`",
    keys: &[
        key("on", Shape::Needing(&ON, &["tag"]), "What a release begins with."),
        key("require", Shape::Needs, "Gates that must have passed for the tag's commit. They are run where no result is known."),
        key("notes", Shape::Word(NOTES), "Where the release's notes come from; `conventional` if not written."),
        key("signed", Shape::Word(SIGNED), "What has to be signed, as the forge verifies it; nothing if not written."),
        key("artefacts", Shape::ReportGlobs, "Globs of gates' `outputs` that are attached to the release, with checksums."),
        key("changelog", Shape::Path, "A file, to which a pull request adds each release's notes."),
    ],
    later: &[],
};

pub(super) static ON: Table = Table {
    what: "`on`",
    keys: &[key("tag", Shape::TagGlobs, "One glob of tags, or a list. A tag that matches one and is a version is a release.")],
    later: &[],
};

/// An environment.
pub(in crate::config) static ENVIRONMENT: Table = Table {
    what: "an environment",
    keys: &[
        key("target", Shape::OneKey(&TARGET), "What runs there; that of the environment it comes `after` if not written."),
        key("strategy", STRATEGY, "How traffic moves to a new version; `rolling` if not written."),
        key("url", Shape::Text(&URL), "Where people find it."),
        key("after", Shape::After, "Environments in which a release must have arrived before."),
        key("soak", SOAK.shape(), "A release must have been there for so long: `1h`, `2d`; up to 30 days."),
        key("approvals", APPROVALS, "So many people have to agree, or who they have to be."),
        key("windows", WINDOWS, "When promotion may begin; always if not written."),
        key("busy", Shape::Word(BUSY), "What a release does that finds another one on its way; `wait` if not written."),
        key("start", Shape::Word(START), "Whether releases come by themselves or by a command; `release` if not written."),
        key("deadline", WAIT.shape(), "A release that waits for longer is given up; `7d` if not written."),
        key("prereleases", Shape::Flag { default: false }, "Whether pre-releases such as `v1.4.0-rc.1` come here."),
        key("analysis", Shape::Table(&super::analysis::ANALYSIS), "How a new version is judged."),
        key("hooks", Shape::Filled(&HOOKS), "Commands in sandboxes around a rollout: migrations, smoke tests."),
        key("drift", Shape::Word(DRIFT), "What is done about what runs and was not released; `report` if not written."),
    ],
    later: &[],
};

const APPROVALS: Shape =
    Shape::OneOf(&[Shape::Whole { least: 0, most: APPROVALS_MAX, default: Some(0) }, Shape::Table(&APPROVERS)]);

/// `approvals`, where it is no number.
pub(super) static APPROVERS: Table = Table {
    what: "`approvals`",
    keys: &[
        key("count", Shape::Whole { least: 1, most: APPROVALS_MAX, default: Some(1) }, "So many of them have to agree."),
        key("who", Shape::Writers, "A role from `write` on, `@user` or `@org/team`, or a list of them."),
        key("author", Shape::Flag { default: true }, "Whether who made the tag, or wrote its commit, counts."),
    ],
    later: &[],
};

const WINDOWS: Shape = Shape::OneOrMore(&Shape::Filled(&WINDOW), WINDOWS_MAX);

/// One of `windows`.
pub(super) static WINDOW: Table = Table {
    what: "a window",
    keys: &[
        key("days", Shape::Days, "A day (`mon` to `sun`), a range (`mon-fri`), or a list of them; every day if not written."),
        key("from", Shape::Text(&TIME), "The time at which it opens, `09:00`; midnight if not written."),
        key(
            "to",
            Shape::Text(&TIME_OF_END),
            "The time at which it closes, up to `24:00`; before `from` it is that of the next day.",
        ),
        key("zone", Shape::Text(&ZONE), "The IANA name of the time zone, such as `Europe/Berlin`; `UTC` if not written."),
    ],
    later: &[],
};

const STRATEGY: Shape = Shape::OneOf(&[Shape::Word(STRATEGIES), Shape::OneKey(&STRATEGY_KEYS)]);

/// `strategy`, where it is no word.
pub(super) static STRATEGY_KEYS: Table = Table {
    what: "`strategy`",
    keys: &[
        key("recreate", Shape::Table(&RECREATE), "The old version ends, then the new one starts."),
        key("rolling", Shape::Table(&ROLLING), "In batches."),
        key("blue-green", Shape::Table(&BLUE_GREEN), "The new version beside the old one, then everything at once."),
        key("canary", Shape::Table(&CANARY), "More and more of the requests."),
    ],
    later: &[],
};

pub(super) static RECREATE: Table = Table { what: "`recreate`", keys: &[], later: &[] };

pub(super) static ROLLING: Table = Table {
    what: "`rolling`",
    keys: &[
        key(
            "batch",
            Shape::Whole { least: 1, most: 100, default: Some(25) },
            "So many percent of the instances at once, one at least.",
        ),
        key("every", PAUSE.shape(), "Between two batches; none if not written."),
    ],
    later: &[],
};

pub(super) static BLUE_GREEN: Table = Table {
    what: "`blue-green`",
    keys: &[
        key("preview", Shape::Word(PREVIEW), "Whether somebody has to say `promote` before the switch; `none` if not written."),
        key(
            "watch",
            PAUSE.shape(),
            "What is measured for so long after the switch decides whether it stands; `5m` if not written.",
        ),
        key("keep", PAUSE.shape(), "The old version is kept for so long after that; `1h` if not written."),
    ],
    later: &[],
};

pub(super) static CANARY: Table = Table {
    what: "`canary`",
    keys: &[
        key(
            "steps",
            Shape::List(&Shape::OneOf(&[PERCENT, Shape::Needing(&STEP_KEYS, &["percent"])]), STEPS_MAX),
            "Percentages of the requests, ascending to 100; `[5, 25, 50, 100]` if not written.",
        ),
        key("every", STEP.shape(), "How long a step lasts that does not say so itself; `5m` if not written."),
        key("keep", PAUSE.shape(), "The old version is kept for so long after the last step; `10m` if not written."),
        key("pin", Shape::OneKey(&PIN_KEYS), "What testers send to get the new version at once, with the value `canary`."),
    ],
    later: &[],
};

const PERCENT: Shape = Shape::Whole { least: 0, most: 100, default: None };

/// One of `steps`, where it is no number.
pub(super) static STEP_KEYS: Table = Table {
    what: "a step",
    keys: &[
        key("percent", PERCENT, "So many percent of the requests."),
        key(
            "hold",
            Shape::OneOf(&[Shape::Word(&["manual"]), STEP.shape()]),
            "How long it lasts, or `manual`: until somebody says `promote`.",
        ),
    ],
    later: &[],
};

/// `pin`.
pub(super) static PIN_KEYS: Table = Table {
    what: "`pin`",
    keys: &[key("header", Shape::Text(&PIN), "The name of a header."), key("cookie", Shape::Text(&PIN), "The name of a cookie.")],
    later: &[],
};

/// `hooks`.
pub(super) static HOOKS: Table = Table {
    what: "`hooks`",
    keys: &[
        key("before", HOOK, "Before anything is deployed: migrations."),
        key("preview", HOOK, "Once the new version is there, and before it gets the users' requests: smoke tests."),
        key("after", HOOK, "Once everything goes to the new version. One that fails rolls back."),
    ],
    later: &[],
};

const HOOK: Shape = Shape::OneOrMore(&Shape::Needing(&HOOK_KEYS, &["name", "run"]), HOOKS_MAX);

/// A hook.
pub(super) static HOOK_KEYS: Table = Table {
    what: "a hook",
    keys: &[
        key("name", Shape::Text(&NAME), "Its name, once in the environment."),
        key("run", Shape::Command, "The command, given to `sh -c` in the root of the source. Exit code 0 passes."),
        key("image", Shape::Image, "The sandbox image; the file's if not written."),
        key("env", Shape::Env, "Environment of this hook."),
        key("timeout", Shape::Span, "Its time limit: `90s`, `10m`, `1h30m`, or a number of seconds; 1 s to 24 h."),
        key("network", Shape::Flag { default: false }, "Whether it may reach a network."),
    ],
    later: &[],
};

/// `target`.
pub(super) static TARGET: Table = Table {
    what: "`target`",
    keys: &[
        key("docker", Shape::Needing(&DOCKER, &["service", "image"]), "Containers."),
        key("exec", Shape::Needing(&EXEC, &["service"]), "Whatever the operator's own commands make of it."),
    ],
    later: &["kubernetes"],
};

const SERVICE: Key = key("service", Shape::Text(&NAME), "The service, as the server file knows it.");
const REPLICAS: Key =
    key("replicas", Shape::Whole { least: 1, most: REPLICAS_MAX, default: Some(1) }, "How many instances a version has.");

/// `docker`.
pub(super) static DOCKER: Table = Table {
    what: "`docker`",
    keys: &[
        SERVICE,
        key("image", Shape::Text(&TEMPLATED_IMAGE), "The image; `{{ version }}` and the like are filled in."),
        key("command", Shape::List(&WORD, WORDS_MAX), "The command's words, in the place of the image's own."),
        REPLICAS,
        key(
            "port",
            Shape::Whole { least: 1, most: 65_535, default: Some(8080) },
            "The port that it listens on, within the container.",
        ),
        key("health", Shape::Table(&HEALTH), "How it is found out whether an instance is ready."),
        key("env", Shape::MapOf(&INSTANCE_ENV), "Environment: texts, or `{ secret: NAME }`."),
        key(
            "memory-mib",
            Shape::Whole { least: MEMORY_MIB.0, most: MEMORY_MIB.1, default: None },
            "Memory of an instance, in MiB; no bound if not written.",
        ),
        key("cpus", Shape::Decimal { least: 0.01, most: 1024.0 }, "Processors of an instance; no bound if not written."),
        key("stop", READY.shape(), "An instance that is told to stop has so long to do so; `10s` if not written."),
    ],
    later: &[],
};

/// A text, or what YAML takes for a number or a boolean, with templates.
const WORD: Shape = Shape::Scalar(&TEMPLATE);

/// `health`.
pub(super) static HEALTH: Table = Table {
    what: "`health`",
    keys: &[
        key(
            "path",
            Shape::Text(&PATH_OF_HEALTH),
            "Asked for by GET and to be answered with 2xx or 3xx; that the port takes connections is enough if not written.",
        ),
        key("every", ASKED.shape(), "It is asked so often; `2s` if not written."),
        key("timeout", ASKED.shape(), "It has so long to answer; `2s` if not written."),
        key("ready-within", READY.shape(), "It has to have become ready after so long; `60s` if not written."),
    ],
    later: &[],
};

/// `env` of an instance.
pub(super) static INSTANCE_ENV: MapOf = MapOf {
    name: crate::config::schema::VARIABLE,
    value: Shape::OneOf(&[WORD, Shape::Needing(&SECRET_KEYS, &["secret"])]),
    most: ENV_MAX,
};

/// A value of `env` that is no text.
pub(super) static SECRET_KEYS: Table = Table {
    what: "a value that is a secret",
    keys: &[key("secret", Shape::Text(&SECRET), "The name of a secret that the server file gives to the service.")],
    later: &[],
};

/// `exec`.
pub(super) static EXEC: Table = Table {
    what: "`exec`",
    keys: &[
        SERVICE,
        key("with", Shape::MapOf(&WITH), "Whatever else the commands are told: names and texts."),
        REPLICAS,
        key("ready-within", READY.shape(), "An instance has to have become ready after so long; `60s` if not written."),
    ],
    later: &[],
};

/// `with`.
pub(super) static WITH: MapOf = MapOf { name: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}$", value: WORD, most: ENV_MAX };
