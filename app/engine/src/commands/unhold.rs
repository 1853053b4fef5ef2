//! `unhold`: lets a held pull request go.

use gatewright_core::command::CommandName;
use gatewright_core::order::{OrderChange, OrderKey};

use super::{Answer, Case, Granted};

pub(super) fn obey(case: &Case<'_>, _: &[String]) -> Answer {
    if case.order(&OrderKey::Hold).is_none() {
        return Err("nobody holds this.".to_owned());
    }
    let change = OrderChange::Clear { key: OrderKey::Hold, run: case.run };
    Ok(Granted { deed: case.order_deed(CommandName::Unhold, change), means: "let go".to_owned() })
}
