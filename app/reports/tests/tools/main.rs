//! The tools themselves run on small projects that are written here; what is read of their reports is what they say, or what
//! somebody else's reader says. They are installed by `tests/setup`.

mod benchmarks;
mod coverage;
mod findings;
mod testing;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What `tests/setup` has installed.
fn installed(path: &str) -> PathBuf {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools")).join(path);
    assert!(path.exists(), "{} is not there; run `make setup` first", path.display());
    path
}

fn python(program: &str) -> Command {
    Command::new(installed(&format!("python/bin/{program}")))
}

/// A program of Node, by the file that begins it.
fn node(file: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(installed(&format!("npm/node_modules/{file}")));
    command
}

/// A folder with a project in it.
struct Project {
    folder: TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Project {
        let project = Project { folder: tempfile::tempdir().expect("a folder can be made") };
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("a folder can be made");
        fs::write(path, text).expect("it can be written");
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn open(&self, path: &str) -> File {
        File::open(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_reader(self.open(path)).expect("it is JSON")
    }

    /// All files below a folder, by their paths in it.
    fn all(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let (root, mut found, mut open) = (self.path(folder), BTreeMap::new(), vec![self.path(folder)]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).expect("it is a folder") {
                let path = entry.expect("it can be read").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(&root).expect("it lies in it").to_string_lossy().into_owned();
                    found.insert(name, fs::read(&path).expect("it can be read"));
                }
            }
        }
        found
    }

    /// What a command that runs in the folder writes, standard error last; it ends with one of these codes.
    fn run(&self, command: &mut Command, codes: &[i32]) -> String {
        // What runs these tests names itself in the environment, and what it runs would take that for its own.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NEXTEST") || name.starts_with("CARGO_")) {
            if name != "CARGO_HOME" {
                command.env_remove(name);
            }
        }
        let command = command.current_dir(self.folder.path()).stdin(Stdio::null()).env("NO_COLOR", "1").env_remove("FORCE_COLOR");
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run `make setup` first"));
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.code().is_some_and(|code| codes.contains(&code)),
            "{command:?} ended with {}:\n{text}",
            output.status
        );
        text
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=base"]).args(arguments);
        self.run(&mut command, &[0])
    }
}

/// The number before a word, as in `3 passed`; 0 where the word is not there.
fn before(text: &str, word: &str) -> u64 {
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric())).collect();
    let at = words.iter().position(|other| *other == word).unwrap_or_default();
    at.checked_sub(1).and_then(|at| words[at].parse().ok()).unwrap_or_default()
}

/// The line that has this in it.
fn line_with<'t>(text: &'t str, part: &str) -> &'t str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part:?} is not in\n{text}"))
}
