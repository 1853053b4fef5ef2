//! From GitHub's OpenAPI 3.0 description to JSON Schema 2020-12, cut down to the operations that the fake serves.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The address under which the cut-down description is known to its own references.
pub(super) const URN: &str = "urn:github";

/// Keys of a schema that say nothing about validity. They are most of the file.
const PROSE: [&str; 9] =
    ["description", "example", "examples", "title", "externalDocs", "x-github", "deprecated", "default", "x-multi-segment"];

/// One operation, as the description has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Operation {
    /// `checks/create` and the like.
    pub(crate) id: String,
    /// In capitals.
    pub(crate) method: String,
    /// `/repos/{owner}/{repo}/check-runs` and the like.
    pub(crate) path: String,
    /// Path, query and header parameters.
    pub(super) parameters: Vec<Parameter>,
    /// The schema of a JSON body, where the operation takes one.
    pub(super) body: Option<Value>,
    /// Whether a body must be there.
    pub(super) body_required: bool,
    /// By status: the schema of a JSON answer, or nothing where it has none.
    pub(super) responses: BTreeMap<String, Option<Value>>,
}

/// A parameter of an operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    #[serde(rename = "in")]
    pub(super) place: String,
    pub(super) required: bool,
    pub(super) schema: Value,
}

/// The cut-down description; what is cached on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cut {
    pub(super) operations: Vec<Operation>,
    /// By `event.action` (or `event`): the schema of a payload.
    pub(super) webhooks: BTreeMap<String, Value>,
    /// Every schema that one of the above refers to.
    pub(super) schemas: Map<String, Value>,
}

/// Cuts the description down to `served` (method, path) and the webhooks whose event is in `events`.
///
/// Panics where the description has no such operation: then the fake serves something that GitHub does not.
pub(super) fn cut(whole: &Value, served: &[(&str, &str)], events: &[&str]) -> Cut {
    let operations: Vec<Operation> = served.iter().map(|(method, path)| operation(whole, method, path)).collect();
    let webhooks = webhooks(whole, events);
    let mut wanted = BTreeSet::new();
    for op in &operations {
        op.parameters.iter().for_each(|p| references(&p.schema, &mut wanted));
        op.body.iter().chain(op.responses.values().flatten()).for_each(|s| references(s, &mut wanted));
    }
    webhooks.values().for_each(|s| references(s, &mut wanted));
    references(&json!({"$ref": format!("{URN}#/schemas/basic-error")}), &mut wanted);
    Cut { operations, webhooks, schemas: closure(whole, wanted) }
}

/// Every schema in `wanted` and, in turn, those that they refer to.
fn closure(whole: &Value, wanted: BTreeSet<String>) -> Map<String, Value> {
    let mut schemas = Map::new();
    let mut todo: Vec<String> = wanted.into_iter().collect();
    while let Some(name) = todo.pop() {
        if schemas.contains_key(&name) {
            continue;
        }
        let schema = schema(&whole["components"]["schemas"][&name], Extra::Allowed);
        let mut more = BTreeSet::new();
        references(&schema, &mut more);
        todo.extend(more);
        schemas.insert(name, schema);
    }
    schemas
}

fn operation(whole: &Value, method: &str, path: &str) -> Operation {
    let item = &whole["paths"][path];
    let op = &item[method.to_lowercase()];
    assert!(op.is_object(), "GitHub's description has no {method} {path}");
    let lists = [&item["parameters"], &op["parameters"]];
    let parameters = lists.iter().filter_map(|l| l.as_array()).flatten().map(|p| parameter(resolve(whole, p))).collect();
    let body = resolve(whole, &op["requestBody"]);
    let body_schema = &body["content"]["application/json"]["schema"];
    let responses = op["responses"].as_object().expect("every operation has responses");
    Operation {
        id: op["operationId"].as_str().expect("every operation has an id").to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        parameters,
        body: body_schema.is_object().then(|| schema(body_schema, Extra::Refused)),
        body_required: body["required"].as_bool().unwrap_or(false),
        responses: responses.iter().map(|(status, r)| (status.clone(), response(resolve(whole, r)))).collect(),
    }
}

fn response(response: &Value) -> Option<Value> {
    let content = &response["content"]["application/json"]["schema"];
    content.is_object().then(|| schema(content, Extra::Allowed))
}

fn parameter(parameter: &Value) -> Parameter {
    Parameter {
        name: parameter["name"].as_str().expect("a parameter has a name").to_owned(),
        place: parameter["in"].as_str().expect("a parameter has a place").to_owned(),
        required: parameter["required"].as_bool().unwrap_or(false),
        schema: schema(&parameter["schema"], Extra::Allowed),
    }
}

fn webhooks(whole: &Value, events: &[&str]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for hook in whole["x-webhooks"].as_object().into_iter().flat_map(|hooks| hooks.values()) {
        let post = &hook["post"];
        let id = post["operationId"].as_str().unwrap_or_default().replace('-', "_");
        let (event, action) = id.split_once('/').unwrap_or((&id, ""));
        if events.contains(&event) {
            let key = if action.is_empty() { event.to_owned() } else { format!("{event}.{action}") };
            found.insert(key, schema(&post["requestBody"]["content"]["application/json"]["schema"], Extra::Allowed));
        }
    }
    found
}

fn resolve<'a>(whole: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => whole.pointer(reference.trim_start_matches('#')).expect("the description's references resolve"),
        None => value,
    }
}

/// Whether an object may have keys that its schema does not name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extra {
    /// As JSON Schema has it; for answers, which may grow.
    Allowed,
    /// For requests: a key that GitHub does not know is a mistake that it would silently ignore.
    Refused,
}

/// Converts one schema: no prose, references into our own document, `nullable` as JSON Schema says it.
fn schema(from: &Value, extra: Extra) -> Value {
    let Some(object) = from.as_object() else { return from.clone() };
    let mut to = Map::new();
    for (key, value) in object {
        match key.as_str() {
            "nullable" => {}
            "$ref" => drop(to.insert(key.clone(), reference(value))),
            "properties" | "patternProperties" => drop(to.insert(key.clone(), named(value, extra))),
            "items" | "additionalProperties" | "not" => drop(to.insert(key.clone(), schema(value, extra))),
            // Alternatives name part of the keys each, so they cannot refuse the others.
            "allOf" | "anyOf" | "oneOf" => drop(to.insert(key.clone(), list(value, Extra::Allowed))),
            "enum" | "required" | "const" => drop(to.insert(key.clone(), value.clone())),
            prose if PROSE.contains(&prose) => {}
            _ => drop(to.insert(key.clone(), value.clone())),
        }
    }
    let open = to.contains_key("additionalProperties") || to.contains_key("allOf");
    if extra == Extra::Refused && to.contains_key("properties") && !open {
        to.insert("additionalProperties".to_owned(), json!(false));
    }
    if object.get("nullable") == Some(&json!(true)) { nullable(to) } else { Value::Object(to) }
}

fn named(properties: &Value, extra: Extra) -> Value {
    let properties = properties.as_object().expect("properties are an object");
    properties.iter().map(|(name, value)| (name.clone(), schema(value, extra))).collect::<Map<_, _>>().into()
}

fn list(schemas: &Value, extra: Extra) -> Value {
    schemas.as_array().expect("a list of schemas").iter().map(|s| schema(s, extra)).collect()
}

fn reference(to: &Value) -> Value {
    let to = to.as_str().expect("a reference is a string");
    let name = to.strip_prefix("#/components/schemas/").expect("schemas refer to schemas only");
    json!(format!("{URN}#/schemas/{name}"))
}

fn nullable(schema: Map<String, Value>) -> Value {
    let simple = schema.get("type").is_some_and(Value::is_string);
    let combined = ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| schema.contains_key(*key));
    if !simple || combined {
        return json!({"anyOf": [schema, {"type": "null"}]});
    }
    let mut schema = schema;
    let kind = schema["type"].clone();
    schema.insert("type".to_owned(), json!([kind, "null"]));
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    Value::Object(schema)
}

/// Collects the names of the schemas that `schema` refers to.
fn references(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(name) = object.get("$ref").and_then(Value::as_str).and_then(|r| r.split("/schemas/").nth(1)) {
                into.insert(name.split('/').next().expect("split gives one part at least").to_owned());
            }
            object.values().for_each(|value| references(value, into));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
