//! Tags of which no delivery arrived. A forge does not say when a tag was made, so only those are caught up with whose version is above
//! every one of the same product that is known here: what is older was there before, or is brought by `/gw deploy`.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::PoisonError;

use gatewright_core::forge::{Forge, ForgeError};
use gatewright_core::rollout::version::Version;
use gatewright_core::run::{ReleaseSpec, RunSpec, Work};
use gatewright_core::store::{RunFilter, StoreError};
use gatewright_core::{CommitId, RepoRef, Subject, Timestamp};

use super::CaughtUp;
use crate::{Engine, overview, take};

/// The versions of so many of the newest releases are known.
const KNOWN_MAX: usize = 50;

/// So many tags of one repository are caught up with in one go: more at once are no releases that somebody waits for.
const TAGS_MAX: usize = 5;

/// So many tags that were seen once are remembered. Beyond that all are forgotten, and each is caught up with a look later.
const SEEN_MAX: usize = 1_000;

impl Engine {
    /// Starts the releases of tags that no delivery told of. One that is seen for the first time may have its delivery under way, and is
    /// looked at once more. A repository that has never released anything is asked nothing.
    pub(super) async fn catch_up_tags(&self, forge: &dyn Forge, repo: &RepoRef) -> Result<CaughtUp, String> {
        let said = |error: StoreError| error.to_string();
        let known = self.known_versions(repo).await.map_err(said)?;
        if known.is_empty() {
            return Ok(CaughtUp::default());
        }
        let tags = match forge.tags(repo).await {
            Ok(tags) => tags.tags,
            Err(error @ (ForgeError::LockedOut { .. } | ForgeError::Missing { .. } | ForgeError::Refused { .. })) => {
                tracing::debug!(repo = %repo, %error, "its tags cannot be listed");
                return Ok(CaughtUp::default());
            }
            Err(error @ (ForgeError::RateLimited { .. } | ForgeError::Unavailable { .. })) => return Err(error.to_string()),
        };
        let mut all = CaughtUp::default();
        for (tag, commit) in tags.iter().filter(|(tag, _)| is_newer(tag, &known)).take(TAGS_MAX) {
            if self.is_known(repo, tag).await.map_err(said)? {
                continue;
            }
            if !self.was_seen(repo, tag, commit) {
                all.unsettled += 1;
                continue;
            }
            tracing::info!(repo = %repo, tag, commit = commit.short(), "no delivery arrived; catching up");
            let id = format!("catch-up/{}/tag/{tag}/{commit}", repo.key());
            self.accept(take::internal(&id, missed(repo, tag, commit), Timestamp::now())).await.map_err(said)?;
            all.started += 1;
        }
        Ok(all)
    }

    async fn known_versions(&self, repo: &RepoRef) -> Result<Vec<Version>, StoreError> {
        let known = overview::releases(self.deps.store.as_ref(), repo, None, KNOWN_MAX).await?;
        Ok(known.iter().filter_map(|(_, run)| run.release()?.spec.tag.parse().ok()).collect())
    }

    async fn is_known(&self, repo: &RepoRef, tag: &str) -> Result<bool, StoreError> {
        let subject = Some(Subject::Release { tag: tag.to_owned() }.key(repo));
        Ok(!self.deps.store.list(&RunFilter { subject, ..RunFilter::default() }, 1).await?.is_empty())
    }

    /// Whether this was looked at before. From now on it was.
    fn was_seen(&self, repo: &RepoRef, tag: &str, commit: &CommitId) -> bool {
        let mut seen: std::sync::MutexGuard<'_, BTreeSet<String>> = self.tags_seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        !seen.insert(format!("{}/{tag}/{commit}", repo.key()))
    }
}

/// Whether a tag's version is above all known ones of its product, of which there is one at least.
fn is_newer(tag: &str, known: &[Version]) -> bool {
    let Ok(version) = tag.parse::<Version>() else { return false };
    let mut of_product = known.iter().filter_map(|known| version.precedence(known)).peekable();
    of_product.peek().is_some() && of_product.all(|order| order == Ordering::Greater)
}

fn missed(repo: &RepoRef, tag: &str, commit: &CommitId) -> RunSpec {
    let spec = ReleaseSpec { tag: tag.to_owned(), commit: Some(commit.clone()), by: None, only: None, commanded: None };
    RunSpec { repo: repo.clone(), subject: Subject::Release { tag: tag.to_owned() }, work: Work::Release(spec) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_above_all_known_ones_of_its_product_is_missed() {
        let known: Vec<Version> = ["v1.4.0", "v1.3.9", "web-v2.0.0"].iter().filter_map(|tag| tag.parse().ok()).collect();
        let newer = |tag: &str| is_newer(tag, &known);
        assert!(newer("v1.4.1") && newer("web-v2.0.1"));
        assert!(!newer("v1.4.0") && !newer("v1.3.10") && !newer("api-v9.0.0") && !newer("nightly"));
        assert!(!is_newer("v1.0.0", &[]), "nothing was ever released");
    }
}
