//! What the scenarios run against: a GitHub of our own, with state, real git and signed webhooks.
//!
//! [`FakeGitHub`] answers the part of GitHub's API that a bot needs, judges every request and every answer by GitHub's own
//! description of that API, and does on command what the real one does on bad days: limits, timeouts, answers lost after
//! the write, webhooks twice or never. It is not a mock: nobody tells it what to answer. Scenarios do what people do
//! (push, open, comment, press a button) and look at what people would see.
//!
//! It deliberately has no knowledge of Gatewright. The scenarios and `make demo` use it.

pub mod github;
pub mod gitlab;
pub mod process;
pub mod service;
pub mod stage;

pub use github::FakeGitHub;
pub use gitlab::FakeGitLab;
