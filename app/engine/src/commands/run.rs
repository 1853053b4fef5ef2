//! `run [GATE...]`: runs the gates named, or all of them. What runs already for the head gives way.

use gatewright_core::GateName;
use gatewright_core::command::CommandName;
use gatewright_core::run::Deed;

use super::{Answer, Case, Granted};

/// What other bots take for "every gate".
const ALL: &str = "all";

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    if let Some(why) = case.needs_approval() {
        return Err(why);
    }
    let only = match args {
        [] => None,
        [all] if all == ALL && !case.gates.iter().any(|gate| gate.as_str() == ALL) => None,
        names => Some(names.iter().map(|name| case.gate(name)).collect::<Result<Vec<GateName>, String>>()?),
    };
    let means = match &only {
        None => "all gates run".to_owned(),
        Some(gates) => format!("these gates run: {}", gates.iter().map(GateName::as_str).collect::<Vec<_>>().join(", ")),
    };
    let run = case.start(CommandName::Run, only);
    Ok(Granted { deed: Deed { run, ..Deed::default() }, means })
}
