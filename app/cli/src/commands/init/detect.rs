//! Tells from a listing how a project is tested.

use super::{Listing, go, java, node, python, ruby, rust};

/// Of one kind, at most so many projects beside each other get gates. In a larger repository a person picks.
const PROJECTS_MAX: usize = 3;

/// What an image has where no project says which version it wants: the newest that was known when this was written.
pub(super) const FALLBACK_IMAGE: &str = "alpine:3.22";

/// The linter of Dockerfiles, in the variant that has a shell.
const HADOLINT_IMAGE: &str = "hadolint/hadolint:v2.12.0-debian";

/// What the file is to hold.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) gates: Vec<Gate>,
}

/// A gate of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate {
    pub(super) name: String,
    /// Lines above it, for people.
    pub(super) about: Vec<String>,
    pub(super) image: String,
    pub(super) env: Vec<(&'static str, String)>,
    /// Commands, a line each.
    pub(super) run: Vec<String>,
    /// A glob of test reports in JUnit.
    pub(super) junit: Option<String>,
    /// A glob of test reports in another format.
    pub(super) tests: Option<String>,
    /// Whether what it needs is fetched.
    pub(super) network: bool,
    pub(super) timeout: Option<&'static str>,
    /// Whether it is only shown.
    pub(super) advisory: bool,
}

/// A project: where it is, with a `/` at its end, and what to call it beside others of its kind.
pub(super) struct Project<'a> {
    pub(super) listing: &'a Listing,
    pub(super) folder: &'a str,
}

impl Project<'_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.listing.has(&format!("{}{name}", self.folder))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.listing.text(&format!("{}{name}", self.folder))
    }

    pub(super) fn any(&self, is: impl Fn(&str) -> bool) -> bool {
        self.listing.any(self.folder, is)
    }

    /// The version that a file names on its first line, such as `v20.1` or `ruby-3.3`, from its first digit on.
    pub(super) fn version(&self, name: &str) -> Option<String> {
        let line = self.text(name)?.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
        version(line)
    }

    /// A path of the project, as the repository sees it.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.folder)
    }
}

/// The first version in a text: digits and dots.
pub(super) fn version(text: &str) -> Option<String> {
    let from = text.find(|c: char| c.is_ascii_digit())?;
    let version = text[from..].split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    Some(version.trim_end_matches('.').to_owned())
}

/// The first numbers of a version, so many of them.
pub(super) fn numbers(version: &str, count: usize) -> String {
    version.split('.').take(count).collect::<Vec<_>>().join(".")
}

/// A kind of project.
struct Kind {
    name: &'static str,
    /// The files that a project of this kind has one of, in its uppermost folder.
    marks: &'static [&'static str],
    gates: fn(&Project<'_>) -> Vec<Gate>,
}

/// All kinds that are known.
static KINDS: [Kind; 6] = [
    Kind { name: "rust", marks: &["Cargo.toml"], gates: rust::gates },
    Kind { name: "node", marks: &["package.json"], gates: node::gates },
    Kind {
        name: "python",
        marks: &["pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "Pipfile", "requirements.txt"],
        gates: python::gates,
    },
    Kind { name: "go", marks: &["go.mod"], gates: go::gates },
    Kind { name: "java", marks: &["pom.xml", "build.gradle", "build.gradle.kts"], gates: java::gates },
    Kind { name: "ruby", marks: &["Gemfile"], gates: ruby::gates },
];

/// The gates of all projects in a listing. There is always one.
pub(super) fn detect(listing: &Listing) -> Found {
    let mut found = Found::default();
    let kinds: Vec<(&Kind, Vec<String>)> = KINDS.iter().map(|kind| (kind, folders(listing, kind.marks))).collect();
    let with_gates = kinds.iter().filter(|(_, folders)| !folders.is_empty()).count();
    for (kind, folders) in kinds {
        for folder in &folders {
            let project = Project { listing, folder };
            let gates = (kind.gates)(&project).into_iter().map(|gate| within(folder, gate));
            let place = if folders.len() > 1 || !folder.is_empty() { Some(folder.as_str()) } else { None };
            let kind = (with_gates > 1).then_some(kind.name);
            found.gates.extend(gates.map(|gate| named(gate, kind, place)));
        }
    }
    found.gates.extend(dockerfile(listing));
    if found.gates.is_empty() {
        found.gates.push(of_nothing());
    }
    found.gates.truncate(gatewright_core::config::GATES_MAX);
    found
}

/// Where projects with one of these files are: in the root, or else in the folders that are least deep.
fn folders(listing: &Listing, marks: &[&str]) -> Vec<String> {
    let folder = |path: &String| {
        let (folder, name) = path.rsplit_once('/').map_or(("", path.as_str()), |(folder, name)| (folder, name));
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        marks.contains(&name).then_some(folder)
    };
    let mut all: Vec<String> = listing.files.keys().filter_map(folder).filter(|folder| is_plain(folder)).collect();
    let depth = |folder: &String| folder.matches('/').count();
    let least = all.iter().map(depth).min().unwrap_or(0);
    all.retain(|folder| depth(folder) == least);
    all.sort();
    all.dedup();
    all.truncate(PROJECTS_MAX);
    all
}

/// Whether a folder's name needs no quotes in a shell, in a glob or in the file. One that does is left to a person.
fn is_plain(folder: &str) -> bool {
    folder.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)) && !folder.starts_with('-')
}

/// The gate, with its commands run in the project's folder.
fn within(folder: &str, mut gate: Gate) -> Gate {
    if !folder.is_empty() {
        gate.run.insert(0, format!("cd {}", folder.trim_end_matches('/')));
    }
    gate
}

/// `tests`, `rust-tests`, `tests-app` ...: as much as is needed to tell them apart.
fn named(gate: Gate, kind: Option<&str>, place: Option<&str>) -> Gate {
    let place = place.map(|place| place.trim_end_matches('/').replace('/', "-")).filter(|place| !place.is_empty());
    let parts = [kind.map(str::to_owned), Some(gate.name.clone()), place];
    let name = parts.into_iter().flatten().collect::<Vec<_>>().join("-");
    // A gate's name has at most 60 characters, and plain folders have plain ones.
    Gate { name: name.chars().take(60).collect(), ..gate }
}

fn dockerfile(listing: &Listing) -> Option<Gate> {
    listing.has("Dockerfile").then(|| Gate {
        name: "dockerfile".to_owned(),
        about: vec!["What the linter has to say of the Dockerfile. It is shown, and stops nothing.".to_owned()],
        image: HADOLINT_IMAGE.to_owned(),
        run: vec!["hadolint Dockerfile".to_owned()],
        advisory: true,
        ..Gate::default()
    })
}

/// Something that any repository can be asked.
fn of_nothing() -> Gate {
    Gate {
        name: "conflicts".to_owned(),
        about: vec![
            "No kind of project was recognised here. This gate fails where marks of a merge conflict were left in a file."
                .to_owned(),
        ],
        image: FALLBACK_IMAGE.to_owned(),
        run: vec!["! grep -rnE '^(<{7}|>{7}) ' .".to_owned()],
        ..Gate::default()
    }
}
