//! Makes lines harmless that GitLab would obey.

use std::borrow::Cow;

/// Invisible, and no white space to GitLab: a line that begins with it is no quick action.
const ZERO_WIDTH_SPACE: char = '\u{200B}';

/// GitLab takes a line such as `/merge` in a note for a quick action, and carries it out by the rights of the note's author.
/// Ours repeat what others wrote. So before every slash with which a line begins, and that a word follows, an invisible
/// character is put, in code blocks too: what is one is GitLab's decision, and mistaking it must not matter. Paths such as
/// `/usr/bin` stay as they are. GitLab deletes carriage returns before it looks, so they are deleted before it is looked
/// here.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains('/') {
        return Cow::Borrowed(text);
    }
    let text = text.replace('\r', "");
    let mut safe = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let rest = line.trim_start();
        safe.push_str(&line[..line.len() - rest.len()]);
        if is_like_an_action(rest) {
            safe.push(ZERO_WIDTH_SPACE);
        }
        safe.push_str(rest);
    }
    Cow::Owned(safe)
}

fn is_like_an_action(line: &str) -> bool {
    let Some(rest) = line.strip_prefix('/') else { return false };
    let word = rest.trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'));
    word.len() < rest.len() && !word.starts_with(['/', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_gitlab_would_obey_is_not_one_any_more() {
        for text in
            ["/merge", "/close\n", "a\n/assign @x", "/\rmerge", "a\r\n  \t/label ~x", "```\n/approve\n```", "/due tomorrow"]
        {
            let safe = harmless(text);
            assert!(safe.lines().all(|line| !is_like_an_action(line.trim_start())), "{text:?}");
            assert_eq!(safe.replace(ZERO_WIDTH_SPACE, ""), text.replace('\r', ""));
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in
            ["", "a/b", "see /merge", "/usr/bin/env: no such file\n/etc/passwd", "</details>\n// comment", "/ x", "/a.txt"]
        {
            assert_eq!(harmless(text), text);
        }
    }
}
