//! The lock files of package managers: which packages a repository holds to, and what a change of such a file means.
//!
//! [`format_of`] tells by a file's name what it is, [`read`] lists its packages, [`difference`] says what came in, what left
//! and what is another version or comes from another place. A manifest that pins nothing is not read: what it asks for is
//! not what is installed. No registry is asked, so a licence is known only where the file holds it.

use std::io::Read;

use crate::error::{Fault, Place, ReportError};
use crate::input::{Declares, Input};

mod difference;
mod go;
mod javascript;
mod php;
mod pnpm;
mod python;
mod ruby;
mod rust;
mod source;
mod versions;
mod yarn;

pub use difference::{Change, ChangeKind, difference};
pub use source::Source;

/// A lock file may have so many bytes. Beyond, it is refused. The largest that were seen have 5 MB.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A lock file may name so many packages. Beyond, it is refused.
const PACKAGES_MAX: usize = 200_000;

/// Where packages come from and how they are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ecosystem {
    /// Rust.
    Cargo,
    /// JavaScript.
    Npm,
    /// Python.
    PyPi,
    /// Go modules.
    Go,
    /// Ruby.
    RubyGems,
    /// PHP.
    Composer,
}

impl Ecosystem {
    /// Its name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Ecosystem::Cargo => "Cargo",
            Ecosystem::Npm => "npm",
            Ecosystem::PyPi => "PyPI",
            Ecosystem::Go => "Go",
            Ecosystem::RubyGems => "RubyGems",
            Ecosystem::Composer => "Composer",
        }
    }
}

/// What a lock file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockFormat {
    /// `Cargo.lock`, versions 1 to 4.
    Cargo,
    /// `package-lock.json` and `npm-shrinkwrap.json`, versions 1 to 3.
    Npm,
    /// `pnpm-lock.yaml`, versions 5 to 9.
    Pnpm,
    /// `yarn.lock` of Yarn 1 and of later ones.
    Yarn,
    /// `poetry.lock`.
    Poetry,
    /// `uv.lock`.
    Uv,
    /// `Pipfile.lock`.
    Pipfile,
    /// `requirements.txt`: the requirements, pinned or not.
    Requirements,
    /// `go.mod`, which names every module of the build since Go 1.17.
    GoMod,
    /// `go.sum`.
    GoSum,
    /// `Gemfile.lock`.
    Gemfile,
    /// `composer.lock`.
    Composer,
}

/// A package that a repository holds to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Package {
    /// Of which ecosystem.
    pub ecosystem: Ecosystem,
    /// Its name, as the ecosystem writes it.
    pub name: String,
    /// Its version; of what comes out of a repository, with the commit. What is not pinned, as it is asked for.
    pub version: String,
    /// Where it comes from.
    pub source: Source,
    /// Its licence, as the file has it. None where it says nothing.
    pub licence: Option<String>,
}

/// What a file is, by its name. None for files that are no lock files.
pub fn format_of(path: &str) -> Option<LockFormat> {
    let name = path.rsplit('/').next().unwrap_or(path);
    Some(match name {
        "Cargo.lock" => LockFormat::Cargo,
        "package-lock.json" | "npm-shrinkwrap.json" => LockFormat::Npm,
        "pnpm-lock.yaml" => LockFormat::Pnpm,
        "yarn.lock" => LockFormat::Yarn,
        "poetry.lock" => LockFormat::Poetry,
        "uv.lock" => LockFormat::Uv,
        "Pipfile.lock" => LockFormat::Pipfile,
        "go.mod" => LockFormat::GoMod,
        "go.sum" => LockFormat::GoSum,
        "Gemfile.lock" | "gems.locked" => LockFormat::Gemfile,
        "composer.lock" => LockFormat::Composer,
        _ if name.starts_with("requirements") && name.ends_with(".txt") => LockFormat::Requirements,
        _ => return None,
    })
}

/// The packages of a lock file, sorted, each once.
///
/// # Errors
/// [`ReportError`] where the file is broken, cut off or beyond a limit.
pub fn read(format: LockFormat, source: impl Read) -> Result<Vec<Package>, ReportError> {
    let text = text(source)?;
    let mut packages = match format {
        LockFormat::Cargo => rust::cargo(&text)?,
        LockFormat::Npm => javascript::npm(&text)?,
        LockFormat::Pnpm => pnpm::read(&text)?,
        LockFormat::Yarn => yarn::read(&text)?,
        LockFormat::Poetry => python::poetry(&text)?,
        LockFormat::Uv => python::uv(&text)?,
        LockFormat::Pipfile => python::pipfile(&text)?,
        LockFormat::Requirements => python::requirements(&text),
        LockFormat::GoMod => go::module(&text)?,
        LockFormat::GoSum => go::sums(&text)?,
        LockFormat::Gemfile => ruby::gemfile(&text)?,
        LockFormat::Composer => php::composer(&text)?,
    };
    if packages.len() > PACKAGES_MAX {
        return Err(Fault::TooMuch(format!("more than {PACKAGES_MAX} packages")).at(START));
    }
    packages.sort();
    packages.dedup();
    Ok(packages)
}

/// Where a file begins.
const START: Place = Place { line: 1, column: 1 };

/// The whole file, decoded.
fn text(source: impl Read) -> Result<String, ReportError> {
    let mut input = Input::new(source, Declares::Nothing);
    input.allow(BYTES_MAX, "a lock file of more than 32 MiB");
    let mut text = Vec::new();
    loop {
        let next = input.peek()?;
        if next.is_empty() {
            break;
        }
        let amount = next.len();
        text.extend_from_slice(next);
        input.advance(amount);
    }
    // The input hands out valid UTF-8 only, and whole characters.
    Ok(String::from_utf8(text).unwrap_or_default())
}

/// The place of a byte of a text.
fn place_of(text: &str, at: usize) -> Place {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line_begin = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    Place { line: memchr::memchr_iter(b'\n', before).count() as u64 + 1, column: (before.len() - line_begin) as u64 + 1 }
}

/// A file in TOML.
fn toml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ReportError> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map_or(START, |span| place_of(text, span.start));
        Fault::broken(error.message()).at(place)
    })
}

/// A file in JSON.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ReportError> {
    serde_json::from_str(text).map_err(|error| crate::json::parse_error(&error, START))
}

/// What is wrong in a line, from 1.
fn in_line(line: usize, cause: &str) -> ReportError {
    Fault::broken(cause).at(Place { line: line as u64, column: 1 })
}
