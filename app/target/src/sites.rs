//! Which environments of which repositories may use what.
//!
//! Only the operator opens anything: a repository file that names a service that was not opened to its repository and environment gets an error for
//! people, and nothing else. A service and environment belong to one repository, since pools, weights and counters do.

use gatewright_core::ForgeKind;
use gatewright_core::ids::EnvironmentName;
use gatewright_core::target::{Place, Site, Sites, TargetError};

use crate::error::refused;

/// What is opened, and to whom.
#[derive(Clone)]
pub struct Opened {
    /// The forge; None where there is one only.
    pub forge: Option<ForgeKind>,
    /// The repository's path there, `OWNER/NAME` or `GROUP/SUBGROUP/NAME`. Paths are not told apart by the size of letters.
    pub repository: String,
    /// The environment.
    pub environment: EnvironmentName,
    /// The service, as the repository file names it.
    pub service: String,
    /// What is used.
    pub site: Site,
}

/// What the operator has opened.
#[derive(Clone, Default)]
pub struct OpenedSites(Vec<Opened>);

impl OpenedSites {
    /// Of several that fit, the first is used.
    pub fn new(opened: Vec<Opened>) -> Self {
        OpenedSites(opened)
    }
}

impl Sites for OpenedSites {
    fn site(&self, place: &Place) -> Result<Site, TargetError> {
        let fits = |opened: &&Opened| {
            opened.forge.is_none_or(|forge| forge == place.repo.forge)
                && opened.repository.eq_ignore_ascii_case(&place.repo.path)
                && opened.environment == place.environment
                && opened.service == place.service
        };
        self.0.iter().find(fits).map(|opened| opened.site.clone()).ok_or_else(|| {
            let cause = format!(
                "this service is not opened to `{}` in `{}`; its operator does that with a `[[target]]` in the server file",
                place.repo.path, place.environment
            );
            refused(format!("service `{}`", place.service), cause)
        })
    }
}

#[cfg(test)]
mod tests;
