//! Tells an agent that gets somewhere from one that goes round in circles.

use super::stage::Turn;

/// So many turns that are the same are a circle.
const SAME: usize = 3;

/// So many turns that go to and fro between two are one too.
const TO_AND_FRO: usize = 6;

/// How an agent goes round in circles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// It does the same, and the same comes of it.
    Repeats,
    /// Whatever it does fails in the same way.
    SameFailure,
    /// It talks and does nothing.
    Monologue,
    /// It goes to and fro between two things.
    Alternates,
}

impl Stuck {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Stuck::Repeats => "it did the same again and again",
            Stuck::SameFailure => "it ran into the same error again and again",
            Stuck::Monologue => "it talked and used no tool",
            Stuck::Alternates => "it went to and fro between the same two things",
        }
    }

    /// How these turns go in circles, if they do.
    pub(super) fn of(turns: &[Turn]) -> Option<Stuck> {
        let done: Vec<Seen<'_>> = turns.iter().filter_map(Seen::of).collect();
        let last = |n: usize| done.len().checked_sub(n).and_then(|from| done.get(from..));
        if let Some(last) = last(SAME) {
            if last.iter().all(|turn| turn.silent) {
                return Some(Stuck::Monologue);
            }
            if last.iter().all(|turn| turn.said == last[0].said && turn.came == last[0].came) {
                return Some(Stuck::Repeats);
            }
            if last.iter().all(|turn| turn.failed && turn.came == last[0].came) {
                return Some(Stuck::SameFailure);
            }
        }
        let last = last(TO_AND_FRO)?;
        let same = |a: &Seen<'_>, b: &Seen<'_>| a.said == b.said && a.came == b.came;
        let alternates = last.windows(3).all(|three| same(&three[0], &three[2]) && !same(&three[0], &three[1]));
        alternates.then_some(Stuck::Alternates)
    }
}

/// What matters of a turn.
struct Seen<'a> {
    said: &'a str,
    came: &'a str,
    failed: bool,
    silent: bool,
}

impl<'a> Seen<'a> {
    fn of(turn: &'a Turn) -> Option<Seen<'a>> {
        let (reply, acted) = (turn.reply.as_ref()?, turn.acted.as_ref()?);
        Some(Seen {
            said: &reply.signature,
            came: &acted.signature,
            failed: !acted.acts.is_empty() && acted.acts.iter().all(|act| act.failed),
            silent: reply.calls.is_empty(),
        })
    }
}
