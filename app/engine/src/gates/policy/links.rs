//! `links`: the relative links of Markdown files have to lead somewhere. Looked at are the files that the change touches, and
//! in all others the links to what it removes.

use std::collections::{HashMap, HashSet};

use gatewright_core::config::Policy;
use gatewright_core::plan::PathRules;
use gatewright_core::survey::{ContentWanted, FileChange, Side, Survey, SurveyWanted, Which};
use gatewright_core::verdict::AnnotationLevel;

use super::targets::{Document, Target, resolve};
use super::{Found, NAMED_MAX, Rule, counted, remark, word};

pub(super) const RULE: Rule = Rule { name: "links", asked: |policy| !policy.links.is_empty(), wanted, check };

/// Files in which an anchor is looked for.
const MARKDOWN: [&str; 2] = ["**/*.md", "**/*.markdown"];

fn wanted(policy: &Policy) -> SurveyWanted {
    let globs = |globs: Vec<String>| ContentWanted { globs, which: Which::Head };
    SurveyWanted {
        files: true,
        changes: true,
        contents: vec![globs(policy.links.clone()), globs(MARKDOWN.map(str::to_owned).to_vec())],
        ..SurveyWanted::default()
    }
}

/// A link that leads nowhere.
struct Broken<'a> {
    path: &'a str,
    line: u32,
    written: String,
    why: String,
}

fn check(policy: &Policy, survey: &Survey) -> Found {
    let Some(changes) = &survey.changes else { return Found::nothing_to_compare() };
    let rules = PathRules::new(&policy.links);
    let touched: HashSet<&str> = changes.iter().filter_map(FileChange::path_now).collect();
    let places = Places::new(survey);
    let gone: HashSet<&str> = changes.iter().filter_map(FileChange::path_before).filter(|path| !places.has(path)).collect();
    let mut documents = Documents::default();
    let (mut links, mut broken) = (0, Vec::new());
    for file in survey.contents.files.iter().filter(|file| file.side == Side::Head && rules.matches(&file.path)) {
        let is_touched = touched.contains(file.path.as_str());
        if !is_touched && gone.is_empty() {
            continue;
        }
        let document = documents.get(survey, &file.path);
        let found: Vec<(Target, u32, String)> = document
            .links
            .iter()
            .filter_map(|link| Some((resolve(&file.path, &link.written)?, link.line, link.written.clone())))
            .filter(|(target, ..)| is_touched || is_gone(&gone, &target.path))
            .collect();
        links += found.len();
        for (target, line, written) in found {
            if let Some(why) = fault(survey, &places, &mut documents, &target) {
                broken.push(Broken { path: &file.path, line, written, why });
            }
        }
    }
    let left_out: Vec<&String> =
        survey.contents.left_out.iter().filter(|path| touched.contains(path.as_str()) && rules.matches(path)).collect();
    if broken.is_empty() && !left_out.is_empty() {
        // What nobody has looked at may lead nowhere.
        return Found::broken(
            format!("{} cannot be looked at, being too large or too many", super::named(left_out.iter())),
            "Make the files smaller, or name in `links` only those that are to be looked at.",
        );
    }
    said(links, &broken)
}

/// What is wrong with where a link leads. None where nothing is.
fn fault(survey: &Survey, places: &Places<'_>, documents: &mut Documents, target: &Target) -> Option<String> {
    if !places.has(&target.path) {
        return Some(format!("there is no {}", word(&target.path)));
    }
    let fragment = target.fragment.as_deref().filter(|_| survey.content(Side::Head, &target.path).is_some())?;
    let missing = !documents.get(survey, &target.path).slugs.has(fragment);
    missing.then(|| format!("{} has no heading {}", word(&target.path), word(&format!("#{fragment}"))))
}

/// Whether a path, or all of a folder, was removed.
fn is_gone(gone: &HashSet<&str>, path: &str) -> bool {
    gone.contains(path) || gone.iter().any(|one| one.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
}

fn said(links: usize, broken: &[Broken<'_>]) -> Found {
    if broken.is_empty() {
        return Found::kept(match links {
            0 => "the change touches no relative link".to_owned(),
            links => counted(links, "relative link leads somewhere", "relative links lead somewhere"),
        })
        .titled();
    }
    let line =
        |one: &Broken<'_>| format!("- {}: {}: {}", word(&format!("{}:{}", one.path, one.line)), word(&one.written), one.why);
    let lines: Vec<String> = broken.iter().take(NAMED_MAX * 3).map(line).collect();
    let more = broken.len().saturating_sub(lines.len());
    let more = if more > 0 { format!("\n- and {more} more") } else { String::new() };
    let annotations = broken.iter().map(|one| {
        let message = format!("The link {} leads nowhere: {}.", word(&one.written), one.why);
        remark(one.path, one.line, AnnotationLevel::Failure, "Broken link", message)
    });
    Found::broken(
        format!("{} of {} nowhere", broken.len(), counted(links, "relative link leads", "relative links lead")),
        "Make the links lead to what is there; they are named below.",
    )
    .titled()
    .with_details(format!("Links that lead nowhere:\n\n{}{more}", lines.join("\n")))
    .with_annotations(annotations.collect())
}

/// What there is in the commit.
struct Places<'a> {
    files: HashSet<&'a str>,
    folders: HashSet<&'a str>,
    /// Symbolic links and submodules: what lies behind one is not known, and taken to be there.
    others: &'a [String],
}

impl<'a> Places<'a> {
    fn new(survey: &'a Survey) -> Places<'a> {
        let mut folders = HashSet::new();
        for path in survey.files.iter().chain(&survey.others) {
            let mut rest = path.as_str();
            while let Some((folder, _)) = rest.rsplit_once('/') {
                // The folders above a known one are known.
                if !folders.insert(folder) {
                    break;
                }
                rest = folder;
            }
        }
        Places { files: survey.files.iter().map(String::as_str).collect(), folders, others: &survey.others }
    }

    fn has(&self, path: &str) -> bool {
        let behind =
            |other: &String| path.strip_prefix(other.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        path.is_empty() || self.files.contains(path) || self.folders.contains(path) || self.others.iter().any(behind)
    }
}

/// Markdown files that were read, each once.
#[derive(Default)]
struct Documents(HashMap<String, Document>);

impl Documents {
    fn get(&mut self, survey: &Survey, path: &str) -> &Document {
        self.0.entry(path.to_owned()).or_insert_with(|| {
            let content = survey.content(Side::Head, path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            Document::read(&content.unwrap_or_default())
        })
    }
}
