//! `/gw deploy ENV [VERSION]`: rolls a release out to an environment. One that waits there for somebody to say so begins; any other is
//! released anew, to that environment alone: its tag, its gates and its place in a protected branch are looked at again.

use gatewright_core::command::CommandName;
use gatewright_core::rollout::version::{Stage, Version};
use gatewright_core::run::{Deed, NewRun, ReleaseSpec, RolloutWord, RunSpec, Work};
use gatewright_core::{RunId, Subject};

use super::{Answer, Case, Granted, escape, wrong_args};

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let (environment, wanted) = match args {
        [environment] => (case.environment(environment)?, None),
        [environment, version] => (case.environment(environment)?, Some(version.as_str())),
        _ => return Err(wrong_args(CommandName::Deploy)),
    };
    let tag = tag(case, wanted)?;
    let name = &environment.name;
    let waiting = environment.rollouts().find(|(_, rollout)| rollout.admission.is_none() && rollout.spec.release.tag == tag);
    if let Some((run, _)) = waiting {
        return case.tell(&[run], &RolloutWord::Deploy { by: case.user() }, format!("{tag} may begin in {name}"));
    }
    if environment.rollouts().any(|(_, rollout)| rollout.spec.release.tag == tag && !rollout.settled) {
        return Err(format!("`{tag}` is on its way into `{name}` already."));
    }
    let spec =
        ReleaseSpec { tag: tag.clone(), commit: None, by: None, only: Some(vec![name.clone()]), commanded: Some(case.user()) };
    let subject = Subject::Release { tag: tag.clone() };
    let run = NewRun { id: RunId::new(), spec: RunSpec { repo: case.repo.clone(), subject, work: Work::Release(spec) } };
    Ok(Granted { deed: Deed { run: Some(run), ..Deed::default() }, means: format!("{tag} to {name}") })
}

/// The tag that is meant: by its name, by its version, or the newest that is no pre-release.
fn tag(case: &Case<'_>, wanted: Option<&str>) -> Result<String, String> {
    let versions = || case.tags.iter().filter_map(|tag| tag.parse::<Version>().ok());
    let Some(wanted) = wanted else {
        let newest = versions().filter(|version| version.stage() == Stage::Final).max_by(|a, b| a.number().cmp(b.number()));
        return newest.map(|version| version.tag().to_owned()).ok_or_else(|| "there is no tag that is a version.".to_owned());
    };
    if case.tags.iter().any(|tag| tag == wanted) {
        return Ok(wanted.to_owned());
    }
    let mut same = versions().filter(|version| version.to_string() == wanted);
    match (same.next(), same.next()) {
        (Some(version), None) => Ok(version.tag().to_owned()),
        (Some(_), Some(_)) => Err(format!("several tags are version {}. Name the tag.", escape(wanted))),
        (None, _) => Err(format!("there is no tag or version {}.", escape(wanted))),
    }
}
