//! How action.yml gets its binary: action/install.sh, with releases that lie in folders.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../action/install.sh");
const RELEASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../action/release.sh");
const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.github/workflows/release.yml");
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// A release in a folder, and a runner's folders.
struct Machine {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

struct Ended {
    code: i32,
    words: String,
    path: Option<PathBuf>,
}

impl Machine {
    /// With a release of a program that says this.
    fn new(says: &str) -> Machine {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let variables = [
            ("PATH", std::env::var("PATH").expect("there is one")),
            ("RUNNER_TEMP", at("temp")),
            ("RUNNER_TOOL_CACHE", at("tools")),
            ("GITHUB_OUTPUT", at("output")),
            ("GATEWRIGHT_RELEASE", at("release.txt")),
            ("INPUT_MIRROR", format!("file://{}", at("mirror"))),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for name in ["temp", "tools", "mirror"] {
            fs::create_dir(folder.path().join(name)).expect("a folder can be made");
        }
        let machine = Machine { folder, variables };
        let program = format!("#!/bin/sh\necho {says}\n");
        let digest = hex::encode(Sha256::digest(&program));
        let mut release = "version 1.2.3\nfrom https://example.invalid/releases\n".to_owned();
        for target in TARGETS {
            fs::write(machine.path("mirror").join(format!("gatewright-{target}")), &program).expect("it can be written");
            release.push_str(&format!("sha256 {target} {digest}\n"));
        }
        fs::write(machine.path("release.txt"), release).expect("it can be written");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn install(&self) -> Ended {
        fs::write(self.path("output"), "").expect("it can be written");
        let output = Command::new("bash").arg(SCRIPT).env_clear().envs(&self.variables).output().expect("bash runs");
        let told = fs::read_to_string(self.path("output")).expect("it is there");
        Ended {
            code: output.status.code().expect("it ends by itself"),
            words: String::from_utf8_lossy(&output.stderr).into_owned(),
            path: told.trim_end().strip_prefix("path=").map(PathBuf::from),
        }
    }
}

/// What release.sh makes of the digests in a folder of binaries, as the workflow of a release calls it; or what it says.
fn listed(folder: &Path, version: &str, from: &str) -> Result<String, String> {
    let sums = "sha256sum gatewright-* > SHA256SUMS && exec bash \"$@\" SHA256SUMS";
    let args = ["-ec", sums, "release", RELEASE, version, from];
    let output = Command::new("bash").args(args).current_dir(folder).output().expect("bash runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn says(program: &Path) -> String {
    let output = Command::new(program).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_release_is_downloaded_once_and_then_taken_from_the_tool_cache() {
    let machine = Machine::new("hello");
    let first = machine.install();
    let path = first.path.unwrap_or_else(|| panic!("{}", first.words));
    assert_eq!((first.code, says(&path).as_str()), (0, "hello"));
    assert!(path.starts_with(machine.path("tools")));
    fs::remove_dir_all(machine.path("mirror")).expect("it can be removed");
    assert_eq!(machine.install().path.as_deref(), Some(path.as_path()), "nothing is downloaded again");
}

#[test]
fn nothing_runs_that_has_another_digest() {
    let machine = Machine::new("hello");
    for target in TARGETS {
        fs::write(machine.path("mirror").join(format!("gatewright-{target}")), "#!/bin/sh\necho evil\n")
            .expect("it can be written");
    }
    let ended = machine.install();
    assert_eq!((ended.code, ended.path), (3, None));
    assert!(
        ended.words.starts_with("::error title=Gatewright::") && ended.words.contains("its SHA-256 is another one"),
        "{}",
        ended.words
    );
    let version = machine.path("tools/gatewright/1.2.3");
    let left: Vec<_> = fs::read_dir(version)
        .expect("made")
        .flat_map(|target| fs::read_dir(target.expect("a folder").path()).expect("made"))
        .collect();
    assert!(left.is_empty(), "what was refused does not stay: {left:?}");
}

#[test]
fn a_cache_that_somebody_has_changed_is_not_believed() {
    let machine = Machine::new("hello");
    let path = machine.install().path.expect("it is installed");
    fs::write(&path, "#!/bin/sh\necho evil\n").expect("it can be written");
    let again = machine.install().path.expect("it is installed");
    assert_eq!(says(&again), "hello");
}

#[test]
fn a_binary_that_is_there_is_taken_as_it_is() {
    let mut machine = Machine::new("hello");
    let own = machine.path("own");
    fs::write(&own, "#!/bin/sh\necho own\n").expect("it can be written");
    machine.set("INPUT_BINARY", &own.display().to_string());
    assert_eq!(machine.install().code, 3, "it must be a program");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).expect("it can be set");
    assert_eq!(machine.install().path.map(|path| says(&path)).as_deref(), Some("own"));
}

#[test]
fn the_list_that_a_release_writes_is_what_its_binaries_are_installed_by() {
    let machine = Machine::new("hello");
    let list = listed(&machine.path("mirror"), "2.0.0-rc.1", "https://example.invalid/v2.0.0-rc.1").expect("all are there");
    fs::write(machine.path("release.txt"), &list).expect("it can be written");
    let path = machine.install().path.unwrap_or_else(|| panic!("{list}"));
    assert_eq!(says(&path), "hello");
    assert!(path.starts_with(machine.path("tools/gatewright/2.0.0-rc.1")), "{}", path.display());
}

#[test]
fn no_list_is_written_of_a_release_that_lacks_a_binary_or_is_none() {
    let machine = Machine::new("hello");
    let folder = machine.path("mirror");
    let from = "https://example.invalid/v2.0.0";
    assert!(listed(&folder, "v2.0.0", from).is_err_and(|words| words.contains("is no version")));
    assert!(listed(&folder, "2.0.0", "http://example.invalid").is_err_and(|words| words.contains("reached by https")));
    fs::remove_file(folder.join(format!("gatewright-{}", TARGETS[1]))).expect("it is there");
    let words = listed(&folder, "2.0.0", from).expect_err("one is missing");
    assert!(words.contains(&format!("no digest, or more than one, of gatewright-{}", TARGETS[1])), "{words}");
}

#[test]
fn the_workflow_of_a_release_builds_every_binary_that_is_installed() {
    let workflow = fs::read_to_string(WORKFLOW).expect("it is there");
    let script = fs::read_to_string(SCRIPT).expect("it is there");
    let known: Vec<&str> = script.lines().filter_map(|line| line.split_once(") echo ")?.1.strip_suffix(" ;;")).collect();
    assert_eq!(known, TARGETS);
    for target in known {
        assert!(workflow.contains(&format!("target: {target},")), "{target}");
    }
}

#[test]
fn what_cannot_be_installed_says_what_to_do() {
    let mut machine = Machine::new("hello");
    machine.set("INPUT_MIRROR", "ftp://example.com");
    assert!(machine.install().words.contains("is no address"));
    machine.set("INPUT_MIRROR", &format!("file://{}", machine.path("nowhere").display()));
    assert!(machine.install().words.contains("cannot be downloaded"));
    // The tree's own list: there is no release yet.
    machine.set("GATEWRIGHT_RELEASE", concat!(env!("CARGO_MANIFEST_DIR"), "/../action/release.txt"));
    let ended = machine.install();
    assert_eq!(ended.code, 3);
    assert!(ended.words.contains("name a binary with the input `binary`"), "{}", ended.words);
}
