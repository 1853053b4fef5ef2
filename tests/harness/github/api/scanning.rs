//! Code scanning: what is uploaded is judged as GitHub documents its limits, and kept. It is processed a little later.

use std::collections::BTreeSet;
use std::io::Read;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Call, Reply};
use crate::github::world::{Scan, World};

/// GitHub's documented limits: compressed bytes, runs of a file, results and rules of a run.
const BYTES_MAX: usize = 10 * 1024 * 1024;
const RUNS_MAX: usize = 20;
const RESULTS_MAX: usize = 25_000;

/// What is unpacked of an upload; no bot should come near it.
const UNPACKED_BYTES_MAX: u64 = 256 * 1024 * 1024;

pub(super) fn upload(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (head, of) = (call.text("commit_sha").unwrap_or_default(), call.text("ref").unwrap_or_default());
    let repo = call.repo(world);
    repo.git.resolve(&head).ok_or_else(|| Reply::unprocessable("commit not found"))?;
    let known = match of.strip_prefix("refs/pull/").and_then(|rest| rest.split_once('/')) {
        Some((number, "head" | "merge")) => number.parse().is_ok_and(|number: u64| repo.pulls.contains_key(&number)),
        Some(_) => false,
        None => repo.refs.contains_key(&of),
    };
    if !known {
        return Err(Reply::unprocessable("ref not found"));
    }
    let packed = BASE64_STANDARD.decode(call.text("sarif").unwrap_or_default()).map_err(|_| Reply::error(400, "not base64"))?;
    if packed.len() > BYTES_MAX {
        return Err(Reply::error(413, "the sarif field is too large"));
    }
    let mut text = Vec::new();
    let unpacked = flate2::read::GzDecoder::new(packed.as_slice()).take(UNPACKED_BYTES_MAX).read_to_end(&mut text);
    unpacked.map_err(|_| Reply::error(400, "not gzip"))?;
    let log: Value = serde_json::from_slice(&text).map_err(|_| Reply::error(400, "not JSON"))?;
    judge(&log).map_err(|rule| Reply::broken("Sarif", &rule))?;
    let repo = repo.id;
    let category = category(&log);
    world.scans.retain(|scan| (scan.repo, &scan.head, &scan.category) != (repo, &head, &category));
    let id = format!("{:08x}-6f1a-11f0-8de9-0242ac120002", world.new_id());
    let errors = world.scans_fail.clone();
    world.scans.push(Scan { id: id.clone(), repo, head, of, category, log, asked: false, errors });
    let url = format!("{}/sarifs/{id}", call.url.trim_end_matches("/sarifs"));
    Ok(Reply::json(202, json!({"id": id, "url": url})))
}

/// How far an upload is.
pub(super) fn processing(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, wanted) = (call.repo(world).id, call.param("sarif_id").to_owned());
    let scan = world.scans.iter_mut().find(|scan| scan.repo == repo && scan.id == wanted).ok_or_else(Reply::missing)?;
    if !std::mem::replace(&mut scan.asked, true) {
        return Ok(Reply::json(200, json!({"processing_status": "pending"})));
    }
    let (status, errors) = match scan.errors.as_slice() {
        [] => ("complete", Value::Null),
        errors => ("failed", json!(errors)),
    };
    let analyses = format!("{}/analyses?sarif_id={wanted}", call.url.trim_end_matches(&format!("/sarifs/{wanted}")));
    Ok(Reply::json(200, json!({"processing_status": status, "analyses_url": analyses, "errors": errors})))
}

fn category(log: &Value) -> String {
    let id = log["runs"][0]["automationDetails"]["id"].as_str().unwrap_or_default();
    id.rsplit_once('/').map_or(id, |(category, _)| category).to_owned()
}

/// What makes GitHub refuse a log as a whole.
fn judge(log: &Value) -> Result<(), String> {
    if log["version"] != "2.1.0" {
        return Err("the version is not 2.1.0".to_owned());
    }
    let runs = log["runs"].as_array().ok_or("there are no runs")?;
    if runs.len() > RUNS_MAX {
        return Err("more runs than allowed".to_owned());
    }
    let mut tools = BTreeSet::new();
    for run in runs {
        let tool = run["tool"]["driver"]["name"].as_str().filter(|name| !name.is_empty()).ok_or("a run without a tool")?;
        if !tools.insert(tool) {
            return Err("several runs of one tool in one category".to_owned());
        }
        let results = run["results"].as_array().ok_or("a run without results")?;
        if results.len() > RESULTS_MAX {
            return Err("more results than allowed".to_owned());
        }
        for result in results {
            let place = &result["locations"][0]["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().filter(|uri| !uri.is_empty());
            if uri.is_none() || result["message"]["text"].as_str().is_none_or(str::is_empty) {
                return Err("a result without location or message".to_owned());
            }
        }
    }
    Ok(())
}
