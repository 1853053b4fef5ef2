//! Adds a section to the text of a changelog. Pure.
//!
//! Sections are headings that name a version (<https://keepachangelog.com> and its like), the newest first. The new one goes before
//! the first that tells of no higher version; what stands under "Unreleased" is people's own, and stays there.

use std::cmp::Ordering;

use gatewright_core::rollout::version::Version;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::release::notes;

/// The heading of what has no version yet holds this word.
const UNRELEASED: &str = "unreleased";

/// What a file begins with that was not there.
const TITLE: &str = "# Changelog\n";

/// What is added.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The version.
    pub version: &'a Version,
    /// Its day, as `2026-11-21`.
    pub date: &'a str,
    /// The release's notes.
    pub notes: &'a str,
}

struct Heading {
    level: HeadingLevel,
    /// Where its line begins.
    begin: usize,
    names: Names,
}

enum Names {
    Unreleased,
    Version(Version),
    Other,
}

/// The file with the entry in it. None where it tells of the version already.
pub fn added(before: Option<&str>, entry: &Entry<'_>) -> Option<String> {
    let before = before.filter(|text| !text.trim().is_empty()).unwrap_or(TITLE);
    let headings = headings(before);
    let sections = sections(&headings);
    let compared = |heading: &Heading| match &heading.names {
        Names::Version(of) if of.product().is_empty() || of.product() == entry.version.product() => {
            Some(of.number().cmp_precedence(entry.version.number()))
        }
        Names::Version(_) | Names::Unreleased | Names::Other => None,
    };
    if sections.iter().any(|heading| compared(heading) == Some(Ordering::Equal)) {
        return None;
    }
    let versions = || sections.iter().filter(|heading| matches!(heading.names, Names::Version(_)));
    let begins = match versions().find(|heading| compared(heading) != Some(Ordering::Greater)) {
        Some(heading) => Some(heading.begin),
        None if versions().next().is_some() => None,
        None => after_unreleased(&sections),
    };
    let level = sections.first().map_or(2, |heading| heading.level as usize);
    let section = section(entry, level, versions().any(|heading| before[heading.begin..].starts_with_v()));
    Some(inserted(before, begins.unwrap_or(before.len()), &section))
}

/// The headings of the level at which versions are told, or of which "Unreleased" is one.
fn sections(headings: &[Heading]) -> Vec<&Heading> {
    let is_version = |heading: &&Heading| matches!(heading.names, Names::Version(_));
    let is_unreleased = |heading: &&Heading| matches!(heading.names, Names::Unreleased);
    let first = headings.iter().find(is_version).or_else(|| headings.iter().find(is_unreleased));
    headings.iter().filter(|heading| first.is_some_and(|first| heading.level == first.level)).collect()
}

/// The section behind "Unreleased", where there is one.
fn after_unreleased(sections: &[&Heading]) -> Option<usize> {
    let unreleased = sections.iter().position(|heading| matches!(heading.names, Names::Unreleased))?;
    sections.get(unreleased + 1).map(|heading| heading.begin)
}

trait Written {
    fn starts_with_v(&self) -> bool;
}

impl Written for str {
    /// Whether the heading that begins here writes its version as `v1.4.0`.
    fn starts_with_v(&self) -> bool {
        let line = self.lines().next().unwrap_or_default();
        words(line).any(|word| word.starts_with('v') && word.parse::<Version>().is_ok())
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "[](),:`*".contains(c)).filter(|word| !word.is_empty())
}

fn headings(text: &str) -> Vec<Heading> {
    let mut found = Vec::new();
    let mut open: Option<(HeadingLevel, usize, String)> = None;
    // Headings within lists and quotes are no sections.
    let mut depth = 0_usize;
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::List(_) | Tag::BlockQuote(_)) => depth += 1,
            Event::End(TagEnd::List(_) | TagEnd::BlockQuote(_)) => depth = depth.saturating_sub(1),
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                let begin = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
                open = Some((level, begin, String::new()));
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some((_, _, text)) = &mut open {
                    text.push_str(&words);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                found.extend(open.take().map(|(level, begin, text)| Heading { level, begin, names: names(&text) }));
            }
            _ => {}
        }
    }
    found
}

fn names(text: &str) -> Names {
    if text.to_lowercase().contains(UNRELEASED) {
        return Names::Unreleased;
    }
    match words(text).find_map(|word| word.parse().ok()) {
        Some(version) => Names::Version(version),
        None => Names::Other,
    }
}

/// The entry under a heading of this level. Where there are several products, the tag tells them apart.
fn section(entry: &Entry<'_>, level: usize, with_v: bool) -> String {
    let version = match (entry.version.product().is_empty(), with_v) {
        (false, _) => entry.version.tag().to_owned(),
        (true, true) => format!("v{}", entry.version),
        (true, false) => entry.version.to_string(),
    };
    let notes = notes::for_file(entry.notes, level + 1);
    format!("{} {version} - {}\n\n{notes}\n", "#".repeat(level), entry.date)
}

/// The text with a section put in there, with an empty line on each side, and lines that end as those around them do.
fn inserted(text: &str, at: usize, section: &str) -> String {
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let (before, after) = text.split_at(at);
    let mut out = before.trim_end_matches(['\r', '\n']).to_owned();
    if !out.is_empty() {
        out.push_str(&ending.repeat(2));
    }
    out.push_str(&section.trim_end().replace('\n', ending));
    out.push_str(ending);
    if !after.is_empty() {
        out.push_str(ending);
        out.push_str(after);
    }
    out
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    const NOTES: &str = "## Features\n\n- dark mode (#12 by hubot)\n\n## SHA-256 checksums\n\n```text\nabc  app.tar.gz\n```\n\n\
                         [All that changed from v1.3.0 to v1.4.0](https://example.com/compare)";

    fn add(before: Option<&str>, tag: &str) -> Option<String> {
        let version = tag.parse().expect("a version");
        added(before, &Entry { version: &version, date: "2026-11-21", notes: NOTES })
    }

    fn twice(before: Option<&str>, tag: &str) -> String {
        let once = add(before, tag).expect("it does not tell of it");
        assert_eq!(add(Some(&once), tag), None, "done twice it changes nothing");
        once
    }

    #[test]
    fn a_file_that_is_not_there_is_begun() {
        assert_snapshot!(twice(None, "v1.4.0"), @r"
        # Changelog

        ## 1.4.0 - 2026-11-21

        ### Features

        - dark mode (#12 by hubot)

        [All that changed from v1.3.0 to v1.4.0](https://example.com/compare)
        ");
    }

    #[test]
    fn a_version_goes_below_what_is_unreleased_and_what_is_higher() {
        let file = "# News\n\nHello.\n\n## [Unreleased]\n\n- mine\n\n## [2.0.0] - 2026-01-01\n\n- big\n\n## [1.3.0]\n\n- old\n\n[1.3.0]: https://example.com\n";
        assert_snapshot!(twice(Some(file), "v1.4.0"), @r"
        # News

        Hello.

        ## [Unreleased]

        - mine

        ## [2.0.0] - 2026-01-01

        - big

        ## 1.4.0 - 2026-11-21

        ### Features

        - dark mode (#12 by hubot)

        [All that changed from v1.3.0 to v1.4.0](https://example.com/compare)

        ## [1.3.0]

        - old

        [1.3.0]: https://example.com
        ");
    }

    #[test]
    fn the_first_version_goes_behind_what_people_wrote() {
        let told = twice(Some("# News\n\n## Unreleased\n\n- mine\n"), "v1.4.0");
        assert!(told.starts_with("# News\n\n## Unreleased\n\n- mine\n\n## 1.4.0 - 2026-11-21\n"), "{told}");
        let told = twice(Some("Unreleased\n==========\n\n- mine\n\nBefore\n======\n\nx\n"), "v1.4.0");
        assert!(told.contains("- mine\n\n# 1.4.0 - 2026-11-21\n\n## Features\n"), "{told}");
        assert!(told.ends_with("\n\nBefore\n======\n\nx\n"), "{told}");
        let told = twice(Some("Words, no heading.\n"), "v1.4.0");
        assert!(told.starts_with("Words, no heading.\n\n## 1.4.0 - 2026-11-21\n"), "{told}");
    }

    #[test]
    fn it_is_written_as_the_others_are() {
        let told = twice(Some("# v1.3.0 (2025-01-02)\r\n\r\n- old\r\n"), "v1.4.0");
        assert!(told.starts_with("# v1.4.0 - 2026-11-21\r\n\r\n## Features\r\n\r\n- dark"), "{told:?}");
        assert!(!told.replace("\r\n", "").contains(['\r', '\n']), "{told:?}");
        let told = twice(Some("# News\n\n## shop-v9.0.0\n\n- shop\n"), "web-v1.4.0");
        assert!(told.starts_with("# News\n\n## web-v1.4.0 - 2026-11-21\n"), "{told}");
        assert!(told.ends_with("\n\n## shop-v9.0.0\n\n- shop\n"), "{told}");
    }

    #[test]
    fn what_tells_of_it_already_stays() {
        for heading in ["## 1.4.0", "## [1.4.0] - 2026-01-01", "# v1.4.0", "## Version **1.4.0** (today)", "## 1.4.0+build.7"] {
            assert_eq!(add(Some(&format!("# News\n\n{heading}\n\n- by hand\n")), "v1.4.0"), None, "{heading}");
        }
        for text in
            ["# News\n\n```\n## 1.4.0\n```\n", "# News\n\n> ## 1.4.0\n", "# News\n\n## 1.4.0-rc.1\n", "# News\n\n## 11.4.0\n"]
        {
            assert!(add(Some(text), "v1.4.0").is_some(), "{text}");
        }
    }
}
