//! Which paths a changed file may have: those that mean the same file on every machine that checks them out.

use std::collections::HashMap;

use gatewright_core::unseen::is_unseen;

/// Of a path that is refused, so many characters are shown.
const SHOWN_MAX: usize = 200;

/// Git itself takes no longer ones everywhere.
const BYTES_MAX: usize = 1024;

/// What is wrong with a path. None: it can be the path of a file.
pub(crate) fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.starts_with('/') || path.ends_with('/') {
        return Some("it does not name a file of the workspace");
    }
    if path.len() > BYTES_MAX {
        return Some("it is too long");
    }
    if path.chars().any(is_unseen) {
        return Some("it has control characters");
    }
    if path.contains('\\') {
        return Some("it has a backslash, which some systems take for a folder's end");
    }
    path.split('/').find_map(part_fault)
}

fn part_fault(part: &str) -> Option<&'static str> {
    match part {
        "" | "." | ".." => return Some("it is not the shortest way to name the file"),
        _ => {}
    }
    // Names that file systems without case, or with short names, take for `.git`.
    let plain = part.trim_end_matches([' ', '.']).to_lowercase();
    if plain == ".git" || plain.starts_with("git~") || plain.starts_with(".git:") {
        return Some("it leads into a repository's own folder");
    }
    None
}

/// A path for people to read.
pub(crate) fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let seen = |character: char| if is_unseen(character) || character == '`' { '\u{fffd}' } else { character };
    text.chars().map(seen).take(SHOWN_MAX).collect()
}

/// Paths by what they are where case makes no difference: each file and folder with its own spelling.
#[derive(Default)]
pub(crate) struct Cases {
    spelled: HashMap<String, String>,
}

impl Cases {
    /// Adds a path. What is spelled otherwise already stays.
    pub(crate) fn add(&mut self, path: &str) {
        for part in prefixes(path) {
            self.spelled.entry(part.to_lowercase()).or_insert_with(|| part.to_owned());
        }
    }

    /// The file or folder that this one would fall together with.
    pub(crate) fn other(&self, path: &str) -> Option<&str> {
        prefixes(path)
            .find_map(|part| self.spelled.get(&part.to_lowercase()).filter(|spelled| *spelled != part).map(String::as_str))
    }
}

fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at]).chain([path])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_of_the_workspace_are_taken() {
        for path in ["a", "src/lib.rs", ".github/workflows/ci.yml", ".gitignore", "ä/ö ü.txt", "a'b\"c$d", ".gitattributes", "-x"]
        {
            assert_eq!(fault(path), None, "{path}");
        }
        let refused = [
            "",
            "/etc/passwd",
            "a/",
            "../a",
            "a/../b",
            "./a",
            "a//b",
            ".git/config",
            "a/.GIT/hooks/x",
            "git~1/config",
            ".git /x",
            ".git.",
            "a\nb",
            "a\u{202e}b",
            "a\u{200b}",
            "a\\b",
            "\u{7f}",
        ];
        for path in refused {
            assert!(fault(path).is_some(), "{path:?}");
        }
        assert!(fault(&"a/".repeat(600)).is_some() && fault(&format!("{}b", "a/".repeat(600))).is_some());
    }

    #[test]
    fn paths_that_differ_in_case_only_are_found_with_their_folders() {
        let mut cases = Cases::default();
        ["src/Lib.rs", "Docs/a.md"].iter().for_each(|path| cases.add(path));
        assert_eq!(cases.other("src/Lib.rs"), None);
        assert_eq!(cases.other("src/lib.rs"), Some("src/Lib.rs"));
        assert_eq!(cases.other("docs/b.md"), Some("Docs"));
        assert_eq!(cases.other("Docs/b.md"), None);
    }
}
