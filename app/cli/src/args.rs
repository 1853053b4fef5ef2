//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use gatewright_core::store::Phase;
use gatewright_core::{DeliveryId, ForgeKind, GateName, RunId, Timestamp};
use url::Url;

mod agent;
mod budget;
pub(crate) mod release;
mod run;

pub(crate) use agent::{AgentCommand, AgentRunArgs, AgentSandbox, AgentsArgs, ReplayAgentArgs};
pub(crate) use budget::BudgetArg;
pub(crate) use release::{EnvironmentArgs, ReleaseCommand, RepoArgs, RolloutCommand};
pub(crate) use run::{Bounds, ReportFormat, RunArgs, SandboxKind, TreeArgs};

/// The server file, unless another is named.
pub(crate) const SERVER_FILE: &str = "gatewright.toml";

const EXIT_CODES: &str =
    "Exit codes: 0 it passed, 1 it did not, 2 the call or the configuration is wrong, 3 something outside failed.";

/// A self-hosted CI bot: signed webhooks in, gates in sandboxes, checks and one comment out.
#[derive(Debug, Parser)]
#[command(name = "gatewright", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service
    #[command(
        after_help = "Examples:\n  gatewright serve --config /etc/gatewright/gatewright.toml\n  GATEWRIGHT__SERVER__LISTEN=[::]:8080 gatewright serve"
    )]
    Serve(ServeArgs),
    /// Run the gates on the working tree, without a forge
    ///
    /// What is on the disk is checked, committed or not; what git ignores is left out. Progress goes to standard error, the
    /// result to standard output.
    #[command(
        after_help = "Examples:\n  gatewright run\n  gatewright run tests lint --base origin/main\n  gatewright run --json > result.json\n  gatewright run --report html --output report.html"
    )]
    Run(Box<RunArgs>),
    /// Write a first repository file, by what the repository holds
    ///
    /// It goes to `.gatewright.yml` in the uppermost folder of the working tree.
    #[command(after_help = "Examples:\n  gatewright init\n  gatewright init --print")]
    Init(InitArgs),
    /// Run the gates as a step of a CI job, on GitHub Actions or GitLab CI
    ///
    /// What is to be done comes from the job's variables, as `action.yml` and the component set them: see `docs/action.md`.
    #[command(after_help = "Examples:\n  gatewright action\n  INPUT_SANDBOX=docker INPUT_FAIL_ON=never gatewright action")]
    Action {
        #[command(subcommand)]
        command: Option<ActionCommand>,
    },
    /// Check a repository file or a server file
    ///
    /// Every problem is named as `file:line:column: cause`. A file whose name ends in `.toml` is taken for a server file.
    #[command(
        after_help = "Examples:\n  gatewright check\n  gatewright check gatewright.toml --json\n  gatewright check --health http://127.0.0.1:8080/readyz"
    )]
    Check(CheckArgs),
    /// Print the JSON Schema of a file, for editors
    #[command(after_help = "Example:\n  gatewright schema repository > gatewright.schema.json")]
    Schema {
        /// Which file
        #[arg(value_enum, default_value_t = SchemaOf::Repository)]
        of: SchemaOf,
    },
    /// Say what a delivery would do; nothing is written and no forge is asked
    #[command(
        after_help = "Examples:\n  gatewright replay delivery.json\n  gatewright replay payload.json --event pull_request --repository-file .gatewright.yml\n  gatewright replay payload.json --event 'Merge Request Hook'\n  gatewright replay --id github/72d3162e-cc78-11e3-81ab-4c9367dc0958"
    )]
    Replay(ReplayArgs),
    /// Look at releases, at what one would change, and at how they went
    #[command(
        after_help = "Examples:\n  gatewright release list --repo acme/shop\n  gatewright release plan v1.4.0\n  gatewright release stats --days 90 --json"
    )]
    Release {
        #[command(subcommand)]
        command: ReleaseCommand,
    },
    /// Look at environments and drive what goes into them
    #[command(
        after_help = "Examples:\n  gatewright rollout status --repo acme/shop\n  gatewright rollout rollback production errors at the checkout\n  gatewright rollout deploy production 1.4.0"
    )]
    Rollout {
        #[command(subcommand)]
        command: RolloutCommand,
    },
    /// Have agents work on the working tree here; show what agents of the service did and what it cost
    #[command(
        after_help = "Examples:\n  gatewright agent run --requirements 'a command `sum` that adds its arguments' --apply\n  gatewright agent list --repo acme/shop --state open\n  gatewright agent show 0192ab34-... --stage 1\n  gatewright agent replay 0192ab34-... --checkout ~/src/shop"
    )]
    Agent {
        #[command(subcommand)]
        command: AgentCommand,
    },
    /// List runs, show one, or have one tried again
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  gatewright runs --repo acme/shop --state open\n  gatewright runs show 0199e2a4-7c1e-7000-8000-000000000000\n  gatewright runs retry 0199e2a4-7c1e-7000-8000-000000000000"
    )]
    Runs(RunsArgs),
    /// List the deliveries that were taken, newest first
    #[command(
        after_help = "Examples:\n  gatewright deliveries --limit 100 --json\n  gatewright deliveries --before github/72d3162e-cc78-11e3-81ab-4c9367dc0958"
    )]
    Deliveries(DeliveriesArgs),
    /// List who did what, newest first
    #[command(after_help = "Examples:\n  gatewright audit --json\n  gatewright audit --before '2026-11-21 10:20:30'")]
    Audit(AuditArgs),
    /// Print the version
    Version {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ActionCommand {
    /// Publish what an earlier step, or the job of a pull request, has found: with the token in INPUT_TOKEN
    Publish,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SimulateArgs {
    /// So many trials of each cell
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) trials: u32,
    /// What the numbers are drawn from; the same seed gives the same figures
    #[arg(long, value_name = "NUMBER", default_value_t = 2026)]
    pub(crate) seed: u64,
    /// What is tried
    #[arg(long, value_enum, default_value_t = Cells::Full)]
    pub(crate) cells: Cells,
    /// Only this way to judge; may be given several times [default: all of them, of faults of latency `gatewright`]
    #[arg(long, value_name = "METHOD", value_parser = method)]
    pub(crate) method: Vec<gatewright_simulate::Method>,
    /// On so many threads; it changes no figure [default: one for each processor]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// As JSON, with every cell
    #[arg(long, conflicts_with = "report")]
    pub(crate) json: bool,
    /// As a report that can be kept or sent
    #[arg(long, value_name = "FORMAT", value_parser = ["markdown"])]
    pub(crate) report: Option<String>,
}

/// What a simulation tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cells {
    /// Every combination of traffic, errors, faults of errors, onsets and confounders
    Full,
    /// The same of faults of latency
    Latency,
    /// The scenario that the method was first published with
    Reference,
    /// A few, to see that it works
    Quick,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ConfigArg {
    /// The server file
    #[arg(long, value_name = "FILE", env = "GATEWRIGHT_CONFIG", default_value = SERVER_FILE)]
    pub(crate) config: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// The address and port to listen on, over what the file says
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// How log lines are written, over what the file says
    #[arg(long, value_name = "FORMAT", value_parser = ["human", "json"])]
    pub(crate) log_format: Option<String>,
    /// The log's level, over what the file says: `error`, `warn`, `info`, `debug`, `trace`, or directives such as
    /// `info,gatewright_engine=debug`
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InitArgs {
    /// Write over a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Only show what would be written
    #[arg(long, conflicts_with = "force")]
    pub(crate) print: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// The file [default: .gatewright.yml here, or else in the uppermost folder of the working tree]
    pub(crate) file: Option<PathBuf>,
    /// Ask a running service instead whether it is well, at its `/healthz` or `/readyz`
    #[arg(long, value_name = "URL", value_parser = web_address, conflicts_with_all = ["file", "json"])]
    pub(crate) health: Option<Url>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SchemaOf {
    /// `.gatewright.yml`
    Repository,
    /// `gatewright.toml`
    Server,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// A delivery as GitHub's or GitLab's API gives it back, or a bare payload; `-` is standard input
    #[arg(required_unless_present = "id", conflicts_with = "id")]
    pub(crate) delivery_file: Option<PathBuf>,
    /// The event's name, as in X-GitHub-Event or X-Gitlab-Event, where the file does not say it
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    pub(crate) event: Option<String>,
    /// A delivery that was recorded, by its id as `gatewright deliveries` shows it; one without a forge's name is GitHub's
    #[arg(long, value_name = "DELIVERY", value_parser = delivery_id)]
    pub(crate) id: Option<DeliveryId>,
    /// Plan with this repository file
    #[arg(long, value_name = "FILE")]
    pub(crate) repository_file: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
    #[command(flatten)]
    pub(crate) listed: ListedRuns,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}

/// Which runs are listed, and how.
#[derive(Debug, ClapArgs)]
pub(crate) struct ListedRuns {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Only of this repository: its path (`owner/name`, `group/subgroup/project`), or `github/NUMBER`, `gitlab/NUMBER`
    #[arg(long)]
    pub(crate) repo: Option<String>,
    /// Only in this state
    #[arg(long, value_enum)]
    pub(crate) state: Option<State>,
    /// Only older than this run: the last id of a page gives the next page
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<RunId>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Show a run's gates and its journal
    Show {
        #[command(flatten)]
        config: ConfigArg,
        /// The run
        id: RunId,
        /// Print this gate's log instead
        #[arg(long, value_name = "GATE", conflicts_with = "json")]
        log: Option<GateName>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List the files that a run's gates have kept, or print one
    #[command(
        after_help = "Examples:\n  gatewright runs outputs 0199e2a4-7c1e-7000-8000-000000000000\n  gatewright runs outputs 0199e2a4-7c1e-7000-8000-000000000000 tests report/index.html > index.html"
    )]
    Outputs {
        #[command(flatten)]
        config: ConfigArg,
        /// The run
        id: RunId,
        /// The gate
        #[arg(requires = "path")]
        gate: Option<GateName>,
        /// The file's path, as the list has it; it is printed as it is
        path: Option<String>,
        /// As JSON
        #[arg(long, conflicts_with = "path")]
        json: bool,
    },
    /// Have a run tried again that was set aside
    Retry {
        #[command(flatten)]
        config: ConfigArg,
        /// The run
        id: RunId,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum State {
    /// Waiting or running
    Open,
    /// Over
    Finished,
    /// Tried too often
    SetAside,
}

impl From<State> for Phase {
    fn from(state: State) -> Phase {
        match state {
            State::Open => Phase::Open,
            State::Finished => Phase::Finished,
            State::SetAside => Phase::SetAside,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DeliveriesArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Only older than this delivery: the last id of a page gives the next page
    #[arg(long, value_name = "DELIVERY", value_parser = delivery_id)]
    pub(crate) before: Option<DeliveryId>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Only what was done before this second (UTC): the last time of a page gives the next page
    ///
    /// What was done within one second is always on one page, which may be longer than the limit for it.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) before: Option<Timestamp>,
}

/// A way to judge, by its name.
fn method(text: &str) -> Result<gatewright_simulate::Method, String> {
    let all = gatewright_simulate::Method::ALL;
    all.into_iter().find(|method| method.as_str() == text).ok_or_else(|| {
        let names = all.map(gatewright_simulate::Method::as_str).join("`, `");
        format!("it is one of `{names}`")
    })
}

/// An address that can be asked over HTTP.
fn web_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let of_the_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    of_the_web.then_some(url).ok_or_else(|| "an address begins with http:// or https://".to_owned())
}

/// A time as the tables show it, in UTC, or as JSON does.
fn moment(text: &str) -> Result<Timestamp, String> {
    let shown = format!("{}Z", text.replacen(' ', "T", 1));
    let parsed = text.parse::<Timestamp>().or_else(|_| shown.parse());
    parsed.map_err(|_| "write a time in UTC, such as `2026-11-21 10:20:30` or `2026-11-21T10:20:30Z`".to_owned())
}

/// A delivery's id with the forge's name before it as `gatewright deliveries` shows it, or as GitHub does without.
fn delivery_id(text: &str) -> Result<DeliveryId, String> {
    let kinds = [ForgeKind::Github, ForgeKind::Gitlab].into_iter();
    let mut named = kinds.filter_map(|kind| Some((kind, text.strip_prefix(kind.as_str())?.strip_prefix('/')?)));
    let (kind, guid) = named.next().unwrap_or((ForgeKind::Github, text));
    DeliveryId::new(kind, guid).map_err(|error| error.to_string())
}
