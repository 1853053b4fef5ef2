//! How a release gets into an environment: which version a tag is, the configuration that is made of it, when promotion may
//! begin, the stages of a strategy, and what is judged at each of them. Pure.

pub mod analysis;
pub mod fill;
pub mod version;
pub mod window;
