//! Changelog: the notes of a release go into the repository's changelog file, by one pull request to the branch that the release is on.
//!
//! The pull request is found again by its branch, which is named after the tag, and a file that tells of the version already is left
//! alone. So a release that is made twice, or a pull request that somebody has merged, changed or closed, changes nothing more.

use bytes::Bytes;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{ProposalReport, Report, ReportKey};
use gatewright_core::rollout::version::Version;
use gatewright_core::run::{ChangelogEntry, ReleaseEvent, ReleaseRun, Run};
use gatewright_core::tree::{FileChange, FileMode};

use super::{again, done};
use crate::Engine;
use crate::gates::markdown::code;
use crate::perform::{Done, again_or_final, not_configured};
use crate::render::escape;

mod text;

pub use text::{Entry, added};

/// A path is shown up to so many characters.
const PATH_CHARS_MAX: usize = 200;

/// Looks what the file is to say.
pub(super) async fn look(engine: &Engine, run: &Run, release: &ReleaseRun) -> Done {
    match entry(engine, run, release).await {
        Ok(entry) => done(ReleaseEvent::Changelog { entry }),
        Err(done) => done,
    }
}

async fn entry(engine: &Engine, run: &Run, release: &ReleaseRun) -> Result<ChangelogEntry, Done> {
    let Some(forge) = engine.forge(run.repo.forge) else { return Err(not_configured(run)) };
    let (Some(valid), Some(path)) = (&release.valid, release.changelog_file()) else { return Err(Done::GivenUp) };
    let as_it_is = |because: String| Ok(ChangelogEntry::AsItIs { because });
    let asked = |error: ForgeError| again_or_final(error).map_or_else(Ok, Err);
    let parent = match forge.branch(&run.repo, &valid.branch).await {
        Ok(parent) => parent,
        Err(error) => return as_it_is(asked(error)?),
    };
    let file = match forge.file(&run.repo, &parent, path).await {
        Ok(file) => file,
        Err(error) => return as_it_is(asked(error)?),
    };
    let Ok(before) = file.as_ref().map(|bytes| std::str::from_utf8(bytes)).transpose() else {
        return as_it_is("it is not UTF-8".to_owned());
    };
    let Ok(version) = valid.release.tag.parse::<Version>() else { return as_it_is("the tag is no version".to_owned()) };
    let date = release.created_at.strftime("%Y-%m-%d").to_string();
    match added(before, &Entry { version: &version, date: &date, notes: &release.notes }) {
        None => as_it_is(format!("it tells of {version} already")),
        Some(text) => match engine.deps.blobs.put(Bytes::from(text)).await {
            Ok(content) => Ok(ChangelogEntry::Proposed { parent, content }),
            Err(error) => Err(again(error)),
        },
    }
}

/// The pull request.
pub(crate) async fn report(engine: &Engine, run: &Run) -> Result<Report, String> {
    let release = run.release().ok_or("the run is no release")?;
    let valid = release.valid.as_ref().ok_or("the release is not valid")?;
    let path = release.changelog_file().ok_or("the release has no changelog")?;
    let Some(ChangelogEntry::Proposed { parent, content }) = &release.changelog else {
        return Err("the changelog stays as it is".to_owned());
    };
    let content = engine.deps.blobs.get(content).await.map_err(|error| error.to_string())?;
    let content = content.ok_or("the changed changelog has been pruned")?;
    let tag = &valid.release.tag;
    // Nothing in it is of this run alone: another run of the same tag would show something else.
    let body = format!(
        "Adds the notes of the release {} to {}. Merge it when you like: nothing waits for it. Closed, it is not opened again.\n\n\
         <sub>Made by Gatewright for commit {}</sub>\n",
        escape(tag),
        code(path, PATH_CHARS_MAX),
        valid.release.commit.short()
    );
    Ok(Report::Proposal(Box::new(ProposalReport {
        branch: branch(tag),
        parent: parent.clone(),
        changes: vec![FileChange { path: path.to_owned(), now: Some((FileMode::Plain, content)) }],
        message: format!("chore: notes of {tag}"),
        target: valid.branch.clone(),
        title: format!("chore: notes of {tag}"),
        body,
        labels: Vec::new(),
        // Somebody has asked for it in the repository file, and it holds nothing that was not published.
        draft: false,
        // Not the run's: another run of the same tag has to find what this one has made.
        external_id: format!("changelog/{tag}"),
    })))
}

/// Every run of a tag finds the same one.
fn branch(tag: &str) -> String {
    format!("gatewright/changelog-{}", tag.replace('/', "-"))
}

/// What became of the changelog, for people. None where nobody has asked for one, or nothing is known yet.
pub fn changelog_words(run: &Run, release: &ReleaseRun) -> Option<String> {
    let path = code(release.changelog_file()?, PATH_CHARS_MAX);
    Some(match release.changelog.as_ref()? {
        ChangelogEntry::AsItIs { because } => format!("{path} stays as it is: {}", escape(because)),
        ChangelogEntry::Proposed { .. } => {
            let state = run.published.get(&ReportKey::Proposal);
            match state.and_then(|state| state.shown.as_ref()) {
                Some((_, number)) => {
                    format!("The notes go into {path} by {}.", crate::agents::show::reference(run.repo.forge, *number))
                }
                None if state.is_some_and(|state| state.refused.is_some()) => {
                    format!("The forge did not take the pull request for {path}; the run's page says why.")
                }
                None => format!("A pull request for {path} is being made."),
            }
        }
    })
}
