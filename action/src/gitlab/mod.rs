//! The reports that GitLab's own widgets show: one JUnit file, one Cobertura file, one list of code quality, made of whatever
//! reports the gates left; and the sections of a job's log.

pub mod cobertura;
pub mod code_quality;
pub mod junit;
pub mod section;
