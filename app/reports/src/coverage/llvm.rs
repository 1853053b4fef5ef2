//! `llvm-cov export`, which cargo-llvm-cov and Swift write too. Lines are made of its segments as LLVM's own
//! `LineCoverageStats` (`CoverageMapping.cpp`) does.

use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::build::{Builder, pair_id};
use super::{Branch, CoverageReport};
use crate::error::{Fault, ReportError};
use crate::json::Json;

/// What is read of a file.
#[derive(Deserialize)]
struct File {
    filename: String,
    segments: Vec<Segment>,
    #[serde(default)]
    branches: Vec<Branching>,
    #[serde(default)]
    expansions: Vec<Expansion>,
}

/// A macro that is used: the conditions in it are those of the line where it stands, as LLVM counts them.
#[derive(Deserialize)]
struct Expansion {
    /// Line and column, and more.
    source_region: Vec<u64>,
    #[serde(default)]
    branches: Vec<Branching>,
}

/// From its place on, code ran so often, until the next segment.
#[derive(Clone, Copy)]
struct Segment {
    line: u64,
    count: u64,
    has_count: bool,
    is_entry: bool,
    is_gap: bool,
}

/// A condition, and how often it was true and false.
struct Branching {
    line: u64,
    column: u64,
    yes: u64,
    no: u64,
}

/// Reads an export.
pub(super) fn read(source: impl Read) -> Result<CoverageReport, ReportError> {
    let mut json = Json::new(source);
    let mut builder = Builder::default();
    json.object(|json, key| match key {
        "data" => json.array(|json| {
            json.object(|json, key| match key {
                "files" => json.array(|json| {
                    let file: File = json.item()?;
                    take(&file, &mut builder).map_err(|fault| json.error(fault))
                }),
                _ => json.skip(),
            })
        }),
        _ => json.skip(),
    })?;
    json.end()?;
    match builder.is_empty() {
        true => Err(json.error(Fault::broken("no file is in it; this is no export of llvm-cov, or an empty one"))),
        false => Ok(builder.finish()),
    }
}

fn take(file: &File, builder: &mut Builder) -> Result<(), Fault> {
    builder.file(&file.filename)?;
    if !file.segments.is_sorted_by_key(|segment| segment.line) {
        return Err(Fault::broken("segments that are not in order"));
    }
    // The last segment of an earlier line: it reaches into the line at hand.
    let mut wrapped: Option<Segment> = None;
    for segments in file.segments.chunk_by(|a, b| a.line == b.line) {
        let line = segments[0].line;
        if let Some(wrapped) = wrapped
            && wrapped.has_count
            && wrapped.line + 1 < line
        {
            builder.range(wrapped.line + 1, line - 1, wrapped.count)?;
        }
        if let Some(hits) = hits(segments, wrapped) {
            builder.line(line, hits)?;
        }
        wrapped = segments.last().copied();
    }
    for branching in &file.branches {
        let column = u32::try_from(branching.column).ok().filter(|column| *column < Branch::IDS / 2);
        let id = column.ok_or_else(|| Fault::broken("a branch in a column beyond any"))? * 2;
        builder.branch(branching.line, id, branching.yes > 0)?;
        builder.branch(branching.line, id + 1, branching.no > 0)?;
    }
    file.expansions.iter().try_for_each(|expansion| expanded(expansion, builder))?;
    builder.close();
    Ok(())
}

fn expanded(expansion: &Expansion, builder: &mut Builder) -> Result<(), Fault> {
    let [line, column, ..] = expansion.source_region[..] else { return Err(Fault::broken("a macro without a place")) };
    for branching in &expansion.branches {
        let of = |way: &str| pair_id(&format!("{column}"), &format!("{}:{}:{way}", branching.line, branching.column));
        builder.branch(line, of("true"), branching.yes > 0)?;
        builder.branch(line, of("false"), branching.no > 0)?;
    }
    Ok(())
}

/// How often a line ran in which segments begin; None where it is no code.
fn hits(segments: &[Segment], wrapped: Option<Segment>) -> Option<u64> {
    let begins = |segment: &&Segment| !segment.is_gap && segment.has_count && segment.is_entry;
    let skipped = segments.first().is_some_and(|first| !first.has_count && first.is_entry);
    let mapped = !skipped && (wrapped.is_some_and(|wrapped| wrapped.has_count) || segments.iter().any(|s| begins(&s)))
        || segments.iter().any(|segment| segment.is_entry && segment.has_count);
    let reaching = wrapped.map_or(0, |wrapped| wrapped.count);
    mapped.then(|| segments.iter().filter(begins).map(|segment| segment.count).fold(reaching, u64::max))
}

/// Reads the rest of an array that has more than is wanted.
fn drain<'de, A: SeqAccess<'de>>(mut rest: A) -> Result<(), A::Error> {
    while rest.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de> Deserialize<'de> for Segment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Segment, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Segment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a segment: line, column, count, has count, is region entry, is gap region")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Segment, A::Error> {
                let short = || serde::de::Error::custom("a segment that is too short");
                let line = array.next_element()?.ok_or_else(short)?;
                array.next_element::<u64>()?.ok_or_else(short)?;
                let count = array.next_element()?.ok_or_else(short)?;
                let has_count = array.next_element()?.ok_or_else(short)?;
                let is_entry = array.next_element()?.ok_or_else(short)?;
                // Came with version 2.0.1 of the format.
                let is_gap = array.next_element()?.unwrap_or(false);
                drain(array)?;
                Ok(Segment { line, count, has_count, is_entry, is_gap })
            }
        }
        deserializer.deserialize_seq(Array)
    }
}

impl<'de> Deserialize<'de> for Branching {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Branching, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Branching;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a branch: begin, end, count of true, count of false")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Branching, A::Error> {
                let mut next =
                    || array.next_element::<u64>()?.ok_or_else(|| serde::de::Error::custom("a branch that is too short"));
                let [line, column, _, _, yes, no] = [next()?, next()?, next()?, next()?, next()?, next()?];
                drain(array)?;
                Ok(Branching { line, column, yes, no })
            }
        }
        deserializer.deserialize_seq(Array)
    }
}
