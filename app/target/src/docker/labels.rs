//! The labels and names by which containers are known.

use std::collections::{BTreeMap, HashMap};

use gatewright_core::ForgeKind;
use gatewright_core::config::{DockerConfig, EnvValue};
use gatewright_core::target::{Place, Pool, PoolId};

/// The place, in a form that a rename of the repository keeps.
pub(super) const PLACE: &str = "gatewright.place";
/// The pool.
pub(super) const POOL: &str = "gatewright.pool";
/// The version.
pub(super) const VERSION: &str = "gatewright.version";
/// The hash of what the container was made from.
pub(super) const CONFIG_HASH: &str = "gatewright.config-hash";
/// The image as it was pinned.
pub(super) const DIGEST: &str = "gatewright.digest";
/// The port that it listens on.
pub(super) const PORT: &str = "gatewright.port";
/// The path that it is asked for.
pub(super) const HEALTH_PATH: &str = "gatewright.health-path";
/// It has so many seconds to answer.
pub(super) const HEALTH_TIMEOUT: &str = "gatewright.health-timeout-secs";
/// It has to have answered after so many seconds.
pub(super) const READY_WITHIN: &str = "gatewright.ready-within-secs";
/// The names of the variables that are secrets, with `,` between them.
pub(super) const SECRETS: &str = "gatewright.secrets";

/// What every label of ours begins with.
const PREFIX: &str = "gatewright.";

/// All labels of a pool's containers but the hash, which is made over them too.
pub(super) fn of(place: &Place, pool: &Pool, config: &DockerConfig, digest: &str) -> BTreeMap<String, String> {
    let secrets: Vec<&str> =
        config.env.iter().filter(|(_, value)| matches!(value, EnvValue::Secret(_))).map(|(name, _)| name.as_str()).collect();
    let mut labels = BTreeMap::from([
        (PLACE.to_owned(), self::place(place)),
        (POOL.to_owned(), pool.id.to_string()),
        (VERSION.to_owned(), pool.version.clone()),
        (DIGEST.to_owned(), digest.to_owned()),
        (PORT.to_owned(), config.port.to_string()),
        (HEALTH_TIMEOUT.to_owned(), config.health.timeout_secs.to_string()),
        (READY_WITHIN.to_owned(), config.health.ready_within_secs.to_string()),
        (SECRETS.to_owned(), secrets.join(",")),
    ]);
    labels.extend(config.health.path.iter().map(|path| (HEALTH_PATH.to_owned(), path.clone())));
    labels
}

/// A place, as its label has it.
pub(super) fn place(place: &Place) -> String {
    let forge = match place.repo.forge {
        ForgeKind::Github => "github",
        ForgeKind::Gitlab => "gitlab",
    };
    format!("{forge}/{}/{}/{}", place.repo.id, place.environment, place.service)
}

/// The containers of a place, or of one of its pools.
pub(super) fn filter(place: &Place, pool: Option<&PoolId>) -> HashMap<String, Vec<String>> {
    let mut labels = vec![format!("{PLACE}={}", self::place(place))];
    labels.extend(pool.map(|pool| format!("{POOL}={pool}")));
    HashMap::from([("label".to_owned(), labels)])
}

/// The name of a pool's container of this number, from 1. In the order of names they are in the order of numbers, so that whoever takes the last
/// of them away leaves the first ones.
pub(super) fn name(place: &Place, pool: &PoolId, nth: u32) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let service: String = place.service.chars().map(plain).collect();
    format!("gw-{service}-{}-{pool}-{nth:03}", place.environment)
}

/// Only ours: an image brings labels of its own.
pub(super) fn ours(labels: &HashMap<String, String>) -> BTreeMap<String, String> {
    let ours = labels.iter().filter(|(name, _)| name.starts_with(PREFIX) && name.as_str() != CONFIG_HASH);
    ours.map(|(name, value)| (name.clone(), value.clone())).collect()
}
