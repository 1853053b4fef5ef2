//! The step with the token: publishes what an earlier step of this job found, or what the job of a pull request left.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use gatewright_action::Variables;
use gatewright_action::checked::Checked;
use gatewright_action::github::command;
use gatewright_action::github::event::Event;
use gatewright_action::inputs::Inputs;
use gatewright_action::job::{self, Runner};
use gatewright_action::publish::{self, Origin};
use gatewright_action::result;
use gatewright_core::forge::{CatchUp, Forge, ForgeError};
use gatewright_core::report::{Known, Report, ScanOf, ScanReport};
use gatewright_core::secret::SecretString;
use gatewright_core::{CommitId, GateName, RepoRef, Timestamp};
use gatewright_forge_github::{GitHub, TokenConfig};

use super::seal::{Seal, scan_file};
use super::{event, show, wrong};
use crate::failure::Failure;
use crate::print;

const API_DEFAULT: &str = "https://api.github.com";
const NAME_DEFAULT: &str = "gatewright-action";
/// Findings of more than that, compressed, are not taken by code scanning.
const SCAN_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// A request that fails for a reason that may pass is made so often in all, with this wait between.
const TRIES: u32 = 3;
const RETRY_WAIT: Duration = Duration::from_secs(2);
/// A longer wait that GitHub asks for is not waited for: the job costs money meanwhile.
const LIMIT_WAIT_SECS_MAX: u64 = 120;

/// What it is published about.
struct Subject {
    origin: Origin,
    /// By the event, never by the file.
    head: CommitId,
    /// The pull request, where the event names it.
    pull: Option<u64>,
    branch: Option<String>,
}

pub(super) async fn run(variables: &Variables) -> Result<ExitCode, Failure> {
    if Runner::of(variables).map_err(wrong)? != Runner::Github {
        let words =
            "only a job on GitHub can publish with its token; on GitLab the component's reports are shown by GitLab itself";
        return Err(Failure::Wrong(words.to_owned()));
    }
    let text = |name: &str| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let inputs = Inputs::read(variables).map_err(wrong)?;
    let name: GateName = text("INPUT_NAME").unwrap_or(NAME_DEFAULT).parse().map_err(wrong)?;
    let Some(token) = text("INPUT_TOKEN") else {
        return Err(Failure::Wrong("the input `token` is empty, so nothing can be published".to_owned()));
    };
    print::bytes(command::mask(token).as_bytes())?;
    let claim = text("INPUT_PUBLISH_RESULT").map(PathBuf::from);
    let event = event::read(variables)?;
    let Some(subject) = subject(variables, &event, claim.is_some())? else { return Ok(ExitCode::SUCCESS) };
    let sealed = Sealed::of(variables, &inputs)?;
    let checked = match claim {
        Some(file) => result::read(&read_file(&file, result::FILE_BYTES_MAX)?).map_err(wrong)?,
        None => sealed.result(&subject.head)?,
    };
    let repo = job::github_repository(variables).map_err(wrong)?;
    let config = TokenConfig::new(text("GITHUB_API_URL").unwrap_or(API_DEFAULT), SecretString::from(token));
    let forge = GitHub::with_token(config).map_err(|error| Failure::Wrong(error.to_string()))?;
    let publisher = Publisher { forge, repo, subject, name, checked, sealed };
    if inputs.check {
        publisher.check().await?;
    }
    if inputs.comment {
        publisher.comments().await?;
    }
    if inputs.code_scanning {
        publisher.scans().await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is published about. None where nothing can be, and that is no mistake.
fn subject(variables: &Variables, event: &Event, claimed: bool) -> Result<Option<Subject>, Failure> {
    match (event, claimed) {
        (Event::WorkflowRun(run), true) if run.event == "pull_request" => {
            let origin = Origin::Claimed { succeeded: run.succeeded, page: run.page.clone() };
            Ok(Some(Subject { origin, head: run.head.clone(), pull: None, branch: None }))
        }
        (Event::WorkflowRun(run), true) => {
            show::note(Runner::Github, &format!("nothing is published: the workflow was started by `{}`", run.event))?;
            Ok(None)
        }
        (_, true) => Err(Failure::Wrong("the input `publish-result` is for workflows that `workflow_run` starts".to_owned())),
        (Event::WorkflowRun(_), false) => Err(Failure::Wrong(
            "a workflow that `workflow_run` starts says what to publish by the input `publish-result`".to_owned(),
        )),
        (Event::Pull { fork: true, .. }, false) => {
            let words = "nothing is published: this pull request comes from a fork, whose token cannot write; templates/ci/github-publish.yml shows how it is done";
            show::note(Runner::Github, words)?;
            Ok(None)
        }
        (_, false) => {
            let change = job::github(variables, event).change;
            let Some(head) = change.head else { return Err(wrong(job::JobError::Missing("GITHUB_SHA"))) };
            let pull = change.pull.map(|pull| pull.number);
            let origin = Origin::Own { page: job::github_run_page(variables) };
            Ok(Some(Subject { origin, head, pull, branch: change.branch }))
        }
    }
}

/// The folder of reports, of which only that is believed which the step before has written: the checkout, and whatever else
/// ran in this job, may have put more there.
struct Sealed {
    folder: PathBuf,
    /// None where that step has come to no result.
    seal: Option<Seal>,
}

impl Sealed {
    fn of(variables: &Variables, inputs: &Inputs) -> Result<Sealed, Failure> {
        Ok(Sealed { folder: PathBuf::from(&inputs.output), seal: Seal::told(variables)? })
    }

    /// What this job's gates came to.
    fn result(&self, head: &CommitId) -> Result<Checked, Failure> {
        let none = "nothing is published: the step that runs the gates came to no result in this job; what it says is the cause";
        let text = self.file(result::FILE_NAME, result::FILE_BYTES_MAX)?.ok_or_else(|| Failure::Wrong(none.to_owned()))?;
        let checked = result::read(&text).map_err(wrong)?;
        if checked.head.as_ref() != Some(head) {
            return Err(Failure::Wrong(format!("nothing is published: the results are not those of {}", head.short())));
        }
        Ok(checked)
    }

    /// A file as the step before has written it; None where it has written none.
    fn file(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        let Some(seal) = self.seal.as_ref().filter(|seal| seal.names(name)) else { return Ok(None) };
        let path = self.folder.join(name);
        let content = read_file(&path, bytes_max)?;
        if seal.holds(name, &content) {
            return Ok(Some(content));
        }
        let words = "is not as the step that runs the gates has written it: something in this job has changed it since";
        Err(Failure::Wrong(format!("nothing of it is published: {} {words}", path.display())))
    }
}

struct Publisher {
    forge: GitHub,
    repo: RepoRef,
    subject: Subject,
    name: GateName,
    checked: Checked,
    sealed: Sealed,
}

impl Publisher {
    async fn check(&self) -> Result<(), Failure> {
        let Subject { origin, head, .. } = &self.subject;
        let check = publish::check(&self.checked, origin, &self.name, head, Timestamp::now());
        self.publish(Report::Check(Box::new(check)), "checks: write").await?;
        print::line(&format!("published the check {} on {}", self.name, head.short()))
    }

    async fn comments(&self) -> Result<(), Failure> {
        for pull in self.pulls().await? {
            let comment = publish::comment(&self.checked, &self.subject.origin, &self.name, pull);
            self.publish(Report::Comment(comment), "pull-requests: write").await?;
            print::line(&format!("published the comment on #{pull}"))?;
        }
        Ok(())
    }

    /// The pull request that the event names, or those that have this head now: a claim names none.
    async fn pulls(&self) -> Result<Vec<u64>, Failure> {
        match (&self.subject.origin, self.subject.pull) {
            (Origin::Own { .. }, pull) => Ok(pull.into_iter().collect()),
            (Origin::Claimed { .. }, _) => {
                let open = self.forge.open_pulls(&self.repo, Timestamp::UNIX_EPOCH).await;
                let open = open.map_err(|error| failed(&error, "pull-requests: read"))?;
                let pulls = publish::pulls_at(&open, &self.subject.head);
                if pulls.is_empty() {
                    show::note(Runner::Github, "nothing is commented on: no open pull request has this commit as its head now")?;
                }
                Ok(pulls)
            }
        }
    }

    /// What gates gave for code scanning. Of a claim nothing is: alerts last.
    async fn scans(&self) -> Result<(), Failure> {
        let of = match (&self.subject.origin, self.subject.pull, &self.subject.branch) {
            (Origin::Claimed { .. }, _, _) => {
                return show::note(Runner::Github, "findings of another workflow's job are not given to code scanning");
            }
            (Origin::Own { .. }, Some(pull), _) => ScanOf::Pull(pull),
            (Origin::Own { .. }, None, Some(branch)) => ScanOf::Branch(branch.clone()),
            (Origin::Own { .. }, None, None) => return Ok(()),
        };
        for gate in &self.checked.gates {
            let Some(sarif) = self.sealed.file(&scan_file(&gate.name), SCAN_BYTES_MAX)?.map(Bytes::from) else { continue };
            let report = ScanReport { head: self.subject.head.clone(), of: of.clone(), sarif };
            self.publish(Report::Scan(Box::new(report)), "security-events: write").await?;
            print::line(&format!("gave the findings of {} to code scanning", gate.name))?;
        }
        Ok(())
    }

    async fn publish(&self, report: Report, permission: &str) -> Result<(), Failure> {
        let mut tries = 1;
        loop {
            let wait = match self.forge.publish(&self.repo, &report, &Known::Maybe).await {
                Ok(_) => return Ok(()),
                Err(ForgeError::Unavailable { .. }) if tries < TRIES => RETRY_WAIT * tries,
                Err(ForgeError::RateLimited { wait_secs, .. }) if tries < TRIES && wait_secs <= LIMIT_WAIT_SECS_MAX => {
                    Duration::from_secs(wait_secs)
                }
                Err(error) => return Err(failed(&error, permission)),
            };
            tokio::time::sleep(wait).await;
            tries += 1;
        }
    }
}

fn failed(error: &ForgeError, permission: &str) -> Failure {
    let hint = match error {
        ForgeError::Refused { .. } | ForgeError::Missing { .. } => {
            format!("; has the job `permissions` with `{permission}`?")
        }
        ForgeError::LockedOut { .. } => {
            format!("; is the input `token` the job's own, and has the job `permissions` with `{permission}`?")
        }
        ForgeError::RateLimited { .. } | ForgeError::Unavailable { .. } => String::new(),
    };
    Failure::Outside(format!("{error}{hint}"))
}

/// A regular file of at most so many bytes, never through a link: gates may have put anything there.
fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let cannot = |words: String| Failure::Outside(format!("{} cannot be read: {words}", path.display()));
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = opened.map_err(|error| cannot(error.to_string()))?;
    if !file.metadata().is_ok_and(|found| found.is_file()) {
        return Err(cannot("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| cannot(error.to_string()))?;
    if bytes.len() as u64 > bytes_max {
        return Err(cannot(format!("it is larger than {} MiB", bytes_max >> 20)));
    }
    Ok(bytes)
}
