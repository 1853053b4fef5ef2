//! What is changed in a workspace leaves it, and enters another one: one contract for whatever a sandbox is made of.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatewright_core::sandbox::{
    Captured, ChangesError, Command, ExecEnd, Limits, Refused, SandboxError, SandboxHandle, SandboxSpec, Source, Workshop,
};
use gatewright_core::survey::{Side, SurveyWanted};
use gatewright_core::tree::{FileChange, FileMode, Tree as Changed};
use gatewright_core::{CommitId, RunId};
use gatewright_sandbox::{DockerConfig, DockerSandbox, HostConfig, HostSandbox, HostWorkspace, PullPolicy};
use tempfile::TempDir;

use crate::git_server::{GitServer, Repo, Speaks};
use crate::rig::{IMAGE, spec};
use crate::tree::{Tree, local_source};

/// An image with a shell and little else: neither `find` nor `stat`.
const BARE: &str = "gatewright-test-bare:local";

/// A sandbox of some kind, and a commit that it can be filled from.
struct Shop {
    kind: &'static str,
    sandbox: Arc<dyn Workshop>,
    source: Source,
    image: &'static str,
    _around: Around,
}

/// What goes with the test.
struct Around {
    folder: TempDir,
    _server: Option<GitServer>,
    _tree: Option<Tree>,
}

type Files<'a> = &'a [(&'a str, &'a str)];

/// All kinds of sandboxes, each with a source of these files, of which those with a `#!` may be run, and more that is done in its
/// repository before it is committed.
async fn shops(files: Files<'_>, more: impl Fn(&Path)) -> Vec<Shop> {
    let mut shops = Vec::new();
    for (kind, local, image) in [("docker", false, IMAGE), ("docker, bare", false, bare_image()), ("docker, local", true, IMAGE)]
    {
        let (source, repository, around) = source(files, &more, local).await;
        let folder = around.folder.path();
        let config = DockerConfig {
            pull: PullPolicy::Never,
            local: repository,
            ..DockerConfig::new(format!("test-{}", RunId::new()), folder.join("mirrors"))
        };
        shops.push(Shop { kind, sandbox: Arc::new(DockerSandbox::new(config)), source, image, _around: around });
    }
    for (kind, local) in [("host", false), ("host, local", true)] {
        let (source, local, around) = source(files, &more, local).await;
        let folder = around.folder.path();
        let config = HostConfig {
            workspace: HostWorkspace::Fresh(folder.join("work")),
            instance: format!("test-{}", RunId::new()),
            mirrors: folder.join("mirrors"),
            local,
            env: std::collections::BTreeMap::new(),
        };
        shops.push(Shop { kind, sandbox: Arc::new(HostSandbox::new(config)), source, image: IMAGE, _around: around });
    }
    shops
}

async fn source(files: Files<'_>, more: &impl Fn(&Path), local: bool) -> (Source, Option<std::path::PathBuf>, Around) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    if local {
        let tree = Tree::new();
        std::fs::remove_file(tree.folder.join("a.txt")).expect("it is there");
        write_all(&tree.folder, files);
        more(&tree.folder);
        tree.git(&["add", "--all", "--force"]);
        tree.git(&["commit", "--quiet", "--allow-empty", "-m", "files"]);
        let snapshot = tree.snapshot("snapshot").await;
        let (source, repository) = (local_source(&snapshot.commit, false), snapshot.repository.clone());
        return (source, Some(repository), Around { folder, _server: None, _tree: Some(tree) });
    }
    let server = GitServer::start(Speaks::Now).await;
    let repo = server.repo("app");
    write_all(&repo.path, files);
    more(&repo.path);
    let commit = repo.commit(&[]);
    let source = server.source(&repo, &commit);
    (source, None, Around { folder, _server: Some(server), _tree: None })
}

fn write_all(folder: &Path, files: Files<'_>) {
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        std::fs::write(&path, content).expect("a file can be written");
        if content.starts_with("#!") {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
    }
}

/// Made once, and left on the engine: several tests use it at once, each in a process of its own.
fn bare_image() -> &'static str {
    static MADE: std::sync::Once = std::sync::Once::new();
    MADE.call_once(|| {
        let found = Process::new("docker").args(["image", "inspect", BARE]).output().expect("there is a docker client");
        if found.status.success() {
            return;
        }
        let script = "docker create --name \"$0\" \"$1\" >/dev/null && docker export \"$0\" | \
                      tar --delete usr/bin/find usr/bin/stat bin/stat 2>/dev/null >\"/tmp/$0.tar\"; \
                      docker import - \"$2\" <\"/tmp/$0.tar\"; docker rm \"$0\"; rm \"/tmp/$0.tar\"";
        let made = Process::new("sh").args(["-c", script, &format!("bare-{}", RunId::new()), IMAGE, BARE]).output();
        let made = made.expect("there is a shell");
        assert!(made.status.success(), "{made:?}");
    });
    BARE
}

impl Shop {
    fn spec(&self) -> SandboxSpec {
        let limits = Limits { memory_mib: 128, disk_mib: 64, pids: 64, ..spec().limits };
        SandboxSpec { image: self.image.to_owned(), source: Some(self.source.clone()), watched: true, limits, ..spec() }
    }

    async fn open(&self) -> Work<'_> {
        self.open_as(self.spec()).await
    }

    async fn open_as(&self, spec: SandboxSpec) -> Work<'_> {
        let opened = self.sandbox.open(&spec).await;
        Work { shop: self, handle: opened.unwrap_or_else(|error| panic!("{}: {error}", self.kind)) }
    }

    fn over(&self, overlay: &[FileChange]) -> Source {
        Source { overlay: overlay.into(), ..self.source.clone() }
    }
}

/// An open sandbox.
struct Work<'a> {
    shop: &'a Shop,
    handle: SandboxHandle,
}

impl Work<'_> {
    /// Runs a script that must end well, and returns what it printed.
    async fn run(&self, script: &str) -> String {
        let command = Command { script: script.to_owned(), wall: Duration::from_secs(120) };
        let ran = self.shop.sandbox.capture(&self.handle, &command, 64 * 1024).await;
        let ran = ran.unwrap_or_else(|error| panic!("{}: {error}", self.shop.kind));
        let text = String::from_utf8_lossy(&ran.head).into_owned();
        assert_eq!(ran.result.end, ExecEnd::Exited(0), "{}: {text}", self.shop.kind);
        text
    }

    async fn look(&self, script: &str, bytes_max: usize) -> Captured {
        let look = Command { script: script.to_owned(), wall: Duration::from_secs(60) };
        let seen = self.shop.sandbox.look(&self.handle, &look, bytes_max).await;
        seen.unwrap_or_else(|error| panic!("{}: {error}", self.shop.kind))
    }

    async fn changes(&self) -> Result<Vec<FileChange>, ChangesError> {
        self.shop.sandbox.changes(&self.handle, &self.shop.source, &[]).await
    }

    /// A line for each change.
    async fn told(&self) -> Vec<String> {
        let changes = self.changes().await.unwrap_or_else(|error| panic!("{}: {error}", self.shop.kind));
        lines(&changes)
    }

    async fn refused(&self) -> Refused {
        match self.changes().await {
            Err(ChangesError::Refused(refused)) => refused,
            other => panic!("{}: {other:?}", self.shop.kind),
        }
    }

    async fn close(self) {
        self.shop.sandbox.close(&self.handle.key).await.expect("it closes");
    }
}

fn lines(changes: &[FileChange]) -> Vec<String> {
    let line = |change: &FileChange| match &change.now {
        Some((FileMode::Plain, content)) => format!("{}: {}", change.path, String::from_utf8_lossy(content)),
        Some((FileMode::Executable, content)) => format!("{}*: {}", change.path, String::from_utf8_lossy(content)),
        None => format!("{} gone", change.path),
    };
    changes.iter().map(line).collect()
}

fn now(path: &str, content: &str) -> FileChange {
    FileChange { path: path.to_owned(), now: Some((FileMode::Plain, Bytes::copy_from_slice(content.as_bytes()))) }
}

fn gone(path: &str) -> FileChange {
    FileChange { path: path.to_owned(), now: None }
}

const FILES: Files<'_> =
    &[("a.txt", "1"), ("run.sh", "#!/bin/sh\n"), ("src/b.txt", "1"), ("src/deep/er/c.txt", "1"), ("d/e", "1")];

#[tokio::test]
async fn what_is_changed_leaves_a_workspace_and_enters_another_one() {
    for shop in shops(FILES, |_| ()).await {
        let work = shop.open().await;
        assert_eq!(work.told().await, [""; 0], "{}", shop.kind);
        work.run(
            "printf 2 > a.txt; chmod +x src/b.txt; chmod -x run.sh; rm -r src/deep; mv d/e d/f; mkdir new; printf '\\000\\377x' > 'new/ä b'; \
             touch -d '2001-01-01 00:00:00' a.txt; printf '#!' > new/run; chmod 4755 new/run; mkdir empty; touch d/g; rm d/g",
        )
        .await;
        let changes = work.changes().await.unwrap_or_else(|error| panic!("{}: {error}", shop.kind));
        let told = lines(&changes);
        let all = [
            "a.txt: 2",
            "d/e gone",
            "d/f: 1",
            "new/run*: #!",
            "new/ä b: \u{0}\u{fffd}x",
            "run.sh: #!/bin/sh\n",
            "src/b.txt*: 1",
            "src/deep/er/c.txt gone",
        ];
        assert_eq!(told, all, "{}", shop.kind);
        assert_eq!(work.changes().await, Ok(changes.clone()), "{}: asked again", shop.kind);
        work.run("printf 1 > a.txt; rm -r new; mv d/f d/e; chmod +x run.sh; chmod 644 src/b.txt; mkdir -p src/deep/er; printf 1 > src/deep/er/c.txt").await;
        assert_eq!(work.told().await, [""; 0], "{}: all taken back", shop.kind);

        shop.sandbox.lay(&work.handle, &changes).await.unwrap_or_else(|error| panic!("{}: {error}", shop.kind));
        assert_eq!(work.told().await, all, "{}: laid", shop.kind);
        let ls = "find . -type f -exec ls -l {} + | sed 's/ .* / /' | sort -k 2; [ ! -d src/deep ] && echo empty";
        let laid = if shop.image == BARE { String::new() } else { work.run(ls).await };
        work.close().await;

        let work = shop.open_as(SandboxSpec { source: Some(shop.over(&changes)), ..shop.spec() }).await;
        assert_eq!(work.told().await, all, "{}: laid over the commit", shop.kind);
        if shop.image != BARE {
            assert_eq!(work.run(ls).await, laid, "{}", shop.kind);
        }
        work.run("printf 3 > a.txt; rm d/f").await;
        let told = work.told().await;
        assert_eq!((told[0].as_str(), told[1].as_str(), told.len()), ("a.txt: 3", "d/e gone", 7), "{}", shop.kind);
        work.close().await;
    }
}

#[tokio::test]
async fn build_output_that_the_source_ignores_stays() {
    let files: Files<'_> = &[(".gitignore", "/target/\n*.o\n"), ("src/a", "1"), ("sub/.gitignore", "!keep.o\n"), ("old.o", "1")];
    for shop in shops(files, |_| ()).await {
        let work = shop.open().await;
        work.run("mkdir -p target/debug; for i in $(seq 300); do echo x > target/debug/$i; done; mkfifo target/pipe; ln -s /etc target/link; echo o > a.o; echo o > sub/keep.o; echo o > old.o")
            .await;
        for _ in 0..2 {
            assert_eq!(work.told().await, ["old.o: o\n", "sub/keep.o: o\n"], "{}", shop.kind);
        }
        work.run("echo > .gitignore").await;
        assert!(matches!(work.refused().await, Refused::Link { .. } | Refused::Special { .. } | Refused::TooManyFiles { .. }));
        work.close().await;
    }
}

#[tokio::test]
async fn what_a_gate_leaves_behind_is_no_change_unless_the_commit_has_it() {
    let leave = ["target/**/TEST-*.xml".to_owned(), "shots/*.png".to_owned(), "lcov.info".to_owned(), "{".to_owned()];
    for shop in shops(&[("src/a", "1"), ("shots/old.png", "1"), ("shots/gone.png", "1")], |_| ()).await {
        let work = shop.open().await;
        work.run("mkdir -p target/a; for i in $(seq 300); do echo x > target/a/TEST-$i.xml; done; ln -s /etc lcov.info").await;
        work.run("echo o > shots/new.png; echo o > shots/old.png; rm shots/gone.png; echo o > shots/note.md").await;
        for _ in 0..2 {
            let changes = shop.sandbox.changes(&work.handle, &shop.source, &leave).await;
            let changes = changes.unwrap_or_else(|error| panic!("{}: {error}", shop.kind));
            assert_eq!(lines(&changes), ["shots/gone.png gone", "shots/note.md: o\n", "shots/old.png: o\n"], "{}", shop.kind);
        }
        assert!(matches!(work.refused().await, Refused::Link { .. } | Refused::TooManyFiles { .. }), "{}", shop.kind);
        work.close().await;
    }
}

#[tokio::test]
async fn a_repository_in_the_workspace_runs_nothing_and_is_left_out() {
    for shop in shops(&[("a.txt", "1"), (".gitattributes", "*.txt filter=evil diff=evil\n")], |_| ()).await {
        let canary = tempfile::tempdir().expect("a temporary folder can be made");
        let touched = canary.path().join("touched");
        let work = shop.open().await;
        let evil = touched.display();
        work.run(&format!(
            "mkdir -p .git/objects .git/refs .git/hooks; echo 'ref: refs/heads/main' > .git/HEAD; \
             printf '[core]\\n\\trepositoryformatversion = 0\\n\\tfsmonitor = touch {evil}\\n[filter \"evil\"]\\n\\tclean = touch {evil}\\n\
             [diff]\\n\\texternal = touch {evil}\\n' > .git/config; printf '* filter=evil\\n' > .gitattributes; printf 2 > a.txt"
        ))
        .await;
        assert_eq!(work.told().await, [".gitattributes: * filter=evil\n", "a.txt: 2"], "{}", shop.kind);
        let changes = work.changes().await.expect("as before");
        let diff = shop.sandbox.diff(&shop.over(&changes), &shop.source.commit, 10_000).await.expect("git answers");
        assert!(diff.contains("-1\n") && diff.contains("+2\n"), "{}: {diff}", shop.kind);
        assert!(!touched.exists(), "{}", shop.kind);
        work.run("mkdir sub; cp -r .git sub/.git").await;
        assert!(matches!(work.refused().await, Refused::Path { .. }), "{}", shop.kind);
        work.close().await;
    }
}

type IsRight = fn(&Refused) -> bool;

#[tokio::test]
async fn what_is_no_plain_file_of_the_workspace_is_refused_with_its_cause() {
    let cases: [(&str, IsRight); 12] = [
        ("ln -s /etc/passwd new", |refused| matches!(refused, Refused::Link { path } if path == "new")),
        ("rm a.txt; ln -s run.sh a.txt", |refused| matches!(refused, Refused::Link { path } if path == "a.txt")),
        ("rm link; printf x > link", |refused| matches!(refused, Refused::Link { path } if path == "link")),
        ("rm link; ln -s /etc link", |refused| matches!(refused, Refused::Link { path } if path == "link")),
        ("rm -r src; ln -s d src", |refused| matches!(refused, Refused::Link { path } if path == "src")),
        ("mkfifo pipe", |refused| matches!(refused, Refused::Special { path } if path == "pipe")),
        ("printf x > \"$(printf 'a\\nb')\"", |refused| matches!(refused, Refused::Path { path, .. } if path == "a\u{fffd}b")),
        (
            "printf x > \"$(printf 'a\\377')\"",
            |refused| matches!(refused, Refused::Path { cause, .. } if cause.contains("UTF-8")),
        ),
        ("printf x > SRC", |refused| matches!(refused, Refused::Case { path, other } if path == "SRC" && other == "src")),
        ("for i in $(seq 101); do echo > out-$i; done", |refused| matches!(refused, Refused::TooManyFiles { files: 101, .. })),
        (
            "dd if=/dev/zero of=giant bs=1024 count=0 seek=5000000000",
            |refused| matches!(refused, Refused::TooLarge { path } if path == "giant"),
        ),
        ("head -c 5000000 /dev/zero > a.txt", |refused| matches!(refused, Refused::TooLarge { path } if path == "a.txt")),
    ];
    let link = |folder: &Path| std::os::unix::fs::symlink("../../elsewhere", folder.join("link")).expect("a link can be made");
    // Where the commit comes from makes no difference here.
    for shop in shops(FILES, link).await.into_iter().filter(|shop| !shop.kind.ends_with("local")) {
        for (script, is_right) in &cases {
            // The engine itself refuses such a giant in an archive that it makes.
            if shop.image == BARE && script.contains("giant") {
                continue;
            }
            let work = shop.open().await;
            work.run(script).await;
            let refused = work.refused().await;
            assert!(is_right(&refused), "{}: {script}: {refused:?}", shop.kind);
            work.close().await;
        }
        let work = shop.open().await;
        work.run("rm link; ln a.txt second; printf same > a.txt").await;
        assert_eq!(work.told().await, ["a.txt: same", "link gone", "second: same"], "{}", shop.kind);
        work.close().await;
    }
}

#[tokio::test]
async fn nothing_is_laid_or_written_through_a_link() {
    for shop in shops(FILES, |_| ()).await {
        let work = shop.open().await;
        work.run("rm -rf /tmp/gw-aim; mkdir /tmp/gw-aim; echo kept > /tmp/gw-aim/b.txt; rm -r src; ln -s /tmp/gw-aim src; ln -s /tmp/gw-aim/b.txt file").await;
        for change in [now("src/b.txt", "2"), now("src/deep/new", "2"), gone("src/b.txt")] {
            let refused = shop.sandbox.lay(&work.handle, std::slice::from_ref(&change)).await;
            assert!(matches!(refused, Err(SandboxError::Report(_))), "{}: {change:?}: {refused:?}", shop.kind);
        }
        let refused = shop.sandbox.write(&work.handle, "src/b.txt", Bytes::from_static(b"2")).await;
        assert!(matches!(refused, Err(SandboxError::Report(_))), "{}: {refused:?}", shop.kind);
        shop.sandbox.lay(&work.handle, &[now("file", "2")]).await.expect("a link makes way for a file");
        shop.sandbox.write(&work.handle, "file", Bytes::from_static(b"3")).await.expect("it can be written");
        assert_eq!(
            work.run("cat /tmp/gw-aim/*; ls /tmp/gw-aim; cat file; rm -r /tmp/gw-aim").await,
            "kept\nb.txt\n3",
            "{}",
            shop.kind
        );
        for path in ["../x", "/etc/x", ".git/config", "a/../b", "", "a\nb"] {
            let refused = shop.sandbox.lay(&work.handle, &[now(path, "x")]).await;
            assert!(matches!(refused, Err(SandboxError::Report(_))), "{}: {path}: {refused:?}", shop.kind);
        }
        work.close().await;
    }
}

#[tokio::test]
async fn line_ends_are_those_that_git_would_commit() {
    let files: Files<'_> =
        &[(".gitattributes", "*.bat text eol=crlf\n*.auto text=auto\n*.bin -text\n"), ("a.bat", "1\r\n"), ("b.bat", "1\r\n")];
    for shop in shops(files, |_| ()).await {
        let work = shop.open().await;
        assert_eq!(work.run("cat a.bat").await, "1\r\n", "{}: the workspace is a checkout", shop.kind);
        work.run("touch a.bat; printf '2\\r\\n' >> b.bat; for new in new.auto new.bin new.txt; do printf '1\\r\\n' > $new; done")
            .await;
        let all = ["b.bat: 1\n2\n", "new.auto: 1\n", "new.bin: 1\r\n", "new.txt: 1\r\n"];
        assert_eq!(work.told().await, all, "{}", shop.kind);
        assert_eq!(work.told().await, all, "{}: asked again", shop.kind);
        work.close().await;
    }
}

#[tokio::test]
async fn a_survey_and_a_diff_see_what_lies_over_the_commit() {
    let evil = now("new/\"q\" b.txt", "other\nlines\n");
    for shop in shops(&[("a.txt", "1\n"), ("b.txt", "1\n"), ("c.txt", "1\n")], |_| ()).await {
        let overlay = [now("a.txt", "1\n2\n"), gone("b.txt"), evil.clone()];
        let source = shop.over(&overlay);
        let wanted = SurveyWanted { files: true, diff: true, changes: true, ..SurveyWanted::default() };
        let survey = shop.sandbox.survey(&source, Some(&shop.source.commit), &wanted).await.expect("git answers");
        assert_eq!(survey.files, ["a.txt", "c.txt", "new/\"q\" b.txt"], "{}", shop.kind);
        let mut changed: Vec<(String, Option<u64>)> =
            survey.changes.iter().flatten().map(|one| (one.path.clone(), one.added)).collect();
        changed.sort();
        assert_eq!(
            changed,
            [("a.txt".to_owned(), Some(1)), ("b.txt".to_owned(), Some(0)), ("new/\"q\" b.txt".to_owned(), Some(2))]
        );
        assert!(survey.content(Side::Head, "a.txt").is_none(), "nobody asked for it");
        let texts = survey.texts.clone().expect("git has them");
        let text = tokio::task::spawn_blocking(move || texts.read("a.txt", 100)).await.expect("it ends");
        assert_eq!(text, Some(Bytes::from_static(b"1\n2\n")), "{}", shop.kind);
        let diff = shop.sandbox.diff(&source, &shop.source.commit, 100_000).await.expect("git answers");
        assert!(diff.contains("+++ b/a.txt\n@@ -1 +1,2 @@\n 1\n+2\n") && diff.contains("deleted file"), "{}: {diff}", shop.kind);
        let cut = shop.sandbox.diff(&source, &shop.source.commit, 0).await.expect("git answers");
        assert_eq!(cut, "(3 more changed files left out)\n");
        let same = shop.sandbox.diff(&shop.source, &shop.source.commit, 0).await.expect("git answers");
        assert_eq!(same, "");
        let refused = shop.sandbox.survey(&shop.over(&[now(".git/config", "x")]), None, &wanted).await;
        assert!(matches!(refused, Err(SandboxError::SourceUnusable(_))), "{}: {refused:?}", shop.kind);
    }
}

#[tokio::test]
async fn a_workspace_that_nobody_watched_is_read_whole_and_a_killed_helper_replaced() {
    for shop in shops(FILES, |_| ()).await {
        let work = shop.open_as(SandboxSpec { watched: false, ..shop.spec() }).await;
        work.run("printf 2 > a.txt; printf x > new").await;
        assert_eq!(work.told().await, ["a.txt: 2", "new: x"], "{}", shop.kind);
        if shop.kind.starts_with("docker") {
            let command = Command { script: "kill -9 -1".to_owned(), wall: Duration::from_secs(20) };
            shop.sandbox.capture(&work.handle, &command, 100).await.expect("it runs");
            work.run("printf 3 > a.txt").await;
        } else {
            work.run("printf 3 > a.txt").await;
        }
        assert_eq!(work.told().await, ["a.txt: 3", "new: x"], "{}", shop.kind);
        work.close().await;
    }
}

#[tokio::test]
async fn looking_shows_what_a_command_would_also_after_a_look_that_does_not_end() {
    for shop in shops(FILES, |_| ()).await {
        let work = shop.open().await;
        let seen = work.look("read -r x < a.txt; echo $x; echo oops >&2; read -r y; printf \"[$y]\"; exit 3", 100).await;
        assert_eq!((seen.result.end, &seen.head[..]), (ExecEnd::Exited(3), &b"1\noops\n[]"[..]), "{}", shop.kind);
        let long = work.look("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done", 100).await;
        assert_eq!(long.result.end, ExecEnd::Exited(0), "{}", shop.kind);
        assert!(long.head.starts_with(b"line 0\nline 1\n") && long.tail.ends_with(b"line 4999\n"), "{}: {long:?}", shop.kind);
        assert_eq!(long.head.len() as u64 + long.tail.len() as u64 + long.dropped_bytes, 48_890, "{}", shop.kind);
        let endless = Command { script: "echo begun; while :; do :; done".to_owned(), wall: Duration::from_secs(1) };
        let endless = shop.sandbox.look(&work.handle, &endless, 100).await.expect("it is ended");
        assert_eq!((endless.result.end, &endless.head[..]), (ExecEnd::TimedOut, &b"begun\n"[..]), "{}", shop.kind);
        let after = work.look("echo again", 100).await;
        assert_eq!((after.result.end, &after.head[..]), (ExecEnd::Exited(0), &b"again\n"[..]), "{}", shop.kind);
        work.close().await;
    }
}

#[tokio::test]
async fn so_many_files_that_nobody_would_look_at_them_are_refused_and_the_sandbox_goes_on() {
    for shop in shops(FILES, |_| ()).await.into_iter().filter(|shop| !shop.kind.ends_with("local")) {
        // Each takes a page of the workspace.
        let limits = Limits { disk_mib: 600, memory_mib: 512, ..shop.spec().limits };
        let work = shop.open_as(SandboxSpec { limits, ..shop.spec() }).await;
        work.run("mkdir many; cd many; seq 100000 | xargs touch").await;
        let refused = work.refused().await;
        assert_eq!(refused, Refused::TooManyFiles { files: 100_000, folder: "many".to_owned(), most: 100_000 }, "{}", shop.kind);
        work.run("rm -rf many; printf 2 > a.txt").await;
        assert_eq!(work.told().await, ["a.txt: 2"], "{}", shop.kind);
        work.close().await;
    }
}

#[tokio::test]
async fn a_folder_that_is_swapped_for_a_link_all_the_time_shows_nothing_that_is_not_in_the_sandbox() {
    let secret = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(secret.path().join("b.txt"), "of the host").expect("it can be written");
    for shop in shops(FILES, |_| ()).await.into_iter().filter(|shop| shop.kind.starts_with("docker")) {
        let work = shop.open().await;
        let aim = secret.path().display();
        work.run(&format!(
            "(while :; do mv src kept; ln -s {aim} src; rm src; mv kept src; printf 2 > src/b.txt; done) >/dev/null 2>&1 &"
        ))
        .await;
        for _ in 0..10 {
            match work.changes().await {
                Ok(changes) => assert!(lines(&changes).iter().all(|line| !line.contains("of the host")), "{changes:?}"),
                Err(ChangesError::Refused(_)) => {}
                Err(ChangesError::Failed(error)) => panic!("{}: {error}", shop.kind),
            }
        }
        work.close().await;
    }
}

#[tokio::test]
async fn gates_of_the_same_change_find_it_made_already() {
    let server = GitServer::start(Speaks::Now).await;
    let repo: Repo = server.repo("app");
    let commit: CommitId = repo.commit(&[("a.txt", "1")]);
    let rig = crate::rig::Rig::new();
    let source = Source { overlay: [now("a.txt", "2")].into(), ..server.source(&repo, &commit) };
    let diffs = (0..4).map(|_| rig.sandbox.diff(&source, &commit, 1000));
    let diffs = futures_util::future::join_all(diffs).await;
    assert!(diffs.iter().all(|diff| diff.as_ref().is_ok_and(|diff| diff.contains("+2"))), "{diffs:?}");
    let overlaid = rig.config.mirrors.join("github-7.git/refs/gatewright/overlaid");
    assert_eq!(std::fs::read_dir(overlaid).expect("it is there").count(), 1);
    assert_eq!(Changed::FILES_MAX, 100);
}
