//! `go test -bench`: the Go benchmark data format (`golang.org/design/14313-benchmark-format`). Runs of one benchmark
//! (`-count`) are its samples; each unit is a measurement of its own.

use std::io::Read;

use super::{Benchmarks, Better, Collector};
use crate::error::{Fault, ReportError, one_line};
use crate::lines::Lines;

/// A line may have so many values. Beyond, the report is refused.
const VALUES_MAX: usize = 100;

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Benchmarks, ReportError> {
    let mut lines = Lines::new(source);
    let mut collector = Collector::default();
    let mut package = String::new();
    while lines.next()? {
        let line = lines.line();
        if let Some(name) = line.strip_prefix("pkg: ") {
            name.trim().clone_into(&mut package);
        } else if line.starts_with("Benchmark") {
            take(line, &package, &mut collector).map_err(|fault| lines.error(fault))?;
        } else if let Some(name) = line.trim_start().strip_prefix("--- FAIL: ") {
            collector.problem(format!("{} failed", name.trim()));
        }
    }
    collector.finish("`go test -bench`").map_err(|fault| lines.error(fault))
}

/// `BenchmarkName-8   1000   325 ns/op   16 B/op`. A line that is only a name is of a benchmark that writes to the log.
fn take(line: &str, package: &str, collector: &mut Collector) -> Result<(), Fault> {
    let mut fields = line.split_whitespace();
    let name = fields.next().unwrap_or_default();
    let Some(iterations) = fields.next() else { return Ok(()) };
    if iterations.parse::<u64>().is_err() {
        return Ok(());
    }
    let name = if package.is_empty() { name.to_owned() } else { format!("{package} {name}") };
    for _ in 0..VALUES_MAX {
        let Some(value) = fields.next() else { return Ok(()) };
        let unit = fields.next().ok_or_else(|| Fault::Broken(format!("the value {:?} has no unit", one_line(value, 40))))?;
        let number = value.parse::<f64>().map_err(|_| Fault::Broken(format!("{:?} is no number", one_line(value, 40))))?;
        // What is per second is a speed.
        let better = if unit.ends_with("/s") { Better::Bigger } else { Better::Smaller };
        collector.add(&name, unit, better, &[number])?;
    }
    Err(Fault::TooMuch(format!("more than {VALUES_MAX} values of one benchmark")))
}
