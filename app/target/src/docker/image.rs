//! Pins images, and makes sure that they are on the engine.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use gatewright_core::target::TargetError;

use super::error::{called, status, within, words};
use super::{CALL_MAX, PullPolicy, made};
use crate::error::{refused, unavailable};

/// A pull that takes longer than this is given up; what it has fetched stays on the engine, so the next one is shorter.
const PULL_MAX: Duration = Duration::from_secs(900);

/// What of an image decides what its containers are.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    /// The engine's own name for it, which is the hash of its configuration and layers.
    pub(super) id: String,
    /// What names it on every engine, where it came from a registry: `NAME@sha256:...`.
    pub(super) digest: Option<String>,
    pub(super) entrypoint: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) user: String,
    pub(super) working_dir: String,
    pub(super) env: BTreeMap<String, String>,
}

impl Image {
    /// What pins it: the digest of a registry where there is one, else the engine's own.
    pub(super) fn pinned(&self) -> String {
        self.digest.clone().unwrap_or_else(|| self.id.clone())
    }
}

/// The image of this name or digest.
pub(super) async fn ensure(docker: &Docker, image: &str, policy: PullPolicy) -> Result<Image, TargetError> {
    if let Some(found) = inspect(docker, image).await? {
        return Ok(found);
    }
    if image.starts_with("sha256:") {
        return Err(missing(image, "it was made on this engine and is there no more; no registry has it"));
    }
    match policy {
        PullPolicy::Never => return Err(missing(image, "it is not on the engine, and this service is configured to pull none")),
        PullPolicy::Missing => pull(docker, image).await?,
    }
    inspect(docker, image).await?.ok_or_else(|| missing(image, "it was pulled, and then it was not there"))
}

/// None where the engine does not have the image.
async fn inspect(docker: &Docker, image: &str) -> Result<Option<Image>, TargetError> {
    let asked = async {
        match docker.inspect_image(image).await {
            Ok(found) => Ok(Some(found)),
            Err(e) if status(&e) == Some(404) => Ok(None),
            // What is no reference at all is answered 400.
            Err(e) if status(&e) == Some(400) => Err(missing(image, &words(&e))),
            Err(e) => Err(called(&e)),
        }
    };
    let Some(found) = within("looking up the image", CALL_MAX, asked).await? else { return Ok(None) };
    let digests = found.repo_digests.unwrap_or_default();
    let repository = repository(image);
    let config = found.config.unwrap_or_default();
    Ok(Some(Image {
        id: found.id.ok_or_else(|| missing(image, "the engine does not tell its id"))?,
        digest: digests.into_iter().find(|digest| digest.split('@').next() == Some(repository)),
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        env: made::env(config.env.unwrap_or_default().iter().map(String::as_str)),
    }))
}

async fn pull(docker: &Docker, image: &str) -> Result<(), TargetError> {
    tracing::info!(image, "pulling the image");
    let options = CreateImageOptionsBuilder::default().from_image(&tagged(image)).build();
    let pulling = docker.create_image(Some(options), None, None).try_for_each(|_| std::future::ready(Ok(())));
    match tokio::time::timeout(PULL_MAX, pulling).await {
        Ok(Ok(())) => Ok(()),
        // A registry that knows the image not, or refuses it, is not told from one that cannot be reached: it may pass.
        Ok(Err(e)) => Err(unavailable(format!("image `{image}`"), words(&e))),
        Err(_) => Err(unavailable(format!("image `{image}`"), format!("pulling it took longer than {} s", PULL_MAX.as_secs()))),
    }
}

fn missing(image: &str, cause: &str) -> TargetError {
    refused(format!("image `{image}`"), cause)
}

/// The name without tag and digest.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        Some(_) | None => name,
    }
}

/// Without a tag the engine would pull every tag there is.
fn tagged(image: &str) -> String {
    if image.contains('@') || repository(image) != image { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_tag_is_ever_pulled() {
        assert_eq!(tagged("rust"), "rust:latest");
        assert_eq!(tagged("registry.example:5000/a/rust"), "registry.example:5000/a/rust:latest");
        for named in ["rust:1.95", "a/rust@sha256:00", "registry.example:5000/rust:1"] {
            assert_eq!(tagged(named), named);
        }
    }
}
