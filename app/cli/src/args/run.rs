//! `run`, as it is written.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use gatewright_core::{GateName, config};
use gatewright_sandbox::PullPolicy;
use gatewright_sandbox::local::WorkingTree;

#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// Only these gates, whatever they say of when they run; what they need is taken to have passed
    #[arg(value_name = "GATE")]
    pub(crate) gates: Vec<GateName>,
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    /// Where commands run
    #[arg(long, value_enum, default_value_t = SandboxKind::Docker)]
    pub(crate) sandbox: SandboxKind,
    /// Run every gate in this image instead of its own
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub(crate) image: Option<String>,
    /// A variable of every gate's environment, over the file's own: `NAME=VALUE`, or `NAME` for the value that it has here
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    /// So many gates run at once [default: up to 4; 1 in place]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) jobs: Option<u16>,
    /// Run the gates that compare on the base first, where nothing is known of it yet
    #[arg(long)]
    pub(crate) measure_base: bool,
    /// As JSON
    #[arg(long, conflicts_with = "report")]
    pub(crate) json: bool,
    /// As a report that can be kept or sent
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) report: Option<ReportFormat>,
    /// Write the report or the JSON to this file, and the table to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Keep the gates' logs in this folder [default: one in the cache]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) logs: Option<PathBuf>,
}

/// What of a working tree is taken up, and the containers that work on it.
#[derive(Debug, ClapArgs)]
pub(crate) struct TreeArgs {
    /// What the working tree is compared with: the newest commit that it has in common with this branch, tag or commit
    /// [default: the default branch]
    #[arg(long, value_name = "REV")]
    pub(crate) base: Option<String>,
    /// The repository file [default: .gatewright.yml in the uppermost folder of the working tree]
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Take the commit that is checked out, without what has changed since; not in place, where that lies beside it
    #[arg(long)]
    pub(crate) committed: bool,
    /// Whether a missing image is fetched
    #[arg(long, value_name = "WHEN", value_parser = ["missing", "never"], default_value = "missing")]
    pub(crate) pull: String,
    #[command(flatten)]
    pub(crate) bounds: Bounds,
}

impl TreeArgs {
    /// Whether a missing image is fetched.
    pub(crate) fn pull(&self) -> PullPolicy {
        if self.pull == "never" { PullPolicy::Never } else { PullPolicy::Missing }
    }

    /// The repository file of a working tree.
    pub(crate) fn file_in(&self, tree: &WorkingTree) -> PathBuf {
        self.file.clone().unwrap_or_else(|| tree.root().join(config::PATH))
    }
}

/// The bounds of a container, but for what a gate sets itself. The defaults are the service's.
#[derive(Debug, Clone, Copy, ClapArgs)]
#[command(next_help_heading = "Bounds of a container")]
pub(crate) struct Bounds {
    /// Memory of its processes; its workspace and `/tmp` are in memory too, on top
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(16..=4_194_304))]
    pub(crate) memory_mib: u64,
    /// Size of its workspace
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..=4_194_304))]
    pub(crate) disk_mib: u64,
    /// Processors
    #[arg(long, value_name = "COUNT", default_value_t = 2.0, value_parser = processors)]
    pub(crate) cpus: f64,
    /// Time limit of a gate that sets none itself
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) wall_secs: u64,
}

/// Where the commands of a local run go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxKind {
    /// A container for each gate, as in the service
    Docker,
    /// This machine, in a fresh copy of the files: gates may do what you may
    Host,
    /// This machine, in the working tree itself: gates may do what you may, and leave what they make
    InPlace,
}

/// What a report of a local run is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// What the comment and the checks on a forge would say
    Markdown,
    /// The same as one page
    Html,
}

/// An image's name. What else is wrong with it the engine tells.
fn image(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err("the name of an image is not empty and has no spaces".to_owned());
    }
    Ok(text.to_owned())
}

/// `NAME=VALUE`, or `NAME` with the value from here.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => {
            (text, std::env::var(text).map_err(|_| format!("there is no variable `{text}` here; give it as `{text}=VALUE`"))?)
        }
    };
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if name.is_empty() || !plain || name.starts_with("GATEWRIGHT") {
        return Err("a variable's name has letters, digits and `_`, and does not begin with `GATEWRIGHT`".to_owned());
    }
    Ok((name.to_owned(), value))
}

/// A number of processors.
fn processors(text: &str) -> Result<f64, String> {
    let count = text.parse::<f64>().ok().filter(|count| (0.1..=1024.0).contains(count));
    count.ok_or_else(|| "a number from 0.1 to 1024".to_owned())
}
