//! `pnpm-lock.yaml`.

use granit_parser::{Event, Parser, ScanError};

use super::javascript;
use super::source::at_commit;
use super::{Ecosystem, Package, START, Source};
use crate::error::{Fault, Place, ReportError};

/// Mappings and lists may lie so deep in each other. Beyond, the file is refused.
const DEPTH_MAX: usize = 16;

/// What is said of a package.
#[derive(Default)]
struct Entry {
    key: String,
    name: Option<String>,
    version: Option<String>,
    tarball: Option<String>,
    repo: Option<String>,
    commit: Option<String>,
    directory: bool,
}

/// Where the reader is: the keys that lead to it. A list has an empty key.
#[derive(Default)]
struct Reading {
    path: Vec<Level>,
    entry: Option<Entry>,
    packages: Vec<Package>,
    versioned: bool,
}

enum Level {
    Mapping(Option<String>),
    List,
}

pub(super) fn read(text: &str) -> Result<Vec<Package>, ReportError> {
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut reading = Reading::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| broken(&error))?;
        let place = Place { line: span.start.line().max(1) as u64, column: span.start.col() as u64 + 1 };
        reading.take(event).map_err(|fault| fault.at(place))?;
    }
    if !reading.versioned {
        return Err(Fault::broken("no lock file of pnpm: it has no `lockfileVersion`").at(START));
    }
    Ok(reading.packages)
}

fn broken(error: &ScanError) -> ReportError {
    let marker = error.marker();
    Fault::broken(format!("not valid YAML: {}", error.info()))
        .at(Place { line: marker.line().max(1) as u64, column: marker.col() as u64 + 1 })
}

impl Reading {
    fn take(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, ..) => self.scalar(&text),
            Event::MappingStart(..) => {
                self.begin_entry();
                self.path.push(Level::Mapping(None));
            }
            Event::SequenceStart(..) => self.path.push(Level::List),
            Event::MappingEnd | Event::SequenceEnd => {
                self.path.pop();
                self.end_value();
            }
            // pnpm writes none, and what one stands for is not followed.
            Event::Alias(_) => return Err(Fault::broken("an alias, which pnpm does not write")),
            // What else there is (ends of the stream, documents) holds nothing.
            _ => {}
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str) {
        if let Some(Level::Mapping(key @ None)) = self.path.last_mut() {
            *key = Some(text.to_owned());
            return;
        }
        match self.keys().as_slice() {
            ["lockfileVersion"] => self.versioned = true,
            ["packages", _, fields @ ..] => {
                let (is_field, field) = (!fields.is_empty(), fields.join("."));
                if let Some(entry) = self.entry.as_mut().filter(|_| is_field) {
                    entry.set(&field, text);
                }
            }
            _ => {}
        }
        self.end_value();
    }

    /// The value of a key of `packages` begins.
    fn begin_entry(&mut self) {
        if let ["packages", key] = self.keys().as_slice() {
            self.entry = Some(Entry { key: (*key).to_owned(), ..Entry::default() });
        }
    }

    fn end_value(&mut self) {
        if let ["packages", _] = self.keys().as_slice() {
            self.packages.extend(self.entry.take().and_then(package));
        }
        if let Some(Level::Mapping(key)) = self.path.last_mut() {
            *key = None;
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.path
            .iter()
            .map(|level| match level {
                Level::Mapping(key) => key.as_deref().unwrap_or_default(),
                Level::List => "",
            })
            .collect()
    }
}

impl Entry {
    fn set(&mut self, field: &str, text: &str) {
        let text = || Some(text.to_owned());
        match field {
            "name" => self.name = text(),
            "version" => self.version = text(),
            "resolution.tarball" => self.tarball = text(),
            "resolution.repo" => self.repo = text(),
            "resolution.commit" => self.commit = text(),
            "resolution.directory" => self.directory = true,
            _ => {}
        }
    }
}

fn package(entry: Entry) -> Option<Package> {
    let (name, reference) = parts(&entry.key)?;
    let name = entry.name.clone().unwrap_or(name);
    let version = entry.version.clone();
    let plain = || version.clone().unwrap_or_else(|| reference.clone());
    let (source, version) = match (&entry.repo, &entry.tarball) {
        _ if entry.directory || reference.starts_with("file:") => (Source::Local, version.clone().unwrap_or_default()),
        (Some(repo), _) => (Source::git(repo), at_commit(version.as_deref().unwrap_or_default(), entry.commit.as_deref())),
        (None, Some(tarball)) => javascript::source(&name, tarball, &plain()),
        (None, None) => (Source::Unsaid, plain()),
    };
    Some(Package { ecosystem: Ecosystem::Npm, name, version, source, licence: None })
}

/// Name and version of a key: `/a/1.0_peer` (5), `/a@1.0(peer)` (6), `a@1.0` (9).
fn parts(key: &str) -> Option<(String, String)> {
    let key = key.strip_prefix('/').unwrap_or(key);
    let key = key.split('(').next().unwrap_or(key);
    let scope = key.strip_prefix('@').and_then(|_| key.find('/')).map_or(0, |slash| slash + 1);
    if let Some(at) = key.get(scope + 1..).and_then(|rest| rest.find('@')).map(|at| at + scope + 1)
        && !key[scope..at].contains('/')
    {
        return Some((key[..at].to_owned(), key[at + 1..].to_owned()));
    }
    let (name, version) = key.rsplit_once('/')?;
    Some((name.to_owned(), version.split('_').next().unwrap_or(version).to_owned()))
}
