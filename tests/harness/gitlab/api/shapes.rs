//! What operations take that GitLab's description lacks: the parameters that GitLab's documentation names, and no others.

use serde_json::Value;

/// What a parameter is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Time,
    Object,
    List,
    /// One of these.
    Word(&'static [&'static str]),
}

/// One parameter.
pub(super) struct Field {
    name: &'static str,
    kind: Kind,
    required: bool,
}

pub(super) const fn may(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

pub(super) const fn must(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

/// What an operation takes. GitLab takes parameters of a write from the query too.
pub(in crate::gitlab) struct Shape {
    pub(super) query: &'static [Field],
    pub(super) body: &'static [Field],
}

/// Nothing.
pub(super) const NOTHING: Shape = Shape { query: &[], body: &[] };

/// A list without filters.
pub(super) const LIST: Shape = Shape { query: &[may("page", Kind::Number), may("per_page", Kind::Number)], body: &[] };

impl Shape {
    /// What is wrong with a request, in words.
    pub(in crate::gitlab) fn judge(&self, line: &str, query: &[(String, String)], body: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, value) in query {
            let name = name.split('[').next().unwrap_or_default();
            match self.query.iter().chain(self.body).find(|field| field.name == name) {
                Some(field) if fits(field.kind, &Value::from(value.as_str())) => {}
                Some(_) => wrong.push(format!("{line}: {name} is invalid: {value:?}")),
                None => wrong.push(format!("{line}: there is no query parameter {name}")),
            }
        }
        for (name, value) in body.as_object().into_iter().flatten() {
            match self.body.iter().find(|field| field.name == name) {
                Some(field) if fits(field.kind, value) => {}
                Some(_) => wrong.push(format!("{line}: {name} is invalid: {value}")),
                None => wrong.push(format!("{line}: there is no {name}")),
            }
        }
        let given = |field: &Field| !body[field.name].is_null() || query.iter().any(|(name, _)| name == field.name);
        let missing = self.body.iter().chain(self.query).filter(|field| field.required && !given(field));
        wrong.extend(missing.map(|field| format!("{line}: {} is missing", field.name)));
        wrong
    }
}

fn fits(kind: Kind, value: &Value) -> bool {
    let text = value.as_str();
    match kind {
        Kind::Text => text.is_some(),
        Kind::Number => value.is_u64() || text.is_some_and(|text| text.parse::<u64>().is_ok()),
        Kind::Flag => value.is_boolean() || matches!(text, Some("true" | "false")),
        Kind::Time => text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        Kind::Object => value.is_object(),
        Kind::List => value.is_array(),
        Kind::Word(words) => text.is_some_and(|text| words.contains(&text)),
    }
}
