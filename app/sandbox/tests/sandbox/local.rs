//! The working tree of a person as a source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gatewright_core::CommitId;
use gatewright_core::sandbox::{Folder, Sandbox, SandboxError, SandboxSpec};
use gatewright_core::survey::SurveyWanted;
use gatewright_core::tree::{FileChange, FileMode};
use gatewright_sandbox::local::{Content, LocalError, Snapshot, WorkingTree};
use gatewright_sandbox::{DockerConfig, DockerSandbox, PullPolicy};

use crate::host::Host;
use crate::rig::{Rig, spec};
use crate::tree::{Tree, local_source};

/// What a snapshot holds, as a command in a fresh folder sees it.
async fn files(tree: &Tree, snapshot: &Snapshot, script: &str) -> String {
    let host = Host::fresh_of(&tree.around.path().join("workspaces"), &snapshot.repository);
    host.run_source(local_source(&snapshot.commit, false), script).await
}

const LIST: &str = "find . -type f | sort; cat a.txt";

/// Everything in a folder: paths with what the files hold.
fn everything(folder: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("it is there").path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => everything(&path),
            false => BTreeSet::from([(path.clone(), std::fs::read(&path).expect("the file can be read"))]),
        })
        .collect()
}

#[tokio::test]
async fn what_is_not_committed_counts_and_what_is_ignored_does_not() {
    let tree = Tree::new();
    tree.write(".gitignore", "target/\n*.log\n");
    tree.write("gone.txt", "x");
    tree.commit("second");
    tree.write("a.txt", "changed");
    tree.write("new/untracked.txt", "x");
    tree.write("staged.txt", "x");
    tree.git(&["add", "staged.txt"]);
    tree.write("target/debug/big", "x");
    tree.write("noise.log", "x");
    std::fs::remove_file(tree.folder.join("gone.txt")).expect("it is there");
    let snapshot = tree.snapshot("scratch").await;
    assert!(!snapshot.committed);
    assert_eq!(files(&tree, &snapshot, LIST).await, "./.gitignore\n./a.txt\n./new/untracked.txt\n./staged.txt\nchanged");
}

#[tokio::test]
async fn nothing_in_the_repository_changes() {
    let tree = Tree::new();
    tree.git(&["config", "core.splitIndex", "true"]);
    tree.git(&["config", "core.untrackedCache", "true"]);
    tree.write("b.txt", "x");
    tree.git(&["add", "b.txt"]);
    tree.write("a.txt", "changed");
    let before = everything(&tree.folder);
    tree.snapshot("scratch").await;
    assert!(before == everything(&tree.folder), "what git keeps of it is as it was, byte for byte");
}

#[tokio::test]
async fn a_tree_as_it_was_committed_is_that_commit() {
    let tree = Tree::new();
    let head = tree.git(&["rev-parse", "HEAD"]);
    tree.write("ignored", "x");
    tree.write(".git/info/exclude", "ignored\n");
    let snapshot = tree.snapshot("scratch").await;
    assert!(snapshot.committed);
    assert_eq!(snapshot.commit.as_str(), head);
}

#[tokio::test]
async fn the_same_files_are_the_same_commit() {
    let tree = Tree::new();
    tree.write("a.txt", "2");
    let (first, second) = (tree.snapshot("one").await, tree.snapshot("two").await);
    assert_eq!(first.commit, second.commit);
    tree.write("a.txt", "3");
    assert_ne!(tree.snapshot("three").await.commit, first.commit);
}

#[tokio::test]
async fn a_change_within_the_tick_of_the_index_is_seen() {
    let tree = Tree::new();
    for i in 0..20 {
        tree.write("a.txt", &format!("{i:03}"));
        tree.git(&["add", "a.txt"]);
        tree.write("a.txt", &format!("{:03}", i + 500));
        let snapshot = tree.snapshot(&format!("scratch{i}")).await;
        let blob = Tree::git_in(&snapshot.repository, &["cat-file", "blob", &format!("{}:a.txt", snapshot.commit)]);
        assert_eq!(blob, format!("{:03}", i + 500));
    }
}

#[tokio::test]
async fn the_commit_alone_can_be_asked_for() {
    let tree = Tree::new();
    tree.write("a.txt", "changed");
    let found = tree.found().await;
    let snapshot = found.snapshot(&tree.around.path().join("scratch"), Content::Head).await.expect("there is a commit");
    assert!(snapshot.committed);
    assert_eq!(files(&tree, &snapshot, "cat a.txt").await, "1");
}

#[tokio::test]
async fn a_repository_without_a_commit_has_files_all_the_same() {
    let tree = Tree::new();
    let fresh = Tree { folder: tree.around.path().join("fresh"), around: tempfile::tempdir().expect("a folder") };
    std::fs::create_dir(&fresh.folder).expect("a folder can be made");
    fresh.git(&["init", "--quiet"]);
    fresh.write("a.txt", "1");
    let snapshot = fresh.snapshot("scratch").await;
    assert_eq!(files(&fresh, &snapshot, LIST).await, "./a.txt\n1");
    assert_eq!(fresh.found().await.base(None).await, Ok(None));
}

#[tokio::test]
async fn worktrees_shallow_clones_and_sha256_repositories_are_taken_up() {
    let tree = Tree::new();
    tree.write("a.txt", "2");
    tree.commit("second");
    let beside = tree.around.path().join("beside");
    tree.git(&["worktree", "add", "--quiet", "-b", "other", &beside.display().to_string()]);
    let shallow = tree.around.path().join("shallow");
    let from = format!("file://{}", tree.folder.display());
    tree.git(&["clone", "--quiet", "--depth=1", &from, &shallow.display().to_string()]);
    for (i, folder) in [beside, shallow].into_iter().enumerate() {
        for (name, content) in [("clean", "2"), ("changed", "3")] {
            std::fs::write(folder.join("a.txt"), content).expect("a file can be written");
            let found = WorkingTree::find(&folder.join(".")).await.expect("it is a working tree");
            let repository = tree.around.path().join(format!("scratch-{i}-{name}"));
            let snapshot = found.snapshot(&repository, Content::WorkingTree).await.expect("it can be taken up");
            assert_eq!(snapshot.committed, name == "clean", "{i}");
            assert_eq!(files(&tree, &snapshot, "cat a.txt").await, content, "{i}");
        }
    }
    let sha256 = Tree::with(&["--object-format=sha256"]);
    sha256.write("a.txt", "long");
    let snapshot = sha256.snapshot("scratch").await;
    assert_eq!(snapshot.commit.as_str().len(), 64);
    assert_eq!(files(&sha256, &snapshot, "cat a.txt").await, "long");
}

#[tokio::test]
async fn the_variables_of_a_hook_do_not_lead_astray() {
    // They are this process's own, so it is asked in a process of its own: the binary's tests have that case. Here, what a
    // repository's own configuration could do.
    let tree = Tree::new();
    tree.git(&["config", "core.fsmonitor", "touch ../canary; false"]);
    tree.git(&["config", "core.hooksPath", "hooks"]);
    tree.write("hooks/post-index-change", "#!/bin/sh\ntouch ../canary\n");
    let hook = tree.folder.join("hooks/post-index-change");
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it can be made executable");
    tree.snapshot("scratch").await;
    assert!(!tree.around.path().join("canary").exists());
}

#[tokio::test]
async fn what_is_no_working_tree_is_said_so() {
    let around = tempfile::tempdir().expect("a temporary folder can be made");
    let found = WorkingTree::find(around.path()).await;
    assert!(
        matches!(&found, Err(LocalError::NoWorkingTree { cause, .. }) if cause.contains("not a git repository")),
        "{found:?}"
    );
    Tree::git_in(around.path(), &["init", "--quiet", "--bare"]);
    assert!(matches!(WorkingTree::find(around.path()).await, Err(LocalError::NoWorkingTree { .. })));
}

#[tokio::test]
async fn the_base_is_what_the_branch_has_in_common_with_the_default_branch() {
    let tree = Tree::new();
    let common: gatewright_core::CommitId = tree.git(&["rev-parse", "HEAD"]).parse().expect("a commit");
    tree.git(&["switch", "--quiet", "-c", "topic"]);
    tree.write("a.txt", "mine");
    let mine = tree.commit("mine");
    tree.git(&["switch", "--quiet", "main"]);
    tree.write("b.txt", "theirs");
    let theirs = tree.commit("theirs");
    tree.git(&["switch", "--quiet", "topic"]);
    let base = tree.found().await.base(None).await.expect("git answers").expect("there is a default branch");
    assert_eq!((base.commit, base.name.as_str(), base.branch.as_deref()), (common.clone(), "main", Some("main")));
    // What the server says goes before names that are only usual.
    tree.git(&["update-ref", "refs/remotes/origin/develop", mine.as_str()]);
    tree.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop"]);
    let base = tree.found().await.base(None).await.expect("git answers").expect("there is a default branch");
    assert_eq!((base.commit, base.name.as_str(), base.branch.as_deref()), (mine.clone(), "origin/develop", Some("develop")));
    let named = tree.found().await.base(Some("main")).await.expect("git answers").expect("there is a commit");
    assert_eq!((named.commit, named.branch.as_deref()), (common, Some("main")));
    let named = tree.found().await.base(Some(mine.as_str())).await.expect("git answers").expect("there is a commit");
    assert_eq!((named.commit, named.branch), (mine, None));
    for nowhere in ["nowhere", "--all", "HEAD..main"] {
        let refused = tree.found().await.base(Some(nowhere)).await;
        assert!(matches!(&refused, Err(LocalError::NoSuchRevision { .. })), "{nowhere}: {refused:?}");
    }
    assert_ne!(theirs.as_str(), "");
}

#[tokio::test]
async fn files_of_submodules_are_there_for_those_who_ask() {
    let inner = Tree::new();
    inner.write("deep.txt", "deep");
    inner.commit("deep");
    let lib = Tree::new();
    lib.write("lib.txt", "lib");
    lib.git(&["submodule", "--quiet", "add", &inner.folder.display().to_string(), "nested"]);
    lib.commit("lib");
    let tree = Tree::new();
    tree.git(&["submodule", "--quiet", "add", &lib.folder.display().to_string(), "vendor/lib"]);
    let found = tree.found().await;
    let snapshot = tree.snapshot("missing").await;
    let refused = found.add_submodules(&snapshot.repository, &snapshot.commit).await;
    let words = "is not here; `git submodule update --init --recursive` gets it";
    assert!(matches!(&refused, Err(LocalError::Unusable(why)) if why.contains("`nested`") && why.contains(words)), "{refused:?}");
    tree.git(&["submodule", "--quiet", "update", "--init", "--recursive"]);
    found.add_submodules(&snapshot.repository, &snapshot.commit).await.expect("all are here");
    let host = Host::fresh_of(&tree.around.path().join("workspaces"), &snapshot.repository);
    let script = "find . -type f | sort";
    assert_eq!(host.run_source(local_source(&snapshot.commit, false), script).await, "./.gitmodules\n./a.txt\n");
    let all = "./.gitmodules\n./a.txt\n./vendor/lib/.gitmodules\n./vendor/lib/a.txt\n./vendor/lib/lib.txt\n\
               ./vendor/lib/nested/a.txt\n./vendor/lib/nested/deep.txt\n";
    assert_eq!(host.run_source(local_source(&snapshot.commit, true), script).await, all);
    // A submodule is a working tree too.
    let within = WorkingTree::find(&tree.folder.join("vendor/lib")).await.expect("it is a working tree");
    let of_lib = within.snapshot(&tree.around.path().join("of-lib"), Content::WorkingTree).await.expect("it can be taken up");
    assert_eq!(files(&tree, &of_lib, "cat lib.txt").await, "lib");
}

#[tokio::test]
async fn a_survey_tells_what_has_changed_since_the_base() {
    let tree = Tree::new();
    let base = tree.found().await.base(None).await.expect("git answers").expect("there is main");
    tree.write("a.txt", "2");
    tree.write("new.txt", "x\n");
    let snapshot = tree.snapshot("scratch").await;
    let host = Host::fresh_of(&tree.around.path().join("workspaces"), &snapshot.repository);
    let source = local_source(&snapshot.commit, false);
    let wanted = SurveyWanted { files: true, diff: true, commits: true, ..SurveyWanted::default() };
    let survey = host.sandbox.survey(&source, Some(&base.commit), &wanted).await.expect("git answers");
    assert_eq!(survey.files, ["a.txt", "new.txt"]);
    let diff = String::from_utf8(survey.diff.expect("it was compared").to_vec()).expect("it is text");
    assert!(diff.contains("+++ b/new.txt") && diff.contains("+2"), "{diff}");
    assert!(survey.commits.expect("it was asked for").list.is_empty(), "what is not committed is no commit");
    tree.git(&["switch", "--quiet", "-c", "topic"]);
    tree.commit("feat: mine");
    tree.write("a.txt", "3");
    let later = tree.snapshot("later").await;
    let host = Host::fresh_of(&tree.around.path().join("workspaces"), &later.repository);
    let survey = host.sandbox.survey(&local_source(&later.commit, false), Some(&base.commit), &wanted).await;
    let commits = survey.expect("git answers").commits.expect("it was asked for");
    assert_eq!((commits.list.len(), commits.incomplete), (1, false), "the one that somebody has made: {commits:?}");
}

#[tokio::test]
async fn the_base_lies_beside_the_workspace_where_both_are_wanted() {
    let tree = Tree::new();
    let base = tree.found().await.base(None).await.expect("git answers").expect("there is main");
    tree.write("a.txt", "2");
    let snapshot = tree.snapshot("scratch").await;
    let fresh = Host::fresh_of(&tree.around.path().join("workspaces"), &snapshot.repository);
    let in_place = Host::in_place_of(&tree.folder, &snapshot.repository);
    for host in [fresh, in_place] {
        let (source, base) = (local_source(&snapshot.commit, false), local_source(&base.commit, false));
        let handle =
            host.sandbox.open(&SandboxSpec { source: Some(source), base: Some(base), ..spec() }).await.expect("it opens");
        assert_eq!(host.exec(&handle, "cat a.txt").await.text, "2");
        let beside = handle.within(Folder::Base);
        assert_eq!(host.exec(&beside, "cat a.txt; echo x > made.xml").await.text, "1");
        assert_eq!(host.sandbox.read(&beside, "*.xml", 5, 100).await.expect("it can be read").len(), 1);
        assert!(host.sandbox.read(&handle, "*.xml", 5, 100).await.expect("it can be read").is_empty());
        host.sandbox.close(&handle.key).await.expect("it closes");
    }
    assert_eq!(std::fs::read_to_string(tree.folder.join("a.txt")).expect("it stays"), "2");
}

#[tokio::test]
async fn a_container_is_filled_from_the_working_tree_and_nothing_is_fetched_for_it() {
    let rig = Rig::new();
    let tree = Tree::new();
    tree.write("a.txt", "of the working tree");
    let snapshot = tree.snapshot("scratch").await;
    let config = DockerConfig { local: Some(snapshot.repository.clone()), pull: PullPolicy::Never, ..rig.config.clone() };
    let sandbox = DockerSandbox::new(config);
    let opened = |source| SandboxSpec { source: Some(source), ..spec() };
    let handle = sandbox.open(&opened(local_source(&snapshot.commit, false))).await.expect("the sandbox opens");
    assert_eq!(rig.exec(&handle, "cat a.txt").await.text, "of the working tree");
    let mut nowhere = local_source(&snapshot.commit, false);
    nowhere.commit = "0123456789".repeat(4).parse().expect("40 digits");
    nowhere.credential.url = format!("file://{}", tree.folder.display());
    let refused = sandbox.open(&opened(nowhere)).await;
    assert!(matches!(refused, Err(SandboxError::SourceUnusable(_))), "{refused:?}");
    assert!(!rig.config.mirrors.exists(), "no mirror was made");
}

#[tokio::test]
async fn git_that_fails_while_files_are_taken_up_says_why() {
    let tree = Tree::new();
    // Git takes up no repository in the repository that has no commit.
    std::fs::create_dir(tree.folder.join("nested")).expect("a folder can be made");
    Tree::git_in(&tree.folder.join("nested"), &["init", "--quiet"]);
    let taken = tree.found().await.snapshot(&tree.around.path().join("scratch"), Content::WorkingTree).await;
    assert!(matches!(&taken, Err(LocalError::Unusable(why)) if why.contains("nested/")), "{taken:?}");
}

/// A change of a file, or its end.
fn change(path: &str, now: Option<(FileMode, &[u8])>) -> FileChange {
    FileChange { path: path.to_owned(), now: now.map(|(mode, bytes)| (mode, bytes.to_vec().into())) }
}

#[tokio::test]
async fn changes_become_a_patch_that_brings_them_into_the_working_tree() {
    let tree = Tree::new();
    tree.write("gone.txt", "x\n");
    tree.commit("second");
    let snapshot = tree.snapshot("scratch").await;
    let changes = [
        change("a.txt", Some((FileMode::Plain, b"2\n"))),
        change("gone.txt", None),
        change("new/run me.sh", Some((FileMode::Executable, b"#!/bin/sh\n"))),
        change("picture", Some((FileMode::Plain, b"\0\x01\xff"))),
    ];
    let patch = tree.around.path().join("changes.patch");
    std::fs::write(&patch, snapshot.patch(&changes).await.expect("it can be made")).expect("the folder is ours");
    let found = tree.found().await;
    found.apply(&patch).await.expect("it fits");
    assert_eq!(
        tree.git(&["status", "--porcelain", "--untracked-files=all"]),
        "M a.txt\n D gone.txt\n?? \"new/run me.sh\"\n?? picture"
    );
    assert_eq!(std::fs::read(tree.folder.join("picture")).expect("it is there"), b"\0\x01\xff");
    assert_eq!(files(&tree, &tree.snapshot("after").await, "test -x 'new/run me.sh' && cat a.txt").await, "2\n");
    let again = found.apply(&patch).await;
    assert!(matches!(&again, Err(LocalError::Unusable(words)) if words.contains("gone.txt")), "{again:?}");
    let dirty =
        found.uncommitted(&["a.txt", "gone.txt", "new/run me.sh", "picture", "none.txt", "*.txt"]).await.expect("git tells");
    assert_eq!(dirty, ["a.txt", "gone.txt", "new/run me.sh", "picture"], "a path is no pattern");
}

#[tokio::test]
async fn a_patch_that_does_not_fit_changes_nothing() {
    let tree = Tree::new();
    tree.write("b.txt", "1\n");
    tree.commit("second");
    let snapshot = tree.snapshot("scratch").await;
    let both = [change("a.txt", Some((FileMode::Plain, b"2\n"))), change("b.txt", Some((FileMode::Plain, b"2\n")))];
    let patch = tree.around.path().join("changes.patch");
    std::fs::write(&patch, snapshot.patch(&both).await.expect("it can be made")).expect("the folder is ours");
    tree.write("b.txt", "mine\n");
    assert!(tree.found().await.apply(&patch).await.is_err());
    assert_eq!(std::fs::read_to_string(tree.folder.join("a.txt")).expect("it is there"), "1");
}

#[tokio::test]
async fn a_commit_of_the_repository_can_be_had_as_it_is() {
    let tree = Tree::new();
    let first: CommitId = tree.git(&["rev-parse", "HEAD"]).parse().expect("git names a commit");
    tree.write("a.txt", "2");
    let second = tree.commit("second");
    tree.write("a.txt", "not committed");
    let found = tree.found().await;
    let snapshot = found.at(&tree.around.path().join("scratch"), &first).await.expect("it is there");
    assert_eq!(files(&tree, &snapshot, "cat a.txt").await, "1");
    assert_eq!(snapshot.file("a.txt").await, Ok(Some(b"1".to_vec())));
    assert_eq!(snapshot.file("b.txt").await, Ok(None));
    assert_eq!(found.common_commit(&first, &second).await, Ok(Some(first.clone())));
    let nobodys: CommitId = "0123456789abcdef0123456789abcdef01234567".parse().expect("40 digits");
    assert_eq!(found.common_commit(&first, &nobodys).await, Ok(None));
    let missing = found.at(&tree.around.path().join("other"), &nobodys).await;
    assert!(matches!(missing, Err(LocalError::NoSuchRevision { .. })), "{missing:?}");
}
