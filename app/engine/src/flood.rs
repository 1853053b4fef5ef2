//! How many commands people give in a repository. It is not kept over a restart: what it guards is the forge's patience.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use gatewright_core::Timestamp;
use gatewright_core::run::Flood;
use jiff::SignedDuration;

/// So many commands a minute and repository are obeyed. Beyond that there is a reaction, and one note.
pub(crate) const COMMANDS_PER_MINUTE: usize = 60;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Counts commands by repository.
#[derive(Default)]
pub(crate) struct Floods {
    repos: Mutex<HashMap<String, Recent>>,
}

#[derive(Default)]
struct Recent {
    /// When the last commands were given.
    at: VecDeque<Timestamp>,
    /// Whether people were told since there was room last.
    told: bool,
}

impl Floods {
    /// Counts commands that are given together, and says whether they are too much.
    pub(crate) fn count(&self, repo: &str, commands: usize, now: Timestamp) -> Flood {
        let mut repos = self.repos.lock().unwrap_or_else(PoisonError::into_inner);
        repos.retain(|_, recent| recent.at.back().is_some_and(|last| now.duration_since(*last) < MINUTE));
        let recent = repos.entry(repo.to_owned()).or_default();
        while recent.at.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            recent.at.pop_front();
        }
        if recent.at.len() + commands <= COMMANDS_PER_MINUTE {
            recent.at.extend(std::iter::repeat_n(now, commands));
            recent.told = false;
            return Flood::No;
        }
        if std::mem::replace(&mut recent.told, true) { Flood::GoesOn } else { Flood::Begins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    #[test]
    fn sixty_commands_a_minute_pass_and_of_the_rest_people_are_told_once() {
        let floods = Floods::default();
        for n in 0..60 {
            assert_eq!(floods.count("a", 1, at(n / 2)), Flood::No);
        }
        assert_eq!(floods.count("a", 1, at(31)), Flood::Begins);
        assert_eq!(floods.count("a", 1, at(32)), Flood::GoesOn);
        assert_eq!(floods.count("b", 1, at(32)), Flood::No, "another repository is not concerned");
        assert_eq!(floods.count("a", 2, at(60)), Flood::No, "the first two are a minute old");
        assert_eq!(floods.count("a", 1, at(60)), Flood::Begins);
    }
}
