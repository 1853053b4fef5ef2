//! Tags, releases and their links, environments and deployments.

use serde_json::{Value, json};

use super::shapes::NOTHING;
use super::{Answer, Call, Reply, Route, documented, known, page};
use crate::github::git::Git;
use crate::gitlab::shape::commit_answer;
use crate::gitlab::shipping::{Deployment, Environment, Link, Release, tier_of};
use crate::gitlab::world::World;

pub(super) const ROUTES: &[Route] = &[
    known("GET", "/projects/:id/repository/tags", tags),
    documented("GET", "/projects/:id/repository/tags/:tag_name/signature", NOTHING, signature_of_tag),
    documented("GET", "/projects/:id/repository/commits/:sha/signature", NOTHING, signature_of_commit),
    known("GET", "/projects/:id/releases", releases),
    known("POST", "/projects/:id/releases", create_release),
    known("GET", "/projects/:id/releases/:tag_name", release),
    known("PUT", "/projects/:id/releases/:tag_name", update_release),
    known("POST", "/projects/:id/releases/:tag_name/assets/links", create_link),
    known("GET", "/projects/:id/environments", environments),
    known("POST", "/projects/:id/environments", create_environment),
    known("PUT", "/projects/:id/environments/:environment_id", update_environment),
    known("GET", "/projects/:id/deployments", deployments),
    known("POST", "/projects/:id/deployments", create_deployment),
    known("PUT", "/projects/:id/deployments/:deployment_id", update_deployment),
];

/// 400 as GitLab writes what a record says of its fields.
fn invalid(field: &str, why: &str) -> Reply {
    Reply::json(400, json!({ "message": { field: [why] } }))
}

fn tag_answer(world: &World, project: u64, git: &Git, name: &str, target: &str) -> Value {
    let url = format!("{}/{}", world.url, world.project(project).path);
    let commit = git.resolve(target).and_then(|sha| git.info(&sha));
    let release = world.shipping.releases.iter().find(|release| release.project == project && release.tag == name);
    let message = git.tag_of(target).map(|tag| tag.message.trim_end().to_owned()).unwrap_or_default();
    json!({
        "name": name, "message": message, "target": target, "commit": commit.map(|commit| commit_answer(&url, &commit)),
        "release": release.map(|release| json!({ "tag_name": name, "description": release.description })), "protected": false,
        "created_at": null,
    })
}

fn tags(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let git = &world.project(project).git;
    let search = call.query("search").unwrap_or_default();
    let is_like = |name: &str| match (search.strip_prefix('^'), search.strip_suffix('$')) {
        (Some(start), _) => name.starts_with(start),
        (None, Some(end)) => name.ends_with(end),
        (None, None) => name.contains(search),
    };
    let refs = git.refs();
    let named = refs.iter().filter_map(|(name, target)| Some((name.strip_prefix("refs/tags/")?, target)));
    let mut found: Vec<(&str, &String)> = named.filter(|(name, _)| is_like(name)).collect();
    if call.query("sort") != Some("asc") {
        found.reverse();
    }
    Ok(page(call, found.into_iter().map(|(name, target)| tag_answer(world, project, git, name, target)).collect()))
}

fn signature_of_tag(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let name = format!("refs/tags/{}", call.param("tag_name"));
    let refs = world.project(project).git.refs();
    let target = refs.into_iter().find(|(of, _)| *of == name).map(|(_, target)| target).ok_or_else(|| Reply::missing("Tag"))?;
    signature(world, &target)
}

fn signature_of_commit(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let sha = world.project(project).git.resolve(call.param("sha")).ok_or_else(|| Reply::missing("Commit"))?;
    signature(world, &sha)
}

fn signature(world: &World, object: &str) -> Answer {
    let said = world.shipping.signatures.get(object).ok_or_else(|| Reply::missing("GPG Signature"))?;
    Ok(Reply::json(200, said.clone()))
}

fn find_release<'w>(world: &'w mut World, call: &Call, project: u64) -> Result<&'w mut Release, Reply> {
    let tag = call.param("tag_name").to_owned();
    let found = world.shipping.releases.iter_mut().find(|release| release.project == project && release.tag == tag);
    found.ok_or_else(|| Reply::message(404, "404 Not Found"))
}

fn releases(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let found = world.shipping.releases.iter().rev().filter(|release| release.project == project);
    Ok(page(call, found.map(|release| world.release_answer(release)).collect()))
}

fn release(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    find_release(world, call, project)?;
    Ok(Reply::json(200, shown(world, call, project)))
}

fn shown(world: &World, call: &Call, project: u64) -> Value {
    let tag = call.given("tag_name").unwrap_or_else(|| call.param("tag_name").to_owned());
    let found = world.shipping.releases.iter().find(|release| release.project == project && release.tag == tag);
    world.release_answer(found.expect("it was just found"))
}

fn create_release(world: &mut World, call: &Call) -> Answer {
    let project = call.as_developer(world)?;
    let tag = call.given("tag_name").unwrap_or_default();
    let git = &world.project(project).git;
    match (git.resolve(&format!("refs/tags/{tag}")), call.given("ref").and_then(|from| git.resolve(&from))) {
        (Some(_), _) => {}
        (None, Some(commit)) => git.set_ref(&format!("refs/tags/{tag}"), &commit),
        (None, None) => return Err(Reply::message(422, "Ref is not specified")),
    }
    if world.shipping.releases.iter().any(|release| release.project == project && release.tag == tag) {
        return Err(Reply::message(409, "Release already exists"));
    }
    let name = call.given("name").unwrap_or_else(|| tag.clone());
    world.add_release(project, &tag, &name, &call.given("description").unwrap_or_default(), call.author());
    Ok(Reply::json(201, shown(world, call, project)))
}

fn update_release(world: &mut World, call: &Call) -> Answer {
    let project = call.as_developer(world)?;
    let release = find_release(world, call, project)?;
    release.name = call.given("name").unwrap_or_else(|| release.name.clone());
    release.description = call.given("description").unwrap_or_else(|| release.description.clone());
    Ok(Reply::json(200, shown(world, call, project)))
}

fn is_address(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme))
}

fn create_link(world: &mut World, call: &Call) -> Answer {
    let project = call.as_developer(world)?;
    let (name, url) = (call.given("name").unwrap_or_default(), call.given("url").unwrap_or_default());
    let id = world.new_id();
    let release = find_release(world, call, project)?;
    if !is_address(&url) {
        return Err(invalid("url", "is blocked: Only allowed schemes are http, https, ftp"));
    }
    for (field, taken) in
        [("name", release.links.iter().any(|link| link.name == name)), ("url", release.links.iter().any(|link| link.url == url))]
    {
        if taken {
            return Err(invalid(field, "has already been taken"));
        }
    }
    let kind = call.given("link_type").unwrap_or_else(|| "other".to_owned());
    release.links.push(Link { id, name, url, kind });
    let release = &*find_release(world, call, project)?;
    let (tag, at) = (release.tag.clone(), release.links.len() - 1);
    let release = world.shipping.releases.iter().find(|one| one.project == project && one.tag == tag).expect("it was just found");
    Ok(Reply::json(201, world.link_answer(release, &release.links[at])))
}

fn environments(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    if call.query("name").is_some() && call.query("search").is_some() {
        return Err(Reply::error(400, "name, search are mutually exclusive"));
    }
    let like = |name: &str| {
        call.query("name").is_none_or(|wanted| wanted == name) && call.query("search").is_none_or(|part| name.contains(part))
    };
    let found = world.shipping.environments.iter().filter(|one| one.project == project && like(&one.name));
    Ok(page(call, found.map(|environment| world.environment_answer(environment)).collect()))
}

fn create_environment(world: &mut World, call: &Call) -> Answer {
    let project = call.as_developer(world)?;
    let name = call.given("name").unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_/${}. ".contains(c);
    if name.is_empty() || name.len() > 255 || !name.chars().all(allowed) {
        return Err(invalid("name", "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces"));
    }
    if world.shipping.environments.iter().any(|one| one.project == project && one.name == name) {
        return Err(invalid("name", "has already been taken"));
    }
    let url = address(call)?;
    let tier = call.given("tier").unwrap_or_else(|| tier_of(&name).to_owned());
    let id = world.new_id();
    world.shipping.environments.push(Environment { id, project, name, url, tier });
    Ok(Reply::json(201, world.environment_answer(world.environment(id))))
}

fn address(call: &Call) -> Result<Option<String>, Reply> {
    let url = call.given("external_url");
    let wrong = url.as_ref().is_some_and(|url| !is_address(url));
    if wrong { Err(invalid("external_url", "is blocked: Only allowed schemes are http, https")) } else { Ok(url) }
}

fn update_environment(world: &mut World, call: &Call) -> Answer {
    let (project, id) = (call.as_developer(world)?, call.number("environment_id")?);
    let (url, tier) = (address(call)?, call.given("tier"));
    let found = world.shipping.environments.iter_mut().find(|one| one.project == project && one.id == id);
    let found = found.ok_or_else(|| Reply::missing("Environment"))?;
    found.url = url.or(found.url.take());
    found.tier = tier.unwrap_or_else(|| found.tier.clone());
    Ok(Reply::json(200, world.environment_answer(world.environment(id))))
}

fn deployments(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let wanted = |one: &&Deployment| {
        one.project == project
            && call.query("environment").is_none_or(|name| world.environment(one.environment).name == name)
            && call.query("status").is_none_or(|status| one.status == status)
    };
    let mut found: Vec<&Deployment> = world.shipping.deployments.iter().filter(wanted).collect();
    if call.query("sort") == Some("desc") {
        found.reverse();
    }
    Ok(page(call, found.into_iter().map(|one| world.deployment_answer(one)).collect()))
}

fn create_deployment(world: &mut World, call: &Call) -> Answer {
    let project = call.as_developer(world)?;
    let given = |name: &str| call.given(name).unwrap_or_default();
    let (name, sha, of, status) = (given("environment"), given("sha"), given("ref"), given("status"));
    let git = &world.project(project).git;
    if git.info(&sha).is_none() {
        return Err(invalid("sha", "The commit does not exist"));
    }
    if git.resolve(&of).is_none() {
        return Err(invalid("ref", "The branch or tag does not exist"));
    }
    let there = world.shipping.environments.iter().find(|one| one.project == project && one.name == name).map(|one| one.id);
    let environment = there.unwrap_or_else(|| {
        let (id, tier) = (world.new_id(), tier_of(&name).to_owned());
        world.shipping.environments.push(Environment { id, project, name, url: None, tier });
        id
    });
    let (id, created_at, user) = (world.new_id(), world.now(), call.author());
    let history = vec![status.clone()];
    world.shipping.deployments.push(Deployment { id, project, environment, sha, of, status, history, user, created_at });
    let made = world.shipping.deployments.last().expect("it was just made");
    Ok(Reply::json(201, world.deployment_answer(made)))
}

/// The transitions of GitLab's `Deployment`: what has not begun may run, and what has may end in each of the three ways, or
/// change among them; nothing becomes what it is already.
fn update_deployment(world: &mut World, call: &Call) -> Answer {
    let (project, id) = (call.as_developer(world)?, call.number("deployment_id")?);
    let status = call.given("status").unwrap_or_default();
    let found = world.shipping.deployments.iter_mut().find(|one| one.project == project && one.id == id);
    let found = found.ok_or_else(|| Reply::missing("Deployment"))?;
    let event = match status.as_str() {
        "running" => "run",
        "success" => "succeed",
        "failed" => "drop",
        _ => "cancel",
    };
    let possible = match status.as_str() {
        "running" => ["created", "blocked"].contains(&found.status.as_str()),
        other => found.status != other,
    };
    if !possible {
        return Err(invalid("status", &format!("cannot transition via \"{event}\"")));
    }
    found.status.clone_from(&status);
    found.history.push(status);
    let found = world.shipping.deployments.iter().find(|one| one.id == id).expect("it was just found");
    Ok(Reply::json(200, world.deployment_answer(found)))
}
