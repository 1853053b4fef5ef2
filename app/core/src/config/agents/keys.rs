//! The keys of `agents` and `roles`.

use super::values::{
    DESCRIPTION, HOST, INPUT_VALUE, KEY, LABEL, MODEL, PROGRAM_NAME, PROMPT, ROLE_NAME, ROLE_NAME_PATTERN, SCHEDULE,
};
use crate::config::keys::{MapOf, Shape, Table, key};
use crate::config::{Budget, STAGES_MAX};

/// A pipeline may name so many models: one to ask and those for when it does not answer.
pub(super) const MODELS_MAX: usize = 10;

/// A pipeline may have so many inputs.
pub(super) const INPUTS_MAX: usize = 20;

/// An input may be one of so many values.
pub(super) const OPTIONS_MAX: usize = 20;

/// A pipeline may be started by so many labels.
pub(super) const LABELS_MAX: usize = 20;

/// So many rows of stages may go on at once.
pub(super) const BRANCHES_MAX: usize = 8;

/// A program may reach so many hosts, and have so many providers' keys put into what it asks of them.
pub(super) const HOSTS_MAX: usize = 20;

/// A file may have so many roles of its own, or that are other than built in.
pub(in crate::config) const ROLES_MAX: usize = 30;

/// A stage may try so often.
pub(super) const TRIES_MAX: u32 = 5;

/// How often it does where nothing is said.
pub(super) const TRIES: u32 = 3;

/// A pipeline may take so many turns.
pub(super) const TURNS_MAX: u32 = 500;

/// A pipeline may use so many tokens: fewer than a thousand are not one question, and a thousand million nobody has meant.
pub(super) const TOKENS: (u32, u32) = (1_000, 1_000_000_000);

/// A pipeline may take so long.
pub(super) const MINUTES_MAX: u32 = 24 * 60;

/// A pipeline may spend so much.
pub(super) const USD_MAX: u32 = 1_000;

/// The slash commands that start pipelines.
pub(super) const COMMANDS: &[&str] = &["fix", "review", "do"];

pub(super) const ISSUE: &[&str] = &["opened"];
pub(super) const ON_RED: &[&str] = &["stop", "go-on"];
pub(super) const EXPECT: &[&str] = &["pass", "fail"];

/// The step that has gates look, where none are named.
pub(in crate::config) const VERIFY: &str = "verify";

/// A pipeline.
pub(in crate::config) static PIPELINE: Table = Table {
    what: "a pipeline",
    keys: &[
        key("on", Shape::Table(&ON), "What starts it; for `fix`, `review` and `do` the command of that name if not written."),
        key("inputs", Shape::MapOf(&INPUTS), "What whoever starts it may give it beside the task, by name."),
        key("steps", Shape::List(&STEP, STAGES_MAX), "What it does, in order; the built-in steps if not written."),
        key("budget", Shape::Filled(&BUDGET), "What it may use up, over all its stages."),
        key(
            "tries",
            Shape::Whole { least: 1, most: TRIES_MAX, default: Some(TRIES) },
            "So often a stage tries to pass what is verified after it, the first try counted.",
        ),
        key("on-red", Shape::Word(ON_RED), "What becomes of the rest where a stage still does not pass; `stop` if not written."),
        key("may", Shape::Offerings, "What it may hand over."),
        key("protect", Shape::FileGlobs, "Globs of files that it may not change, beside those that no agent may."),
        key(
            "model",
            MODELS,
            "The model to ask, or a list of them, the first one at the front; the service's usual ones if not written.",
        ),
        key("image", Shape::Image, "The sandbox image of its stages; the file's if not written."),
        key("network", Shape::Flag { default: false }, "Whether its sandboxes may reach a network."),
    ],
    later: &[],
};

/// `inputs`.
pub(super) static INPUTS: MapOf = MapOf { name: ROLE_NAME_PATTERN, value: Shape::Table(&INPUT), most: INPUTS_MAX };

/// An input.
pub(super) static INPUT: Table = Table {
    what: "an input",
    keys: &[
        key("description", Shape::Text(&DESCRIPTION), "What it is, for people and agents."),
        key("default", Shape::Text(&INPUT_VALUE), "What it is where nobody gives it; it has to be given if not written."),
        key("options", Shape::OneOrMore(&Shape::Text(&INPUT_VALUE), OPTIONS_MAX), "What it may be; any text if not written."),
    ],
    later: &[],
};

const MODELS: Shape = Shape::OneOrMore(&Shape::Text(&MODEL), MODELS_MAX);

/// `on`.
pub(super) static ON: Table = Table {
    what: "`on`",
    keys: &[
        key("command", Shape::Word(COMMANDS), "A slash command. No two pipelines have the same."),
        key("failed", Shape::Needs, "That one of these gates fails on a pull request of somebody who may push."),
        key(
            "label",
            Shape::OneOrMore(&Shape::Text(&LABEL), LABELS_MAX),
            "That somebody who may push puts this label on a pull request or an issue, or one of a list.",
        ),
        key("issue", Shape::Word(ISSUE), "That somebody who may push opens an issue."),
        key("schedule", Shape::Text(&SCHEDULE), "Times: minute, hour, day of month, month, day of week, in UTC: `0 3 * * 1`."),
    ],
    later: &[],
};

/// `budget`.
pub(super) static BUDGET: Table = Table {
    what: "`budget`",
    keys: &[
        key(
            "usd",
            Shape::OneOf(&[Shape::Word(&["none"]), Shape::Decimal { least: 0.01, most: USD_MAX as f64 }]),
            "US dollars; 2.00 if not written. `none`: no limit, so that models whose price is not known may be asked.",
        ),
        key(
            "tokens",
            Shape::Whole { least: TOKENS.0, most: TOKENS.1, default: Some(Budget::TOKENS) },
            "Tokens of questions and answers together.",
        ),
        key("turns", Shape::Whole { least: 1, most: TURNS_MAX, default: Some(Budget::TURNS) }, "Questions to a model."),
        key(
            "minutes",
            Shape::Whole { least: 1, most: MINUTES_MAX, default: Some(Budget::MINUTES) },
            "Minutes from its beginning.",
        ),
    ],
    later: &[],
};

/// A step that can be part of a row.
const PLAIN_STEP: Shape = Shape::OneOf(&[
    Shape::Text(&ROLE_NAME),
    Shape::Needing(&VERIFY_STEP, &["verify"]),
    Shape::Needing(&ROLE_STEP, &["role"]),
    Shape::Needing(&PROGRAM_STEP, &["agent"]),
]);

const STEP: Shape = Shape::OneOf(&[PLAIN_STEP, Shape::Needing(&PARALLEL_STEP, &["parallel"])]);

/// The kinds of step that are mappings, by the key that each has.
pub(super) static STEPS: [(&str, &Table); 4] =
    [("verify", &VERIFY_STEP), ("parallel", &PARALLEL_STEP), ("role", &ROLE_STEP), ("agent", &PROGRAM_STEP)];

pub(super) static VERIFY_STEP: Table = Table {
    what: "a step with `verify`",
    keys: &[
        key("verify", Shape::Needs, "One gate that looks at what there is, or a list. Each runs a command."),
        key("expect", Shape::Word(EXPECT), "`fail`: one of them has to fail. `pass` if not written: none may."),
    ],
    later: &[],
};

const PARALLEL: Shape = Shape::List(&Shape::OneOf(&[PLAIN_STEP, Shape::List(&PLAIN_STEP, STAGES_MAX)]), BRANCHES_MAX);

pub(super) static PARALLEL_STEP: Table = Table {
    what: "a step with `parallel`",
    keys: &[key(
        "parallel",
        PARALLEL,
        "Steps, or lists of steps, that go on at once. No two may change the same file differently.",
    )],
    later: &[],
};

pub(super) static ROLE_STEP: Table = Table {
    what: "a step with `role`",
    keys: &[
        key("role", Shape::Text(&ROLE_NAME), "A role."),
        key("model", MODELS, "The model to ask here, or a list of them; the pipeline's if not written."),
        key("turns", Shape::Whole { least: 1, most: TURNS_MAX, default: None }, "Questions to a model; 20 if not written."),
        key("timeout", Shape::Span, "The time limit of a try: `10m`, which it is if not written."),
    ],
    later: &[],
};

pub(super) static PROGRAM_STEP: Table = Table {
    what: "a step with `agent`",
    keys: &[key("agent", Shape::Program, "A program of your choice in the place of our loop.")],
    later: &[],
};

/// `agent`.
pub(in crate::config) static PROGRAM: Table = Table {
    what: "`agent`",
    keys: &[
        key("run", Shape::Command, "The command, given to `sh -c` in the root of the source."),
        key("name", Shape::Text(&PROGRAM_NAME), "Its name, for people; `agent` if not written."),
        key("image", Shape::Image, "The sandbox image; the pipeline's if not written."),
        key("egress", Shape::OneOrMore(&Shape::Text(&HOST), HOSTS_MAX), "Hosts that it may reach by HTTPS, and no others."),
        key(
            "keys",
            Shape::OneOrMore(&Shape::Text(&KEY), HOSTS_MAX),
            "Providers of the server file whose keys are put into what it asks of them, outside of its sandbox.",
        ),
        key("timeout", Shape::Span, "The time limit of a try: `10m`, which it is if not written."),
    ],
    later: &[],
};

/// A role.
pub(in crate::config) static ROLE: Table = Table {
    what: "a role",
    keys: &[
        key(
            "prompt",
            Shape::Text(&PROMPT),
            "A Markdown file of the base branch that says what the role is to do; the built-in prompt if not written.",
        ),
        key("tools", Shape::Tools, "What it may use; `read`, `list` and `search`, or what it has built in, if not written."),
    ],
    later: &[],
};
