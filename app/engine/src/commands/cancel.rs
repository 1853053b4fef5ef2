//! `cancel`: stops what runs, agents too.

use gatewright_core::run::{CancelReason, Deed, Signal, SignalTarget};

use super::{Answer, Case, Granted, agents};

pub(super) fn obey(case: &Case<'_>, _: &[String]) -> Answer {
    let at_work = agents::under_way(case).map(|_| agents::about(case));
    let subjects: Vec<_> = case.busy.then(|| case.about.clone()).into_iter().chain(at_work).collect();
    if subjects.is_empty() {
        return Err("nothing runs here.".to_owned());
    }
    let target =
        |subject: gatewright_core::Subject| SignalTarget::Subject { key: subject.key(case.repo), before: None, commit: None };
    let reason = || CancelReason::User { login: case.by.login.clone() };
    let signals = subjects.into_iter().map(|subject| (target(subject), Signal::Cancel { reason: reason() })).collect();
    Ok(Granted { deed: Deed { signals, ..Deed::default() }, means: "what runs is stopped".to_owned() })
}
