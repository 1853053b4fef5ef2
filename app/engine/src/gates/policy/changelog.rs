//! `changelog`: a changelog has to gain a line under its heading "Unreleased".

use gatewright_core::config::Policy;
use gatewright_core::plan::PathRules;
use gatewright_core::survey::{ContentWanted, Side, Survey, SurveyWanted, Which};
use gatewright_core::verdict::AnnotationLevel;
use gatewright_reports::{Diff, LineRange};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{Found, Rule, named, remark, word};

pub(super) const RULE: Rule = Rule {
    name: "changelog",
    asked: |policy| !policy.changelog.is_empty(),
    wanted: |policy| SurveyWanted {
        changes: true,
        diff: true,
        contents: vec![ContentWanted { globs: policy.changelog.clone(), which: Which::Head }],
        ..SurveyWanted::default()
    },
    check,
};

/// The heading of what has no version yet holds this word.
const UNRELEASED: &str = "unreleased";

fn check(policy: &Policy, survey: &Survey) -> Found {
    let Some(diff) = &survey.diff else { return Found::nothing_to_compare() };
    let diff = match Diff::read(diff.as_ref()) {
        Ok(diff) => diff,
        Err(error) => return Found::not_judged(format!("what has changed cannot be read: {}", word(&error.to_string()))),
    };
    let rules = PathRules::new(&policy.changelog);
    let logs: Vec<(&str, String)> = survey
        .contents
        .files
        .iter()
        .filter(|file| file.side == Side::Head && rules.matches(&file.path))
        .map(|file| (file.path.as_str(), String::from_utf8_lossy(&file.bytes).into_owned()))
        .collect();
    if logs.is_empty() {
        let next = "Add the file, with a heading `## Unreleased` and a line on what this change is for its users.";
        return Found::broken(format!("no file matches {}", named(policy.changelog.iter())), next);
    }
    let sections: Vec<(&str, Option<LineRange>)> = logs.iter().map(|(path, text)| (*path, section(text))).collect();
    for ((path, text), (_, section)) in logs.iter().zip(&sections) {
        if let Some(line) = section.as_ref().and_then(|section| added_line(&diff, path, text, section)) {
            return Found::kept(format!("{} has a new line under \"Unreleased\": line {line}", word(path)));
        }
    }
    broken(&sections)
}

fn broken(sections: &[(&str, Option<LineRange>)]) -> Found {
    let next = "Say there what this change is for the users, in a line of its own.";
    let Some((path, section)) = sections.iter().find_map(|(path, section)| Some((path, section.as_ref()?))) else {
        let paths = named(sections.iter().map(|(path, _)| path));
        return Found::broken(format!("{paths} has no heading \"Unreleased\""), format!("Add a heading `## Unreleased`. {next}"));
    };
    let annotation = remark(
        path,
        section.first,
        AnnotationLevel::Failure,
        "No changelog entry",
        format!("This change adds no line here. {next}"),
    );
    Found::broken(format!("{} has no new line under \"Unreleased\"", word(path)), next).with_annotations(vec![annotation])
}

/// The first line of a section, but for headings, that is new and says something.
fn added_line(diff: &Diff, path: &str, text: &str, section: &LineRange) -> Option<u32> {
    let (_, added) = diff.added().find(|(added, _)| *added == path)?;
    let lines: Vec<&str> = text.lines().collect();
    let says = |line: &u32| {
        let text = lines.get(*line as usize - 1).map_or("", |line| line.trim());
        !text.is_empty() && !text.starts_with('#') && text.chars().any(char::is_alphanumeric)
    };
    let within = added.iter().map(|range| range.first.max(section.first + 1)..=range.last.min(section.last));
    within.flatten().find(says)
}

/// Where what has no version yet is told: from its heading up to the next one of its level.
fn section(text: &str) -> Option<LineRange> {
    let line_of = |offset: usize| u32::try_from(text[..offset].matches('\n').count() + 1).unwrap_or(u32::MAX);
    let mut heading: Option<(HeadingLevel, usize, String)> = None;
    let mut found: Option<(HeadingLevel, usize)> = None;
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                if let Some((_, begin)) = found.filter(|(of, _)| level <= *of) {
                    return Some(LineRange { first: line_of(begin), last: line_of(range.start).saturating_sub(1) });
                }
                heading = Some((level, range.start, String::new()));
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some((_, _, text)) = &mut heading {
                    text.push_str(&words);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let unreleased = heading.take().filter(|(.., text)| text.to_lowercase().contains(UNRELEASED));
                found = found.or(unreleased.map(|(level, begin, _)| (level, begin)));
            }
            _ => {}
        }
    }
    found.map(|(_, begin)| LineRange { first: line_of(begin), last: line_of(text.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_ends_at_the_next_heading_of_its_level() {
        let range = |text: &str| section(text).map(|range| (range.first, range.last));
        assert_eq!(range("# Changes\n\n## [Unreleased]\n\n### Added\n- x\n\n## 1.0\n- y\n"), Some((3, 7)));
        assert_eq!(range("Unreleased\n----------\n\n- x"), Some((1, 4)));
        assert_eq!(range("```\n## Unreleased\n```\n## 1.0\n"), None);
    }
}
