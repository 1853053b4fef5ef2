//! Rounds of base and head, benchmark by benchmark.

use std::collections::HashMap;

use gatewright_core::facts::{BenchmarkFact, BenchmarkFacts, Better};
use gatewright_core::verdict::Rounds;

use super::compare::{Limit, interleaved};
use super::{Line, Source, Told, cut_short, measured, show, typical};

/// A ratio counts as no larger than this: one to nothing, such as allocations where there were none, has to have a size.
pub(super) const RATIO_MAX: f64 = 1000.0;

/// What a round measured: its place by name and unit, base and head.
type Key = (String, String);

/// What is said of rounds. The error is what is wrong with the head's reports, in Markdown.
/// With it comes what is kept of the head. `alone` is what its last run measured, for where there was no round.
pub(super) fn told(rounds: &Rounds, alone: &BenchmarkFacts, limit: Limit) -> Result<(Told, BenchmarkFacts), String> {
    let mut notes: Vec<String> = cut_short(rounds).into_iter().collect();
    let mut pairs = Vec::new();
    for round in &rounds.list {
        let head = measured::read(&round.head)?.facts();
        match measured::read(&round.base) {
            Ok(base) => pairs.push((base.facts(), head)),
            Err(problems) => {
                // The base is not what is judged.
                notes.push(format!("The base's reports cannot be read:\n\n{problems}"));
                break;
            }
        }
    }
    match kept(pairs.iter().map(|(_, head)| head)) {
        Some(kept) => Ok((Told { lines: lines(&pairs, limit), about: show::about_rounds(pairs.len(), limit), notes }, kept)),
        None => Ok((Told { lines: alone.list.iter().map(uncompared).collect(), about: String::new(), notes }, alone.clone())),
    }
}

/// What is kept of several rounds: of each benchmark the middle of each figure.
fn kept<'a>(rounds: impl Iterator<Item = &'a BenchmarkFacts> + Clone) -> Option<BenchmarkFacts> {
    let one = |fact: &BenchmarkFact| {
        let all: Vec<&BenchmarkFact> = rounds.clone().filter_map(|facts| facts.find(&fact.name, &fact.unit)).collect();
        let middle = |figure: fn(&BenchmarkFact) -> f64| typical(all.iter().map(|fact| figure(fact)).collect()).unwrap_or(0.0);
        BenchmarkFact {
            samples: all.iter().map(|fact| fact.samples).sum(),
            low: middle(|fact| fact.low),
            median: middle(|fact| fact.median),
            high: middle(|fact| fact.high),
            ..fact.clone()
        }
    };
    Some(BenchmarkFacts { list: rounds.clone().last()?.list.iter().map(one).collect() })
}

fn uncompared(fact: &BenchmarkFact) -> Line {
    Line {
        name: fact.name.clone(),
        unit: fact.unit.clone(),
        base: None,
        head: Some(fact.value()),
        found: None,
        source: Source::Nothing,
        note: "not compared",
    }
}

/// One benchmark through all rounds.
#[derive(Default)]
struct Through {
    base: Vec<f64>,
    head: Vec<f64>,
    better: Better,
}

fn lines(pairs: &[(BenchmarkFacts, BenchmarkFacts)], limit: Limit) -> Vec<Line> {
    let mut order: Vec<Key> = Vec::new();
    let mut all: HashMap<Key, Through> = HashMap::new();
    for (base, head) in pairs {
        for (facts, side) in [(head, Side::Head), (base, Side::Base)] {
            facts.list.iter().for_each(|fact| add(&mut order, &mut all, fact, side));
        }
    }
    let mut lines: Vec<Line> = order.into_iter().filter_map(|key| Some(line(all.remove(&key)?, key, pairs.len()))).collect();
    judge(&mut lines, limit);
    lines
}

#[derive(Clone, Copy)]
enum Side {
    Base,
    Head,
}

fn add(order: &mut Vec<Key>, all: &mut HashMap<Key, Through>, fact: &BenchmarkFact, side: Side) {
    let key = (fact.name.clone(), fact.unit.clone());
    let through = all.entry(key.clone()).or_insert_with(|| {
        order.push(key);
        Through::default()
    });
    through.better = fact.better;
    match side {
        Side::Base => through.base.push(fact.value()),
        Side::Head => through.head.push(fact.value()),
    }
}

/// What was measured on both sides in every round is compared; the rest is named.
fn line(through: Through, (name, unit): Key, rounds: usize) -> Line {
    let Through { base, head, better } = through;
    let note = match (base.len(), head.len()) {
        (0, _) => "new",
        (_, 0) => "gone",
        (base, head) if base == rounds && head == rounds => "",
        (_, _) => "not measured in every round",
    };
    let changes = base.iter().zip(&head).map(|(base, head)| worse(*base, *head, better)).collect();
    let source = if note.is_empty() { Source::Rounds(changes) } else { Source::Nothing };
    Line { name, unit, base: typical(base), head: typical(head), found: None, source, note }
}

fn judge(lines: &mut [Line], limit: Limit) {
    let of_rounds = |line: &Line| match &line.source {
        Source::Rounds(changes) => Some(changes.clone()),
        Source::Past(_) | Source::Nothing => None,
    };
    let changes: Vec<Vec<f64>> = lines.iter().filter_map(of_rounds).collect();
    let mut found = interleaved(&changes, limit).into_iter();
    for line in lines.iter_mut().filter(|line| matches!(line.source, Source::Rounds(_))) {
        line.found = found.next();
    }
}

/// By how much the head is worse than the base: the logarithm of the ratio.
pub(super) fn worse(base: f64, head: f64, better: Better) -> f64 {
    let (less, more) = match better {
        Better::Smaller => (base, head),
        Better::Bigger => (head, base),
    };
    if less == more {
        return 0.0;
    }
    let most = RATIO_MAX.ln();
    (more / less).ln().clamp(-most, most)
}
