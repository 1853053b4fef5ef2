//! Any comment is read without harm: at most so many commands come of it, each from a line that stands in it, and reading
//! it again gives the same.

#![no_main]

use gatewright_engine::commands::parse::{CALLS_MAX, parse, written};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|comment: &str| {
    let said = parse(comment);
    assert!(said.calls.len() <= CALLS_MAX);
    assert!(said.unread == 0 || said.calls.len() == CALLS_MAX);
    for call in &said.calls {
        assert!(call.args.iter().all(|arg| comment.contains(arg.as_str())));
        assert!(!call.name.is_empty() && !written(call).contains('\n'));
    }
    assert_eq!(parse(comment), said);
});
