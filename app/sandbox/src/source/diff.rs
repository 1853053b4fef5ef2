//! The unified diff between two commits, for people and models to read.

use std::path::Path;

use gatewright_core::CommitId;

use super::git::{Ended, Git, GitError};
use super::mirror::LOCAL_MAX;

/// Nothing of the repository's configuration or attributes has a say in how it looks, and every character that can be shown is.
const PLAIN: [&str; 8] = [
    "-c",
    "core.quotePath=false",
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--find-renames",
    "--ignore-submodules=none",
];

/// The diff in the repository at `path`, which has both commits, at most `bytes_max` bytes of it and a line.
pub(super) async fn of(path: &Path, since: &CommitId, commit: &CommitId, bytes_max: usize) -> Result<String, GitError> {
    let fixed = ["--unified=3", "--src-prefix=a/", "--dst-prefix=b/", since.as_str(), commit.as_str(), "--"];
    let Ended { status, stdout, stderr } = Git::new(path, &[&PLAIN[..], &fixed].concat()).run(LOCAL_MAX).await?;
    if status.success() { Ok(cut(&String::from_utf8_lossy(&stdout), bytes_max)) } else { Err(GitError::Broken(stderr)) }
}

/// Leaves out the files that do not fit. A line of a file's content never begins as a file's part does: it has its sign first.
fn cut(diff: &str, bytes_max: usize) -> String {
    const BEGIN: &str = "diff --git ";
    let mut kept = String::new();
    let (mut from, mut left_out) = (0, 0);
    let begins = diff.match_indices("\ndiff --git ").map(|(at, _)| at + 1).chain([diff.len()]);
    for to in begins {
        let file = &diff[from..to];
        from = to;
        if kept.len() + file.len() <= bytes_max {
            kept.push_str(file);
        } else if file.starts_with(BEGIN) {
            left_out += 1;
        }
    }
    if left_out > 0 {
        let files = if left_out == 1 { "file" } else { "files" };
        kept.push_str(&format!("({left_out} more changed {files} left out)\n"));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str =
        "diff --git a/a b/a\n@@\n+diff --git a/x b/x\ndiff --git a/b b/b\n@@\n-a long line\ndiff --git a/c b/c\n+1\n";

    #[test]
    fn a_diff_is_cut_at_whole_files_and_says_so() {
        assert_eq!(cut(DIFF, 1000), DIFF);
        assert_eq!(
            cut(DIFF, 70),
            "diff --git a/a b/a\n@@\n+diff --git a/x b/x\ndiff --git a/c b/c\n+1\n(1 more changed file left out)\n"
        );
        assert_eq!(cut(DIFF, 0), "(3 more changed files left out)\n");
        assert_eq!(cut("", 0), "");
    }
}
