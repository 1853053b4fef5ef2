//! `/gw promote [ENV]`: agrees to a rollout that waits for approvals, or has one go on that waits for somebody to say so.

use gatewright_core::RunId;
use gatewright_core::command::CommandName;
use gatewright_core::run::RolloutWord;

use super::{Answer, Case, wrong_args};

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let (environment, rest) =
        case.environment_and_rest(CommandName::Promote, args, |environment| environment.rollouts().next().is_some())?;
    if !rest.is_empty() {
        return Err(wrong_args(CommandName::Promote));
    }
    // One that has begun goes first: those that wait behind it get their approvals when it is their turn.
    let meant: Vec<RunId> = match environment.under_way() {
        Some((run, _)) => vec![run],
        None => environment.rollouts().filter(|(_, rollout)| rollout.admission.is_none()).map(|(run, _)| run).collect(),
    };
    if meant.is_empty() {
        return Err(format!("nothing is being rolled out to `{}`.", environment.name));
    }
    case.tell(&meant, &RolloutWord::Promote { by: case.user() }, format!("promoted in {}", environment.name))
}
