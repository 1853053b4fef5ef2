//! Where in the source a failed test is to be shown.
//!
//! Reports name places in many ways, and they are written by untrusted code: a place is used only if it is a relative path
//! within the source, with an extension, and a line.

/// A path may have so many bytes.
const PATH_BYTES_MAX: usize = 400;

/// In one text so many colons and so many "line" words are looked at: a report of nothing but colons must not cost more.
const CANDIDATES_MAX: usize = 256;

/// Folders of what others wrote: a stack trace goes through them, the mistake is elsewhere.
const OTHERS: [&str; 6] = ["node_modules", "site-packages", ".venv", ".cargo", "vendor", "dist-packages"];

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePlace {
    /// Relative to the source's root, with `/`; nothing in it leads out of there. Whether there is such a file is not known.
    pub path: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: Option<u32>,
}

/// The place that is most likely meant: in the file that the report names, the line that the text names, or the one that the
/// report does; else the first place in the text that lies in the source. Tools name files by their full path, below `root`.
pub(super) fn find(root: &str, file: Option<&str>, line: Option<u32>, texts: [&str; 2]) -> Option<SourcePlace> {
    let file = file.and_then(|file| in_source(root, file, true));
    let mut places = texts.iter().flat_map(|text| named(text));
    let Some(file) = file else {
        return places.find_map(|(path, line, column)| Some(SourcePlace { path: in_source(root, path, false)?, line, column }));
    };
    let same = |path: &str| in_source(root, path, true).is_some_and(|path| is_end(&file, &path) || is_end(&path, &file));
    let in_file = places.find(|(path, ..)| same(path)).map(|(_, line, column)| (line, column));
    let (line, column) = in_file.unwrap_or((line.unwrap_or(1).max(1), None));
    Some(SourcePlace { path: file, line, column })
}

/// Whether `end` is `path`, or its last parts.
fn is_end(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

/// A path within the source. A mere file name, which may be anywhere in it, is one only if `bare`.
fn in_source(root: &str, path: &str, bare: bool) -> Option<String> {
    let path = path.strip_prefix("file://").unwrap_or(path);
    let (path, inside) = match path.strip_prefix(root).and_then(|path| path.strip_prefix('/')) {
        Some(path) => (path, true),
        None => (path, bare),
    };
    let mut path = path;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    let parts = || path.split('/');
    let odd = |c: char| c.is_control() || c.is_whitespace() && c != ' ' || "\\:*?\"<>|`".contains(c);
    let usable = path.len() <= PATH_BYTES_MAX
        && !path.starts_with(['~', '-'])
        && !path.contains(odd)
        && parts().all(|part| !part.is_empty() && part != ".." && part != "." && part != ".git" && !OTHERS.contains(&part))
        && parts().next_back().is_some_and(has_extension)
        && (inside || path.contains('/'));
    usable.then(|| path.to_owned())
}

/// Whether a file's name ends in `.x` to `.xxxxxxxx`.
fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, extension)| {
        let plain =
            extension.bytes().all(|b| b.is_ascii_alphanumeric()) && extension.starts_with(|c: char| c.is_ascii_alphabetic());
        !stem.is_empty() && plain && extension.len() <= 8
    })
}

/// The places that a text names, as it names them: `path:12:3`, `path:line 12` and `File "path", line 12`.
fn named(text: &str) -> impl Iterator<Item = (&str, u32, Option<u32>)> {
    let colons = text.match_indices(':').take(CANDIDATES_MAX).filter_map(|(at, _)| before_colon(text, at));
    let quotes = text.match_indices(QUOTED).take(CANDIDATES_MAX).filter_map(|(at, _)| before_quote(text, at));
    colons.chain(quotes)
}

/// What stands between a path in quotes and its line.
const QUOTED: &str = "\", line ";

fn before_quote(text: &str, at: usize) -> Option<(&str, u32, Option<u32>)> {
    let length = text[..at].bytes().rev().take(PATH_BYTES_MAX).position(|b| b == b'"')?;
    let (line, _) = number(&text[at + QUOTED.len()..])?;
    Some((&text[at - length..at], line, None))
}

fn before_colon(text: &str, at: usize) -> Option<(&str, u32, Option<u32>)> {
    let behind = &text[at + 1..];
    let (line, rest) = number(behind.strip_prefix("line ").unwrap_or(behind))?;
    let column = rest.strip_prefix(':').and_then(number).map(|(column, _)| column);
    let plain = |c: &char| c.is_alphanumeric() || "_.-+/@~".contains(*c);
    let length: usize = text[..at].chars().rev().take(PATH_BYTES_MAX).take_while(plain).map(char::len_utf8).sum();
    let begin = at - length;
    let path = &text[begin..at];
    match text[..begin].chars().next_back() {
        // A URL, unless it is that of a file here.
        Some(':') if text[..begin].ends_with("file:") => Some((path.strip_prefix("//").unwrap_or(path), line, column)),
        Some(':' | '\\') => None,
        Some(_) | None => (!path.is_empty()).then_some((path, line, column)),
    }
}

/// The number that a text begins with, if it is a line's or column's, and the rest.
fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[..digits].parse().ok().filter(|n| (1..=10_000_000).contains(n))?;
    Some((number, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        find("/workspace", None, None, [text, ""]).map(|place| match place.column {
            Some(column) => format!("{}:{}:{column}", place.path, place.line),
            None => format!("{}:{}", place.path, place.line),
        })
    }

    #[test]
    fn places_are_found_as_tools_write_them() {
        for (text, place) in [
            ("thread 'a' panicked at src/lib.rs:12:5:\nassertion failed", "src/lib.rs:12:5"),
            ("tests/test_sample.py:10: AssertionError", "tests/test_sample.py:10"),
            ("  at o.<anonymous> (packages/x/simple-test.js:15:29)", "packages/x/simple-test.js:15:29"),
            ("  at f (file:///workspace/src/a.test.ts:3:4)", "src/a.test.ts:3:4"),
            ("/workspace/main_test.go:7: boom", "main_test.go:7"),
            ("  File \"tests/a.py\", line 14, in test_a", "tests/a.py:14"),
            ("   at T.M() in /workspace/src/X.cs:line 9", "src/X.cs:9"),
            ("./spec/models/a_spec.rb:4:in `block'", "spec/models/a_spec.rb:4"),
            ("(/workspace/node_modules/jest/x.js:1:1)\n(/workspace/src/y.js:2:2)", "src/y.js:2:2"),
        ] {
            assert_eq!(found(text).as_deref(), Some(place), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_in_the_source_is_not_taken_for_one() {
        for text in [
            "at com.acme.ShopTest.buys(ShopTest.java:12)",
            "http://example.com/app.js:3:4",
            "localhost:8080 and example.com:443 at 12:30:45",
            "/usr/lib/python3/dist.py:4",
            "../../etc/passwd.txt:1",
            "src/../../x.rs:1",
            "C:\\work\\src\\x.cs:4",
            "src/lib.rs:0",
            "src/lib.rs:99999999999",
            "node_modules/jest/build/index.js:5:6",
            ".git/hooks/pre-push.sh:1",
            "src/no-extension:3",
            ":1:2:3",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn the_file_that_the_report_names_goes_before_others() {
        let text = "lib/helper.js:3:1\n tests/a.test.js:7:2";
        let place = |file: &str, line| find("/workspace", Some(file), line, [text, ""]).map(|p| (p.path, p.line));
        assert_eq!(place("tests/a.test.js", Some(2)), Some(("tests/a.test.js".to_owned(), 7)));
        assert_eq!(place("/workspace/tests/b.test.js", Some(2)), Some(("tests/b.test.js".to_owned(), 2)));
        assert_eq!(place("main_test.go", None), Some(("main_test.go".to_owned(), 1)));
        assert_eq!(place("/etc/passwd.txt", Some(2)), Some(("lib/helper.js".to_owned(), 3)));
    }
}
