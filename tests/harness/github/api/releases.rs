//! Tag objects, releases and their artefacts.

use serde_json::json;

use super::{Call, Reply, actor};
use crate::github::auth::{self, Caller};
use crate::github::shipping::{Asset, Release};
use crate::github::world::World;

/// The longest text of a release.
const BODY_CHARS_MAX: usize = 125_000;

/// One release takes so many artefacts.
const ASSETS_MAX: usize = 1_000;

pub(super) fn tag_object(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let sha = call.param("tag_sha");
    let tag = repo.git.tag_of(sha).ok_or_else(Reply::missing)?;
    Ok(Reply::json(200, world.tag_json(repo, sha, &tag)))
}

/// Drafts are shown to who may write only.
fn sees_drafts(call: &Call) -> bool {
    match &call.caller {
        Caller::Token(token) => auth::permits(token, "contents", super::Access::Write),
        Caller::User(_) => true,
        Caller::Anonymous | Caller::App => false,
    }
}

fn found<'w>(world: &'w World, call: &Call) -> Result<&'w Release, Reply> {
    let (id, repo) = (call.number("release_id")?, call.repo(world).id);
    let found = world.shipping.releases.iter().find(|release| release.id == id && release.repo == repo);
    found.filter(|release| !release.draft || sees_drafts(call)).ok_or_else(Reply::missing)
}

pub(super) fn list(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world).id;
    let seen = |release: &&Release| release.repo == repo && (!release.draft || sees_drafts(call));
    let releases: Vec<&Release> = world.shipping.releases.iter().rev().filter(seen).collect();
    Ok(call.list(releases, |release| world.release_json(release)))
}

pub(super) fn get(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let release = found(world, call)?;
    Ok(Reply::json(200, world.release_json(release)))
}

pub(super) fn latest(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let release = world.latest_release(call.repo(world).id).ok_or_else(Reply::missing)?;
    Ok(Reply::json(200, world.release_json(release)))
}

/// What is published. A draft has no address by its tag.
pub(super) fn by_tag(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world).id;
    let tag = call.param("tag");
    let published = |release: &&Release| release.repo == repo && !release.draft && release.tag == tag;
    let release = world.shipping.releases.iter().find(published).ok_or_else(Reply::missing)?;
    Ok(Reply::json(200, world.release_json(release)))
}

/// GitHub's own rules for what is written into a release.
fn check(world: &World, call: &Call, tag: &str, itself: Option<u64>) -> Result<(), Reply> {
    let text = call.text("body").unwrap_or_default();
    if text.chars().count() > BODY_CHARS_MAX {
        return Err(Reply::broken("Release", "body is too long (maximum is 125000 characters)"));
    }
    let unfinished = call.body["draft"] == true || call.body["prerelease"] == true;
    if unfinished && call.body["make_latest"] == "true" {
        return Err(Reply::broken("Release", "make_latest cannot be true of a draft or a pre-release"));
    }
    let repo = call.repo(world);
    let published = |release: &&Release| release.repo == repo.id && !release.draft && release.tag == tag;
    let taken = world.shipping.releases.iter().any(|release| published(&release) && Some(release.id) != itself);
    if taken && call.body["draft"] != true {
        let errors = json!([{"resource": "Release", "code": "already_exists", "field": "tag_name"}]);
        let body = json!({"message": "Validation Failed", "errors": errors, "documentation_url": "https://docs.github.com/rest", "status": "422"});
        return Err(Reply::json(422, body));
    }
    Ok(())
}

pub(super) fn create(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let (repo_id, default) = (repo.id, repo.default_branch.clone());
    let tag = call.text("tag_name").unwrap_or_default();
    let target = call.text("target_commitish").unwrap_or(default);
    if repo.git.resolve(&target).is_none() {
        return Err(Reply::unprocessable("target_commitish is invalid"));
    }
    check(world, call, &tag, None)?;
    let id = world.new_id();
    let (author, created_at) = (actor(world, call), world.now());
    world.shipping.releases.push(Release {
        id,
        repo: repo_id,
        tag,
        target,
        name: call.text("name"),
        body: call.text("body"),
        draft: true,
        prerelease: call.body["prerelease"] == true,
        latest: None,
        immutable: false,
        author,
        created_at,
        published_at: None,
        assets: Vec::new(),
    });
    if call.body["draft"] != true {
        world.publish_release(id, call.body["make_latest"] != "false", author);
    }
    let release = world.shipping.releases.iter().find(|release| release.id == id).expect("it was just made");
    Ok(Reply::json(201, world.release_json(release)))
}

pub(super) fn update(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let release = found(world, call)?.clone();
    let tag = call.text("tag_name").unwrap_or_else(|| release.tag.clone());
    check(world, call, &tag, Some(release.id))?;
    let sender = actor(world, call);
    let there = world.shipping.releases.iter_mut().find(|one| one.id == release.id).expect("it was just found");
    there.tag = tag;
    there.name = call.text("name").or(release.name);
    there.body = call.text("body").or(release.body);
    there.prerelease = call.body["prerelease"].as_bool().unwrap_or(release.prerelease);
    match (release.draft, call.body["draft"].as_bool()) {
        (true, Some(false)) => world.publish_release(release.id, call.body["make_latest"] != "false", sender),
        (false, Some(true)) if release.immutable => return Err(Reply::unprocessable("An immutable release cannot be changed")),
        (false, Some(true)) => there.draft = true,
        (true, _) | (false, _) => {}
    }
    let release = world.shipping.releases.iter().find(|one| one.id == release.id).expect("it was just found");
    Ok(Reply::json(200, world.release_json(release)))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let id = found(world, call)?.id;
    world.shipping.releases.retain(|release| release.id != id);
    Ok(Reply::empty(204))
}

pub(super) fn assets(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let release = found(world, call)?;
    Ok(call.list(release.assets.iter().collect(), |asset| world.asset_json(release, asset)))
}

/// GitHub's own name for a file: what it does not like becomes a dot, and none is at either end.
fn renamed(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.+".contains(c) { c } else { '.' };
    name.chars().map(plain).collect::<String>().trim_matches('.').to_owned()
}

pub(super) fn upload(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let release = found(world, call)?;
    let (id, full) = (release.id, release.assets.len() >= ASSETS_MAX);
    let name = renamed(call.query("name").unwrap_or_default());
    if release.immutable {
        return Err(Reply::unprocessable("Cannot upload assets to an immutable release."));
    }
    if full || release.assets.iter().any(|asset| asset.name == name) {
        let errors = json!([{"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}]);
        let body = json!({"message": "Validation Failed", "errors": errors, "documentation_url": "https://docs.github.com/rest", "status": "422"});
        return Err(Reply::json(422, body));
    }
    let (uploader, asset_id, created_at) = (actor(world, call), world.new_id(), world.now());
    let (content_type, content) = (call.content_type.clone(), call.file.to_vec());
    let asset = Asset { id: asset_id, name, content_type, content, state: "uploaded", uploader, created_at };
    let release = world.shipping.releases.iter_mut().find(|release| release.id == id).expect("it was just found");
    release.assets.push(asset.clone());
    let release = release.clone();
    Ok(Reply::json(201, world.asset_json(&release, &asset)))
}

pub(super) fn delete_asset(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (id, repo) = (call.number("asset_id")?, call.repo(world).id);
    let has = |release: &&mut Release| release.repo == repo && release.assets.iter().any(|asset| asset.id == id);
    let release = world.shipping.releases.iter_mut().find(has).ok_or_else(Reply::missing)?;
    if release.immutable {
        return Err(Reply::unprocessable("Cannot delete asset from an immutable release"));
    }
    release.assets.retain(|asset| asset.id != id);
    Ok(Reply::empty(204))
}
