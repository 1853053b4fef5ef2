//! Keeps the backend's servers for HAProxy's next start.
//!
//! The file is part of HAProxy's configuration and ends with the section of the backend. Only what is between the two marks is replaced,
//! and always as a whole. It cannot keep HAProxy from starting: what is written are names and addresses that HAProxy has taken
//! already, with the operator's own options.

use std::io;
use std::path::Path;

use super::Haproxy;
use super::stat::{Backend, Row};

/// Begins the lines that Gatewright writes.
const BEGIN: &str = "# gatewright: servers begin";

/// Ends them.
const END: &str = "# gatewright: servers end";

/// A file of more bytes is not the one that is meant.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Writes the servers down where that is configured. That it fails is no reason to stop: what HAProxy does now is right, and the
/// next change writes all of it again.
pub(super) async fn keep(this: &Haproxy, backend: &Backend) {
    let Some(file) = &this.config.servers_file else { return };
    let lines: String = backend.servers.iter().map(|row| line(row, &this.config.server_options)).collect();
    let path = file.clone();
    let written = tokio::task::spawn_blocking(move || write(&path, &lines)).await;
    let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
    if let Err(error) = written {
        tracing::warn!(
            file = %file.display(), backend = this.config.backend, %error,
            "HAProxy's servers could not be kept: a reload before the next change finds them as they were before"
        );
    }
}

fn line(row: &Row, options: &str) -> String {
    let disabled = if row.in_maintenance() { " disabled" } else { "" };
    format!("  server {} {} {options} weight {}{disabled}\n", row.name, row.address, row.weight)
}

fn write(path: &Path, lines: &str) -> io::Result<()> {
    if std::fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path)?;
    let new = replaced(&text, lines)?;
    if new == text { Ok(()) } else { replace(path, &new) }
}

fn replaced(text: &str, lines: &str) -> io::Result<String> {
    let begin = text.find(BEGIN).map(|at| at + BEGIN.len());
    let begin = begin.and_then(|at| Some(at + text[at..].find('\n')? + 1));
    let end = begin.and_then(|begin| Some((begin, begin + text[begin..].find(END)?)));
    let Some((begin, end)) = end else {
        return Err(io::Error::other(format!("it has no lines `{BEGIN}` and `{END}`")));
    };
    let end = text[..end].rfind('\n').map_or(end, |at| at + 1);
    Ok(format!("{}{lines}{}", &text[..begin], &text[end..]))
}

/// A reload in the middle finds the file of before or that of after.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = std::fs::File::create(&beside)?;
    file.set_permissions(std::fs::metadata(path)?.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use super::*;

    #[test]
    fn only_the_lines_between_the_marks_are_replaced() {
        let text = "backend web\n  balance roundrobin\n  # gatewright: servers begin (do not edit)\n  server old\n  # gatewright: servers end\n# after\n";
        let new = replaced(text, "  server a\n  server b\n").unwrap();
        assert_eq!(
            new,
            "backend web\n  balance roundrobin\n  # gatewright: servers begin (do not edit)\n  server a\n  server b\n  # gatewright: servers end\n# after\n"
        );
        assert_eq!(replaced(&new, "  server a\n  server b\n").unwrap(), new);
        assert!(replaced(&new, "").unwrap().contains("(do not edit)\n  # gatewright: servers end"));
    }

    #[test]
    fn a_file_without_marks_is_left_alone() {
        assert!(replaced("backend web\n", "  server a\n").is_err());
        assert!(replaced("# gatewright: servers begin\n", "  server a\n").is_err());
    }
}
