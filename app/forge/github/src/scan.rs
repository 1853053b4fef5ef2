//! Uploading findings to code scanning.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{Published, ScanOf, ScanReport};
use http::Method;
use serde::Serialize;

use crate::call::{Call, Repeat};
use crate::error::refused;
use crate::github::GitHub;
use crate::route::repo_route;

/// GitHub takes so much, compressed.
const SARIF_BYTES_MAX: usize = 10 * 1024 * 1024;
/// An upload has an id that is no number, and nothing is ever done with it again.
const NO_ID: u64 = 0;

#[derive(Serialize)]
struct Upload<'a> {
    commit_sha: &'a str,
    #[serde(rename = "ref")]
    of: String,
    sarif: String,
}

impl GitHub {
    /// An upload takes the place of what was uploaded before for the same commit, tool and category: so nothing is looked up,
    /// and the request may be repeated. Refused where code scanning is not switched on, or where the App may not write it.
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
        answer.ok(|| format!("code scanning of {}", repo.path))?;
        Ok(Published { id: NO_ID })
    }
}
