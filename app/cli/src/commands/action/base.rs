//! What a change is compared with, and getting it where the checkout has too little history: CI jobs check out one commit.
//!
//! It is fetched from `origin` with whatever the checkout left there to sign in with. Where that fails, nothing is compared, and
//! the job says why.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use gatewright_action::job::Against;
use gatewright_core::CommitId;
use gatewright_sandbox::local::{Base, WorkingTree};
use tokio::process::Command;
use tokio::time::timeout;

use crate::failure::Failure;

/// A fetch of a part of a large repository takes a minute.
const FETCH_MAX: Duration = Duration::from_secs(300);
/// Questions that git answers from its own files.
const ASK_MAX: Duration = Duration::from_secs(60);
/// A shallow clone is deepened by so many commits, once, where the two sides have nothing in common yet.
const DEEPEN: &str = "--deepen=200";
/// So much of what git says is repeated.
const WORDS_CHARS_MAX: usize = 300;

/// What a change is compared with, and what there is to say about it.
pub(super) struct Found {
    pub(super) base: Option<Base>,
    pub(super) notes: Vec<String>,
}

/// Finds it: what was asked for, or else what the event says.
pub(super) async fn find(tree: &WorkingTree, asked: Option<&str>, against: &Against) -> Result<Found, Failure> {
    if let Some(rev) = asked {
        return Ok(Found { base: tree.base(Some(rev)).await?, notes: Vec::new() });
    }
    let (rev, refspec) = match against {
        Against::Nothing => return Ok(Found { base: None, notes: Vec::new() }),
        Against::Commit(commit) => (commit.to_string(), commit.to_string()),
        Against::Branch(name) => {
            let there = format!("refs/remotes/origin/{name}");
            (there.clone(), format!("+refs/heads/{name}:{there}"))
        }
    };
    let git = Git { folder: tree.root() };
    let mut notes = Vec::new();
    if !git.has(&rev).await {
        // Of a shallow clone a shallow part is enough; a full one knows all but this.
        let depth: &[&str] = if git.is_shallow().await { &["--depth=1"] } else { &[] };
        if let Err(words) = git.fetch(&[depth, &["origin", &refspec]].concat()).await {
            notes.push(format!(
                "nothing is compared: {rev} is not in this checkout and cannot be fetched ({words}); check out with the whole \
                 history (`fetch-depth: 0`, on GitLab `GIT_DEPTH: 0`)"
            ));
            return Ok(Found { base: None, notes });
        }
    }
    if !git.have_a_common_commit("HEAD", &rev).await && git.is_shallow().await {
        let deepened = git.fetch(&[DEEPEN, "origin"]).await;
        if deepened.is_err() || !git.have_a_common_commit("HEAD", &rev).await {
            notes.push(format!("it is compared with {rev} itself, since this checkout does not say where they parted"));
        }
    }
    let base = tree.base(Some(&rev)).await?;
    // The commit's own digits are no name for people; a branch has one.
    Ok(Found { base: base.map(|base| Base { name: named(against, &base.commit), ..base }), notes })
}

fn named(against: &Against, commit: &CommitId) -> String {
    match against {
        Against::Branch(name) => name.clone(),
        Against::Commit(_) | Against::Nothing => commit.short().to_owned(),
    }
}

/// Git in the checkout, before any gate has run.
struct Git<'a> {
    folder: &'a Path,
}

impl Git<'_> {
    async fn has(&self, rev: &str) -> bool {
        self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{rev}^{{commit}}")], ASK_MAX).await.is_ok()
    }

    async fn is_shallow(&self) -> bool {
        self.run(&["rev-parse", "--is-shallow-repository"], ASK_MAX).await.is_ok_and(|said| said.trim() == "true")
    }

    async fn have_a_common_commit(&self, one: &str, other: &str) -> bool {
        self.run(&["merge-base", one, other], ASK_MAX).await.is_ok()
    }

    async fn fetch(&self, what: &[&str]) -> Result<(), String> {
        let args = [&["fetch", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--quiet"], what].concat();
        self.run(&args, FETCH_MAX).await.map(drop)
    }

    /// What git says, or why it does not, on one line.
    async fn run(&self, args: &[&str], within: Duration) -> Result<String, String> {
        let mut command = Command::new("git");
        command.args(args).current_dir(self.folder).env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = match timeout(within, command.output()).await {
            Ok(output) => output.map_err(|error| format!("git cannot be run: {error}"))?,
            Err(_) => return Err(format!("git took longer than {} s", within.as_secs())),
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(WORDS_CHARS_MAX).collect())
    }
}
