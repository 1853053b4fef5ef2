//! Takes secrets out of a stream of bytes before anything keeps it.
//!
//! Two kinds are found: the secrets that the service knows, also in the forms in which they are commonly printed (Base64,
//! URL encoding, single lines of a longer one), and texts that have the shape of a well-known token. Each is replaced by
//! `***`. The stream may be cut anywhere: what is found does not depend on where.
//!
//! Deliberately absent: guesses by entropy, which would take commit ids and checksums out of every log. A secret that a
//! program writes in a form of its own (reversed, one character a line) is not found; that no secret enters a sandbox is
//! what protects from those.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use gatewright_core::secret::{ExposeSecret, SecretString};

mod shapes;

use shapes::Shape;

/// What stands for a secret.
pub const MASK: &[u8] = b"***";

/// Shorter secrets are not looked for: they would be found in every second word.
const SECRET_BYTES_MIN: usize = 4;

/// Of a secret, Base64 is looked for from this length on: the Base64 of a shorter one has too few characters of its own.
const BASE64_BYTES_MIN: usize = 6;

/// A line of a secret of several lines is looked for by itself from this length on.
const LINE_BYTES_MIN: usize = 16;

/// A longer secret is looked for in pieces of this length, so that no match is longer than what is held back.
const PIECE_BYTES: usize = 4096;

/// At least so many bytes are held back, for the beginning of a token may lie in them.
const HOLD_BYTES_MIN: usize = 512;

/// A stretch of bytes that is to be masked.
type Interval = (usize, usize);

fn first_lines(secret: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = secret.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    ends.filter(|end| *end < secret.len()).map(|end| &secret[..end])
}

/// Takes secrets out of a stream.
#[derive(Clone)]
pub struct Redactor {
    /// None where there is no secret to look for.
    secrets: Option<AhoCorasick>,
    /// What secrets of several lines begin with, up to the end of each of their lines but the last.
    first_lines: Vec<Vec<u8>>,
    /// A match that begins before the last `hold` bytes has its end, or the least that its shape must have, in sight.
    hold: usize,
    /// Bytes that were taken and not yet given out. At most twice `hold`.
    held: Vec<u8>,
    /// So many bytes at the beginning of `held` belong to a match whose mask was given out.
    masked: usize,
    /// Matches of no fixed length that go on at the end of what was looked at.
    going_on: Vec<GoingOn>,
}

/// A match that was not over yet, and from where in `held` it is to be followed.
#[derive(Clone, Copy)]
struct GoingOn {
    shape: Shape,
    from: usize,
    /// How long it is already, for shapes that have a limit.
    length: usize,
}

impl Redactor {
    /// A redactor of these secrets and of the well-known shapes. Secrets under 4 bytes are not looked for.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            add_forms(&mut forms, secret.expose_secret().trim_end());
        }
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0);
        let first_lines = forms.iter().flat_map(|form| first_lines(form)).map(<[u8]>::to_vec).collect();
        let secrets = (!forms.is_empty()).then(|| {
            // It fails for patterns of gigabytes in all only.
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .build(&forms)
                .expect("the secrets of a service fit into an automaton")
        });
        let hold = longest.max(HOLD_BYTES_MIN);
        Redactor { secrets, first_lines, hold, held: Vec::with_capacity(2 * hold), masked: 0, going_on: Vec::new() }
    }

    /// Takes the next bytes and gives out what is certain by now.
    pub fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        // Always in blocks of the same size, so that the outcome does not depend on how the stream was cut.
        while !bytes.is_empty() {
            let room = 2 * self.hold - self.held.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.held.extend_from_slice(now);
            bytes = later;
            if self.held.len() == 2 * self.hold {
                self.give_out(self.hold, out);
            }
        }
    }

    /// Gives out what was held back. The stream is over.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.give_out(self.held.len(), out);
        self.masked = 0;
        self.going_on.clear();
    }

    /// The whole lines of what is held back, for somebody who does not wait for the end: tokens lie within a line.
    pub fn peek(&self) -> Vec<u8> {
        let mut peeked = self.clone();
        let mut end = self.held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // Of a secret of several lines the rest may still come.
        while let Some(lines) = self.first_lines.iter().find(|lines| self.held[..end].ends_with(lines)) {
            end -= lines.len();
        }
        peeked.held.truncate(end);
        let mut out = Vec::new();
        peeked.finish(&mut out);
        out
    }

    /// A whole text, such as a title, without its secrets.
    pub fn text(&mut self, text: &str) -> String {
        let mut out = Vec::new();
        self.write(text.as_bytes(), &mut out);
        self.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Gives out the first `cut` bytes of what is held.
    fn give_out(&mut self, cut: usize, out: &mut Vec<u8>) {
        let intervals = merged(self.intervals(cut));
        let mut at = 0;
        for &(from, to) in intervals.iter().take_while(|(from, _)| *from < cut) {
            out.extend_from_slice(&self.held[at..from]);
            // The mask of what was already found in the block before has been given out with it.
            if from > 0 || self.masked == 0 {
                out.extend_from_slice(MASK);
            }
            at = to;
        }
        if at < cut {
            out.extend_from_slice(&self.held[at..cut]);
        }
        self.masked = at.saturating_sub(cut);
        self.held.drain(..cut);
        for going_on in &mut self.going_on {
            going_on.from = going_on.from.saturating_sub(cut);
        }
    }

    /// Everything that is to be masked in what is held. Matches that begin before `cut` and are not over are remembered.
    fn intervals(&mut self, cut: usize) -> Vec<Interval> {
        let mut found = Vec::new();
        if self.masked > 0 {
            found.push((0, self.masked));
        }
        if let Some(secrets) = &self.secrets {
            found.extend(secrets.find_overlapping_iter(&self.held).map(|m| (m.start(), m.end())));
        }
        let mut going_on: Vec<GoingOn> = Vec::new();
        for GoingOn { shape, from, length } in std::mem::take(&mut self.going_on) {
            let (end, over) = shape.follow(&self.held, from, length);
            found.push((0, end));
            if !over {
                let resume = shape.resume(from, end);
                going_on.push(GoingOn { shape, from: resume, length: length + resume - from });
            }
        }
        for shapes::Found { shape, start, end, over } in shapes::find(&self.held) {
            found.push((start, end));
            // Of two of the same shape that are not over, both end at the same place.
            if !over && start < cut && !going_on.iter().any(|other| other.shape == shape) {
                let resume = shape.resume(start, end);
                going_on.push(GoingOn { shape, from: resume, length: resume - start });
            }
        }
        self.going_on = going_on;
        found
    }
}

/// The same bytes as fewer intervals, in order and apart from each other.
fn merged(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.retain(|(from, to)| from < to);
    intervals.sort_unstable();
    let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
    for (from, to) in intervals {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            Some(_) | None => merged.push((from, to)),
        }
    }
    merged
}

/// The forms in which a secret is looked for.
fn add_forms(forms: &mut BTreeSet<Vec<u8>>, secret: &str) {
    if secret.len() < SECRET_BYTES_MIN {
        return;
    }
    forms.extend(secret.as_bytes().chunks(PIECE_BYTES).filter(|piece| piece.len() >= SECRET_BYTES_MIN).map(<[u8]>::to_vec));
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= LINE_BYTES_MIN && line.len() < secret.len());
    for line in lines {
        add_forms(forms, line);
    }
    if secret.len() < BASE64_BYTES_MIN || secret.len() > PIECE_BYTES {
        return;
    }
    for plus_for_space in [false, true] {
        for upper in [false, true] {
            forms.insert(url_encoded(secret, upper, plus_for_space).into_bytes());
        }
    }
    for ahead in 0..3 {
        forms.extend(base64_forms(secret.as_bytes(), ahead));
    }
}

/// The characters that Base64 has for a secret with `ahead` other bytes before it in its group of three, without the
/// characters at both ends that depend on what is beside the secret.
fn base64_forms(secret: &[u8], ahead: usize) -> [Vec<u8>; 2] {
    let padded: Vec<u8> = std::iter::repeat_n(0, ahead).chain(secret.iter().copied()).collect();
    let own = (ahead * 8).div_ceil(6)..padded.len() * 8 / 6;
    let engines = [base64::engine::general_purpose::STANDARD_NO_PAD, base64::engine::general_purpose::URL_SAFE_NO_PAD];
    engines.map(|engine| engine.encode(&padded).as_bytes()[own.clone()].to_vec())
}

fn url_encoded(secret: &str, upper: bool, plus_for_space: bool) -> String {
    secret.bytes().fold(String::with_capacity(secret.len()), |encoded, byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded + char::from(byte).to_string().as_str(),
        b' ' if plus_for_space => encoded + "+",
        other if upper => encoded + &format!("%{other:02X}"),
        other => encoded + &format!("%{other:02x}"),
    })
}

#[cfg(test)]
mod tests;
