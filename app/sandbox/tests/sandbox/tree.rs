//! A person's repository, made for a test, and what is made of it.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use gatewright_core::config::Checkout;
use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::Source;
use gatewright_core::{CommitId, ForgeKind, RepoRef};
use gatewright_sandbox::local::{Content, Snapshot, WorkingTree};
use tempfile::TempDir;

pub(crate) struct Tree {
    /// What goes with the test: the repository, and what is made of it beside it.
    pub(crate) around: TempDir,
    pub(crate) folder: PathBuf,
}

impl Tree {
    /// A repository with one commit of `a.txt`.
    pub(crate) fn new() -> Tree {
        Tree::with(&["--initial-branch=main"])
    }

    pub(crate) fn with(init: &[&str]) -> Tree {
        let around = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = around.path().join("tree");
        std::fs::create_dir(&folder).expect("a folder can be made");
        let tree = Tree { folder, around };
        tree.git(&[&["init", "--quiet"], init].concat());
        tree.write("a.txt", "1");
        tree.commit("first");
        tree
    }

    /// Another view of the same test's folder.
    pub(crate) fn git_in(folder: &Path, args: &[&str]) -> String {
        let mut git = Process::new("git");
        git.arg("-C").arg(folder).args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "-c",
            "protocol.file.allow=always",
        ]);
        let done = git.args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("there is git");
        assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        Tree::git_in(&self.folder, args)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
        std::fs::write(path, content).expect("a file can be written");
    }

    pub(crate) fn commit(&self, message: &str) -> CommitId {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", message]);
        self.git(&["rev-parse", "HEAD"]).parse().expect("git names a commit")
    }

    pub(crate) async fn found(&self) -> WorkingTree {
        WorkingTree::find(&self.folder).await.expect("it is a working tree")
    }

    pub(crate) async fn snapshot(&self, name: &str) -> Snapshot {
        let repository = self.around.path().join(name);
        self.found().await.snapshot(&repository, Content::WorkingTree).await.expect("it can be taken up")
    }
}

/// The source of a commit that was made locally.
pub(crate) fn local_source(commit: &CommitId, submodules: bool) -> Source {
    Source {
        repo: RepoRef { forge: ForgeKind::Github, id: 1, path: "local".to_owned(), installation: None },
        commit: commit.clone(),
        credential: CloneCredential { url: String::new(), login: None, one_repository: true },
        checkout: Checkout { submodules, lfs: false },
        overlay: std::sync::Arc::default(),
    }
}
