//! `cargo bench` with libtest's own harness: a median and how far it is off, no samples.

use std::io::Read;

use super::{Benchmarks, Better, Collector};
use crate::error::{Fault, ReportError, one_line};
use crate::lines::Lines;

/// Reads the output; lines of tests and of the programs themselves are no part of it.
pub(super) fn read(source: impl Read) -> Result<Benchmarks, ReportError> {
    let mut lines = Lines::new(source);
    let mut collector = Collector::default();
    while lines.next()? {
        let found = lines.line().strip_prefix("test ").and_then(|rest| rest.split_once(" ... bench: "));
        if let Some((name, result)) = found {
            take(name.trim(), result, &mut collector).map_err(|fault| lines.error(fault))?;
        }
    }
    collector.finish("`cargo bench`").map_err(|fault| lines.error(fault))
}

/// `3,161.50 ns/iter (+/- 975)`, and behind it what is done in a second.
fn take(name: &str, result: &str, collector: &mut Collector) -> Result<(), Fault> {
    let wrong = || Fault::Broken(format!("no result of a benchmark: {:?}", one_line(result, 80)));
    let number = |text: &str| text.replace(',', "").parse::<f64>().map_err(|_| wrong());
    let (value, rest) = result.trim().split_once(' ').ok_or_else(wrong)?;
    let (unit, off) = rest.split_once(" (+/- ").ok_or_else(wrong)?;
    let (off, _) = off.split_once(')').ok_or_else(wrong)?;
    let (value, off) = (number(value)?, number(off)?);
    let better = if unit.ends_with("/s") { Better::Bigger } else { Better::Smaller };
    collector.stated(name, unit, better, value, Some((value - off, value + off)))
}
