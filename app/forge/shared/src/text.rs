//! Texts cut to a forge's limits, so that what matters stays and Markdown stays whole.
//!
//! Everything here is cut by bytes but [`one_line`]: where a forge writes "characters" it may measure bytes (GitHub does,
//! for a check's summary), and what fits in bytes fits in characters too.

use std::borrow::Cow;

/// Room for the note and for a code block's fence.
const NOTE_BYTES_MAX: usize = 200;
/// A cut moves to the line's end if that is not farther than this.
const LINE_BYTES_MAX: usize = 2_048;
/// A fence longer than this is nobody's, and is not repeated.
const FENCE_CHARS_MAX: usize = 60;

/// Keeps the beginning, and says how much was left out. At most `bytes_max` bytes, where that is 200 or more.
pub fn keep_beginning(text: &str, bytes_max: usize) -> Cow<'_, str> {
    let text = printable(text);
    if text.len() <= bytes_max {
        return text;
    }
    let mut end = text.floor_char_boundary(bytes_max.saturating_sub(NOTE_BYTES_MAX));
    if let Some(line) = text[..end].rfind('\n').filter(|line| end - line <= LINE_BYTES_MAX && *line > 0) {
        end = line;
    }
    let kept = &text[..end];
    let fence = open_fence(kept).map(|fence| format!("\n{fence}")).unwrap_or_default();
    Cow::Owned(format!("{kept}{fence}\n\n*{} left out here; the text was too long.*", kib(text.len() - end)))
}

/// Keeps the end, as of a log, and says how much was left out. At most `bytes_max` bytes, where that is 200 or more.
pub fn keep_end(text: &str, bytes_max: usize) -> Cow<'_, str> {
    let text = printable(text);
    if text.len() <= bytes_max {
        return text;
    }
    let mut start = text.ceil_char_boundary(text.len() - bytes_max.saturating_sub(NOTE_BYTES_MAX));
    if let Some(line) = text[start..].find('\n').filter(|line| *line <= LINE_BYTES_MAX && start + line + 1 < text.len()) {
        start += line + 1;
    }
    let fence = open_fence(&text[..start]).map(|fence| format!("{fence}\n")).unwrap_or_default();
    Cow::Owned(format!("*{} left out here; the text was too long.*\n\n{fence}{}", kib(start), &text[start..]))
}

/// Makes it a single line of at most `chars_max` characters, of which the last is `…` where something was left out.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let line = printable(text).replace(['\r', '\n'], " ");
    if line.chars().count() <= chars_max {
        return line;
    }
    line.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

/// The forges' databases take no NUL.
fn printable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

fn kib(bytes: usize) -> String {
    if bytes < 1_024 { format!("{bytes} bytes") } else { format!("{} KiB", bytes.div_ceil(1_024)) }
}

/// The fence that closes the code block in which the text ends, by CommonMark 4.5 (indentation and info strings aside).
fn open_fence(text: &str) -> Option<String> {
    let mut open: Option<(char, usize)> = None;
    for line in text.lines() {
        let line = line.trim();
        let Some(mark) = line.chars().next().filter(|c| matches!(c, '`' | '~')) else { continue };
        let length = line.chars().take_while(|c| *c == mark).count();
        match open {
            None if (3..=FENCE_CHARS_MAX).contains(&length) => open = Some((mark, length)),
            Some((by, at_least)) if by == mark && length >= at_least && line.len() == length => open = None,
            None | Some(_) => {}
        }
    }
    open.map(|(mark, length)| mark.to_string().repeat(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK_TEXT_BYTES_MAX: usize = 65_535;
    const TITLE_CHARS_MAX: usize = 255;

    #[test]
    fn what_fits_is_left_alone() {
        for text in ["", "short", &"ü".repeat(50)] {
            assert_eq!(keep_beginning(text, 100), text);
            assert_eq!(keep_end(text, 100), text);
        }
    }

    #[test]
    fn a_summary_keeps_its_beginning_and_says_what_is_gone() {
        let text = format!("# Verdict\n{}", "a line of the summary\n".repeat(10_000));
        let cut = keep_beginning(&text, CHECK_TEXT_BYTES_MAX);
        assert!(cut.len() <= CHECK_TEXT_BYTES_MAX && cut.len() > CHECK_TEXT_BYTES_MAX - 1_000);
        assert!(cut.starts_with("# Verdict\na line of the summary\n"));
        assert!(
            cut.ends_with("a line of the summary\n\n*152 KiB left out here; the text was too long.*"),
            "{}",
            &cut[cut.len() - 120..]
        );
    }

    #[test]
    fn a_log_keeps_its_end() {
        let log: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
        let cut = keep_end(&log, CHECK_TEXT_BYTES_MAX);
        assert!(cut.len() <= CHECK_TEXT_BYTES_MAX && cut.len() > CHECK_TEXT_BYTES_MAX - 1_000);
        assert!(cut.ends_with("line 19998\nline 19999\n"));
        assert!(cut.starts_with("*") && cut.contains("KiB left out here"));
        assert!(cut.lines().nth(2).is_some_and(|line| line.starts_with("line 1")), "it begins with a whole line");
    }

    #[test]
    fn characters_of_several_bytes_are_never_split() {
        for text in ["日".repeat(60_000), "🦀".repeat(40_000), format!("x{}", "é".repeat(60_000)), "e\u{301}".repeat(50_000)]
        {
            for max in [300, 1_000, 65_534, 65_535] {
                assert!(keep_beginning(&text, max).len() <= max);
                assert!(keep_end(&text, max).len() <= max);
            }
        }
    }

    #[test]
    fn a_code_block_that_is_cut_is_closed_or_opened_again() {
        let log = format!("Log:\n````text\n{}````\n", "output ``` of a build\n".repeat(9_000));
        let cut = keep_end(&log, CHECK_TEXT_BYTES_MAX);
        assert!(cut.contains("*\n\n````\noutput ``` of a build\n"));
        assert!(cut.ends_with("output ``` of a build\n````\n") && open_fence(&cut).is_none());
        let cut = keep_beginning(&log, CHECK_TEXT_BYTES_MAX);
        assert!(cut.contains("output ``` of a build\n````\n\n*") && open_fence(&cut).is_none());
    }

    #[test]
    fn a_title_is_one_line_and_counted_in_characters() {
        assert_eq!(one_line("two\nlines", 20), "two lines");
        assert_eq!(one_line(&"é".repeat(300), TITLE_CHARS_MAX).chars().count(), TITLE_CHARS_MAX);
        assert_eq!(one_line("a\0b", 20), "a\u{fffd}b");
    }
}
