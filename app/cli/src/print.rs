//! What commands write to standard output: tables, JSON, and text from outside made harmless for a terminal.

use std::io::{self, IsTerminal, Write};

use comfy_table::{Table, presets};
use gatewright_core::unseen::is_unseen;
use serde::Serialize;

use crate::failure::Failure;

/// Writes a line, or lines, to standard output.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes bytes to standard output.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // `gatewright runs | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::Outside(format!("standard output cannot be written: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes JSON to standard output.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::Outside(format!("the answer cannot be written as JSON: {e}")))?;
    line(&text)
}

/// Whether standard output is a person's terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// How a word is to look where there is colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Busy,
    Quiet,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Busy => "33",
            Tone::Quiet => "2",
        }
    }
}

/// A table whose first column is coloured on a terminal, unless `NO_COLOR` is set. `none` is said where it has no rows.
pub(crate) fn table(header: &[&str], rows: &[(Tone, Vec<String>)], none: &str) -> Result<(), Failure> {
    if rows.is_empty() {
        return line(none);
    }
    let colour = is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    line(&render(header, rows, colour))
}

fn render(header: &[&str], rows: &[(Tone, Vec<String>)], colour: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for (_, row) in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    let text = table.to_string();
    // Without a width, and without line ends in a cell, each row is one line.
    let tones = std::iter::once(None).chain(rows.iter().map(|(tone, _)| Some(*tone)));
    let lines = text.lines().zip(tones).map(|(line, tone)| {
        let line = line.trim_end();
        let line = line.strip_prefix(' ').unwrap_or(line);
        match tone.filter(|_| colour) {
            Some(tone) => paint(line, tone),
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Colours a line's first word.
fn paint(line: &str, tone: Tone) -> String {
    let end = line.find("  ").unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    format!("\u{1b}[{}m{word}\u{1b}[0m{rest}", tone.code())
}

/// A text from outside on one line, without anything that controls a terminal or hides or reorders what is around it.
pub(crate) fn printable(text: &str) -> String {
    let harmless = |c: char| if c == '\n' || c == '\t' || c == '\r' { Some(' ') } else { Some(c).filter(|c| !is_unseen(*c)) };
    text.chars().filter_map(harmless).collect()
}

/// As [`printable`], but lines stay lines.
pub(crate) fn printable_lines(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_unseen(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_control_the_terminal() {
        assert_eq!(printable("a\u{1b}]0;title\u{7}b\nc\u{202e}d"), "a]0;titleb cd");
        assert_eq!(printable_lines("a\u{1b}[31mb\nc"), "a[31mb\nc");
    }

    #[test]
    fn a_table_is_coloured_only_where_it_is_asked_for() {
        let rows =
            [(Tone::Good, vec!["success".to_owned(), "a\nb".to_owned()]), (Tone::Bad, vec!["failure".to_owned(), String::new()])];
        assert_eq!(render(&["state", "what"], &rows, false), "STATE    WHAT\nsuccess  a b\nfailure");
        assert_eq!(
            render(&["state", "what"], &rows, true),
            "STATE    WHAT\n\u{1b}[32msuccess\u{1b}[0m  a b\n\u{1b}[31mfailure\u{1b}[0m"
        );
    }
}
