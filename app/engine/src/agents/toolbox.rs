//! The tools of agents: what a model is told of them, and what it asks for, checked.
//!
//! Nothing is done here. What is asked for in a way that cannot be is answered with what is wrong and how it is to be, for the model: it
//! will ask again. Whatever passes is done within the sandbox, which has to keep what a path leads to within the workspace by itself.

use gatewright_core::agent::{Finding, Handover, Tool};
use gatewright_core::model::{Arguments, ToolCall, ToolSpec};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The tool by which an agent says that it is done.
pub(crate) const FINISH: &str = "finish";

/// What is kept of arguments that held what looks like a secret.
pub(super) const HELD_SECRET: &str = "[left out: it held what looks like a secret]";

/// Where the source is within a sandbox. Models name files by it; paths here are relative to it.
const WORKSPACE: &str = "/workspace/";

/// A path may have so many bytes.
const PATH_BYTES_MAX: usize = 500;

/// A read shows so many lines at most. An agent that wants more reads on from there.
pub(crate) const READ_LINES_MAX: u32 = 1_000;

/// And so many where it does not say how many.
pub(crate) const READ_LINES: u32 = 400;

/// A list goes so deep at most.
pub(crate) const LIST_DEPTH_MAX: u32 = 6;

/// What is searched for may have so many bytes.
const PATTERN_BYTES_MAX: usize = 1_000;

/// A file that is written as a whole may have so many bytes. Longer ones are made by a command.
const WRITE_BYTES_MAX: usize = 512 * 1024;

/// A piece of a file that is replaced, and what comes instead, may have so many bytes each.
const PATCH_BYTES_MAX: usize = 64 * 1024;

/// A command may have so many bytes. Longer ones are written into a file first.
const COMMAND_BYTES_MAX: usize = 16 * 1024;

/// A command may take so many seconds.
pub(crate) const SHELL_SECS_MAX: u64 = 600;

/// And so many where it does not say.
pub(crate) const SHELL_SECS: u64 = 120;

/// What is told of a wrong call has so many bytes: what is wrong in it may be as long as the call.
const CAUSE_BYTES_MAX: usize = 300;

/// What an agent wants done, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Use {
    /// Read a file, or some lines of it.
    Read {
        /// The file, relative to the workspace.
        path: String,
        /// The first line, from 1.
        from_line: u32,
        /// How many.
        lines: u32,
    },
    /// List a folder.
    List {
        /// The folder, relative to the workspace. None: the workspace.
        path: Option<String>,
        /// How deep.
        depth: u32,
    },
    /// Search files.
    Search {
        /// A regular expression.
        pattern: String,
        /// A file or a folder. None: everywhere.
        path: Option<String>,
    },
    /// Write a whole file.
    Write {
        /// The file.
        path: String,
        /// What is in it then.
        content: String,
        /// Whether it can be run. None: as it was, else not.
        executable: Option<bool>,
    },
    /// Replace a piece of a file.
    Patch {
        /// The file.
        path: String,
        /// What is there now, exactly once.
        old: String,
        /// What is there then.
        new: String,
    },
    /// Run a command.
    Shell {
        /// It, for `sh -c`.
        command: String,
        /// It may take so long.
        timeout_secs: u64,
    },
    /// It is done.
    Finish(Handover),
}

impl Use {
    /// On what, for people: a path, the beginning of a command. Untrusted text.
    pub(crate) fn about(&self) -> &str {
        match self {
            Use::Read { path, .. } | Use::Write { path, .. } | Use::Patch { path, .. } => path,
            Use::List { path, .. } => path.as_deref().unwrap_or("."),
            Use::Search { pattern, .. } => pattern,
            Use::Shell { command, .. } => command,
            Use::Finish(handover) => handover.title.as_deref().unwrap_or_default(),
        }
    }
}

/// What a model is told of the tools that an agent may use, and of `finish`, which all have.
pub(crate) fn tool_specs(tools: &[Tool]) -> Vec<ToolSpec> {
    let all = Tool::ALL.into_iter().filter(|tool| tools.contains(tool));
    all.map(spec).chain([finish_spec()]).collect()
}

fn spec(tool: Tool) -> ToolSpec {
    ToolSpec { name: tool.as_str().to_owned(), about: about(tool).to_owned(), takes: takes(tool) }
}

fn about(tool: Tool) -> &'static str {
    match tool {
        Tool::Read => "Reads a text file, 400 lines of it unless you say how many. Lines are shown with their numbers.",
        Tool::List => "Lists files and folders.",
        Tool::Search => "Searches files for a regular expression, line by line. Shows file, line number and line.",
        Tool::Write => {
            "Writes a whole file, with the folders on the way to it. For changes of a file that is there, use `patch`."
        }
        Tool::Patch => {
            "Replaces a piece of a file. `old` must be in the file exactly once, with its white space; take lines around it in to make \
             it so. Line numbers that `read` shows are not part of the file."
        }
        Tool::Shell => {
            "Runs a command by `sh -c` in the root of the source, and shows its exit code and the end of what it wrote. No input, no \
             terminal. Nothing that it starts outlives it."
        }
    }
}

fn takes(tool: Tool) -> Value {
    let text = |least: usize, most: usize| json!({ "type": "string", "minLength": least, "maxLength": most });
    let about = |mut schema: Value, about: &str| {
        schema["description"] = json!(about);
        schema
    };
    let path = |words: &str| about(text(1, PATH_BYTES_MAX), words);
    let file = || path("A file, relative to the root of the source.");
    let whole = |most: u64| json!({ "type": "integer", "minimum": 1, "maximum": most });
    match tool {
        Tool::Read => {
            let from = json!({ "type": "integer", "minimum": 1, "description": "The first line to read; 1 if left out." });
            object(&["path"], json!({ "path": file(), "from_line": from, "lines": whole(READ_LINES_MAX.into()) }))
        }
        Tool::List => {
            let path = path("A folder, relative to the root of the source, which it is if left out.");
            object(&[], json!({ "path": path, "depth": about(whole(LIST_DEPTH_MAX.into()), "1 if left out.") }))
        }
        Tool::Search => {
            let pattern = about(text(1, PATTERN_BYTES_MAX), "A POSIX extended regular expression.");
            let path = path("A file or folder to search in; everywhere if left out.");
            object(&["pattern"], json!({ "pattern": pattern, "path": path }))
        }
        Tool::Write => {
            let executable = json!({ "type": "boolean", "description": "Whether it can be run; as it was if left out." });
            let content = text(0, WRITE_BYTES_MAX);
            object(&["path", "content"], json!({ "path": file(), "content": content, "executable": executable }))
        }
        Tool::Patch => {
            let (old, new) = (text(1, PATCH_BYTES_MAX), text(0, PATCH_BYTES_MAX));
            object(&["path", "old", "new"], json!({ "path": file(), "old": old, "new": new }))
        }
        Tool::Shell => {
            let timeout = about(whole(SHELL_SECS_MAX), &format!("{SHELL_SECS} if left out."));
            object(&["command"], json!({ "command": text(1, COMMAND_BYTES_MAX), "timeout_secs": timeout }))
        }
    }
}

fn finish_spec() -> ToolSpec {
    let text = |about: &str| json!({ "type": "string", "maxLength": Handover::TEXT_BYTES_MAX, "description": about });
    let line = || json!({ "type": "integer", "minimum": 1 });
    let finding = object(
        &["path", "line", "severity", "message"],
        json!({
            "path": { "type": "string", "minLength": 1, "maxLength": PATH_BYTES_MAX },
            "line": line(),
            "end_line": line(),
            "severity": { "enum": ["notice", "warning", "error"] },
            "message": text("What is wrong there, and why it matters."),
            "replacement": text("What the lines from `line` to `end_line` should be instead, whole, where a few lines would do."),
        }),
    );
    let issue = object(&["title", "body"], json!({ "title": text("One line."), "body": text("Markdown.") }));
    let takes = object(
        &["summary"],
        json!({
            "summary": text("What you did or found, in a few sentences: people read it, and the next stages."),
            "title": text("One line for the change, as a commit's first line. Leave it out if you changed nothing."),
            "findings": { "type": "array", "maxItems": Handover::FINDINGS_MAX, "items": finding },
            "issues": { "type": "array", "maxItems": Handover::ISSUES_MAX, "items": issue, "description": "Only if issues were asked for." },
        }),
    );
    ToolSpec {
        name: FINISH.to_owned(),
        about: "Says that you are done, and hands over. Call it alone, as your last act.".to_owned(),
        takes,
    }
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadCall {
    path: String,
    from_line: Option<u32>,
    lines: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListCall {
    path: Option<String>,
    depth: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchCall {
    pattern: String,
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteCall {
    path: String,
    content: String,
    executable: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchCall {
    path: String,
    old: String,
    new: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShellCall {
    command: String,
    timeout_secs: Option<u64>,
}

/// Checks what a model asks for. The error is for the model: what is wrong, and how it is to be.
pub(crate) fn parse_call(call: &ToolCall, allowed: &[Tool]) -> Result<Use, String> {
    if call.name == FINISH {
        return finish(call).map(Use::Finish).map_err(|cause| told(call, &cause, &finish_spec()));
    }
    let tool = allowed.iter().find(|tool| tool.as_str() == call.name).ok_or_else(|| unknown(&call.name, allowed))?;
    checked(*tool, call).map_err(|cause| told(call, &cause, &spec(*tool)))
}

fn checked(tool: Tool, call: &ToolCall) -> Result<Use, String> {
    Ok(match tool {
        Tool::Read => {
            let ReadCall { path, from_line, lines } = read(call)?;
            let from_line = within("from_line", from_line, 1, u32::MAX)?.unwrap_or(1);
            Use::Read { path: file(&path)?, from_line, lines: within("lines", lines, 1, READ_LINES_MAX)?.unwrap_or(READ_LINES) }
        }
        Tool::List => {
            let ListCall { path, depth } = read(call)?;
            Use::List { path: folder(path)?, depth: within("depth", depth, 1, LIST_DEPTH_MAX)?.unwrap_or(1) }
        }
        Tool::Search => {
            let SearchCall { pattern, path } = read(call)?;
            Use::Search { pattern: text("pattern", pattern, 1, PATTERN_BYTES_MAX)?, path: folder(path)? }
        }
        Tool::Write => {
            let WriteCall { path, content, executable } = read(call)?;
            Use::Write { path: changed(&path)?, content: text("content", content, 0, WRITE_BYTES_MAX)?, executable }
        }
        Tool::Patch => {
            let PatchCall { path, old, new } = read(call)?;
            let (old, new) = (text("old", old, 1, PATCH_BYTES_MAX)?, text("new", new, 0, PATCH_BYTES_MAX)?);
            if old == new {
                return Err("`old` and `new` are the same, so nothing would change".to_owned());
            }
            Use::Patch { path: changed(&path)?, old, new }
        }
        Tool::Shell => {
            let ShellCall { command, timeout_secs } = read(call)?;
            let command = text("command", command, 1, COMMAND_BYTES_MAX)?;
            if command.contains('\0') {
                return Err("`command` cannot hold the character NUL".to_owned());
            }
            let timeout_secs = within("timeout_secs", timeout_secs, 1, SHELL_SECS_MAX)?.unwrap_or(SHELL_SECS);
            Use::Shell { command, timeout_secs }
        }
    })
}

fn finish(call: &ToolCall) -> Result<Handover, String> {
    let handover: Handover = read(call)?;
    let Handover { summary, title, findings, issues } = &handover;
    if summary.trim().is_empty() {
        return Err("`summary` is empty; say what you did or found".to_owned());
    }
    if findings.len() > Handover::FINDINGS_MAX {
        return Err(format!("{} findings; hand over the {} that matter most", findings.len(), Handover::FINDINGS_MAX));
    }
    if issues.len() > Handover::ISSUES_MAX {
        return Err(format!("{} issues; there may be {}", issues.len(), Handover::ISSUES_MAX));
    }
    if let Some(title) = title
        && (title.trim().is_empty() || title.trim().contains('\n'))
    {
        return Err("`title` is one line".to_owned());
    }
    findings.iter().try_for_each(finding)?;
    let texts = [Some(summary), title.as_ref()].into_iter().flatten();
    let of_findings = findings.iter().flat_map(|finding| [Some(&finding.message), finding.replacement.as_ref()]).flatten();
    let of_issues = issues.iter().flat_map(|issue| [&issue.title, &issue.body]);
    for text in texts.chain(of_findings).chain(of_issues) {
        if text.len() > Handover::TEXT_BYTES_MAX {
            return Err(format!("a text of {} bytes; each may have {}", text.len(), Handover::TEXT_BYTES_MAX));
        }
    }
    let findings = findings.iter().map(|finding| Ok(Finding { path: file(&finding.path)?, ..finding.clone() }));
    Ok(Handover { findings: findings.collect::<Result<_, String>>()?, ..handover })
}

fn finding(finding: &Finding) -> Result<(), String> {
    let Finding { line, end_line, message, .. } = finding;
    if *line == 0 || end_line.is_some_and(|end| end < *line) {
        return Err("lines count from 1, and `end_line` is not before `line`".to_owned());
    }
    if message.trim().is_empty() {
        return Err("a finding without a `message` says nothing".to_owned());
    }
    Ok(())
}

/// The arguments of a call as what they should be.
fn read<T: DeserializeOwned>(call: &ToolCall) -> Result<T, String> {
    match &call.arguments {
        Arguments::Json(value) => T::deserialize(value).map_err(|error| error.to_string()),
        Arguments::Malformed(text) if text == HELD_SECRET => Err(
            "the arguments hold what looks like a secret, so nothing was done; have the code take it from where it runs, or leave it out"
                .to_owned(),
        ),
        Arguments::Malformed(_) => Err("the arguments are not JSON, perhaps because they were cut off".to_owned()),
    }
}

fn within<T: PartialOrd + Copy + std::fmt::Display>(
    key: &str,
    number: Option<T>,
    least: T,
    most: T,
) -> Result<Option<T>, String> {
    match number {
        Some(number) if number < least || number > most => Err(format!("`{key}` is {number}; it is {least} to {most}")),
        number => Ok(number),
    }
}

fn text(key: &str, text: String, least: usize, most: usize) -> Result<String, String> {
    if text.len() < least {
        return Err(format!("`{key}` is empty"));
    }
    if text.len() > most {
        return Err(format!("`{key}` has {} bytes; it may have {most}", text.len()));
    }
    Ok(text)
}

/// A path within the workspace.
fn file(path: &str) -> Result<String, String> {
    let relative = path.strip_prefix(WORKSPACE).unwrap_or(path);
    let relative = relative.strip_prefix("./").unwrap_or(relative).trim_end_matches('/');
    if relative.is_empty() || relative == "." {
        return Err("`path` names no file".to_owned());
    }
    if relative.len() > PATH_BYTES_MAX {
        return Err(format!("`path` has {} bytes; it may have {PATH_BYTES_MAX}", relative.len()));
    }
    if relative.chars().any(char::is_control) {
        return Err("`path` holds control characters".to_owned());
    }
    if relative.starts_with('/') {
        return Err("`path` leads out of the source; it is relative to its root, as in `src/main.rs`".to_owned());
    }
    if relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("`path` takes no `.`, `..` or empty parts; it is relative to the root of the source".to_owned());
    }
    Ok(relative.to_owned())
}

fn folder(path: Option<String>) -> Result<Option<String>, String> {
    let root = |path: &str| matches!(path.trim_end_matches('/'), "" | "." | "/workspace");
    path.filter(|path| !root(path)).map(|path| file(&path)).transpose()
}

/// A path that may be changed. That of Git itself is no part of the source.
fn changed(path: &str) -> Result<String, String> {
    let path = file(path)?;
    if path.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err("what is in `.git` is no part of the source".to_owned());
    }
    Ok(path)
}

fn unknown(name: &str, allowed: &[Tool]) -> String {
    let names: Vec<&str> = allowed.iter().map(|tool| tool.as_str()).chain([FINISH]).collect();
    let cut: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    format!("there is no tool `{cut}` here; there are {}", names.join(", "))
}

fn told(call: &ToolCall, cause: &str, spec: &ToolSpec) -> String {
    let cause = &cause[..cause.floor_char_boundary(CAUSE_BYTES_MAX)];
    format!("this call of `{}` was not done: {cause}. It takes {}", call.name, shape(&spec.takes))
}

/// An object in short: `{path: string, from_line?: integer}`.
fn shape(takes: &Value) -> String {
    let required = |key: &str| takes["required"].as_array().is_some_and(|all| all.iter().any(|one| one == key));
    let kind = |value: &Value| value["type"].as_str().unwrap_or("one of its words").to_owned();
    let one = |(key, value): (&String, &Value)| format!("{key}{}: {}", if required(key) { "" } else { "?" }, kind(value));
    let all = takes["properties"].as_object().into_iter().flatten().map(one);
    format!("{{{}}}", all.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
