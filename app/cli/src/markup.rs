//! The Markdown that gates say, as HTML for pages of ours.

use pulldown_cmark::html::push_html;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The markup that our own Markdown has in it. Anything else is shown as the text that it is.
const TAGS: [&str; 8] = ["<details>", "<details open>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<br>"];

/// Markdown as HTML, in which only our own tags are tags and no link or picture leads anywhere.
pub(crate) fn html(markdown: &str) -> String {
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let plain = events.filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Html(own_tags(&text).into())),
        Event::Start(Tag::Link { .. } | Tag::Image { .. }) | Event::End(TagEnd::Link | TagEnd::Image) => None,
        other => Some(other),
    });
    let mut page = String::new();
    push_html(&mut page, plain);
    page
}

/// A piece of markup, with all but our own tags shown as text.
fn own_tags(text: &str) -> String {
    if text.trim_start().starts_with("<!--") {
        return String::new();
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        shown.push_str(&unescaped(&rest[..at]));
        rest = &rest[at..];
        match TAGS.iter().find(|tag| rest.starts_with(**tag)) {
            Some(tag) => {
                shown.push_str(tag);
                rest = &rest[tag.len()..];
            }
            None => {
                shown.push_str("&lt;");
                rest = &rest[1..];
            }
        }
    }
    shown + &unescaped(rest)
}

/// Text between tags is HTML already: what is escaped in it stays so, and a backslash before a sign was Markdown's.
fn unescaped(text: &str) -> String {
    text.replace('\\', "").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tags_are_tags() {
        let page = html("<details><summary>a &lt;b&gt;</summary>\n\n<script>alert(1)</script>\n\n</details>\n\na <img src=x> b");
        assert!(page.contains("<details><summary>a &lt;b&gt;</summary>"), "{page}");
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    }

    #[test]
    fn a_table_is_a_table() {
        assert!(html("| a | b |\n|---|---|\n| 1 | 2 |\n").contains("<td>2</td>"));
    }
}
