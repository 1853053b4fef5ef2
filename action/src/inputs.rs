//! What `gatewright action` is asked for, by variables: `INPUT_CONFIG` and the like, as `action.yml` and the component set them.

use gatewright_core::GateName;
use gatewright_core::config;

use crate::{Variables, variable};

/// The variables that are read, and what each is for. Others that begin with `INPUT_` belong to somebody else.
pub const NAMES: [&str; 11] = [
    "INPUT_CONFIG",
    "INPUT_GATES",
    "INPUT_BASE",
    "INPUT_FAIL_ON",
    "INPUT_SANDBOX",
    "INPUT_OUTPUT",
    "INPUT_HISTORY",
    "INPUT_CACHE",
    "INPUT_CHECK",
    "INPUT_COMMENT",
    "INPUT_CODE_SCANNING",
];

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// The repository file, from the working folder.
    pub config: String,
    /// Only these gates; all that apply where it is empty.
    pub gates: Vec<GateName>,
    /// What to compare with, as git names it. None: what the event says.
    pub base: Option<String>,
    /// What makes the job fail.
    pub fail_on: FailOn,
    /// Where gates run.
    pub sandbox: SandboxKind,
    /// The folder that reports are written to, from the working folder.
    pub output: String,
    /// The folder of what gates said of earlier commits, from the working folder. None: nothing is known of them, nor kept.
    pub history: Option<String>,
    /// The folder of what gates in containers bring from one run to the next, from the working folder. None: it lasts as long as the job.
    pub cache: Option<String>,
    /// Whether a check run is published.
    pub check: bool,
    /// Whether the sticky comment is published.
    pub comment: bool,
    /// Whether findings are given to code scanning.
    pub code_scanning: bool,
}

/// What makes the job fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// A required gate that did not pass.
    Failed,
    /// Any gate that did not pass, an advisory one too.
    Advisory,
    /// Nothing that a gate says. What is wrong with the call, or outside, still does.
    Never,
}

/// Where gates run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxKind {
    /// On the runner itself, in the working folder.
    Runner,
    /// In containers, by the engine on the runner.
    Docker,
}

/// An input that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the input `{name}` is {value:?}, which is not {rule}")]
pub struct InputError {
    /// The input's name as a workflow writes it.
    pub name: &'static str,
    /// What it is, cut to 80 characters.
    pub value: String,
    /// What it must be.
    pub rule: &'static str,
}

const FLAG: &str = "`true` or `false`";

impl Inputs {
    /// Reads them. What is not set, or empty, is as `action.yml` documents it.
    pub fn read(variables: &Variables) -> Result<Inputs, InputError> {
        let text = |name: &str| variable(variables, name).map(|value| value.trim().to_owned());
        let sandbox = sandbox(text("INPUT_SANDBOX").as_deref().unwrap_or("runner"))?;
        Ok(Inputs {
            config: text("INPUT_CONFIG").unwrap_or_else(|| config::PATH.to_owned()),
            gates: gates(&text("INPUT_GATES").unwrap_or_default())?,
            base: base(text("INPUT_BASE"))?,
            fail_on: fail_on(text("INPUT_FAIL_ON").as_deref().unwrap_or("failed"))?,
            sandbox,
            output: text("INPUT_OUTPUT").unwrap_or_else(|| "gatewright-reports".to_owned()),
            history: text("INPUT_HISTORY"),
            cache: cache(text("INPUT_CACHE"), sandbox)?,
            check: flag("check", text("INPUT_CHECK"), false)?,
            comment: flag("comment", text("INPUT_COMMENT"), false)?,
            code_scanning: flag("code-scanning", text("INPUT_CODE_SCANNING"), false)?,
        })
    }
}

/// Names between spaces, commas or line ends.
fn gates(text: &str) -> Result<Vec<GateName>, InputError> {
    let names = text.split([',', ' ', '\t', '\n', '\r']).filter(|name| !name.is_empty());
    names
        .map(|name| name.parse().map_err(|_| wrong("gates", name, "a gate's name, or several between spaces or commas")))
        .collect()
}

/// It becomes an argument of git, so it may not look like an option.
fn base(text: Option<String>) -> Result<Option<String>, InputError> {
    match text {
        Some(text) if text.starts_with('-') || text.contains(char::is_whitespace) => {
            Err(wrong("base", &text, "a commit, branch or tag as git names it"))
        }
        other => Ok(other),
    }
}

fn fail_on(text: &str) -> Result<FailOn, InputError> {
    match text {
        "failed" => Ok(FailOn::Failed),
        "advisory" => Ok(FailOn::Advisory),
        "never" => Ok(FailOn::Never),
        other => Err(wrong("fail-on", other, "`failed`, `advisory` or `never`")),
    }
}

fn sandbox(text: &str) -> Result<SandboxKind, InputError> {
    match text {
        "runner" => Ok(SandboxKind::Runner),
        "docker" => Ok(SandboxKind::Docker),
        other => Err(wrong("sandbox", other, "`runner` or `docker`")),
    }
}

/// On the runner itself gates use its own folders, of which nothing is brought anywhere.
fn cache(text: Option<String>, sandbox: SandboxKind) -> Result<Option<String>, InputError> {
    match (text, sandbox) {
        (Some(text), SandboxKind::Runner) => Err(wrong(
            "cache",
            &text,
            "of use without `sandbox: docker`; on the runner itself actions/cache keeps the folders that gates use",
        )),
        (text, SandboxKind::Runner | SandboxKind::Docker) => Ok(text),
    }
}

/// As YAML 1.2 writes truth, in the three ways in which GitHub's toolkit takes it.
fn flag(name: &'static str, text: Option<String>, default: bool) -> Result<bool, InputError> {
    match text.as_deref() {
        None => Ok(default),
        Some("true" | "True" | "TRUE") => Ok(true),
        Some("false" | "False" | "FALSE") => Ok(false),
        Some(other) => Err(wrong(name, other, FLAG)),
    }
}

fn wrong(name: &'static str, value: &str, rule: &'static str) -> InputError {
    InputError { name, value: value.chars().take(80).collect(), rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Inputs, InputError> {
        Inputs::read(&set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_left_out_or_empty_is_as_documented() {
        let all_empty: Vec<(&str, &str)> = NAMES.iter().map(|name| (*name, " ")).collect();
        let inputs = read(&all_empty).expect("empty inputs are no mistake");
        assert_eq!(Ok(&inputs), read(&[]).as_ref());
        assert_eq!((inputs.config.as_str(), inputs.output.as_str()), (".gatewright.yml", "gatewright-reports"));
        assert_eq!((inputs.fail_on, inputs.sandbox), (FailOn::Failed, SandboxKind::Runner));
        assert!(!inputs.check && !inputs.comment && !inputs.code_scanning && inputs.gates.is_empty());
    }

    #[test]
    fn gates_are_named_in_any_of_the_usual_ways() {
        let names = |text: &str| {
            read(&[("INPUT_GATES", text)]).map(|inputs| inputs.gates.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        for text in ["tests lint", "tests,lint", "tests, lint", "tests\nlint\n"] {
            assert_eq!(names(text), Ok(vec!["tests".to_owned(), "lint".to_owned()]), "{text:?}");
        }
        assert!(names("tests $(reboot)").is_err());
    }

    #[test]
    fn a_folder_of_caches_is_for_containers() {
        let of = |sandbox: &str| read(&[("INPUT_CACHE", "caches"), ("INPUT_SANDBOX", sandbox)]).map(|inputs| inputs.cache);
        assert_eq!(of("docker"), Ok(Some("caches".to_owned())));
        let refused = of("runner").expect_err("nothing would be kept there").to_string();
        assert!(refused.contains("actions/cache keeps the folders"), "{refused}");
    }

    #[test]
    fn a_wrong_input_names_itself_and_what_it_may_be() {
        let words = |name: &str, value: &str| read(&[(name, value)]).expect_err("it is wrong").to_string();
        assert_eq!(
            words("INPUT_FAIL_ON", "always"),
            "the input `fail-on` is \"always\", which is not `failed`, `advisory` or `never`"
        );
        assert_eq!(words("INPUT_COMMENT", "yes"), "the input `comment` is \"yes\", which is not `true` or `false`");
        assert_eq!(
            words("INPUT_BASE", "--upload-pack=x"),
            "the input `base` is \"--upload-pack=x\", which is not a commit, branch or tag as git names it"
        );
    }
}
