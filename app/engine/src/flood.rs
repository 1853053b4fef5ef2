//! How many commands people give, each of them and all in a repository. It is not kept over a restart: what it guards is
//! the forge's patience, and that nobody uses up what is everybody's.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use gatewright_core::Timestamp;
use gatewright_core::run::Flood;
use jiff::SignedDuration;

/// So many commands a minute and repository are obeyed. Beyond that there is a reaction, and one note.
pub(crate) const COMMANDS_PER_MINUTE: usize = 60;

/// So many of these may be one person's.
pub(crate) const COMMANDS_PER_MINUTE_EACH: usize = 20;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Counts commands by repository, and by person in it.
#[derive(Default)]
pub(crate) struct Floods {
    counted: Mutex<HashMap<(String, Option<u64>), Recent>>,
}

#[derive(Default)]
struct Recent {
    /// When the last commands were given.
    at: VecDeque<Timestamp>,
    /// When people were told last that it is too much.
    told_at: Option<Timestamp>,
}

impl Floods {
    /// Counts commands that somebody gives together, and says whether they are too much. What is too much of one person
    /// does not count against the others.
    pub(crate) fn count(&self, repo: &str, user: u64, commands: usize, now: Timestamp) -> Flood {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.retain(|_, recent| recent.is_of_this_minute(now));
        let keys = [((repo.to_owned(), Some(user)), COMMANDS_PER_MINUTE_EACH), ((repo.to_owned(), None), COMMANDS_PER_MINUTE)];
        for (key, most) in &keys {
            let recent = counted.entry(key.clone()).or_default();
            recent.forget(now);
            if recent.at.len() + commands > *most {
                recent.told_at = recent.told_at.filter(|at| now.duration_since(*at) < MINUTE);
                return if recent.told_at.is_some() {
                    Flood::GoesOn
                } else {
                    recent.told_at = Some(now);
                    Flood::Begins
                };
            }
        }
        for (key, _) in keys {
            counted.entry(key).or_default().at.extend(std::iter::repeat_n(now, commands));
        }
        Flood::No
    }
}

impl Recent {
    fn is_of_this_minute(&self, now: Timestamp) -> bool {
        let fresh = |at: &Timestamp| now.duration_since(*at) < MINUTE;
        self.at.back().is_some_and(fresh) || self.told_at.as_ref().is_some_and(fresh)
    }

    fn forget(&mut self, now: Timestamp) {
        while self.at.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            self.at.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    #[test]
    fn sixty_commands_a_minute_pass_and_of_the_rest_people_are_told_once_a_minute() {
        let floods = Floods::default();
        for n in 0..60 {
            assert_eq!(floods.count("a", n % 3, 1, at(0)), Flood::No);
        }
        assert_eq!(floods.count("a", 9, 1, at(31)), Flood::Begins);
        assert_eq!(floods.count("a", 9, 1, at(32)), Flood::GoesOn);
        assert_eq!(floods.count("b", 9, 1, at(32)), Flood::No, "another repository is not concerned");
        assert_eq!(floods.count("a", 9, 2, at(60)), Flood::No, "the first are a minute old");
    }

    #[test]
    fn twenty_are_one_persons_and_what_is_more_does_not_count_against_the_others() {
        let floods = Floods::default();
        for _ in 0..20 {
            assert_eq!(floods.count("a", 1, 1, at(0)), Flood::No);
        }
        assert_eq!(floods.count("a", 1, 1, at(1)), Flood::Begins);
        for _ in 0..1_000 {
            assert_eq!(floods.count("a", 1, 1, at(2)), Flood::GoesOn);
        }
        for n in 0..40 {
            assert_eq!(floods.count("a", 2 + n % 2, 1, at(3)), Flood::No);
        }
    }
}
