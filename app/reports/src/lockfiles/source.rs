//! Where packages come from, in words that stay the same however a file writes them.

use std::fmt;

/// Where a package comes from. Places are written without their scheme, a login, a query or `.git`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The file does not say: whatever registry the package manager is told to use.
    Unsaid,
    /// A registry: `crates.io`, `registry.npmjs.org`, `pypi.org`.
    Registry(String),
    /// A repository: `github.com/octo/lib`.
    Git(String),
    /// A file that is fetched from an address of its own.
    Url(String),
    /// The same repository: a member of the workspace, a path.
    Local,
}

impl Source {
    /// Where that is, for rules about places. None for what is in the repository itself, and where nothing is said.
    pub fn place(&self) -> Option<&str> {
        match self {
            Source::Registry(place) | Source::Git(place) | Source::Url(place) => Some(place),
            Source::Unsaid | Source::Local => None,
        }
    }

    pub(super) fn registry(url: &str) -> Source {
        let place = place(url);
        // One registry under several addresses.
        let known = match place.as_str() {
            "github.com/rust-lang/crates.io-index" | "index.crates.io" => "crates.io",
            "registry.yarnpkg.com" => "registry.npmjs.org",
            "pypi.org/simple" | "pypi.python.org/simple" => "pypi.org",
            "packagist.org/downloads" | "repo.packagist.org" => "packagist.org",
            other => other,
        };
        Source::Registry(known.to_owned())
    }

    /// The server that a file of a package is fetched from, where that is neither its registry's nor one of those that have the
    /// registry's files.
    pub(super) fn beside(registry: &str, files: &[&str], url: &str) -> Option<Source> {
        let host = |url: &str| place(url).split('/').next().unwrap_or_default().to_owned();
        let found = host(url);
        (found != host(registry) && !files.contains(&found.as_str())).then_some(Source::Url(found))
    }

    pub(super) fn git(url: &str) -> Source {
        Source::Git(place(url))
    }

    pub(super) fn url(url: &str) -> Source {
        Source::Url(place(url))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Unsaid => f.write_str("the configured registry"),
            Source::Local => f.write_str("this repository"),
            Source::Registry(place) => f.write_str(place),
            Source::Git(place) => write!(f, "git: {place}"),
            Source::Url(place) => write!(f, "file: {place}"),
        }
    }
}

/// `https://user:secret@Host/a/b.git?x#y` becomes `host/a/b`.
fn place(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or(url);
    let bare = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    let (authority, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // `git@github.com:octo/lib.git`
    let (host, path) = match host.split_once(':') {
        Some((host, folder)) if !folder.bytes().all(|byte| byte.is_ascii_digit()) => (host, format!("{folder}/{path}")),
        Some(_) | None => (host, path.to_owned()),
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let host = host.to_ascii_lowercase();
    if path.is_empty() { host } else { format!("{host}/{path}") }
}

/// A commit, short.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// A version, and the commit that stands for it where there is one.
pub(super) fn at_commit(version: &str, commit: Option<&str>) -> String {
    match commit.filter(|commit| !commit.is_empty()) {
        Some(commit) if version.is_empty() => short(commit).to_owned(),
        Some(commit) => format!("{version} at {}", short(commit)),
        None => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_is_one_text_and_never_holds_a_login() {
        for url in [
            "https://github.com/octo/lib",
            "https://github.com/octo/lib.git?branch=main#0123",
            "ssh://git@github.com/octo/lib.git",
            "git@github.com:octo/lib.git",
            "https://me:secret@GitHub.com/octo/lib/",
        ] {
            assert_eq!(place(url), "github.com/octo/lib", "{url}");
        }
        assert_eq!(place("https://npm.example:8443/a/"), "npm.example:8443/a");
        assert_eq!(place(""), "");
    }

    #[test]
    fn one_registry_has_one_name() {
        let name = |url| Source::registry(url).to_string();
        assert_eq!(name("https://github.com/rust-lang/crates.io-index"), "crates.io");
        assert_eq!(name("https://index.crates.io/"), "crates.io");
        assert_eq!(name("https://registry.yarnpkg.com"), "registry.npmjs.org");
        assert_eq!(name("https://pypi.org/simple/"), "pypi.org");
    }
}
