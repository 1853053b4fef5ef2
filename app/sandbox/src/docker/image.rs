//! Makes sure that an image is on the engine.

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use gatewright_core::sandbox::SandboxError;

use super::error::{status, unavailable, within, words};
use super::{CALL_MAX, PullPolicy};

/// A pull that takes longer than this is given up; what it has fetched stays on the engine, so the next one is shorter.
const PULL_MAX: Duration = Duration::from_secs(900);

/// What of an image a container has to be made for: the folders that it declares as volumes.
pub(super) async fn ensure(docker: &Docker, image: &str, policy: PullPolicy) -> Result<Vec<String>, SandboxError> {
    if let Some(volumes) = inspect(docker, image).await? {
        return Ok(volumes);
    }
    match policy {
        PullPolicy::Never => {
            return Err(missing(image, "it is not on the engine, and this service is configured to pull none"));
        }
        PullPolicy::Missing => pull(docker, image).await?,
    }
    inspect(docker, image).await?.ok_or_else(|| missing(image, "it was pulled, and then it was not there"))
}

/// None where the engine does not have the image.
async fn inspect(docker: &Docker, image: &str) -> Result<Option<Vec<String>>, SandboxError> {
    let asked = async {
        match docker.inspect_image(image).await {
            Ok(found) => Ok(Some(found.config.and_then(|config| config.volumes).unwrap_or_default())),
            Err(e) if status(&e) == Some(404) => Ok(None),
            // What is no reference at all is answered 400.
            Err(e) if status(&e) == Some(400) => Err(missing(image, &words(&e))),
            Err(e) => Err(unavailable(&e)),
        }
    };
    within("looking up the image", CALL_MAX, asked).await
}

async fn pull(docker: &Docker, image: &str) -> Result<(), SandboxError> {
    tracing::info!(image, "pulling the image");
    let options = CreateImageOptionsBuilder::default().from_image(&tagged(image)).build();
    let pulling = docker.create_image(Some(options), None, None).try_for_each(|_| std::future::ready(Ok(())));
    match tokio::time::timeout(PULL_MAX, pulling).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => match unavailable(&e) {
            full @ SandboxError::HostDiskFull(_) => Err(full),
            _ => Err(missing(image, &words(&e))),
        },
        Err(_) => Err(missing(image, &format!("pulling it took longer than {} s", PULL_MAX.as_secs()))),
    }
}

fn missing(image: &str, cause: &str) -> SandboxError {
    SandboxError::ImageMissing { image: image.to_owned(), cause: cause.to_owned() }
}

/// Without a tag the engine would pull every tag there is.
fn tagged(image: &str) -> String {
    let name = image.rsplit_once('/').map_or(image, |(_, name)| name);
    if name.contains(':') || name.contains('@') { image.to_owned() } else { format!("{image}:latest") }
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
