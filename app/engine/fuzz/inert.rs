//! That nothing of a text has an effect where a forge shows it as Markdown.

use pulldown_cmark::{Event, Options, Parser, Tag};

/// The tags that Gatewright itself writes.
const OURS: [&str; 8] = ["<details>", "<details open>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<br>"];

/// Panics where there is HTML other than ours, a link, an image, or somebody is mentioned.
pub fn assert_inert(markdown: &str) {
    let (mut code, mut text) = (0_u32, String::new());
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => {
                let rest = OURS.iter().fold(html.to_string(), |html, tag| html.replace(tag, ""));
                assert!(!rest.contains('<'), "HTML: {html:?} in {markdown}");
            }
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => panic!("a link in {markdown}"),
            Event::Start(Tag::CodeBlock(_)) => code += 1,
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => code -= 1,
            Event::Text(part) if code == 0 => text.push_str(&part),
            // What is code ends a word, and mentions nobody.
            Event::Code(_) => text.push('`'),
            _ => text.push(' '),
        }
    }
    let mut words = text.match_indices('@').map(|(at, _)| text[at + 1..].chars().next());
    assert!(words.all(|next| !next.is_some_and(|next| next.is_ascii_alphanumeric())), "a mention in {markdown}");
}
