//! Coverage profiles of `go test -coverprofile`: blocks of statements. A line counts as run where any block that touches it
//! was.

use std::io::Read;

use super::CoverageReport;
use super::build::{Builder, count};
use crate::error::{Fault, ReportError};
use crate::lines::Lines;

/// Reads a profile; also several, one behind the other, as people join them.
pub(super) fn read(source: impl Read) -> Result<CoverageReport, ReportError> {
    let mut lines = Lines::new(source);
    let mut builder = Builder::default();
    let mut profiles = 0;
    let mut path = String::new();
    while lines.next()? {
        let line = lines.line().trim();
        let taken = match line.strip_prefix("mode:") {
            Some(mode) if matches!(mode.trim(), "set" | "count" | "atomic") => {
                profiles += 1;
                Ok(())
            }
            Some(_) => Err(Fault::broken("a mode that is not set, count or atomic")),
            None if line.is_empty() => Ok(()),
            None if profiles == 0 => Err(Fault::broken("this is no Go coverage profile: it does not begin with its mode")),
            None => block(line, &mut path, &mut builder),
        };
        taken.map_err(|fault| lines.error(fault))?;
    }
    if builder.is_empty() {
        return Err(lines.error(Fault::broken("no block is in it; this is no Go coverage profile, or an empty one")));
    }
    Ok(builder.finish())
}

/// `path/file.go:12.34,14.2 1 0`: from line.column to line.column, statements, count.
fn block(line: &str, path: &mut String, builder: &mut Builder) -> Result<(), Fault> {
    let wrong = || Fault::broken("this is no block: `file.go:line.column,line.column statements count` is expected");
    let (rest, hits) = line.rsplit_once(' ').ok_or_else(wrong)?;
    let (rest, statements) = rest.rsplit_once(' ').ok_or_else(wrong)?;
    let (file, range) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let (begin, end) = range.split_once(',').ok_or_else(wrong)?;
    let (first, _) = begin.split_once('.').ok_or_else(wrong)?;
    let (last, column) = end.split_once('.').ok_or_else(wrong)?;
    if file != path || !builder.is_open() {
        builder.file(file)?;
        file.clone_into(path);
    }
    let (first, last) = (count("the first line", first)?, count("the last line", last)?);
    let (hits, statements) = (count("the count", hits)?, count("the number of statements", statements)?);
    if statements == 0 {
        return Ok(());
    }
    // A block that ends in column 1 has nothing in its last line.
    let last = if count("the last column", column)? <= 1 && last > first { last - 1 } else { last };
    builder.range(first, last, hits)
}
