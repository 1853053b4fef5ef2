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

/// Commands that somebody gives together.
pub(crate) struct Commands {
    /// What makes them unique: a delivery that comes twice does not count twice.
    pub(crate) id: String,
    /// So many.
    pub(crate) count: usize,
    /// When, by the forge's clock: what was said over hours, and arrives at once after an outage, was not said at once.
    pub(crate) said_at: Timestamp,
}

#[derive(Default)]
struct Recent {
    /// What arrived in the last minute: when, and what it was.
    arrived: VecDeque<(Timestamp, Commands)>,
    /// When people were told last that it is too much.
    told_at: Option<Timestamp>,
}

impl Floods {
    /// Counts commands that somebody gives together, and says whether they are too much. What is too much of one person
    /// does not count against the others.
    pub(crate) fn count(&self, repo: &str, user: u64, commands: &Commands, now: Timestamp) -> Flood {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.retain(|_, recent| recent.is_of_this_minute(now));
        let keys = [((repo.to_owned(), Some(user)), COMMANDS_PER_MINUTE_EACH), ((repo.to_owned(), None), COMMANDS_PER_MINUTE)];
        for (key, most) in &keys {
            let recent = counted.entry(key.clone()).or_default();
            recent.forget(now);
            let Some(said) = recent.said_around(commands) else { return Flood::No };
            if said + commands.count > *most {
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
            let Commands { id, count, said_at } = commands;
            let commands = Commands { id: id.clone(), count: *count, said_at: *said_at };
            counted.entry(key).or_default().arrived.push_back((now, commands));
        }
        Flood::No
    }
}

impl Recent {
    fn is_of_this_minute(&self, now: Timestamp) -> bool {
        let fresh = |at: &Timestamp| now.duration_since(*at) < MINUTE;
        self.arrived.back().is_some_and(|(at, _)| fresh(at)) || self.told_at.as_ref().is_some_and(fresh)
    }

    fn forget(&mut self, now: Timestamp) {
        while self.arrived.front().is_some_and(|(at, _)| now.duration_since(*at) >= MINUTE) {
            self.arrived.pop_front();
        }
    }

    /// How many others were said within a minute of these. None where these are counted already.
    fn said_around(&self, these: &Commands) -> Option<usize> {
        let mut count = 0;
        for (_, other) in &self.arrived {
            if other.id == these.id {
                return None;
            }
            if other.said_at.duration_since(these.said_at).abs() < MINUTE {
                count += other.count;
            }
        }
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    /// Counts commands that arrive when they are said, each of which was never there before.
    fn live(floods: &Floods, repo: &str, user: u64, count: usize, second: i64) -> Flood {
        let commands = Commands { id: uuid::Uuid::new_v4().to_string(), count, said_at: at(second) };
        floods.count(repo, user, &commands, at(second))
    }

    #[test]
    fn sixty_commands_a_minute_pass_and_of_the_rest_people_are_told_once_a_minute() {
        let floods = Floods::default();
        for n in 0..60 {
            assert_eq!(live(&floods, "a", n % 3, 1, 0), Flood::No);
        }
        assert_eq!(live(&floods, "a", 9, 1, 31), Flood::Begins);
        assert_eq!(live(&floods, "a", 9, 1, 32), Flood::GoesOn);
        assert_eq!(live(&floods, "b", 9, 1, 32), Flood::No, "another repository is not concerned");
        assert_eq!(live(&floods, "a", 9, 2, 60), Flood::No, "the first are a minute old");
    }

    #[test]
    fn twenty_are_one_persons_and_what_is_more_does_not_count_against_the_others() {
        let floods = Floods::default();
        for _ in 0..20 {
            assert_eq!(live(&floods, "a", 1, 1, 0), Flood::No);
        }
        assert_eq!(live(&floods, "a", 1, 1, 1), Flood::Begins);
        for _ in 0..1_000 {
            assert_eq!(live(&floods, "a", 1, 1, 2), Flood::GoesOn);
        }
        for n in 0..40 {
            assert_eq!(live(&floods, "a", 2 + n % 2, 1, 3), Flood::No);
        }
    }

    #[test]
    fn what_was_said_over_hours_and_arrives_at_once_is_no_flood() {
        let floods = Floods::default();
        for n in 0..100 {
            let commands = Commands { id: n.to_string(), count: 1, said_at: at(n * 60) };
            assert_eq!(floods.count("a", 1, &commands, at(6_000)), Flood::No, "{n}");
        }
    }

    #[test]
    fn a_command_that_arrives_again_and_again_counts_once() {
        let floods = Floods::default();
        for n in 0..20 {
            for _ in 0..5 {
                let commands = Commands { id: n.to_string(), count: 1, said_at: at(0) };
                assert_eq!(floods.count("a", 1, &commands, at(1)), Flood::No, "{n}");
            }
        }
        assert_eq!(live(&floods, "a", 1, 1, 2), Flood::Begins);
    }
}
