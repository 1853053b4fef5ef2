//! Finds the submodules of a commit, and theirs.
//!
//! Which repository a submodule is, the commit says, and the commit is a stranger's. So only repositories of the same server
//! are followed, with the same credential: it opens nothing that the forge did not mean it to.

use std::collections::HashMap;

use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::SandboxError;
use gatewright_core::{CommitId, ForgeKind};
use url::Url;

use super::{Mirrors, Pin};

/// Submodules of submodules of submodules, and then an error.
const DEPTH_MAX: usize = 4;

/// More submodules than this, at all depths, are an error.
const COUNT_MAX: usize = 64;

/// A submodule: which commit, and where it goes.
#[derive(Debug)]
pub(super) struct Submodule {
    pub(super) pin: Pin,
    /// Below the workspace, with a `/` at its end.
    pub(super) folder: String,
}

/// All submodules of a commit, each after the one that it is in. Fetches those that are not there.
pub(super) async fn all(mirrors: &Mirrors, forge: ForgeKind, top: &Pin) -> Result<Vec<Submodule>, SandboxError> {
    let mut found: Vec<Submodule> = Vec::new();
    let mut level = direct(mirrors, forge, top, "").await?;
    for _ in 0..DEPTH_MAX {
        // Before any of them is fetched.
        if found.len() + level.len() > COUNT_MAX {
            return Err(unusable(format!("it has more than {COUNT_MAX} submodules")));
        }
        let mut next = Vec::new();
        for module in &level {
            mirrors.ensure_pin(&module.pin).await?;
            next.extend(direct(mirrors, forge, &module.pin, &module.folder).await?);
        }
        found.append(&mut level);
        if next.is_empty() {
            return Ok(found);
        }
        level = next;
    }
    Err(unusable(format!("its submodules lie more than {DEPTH_MAX} deep in each other")))
}

/// The submodules of one commit.
async fn direct(mirrors: &Mirrors, forge: ForgeKind, pin: &Pin, below: &str) -> Result<Vec<Submodule>, SandboxError> {
    let _held = mirrors.hold_shared(&pin.name).await?;
    let mirror = mirrors.mirror(pin);
    let tree = mirror.ask(&["ls-tree", "-r", "-z", pin.commit.as_str()]).await?.unwrap_or_default();
    let links = links(&tree);
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let blob = format!("--blob={}:.gitmodules", pin.commit);
    let config = mirror.ask(&["config", "-z", &blob, "--get-regexp", r"^submodule\..*\.(path|url)$"]).await?;
    let urls = urls(&config.unwrap_or_default());
    // A link that .gitmodules does not name is an empty folder to git, too.
    let named = links.into_iter().filter_map(|(path, commit)| Some((urls.get(&path)?, path, commit)));
    named.map(|(url, path, commit)| submodule(forge, pin, below, &path, url, commit)).collect()
}

fn submodule(
    forge: ForgeKind,
    pin: &Pin,
    below: &str,
    path: &str,
    url: &str,
    commit: CommitId,
) -> Result<Submodule, SandboxError> {
    let url = resolve(&pin.credential.url, url)
        .ok_or_else(|| unusable(format!("the submodule `{path}` is not on the same server: `{url}`")))?;
    // What a change names must not be opened by a login that opens more than the change's own repository.
    let CloneCredential { login, one_repository, .. } = &pin.credential;
    let login = login.clone().filter(|_| *one_repository);
    let credential = CloneCredential { url, login, one_repository: *one_repository };
    Ok(Submodule { pin: Pin::of_submodule(forge, commit, credential), folder: format!("{below}{path}/") })
}

/// The links to other repositories in the output of `ls-tree -r -z`.
pub(crate) fn links(tree: &[u8]) -> Vec<(String, CommitId)> {
    let entries = tree.split(|b| *b == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    entries
        .filter_map(|entry| {
            let (what, path) = entry.split_once('\t')?;
            let commit = what.strip_prefix("160000 commit ")?.parse().ok()?;
            Some((path.to_owned(), commit))
        })
        .collect()
}

/// From path to name, in the output of `config -z --get-regexp`.
pub(crate) fn paths_by_name(config: &[u8]) -> HashMap<String, String> {
    let entries = config.split(|b| *b == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    let path = |entry: &str| {
        let (key, path) = entry.split_once('\n')?;
        let name = key.strip_prefix("submodule.")?.strip_suffix(".path")?;
        Some((path.to_owned(), name.to_owned()))
    };
    entries.filter_map(path).collect()
}

/// From path to URL, in the output of `config -z --get-regexp`.
fn urls(config: &[u8]) -> HashMap<String, String> {
    let mut modules: HashMap<String, (Option<String>, Option<String>)> = HashMap::new();
    for entry in config.split(|b| *b == 0).filter_map(|entry| std::str::from_utf8(entry).ok()) {
        let Some((key, value)) = entry.split_once('\n') else { continue };
        if let Some(name) = key.strip_suffix(".path") {
            modules.entry(name.to_owned()).or_default().0 = Some(value.to_owned());
        } else if let Some(name) = key.strip_suffix(".url") {
            modules.entry(name.to_owned()).or_default().1 = Some(value.to_owned());
        }
    }
    modules.into_values().filter_map(|(path, url)| Some((path?, url?))).collect()
}

/// A submodule's address, relative ones resolved as git does. None where it is on another server than its parent, or not
/// fetched over HTTP.
fn resolve(parent: &str, url: &str) -> Option<String> {
    let parent = Url::parse(parent).ok()?;
    let resolved = if url.starts_with("./") || url.starts_with("../") {
        let mut folder = parent.clone();
        folder.set_path(&format!("{}/", parent.path().trim_end_matches('/')));
        folder.join(url).ok()?
    } else {
        Url::parse(url).ok()?
    };
    let plain = matches!(resolved.scheme(), "http" | "https") && resolved.username().is_empty() && resolved.password().is_none();
    (plain && resolved.origin() == parent.origin()).then(|| resolved.to_string())
}

fn unusable(words: String) -> SandboxError {
    SandboxError::SourceUnusable(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submodule_is_only_ever_on_the_same_server() {
        let parent = "https://forge.example/group/app.git";
        assert_eq!(resolve(parent, "../lib.git").as_deref(), Some("https://forge.example/group/lib.git"));
        assert_eq!(resolve(parent, "https://forge.example/x/y").as_deref(), Some("https://forge.example/x/y"));
        for elsewhere in [
            "https://evil.example/x",
            "http://forge.example/x",
            "https://forge.example:444/x",
            "git@forge.example:x/y",
            "/etc",
            "file:///etc",
            "ext::sh -c id",
            "https://a:b@forge.example/x",
            "--upload-pack=x",
        ] {
            assert_eq!(resolve(parent, elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn links_and_their_addresses_are_found() {
        let commit = "a".repeat(40);
        let tree = format!("100644 blob {commit}\tREADME\x00160000 commit {commit}\tvendor/lib\0");
        let links = links(tree.as_bytes());
        assert_eq!(links.len(), 1);
        assert_eq!(links[0].0, "vendor/lib");
        let config = b"submodule.lib.path\nvendor/lib\0submodule.lib.url\n../lib.git\0submodule.half.url\nx\0";
        assert_eq!(urls(config), HashMap::from([("vendor/lib".to_owned(), "../lib.git".to_owned())]));
    }
}
