//! The intake through its real router: what is taken, what is refused, and what payloads mean.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod answers;
mod comments;
mod events;
mod examples;
mod gitlab_answers;
mod gitlab_events;
mod gitlab_proofs;
mod gitlab_recorded;
mod items;
mod limits;
mod observed;
mod properties;
mod replay;
mod support;
