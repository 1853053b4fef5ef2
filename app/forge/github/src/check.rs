//! Publishing a check run under its stable key.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{CheckReport, Known, Published};
use gatewright_forge_shared::address::with_query;
use http::Method;
use serde::Deserialize;

use crate::call::{Call, Repeat};
use crate::check_body::{ANNOTATIONS_PER_REQUEST, CheckAnnotation, CheckBody, MoreAnnotations, annotations, not_yet_there};
use crate::error::{is_missing, refused};
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::repo_route;

/// GitHub keeps 1,000 check runs of one name and commit; more than these pages of 100 are not looked through.
const RUN_PAGES_MAX: usize = 10;
/// More annotations than this crate ever sends fit on these pages of 100.
const ANNOTATION_PAGES_MAX: usize = 10;

#[derive(Deserialize)]
struct CheckRuns {
    #[serde(default)]
    check_runs: Vec<CheckRun>,
}

#[derive(Deserialize)]
struct CheckRun {
    id: u64,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    app: Option<App>,
}

#[derive(Deserialize)]
struct App {
    id: u64,
}

impl GitHub {
    pub(crate) async fn publish_check(
        &self,
        repo: &RepoRef,
        report: &CheckReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let _held = self.publishing.hold(format!("{}/{}", repo.key(), report.external_id)).await;
        let published = self.show_check(repo, report, known).await?;
        self.publish_suggestions(repo, report).await?;
        Ok(published)
    }

    async fn show_check(&self, repo: &RepoRef, report: &CheckReport, known: &Known) -> Result<Published, ForgeError> {
        if let Known::Id(id) = known {
            match self.update_check(repo, *id, report).await {
                Err(error) if is_missing(&error) => {}
                result => return result,
            }
        }
        let found = match known {
            Known::Never => None,
            Known::Maybe | Known::Id(_) => self.find_check(repo, report).await?,
        };
        match found {
            Some(id) => self.update_check(repo, id, report).await,
            None => self.create_check(repo, report).await,
        }
    }

    async fn create_check(&self, repo: &RepoRef, report: &CheckReport) -> Result<Published, ForgeError> {
        let wanted = annotations(report);
        let (first, rest) = wanted.split_at(wanted.len().min(ANNOTATIONS_PER_REQUEST));
        let mut body = CheckBody::new(report);
        body.head_sha = Some(report.head.as_str());
        let output = body.output.clone();
        body.output = output.with(first.to_vec());
        let call = Call::write("create_check", Method::POST, repo_route(repo, &["check-runs"])?, &body)?;
        let answer = self.api.for_repo(repo, &call).await?.ok(|| format!("{} at {}", repo.path, report.head.short()))?;
        let made: CheckRun = answer.json("create_check")?;
        self.append(repo, made.id, &output, rest).await?;
        Ok(Published { id: made.id })
    }

    /// Every update appends its annotations to those that are there, so an attempt that may be a second one reads first
    /// which are, and sends the others.
    async fn update_check(&self, repo: &RepoRef, id: u64, report: &CheckReport) -> Result<Published, ForgeError> {
        let mut wanted = annotations(report);
        if !wanted.is_empty() {
            wanted = not_yet_there(wanted, &self.annotations_of(repo, id).await?);
        }
        let (first, rest) = wanted.split_at(wanted.len().min(ANNOTATIONS_PER_REQUEST));
        let mut body = CheckBody::new(report);
        let output = body.output.clone();
        body.output = output.with(first.to_vec());
        let repeat = if first.is_empty() { Repeat::Safe } else { Repeat::Never };
        self.patch_check(repo, id, &body, repeat).await?;
        self.append(repo, id, &output, rest).await?;
        Ok(Published { id })
    }

    async fn append(
        &self,
        repo: &RepoRef,
        id: u64,
        output: &crate::check_body::Output,
        rest: &[CheckAnnotation],
    ) -> Result<(), ForgeError> {
        for chunk in rest.chunks(ANNOTATIONS_PER_REQUEST) {
            let body = MoreAnnotations { output: output.with(chunk.to_vec()) };
            self.patch_check(repo, id, &body, Repeat::Never).await?;
        }
        Ok(())
    }

    async fn patch_check<B: serde::Serialize>(
        &self,
        repo: &RepoRef,
        id: u64,
        body: &B,
        repeat: Repeat,
    ) -> Result<(), ForgeError> {
        let target = repo_route(repo, &["check-runs", &id.to_string()])?;
        let call = Call::write("update_check", Method::PATCH, target, body)?.repeat(repeat);
        self.api.for_repo(repo, &call).await?.ok(|| format!("check run {id}")).map(drop)
    }

    /// Our check run of that key. Should there be several, the newest is the one that GitHub shows and that a branch
    /// rule goes by; the others are concluded, so that none of them waits for ever.
    async fn find_check(&self, repo: &RepoRef, report: &CheckReport) -> Result<Option<u64>, ForgeError> {
        let mut ours = self.check_runs_of(repo, report).await?;
        ours.sort_by_key(|run| run.id);
        let newest = ours.pop().map(|run| run.id);
        for older in ours.iter().filter(|run| run.status != "completed") {
            tracing::warn!(
                forge = "github",
                repo = repo.path,
                check_run = older.id,
                "concluding a check run that was made twice"
            );
            self.patch_check(repo, older.id, &superseded(newest), Repeat::Safe).await?;
        }
        Ok(newest)
    }

    async fn check_runs_of(&self, repo: &RepoRef, report: &CheckReport) -> Result<Vec<CheckRun>, ForgeError> {
        let app_id = self.app_id().map(|id| id.to_string());
        let mut query = vec![("check_name", report.name.as_str()), ("filter", "all")];
        query.extend(app_id.as_deref().map(|id| ("app_id", id)));
        query.push(PER_PAGE);
        let route = repo_route(repo, &["commits", report.head.as_str(), "check-runs"])?;
        let mut next = Some(with_query(route, &query));
        let mut ours = Vec::new();
        for _ in 0..RUN_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_repo(repo, &Call::get("find_check", target)).await?;
            let answer = answer.ok(|| format!("{} at {}", repo.path, report.head.short()))?;
            let page: CheckRuns = answer.json("find_check")?;
            ours.extend(page.check_runs.into_iter().filter(|run| self.is_ours(run, report)));
            next = answer.next;
        }
        Ok(ours)
    }

    fn is_ours(&self, run: &CheckRun, report: &CheckReport) -> bool {
        let app = run.app.as_ref().map(|app| app.id);
        // Whose App a token is of, nobody tells its bearer; a check run of another's cannot be changed, which GitHub then says.
        let by_us = self.app_id().is_none_or(|ours| app == Some(ours));
        by_us && run.external_id.as_deref() == Some(&report.external_id)
    }

    async fn annotations_of(&self, repo: &RepoRef, id: u64) -> Result<Vec<CheckAnnotation>, ForgeError> {
        let route = repo_route(repo, &["check-runs", &id.to_string(), "annotations"])?;
        let mut next = Some(with_query(route, &[PER_PAGE]));
        let mut there: Vec<CheckAnnotation> = Vec::new();
        for _ in 0..ANNOTATION_PAGES_MAX {
            let Some(target) = next else { return Ok(there) };
            let answer = self.api.for_repo(repo, &Call::get("annotations", target)).await?;
            let answer = answer.ok(|| format!("check run {id}"))?;
            there.extend(answer.json::<Vec<CheckAnnotation>>("annotations")?);
            next = answer.next;
        }
        match next {
            None => Ok(there),
            // Sending more of them without knowing which are there is what this is to prevent.
            Some(_) => Err(refused(format!("check run {id} has more annotations than Gatewright reads"))),
        }
    }
}

fn superseded(by: Option<u64>) -> serde_json::Value {
    serde_json::json!({
        "status": "completed",
        "conclusion": "neutral",
        "output": {
            "title": "Made twice",
            "summary": format!("Check run {} of the same name took its place.", by.unwrap_or_default()),
        },
    })
}
