//! The keys of the one tree that everything lies in.
//!
//! A key starts with a letter that names its kind. Names of any length (subjects, delivery ids) go in as a hash, so that
//! keys are short and none can run into another; what they lead to holds the name itself.

use gatewright_core::{BlobId, DeliveryId, RunId, Timestamp};
use sha2::{Digest, Sha256};

/// A key.
pub(crate) type Key = Vec<u8>;

/// The version of the layout that these keys make up. A store of another version is not opened.
pub(crate) const LAYOUT: &[u8] = b"2";

/// Where [`LAYOUT`] is kept.
pub(crate) const LAYOUT_KEY: &[u8] = b"Mlayout";

/// What a probe writes over and over.
pub(crate) const PROBE_KEY: &[u8] = b"Mprobe";

/// The keys from the first to the second, without the second.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) from: Key,
    pub(crate) to: Key,
}

/// By what runs can be looked up, beside their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Index {
    Repo,
    Subject,
    Commit,
}

fn id_key(kind: u8, id: RunId) -> Key {
    let mut key = vec![kind];
    key.extend_from_slice(id.0.as_bytes());
    key
}

/// All keys that start so.
pub(crate) fn under(prefix: Key) -> Range {
    let mut to = prefix.clone();
    while to.last() == Some(&u8::MAX) {
        to.pop();
    }
    if let Some(last) = to.last_mut() {
        *last += 1;
    }
    Range { from: prefix, to }
}

/// The row of a run that is not finished. No index leads to it: all of them are in memory.
pub(crate) fn unfinished(id: RunId) -> Key {
    id_key(b'o', id)
}

/// All of those.
pub(crate) fn all_unfinished() -> Range {
    under(vec![b'o'])
}

/// The row of a finished run.
pub(crate) fn row(id: RunId) -> Key {
    id_key(b'r', id)
}

/// All rows of finished runs older than `before`.
pub(crate) fn rows(before: Option<RunId>) -> Range {
    let all = under(vec![b'r']);
    Range { to: before.map_or(all.to, row), from: all.from }
}

/// What one append added to a journal, the first of it numbered `seq`.
pub(crate) fn page(id: RunId, seq: u64) -> Key {
    let mut key = id_key(b'j', id);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

/// A whole journal.
pub(crate) fn pages(id: RunId) -> Range {
    under(id_key(b'j', id))
}

/// A signal.
pub(crate) fn signal(id: RunId, n: u64) -> Key {
    let mut key = id_key(b's', id);
    key.extend_from_slice(&n.to_be_bytes());
    key
}

/// All signals of a run.
pub(crate) fn signals(id: RunId) -> Range {
    under(id_key(b's', id))
}

fn index_prefix(index: Index, name: &str) -> Key {
    let kind = match index {
        Index::Repo => b'R',
        Index::Subject => b'S',
        Index::Commit => b'C',
    };
    let mut key = vec![kind];
    key.extend_from_slice(&Sha256::digest(name)[..16]);
    key
}

/// Leads from a name to a run.
pub(crate) fn indexed(index: Index, name: &str, id: RunId) -> Key {
    let mut key = index_prefix(index, name);
    key.extend_from_slice(id.0.as_bytes());
    key
}

/// All that a name leads to, as far as it is older than `before`.
pub(crate) fn named(index: Index, name: &str, before: Option<RunId>) -> Range {
    let all = under(index_prefix(index, name));
    Range { to: before.map_or(all.to, |id| indexed(index, name, id)), from: all.from }
}

/// The run that a key ends with.
pub(crate) fn run_at_end(key: &[u8]) -> Option<RunId> {
    let bytes = key.get(key.len().checked_sub(16)?..)?;
    uuid::Uuid::from_slice(bytes).ok().map(RunId)
}

/// A time so that later ones sort behind.
fn time(at: Timestamp) -> [u8; 8] {
    // The sign bit is turned over, so that times before 1970 sort before those after.
    (at.as_microsecond() ^ i64::MIN).to_be_bytes()
}

/// When a run ended, for pruning.
pub(crate) fn finished(at: Timestamp, id: RunId) -> Key {
    let mut key = vec![b'F'];
    key.extend_from_slice(&time(at));
    key.extend_from_slice(id.0.as_bytes());
    key
}

/// All that ended before then.
pub(crate) fn finished_before(at: Timestamp) -> Range {
    before(b'F', at)
}

fn before(kind: u8, at: Timestamp) -> Range {
    let mut to = vec![kind];
    to.extend_from_slice(&time(at));
    Range { from: vec![kind], to }
}

/// Says that this id was accepted.
pub(crate) fn accepted(id: &DeliveryId) -> Key {
    let mut key = vec![b'D'];
    key.extend_from_slice(&Sha256::digest(id.as_str()));
    key
}

fn by_time(kind: u8, at: Timestamp, id: &DeliveryId) -> Key {
    let mut key = vec![kind];
    key.extend_from_slice(&time(at));
    key.extend_from_slice(&Sha256::digest(id.as_str())[..16]);
    key
}

/// A delivery and its body.
pub(crate) fn delivery(at: Timestamp, id: &DeliveryId) -> Key {
    by_time(b'T', at, id)
}

/// All deliveries.
pub(crate) fn deliveries() -> Range {
    under(vec![b'T'])
}

/// Says that an accepted id started no run, for pruning.
pub(crate) fn runless(at: Timestamp, id: &DeliveryId) -> Key {
    by_time(b'U', at, id)
}

/// All that were accepted before then and started no run.
pub(crate) fn runless_before(at: Timestamp) -> Range {
    before(b'U', at)
}

/// Says that a blob is referred to by what lies at `owner`.
pub(crate) fn blob_use(blob: &BlobId, owner: &[u8]) -> Key {
    let mut key = blob_prefix(blob);
    key.extend_from_slice(owner);
    key
}

fn blob_prefix(blob: &BlobId) -> Key {
    let mut key = vec![b'b'];
    key.extend_from_slice(&Sha256::digest(blob.as_str()));
    key
}

/// All that refer to a blob.
pub(crate) fn blob_uses(blob: &BlobId) -> Range {
    under(blob_prefix(blob))
}

/// A part of the value at `owner`, which is too large to lie there.
pub(crate) fn chunk(owner: &[u8], n: u16) -> Key {
    let mut key = vec![b'K'];
    key.extend_from_slice(owner);
    key.extend_from_slice(&n.to_be_bytes());
    key
}

/// The standing order of a subject under this key.
pub(crate) fn order(subject: &str, key: &str) -> Key {
    let mut row = orders_prefix(subject);
    row.extend_from_slice(key.as_bytes());
    row
}

fn orders_prefix(subject: &str) -> Key {
    let mut key = vec![b'q'];
    key.extend_from_slice(&Sha256::digest(subject)[..16]);
    key
}

/// All standing orders of a subject.
pub(crate) fn orders(subject: &str) -> Range {
    under(orders_prefix(subject))
}

/// Says that an order stands about a subject under this key.
pub(crate) fn standing(key: &str, subject: &str) -> Key {
    let mut row = standing_prefix(key);
    row.extend_from_slice(subject.as_bytes());
    row
}

fn standing_prefix(key: &str) -> Key {
    let mut prefix = vec![b'N'];
    prefix.extend_from_slice(key.as_bytes());
    prefix.push(0);
    prefix
}

/// All subjects about which one stands under this key, behind `after`.
pub(crate) fn all_standing(key: &str, after: Option<&str>) -> Range {
    let all = under(standing_prefix(key));
    let from = after.map_or(all.from, |after| [standing(key, after), vec![0]].concat());
    Range { from, to: all.to }
}

/// The subject that a key made by [`standing`] ends with.
pub(crate) fn subject_of(key: &[u8]) -> Option<&str> {
    let at = key.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&key[at + 1..]).ok()
}

/// Says when the standing order at `row` was given or taken back, for pruning.
pub(crate) fn order_age(at: Timestamp, row: &[u8]) -> Key {
    let mut key = vec![b'Q'];
    key.extend_from_slice(&time(at));
    key.extend_from_slice(row);
    key
}

/// All standing orders that were given before then.
pub(crate) fn orders_before(at: Timestamp) -> Range {
    before(b'Q', at)
}

/// The row that a key made by [`order_age`] ends with.
pub(crate) fn row_of_age(key: &[u8]) -> &[u8] {
    key.get(1 + 8..).unwrap_or_default()
}

/// A line of the audit log.
pub(crate) fn audit(n: u64) -> Key {
    let mut key = vec![b'A'];
    key.extend_from_slice(&n.to_be_bytes());
    key
}

/// All of them.
pub(crate) fn audits() -> Range {
    under(vec![b'A'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_by_time_sort_by_time_before_1970_too() {
        let at = |second| Timestamp::from_second(second).expect("a small number is a time");
        let id = RunId::new();
        assert!(finished(at(-5), id) < finished(at(0), id));
        assert!(finished(at(0), id) < finished(at(1_700_000_000), id));
        let range = finished_before(at(7));
        assert!(finished(at(6), id) < range.to && finished(at(7), id) > range.to);
    }

    #[test]
    fn what_starts_so_lies_between_and_nothing_else() {
        let range = under(vec![b'x', 0xff, 0xff]);
        assert_eq!(range.to, vec![b'y']);
        let id = RunId::new();
        assert!(pages(id).from <= page(id, 0) && page(id, u64::MAX) < pages(id).to);
        assert_eq!(run_at_end(&indexed(Index::Commit, "c", id)), Some(id));
        assert_eq!(run_at_end(b"short"), None);
    }
}
