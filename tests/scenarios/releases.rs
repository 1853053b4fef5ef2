//! Releases and rollouts, from the pushed tag to what users of the released service get: over real containers and a real HAProxy.

#[path = "releases/world.rs"]
mod world;

#[path = "releases/flow.rs"]
mod flow;

#[path = "releases/operator.rs"]
mod operator;
