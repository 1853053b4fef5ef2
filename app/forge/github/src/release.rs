//! Publishing the release of a tag.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{Channel, Known, Latest, Published, RELEASE_MARKER, ReleaseReport, ReleaseStage};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::keep_beginning;
use http::Method;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::error::{is_missing, refused};
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::repo_route;

/// GitHub's limit for a release's text: 125,000 characters, cut by bytes.
const BODY_BYTES_MAX: usize = 125_000;
/// A draft is listed among the newest; one that lies behind these pages of 100 is made again.
const RELEASE_PAGES_MAX: usize = 5;

#[derive(Serialize)]
struct ReleaseBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tag_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_commitish: Option<&'a str>,
    name: &'a str,
    body: &'a str,
    draft: bool,
    prerelease: bool,
    /// Left out where nothing is published: no draft can be the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    make_latest: Option<&'static str>,
}

#[derive(Deserialize)]
pub(crate) struct Release {
    pub(crate) id: u64,
    #[serde(default)]
    tag_name: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
}

impl Release {
    fn is_ours(&self) -> bool {
        self.body.as_deref().is_some_and(|body| body.starts_with(RELEASE_MARKER))
    }

    fn shows(&self, wanted: &ReleaseBody<'_>) -> bool {
        self.name.as_deref() == Some(wanted.name)
            && self.body.as_deref() == Some(wanted.body)
            && (self.draft, self.prerelease) == (wanted.draft, wanted.prerelease)
    }
}

impl GitHub {
    pub(crate) async fn publish_release(
        &self,
        repo: &RepoRef,
        report: &ReleaseReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let _held = self.publishing.hold(format!("{}/release/{}", repo.key(), report.tag)).await;
        self.check_tag(repo, report).await?;
        let body = format!("{RELEASE_MARKER}\n{}", report.body);
        let body = keep_beginning(&body, BODY_BYTES_MAX);
        match self.known_release(repo, &report.tag, known).await? {
            // Somebody made the tag by writing the release, as GitHub's page for that does it.
            Some(release) if !release.is_ours() => Ok(Published { id: release.id }),
            Some(release) => self.update_release(repo, report, &body, &release).await,
            None => self.create_release(repo, report, &body).await,
        }
    }

    /// GitHub makes a tag that is not there when it publishes a release of it, and a moved one it takes as it is.
    async fn check_tag(&self, repo: &RepoRef, report: &ReleaseReport) -> Result<(), ForgeError> {
        let (tag, wanted) = (&report.tag, &report.commit);
        match self.commit_of_tag(repo, tag).await? {
            Some(commit) if commit == *wanted => Ok(()),
            Some(commit) => Err(refused(format!(
                "the tag {tag} was moved from {} to {}; nothing is published for it",
                wanted.short(),
                commit.short()
            ))),
            None => Err(refused(format!("the tag {tag} was deleted; nothing is published for it"))),
        }
    }

    async fn known_release(&self, repo: &RepoRef, tag: &str, known: &Known) -> Result<Option<Release>, ForgeError> {
        let Known::Id(id) = known else { return self.release_of(repo, tag).await };
        let call = Call::get("release", repo_route(repo, &["releases", &id.to_string()])?);
        match self.api.for_releases(repo, &call).await?.ok(|| format!("release {id}")) {
            Ok(answer) => answer.json("release").map(Some),
            Err(error) if is_missing(&error) => self.release_of(repo, tag).await,
            Err(error) => Err(error),
        }
    }

    /// The tag's release: the published one, else our draft of it.
    pub(crate) async fn release_of(&self, repo: &RepoRef, tag: &str) -> Result<Option<Release>, ForgeError> {
        let parts: Vec<&str> = ["releases", "tags"].into_iter().chain(tag.split('/')).collect();
        let answer = self.api.for_releases(repo, &Call::get("release_of", repo_route(repo, &parts)?)).await?;
        if answer.status != 404 {
            return answer.ok(|| format!("the release of {tag}"))?.json("release_of").map(Some);
        }
        let mut drafts = self.drafts_of(repo, tag).await?;
        drafts.sort_by_key(|release| release.id);
        let mut drafts = drafts.into_iter();
        let oldest = drafts.next();
        for extra in drafts {
            tracing::warn!(forge = "github", repo = repo.path, release = extra.id, "deleting a draft that was made twice");
            let call = Call::delete("delete_release", repo_route(repo, &["releases", &extra.id.to_string()])?);
            match self.api.for_releases(repo, &call).await?.ok(|| format!("release {}", extra.id)) {
                Err(error) if !is_missing(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(oldest)
    }

    /// Our drafts: they have no address by their tag.
    async fn drafts_of(&self, repo: &RepoRef, tag: &str) -> Result<Vec<Release>, ForgeError> {
        let mut next = Some(with_query(repo_route(repo, &["releases"])?, &[PER_PAGE]));
        let mut ours = Vec::new();
        for _ in 0..RELEASE_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_releases(repo, &Call::get("releases", target)).await?;
            let answer = answer.ok(|| format!("the releases of {}", repo.path))?;
            let page: Vec<Release> = answer.json("releases")?;
            ours.extend(page.into_iter().filter(|release| release.draft && release.tag_name == tag && release.is_ours()));
            next = answer.next;
        }
        Ok(ours)
    }

    /// What is published is never made a draft again.
    async fn update_release(
        &self,
        repo: &RepoRef,
        report: &ReleaseReport,
        body: &str,
        there: &Release,
    ) -> Result<Published, ForgeError> {
        let published = ReleaseBody { draft: false, ..wanted(report, body) };
        let wanted = if there.draft { wanted(report, body) } else { published };
        if there.shows(&wanted) {
            return Ok(Published { id: there.id });
        }
        // Which is the newest is said once, when it comes out; later an older one could take that back from its successor.
        let make_latest = wanted.make_latest.filter(|_| there.draft);
        let target = repo_route(repo, &["releases", &there.id.to_string()])?;
        let call = Call::write("update_release", Method::PATCH, target, &ReleaseBody { make_latest, ..wanted })?;
        self.api.for_releases(repo, &call).await?.ok(|| format!("release {}", there.id))?;
        Ok(Published { id: there.id })
    }

    async fn create_release(&self, repo: &RepoRef, report: &ReleaseReport, body: &str) -> Result<Published, ForgeError> {
        let tag_name = Some(report.tag.as_str());
        let target_commitish = Some(report.commit.as_str());
        let body = ReleaseBody { tag_name, target_commitish, ..wanted(report, body) };
        let call = Call::write("create_release", Method::POST, repo_route(repo, &["releases"])?, &body)?.content();
        let answer = self.api.for_releases(repo, &call).await?.ok(|| format!("the releases of {}", repo.path))?;
        Ok(Published { id: answer.json::<Release>("create_release")?.id })
    }
}

fn wanted<'a>(report: &'a ReleaseReport, body: &'a str) -> ReleaseBody<'a> {
    let prerelease = report.channel == Channel::Prerelease;
    let latest = if report.latest == Latest::Yes && !prerelease { "true" } else { "false" };
    let draft = report.stage == ReleaseStage::Draft;
    ReleaseBody {
        tag_name: None,
        target_commitish: None,
        name: &report.name,
        body,
        draft,
        prerelease,
        make_latest: (!draft).then_some(latest),
    }
}
