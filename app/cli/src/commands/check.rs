//! `gatewright check [FILE]`: validates a repository file, or a server file together with the environment.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use gatewright_core::config;
use serde::Serialize;
use url::Url;

use crate::args::CheckArgs;
use crate::failure::Failure;
use crate::server_file::{self, For, Origin, Problem};
use crate::{load, print};

/// Of a service's answer so many bytes are read: `/readyz` has a few hundred, with some room for causes.
const HEALTH_BYTES_MAX: usize = 16 * 1024;

/// A service that is well answers at once; `/readyz` asks its parts for up to 3 s.
const HEALTH_WITHIN: Duration = Duration::from_secs(5);

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    file: String,
    valid: bool,
    /// What a valid file is not enough for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    problems: Vec<Fault>,
}

/// What is said of a server file that has models and no forge.
const MODELS_ALONE: &str =
    "it has models and no `[[forge]]`, which is enough for `gatewright agent run`; `gatewright serve` needs one";

/// What a look at a file comes to.
#[derive(Default)]
struct Looked {
    problems: Vec<Problem>,
    note: Option<&'static str>,
}

/// A problem of a file, or of a variable over it. One that has no place is why the file could not be read at all.
#[derive(Serialize)]
struct Fault {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    /// The environment variable that it is in, where it is not in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    message: String,
}

pub(super) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    if let Some(url) = &args.health {
        return super::wait_for(health(url));
    }
    let path = args.file.clone().unwrap_or_else(found);
    let file = path.display().to_string();
    let there = args.file.is_some() || path.exists();
    let missing = || Failure::Wrong(format!("there is no {file}; `gatewright init` writes a first one"));
    let Looked { problems, note } = match if there { looked(&path) } else { Err(missing()) } {
        Err(failure) if args.json => {
            let fault = Fault { line: None, column: None, variable: None, message: failure.to_string() };
            print::json(&Answer { file, valid: false, note: None, problems: vec![fault] })?;
            return Err(failure);
        }
        looked => looked?,
    };
    let valid = problems.is_empty();
    if args.json {
        print::json(&Answer { file, valid, note, problems: problems.iter().map(fault).collect() })?;
    } else if valid {
        let note = note.map(|note| format!("; {note}")).unwrap_or_default();
        print::line(&format!("{file}: no problems{note}"))?;
    } else {
        let lines: Vec<String> = problems.iter().map(|problem| print::printable(&problem.line(&file))).collect();
        print::line(&lines.join("\n"))?;
    }
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(Failure::WRONG) })
}

/// The repository file: here, or else in the uppermost folder of the working tree that this is in.
fn found() -> PathBuf {
    let here = PathBuf::from(config::PATH);
    let above = || super::init::root().ok().map(|root| root.join(config::PATH)).filter(|path| path.exists());
    if here.exists() { here } else { above().unwrap_or(here) }
}

/// 0 where the service says that it is well, 1 where it says that it is not, 3 where it says nothing.
async fn health(url: &Url) -> Result<ExitCode, Failure> {
    // A proxy would answer for itself.
    let client = reqwest::Client::builder().no_proxy().timeout(HEALTH_WITHIN).build();
    let client = client.map_err(|error| Failure::Outside(format!("no HTTP client can be made: {error}")))?;
    let unanswered = |error: reqwest::Error| Failure::Outside(format!("{url} does not answer: {}", with_causes(&error)));
    let mut answer = client.get(url.clone()).send().await.map_err(unanswered)?;
    let (status, mut body) = (answer.status(), Vec::new());
    while body.len() < HEALTH_BYTES_MAX
        && let Some(part) = answer.chunk().await.map_err(unanswered)?
    {
        body.extend_from_slice(&part);
    }
    let said = said(&body).map(|said| format!(" ({said})")).unwrap_or_default();
    print::line(&print::printable(&format!("{url}: {status}{said}")))?;
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::from(Failure::NOT_PASSED) })
}

/// What a service says of itself: the status of `/readyz`, and which parts are down and why.
fn said(body: &[u8]) -> Option<String> {
    let report: serde_json::Value = serde_json::from_slice(body).ok()?;
    let status = report["status"].as_str()?;
    let down = report["parts"].as_object().into_iter().flatten().filter(|(_, part)| part["status"] == "down");
    let causes = down.map(|(name, part)| format!("; {name}: {}", part["cause"].as_str().unwrap_or("down")));
    Some(format!("{status}{}", causes.collect::<String>()))
}

/// An error with what lies behind it: the outermost says only that a request failed.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

fn looked(file: &Path) -> Result<Looked, Failure> {
    let is_server_file = file.extension().is_some_and(|extension| extension == "toml");
    if is_server_file { server_file(file) } else { repository_file(file) }
}

fn server_file(file: &Path) -> Result<Looked, Failure> {
    let text = load::read_text(file, server_file::BYTES_MAX)?;
    Ok(match load::parse(file, &text, Vec::new(), For::Anybody) {
        Ok(config) => Looked { note: config.forges.is_empty().then_some(MODELS_ALONE), ..Looked::default() },
        Err(problems) => Looked { problems, note: None },
    })
}

fn repository_file(file: &Path) -> Result<Looked, Failure> {
    let text = load::read_text(file, config::BYTES_MAX as u64)?;
    let problems = config::parse(&text).err().unwrap_or_default();
    let problem = |problem: config::Problem| Origin::File { line: problem.line, column: problem.column }.problem(problem.message);
    Ok(Looked { problems: problems.into_iter().map(problem).collect(), note: None })
}

fn fault(problem: &Problem) -> Fault {
    let message = problem.message.clone();
    match &problem.origin {
        Origin::File { line, column } => Fault { line: Some(*line), column: Some(*column), variable: None, message },
        Origin::Variable(name) => Fault { line: None, column: None, variable: Some(name.clone()), message },
        Origin::Flag(name) => Fault { line: None, column: None, variable: Some((*name).to_owned()), message },
    }
}
