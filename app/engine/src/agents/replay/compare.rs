//! Where a pipeline came to something else than its journal says: what tools said, what was changed, what gates made of it, what came of
//! it all. Pure.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_core::GateName;
use gatewright_core::model::ToolResult;
use gatewright_core::run::{ActNote, AgentEvent, AgentRun, JournalEntry, Offer, ProgramEnd, StageState};
use gatewright_core::store::Blobs;
use gatewright_core::tree::Tree;
use gatewright_core::verdict::{StepOutcome, VerdictStatus};
use serde::Serialize;

use super::super::turn::{Deeds, Lost, kept};
use super::events;

/// A difference names so many files.
const PATHS_MAX: usize = 20;

/// Of what was said so many bytes are shown, from a little before the first that differs.
const SAID_BYTES_MAX: usize = 300;

/// What comes before that is shown up to so many bytes.
const BEFORE_BYTES_MAX: usize = 60;

/// Something that is other than in the journal. All text is untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Difference {
    /// A tool said something else. Times do not count.
    Said {
        /// The stage.
        stage: u16,
        /// The turn.
        turn: u32,
        /// The tool.
        tool: String,
        /// On what it was used.
        about: String,
        /// The part that differs, in the journal.
        then: String,
        /// The part that differs, now.
        now: String,
    },
    /// Files were other after a turn, or after a stage's program.
    Files {
        /// The stage.
        stage: u16,
        /// The turn. None: it is a program's.
        turn: Option<u32>,
        /// Which files, the first ones.
        paths: Vec<String>,
    },
    /// A gate said something else.
    Gate {
        /// The stage.
        stage: u16,
        /// The gate.
        gate: GateName,
        /// Which of its looks, from 1.
        round: usize,
        /// What the journal has.
        then: VerdictStatus,
        /// What it says now.
        now: VerdictStatus,
        /// That in a line.
        title: String,
    },
    /// The pipeline went another way: this is in one of both alone.
    Way {
        /// The stage.
        stage: u16,
        /// What, for people: "turn 3".
        step: String,
        /// Whether the journal has it, and not the replay.
        in_journal: bool,
    },
    /// A stage ended in another way.
    Stage {
        /// The stage.
        stage: u16,
        /// Its name.
        name: String,
        /// How, in the journal.
        then: String,
        /// How, now.
        now: String,
    },
    /// The resulting files are others.
    Result {
        /// Which, the first ones.
        paths: Vec<String>,
    },
    /// Something else is handed over.
    Offer {
        /// What the journal has, in words.
        then: Vec<String>,
        /// What there is now.
        now: Vec<String>,
    },
}

/// What happened in a pipeline, of which blobs tell the details.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// The pipeline.
    pub of: &'a AgentRun,
    /// Its journal.
    pub journal: &'a [JournalEntry],
}

/// A turn, or whatever else, of a stage: where it was done more than once, each by its number.
type Nth<K, V> = BTreeMap<(K, usize), V>;

/// What came of each step of a pipeline.
struct Steps<'a> {
    acted: Nth<(u16, u32), Turn<'a>>,
    gates: Nth<(u16, &'a GateName), &'a StepOutcome>,
    programs: Nth<u16, &'a ProgramEnd>,
}

/// What came of a turn.
struct Turn<'a> {
    acts: &'a [ActNote],
    tree: Option<&'a Tree>,
    results: Vec<ToolResult>,
}

impl<'a> Steps<'a> {
    async fn read(blobs: &dyn Blobs, journal: &'a [JournalEntry]) -> Result<Steps<'a>, String> {
        let mut steps = Steps { acted: BTreeMap::new(), gates: BTreeMap::new(), programs: BTreeMap::new() };
        // A turn that changed nothing leaves the stage's files as they were.
        let mut trees: BTreeMap<u16, &Tree> = BTreeMap::new();
        for event in events(journal) {
            if let AgentEvent::Acted { stage, turn, acted } = event {
                let deeds = kept::<Deeds>(blobs, &acted.blob).await.map_err(|lost| match lost {
                    Lost::Later(cause) | Lost::Never(cause) => cause,
                })?;
                if let Some(tree) = &acted.tree {
                    trees.insert(*stage, tree);
                }
                let turn_of = Turn { acts: &acted.acts, tree: trees.get(stage).copied(), results: deeds.results };
                add(&mut steps.acted, (*stage, *turn), turn_of);
            }
            if let AgentEvent::Verified { stage, gate, outcome } = event {
                add(&mut steps.gates, (*stage, gate), &**outcome);
            }
            if let AgentEvent::ProgramEnded { stage, ended } = event {
                add(&mut steps.programs, *stage, &**ended);
            }
        }
        Ok(steps)
    }
}

fn add<K: Ord + Copy, V>(all: &mut Nth<K, V>, key: K, value: V) {
    let n = (0..).find(|n| !all.contains_key(&(key, *n))).unwrap_or_default();
    all.insert((key, n), value);
}

/// How what happened `now` differs from what happened `then`, in the order of the stages; how it ended comes last. Where the journal was
/// `cut` off, what came after that is not looked at. An error is for people: what was said is no longer kept.
pub async fn differences(blobs: &dyn Blobs, then: Told<'_>, now: Told<'_>, cut: bool) -> Result<Vec<Difference>, String> {
    let (before, after) = (Steps::read(blobs, then.journal).await?, Steps::read(blobs, now.journal).await?);
    let mut all = Vec::new();
    each(
        &before.acted,
        &after.acted,
        cut,
        &mut all,
        |((stage, turn), _), then, now| turns((*stage, *turn), then, now),
        |((stage, turn), _)| (*stage, format!("turn {turn}")),
    );
    each(
        &before.programs,
        &after.programs,
        cut,
        &mut all,
        |(stage, _), then, now| programs(*stage, then, now),
        |(stage, _)| (*stage, "its program".to_owned()),
    );
    each(
        &before.gates,
        &after.gates,
        cut,
        &mut all,
        |((stage, gate), n), then, now| gates(*stage, gate, *n, then, now),
        |((stage, gate), n)| (*stage, format!("look {} of gate {gate}", n + 1)),
    );
    if !cut {
        all.extend(stages(then.of, now.of));
        let paths = paths(Some(then.of.result()), Some(now.of.result()));
        if !paths.is_empty() {
            all.push(Difference::Result { paths });
        }
        let (then, now) = (offers(then.of), offers(now.of));
        if then != now {
            all.push(Difference::Offer { then, now });
        }
    }
    // One after the other, as they were done: what comes after the first difference may follow from it.
    all.sort_by_key(Difference::stage);
    Ok(all)
}

impl Difference {
    /// The stage that it is in. What is of none comes last.
    fn stage(&self) -> u16 {
        match self {
            Difference::Said { stage, .. }
            | Difference::Files { stage, .. }
            | Difference::Gate { stage, .. }
            | Difference::Way { stage, .. }
            | Difference::Stage { stage, .. } => *stage,
            Difference::Result { .. } | Difference::Offer { .. } => u16::MAX,
        }
    }
}

/// Compares what both have, and names what only one has. What only `after` has is as it should be where the journal was cut off.
fn each<K: Ord, V>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    cut: bool,
    all: &mut Vec<Difference>,
    compare: impl Fn(&K, &V, &V) -> Vec<Difference>,
    name: impl Fn(&K) -> (u16, String),
) {
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        match (before.get(key), after.get(key)) {
            (Some(then), Some(now)) => all.extend(compare(key, then, now)),
            (None, _) if cut => {}
            (then, _) => {
                let (stage, step) = name(key);
                all.push(Difference::Way { stage, step, in_journal: then.is_some() });
            }
        }
    }
}

fn turns((stage, turn): (u16, u32), then: &Turn<'_>, now: &Turn<'_>) -> Vec<Difference> {
    let mut all = Vec::new();
    for (n, (was, is)) in then.results.iter().zip(&now.results).enumerate() {
        if was.is_error == is.is_error && steady(&was.content) == steady(&is.content) {
            continue;
        }
        let about = then.acts.get(n).map(|act| act.about.clone()).unwrap_or_default();
        let (then, now) = parts(&was.content, &is.content);
        all.push(Difference::Said { stage, turn, tool: was.name.clone(), about, then, now });
    }
    let paths = paths(then.tree, now.tree);
    if !paths.is_empty() {
        all.push(Difference::Files { stage, turn: Some(turn), paths });
    }
    all
}

fn programs(stage: u16, then: &ProgramEnd, now: &ProgramEnd) -> Vec<Difference> {
    let paths = paths(then.tree.as_ref(), now.tree.as_ref());
    let files = (!paths.is_empty()).then_some(Difference::Files { stage, turn: None, paths });
    files.into_iter().collect()
}

fn gates(stage: u16, gate: &GateName, n: usize, then: &StepOutcome, now: &StepOutcome) -> Vec<Difference> {
    if then.verdict.status == now.verdict.status {
        return Vec::new();
    }
    let title = now.verdict.title.clone();
    vec![Difference::Gate { stage, gate: gate.clone(), round: n + 1, then: then.verdict.status, now: now.verdict.status, title }]
}

fn stages(then: &AgentRun, now: &AgentRun) -> Vec<Difference> {
    let words = |state: &StageState| match state {
        StageState::Failed { because, .. } => format!("failed: {because}"),
        StageState::Done { .. } => "done".to_owned(),
        StageState::NotRun => "not run".to_owned(),
        StageState::Waiting | StageState::Working => "not over".to_owned(),
    };
    let both = then.stages.iter().zip(&now.stages).enumerate();
    let other = both.filter_map(|(n, (was, is))| {
        let (then, now) = (words(&was.state), words(&is.state));
        let stage = u16::try_from(n).unwrap_or(u16::MAX);
        (steady(&then) != steady(&now)).then(|| Difference::Stage { stage, name: was.name.clone(), then, now })
    });
    other.collect()
}

/// What becomes of what was handed over, in words.
fn offers(of: &AgentRun) -> Vec<String> {
    let word = |offer: &Offer| match &offer.refused {
        None => offer.what.as_str().to_owned(),
        Some(because) => format!("{}, refused: {because}", offer.what.as_str()),
    };
    of.offers.iter().flatten().map(word).collect()
}

/// The files in which two trees differ. None: nothing was changed up to there.
fn paths(then: Option<&Tree>, now: Option<&Tree>) -> Vec<String> {
    let nothing = Tree::default();
    match (then, now) {
        (None, None) => Vec::new(),
        (then, now) => {
            let (then, now) = (then.unwrap_or(&nothing), now.unwrap_or(&nothing));
            let all: BTreeSet<&String> = then.files.keys().chain(now.files.keys()).collect();
            let other = all.into_iter().filter(|path| then.files.get(*path) != now.files.get(*path));
            other.take(PATHS_MAX).cloned().collect()
        }
    }
}

/// The parts of two texts that differ, with a little of what is before.
fn parts(then: &str, now: &str) -> (String, String) {
    let same = then.bytes().zip(now.bytes()).take_while(|(a, b)| a == b).count();
    let part = |text: &str| {
        let from = text.floor_char_boundary(same.saturating_sub(BEFORE_BYTES_MAX));
        let to = text.floor_char_boundary((from + SAID_BYTES_MAX).min(text.len()));
        text[from..to].to_owned()
    };
    (part(then), part(now))
}

/// A text without times: how long something took, the time of day, dates. Whatever is the same without them is the same.
fn steady(text: &str) -> String {
    const UNITS: [&str; 12] = ["ns", "us", "µs", "ms", "s", "sec", "secs", "second", "seconds", "min", "minutes", "minute"];
    let mut steady = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        steady.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:-,".contains(c))).unwrap_or(rest.len());
        let number = rest[..end].trim_end_matches(['.', ':', '-', ',']);
        rest = &rest[number.len()..];
        let unit_at = rest.strip_prefix(' ').unwrap_or(rest);
        let unit = &unit_at[..unit_at.find(|c: char| !c.is_alphabetic()).unwrap_or(unit_at.len())];
        if is_moment(number) {
            steady.push_str("(time)");
        } else if UNITS.contains(&unit) {
            steady.push_str("(time)");
            rest = &unit_at[unit.len()..];
        } else {
            steady.push_str(number);
        }
    }
    steady.push_str(rest);
    steady
}

/// Whether this is a time of day or a date, with two digits in each part of it and four in a year: `3:5` is a place in a file.
fn is_moment(number: &str) -> bool {
    let has = |part: &str, digits: usize| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
    let clock: Vec<&str> = number.split(['.', ',']).next().unwrap_or_default().split(':').collect();
    let date: Vec<&str> = number.split('-').collect();
    let is_date = matches!(date.as_slice(), [year, month, day] if has(year, 4) && has(month, 2) && has(day, 2));
    is_date || matches!(clock.len(), 2 | 3) && clock.iter().all(|part| has(part, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_something_took_makes_no_difference() {
        for (then, now) in [
            ("ok in 0.03s", "ok in 1.20s"),
            ("took 12 ms.", "took 7 ms."),
            ("finished 2026-11-21T23:10:00Z", "finished 2026-11-22T01:02:03Z"),
            ("-rw-r--r-- 1 1000 5 23:10 a", "-rw-r--r-- 1 1000 5 00:01 a"),
        ] {
            assert_eq!(steady(then), steady(now), "{then}");
        }
        for (then, now) in
            [("2 passed", "3 passed"), ("a.rs:3:5", "a.rs:4:5"), ("7 msgs", "8 msgs"), ("1.", "2."), ("5 - 2", "5 - 3")]
        {
            assert_ne!(steady(then), steady(now), "{then}");
        }
    }

    #[test]
    fn of_two_texts_the_parts_are_shown_that_differ() {
        let (then, now) = parts(&format!("{}a long end", "é".repeat(400)), &format!("{}another", "é".repeat(400)));
        assert!(then.ends_with("éa long end") && now.ends_with("éanother"), "{then} {now}");
        assert!(then.len() < 2 * BEFORE_BYTES_MAX);
        assert_eq!(parts("", "x"), (String::new(), "x".to_owned()));
    }
}
