//! Pull requests.

use super::{Call, Reply};
use crate::github::world::{Pull, Repo, World};

/// The files of a pull request that are told, over all pages. What lies beyond is left out without a word.
const FILES_MAX: usize = 3000;

/// The commits of a pull request that are told.
const COMMITS_MAX: usize = 250;

fn find<'w>(world: &'w World, call: &Call) -> Result<(&'w Repo, &'w Pull), Reply> {
    let repo = call.repo(world);
    let number = call.number("pull_number")?;
    Ok((repo, repo.pulls.get(&number).ok_or_else(Reply::missing)?))
}

pub(super) fn list(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let state = call.query("state").unwrap_or("open");
    let wanted = |pull: &&Pull| {
        let state_fits = state == "all" || (state == "open") == pull.open();
        let base_fits = call.query("base").is_none_or(|base| base == pull.base_branch);
        let label = format!("{}:{}", world.repo(pull.head_repo).owner_login, pull.head_branch);
        state_fits && base_fits && call.query("head").is_none_or(|head| head == label)
    };
    let mut found: Vec<&Pull> = repo.pulls.values().filter(wanted).collect();
    let by_update = call.query("sort") == Some("updated");
    if by_update {
        found.sort_by_key(|pull| (pull.updated_at, pull.number));
    }
    // Newest first is what GitHub does where they are sorted by their making, which is also where nothing is said.
    let default = if by_update { "asc" } else { "desc" };
    if call.query("direction").unwrap_or(default) == "desc" {
        found.reverse();
    }
    Ok(call.list(found, |pull| world.pull_simple_json(repo, pull)))
}

pub(super) fn get(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, pull) = find(world, call)?;
    Ok(Reply::json(200, world.pull_json(repo, pull)))
}

pub(super) fn files(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, pull) = find(world, call)?;
    let base = repo.git.merge_base(&pull.base, &pull.head);
    let mut files = repo.git.diff(base.as_deref(), &pull.head);
    files.truncate(FILES_MAX);
    Ok(call.list(files, |file| world.file_json(repo, &pull.head, file)))
}

pub(super) fn commits(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, pull) = find(world, call)?;
    let mut commits = repo.git.log(Some(&pull.base), &pull.head, COMMITS_MAX);
    commits.reverse();
    Ok(call.list(commits, |commit| world.commit_json(repo, commit)))
}
