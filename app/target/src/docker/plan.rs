//! What deploying a pool would come to.

use std::collections::BTreeMap;

use gatewright_core::config::EnvValue;
use gatewright_core::target::{Place, Planned, Pool, TargetError};

use super::deploy::{Blueprint, blueprint};
use super::observe::containers;
use super::{DockerTarget, labels};

pub(super) async fn plan(this: &DockerTarget, place: &Place, pool: &Pool) -> Result<Planned, TargetError> {
    let blueprint = blueprint(this, place, pool).await?;
    let digest = pool.digest.clone().unwrap_or_else(|| blueprint.image.pinned());
    let config_hash = blueprint.made().hash(&this.config.hash_key);
    let mut there: BTreeMap<String, u32> = BTreeMap::new();
    for container in containers(this, place, None).await? {
        let pool = container.config.and_then(|config| config.labels?.get(labels::POOL).cloned());
        *there.entry(pool.unwrap_or_default()).or_default() += 1;
    }
    let changes = changes(&blueprint, pool, &digest, &there);
    Ok(Planned { digest: Some(digest), config_hash, changes })
}

fn changes(blueprint: &Blueprint<'_>, pool: &Pool, digest: &str, there: &BTreeMap<String, u32>) -> Vec<String> {
    let config = blueprint.config;
    let mut lines = vec![format!(
        "pool {}: {} of {} containers are there",
        pool.id,
        there.get(pool.id.as_str()).unwrap_or(&0),
        config.replicas
    )];
    lines.push(format!("image {}, pinned as {digest}", config.image));
    lines.extend(config.command.as_ref().map(|command| format!("command {command:?}")));
    lines.extend(config.env.iter().map(|(name, value)| match value {
        EnvValue::Plain(text) => format!("variable {name}={text}"),
        EnvValue::Secret(secret) => format!("variable {name} from the secret {secret}"),
    }));
    let bound = |value: Option<u64>, unit: &str| value.map_or_else(|| "no bound".to_owned(), |value| format!("{value} {unit}"));
    lines.push(format!("memory {}, processors {}", bound(config.memory_mib, "MiB"), bound(config.cpus_milli, "thousandths")));
    let path = config.health.path.as_deref().unwrap_or("a connection");
    lines.push(format!("port {}, ready by {path} within {} s", config.port, config.health.ready_within_secs));
    let others = there.iter().filter(|(other, _)| *other != pool.id.as_str());
    lines.extend(others.map(|(other, count)| format!("pool {other}: {count} containers, untouched by this")));
    lines
}
