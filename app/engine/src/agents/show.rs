//! What people are told of a pipeline of agents.

use gatewright_core::run::{AgentRun, StageState};

/// The pipeline in one line.
pub fn headline(of: &AgentRun) -> String {
    if let Some(reason) = &of.cancel {
        return format!("stopped: {reason}");
    }
    if let Some((because, _)) = &of.refused {
        return format!("not started: {because}");
    }
    let Some(name) = of.pipeline() else { return "getting ready".to_owned() };
    if let Some(because) = &of.stopped {
        return format!("{name}: stopped, {because}");
    }
    let working: Vec<&str> =
        of.stages.iter().filter(|stage| stage.state == StageState::Working).map(|stage| stage.name.as_str()).collect();
    match working.as_slice() {
        [] if of.offers.is_some() => format!("{name}: done"),
        [] => format!("{name}: deciding what is shown"),
        working => format!("{name}: {}", working.join(", ")),
    }
}
