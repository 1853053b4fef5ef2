//! Commit statuses, and the pipelines that they hang on.

use serde_json::json;

use super::{Answer, Call, Reply, Route, known, page};
use crate::gitlab::world::{Pipeline, Status, World};

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
            return Err(Reply::missing("Pipeline"));
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
    let id = find_or_make(world, call, &name, Status { pipeline, reference, project, sha, ..blank() });
    let state = call.given("state").unwrap_or_default();
    if let Err(refusal) = transit(world, id, &state) {
        // What was made for it is taken back with it.
        world.statuses.retain(|status| status.state != "created");
        return Err(refusal);
    }
    world.tell_status(id);
    let made = world.statuses.iter().find(|status| status.id == id).expect("it was just set");
    Ok(Reply::json(201, world.status_answer(made)))
}

fn fit(name: &str, value: Option<&str>) -> Result<(), Reply> {
    if value.is_none_or(|value| value.chars().count() <= CHARS_MAX) {
        return Ok(());
    }
    let why = format!("is too long (maximum is {CHARS_MAX} characters)");
    Err(Reply::json(400, json!({ "message": { name: [why] } })))
}

fn blank() -> Status {
    Status {
        id: 0,
        project: 0,
        pipeline: 0,
        sha: String::new(),
        reference: String::new(),
        name: String::new(),
        state: "created".to_owned(),
        description: None,
        target_url: None,
        coverage: None,
        author: 0,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        finished_at: None,
        retried: false,
    }
}

/// The status of this name that is under way, or a new one that takes the place of those that are over.
fn find_or_make(world: &mut World, call: &Call, name: &str, new: Status) -> u64 {
    let same = |s: &Status| s.project == new.project && s.pipeline == new.pipeline && s.name == name;
    let open = world.statuses.iter().rposition(|status| same(status) && !is_over(&status.state));
    let place = open.unwrap_or_else(|| {
        world.statuses.iter_mut().filter(|status| same(status)).for_each(|status| status.retried = true);
        let (id, created_at) = (world.new_id(), world.now());
        world.statuses.push(Status { id, name: name.to_owned(), author: call.author(), created_at, ..new });
        world.statuses.len() - 1
    });
    let status = &mut world.statuses[place];
    // Like GitLab, what is said is kept even where the state may not be set.
    status.description = call.given("description").or(status.description.take());
    status.target_url = call.given("target_url").or(status.target_url.take());
    status.coverage = call.given("coverage").and_then(|number| number.parse().ok()).or(status.coverage);
    status.id
}

/// By GitLab's state machine of a status.
fn transit(world: &mut World, id: u64, wanted: &str) -> Result<(), Reply> {
    let now = world.now();
    let status = world.statuses.iter_mut().find(|status| status.id == id).expect("it was just found or made");
    let from = status.state.as_str();
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
    if !allowed.contains(&from) {
        let why = format!("Reason(s): Status cannot transition via \"{event}\"");
        return Err(Reply::message(400, &format!("Cannot transition status via :{event} from :{from} ({why})")));
    }
    wanted.clone_into(&mut status.state);
    status.finished_at = is_over(wanted).then_some(now);
    Ok(())
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
