//! Where the links of a Markdown file lead, and the anchors that it has.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::slugs::Slugs;

/// A link or an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// As it is written.
    pub(super) written: String,
    /// From 1.
    pub(super) line: u32,
}

/// What a Markdown file has in it.
#[derive(Default)]
pub(super) struct Document {
    pub(super) links: Vec<Link>,
    pub(super) slugs: Slugs,
}

impl Document {
    pub(super) fn read(text: &str) -> Document {
        let begins: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let line = |at: usize| u32::try_from(begins.partition_point(|begin| *begin <= at)).unwrap_or(u32::MAX);
        let mut document = Document::default();
        let mut heading: Option<String> = None;
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_HEADING_ATTRIBUTES;
        for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.links.push(Link { written: dest_url.into_string(), line: line(range.start) });
                }
                Event::Start(Tag::Heading { id, .. }) => {
                    if let Some(id) = id {
                        document.slugs.named(&id);
                    }
                    heading = Some(String::new());
                }
                Event::Text(words) | Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                Event::End(TagEnd::Heading(_)) => document.slugs.heading(&heading.take().unwrap_or_default()),
                Event::Html(html) | Event::InlineHtml(html) => document.html(&html, line(range.start)),
                _ => {}
            }
        }
        document
    }

    /// What HTML within Markdown leads to, and the anchors that it sets.
    fn html(&mut self, html: &str, line: u32) {
        for name in ["href=", "src="] {
            let links = values(html, name).map(|value| Link { written: value.to_owned(), line });
            self.links.extend(links);
        }
        for name in ["id=", "name="] {
            values(html, name).for_each(|value| self.slugs.named(value));
        }
    }
}

/// The quoted values of an attribute.
fn values<'a>(html: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    html.match_indices(name).filter_map(move |(at, _)| {
        let before = html[..at].chars().next_back();
        let rest = &html[at + name.len()..];
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'') && before.is_some_and(char::is_whitespace))?;
        rest[1..].split(quote).next()
    })
}

/// Where a link leads within the repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// From the root, without a `/` at either end. Empty for the root itself.
    pub(super) path: String,
    /// What stands behind `#`.
    pub(super) fragment: Option<String>,
}

/// Where a link of the file at `from` leads. None where it leads out of the repository, or cannot be told: to another host, to
/// a page of the forge (`../../issues`), through a template.
pub(super) fn resolve(from: &str, written: &str) -> Option<Target> {
    let written = written.trim();
    let has_scheme = written.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'))
    });
    let is_template = ["{{", "{%", "${", "<%"].iter().any(|mark| written.contains(mark));
    if written.is_empty() || has_scheme || is_template || written.starts_with("//") {
        return None;
    }
    let (path, fragment) = written.split_once('#').map_or((written, None), |(path, fragment)| (path, Some(fragment)));
    let path = decoded(path.split('?').next().unwrap_or(path));
    let mut at: Vec<&str> = match () {
        () if path.is_empty() => from.split('/').collect(),
        () if path.starts_with('/') => Vec::new(),
        () => from.rsplit_once('/').map(|(folder, _)| folder.split('/').collect()).unwrap_or_default(),
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(at.pop()?),
            part => at.push(part),
        }
    }
    Some(Target { path: at.join("/"), fragment: fragment.map(decoded) })
}

/// With `%20` and the like as what they stand for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(hex) => {
                bytes.push(hex);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_from_the_file_that_they_are_in() {
        let to = |written: &str| resolve("docs/guide/a.md", written).map(|target| target.path);
        assert_eq!(to("b.md").as_deref(), Some("docs/guide/b.md"));
        assert_eq!(to("./b%20c.md?raw=true").as_deref(), Some("docs/guide/b c.md"));
        assert_eq!(to("../../README.md").as_deref(), Some("README.md"));
        assert_eq!(to("/docs/").as_deref(), Some("docs"));
        assert_eq!(to("#here").as_deref(), Some("docs/guide/a.md"));
        for elsewhere in ["https://a/b", "mailto:a@b", "//a/b", "../../../issues", "{{ url }}/a.md", ""] {
            assert_eq!(to(elsewhere), None, "{elsewhere}");
        }
        assert_eq!(resolve("a.md", "100%.md").map(|target| target.path).as_deref(), Some("100%.md"));
    }

    #[test]
    fn links_in_code_are_none_and_html_has_some() {
        let text = "# Top {#first}\n\n[a](a.md) `[b](b.md)` ![c](c.png)\n\n```\n[d](d.md)\n```\n\n<img src=\"e.png\" data-src='x'>\n<a name=\"spot\"></a>\n\n[f]: f.md\n[f]\n";
        let document = Document::read(text);
        let found: Vec<(&str, u32)> = document.links.iter().map(|link| (link.written.as_str(), link.line)).collect();
        assert_eq!(found, [("a.md", 3), ("c.png", 3), ("e.png", 9), ("f.md", 13)]);
        assert!(document.slugs.has("first") && document.slugs.has("spot"));
    }
}
