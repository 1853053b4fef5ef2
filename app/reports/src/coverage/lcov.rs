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
    let line = line.trim_end();
    let Some((record, value)) = line.split_once(':') else {
        if line == "end_of_record" {
            builder.close();
        }
        return Ok(());
    };
    match record {
        "SF" if builder.is_open() => Err(Fault::broken("a file begins before the one before it has ended")),
        "SF" => builder.file(value.trim()),
        "DA" => ran(value, builder),
        "BRDA" => branched(value, builder),
        // Records that are not read, and those that later versions will bring.
        _ => Ok(()),
    }
}

/// `DA:<line>,<hits>[,<checksum>]`
fn ran(value: &str, builder: &mut Builder) -> Result<(), Fault> {
    let (line, rest) = value.split_once(',').ok_or_else(|| Fault::broken("DA without a count"))?;
    let hits = rest.split(',').next().unwrap_or(rest);
    builder.line(count("DA's line", line)?, count("DA's count", hits)?)
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
