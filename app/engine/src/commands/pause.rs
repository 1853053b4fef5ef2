//! `/gw pause [ENV]`: has a rollout stay where it is. It is still looked at, and goes back by itself where it has to.

use gatewright_core::command::CommandName;
use gatewright_core::run::RolloutWord;

use super::{Answer, Case, wrong_args};

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let (environment, rest) =
        case.environment_and_rest(CommandName::Pause, args, |environment| environment.under_way().is_some())?;
    if !rest.is_empty() {
        return Err(wrong_args(CommandName::Pause));
    }
    let Some((run, rollout)) = environment.under_way() else {
        return Err(format!(
            "nothing is being rolled out to `{0}`. To keep releases from it, write `/gw freeze {0}`.",
            environment.name
        ));
    };
    if rollout.back.is_some() {
        return Err("it is being rolled back, and nothing stops that.".to_owned());
    }
    case.tell(&[run], &RolloutWord::Pause { by: case.user() }, format!("paused in {}", environment.name))
}
