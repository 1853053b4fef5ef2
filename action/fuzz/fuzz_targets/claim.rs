//! Whatever a stranger's job leaves as its results is refused, or shown as a check and a comment in which nothing of it has an effect.
//! Run: `cargo +nightly fuzz run claim` in `action`.

#![no_main]

use gatewright_action::publish::{self, Origin};
use gatewright_action::result;
use gatewright_core::{CommitId, GateName, Timestamp};
use libfuzzer_sys::fuzz_target;

#[path = "../../../app/engine/fuzz/inert.rs"]
mod inert;

fuzz_target!(|bytes: &[u8]| {
    let Ok(checked) = result::read(bytes) else { return };
    assert_eq!(result::read(result::write(&checked).as_bytes()).as_ref(), Ok(&checked));
    let (name, head): (GateName, CommitId) =
        ("gates".parse().expect("a name"), "a".repeat(40).parse().expect("a commit"));
    for succeeded in [false, true] {
        let origin = Origin::Claimed { succeeded, page: String::new() };
        let check = publish::check(&checked, &origin, &name, &head, Timestamp::UNIX_EPOCH);
        let comment = publish::comment(&checked, &origin, &name, 7);
        inert::assert_inert(&check.summary);
        inert::assert_inert(&comment.body);
        assert!(!check.title.contains(['\n', '<', '@', '`']) && check.summary.len() <= 65_535 && comment.body.len() <= 65_536);
        for annotation in &check.annotations {
            assert!(!annotation.path.split('/').any(|part| matches!(part, "" | "." | ".." | ".git")), "{}", annotation.path);
            assert!(annotation.start_line >= 1 && annotation.end_line >= annotation.start_line);
        }
    }
});
