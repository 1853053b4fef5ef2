//! Sections of a job's log that can be folded ("Expand and collapse job log sections").
//!
//! GitLab's runner obeys nothing in a log: what a gate writes can at most draw sections of its own.

use gatewright_core::{GateName, Timestamp};

/// The begin of a gate's section.
pub fn begin(gate: &GateName, now: Timestamp) -> String {
    format!("\u{1b}[0Ksection_start:{}:gatewright_{gate}[collapsed=true]\r\u{1b}[0K{gate}\n", now.as_second())
}

/// Its end.
pub fn end(gate: &GateName, now: Timestamp) -> String {
    format!("\u{1b}[0Ksection_end:{}:gatewright_{gate}\r\u{1b}[0K\n", now.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_its_name_and_times() {
        let (gate, now) = ("unit-tests".parse().expect("a name"), Timestamp::UNIX_EPOCH);
        assert_eq!(begin(&gate, now), "\u{1b}[0Ksection_start:0:gatewright_unit-tests[collapsed=true]\r\u{1b}[0Kunit-tests\n");
        assert_eq!(end(&gate, now), "\u{1b}[0Ksection_end:0:gatewright_unit-tests\r\u{1b}[0K\n");
    }
}
