use gatewright_core::agent::{ProposedIssue, Severity};
use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn call(name: &str, arguments: Value) -> ToolCall {
    ToolCall { id: "1".to_owned(), name: name.to_owned(), arguments: Arguments::Json(arguments) }
}

fn parsed(name: &str, arguments: Value) -> Result<Use, String> {
    parse_call(&call(name, arguments), &Tool::ALL)
}

fn told(name: &str, arguments: Value) -> String {
    parsed(name, arguments).expect_err("a wrong call")
}

#[test]
fn what_is_asked_for_rightly_is_done_with_what_was_left_out_filled_in() {
    let path = || "a/b.rs".to_owned();
    let right = [
        ("read", json!({ "path": "a/b.rs" }), Use::Read { path: path(), from_line: 1, lines: READ_LINES }),
        ("read", json!({ "path": "./a/b.rs", "from_line": 7, "lines": 3 }), Use::Read { path: path(), from_line: 7, lines: 3 }),
        ("list", json!({}), Use::List { path: None, depth: 1 }),
        ("list", json!({ "path": "/workspace", "depth": 3 }), Use::List { path: None, depth: 3 }),
        ("list", json!({ "path": "a/" }), Use::List { path: Some("a".to_owned()), depth: 1 }),
        ("search", json!({ "pattern": "fn .*", "path": "." }), Use::Search { pattern: "fn .*".to_owned(), path: None }),
        (
            "write",
            json!({ "path": "/workspace/a/b.rs", "content": "" }),
            Use::Write { path: path(), content: String::new(), executable: None },
        ),
        (
            "patch",
            json!({ "path": "a/b.rs", "old": " x", "new": "" }),
            Use::Patch { path: path(), old: " x".to_owned(), new: String::new() },
        ),
        ("shell", json!({ "command": "make" }), Use::Shell { command: "make".to_owned(), timeout_secs: SHELL_SECS }),
    ];
    for (name, arguments, wanted) in right {
        assert_eq!(parsed(name, arguments.clone()), Ok(wanted), "{name} {arguments}");
    }
}

#[test]
fn what_is_handed_over_is_read() {
    let done = json!({
        "summary": "Mended it.",
        "title": "Counts from 0",
        "findings": [{ "path": "./src/a.rs", "line": 3, "end_line": 4, "severity": "error", "message": "Wrong.", "replacement": "x" }],
        "issues": [{ "title": "T", "body": "B" }],
    });
    let Ok(Use::Finish(handover)) = parsed(FINISH, done) else { panic!("it is right") };
    assert_eq!((handover.summary.as_str(), handover.title.as_deref()), ("Mended it.", Some("Counts from 0")));
    assert_eq!((handover.findings[0].path.as_str(), handover.findings[0].severity), ("src/a.rs", Severity::Error));
    assert_eq!(handover.issues, [ProposedIssue { title: "T".to_owned(), body: "B".to_owned() }]);
    assert!(matches!(parse_call(&call(FINISH, json!({ "summary": "x" })), &[]), Ok(Use::Finish(_))), "all can finish");
}

#[test]
fn a_wrong_call_is_told_what_is_wrong_and_what_is_right() {
    assert_snapshot!(told("read", json!({ "file": "a" })), @"this call of `read` was not done: unknown field `file`, expected one of `path`, `from_line`, `lines`. It takes {from_line?: integer, lines?: integer, path: string}");
    assert_snapshot!(told("read", json!({})), @"this call of `read` was not done: missing field `path`. It takes {from_line?: integer, lines?: integer, path: string}");
    assert_snapshot!(told("patch", json!({ "path": "a", "old": "x", "new": "x" })), @"this call of `patch` was not done: `old` and `new` are the same, so nothing would change. It takes {new: string, old: string, path: string}");
    assert_snapshot!(told("shell", json!({ "command": "x", "timeout_secs": 601 })), @"this call of `shell` was not done: `timeout_secs` is 601; it is 1 to 600. It takes {command: string, timeout_secs?: integer}");
    assert_snapshot!(told("sudo", json!({})), @"there is no tool `sudo` here; there are read, list, search, write, patch, shell, finish");
    let cut = ToolCall { arguments: Arguments::Malformed("{\"pa".to_owned()), ..call("list", json!({})) };
    assert_snapshot!(parse_call(&cut, &Tool::ALL).expect_err("no JSON"), @"this call of `list` was not done: the arguments are not JSON, perhaps because they were cut off. It takes {depth?: integer, path?: string}");
}

#[test]
fn a_tool_that_the_role_does_not_have_is_none() {
    let told = parse_call(&call("shell", json!({ "command": "x" })), &Tool::READING).expect_err("not its tool");
    assert_snapshot!(told, @"there is no tool `shell` here; there are read, list, search, finish");
    let specs = tool_specs(&Tool::READING);
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["read", "list", "search", "finish"]);
}

#[test]
fn what_a_model_is_told_of_the_tools_is_what_they_do() {
    let specs = tool_specs(&Tool::ALL);
    let about = |name: &str| specs.iter().find(|spec| spec.name == name).expect("a tool").about.clone();
    assert!(about("read").contains(&format!("{READ_LINES} lines")));
    assert!(specs.iter().all(|spec| spec.takes["type"] == "object" && spec.takes["additionalProperties"] == false));
}

#[test]
fn no_path_leads_out_of_the_source() {
    for path in
        ["", ".", "/", "/etc/passwd", "../a", "a/../../b", "a//b", "/workspace/../a", "/workspacex", "a\0b", "a\nb", "./."]
    {
        assert!(parsed("read", json!({ "path": path })).is_err(), "{path:?}");
    }
    for path in [".git/config", "a/.git/hooks/x", ".GIT/config"] {
        assert!(parsed("write", json!({ "path": path, "content": "x" })).is_err(), "{path:?}");
        assert!(parsed("patch", json!({ "path": path, "old": "x", "new": "y" })).is_err(), "{path:?}");
    }
    assert!(parsed("write", json!({ "path": ".github/x.yml", "content": "x" })).is_ok(), "the policy judges it");
}

#[test]
fn everything_has_a_limit() {
    let long = |bytes: usize| "x".repeat(bytes);
    assert!(parsed("write", json!({ "path": "a", "content": long(WRITE_BYTES_MAX + 1) })).is_err());
    assert!(parsed("patch", json!({ "path": "a", "old": long(PATCH_BYTES_MAX + 1), "new": "" })).is_err());
    assert!(parsed("shell", json!({ "command": long(COMMAND_BYTES_MAX + 1) })).is_err());
    assert!(parsed("search", json!({ "pattern": long(PATTERN_BYTES_MAX + 1) })).is_err());
    assert!(parsed("read", json!({ "path": long(PATH_BYTES_MAX + 1) })).is_err());
    assert!(parsed("read", json!({ "path": "a", "lines": READ_LINES_MAX + 1 })).is_err());
    assert!(parsed("list", json!({ "depth": LIST_DEPTH_MAX + 1 })).is_err());
    assert!(parsed(FINISH, json!({ "summary": long(Handover::TEXT_BYTES_MAX + 1) })).is_err());
    let finding = json!({ "path": "a", "line": 1, "severity": "notice", "message": "x" });
    assert!(parsed(FINISH, json!({ "summary": "x", "findings": vec![finding.clone(); Handover::FINDINGS_MAX + 1] })).is_err());
    let issue = json!({ "title": "x", "body": "x" });
    assert!(parsed(FINISH, json!({ "summary": "x", "issues": vec![issue; Handover::ISSUES_MAX + 1] })).is_err());
    let told = told("read", json!({ "path": "a", "lines": long(100_000) }));
    assert!(told.len() < 600, "{}", told.len());
}

#[test]
fn what_makes_no_sense_is_not_handed_over() {
    let with = |key: &str, value: Value| {
        let mut finding = json!({ "path": "a", "line": 5, "severity": "notice", "message": "x" });
        finding[key] = value;
        parsed(FINISH, json!({ "summary": "x", "findings": [finding] }))
    };
    for (key, value) in [
        ("line", json!(0)),
        ("end_line", json!(4)),
        ("severity", json!("fatal")),
        ("message", json!(" ")),
        ("path", json!("../a")),
        ("code", json!("x")),
    ] {
        assert!(with(key, value.clone()).is_err(), "{key}: {value}");
    }
    for (key, value) in [("summary", json!(" ")), ("title", json!("a\nb")), ("title", json!(""))] {
        let mut done = json!({ "summary": "x" });
        done[key] = value;
        assert!(parsed(FINISH, done.clone()).is_err(), "{done}");
    }
}

/// Whether a value is of the form that a schema of ours asks for: as much of JSON Schema as they use.
fn fits(schema: &Value, value: &Value) -> bool {
    let of_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        _ => schema["enum"].as_array().is_some_and(|all| all.contains(value)),
    };
    let keys = || value.as_object().into_iter().flatten();
    let known = keys().all(|(key, value)| schema["properties"].get(key).is_some_and(|schema| fits(schema, value)));
    let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let items = value.as_array().into_iter().flatten().all(|item| fits(&schema["items"], item));
    of_type && known && required.all(|key| value.get(key).is_some()) && items
}

#[test]
fn what_the_schemas_say_is_what_is_read() {
    let specs = tool_specs(&Tool::ALL);
    let takes = |name: &str| &specs.iter().find(|spec| spec.name == name).expect("a tool").takes;
    for (name, value) in [
        ("read", json!({ "path": "a", "from_line": 1, "lines": 2 })),
        ("read", json!({ "path": 5 })),
        ("read", json!({ "from_line": 1 })),
        ("list", json!({})),
        ("list", json!({ "depth": "2" })),
        ("search", json!({ "pattern": "x", "path": "a" })),
        ("search", json!({ "path": "a" })),
        ("write", json!({ "path": "a", "content": "x", "executable": true })),
        ("write", json!({ "path": "a", "content": "x", "mode": 7 })),
        ("patch", json!({ "path": "a", "old": "x", "new": "y" })),
        ("patch", json!({ "path": "a", "old": "x" })),
        ("shell", json!({ "command": "x", "timeout_secs": 5 })),
        ("shell", json!({ "command": ["x"] })),
        ("finish", json!({ "summary": "x", "title": "y", "findings": [], "issues": [{ "title": "a", "body": "b" }] })),
        ("finish", json!({ "summary": "x", "findings": [{ "path": "a", "line": 1, "severity": "warning", "message": "m" }] })),
        ("finish", json!({ "summary": "x", "findings": [{ "path": "a", "line": 1, "severity": "bad", "message": "m" }] })),
        ("finish", json!({ "summary": "x", "findings": [{ "path": "a", "line": 1, "message": "m" }] })),
        ("finish", json!({ "title": "x" })),
    ] {
        assert_eq!(fits(takes(name), &value), parsed(name, value.clone()).is_ok(), "{name} {value}");
    }
}

proptest! {
    #[test]
    fn no_arguments_at_all_are_a_panic(name in "(read|list|search|write|patch|shell|finish|x)", path in any::<String>(), n in any::<i64>()) {
        let value = json!({ "path": path, "content": path, "command": path, "pattern": path, "summary": path, "lines": n, "depth": n });
        for key in ["path", "content", "command", "pattern", "summary"] {
            let _ = parsed(&name, json!({ key: path.clone(), "path": path.clone() }));
        }
        let _ = parsed(&name, value);
        let malformed = ToolCall { arguments: Arguments::Malformed(path), ..call(&name, json!({})) };
        prop_assert!(parse_call(&malformed, &Tool::ALL).is_err());
    }

    #[test]
    fn a_path_that_is_taken_stays_within(path in "[a-z./\\\\~ -]{0,12}") {
        if let Ok(Use::Read { path, .. }) = parsed("read", json!({ "path": path })) {
            prop_assert!(!path.starts_with('/') && path.split('/').all(|part| !part.is_empty() && part != ".."));
        }
    }
}
