//! Measure: looks how a rollout goes.

use gatewright_core::Timestamp;
use gatewright_core::rollout::analysis::Instances;
use gatewright_core::run::{Look, Rollout, RolloutEvent, Run};
use gatewright_core::target::{Health, Instance, PoolId, Site};

use super::{done, follow, judge, make::health_words, place, site};
use crate::Engine;
use crate::perform::Done;

/// So many instances that are not as they should be are named, and so many characters of what each says.
const NAMED_MAX: usize = 10;
const WORDS_CHARS_MAX: usize = 200;

pub(super) async fn measure(engine: &Engine, run: &Run, rollout: &Rollout) -> Done {
    let place = place(run, rollout);
    let look = match site(engine, &place) {
        Ok(site) => look(run, rollout, &site).await,
        Err(error) => Look { unmeasured: Some(error.to_string()), ..unmeasured() },
    };
    let finding = judge::judge(rollout, &look, Timestamp::now());
    done(RolloutEvent::Measured { look: Box::new(look), finding: Box::new(finding) })
}

fn unmeasured() -> Look {
    let (reading, others, unhealthy) = (None, Vec::new(), Vec::new());
    Look { reading, others, unmeasured: None, unhealthy, instances: None, old_instances: None, share_millipercent: 0 }
}

async fn look(run: &Run, rollout: &Rollout, site: &Site) -> Look {
    let place = place(run, rollout);
    let new = &rollout.spec.pool.id;
    let pools: Vec<PoolId> = [Some(new), rollout.live().map(|live| &live.pool.id)].into_iter().flatten().cloned().collect();
    let mut look = unmeasured();
    let mut causes = Vec::new();
    for (n, source) in site.metrics.iter().enumerate() {
        match source.read(&place, &pools).await {
            Ok(reading) if n == 0 => look.reading = Some(reading),
            Ok(reading) => look.others.push(reading),
            Err(error) => causes.push(error.to_string()),
        }
    }
    let observed = site.target.observe(&place).await;
    match &observed {
        Ok(observed) => {
            let of = |pool: &PoolId| observed.instances.iter().filter(|instance| instance.pool == *pool).collect::<Vec<_>>();
            let own = of(new);
            let bad = own.iter().filter(|instance| instance.health != Health::Ready);
            let words = |words: String| words.chars().take(WORDS_CHARS_MAX).collect::<String>();
            look.unhealthy = bad.map(|bad| words(format!("{}: {}", bad.id, health_words(&bad.health)))).take(NAMED_MAX).collect();
            look.instances = Some(counted(&own));
            look.old_instances = rollout.live().map(|live| counted(&of(&live.pool.id)));
        }
        Err(error) => causes.push(error.to_string()),
    }
    match site.router.read(&place).await {
        Ok(routes) => {
            look.share_millipercent = routes.share_millipercent(new);
            let instances = observed.map(|observed| observed.instances).unwrap_or_default();
            match follow(site, &place, &instances, &routes).await {
                // What was read of one version may be of the other.
                Ok(true) => {
                    (look.reading, look.others) = (None, Vec::new());
                    causes.push("instances were somewhere else than the router knew, and it was told".to_owned());
                }
                Ok(false) => {}
                Err(error) => causes.push(error.to_string()),
            }
        }
        Err(error) => causes.push(error.to_string()),
    }
    look.unmeasured = (!causes.is_empty()).then(|| causes.join("; "));
    look
}

fn counted(instances: &[&Instance]) -> Instances {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let ready = instances.iter().filter(|instance| instance.health == Health::Ready).count();
    Instances { ready: count(ready), all: count(instances.len()) }
}
