//! Releases and rollouts, from the pushed tag to what users of the released service get: over real containers and a real HAProxy.

#[path = "releases/world.rs"]
mod world;

#[path = "releases/flow.rs"]
mod flow;

#[path = "releases/faults.rs"]
mod faults;

#[path = "releases/promotion.rs"]
mod promotion;

#[path = "releases/strategies.rs"]
mod strategies;

#[path = "releases/said.rs"]
mod said;

#[path = "releases/changelog.rs"]
mod changelog;

#[path = "releases/signed.rs"]
mod signed;

#[path = "releases/tags.rs"]
mod tags;

#[path = "releases/crash.rs"]
mod crash;

#[path = "releases/operator.rs"]
mod operator;

#[path = "releases/drift.rs"]
mod drift;

#[path = "releases/notices.rs"]
mod notices;

#[path = "releases/workflows.rs"]
mod workflows;
