//! Threads on a merge request, which GitLab's API calls discussions.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_forge_shared::address::with_query;
use serde::{Deserialize, Serialize};

use crate::api::PER_PAGE;
use crate::call::{Call, merge_request_route};
use crate::error::is_final;
use crate::gitlab::{Account, GitLab};
use crate::remarks::{Position, Remark, Remarks};

/// A merge request with more threads than fit on these pages of 100 is looked through no further: ours that lie behind them
/// stay.
const THREAD_PAGES_MAX: usize = 30;

#[derive(Serialize)]
struct ThreadBody<'a> {
    body: &'a str,
    position: &'a Position,
}

#[derive(Serialize)]
struct Resolved {
    resolved: bool,
}

#[derive(Deserialize)]
struct Discussion {
    id: String,
    #[serde(default)]
    notes: Vec<ThreadNote>,
}

#[derive(Deserialize)]
struct ThreadNote {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    author: Option<Account>,
    #[serde(default)]
    resolved: bool,
    #[serde(default)]
    resolved_by: Option<Account>,
}

/// A thread of ours.
#[derive(Debug)]
pub(crate) struct Thread {
    id: String,
    /// Its first note.
    note: u64,
    key: String,
    /// Somebody else has written in it.
    answered: bool,
    resolved: bool,
    /// We resolved it, not somebody else.
    resolved_by_us: bool,
}

impl GitLab {
    /// Our threads whose first note begins with this marker. Anybody can write our marker, so it is the account that
    /// counts, by its number.
    pub(crate) async fn threads_of(&self, repo: &RepoRef, number: u64, marker: &str) -> Result<Vec<Thread>, ForgeError> {
        let me = self.me().await?;
        let target = with_query(merge_request_route(repo, number, &["discussions"])?, &[PER_PAGE]);
        let first = Call::get("find_threads", target);
        let listed = self.api.list::<Discussion>(first, THREAD_PAGES_MAX, || format!("{}!{number}", repo.path)).await?;
        let mut ours: Vec<Thread> = listed.items.into_iter().filter_map(|one| Thread::ours(one, me, marker)).collect();
        ours.sort_by_key(|thread| thread.note);
        Ok(ours)
    }

    /// Makes the threads that are wanted and not there, and takes those back that are there and not wanted, or twice. What
    /// GitLab refuses is logged: the status is shown, and asking again would not help.
    pub(crate) async fn show_remarks(&self, repo: &RepoRef, remarks: &Remarks) -> Result<(), ForgeError> {
        let mut missing: Vec<&Remark> = remarks.wanted.iter().collect();
        for thread in &remarks.there {
            let wanted = missing.iter().position(|remark| remark.key == thread.key);
            let done = match wanted {
                Some(at) => {
                    missing.remove(at);
                    self.reopen(repo, remarks.number, thread).await
                }
                None => self.take_thread_back(repo, remarks.number, thread).await,
            };
            tolerate(repo, done)?;
        }
        for remark in missing {
            tolerate(repo, self.make_thread(repo, remarks.number, remark).await)?;
        }
        Ok(())
    }

    async fn make_thread(&self, repo: &RepoRef, number: u64, remark: &Remark) -> Result<(), ForgeError> {
        let body = ThreadBody { body: &remark.body, position: &remark.position };
        let call = Call::post("make_thread", merge_request_route(repo, number, &["discussions"])?, &body)?.note();
        self.api.send(&call).await?.ok(|| format!("{}!{number}", repo.path)).map(drop)
    }

    /// What somebody has answered to is resolved, so that the answer stays; else it is deleted.
    async fn take_thread_back(&self, repo: &RepoRef, number: u64, thread: &Thread) -> Result<(), ForgeError> {
        if thread.answered {
            return if thread.resolved { Ok(()) } else { self.resolve(repo, number, thread, true).await };
        }
        let note = thread.note.to_string();
        let target = merge_request_route(repo, number, &["discussions", &thread.id, "notes", &note])?;
        let answer = self.api.send(&Call::delete("delete_thread", target)).await?;
        if answer.status == 404 { Ok(()) } else { answer.ok(|| format!("note {note}")).map(drop) }
    }

    /// What we resolved and what is true again is open again. What somebody else resolved stays so.
    async fn reopen(&self, repo: &RepoRef, number: u64, thread: &Thread) -> Result<(), ForgeError> {
        if thread.resolved && thread.resolved_by_us { self.resolve(repo, number, thread, false).await } else { Ok(()) }
    }

    async fn resolve(&self, repo: &RepoRef, number: u64, thread: &Thread, resolved: bool) -> Result<(), ForgeError> {
        let target = merge_request_route(repo, number, &["discussions", &thread.id])?;
        let call = Call::put("resolve_thread", target, &Resolved { resolved })?;
        self.api.send(&call).await?.ok(|| format!("thread {}", thread.id)).map(drop)
    }
}

impl Thread {
    fn ours(discussion: Discussion, me: u64, marker: &str) -> Option<Self> {
        let by_us = |note: &ThreadNote| note.author.as_ref().is_some_and(|author| author.id == me);
        let first = discussion.notes.first().filter(|note| by_us(note))?;
        let key = first.body.as_deref()?.strip_prefix(marker)?.split(' ').next()?;
        Some(Thread {
            note: first.id,
            key: key.to_owned(),
            answered: !discussion.notes.iter().all(by_us),
            resolved: first.resolved,
            resolved_by_us: first.resolved_by.as_ref().is_some_and(|by| by.id == me),
            id: discussion.id,
        })
    }
}

fn tolerate(repo: &RepoRef, result: Result<(), ForgeError>) -> Result<(), ForgeError> {
    match result {
        Err(error) if is_final(&error) => {
            tracing::warn!(forge = "gitlab", repo = repo.path, %error, "a thread is not as it should be");
            Ok(())
        }
        result => result,
    }
}
