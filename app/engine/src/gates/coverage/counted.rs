//! Coverage that goes from gate to gate: what a gate hands on, and what it counts of others.

use std::io::{self, BufReader};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use gatewright_core::GateName;
use gatewright_core::verdict::{Counted, CountedWhat};
use gatewright_reports::coverage::{Coverage, Totals};

use super::super::PATH_CHARS_MAX;
use super::super::markdown::code;

/// So many bytes are handed on, compressed: five million lines and more. Of a gate with more nothing is, and whoever counts it says so.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a gate counts that others have covered.
#[derive(Default)]
pub(super) struct Others {
    pub(super) coverage: Coverage,
    /// What each of them has covered.
    pub(super) each: Vec<(GateName, Totals)>,
    /// Those that do not apply to the change, so that there is nothing of them.
    pub(super) absent: Vec<GateName>,
}

impl Others {
    /// Reads what these gates have covered, or says what is wrong.
    pub(super) fn read(of: &[GateName], counted: &[Counted]) -> Result<Others, Vec<String>> {
        let (mut others, mut problems) = (Others::default(), Vec::new());
        for gate in of {
            match counted.iter().find(|counted| counted.gate == *gate).map(|counted| &counted.what) {
                None => problems.push(missing(gate, "it is not part of what is judged here")),
                Some(CountedWhat::DoesNotApply) => others.absent.push(gate.clone()),
                Some(CountedWhat::Missing { because }) => problems.push(missing(gate, because)),
                Some(CountedWhat::Here(bytes)) => match Coverage::read_back(BufReader::new(GzDecoder::new(bytes.as_ref()))) {
                    Ok(coverage) => {
                        others.each.push((gate.clone(), coverage.totals()));
                        others.coverage.merge(coverage);
                    }
                    Err(error) => problems.push(missing(gate, &error.to_string())),
                },
            }
        }
        if problems.is_empty() { Ok(others) } else { Err(problems) }
    }

    /// A table of what each has covered, with the gate's own reports last, where it has any.
    pub(super) fn table(&self, own: Option<Totals>) -> String {
        if self.each.is_empty() {
            return String::new();
        }
        let branches = |totals: &Totals| if totals.branches.total > 0 { totals.branches.to_string() } else { String::new() };
        let row = |name: &str, totals: &Totals| format!("| {name} | {} | {} |\n", totals.lines, branches(totals));
        let mut rows: String = self.each.iter().map(|(gate, totals)| row(&code(gate.as_str(), PATH_CHARS_MAX), totals)).collect();
        rows.extend(own.map(|totals| row("its own reports", &totals)));
        format!("Together, of these gates:\n\n| gate | lines | branches |\n|---|--:|--:|\n{rows}").trim_end().to_owned()
    }

    /// What is not counted since it is not there.
    pub(super) fn left_out(&self) -> String {
        let names: Vec<String> = self.absent.iter().map(|gate| code(gate.as_str(), PATH_CHARS_MAX)).collect();
        match names.as_slice() {
            [] => String::new(),
            [..] => format!("Not counted, since they do not apply to this change: {}.", names.join(", ")),
        }
    }
}

fn missing(gate: &GateName, because: &str) -> String {
    format!("The coverage of {} is missing: {}", code(gate.as_str(), PATH_CHARS_MAX), code(because, PATH_CHARS_MAX))
}

/// What is handed on to gates that count it.
pub(super) fn handed_on(coverage: &Coverage) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written: io::Result<Vec<u8>> = coverage.hand_on(&mut encoder).and_then(|()| encoder.finish());
    // Writing to memory does not fail.
    written.ok().filter(|bytes| bytes.len() <= BYTES_MAX).map(Bytes::from)
}
