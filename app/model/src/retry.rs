//! Whether a model is asked again, and when: a pure decision.

use std::time::Duration;

use crate::config::Patience;

/// What to do after a try that failed and may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Ask the same model again after so long.
    Again(Duration),
    /// Ask the next model now.
    Another,
}

/// `tries` of this model were made, and so much time is `left` for the whole question. `after`: what the provider says.
/// `jitter` is from 0 to 1: without a word of the provider's the wait is from half to the whole of what doubles with each try, so that
/// those who failed together do not come back together.
pub(crate) fn next(patience: &Patience, tries: u32, after: Option<Duration>, left: Duration, jitter: f64) -> Next {
    if tries >= patience.tries_max {
        return Next::Another;
    }
    let doubled = patience.pause.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(patience.pause_max);
    let wait = after.unwrap_or_else(|| doubled.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0)));
    // A wait that eats all that is left helps nobody, and one of minutes is for whoever asked to decide about.
    if wait > patience.pause_max || wait >= left { Next::Another } else { Next::Again(wait) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn waits_double_and_end_with_the_tries() {
        let patience = Patience::default();
        assert_eq!(next(&patience, 1, None, LONG, 1.0), Next::Again(secs(1)));
        assert_eq!(next(&patience, 1, None, LONG, 0.0), Next::Again(Duration::from_millis(500)));
        assert_eq!(next(&patience, 2, None, LONG, 1.0), Next::Again(secs(2)));
        assert_eq!(next(&patience, 3, None, LONG, 1.0), Next::Another);
    }

    #[test]
    fn the_providers_own_word_goes_before() {
        let patience = Patience::default();
        assert_eq!(next(&patience, 1, Some(secs(7)), LONG, 0.0), Next::Again(secs(7)));
        assert_eq!(next(&patience, 1, Some(Duration::ZERO), LONG, 0.0), Next::Again(Duration::ZERO));
    }

    #[test]
    fn nobody_waits_for_longer_than_is_left_or_than_is_sensible() {
        let patience = Patience::default();
        assert_eq!(next(&patience, 1, Some(secs(31)), LONG, 0.0), Next::Another);
        assert_eq!(next(&patience, 1, Some(secs(10)), secs(10), 0.0), Next::Another);
        assert_eq!(next(&patience, 1, None, Duration::ZERO, 0.0), Next::Another);
    }
}
