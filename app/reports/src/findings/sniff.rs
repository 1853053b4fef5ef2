//! Which format a file is in, where nobody has said.

use super::FindingsFormat;
use crate::input;

/// The format that a file with this name and these first bytes ([`SNIFF_BYTES`](crate::SNIFF_BYTES) of them) is in. None where it
/// may be another.
///
/// An empty file is what most tools leave that have failed. Only by its name, `*.rdjsonl`, is it known to be of a format in which
/// nothing found is nothing written.
pub fn sniff(name: &str, head: &[u8]) -> Option<FindingsFormat> {
    let head = input::head(head);
    let text = head.as_str();
    if text.is_empty() {
        return name.to_ascii_lowercase().ends_with(".rdjsonl").then_some(FindingsFormat::RdJsonLines);
    }
    if text.starts_with('<') {
        return text.contains("<checkstyle").then_some(FindingsFormat::Checkstyle);
    }
    // What has one object a line is told by the first of them.
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("{\"reason\":") || first.starts_with("{\"$message_type\":") {
        return Some(FindingsFormat::Cargo);
    }
    match text.as_bytes().first()? {
        b'[' if text[1..].trim() == "]" => Some(FindingsFormat::EmptyArray),
        b'[' => array(&keys(text)),
        b'{' => object(&keys(text)),
        _ => None,
    }
}

/// By the keys of the objects in it.
fn array(keys: &[Key<'_>]) -> Option<FindingsFormat> {
    let has = |name: &str| keys.iter().any(|key| key.depth == 2 && key.name == name);
    match (has("filePath"), has("RuleID")) {
        (true, false) => Some(FindingsFormat::Eslint),
        (false, true) => Some(FindingsFormat::Gitleaks),
        (true, true) | (false, false) => None,
    }
}

/// By its own keys; those of what lies in it only where two formats have the same.
fn object(keys: &[Key<'_>]) -> Option<FindingsFormat> {
    let has_at = |depth: usize, name: &str| keys.iter().any(|key| key.depth == depth && key.name == name);
    let has = |name: &str| has_at(1, name);
    let is_sarif =
        keys.iter().any(|key| key.depth == 1 && key.name == "$schema" && key.text.is_some_and(|at| at.contains("sarif")));
    let tests = [
        (FindingsFormat::Sarif, has("runs") || is_sarif),
        (FindingsFormat::Trivy, has("SchemaVersion")),
        (FindingsFormat::RdJson, has("diagnostics")),
        (FindingsFormat::Eslint, has("results") && has_at(3, "filePath")),
        (FindingsFormat::Semgrep, has("results") && (has("errors") || has_at(3, "check_id"))),
        (FindingsFormat::CargoAudit, has("vulnerabilities")),
        (FindingsFormat::RdJsonLines, has("message") && has("location")),
    ];
    tests.into_iter().find(|(_, fits)| *fits).map(|(format, _)| format)
}

/// A key of an object.
struct Key<'t> {
    /// In so many objects and arrays.
    depth: usize,
    name: &'t str,
    /// Its value, where that is a text.
    text: Option<&'t str>,
}

/// The keys of the first value of a text that may be cut off anywhere. Texts are taken as they are written, with escapes in them.
fn keys(text: &str) -> Vec<Key<'_>> {
    let (mut keys, mut depth, mut rest): (Vec<Key<'_>>, usize, &str) = (Vec::new(), 0, text);
    // Whether a text that comes now is the value of the latest key.
    let mut is_value = false;
    while let Some(at) = rest.find(['"', '{', '}', '[', ']', ',']) {
        let byte = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => break,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let Some(end) = end_of_text(rest) else { break };
                let (name, behind) = (&rest[..end], &rest[end + 1..]);
                rest = behind;
                if behind.trim_start().starts_with(':') {
                    keys.push(Key { depth, name, text: None });
                    is_value = true;
                    continue;
                }
                if let Some(key) = keys.last_mut().filter(|_| is_value) {
                    key.text = Some(name);
                }
            }
            _ => {}
        }
        is_value = false;
    }
    keys
}

/// Where the quote is that ends a text.
fn end_of_text(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}
