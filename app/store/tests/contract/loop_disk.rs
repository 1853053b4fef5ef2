//! A small disk of our own: an ext4 file system in a file, mounted. Mounting takes root, or `sudo` without a password.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Set to 1 where nothing can be mounted. Then what needs a disk of its own does not run, and says so.
const WITHOUT_ROOT: &str = "GATEWRIGHT_TESTS_WITHOUT_ROOT";

/// A mounted disk.
pub(crate) struct LoopDisk {
    folder: tempfile::TempDir,
}

impl LoopDisk {
    /// An empty disk of this size. None where the tests are run without root, which is printed.
    pub(crate) fn new(mib: u64) -> Option<LoopDisk> {
        if std::env::var(WITHOUT_ROOT).is_ok_and(|value| value == "1") {
            eprintln!("NOT RUN: {WITHOUT_ROOT}=1, and this needs a disk of its own");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(mib * 1024 * 1024).unwrap();
        // Its root folder belongs to whoever runs the tests.
        let extended = "root_owner,lazy_itable_init=0,lazy_journal_init=0";
        run("mkfs.ext4", &["-q", "-F", "-m", "0", "-E", extended, &text(&image)]);
        Some(Self::mount(folder))
    }

    fn mount(folder: tempfile::TempDir) -> LoopDisk {
        let root = folder.path().join("root");
        std::fs::create_dir_all(&root).unwrap();
        run_as_root("mount", &["-o", "loop", &text(&folder.path().join("image")), &text(&root)]);
        LoopDisk { folder }
    }

    /// Where it is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// What a power loss now would leave behind. What the file system has not yet written to its disk is not in it.
    pub(crate) fn after_power_loss(&self) -> PulledDisk {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("image");
        run("cp", &["--sparse=always", &text(&self.folder.path().join("image")), &text(&copy)]);
        PulledDisk { folder }
    }
}

/// The image of a disk that lost its power.
pub(crate) struct PulledDisk {
    folder: tempfile::TempDir,
}

impl PulledDisk {
    /// Mounts it, whereby the file system recovers itself.
    pub(crate) fn plug_in(self) -> LoopDisk {
        LoopDisk::mount(self.folder)
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // Lazily, so that a failed test that still has files open there leaves no mount behind.
        let unmounted = as_root("umount").arg("--lazy").arg(self.root()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{:?} is still mounted", self.root());
        }
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The program, as root: by `sudo` where somebody else runs the tests.
fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    command
}

fn run_as_root(program: &str, arguments: &[&str]) {
    check(as_root(program), program, arguments);
}

fn run(program: &str, arguments: &[&str]) {
    check(Command::new(program), program, arguments);
}

fn check(mut command: Command, program: &str, arguments: &[&str]) {
    let output = command.args(arguments).output().unwrap_or_else(|e| panic!("{program} cannot be started: {e}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed: {words}\nThis test needs root, or sudo. Where there is neither, set {WITHOUT_ROOT}=1: then it does not run, and says so."
    );
}
