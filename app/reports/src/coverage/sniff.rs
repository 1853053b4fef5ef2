//! Which format a file is in, where nobody has said.

use super::CoverageFormat;
use crate::input;

/// The format that a file with this name and these first bytes ([`SNIFF_BYTES`](crate::SNIFF_BYTES) of them) is in. None where
/// it may be another.
pub fn sniff(name: &str, head: &[u8]) -> Option<CoverageFormat> {
    let head = input::head(head);
    let text = head.as_str();
    if text.starts_with("mode:") {
        return Some(CoverageFormat::GoProfile);
    }
    if text.starts_with('<') {
        return xml(text);
    }
    if text.starts_with('{') {
        return json(text);
    }
    let lcov = |line: &str| ["TN:", "SF:", "DA:"].iter().any(|record| line.starts_with(record));
    if text.lines().take(20).any(lcov) {
        return Some(CoverageFormat::Lcov);
    }
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    (text.is_empty() && (name.ends_with(".lcov") || name == "lcov.info")).then_some(CoverageFormat::Lcov)
}

/// By the outermost element, and what it says of itself.
fn xml(text: &str) -> Option<CoverageFormat> {
    let root = text.match_indices('<').map(|(at, _)| &text[at + 1..]).find(|tag| tag.starts_with(char::is_alphabetic))?;
    let tag = root.split('>').next().unwrap_or(root);
    match tag.split(|c: char| c.is_whitespace() || c == '/').next()? {
        "CoverageSession" => Some(CoverageFormat::OpenCover),
        "report" => Some(CoverageFormat::Jacoco),
        "coverage" if tag.contains("generated=") || root.contains("<project") => Some(CoverageFormat::Clover),
        "coverage" => Some(CoverageFormat::Cobertura),
        _ => None,
    }
}

/// By the keys that its writer puts first.
fn json(text: &str) -> Option<CoverageFormat> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if compact.contains("\"llvm.coverage.json.export\"") || compact.starts_with("{\"data\":[{\"files\":[") {
        return Some(CoverageFormat::Llvm);
    }
    let python = compact.contains("\"branch_coverage\":") || compact.contains("\"executed_lines\":");
    python.then_some(CoverageFormat::CoveragePy)
}
