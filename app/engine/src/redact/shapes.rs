//! The shapes of well-known tokens: a beginning, and what may follow it.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// A private key may have so many bytes; behind that the log goes on.
const KEY_BYTES_MAX: usize = 16 * 1024;

/// The end of a private key.
const KEY_END: &[u8] = b"-----END ";

/// Between "BEGIN " and the end of the line there may be so many bytes ("ENCRYPTED PRIVATE KEY-----").
const KEY_TITLE_BYTES_MAX: usize = 64;

/// What may follow a token's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Letters, digits and `_`.
    Word,
    /// Letters, digits and `-_.+/=~`.
    Token,
    /// Capital letters and digits.
    Capitals,
    /// Everything up to the end of the line or a quote.
    Line,
    /// Everything up to the end of a private key.
    Key,
}

/// A beginning, what follows it, and how much of that there must be.
struct Beginning {
    text: &'static str,
    shape: Shape,
    least: usize,
    /// Whether capital letters are as good as small ones.
    any_case: bool,
}

const fn beginning(text: &'static str, shape: Shape, least: usize) -> Beginning {
    Beginning { text, shape, least, any_case: false }
}

const fn header(text: &'static str, shape: Shape, least: usize) -> Beginning {
    Beginning { text, shape, least, any_case: true }
}

static BEGINNINGS: [Beginning; 21] = [
    beginning("ghp_", Shape::Word, 20),
    beginning("gho_", Shape::Word, 20),
    beginning("ghu_", Shape::Word, 20),
    // New installation tokens have dots in them.
    beginning("ghs_", Shape::Token, 20),
    beginning("ghr_", Shape::Word, 20),
    beginning("github_pat_", Shape::Word, 20),
    beginning("glpat-", Shape::Token, 16),
    beginning("gldt-", Shape::Token, 16),
    beginning("glrt-", Shape::Token, 16),
    beginning("glcbt-", Shape::Token, 16),
    beginning("glptt-", Shape::Token, 16),
    beginning("gloas-", Shape::Token, 16),
    beginning("xoxb-", Shape::Token, 16),
    beginning("xoxp-", Shape::Token, 16),
    beginning("AKIA", Shape::Capitals, 16),
    beginning("ASIA", Shape::Capitals, 16),
    // A JSON object that begins with `{"` in Base64: the header of a JWT.
    beginning("eyJ", Shape::Token, 40),
    header("authorization:", Shape::Line, 4),
    header("bearer ", Shape::Token, 16),
    header("x-access-token:", Shape::Token, 8),
    beginning("-----BEGIN ", Shape::Key, 1),
];

static AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let texts = BEGINNINGS.iter().map(|beginning| beginning.text);
    AhoCorasick::builder().ascii_case_insensitive(true).build(texts).expect("a few short patterns fit into an automaton")
});

/// A stretch that has a token's shape.
pub(super) struct Found {
    pub(super) shape: Shape,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether its end is certain. If not, it goes on with what comes next.
    pub(super) over: bool,
}

/// All stretches of `bytes` that have a token's shape. Costs linear time, whatever the bytes are.
pub(super) fn find(bytes: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    // To where each shape was followed last: from another beginning on the way it ends there too.
    let mut followed: Vec<(Shape, usize, bool)> = Vec::new();
    for hit in AUTOMATON.find_overlapping_iter(bytes) {
        let Beginning { text, shape, least, any_case } = BEGINNINGS[hit.pattern().as_usize()];
        if !any_case && &bytes[hit.range()] != text.as_bytes() {
            continue;
        }
        let Some((start, from)) = begins(shape, bytes, hit.start(), hit.end()) else { continue };
        let known = followed.iter().find(|(other, end, _)| *other == shape && *end > from);
        let (end, over) = known.map_or_else(|| shape.follow(bytes, from, 0), |(_, end, over)| (*end, *over));
        followed.retain(|(other, ..)| *other != shape);
        followed.push((shape, end, over));
        if end.saturating_sub(from) >= least {
            found.push(Found { shape, start, end, over });
        }
    }
    found
}

/// From where a match is masked, and from where it is followed. None where this is no beginning after all.
fn begins(shape: Shape, bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    match shape {
        Shape::Word | Shape::Token | Shape::Capitals => Some((start, end)),
        Shape::Line => {
            // The name of the header stays readable.
            let from = end + spaces(&bytes[end..]);
            (!is_reference(&bytes[from..])).then_some((from, from))
        }
        Shape::Key => {
            let title = &bytes[end..bytes.len().min(end + KEY_TITLE_BYTES_MAX)];
            let key = title.windows(PRIVATE_KEY.len()).any(|window| window == PRIVATE_KEY);
            key.then_some((start, end))
        }
    }
}

fn spaces(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| **b == b' ').count().min(8)
}

/// The name of a scheme and that of a variable have so many bytes at most. Together they are within what is held back.
const NAME_BYTES_MAX: usize = 64;

/// Whether a header's value is no secret but says where one comes from, as sources and manuals do: `Bearer $TOKEN`, `token ${{ secrets.X }}`,
/// `Basic {credentials}`, `Bearer <your token>`.
fn is_reference(value: &[u8]) -> bool {
    let scheme = value.iter().take(NAME_BYTES_MAX).take_while(|b| b.is_ascii_alphabetic()).count();
    let value = match spaces(&value[scheme..]) {
        0 => value,
        spaces => &value[scheme + spaces..],
    };
    let (open, close): (&[u8], &[u8]) = match value {
        [b'$', b'{', b'{', ..] => (b"${{", b"}}"),
        [b'$', b'{', ..] => (b"${", b"}"),
        [b'$', ..] => (b"$", b""),
        [b'{', ..] => (b"{", b"}"),
        [b'<', ..] => (b"<", b">"),
        _ => return false,
    };
    let inside = &value[open.len()..];
    let in_brackets = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_') || (!close.is_empty() && b" .-".contains(b));
    let name = inside.iter().take(NAME_BYTES_MAX + 1).take_while(|b| in_brackets(b)).count();
    let after = &inside[name..];
    let ends = |after: &[u8]| matches!(after, [] | [b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'`' | b',', ..]);
    (1..=NAME_BYTES_MAX).contains(&name) && after.strip_prefix(close).is_some_and(ends)
}

const PRIVATE_KEY: &[u8] = b"PRIVATE KEY";

impl Shape {
    /// From where a match is to be followed further that was followed from `from` up to `end` and is not over. The last bytes
    /// may be a part of a key's end, so they are looked at again.
    pub(super) fn resume(self, from: usize, end: usize) -> usize {
        match self {
            Shape::Word | Shape::Token | Shape::Capitals | Shape::Line => end,
            Shape::Key => end.saturating_sub(KEY_END.len() + KEY_TITLE_BYTES_MAX).max(from),
        }
    }

    /// Where a match ends that was followed up to `from` and is `length` bytes long by then, and whether that is certain.
    pub(super) fn follow(self, bytes: &[u8], from: usize, length: usize) -> (usize, bool) {
        let rest = &bytes[from.min(bytes.len())..];
        let end = match self {
            Shape::Word => rest.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')),
            Shape::Token => rest.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_.+/=~".contains(b))),
            Shape::Capitals => rest.iter().position(|b| !(b.is_ascii_uppercase() || b.is_ascii_digit())),
            Shape::Line => rest.iter().position(|b| matches!(b, b'\n' | b'\r' | b'"' | b'\'')),
            Shape::Key => return follow_key(rest, from, length),
        };
        end.map_or((bytes.len(), false), |end| (from + end, true))
    }
}

fn follow_key(rest: &[u8], from: usize, length: usize) -> (usize, bool) {
    let left = KEY_BYTES_MAX.saturating_sub(length);
    let end = rest.windows(KEY_END.len()).position(|window| window == KEY_END);
    match end {
        Some(end) if end <= left => {
            let title = &rest[end + KEY_END.len()..];
            let title = &title[..title.len().min(KEY_TITLE_BYTES_MAX)];
            match title.windows(5).position(|window| window == b"-----") {
                Some(dashes) => (from + end + KEY_END.len() + dashes + 5, true),
                None if title.len() < KEY_TITLE_BYTES_MAX => (from + rest.len(), false),
                None => (from + end + KEY_END.len(), true),
            }
        }
        Some(_) | None if rest.len() > left => (from + left, true),
        Some(_) | None => (from + rest.len(), false),
    }
}
