//! `/gw unfreeze ENV`: lets releases come to an environment again.

use gatewright_core::command::CommandName;
use gatewright_core::order::{OrderChange, OrderKey};

use super::{Answer, Case, wrong_args};

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let [word] = args else { return Err(wrong_args(CommandName::Unfreeze)) };
    let environment = case.environment(word)?;
    if environment.frozen_by.is_none() {
        return Err(format!("`{}` is not frozen.", environment.name));
    }
    let clear = OrderChange::Clear { key: OrderKey::Freeze, run: case.run };
    case.change(environment, vec![clear], format!("{} is not frozen any more", environment.name))
}
