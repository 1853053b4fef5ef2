//! The pipelines that are built in: what a pipeline of such a name does where the repository file does not say it. One table, from which
//! the reading, its messages and the docs come.

/// A pipeline that is built in.
#[derive(Debug)]
pub struct BuiltInPipeline {
    /// Its name.
    pub name: &'static str,
    /// What it is for, as a sentence.
    pub about: &'static str,
    /// What it does, in order.
    pub steps: &'static [BuiltInStep],
    /// Globs of files that it may not change, whatever its lines say.
    pub protect: &'static [&'static str],
}

/// Tests, as most languages name their files and folders. What is to mend code until tests pass could have them pass by changing them.
/// Where case makes no difference: whatever reads these globs minds none.
const TESTS: &[&str] = &[
    "**/{test,tests,__tests__,spec,specs,testdata,fixtures,__snapshots__}/**",
    "**/*.{test,tests}/**",
    "**/{test,tests,spec}.*",
    "**/test[_-]*",
    "**/*[_-]{test,tests,spec}.*",
    "**/*.{test,spec}.*",
    "**/*.{snap,feature}",
];

/// A step of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltInStep {
    /// An agent of this role.
    Role(&'static str),
    /// Gates pass: those that started the pipeline by failing, else those that a pull request has to pass.
    Verify,
    /// One of these gates fails.
    VerifyFails,
    /// The gates that measure pass.
    Measure,
    /// Agents of these roles, at once.
    Parallel(&'static [&'static str]),
}

use BuiltInStep::{Measure, Parallel, Role, Verify, VerifyFails};

const fn pipeline(name: &'static str, about: &'static str, steps: &'static [BuiltInStep]) -> BuiltInPipeline {
    BuiltInPipeline { name, about, steps, protect: &[] }
}

/// The pipelines.
#[rustfmt::skip]
pub static PIPELINES: [BuiltInPipeline; 5] = [
    BuiltInPipeline { protect: TESTS, ..pipeline("fix", "Finds out why gates fail, and mends it.",
        &[Role("diagnose"), Role("repair"), Verify, Role("quality"), Role("documentation")]) },
    pipeline("review", "Reviews a change, for what is wrong and for what an attacker could do with it.",
        &[Parallel(&["review", "security-review"])]),
    pipeline("build", "Builds what is asked for.",
        &[Role("architect"), Role("coder"), Role("tester"), Verify, Role("quality")]),
    pipeline("tdd", "Builds what is asked for, from a test that fails first.",
        &[Role("tester"), VerifyFails, Role("coder"), Verify, Role("quality"), Verify]),
    pipeline("optimise", "Makes what is measured faster.",
        &[Measure, Role("performance"), Verify, Measure]),
];

impl BuiltInStep {
    /// The roles of its agents.
    pub fn roles(&self) -> &[&'static str] {
        match self {
            Role(role) => std::slice::from_ref(role),
            Parallel(roles) => roles,
            Verify | VerifyFails | Measure => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::BUILT_IN;

    #[test]
    fn built_in_pipelines_have_built_in_roles() {
        for role in PIPELINES.iter().flat_map(|pipeline| pipeline.steps).flat_map(BuiltInStep::roles) {
            assert!(BUILT_IN.iter().any(|known| known.name == *role), "{role}");
        }
    }

    #[test]
    fn the_page_about_agents_has_the_lines_of_the_table() {
        let page = include_str!("../../../../docs/agents.md");
        let lines: Vec<&str> =
            page.lines().skip_while(|line| !line.starts_with("| pipeline | steps")).skip(2).take(PIPELINES.len()).collect();
        let words = |step: &BuiltInStep| match step {
            Role(role) => (*role).to_owned(),
            Verify => "verify".to_owned(),
            VerifyFails => "verify that it fails".to_owned(),
            Measure => "verify what is measured".to_owned(),
            Parallel(roles) => format!("{} at once", roles.join(" and ")),
        };
        let line = |pipeline: &BuiltInPipeline| {
            let steps: Vec<String> = pipeline.steps.iter().map(words).collect();
            format!("| `{}` | {} | {} |", pipeline.name, steps.join(", "), pipeline.about)
        };
        assert_eq!(lines, PIPELINES.iter().map(line).collect::<Vec<_>>());
    }
}
