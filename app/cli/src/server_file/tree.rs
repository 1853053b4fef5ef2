//! A TOML document as a tree in which every node knows where it comes from: the file, an environment variable or the
//! command line. What is stronger is laid over what is weaker before anything is read, so that reading knows one tree.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A place in the file: line and column, each from 1, in characters.
    File { line: u64, column: u64 },
    /// An environment variable.
    Variable(String),
    /// An option of the command line.
    Flag(&'static str),
}

impl Origin {
    /// The file's beginning.
    pub(crate) const START: Origin = Origin::File { line: 1, column: 1 };

    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem { origin: self.clone(), message: message.into() }
    }
}

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) origin: Origin,
    /// The cause and the next move, as one sentence. Holds no value that could be a secret.
    pub(crate) message: String,
}

impl Problem {
    /// One line: `file:line:column: cause`, or the variable or option in the file's place.
    pub(crate) fn line(&self, file: &str) -> String {
        match &self.origin {
            Origin::File { line, column } => format!("{file}:{line}:{column}: {}", self.message),
            Origin::Variable(name) => format!("{name}: {}", self.message),
            Origin::Flag(name) => format!("{name}: {}", self.message),
        }
    }
}

/// A node of the tree.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    /// None where it does not fit.
    Integer(Option<i64>),
    Float(f64),
    Bool,
    Date,
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// The text of a variable or an option: what type it is, the key that it is for says.
    Untyped(String),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl fmt::Display for Node {
    /// What it is, for "found ...". Never the value itself: it may be a secret in the wrong place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.value {
            Value::Text(text) | Value::Untyped(text) if text.trim().is_empty() => "an empty text",
            Value::Text(_) | Value::Untyped(_) => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Bool => "true or false",
            Value::Date => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        })
    }
}

/// Reads TOML. What is no TOML is named, all of it.
pub(super) fn read(text: &str) -> Result<Node, Vec<Problem>> {
    let places = Places::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let span = table.span();
        return Ok(Node { origin: places.at(span.start), value: places.table(table.into_inner()) });
    }
    let problem = |error: &toml::de::Error| {
        let at = error.span().map_or(Origin::START, |span| places.at(span.start));
        at.problem(error.message().lines().collect::<Vec<_>>().join("; "))
    };
    Err(errors.iter().map(problem).collect())
}

/// The places of a text's lines.
struct Places<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Places<'t> {
    fn of(text: &'t str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Places { text, line_starts }
    }

    fn at(&self, byte: usize) -> Origin {
        let line = self.line_starts.partition_point(|start| *start <= byte).max(1);
        let start = self.line_starts[line - 1];
        let column = self.text.get(start..byte).map_or(0, |before| before.chars().count()) + 1;
        Origin::File { line: line as u64, column: column as u64 }
    }

    fn table(&self, table: DeTable<'_>) -> Value {
        let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'_>>)| {
            let origin = self.at(key.span().start);
            let node = Node { origin: self.at(value.span().start), value: self.value(value.into_inner()) };
            let key: std::borrow::Cow<'_, str> = key.into_inner();
            Entry { key: key.into_owned(), origin, node }
        };
        Value::Table(table.into_iter().map(entry).collect())
    }

    fn value(&self, value: DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(_) => Value::Bool,
            DeValue::Datetime(_) => Value::Date,
            DeValue::Array(nodes) => {
                let node = |node: Spanned<DeValue<'_>>| Node {
                    origin: self.at(node.span().start),
                    value: self.value(node.into_inner()),
                };
                Value::List(nodes.into_iter().map(node).collect())
            }
            DeValue::Table(table) => self.table(table),
        }
    }
}
