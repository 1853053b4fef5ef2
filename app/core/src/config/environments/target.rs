//! Reads `target`.

use std::collections::BTreeMap;

use super::keys::{
    ASKED, CPUS_MILLI, DOCKER, EXEC, HEALTH, INSTANCE_ENV, MEMORY_MIB, READY, REPLICAS_MAX, SECRET_KEYS, Spans, TARGET, WORDS_MAX,
};
use super::values;
use crate::config::parse::{Fields, Reader};
use crate::config::tree::{Node, Value, quoted};
use crate::config::values::{ENV_MAX, one_or_more, span_within, whole, wrong_name};
use crate::config::{DockerConfig, EnvValue, ExecConfig, HealthCheck, TargetConfig};
use crate::ids::GateName;

/// What images that say nothing else mostly listen on.
const PORT: u16 = 8080;

const READY_WITHIN_SECS: u64 = 60;

pub(super) fn target(reader: &mut Reader, node: &Node) -> Option<TargetConfig> {
    match reader.one_key(node, &TARGET)? {
        ("docker", node) => docker(reader, node).map(TargetConfig::Docker),
        (_, node) => exec(reader, node).map(TargetConfig::Exec),
    }
}

fn span(reader: &mut Reader, fields: &Fields<'_>, key: &str, Spans { least, most }: Spans, default: u64) -> u64 {
    fields.get(key).and_then(|node| span_within(reader, node, least, most)).unwrap_or(default)
}

fn service(reader: &mut Reader, node: &Node, fields: &Fields<'_>, what: &str) -> Option<String> {
    reader.lacks(
        node.place,
        fields,
        "service",
        format!("`{what}` has no `service`; it needs the name that the server file knows it by"),
    );
    fields.get("service").and_then(|node| values::name(reader, node, "a service")).map(|name| name.as_str().to_owned())
}

fn replicas(reader: &mut Reader, fields: &Fields<'_>) -> u32 {
    fields.get("replicas").and_then(|node| whole(reader, node, 1, REPLICAS_MAX)).unwrap_or(1)
}

fn docker(reader: &mut Reader, node: &Node) -> Option<DockerConfig> {
    let fields = reader.fields(node, &DOCKER)?;
    let service = service(reader, node, &fields, "docker");
    reader.lacks(
        node.place,
        &fields,
        "image",
        "`docker` has no `image`; it needs one, such as `ghcr.io/acme/shop:{{ version }}`",
    );
    let image = fields.get("image").and_then(|node| values::image(reader, node));
    let (least, most) = MEMORY_MIB;
    let port = fields.get("port").and_then(|node| whole(reader, node, 1, u32::from(u16::MAX)));
    let rest = DockerConfig {
        command: fields.get("command").map(|node| command(reader, node)),
        replicas: replicas(reader, &fields),
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT),
        health: health(reader, fields.get("health")),
        env: fields.get("env").map(|node| env(reader, node)).unwrap_or_default(),
        memory_mib: fields.get("memory-mib").and_then(|node| whole(reader, node, least, most)).map(u64::from),
        cpus_milli: fields.get("cpus").and_then(|node| cpus(reader, node)),
        stop_secs: span(reader, &fields, "stop", READY, 10),
        service: String::new(),
        image: String::new(),
    };
    Some(DockerConfig { service: service?, image: image?, ..rest })
}

fn command(reader: &mut Reader, node: &Node) -> Vec<String> {
    const EXPECTED: &str = "a list of words, such as `[\"serve\", \"--port=8080\"]` or `[\"sh\", \"-c\", \"...\"]`";
    if !matches!(node.value, Value::List(_)) {
        reader.wrong(node.place, format!("expected {EXPECTED}, found {node}"));
        return Vec::new();
    }
    let words = one_or_more(reader, node, EXPECTED, WORDS_MAX);
    words.into_iter().filter_map(|node| values::templated(reader, node)).collect()
}

fn health(reader: &mut Reader, node: Option<&Node>) -> HealthCheck {
    let fields = node.and_then(|node| reader.fields(node, &HEALTH)).unwrap_or_default();
    HealthCheck {
        path: fields.get("path").and_then(|node| values::path_of_health(reader, node)),
        every_secs: span(reader, &fields, "every", ASKED, 2),
        timeout_secs: span(reader, &fields, "timeout", ASKED, 2),
        ready_within_secs: span(reader, &fields, "ready-within", READY, READY_WITHIN_SECS),
    }
}

fn cpus(reader: &mut Reader, node: &Node) -> Option<u64> {
    let expected = "a number of processors from 0.01 to 1024 with at most three decimals, such as `0.5`";
    values::decimal(reader, node, 3, CPUS_MILLI, expected).map(u64::from)
}

fn env(reader: &mut Reader, node: &Node) -> BTreeMap<String, EnvValue> {
    let Value::Mapping(entries) = &node.value else {
        reader.wrong(node.place, format!("expected a mapping of names to values, found {node}"));
        return BTreeMap::new();
    };
    if let Some(beyond) = entries.get(INSTANCE_ENV.most) {
        reader.wrong(beyond.place, format!("{} variables; there may be {}", entries.len(), INSTANCE_ENV.most));
    }
    let mut env = BTreeMap::new();
    for entry in entries.iter().take(INSTANCE_ENV.most) {
        if let Some(cause) = wrong_name(&entry.key) {
            reader.wrong(entry.place, format!("{} cannot be a variable's name: {cause}", quoted(&entry.key)));
        }
        let value = match &entry.value.value {
            Value::Mapping(_) => secret(reader, &entry.value).map(EnvValue::Secret),
            Value::Scalar(_) | Value::List(_) => values::templated(reader, &entry.value).map(EnvValue::Plain),
        };
        env.extend(value.map(|value| (entry.key.clone(), value)));
    }
    env
}

fn secret(reader: &mut Reader, node: &Node) -> Option<String> {
    let fields = reader.fields(node, &SECRET_KEYS)?;
    reader.lacks(node.place, &fields, "secret", "a value is a text, or `{ secret: NAME }`");
    values::name(reader, fields.get("secret")?, "a secret").map(|name| name.as_str().to_owned())
}

fn exec(reader: &mut Reader, node: &Node) -> Option<ExecConfig> {
    let fields = reader.fields(node, &EXEC)?;
    let service = service(reader, node, &fields, "exec");
    let replicas = replicas(reader, &fields);
    let with = fields.get("with").map(|node| with(reader, node)).unwrap_or_default();
    let ready_within_secs = span(reader, &fields, "ready-within", READY, READY_WITHIN_SECS);
    Some(ExecConfig { service: service?, replicas, with, ready_within_secs })
}

fn with(reader: &mut Reader, node: &Node) -> BTreeMap<String, String> {
    let Value::Mapping(entries) = &node.value else {
        reader.wrong(node.place, format!("expected a mapping of names to texts, found {node}"));
        return BTreeMap::new();
    };
    if let Some(beyond) = entries.get(ENV_MAX) {
        reader.wrong(beyond.place, format!("{} names; there may be {ENV_MAX}", entries.len()));
    }
    let mut with = BTreeMap::new();
    for entry in entries.iter().take(ENV_MAX) {
        if entry.key.parse::<GateName>().is_err() {
            reader.wrong(entry.place, format!("{} cannot be a name here: {}", quoted(&entry.key), GateName::RULE));
        }
        with.extend(values::templated(reader, &entry.value).map(|value| (entry.key.clone(), value)));
    }
    with
}
