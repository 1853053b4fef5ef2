//! Paths of the API, and the redirects that it answers with.

use gatewright_core::RepoRef;
use gatewright_core::event::{CommentPlace, CommentRef};
use gatewright_core::forge::ForgeError;
use gatewright_forge_shared::address::{path_and_query, path_of};
use url::Url;

use crate::error::missing;

/// `/a/b%2Fc` of `["a", "b/c"]`. What cannot name anything counts as missing.
pub(crate) fn route(parts: &[&str]) -> Result<String, ForgeError> {
    path_of(parts).map_err(|part| missing(format!("the name {part:?}")))
}

/// `/repos/OWNER/NAME/...`.
pub(crate) fn repo_route(repo: &RepoRef, parts: &[&str]) -> Result<String, ForgeError> {
    let (owner, name) = repo.owner_and_name();
    route(&[&["repos", owner, name], parts].concat())
}

/// Where a redirect leads, if it stays on the configured host.
pub(crate) fn same_host(location: &str, base: &Url) -> Option<String> {
    let target = base.join(location).ok()?;
    (target.origin() == base.origin()).then(|| path_and_query(&target))
}

/// Somebody's comment, which has its address by where it stands.
pub(crate) fn somebodys_comment_route(repo: &RepoRef, comment: &CommentRef, more: &[&str]) -> Result<String, ForgeError> {
    let place = match comment.place {
        CommentPlace::Conversation | CommentPlace::Issue => "issues",
        CommentPlace::Diff => "pulls",
    };
    repo_route(repo, &[&[place, "comments", &comment.id.to_string()], more].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_names_nothing_is_missing() {
        for bad in ["", ".", ".."] {
            assert!(route(&["repos", bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_redirect_is_followed_on_the_same_host_only() {
        let base = Url::parse("https://ghe.example/api/v3").expect("valid");
        assert_eq!(same_host("https://ghe.example/api/v3/repositories/1", &base).as_deref(), Some("/api/v3/repositories/1"));
        assert_eq!(same_host("/api/v3/repositories/1?x", &base).as_deref(), Some("/api/v3/repositories/1?x"));
        for elsewhere in ["http://ghe.example/", "https://ghe.example:8443/", "https://evil.example/", "//evil.example/x"] {
            assert_eq!(same_host(elsewhere, &base), None, "{elsewhere}");
        }
    }
}
