//! Obey: does what was ruled, each command once, and writes all of it into the audit log.

use gatewright_core::Timestamp;
use gatewright_core::run::{Command, Deed, Ruled, Ruling, RulingOutcome, Run, RunEvent, Start};
use gatewright_core::store::{Acceptance, AuditEntry, StoreError};

use super::Done;
use crate::Engine;

pub(super) async fn obey(engine: &Engine, run: &Run, command: &Command) -> Done {
    let Some(ruled) = &command.ruled else { return Done::GivenUp };
    for (n, ruling) in ruled.rulings.iter().enumerate() {
        let acceptance = acceptance(run, command, ruled, n, ruling);
        if let Err(error) = engine.accept(acceptance).await {
            return refused_by_store(run, &error);
        }
    }
    Done::Events(vec![RunEvent::Obeyed])
}

/// Accepted under an id that follows from the command's: what was done before a crash is not done again.
fn acceptance(run: &Run, command: &Command, ruled: &Ruled, n: usize, ruling: &Ruling) -> Acceptance {
    let about = run.about();
    let (deed, outcome) = match &ruling.outcome {
        RulingOutcome::Granted { deed, means } => ((**deed).clone(), means.clone()),
        RulingOutcome::Refused { because } => (Deed::default(), format!("refused: {because}")),
    };
    let by = &command.spec.by;
    let name = ruling.command.split_whitespace().next().unwrap_or_default();
    let audit = AuditEntry {
        at: Timestamp::now(),
        actor: format!("{}:{} ({})", run.repo.forge.as_str(), by.login, by.id),
        action: format!("command.{name}"),
        target: format!("{} {about}", run.repo),
        commit: ruled.head.clone(),
        outcome: format!("{}: {outcome}", ruling.command),
    };
    let Deed { run: start_run, start, signals, orders, elsewhere } = deed;
    let key = about.key(&run.repo);
    Acceptance {
        run: start_run,
        start: if signals.is_empty() { Start::Always } else { start },
        signals,
        orders: orders.into_iter().map(|change| (key.clone(), change)).chain(elsewhere).collect(),
        audit: vec![audit],
        ..Acceptance::internal(&format!("command/{}/{n}", run.id), Timestamp::now())
    }
}

fn refused_by_store(run: &Run, error: &StoreError) -> Done {
    tracing::warn!(run.id = %run.id, %error, "a command could not be obeyed yet");
    Done::Again { after: None, cause: error.to_string() }
}
