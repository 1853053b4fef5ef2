//! `/gw resume [ENV]`: has a paused rollout go on. Where a rollback keeps releases from coming by themselves, they may again.

use gatewright_core::command::CommandName;
use gatewright_core::order::{OrderChange, OrderKey};
use gatewright_core::run::RolloutWord;

use super::{Answer, Case, wrong_args};

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let fits = |environment: &super::EnvironmentCase| environment.under_way().is_some() || environment.hold.is_some();
    let (environment, rest) = case.environment_and_rest(CommandName::Resume, args, fits)?;
    if !rest.is_empty() {
        return Err(wrong_args(CommandName::Resume));
    }
    let name = &environment.name;
    match environment.under_way() {
        Some((run, rollout)) if rollout.paused.is_some() => {
            case.tell(&[run], &RolloutWord::Resume { by: case.user() }, format!("resumed in {name}"))
        }
        Some(_) if environment.hold.is_none() => Err(format!("what is being rolled out to `{name}` is not paused.")),
        None if environment.hold.is_none() => Err(format!("nothing is paused in `{name}`.")),
        Some(_) | None => {
            let clear = OrderChange::Clear { key: OrderKey::Hold, run: case.run };
            case.change(environment, vec![clear], format!("releases may come to {name} again"))
        }
    }
}
