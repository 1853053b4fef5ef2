//! `gatewright action` in the environment that the runners of GitHub and GitLab give a step: event files, variables, files for
//! outputs and summary, a checkout of one commit; and what action.yml, the component and the workflow templates are made of.

#[path = "action/component.rs"]
mod component;
#[path = "action/github.rs"]
mod github;
#[path = "action/gitlab.rs"]
mod gitlab;
#[path = "action/history.rs"]
mod history;
#[path = "action/installing.rs"]
mod installing;
#[path = "action/linters.rs"]
mod linters;
#[path = "action/publishing.rs"]
mod publishing;
#[path = "action/runner.rs"]
mod runner;
