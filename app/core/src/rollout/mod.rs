//! How a release gets into an environment: the stages of a strategy, and what is judged at each of them. Pure.

pub mod analysis;
