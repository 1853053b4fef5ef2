//! Which annotations a step shows, since the runner takes few of them.

use gatewright_core::verdict::{Annotation, AnnotationLevel};

use crate::checked::Checked;

/// So many of each level of one step are shown; the runner drops the others without a word.
pub const LEVEL_MAX: usize = 10;
/// So many of a job are shown.
pub const JOB_MAX: usize = 50;

/// The annotations that are shown, and how many are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The worst first.
    pub shown: Vec<&'a Annotation>,
    /// How many more there are, those included that gates left out themselves.
    pub left_out: u64,
}

/// Chooses: the worst level first, and within a level each gate's in turn, so that a gate that says much does not hide what
/// others say. `left` is how many the job may still show: [`JOB_MAX`] for its only step.
pub fn choose(checked: &Checked, left: usize) -> Chosen<'_> {
    let mut shown: Vec<&Annotation> = Vec::new();
    for level in [AnnotationLevel::Failure, AnnotationLevel::Warning, AnnotationLevel::Notice] {
        let room = LEVEL_MAX.min(left - shown.len());
        shown.extend(in_turn(checked, level).take(room));
    }
    let all: u64 = checked.counts().annotations;
    Chosen { left_out: all - shown.len() as u64, shown }
}

/// The first of each gate, then the second of each, and so on. Required gates come before advisory ones.
fn in_turn(checked: &Checked, level: AnnotationLevel) -> impl Iterator<Item = &Annotation> {
    let mut gates: Vec<_> = checked.gates.iter().collect();
    gates.sort_by_key(|gate| !gate.required);
    let mut turns: Vec<_> = gates
        .into_iter()
        .map(|gate| gate.verdict.annotations.iter().filter(move |annotation| annotation.level == level))
        .collect();
    let mut round = Vec::new().into_iter();
    std::iter::from_fn(move || {
        if let Some(next) = round.next() {
            return Some(next);
        }
        round = turns.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>().into_iter();
        round.next()
    })
}

#[cfg(test)]
mod tests {
    use gatewright_core::verdict::VerdictStatus::Failed;

    use super::*;
    use crate::checked::tests::{checked, gate};

    fn with(name: &str, required: bool, annotations: &[(AnnotationLevel, usize)]) -> crate::checked::CheckedGate {
        let mut gate = gate(name, required, Failed);
        for (level, count) in annotations {
            gate.verdict.annotations.extend((1..=*count).map(|line| Annotation {
                path: name.to_owned(),
                start_line: u32::try_from(line).expect("few"),
                end_line: u32::try_from(line).expect("few"),
                column: None,
                level: *level,
                title: String::new(),
                message: "m".to_owned(),
            }));
        }
        gate
    }

    #[test]
    fn ten_of_each_level_are_shown_and_the_others_counted() {
        use AnnotationLevel::{Failure, Notice, Warning};
        let mut gate = with("lint", true, &[(Failure, 100), (Warning, 12), (Notice, 3)]);
        gate.verdict.annotations_left_out = 1_000;
        let checked = checked(vec![gate]);
        let chosen = choose(&checked, JOB_MAX);
        let of = |level| chosen.shown.iter().filter(|annotation| annotation.level == level).count();
        assert_eq!((of(Failure), of(Warning), of(Notice)), (10, 10, 3));
        assert_eq!(chosen.left_out, 90 + 2 + 1_000);
        assert_eq!(choose(&checked, 15).shown.len(), 15);
        assert_eq!(choose(&checked, 0).shown.len(), 0);
    }

    #[test]
    fn a_gate_that_says_much_does_not_hide_what_others_say_and_required_ones_come_first() {
        let level = AnnotationLevel::Failure;
        let checked = checked(vec![
            with("advice", false, &[(level, 4)]),
            with("lint", true, &[(level, 100)]),
            with("tests", true, &[(level, 2)]),
        ]);
        let chosen = choose(&checked, JOB_MAX);
        let shown: Vec<String> = chosen.shown.iter().map(|a| format!("{}:{}", a.path, a.start_line)).collect();
        assert_eq!(shown.join(" "), "lint:1 tests:1 advice:1 lint:2 tests:2 advice:2 lint:3 advice:3 lint:4 advice:4");
    }
}
