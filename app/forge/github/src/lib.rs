//! GitHub as a [`Forge`](gatewright_core::forge::Forge): github.com, or a GitHub Enterprise Server.
//!
//! What it does: signs in as a GitHub App, reads pull requests, branches, files and who somebody is, publishes check runs,
//! comments, reactions, releases, artefacts, deployments, issues and proposed changes by their stable keys, tells of tags and of what lies
//! between them, of issues and pull requests as texts, has missed deliveries sent again, and lists what may have been missed.
//! octocrab carries the requests; everything that decides (tokens, limits, repeats, redirects, paging) is here, because
//! octocrab's own ways of it double writes and lose authorisation.
//!
//! - A **write whose outcome is unknown** ends as [`Unavailable`](gatewright_core::forge::ForgeError::Unavailable): a
//!   `POST` that makes something is sent once (again only after a 401, which did nothing; a reaction is made once however
//!   often it is sent). The caller comes again with [`Known::Maybe`](gatewright_core::report::Known::Maybe), and
//!   `publish` looks before it makes. What remains is the time by which GitHub's lists lag behind its writes, seconds at
//!   most; the engine's wait before it tries again is what bounds it. Should a second object come of it all the same, a later look finds both: of comments the oldest
//!   stays and ours besides it are deleted, of check runs the newest counts, as it does for GitHub, and the others are
//!   concluded.
//! - A **limit** is never slept out inside a call: it ends as
//!   [`RateLimited`](gatewright_core::forge::ForgeError::RateLimited), and all other calls for that installation end so
//!   too, without a request, until the time is over.
//! - **Hosts** come from the configuration only. Redirects and next-page links are reduced to path and query; one to
//!   another host is not followed.
//! - **Permissions** that the App needs: checks and pull requests (write), contents and metadata (read). A token has these
//!   for the one repository that it is for; the one that git gets can read its content and nothing else. To know who is in
//!   a team it needs the organisation permission members (read), for which it asks by a token of its own: where an owner
//!   did not grant it, teams are empty and all else works. The same holds of code scanning alerts (write): without it nothing is
//!   uploaded there; of contents (write), for releases and their artefacts; of deployments (write), for deployments and the answers
//!   to workflows that wait for leave; of contents and pull requests (write), for proposals and commits; and of issues (write), for
//!   issues and what is said on them. Where GitHub gives no token, the installation is asked which of them it lacks, and the error names it.
//! - A **proposal** is a commit by the git data API, on a branch that is named by us alone, and a pull request. Nothing is ever forced, and
//!   what somebody else has pushed, closed or marked as ready stays so: see `proposal.rs`.
//! - **Releases** are of tags that are there and name what they should: nothing here ever makes a tag. What a person has released is left as
//!   it is. Artefacts go to the host for uploads that belongs to the configured API, whatever address a release names.
//! - **People** are who they are by the number of their account. GitHub is asked by name, and its answer counts only if it
//!   is about that number.
//! - **Findings** go to code scanning, where an upload takes the place of the one before; what tools propose goes into a review
//!   of the pull request, each change once, found again by a hidden marker.
//! - A comment that **no longer holds** is minimised, by GraphQL, since REST cannot; where GitHub refuses that, it is folded
//!   by an edit.
//! - A **token's bearer** ([`GitHub::with_token`]) is not an App: the token is used as it is, and what a bearer wrote is known by
//!   the name under which it comments.
//!
//! Deliberately absent: parsing of webhooks (`webhook/`), rendering of reports (the engine), fetching with git (the
//! engine, by the credential that this crate gives it), and any retry that outlives a call.
//!
//! Who calls it: the binary makes a [`GitHub`] from its configuration, or from a CI job's token; the engine uses it as `Arc<dyn Forge>`.

mod answer;
mod api;
mod asset;
mod budget;
mod call;
mod catch_up;
mod check;
mod check_body;
mod comment;
mod commit;
mod config;
mod deliveries;
mod deployment;
mod error;
mod github;
mod issue;
mod item;
mod minimise;
mod people;
mod proposal;
mod protection_rule;
mod reaction;
mod read;
mod release;
mod released;
mod reviews;
mod route;
mod scan;
mod suggest;
mod tags;
mod tokens;
mod transport;
mod viewer;

pub use config::{Clock, ConfigError, GitHubConfig, Limits, Timeouts, TokenConfig};
pub use github::{AppInfo, GitHub};
