//! Paths of the API, and the links that it answers with.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use url::Url;

use crate::error::missing;

/// `/a/b%2Fc` of `["a", "b/c"]`. Every part becomes one segment, whatever it holds. A part that is empty, `.` or `..`
/// names nothing on GitHub, and URL libraries would fold it away into another path: it counts as missing.
pub(crate) fn route(parts: &[&str]) -> Result<String, ForgeError> {
    let mut path = String::new();
    for part in parts {
        if matches!(*part, "" | "." | "..") {
            return Err(missing(format!("the name {part:?}")));
        }
        path.push('/');
        percent_encode(part, &mut path);
    }
    Ok(path)
}

/// `/repos/OWNER/NAME/...`.
pub(crate) fn repo_route(repo: &RepoRef, parts: &[&str]) -> Result<String, ForgeError> {
    let (owner, name) = repo.owner_and_name();
    route(&[&["repos", owner, name], parts].concat())
}

/// The route with a query.
pub(crate) fn with_query(mut route: String, query: &[(&str, &str)]) -> String {
    for (at, (name, value)) in query.iter().enumerate() {
        route.push(if at == 0 { '?' } else { '&' });
        route.push_str(name);
        route.push('=');
        percent_encode(value, &mut route);
    }
    route
}

/// RFC 3986: all but the unreserved characters.
fn percent_encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The target of `rel="next"` in a `Link` header field, reduced to path and query: it then goes to the configured host
/// like every other request, and with authorisation.
pub(crate) fn next_link(header: &str, base: &Url) -> Option<String> {
    let mut rest = header;
    while let Some((_, from)) = rest.split_once('<') {
        let (target, behind) = from.split_once('>')?;
        let parameters = behind.split('<').next().unwrap_or_default();
        let is_next = parameters.split([';', ',']).any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
        if is_next {
            return base.join(target).ok().map(|url| path_and_query(&url));
        }
        rest = behind;
    }
    None
}

/// Where a redirect leads, if it stays on the configured host.
pub(crate) fn same_host(location: &str, base: &Url) -> Option<String> {
    let target = base.join(location).ok()?;
    (target.origin() == base.origin()).then(|| path_and_query(&target))
}

fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_stay_one_segment() {
        assert_eq!(
            route(&["repos", "o", "r", "branches", "feat/ü #1?"]).as_deref(),
            Ok("/repos/o/r/branches/feat%2F%C3%BC%20%231%3F")
        );
        for bad in ["", ".", ".."] {
            assert!(route(&["repos", bad]).is_err(), "{bad:?}");
        }
        assert_eq!(with_query("/x".to_owned(), &[("a", "1&2"), ("b", "c d")]), "/x?a=1%262&b=c%20d");
    }

    #[test]
    fn a_next_link_is_reduced_to_path_and_query() {
        let base = Url::parse("https://ghe.example/api/v3").expect("valid");
        let header = r#"<https://other.example/api/v3/repositories/1/x?page=1>; rel="prev", <https://other.example/api/v3/repositories/1/x?a=1,2&page=3>; rel="next""#;
        assert_eq!(next_link(header, &base).as_deref(), Some("/api/v3/repositories/1/x?a=1,2&page=3"));
        assert_eq!(next_link(r#"<https://x/y>; rel="last""#, &base), None);
        assert_eq!(next_link("garbage <", &base), None);
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
