//! GitLab's own description of its API, by which requests are judged. It lies where `GATEWRIGHT_FIXTURES` says; without it
//! nothing is judged by it, which is said once.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

static DESCRIPTION: LazyLock<Option<Value>> = LazyLock::new(|| {
    let Ok(fixtures) = std::env::var("GATEWRIGHT_FIXTURES") else {
        eprintln!("NOT JUDGED: requests to the fake GitLab; GATEWRIGHT_FIXTURES does not say where its description is");
        return None;
    };
    let file = Path::new(&fixtures).join("gitlab-openapi-trimmed.2020-12.json");
    let text = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Some(serde_json::from_slice(&text).expect("the description is JSON"))
});

/// Makes sure that the description is there where it has to be, and says loudly where it is not.
pub(super) fn require() {
    LazyLock::force(&DESCRIPTION);
}

/// What is wrong with a request, in words. None where the description has no such path.
pub(super) fn judge(method: &str, path: &str, query: &[(String, String)], body: &Value) -> Option<Vec<String>> {
    let Some(description) = DESCRIPTION.as_ref() else { return Some(Vec::new()) };
    let operation = operation(description, method, path)?;
    let line = format!("{method} {path}");
    let mut wrong = Vec::new();
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    for (name, value) in query {
        match parameters.iter().find(|parameter| parameter["name"] == **name && parameter["in"] == "query") {
            Some(parameter) => {
                wrong.extend(unfit(&json!(value), &parameter["schema"]).map(|why| format!("{line}: {name}: {why}")))
            }
            None => wrong.push(format!("{line}: there is no query parameter {name}")),
        }
    }
    let needed =
        parameters.iter().filter(|one| one["in"] == "query" && one["required"] == true).filter_map(|one| one["name"].as_str());
    let missing = needed.filter(|needed| !query.iter().any(|(name, _)| name == needed));
    wrong.extend(missing.map(|name| format!("{line}: {name} is missing")));
    wrong.extend(judge_body(description, &operation["requestBody"], body).into_iter().map(|why| format!("{line}: {why}")));
    Some(wrong)
}

/// No body is one without any fields.
fn judge_body(description: &Value, wanted: &Value, body: &Value) -> Vec<String> {
    let given = body.as_object().cloned().unwrap_or_default();
    let schema = resolved(description, &wanted["content"]["application/json"]["schema"]);
    let judged = given.iter().filter_map(|(name, value)| match schema["properties"].get(name) {
        Some(property) => unfit(value, property).map(|why| format!("{name}: {why}")),
        None => Some(format!("there is no {name}")),
    });
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing = required.filter(|name| !given.contains_key(*name)).map(|name| format!("{name} is missing"));
    judged.chain(missing).collect()
}

/// The operation of a request, by the path with the fewest parameters that fits.
fn operation<'a>(description: &'a Value, method: &str, path: &str) -> Option<&'a Value> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<&str> = template.split('/').collect();
        wanted.len() == parts.len() && wanted.iter().zip(&parts).all(|(want, part)| want.starts_with('{') || want == part)
    };
    let paths = description["paths"].as_object().expect("a description has paths");
    let found = paths.iter().filter(|(template, _)| fits(template)).min_by_key(|(template, _)| template.matches('{').count());
    found.and_then(|(_, path)| path.get(method.to_lowercase()))
}

fn resolved<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().map(|r| r.trim_start_matches('#'));
    pointer.map_or(schema, |pointer| description.pointer(pointer).expect("a reference leads somewhere"))
}

/// A value against the part of JSON Schema that the description of requests uses.
fn unfit(value: &Value, schema: &Value) -> Option<String> {
    let right = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.as_str().is_some_and(|text| text.parse::<u64>().is_ok()),
        Some("number") => value.is_number(),
        Some("array") => value.is_array() || value.is_string(),
        Some("object") => value.is_object(),
        Some("boolean") => value.is_boolean() || matches!(value.as_str(), Some("true" | "false")),
        Some(_) | None => true,
    };
    let listed = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    let is_time = schema["format"] != "date-time" || value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok());
    (!right || !listed || !is_time).then(|| format!("{value} is not {schema}"))
}
