//! The tools that an agent may use.

use serde::{Deserialize, Serialize};

/// A tool. Each is used within the agent's sandbox, reads included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Reads a file, or some lines of it.
    Read,
    /// Lists a folder.
    List,
    /// Searches files for a regular expression.
    Search,
    /// Writes a whole file.
    Write,
    /// Replaces a piece of a file that is there exactly once.
    Patch,
    /// Runs a command.
    Shell,
}

impl Tool {
    /// All of them.
    pub const ALL: [Tool; 6] = [Tool::Read, Tool::List, Tool::Search, Tool::Write, Tool::Patch, Tool::Shell];

    /// Those that change nothing.
    pub const READING: [Tool; 3] = [Tool::Read, Tool::List, Tool::Search];

    /// As the file and the model write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Tool::Read => "read",
            Tool::List => "list",
            Tool::Search => "search",
            Tool::Write => "write",
            Tool::Patch => "patch",
            Tool::Shell => "shell",
        }
    }

    /// Whether the source may be other after it.
    pub fn may_change(self) -> bool {
        match self {
            Tool::Write | Tool::Patch | Tool::Shell => true,
            Tool::Read | Tool::List | Tool::Search => false,
        }
    }
}
