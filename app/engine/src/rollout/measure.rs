//! Measure: looks how a rollout goes.

use gatewright_core::Timestamp;
use gatewright_core::rollout::analysis::Instances;
use gatewright_core::run::{Look, Rollout, RolloutEvent, Run};
use gatewright_core::target::{Health, PoolId, Site};

use super::{done, judge, make::health_words, place, site};
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
    Look { reading, others, unmeasured: None, unhealthy, instances: None, share_millipercent: 0 }
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
    match site.target.observe(&place).await {
        Ok(observed) => {
            let own = observed.instances.iter().filter(|instance| instance.pool == *new);
            let bad = own.clone().filter(|instance| instance.health != Health::Ready);
            let words = |words: String| words.chars().take(WORDS_CHARS_MAX).collect::<String>();
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let (all, ready) = (own.clone().count(), own.count() - bad.clone().count());
            look.instances = Some(Instances { ready: count(ready), all: count(all) });
            look.unhealthy = bad.map(|bad| words(format!("{}: {}", bad.id, health_words(&bad.health)))).take(NAMED_MAX).collect();
        }
        Err(error) => causes.push(error.to_string()),
    }
    match site.router.read(&place).await {
        Ok(routes) => look.share_millipercent = routes.share_millipercent(new),
        Err(error) => causes.push(error.to_string()),
    }
    look.unmeasured = (!causes.is_empty()).then(|| causes.join("; "));
    look
}
