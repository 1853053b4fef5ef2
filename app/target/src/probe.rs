//! Requests of our own to the instances, as a source of metrics.
//!
//! Each reading asks every ready instance of the pools for a path, some times, and adds to counters that begin with the process. Where there is
//! little traffic, or none before a canary gets any, this measures all the same; it is no measure of what users do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use gatewright_core::target::{Instance, MetricSource, Place, PoolId, Reading, Target, TargetError, Totals};
use jiff::Timestamp;

use crate::{http, latency};

/// So many instances are asked at once; each is asked one request after the other.
const AT_ONCE: usize = 16;

/// Counters of so many pools are kept. Beyond, all begin anew, as with a new process.
const POOLS_MAX: usize = 1000;

/// What is asked. All of it is the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The path.
    pub path: String,
    /// So many requests to each instance for each reading.
    pub requests: u32,
    /// One that is not answered within this has failed.
    pub timeout: Duration,
}

/// Probes.
pub struct HttpProbe {
    config: Config,
    target: Arc<dyn Target>,
    counted: Mutex<HashMap<(Place, PoolId), Totals>>,
}

impl HttpProbe {
    /// Asks the instances of this target.
    pub fn new(config: Config, target: Arc<dyn Target>) -> Self {
        HttpProbe { config, target, counted: Mutex::default() }
    }

    /// What asking one instance came to.
    async fn ask(&self, instance: &Instance) -> Totals {
        let mut totals = Totals { latency: Some(latency::none()), ..Totals::default() };
        let Some(address) = &instance.address else {
            let requests = u64::from(self.config.requests);
            return Totals { requests, errors: requests, ..totals };
        };
        for _ in 0..self.config.requests {
            let begun = Instant::now();
            let answer = http::get(address, &self.config.path, self.config.timeout).await;
            totals.requests += 1;
            totals.errors += u64::from(!matches!(answer, Ok(0..=499)));
            if let (Ok(_), Some(latency)) = (answer, &mut totals.latency) {
                latency::count(latency, begun.elapsed());
            }
        }
        totals
    }

    fn add(&self, place: &Place, pool: &PoolId, new: &Totals) -> Totals {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= POOLS_MAX {
            counted.clear();
        }
        let all = counted.entry((place.clone(), pool.clone())).or_default();
        all.requests += new.requests;
        all.errors += new.errors;
        let latency = all.latency.get_or_insert_with(latency::none);
        for (all, new) in latency.counts.iter_mut().zip(new.latency.iter().flat_map(|latency| &latency.counts)) {
            *all += new;
        }
        all.clone()
    }
}

#[async_trait]
impl MetricSource for HttpProbe {
    async fn read(&self, place: &Place, pools: &[PoolId]) -> Result<Reading, TargetError> {
        let mut instances = self.target.observe(place).await?.instances;
        // One that still starts is not measured yet. One that is dead is: it answers nobody.
        instances
            .retain(|instance| pools.contains(&instance.pool) && instance.health != gatewright_core::target::Health::Starting);
        let asked: Vec<_> = instances.iter().map(|instance| self.ask(instance)).collect();
        let asked: Vec<Totals> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let mut all = BTreeMap::new();
        for (instance, totals) in instances.iter().zip(&asked) {
            all.insert(instance.pool.clone(), self.add(place, &instance.pool, totals));
        }
        Ok(Reading { at: Timestamp::now(), pools: all })
    }
}
