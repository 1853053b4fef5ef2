//! Ends the processes of a sandbox: the group of its command, and those that left the group.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A process that starts others faster than they can be found is looked for so often, and then left: on the host nothing
/// bounds it.
const ROUNDS_MAX: usize = 20;

/// Ends a process group at once.
pub(super) fn kill_group(group: Pid) {
    // It fails where the group has ended by itself, which is as well.
    let _ = kill_process_group(group, Signal::KILL);
}

/// Ends every process that was started with this variable in its environment (`NAME=VALUE`). A process that has taken a group
/// or a session of its own is found by it. Where there is no `/proc`, none is.
pub(super) fn kill_marked(mark: &str) {
    for _ in 0..ROUNDS_MAX {
        let found = marked(mark);
        if found.is_empty() {
            return;
        }
        for process in found {
            // Another one of them may have ended it meanwhile.
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

fn marked(mark: &str) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let process = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let id = entry.file_name().to_str()?.parse().ok()?;
        // Other people's processes cannot be read, and are not ours. A zombie's environment is empty.
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let has_it = environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        has_it.then(|| Pid::from_raw(id)).flatten()
    };
    entries.filter_map(process).collect()
}
