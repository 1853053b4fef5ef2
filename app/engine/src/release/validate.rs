//! Validate: finds out what a tag is, and whether anything may be released from it. The forge is asked for all of it: what a delivery
//! says is a reason to look, no more.

use gatewright_core::CommitId;
use gatewright_core::config::{self, Environment, Releases, RepoConfig, Signed};
use gatewright_core::event::User;
use gatewright_core::forge::{Forge, ForgeError, Protection, Signature, TagState};
use gatewright_core::plan::glob;
use gatewright_core::report::Latest;
use gatewright_core::rollout::Release;
use gatewright_core::rollout::fill::{self, Filling};
use gatewright_core::rollout::version::{self, Stage, Version};
use gatewright_core::run::{Refusal, ReleaseEvent, ReleaseRun, Run, Valid};

use super::done;
use crate::Engine;
use crate::perform::{Done, again_or_final, not_configured, read};

/// So many problems of a repository file are named.
const PROBLEMS_MAX: usize = 3;

/// Why validating stopped short.
enum Short {
    Done(Done),
    Refused(Refusal),
}

impl From<ForgeError> for Short {
    fn from(error: ForgeError) -> Self {
        match again_or_final(error) {
            Ok(done) => Short::Done(done),
            Err(because) => not_one(because),
        }
    }
}

fn not_one(because: impl Into<String>) -> Short {
    Short::Refused(Refusal::NotOne { because: because.into() })
}

pub(super) async fn validate(engine: &Engine, run: &Run, release: &ReleaseRun) -> Done {
    let Some(forge) = engine.forge(run.repo.forge) else {
        let because = format!("{} is not configured", run.repo.forge);
        return done(ReleaseEvent::Refused { refusal: Refusal::NotOne { because } });
    };
    match valid(forge.as_ref(), run, release).await {
        Ok(valid) => done(ReleaseEvent::Validated { valid: Box::new(valid) }),
        Err(Short::Refused(refusal)) => done(ReleaseEvent::Refused { refusal }),
        Err(Short::Done(done)) => done,
    }
}

pub(super) async fn look_at_tag(engine: &Engine, run: &Run, release: &ReleaseRun) -> Done {
    let Some(forge) = engine.forge(run.repo.forge) else { return not_configured(run) };
    let told = release.tag_told;
    match forge.tag(&run.repo, &release.spec.tag).await {
        Ok(tag) => done(ReleaseEvent::TagSeen { commit: tag.map(|tag| tag.commit), told }),
        Err(error) => again_or_final(error).unwrap_or_else(super::again),
    }
}

async fn valid(forge: &dyn Forge, run: &Run, release: &ReleaseRun) -> Result<Valid, Short> {
    let name = &release.spec.tag;
    let tag = forge.tag(&run.repo, name).await?.ok_or_else(|| not_one(format!("there is no tag {name}")))?;
    let text = forge.file(&run.repo, &tag.commit, config::PATH).await?;
    let text = text.ok_or_else(|| not_one(format!("the tag's commit has no {}", config::PATH)))?;
    let asked = release.spec.commanded.is_some();
    let config = match read(&text) {
        Ok(config) => config,
        // A file without releases says nothing of tags; a broken one may have meant to.
        Err(_) if !asked && !String::from_utf8_lossy(&text).contains("releases") => {
            return Err(not_one(format!("{} says nothing of releases", config::PATH)));
        }
        Err(problems) => {
            let problems: Vec<String> = problems.iter().take(PROBLEMS_MAX).map(ToString::to_string).collect();
            let because = format!("{} is not valid at the tag's commit: {}", config::PATH, problems.join("; "));
            return Err(invalid(forge, run, &tag.commit, because).await);
        }
    };
    let Some(releases) = config.releases.clone() else {
        return Err(not_one(format!("{} says nothing of releases", config::PATH)));
    };
    if !releases.tags.iter().any(|rule| glob(rule).is_ok_and(|glob| glob.compile_matcher().is_match(name))) {
        return Err(not_one(format!("the tag matches none of {}", releases.tags.join(", "))));
    }
    checked(forge, run, release, tag, releases, config).await
}

/// A tag that is meant to be a release and cannot be one. People are told where they can be.
async fn invalid(forge: &dyn Forge, run: &Run, commit: &CommitId, because: String) -> Short {
    match forge.pull_of(&run.repo, commit).await {
        Ok(pull) => Short::Refused(Refusal::Invalid { because, commit: commit.clone(), pull }),
        Err(error) => match again_or_final(error) {
            Ok(done) => Short::Done(done),
            Err(_) => Short::Refused(Refusal::Invalid { because, commit: commit.clone(), pull: None }),
        },
    }
}

async fn checked(
    forge: &dyn Forge,
    run: &Run,
    release: &ReleaseRun,
    tag: TagState,
    releases: Releases,
    config: RepoConfig,
) -> Result<Valid, Short> {
    let version: Version = match tag.name.parse() {
        Ok(version) => version,
        Err(error) => return Err(invalid(forge, run, &tag.commit, format!("{error}")).await),
    };
    let branch = match forge.protection(&run.repo, &tag.commit).await? {
        Protection::On { branch } => branch,
        Protection::Off { looked_at, .. } => {
            let looked_at =
                if looked_at.is_empty() { "there is none".to_owned() } else { format!("looked at: {}", looked_at.join(", ")) };
            let because = format!(
                "the tag's commit {} is on no protected branch ({looked_at}). Merge it first, or protect the branch that it is on",
                tag.commit.short()
            );
            return Err(invalid(forge, run, &tag.commit, because).await);
        }
    };
    if let Some(because) = unsigned(&tag, releases.signed) {
        return Err(invalid(forge, run, &tag.commit, because).await);
    }
    let pull = forge.pull_of(&run.repo, &tag.commit).await?;
    let mut authors: Vec<User> = release.spec.by.iter().cloned().collect();
    if let Some(number) = pull {
        authors.push(forge.pull(&run.repo, number).await?.author);
    }
    let tags: Vec<String> = forge.tags(&run.repo).await?.tags.into_iter().map(|(name, _)| name).collect();
    let higher = |other: &Version| other.precedence(&version) == Some(std::cmp::Ordering::Greater);
    let is_newer = |tag: &String| tag.parse().is_ok_and(|other: Version| other.stage() == Stage::Final && higher(&other));
    let prerelease = version.stage() == Stage::PreRelease;
    let latest = if prerelease || tags.iter().any(is_newer) { Latest::No } else { Latest::Yes };
    let number = version.to_string();
    let goes = |environment: &Environment| match &release.spec.only {
        Some(only) => only.contains(&environment.name),
        None => !prerelease || environment.prereleases,
    };
    let environments = config.environments.iter().filter(|environment| goes(environment)).map(|environment| {
        let (version, tag, commit) = (number.as_str(), tag.name.as_str(), tag.commit.as_str());
        filled(environment, &Filling { version, tag, commit, environment: environment.name.as_str() })
    });
    Ok(Valid {
        environments: environments.collect(),
        release: Release {
            tag: tag.name.clone(),
            version: number.clone(),
            commit: tag.commit.clone(),
            run: Some(run.id),
            pull,
            authors,
        },
        prerelease,
        branch,
        previous: version::previous(&tags, &version).map(str::to_owned),
        config: releases,
        latest,
    })
}

/// An environment with its templates filled in.
fn filled(environment: &Environment, with: &Filling<'_>) -> Environment {
    Environment {
        target: fill::fill(&environment.target, with),
        url: environment.url.as_deref().map(|url| fill::fill_text(url, with)),
        ..environment.clone()
    }
}

/// What is not signed as the file asks for.
fn unsigned(tag: &TagState, wanted: Signed) -> Option<String> {
    let verified = |signature: &Signature| matches!(signature, Signature::Verified { .. });
    let (of_tag, of_commit) = (verified(&tag.signature), verified(&tag.commit_signature));
    match wanted {
        Signed::Nothing => None,
        Signed::Tag => (!of_tag).then(|| format!("the tag is to be signed: {}", words(&tag.signature))),
        Signed::Commit => (!of_commit).then(|| format!("the tag's commit is to be signed: {}", words(&tag.commit_signature))),
        Signed::Either => (!of_tag && !of_commit).then(|| {
            let (of_tag, of_commit) = (words(&tag.signature), words(&tag.commit_signature));
            format!("the tag or its commit is to be signed; the tag: {of_tag}; the commit: {of_commit}")
        }),
    }
}

fn words(signature: &Signature) -> String {
    match signature {
        Signature::Verified { .. } => "it is".to_owned(),
        Signature::Unverified { reason } => format!("the forge does not vouch for the signature ({reason})"),
        Signature::Unsigned => "it is not".to_owned(),
        Signature::Unknown { reason } => format!("the forge does not say whether it is ({reason})"),
    }
}
