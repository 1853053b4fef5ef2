//! Catching up: finds open pull requests and tags whose deliveries never arrived, and starts their runs.
//!
//! A forge that has switched a hook off, or was told a wrong address, says nothing of it. So where no delivery has arrived
//! for a while, and every hour anyway (hooks can be one a repository), what is open on the forge is compared with the
//! journal. Missed comments are not looked for: a command is given anew by who misses its answer.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use gatewright_core::forge::{Forge, ForgeError, OpenPull};
use gatewright_core::run::{CancelReason, Cause, Gates, GatesSpec, Preparation, Run, RunSpec, Work};
use gatewright_core::store::{RunFilter, StoreError};
use gatewright_core::{ForgeKind, RepoRef, Subject, Timestamp};
use jiff::SignedDuration;

use crate::{Engine, take};

mod tags;

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

/// When each forge was asked last.
pub(crate) struct LastAsked {
    /// When the last delivery of each had been taken before this process began: what came later says nothing of the time in between.
    began: BTreeMap<ForgeKind, Timestamp>,
    asked: BTreeMap<ForgeKind, Asked>,
}

impl LastAsked {
    pub(crate) fn since(began: BTreeMap<ForgeKind, Timestamp>) -> LastAsked {
        LastAsked { began, asked: BTreeMap::new() }
    }

    /// Since when a forge is to be asked. A service that has never had a delivery has just been set up: what is open was opened without
    /// it.
    fn from(&self, forge: ForgeKind, now: Timestamp) -> Timestamp {
        self.asked.get(&forge).map(|asked| asked.at).or(self.began.get(&forge).copied()).unwrap_or(now)
    }
}

/// When a forge was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    at: Timestamp,
    /// Something had changed so recently that it is to be looked at once more.
    unsettled: bool,
}

impl Asked {
    fn is_due(self, now: Timestamp, quiet: bool) -> bool {
        let every = match (self.unsettled, quiet) {
            (true, _) => SETTLE,
            (false, true) => SILENT_FOR,
            (false, false) => ASKED_EVERY,
        };
        now.duration_since(self.at) >= every
    }
}

/// What came of asking a forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaughtUp {
    /// So many runs were started.
    pub started: u64,
    /// So many open pull requests are unknown and have changed so recently that their deliveries may be under way.
    pub unsettled: u64,
}

impl Engine {
    /// Remembers when the last delivery of each forge was taken. To be called before any is taken: after a stop, what is open on the
    /// forges is compared with the journal from then on.
    pub async fn note_last_deliveries(&self) {
        let last = self.deps.upkeep.stats(Timestamp::now()).await.map(|stats| stats.last_delivery_at).unwrap_or_default();
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// When the last delivery of each forge had been taken when the process began.
    pub(crate) async fn last_deliveries(&self) -> BTreeMap<ForgeKind, Timestamp> {
        let noted = || self.began.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if noted().is_none() {
            self.note_last_deliveries().await;
        }
        noted().unwrap_or_default()
    }

    /// Asks the forges whose turn it is. Returns how many runs were started; false where a forge did not answer.
    pub(crate) async fn catch_up_due(&self, now: Timestamp, asked: &mut LastAsked) -> (u64, bool) {
        let last = self.deps.upkeep.stats(now).await.map(|stats| stats.last_delivery_at).unwrap_or_default();
        let (mut started, mut complete) = (0, true);
        for kind in self.deps.forges.keys() {
            let last_delivery = last.get(kind).copied();
            let before = asked.asked.get(kind).copied();
            let since = asked.from(*kind, now);
            let quiet = last_delivery.is_none_or(|at| now.duration_since(at) >= SILENT_FOR);
            if before.is_some_and(|before| !before.is_due(now, quiet)) {
                continue;
            }
            match self.catch_up(*kind, now, since).await {
                Ok(caught_up) => {
                    started += caught_up.started;
                    if caught_up.started < RUNS_MAX {
                        // One more look settles what is unsettled now; what is unsettled then has its turn the usual time.
                        let unsettled = caught_up.unsettled > 0 && before.is_none_or(|before| !before.unsettled);
                        asked.asked.insert(*kind, Asked { at: now, unsettled });
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
    pub async fn catch_up(&self, kind: ForgeKind, now: Timestamp, since: Timestamp) -> Result<CaughtUp, String> {
        let Some(forge) = self.forge(kind) else { return Ok(CaughtUp::default()) };
        let since = (since - OVERLAP).max(now - LOOK_BACK);
        let mut all = CaughtUp::default();
        let repositories = forge.repositories().await.map_err(|error| error.to_string())?;
        for repo in repositories {
            let of_repo = self.catch_up_repo(forge.as_ref(), &repo, now, since).await?;
            let tags = self.catch_up_tags(forge.as_ref(), &repo).await?;
            all.started += of_repo.started + tags.started;
            all.unsettled += of_repo.unsettled + tags.unsettled;
            if all.started >= RUNS_MAX {
                break;
            }
        }
        metrics::counter!("gatewright_caught_up_total", "forge" => kind.as_str()).increment(all.started);
        Ok(all)
    }

    async fn catch_up_repo(
        &self,
        forge: &dyn Forge,
        repo: &RepoRef,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<CaughtUp, String> {
        let pulls = match forge.open_pulls(repo, since).await {
            Ok(pulls) => pulls,
            // One repository that is gone or closed to us does not keep the others from being looked at.
            Err(error @ (ForgeError::LockedOut { .. } | ForgeError::Missing { .. } | ForgeError::Refused { .. })) => {
                tracing::debug!(repo = %repo, %error, "its pull requests cannot be listed");
                return Ok(CaughtUp::default());
            }
            Err(error @ (ForgeError::RateLimited { .. } | ForgeError::Unavailable { .. })) => return Err(error.to_string()),
        };
        let mut all = CaughtUp::default();
        for pull in &pulls {
            let last = self.last_known(repo, pull).await.map_err(|error| error.to_string())?;
            if last.as_ref().is_some_and(|last| is_current(last, pull)) {
                continue;
            }
            if pull.updated_at >= now - SETTLE {
                all.unsettled += 1;
            } else {
                let after = last.map_or_else(String::new, |last| last.id.to_string());
                let id = format!("catch-up/{}/{}/{}/{after}", repo.key(), pull.number, pull.head);
                tracing::info!(repo = %repo, pull = pull.number, commit = pull.head.short(), "no delivery arrived; catching up");
                self.accept(take::internal(&id, missed(repo, pull), Timestamp::now()))
                    .await
                    .map_err(|error| error.to_string())?;
                all.started += 1;
            }
        }
        Ok(all)
    }

    /// The newest run of a pull request's head.
    async fn last_known(&self, repo: &RepoRef, pull: &OpenPull) -> Result<Option<Run>, StoreError> {
        let subject = Some(Subject::Pull { number: pull.number }.key(repo));
        let filter = RunFilter { subject, commit: Some(pull.head.clone()), ..RunFilter::default() };
        Ok(self.runs(&filter, 1).await?.pop())
    }
}

/// Whether a run is about a pull request as it is: to the same branch, and not over since it was closed or had another head.
fn is_current(run: &Run, pull: &OpenPull) -> bool {
    let over = |gates: &Gates| match gates.preparation() {
        Some(Preparation::Closed | Preparation::Stale { .. }) => true,
        Some(
            Preparation::Planned { .. }
            | Preparation::NoConfig { .. }
            | Preparation::ConfigBroken { .. }
            | Preparation::NeedsApproval
            | Preparation::Gone { .. },
        )
        | None => gates.cancel == Some(CancelReason::Closed),
    };
    run.gates().is_none_or(|gates| gates.base_ref() == pull.base_ref && !over(gates))
}

fn missed(repo: &RepoRef, pull: &OpenPull) -> RunSpec {
    let spec = GatesSpec {
        changed_at: Some(pull.updated_at),
        ..GatesSpec::of(pull.head.clone(), pull.base_ref.clone(), Cause::CaughtUp)
    };
    RunSpec { repo: repo.clone(), subject: Subject::Pull { number: pull.number }, work: Work::Gates(spec) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forge_is_asked_each_hour_each_quarter_where_it_is_silent_and_once_more_soon_where_something_is_unsettled() {
        let at = Timestamp::UNIX_EPOCH;
        let due =
            |unsettled: bool, quiet: bool, mins: i64| Asked { at, unsettled }.is_due(at + SignedDuration::from_mins(mins), quiet);
        assert_eq!([due(false, false, 59), due(false, false, 60)], [false, true]);
        assert_eq!([due(false, true, 14), due(false, true, 15)], [false, true]);
        assert_eq!([due(true, false, 0), due(true, false, 1)], [false, true]);
    }

    #[test]
    fn until_it_was_asked_a_forge_is_asked_for_what_came_since_the_process_before() {
        let at = |mins: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(mins);
        let mut asked = LastAsked::since(BTreeMap::from([(ForgeKind::Github, at(5))]));
        assert_eq!([ForgeKind::Github, ForgeKind::Gitlab].map(|forge| asked.from(forge, at(90))), [at(5), at(90)]);
        asked.asked.insert(ForgeKind::Github, Asked { at: at(90), unsettled: true });
        assert_eq!(asked.from(ForgeKind::Github, at(91)), at(90));
    }
}
