//! LCOV tracefiles, as `geninfo(1)` describes them. Records of functions and sums are not read: lines and branches say it all.

use std::io::Read;

use super::CoverageReport;
use super::build::{Builder, count, pair_id};
use crate::error::{Fault, ReportError};
use crate::lines::Lines;

/// Reads a tracefile.
pub(super) fn read(source: impl Read) -> Result<CoverageReport, ReportError> {
    let mut lines = Lines::new(source);
    let mut builder = Builder::default();
    while lines.next()? {
        take(lines.line(), &mut builder).map_err(|fault| lines.error(fault))?;
    }
    if builder.is_open() {
        return Err(lines.error(Fault::broken("the file ends before its last record does")));
    }
    if builder.is_empty() {
        return Err(lines.error(Fault::broken("no file is in it; this is no LCOV tracefile, or an empty one")));
    }
    Ok(builder.finish())
}

fn take(line: &str, builder: &mut Builder) -> Result<(), Fault> {
    // The most frequent ones first.
    if let Some(value) = line.strip_prefix("DA:") {
        ran(value, builder)
    } else if let Some(value) = line.strip_prefix("BRDA:") {
        branched(value, builder)
    } else if let Some(path) = line.strip_prefix("SF:") {
        match builder.is_open() {
            true => Err(Fault::broken("a file begins before the one before it has ended")),
            false => builder.file(path.trim()),
        }
    } else {
        if line.trim_end() == "end_of_record" {
            builder.close();
        }
        // Records that are not read, and those that later versions will bring.
        Ok(())
    }
}

/// `DA:<line>,<hits>[,<checksum>]`
fn ran(value: &str, builder: &mut Builder) -> Result<(), Fault> {
    if let Some((line, rest)) = digits(value)
        && let Some((hits, "")) = rest.strip_prefix(',').and_then(digits)
    {
        return builder.line(line, hits);
    }
    let (line, rest) = value.split_once(',').ok_or_else(|| Fault::broken("DA without a count"))?;
    let hits = rest.split(',').next().unwrap_or(rest);
    builder.line(count("DA's line", line)?, count("DA's count", hits)?)
}

/// The short number that a text begins with, and the rest.
fn digits(text: &str) -> Option<(u64, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text.bytes().take(length.min(18)).fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    (1..=18).contains(&length).then(|| (number, &text[length..]))
}

/// `BRDA:<line>,[e]<block>,<branch>,<taken>`. The branch may be any text, commas included.
fn branched(value: &str, builder: &mut Builder) -> Result<(), Fault> {
    let wrong = || Fault::broken("BRDA without line, block, branch and count");
    let (line, rest) = value.split_once(',').ok_or_else(wrong)?;
    let (which, taken) = rest.rsplit_once(',').ok_or_else(wrong)?;
    let (block, branch) = which.split_once(',').ok_or_else(wrong)?;
    // "-": the block was never entered.
    let taken = if taken.trim() == "-" { 0 } else { count("BRDA's count", taken)? };
    builder.branch(count("BRDA's line", line)?, pair_id(block.trim(), branch.trim()), taken > 0)
}
