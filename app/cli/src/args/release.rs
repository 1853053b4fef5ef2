//! `release` and `rollout`, as they are written.

use clap::{Args as ClapArgs, Subcommand};

use super::{ConfigArg, SimulateArgs};

/// Figures are told of so many days at most.
pub(crate) const STATS_DAYS_MAX: u32 = 3650;

/// What both are about.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct RepoArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// The repository: its path (`owner/name`, `group/subgroup/project`), or `github/NUMBER`, `gitlab/NUMBER` [default: the only one
    /// that is known]
    #[arg(long)]
    pub(crate) repo: Option<String>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReleaseCommand {
    /// List releases, newest first
    List {
        #[command(flatten)]
        of: RepoArgs,
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Show a release: its gates, its environments, its artefacts, its notes
    Show {
        #[command(flatten)]
        of: RepoArgs,
        /// The tag
        tag: String,
    },
    /// Say what a release of a tag would change, and change nothing
    ///
    /// The running service asks the forge what the tag is, and every target what it would do. Exit code 1 means that the tag cannot be
    /// released as it is.
    Plan {
        #[command(flatten)]
        of: RepoArgs,
        /// The tag
        tag: String,
    },
    /// Say how often releases go out, how long that takes, how often it goes wrong, and for how long
    Stats {
        #[command(flatten)]
        of: RepoArgs,
        /// Of so many days up to now
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=i64::from(STATS_DAYS_MAX)))]
        days: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Show what environments run, what keeps releases from them, and what is on its way
    Status {
        #[command(flatten)]
        of: RepoArgs,
        /// Only this one, with what has happened
        #[arg(value_name = "ENV")]
        environment: Option<String>,
    },
    /// Have a rollout go on that waits for somebody to say so, or that is paused
    Promote(EnvironmentArgs),
    /// Have a rollout stay where it is; it is still looked at, and goes back by itself where it has to
    Pause(EnvironmentArgs),
    /// Have a paused rollout go on, or let releases come by themselves again after a rollback
    Resume(EnvironmentArgs),
    /// Undo the rollout that is under way; where none is, bring back a release that was there
    Rollback {
        #[command(flatten)]
        of: EnvironmentArgs,
        /// The version or tag to bring back [default: the one before], then why
        reason: Vec<String>,
    },
    /// Keep releases from an environment; going back stays possible
    #[command(
        after_help = "Examples:\n  gatewright rollout freeze production 3d public holidays\n  gatewright rollout freeze production 2026-12-24T18:00"
    )]
    Freeze {
        #[command(flatten)]
        of: EnvironmentArgs,
        /// Until when (`2h`, `3d`, `2026-12-24`, `2026-12-24T18:00`, in UTC), then why; without a time until `unfreeze`
        #[arg(value_name = "UNTIL] [REASON")]
        words: Vec<String>,
    },
    /// Let releases come to an environment again
    Unfreeze(EnvironmentArgs),
    /// Roll a release out to an environment, or have one begin that waits for somebody to say so
    Deploy {
        #[command(flatten)]
        of: EnvironmentArgs,
        /// The tag, or the version in it [default: the newest final version]
        version: Option<String>,
    },
    /// Try rollouts that never happened, and say how often their analysis is wrong
    ///
    /// Nothing is read and nothing is written but the result. Exit code 1 means that a promise of `docs/rollout-analysis.md` was not
    /// kept; with few trials that can be chance.
    #[command(
        after_help = "Examples:\n  gatewright rollout simulate --cells quick\n  gatewright rollout simulate --cells reference --trials 600\n  gatewright rollout simulate --method gatewright --method mann-whitney --report markdown > figures.md"
    )]
    Simulate(SimulateArgs),
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct EnvironmentArgs {
    #[command(flatten)]
    pub(crate) of: RepoArgs,
    /// The environment
    #[arg(value_name = "ENV")]
    pub(crate) environment: String,
}
