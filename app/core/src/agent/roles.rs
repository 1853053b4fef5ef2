//! The roles that are built in: one table, from which the repository file's messages, the schema and the docs come. Their prompts are
//! templates of the engine.

use super::{RoleName, Tool};

impl RoleName {
    /// Its line of the table, where it is built in.
    pub fn built_in(&self) -> Option<&'static BuiltIn> {
        BUILT_IN.iter().find(|role| role.name == self.as_str())
    }
}

/// A role that is built in.
#[derive(Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// What it does, as a sentence.
    pub about: &'static str,
    /// What it may use, unless the repository file says otherwise.
    pub tools: &'static [Tool],
}

const fn role(name: &'static str, tools: &'static [Tool], about: &'static str) -> BuiltIn {
    BuiltIn { name, about, tools }
}

const LOOK: &[Tool] = &[Tool::Read, Tool::List, Tool::Search];
const TRY: &[Tool] = &[Tool::Read, Tool::List, Tool::Search, Tool::Shell];
const WORK: &[Tool] = &Tool::ALL;
const EDIT: &[Tool] = &[Tool::Read, Tool::List, Tool::Search, Tool::Write, Tool::Patch];

/// The roles.
#[rustfmt::skip]
pub static BUILT_IN: [BuiltIn; 13] = [
    role("architect", LOOK, "Plans a change: which files, in which order, and how it will be known to work."),
    role("coder", WORK, "Writes the code that a plan or a task asks for."),
    role("tester", WORK, "Writes tests of the behaviour that was asked for."),
    role("deployer", EDIT, "Writes deployment configuration and the plan of a rollout."),
    role("monitor", LOOK, "Reads the history of runs, rollouts and metrics, and reports what stands out."),
    role("diagnose", TRY, "Finds out why a gate fails, and says where and why."),
    role("repair", WORK, "Mends what was diagnosed, with the smallest change that does it."),
    role("performance", WORK, "Makes what is measured faster without changing what it does."),
    role("concurrency", TRY, "Looks for races, deadlocks and lost updates."),
    role("quality", WORK, "Makes the change as clean as the code around it, and nothing else."),
    role("documentation", EDIT, "Has documentation and changelog say what the change does."),
    role("review", LOOK, "Reviews a change: what is wrong, what is missing, what is good enough."),
    role("security-review", LOOK, "Reviews a change for what an attacker could do with it."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_role_has_a_name_that_is_one() {
        for role in &BUILT_IN {
            let name: RoleName = role.name.parse().expect("a role's name");
            assert!(std::ptr::eq(name.built_in().expect("built in"), role));
        }
    }

    #[test]
    fn the_page_about_agents_has_the_lines_of_the_table() {
        let page = include_str!("../../../../docs/agents.md");
        let lines: Vec<&str> =
            page.lines().skip_while(|line| *line != "| role | may use | what it does |").skip(2).take(BUILT_IN.len()).collect();
        let line = |role: &BuiltIn| {
            let tools: Vec<&str> = role.tools.iter().map(|tool| tool.as_str()).collect();
            format!("| `{}` | {} | {} |", role.name, tools.join(", "), role.about)
        };
        assert_eq!(lines, BUILT_IN.iter().map(line).collect::<Vec<_>>());
    }
}
