//! What the scenarios run against: a GitHub and a GitLab of our own, with state, real git and signed webhooks.
//!
//! [`FakeGitHub`] and [`FakeGitLab`] answer the part of their forge's API that a bot needs, judge every request by the
//! forge's own description of that API, and do on command what the real ones do on bad days: limits, timeouts, answers lost
//! after the write, webhooks twice or never. They are no mocks: nobody tells them what to answer. Scenarios do what people do
//! (push, open, comment, press a button) and look at what people would see.
//!
//! They deliberately have no knowledge of Gatewright. The scenarios and `make demo` use them.

pub mod github;
pub mod gitlab;
pub mod process;
pub mod service;
pub mod sink;
pub mod site;
pub mod stage;

pub use github::FakeGitHub;
pub use gitlab::FakeGitLab;
