//! Publishing the release of a tag, and its artefacts as links.
//!
//! GitLab has neither drafts nor pre-releases, and its newest release is the one that was made last. A release has no number:
//! its tag is its key. What a release holds besides its text are links, so an artefact is one to where the service itself
//! gives it out.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{AssetReport, Published, RELEASE_MARKER, ReleaseReport, ReleaseStage};
use gatewright_forge_shared::text::keep_beginning;
use serde::{Deserialize, Serialize};

use crate::call::{Call, project_route};
use crate::error::{missing, refused};
use crate::gitlab::GitLab;

/// GitLab's limit for a description: 1,000,000 characters, cut by bytes.
const DESCRIPTION_BYTES_MAX: usize = 1_000_000;
/// A release has no number, and of a draft there is nothing.
const NO_ID: u64 = 0;

#[derive(Serialize)]
struct ReleaseBody<'a> {
    /// Without a `ref` beside it, so that GitLab makes no tag where this one is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag_name: Option<&'a str>,
    name: &'a str,
    description: &'a str,
}

#[derive(Serialize)]
struct LinkBody<'a> {
    name: &'a str,
    url: &'a str,
    link_type: &'static str,
}

#[derive(Deserialize)]
struct Release {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    assets: Assets,
}

#[derive(Deserialize, Default)]
struct Assets {
    #[serde(default)]
    links: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    id: u64,
    name: String,
    url: String,
}

impl GitLab {
    pub(crate) async fn publish_release(&self, repo: &RepoRef, report: &ReleaseReport) -> Result<Published, ForgeError> {
        if report.stage == ReleaseStage::Draft {
            return Ok(Published { id: NO_ID });
        }
        let _held = self.publishing.hold(format!("{}/release/{}", repo.key(), report.tag)).await;
        self.check_tag(repo, report).await?;
        let description = format!("{RELEASE_MARKER}\n{}", report.body);
        let description = keep_beginning(&description, DESCRIPTION_BYTES_MAX);
        let body = ReleaseBody { tag_name: None, name: &report.name, description: &description };
        match self.release_of(repo, &report.tag).await? {
            Some(there) if !there.is_ours() || there.shows(&body) => {}
            Some(_) => self.update_release(repo, &report.tag, &body).await?,
            None => {
                let body = ReleaseBody { tag_name: Some(&report.tag), ..body };
                let call = Call::post("create_release", project_route(repo, &["releases"])?, &body)?;
                self.api.send(&call).await?.ok(|| format!("the releases of {}", repo.path))?;
            }
        }
        Ok(Published { id: NO_ID })
    }

    async fn check_tag(&self, repo: &RepoRef, report: &ReleaseReport) -> Result<(), ForgeError> {
        let (tag, wanted) = (&report.tag, &report.commit);
        match self.read_tag(repo, tag).await? {
            Some(state) if state.commit == *wanted => Ok(()),
            Some(state) => Err(refused(format!(
                "the tag {tag} was moved from {} to {}; nothing is published for it",
                wanted.short(),
                state.commit.short()
            ))),
            None => Err(refused(format!("the tag {tag} was deleted; nothing is published for it"))),
        }
    }

    async fn release_of(&self, repo: &RepoRef, tag: &str) -> Result<Option<Release>, ForgeError> {
        let answer = self.api.send(&Call::get("release", project_route(repo, &["releases", tag])?)).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        answer.ok(|| format!("the release of {tag}"))?.json("release").map(Some)
    }

    async fn update_release(&self, repo: &RepoRef, tag: &str, body: &ReleaseBody<'_>) -> Result<(), ForgeError> {
        let call = Call::put("update_release", project_route(repo, &["releases", tag])?, body)?;
        self.api.send(&call).await?.ok(|| format!("the release of {tag}")).map(drop)
    }

    /// A link's name is unique within a release. One that leads elsewhere is left to people: it cannot be changed here.
    pub(crate) async fn publish_asset(&self, repo: &RepoRef, report: &AssetReport) -> Result<Published, ForgeError> {
        let (tag, name) = (&report.tag, report.name.as_str());
        let Some(url) = report.url.as_deref() else {
            return Err(refused(format!(
                "it takes links to artefacts only, and {name} has no address; set `public_url` in the server file"
            )));
        };
        let _held = self.publishing.hold(format!("{}/asset/{tag}/{name}", repo.key())).await;
        let release = self.release_of(repo, tag).await?.ok_or_else(|| missing(format!("the release of {tag}")))?;
        match release.assets.links.into_iter().find(|link| link.name == name) {
            Some(link) if link.url == url => Ok(Published { id: link.id }),
            Some(link) => Err(refused(format!("the release of {tag} has another link {name}, to {}; delete it there", link.url))),
            None => {
                let target = project_route(repo, &["releases", tag, "assets", "links"])?;
                let call = Call::post("create_link", target, &LinkBody { name, url, link_type: "package" })?;
                let answer = self.api.send(&call).await?.ok(|| format!("the release of {tag}"))?;
                Ok(Published { id: answer.json::<Link>("create_link")?.id })
            }
        }
    }
}

impl Release {
    fn is_ours(&self) -> bool {
        self.description.as_deref().is_some_and(|description| description.starts_with(RELEASE_MARKER))
    }

    fn shows(&self, wanted: &ReleaseBody<'_>) -> bool {
        self.name.as_deref() == Some(wanted.name) && self.description.as_deref() == Some(wanted.description)
    }
}
