//! Every payload of GitLab's: no panic, no surprise in what is made of it, and JSON is never refused.

#![no_main]

use gatewright_core::event::Event;
use gatewright_webhook::COMMENT_BYTES_MAX;
use gatewright_webhook::gitlab::parse;
use gatewright_webhook::replay::DeliveryFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(file) = DeliveryFile::read(body, Some("System Hook")) {
        // What it means does not matter, only that it can be asked.
        let _ = file.parse(1);
    }
    let Ok(parsed) = parse("System Hook", body) else { return };
    assert!(!parsed.name.is_empty() && parsed.name.len() <= 64);
    assert!(parsed.action.is_none_or(|action| action.len() <= 100));
    if let Some(repo) = parsed.event.repo() {
        assert!(repo.path.split('/').count() >= 2 && !repo.path.contains([' ', '?', '#', '%', '\\', '\n']));
        assert!(repo.path.split('/').all(|part| !matches!(part, "" | "." | "..")));
    }
    match parsed.event {
        Event::Unused { reason } => assert!(!reason.is_empty() && reason.len() < 400),
        Event::Comment(comment) => {
            assert!(comment.by.id != 0 && comment.body.contains('/') && comment.body.len() <= COMMENT_BYTES_MAX);
        }
        Event::Pull(_) | Event::Push(_) | Event::Tag(_) | Event::Issue(_) | Event::Labelled(_) => {}
        made @ (Event::MergeGroup(_) | Event::Rerequested(_) | Event::Button(_) | Event::ProtectionRule(_)) => panic!("GitLab has no {made:?}"),
    }
});
