//! `cancel`: stops what runs.

use gatewright_core::run::{CancelReason, Deed, Signal, SignalTarget};

use super::{Answer, Case, Granted};

pub(super) fn obey(case: &Case<'_>, _: &[String]) -> Answer {
    if !case.busy {
        return Err("nothing runs here.".to_owned());
    }
    let target = SignalTarget::Subject { key: case.about.key(case.repo), before: None, commit: None };
    let reason = CancelReason::User { login: case.by.login.clone() };
    let deed = Deed { signals: vec![(target, Signal::Cancel { reason })], ..Deed::default() };
    Ok(Granted { deed, means: "what runs is stopped".to_owned() })
}
