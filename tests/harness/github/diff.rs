//! Puts git's three ways to tell a comparison (raw, counts, patch) together into one.

use super::git::FileChange;

/// The files of `git diff --raw -z`, with the counts of `--numstat -z` and the hunks of the patch. All three are in the
/// same order.
pub(super) fn combine(raw: &[u8], counts: &[u8], patch: &str) -> Vec<FileChange> {
    let raw = String::from_utf8_lossy(raw);
    let counts = numbers(&String::from_utf8_lossy(counts));
    let patches = patches(patch);
    let mut files = files(&raw);
    for (i, file) in files.iter_mut().enumerate() {
        (file.additions, file.deletions) = counts.get(i).copied().unwrap_or((0, 0));
        file.patch = patches.get(i).cloned().flatten();
    }
    files
}

fn files(raw: &str) -> Vec<FileChange> {
    const GONE: &str = "0000000000000000000000000000000000000000";
    let mut parts = raw.split('\0');
    let mut files = Vec::new();
    while let Some(head) = parts.next().filter(|head| head.starts_with(':')) {
        let words: Vec<&str> = head.split(' ').collect();
        let [_, _, before, after, letter] = words.as_slice() else { break };
        let first = parts.next().unwrap_or_default().to_owned();
        let moved = letter.starts_with(['R', 'C']);
        let (path, previous) = if moved { (parts.next().unwrap_or_default().to_owned(), Some(first)) } else { (first, None) };
        let blob = if *after == GONE { before } else { after };
        files.push(FileChange {
            path,
            previous,
            status: status(letter),
            blob: (*blob).to_owned(),
            additions: 0,
            deletions: 0,
            patch: None,
        });
    }
    files
}

fn status(letter: &str) -> &'static str {
    match letter.as_bytes().first() {
        Some(b'A') => "added",
        Some(b'D') => "removed",
        Some(b'R') => "renamed",
        Some(b'C') => "copied",
        Some(b'T') => "changed",
        _ => "modified",
    }
}

fn numbers(counts: &str) -> Vec<(u64, u64)> {
    let mut parts = counts.split('\0');
    let mut numbers = Vec::new();
    while let Some(entry) = parts.next().filter(|entry| !entry.is_empty()) {
        let mut words = entry.split('\t');
        let mut number = || words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        numbers.push((number(), number()));
        // Of a renamed file the names follow as two more parts.
        if words.next().is_none_or(str::is_empty) {
            parts.next();
            parts.next();
        }
    }
    numbers
}

/// Each file's hunks, from its first `@@`. None for a binary file or one without changes in its text.
fn patches(patch: &str) -> Vec<Option<String>> {
    let mut patches = Vec::new();
    for line in patch.split_inclusive('\n') {
        if line.starts_with("diff --git ") {
            patches.push(String::new());
        } else if let Some(last) = patches.last_mut()
            && (!last.is_empty() || line.starts_with("@@"))
        {
            last.push_str(line);
        }
    }
    patches.into_iter().map(|p| (!p.is_empty()).then(|| p.trim_end_matches('\n').to_owned())).collect()
}
