//! Uploading findings to code scanning, and what became of them there.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{Published, ScanOf, ScanReport};
use http::Method;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Repeat};
use crate::error::{foreign_words, refused};
use crate::github::GitHub;
use crate::route::repo_route;

/// GitHub takes so much, compressed.
const SARIF_BYTES_MAX: usize = 10 * 1024 * 1024;
/// So often it is asked whether an upload was processed; each wait is twice the one before, 102 s in all at the usual delay. What
/// becomes of it later is GitHub's to show; the check says that it was not known.
const ASKED_MAX: u32 = 9;

#[derive(Serialize)]
struct Upload<'a> {
    commit_sha: &'a str,
    #[serde(rename = "ref")]
    of: String,
    sarif: String,
}

#[derive(Deserialize)]
struct Uploaded {
    id: Option<String>,
}

/// What GitHub says of an upload.
#[derive(Deserialize)]
struct Processing {
    processing_status: Option<String>,
    errors: Option<Vec<String>>,
}

impl GitHub {
    /// An upload takes the place of what was uploaded before for the same commit, tool and category: so nothing is looked up,
    /// and the request may be repeated. Refused where code scanning is not switched on, where the App may not write it, or where
    /// GitHub says that it could not make anything of it.
    pub(crate) async fn publish_scan(&self, repo: &RepoRef, report: &ScanReport) -> Result<Published, ForgeError> {
        if report.sarif.len() > SARIF_BYTES_MAX {
            return Err(refused("findings of more than 10 MB, compressed, are not taken by code scanning"));
        }
        let of = match &report.of {
            ScanOf::Branch(name) => format!("refs/heads/{name}"),
            ScanOf::Pull(number) => format!("refs/pull/{number}/head"),
        };
        let body = Upload { commit_sha: report.head.as_str(), of, sarif: BASE64_STANDARD.encode(&report.sarif) };
        let target = repo_route(repo, &["code-scanning", "sarifs"])?;
        let call = Call::write("upload_scan", Method::POST, target, &body)?.repeat(Repeat::Safe);
        let answer = self.api.for_scanning(repo, &call).await?;
        if answer.status == 413 {
            return Err(refused("code scanning takes no findings of this size"));
        }
        let answer = answer.ok(|| format!("code scanning of {}", repo.path))?;
        // Without a name to ask for it by, it was taken all the same.
        let id = match answer.json("upload_scan") {
            Ok(Uploaded { id: Some(id) }) => self.processed(repo, &id).await?,
            Ok(Uploaded { id: None }) | Err(_) => ScanReport::TAKEN,
        };
        Ok(Published { id })
    }

    /// Waits until an upload was processed, and says how far it is. An error only where GitHub says that this has failed: what
    /// cannot be found out is no reason to upload again.
    async fn processed(&self, repo: &RepoRef, id: &str) -> Result<u64, ForgeError> {
        let mut wait = self.timeouts.retry_delay;
        for _ in 0..ASKED_MAX {
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2);
            match self.processing(repo, id).await {
                Ok(Some(Processing { processing_status: Some(status), errors })) => match status.as_str() {
                    "failed" => return Err(failed(&errors.unwrap_or_default())),
                    "complete" => return Ok(ScanReport::TAKEN),
                    _ => {}
                },
                Ok(Some(Processing { processing_status: None, .. }) | None) => {}
                Err(error) => {
                    tracing::info!(%repo, %error, "whether findings were processed by code scanning is not known");
                    return Ok(ScanReport::TAKEN);
                }
            }
        }
        tracing::info!(%repo, "code scanning has not processed findings yet");
        Ok(ScanReport::PENDING)
    }

    /// None: GitHub does not know of it, which may be so shortly after the upload.
    async fn processing(&self, repo: &RepoRef, id: &str) -> Result<Option<Processing>, ForgeError> {
        let call = Call::get("scan_processing", repo_route(repo, &["code-scanning", "sarifs", id])?);
        let answer = self.api.for_scanning(repo, &call).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        answer.ok(|| format!("code scanning of {}", repo.path))?.json("scan_processing").map(Some)
    }
}

/// GitHub's own words quote what it was given: they are cut and on one line, as all of its words are.
fn failed(errors: &[String]) -> ForgeError {
    let words = foreign_words(&errors.join("; "), "");
    let said = if words.is_empty() { "it does not say why".to_owned() } else { words };
    refused(format!("code scanning could not process the findings: {said}"))
}
