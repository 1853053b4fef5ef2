//! `coverage json` of coverage.py. It says that a line ran, not how often.

use std::io::Read;

use serde::Deserialize;

use super::build::Builder;
use super::{Branch, CoverageReport};
use crate::error::{Fault, ReportError};
use crate::json::Json;

/// What is read of a file.
#[derive(Deserialize)]
struct File {
    executed_lines: Vec<u64>,
    missing_lines: Vec<u64>,
    /// From line, to line; negative where it leaves what began there.
    #[serde(default)]
    executed_branches: Vec<(i64, i64)>,
    #[serde(default)]
    missing_branches: Vec<(i64, i64)>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<CoverageReport, ReportError> {
    let mut json = Json::new(source);
    let mut builder = Builder::default();
    json.object(|json, key| match key {
        "files" => json.object(|json, path| {
            let file: File = json.item()?;
            take(path, &file, &mut builder).map_err(|fault| json.error(fault))
        }),
        _ => json.skip(),
    })?;
    json.end()?;
    match builder.is_empty() {
        true => Err(json.error(Fault::broken("no file is in it; this is no report of coverage.py, or an empty one"))),
        false => Ok(builder.finish()),
    }
}

fn take(path: &str, file: &File, builder: &mut Builder) -> Result<(), Fault> {
    builder.file(path)?;
    file.executed_lines.iter().try_for_each(|line| builder.line(*line, 1))?;
    file.missing_lines.iter().try_for_each(|line| builder.line(*line, 0))?;
    for (branches, taken) in [(&file.executed_branches, true), (&file.missing_branches, false)] {
        for (from, to) in branches {
            // Branches from a negative line enter a function: they are none of a line.
            let Ok(from) = u64::try_from(*from) else { continue };
            // Lines, and lines that are left; each has a number of its own.
            let id = u32::try_from(to.unsigned_abs()).ok().filter(|line| *line < Branch::IDS / 2);
            let id = id.ok_or_else(|| Fault::Broken(format!("a branch to line {to}")))? * 2 + u32::from(*to < 0);
            builder.branch(from, id, taken)?;
        }
    }
    builder.close();
    Ok(())
}
