//! Makes text from outside harmless in a forge's Markdown.

use gatewright_core::unseen::is_unseen;

/// The text so that the forge shows exactly it: no markup, link, image, HTML, mention or reference takes effect, and it
/// stays on its line. Characters that control a terminal or the direction of text are dropped.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (at, c) in text.char_indices() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // An entity, since forges find mentions and references in the text, whatever Markdown says.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            // A merge request of GitLab, and an issue of GitHub: a character without width keeps them apart.
            '!' if text[at + 1..].starts_with(|c: char| c.is_ascii_digit()) => out.push_str("!&#8203;"),
            '-' if is_issue(&text[..at], &text[at + 1..]) => out.push_str("-&#8203;"),
            // A bare address would become a link.
            ':' if text[at..].starts_with("://") => out.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c if is_unseen(c) => {}
            c => out.push(c),
        }
    }
    // Forges turn `www.` into a link without any scheme.
    out.replace("www.", "www&#46;")
}

/// Whether a dash between these is that of `GH-12`.
pub(crate) fn is_issue(before: &str, after: &str) -> bool {
    let bytes = before.as_bytes();
    let gh = bytes.len().checked_sub(2).is_some_and(|from| bytes[from..].eq_ignore_ascii_case(b"gh"));
    gh && after.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_from_outside_takes_effect() {
        assert_eq!(escape("@team see #1"), "&#64;team see &#35;1");
        assert_eq!(escape("see !1 and GH-2, not a!b or a-2"), "see !&#8203;1 and GH-&#8203;2, not a!b or a-2");
        assert_eq!(escape("<!-- x --><img src=x>"), "&lt;!-- x --&gt;&lt;img src=x&gt;");
        assert_eq!(escape("[a](http://x)"), "\\[a\\](http&#58;//x)");
        assert_eq!(escape("www.example.com | a"), "www&#46;example.com \\| a");
    }

    #[test]
    fn a_line_stays_a_line_and_reads_in_its_direction() {
        assert_eq!(escape("a\r\nb\u{202e}c\u{1b}[31m"), "a  bc\\[31m");
    }
}
