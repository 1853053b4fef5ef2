//! The circuit breaker of a provider: a pure state machine, to which the time is told.
//!
//! ```text
//! Closed --FAILURES_MAX in a row--> Open --COOL_DOWN--> HalfOpen --one answer--> Closed
//!                                    ^                     |
//!                                    +------one failure----+
//! ```

use std::time::Duration;

use gatewright_core::Timestamp;
use gatewright_core::model::Circuit;
use jiff::SignedDuration;

/// So many failures in a row open the circuit. An answer in between starts the count anew.
pub(crate) const FAILURES_MAX: u32 = 5;

/// A provider is left alone for so long, or longer where it says so.
pub(crate) const COOL_DOWN: Duration = Duration::from_secs(30);

/// A provider that asks for more is asked again all the same: its word may be a slip.
const COOL_DOWN_MAX: Duration = Duration::from_secs(15 * 60);

/// Who comes while one question is let through to see is told to come again after so long.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How the circuit of one provider is.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: State,
    last_failure: Option<String>,
}

#[derive(Debug)]
enum State {
    Closed {
        /// In a row.
        failures: u32,
    },
    Open {
        until: Timestamp,
    },
    /// A question is under way to see whether it answers again.
    Probing,
}

impl Default for State {
    fn default() -> Self {
        State::Closed { failures: 0 }
    }
}

/// What a question was let through as. What came of it is to be told with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ticket {
    /// One of many.
    Usual,
    /// The one that shows whether the provider answers again.
    Probe,
}

impl Breaker {
    /// Whether a question may be asked now. The error says after how long to come again.
    pub(crate) fn admit(&mut self, now: Timestamp) -> Result<Ticket, Duration> {
        match self.state {
            State::Closed { .. } => Ok(Ticket::Usual),
            State::Open { until } if until <= now => {
                self.state = State::Probing;
                Ok(Ticket::Probe)
            }
            State::Open { until } => Err(Duration::try_from(until.duration_since(now)).unwrap_or(COOL_DOWN)),
            State::Probing => Err(LOOK_AGAIN),
        }
    }

    /// The provider answered, be it with a no.
    pub(crate) fn answered(&mut self) {
        self.state = State::default();
    }

    /// The provider failed, and asks to be left alone for `after`.
    pub(crate) fn failed(&mut self, ticket: Ticket, now: Timestamp, cause: &str, after: Option<Duration>) {
        self.last_failure = Some(cause.to_owned());
        let opens = match (&mut self.state, ticket) {
            (State::Closed { failures }, _) => {
                *failures += 1;
                *failures >= FAILURES_MAX
            }
            (State::Probing, Ticket::Probe) => true,
            // Asked before the circuit opened: what it says is known.
            (State::Probing | State::Open { .. }, _) => false,
        };
        if opens {
            let alone = after.unwrap_or_default().clamp(COOL_DOWN, COOL_DOWN_MAX);
            let alone = SignedDuration::try_from(alone).unwrap_or(SignedDuration::from_secs(30));
            self.state = State::Open { until: now.checked_add(alone).unwrap_or(Timestamp::MAX) };
        }
    }

    /// The question was given up before anything came of it: the next one shows instead.
    pub(crate) fn abandoned(&mut self, ticket: Ticket, now: Timestamp) {
        if matches!((&self.state, ticket), (State::Probing, Ticket::Probe)) {
            self.state = State::Open { until: now };
        }
    }

    /// The circuit, for people and for metrics.
    pub(crate) fn circuit(&self, now: Timestamp) -> Circuit {
        match self.state {
            State::Closed { .. } => Circuit::Closed,
            State::Open { until } if until > now => Circuit::Open { until },
            State::Open { .. } | State::Probing => Circuit::HalfOpen,
        }
    }

    /// The last failure, for people.
    pub(crate) fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).expect("a time")
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_MAX {
            breaker.failed(Ticket::Usual, at(0), "down", None);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_in_between_does_not_let_it_come_to_that() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 1..FAILURES_MAX {
                breaker.failed(Ticket::Usual, at(0), "down", None);
            }
            assert_eq!(breaker.admit(at(0)), Ok(Ticket::Usual));
            breaker.answered();
        }
        assert_eq!(opened().circuit(at(1)), Circuit::Open { until: at(30) });
        assert_eq!(opened().admit(at(10)), Err(Duration::from_secs(20)));
        assert_eq!(opened().last_failure(), Some("down"));
    }

    #[test]
    fn after_the_cool_down_one_question_alone_goes_through_and_its_answer_closes_the_circuit() {
        let mut breaker = opened();
        assert_eq!(breaker.circuit(at(30)), Circuit::HalfOpen);
        assert_eq!(breaker.admit(at(30)), Ok(Ticket::Probe));
        assert_eq!(breaker.admit(at(30)), Err(LOOK_AGAIN));
        breaker.answered();
        assert_eq!(breaker.circuit(at(31)), Circuit::Closed);
        assert_eq!(breaker.admit(at(31)), Ok(Ticket::Usual));
    }

    #[test]
    fn a_probe_that_fails_opens_it_again_and_a_late_failure_from_before_does_not() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(at(40)), Ok(Ticket::Probe));
        breaker.failed(Ticket::Usual, at(41), "late", None);
        assert_eq!(breaker.circuit(at(41)), Circuit::HalfOpen);
        breaker.failed(Ticket::Probe, at(42), "down", None);
        assert_eq!(breaker.circuit(at(42)), Circuit::Open { until: at(72) });
    }

    #[test]
    fn a_probe_that_nobody_waits_for_any_more_leaves_the_next_one_to_show() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(at(40)), Ok(Ticket::Probe));
        breaker.abandoned(Ticket::Probe, at(41));
        assert_eq!(breaker.admit(at(41)), Ok(Ticket::Probe));
    }

    #[test]
    fn the_provider_says_how_long_it_is_left_alone_within_bounds() {
        for (said, until) in [(5, 30), (100, 100), (100_000, 900)] {
            let mut breaker = opened();
            assert_eq!(breaker.admit(at(30)), Ok(Ticket::Probe));
            breaker.failed(Ticket::Probe, at(0), "limit", Some(Duration::from_secs(said)));
            assert_eq!(breaker.circuit(at(0)), Circuit::Open { until: at(until) });
        }
    }
}
