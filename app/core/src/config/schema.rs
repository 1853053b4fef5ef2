//! The JSON Schema of the repository file, made from the table of keys.
//!
//! What the reading takes, the schema takes too. What the schema cannot say (that a gate which is needed exists, that a glob
//! is well-formed, how long a span of time is) the reading alone refuses.

use serde_json::{Map, Value, json};

use super::agents::keys as agents;
use super::agents::values::ROLE_NAME_PATTERN;
use super::environments::keys::ENVIRONMENT;
use super::environments::values::DAYS_PATTERN;
use super::keys::{self, MapOf, Shape, Table, Text};
use super::policy::keys as policy;
use super::values::{ENV_MAX, IMAGE_BYTES_MAX, LIST_MAX, TIMEOUT_SECS_MAX};
use super::{CommitRule, ENVIRONMENTS_MAX, GATES_MAX, GateEvent, Offering, PIPELINES_MAX, values};
use crate::agent::{BUILT_IN, PIPELINES, Tool};
use crate::command::{COMMANDS, CommandInfo};
use crate::forge::Permission;

/// The JSON Schema of the repository file, for editors.
pub fn schema() -> Value {
    let mut schema = table(&keys::FILE);
    if let Value::Object(object) = &mut schema {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("Gatewright's repository file, .gatewright.yml"));
        object.insert("required".to_owned(), json!(["gates"]));
        object.insert("dependentRequired".to_owned(), json!({ "environments": ["releases"] }));
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

fn shape(of: Shape) -> Value {
    match of {
        Shape::Image => text(IMAGE, IMAGE_BYTES_MAX),
        // `true` and `false` are commands.
        Shape::Command => json!({ "type": ["string", "boolean"], "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$" }),
        Shape::Env => map(VARIABLE, ENV_MAX, &json!({ "type": ["string", "number", "boolean"], "pattern": r"^[^\u0000]*$" })),
        Shape::Gates => gates(),
        Shape::Commands => commands(),
        Shape::Environments => environments(),
        Shape::Pipelines => pipelines(),
        Shape::Roles => roles(),
        Shape::Offerings => offerings(),
        Shape::Tools => one_or_set(&json!({ "enum": Tool::ALL.map(Tool::as_str) })),
        Shape::Program => program(),
        Shape::Who => who(Permission::Read),
        Shape::Writers => who(Permission::Write),
        Shape::Needs | Shape::After => one_or_set(&pattern(GATE_NAME)),
        Shape::PathGlobs => path_globs(),
        Shape::ReportGlobs => one_or_list(&pattern(&format!("^{PATH}"))),
        Shape::FileGlobs => one_or_list(&pattern(&format!("^(?!!){PATH}"))),
        Shape::Folders => one_or_list(&pattern(&format!("^{FOLDER}"))),
        Shape::Path => pattern(&format!("^{FOLDER}")),
        Shape::BranchGlobs | Shape::TagGlobs => one_or_list(&pattern(BRANCH)),
        Shape::Events => one_or_set(&json!({ "enum": GateEvent::ALL.map(GateEvent::as_str) })),
        Shape::Span => span(1, TIMEOUT_SECS_MAX),
        Shape::SpanWithin { least, most } => span(least, most),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Whole { least, most, default: None } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Whole { least, most, default } => {
            json!({ "type": "integer", "minimum": least, "maximum": most, "default": default })
        }
        Shape::Percent => json!({ "type": "number", "minimum": 0, "maximum": 100 }),
        Shape::Decimal { least, most } => json!({ "type": "number", "minimum": least, "maximum": most }),
        Shape::Flag { default } => json!({ "type": "boolean", "default": default }),
        Shape::Number { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::TrueOrGlobs => json!({ "anyOf": [{ "const": true }, path_globs()] }),
        Shape::Style => json!({ "const": "conventional" }),
        Shape::CommitRules => one_or_set(&json!({ "enum": CommitRule::ALL.map(|(word, _)| word) })),
        Shape::Types => one_or_list(&pattern("^[A-Za-z0-9-]+$")),
        Shape::Forbidden => json!({ "anyOf": [path_globs(), filled(&policy::FORBIDDEN)] }),
        Shape::Reviewers => json!({ "anyOf": [{ "const": "codeowners" }, one_or_list(&table(&policy::REVIEW))] }),
        Shape::People => one_or_list(&pattern(PERSON)),
        Shape::Patterns => one_or_list(&pattern("^[A-Za-z0-9_./*?:@+-]+$")),
        Shape::Days => one_or_list(&pattern(DAYS_PATTERN)),
        Shape::When => with(table(&keys::WHEN), "not", json!({ "required": ["changed", "paths"] })),
        // What limits nothing is a mistake.
        Shape::Size => with(table(&policy::SIZE), "anyOf", any_of(&["files", "lines", "file-bytes"])),
        Shape::Cache => with(table(&keys::CACHE), "required", json!(["paths", "key"])),
        Shape::Text(Text { pattern, bytes_max }) => text(&pattern(), *bytes_max),
        Shape::Scalar(Text { pattern, bytes_max }) => {
            with(text(&pattern(), *bytes_max), "type", json!(["string", "number", "boolean"]))
        }
        Shape::OneOf(shapes) => json!({ "anyOf": shapes.iter().copied().map(shape).collect::<Vec<_>>() }),
        Shape::OneOrMore(one, most) => json!({ "anyOf": [shape(*one), list(*one, most)] }),
        Shape::List(one, most) => list(*one, most),
        Shape::MapOf(MapOf { name, value, most }) => map(name, *most, &shape(*value)),
        Shape::Table(inner) => table(inner),
        Shape::Filled(inner) => filled(inner),
        Shape::OneKey(inner) => with(filled(inner), "maxProperties", json!(1)),
        Shape::Needing(inner, names) => with(table(inner), "required", json!(names)),
    }
}

fn with(mut schema: Value, key: &str, value: Value) -> Value {
    schema[key] = value;
    schema
}

/// A mapping with one key at least.
fn filled(inner: &Table) -> Value {
    with(table(inner), "minProperties", json!(1))
}

fn any_of(keys: &[&str]) -> Value {
    keys.iter().map(|key| json!({ "required": [key] })).collect()
}

fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn text(pattern: &str, length_max: usize) -> Value {
    json!({ "type": "string", "pattern": pattern, "maxLength": length_max })
}

/// Names with values.
fn map(name: &str, most: usize, value: &Value) -> Value {
    json!({ "type": "object", "maxProperties": most, "propertyNames": { "pattern": name }, "additionalProperties": value })
}

fn gates() -> Value {
    let mut gate = table(&keys::GATE);
    gate["anyOf"] = json!([{ "required": ["run"] }, looks_at_the_change_only(), only_counts()]);
    // Two names of one thing.
    gate["not"] = json!({ "required": ["junit", "tests"] });
    gate["allOf"] = Value::Array(gate_rules());
    with(map(GATE_NAME, GATES_MAX, &gate), "minProperties", json!(1))
}

fn commands() -> Value {
    let command = |line: &CommandInfo| (line.word.to_owned(), command(line));
    let properties: Map<String, Value> = COMMANDS.iter().map(command).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn span(least: u64, most: u64) -> Value {
    let digit = if least == 0 { "[0-9]" } else { "[1-9]" };
    json!({ "anyOf": [
        { "type": "integer", "minimum": least, "maximum": most },
        { "type": "string", "pattern": format!(r"^\s*[+0-9Pp].*[0-9A-Za-z]\s*$|^\s*{digit}\s*$") },
    ] })
}

fn list(one: Shape, most: usize) -> Value {
    json!({ "type": "array", "items": shape(one), "minItems": 1, "maxItems": most })
}

/// That a target which is not written can be had from another environment the reading alone knows.
fn environments() -> Value {
    let mut environment = table(&ENVIRONMENT);
    environment["anyOf"] = any_of(&["target", "after"]);
    environment["dependentRequired"] = json!({ "soak": ["after"] });
    with(map(GATE_NAME, ENVIRONMENTS_MAX, &environment), "minProperties", json!(1))
}

/// Those whose steps are not built in have to say them.
fn pipelines() -> Value {
    let built_in = table(&agents::PIPELINE);
    let properties: Map<String, Value> = PIPELINES.iter().map(|pipeline| (pipeline.name.to_owned(), built_in.clone())).collect();
    let mut all = map(GATE_NAME, PIPELINES_MAX, &with(built_in, "required", json!(["steps"])));
    all["properties"] = properties.into();
    with(all, "minProperties", json!(1))
}

/// Those that are not built in need a prompt.
fn roles() -> Value {
    let built_in = filled(&agents::ROLE);
    let properties: Map<String, Value> = BUILT_IN.iter().map(|role| (role.name.to_owned(), built_in.clone())).collect();
    let names = ROLE_NAME_PATTERN.replacen('^', &format!("^(?!{}$)", agents::VERIFY), 1);
    let mut all = map(&names, agents::ROLES_MAX, &with(table(&agents::ROLE), "required", json!(["prompt"])));
    all["properties"] = properties.into();
    all
}

/// A change goes to one place.
fn offerings() -> Value {
    let of = |offering: Offering| json!({ "contains": { "const": offering.as_str() } });
    let both = json!({ "type": "array", "allOf": [of(Offering::Commit), of(Offering::PullRequest)] });
    with(one_or_set(&json!({ "enum": Offering::ALL.map(Offering::as_str) })), "not", both)
}

fn program() -> Value {
    with(table(&agents::PROGRAM), "required", json!(["run"]))
}

/// A gate that has no command, and needs none.
fn looks_at_the_change_only() -> Value {
    let mut gate = requires_one_of(policy::NAMES.into_iter());
    gate["not"] = json!({ "anyOf": policy::NEED_A_COMMAND.map(|name| json!({ "required": [name] })) });
    gate
}

/// A gate that has no command, and counts what others have measured.
fn only_counts() -> Value {
    let others = policy::NEED_A_COMMAND.iter().filter(|name| **name != "coverage").map(|name| json!({ "required": [name] }));
    json!({
        "required": ["coverage"],
        "properties": { "coverage": { "type": "object", "not": { "required": ["reports"] } } },
        "not": { "anyOf": others.collect::<Vec<_>>() },
    })
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
    rules.push(json!({ "if": interleaved, "then": { "properties": { "retries": { "maximum": 0 } } } }));
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
pub(super) const GATE_NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}$";

/// The name of a variable that is not the service's own.
pub(super) const VARIABLE: &str = "^(?!GATEWRIGHT)[A-Za-z_][A-Za-z0-9_]*$";

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
