//! What gates said of earlier commits, in a job of GitLab CI. Jobs of the default branch leave it as a file among their artefacts,
//! and every job asks GitLab for the one of that branch's last pipeline that passed.
//!
//! GitLab's cache would not do. What a protected branch writes there, jobs of merge requests cannot read; and what they can read, any
//! merge request's own pipeline can have written. Artefacts of the default branch are written by its own pipelines alone.

use std::path::Path;
use std::time::Duration;

use gatewright_action::Variables;
use gatewright_action::inputs::Inputs;
use gatewright_action::job::{Job, Runner};
use gatewright_core::config::Pushed;
use gatewright_engine::local::Pasts;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use url::Url;

use super::folder::Folder;
use super::show;
use crate::failure::Failure;

/// The name of the job whose artefacts they are. None: nothing is asked for, and nothing is left.
const JOB: &str = "GATEWRIGHT_HISTORY_JOB";
/// A token that may read artefacts, where the job's own may not: on GitLab Free it reads those of public projects only.
const TOKEN: &str = "GATEWRIGHT_HISTORY_TOKEN";
/// Among the reports.
const FILE: &str = "history.jsonl";
/// More is neither left nor read: of what is left, the commits of longest ago are left out.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// What 32 MiB may take. Without an answer the gates run, and compare with less.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// So often in all, with this wait between: what is lost here is lost to later pipelines too.
const TRIES: u32 = 3;
const RETRY_WAIT: Duration = Duration::from_secs(2);

/// What is known of earlier commits: a folder of the workflow's, or what GitLab has.
pub(super) async fn known(variables: &Variables, job: &Job, inputs: &Inputs, scratch: &Path) -> Result<Option<Pasts>, Failure> {
    if let Some(folder) = &inputs.history {
        return Ok(Some(Pasts::new(folder)));
    }
    let Some(name) = asked(variables, job) else { return Ok(None) };
    let pasts = Pasts::new(scratch.join("history"));
    match fetched(variables, name, &inputs.output).await {
        Ok(text) => pasts.take_over(&text),
        Err(cause) => {
            let words = format!("what gates said of earlier commits is not known: {cause}");
            show::note(job.runner, &words)?;
        }
    }
    Ok(Some(pasts))
}

/// Leaves it for later jobs, where this is one of the default branch.
pub(super) fn leave(variables: &Variables, job: &Job, pasts: Option<&Pasts>, folder: &Folder) -> Result<(), Failure> {
    match (asked(variables, job), pasts) {
        (Some(_), Some(pasts)) if job.change.pushed == Pushed::DefaultBranch => {
            folder.write(FILE, pasts.hand_over(BYTES_MAX).as_bytes())
        }
        _ => Ok(()),
    }
}

fn asked<'v>(variables: &'v Variables, job: &Job) -> Option<&'v str> {
    variable(variables, JOB).filter(|_| job.runner == Runner::Gitlab)
}

fn variable<'v>(variables: &'v Variables, name: &str) -> Option<&'v str> {
    variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// The file of the last pipeline that passed, or why there is none.
async fn fetched(variables: &Variables, name: &str, output: &str) -> Result<String, String> {
    let address = address(variables, name, output).ok_or("the variables that say where GitLab is are not set as in every job")?;
    let client = Client::builder().timeout(ANSWER_MAX).redirect(Policy::none()).build().map_err(|error| error.to_string())?;
    let mut tries = 1;
    loop {
        match answer(&client, &address, signed(variables)).await {
            Err(_) if tries < TRIES => tokio::time::sleep(RETRY_WAIT * tries).await,
            done => return done.and_then(|text| text.ok_or_else(|| none(variables, name))),
        }
        tries += 1;
    }
}

/// `GET /projects/:id/jobs/artifacts/:ref_name/raw/*artifact_path` of GitLab's API. For a merge request that is the project that it goes to, also
/// where the pipeline runs in a fork.
fn address(variables: &Variables, name: &str, output: &str) -> Option<Url> {
    let of = |name: &str| variable(variables, name);
    let mut address: Url = of("CI_API_V4_URL")?.parse().ok().filter(|url: &Url| matches!(url.scheme(), "http" | "https"))?;
    let project = of("CI_MERGE_REQUEST_PROJECT_ID").or_else(|| of("CI_PROJECT_ID"))?;
    let file = output.split('/').filter(|part| !matches!(*part, "" | ".")).chain([FILE]);
    let path = ["projects", project, "jobs", "artifacts", of("CI_DEFAULT_BRANCH")?, "raw"];
    address.path_segments_mut().ok()?.pop_if_empty().extend(path).extend(file);
    address.query_pairs_mut().append_pair("job", name);
    Some(address)
}

/// With what a job has to sign in with.
fn signed(variables: &Variables) -> HeaderMap {
    let of = |header: &'static str, name: &str| {
        let mut value = HeaderValue::from_str(variable(variables, name)?).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_static(header), value))
    };
    of("private-token", TOKEN).or_else(|| of("job-token", "CI_JOB_TOKEN")).into_iter().collect()
}

/// The file; None where GitLab has none, or none for this job.
async fn answer(client: &Client, address: &Url, mut headers: HeaderMap) -> Result<Option<String>, String> {
    let mut address = address.clone();
    loop {
        let failed = |error: reqwest::Error| format!("GitLab cannot be asked: {}", error.without_url());
        let mut answer = client.get(address.clone()).headers(headers.clone()).send().await.map_err(failed)?;
        match answer.status() {
            status if status.is_success() => return text(&mut answer).await.map(Some),
            // To where objects are stored, which the token is not for; and from there nowhere else.
            status if status.is_redirection() && !headers.is_empty() => {
                let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                address = to.and_then(|to| address.join(to).ok()).ok_or("GitLab redirects to nowhere")?;
            }
            // A token that may not read here may be less than none: a public project's artefacts are everybody's.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND if !headers.is_empty() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(format!("GitLab answers {status}")),
        }
        headers.clear();
    }
}

async fn text(answer: &mut reqwest::Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| format!("GitLab's answer broke off: {}", error.without_url()))? {
        if bytes.len() + chunk.len() > BYTES_MAX {
            return Err(format!("GitLab answers more than {} MiB", BYTES_MAX >> 20));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| "what GitLab answers is no text".to_owned())
}

fn none(variables: &Variables, name: &str) -> String {
    let branch = variable(variables, "CI_DEFAULT_BRANCH").unwrap_or_default();
    format!(
        "GitLab has no artefact of it that this job may read. Either no pipeline of {branch} with the job {name} has passed yet, or the \
         job's token may not read artefacts, as on GitLab Free in projects that are not public; see docs/action.md"
    )
}
