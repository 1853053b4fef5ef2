//! Reads the tree by the table of keys.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use gatewright_core::sandbox::Limits;
use gatewright_core::secret::SecretRef;
use gatewright_forge_shared::address::base_url;
use gatewright_sandbox::CacheLimits;
use gatewright_webhook::{SecretsError, WebhookSecrets};
use url::Url;

use super::keys::{FILE, HOST_CODE, KINDS, Key, LEVELS, Shape, Table, listed, nearest, shown};
use super::tree::{Entry, Node, Origin, Problem, Value};
use super::{
    Driver, EngineTable, For, ForgeTables, GithubTable, GitlabTable, LocatedSecret, LogFormat, LogTable, Pull, SandboxTable,
    ServerConfig, ServerTable, StorePlace, StoreTable,
};

mod model;
mod notify;
mod rollout;
mod target;

const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const API_URL_DEFAULT: &str = "https://api.github.com";
const GITLAB_URL_DEFAULT: &str = "https://gitlab.com";
const STORE_DEFAULT: &str = "data";
const MIB: u64 = 1024 * 1024;
const LEVEL_DEFAULT: &str = "info";

/// The configuration, as far as it can be read. With any problem it is used by nobody.
pub(super) fn config(root: &Node, folder: &Path, wanted: For, problems: &mut Vec<Problem>) -> Option<ServerConfig> {
    let mut reader = Reader { folder, wanted, problems };
    let file = reader.fields(root, &FILE);
    let server = reader.table(&file, "server");
    let store = reader.table(&file, "store");
    let sandbox = reader.table(&file, "sandbox");
    let engine = reader.table(&file, "engine");
    let rollout = reader.table(&file, "rollout");
    let agents = reader.table(&file, "agents");
    let log = reader.table(&file, "log");
    let models = reader.models(&file);
    Some(ServerConfig {
        server: reader.server(&server),
        store: reader.store(&store),
        sandbox: reader.sandbox(&sandbox),
        engine: reader.engine(&engine),
        rollout: reader.rollout(&rollout),
        log: reader.log(&log),
        targets: reader.targets(&file),
        agents: reader.agents(&agents, &models),
        channels: reader.channels(&file),
        models,
        forges: reader.forges(&file)?,
    })
}

struct Reader<'r> {
    folder: &'r Path,
    wanted: For,
    problems: &'r mut Vec<Problem>,
}

/// The known entries of a table.
struct Fields<'n> {
    table: &'static Table,
    origin: Origin,
    entries: Vec<&'n Entry>,
}

impl<'n> Fields<'n> {
    fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == name).map(|entry| &entry.node)
    }

    /// The key of this name: the caller names one that the table has.
    fn key(&self, name: &str) -> &'static Key {
        self.table.key(name).expect("what is read is in the table of keys")
    }
}

impl Reader<'_> {
    fn wrong(&mut self, origin: &Origin, message: impl Into<String>) {
        self.problems.push(origin.problem(message));
    }

    fn fields<'n>(&mut self, node: &'n Node, table: &'static Table) -> Fields<'n> {
        let mut fields = Fields { table, origin: node.origin.clone(), entries: Vec::new() };
        let Value::Table(entries) = &node.value else {
            self.wrong(&node.origin, format!("{} is a table; found {node}", table.what));
            return fields;
        };
        for entry in entries {
            match table.key(&entry.key) {
                Some(_) => fields.entries.push(entry),
                None => self.wrong(&entry.origin, table.unknown(&entry.key)),
            }
        }
        fields
    }

    /// The fields of a table that may be left out.
    fn table<'n>(&mut self, file: &Fields<'n>, name: &str) -> Fields<'n> {
        let Shape::Table(table) = file.key(name).shape else { unreachable!("`{name}` is a table in the table of keys") };
        match file.get(name) {
            Some(node) => self.fields(node, table),
            None => Fields { table, origin: Origin::START, entries: Vec::new() },
        }
    }

    fn server(&mut self, fields: &Fields<'_>) -> ServerTable {
        ServerTable {
            listen: self.listen(fields),
            public_url: self.url(fields, "public_url"),
            connections_max: self.size(fields, "connections_max"),
            header_secs: self.number(fields, "header_secs"),
        }
    }

    fn store(&mut self, fields: &Fields<'_>) -> StoreTable {
        let place = match self.text(fields, "url") {
            Some((origin, text)) => self.store_place(&origin, &text),
            None => StorePlace::Folder(self.folder.join(STORE_DEFAULT)),
        };
        let options = gatewright_store::Options {
            cache_bytes: self.number(fields, "cache_mib") * MIB,
            reserve_bytes: self.number(fields, "reserve_mib") * MIB,
        };
        StoreTable { place, retention_days: self.number(fields, "retention_days"), options }
    }

    fn store_place(&mut self, origin: &Origin, text: &str) -> StorePlace {
        match text.split_once(':') {
            Some(("sled", folder)) if !folder.is_empty() => return StorePlace::Folder(self.folder.join(folder)),
            Some(("memory", "")) => return StorePlace::Memory,
            Some(("postgres" | "postgresql", _)) => {
                self.wrong(origin, "PostgreSQL is not supported by this version; use `sled:FOLDER`");
            }
            // The text may hold a password, so it is not repeated.
            Some(_) | None => self.wrong(origin, "expected `sled:FOLDER` or `memory:`"),
        }
        StorePlace::Memory
    }

    fn sandbox(&mut self, fields: &Fields<'_>) -> SandboxTable {
        let driver = self.driver(fields);
        let pull = match self.word(fields, "pull") {
            Some("never") => Pull::Never,
            Some(_) | None => Pull::Missing,
        };
        SandboxTable {
            driver,
            engine: self.engine_address(fields),
            pull,
            limits: Limits {
                memory_mib: self.number(fields, "memory_mib"),
                cpus: self.real(fields, "cpus"),
                pids: self.number(fields, "pids"),
                disk_mib: self.number(fields, "disk_mib"),
                wall_secs: self.number(fields, "wall_secs"),
            },
            concurrency: self.size(fields, "concurrency"),
            concurrency_per_repo: self.size(fields, "concurrency_per_repo"),
            caches: CacheLimits {
                bytes: self.number(fields, "cache_gib") << 30,
                folder_bytes: self.number(fields, "cache_folder_mib") << 20,
                unused: Duration::from_secs(self.number(fields, "cache_days") * 24 * 3600),
            },
        }
    }

    fn driver(&mut self, fields: &Fields<'_>) -> Driver {
        let trusted = self.word(fields, HOST_CODE).is_some();
        match self.word(fields, "driver") {
            Some("host") if trusted => Driver::Host,
            Some("host") => {
                if let Some(node) = fields.get("driver") {
                    let message = format!(
                        "`driver` = `host` gives this machine to whoever can have a gate run; \
                         write `{HOST_CODE} = \"trusted\"` beside it if all of their code is trusted"
                    );
                    self.wrong(&node.origin, message);
                }
                Driver::Docker
            }
            Some(_) | None => Driver::Docker,
        }
    }

    fn engine_address(&mut self, fields: &Fields<'_>) -> Option<String> {
        let (origin, text) = self.text(fields, "engine")?;
        if !text.starts_with("unix:///") && !text.starts_with("tcp://") {
            self.wrong(&origin, "expected `unix:///PATH` or `tcp://HOST:PORT`");
        }
        Some(text)
    }

    fn engine(&mut self, fields: &Fields<'_>) -> EngineTable {
        EngineTable {
            runs_max: self.size(fields, "runs_max"),
            runs_per_repo_max: self.small(fields, "runs_per_repo_max"),
            lease_secs: self.small(fields, "lease_secs"),
            attempts_max: self.small(fields, "attempts_max"),
            sweep_secs: self.number(fields, "sweep_secs"),
            grace_secs: self.number(fields, "grace_secs"),
        }
    }

    fn log(&mut self, fields: &Fields<'_>) -> LogTable {
        let format = match self.word(fields, "format") {
            Some("json") => LogFormat::Json,
            Some(_) | None => LogFormat::Human,
        };
        let level = self.text(fields, "level").map(|(origin, text)| {
            if tracing_subscriber::EnvFilter::builder().parse(&text).is_err() || !is_filter(&text) {
                self.wrong(
                    &origin,
                    "expected `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,gatewright_engine=debug`",
                );
            }
            text
        });
        LogTable { format, level: level.unwrap_or_else(|| LEVEL_DEFAULT.to_owned()) }
    }

    /// The forges of the file, at most one of each kind. None where there is none that could be read.
    fn forges(&mut self, file: &Fields<'_>) -> Option<ForgeTables> {
        let Shape::Tables(table) = file.key("forge").shape else {
            unreachable!("`forge` is a list of tables in the table of keys")
        };
        let none = "no forge is configured; add `[[forge]]` with `kind = \"github\"` or `kind = \"gitlab\"` and what it needs";
        let Some(node) = file.get("forge") else {
            let enough = match self.wanted {
                For::Service => false,
                For::Models => true,
                For::Anybody => file.get("model").is_some(),
            };
            if enough {
                return Some(ForgeTables::default());
            }
            self.wrong(&file.origin, none);
            return None;
        };
        let Value::List(nodes) = &node.value else {
            self.wrong(&node.origin, format!("forges are a list of tables, each written `[[forge]]`; found {node}"));
            return None;
        };
        if nodes.is_empty() {
            self.wrong(&node.origin, none);
        }
        let mut forges = ForgeTables::default();
        let mut kinds: Vec<&'static str> = Vec::new();
        for node in nodes {
            let fields = self.fields(node, table);
            let Some(kind) = self.kind(&fields) else { continue };
            if kinds.contains(&kind) {
                self.wrong(&node.origin, format!("a second forge of the kind `{kind}`; this version serves one of each kind"));
                continue;
            }
            kinds.push(kind);
            match kind {
                "gitlab" => forges.gitlab = self.gitlab(&fields),
                _ => forges.github = self.github(&fields),
            }
        }
        Some(forges)
    }

    /// A forge's kind, and that it has no keys of another kind.
    fn kind(&mut self, fields: &Fields<'_>) -> Option<&'static str> {
        let kind = self.word(fields, "kind");
        if fields.get("kind").is_none() {
            self.wrong(&fields.origin, "`kind` is missing; a forge needs it: `kind = \"github\"` or `kind = \"gitlab\"`");
        }
        let kind = kind?;
        for other in KINDS.iter().filter(|other| other.kind != kind) {
            for entry in fields.entries.iter().filter(|entry| other.own.contains(&entry.key.as_str())) {
                self.wrong(
                    &entry.origin,
                    format!("`{}` is a key of the kind `{}`; this forge is a `{kind}`", entry.key, other.kind),
                );
            }
        }
        Some(kind)
    }

    fn github(&mut self, fields: &Fields<'_>) -> Option<GithubTable> {
        let api_url = self.forge_url(fields, "api_url").unwrap_or_else(|| API_URL_DEFAULT.to_owned());
        let clone_url = self.forge_url(fields, "clone_url");
        let app_id = self.required(fields, "app_id").map(|_| self.number(fields, "app_id"));
        let private_key = self.required(fields, "private_key").and_then(|node| self.secret("private_key", node));
        let webhook_secrets = self.required(fields, "webhook_secret").map(|node| self.secrets("webhook_secret", node));
        Some(GithubTable {
            origin: fields.origin.clone(),
            api_url,
            clone_url,
            comments_per_minute: self.small(fields, "comments_per_minute"),
            comments_per_hour: self.small(fields, "comments_per_hour"),
            points_per_minute: self.small(fields, "points_per_minute"),
            app_id: app_id?,
            private_key: private_key?,
            webhook_secrets: webhook_secrets?,
        })
    }

    fn gitlab(&mut self, fields: &Fields<'_>) -> Option<GitlabTable> {
        let url = self.forge_url(fields, "url").unwrap_or_else(|| GITLAB_URL_DEFAULT.to_owned());
        let clone_url = self.forge_url(fields, "clone_url");
        let token = self.required(fields, "token").and_then(|node| self.secret("token", node));
        let clone_token = fields.get("clone_token").and_then(|node| self.secret("clone_token", node));
        let webhook_secrets = self.required(fields, "webhook_secret").map(|node| self.secrets("webhook_secret", node));
        Some(GitlabTable {
            origin: fields.origin.clone(),
            url,
            clone_url,
            notes_per_minute: self.small(fields, "notes_per_minute"),
            requests_per_minute: self.small(fields, "requests_per_minute"),
            token: token?,
            clone_token,
            webhook_secrets: webhook_secrets?,
        })
    }

    fn required<'n>(&mut self, fields: &Fields<'n>, name: &str) -> Option<&'n Node> {
        let node = fields.get(name);
        if node.is_none() {
            self.wrong(&fields.origin, format!("`{name}` is missing; {} needs it", fields.table.what));
        }
        node
    }

    fn secrets(&mut self, key: &'static str, node: &Node) -> Vec<LocatedSecret> {
        match &node.value {
            Value::List(nodes) if nodes.is_empty() => {
                self.wrong(&node.origin, format!("`{key}` has no secret in it"));
                Vec::new()
            }
            Value::List(nodes) => {
                if nodes.len() > WebhookSecrets::COUNT_MAX {
                    self.wrong(&node.origin, SecretsError::TooMany { count: nodes.len() }.to_string());
                }
                nodes.iter().filter_map(|node| self.secret(key, node)).collect()
            }
            Value::Text(_)
            | Value::Untyped(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Bool
            | Value::Date
            | Value::Table(_) => self.secret(key, node).into_iter().collect(),
        }
    }

    fn secret(&mut self, key: &'static str, node: &Node) -> Option<LocatedSecret> {
        let text = self.text_of(node)?;
        match text.parse::<SecretRef>() {
            Ok(SecretRef::File(path)) => {
                let reference = SecretRef::File(self.folder.join(path).to_string_lossy().into_owned());
                Some(LocatedSecret { key, origin: node.origin.clone(), reference })
            }
            Ok(reference) => Some(LocatedSecret { key, origin: node.origin.clone(), reference }),
            Err(error) => {
                self.wrong(&node.origin, error.to_string());
                None
            }
        }
    }

    fn listen(&mut self, fields: &Fields<'_>) -> SocketAddr {
        let Some((origin, text)) = self.text(fields, "listen") else { return LISTEN_DEFAULT };
        // `localhost` is what people write; nothing else is looked up.
        let address = text.strip_prefix("localhost:").map_or(text.clone(), |port| format!("127.0.0.1:{port}"));
        address.parse().unwrap_or_else(|_| {
            self.wrong(&origin, "expected an IP address and a port, such as `127.0.0.1:8080` or `[::]:8080`");
            LISTEN_DEFAULT
        })
    }

    /// An address without a slash at its end.
    fn url(&mut self, fields: &Fields<'_>, name: &str) -> Option<String> {
        let (origin, text) = self.text(fields, name)?;
        let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        match url {
            None => self.wrong(&origin, format!("`{name}` is not an address such as `https://gatewright.example.com`")),
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                self.wrong(&origin, format!("`{name}` must not hold a user name or a password"));
            }
            Some(url) if url.query().is_some() || url.fragment().is_some() => {
                self.wrong(&origin, format!("`{name}` must end with its path, without `?` and `#`"));
            }
            Some(_) => {}
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    /// An address that secrets are sent to, by the adapters' own rule.
    fn forge_url(&mut self, fields: &Fields<'_>, name: &str) -> Option<String> {
        let (origin, text) = self.text(fields, name)?;
        if let Err(rule) = base_url(&text) {
            self.wrong(&origin, format!("`{name}` {rule}"));
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    fn word(&mut self, fields: &Fields<'_>, name: &str) -> Option<&'static str> {
        let Shape::Word { words, default, later } = fields.key(name).shape else {
            unreachable!("`{name}` takes words in the table of keys")
        };
        let Some((origin, text)) = self.text(fields, name) else { return default };
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(word);
        }
        if later.contains(&text.as_str()) {
            self.wrong(
                &origin,
                format!("`{name}` = `{text}` is not supported by this version; it takes {}", listed(words.iter().copied())),
            );
            return None;
        }
        let hint = nearest(&text, words.iter().copied()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        self.wrong(&origin, format!("`{name}` takes {}, not `{}`{hint}", listed(words.iter().copied()), shown(&text)));
        None
    }

    fn number(&mut self, fields: &Fields<'_>, name: &str) -> u64 {
        let Shape::Number { min, max, default } = fields.key(name).shape else {
            unreachable!("`{name}` is a number in the table of keys")
        };
        let default = default.unwrap_or(min);
        let Some(node) = fields.get(name) else { return default };
        let number = match &node.value {
            Value::Integer(number) => number.and_then(|number| u64::try_from(number).ok()),
            Value::Untyped(text) => text.trim().parse().ok(),
            Value::Text(_) | Value::Float(_) | Value::Bool | Value::Date | Value::List(_) | Value::Table(_) => {
                self.wrong(&node.origin, format!("`{name}` is a whole number; found {node}"));
                return default;
            }
        };
        number.filter(|number| (min..=max).contains(number)).unwrap_or_else(|| {
            let most = if max == i64::MAX as u64 { String::new() } else { format!(" and at most {max}") };
            self.wrong(&node.origin, format!("`{name}` is a whole number, at least {min}{most}"));
            default
        })
    }

    fn size(&mut self, fields: &Fields<'_>, name: &str) -> usize {
        usize::try_from(self.number(fields, name)).unwrap_or(usize::MAX)
    }

    fn small(&mut self, fields: &Fields<'_>, name: &str) -> u32 {
        u32::try_from(self.number(fields, name)).unwrap_or(u32::MAX)
    }

    fn real(&mut self, fields: &Fields<'_>, name: &str) -> f64 {
        let Shape::Real { min, max, default } = fields.key(name).shape else {
            unreachable!("`{name}` is a number in the table of keys")
        };
        let default = default.unwrap_or(min);
        let Some(node) = fields.get(name) else { return default };
        let number = match &node.value {
            Value::Integer(number) => number.map(|number| number as f64),
            Value::Float(number) => Some(*number),
            Value::Untyped(text) => text.trim().parse().ok(),
            Value::Text(_) | Value::Bool | Value::Date | Value::List(_) | Value::Table(_) => {
                self.wrong(&node.origin, format!("`{name}` is a number; found {node}"));
                return default;
            }
        };
        number.filter(|number| (min..=max).contains(number)).unwrap_or_else(|| {
            self.wrong(&node.origin, format!("`{name}` is a number from {min} to {max}"));
            default
        })
    }

    fn text(&mut self, fields: &Fields<'_>, name: &str) -> Option<(Origin, String)> {
        let node = fields.get(name)?;
        self.text_of(node).map(|text| (node.origin.clone(), text))
    }

    fn text_of(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) | Value::Untyped(text) if !text.trim().is_empty() => Some(text.clone()),
            Value::Text(_)
            | Value::Untyped(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Bool
            | Value::Date
            | Value::List(_)
            | Value::Table(_) => {
                self.wrong(&node.origin, format!("expected a text, found {node}"));
                None
            }
        }
    }
}

/// Whether each directive names a level. The filter itself takes any word for the name of a module.
fn is_filter(text: &str) -> bool {
    let level = |word: &str| LEVELS.contains(&word.to_lowercase().as_str());
    text.split(',').map(str::trim).all(|directive| level(directive.rsplit_once('=').map_or(directive, |(_, level)| level)))
}
