//! What several reports say together.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::collect::{PROBLEMS_MAX, Room, TOOLS_MAX};
use super::{Finding, Findings};

/// Puts reports together. What several say of the same place is there once. Of all together no more findings are kept than of
/// one; those beyond are counted.
#[derive(Default)]
pub struct Merger {
    all: Findings,
    room: Room,
    /// Findings with the same hash, by their place in the list.
    known: HashMap<u64, Vec<u32>>,
}

impl Merger {
    /// Adds what a report says. Its paths have to be mapped already.
    pub fn add(&mut self, report: Findings) {
        let Findings { list, left_out, problems, unfinished, tools } = report;
        for finding in list {
            self.add_one(finding);
        }
        for (how_bad, count) in left_out {
            *self.all.left_out.entry(how_bad).or_default() += count;
        }
        self.all.problems.extend(problems);
        self.all.problems.truncate(PROBLEMS_MAX);
        self.all.unfinished |= unfinished;
        let room = TOOLS_MAX.saturating_sub(self.all.tools.len());
        self.all.tools.extend(tools.into_iter().take(room));
    }

    fn add_one(&mut self, finding: Finding) {
        let alike = self.known.entry(hash_of(&finding)).or_default();
        let list = &mut self.all.list;
        if alike.iter().any(|at| list.get(*at as usize).is_some_and(|other| say_the_same(other, &finding))) {
            return;
        }
        if self.room.takes(&finding) {
            alike.push(u32::try_from(list.len()).unwrap_or(u32::MAX));
            list.push(finding);
        } else if finding.stands() {
            *self.all.left_out.entry((finding.level, finding.severity)).or_default() += 1;
        }
    }

    /// What they say together.
    pub fn finish(self) -> Findings {
        self.all
    }
}

/// Whether findings say the same of the same place, as the reports of several jobs do.
fn say_the_same(one: &Finding, other: &Finding) -> bool {
    let of = |finding: &Finding| (finding.level, finding.severity, finding.kind, finding.fingerprint, finding.baseline);
    (&one.rule.tool, &one.rule.id) == (&other.rule.tool, &other.rule.id)
        && (&one.location, &one.elsewhere, &one.message) == (&other.location, &other.elsewhere, &other.message)
        && of(one) == of(other)
        && one.reason() == other.reason()
}

/// Equal for findings that say the same.
fn hash_of(finding: &Finding) -> u64 {
    let mut hasher = DefaultHasher::new();
    let place = finding.location.as_ref().map(|location| (&location.path, location.range));
    (&finding.rule.tool, &finding.rule.id, place, &finding.message).hash(&mut hasher);
    hasher.finish()
}
