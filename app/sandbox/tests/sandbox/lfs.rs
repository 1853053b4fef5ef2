//! Files that are kept in Git LFS: what arrives of them, who is asked for it, and what hostile pointers try.

use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use gatewright_core::config::Checkout;
use gatewright_core::sandbox::{ChangesError, Refused, Sandbox, SandboxError, SandboxHandle, SandboxSpec, Source, Workshop};
use gatewright_core::tree::{FileChange, FileMode};
use gatewright_core::{CommitId, RunId};

use crate::git_server::{GitServer, Repo, Speaks, TOKEN};
use crate::host::Host;
use crate::lfs_server::{Way, elsewhere, pointer};
use crate::mirror::{add_submodule, files_below};
use crate::rig::{Rig, spec};
use crate::tree::{Tree, local_source};

const ATTRIBUTES: &str = "*.bin filter=lfs diff=lfs merge=lfs -text\n";

/// The login as HTTP writes it begins so.
const ENCODED: &str = "eC1hY2Nlc3MtdG9rZW46";

/// Whatever it is, it is no text and fits no block.
fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .scan(1_u32, |state, _| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 24) as u8)
        })
        .collect()
}

/// A machine and a server with one repository.
struct World {
    host: Host,
    server: GitServer,
    repo: Repo,
    _work: tempfile::TempDir,
}

impl World {
    async fn new() -> World {
        let work = tempfile::tempdir().expect("a temporary folder can be made");
        let server = GitServer::start(Speaks::Now).await;
        let repo = server.repo("app");
        World { host: Host::fresh(work.path()), server, repo, _work: work }
    }

    /// A commit with a file that is kept in Git LFS.
    fn commit(&self, content: &[u8]) -> CommitId {
        let pointer = self.server.lfs().add(content);
        self.repo.commit(&[(".gitattributes", ATTRIBUTES), ("data.bin", &pointer)])
    }

    fn source(&self, commit: &CommitId) -> Source {
        with_lfs(self.server.source(&self.repo, commit))
    }

    async fn open(&self, source: Source) -> Result<SandboxHandle, SandboxError> {
        self.host.sandbox.open(&SandboxSpec { source: Some(source), ..spec() }).await
    }

    /// Why it cannot be opened.
    async fn refused(&self, commit: &CommitId) -> SandboxError {
        let refused = self.open(self.source(commit)).await.expect_err("it is refused");
        assert!(!refused.to_string().contains(TOKEN) && !refused.to_string().contains(ENCODED), "{refused}");
        refused
    }
}

fn with_lfs(source: Source) -> Source {
    Source { checkout: Checkout { submodules: false, lfs: true }, ..source }
}

#[tokio::test]
async fn files_kept_in_git_lfs_arrive_whole_with_their_modes_and_nothing_of_the_login() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let long = format!("{}/{}/{}.bin", "d".repeat(120), "e".repeat(120), "f".repeat(90));
    let (big, tool, deep) = (noise(200_001), b"#!/bin/sh\necho ran\n".to_vec(), b"deep".to_vec());
    let [of_big, of_tool, of_deep] = [&big, &tool, &deep].map(|content| server.lfs().add(content));
    let unlike = pointer(b"named by no attribute");
    repo.git(&["config", "core.fileMode", "false"]);
    repo.commit(&[("a/tool.bin", of_tool.as_str())]);
    repo.git(&["update-index", "--chmod=+x", "a/tool.bin"]);
    let commit = repo.commit(&[
        (".gitattributes", ATTRIBUTES),
        ("a/.gitattributes", "own.dat filter=lfs\n"),
        ("a/own.dat", of_deep.as_str()),
        ("big.bin", of_big.as_str()),
        ("plain.bin", "no pointer"),
        ("pointer.txt", &unlike),
        (&long, of_deep.as_str()),
    ]);
    let sum = |content: &[u8]| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(content));
    let script = format!(
        "sha256sum big.bin | cut -d' ' -f1; a/tool.bin; cat {long} a/own.dat plain.bin pointer.txt; stat -c '%a %U' big.bin \
         a/tool.bin; env; cat /proc/*/cmdline; ls -A"
    );
    let mut last = String::new();
    for _ in 0..2 {
        let opened = rig.sandbox.open(&SandboxSpec { source: Some(with_lfs(server.source(&repo, &commit))), ..spec() }).await;
        last = rig.exec(&opened.expect("the sandbox opens"), &script).await.text;
        let begin = format!("{}\nran\ndeepdeepno pointer{unlike}644 gate\n755 gate\n", sum(&big));
        assert!(last.starts_with(&begin), "{last}");
        assert_eq!(server.lfs().downloads(), 3, "the second time nobody is asked for what is there");
    }
    assert!(!last.contains(TOKEN) && !last.contains(ENCODED), "{last}");
    let files = files_below(&rig.config.mirrors);
    for file in files {
        let bytes = std::fs::read(&file).expect("the mirror's files can be read");
        let holds = |secret: &str| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!holds(TOKEN) && !holds(ENCODED), "{}", file.display());
    }
}

#[tokio::test]
async fn pointers_stay_where_nobody_asks_for_more() {
    let world = World::new().await;
    let commit = world.commit(b"content");
    let source = world.server.source(&world.repo, &commit);
    assert_eq!(world.host.run_source(source, "cat data.bin").await, pointer(b"content"));
    assert!(world.server.lfs().asked().is_empty());
}

#[tokio::test]
async fn the_next_commit_brings_only_what_is_new_and_equal_files_come_once() {
    let world = World::new().await;
    let first = world.commit(b"first");
    assert_eq!(world.host.run_source(world.source(&first), "cat data.bin").await, "first");
    let more = world.server.lfs().add(b"more");
    let second = world.repo.commit(&[("more.bin", &more), ("again.bin", &more)]);
    assert_eq!(world.host.run_source(world.source(&second), "cat data.bin more.bin again.bin").await, "firstmoremore");
    assert_eq!(world.server.lfs().downloads(), 2);
}

#[tokio::test]
async fn many_gates_that_want_the_same_content_fetch_it_once() {
    let world = World::new().await;
    let source = world.source(&world.commit(b"content"));
    let run = || world.host.run_source(source.clone(), "cat data.bin");
    let (a, b, c) = tokio::join!(run(), run(), run());
    assert_eq!([a, b, c], ["content"; 3]);
    assert_eq!(world.server.lfs().downloads(), 1);
}

#[tokio::test]
async fn more_files_than_fit_into_one_request_are_asked_for_in_several() {
    let world = World::new().await;
    let files: Vec<(String, String)> =
        (0..101).map(|n| (format!("{n}.bin"), world.server.lfs().add(format!("content {n}\n").as_bytes()))).collect();
    let named = files.iter().map(|(name, pointer)| (name.as_str(), pointer.as_str()));
    let commit = world.repo.commit(&named.chain([(".gitattributes", ATTRIBUTES)]).collect::<Vec<_>>());
    assert_eq!(world.host.run_source(world.source(&commit), "cat *.bin | sort -u | wc -l").await.trim(), "101");
    assert_eq!(world.server.lfs().asked().len() - world.server.lfs().downloads(), 2);
}

#[tokio::test]
async fn what_submodules_keep_in_git_lfs_comes_with_them() {
    let world = World::new().await;
    let lib = world.server.repo("lib");
    let of_lib = world.server.lfs().add(b"lib");
    let of_lib = lib.commit(&[(".gitattributes", ATTRIBUTES), ("lib.bin", &of_lib)]);
    let of_app = world.server.lfs().add(b"app, ");
    let files = [(".gitattributes", ATTRIBUTES), ("app.bin", of_app.as_str())];
    let commit = add_submodule(&world.repo, "vendor/lib", "../lib", of_lib.as_str(), &files);
    let mut source = world.source(&commit.parse().expect("a commit"));
    source.checkout = Checkout { submodules: true, lfs: true };
    assert_eq!(world.host.run_source(source, "cat app.bin vendor/lib/lib.bin").await, "app, lib");
}

#[tokio::test]
async fn a_content_that_is_not_what_the_commit_names_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let commit = world.commit(b"content");
    for other in [&b"context"[..], b"content and more"] {
        world.server.lfs().spoil(&pointer(b"content"), other);
        let refused = world.refused(&commit).await;
        assert!(
            matches!(&refused, SandboxError::SourceUnusable(words) if words.contains("`data.bin`") && words.contains("SHA-256")),
            "{refused}"
        );
    }
    world.server.lfs().spoil(&pointer(b"content"), b"cut");
    let refused = world.refused(&commit).await;
    assert!(matches!(&refused, SandboxError::Source(words) if words.contains("came 3 bytes of 7")), "{refused}");
    assert!(files_below(&world.host.mirrors().join("github-7.git/lfs")).is_empty());
    world.server.lfs().add(b"content");
    assert_eq!(world.host.run_source(world.source(&commit), "cat data.bin").await, "content");
}

#[tokio::test]
async fn what_the_server_does_not_have_is_named_and_what_it_cannot_give_now_is_tried_again() {
    let world = World::new().await;
    let gone = pointer(b"never pushed");
    let commit = world.repo.commit(&[(".gitattributes", ATTRIBUTES), ("a/gone.bin", &gone)]);
    let refused = world.refused(&commit).await;
    assert!(
        matches!(&refused, SandboxError::SourceUnusable(words) if words.contains("`a/gone.bin`") && words.contains("Object does not exist")),
        "{refused}"
    );
    let commit = world.commit(b"content");
    world.repo.git(&["rm", "--quiet", "a/gone.bin"]);
    let commit = world.repo.commit(&[("commit", commit.as_str())]);
    let cases = [
        ("/batch", StatusCode::NOT_FOUND, false),
        ("/batch", StatusCode::NOT_IMPLEMENTED, false),
        ("/batch", StatusCode::UNAUTHORIZED, true),
        ("/batch", StatusCode::FORBIDDEN, true),
        ("/batch", StatusCode::TOO_MANY_REQUESTS, true),
        ("/batch", StatusCode::INTERNAL_SERVER_ERROR, true),
        ("/batch", StatusCode::FOUND, true),
        ("/lfs-objects/", StatusCode::GONE, false),
        ("/lfs-objects/", StatusCode::FORBIDDEN, true),
        ("/lfs-objects/", StatusCode::BAD_GATEWAY, true),
        ("/lfs-objects/", StatusCode::FOUND, true),
    ];
    for (part, status, again) in cases {
        world.server.lfs().refuse(part, status);
        match world.refused(&commit).await {
            SandboxError::Source(words) if again => assert!(words.contains("Git LFS"), "{words}"),
            SandboxError::SourceUnusable(words) if !again => assert!(words.contains("Git LFS"), "{words}"),
            other => panic!("{part} {status}: {other:?}"),
        }
    }
    world.server.lfs().heal();
    assert_eq!(world.host.run_source(world.source(&commit), "cat data.bin").await, "content");
}

#[tokio::test]
async fn more_than_the_workspace_holds_is_refused_before_anything_is_fetched() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let small = server.lfs().add(b"small");
    let large = pointer(b"x").replace("size 1", "size 16777216");
    let commit = repo.commit(&[(".gitattributes", ATTRIBUTES), ("a.bin", &small), ("b.bin", &large)]);
    let spec = SandboxSpec { source: Some(with_lfs(server.source(&repo, &commit))), ..spec() };
    let refused = rig.sandbox.open(&spec).await.expect_err("it does not fit");
    assert!(matches!(&refused, SandboxError::SourceUnusable(words) if words.contains("16 MiB")), "{refused}");
    assert!(server.lfs().asked().is_empty());
}

#[tokio::test]
async fn the_login_goes_to_the_clones_own_server_and_to_no_other() {
    let world = World::new().await;
    let commit = world.commit(b"content");
    let (url, store) = elsewhere(world.server.lfs()).await;
    for way in [Way::Redirected(url.clone()), Way::Elsewhere(url, "x-signed", "for the store")] {
        let named = matches!(way, Way::Elsewhere(..));
        world.server.lfs().name(way);
        let _ = std::fs::remove_dir_all(world.host.mirrors());
        assert_eq!(world.host.run_source(world.source(&commit), "cat data.bin").await, "content");
        let asked = store.asked();
        let last = asked.last().expect("the store was asked");
        assert_eq!(last.authorization, None);
        assert_eq!(last.headers.get("x-signed").is_some(), named, "what the forge names for it is sent along");
    }
    assert!(world.server.lfs().asked().iter().all(|asked| asked.authorization.as_deref().is_some_and(|a| a.contains(ENCODED))));
}

#[tokio::test]
async fn a_server_that_a_commit_names_is_not_asked() {
    let world = World::new().await;
    let (url, store) = elsewhere(world.server.lfs()).await;
    world.repo.commit(&[(".lfsconfig", &format!("[lfs]\n\turl = {url}/app.git/info/lfs\n"))]);
    let commit = world.commit(b"content");
    assert_eq!(world.host.run_source(world.source(&commit), "cat data.bin").await, "content");
    assert!(store.asked().is_empty());
}

#[tokio::test]
async fn a_content_that_was_damaged_or_lost_in_the_mirror_is_fetched_anew() {
    let world = World::new().await;
    let commit = world.commit(b"content");
    let kept = world.host.mirrors().join("github-7.git/lfs");
    let damages: [&dyn Fn(&std::path::Path); 3] = [
        &|file| std::fs::write(file, "context").expect("it can be written"),
        &|file| std::fs::write(file, "cont").expect("it can be written"),
        &|file| std::fs::remove_file(file).expect("it can be removed"),
    ];
    for damage in damages {
        assert_eq!(world.host.run_source(world.source(&commit), "cat data.bin").await, "content");
        files_below(&kept).iter().for_each(|file| damage(file));
    }
    assert_eq!(world.host.run_source(world.source(&commit), "cat data.bin").await, "content");
    assert_eq!(world.server.lfs().downloads(), 4);
}

#[tokio::test]
async fn contents_of_earlier_commits_make_room_for_those_of_new_ones() {
    let world = World::new().await;
    let first = world.commit(b"first");
    assert_eq!(world.host.run_source(world.source(&first), "cat data.bin").await, "first");
    let [old] = &files_below(&world.host.mirrors().join("github-7.git/lfs"))[..] else { panic!("one content was fetched") };
    let file = std::fs::File::options().write(true).open(old).expect("it is ours");
    // It takes no room on the disk, and counts.
    file.set_len(8 << 30).expect("a file may have holes");
    let second = world.commit(b"second");
    assert_eq!(world.host.run_source(world.source(&second), "cat data.bin").await, "second");
    assert!(!old.exists());
}

#[tokio::test]
async fn what_lies_over_a_commit_stays_as_it_is() {
    let world = World::new().await;
    let commit = world.commit(b"content");
    let change = FileChange { path: "data.bin".to_owned(), now: Some((FileMode::Plain, Bytes::from_static(b"over"))) };
    let source = Source { overlay: Arc::from([change]), ..world.source(&commit) };
    assert_eq!(world.host.run_source(source, "cat data.bin").await, "over");
}

/// What somebody who works in a workspace has changed there.
async fn worked(shop: &dyn Workshop, source: &Source, script: &str) -> Result<Vec<FileChange>, ChangesError> {
    let key = gatewright_core::sandbox::SandboxKey { run: RunId::new(), gate: "work".parse().expect("a name") };
    let spec = SandboxSpec { key, source: Some(source.clone()), watched: true, ..spec() };
    let handle = shop.open(&spec).await.expect("the sandbox opens");
    let command = gatewright_core::sandbox::Command { script: script.to_owned(), wall: std::time::Duration::from_secs(60) };
    shop.exec(&handle, &command, &crate::rig::Printed::default()).await.expect("it runs");
    let changes = shop.changes(&handle, source, &[]).await;
    shop.close(&spec.key).await.expect("it can be removed");
    changes
}

#[tokio::test]
async fn a_file_of_git_lfs_is_no_change_of_an_agents_until_the_agent_changes_it() {
    let world = World::new().await;
    let large = world.server.lfs().add(&noise(6_000_000));
    world.repo.commit(&[("large.bin", &large)]);
    let source = world.source(&world.commit(&noise(5_000)));
    let rig = Rig::new();
    let shops: [&dyn Workshop; 2] = [&rig.sandbox, &world.host.sandbox];
    for shop in shops {
        assert_eq!(worked(shop, &source, "true").await, Ok(vec![]));
        assert_eq!(worked(shop, &source, "touch data.bin large.bin; cp data.bin x; mv x data.bin").await, Ok(vec![]));
        let changed = worked(shop, &source, "echo new > new.txt; rm data.bin").await.expect("it can be taken out");
        let changed: Vec<_> = changed.iter().map(|change| (change.path.as_str(), change.now.is_some())).collect();
        assert_eq!(changed, [("data.bin", false), ("new.txt", true)]);
        for script in
            ["echo more >> data.bin", "echo short > data.bin", "chmod +x large.bin", "head -c 5000 /dev/zero > data.bin"]
        {
            let refused = worked(shop, &source, script).await;
            assert!(matches!(&refused, Err(ChangesError::Refused(Refused::Lfs { .. }))), "{script}: {refused:?}");
        }
    }
}

/// A working tree with a pointer, as `git-lfs` leaves the commit, and where it keeps the content.
fn working_tree() -> (Tree, std::path::PathBuf) {
    let tree = Tree::new();
    tree.write(".gitattributes", ATTRIBUTES);
    tree.write("data.bin", &pointer(b"content"));
    tree.commit("with Git LFS");
    let oid = pointer(b"content").split_once("sha256:").expect("it has one").1[..64].to_owned();
    let kept = tree.folder.join(format!(".git/lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]));
    std::fs::create_dir_all(kept.parent().expect("it is in a folder")).expect("a folder can be made");
    (tree, kept)
}

#[tokio::test]
async fn a_local_run_takes_contents_from_the_users_repository_and_fetches_nothing() {
    let (tree, kept) = working_tree();
    let snapshot = tree.snapshot("scratch").await;
    let host = Host::fresh_of(&tree.around.path().join("work"), &snapshot.repository);
    let source = with_lfs(local_source(&snapshot.commit, false));
    let open = || async { host.sandbox.open(&SandboxSpec { source: Some(source.clone()), ..spec() }).await.map(|_| ()) };
    let refused = open().await.expect_err("it is not there");
    assert!(
        matches!(&refused, SandboxError::SourceUnusable(words) if words.contains("`data.bin`") && words.contains("git lfs pull")),
        "{refused}"
    );
    std::fs::write(&kept, "context").expect("it can be written");
    let refused = open().await.expect_err("it is something else");
    assert!(matches!(&refused, SandboxError::SourceUnusable(words) if words.contains("git lfs fsck")), "{refused}");
    assert!(kept.exists(), "nothing of the user's is removed");
    std::fs::write(&kept, "content").expect("it can be written");
    assert_eq!(host.run_source(source.clone(), "cat data.bin").await, "content");
    // Without `git-lfs` a changed file is in the tree as it is.
    tree.write("data.bin", "changed");
    let snapshot = tree.snapshot("again").await;
    let host = Host::fresh_of(&tree.around.path().join("work"), &snapshot.repository);
    assert_eq!(host.run_source(with_lfs(local_source(&snapshot.commit, false)), "cat data.bin").await, "changed");
}

#[tokio::test]
async fn a_local_run_takes_contents_of_submodules_and_worktrees_from_where_they_are_kept() {
    let (lib, kept) = working_tree();
    std::fs::write(&kept, "content").expect("it can be written");
    let tree = Tree::new();
    tree.git(&["submodule", "--quiet", "add", lib.folder.to_str().expect("text"), "vendor/lib"]);
    let oid = kept.file_name().expect("it has one").to_str().expect("text");
    let there = tree.folder.join(format!(".git/modules/vendor/lib/lfs/objects/{}/{}", &oid[..2], &oid[2..4]));
    std::fs::create_dir_all(&there).expect("a folder can be made");
    std::fs::copy(&kept, there.join(oid)).expect("it can be copied");
    let commit = tree.commit("with a submodule");
    let beside = tree.around.path().join("beside");
    tree.git(&["worktree", "add", "--quiet", beside.to_str().expect("text"), "HEAD", "--detach"]);
    let found = gatewright_sandbox::local::WorkingTree::find(&beside).await.expect("it is a working tree");
    let repository = tree.around.path().join("scratch");
    found.snapshot(&repository, gatewright_sandbox::local::Content::Head).await.expect("it can be taken up");
    found.add_submodules(&repository, &commit).await.expect("it is here");
    let host = Host::fresh_of(&tree.around.path().join("work"), &repository);
    let mut source = local_source(&commit, true);
    source.checkout.lfs = true;
    assert_eq!(host.run_source(source, "cat vendor/lib/data.bin").await, "content");
}
