//! A YAML document as a tree in which every node knows its place.
//!
//! The file's reading goes over this tree, and not over serde, so that all problems of a file can be named at once, each
//! where it is, and so that a text such as `1.10` stays as it was written.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError};

use super::Problem;

/// Mappings and lists may lie so deep in each other. Beyond, the file is refused.
const DEPTH_MAX: usize = 16;

/// What aliases (`*name`) stand for may have so many nodes and bytes of text in all. Beyond, the file is refused: a few
/// lines of aliases of aliases can stand for billions of nodes.
const ALIAS_WEIGHT_MAX: usize = 1024 * 1024;

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: u64,
    /// From 1, in characters.
    pub(super) column: u64,
}

impl Place {
    pub(super) const START: Place = Place { line: 1, column: 1 };

    pub(super) fn problem(self, message: impl Into<String>) -> Problem {
        Problem { line: self.line, column: self.column, message: message.into() }
    }

    /// The parser counts lines from 1 and columns from 0.
    fn at(marker: &Marker) -> Place {
        Place { line: marker.line().max(1) as u64, column: marker.col() as u64 + 1 }
    }
}

/// A node of the tree.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
    /// The number of nodes and bytes of text in it.
    weight: usize,
    /// How many mappings and lists lie in each other in it.
    depth: usize,
}

impl Node {
    /// A mapping without an entry, which stands for what a file does not say.
    pub(super) fn unsaid() -> Node {
        Node { place: Place::START, value: Value::Mapping(Vec::new()), weight: 1, depth: 1 }
    }
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Mapping(Vec<Entry>),
}

/// A scalar: its text as written, and what YAML takes it for.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) kind: ScalarKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScalarKind {
    Text,
    Number,
    Bool(bool),
    Null,
}

/// An entry of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) value: Rc<Node>,
}

/// Says what a node is, for "expected ..., found ...".
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::List(_) => f.write_str("a list"),
            Value::Mapping(_) => f.write_str("a mapping"),
            Value::Scalar(scalar) => match scalar.kind {
                ScalarKind::Text => write!(f, "the text {}", quoted(&scalar.text)),
                ScalarKind::Number => write!(f, "the number {}", quoted(&scalar.text)),
                ScalarKind::Bool(value) => write!(f, "the boolean `{value}`"),
                ScalarKind::Null => f.write_str("nothing"),
            },
        }
    }
}

/// A word of the file in backquotes, cut where it is long, without anything that could end the quote or the line.
pub(super) fn quoted(text: &str) -> String {
    let safe = |c: char| if c.is_control() || c == '`' { '\u{fffd}' } else { c };
    let shown: String = text.chars().take(60).map(safe).collect();
    let cut = if text.chars().nth(60).is_some() { "…" } else { "" };
    format!("`{shown}{cut}`")
}

/// Reads the one document of a text. `Ok(None)`: there is none in it. Keys that a mapping has twice are problems, but do not
/// stop the reading.
pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> Result<Option<Rc<Node>>, Problem> {
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder::new(problems);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| of_scan(&error))?;
        if event.tag().is_some() {
            let place = Place::at(&span.tag_start().unwrap_or(span.start));
            return Err(place.problem("tags (`!name`) are not supported; remove it"));
        }
        builder.take(event, Place::at(&span.start))?;
    }
    Ok(builder.root)
}

fn of_scan(error: &ScanError) -> Problem {
    let place = Place::at(error.marker());
    match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation => place.problem("a tab cannot indent in YAML; use spaces"),
        ErrorKind::RecursionLimitExceeded => too_deep(place),
        ErrorKind::UnknownAnchor => place.problem("this alias (`*name`) has no anchor (`&name`) before it"),
        ErrorKind::DirectiveDisallowed => place.problem("directives (`%...`) are not supported; remove this line"),
        // The library's kinds grow; each has words of its own.
        _ => place.problem(format!("not valid YAML: {}", error.info())),
    }
}

fn too_deep(place: Place) -> Problem {
    place.problem(format!("more than {DEPTH_MAX} mappings and lists in each other; nothing in this file is that deep"))
}

/// A mapping or list whose end has not been seen.
struct Open {
    place: Place,
    anchor: usize,
    weight: usize,
    depth: usize,
    content: Content,
}

enum Content {
    List(Vec<Rc<Node>>),
    Mapping { entries: Vec<Entry>, seen: HashSet<String>, key: Option<(String, Place)> },
}

struct Builder<'a> {
    problems: &'a mut Vec<Problem>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    alias_weight: usize,
    root: Option<Rc<Node>>,
    documents: usize,
}

impl<'a> Builder<'a> {
    fn new(problems: &'a mut Vec<Problem>) -> Self {
        Builder { problems, open: Vec::new(), anchors: HashMap::new(), alias_weight: 0, root: None, documents: 0 }
    }

    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(..) => self.document(place),
            Event::Scalar(text, style, anchor, _) => {
                let weight = 1 + text.len();
                let kind = scalar_kind(&text, style);
                let value = Value::Scalar(Scalar { text: text.into_owned(), kind });
                self.node(Rc::new(Node { place, value, weight, depth: 0 }), anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::SequenceStart(_, anchor, _) => self.begin(place, anchor, Content::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.begin(place, anchor, Content::Mapping { entries: Vec::new(), seen: HashSet::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            // What else there is (the stream's ends, metadata that was not asked for) holds nothing.
            _ => Ok(()),
        }
    }

    fn document(&mut self, place: Place) -> Result<(), Problem> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(place.problem("a second document begins here; the file is one document, so remove this `---`"));
        }
        Ok(())
    }

    fn begin(&mut self, place: Place, anchor: usize, content: Content) -> Result<(), Problem> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(place));
        }
        if let Some(Open { content: Content::Mapping { key: None, .. }, .. }) = self.open.last() {
            return Err(place.problem("a key must be a plain word, not a mapping or a list"));
        }
        self.open.push(Open { place, anchor, weight: 1, depth: 1, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(Open { place, anchor, weight, depth, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(nodes) => Value::List(nodes),
            Content::Mapping { entries, .. } => Value::Mapping(entries),
        };
        self.node(Rc::new(Node { place, value, weight, depth }), anchor)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Problem> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(place.problem("this alias stands for something that it is itself a part of"));
        };
        self.alias_weight = self.alias_weight.saturating_add(node.weight);
        if self.alias_weight > ALIAS_WEIGHT_MAX {
            return Err(place.problem("the aliases of this file stand for far more than a file may hold; write it out"));
        }
        if self.open.len() + node.depth > DEPTH_MAX {
            return Err(too_deep(place));
        }
        self.node(node, 0)
    }

    /// A whole node: goes into the innermost open mapping or list.
    fn node(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.weight = open.weight.saturating_add(node.weight);
        open.depth = open.depth.max(node.depth + 1);
        match &mut open.content {
            Content::List(nodes) => nodes.push(node),
            Content::Mapping { key: key @ None, .. } => *key = Some(key_of(&node)?),
            Content::Mapping { entries, seen, key: key @ Some(_) } => {
                let Some((key, place)) = key.take() else { return Ok(()) };
                if seen.insert(key.clone()) {
                    entries.push(Entry { key, place, value: node });
                } else {
                    self.problems.push(place.problem(format!("the key {} is there twice", quoted(&key))));
                }
            }
        }
        Ok(())
    }
}

fn key_of(node: &Node) -> Result<(String, Place), Problem> {
    match &node.value {
        Value::Scalar(scalar) if scalar.text == "<<" => {
            Err(node.place.problem("merge keys (`<<`) are not supported; an alias of a whole value is"))
        }
        Value::Scalar(scalar) if scalar.kind != ScalarKind::Null => Ok((scalar.text.clone(), node.place)),
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => {
            Err(node.place.problem(format!("a key must be a plain word, not {node}")))
        }
    }
}

/// What YAML 1.2's core schema takes a scalar for. `yes`, `no` and `on` are text in it.
fn scalar_kind(text: &str, style: ScalarStyle) -> ScalarKind {
    if style != ScalarStyle::Plain {
        return ScalarKind::Text;
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
        "true" | "True" | "TRUE" => ScalarKind::Bool(true),
        "false" | "False" | "FALSE" => ScalarKind::Bool(false),
        number if is_number(number) => ScalarKind::Number,
        _ => ScalarKind::Text,
    }
}

fn is_number(text: &str) -> bool {
    let digits = |text: &str, radix: u32| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    // Rust reads `inf` and `nan` as numbers; YAML writes them `.inf` and `.nan`.
    let begins = text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    begins && (text.parse::<f64>().is_ok() || matches!(text.trim_start_matches(['+', '-']), ".inf" | ".nan"))
}
