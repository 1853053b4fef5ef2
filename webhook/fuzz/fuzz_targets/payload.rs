//! Every payload of every event of GitHub in use: no panic, no surprise in what is made of it, and a form means what its JSON means.

#![no_main]

use gatewright_core::event::Event;
use gatewright_webhook::github::parse;
use gatewright_webhook::replay::DeliveryFile;
use libfuzzer_sys::fuzz_target;

const APP_ID: u64 = 1;

const NAMES: [&str; 10] = [
    "pull_request",
    "merge_group",
    "push",
    "check_run",
    "check_suite",
    "issue_comment",
    "pull_request_review_comment",
    "issues",
    "deployment_protection_rule",
    "ping",
];

fuzz_target!(|body: &[u8]| {
    for name in NAMES {
        let Ok(parsed) = parse(name, body, APP_ID) else { continue };
        assert!(parsed.action.is_none_or(|action| action.len() <= 100));
        if let Event::Unused { reason } = &parsed.event {
            assert!(!reason.is_empty() && reason.len() < 400);
        }
        if let Some(repo) = parsed.event.repo() {
            assert!(repo.path.split('/').count() == 2 && !repo.path.contains([' ', '?', '#', '%', '\\', '\n']));
        }
    }
    if let Ok(file) = DeliveryFile::read(body, None) {
        // What it means does not matter, only that it can be asked.
        let _ = file.parse(APP_ID);
    }
});
