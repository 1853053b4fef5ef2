//! Untrusted text in Markdown: shown as it is, without effect.
//!
//! Text that a step's program wrote goes into code spans and code fences only, each longer than any run of backticks in it.
//! In these neither forge looks for mentions, references, links, images, HTML, comments or slash commands.

use gatewright_core::unseen::is_unseen;

/// A text on one line, at most so many characters, without control characters.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let text = without_controls(text, false);
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = words.char_indices().nth(chars_max) {
        words.truncate(cut);
        words.push('…');
    }
    words
}

/// A code span of a text's beginning.
pub(crate) fn code(text: &str, chars_max: usize) -> String {
    let text = one_line(text, chars_max);
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    // One space at each end belongs to the span and not to its text.
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// A code block. Empty where the text has nothing to show.
pub(crate) fn fenced(text: &str) -> String {
    let text = without_controls(text, true);
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

/// A text without what steers a terminal or hides text: ANSI sequences, control characters, marks of writing direction and
/// characters without width. Lines stay lines if `lines`.
pub(super) fn without_controls(text: &str, lines: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_control_sequence(&mut chars),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' if lines => clean.push('\n'),
            '\t' | '\n' | '\r' => clean.push(' '),
            _ if is_unseen(c) => {}
            _ => clean.push(c),
        }
    }
    clean
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips what follows an escape character.
fn skip_escape(chars: &mut Chars<'_>) {
    match chars.next_if(|c| !c.is_control()) {
        Some('[') => skip_control_sequence(chars),
        // A title or a link, up to a bell or a string terminator; never over the end of the line.
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(c) = chars.next_if(|c| *c != '\n') {
                if c == '\u{7}' {
                    break;
                }
                if c == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        Some('(' | ')' | '#' | ' ') => {
            chars.next_if(|c| !c.is_control());
        }
        Some(_) | None => {}
    }
}

/// Skips parameters and the final character of a control sequence.
fn skip_control_sequence(chars: &mut Chars<'_>) {
    while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
    chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_titles_and_control_characters_are_gone() {
        let text =
            "\u{1b}[1;31merror\u{1b}[0m \u{1b}]0;title\u{7}x\u{1b}]8;;http://a\u{1b}\\link\u{8}\u{0}\u{9b}2Ky\r\nz\u{202e}";
        assert_eq!(without_controls(text, true), "error xlinky\nz");
    }

    #[test]
    fn a_sequence_without_end_takes_no_more_than_its_line() {
        assert_eq!(without_controls("a\u{1b}]0;never ends\nb", true), "a\nb");
        assert_eq!(without_controls("a\u{1b}", true), "a");
        assert_eq!(without_controls("a\u{1b}[1;2", true), "a");
    }

    #[test]
    fn a_fence_is_longer_than_any_in_the_text() {
        assert_eq!(fenced("a\n```\nb\n````\n<!-- @all -->"), "`````text\na\n```\nb\n````\n<!-- @all -->\n`````");
        assert_eq!(fenced(" \n"), "");
    }

    #[test]
    fn a_code_span_cannot_be_left() {
        assert_eq!(code("a `b` ``c`` @all [x](y)\n<img>", 100), "```a `b` ``c`` @all [x](y) <img>```");
        assert_eq!(code("`", 100), "`` ` ``");
        assert_eq!(code("\n", 100), "(empty)");
        assert_eq!(code("abcdef", 3), "`abc…`");
    }
}
