//! The keys of the server file: one table, from which the reading, its messages and the JSON Schema come.

pub(super) mod model;
pub(super) mod notify;
pub(super) mod target;

/// A table of the file.
pub(super) struct Table {
    /// What it is, for messages.
    pub(super) what: &'static str,
    /// What it may hold.
    pub(super) keys: &'static [Key],
}

/// A key of a table.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// For editors and for `docs/configuration.md`.
    pub(super) about: &'static str,
}

/// What a key's value looks like.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// `ADDRESS:PORT` to listen on.
    Listen,
    /// An http or https address.
    Url,
    /// An address of a forge, to which secrets are sent.
    ForgeUrl,
    /// Where the container engine listens.
    Engine,
    /// Where the store is.
    Store,
    /// Directives of the log's filter.
    LogLevel,
    /// A reference to a secret.
    Secret,
    /// A reference to a secret, or a list of them.
    Secrets,
    /// A whole number within bounds.
    Number { min: u64, max: u64, default: Option<u64> },
    /// A list of whole numbers within bounds, so many at most. It may be empty.
    Numbers { min: u64, max: u64, most: usize, default: &'static [u64] },
    /// A number within bounds.
    Real { min: f64, max: f64, default: Option<f64> },
    /// One of these words.
    Word { words: &'static [&'static str], default: Option<&'static str>, later: &'static [&'static str] },
    /// A table.
    Table(&'static Table),
    /// A list of tables, written `[[name]]`.
    Tables(&'static Table),
    /// A list of tables, each of which needs these keys.
    List(&'static Table, &'static [&'static str]),
    /// A text.
    Text,
    /// A list of texts, at least one.
    Texts,
    /// A table of references to secrets, by names that the operator chooses.
    SecretsByName,
    /// A query in which `{{ pool }}` stands for the name of a pool.
    Query,
}

const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, about }
}

const fn number(min: u64, max: u64, default: u64) -> Shape {
    Shape::Number { min, max, default: Some(default) }
}

/// The most that a limit in seconds can be: ten years. A larger number is a slip.
const SECS_MAX: u64 = 10 * 365 * 24 * 3600;

/// The file itself.
pub(super) static FILE: Table = Table {
    what: "the file",
    keys: &[
        key("server", Shape::Table(&SERVER), "The service's own address."),
        key("store", Shape::Table(&STORE), "Where deliveries, runs and logs are kept."),
        key("forge", Shape::Tables(&FORGE), "The forges that are served, one `[[forge]]` each."),
        key("sandbox", Shape::Table(&SANDBOX), "Where gates run, and within which bounds."),
        key("engine", Shape::Table(&ENGINE), "How runs are driven."),
        key("rollout", Shape::Table(&ROLLOUT), "How rollouts are driven."),
        key("target", Shape::List(&target::TARGET, &target::NEEDED), "Where releases may go, one `[[target]]` each."),
        key(
            "model",
            Shape::List(&model::MODEL, &model::NEEDED),
            "The providers of models that agents ask, one `[[model]]` each.",
        ),
        key("agents", Shape::Table(&model::AGENTS), "What agents may do."),
        key("notify", Shape::List(&notify::NOTIFY, &notify::NEEDED), "Whom is told of releases, one `[[notify]]` each."),
        key("log", Shape::Table(&LOG), "What is written to standard error."),
    ],
};

static SERVER: Table = Table {
    what: "`server`",
    keys: &[
        key("listen", Shape::Listen, "The address and port to listen on."),
        key("public_url", Shape::Url, "Where browsers reach the service. Without it checks have no details link."),
        key("connections_max", number(1, 100_000, 1024), "Connections at once. Further ones wait to be accepted."),
        key("header_secs", number(1, 600, 15), "A client that has not sent a whole request head after so long is cut off."),
    ],
};

static STORE: Table = Table {
    what: "`store`",
    keys: &[
        key("url", Shape::Store, "`sled:FOLDER`, relative to this file, or `memory:`, which is gone with the process."),
        key("retention_days", number(1, 3650, 30), "Finished runs, their logs and deliveries are kept so long."),
        key("cache_mib", number(1, 64 * 1024, 8), "So much of what was read or written last is kept in memory."),
        key("reserve_mib", number(0, 1024 * 1024, 64), "New deliveries are refused before less than this is left on the disk."),
    ],
};

/// One forge, of any kind.
static FORGE: Table = Table {
    what: "a forge",
    keys: &[
        key("kind", Shape::Word { words: &["github", "gitlab"], default: None, later: &[] }, "Which kind of forge it is."),
        key("api_url", Shape::ForgeUrl, "Where its API is; another host for a GitHub Enterprise Server."),
        key("url", Shape::ForgeUrl, "Where the GitLab is."),
        key("token", Shape::Secret, "The GitLab token that the service works with: a project's, a group's or a person's."),
        key("clone_token", Shape::Secret, "The token that git gets, where it is to be another one than `token`."),
        key(
            "clone_url",
            Shape::ForgeUrl,
            "Where repositories are cloned from, where that does not follow from the other address.",
        ),
        key("app_id", Shape::Number { min: 1, max: i64::MAX as u64, default: None }, "The number of the GitHub App."),
        key("private_key", Shape::Secret, "The App's private key in PEM."),
        key("webhook_secret", Shape::Secrets, "What deliveries are signed with; a list while it is being changed."),
        key("comments_per_minute", number(1, 100_000, 80), "New comments a minute, as many as the forge allows."),
        key("comments_per_hour", number(1, 1_000_000, 500), "New comments an hour, as many as the forge allows."),
        key("points_per_minute", number(10, 10_000_000, 900), "The forge's points a minute; a read costs 1, a write 5."),
        key("notes_per_minute", number(1, 100_000, 60), "New notes a minute, as many as the GitLab allows."),
        key("requests_per_minute", number(10, 10_000_000, 1000), "Requests a minute, as many as the GitLab allows."),
    ],
};

/// The keys that only one kind of forge has, and those of them that it needs.
pub(super) struct OfKind {
    pub(super) kind: &'static str,
    pub(super) own: &'static [&'static str],
    pub(super) needed: &'static [&'static str],
}

/// All kinds of forge.
pub(super) static KINDS: [OfKind; 2] = [
    OfKind {
        kind: "github",
        own: &["api_url", "app_id", "private_key", "comments_per_minute", "comments_per_hour", "points_per_minute"],
        needed: &["app_id", "private_key"],
    },
    OfKind {
        kind: "gitlab",
        own: &["url", "token", "clone_token", "notes_per_minute", "requests_per_minute"],
        needed: &["token"],
    },
];

/// The key without which commands do not run on the machine itself.
pub(super) const HOST_CODE: &str = "host_code";

static SANDBOX: Table = Table {
    what: "`sandbox`",
    keys: &[
        key(
            "driver",
            Shape::Word { words: &["docker", "host"], default: Some("docker"), later: &["kubernetes"] },
            "What makes sandboxes. `host` runs commands on this machine itself, as the service's own user.",
        ),
        key(
            HOST_CODE,
            Shape::Word { words: &["trusted"], default: None, later: &[] },
            "Has to be `trusted` for the driver `host`: whoever can have a gate run gets this machine.",
        ),
        key(
            "engine",
            Shape::Engine,
            "The engine's address, `unix:///PATH` or `tcp://HOST:PORT`; else `DOCKER_HOST`, else the usual socket.",
        ),
        key(
            "pull",
            Shape::Word { words: &["missing", "never"], default: Some("missing"), later: &[] },
            "Whether a missing image is fetched.",
        ),
        key(
            "memory_mib",
            number(16, 4 * 1024 * 1024, 2048),
            "Memory of a sandbox's processes; its workspace and `/tmp` are in memory too, on top.",
        ),
        key("cpus", Shape::Real { min: 0.1, max: 1024.0, default: Some(2.0) }, "Processors of a sandbox."),
        key("pids", number(8, 1_000_000, 512), "Processes and threads of a sandbox at once."),
        key("disk_mib", number(1, 4 * 1024 * 1024, 2048), "Size of a sandbox's workspace."),
        key("wall_secs", number(1, 24 * 3600, 300), "Time limit of a gate that sets none itself."),
        key("concurrency", number(1, 10_000, 4), "Sandboxes open at once."),
        key("concurrency_per_repo", number(1, 10_000, 2), "Sandboxes of one repository open at once."),
        key(
            "cache_gib",
            number(1, 1_000_000, 10),
            "What gates bring from one run to the next takes so much of the disk at most.",
        ),
        key("cache_folder_mib", number(1, 1024 * 1024, 2048), "A larger folder is not brought to the next run."),
        key("cache_days", number(1, 3650, 30), "What no run has used for so long goes."),
    ],
};

static ENGINE: Table = Table {
    what: "`engine`",
    keys: &[
        key("runs_max", number(8, 100_000, 256), "Runs that are driven at once; driving is cheap, sandboxes are not."),
        key(
            "runs_per_repo_max",
            number(8, 100_000, 128),
            "Runs of one repository that are driven at once; one that is being rolled out is one of them.",
        ),
        key("lease_secs", number(3, 3600, 30), "A worker that is silent for so long loses its runs."),
        key("attempts_max", number(1, 100, 5), "A run is set aside after so many attempts that got nowhere."),
        key("sweep_secs", number(1, SECS_MAX, 180), "Missed deliveries and leftovers are looked for so often."),
        key("grace_secs", number(0, 20, 20), "After SIGTERM gates have so long to end before their runs are handed back."),
    ],
};

static ROLLOUT: Table = Table {
    what: "`rollout`",
    keys: &[
        key("measure_secs", number(1, 60, 10), "A rollout is looked at so often."),
        key(
            "baseline_secs",
            number(0, 3600, 60),
            "Before anybody gets the new version it is measured for so long what is usual.",
        ),
        key(
            "remind_after_secs",
            Shape::Numbers { min: 60, max: 30 * 24 * 3600, most: 20, default: &[4 * 3600, 24 * 3600, 3 * 24 * 3600] },
            "People are reminded of what waits for them after each of these; an empty list: never.",
        ),
        key("drain_secs", number(0, 3600, 30), "What an instance that is taken away has in flight is waited for so long."),
        key(
            "drift_secs",
            number(1, 3600, 30),
            "What runs is compared with what was released so often; changes that targets tell of, at once.",
        ),
    ],
};

static LOG: Table = Table {
    what: "`log`",
    keys: &[
        key("format", Shape::Word { words: &["human", "json"], default: Some("human"), later: &[] }, "How lines are written."),
        key(
            "level",
            Shape::LogLevel,
            "`error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,gatewright_engine=debug`.",
        ),
    ],
};

/// How loud the log can be.
pub(super) const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Table {
    /// The key of this name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        let keys: &'static [Key] = self.keys;
        keys.iter().find(|key| key.name == name)
    }

    /// What to say of a key that this table does not have.
    pub(super) fn unknown(&self, name: &str) -> String {
        let names = || self.keys.iter().map(|key| key.name);
        let shown = shown(name);
        match nearest(name, names()) {
            Some(near) => format!("unknown key `{shown}`; did you mean `{near}`?"),
            None => format!("unknown key `{shown}`; {} takes {}", self.what, listed(names())),
        }
    }
}

/// The name that was most likely meant. None where no name is near.
pub(super) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A long word is no slip of a name, and the distance of very long ones is dear to compute.
    let word: String = word.to_lowercase().chars().take(60).collect();
    let length = word.chars().count();
    let near = |&(distance, name): &(usize, &str)| distance <= 1.max(length.max(name.len()) / 3) && distance < length;
    names
        .map(|name| (strsim::osa_distance(&word, name), name))
        .filter(near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `a`, `b` and `c`.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A word of the file, fit for a message.
pub(super) fn shown(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(60).collect()
}
