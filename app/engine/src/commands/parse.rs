//! Reads a comment: which lines of it are commands.
//!
//! A command is a line of its own in a plain paragraph. What is quoted, code, a list, a table, a heading, the text of a
//! link or a picture, hidden in an HTML comment or folded away is talked about, not said. What is Markdown and what is not
//! is left to a Markdown parser, so that it is what the forge shows.

use gatewright_core::command::{ALIASES, CommandName};
use gatewright_core::run::Call;
use pulldown_cmark::{Event, Options, Parser, Tag};

/// So many commands of one comment are obeyed. The others are counted, and people are told.
pub const CALLS_MAX: usize = 10;

/// What is longer, in bytes, is not read as a command's line. Forges cut comments at 65,536 and 1,000,000 characters.
const LINE_BYTES_MAX: usize = 2_000;

/// A comment of more bytes holds no commands: nobody writes those by hand.
const COMMENT_BYTES_MAX: usize = 128 * 1024;

/// A command in replies and logs is cut to so many characters.
const WRITTEN_CHARS_MAX: usize = 120;

/// What a comment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The commands, in their order, at most [`CALLS_MAX`].
    pub calls: Vec<Call>,
    /// So many more there were.
    pub unread: u32,
}

/// Reads a comment. Pure, and never an error: what is no command is nothing.
pub fn parse(comment: &str) -> Said {
    let mut said = Said::default();
    if comment.len() > COMMENT_BYTES_MAX || !comment.contains('/') {
        return said;
    }
    for call in spoken_lines(comment).into_iter().filter_map(call) {
        if said.calls.len() < CALLS_MAX {
            said.calls.push(call);
        } else {
            said.unread += 1;
        }
    }
    said
}

/// The lines that a person says: those that begin in a paragraph that lies in nothing else.
fn spoken_lines(comment: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut depth, mut in_paragraph, mut at_start) = (0_usize, false, false);
    let mut folded = 0_i64;
    for (event, range) in Parser::new_ext(comment, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                depth += 1;
                at_start = depth == 1;
                in_paragraph = if depth == 1 { tag == Tag::Paragraph } else { in_paragraph };
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                at_start = false;
            }
            Event::Text(_) => {
                // A slash behind a backslash is written so that it is not taken for a command.
                let escaped = comment[..range.start].ends_with('\\');
                if at_start && in_paragraph && depth == 1 && folded <= 0 && !escaped {
                    lines.push(comment[range.start..].lines().next().unwrap_or_default());
                }
                at_start = false;
            }
            Event::SoftBreak | Event::HardBreak => at_start = depth == 1,
            Event::Html(html) | Event::InlineHtml(html) => {
                folded += folds(&html);
                at_start = false;
            }
            _ => at_start = false,
        }
    }
    lines
}

/// How many more `<details>` a piece of HTML opens than it closes.
fn folds(html: &str) -> i64 {
    let html = html.to_ascii_lowercase();
    let count = |tag: &str| i64::try_from(html.matches(tag).count()).unwrap_or(i64::MAX);
    count("<details").saturating_sub(count("</details"))
}

/// The command of a line, if it is one.
fn call(line: &str) -> Option<Call> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let mut words = words(line.trim().strip_prefix('/')?).into_iter();
    let first = words.next()?.to_ascii_lowercase();
    if first == "gw" {
        let name = words.next().map_or_else(|| CommandName::Help.to_string(), |name| name.to_ascii_lowercase());
        return Some(Call { name, args: words.collect() });
    }
    let alias = ALIASES.iter().find(|alias| alias.word == first)?;
    Some(Call { name: alias.name.to_string(), args: words.collect() })
}

/// The words of a line. What stands in quotes is one word; a quote that is never closed, or not at a word's beginning, is
/// a character like others: people write `doesn't`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line;
    // A command begins right behind its slash.
    if rest.starts_with(char::is_whitespace) {
        return words;
    }
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return words };
        let quoted = matches!(first, '"' | '\'').then(|| rest[1..].find(first)).flatten();
        let closed = quoted.filter(|end| rest[1 + end + 1..].chars().next().is_none_or(char::is_whitespace));
        let (word, behind) = match closed {
            Some(end) => (&rest[1..=end], &rest[1 + end + 1..]),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = behind;
    }
}

/// A command as it is written, for replies and logs. Untrusted text.
pub fn written(call: &Call) -> String {
    let arg = |arg: &String| if arg.contains(char::is_whitespace) { format!(" \"{arg}\"") } else { format!(" {arg}") };
    let whole = format!("{}{}", call.name, call.args.iter().map(arg).collect::<String>());
    match whole.char_indices().nth(WRITTEN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands of a comment, as they are written.
    fn said(comment: &str) -> Vec<String> {
        parse(comment).calls.iter().map(written).collect()
    }

    #[test]
    fn a_line_of_its_own_is_a_command_wherever_it_stands_among_others() {
        assert_eq!(said("/gw run"), ["run"]);
        assert_eq!(said("Looks good.\n/gw rerun\nThanks!"), ["rerun"]);
        assert_eq!(said("/gw run tests lint\r\n\r\n/gw hold\r\n"), ["run tests lint", "hold"]);
        assert_eq!(said("  /gw status  "), ["status"]);
        assert_eq!(said("/gw"), ["help"]);
        assert_eq!(said("/GW Rerun"), ["rerun"]);
    }

    #[test]
    fn what_is_in_quotes_is_one_word_and_a_lone_quote_is_a_character() {
        let call = |comment: &str| parse(comment).calls.remove(0).args;
        assert_eq!(call("/gw skip tests \"known flake\" now"), ["tests", "known flake", "now"]);
        assert_eq!(call("/gw skip tests it doesn't work"), ["tests", "it", "doesn't", "work"]);
        assert_eq!(call("/gw hold \"never closed"), ["\"never", "closed"]);
        assert_eq!(call("/gw hold 'a'b"), ["'a'b"]);
        assert_eq!(call("/gw hold \"\""), [""]);
    }

    #[test]
    fn the_ways_of_other_bots_are_understood() {
        assert_eq!(said("/retest"), ["rerun"]);
        assert_eq!(said("/ok-to-test"), ["approve"]);
        assert_eq!(said("/test unit"), ["run unit"]);
        assert_eq!(said("/lgtm"), Vec::<String>::new());
    }

    #[test]
    fn what_is_only_talked_about_is_not_obeyed() {
        for comment in [
            "> /gw run",
            "> a\n/gw run",
            "```\n/gw run\n```",
            "~~~text\n/gw run",
            "    /gw run",
            "`/gw run`",
            "a `code\n/gw run\n` b",
            "- /gw run",
            "1. a\n   /gw run",
            "# /gw run",
            "<!-- \n/gw run\n-->",
            "a <!-- b\n/gw run\n--> c",
            "<!--\n\n/gw run\n\n-->",
            "<pre>\n/gw run\n</pre>",
            "<details>\n/gw run\n</details>",
            "<details><summary>x</summary>\n\n/gw run\n\n</details>",
            "| a |\n|---|\n| /gw run |",
            "| a |\n|---|\n/gw run",
            "![a\n/gw run\n](x)",
            "[a\n/gw run\n](x)",
            "**a\n/gw run b**",
            "please /gw run",
            "/ gw run",
            "//gw run",
            "\\/gw run",
            "/gwrun",
            "/gw\u{200b} run",
            "\u{ff0f}gw run",
            "\u{202e}/gw run",
            "[x]: /gw",
        ] {
            assert_eq!(said(comment), Vec::<String>::new(), "{comment:?}");
        }
        assert_eq!(said("<details>\n\nx\n\n</details>\n\n/gw run"), ["run"], "what comes behind is said");
    }

    #[test]
    fn a_comment_full_of_commands_is_read_to_a_limit() {
        let said = parse(&"/gw run\n".repeat(1_000));
        assert_eq!((said.calls.len(), said.unread), (CALLS_MAX, 990));
        assert_eq!(parse(&"/gw run\n".repeat(2_000_000)), Said::default(), "nobody writes this by hand");
        assert_eq!(parse(&format!("/gw hold {}", "x".repeat(5_000))), Said::default());
    }

    #[test]
    fn what_is_repeated_to_people_is_short() {
        let call = Call { name: "x".repeat(500), args: Vec::new() };
        assert_eq!(written(&call).chars().count(), WRITTEN_CHARS_MAX + 1);
    }
}
