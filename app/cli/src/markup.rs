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

    /// Whatever follows on whatever: in a page of ours, a tag has nothing in it that is not its own.
    #[test]
    fn no_mixture_of_signs_becomes_a_tag_that_is_not_ours() {
        const PIECES: [&str; 26] = [
            "<img src=x onerror=hostile()>",
            "<script>hostile()</script>",
            "<details open ontoggle=hostile()>",
            "<summary onclick=hostile()>",
            "<a href=\"javascript:hostile()\">",
            "[hostile](javascript:hostile())",
            "![hostile](https://hostile.example/x.png \"hostile\")",
            "<https://hostile.example>",
            "[hostile]: https://hostile.example \"hostile\"\n",
            "<!-- hostile -->",
            "<!--\n<b>hostile</b>\n",
            "<![CDATA[<b>hostile</b>]]>",
            "<?hostile?>",
            "</details>",
            "<details>",
            "<sub",
            "\n\n",
            "\n    ",
            "\n> ",
            "\n- ",
            "| a | <b hostile> |\n|---|---|\n",
            "```hostile\" onclick=hostile()\n",
            "`",
            "\\<",
            "&lt;b hostile&gt;",
            "\u{0}<b\u{0}hostile>",
        ];
        let bare =
            ["p", "ul", "li", "ol", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "blockquote", "em", "strong"];
        let own = |tag: &str| {
            let ours = TAGS.iter().any(|own| own.trim_matches(['<', '>']) == tag);
            // The word behind a fence is an attribute of ours, and text in it.
            let fence = tag.strip_prefix("code class=\"language-").and_then(|rest| rest.strip_suffix('"'));
            ours || bare.contains(&tag.trim_start_matches('/'))
                || ["hr /", "br /", "h1", "/h1", "h2", "/h2"].contains(&tag)
                || fence.is_some_and(|word| !word.contains('"'))
        };
        for first in PIECES {
            for second in PIECES {
                for text in [format!("{first}{second}"), format!("a {first} b {second} c"), format!("<details>{first}\n{second}")]
                {
                    let page = html(&text);
                    let foreign =
                        page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or(rest)).find(|tag| !own(tag));
                    assert_eq!(foreign, None, "{text:?}: {page}");
                }
            }
        }
    }

    #[test]
    fn a_table_is_a_table() {
        assert!(html("| a | b |\n|---|---|\n| 1 | 2 |\n").contains("<td>2</td>"));
    }
}
