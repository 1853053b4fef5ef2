//! Pull requests.

use serde_json::json;

use super::{Call, Reply, actor, issues};
use crate::github::people::PullSpec;
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

/// GitHub's own rules for a new pull request; only branches of the repository itself are served.
fn check(world: &World, call: &Call, head: &str, base: &str) -> Result<(), Reply> {
    let repo = call.repo(world);
    let invalid = |field: &str| {
        let errors = json!([{"resource": "PullRequest", "field": field, "code": "invalid"}]);
        Reply::json(
            422,
            json!({"message": "Validation Failed", "errors": errors, "documentation_url": "https://docs.github.com/rest", "status": "422"}),
        )
    };
    let custom = |words: String| {
        let errors = json!([{"resource": "PullRequest", "code": "custom", "message": words}]);
        Reply::json(
            422,
            json!({"message": "Validation Failed", "errors": errors, "documentation_url": "https://docs.github.com/rest", "status": "422"}),
        )
    };
    let tip = repo.branch(head).ok_or_else(|| invalid("head"))?;
    let target = repo.branch(base).ok_or_else(|| invalid("base"))?;
    let same = |pull: &&Pull| pull.open() && pull.head_repo == repo.id && pull.head_branch == head && pull.base_branch == base;
    if repo.pulls.values().any(|pull| same(&pull)) {
        return Err(custom(format!("A pull request already exists for {}:{head}.", repo.owner_login)));
    }
    if repo.git.is_ancestor(tip, target) {
        return Err(custom(format!("No commits between {base} and {head}")));
    }
    if call.body["draft"] == true && repo.tracker.no_drafts {
        return Err(Reply::unprocessable("Draft pull requests are not supported in this repository."));
    }
    Ok(())
}

pub(super) fn create(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let text = |key: &str| call.text(key).unwrap_or_default();
    let (title, head, base) = (text("title"), text("head"), text("base"));
    issues::check_texts("PullRequest", Some(&title), call.text("body").as_deref())?;
    check(world, call, &head, &base)?;
    let (repo, author) = (call.repo(world).id, actor(world, call));
    let mut spec = PullSpec::of(&world.account(author).login, &head).into_branch(&base).title(&title).body(&text("body"));
    spec.draft = call.body["draft"] == true;
    let number = world.open_pull(repo, &spec);
    let repo = world.repo(repo);
    Ok(Reply::json(201, world.pull_json(repo, world.pull(repo.id, number))))
}

pub(super) fn update(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, number) = find(world, call).map(|(repo, pull)| (repo.id, pull.number))?;
    let (title, body) = (call.text("title"), call.text("body"));
    issues::check_texts("PullRequest", title.as_deref(), body.as_deref())?;
    let sender = actor(world, call);
    world.rewrite(repo, number, title.as_deref(), body.as_deref(), sender);
    let repo = world.repo(repo);
    Ok(Reply::json(200, world.pull_json(repo, world.pull(repo.id, number))))
}
