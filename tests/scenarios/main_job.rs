//! The main job, as people see it: a pull request is opened, its gates run, the forge shows what came of it. The same table
//! of scenarios on every forge.
//!
//! Real parts all through: git over HTTP, a container engine, the store on disk; each forge is the fake that judges each
//! request by the forge's own description.

#[path = "main_job/bad_days.rs"]
mod bad_days;
#[path = "main_job/benchmarks.rs"]
mod benchmarks;
#[path = "main_job/cache.rs"]
mod cache;
#[path = "main_job/coverage.rs"]
mod coverage;
#[path = "main_job/crash.rs"]
mod crash;
#[path = "main_job/crowd.rs"]
mod crowd;
#[path = "main_job/findings.rs"]
mod findings;
#[path = "main_job/flow.rs"]
mod flow;
#[path = "main_job/github.rs"]
mod github;
#[path = "main_job/lfs.rs"]
mod lfs;
#[path = "main_job/missed.rs"]
mod missed;
#[path = "main_job/outputs.rs"]
mod outputs;
#[path = "main_job/policy.rs"]
mod policy;
#[path = "main_job/secrets.rs"]
mod secrets;
#[path = "main_job/tests.rs"]
mod tests;
