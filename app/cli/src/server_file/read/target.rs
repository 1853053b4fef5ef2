//! Reads `[[target]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatewright_core::ForgeKind;
use gatewright_core::ids::EnvironmentName;
use gatewright_target::prometheus::{Query, Unit};
use gatewright_target::{haproxy, probe};

use super::super::keys::target::{DRIVERS, ROUTERS, SOURCES};
use super::super::keys::{OfKind, Shape, Table, shown};
use super::super::target::{MetricsTable, ProgramTable, RouterTable, Runs, TargetTable};
use super::super::tree::{Node, Origin, Value};
use super::super::{LocatedSecret, Pull};
use super::{Fields, Reader};

/// So many targets may be opened. More want a service of their own.
const TARGETS_MAX: usize = 200;

/// The engine's own network.
const NETWORK_DEFAULT: &str = "bridge";

/// A name of a service, a network or a backend may be so long.
const NAME_MAX: usize = 60;

impl Reader<'_> {
    /// All of them, each opened to one environment of one repository.
    pub(super) fn targets(&mut self, file: &Fields<'_>) -> Vec<TargetTable> {
        let nodes = self.list(file, "target", "targets are a list of tables, each written `[[target]]`");
        if let Some((node, _)) = nodes.get(TARGETS_MAX) {
            self.wrong(&node.origin, format!("there are more than {TARGETS_MAX} targets"));
        }
        let mut targets = Vec::new();
        let (mut places, mut backends) = (BTreeSet::new(), BTreeSet::new());
        for (node, table) in nodes.into_iter().take(TARGETS_MAX) {
            let fields = self.fields(node, table);
            let Some(target) = self.target(&fields) else { continue };
            // Containers are named after both.
            if !places.insert((target.service.clone(), target.environment.to_string())) {
                let what = format!("a second target of the service `{}` in `{}`", target.service, target.environment);
                self.wrong(&node.origin, format!("{what}; instances of both would have the same names"));
            }
            if let RouterTable::Haproxy(router) = &target.router
                && !backends.insert((router.address.to_string(), router.backend.clone()))
            {
                self.wrong(&node.origin, format!("the backend `{}` is another target's already", router.backend));
            }
            targets.push(target);
        }
        targets
    }

    /// The tables of a list that may be left out.
    pub(super) fn list<'n>(&mut self, fields: &Fields<'n>, name: &str, rule: &str) -> Vec<(&'n Node, &'static Table)> {
        let Shape::List(table, _) = fields.key(name).shape else { unreachable!("`{name}` is a list in the table of keys") };
        let Some(node) = fields.get(name) else { return Vec::new() };
        let Value::List(nodes) = &node.value else {
            self.wrong(&node.origin, format!("{rule}; found {node}"));
            return Vec::new();
        };
        nodes.iter().map(|node| (node, table)).collect()
    }

    fn target(&mut self, fields: &Fields<'_>) -> Option<TargetTable> {
        let service = self.name(fields, "service");
        let environment = self.environment(fields);
        let repository = self.repository(fields);
        let forge = self.word(fields, "forge").map(|word| if word == "gitlab" { ForgeKind::Gitlab } else { ForgeKind::Github });
        let secrets = self.secrets_by_name(fields);
        let runs = self.runs(fields);
        let own = match &runs {
            Some(Runs::Exec(program)) => Some(program.clone()),
            Some(Runs::Docker { .. }) | None => None,
        };
        let router = self.router(fields, own.as_ref());
        let metrics = self.metrics(fields, own.as_ref(), router.as_ref());
        Some(TargetTable {
            service: service?,
            environment: environment?,
            repository: repository?,
            forge,
            runs: runs?,
            secrets,
            router: router?,
            metrics,
        })
    }

    fn environment(&mut self, fields: &Fields<'_>) -> Option<EnvironmentName> {
        self.required(fields, "environment")?;
        let (origin, text) = self.text(fields, "environment")?;
        text.parse().map_err(|_| self.wrong(&origin, format!("an environment's name is {}", EnvironmentName::RULE))).ok()
    }

    fn repository(&mut self, fields: &Fields<'_>) -> Option<String> {
        self.required(fields, "repository")?;
        let (origin, text) = self.text(fields, "repository")?;
        let whole =
            text.split('/').count() >= 2 && text.split('/').all(|part| !part.is_empty()) && !text.contains(char::is_whitespace);
        if !whole || text.contains(':') {
            self.wrong(&origin, "expected the path of one repository, such as `octo/app`");
        }
        Some(text)
    }

    /// A name that becomes part of names of containers and of commands to HAProxy.
    fn name(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        self.required(fields, key)?;
        let (origin, text) = self.text(fields, key)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if text.len() > NAME_MAX || text.starts_with(['-', '.']) || !text.chars().all(plain) {
            self.wrong(
                &origin,
                format!("`{key}` is 1 to {NAME_MAX} letters, digits, '-', '_' or '.', not starting with '-' or '.'"),
            );
        }
        Some(text)
    }

    fn secrets_by_name(&mut self, fields: &Fields<'_>) -> BTreeMap<String, LocatedSecret> {
        let Some(node) = fields.get("secrets") else { return BTreeMap::new() };
        let Value::Table(entries) = &node.value else {
            self.wrong(&node.origin, format!("`secrets` is a table of references; found {node}"));
            return BTreeMap::new();
        };
        let secret = |entry: &super::super::tree::Entry| Some((entry.key.clone(), self.secret("secrets", &entry.node)?));
        entries.iter().filter_map(secret).collect()
    }

    fn runs(&mut self, fields: &Fields<'_>) -> Option<Runs> {
        let driver = self.of_kinds(fields, "driver", &DRIVERS)?;
        if driver == "exec" {
            return self.program(fields, None).map(Runs::Exec);
        }
        let pull = match self.word(fields, "pull") {
            Some("never") => Pull::Never,
            Some(_) | None => Pull::Missing,
        };
        let network = if fields.get("network").is_some() { self.name(fields, "network") } else { None };
        Some(Runs::Docker {
            engine: self.engine_address(fields),
            network: network.unwrap_or_else(|| NETWORK_DEFAULT.to_owned()),
            pull,
        })
    }

    /// The word of a table that says of which kind it is, and that it has no keys of another.
    pub(super) fn of_kinds(&mut self, fields: &Fields<'_>, name: &str, kinds: &[OfKind]) -> Option<&'static str> {
        self.required(fields, name)?;
        let kind = self.word(fields, name)?;
        let of = kinds.iter().find(|of| of.kind == kind)?;
        for entry in &fields.entries {
            let key = entry.key.as_str();
            let others: Vec<&str> = kinds.iter().filter(|other| other.own.contains(&key)).map(|other| other.kind).collect();
            if !others.is_empty() && !of.own.contains(&key) {
                self.wrong(
                    &entry.origin,
                    format!("`{key}` is a key of `{name}` = `{}`; this one is `{kind}`", others.join("` or `")),
                );
            }
        }
        for needed in of.needed {
            self.required(fields, needed);
        }
        Some(kind)
    }

    /// A program, or else the target's own.
    fn program(&mut self, fields: &Fields<'_>, own: Option<&ProgramTable>) -> Option<ProgramTable> {
        let timeout_secs = self.number(fields, "timeout_secs");
        let Some(node) = fields.get("command") else {
            if own.is_none() {
                self.wrong(&fields.origin, "`command` is missing: the program and its arguments");
            }
            return own.cloned();
        };
        let command = match &node.value {
            Value::List(nodes) if !nodes.is_empty() => nodes.iter().filter_map(|node| self.text_of(node)).collect(),
            Value::List(_)
            | Value::Text(_)
            | Value::Untyped(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Bool
            | Value::Date
            | Value::Table(_) => {
                self.wrong(&node.origin, format!("`command` is a list of texts, the program first; found {node}"));
                Vec::new()
            }
        };
        Some(ProgramTable { command, timeout_secs })
    }

    fn router(&mut self, target: &Fields<'_>, own: Option<&ProgramTable>) -> Option<RouterTable> {
        self.required(target, "router")?;
        let fields = self.table(target, "router");
        if self.of_kinds(&fields, "kind", &ROUTERS)? == "exec" {
            return self.program(&fields, own).map(RouterTable::Exec);
        }
        let address = self.text(&fields, "socket").and_then(|(origin, text)| {
            let address = text.parse::<haproxy::Address>();
            address.map_err(|rule| self.wrong(&origin, rule.to_string())).ok()
        });
        let backend = if fields.get("backend").is_some() { self.name(&fields, "backend") } else { None };
        let servers_file = self.text(&fields, "servers_file").map(|(_, path)| self.folder.join(path));
        let latency_table = if fields.get("latency_table").is_some() { self.name(&fields, "latency_table") } else { None };
        let pins = self.pins(&fields);
        let server_options = self.server_options(&fields);
        let reload_grace = Duration::from_secs(self.number(&fields, "reload_grace_secs"));
        Some(RouterTable::Haproxy(haproxy::Config {
            server_options: server_options.unwrap_or_else(|| haproxy::SERVER_OPTIONS.to_owned()),
            servers_file,
            latency_table,
            pins,
            reload_grace,
            ..haproxy::Config::new(address?, backend?)
        }))
    }

    fn server_options(&mut self, fields: &Fields<'_>) -> Option<String> {
        let (origin, text) = self.text(fields, "server_options")?;
        let mut words = text.split_whitespace();
        if let Some(word) =
            words.clone().find(|word| ["weight", "slowstart", "disabled", "backup", "cookie", "id"].contains(word))
        {
            self.wrong(&origin, format!("`{word}` is no option that servers can be added with here"));
        }
        if !words.any(|word| word == "check") {
            self.wrong(&origin, "it needs `check`: a server gets requests once a check has passed");
        }
        if text.contains([';', '\n', '\\', '#']) {
            self.wrong(&origin, "it is one line of HAProxy's options, without `;`, `\\` and `#`");
        }
        Some(text)
    }

    fn pins(&mut self, fields: &Fields<'_>) -> Option<haproxy::Pins> {
        let map = self.text(fields, "pin_map");
        let (header, cookie) = (self.text(fields, "pin_header"), self.text(fields, "pin_cookie"));
        let (origin, map) = match (map, &header, &cookie) {
            (Some(map), _, _) => map,
            (None, Some((origin, _)), _) | (None, None, Some((origin, _))) => {
                self.wrong(origin, "it is of no use without `pin_map`");
                return None;
            }
            (None, None, None) => return None,
        };
        if !map.starts_with('/') || map.contains([';', ' ', '\\']) {
            self.wrong(&origin, "expected the absolute path of the map, as HAProxy's configuration names it");
        }
        Some(haproxy::Pins { map, header: header.map(|(_, name)| name), cookie: cookie.map(|(_, name)| name) })
    }

    /// What is measured: without a word the router's own counters.
    fn metrics(&mut self, target: &Fields<'_>, own: Option<&ProgramTable>, router: Option<&RouterTable>) -> Vec<MetricsTable> {
        let nodes = self.list(target, "metrics", "metrics are a list of tables, each written `[[target.metrics]]`");
        let mut sources = Vec::new();
        for (node, table) in nodes {
            let fields = self.fields(node, table);
            sources.extend(self.source(&fields, &node.origin, own, router));
        }
        if sources.is_empty() { vec![MetricsTable::Router] } else { sources }
    }

    fn source(
        &mut self,
        fields: &Fields<'_>,
        origin: &Origin,
        own: Option<&ProgramTable>,
        router: Option<&RouterTable>,
    ) -> Option<MetricsTable> {
        match self.of_kinds(fields, "kind", &SOURCES)? {
            "haproxy" => {
                if let Some(RouterTable::Exec(_)) = router {
                    self.wrong(origin, "these are the counters of the router, and the router here is no HAProxy");
                }
                Some(MetricsTable::Router)
            }
            "prometheus" => self.prometheus(fields),
            "probe" => {
                let (origin, path) = self.text(fields, "path")?;
                if !path.starts_with('/') || path.contains(char::is_whitespace) {
                    self.wrong(&origin, "expected a path that begins with `/`");
                }
                let requests = self.small(fields, "requests_per_reading");
                // A default fit for programs would be long for a probe.
                let timeout = if fields.get("timeout_secs").is_some() { self.number(fields, "timeout_secs") } else { PROBE_SECS };
                Some(MetricsTable::Probe(probe::Config { path, requests, timeout: Duration::from_secs(timeout) }))
            }
            _ => self.program(fields, own).map(MetricsTable::Exec),
        }
    }

    fn prometheus(&mut self, fields: &Fields<'_>) -> Option<MetricsTable> {
        let url = self.url(fields, "url");
        let token = fields.get("token").and_then(|node| self.secret("token", node));
        let (requests, errors) = (self.query(fields, "requests"), self.query(fields, "errors"));
        let latency = self.query(fields, "latency");
        let unit = match self.word(fields, "unit") {
            Some("milliseconds") => Unit::Milliseconds,
            Some(_) | None => Unit::Seconds,
        };
        Some(MetricsTable::Prometheus { url: url?, token, requests: requests?, errors: errors?, latency, unit })
    }

    fn query(&mut self, fields: &Fields<'_>, name: &str) -> Option<Query> {
        let (origin, text) = self.text(fields, name)?;
        text.parse().map_err(|rule| self.wrong(&origin, format!("`{name}`: {}", shown_rule(&rule)))).ok()
    }
}

/// A probe waits so many seconds for its answer.
const PROBE_SECS: u64 = 5;

fn shown_rule(rule: &gatewright_target::prometheus::InvalidQuery) -> String {
    shown_long(&rule.to_string())
}

/// Like [`shown`], and whole: the rule itself is longer than a word.
fn shown_long(text: &str) -> String {
    text.split(' ').map(shown).collect::<Vec<_>>().join(" ")
}
