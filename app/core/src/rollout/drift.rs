//! Drift: what runs in an environment and is not what was released there. Pure: what is live, and what target and router were seen to
//! have, is compared here.
//!
//! How instances are (ready, slow, failing) is no drift: it says nothing of who changed what. One that does not run at all is, since
//! nothing that was released says that it should not.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Live, Seen};
use crate::ids::RunId;
use crate::target::{Health, Instance, PoolId, Routes};

/// So many differences are told of one environment. Of more, the first ones.
pub const DIFFERENCES_MAX: usize = 20;

/// An instance's name, and what is said of one, is cut after so many characters.
const WORDS_MAX: usize = 120;

/// So often within [`RESTORES_WITHIN`] an environment is made again what was released. Beyond that somebody keeps changing it, and it is only
/// told: two who each undo what the other does would take turns for ever.
pub const RESTORES_MAX: usize = 3;

/// See [`RESTORES_MAX`].
pub const RESTORES_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// What is known of the drift of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Names it, and the run that restores it where one does.
    pub id: RunId,
    /// When it was found.
    pub found_at: Timestamp,
    /// What differs. Empty: nothing does any more.
    pub differences: Vec<Difference>,
    /// When it was found to be gone.
    pub gone_at: Option<Timestamp>,
    /// When the last restores of this environment were begun, as far as they count for [`RESTORES_MAX`].
    pub restores: Vec<Timestamp>,
}

impl Drift {
    /// Whether anything differs.
    pub fn stands(&self) -> bool {
        !self.differences.is_empty()
    }

    /// What differs, for people, one after the other.
    pub fn words(&self) -> String {
        words(&self.differences)
    }

    /// The restores that count now.
    pub fn recent_restores(&self, now: Timestamp) -> Vec<Timestamp> {
        let counts = |at: &&Timestamp| now.duration_since(**at) < RESTORES_WITHIN;
        self.restores.iter().filter(counts).copied().collect()
    }
}

/// Differences, for people, one after the other.
pub fn words(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// One thing that is not as it was released.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Difference {
    /// There are more or fewer instances than there should be.
    Replicas {
        /// So many should be.
        wanted: u32,
        /// So many are.
        has: u32,
    },
    /// An instance has another image.
    Image {
        /// Which.
        instance: String,
    },
    /// An instance's command, environment, bounds or anything else that decides what it does is another.
    Configuration {
        /// Which.
        instance: String,
    },
    /// An instance does not run.
    Stopped {
        /// Which.
        instance: String,
    },
    /// Instances of what is not live are there.
    Foreign {
        /// Their pool.
        pool: PoolId,
        /// How many.
        instances: u32,
    },
    /// What is live does not get every request.
    Weights {
        /// So much goes elsewhere, in thousandths of a percent.
        elsewhere_millipercent: u64,
    },
    /// The router sends nothing to an instance that is ready, or sends it somewhere else.
    Unrouted {
        /// Which.
        instance: String,
    },
}

impl Difference {
    /// Whether it is about instances, so that it is mended by making them anew. What is about the router alone is mended there.
    pub fn is_of_instances(&self) -> bool {
        match self {
            Difference::Replicas { .. }
            | Difference::Image { .. }
            | Difference::Configuration { .. }
            | Difference::Stopped { .. } => true,
            Difference::Foreign { .. } | Difference::Weights { .. } | Difference::Unrouted { .. } => false,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Replicas { wanted, has } => write!(f, "{has} instances and not {wanted}"),
            Difference::Image { instance } => write!(f, "{instance} has another image"),
            Difference::Configuration { instance } => write!(f, "{instance} is configured otherwise than it was released"),
            Difference::Stopped { instance } => write!(f, "{instance} does not run"),
            Difference::Foreign { pool, instances: 1 } => write!(f, "1 instance of {pool}, which is not live"),
            Difference::Foreign { pool, instances } => write!(f, "{instances} instances of {pool}, which is not live"),
            Difference::Weights { elsewhere_millipercent } => {
                write!(f, "{} % of the requests go to what is not live", *elsewhere_millipercent as f64 / 1000.0)
            }
            Difference::Unrouted { instance } => write!(f, "the router does not send requests to {instance}"),
        }
    }
}

/// Whether instances of other pools may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// The rollout that brought what is live keeps the version before, so that going back is a switch.
    Kept,
    /// Nothing else has any business there.
    None,
}

/// What differs between what is live and what is there: in a fixed order, each once, at most [`DIFFERENCES_MAX`].
pub fn differences(live: &Live, seen: &Seen, others: Others) -> Vec<Difference> {
    let pool = &live.pool.id;
    let (own, foreign): (Vec<&Instance>, Vec<&Instance>) = seen.instances.iter().partition(|instance| instance.pool == *pool);
    let mut found = Vec::new();
    let (wanted, has) = (live.replicas(), count(own.len()));
    if wanted != has {
        found.push(Difference::Replicas { wanted, has });
    }
    found.extend(own.iter().filter_map(|instance| of_instance(live, instance)));
    if others == Others::None {
        found.extend(of_others(&foreign));
    }
    found.extend(elsewhere(&seen.routes, pool));
    found.extend(
        own.iter()
            .filter(|instance| !is_routed(&seen.routes, instance))
            .map(|instance| Difference::Unrouted { instance: name(instance) }),
    );
    found.sort();
    found.dedup();
    found.truncate(DIFFERENCES_MAX);
    found
}

fn of_instance(live: &Live, instance: &Instance) -> Option<Difference> {
    let name = name(instance);
    if let Health::Dead { .. } = instance.health {
        return Some(Difference::Stopped { instance: name });
    }
    let (wanted, has) = (live.pool.digest.as_ref(), instance.digest.as_ref());
    if wanted.is_some() && has.is_some() && wanted != has {
        return Some(Difference::Image { instance: name });
    }
    (instance.config_hash != live.config_hash).then_some(Difference::Configuration { instance: name })
}

fn of_others(foreign: &[&Instance]) -> Vec<Difference> {
    let mut pools: BTreeMap<&PoolId, u32> = BTreeMap::new();
    for instance in foreign {
        *pools.entry(&instance.pool).or_default() += 1;
    }
    pools.into_iter().map(|(pool, instances)| Difference::Foreign { pool: pool.clone(), instances }).collect()
}

fn elsewhere(routes: &Routes, pool: &PoolId) -> Option<Difference> {
    let nothing_is_up = routes.servers.iter().all(|server| !server.up || server.weight == 0);
    let elsewhere = 100_000_u64.saturating_sub(routes.share_millipercent(pool));
    (!nothing_is_up && elsewhere > 0).then_some(Difference::Weights { elsewhere_millipercent: elsewhere })
}

/// Whether the router has an instance that is ready where it is, with a weight. Whether it finds it up is a matter of its health.
fn is_routed(routes: &Routes, instance: &Instance) -> bool {
    if instance.health != Health::Ready {
        return true;
    }
    let here = |address: &str| instance.address.as_deref().is_none_or(|own| own == address);
    let own = routes.servers.iter().filter(|server| server.pool == instance.pool && server.instance == instance.id);
    own.into_iter().any(|server| server.weight > 0 && here(&server.address))
}

/// An instance's name. On a target of somebody's own making it may be anything.
fn name(instance: &Instance) -> String {
    instance.id.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
