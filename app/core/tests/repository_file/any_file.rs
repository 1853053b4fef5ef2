//! No file at all can break the reading, and what a program writes is read back as it was meant.

use gatewright_core::config::{RepoConfig, parse};
use proptest::prelude::*;

use crate::generated_gates::{a_config, printed};

/// Pieces of which files are made, put together in any order.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("gates:"),
        Just("releases: { on: { tag: v* } }"),
        Just("environments:"),
        Just("target: { exec: { service: a } }"),
        Just("after: "),
        Just("strategy: "),
        Just("windows: "),
        Just("agents:"),
        Just("roles:"),
        Just("fix: {}"),
        Just("steps: "),
        Just("parallel: "),
        Just("verify: "),
        Just("agent: "),
        Just("schedule: '* * 29 2 *'"),
        Just("image:"),
        Just("run:"),
        Just("needs:"),
        Just("when:"),
        Just("env:"),
        Just(" "),
        Just("\n"),
        Just("\n  "),
        Just("\n    "),
        Just("- "),
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just(", "),
        Just(": "),
        Just("a"),
        Just("&a "),
        Just("*a"),
        Just("!x "),
        Just("\""),
        Just("'"),
        Just("|\n"),
        Just("?"),
        Just("\t"),
        Just("#"),
        Just("---\n"),
        Just("ä"),
        Just("\u{feff}"),
        Just("\0"),
        Just("~"),
        Just("<<: "),
        Just("%"),
        Just("90s"),
        Just("junit: "),
        Just("\r\n"),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn check_any(text: &str) -> Result<(), TestCaseError> {
    if let Err(problems) = parse(text) {
        prop_assert!(!problems.is_empty() && problems.len() <= 50);
        prop_assert!(problems.iter().all(|p| p.line >= 1 && p.column >= 1 && !p.message.contains('\n')), "{problems:?}");
        prop_assert!(problems.is_sorted_by_key(|p| (p.line, p.column)));
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(config in a_config()) {
        let file = printed(&config);
        let mut read = parse(&file).map_err(|problems| TestCaseError::fail(format!("{problems:?}\n{file}")))?;
        for gate in &mut read.gates {
            prop_assert!(gate.line > 0);
            gate.line = 0;
        }
        let lines = read.releases.iter_mut().map(|releases| &mut releases.line);
        let lines = lines.chain(read.agents.iter_mut().map(|pipeline| &mut pipeline.line));
        for line in lines.chain(read.environments.iter_mut().map(|environment| &mut environment.line)) {
            prop_assert!(*line > 0);
            *line = 0;
        }
        let journaled = serde_json::to_string(&read).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&serde_json::from_str::<RepoConfig>(&journaled).unwrap(), &read);
        prop_assert_eq!(read, config);
    }

    #[test]
    fn any_text_is_read_or_told_why_not(text in any::<String>()) {
        check_any(&text)?;
    }

    #[test]
    fn anything_like_yaml_is_read_or_told_why_not(text in yaml_like()) {
        check_any(&text)?;
    }
}
