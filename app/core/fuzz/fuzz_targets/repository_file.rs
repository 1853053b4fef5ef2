//! Any text is read as a repository file, or told why not. Run: `cargo +nightly fuzz run repository_file` in `app/core`.

#![no_main]

use gatewright_core::EnvironmentName;
use gatewright_core::config::{ENVIRONMENTS_MAX, GATES_MAX, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match parse(text) {
    Ok(config) => {
        assert!((1..=GATES_MAX).contains(&config.gates.len()));
        assert!(config.environments.len() <= ENVIRONMENTS_MAX);
        let is_there = |name: &EnvironmentName| config.environments.iter().any(|environment| environment.name == *name);
        assert!(config.environments.iter().flat_map(|environment| &environment.after).all(is_there));
    }
    Err(problems) => {
        assert!(!problems.is_empty() && problems.len() <= 50);
        assert!(problems.is_sorted_by_key(|problem| (problem.line, problem.column)));
        assert!(problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
        assert!(problems.iter().all(|problem| !problem.message.contains(['\n', '\r'])));
    }
});
