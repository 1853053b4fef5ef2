//! Which format a file is in, where nobody has said.

use super::FindingsFormat;
use crate::input;

/// The format that a file with these first bytes ([`SNIFF_BYTES`](crate::SNIFF_BYTES) of them) is in. None where it may be another.
pub fn sniff(head: &[u8]) -> Option<FindingsFormat> {
    let head = input::head(head);
    let text = head.as_str();
    if text.starts_with('<') {
        return text.contains("<checkstyle").then_some(FindingsFormat::Checkstyle);
    }
    // What has one object a line is told by the first of them.
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("{\"reason\":") || first.starts_with("{\"$message_type\":") {
        return Some(FindingsFormat::Cargo);
    }
    let keys: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let has = |key: &str| keys.contains(&format!("\"{key}\":"));
    if keys.starts_with("[{") {
        return match (has("filePath"), has("RuleID")) {
            (true, false) => Some(FindingsFormat::Eslint),
            (false, true) => Some(FindingsFormat::Gitleaks),
            (true, true) | (false, false) => None,
        };
    }
    if !keys.starts_with('{') {
        return None;
    }
    let tests = [
        (FindingsFormat::Sarif, has("runs") || keys.contains("sarif")),
        (FindingsFormat::Trivy, has("SchemaVersion")),
        (FindingsFormat::RdJson, has("diagnostics")),
        (FindingsFormat::Eslint, keys.starts_with("{\"results\":[{\"filePath\":")),
        (FindingsFormat::Semgrep, has("check_id") || has("results") && has("errors")),
        (FindingsFormat::CargoAudit, has("vulnerabilities")),
        (FindingsFormat::RdJsonLines, has("message") && has("location")),
    ];
    tests.into_iter().find(|(_, fits)| *fits).map(|(format, _)| format)
}
