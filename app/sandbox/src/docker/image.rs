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

/// A registry that cannot serve an image just now is asked again after these.
const PULL_PAUSES: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(30)];

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
    let mut pauses = PULL_PAUSES.iter();
    let tried = async {
        loop {
            let options = CreateImageOptionsBuilder::default().from_image(&tagged(image)).build();
            let pulling = docker.create_image(Some(options), None, None).try_for_each(|_| std::future::ready(Ok(())));
            let Err(e) = pulling.await else { return Ok(()) };
            let cause = words(&e);
            match (unavailable(&e), pauses.next()) {
                (full @ SandboxError::HostDiskFull(_), _) => return Err(full),
                (_, Some(pause)) if !is_final(status(&e), &cause) => {
                    tracing::warn!(image, cause, "the image could not be pulled; trying again");
                    tokio::time::sleep(*pause).await;
                }
                _ => return Err(missing(image, &cause)),
            }
        }
    };
    let late = |_| Err(missing(image, &format!("pulling it took longer than {} s", PULL_MAX.as_secs())));
    tokio::time::timeout(PULL_MAX, tried).await.unwrap_or_else(late)
}

/// Whether a registry has said that there is no such image, or not for us. Engines hand most of what registries say on as words, behind a 500.
fn is_final(status: Option<u16>, words: &str) -> bool {
    let words = words.to_lowercase();
    let says =
        ["not found", "manifest unknown", "no such image", "does not exist", "denied", "unauthorized", "invalid reference"];
    matches!(status, Some(400..=404)) || says.iter().any(|said| words.contains(said))
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
    fn what_a_registry_cannot_do_just_now_is_tried_again_and_what_it_does_not_have_is_not() {
        for passes in [
            "toomanyrequests: You have reached your pull rate limit",
            "received unexpected HTTP status: 503 Service Unavailable",
            "Get \"https://registry.example/v2/\": dial tcp: lookup registry.example: i/o timeout",
            "net/http: TLS handshake timeout",
        ] {
            assert!(!is_final(Some(500), passes) && !is_final(None, passes), "{passes}");
        }
        for stays in [
            "manifest for alpine:nosuch not found: manifest unknown: manifest unknown",
            "pull access denied for nosuch, repository does not exist or may require 'docker login'",
            "unauthorized: authentication required",
        ] {
            assert!(is_final(Some(500), stays), "{stays}");
        }
        assert!(is_final(Some(404), "whatever"));
    }

    #[test]
    fn only_one_tag_is_ever_pulled() {
        assert_eq!(tagged("rust"), "rust:latest");
        assert_eq!(tagged("registry.example:5000/a/rust"), "registry.example:5000/a/rust:latest");
        for named in ["rust:1.95", "a/rust@sha256:00", "registry.example:5000/rust:1"] {
            assert_eq!(tagged(named), named);
        }
    }
}
