//! The gates as a step of somebody else's CI job: what a job of GitHub Actions or GitLab CI is told, and what is told back.
//!
//! What it does: reads [where it runs](job) and [what it is asked for](inputs) from the job's variables and event file; makes
//! of what the gates said [workflow commands](github::command), [outputs](github::files), a [summary], a [file of
//! results](result) and [reports that GitLab shows](gitlab); and says what a later step or workflow may [publish] of such a
//! file.
//!
//! Two rules decide most of it. **No line of a gate's output is a command** to the runner, and no text that untrusted code wrote
//! takes effect where it is shown. **What a pull request's job left is a claim**: a workflow with rights reads it strictly and
//! within bounds, and takes from it neither Markdown, nor a pull request's number, nor a commit.
//!
//! Deliberately absent: running gates (the engine), sandboxes, requests to a forge, the process's own environment and the clock.
//! Everything here is a function of its arguments.
//!
//! Who calls it: `gatewright action` in `app/cli`.

pub mod annotations;
pub mod checked;
pub mod github;
pub mod gitlab;
pub mod inputs;
pub mod job;
pub mod publish;
pub mod result;
pub mod summary;

/// The variables of a job, by name. What is not UTF-8 is not in them.
pub type Variables = std::collections::BTreeMap<String, String>;

/// A variable's value. One that is empty counts as not set: that is how a workflow leaves an input out.
pub(crate) fn variable<'a>(variables: &'a Variables, name: &str) -> Option<&'a str> {
    variables.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
}
