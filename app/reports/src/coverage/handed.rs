//! Coverage as one gate hands it to another: a format of our own, line by line, in which nothing is lost. In those of tools the ids
//! of branches would be others than those of the reports that it is merged with.
//!
//! ```text
//! F "src/cart.rs"    JSON: a name may hold anything
//! L 3 14             line, how often it was run
//! B 3 65537 1        line, id of the branch, whether it was taken
//! ```

use std::io::{self, Read, Write};

use super::build::{Builder, count};
use super::{Branch, Coverage};
use crate::error::{Fault, ReportError};
use crate::lines::Lines;

impl Coverage {
    /// Writes all of it, for [`Coverage::read_back`].
    ///
    /// # Errors
    /// Those of the writer.
    pub fn hand_on(&self, mut to: impl Write) -> io::Result<()> {
        for (path, file) in &self.files {
            writeln!(to, "F {}", serde_json::Value::from(path.as_str()))?;
            for line in &file.lines {
                writeln!(to, "L {} {}", line.number, line.hits)?;
            }
            for branch in &file.branches {
                writeln!(to, "B {} {} {}", branch.line(), branch.id(), u8::from(branch.taken()))?;
            }
        }
        Ok(())
    }

    /// Reads what [`Coverage::hand_on`] has written, within the limits of any report.
    ///
    /// # Errors
    /// [`ReportError`] where it is something else or beyond a limit. That it ends early is for the caller to find out.
    pub fn read_back(source: impl Read) -> Result<Coverage, ReportError> {
        let mut lines = Lines::new(source);
        let mut builder = Builder::default();
        while lines.next()? {
            take(lines.line(), &mut builder).map_err(|fault| lines.error(fault))?;
        }
        Ok(Coverage::of(builder.finish().files))
    }
}

fn take(line: &str, builder: &mut Builder) -> Result<(), Fault> {
    match line.split_at_checked(2) {
        Some(("F ", path)) => builder.file(&serde_json::from_str::<String>(path).map_err(|_| cut())?),
        Some(("L ", rest)) => {
            let (line, hits) = rest.split_once(' ').ok_or_else(cut)?;
            builder.line(count("a line", line)?, count("a count", hits)?)
        }
        Some(("B ", rest)) => branched(rest, builder),
        Some(_) | None => Err(cut()),
    }
}

fn branched(rest: &str, builder: &mut Builder) -> Result<(), Fault> {
    let mut parts = rest.split(' ');
    let (Some(line), Some(id), Some(taken), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(cut());
    };
    let id = u32::try_from(count("a branch", id)?).ok().filter(|id| *id < Branch::IDS).ok_or_else(cut)?;
    builder.branch(count("a line", line)?, id, count("a branch's mark", taken)? > 0)
}

fn cut() -> Fault {
    Fault::broken("this is no coverage that a gate has handed on, or a part of it is missing")
}
