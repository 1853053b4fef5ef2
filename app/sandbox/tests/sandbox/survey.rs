//! What a mirror tells of a change: its files with their lines, its commits, the contents that were asked for.

use gatewright_core::CommitId;
use gatewright_core::sandbox::Sandbox;
use gatewright_core::survey::{Changed, Commits, ContentWanted, Contents, Side, Survey, SurveyWanted, Which};

use crate::git_server::{GitServer, Repo, Speaks};
use crate::rig::Rig;

fn changes() -> SurveyWanted {
    SurveyWanted { changes: true, ..SurveyWanted::default() }
}

fn commits() -> SurveyWanted {
    SurveyWanted { commits: true, ..SurveyWanted::default() }
}

fn contents(globs: &[&str], which: Which) -> SurveyWanted {
    let globs = globs.iter().map(|glob| (*glob).to_owned()).collect();
    SurveyWanted { contents: vec![ContentWanted { globs, which }], ..SurveyWanted::default() }
}

async fn survey(rig: &Rig, server: &GitServer, repo: &Repo, ends: (&CommitId, &CommitId), wanted: &SurveyWanted) -> Survey {
    let source = server.source(repo, ends.1);
    rig.sandbox.survey(&source, Some(ends.0), wanted).await.expect("the server gives both commits")
}

/// The subjects of commits, the newest first.
fn subjects(commits: &Commits) -> Vec<&str> {
    commits.list.iter().map(|commit| commit.message.lines().next().unwrap_or_default()).collect()
}

fn said(repo: &Repo, message: &str) -> CommitId {
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
    repo.head()
}

#[tokio::test]
async fn changed_files_are_told_with_their_lines_and_a_moved_one_is_one() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let long: String = (1..=50).map(|n| format!("line {n}\n")).collect();
    let old = repo.commit(&[
        ("a.txt", "one\ntwo\n"),
        ("old name.txt", &long),
        ("gone.txt", "x\n"),
        (".gitattributes", "*.txt -diff\n"),
    ]);
    repo.git(&["mv", "old name.txt", "new ä.txt"]);
    repo.git(&["rm", "--quiet", "gone.txt"]);
    let new = repo.commit(&[("a.txt", "one\n2\nthree\n"), ("bin", "a\0b"), ("dir/b.txt", "1\n2\n")]);
    let survey = survey(&rig, &server, &repo, (&old, &new), &changes()).await;
    let mut told = survey.changes.expect("it is compared");
    told.sort_by(|a, b| a.path.cmp(&b.path));
    let told: Vec<_> = told.iter().map(|one| (one.path.as_str(), &one.how, one.added, one.removed, one.bytes)).collect();
    let moved = Changed::Renamed { from: "old name.txt".to_owned() };
    assert_eq!(
        told,
        [
            ("a.txt", &Changed::Modified, Some(2), Some(1), 12),
            ("bin", &Changed::Added, None, None, 3),
            ("dir/b.txt", &Changed::Added, Some(2), Some(0), 4),
            ("gone.txt", &Changed::Removed, Some(0), Some(1), 0),
            ("new ä.txt", &moved, Some(0), Some(0), long.len() as u64),
        ]
    );
    assert!(survey.files.is_empty(), "nobody asked for all files");
}

#[tokio::test]
async fn the_commits_of_a_branch_are_told_and_not_those_that_it_merged() {
    for speaks in [Speaks::Now, Speaks::Old] {
        let (rig, server) = (Rig::new(), GitServer::start(speaks).await);
        let repo = server.repo("app");
        repo.commit(&[("a.txt", "1\n")]);
        repo.git(&["checkout", "--quiet", "-b", "topic"]);
        said(&repo, "feat: one\n\nWhy.\n\nSigned-off-by: a <a@example.com>");
        repo.git(&["checkout", "--quiet", "main"]);
        said(&repo, "main: one");
        let base = said(&repo, "main: two");
        repo.git(&["checkout", "--quiet", "topic"]);
        repo.git(&["merge", "--quiet", "--no-ff", "-m", "Merge main", "main"]);
        let head = said(&repo, "fix: two");
        let told = survey(&rig, &server, &repo, (&base, &head), &commits()).await.commits.expect("it is compared");
        assert!(!told.incomplete);
        let mut found = subjects(&told);
        found.sort_unstable();
        assert_eq!(found, ["Merge main", "feat: one", "fix: two"]);
        let merge = told.list.iter().find(|one| one.message == "Merge main").expect("it is there");
        assert_eq!(merge.parents, 2);
        let first = told.list.iter().find(|one| one.message.starts_with("feat")).expect("it is there");
        assert_eq!((first.author.as_str(), first.email.as_str(), first.parents), ("a", "a@example.com", 1));
        assert!(first.message.ends_with("Why.\n\nSigned-off-by: a <a@example.com>"), "{:?}", first.message);
    }
}

#[tokio::test]
async fn a_long_branch_is_fetched_as_far_as_it_goes_and_no_history_twice() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let base = repo.commit(&[("a.txt", "1\n")]);
    for n in 0..120 {
        said(&repo, &format!("fix: {n}"));
    }
    let head = repo.head();
    let told = survey(&rig, &server, &repo, (&base, &head), &commits()).await.commits.expect("it is compared");
    assert_eq!((told.list.len(), told.incomplete), (120, false));
    let before = server.fetched();
    let again = survey(&rig, &server, &repo, (&base, &head), &commits()).await.commits.expect("it is compared");
    assert_eq!(again, told);
    assert_eq!(server.fetched(), before, "the mirror has it");
}

#[tokio::test]
async fn commits_that_have_nothing_in_common_are_said_to_be_incomplete_or_all_told() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let base = repo.commit(&[("a.txt", "1\n")]);
    repo.git(&["checkout", "--quiet", "--orphan", "other"]);
    let head = said(&repo, "feat: from nothing");
    let told = survey(&rig, &server, &repo, (&base, &head), &commits()).await.commits.expect("it is compared");
    assert_eq!(subjects(&told), ["feat: from nothing"]);
    let same = survey(&rig, &server, &repo, (&head, &head), &commits()).await.commits.expect("it is compared");
    assert_eq!(same, Commits::default());
}

#[tokio::test]
async fn contents_are_told_of_the_side_that_was_asked_for_and_never_through_a_link() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let old = repo.commit(&[("a.lock", "old\n"), ("same.lock", "same\n"), ("OWNERS", "base\n")]);
    std::os::unix::fs::symlink("OWNERS", repo.path.join("link.lock")).expect("a link can be made");
    let large = "x".repeat(usize::try_from(Contents::FILE_BYTES_MAX).expect("it fits") + 1);
    let new = repo.commit(&[("a.lock", "new\n"), ("OWNERS", "head\n"), ("b/c.lock", ""), ("large.lock", &large)]);
    let ends = (&old, &new);
    let told = survey(&rig, &server, &repo, ends, &contents(&["**/*.lock"], Which::Changed)).await.contents;
    let mut files: Vec<(Side, &str, &[u8])> =
        told.files.iter().map(|one| (one.side, one.path.as_str(), one.bytes.as_ref())).collect();
    files.sort_by_key(|(side, path, _)| (*path, *side == Side::Head));
    assert_eq!(files, [(Side::Base, "a.lock", &b"old\n"[..]), (Side::Head, "a.lock", b"new\n"), (Side::Head, "b/c.lock", b"")]);
    assert_eq!(told.left_out, ["large.lock"]);
    let told = survey(&rig, &server, &repo, ends, &contents(&["OWNERS"], Which::Base)).await;
    assert_eq!(told.content(Side::Base, "OWNERS").map(|bytes| bytes.as_ref()), Some(&b"base\n"[..]));
    assert!(told.content(Side::Head, "OWNERS").is_none());
    let told = survey(&rig, &server, &repo, ends, &contents(&["*.lock"], Which::Head)).await;
    assert_eq!(told.content(Side::Head, "same.lock").map(|bytes| bytes.as_ref()), Some(&b"same\n"[..]));
}
