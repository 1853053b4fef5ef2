//! The lines that a diff holds, by their numbers.

use std::collections::BTreeMap;

/// The lines that a file has after the change and that its hunks show: the number, and the line's number before the change
/// where it is unchanged.
pub(crate) fn lines_of(diff: &str) -> BTreeMap<u32, Option<u32>> {
    let mut lines = BTreeMap::new();
    let mut hunk: Option<Hunk> = None;
    for line in diff.lines() {
        // What follows a hunk's last line is no part of it, even if it begins like one.
        let Some(open) = hunk.as_mut().filter(|hunk| hunk.old_left > 0 || hunk.new_left > 0) else {
            hunk = Hunk::begin(line);
            continue;
        };
        match line.as_bytes().first() {
            Some(b'+') => lines.extend([(open.take_new(), None)]),
            Some(b'-') => drop(open.take_old()),
            // "No newline at end of file".
            Some(b'\\') => {}
            Some(_) | None => {
                let old = open.take_old();
                lines.insert(open.take_new(), Some(old));
            }
        }
    }
    lines
}

struct Hunk {
    old: u32,
    new: u32,
    old_left: u32,
    new_left: u32,
}

impl Hunk {
    /// Of `@@ -1,2 +3,4 @@`. None where the line is something else.
    fn begin(line: &str) -> Option<Self> {
        let (old, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
        let (old, old_left) = range(old)?;
        let (new, new_left) = range(rest.split_once(" @@")?.0)?;
        Some(Hunk { old, new, old_left, new_left })
    }

    fn take_old(&mut self) -> u32 {
        self.old_left = self.old_left.saturating_sub(1);
        self.old = self.old.saturating_add(1);
        self.old - 1
    }

    fn take_new(&mut self) -> u32 {
        self.new_left = self.new_left.saturating_sub(1);
        self.new = self.new.saturating_add(1);
        self.new - 1
    }
}

fn range(text: &str) -> Option<(u32, u32)> {
    match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_numbers_that_git_gives_them() {
        let diff =
            "@@ -1,4 +1,5 @@ fn main() {\n a\n-b\n+B\n++ plus\n c\n d\n\\ No newline at end of file\n@@ -20 +21 @@\n-x\n+y\n";
        let lines = lines_of(diff);
        let expected = [(1, Some(1)), (2, None), (3, None), (4, Some(3)), (5, Some(4)), (21, None)];
        assert_eq!(lines.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_new_file_and_a_deleted_one() {
        assert_eq!(lines_of("@@ -0,0 +1,2 @@\n+a\n+b\n").into_iter().collect::<Vec<_>>(), [(1, None), (2, None)]);
        assert!(lines_of("@@ -1,2 +0,0 @@\n-a\n-b\n").is_empty());
    }

    #[test]
    fn what_is_no_diff_has_no_lines() {
        let headers = "--- a/x\n+++ b/x\n";
        for text in ["", headers, "@@ -x +y @@\n+a", "@@ -1 +", "Binary files differ"] {
            assert!(lines_of(text).is_empty(), "{text:?}");
        }
        assert_eq!(lines_of("@@ -1 +4294967295,2 @@\n+a\n+b\n c").len(), 1, "numbers do not overflow");
    }
}
