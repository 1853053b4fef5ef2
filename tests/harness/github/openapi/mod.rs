//! Checks requests, answers and payloads against GitHub's own description of its API.
//!
//! The description is npm's `@octokit/openapi`, which `tests/setup` installs. It is 13 MB and mostly prose, so what the
//! fake serves is cut out once and kept beside it, under a name that changes with the version and with what is served.

mod convert;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) use convert::Operation;
use convert::{Cut, Parameter, URN};

/// The version of the npm package; `tests/setup` installs the same.
pub const DESCRIPTION_VERSION: &str = "23.0.2";

/// Raised when the conversion changes, so that an older cached file is not used.
const CONVERSION: u32 = 1;

/// At most this many errors of one value are told; one is enough to act on.
const ERRORS_MAX: usize = 5;

/// Answers (operation, place) of which the description asks for what cannot be: an account that is a user and an enterprise.
const CONTRADICTIONS: [(&str, &str); 1] = [("apps/list-installations", "/account: ")];

/// The part of the description that is served.
pub(crate) struct Description {
    cut: Cut,
    registry: Registry<'static>,
    /// Compiled on first use: a test uses few operations.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// The description of what the fake serves, loaded once a process.
pub(crate) fn description() -> &'static Description {
    static LOADED: OnceLock<Description> = OnceLock::new();
    LOADED.get_or_init(|| Description::load(&super::api::served(), &super::payload::EVENTS))
}

impl Description {
    fn load(served: &[(&str, &str)], events: &[&str]) -> Self {
        let cached = cache_file(served, events);
        let text = std::fs::read(&cached).unwrap_or_else(|_| make_cache(&cached, served, events));
        let cut: Cut = serde_json::from_slice(&text).expect("the cached description was written by us");
        let document = Draft::Draft202012.create_resource(json!({"schemas": cut.schemas}));
        let registry = Registry::new().add(URN, document).expect("the address is valid").prepare();
        Description { cut, registry: registry.expect("the references resolve"), validators: Mutex::default() }
    }

    /// The operation of this method and template.
    pub(crate) fn operation(&self, method: &str, template: &str) -> &Operation {
        let found = self.cut.operations.iter().find(|op| op.method == method && op.path == template);
        found.expect("every served operation was looked up when the description was cut")
    }

    /// What is wrong with a request, in words. `query` is decoded.
    pub(crate) fn request_errors(
        &self,
        op: &Operation,
        path: &[(String, String)],
        query: &[(String, String)],
        body: Body<'_>,
    ) -> Vec<String> {
        let mut errors = Vec::new();
        for (name, value) in path {
            errors.extend(self.parameter_errors(op, "path", name, value));
        }
        for (name, value) in query {
            errors.extend(self.parameter_errors(op, "query", name, value));
        }
        let missing = op.parameters.iter().filter(|p| p.place == "query" && p.required);
        let missing = missing.filter(|p| !query.iter().any(|(name, _)| *name == p.name));
        errors.extend(missing.map(|p| format!("the query parameter {} is missing", p.name)));
        errors.extend(self.body_errors(op, body));
        errors
    }

    fn body_errors(&self, op: &Operation, body: Body<'_>) -> Vec<String> {
        match (&op.body, body) {
            (_, Body::NotJson(cause)) => vec![format!("the body is not JSON: {cause}")],
            (None, Body::Json(value)) if !value.is_null() && *value != json!({}) => vec!["it takes no body".to_owned()],
            (Some(_), Body::None) if op.body_required => vec!["the body is missing".to_owned()],
            (Some(schema), Body::Json(value)) => self.errors(&format!("{} body", op.id), schema, value, "body"),
            (None | Some(_), Body::None) | (None, Body::Json(_)) => Vec::new(),
        }
    }

    fn parameter_errors(&self, op: &Operation, place: &str, name: &str, value: &str) -> Vec<String> {
        let Some(parameter) = op.parameters.iter().find(|p| p.place == place && p.name == name) else {
            return vec![format!("there is no {place} parameter {name:?}")];
        };
        let value = typed(parameter, value);
        self.errors(&format!("{} {place} {name}", op.id), &parameter.schema, &value, name)
    }

    /// What is wrong with an answer of the fake, in words. A status that the description does not name passes: it names
    /// few of the errors.
    pub(crate) fn response_errors(&self, op: &Operation, status: u16, body: Option<&Value>) -> Vec<String> {
        match (op.responses.get(&status.to_string()), body) {
            (Some(Some(schema)), Some(body)) => {
                let errors = self.errors(&format!("{} {status}", op.id), schema, body, "answer");
                let contradicts = |error: &String| CONTRADICTIONS.iter().any(|(id, at)| *id == op.id && error.contains(at));
                errors.into_iter().filter(|error| !contradicts(error)).collect()
            }
            (Some(Some(_)), None) => vec![format!("the {status} should have a body")],
            (None, _) if status < 400 => vec![format!("the description has no {status}")],
            (None | Some(None), _) => Vec::new(),
        }
    }

    /// What is wrong with a webhook's payload, in words.
    pub(crate) fn payload_errors(&self, event: &str, payload: &Value) -> Vec<String> {
        let action = payload["action"].as_str().map(|action| format!("{event}.{action}"));
        let key = action.filter(|key| self.cut.webhooks.contains_key(key)).unwrap_or_else(|| event.to_owned());
        match self.cut.webhooks.get(&key) {
            Some(schema) => self.errors(&key, schema, payload, "payload"),
            None => vec![format!("GitHub has no event {key}")],
        }
    }

    fn errors(&self, key: &str, schema: &Value, value: &Value, what: &str) -> Vec<String> {
        let validator = self.validator(key, schema);
        let told = |e: jsonschema::ValidationError<'_>| {
            let text: String = e.to_string().chars().take(300).collect();
            format!("{what}{}: {text}", e.instance_path())
        };
        validator.iter_errors(value).take(ERRORS_MAX).map(told).collect()
    }

    fn validator(&self, key: &str, schema: &Value) -> Arc<Validator> {
        if let Some(found) = self.validators.lock().expect("no panic under this lock").get(key) {
            return found.clone();
        }
        let options = jsonschema::options().with_draft(Draft::Draft202012).with_registry(&self.registry);
        let built = Arc::new(options.build(schema).expect("the description's schemas compile"));
        self.validators.lock().expect("no panic under this lock").insert(key.to_owned(), built.clone());
        built
    }
}

/// A request's body.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    /// Empty.
    None,
    /// Not what it should be.
    NotJson(&'a str),
    /// As parsed.
    Json(&'a Value),
}

/// A parameter's text as the type that its schema names, so that a schema can judge it.
fn typed(parameter: &Parameter, value: &str) -> Value {
    let kinds = &parameter.schema["type"];
    let is = |kind: &str| kinds == kind || kinds.as_array().is_some_and(|k| k.iter().any(|k| k == kind));
    let any_of = parameter.schema["oneOf"].is_array() || parameter.schema["anyOf"].is_array();
    match value {
        _ if is("integer") || is("number") || any_of => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
        "true" | "false" if is("boolean") => json!(value == "true"),
        _ if is("array") => value.split(',').collect(),
        _ => json!(value),
    }
}

/// The folder into which `tests/setup` installs tools.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace").join(".tools")
}

fn cache_file(served: &[(&str, &str)], events: &[&str]) -> PathBuf {
    let what = format!("{CONVERSION} {served:?} {events:?}");
    let hash = hex::encode(Sha256::digest(what));
    tools().join(format!("github-openapi-{DESCRIPTION_VERSION}-{}.json", &hash[..12]))
}

/// Cuts the installed description down and keeps the result. Written beside and renamed, since other test processes may
/// do the same at this moment.
fn make_cache(file: &Path, served: &[(&str, &str)], events: &[&str]) -> Vec<u8> {
    let whole = tools().join("npm/node_modules/@octokit/openapi/generated/api.github.com.json");
    let text = std::fs::read(&whole).unwrap_or_else(|e| {
        panic!("GitHub's API description is not at {} ({e}): tests/setup/npm.sh installs it", whole.display())
    });
    let whole: Value = serde_json::from_slice(&text).expect("the installed description is JSON");
    let cut = serde_json::to_vec(&convert::cut(&whole, served, events)).expect("JSON can be written");
    let beside = file.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&beside, &cut).and_then(|()| std::fs::rename(&beside, file)).expect("the tools folder can be written");
    cut
}
