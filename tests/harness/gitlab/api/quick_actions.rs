//! Lines of notes that GitLab obeys instead of showing them, by the rights of the note's author.

use serde_json::json;

use super::{Call, Reply, notes};
use crate::gitlab::world::World;

/// Some of those that there are: what would do harm in a note that repeats what somebody else wrote.
const NAMES: [&str; 14] = [
    "approve",
    "assign",
    "close",
    "confidential",
    "draft",
    "label",
    "lock",
    "merge",
    "ready",
    "rebase",
    "reopen",
    "submit_review",
    "title",
    "unapprove",
];

/// What a note says without the lines that GitLab obeys, which are kept for the test to look at. Where nothing else is in
/// it, no note is made: that is the answer then.
pub(super) fn said(world: &mut World, call: &Call) -> Result<String, Reply> {
    let body = notes::body(call)?.replace('\r', "");
    let (obeyed, shown) = split(&body);
    if obeyed.is_empty() {
        return Ok(body);
    }
    world.obeyed.extend(obeyed.iter().map(|line| (call.author(), line.clone())));
    if shown.trim().is_empty() {
        return Err(Reply::json(202, json!({ "commands_changes": {}, "summary": obeyed })));
    }
    Ok(shown)
}

/// The lines that are obeyed, and the text without them. What stands in a fenced block is text.
pub(super) fn split(body: &str) -> (Vec<String>, String) {
    let (mut obeyed, mut shown, mut fence): (Vec<String>, Vec<&str>, Option<&str>) = (Vec::new(), Vec::new(), None);
    for line in body.lines() {
        let text = line.trim_start();
        let marks = &text[..text.len() - text.trim_start_matches('`').len()];
        match fence {
            Some(open) if marks.len() >= open.len() && text.trim_end() == marks => fence = None,
            None if marks.len() >= 3 => fence = Some(marks),
            Some(_) | None => {}
        }
        let name = text.strip_prefix('/').and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
        if fence.is_none() && NAMES.contains(&name) {
            obeyed.push(text.to_owned());
        } else {
            shown.push(line);
        }
    }
    (obeyed, shown.join("\n"))
}
