//! Workflow commands: lines of a step's output that the runner obeys ("Workflow commands for GitHub Actions").
//!
//! Escaping is that of GitHub's own toolkit: `%`, CR and LF in what a command says, `:` and `,` too in its properties.

use std::borrow::Cow;
use std::fmt::Write as _;

use gatewright_core::verdict::{Annotation, AnnotationLevel};

/// An annotation's message. The runner cuts longer ones to 4 KiB, in the middle of whatever is there.
const MESSAGE_BYTES_MAX: usize = 4_000;

/// `::error file=..,line=..,title=..::message`.
pub fn annotation(annotation: &Annotation) -> String {
    let name = match annotation.level {
        AnnotationLevel::Failure => "error",
        AnnotationLevel::Warning => "warning",
        AnnotationLevel::Notice => "notice",
    };
    let mut command = format!("::{name} file={},line={}", property(&annotation.path), annotation.start_line);
    match annotation.column {
        // The runner takes columns of one line only.
        Some(column) if annotation.start_line == annotation.end_line => write!(command, ",col={column}"),
        Some(_) | None => write!(command, ",endLine={}", annotation.end_line.max(annotation.start_line)),
    }
    .expect("a text can be written to");
    if !annotation.title.is_empty() {
        write!(command, ",title={}", property(&annotation.title)).expect("a text can be written to");
    }
    // A command without a message is shown as nothing.
    let message = if annotation.message.trim().is_empty() { &annotation.title } else { &annotation.message };
    format!("{command}::{}", data(&cut(message)))
}

/// A remark of ours that is at no place in the source.
pub fn remark(level: AnnotationLevel, title: &str, message: &str) -> String {
    let name = match level {
        AnnotationLevel::Failure => "error",
        AnnotationLevel::Warning => "warning",
        AnnotationLevel::Notice => "notice",
    };
    format!("::{name} title={}::{}", property(title), data(&cut(message)))
}

/// From here on each line that has this value in it is shown with `***` instead. A value of several lines is masked line by
/// line, since the runner looks at lines.
pub fn mask(secret: &str) -> String {
    let lines = secret.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| format!("::add-mask::{}\n", data(line))).collect()
}

/// The begin of a group that can be folded, in which no line is a command. `token` must be one that nobody can guess: until it
/// comes, the runner obeys nothing.
pub fn begin_group(title: &str, token: &str) -> String {
    format!("::group::{}\n::stop-commands::{token}\n", data(title))
}

/// Its end, which has to begin a line.
pub fn end_group(token: &str) -> String {
    format!("::{token}::\n::endgroup::\n")
}

/// One line that is no command: `::` begins one, and `##[` does anywhere.
pub fn harmless(line: &str) -> String {
    let line = data(line).replace("##[", "## [");
    if line.trim_start().starts_with("::") { format!("- {line}") } else { line }
}

fn cut(message: &str) -> Cow<'_, str> {
    if message.len() <= MESSAGE_BYTES_MAX {
        return Cow::Borrowed(message);
    }
    Cow::Owned(format!("{}…", &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remark_at(path: &str, title: &str, message: &str) -> Annotation {
        Annotation {
            path: path.to_owned(),
            start_line: 3,
            end_line: 5,
            column: None,
            level: AnnotationLevel::Failure,
            title: title.to_owned(),
            message: message.to_owned(),
        }
    }

    /// A command's name, its properties and its text.
    type Parsed = (String, Vec<(String, String)>, String);

    /// As the runner reads a line: None where it is no command. By `ActionCommand.TryParseV2` and its unescaping.
    fn parsed(line: &str) -> Option<Parsed> {
        let line = line.trim_start().strip_prefix("::")?;
        let (head, data) = line.split_once("::")?;
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let undo = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
        let undo_property = |text: &str| undo(&text.replace("%3A", ":").replace("%2C", ","));
        let pairs = properties.split(',').filter_map(|pair| pair.split_once('='));
        let properties = pairs.map(|(name, value)| (name.trim().to_owned(), undo_property(value))).collect();
        Some((name.to_owned(), properties, undo(data)))
    }

    #[test]
    fn an_annotation_is_one_line_whatever_is_in_it() {
        let command = annotation(&remark_at("src/a,b:c.rs", "50 % off: now\n::error::x", "line 1\r\nline 2 ::stop-commands::x"));
        insta::assert_snapshot!(command, @"::error file=src/a%2Cb%3Ac.rs,line=3,endLine=5,title=50 %25 off%3A now%0A%3A%3Aerror%3A%3Ax::line 1%0D%0Aline 2 ::stop-commands::x");
    }

    #[test]
    fn a_column_is_named_of_one_line_only() {
        let one = Annotation { end_line: 3, column: Some(7), level: AnnotationLevel::Warning, ..remark_at("a", "", "m") };
        assert_eq!(annotation(&one), "::warning file=a,line=3,col=7::m");
        let several = Annotation { end_line: 4, ..one };
        assert_eq!(annotation(&several), "::warning file=a,line=3,endLine=4::m");
    }

    #[test]
    fn an_annotation_without_a_message_says_its_title() {
        assert_eq!(annotation(&remark_at("a", "t", " ")), "::error file=a,line=3,endLine=5,title=t::t");
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let command = annotation(&remark_at("a", "t", &"é".repeat(5_000)));
        assert!(command.len() < 4_100 && command.ends_with("é…"));
    }

    #[test]
    fn output_lies_between_a_stop_and_its_token_on_lines_of_their_own() {
        let text = format!("{}::add-path::/tmp\n{}", begin_group("tests: 50 %", "T0KEN"), end_group("T0KEN"));
        insta::assert_snapshot!(text, @"
        ::group::tests: 50 %25
        ::stop-commands::T0KEN
        ::add-path::/tmp
        ::T0KEN::
        ::endgroup::
        ");
    }

    #[test]
    fn a_line_of_ours_with_others_words_in_it_is_no_command() {
        assert_eq!(harmless(" ::add-path::/tmp\n::error::x"), "-  ::add-path::/tmp%0A::error::x");
        assert_eq!(harmless("tests ##[add-mask]a"), "tests ## [add-mask]a");
        assert_eq!(harmless("tests passed: a::b"), "tests passed: a::b");
    }

    #[test]
    fn a_secret_of_several_lines_is_masked_line_by_line() {
        assert_eq!(mask("one\r\n\n two% \n"), "::add-mask::one\n::add-mask::two%25\n");
    }

    proptest! {
        #[test]
        fn the_runner_reads_back_what_was_meant(path in "[^=]{1,20}", title in "\\PC{0,20}", message in "(?s).{1,40}") {
            let meant = remark_at(path.trim(), &title.replace('=', ""), &message);
            let command = annotation(&meant);
            prop_assert!(!command.contains(['\n', '\r']));
            let (name, properties, data) = parsed(&command).expect("it is a command");
            prop_assert_eq!(name, "error");
            let of = |name: &str| properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            prop_assert_eq!(of("line"), Some("3".to_owned()));
            if !message.trim().is_empty() {
                prop_assert_eq!(data, message);
            }
        }
    }
}
