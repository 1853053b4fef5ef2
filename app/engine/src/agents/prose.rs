//! A model's words, made harmless where people read them: no mention, reference, link, image, HTML or quick action takes effect, and
//! nothing is hidden in them. Lines and lists stay.

use crate::render::{escape, is_issue};

/// What a model wrote as paragraphs and lists.
pub(super) fn prose(text: &str, chars_max: usize) -> String {
    let lines: Vec<String> = shortened(text.trim(), chars_max).lines().map(line).collect();
    lines.join("\n")
}

fn line(line: &str) -> String {
    let inner = line.trim();
    match inner.strip_prefix("- ").or_else(|| inner.strip_prefix("* ")) {
        Some(item) => format!("- {}", harmless(item)),
        None => harmless(inner),
    }
}

/// A line that starts with a slash is an order to GitLab and to other bots; one of dashes or equals signs makes a heading of the line
/// before.
fn harmless(text: &str) -> String {
    // Whatever reads the text after its entities were resolved finds no name or number behind the sign.
    let escaped = escape(text.trim()).replace("&#64;", "&#64;&#8203;").replace("&#35;", "&#35;&#8203;");
    match escaped.chars().next() {
        Some('/') => format!("&#47;{}", &escaped[1..]),
        Some('-') => format!("&#45;{}", &escaped[1..]),
        Some('=') => format!("&#61;{}", &escaped[1..]),
        Some(_) | None => escaped,
    }
}

/// A model's words as plain text of several lines, for places that show no Markdown.
pub(super) fn plain(text: &str, chars_max: usize) -> String {
    shortened(without_hidden(text).trim(), chars_max)
}

/// A title: one line, without effect even where a forge reads Markdown or mentions in it.
pub(super) fn title(text: &str, chars_max: usize) -> String {
    let line = without_hidden(text).split_whitespace().collect::<Vec<_>>().join(" ");
    // Mentions and references are found in titles too, and an entity would be shown there as it is.
    let tame: String = line
        .char_indices()
        .map(|(at, c)| match c {
            '@' | '#' | '!' => '\u{b7}',
            '-' if is_issue(&line[..at], &line[at + 1..]) => '\u{b7}',
            c => c,
        })
        .collect();
    shortened(tame.trim_start_matches('/'), chars_max).trim().to_owned()
}

/// A text of at most so many characters.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A text without characters that nobody sees, or that change how others are read.
pub(super) fn without_hidden(text: &str) -> String {
    super::fence::visible(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_model_writes_takes_effect() {
        let text = "Fixes #12, @org/team\n/merge\n- see https://evil.example/x\n<img src=x>\n===\n\u{e0041}\u{202e}end";
        assert_eq!(
            prose(text, 1_000),
            "Fixes &#35;&#8203;12, &#64;&#8203;org/team\n&#47;merge\n- see https&#58;//evil.example/x\n&lt;img src=x&gt;\n&#61;==\nend"
        );
        assert_eq!(title("/close #1\n@all \u{200b}now", 100), "close ·1 ·all now");
        assert_eq!(title("Fixes GH-12, off-by-1", 100), "Fixes GH·12, off-by-1");
    }

    #[test]
    fn long_words_are_cut() {
        assert_eq!(prose("abcdef", 3), "abc…");
    }
}
