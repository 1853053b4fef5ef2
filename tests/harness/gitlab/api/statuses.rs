//! Commit statuses, and the pipelines that they hang on.

use serde_json::json;

use super::{Answer, Call, Reply, Route, known, page};
use crate::gitlab::world::{MAINTAINER, Pipeline, Status, World};

/// The columns for a status' texts take so many characters.
const CHARS_MAX: usize = 255;

pub(super) const ROUTES: &[Route] = &[
    known("POST", "/projects/:id/statuses/:sha", set),
    known("GET", "/projects/:id/repository/commits/:sha/statuses", list),
    known("GET", "/projects/:id/pipelines", pipelines),
    known("GET", "/projects/:id/pipelines/:pipeline_id", pipeline),
];

fn is_over(state: &str) -> bool {
    !matches!(state, "created" | "pending" | "running")
}

impl World {
    pub(in crate::gitlab) fn add_pipeline(&mut self, project: u64, sha: &str, reference: &str, source: &'static str) -> u64 {
        let (id, created_at) = (self.new_id(), self.now());
        self.pipelines.push(Pipeline { id, project, sha: sha.to_owned(), reference: reference.to_owned(), source, created_at });
        id
    }

    /// The newest pipeline of a commit, of this ref and of this number where they are given.
    fn find_pipeline(&self, project: u64, sha: &str, reference: Option<&str>, id: Option<u64>) -> Option<&Pipeline> {
        let fits = |p: &&Pipeline| {
            p.project == project
                && p.sha == sha
                && reference.is_none_or(|reference| p.reference == reference)
                && id.is_none_or(|id| p.id == id)
        };
        self.pipelines.iter().filter(fits).max_by_key(|pipeline| pipeline.id)
    }

    /// The pipeline that a status goes to, and its ref. Where none is named and none fits, GitLab makes one.
    fn place(&mut self, call: &Call, project: u64, sha: &str) -> Result<(u64, String), Reply> {
        let reference = call.given("ref").map(|name| plain(&name).to_owned());
        let id = call.given("pipeline_id").and_then(|id| id.parse().ok());
        if let Some(found) = self.find_pipeline(project, sha, reference.as_deref(), id) {
            return Ok((found.id, found.reference.clone()));
        }
        if id.is_some() {
            return Err(Reply::missing("Pipeline for pipeline_id, sha and ref"));
        }
        let reference = reference.or_else(|| self.branch_with(project, sha));
        let reference = reference.ok_or_else(|| Reply::missing("References for commit"))?;
        Ok((self.add_pipeline(project, sha, &reference, "external"), reference))
    }

    /// A branch that has a commit.
    fn branch_with(&self, project: u64, sha: &str) -> Option<String> {
        let git = &self.project(project).git;
        let refs = git.refs();
        let mut branches = refs.iter().filter_map(|(name, head)| Some((name.strip_prefix("refs/heads/")?, head)));
        branches.find(|(_, head)| git.is_ancestor(sha, head)).map(|(name, _)| name.to_owned())
    }
}

/// A branch's or tag's name without what git puts before it. A merge request's ref keeps it.
fn plain(name: &str) -> &str {
    name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")).unwrap_or(name)
}

fn set(world: &mut World, call: &Call) -> Answer {
    let project = call.as_developer(world)?;
    let sha = world.project(project).git.resolve(call.param("sha")).ok_or_else(|| Reply::missing("Commit"))?;
    let name = call.given("name").or_else(|| call.given("context")).unwrap_or_else(|| "default".to_owned());
    fit("name", Some(&name))?;
    fit("description", call.given("description").as_deref())?;
    fit("target_url", call.given("target_url").as_deref())?;
    if call.given("target_url").is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        let why = "is blocked: Only allowed schemes are http, https";
        return Err(Reply::json(400, json!({ "message": { "target_url": [why] } })));
    }
    let (pipeline, reference) = world.place(call, project, &sha)?;
    if world.project(project).protected.contains(&reference) && world.level(project, call.author()) < MAINTAINER {
        return Err(Reply::forbidden());
    }
    let place = Place { project, pipeline, sha, reference, name };
    let id = put(world, call, place)?;
    world.tell_status(id);
    let made = world.statuses.iter().find(|status| status.id == id).expect("it was just set");
    Ok(Reply::json(201, world.status_answer(made)))
}

/// Where a status goes.
struct Place {
    project: u64,
    pipeline: u64,
    sha: String,
    reference: String,
    name: String,
}

fn fit(name: &str, value: Option<&str>) -> Result<(), Reply> {
    if value.is_none_or(|value| value.chars().count() <= CHARS_MAX) {
        return Ok(());
    }
    let why = format!("is too long (maximum is {CHARS_MAX} characters)");
    Err(Reply::json(400, json!({ "message": { name: [why] } })))
}

/// Sets the account's own status of this name that is under way, or makes a new one. All others of the name give way to it.
/// What may not be set changes nothing.
fn put(world: &mut World, call: &Call, place: Place) -> Result<u64, Reply> {
    let same = |s: &Status| s.project == place.project && s.pipeline == place.pipeline && s.name == place.name;
    let own = |s: &Status| same(s) && s.author == call.author() && s.reference == place.reference && !is_over(&s.state);
    let open = world.statuses.iter().rposition(own);
    let state = call.given("state").unwrap_or_default();
    transit(open.map_or("created", |at| &world.statuses[at].state), &state)?;
    let known = open.map(|at| world.statuses[at].id);
    let (id, now) = (known.unwrap_or_else(|| world.new_id()), world.now());
    world.statuses.iter_mut().filter(|status| same(status) && status.id != id).for_each(|status| status.retried = true);
    let at = open.unwrap_or(world.statuses.len());
    if open.is_none() {
        world.statuses.push(made(id, call.author(), place, now));
    }
    let status = &mut world.statuses[at];
    status.description = call.given("description").or(status.description.take());
    status.target_url = call.given("target_url").or(status.target_url.take());
    status.coverage = call.given("coverage").and_then(|number| number.parse().ok()).or(status.coverage);
    status.finished_at = is_over(&state).then_some(now);
    status.state = state;
    Ok(id)
}

fn made(id: u64, author: u64, place: Place, created_at: jiff::Timestamp) -> Status {
    let Place { project, pipeline, sha, reference, name } = place;
    let state = "created".to_owned();
    let (description, target_url, coverage, finished_at) = (None, None, None, None);
    Status {
        id,
        project,
        pipeline,
        sha,
        reference,
        name,
        state,
        description,
        target_url,
        coverage,
        author,
        created_at,
        finished_at,
        retried: false,
    }
}

/// By GitLab's state machine of a status.
fn transit(from: &str, wanted: &str) -> Result<(), Reply> {
    let (event, allowed): (_, &[&str]) = match wanted {
        "pending" => ("enqueue", &["created"]),
        // One that is new is queued first.
        "running" => ("run", &["created", "pending"]),
        "success" => ("success", &["created", "pending", "running"]),
        "failed" => ("drop", &["created", "pending", "running"]),
        "canceled" => ("cancel", &["created", "pending", "running"]),
        "skipped" => ("skip", &["created", "pending"]),
        _ => return Err(Reply::message(400, "400 Bad request - invalid state")),
    };
    if allowed.contains(&from) {
        return Ok(());
    }
    let why = format!("Reason(s): Status cannot transition via \"{event}\"");
    Err(Reply::message(400, &format!("Cannot transition status via :{event} from :{from} ({why})")))
}

fn list(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let sha = world.project(project).git.resolve(call.param("sha")).ok_or_else(|| Reply::missing("Commit"))?;
    let all = call.query("all") == Some("true");
    let same = |name: &str, value: &str| call.query(name).is_none_or(|wanted| wanted == value);
    let wanted = |s: &&Status| {
        s.project == project
            && s.sha == sha
            && (all || !s.retried)
            && same("name", &s.name)
            && same("ref", &s.reference)
            && same("pipeline_id", &s.pipeline.to_string())
    };
    let mut found: Vec<&Status> = world.statuses.iter().filter(wanted).collect();
    found.sort_by_key(|status| if call.query("order_by") == Some("pipeline_id") { status.pipeline } else { status.id });
    if call.query("sort") == Some("desc") {
        found.reverse();
    }
    Ok(page(call, found.into_iter().map(|status| world.status_answer(status)).collect()))
}

fn pipelines(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let same = |name: &str, value: &str| call.query(name).is_none_or(|wanted| wanted == value);
    let wanted = |p: &&Pipeline| p.project == project && same("sha", &p.sha) && same("ref", &p.reference);
    let found = world.pipelines.iter().filter(wanted).rev();
    Ok(page(call, found.map(|pipeline| world.pipeline_answer(pipeline)).collect()))
}

fn pipeline(world: &mut World, call: &Call) -> Answer {
    let (project, id) = (call.code(world)?, call.number("pipeline_id")?);
    let found = world.pipelines.iter().find(|one| one.id == id && one.project == project);
    found.map(|one| Reply::json(200, world.pipeline_answer(one))).ok_or_else(|| Reply::missing("Pipeline"))
}
