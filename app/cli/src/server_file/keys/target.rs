//! The keys of `[[target]]`.

use super::{Key, OfKind, Shape, Table, key, number};

/// What a target needs.
pub(in crate::server_file) static NEEDED: [&str; 5] = ["service", "environment", "repository", "driver", "router"];

/// Where releases may go.
pub(in crate::server_file) static TARGET: Table = Table {
    what: "a target",
    keys: &[
        key("service", Shape::Text, "The service, as the repository file names it."),
        key("environment", Shape::Text, "The environment of the repository file."),
        key("repository", Shape::Text, "The one repository that it is opened to, `OWNER/NAME`."),
        key("forge", FORGE, "The repository's forge, where there are two."),
        key("driver", Shape::Word { words: &["docker", "exec"], default: None, later: &["kubernetes"] }, "What makes instances."),
        ENGINE,
        key("network", Shape::Text, "Of the driver `docker`: the engine's network that instances are in."),
        PULL,
        COMMAND,
        TIMEOUT,
        key("secrets", Shape::SecretsByName, "Secrets, by the names that the repository file uses for them."),
        key("router", Shape::Table(&ROUTER), "What shares requests out."),
        key(
            "metrics",
            Shape::List(&METRICS, &["kind"]),
            "What is measured; the first decides. The router's own counters without it.",
        ),
    ],
};

const FORGE: Shape = Shape::Word { words: &["github", "gitlab"], default: None, later: &[] };

const ENGINE: Key = key("engine", Shape::Engine, "Of the driver `docker`: the engine's address, as in `[sandbox]`.");

const PULL: Key = key(
    "pull",
    Shape::Word { words: &["missing", "never"], default: Some("missing"), later: &[] },
    "Of the driver `docker`: whether a missing image is fetched.",
);

const COMMAND: Key = key("command", Shape::Texts, "Of what is `exec`: the program and its arguments.");

const TIMEOUT: Key = key("timeout_secs", number(1, 3600, 60), "Of what is `exec` or `probe`: a call that takes longer is ended.");

/// The keys that only one driver has. Where a program may be the target's own, whoever reads it says that it is missing.
pub(in crate::server_file) static DRIVERS: [OfKind; 2] = [
    OfKind { kind: "docker", own: &["engine", "network", "pull"], needed: &[] },
    OfKind { kind: "exec", own: &["command", "timeout_secs"], needed: &[] },
];

static ROUTER: Table = Table {
    what: "`router`",
    keys: &[
        key("kind", Shape::Word { words: &["haproxy", "exec"], default: None, later: &[] }, "Which kind of router it is."),
        key(
            "socket",
            Shape::Text,
            "Where HAProxy's runtime API listens, `unix:///PATH` or `tcp://HOST:PORT`, with `level admin`.",
        ),
        key("backend", Shape::Text, "The backend of HAProxy, for this target alone."),
        key("servers_file", Shape::Text, "The file with the backend, in which its servers are kept for HAProxy's next start."),
        key("server_options", Shape::Text, "What each server is added with, such as how it is checked."),
        key("latency_table", Shape::Text, "HAProxy's table that counts answers by how long they took."),
        key("pin_map", Shape::Text, "HAProxy's map by which testers get a new version, as its configuration names it."),
        key("pin_header", Shape::Text, "The header by which its configuration knows testers."),
        key("pin_cookie", Shape::Text, "The cookie by which its configuration knows testers."),
        key(
            "reload_grace_secs",
            number(0, 86_400, 60),
            "So long the process of before a reload may have something in flight: HAProxy's `hard-stop-after`.",
        ),
        COMMAND,
        TIMEOUT,
    ],
};

/// The keys that only one kind of router has.
pub(in crate::server_file) static ROUTERS: [OfKind; 2] = [
    OfKind {
        kind: "haproxy",
        own: &[
            "socket",
            "backend",
            "servers_file",
            "server_options",
            "latency_table",
            "pin_map",
            "pin_header",
            "pin_cookie",
            "reload_grace_secs",
        ],
        needed: &["socket", "backend"],
    },
    OfKind { kind: "exec", own: &["command", "timeout_secs"], needed: &[] },
];

static METRICS: Table = Table {
    what: "`metrics`",
    keys: &[
        key(
            "kind",
            Shape::Word { words: &["haproxy", "prometheus", "probe", "exec"], default: None, later: &[] },
            "Which kind of source it is.",
        ),
        key("url", Shape::Url, "Where the Prometheus is."),
        key("token", Shape::Secret, "Sent to the Prometheus as a bearer token."),
        key("requests", Shape::Query, "A query for the requests of a pool: a counter."),
        key("errors", Shape::Query, "A query for those of them that failed: a counter."),
        key("latency", Shape::Query, "A query for the buckets of a histogram, by their `le`: counters."),
        key(
            "unit",
            Shape::Word { words: &["seconds", "milliseconds"], default: Some("seconds"), later: &[] },
            "What the bounds of `latency` are in.",
        ),
        key("path", Shape::Text, "The path that instances are probed by."),
        key("requests_per_reading", number(1, 1000, 10), "So many probes to each instance for each reading."),
        COMMAND,
        TIMEOUT,
    ],
};

/// The keys that only one kind of source has.
pub(in crate::server_file) static SOURCES: [OfKind; 4] = [
    OfKind { kind: "haproxy", own: &[], needed: &[] },
    OfKind {
        kind: "prometheus",
        own: &["url", "token", "requests", "errors", "latency", "unit"],
        needed: &["url", "requests", "errors"],
    },
    OfKind { kind: "probe", own: &["path", "requests_per_reading"], needed: &["path"] },
    OfKind { kind: "exec", own: &["command"], needed: &[] },
];
