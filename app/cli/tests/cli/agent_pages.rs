//! The pages of a pipeline's run: whatever a task, a model, its tools, files, gates and programs have said is text there.

use serde_json::json;

use crate::agents::{broken, served};

/// What would do something wherever it is not text: in an element, in an attribute of either quotes, in a title, in code.
const HOSTILE: &str = "</code></pre></title>'\"><img src=x onerror=hostile()><script>hostile()</script>";

/// The same as a file's name, which has no slashes in it.
const NAME: &str = "'\"><img src=x onerror=hostile()>.txt";

/// A program, an agent and a gate, all of which say it.
const FILE: &str = "\
gates:
  tests: { run: 'cat hostile.txt; sh test.sh' }
agents:
  build:
    steps:
      - { agent: { name: program, run: 'cat hostile.txt' } }
      - coder
      - verify
";

/// All tags of a page, each with what is in it.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or(rest))
}

#[test]
fn whatever_is_said_in_a_pipeline_is_text_on_its_pages() {
    let call = |tool: &str, arguments: serde_json::Value| json!({ "tool": tool, "arguments": arguments });
    let looks = [
        call("read", json!({ "path": "hostile.txt" })),
        call("shell", json!({ "command": "cat hostile.txt >&2; exit 3" })),
        call("write", json!({ "path": NAME, "content": HOSTILE })),
        call("patch", json!({ "path": "add.sh", "old": "$1 - $2", "new": "$1 + $2" })),
        call(HOSTILE, json!({ "path": HOSTILE })),
    ];
    let found = json!({ "path": NAME, "line": 1, "severity": "error", "message": HOSTILE, "replacement": HOSTILE });
    let done = call("finish", json!({ "summary": HOSTILE, "title": HOSTILE, "findings": [found] }));
    let says = |calls: &[serde_json::Value]| json!({ "reply": { "text": HOSTILE, "calls": calls } });
    let script = json!({ "conversations": [{ "exchanges": [says(&looks), says(&[done])] }] }).to_string();
    let bench = broken(FILE, &script);
    bench.write("hostile.txt", HOSTILE);
    let task = format!("add, and {HOSTILE}");
    let done =
        bench.run(&["agent", "run", "--config", ".git/models.toml", "--requirements", &task, "--logs", ".git/kept", "--json"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);

    let (served, id) = served(&bench, ".git/kept");
    let service = served.serve(&[]);
    let mut said = Vec::new();
    for path in [format!("/runs/{id}"), format!("/runs/{id}/agents/1")] {
        let page = service.get(&path);
        assert_eq!(page.status, 200, "{path}");
        assert!(page.head.contains("content-security-policy: default-src 'none'"), "{path}: {}", page.head);
        for tag in tags(&page.body) {
            assert!(!tag.contains("hostile") && !tag.contains("onerror"), "{path}: <{tag}>");
        }
        said.push(page.body.matches("&lt;img src=x onerror=hostile()&gt;").count());
    }
    service.stop();
    // The task, what it used its tools on, the file and what it said; and in full, everything that went to and fro.
    assert!(said[0] >= 5 && said[1] >= 10, "it is there to be read: {said:?}");
}
