//! The JSON Schema of the server file, made from the table of keys.

use gatewright_webhook::WebhookSecrets;
use serde_json::{Map, Value, json};

use super::keys::{FILE, HOST_CODE, KINDS, LEVELS, OfKind, Shape, Table};

/// The JSON Schema of the server file, for editors.
pub(crate) fn schema() -> Value {
    let mut schema = table(&FILE);
    if let Value::Object(object) = &mut schema {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("Gatewright's server file"));
        // With models alone it is enough for `gatewright agent run`.
        object.insert("anyOf".to_owned(), json!([{ "required": ["forge"] }, { "required": ["model"] }]));
    }
    schema
}

fn table(table: &Table) -> Value {
    let property = |key: &super::keys::Key| {
        let mut schema = shape(key.shape);
        if let Value::Object(object) = &mut schema {
            object.insert("description".to_owned(), json!(key.about));
        }
        (key.name.to_owned(), schema)
    };
    let properties: Map<String, Value> = table.keys.iter().map(property).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if table.key(HOST_CODE).is_some()
        && let Value::Object(object) = &mut schema
    {
        object.insert("if".to_owned(), json!({ "properties": { "driver": { "const": "host" } }, "required": ["driver"] }));
        object.insert("then".to_owned(), json!({ "required": [HOST_CODE] }));
    }
    schema
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::LogLevel => json!({ "type": "string", "pattern": log_level() }),
        Shape::Listen => {
            json!({ "type": "string", "pattern": r"^(localhost|[0-9]+(\.[0-9]+){3}|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}$" })
        }
        Shape::Url => json!({ "type": "string", "pattern": "^https?://[^/@?#][^@?#]*$" }),
        Shape::ForgeUrl => json!({ "type": "string", "pattern": FORGE_URL }),
        Shape::Engine => json!({ "type": "string", "pattern": "^(unix:///|tcp://)" }),
        Shape::Store => json!({ "type": "string", "pattern": "^(sled:.+|memory:)$" }),
        Shape::Secret => secret(),
        Shape::Secrets => {
            let several = json!({ "type": "array", "items": secret(), "minItems": 1, "maxItems": WebhookSecrets::COUNT_MAX });
            json!({ "anyOf": [secret(), several] })
        }
        Shape::Number { min, max, default } => {
            let mut schema = json!({ "type": "integer", "minimum": min, "maximum": max });
            if let (Some(default), Value::Object(object)) = (default, &mut schema) {
                object.insert("default".to_owned(), json!(default));
            }
            schema
        }
        Shape::Numbers { min, max, most, default } => {
            let item = json!({ "type": "integer", "minimum": min, "maximum": max });
            json!({ "type": "array", "items": item, "maxItems": most, "default": default })
        }
        Shape::Real { min, max, default } => {
            let mut schema = json!({ "type": "number", "minimum": min, "maximum": max });
            if let (Some(default), Value::Object(object)) = (default, &mut schema) {
                object.insert("default".to_owned(), json!(default));
            }
            schema
        }
        Shape::Word { words, .. } => json!({ "enum": words }),
        Shape::Table(inner) => table(inner),
        Shape::Text => json!({ "type": "string", "minLength": 1 }),
        Shape::Texts => json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 }),
        Shape::SecretsByName => json!({ "type": "object", "additionalProperties": secret() }),
        Shape::Query => json!({ "type": "string", "pattern": r"\{\{\s*pool\s*\}\}" }),
        Shape::List(inner, needed) => {
            let mut item = table(inner);
            if let Value::Object(object) = &mut item {
                object.insert("required".to_owned(), json!(needed));
            }
            json!({ "type": "array", "items": item })
        }
        Shape::Tables(inner) => {
            let mut item = table(inner);
            if let Value::Object(object) = &mut item {
                object.insert("required".to_owned(), json!(["kind", "webhook_secret"]));
                object.insert("allOf".to_owned(), KINDS.iter().map(of_kind).collect());
            }
            json!({ "type": "array", "items": item, "minItems": 1, "allOf": KINDS.iter().map(at_most_one).collect::<Value>() })
        }
    }
}

/// What a forge of this kind needs, and that it has no key of another.
fn of_kind(of: &OfKind) -> Value {
    let others = KINDS.iter().filter(|other| other.kind != of.kind).flat_map(|other| other.own);
    let absent: Map<String, Value> = others.map(|key| ((*key).to_owned(), json!(false))).collect();
    json!({
        "if": { "properties": { "kind": { "const": of.kind } } },
        "then": { "required": of.needed, "properties": absent },
    })
}

/// That there is no second forge of this kind.
fn at_most_one(of: &OfKind) -> Value {
    json!({ "contains": { "properties": { "kind": { "const": of.kind } } }, "minContains": 0, "maxContains": 1 })
}

/// https, or http to this machine's own addresses.
const FORGE_URL: &str = r"^(https://[^/@?#]|http://(localhost|127(\.[0-9]+){3}|\[::1\])(:|/|$))[^@?#]*$";

/// Levels, or directives that each end with one, in letters of any size.
fn log_level() -> String {
    let any_size = |level: &str| level.chars().map(|c| format!("[{c}{}]", c.to_ascii_uppercase())).collect::<String>();
    let levels: Vec<String> = LEVELS.iter().map(|level| any_size(level)).collect();
    let levels = levels.join("|");
    let directive = format!(r"(\s*({levels})\s*|[^\s,][^,]*=({levels}))");
    format!("^{directive}(,{directive})*$")
}

fn secret() -> Value {
    json!({ "type": "string", "pattern": "^(env|file):.+$" })
}
