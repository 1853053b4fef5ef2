//! Which of two versions is the later one, without knowing whose they are.

use std::cmp::Ordering;

/// A part of a version.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    /// `alpha`, `rc`: before the version itself.
    Word(&'a str),
    End,
    /// `post`: after it.
    After(&'a str),
    Number(&'a str),
}

/// Numbers count as numbers; words come before the version that they are appended to, as in `1.0-rc.1`. What follows a `+` is
/// not looked at. Right for semantic versions, and for what other ecosystems write in practice.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    for at in 0..a.len().max(b.len()) {
        let ordering = part_order(a.get(at).unwrap_or(&Part::End), b.get(at).unwrap_or(&Part::End));
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

fn part_order(a: &Part<'_>, b: &Part<'_>) -> Ordering {
    match (a, b) {
        // Of any length, so they are not turned into integers.
        (Part::Number(a), Part::Number(b)) => (a.len(), a).cmp(&(b.len(), b)),
        // `1.0` and `1.0.0` are one version.
        (Part::Number(""), Part::End) | (Part::End, Part::Number("")) => Ordering::Equal,
        (a, b) => a.cmp(b),
    }
}

fn parts(version: &str) -> Vec<Part<'_>> {
    let version = version.split('+').next().unwrap_or(version);
    let mut rest = version.strip_prefix('v').unwrap_or(version);
    let mut parts = Vec::new();
    while let Some(first) = rest.bytes().next() {
        let digit = first.is_ascii_digit();
        let letter = |c: char| c.is_alphabetic();
        let end = match digit {
            true => rest.find(|c: char| !c.is_ascii_digit()),
            false if rest.starts_with(letter) => rest.find(|c| !letter(c)),
            false => None,
        };
        let (part, after) = match (digit, rest.starts_with(letter)) {
            (true, _) | (_, true) => rest.split_at(end.unwrap_or(rest.len())),
            (false, false) => {
                let width = rest.chars().next().map_or(1, char::len_utf8);
                rest = &rest[width..];
                continue;
            }
        };
        parts.push(match digit {
            // Without leading zeros, so that the longer one is the larger one; zero is empty.
            true => Part::Number(part.trim_start_matches('0')),
            false if part.eq_ignore_ascii_case("post") => Part::After(part),
            false => Part::Word(part),
        });
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_versions_are_later() {
        let rising = [
            ("1.9.0", "1.10.0"),
            ("1.0.0-rc.1", "1.0.0"),
            ("1.0.0-alpha", "1.0.0-beta"),
            ("1.0.0-rc.2", "1.0.0-rc.10"),
            ("v1.2.3", "v1.3.0"),
            ("1.0", "1.0.1"),
            ("2.0a1", "2.0"),
            ("2.0", "2.0.post1"),
            ("v0.0.0-20200101000000-abcdef", "v0.0.0-20210101000000-abcdef"),
            ("99999999999999999999.0", "100000000000000000000.0"),
        ];
        for (low, high) in rising {
            assert_eq!(compare(low, high), Ordering::Less, "{low} {high}");
            assert_eq!(compare(high, low), Ordering::Greater, "{high} {low}");
        }
        for (a, b) in [("1.0", "1.0.0"), ("1.0.0+build.1", "1.0.0+build.2"), ("v1", "1"), ("01", "1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }
}
