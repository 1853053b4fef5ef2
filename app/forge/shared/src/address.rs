//! Addresses: the configured one, and what is put together and taken apart below it.

use url::{Host, Url};

/// An address to send secrets to: https, or http on loopback, without credentials, query and fragment. The error says what
/// it must be.
pub fn base_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not an address such as https://forge.example.com")?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err("must begin with https:// (http:// is for this machine's own addresses only)"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path, without `?` and `#`");
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// `/a/b%2Fc` of `["a", "b/c"]`. Every part becomes one segment, whatever it holds. A part that is empty, `.` or `..` names
/// nothing on a forge, and URL libraries would fold it away into another path: it is given back as the error.
pub fn path_of<'a>(parts: &[&'a str]) -> Result<String, &'a str> {
    let mut path = String::new();
    for part in parts {
        if matches!(*part, "" | "." | "..") {
            return Err(part);
        }
        path.push('/');
        percent_encode(part, &mut path);
    }
    Ok(path)
}

/// The path with a query behind it.
pub fn with_query(mut path: String, query: &[(&str, &str)]) -> String {
    for (at, (name, value)) in query.iter().enumerate() {
        path.push(if at == 0 { '?' } else { '&' });
        path.push_str(name);
        path.push('=');
        percent_encode(value, &mut path);
    }
    path
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
pub fn next_link(header: &str, base: &Url) -> Option<String> {
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

/// Path and query of an address.
pub fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_would_send_tokens_in_the_clear_is_refused() {
        for bad in ["http://api.github.com", "ftp://x", "api.github.com", "https://u:p@ghe.example", "https://ghe.example/?a=b"] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
        for good in ["http://localhost:1", "http://[::1]:2/api/v3", "http://127.9.9.9", "https://gitlab.example/sub"] {
            assert!(base_url(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn odd_names_stay_one_segment() {
        assert_eq!(
            path_of(&["repos", "o", "r", "branches", "feat/ü #1?"]).as_deref(),
            Ok("/repos/o/r/branches/feat%2F%C3%BC%20%231%3F")
        );
        for bad in ["", ".", ".."] {
            assert_eq!(path_of(&["repos", bad]), Err(bad));
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
}
