//! What a forge is made to take of changes: a branch with a pull request, a commit on a branch that is there, an issue.
//!
//! Each is found again by a key before it is made: a branch by its name, a commit by the [trailer](RUN_TRAILER) in its message,
//! an issue by the marker that its text begins with. So publishing twice changes nothing, and nothing that somebody else has
//! pushed or closed since is undone.

use crate::ids::CommitId;
use crate::tree::{FileChange, Tree};

/// The first line of the comment about agents on an issue, which all of their runs about it share. On a pull request they have a part of its
/// one comment.
pub const AGENT_COMMENT_MARKER: &str = "<!-- gatewright:agent -->";

/// The trailer of a commit's message that says which report made the commit.
pub const RUN_TRAILER: &str = "Gatewright-Run";

/// The forges take longer paths and names; nobody needs them, and file systems do not.
const PATH_BYTES_MAX: usize = 1024;
const BRANCH_BYTES_MAX: usize = 240;

/// A branch of our own with one commit, and the pull request for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalReport {
    /// The branch, without `refs/heads/`: a name that nobody else would think of.
    pub branch: String,
    /// The commit that the change was made on. The branch starts there.
    pub parent: CommitId,
    /// What is other than in that commit: at most [`Tree::FILES_MAX`] files and [`Tree::BYTES_MAX`] bytes.
    pub changes: Vec<FileChange>,
    /// The commit's message. Its trailer is put behind it where it is not there yet.
    pub message: String,
    /// The branch that the pull request goes to.
    pub target: String,
    /// The pull request's title: one line, cut to 255 characters.
    pub title: String,
    /// Its text: Markdown, cut at its end where the forge has a limit.
    pub body: String,
    /// Labels to put on it. One that the repository does not have is made.
    pub labels: Vec<String>,
    /// Whether it is not to be merged until a person has said that it is ready. Where the plan of the repository has no drafts,
    /// only the title says so.
    pub draft: bool,
    /// The key that the commit's trailer holds: one word.
    pub external_id: String,
}

/// One commit on a branch that is there, of the same repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedReport {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The commit that the change was made on. Where the branch has moved on from there it is refused, never forced.
    pub parent: CommitId,
    /// What is other than in that commit; the bounds are those of a [`ProposalReport`].
    pub changes: Vec<FileChange>,
    /// The commit's message. Its trailer is put behind it where it is not there yet.
    pub message: String,
    /// The key that the commit's trailer holds: one word.
    pub external_id: String,
}

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueReport {
    /// One line, cut to 255 characters.
    pub title: String,
    /// Markdown, without the marker, cut at its end where the forge has a limit.
    pub body: String,
    /// Labels to put on it. One that the repository does not have is made.
    pub labels: Vec<String>,
    /// Hidden text by which it is found again. Only an issue by our own account that starts with it counts.
    pub marker: String,
}

/// The message with the trailer that names the key, which is put behind it where it is not there yet.
pub fn signed_message(message: &str, external_id: &str) -> String {
    let message = message.trim_end();
    if is_signed(message, external_id) {
        return format!("{message}\n");
    }
    // Trailers are one paragraph, the last one, and the first line is never part of it.
    let gap = if last_paragraph(message).is_some_and(|last| last.lines().all(is_trailer)) { "\n" } else { "\n\n" };
    format!("{message}{gap}{RUN_TRAILER}: {external_id}\n")
}

/// Whether the trailers of a commit's message name this key.
pub fn is_signed(message: &str, external_id: &str) -> bool {
    let names_it = |line: &str| {
        line.split_once(':').is_some_and(|(name, key)| name.trim().eq_ignore_ascii_case(RUN_TRAILER) && key.trim() == external_id)
    };
    last_paragraph(message.trim_end()).is_some_and(|last| last.lines().any(names_it))
}

fn last_paragraph(message: &str) -> Option<&str> {
    message.rsplit_once("\n\n").map(|(_, last)| last)
}

fn is_trailer(line: &str) -> bool {
    let word = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    line.split_once(": ").is_some_and(|(name, _)| word(name))
}

/// Why these changes cannot become a commit, if they cannot. Paths are judged here once more, whoever made them: a forge writes what it
/// is told.
pub fn check_changes(changes: &[FileChange]) -> Result<(), String> {
    if changes.is_empty() {
        return Err("there are no changes".to_owned());
    }
    if changes.len() > Tree::FILES_MAX {
        return Err(format!("{} files are changed, and {} are the most", changes.len(), Tree::FILES_MAX));
    }
    let bytes: usize = changes.iter().filter_map(|change| change.now.as_ref()).map(|(_, content)| content.len()).sum();
    if bytes as u64 > Tree::BYTES_MAX {
        return Err(format!("the changed files have {bytes} bytes, and {} are the most", Tree::BYTES_MAX));
    }
    let mut paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    paths.sort_unstable();
    if let Some(twice) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("the file {:?} is changed twice", twice[0]));
    }
    match paths.into_iter().find(|path| !is_path(path)) {
        Some(path) => Err(format!("{path:?} is no path of a file")),
        None => Ok(()),
    }
}

/// Relative, in no `.git`, and the same on every system.
fn is_path(path: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
    path.len() <= PATH_BYTES_MAX && !path.contains('\\') && !path.contains(char::is_control) && path.split('/').all(part)
}

/// Whether git takes this as a branch's name (`git check-ref-format --branch`), and no forge mistakes it for anything else.
pub fn is_branch_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    name.len() <= BRANCH_BYTES_MAX
        && name.parse::<CommitId>().is_err()
        && !name.starts_with('-')
        && !name.starts_with("refs/")
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && !matches!(name, "@" | "HEAD")
        && !name.contains(forbidden)
        && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::tree::FileMode;

    fn file(path: &str, bytes: usize) -> FileChange {
        FileChange { path: path.to_owned(), now: Some((FileMode::Plain, Bytes::from(vec![b'x'; bytes]))) }
    }

    #[test]
    fn a_message_names_its_key_in_its_last_paragraph_and_once() {
        assert_eq!(signed_message("Fix it", "r/1"), "Fix it\n\nGatewright-Run: r/1\n");
        assert_eq!(signed_message("feat: this: that", "r/1"), "feat: this: that\n\nGatewright-Run: r/1\n");
        let with_trailers = "Fix it\n\nWhy: not.\nReviewed-by: x <x@example.com>\n";
        assert_eq!(signed_message(with_trailers, "r/1"), format!("{with_trailers}Gatewright-Run: r/1\n"));
        let signed = signed_message("Fix it\n\nBecause it is broken.", "r/1");
        assert_eq!(signed_message(&signed, "r/1"), signed);
        assert!(is_signed(&signed, "r/1") && !is_signed(&signed, "r/12") && !is_signed(&signed, "r"));
    }

    #[test]
    fn a_key_in_the_text_of_a_message_is_no_trailer() {
        for message in ["Gatewright-Run: r/1", "Quote\n\nGatewright-Run: r/1\n\nis what it says there.", ""] {
            assert!(!is_signed(message, "r/1"), "{message:?}");
        }
    }

    #[test]
    fn changes_have_bounds_and_paths_that_stay_inside() {
        assert_eq!(check_changes(&[file("a/b.txt", 3), FileChange { path: "c".to_owned(), now: None }]), Ok(()));
        for path in ["", "/etc/passwd", "a//b", "../a", "a/./b", ".git/config", "a/.GIT/hooks/x", "a\\b", "a\nb", "a/"] {
            assert!(check_changes(&[file(path, 1)]).is_err(), "{path:?}");
        }
        assert!(check_changes(&[]).is_err());
        assert!(check_changes(&[file("a", 1), file("b", 1), file("a", 1)]).is_err_and(|why| why.contains("twice")));
        let many: Vec<FileChange> = (0..=Tree::FILES_MAX).map(|n| file(&n.to_string(), 1)).collect();
        assert_eq!(check_changes(&many[1..]), Ok(()));
        assert!(check_changes(&many).is_err_and(|why| why.contains("101 files")));
        assert!(check_changes(&[file("a", 4 << 20)]).is_ok() && check_changes(&[file("a", (4 << 20) + 1)]).is_err());
    }

    #[test]
    fn a_branch_is_one_that_git_takes() {
        for good in ["gatewright/fix-7-0192ab", "main", "a.b/c", "feat/ü"] {
            assert!(is_branch_name(good), "{good}");
        }
        let sha = "a".repeat(40);
        for bad in
            ["", "-x", "a..b", "a b", "refs/heads/a", "a/", "/a", "a//b", ".a", "a.lock", "a@{1}", "HEAD", "a~1", "a.", &sha]
        {
            assert!(!is_branch_name(bad), "{bad:?}");
        }
    }
}
