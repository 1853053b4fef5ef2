//! Sources: what arrives in the workspace, what is fetched for it, and what hostile repositories try.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::StatusCode;
use gatewright_core::config::Checkout;
use gatewright_core::sandbox::{Folder, Sandbox, SandboxError, SandboxHandle, SandboxSpec, Source};
use gatewright_core::survey::SurveyWanted;
use gatewright_sandbox::DockerSandbox;

use crate::git_server::{GitServer, Repo, Speaks, TOKEN};
use crate::rig::{Rig, spec};

async fn open(rig: &Rig, source: Source) -> Result<SandboxHandle, SandboxError> {
    rig.sandbox.open(&SandboxSpec { source: Some(source), ..spec() }).await
}

/// What a script prints in a sandbox with this source.
async fn run(rig: &Rig, source: Source, script: &str) -> String {
    let sandbox = open(rig, source).await.expect("the sandbox opens");
    let ran = rig.exec(&sandbox, script).await;
    assert_eq!(ran.code(), 0, "{}", ran.text);
    ran.text
}

fn mirror(rig: &Rig) -> PathBuf {
    rig.config.mirrors.join("github-7.git")
}

#[tokio::test]
async fn the_workspace_is_the_commit_and_belongs_to_the_user() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let long = format!("{}/{}/file", "d".repeat(120), "e".repeat(120));
    let old = repo.commit(&[("a.txt", "old")]);
    std::fs::write(repo.path.join("run.sh"), "#!/bin/sh\necho ran\n").expect("a file can be written");
    repo.git(&["add", "run.sh"]);
    repo.git(&["update-index", "--chmod=+x", "run.sh"]);
    repo.git(&["commit", "--quiet", "-m", "script"]);
    let new = repo.commit_keeping_modes(&[("a.txt", "new"), ("dir with space/ä", "x"), (&long, "deep")]);
    let text = run(
        &rig,
        server.source(&repo, &new),
        &format!("cat a.txt; ./run.sh; cat {long}; find . -not -user gate; stat -c ' %a' run.sh a.txt 'dir with space'; touch new; ls -A"),
    )
    .await;
    assert!(text.starts_with("newran\ndeep 755\n 644\n 755\n"), "{text}");
    assert!(text.contains("\nnew\n") && !text.contains(".git\n"), "{text}");
    assert_eq!(run(&rig, server.source(&repo, &old), "cat a.txt; ls").await, "olda.txt\n");
}

#[tokio::test]
async fn a_base_lies_beside_the_workspace_and_each_is_a_place_of_its_own() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let old = server.source(&repo, &repo.commit(&[("a.txt", "old\n")]));
    let new = server.source(&repo, &repo.commit(&[("a.txt", "new\n")]));
    let head = rig.open(&SandboxSpec { source: Some(new), base: Some(old), ..spec() }).await;
    let base = head.within(Folder::Base);
    for (folder, path, content) in [(&head, "/workspace", "new"), (&base, "/base", "old")] {
        assert_eq!(
            rig.exec(folder, "pwd; cat a.txt; touch made; stat -c %u a.txt").await.text,
            format!("{path}\n{content}\n1000\n")
        );
        let read = rig.sandbox.read(folder, "*.txt", 10, 1000).await.expect("it is read");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut read[0].content.open().expect("it opens"), &mut text).expect("it is text");
        assert_eq!((read.len(), text), (1, format!("{content}\n")));
    }
    rig.sandbox.write(&base, "b.txt", "written".into()).await.expect("it is written");
    assert_eq!(rig.exec(&head, "ls; cat /base/b.txt").await.text, "a.txt\nmade\nwritten");
    let full = rig.exec(&base, "head -c 20000000 /dev/zero > big").await;
    assert!(full.result.disk_full && full.code() != 0, "{}", full.text);
    assert_eq!(rig.exec(&head, "echo enough > room && cat room").await.text, "enough\n");
}

impl Repo {
    /// As `commit`, with the modes that the index has.
    fn commit_keeping_modes(&self, files: &[(&str, &str)]) -> gatewright_core::CommitId {
        self.git(&["config", "core.fileMode", "false"]);
        self.commit(files)
    }
}

#[tokio::test]
async fn a_commit_is_fetched_once_and_the_next_one_brings_only_what_is_new() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    // Noise does not compress, so the bytes on the wire are those of the files.
    let mut state = 1_u64;
    let mut noise = String::new();
    for _ in 0..200_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        noise.push(char::from(b'!' + (state >> 58) as u8));
    }
    let first = repo.commit(&[("big.bin", &noise), ("a.txt", "1")]);
    assert_eq!(run(&rig, server.source(&repo, &first), "cat a.txt").await, "1");
    let (fetches, bytes) = server.fetched();
    assert_eq!(fetches, 1);
    assert!(bytes > 100_000, "{bytes}");
    assert_eq!(run(&rig, server.source(&repo, &first), "cat a.txt").await, "1");
    assert_eq!(server.fetched(), (1, bytes), "nobody was asked for what is there");
    let second = repo.commit(&[("a.txt", "2")]);
    assert_eq!(run(&rig, server.source(&repo, &second), "cat a.txt; wc -c < big.bin").await, "2200000\n");
    let (fetches, more) = server.fetched();
    assert_eq!(fetches, 2);
    assert!(more - bytes < 5_000, "{} bytes for one small change", more - bytes);
}

#[tokio::test]
async fn many_gates_that_want_the_same_commit_fetch_it_once() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[("a.txt", "1")]);
    let source = server.source(&repo, &commit);
    let (a, b, c) = tokio::join!(
        run(&rig, source.clone(), "cat a.txt"),
        run(&rig, source.clone(), "cat a.txt"),
        run(&rig, source.clone(), "cat a.txt")
    );
    assert_eq!([a, b, c], ["1", "1", "1"]);
    assert_eq!(server.fetched().0, 1);
}

#[tokio::test]
async fn services_that_share_a_folder_fetch_a_commit_once() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let source = server.source(&repo, &repo.commit(&[("a.txt", "1")]));
    let other = DockerSandbox::new(rig.config.clone());
    let spec = || SandboxSpec { source: Some(source.clone()), ..spec() };
    let (one, two) = (spec(), spec());
    let (one, two) = tokio::join!(rig.sandbox.open(&one), other.open(&two));
    for sandbox in [one, two] {
        assert_eq!(rig.exec(&sandbox.expect("the sandbox opens"), "cat a.txt").await.text, "1");
    }
    assert_eq!(server.fetched().0, 1);
}

#[tokio::test]
async fn a_commit_that_no_branch_points_at_is_fetched_by_its_id() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    repo.commit(&[("a.txt", "kept")]);
    let lost = repo.commit(&[("a.txt", "lost")]);
    repo.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    assert_eq!(run(&rig, server.source(&repo, &lost), "cat a.txt").await, "lost");
}

#[tokio::test]
async fn a_server_that_gives_out_no_commits_by_id_is_asked_for_its_branches() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Old).await);
    let repo = server.repo("app");
    let behind = repo.commit(&[("a.txt", "behind")]);
    repo.commit(&[("a.txt", "tip")]);
    assert_eq!(run(&rig, server.source(&repo, &behind), "cat a.txt").await, "behind");
}

#[tokio::test]
async fn a_commit_that_does_not_exist_cannot_be_used_and_trying_again_is_no_use() {
    for speaks in [Speaks::Now, Speaks::Old] {
        let (rig, server) = (Rig::new(), GitServer::start(speaks).await);
        let repo = server.repo("app");
        repo.commit(&[("a.txt", "1")]);
        let nowhere = "0123456789".repeat(4).parse().expect("40 digits");
        let refused = open(&rig, server.source(&repo, &nowhere)).await;
        assert!(matches!(refused, Err(SandboxError::SourceUnusable(_))), "{refused:?}");
        assert!(rig.sandbox.leftovers().await.expect("the engine answers").is_empty());
    }
}

#[tokio::test]
async fn a_server_that_is_down_or_refuses_is_worth_another_try_and_costs_no_mirror() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let first = repo.commit(&[("a.txt", "1")]);
    run(&rig, server.source(&repo, &first), "true").await;
    let second = repo.commit(&[("a.txt", "2")]);
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED] {
        server.refuse(Some(status));
        let refused = open(&rig, server.source(&repo, &second)).await;
        assert!(matches!(refused, Err(SandboxError::Source(_))), "{status}: {refused:?}");
        assert_eq!(run(&rig, server.source(&repo, &first), "cat a.txt").await, "1", "what is there needs no server");
    }
    server.refuse(None);
    assert_eq!(run(&rig, server.source(&repo, &second), "cat a.txt").await, "2");
    let mut elsewhere = server.source(&repo, &repo.commit(&[("a.txt", "3")]));
    elsewhere.credential.url = "http://127.0.0.1:1/app".to_owned();
    let refused = open(&rig, elsewhere).await;
    assert!(matches!(refused, Err(SandboxError::Source(_))), "{refused:?}");
}

#[tokio::test]
async fn only_http_is_spoken() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[("a.txt", "1")]);
    for url in [repo.path.display().to_string(), format!("file://{}", repo.path.display()), "ext::touch /tmp/x".to_owned()] {
        let mut source = server.source(&repo, &commit);
        source.credential.url = url.clone();
        let refused = open(&rig, source).await;
        assert!(matches!(refused, Err(SandboxError::SourceUnusable(_))), "{url}: {refused:?}");
    }
}

#[tokio::test]
async fn the_credential_is_in_no_file_no_sandbox_and_no_error() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[("a.txt", "1")]);
    let text = run(&rig, server.source(&repo, &commit), "env; cat /proc/*/cmdline; grep -r . /workspace /tmp").await;
    let encoded = "eC1hY2Nlc3MtdG9rZW46";
    assert!(!text.contains(TOKEN) && !text.contains(encoded), "{text}");
    let files = files_below(&rig.config.mirrors);
    assert!(files.len() > 5, "there is a mirror: {files:?}");
    for file in files {
        let bytes = std::fs::read(&file).expect("the mirror's files can be read");
        let holds = |secret: &str| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!holds(TOKEN) && !holds(encoded), "{}", file.display());
    }
    server.refuse(Some(StatusCode::FORBIDDEN));
    let refused = open(&rig, server.source(&repo, &repo.commit(&[("b", "")]))).await.expect_err("the server refuses");
    assert!(!refused.to_string().contains(TOKEN) && !refused.to_string().contains(encoded), "{refused}");
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("it is there").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn the_credential_is_in_no_argument_of_the_git_that_uses_it() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[("a.txt", &"x".repeat(1_000_000))]);
    let source = server.source(&repo, &commit);
    let mut opening = std::pin::pin!(open(&rig, source));
    let mut seen_git = false;
    let opened = loop {
        tokio::select! {
            biased;
            opened = &mut opening => break opened,
            () = tokio::task::yield_now() => for line in command_lines() {
                seen_git |= line.contains("remote-http");
                assert!(!line.contains(TOKEN) && !line.contains("eC1hY2Nlc3M"), "{line}");
            },
        }
    };
    opened.expect("the sandbox opens");
    assert!(seen_git, "the helper that logs in was looked at");
}

fn command_lines() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("there is /proc");
    let cmdline = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry.ok()?.path().join("cmdline")).ok();
    processes.filter_map(cmdline).map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

#[tokio::test]
async fn attributes_of_the_commit_neither_hide_files_nor_rewrite_them() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[
        (".gitattributes", "* export-ignore\nversion export-subst\n*.lfs filter=lfs diff=lfs merge=lfs\n"),
        ("tests/hidden.sh", "exit 1"),
        ("version", "$Format:%H$"),
        ("data.lfs", "version https://git-lfs.github.com/spec/v1"),
    ]);
    let text = run(&rig, server.source(&repo, &commit), "find . -type f | sort; cat version").await;
    assert_eq!(text, "./.gitattributes\n./data.lfs\n./tests/hidden.sh\n./version\n$Format:%H$");
}

#[tokio::test]
async fn symbolic_links_in_a_source_stay_links_and_lead_nowhere_outside() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    std::os::unix::fs::symlink("/etc/passwd", repo.path.join("report.xml")).expect("a link can be made");
    std::os::unix::fs::symlink("../../../../../../root", repo.path.join("up")).expect("a link can be made");
    std::os::unix::fs::symlink(rig.mirrors.path(), repo.path.join("host")).expect("a link can be made");
    std::fs::write(rig.mirrors.path().join("canary"), "of the host").expect("a file can be written");
    let commit = repo.commit(&[("a.txt", "1")]);
    let sandbox = open(&rig, server.source(&repo, &commit)).await.expect("the sandbox opens");
    let ran = rig.exec(&sandbox, "readlink report.xml; readlink up; cat host/canary; ls up/").await;
    // The one that climbs out leads to the same as an absolute link.
    assert!(ran.text.starts_with("/etc/passwd\n/root\n"), "{}", ran.text);
    assert!(!ran.text.contains("of the host"), "{}", ran.text);
    for glob in ["report.xml", "host/canary"] {
        let refused = rig.sandbox.read(&sandbox, glob, 10, 10_000).await;
        assert!(matches!(refused, Err(SandboxError::Report(_))), "{refused:?}");
    }
    assert!(rig.sandbox.read(&sandbox, "**", 10, 10_000).await.expect("it can be read").iter().all(|file| file.path == "a.txt"));
}

#[tokio::test]
async fn a_tree_that_climbs_out_or_carries_git_files_is_refused() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    repo.commit(&[("a.txt", "1")]);
    for name in ["..", ".git"] {
        // Git itself would not make such a tree; an attacker's would.
        let blob = repo.git(&["rev-parse", "HEAD:a.txt"]);
        let script = format!(
            "inner=$(printf '100644 blob {blob}\\tevil\\n' | git mktree) && \
             raw=$(echo $inner | sed 's/../\\\\x&/g') && printf \"40000 {name}\\0$(printf \"$raw\" >/dev/null)\" >/dev/null; \
             {{ printf '40000 {name}\\0'; printf \"$raw\"; }} | git hash-object -t tree -w --literally --stdin"
        );
        let made =
            std::process::Command::new("bash").args(["-c", &script]).current_dir(&repo.path).output().expect("there is bash");
        let tree = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        let commit = repo.git(&["commit-tree", "-m", "evil", &tree]).parse().expect("a commit");
        let refused = open(&rig, server.source(&repo, &commit)).await;
        assert!(matches!(&refused, Err(SandboxError::SourceUnusable(_))), "{name}: {refused:?}");
    }
}

#[tokio::test]
async fn a_source_larger_than_the_workspace_is_told_as_that() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[("big", &"x".repeat(17 << 20))]);
    let refused = open(&rig, server.source(&repo, &commit)).await;
    assert!(matches!(&refused, Err(SandboxError::SourceUnusable(words)) if words.contains("16 MiB")), "{refused:?}");
    assert!(rig.sandbox.leftovers().await.expect("the engine answers").is_empty());
}

#[tokio::test]
async fn a_mirror_that_was_damaged_is_made_anew() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[("a.txt", "1"), ("b.txt", &"b".repeat(10_000))]);
    let source = server.source(&repo, &commit);
    run(&rig, source.clone(), "true").await;
    let objects = || files_below(&mirror(&rig).join("objects"));
    let damages: [&dyn Fn(); 4] = [
        &|| objects().iter().for_each(|file| overwrite(file)),
        &|| objects().iter().for_each(|file| std::fs::remove_file(file).expect("it can be removed")),
        &|| std::fs::write(mirror(&rig).join("config"), "[nonsense").expect("it can be written"),
        &|| std::fs::remove_file(mirror(&rig).join("HEAD")).expect("it can be removed"),
    ];
    for (i, damage) in damages.iter().enumerate() {
        damage();
        assert_eq!(run(&rig, source.clone(), "cat a.txt; wc -c < b.txt").await, "110000\n", "damage {i}");
    }
}

/// Keeps a file's length and loses its content.
fn overwrite(path: &Path) {
    rewrite(path, |bytes| bytes.fill(0));
}

fn damage_before_the_end(path: &Path, distance: usize) {
    rewrite(path, |bytes| {
        let at = bytes.len() - distance;
        bytes[at] ^= 0xff;
    });
}

fn rewrite(path: &Path, change: impl FnOnce(&mut [u8])) {
    use std::os::unix::fs::PermissionsExt;
    let mut bytes = std::fs::read(path).expect("it can be read");
    change(&mut bytes);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("its mode can be set");
    std::fs::write(path, bytes).expect("it can be written");
}

#[tokio::test]
async fn one_damaged_file_in_a_mirror_is_noticed_while_the_workspace_is_filled() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[("a.txt", "first"), ("z.txt", "last")]);
    let source = server.source(&repo, &commit);
    run(&rig, source.clone(), "true").await;
    // The last file is the last thing in the pack, before its checksum. The commit itself is still there.
    let pack = files_below(&mirror(&rig).join("objects")).into_iter().find(|file| file.extension().is_some_and(|e| e == "pack"));
    damage_before_the_end(&pack.expect("a fetch leaves a pack"), 24);
    assert_eq!(run(&rig, source, "cat a.txt z.txt").await, "firstlast");
    assert_eq!(server.fetched().0, 2);
}

#[tokio::test]
async fn submodules_of_the_same_server_come_along_only_when_asked_for() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let (deep, lib, app) = (server.repo("deep"), server.repo("lib"), server.repo("app"));
    let of_deep = deep.commit(&[("deep.txt", "deep")]);
    let of_lib = add_submodule(&lib, "inner", "../deep", of_deep.as_str(), &[("lib.txt", "lib")]);
    let of_app = add_submodule(&app, "vendor/lib", "../lib", &of_lib, &[("app.txt", "app")]);
    let mut source = server.source(&app, &of_app.parse().expect("a commit"));
    assert_eq!(run(&rig, source.clone(), "cat app.txt; ls vendor/lib").await, "app");
    source.checkout = Checkout { submodules: true, lfs: false };
    assert_eq!(
        run(&rig, source, "cat app.txt vendor/lib/lib.txt vendor/lib/inner/deep.txt; find . -not -user gate").await,
        "applibdeep"
    );
}

#[tokio::test]
async fn a_submodule_of_another_server_is_refused() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let app = server.repo("app");
    for url in ["http://127.0.0.1:1/lib", "file:///etc", "ext::id"] {
        let commit = add_submodule(&app, "lib", url, &"a".repeat(40), &[("x", url)]);
        let mut source = server.source(&app, &commit.parse().expect("a commit"));
        source.checkout = Checkout { submodules: true, lfs: false };
        let refused = open(&rig, source).await;
        assert!(matches!(&refused, Err(SandboxError::SourceUnusable(words)) if words.contains("same server")), "{refused:?}");
    }
}

/// A commit with files and a link to another repository.
pub(crate) fn add_submodule(repo: &Repo, path: &str, url: &str, commit: &str, files: &[(&str, &str)]) -> String {
    for (name, content) in files {
        std::fs::write(repo.path.join(name), content).expect("a file can be written");
    }
    let modules = format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n");
    std::fs::write(repo.path.join(".gitmodules"), modules).expect("a file can be written");
    repo.git(&["add", "--all"]);
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]);
    repo.git(&["commit", "--quiet", "-m", "with a submodule"]);
    repo.head().as_str().to_owned()
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_any_more_is_ended() {
    let rig = Rig::new();
    // A server that takes the connection and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = silent.local_addr().expect("it listens").port();
    let server = GitServer::start(Speaks::Now).await;
    let repo = server.repo("app");
    let mut source = server.source(&repo, &repo.commit(&[("a.txt", "1")]));
    source.credential.url = format!("http://127.0.0.1:{port}/app");
    let connected = tokio::select! {
        connected = silent.accept() => connected,
        opened = open(&rig, source) => panic!("{opened:?}"),
    };
    // The open is dropped now; git and its helper, which hold the other end, are killed.
    let (mut stream, _) = connected.expect("git connects");
    let closed = async {
        let mut rest = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("the connection is closed");
}

#[tokio::test]
async fn a_survey_tells_the_files_and_what_is_new_whatever_the_repositorys_own_attributes_say() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let old = repo.commit(&[("a.txt", "one\ntwo\n"), (".gitattributes", "*.txt -diff\n* export-ignore\n")]);
    std::os::unix::fs::symlink("a.txt", repo.path.join("link")).expect("a link can be made");
    let new = repo.commit(&[("a.txt", "one\nmore\ntwo\n"), ("dir/ä b.txt", "new\n")]);
    let source = server.source(&repo, &new);
    let told = SurveyWanted { files: true, diff: true, ..SurveyWanted::default() };
    let survey = rig.sandbox.survey(&source, Some(&old), &told).await.expect("the server gives both commits");
    assert_eq!(survey.files, [".gitattributes", "a.txt", "dir/ä b.txt"], "a link is no file");
    assert_eq!(survey.others, ["link"]);
    assert!(survey.changes.is_none() && survey.commits.is_none(), "nobody asked");
    let diff = String::from_utf8(survey.diff.expect("it is compared").to_vec()).expect("text");
    assert!(diff.contains("+++ b/a.txt\n@@ -1,0 +2 @@ one\n+more\n"), "{diff}");
    let texts = survey.texts.expect("it can be read");
    let read = tokio::task::spawn_blocking(move || {
        [("dir/ä b.txt", 4), ("dir/ä b.txt", 3), ("gone", 99), ("../a.txt", 99), ("dir", 99)]
            .map(|(path, max)| texts.read(path, max))
    });
    let [text, too_long, gone, outside, folder] = read.await.expect("it is read");
    assert_eq!(text.as_deref(), Some("new\n".as_bytes()));
    assert_eq!([too_long, gone, outside, folder], [const { None }; 4]);
    let survey = rig.sandbox.survey(&source, None, &told).await.expect("the mirror has it");
    assert!(survey.diff.is_none());
    let gone = "1".repeat(40).parse().expect("a commit");
    let error = rig.sandbox.survey(&source, Some(&gone), &told).await.expect_err("there is no such commit");
    assert!(matches!(error, SandboxError::SourceUnusable(_)), "{error}");
}
