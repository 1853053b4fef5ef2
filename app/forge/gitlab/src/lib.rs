//! GitLab as a [`Forge`](gatewright_core::forge::Forge): gitlab.com, or a GitLab of one's own, through its REST API v4.
//!
//! What it does: reads merge requests, branches, files and who somebody is, shows checks as commit statuses (and as external
//! status checks where the project has them), their remarks as threads at the lines they are about, comments as notes and
//! reactions as emoji, releases with links to their artefacts, environments and deployments, issues and proposed changes, each under a
//! stable key, tells of tags and of what lies between them, of issues and merge requests as texts, and lists what may have been missed.
//!
//! reqwest carries the requests. The crate `gitlab` types them well, but it follows redirects with the token, reads answers
//! without a bound, brings a GraphQL client and a cron parser along, and leaves nothing of limits and repeats to its caller;
//! what remains of it here would be paths and field names, which are a few lines each.
//!
//! - A **write whose outcome is unknown** ends as [`Unavailable`](gatewright_core::forge::ForgeError::Unavailable): a `POST`
//!   that makes something is sent once. The caller comes again with
//!   [`Known::Maybe`](gatewright_core::report::Known::Maybe), and `publish` looks before it makes. Of notes and threads that
//!   were made twice all the same, the oldest stays and ours besides it are deleted.
//! - A **limit** is never slept out inside a call: it ends as
//!   [`RateLimited`](gatewright_core::forge::ForgeError::RateLimited), and so do other calls, without a request, until the
//!   time is over: all of them, or, where GitLab counts one kind of request apart, those of that kind.
//! - **Hosts** come from the configuration only. Redirects are not followed, and next-page links are reduced to what is
//!   behind `/api/v4`.
//! - A **status** has no key of its own on GitLab: commit, name and account are its key. So of two runs about one commit the
//!   newer one is shown, and what an older one still says of it is dropped. It goes to the merge request's own pipeline;
//!   see `pipeline.rs` for where it goes otherwise, from forks too. A finished status cannot be set back: a `POST` of the same
//!   name makes another, which takes its place. GitLab shows one line of a status, so all details are in the sticky note.
//! - **Remarks** (annotations) become threads only if they break a gate, at lines that the merge request's diff holds, and at
//!   most 20 a check. The status says how many have no thread.
//! - **Releases and deployments**: only what GitLab's own API description has is used, and what its documentation says of signatures. It has
//!   no request for one tag, for the list of protected branches, nor for anything that would hold a file; `tags.rs`, `signature.rs`,
//!   `release.rs` and `deployment.rs` say what follows.
//! - A **proposal** is one request of the commits API, which makes the branch and all files at once, and a merge request. Nothing is ever
//!   forced, and what somebody else has pushed, closed or marked as ready stays so: see `proposal.rs`, also for a commit on a branch that
//!   is there, whose head GitLab lets nobody pin.
//! - **Texts** that we write may hold what others wrote, and GitLab obeys a line such as `/merge` in a note by the rights of
//!   the note's author: such lines are made harmless.
//! - **People** are who they are by the number of their account.
//! - The **token** may be a project's, a group's or a person's, with the scope `api`, and the role Developer or higher: of
//!   a push to a protected branch, only those show statuses who may push or merge there, Maintainers unless a setting says
//!   otherwise. What git gets is the same token unless `clone_token` names another: GitLab mints none for one repository.
//!   A project's token reaches that project only, a group's all of the group's projects, a person's whatever the person
//!   reaches; with either of the latter, set `clone_token` to one with the scope `read_repository`.
//!
//! Deliberately absent: parsing of webhooks (`webhook/`), rendering of reports (the engine), fetching with git (the engine,
//! by the credential that this crate gives it), and any retry that outlives a call. Deliveries are not sent again: GitLab
//! shows a hook's log to maintainers only, tells nothing in it by which we would know which of the hooks is ours, and a
//! system hook has none; what was missed is found by the open merge requests.
//!
//! Who calls it: the binary makes a [`GitLab`] from its configuration; the engine uses it as `Arc<dyn Forge>`.

mod answer;
mod api;
mod budget;
mod call;
mod catch_up;
mod changes;
mod commit;
mod config;
mod deployment;
mod diff;
mod error;
mod external;
mod gitlab;
mod harmless;
mod issue;
mod item;
mod note;
mod people;
mod pipeline;
mod proposal;
mod reaction;
mod read;
mod release;
mod released;
mod remarks;
mod reviews;
mod signature;
mod status;
mod status_body;
mod tags;
mod thread;
mod transport;

pub use config::{Clock, ConfigError, GitLabConfig, Limits, Timeouts};
pub use gitlab::{GitLab, Whoami};
