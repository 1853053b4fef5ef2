//! `gatewright init`: looks at what a folder holds and writes a first repository file, with gates that run.
//!
//! Which gates those are follows from names of files and from a few small ones (`detect.rs`, and a file for each kind of
//! project); how the file looks is in `file.rs`. What it writes is read back before it is written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gatewright_core::config;

use crate::args::InitArgs;
use crate::failure::Failure;
use crate::print;

mod detect;
mod file;
mod go;
mod java;
mod node;
mod python;
mod ruby;
mod rust;

/// Folders are looked into so deep: the root, its packages, and theirs.
const DEPTH_MAX: usize = 4;

/// So many names are looked at. What lies beyond is not what tells the kind of a project.
const NAMES_MAX: usize = 20_000;

/// A file that says how a project is tested is smaller than this; of a larger one the beginning is read.
const CONTENT_BYTES_MAX: u64 = 256 * 1024;

/// What a folder holds, as far as it tells how the project is tested.
#[derive(Debug, Default)]
struct Listing {
    /// From path to content; without content for all but the files that are [`TELLING`].
    files: BTreeMap<String, Option<String>>,
}

/// The files whose content tells something.
const TELLING: [&str; 23] = [
    "Cargo.toml",
    "rust-toolchain",
    "rust-toolchain.toml",
    "nextest.toml",
    "package.json",
    ".nvmrc",
    ".node-version",
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    ".python-version",
    "go.mod",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "Gemfile",
    "Gemfile.lock",
    ".ruby-version",
    ".yarnrc.yml",
    "Pipfile",
];

/// Folders of tools, and of what they have made.
const PASSED_BY: [&str; 9] = ["node_modules", "target", "vendor", "dist", "build", "venv", "__pycache__", "testdata", "fixtures"];

impl Listing {
    /// Looks through a folder.
    fn of(root: &Path) -> Result<Listing, Failure> {
        let mut listing = Listing::default();
        listing.walk(root, "", 0).map_err(|e| Failure::Outside(format!("{} cannot be read: {e}", root.display())))?;
        Ok(listing)
    }

    fn walk(&mut self, folder: &Path, below: &str, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (Ok(name), kind) = (entry.file_name().into_string(), entry.file_type()?) else { continue };
            let path = format!("{below}{name}");
            let hidden = name.starts_with('.') && name != ".config";
            if kind.is_dir() && depth < DEPTH_MAX && !hidden && !PASSED_BY.contains(&name.as_str()) {
                // A folder that may not be read tells nothing.
                let _ = self.walk(&entry.path(), &format!("{path}/"), depth + 1);
            } else if kind.is_file() && self.files.len() < NAMES_MAX {
                let content = if TELLING.contains(&name.as_str()) { beginning(&entry.path()) } else { None };
                self.files.insert(path, content);
            }
        }
        Ok(())
    }

    fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The content of a telling file.
    fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether a file below a folder has such a path, its folder left out.
    fn any(&self, folder: &str, is: impl Fn(&str) -> bool) -> bool {
        self.files.keys().filter_map(|path| path.strip_prefix(folder)).any(is)
    }
}

fn beginning(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(CONTENT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    let root = root()?;
    let found = detect::detect(&Listing::of(&root)?);
    let text = file::render(&found);
    if let Err(problems) = config::parse(&text) {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        return Err(Failure::Outside(format!(
            "the file that was to be written is not valid, which is our fault: {}",
            problems.join("; ")
        )));
    }
    if args.print {
        return print::bytes(text.as_bytes()).map(|()| ExitCode::SUCCESS);
    }
    let path = root.join(config::PATH);
    write(&path, &text, args.force)?;
    let names: Vec<&str> = found.gates.iter().map(|gate| gate.name.as_str()).collect();
    print::line(&format!("wrote {} with {}", print::printable(&path.display().to_string()), names.join(", ")))?;
    let next =
        if root.join(".git").exists() { "try it with `gatewright run`" } else { "try it with `git init` and `gatewright run`" };
    print::line(next)?;
    Ok(ExitCode::SUCCESS)
}

/// The uppermost folder of the working tree that this is in, or this folder where it is in none.
pub(super) fn root() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().map_err(|e| Failure::Outside(format!("the current folder cannot be found: {e}")))?;
    let root = here.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned);
    Ok(root.unwrap_or(here))
}

fn write(path: &Path, text: &str, over: bool) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    let opened = if over { options.create(true).truncate(true) } else { options.create_new(true) }.open(path);
    match opened.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let hint = "`--force` writes over it, `--print` only shows what would be written";
            Err(Failure::Wrong(format!("{} is there already; {hint}", path.display())))
        }
        Err(e) => Err(Failure::Outside(format!("{} cannot be written: {e}", path.display()))),
    }
}

#[cfg(test)]
mod tests;
