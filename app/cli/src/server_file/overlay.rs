//! Lays the environment and the command line over the file.
//!
//! `GATEWRIGHT__SERVER__LISTEN` is `listen` in `[server]`; `GATEWRIGHT__FORGE__0__APP_ID` is `app_id` in the first
//! `[[forge]]`. Names are checked against the same table of keys as the file's.

use super::keys::{FILE, Shape, Table};
use super::tree::{Entry, Node, Origin, Problem, Value};

/// What the names of the variables begin with. One underscore more than in `GATEWRIGHT_CONFIG`, which is no key.
pub(crate) const PREFIX: &str = "GATEWRIGHT__";

/// Lists in variables have at most so many entries: as many as there can be forges or secrets.
const INDEX_MAX: usize = 32;

/// A value that goes over the file's.
#[derive(Debug, Clone)]
pub(crate) struct Override {
    /// The keys that lead to it.
    pub(crate) path: Vec<String>,
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// Its text.
    pub(crate) text: String,
}

/// The overrides among these variables, in the order in which lists grow.
pub(crate) fn of_variables(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Override> {
    let named = variables.into_iter().filter_map(|(name, text)| {
        let path = name.strip_prefix(PREFIX)?.split("__").map(str::to_lowercase).collect();
        Some(Override { path, origin: Origin::Variable(name), text })
    });
    let mut overrides: Vec<Override> = named.collect();
    overrides.sort_by_key(|over| over.path.iter().map(|part| (part.parse::<usize>().ok(), part.clone())).collect::<Vec<_>>());
    overrides
}

/// Lays one value over the tree.
pub(super) fn lay(root: &mut Node, over: &Override) -> Result<(), Problem> {
    lay_in_table(root, &FILE, &over.path, over)
}

fn lay_in_table(node: &mut Node, table: &'static Table, path: &[String], over: &Override) -> Result<(), Problem> {
    let Some((name, rest)) = path.split_first() else {
        return Err(over.origin.problem(format!("{} is a table; name one of its keys behind `__`", table.what)));
    };
    let Some(key) = table.key(name) else { return Err(over.origin.problem(table.unknown(name))) };
    let Value::Table(entries) = &mut node.value else {
        // That the file has something else here is said where the file is read.
        return Ok(());
    };
    let at = entries.iter().position(|entry| entry.key == *name).unwrap_or_else(|| {
        let node = Node { origin: over.origin.clone(), value: Value::Table(Vec::new()) };
        entries.push(Entry { key: name.clone(), origin: over.origin.clone(), node });
        entries.len() - 1
    });
    let node = &mut entries[at].node;
    match key.shape {
        Shape::Table(inner) => lay_in_table(node, inner, rest, over),
        // As above: of something else in the file the reading says that it is no list.
        Shape::Tables(_) | Shape::List(..) if !is_list_or_new(node) => Ok(()),
        Shape::Tables(inner) | Shape::List(inner, _) => lay_in_table(element(node, rest, over)?, inner, &rest[1..], over),
        Shape::SecretsByName => lay_by_name(node, rest, over),
        Shape::Secrets | Shape::Texts if !rest.is_empty() => {
            let element = element(node, rest, over)?;
            set(element, &rest[1..], over)
        }
        Shape::Listen
        | Shape::Url
        | Shape::ForgeUrl
        | Shape::Engine
        | Shape::Store
        | Shape::LogLevel
        | Shape::Secret
        | Shape::Secrets
        | Shape::Text
        | Shape::Texts
        | Shape::Query
        | Shape::Number { .. }
        | Shape::Numbers { .. }
        | Shape::Real { .. }
        | Shape::Word { .. } => set(node, rest, over),
    }
}

/// An entry of a table without keys of its own. Its name is in small letters, as all that variables name.
fn lay_by_name(node: &mut Node, rest: &[String], over: &Override) -> Result<(), Problem> {
    let Some((name, rest)) = rest.split_first() else {
        return Err(over.origin.problem("this is a table; a name is to follow behind `__`"));
    };
    let Value::Table(entries) = &mut node.value else { return Ok(()) };
    entries.retain(|entry| entry.key != *name);
    let mut entry = Node { origin: over.origin.clone(), value: Value::Table(Vec::new()) };
    set(&mut entry, rest, over)?;
    entries.push(Entry { key: name.clone(), origin: over.origin.clone(), node: entry });
    Ok(())
}

fn set(node: &mut Node, rest: &[String], over: &Override) -> Result<(), Problem> {
    if !rest.is_empty() {
        return Err(over.origin.problem("the key has no further keys in it"));
    }
    *node = Node { origin: over.origin.clone(), value: Value::Untyped(over.text.clone()) };
    Ok(())
}

/// Whether this is a list, or was made for this very override.
fn is_list_or_new(node: &Node) -> bool {
    match &node.value {
        Value::List(_) => true,
        Value::Table(entries) => entries.is_empty(),
        Value::Text(_) | Value::Untyped(_) | Value::Integer(_) | Value::Float(_) | Value::Bool | Value::Date => false,
    }
}

/// The element of a list that the path goes on with; the one behind its last is made. What is written without a list is
/// its first element: `webhook_secret = "env:OLD"` in the file and `..._WEBHOOK_SECRET__1` over it are two secrets.
fn element<'n>(node: &'n mut Node, path: &[String], over: &Override) -> Result<&'n mut Node, Problem> {
    let index = path.first().and_then(|part| part.parse::<usize>().ok()).filter(|index| *index < INDEX_MAX);
    let Some(index) = index else {
        return Err(over
            .origin
            .problem(format!("a number from 0 to {} is to follow the list's name behind `__`", INDEX_MAX - 1)));
    };
    if !matches!(node.value, Value::List(_)) {
        let nodes = if is_list_or_new(node) { Vec::new() } else { vec![node.clone()] };
        *node = Node { origin: node.origin.clone(), value: Value::List(nodes) };
    }
    let Value::List(nodes) = &mut node.value else { return Err(over.origin.problem("this is no list")) };
    if index == nodes.len() {
        nodes.push(Node { origin: over.origin.clone(), value: Value::Table(Vec::new()) });
    }
    let count = nodes.len();
    nodes.get_mut(index).ok_or_else(|| over.origin.problem(format!("numbers follow each other from 0; the next one is {count}")))
}
