//! The demo's agents: one finds out why a test fails, one mends it, and the gates look. The model follows a script; all else is real.

use std::path::Path;

use gatewright_tests::FakeGitHub;
use gatewright_tests::github::PullSpec;

use super::{GATES, REPO, TESTS, indented, patiently, say, show, watch, write};

/// What the script's model says.
const SCRIPT: &str = r#"
conversations:
  - match: "Find out why the gates fail"
    exchanges:
      - reply:
          calls: [{ tool: read, arguments: { path: src/cart.sh } }, { tool: shell, arguments: { command: sh run-tests.sh } }]
          usage: { input: 2100, output: 60 }
      - expect: { last: "$1 - $2" }
        reply:
          calls: [{ tool: finish, arguments: { summary: "`total` subtracts where it should add: src/cart.sh, line 2." } }]
          usage: { input: 2600, output: 50 }
  - match: "Mend what was diagnosed"
    exchanges:
      - reply:
          calls: [{ tool: patch, arguments: { path: src/cart.sh, old: "$1 - $2", new: "$1 + $2" } }, { tool: shell, arguments: { command: sh run-tests.sh } }]
          usage: { input: 3000, output: 80 }
      - expect: { last: "total 2 3 = 5" }
        reply:
          calls: [{ tool: finish, arguments: { summary: "`total` adds again; the test passes.", title: "Add in total" } }]
          usage: { input: 3300, output: 40 }
  - match: []
    exchanges:
      - reply: { calls: [{ tool: finish, arguments: { summary: "Nothing to do here." } }], usage: { input: 1500, output: 20 } }
"#;

/// What the server file says of models.
pub(super) fn table(dir: &Path) -> Result<String, String> {
    write(&dir.join("model.yml"), SCRIPT)?;
    Ok("[[model]]\nkind = \"scripted\"\nfile = \"./model.yml\"\n\n[[model.price]]\nmodel = \"*\"\ninput = 3.0\noutput = 15.0\n\n\
        [agents]\nmodels = [\"scripted/demo\"]\n\n"
        .to_owned())
}

pub(super) async fn agents(github: &FakeGitHub) -> Result<(), String> {
    say("alice lets agents help: one more line on main. bob breaks the test again, and asks them to mend it.");
    let file = format!("{GATES}agents: {{ fix: {{}} }}\n");
    // What tests leave behind is no change of anybody's.
    let files = [(".gatewright.yml", file.as_str()), (".gitignore", "report.xml\nshop.tar\n")];
    github.commit(REPO, "main", "alice", "agents", files);
    let files = [("run-tests.sh", TESTS), ("src/cart.sh", "total() {\n  echo $(($1 - $2))\n}\n")];
    let broken = github.commit(REPO, "total", "bob", "another total", files);
    let number = github.open_pull(REPO, PullSpec::of("bob", "total").title("Another total"));
    watch(github, &broken, "failure").await?;
    super::command(github, number, "alice", "/gw fix", "+1").await?;
    let bot = github.bot_login();
    let proposal =
        patiently("the agents' pull request", || async { github.pulls(REPO).into_iter().find(|pull| pull.author == bot) })
            .await?;
    let kind = if proposal.draft { "a draft" } else { "not a draft" };
    show("proposed", &format!("#{}, {kind}: {}", proposal.number, proposal.title));
    println!("{}", indented(&proposal.body));
    watch(github, &github.pull_head(REPO, proposal.number), "success").await.map(|_| ())
}
