//! What a model is told: the frame that all agents have, the part of a role, and what there is to know. Pure.
//!
//! Only the task instructs. Whatever else somebody, a gate or an earlier agent has written stands in fences ([`super::fence`]).

use std::sync::LazyLock;

use gatewright_core::agent::inputs::VALUE_BYTES_MAX;
use gatewright_core::agent::{RoleName, Tool};
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::{Deserialize, Serialize};

use super::fence::{self, Kind};

/// Of a section the middle is cut out beyond so many bytes.
pub(crate) const SECTION_BYTES_MAX: usize = 32 * 1024;

/// All sections together have so many bytes at most. Those that come later are left out, and the model is told which.
pub(crate) const SECTIONS_BYTES_MAX: usize = 160 * 1024;

/// Of what an earlier stage handed over so much is shown.
const EARLIER_BYTES_MAX: usize = 4 * 1024;

/// Of so many earlier stages, the last ones.
const EARLIER_MAX: usize = 12;

/// Of what gates say so much is shown.
const FEEDBACK_BYTES_MAX: usize = 16 * 1024;

/// A task may have so many bytes.
const TASK_BYTES_MAX: usize = gatewright_core::run::AgentSpec::TASK_BYTES_MAX;

/// An input may have so many bytes, with its name and what it is.
const INPUT_BYTES_MAX: usize = 2 * VALUE_BYTES_MAX;

/// The part of a role may have so many bytes.
pub(crate) const PART_BYTES_MAX: usize = 16 * 1024;

/// So many globs of protected files are named; the policy knows all.
const PROTECTED_MAX: usize = 40;

/// What an agent is to be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PromptInput<'a> {
    /// Its role.
    pub(crate) role: &'a RoleName,
    /// The role's prompt of the base branch. None: the built-in one.
    pub(crate) role_prompt: Option<&'a str>,
    /// What is to be done: the only text that instructs.
    pub(crate) task: &'a str,
    /// What is given beside it. It instructs too.
    pub(crate) inputs: &'a [InputShown<'a>],
    /// What there is to know.
    pub(crate) sections: &'a [Section],
    /// What earlier stages handed over, each with the stage's name, in their order.
    pub(crate) earlier: &'a [(String, String)],
    /// What gates said of what an earlier try of this stage did.
    pub(crate) feedback: Option<&'a str>,
    /// The words of the fences: letters and digits that nobody could know before.
    pub(crate) delimiter: &'a str,
    /// What it may use.
    pub(crate) tools: &'a [Tool],
    /// Whether its sandbox may reach a network.
    pub(crate) network: bool,
    /// Globs of files that it may not change.
    pub(crate) protected: &'a [String],
    /// How often it may answer.
    pub(crate) turns: u32,
    /// How long it may take.
    pub(crate) minutes: u64,
}

/// Something that is given beside the task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputShown<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What it is here.
    pub(crate) value: &'a str,
    /// What the repository file says that it is.
    pub(crate) description: Option<&'a str>,
}

/// Something to know. Untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Section {
    /// What it is: "description of the pull request". May hold the name of a file.
    pub(crate) name: String,
    /// What it says.
    pub(crate) text: String,
    /// What has been written.
    pub(crate) kind: Kind,
}

/// What a model is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// What it is: the same for all turns of a stage.
    pub(crate) system: String,
    /// What it is to do: the first message.
    pub(crate) user: String,
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = minijinja::syntax::SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("only white space differs from the default"));
    // What a model reads is no HTML.
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    for (name, text) in [
        ("system", include_str!("../../../../templates/prompts/system.md")),
        ("user", include_str!("../../../../templates/prompts/user.md")),
        ("feedback", include_str!("../../../../templates/prompts/feedback.md")),
    ] {
        environment.add_template(name, text).expect("the built-in templates are valid; a test renders each");
    }
    environment
});

macro_rules! part {
    ($role:literal) => {
        ($role, include_str!(concat!("../../../../templates/prompts/", $role, ".md")))
    };
}

/// The parts of the roles that are built in. They are no templates: nothing is filled in.
static PARTS: [(&str, &str); 13] = [
    part!("architect"),
    part!("coder"),
    part!("tester"),
    part!("deployer"),
    part!("monitor"),
    part!("diagnose"),
    part!("repair"),
    part!("performance"),
    part!("concurrency"),
    part!("quality"),
    part!("documentation"),
    part!("review"),
    part!("security-review"),
];

/// The built-in part of a role. None: the role is the repository's own.
pub(crate) fn built_in_part(role: &RoleName) -> Option<&'static str> {
    PARTS.iter().find(|(name, _)| *name == role.as_str()).map(|(_, part)| part.trim_end())
}

/// Tells an agent who it is and what it is to do.
pub(crate) fn render(input: &PromptInput<'_>) -> Result<Prompt, String> {
    Ok(Prompt { system: system(input)?, user: user(input)? })
}

/// What gates said, to the agent whose work it is, in the same conversation. `left`: tries after this one.
pub(crate) fn feedback(text: &str, left: u32, delimiter: &str) -> Result<String, String> {
    rendered("feedback", &context! { left, feedback => of_gates(text, delimiter) })
}

fn system(input: &PromptInput<'_>) -> Result<String, String> {
    let part = input.role_prompt.or(built_in_part(input.role)).unwrap_or("Do what the task says.");
    let tools: Vec<&str> = Tool::ALL.into_iter().filter(|tool| input.tools.contains(tool)).map(Tool::as_str).collect();
    rendered(
        "system",
        &context! {
            role => input.role.as_str(),
            part => fence::middle_cut(fence::without(part, input.delimiter).trim(), PART_BYTES_MAX),
            tools => tools.join(", "),
            can_change => input.tools.iter().any(|tool| tool.may_change()),
            can_run => input.tools.contains(&Tool::Shell),
            network => input.network,
            turns => input.turns,
            minutes => input.minutes.max(1),
            protected => protected(input.protected),
            delimiter => input.delimiter,
        },
    )
}

fn protected(globs: &[String]) -> String {
    let shown: Vec<String> = globs.iter().take(PROTECTED_MAX).map(|glob| format!("`{glob}`")).collect();
    match globs.len().saturating_sub(PROTECTED_MAX) {
        0 if shown.is_empty() => "the configuration of CI, of owners and of agents".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn user(input: &PromptInput<'_>) -> Result<String, String> {
    task(input.task, input.inputs, input.sections, input.earlier, input.feedback, input.delimiter)
}

/// What is to be done, and what there is to know, for an agent of whichever kind.
pub(crate) fn task(
    task: &str,
    inputs: &[InputShown<'_>],
    known: &[Section],
    earlier: &[(String, String)],
    feedback: Option<&str>,
    delimiter: &str,
) -> Result<String, String> {
    let earlier = earlier.iter().skip(earlier.len().saturating_sub(EARLIER_MAX));
    let earlier = earlier.map(|(stage, said)| fence::fenced(stage, said, Kind::Prose, delimiter, EARLIER_BYTES_MAX));
    let task = fence::shown(task, Kind::Prose, delimiter, TASK_BYTES_MAX);
    rendered(
        "user",
        &context! {
            task => task.trim(),
            inputs => inputs.iter().map(|input| given(input, delimiter)).collect::<Vec<_>>(),
            sections => sections(known, delimiter),
            earlier => earlier.collect::<Vec<_>>(),
            feedback => feedback.map(|text| of_gates(text, delimiter)),
        },
    )
}

fn given(input: &InputShown<'_>, delimiter: &str) -> String {
    let what = input.description.map(|what| format!(" ({what})")).unwrap_or_default();
    fence::shown(&format!("{}{what}: {}", input.name, input.value), Kind::Prose, delimiter, INPUT_BYTES_MAX)
}

fn of_gates(text: &str, delimiter: &str) -> String {
    fence::fenced("what the checks say", text, Kind::Source, delimiter, FEEDBACK_BYTES_MAX)
}

/// The sections in their fences, as far as there is room for them.
fn sections(sections: &[Section], delimiter: &str) -> Vec<String> {
    let mut shown = Vec::new();
    let mut left_out = 0;
    let mut bytes = 0;
    for Section { name, text, kind } in sections {
        let fenced = fence::fenced(name, text, *kind, delimiter, SECTION_BYTES_MAX);
        if bytes + fenced.len() > SECTIONS_BYTES_MAX {
            left_out += 1;
            continue;
        }
        bytes += fenced.len();
        shown.push(fenced);
    }
    if left_out > 0 {
        shown.push(format!("{left_out} more would not fit in here. Use your tools to look."));
    }
    shown
}

fn rendered(template: &str, view: &Value) -> Result<String, String> {
    let template = TEMPLATES.get_template(template).map_err(|error| error.to_string())?;
    template.render(view).map(|text| text.trim().to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
