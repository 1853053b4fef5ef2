//! Catching up: finds open pull requests whose deliveries never arrived, and starts their runs.
//!
//! A forge that has switched a hook off, or was told a wrong address, says nothing of it. So where no delivery has arrived
//! for a while, and every hour anyway (hooks can be one a repository), what is open on the forge is compared with the
//! journal. Missed comments are not looked for: a command is given anew by who misses its answer.

use gatewright_core::forge::{Forge, ForgeError, OpenPull};
use gatewright_core::run::{Cause, GatesSpec, RunSpec, Work};
use gatewright_core::store::{RunFilter, StoreError};
use gatewright_core::{ForgeKind, RepoRef, Subject, Timestamp};
use jiff::SignedDuration;

use crate::{Engine, take};

/// A forge that is silent for so long is asked, and again after as long.
const SILENT_FOR: SignedDuration = SignedDuration::from_mins(15);

/// A forge that is not silent is asked so often.
const ASKED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What changed so recently may still have its delivery under way.
const SETTLE: SignedDuration = SignedDuration::from_mins(1);

/// What was settled by the last time is looked at once more, since clocks differ.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// After a long time without the service, so much is looked back. Older pull requests wait for their next push.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// So many pull requests of a forge are caught up with in one go, the others with the next sweep.
const RUNS_MAX: u64 = 200;

/// Up to when each forge was asked.
pub(crate) type AskedUpTo = std::collections::BTreeMap<ForgeKind, Timestamp>;

impl Engine {
    /// Asks the forges whose turn it is. Returns how many runs were started; false where a forge did not answer.
    pub(crate) async fn catch_up_due(&self, now: Timestamp, asked: &mut AskedUpTo) -> (u64, bool) {
        let last = self.deps.upkeep.stats(now).await.map(|stats| stats.last_delivery_at).unwrap_or_default();
        let (mut started, mut complete) = (0, true);
        for kind in self.deps.forges.keys() {
            let last_delivery = last.get(kind).copied();
            // A service that has never had a delivery has just been set up: what is open was opened without it.
            let since = asked.get(kind).copied().or(last_delivery).unwrap_or(now);
            let quiet = last_delivery.is_none_or(|at| now.duration_since(at) >= SILENT_FOR);
            let every = if quiet { SILENT_FOR } else { ASKED_EVERY };
            if asked.get(kind).is_some_and(|asked| now.duration_since(*asked) < every) {
                continue;
            }
            match self.catch_up(*kind, now, since).await {
                Ok(count) => {
                    started += count;
                    if count < RUNS_MAX {
                        asked.insert(*kind, now);
                    }
                }
                Err(error) => {
                    complete = false;
                    tracing::warn!(forge = kind.as_str(), error, "what is open could not be compared with the journal");
                }
            }
        }
        (started, complete)
    }

    /// Compares what has changed on a forge since then with the journal, and starts the runs that are missing. Returns how
    /// many.
    pub async fn catch_up(&self, kind: ForgeKind, now: Timestamp, since: Timestamp) -> Result<u64, String> {
        let Some(forge) = self.forge(kind) else { return Ok(0) };
        let since = (since - OVERLAP).max(now - LOOK_BACK);
        let mut started = 0;
        let repositories = forge.repositories().await.map_err(|error| error.to_string())?;
        for repo in repositories {
            started += self.catch_up_repo(forge.as_ref(), &repo, now, since).await?;
            if started >= RUNS_MAX {
                break;
            }
        }
        metrics::counter!("gatewright_caught_up_total", "forge" => kind.as_str()).increment(started);
        Ok(started)
    }

    async fn catch_up_repo(&self, forge: &dyn Forge, repo: &RepoRef, now: Timestamp, since: Timestamp) -> Result<u64, String> {
        let pulls = match forge.open_pulls(repo, since).await {
            Ok(pulls) => pulls,
            // One repository that is gone or closed to us does not keep the others from being looked at.
            Err(error @ (ForgeError::Missing { .. } | ForgeError::Refused { .. })) => {
                tracing::debug!(repo = %repo, %error, "its pull requests cannot be listed");
                return Ok(0);
            }
            Err(error @ (ForgeError::RateLimited { .. } | ForgeError::Unavailable { .. })) => return Err(error.to_string()),
        };
        let mut started = 0;
        for pull in pulls.iter().filter(|pull| pull.updated_at < now - SETTLE) {
            if self.is_unknown(repo, pull).await.map_err(|error| error.to_string())? {
                let id = format!("catch-up/{}/{}/{}", repo.key(), pull.number, pull.head);
                tracing::info!(repo = %repo, pull = pull.number, commit = pull.head.short(), "no delivery arrived; catching up");
                self.accept(take::internal(&id, missed(repo, pull), Timestamp::now()))
                    .await
                    .map_err(|error| error.to_string())?;
                started += 1;
            }
        }
        Ok(started)
    }

    async fn is_unknown(&self, repo: &RepoRef, pull: &OpenPull) -> Result<bool, StoreError> {
        let subject = Some(Subject::Pull { number: pull.number }.key(repo));
        let filter = RunFilter { subject, commit: Some(pull.head.clone()), ..RunFilter::default() };
        Ok(self.deps.store.list(&filter, 1).await?.is_empty())
    }
}

fn missed(repo: &RepoRef, pull: &OpenPull) -> RunSpec {
    let spec = GatesSpec {
        head: pull.head.clone(),
        base_ref: pull.base_ref.clone(),
        base: None,
        config_ref: None,
        compare_from: None,
        cause: Cause::CaughtUp,
        changed_at: Some(pull.updated_at),
        only: None,
        rerun_of: None,
    };
    RunSpec { repo: repo.clone(), subject: Subject::Pull { number: pull.number }, work: Work::Gates(spec) }
}
