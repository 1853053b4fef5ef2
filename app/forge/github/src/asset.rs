//! Publishing the artefacts of a release.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{AssetReport, Published};
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;

use crate::call::Call;
use crate::error::{is_missing, missing, refused};
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::repo_route;

/// An artefact is held in memory while it goes up; GitHub would take 2 GiB.
const ASSET_BYTES_MAX: usize = 256 * 1024 * 1024;
/// GitHub takes 1,000 artefacts a release.
const ASSET_PAGES_MAX: usize = 10;

#[derive(Deserialize)]
struct Asset {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    size: u64,
    /// `sha256:` and the digits; older servers do not tell it.
    #[serde(default)]
    digest: Option<String>,
}

impl Asset {
    fn is(&self, report: &AssetReport) -> bool {
        let same = match &self.digest {
            Some(digest) => digest.strip_prefix("sha256:") == Some(report.sha256.as_str()),
            None => self.size == report.content.len() as u64,
        };
        self.state == "uploaded" && same
    }
}

impl GitHub {
    /// What is there under that name with another content, or only half, is replaced.
    pub(crate) async fn publish_asset(&self, repo: &RepoRef, report: &AssetReport) -> Result<Published, ForgeError> {
        if report.content.len() > ASSET_BYTES_MAX {
            return Err(refused(format!("the artefact {} is larger than 256 MiB", report.name)));
        }
        let _held = self.publishing.hold(format!("{}/asset/{}/{}", repo.key(), report.tag, report.name)).await;
        let release = self.release_of(repo, &report.tag).await?;
        let release = release.ok_or_else(|| missing(format!("the release of {}", report.tag)))?.id;
        if let Some(there) = self.assets_of(repo, release).await?.into_iter().find(|asset| asset.name == report.name.as_str()) {
            if there.is(report) {
                return Ok(Published { id: there.id });
            }
            self.delete_asset(repo, there.id).await?;
        }
        self.upload(repo, release, report).await
    }

    async fn assets_of(&self, repo: &RepoRef, release: u64) -> Result<Vec<Asset>, ForgeError> {
        let mut next = Some(with_query(repo_route(repo, &["releases", &release.to_string(), "assets"])?, &[PER_PAGE]));
        let mut assets = Vec::new();
        for _ in 0..ASSET_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_releases(repo, &Call::get("assets", target)).await?;
            let answer = answer.ok(|| format!("release {release}"))?;
            assets.extend(answer.json::<Vec<Asset>>("assets")?);
            next = answer.next;
        }
        Ok(assets)
    }

    async fn delete_asset(&self, repo: &RepoRef, id: u64) -> Result<(), ForgeError> {
        let call = Call::delete("delete_asset", repo_route(repo, &["releases", "assets", &id.to_string()])?);
        match self.api.for_releases(repo, &call).await?.ok(|| format!("artefact {id}")) {
            Err(error) if !is_missing(&error) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn upload(&self, repo: &RepoRef, release: u64, report: &AssetReport) -> Result<Published, ForgeError> {
        let route = repo_route(repo, &["releases", &release.to_string(), "assets"])?;
        let target = with_query(route, &[("name", report.name.as_str())]);
        let call = Call::upload("upload_asset", target, report.content.clone(), report.content_type.clone());
        let answer = self.api.for_releases(repo, &call).await?.ok(|| format!("release {release}"))?;
        let made: Asset = answer.json("upload_asset")?;
        if made.is(report) {
            Ok(Published { id: made.id })
        } else {
            Err(refused(format!("the artefact {} did not arrive as it was sent", report.name)))
        }
    }
}
