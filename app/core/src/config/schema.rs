//! The JSON Schema of the repository file, made from the table of keys.
//!
//! What the reading takes, the schema takes too. What the schema cannot say (that a gate which is needed exists, that a glob
//! is well-formed, how long a span of time is) the reading alone refuses.

use serde_json::{Map, Value, json};

use super::keys::{self, Shape, Table};
use super::policy::keys as policy;
use super::values::{ENV_MAX, IMAGE_BYTES_MAX, LIST_MAX, TIMEOUT_SECS_MAX};
use super::{CommitRule, GATES_MAX, GateEvent, values};
use crate::command::{COMMANDS, CommandInfo};
use crate::forge::Permission;

/// The JSON Schema of the repository file, for editors.
pub fn schema() -> Value {
    let mut schema = table(&keys::FILE);
    if let Value::Object(object) = &mut schema {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("Gatewright's repository file, .gatewright.yml"));
        object.insert("required".to_owned(), json!(["gates"]));
        let has_one = json!({ "anyOf": [{ "required": ["image"] }, { "not": { "required": ["run"] } }] });
        let each_gate_has_one = json!({ "properties": { "gates": { "additionalProperties": has_one } } });
        object.insert("anyOf".to_owned(), json!([{ "required": ["image"] }, each_gate_has_one]));
    }
    schema
}

fn table(table: &Table) -> Value {
    let property = |key: &keys::Key| {
        let mut schema = shape(key.shape);
        if let Value::Object(object) = &mut schema {
            object.insert("description".to_owned(), json!(key.about));
        }
        (key.name.to_owned(), schema)
    };
    let properties: Map<String, Value> = table.keys.iter().map(property).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Image => json!({ "type": "string", "pattern": IMAGE, "maxLength": IMAGE_BYTES_MAX }),
        // `true` and `false` are commands.
        Shape::Command => json!({ "type": ["string", "boolean"], "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$" }),
        Shape::Env => json!({
            "type": "object",
            "maxProperties": ENV_MAX,
            "propertyNames": { "pattern": "^(?!GATEWRIGHT)[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "type": ["string", "number", "boolean"], "pattern": r"^[^\u0000]*$" },
        }),
        Shape::Gates => {
            let mut gate = table(&keys::GATE);
            if let Value::Object(object) = &mut gate {
                object.insert("anyOf".to_owned(), json!([{ "required": ["run"] }, looks_at_the_change_only()]));
                // Two names of one thing.
                object.insert("not".to_owned(), json!({ "required": ["junit", "tests"] }));
                object.insert("allOf".to_owned(), Value::Array(gate_rules()));
            }
            json!({
                "type": "object",
                "minProperties": 1,
                "maxProperties": GATES_MAX,
                "propertyNames": { "pattern": GATE_NAME },
                "additionalProperties": gate,
            })
        }
        Shape::Commands => {
            let command = |line: &CommandInfo| (line.word.to_owned(), command(line));
            let properties: Map<String, Value> = COMMANDS.iter().map(command).collect();
            json!({ "type": "object", "additionalProperties": false, "properties": properties })
        }
        Shape::Who => who(Permission::Read),
        Shape::Needs => one_or_set(&json!({ "type": "string", "pattern": GATE_NAME })),
        Shape::PathGlobs => path_globs(),
        Shape::ReportGlobs => one_or_list(&json!({ "type": "string", "pattern": format!("^{PATH}") })),
        Shape::Folders => one_or_list(&json!({ "type": "string", "pattern": format!("^{FOLDER}") })),
        Shape::BranchGlobs => one_or_list(&json!({ "type": "string", "pattern": BRANCH })),
        Shape::Events => {
            let names: Vec<&str> = GateEvent::ALL.iter().map(|event| event.as_str()).collect();
            one_or_set(&json!({ "enum": names }))
        }
        Shape::Span => json!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": TIMEOUT_SECS_MAX },
            { "type": "string", "pattern": r"^\s*[+0-9Pp].*[0-9A-Za-z]\s*$|^\s*[1-9]\s*$" },
        ] }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Whole { least, most, default } => {
            let mut whole = json!({ "type": "integer", "minimum": least, "maximum": most });
            if let Some(default) = default {
                whole["default"] = json!(default);
            }
            whole
        }
        Shape::Percent => json!({ "type": "number", "minimum": 0, "maximum": 100 }),
        Shape::Flag { default } => json!({ "type": "boolean", "default": default }),
        Shape::Number { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::TrueOrGlobs => json!({ "anyOf": [{ "const": true }, path_globs()] }),
        Shape::Style => json!({ "const": "conventional" }),
        Shape::CommitRules => one_or_set(&json!({ "enum": CommitRule::ALL.map(|(word, _)| word) })),
        Shape::Types => one_or_list(&json!({ "type": "string", "pattern": "^[A-Za-z0-9-]+$" })),
        Shape::Forbidden => {
            let mut by_deed = table(&policy::FORBIDDEN);
            by_deed["minProperties"] = json!(1);
            json!({ "anyOf": [path_globs(), by_deed] })
        }
        Shape::Reviewers => json!({ "anyOf": [{ "const": "codeowners" }, one_or_list(&table(&policy::REVIEW))] }),
        Shape::People => one_or_list(&json!({ "type": "string", "pattern": PERSON })),
        Shape::Patterns => one_or_list(&json!({ "type": "string", "pattern": "^[A-Za-z0-9_./*?:@+-]+$" })),
        Shape::When => {
            let mut when = table(&keys::WHEN);
            // Two names of one thing.
            when["not"] = json!({ "required": ["changed", "paths"] });
            when
        }
        Shape::Size => {
            let mut size = table(&policy::SIZE);
            // What limits nothing is a mistake.
            size["anyOf"] = json!(["files", "lines", "file-bytes"].map(|name| json!({ "required": [name] })));
            size
        }
        Shape::Cache => {
            let mut cache = table(&keys::CACHE);
            cache["required"] = json!(["paths", "key"]);
            cache
        }
        Shape::Table(inner) => table(inner),
        Shape::Filled(inner) => {
            let mut filled = table(inner);
            filled["minProperties"] = json!(1);
            filled
        }
    }
}

/// A gate that has no command, and needs none.
fn looks_at_the_change_only() -> Value {
    let mut gate = requires_one_of(policy::NAMES.into_iter());
    gate["not"] = json!({ "anyOf": policy::NEED_A_COMMAND.map(|name| json!({ "required": [name] })) });
    gate
}

/// A gate whose `require` has one of these keys.
fn requires_one_of<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    let one: Vec<Value> = names.map(|name| json!({ "required": [name] })).collect();
    json!({ "required": ["require"], "properties": { "require": { "type": "object", "anyOf": one } } })
}

/// That a gate which asks for something has the reports that it would be found in.
fn needs_reports(asked: &keys::Asked) -> Value {
    let with = |key: &&str| json!({ "required": [key] });
    let one_of = |keys: &[&str]| json!({ "anyOf": keys.iter().map(with).collect::<Vec<_>>() });
    let asks = json!({ "required": ["require"], "properties": { "require": one_of(asked.keys) } });
    json!({ "if": asks, "then": one_of(asked.reports) })
}

/// What a gate's keys ask of each other.
fn gate_rules() -> Vec<Value> {
    let asks = |key: &str| json!({ "required": [key] });
    let mut rules: Vec<Value> = keys::REQUIRE_OF.iter().map(needs_reports).collect();
    let uploads = json!({ "required": ["code-scanning"], "properties": { "code-scanning": { "const": true } } });
    rules.push(json!({ "if": uploads, "then": { "anyOf": [asks("sarif"), asks("findings")] } }));
    let interleaved = json!({ "required": ["compare"], "properties": { "compare": { "const": "interleaved" } } });
    rules.push(json!({ "if": asks("compare"), "then": { "required": ["benchmark"] } }));
    rules.extend(
        ["rounds", "prepare"]
            .map(|key| json!({ "if": asks(key), "then": { "required": ["benchmark"], "allOf": [interleaved] } })),
    );
    rules
}

fn command(line: &CommandInfo) -> Value {
    let mut schema = table(&keys::COMMAND);
    schema["properties"]["who"] = who(values::weakest_role(line.name));
    schema["required"] = json!(["who"]);
    schema
}

fn who(weakest: Permission) -> Value {
    let roles = values::ROLES.iter().filter(|(_, role)| *role >= weakest).map(|(word, _)| *word);
    let named = json!({ "type": "string", "pattern": PERSON });
    one_or_list(&json!({ "anyOf": [{ "enum": roles.collect::<Vec<_>>() }, named] }))
}

/// A user or a team.
const PERSON: &str = r"^@[^\s@]+$";

/// No option, no white space, no control characters.
const IMAGE: &str = r"^[^-\s\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*$";

/// A path within the source: relative, without `..` and a `./` before it, on one line.
const PATH: &str = r"(?![/~]|\./)(?!(.*/)?\.\.(/|$))(?=.*\S)[^\u0000-\u001f\u007f-\u009f]+$";

/// A folder within the source: a path without wildcards and without a slash at its end, and not the source itself.
const FOLDER: &str = r"(?![/~]|\./)(?!(.*/)?\.\.?(/|$))(?!.*//)(?!.*/$)(?=.*\S)[^\u0000-\u001f\u007f-\u009f*?\[\]{}\\]+$";

/// A branch, without what leads to it.
const BRANCH: &str = r"^(?!!|refs/)(?=.*\S)[^\u0000-\u001f\u007f-\u009f]+$";

/// [`GateName::RULE`](crate::GateName::RULE) as a pattern.
const GATE_NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}$";

fn path_globs() -> Value {
    one_or_list(&json!({ "type": "string", "pattern": format!("^(!|(?!!)){PATH}") }))
}

fn one_or_list(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": LIST_MAX }] })
}

/// As [`one_or_list`], with nothing twice.
fn one_or_set(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": LIST_MAX, "uniqueItems": true }] })
}
