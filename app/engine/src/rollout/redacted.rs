//! What targets, routers and sources of metrics say ends up in the journal, and from there in comments, deployments and pages. A program of the
//! operator's that has a secret can repeat it in an error: it is masked here, before anything is journaled or logged.

use gatewright_core::rollout::{Finding, Seen};
use gatewright_core::run::{Look, ReleaseEvent, RolloutEvent, RunEvent};
use gatewright_core::secret::SecretString;
use gatewright_core::target::Health;

use crate::perform::Done;
use crate::redact::Redactor;

/// The same without the service's secrets in what others have said.
pub(crate) fn redacted(secrets: &[SecretString], done: Done) -> Done {
    let mut redactor = Redactor::new(secrets.iter().cloned());
    let mut mask = |text: &mut String| *text = redactor.text(text);
    match done {
        Done::Again { after, mut cause } => {
            mask(&mut cause);
            Done::Again { after, cause }
        }
        Done::Events(mut events) => {
            events.iter_mut().for_each(|event| event_redacted(event, &mut mask));
            Done::Events(events)
        }
        other @ (Done::Claimed { .. } | Done::Stopped { .. } | Done::GivenUp) => other,
    }
}

fn event_redacted(event: &mut RunEvent, mask: &mut impl FnMut(&mut String)) {
    match event {
        RunEvent::Rollout { event } => match event.as_mut() {
            RolloutEvent::Refused { because } | RolloutEvent::Failed { because, .. } => mask(because),
            RolloutEvent::Made { seen, .. } => seen.iter_mut().for_each(|seen| seen_redacted(seen, mask)),
            RolloutEvent::Measured { look, finding } => {
                let Look { unmeasured, unhealthy, .. } = look.as_mut();
                unmeasured.iter_mut().chain(unhealthy).for_each(&mut *mask);
                match finding.as_mut() {
                    Finding::Back { because, .. } | Finding::Pause { because } | Finding::Wait { because } => mask(because),
                    Finding::GoOn => {}
                }
            }
            RolloutEvent::Looked { .. } | RolloutEvent::Admitted { .. } | RolloutEvent::Told { .. } | RolloutEvent::Reminded => {}
        },
        RunEvent::Release { event } => {
            if let ReleaseEvent::Planned { environments, .. } = event.as_mut() {
                for environment in environments {
                    environment.changes.iter_mut().chain(&mut environment.problem).for_each(&mut *mask);
                }
            }
        }
        // A release and a rollout make no others.
        RunEvent::Created { .. }
        | RunEvent::Resumed { .. }
        | RunEvent::Signalled { .. }
        | RunEvent::Prepared { .. }
        | RunEvent::StepStarted { .. }
        | RunEvent::StepFinished { .. }
        | RunEvent::Ruled { .. }
        | RunEvent::Obeyed
        | RunEvent::Agent { .. }
        | RunEvent::Notice { .. }
        | RunEvent::Permit { .. }
        | RunEvent::PublishBegun { .. }
        | RunEvent::Published { .. }
        | RunEvent::PublishRefused { .. }
        | RunEvent::GivenUp { .. }
        | RunEvent::Finished { .. } => {}
    }
}

fn seen_redacted(seen: &mut Seen, mask: &mut impl FnMut(&mut String)) {
    for instance in &mut seen.instances {
        match &mut instance.health {
            Health::Unhealthy { because } | Health::Dead { because } => mask(because),
            Health::Starting | Health::Ready => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_core::run::Way;

    use super::*;

    const SECRET: &str = "tr0ub4dor-and-3-of-production";

    fn told(done: Done) -> String {
        match redacted(&[SecretString::from(SECRET)], done) {
            Done::Again { cause, .. } => cause,
            Done::Events(events) => format!("{events:?}"),
            Done::Claimed { .. } | Done::Stopped { .. } | Done::GivenUp => String::new(),
        }
    }

    #[test]
    fn a_secret_that_a_program_repeats_in_its_error_is_in_no_journal_and_no_log() {
        let because = format!("exit code 1: no login with {SECRET}");
        let failed = RolloutEvent::Failed { way: Way::Forth, n: 0, because: because.clone(), hook: None };
        let failed = Done::Events(vec![RunEvent::Rollout { event: Box::new(failed) }]);
        for told in [told(failed), told(Done::Again { after: None, cause: because })] {
            assert!(told.contains("no login with") && !told.contains(SECRET), "{told}");
        }
    }
}
