//! `make demo`: the service beside two local forges, and pull requests checked before your eyes. Everything is real but the
//! forges: the binary, its store, git over HTTP, the container engine.
#![expect(clippy::print_stdout, reason = "showing things is what a demo is for")]

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use gatewright_tests::github::{CheckRun, Level, PullSpec};
use gatewright_tests::gitlab::{self, MergeRequestSpec, Signing};
use gatewright_tests::site::Router;
use gatewright_tests::{FakeGitHub, FakeGitLab};
use tokio::process::{Child, Command};

#[path = "demo/agent.rs"]
mod agent;
#[path = "demo/release.rs"]
mod release;

const REPO: &str = "octo/shop";
const SECRET: &str = "a secret for the demo";

const GATES: &str = "\
image: gatewright-sandbox:local
gates:
  tests:
    run: sh run-tests.sh
    junit: report.xml
  style:
    run: \"! grep -rn 'TODO' src\"
  package:
    needs: [tests, style]
    run: tar -cf shop.tar src && ls -l shop.tar
";

/// A shop of one shell function, tested by a shell script that writes JUnit.
const TESTS: &str = r#"
. src/cart.sh
got=$(total 2 3)
echo "total 2 3 = $got"
if [ "$got" = 5 ]; then failures=0; body=""; else failures=1; body="<failure message='expected 5, got $got'>at src/cart.sh:2</failure>"; fi
cat > report.xml <<X
<testsuite name="cart" tests="1" failures="$failures"><testcase classname="cart" name="totals" file="src/cart.sh" line="2" time="0.01">$body</testcase></testsuite>
X
exit $failures
"#;

/// A demo that waits longer than this for something has failed.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let done = demo().await;
    release::clean_up();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            println!("\nThe demo failed: {cause}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
    say("Two forges start on this machine, a GitHub with an App and a GitLab with a bot's token, each with a repository.");
    let (github, gitlab) = (FakeGitHub::start().await, FakeGitLab::start().await);
    github.create_repo(REPO);
    gitlab.create_project(REPO);
    let port = free_port()?;
    let url = format!("http://127.0.0.1:{port}");
    let router = release::router().await;
    let mut service = start_service(&github, &gitlab, &router, dir.path(), port).await?;
    github.set_webhook(&format!("{url}/webhooks/github"), SECRET);
    gitlab.set_webhook(&format!("{url}/webhooks/gitlab"), Signing::Token(SECRET.to_owned()));
    show("GitHub", &github.url());
    show("GitLab", &gitlab.url());
    show("service", &url);
    show("health", &format!("{url}/readyz"));

    say("alice puts .gatewright.yml on main: three gates.");
    println!("{}", indented(GATES));
    let files = [(".gatewright.yml", GATES), ("run-tests.sh", TESTS), ("src/cart.sh", "total() {\n  echo $(($1 + $2))\n}\n")];
    github.commit(REPO, "main", "alice", "a shop, and its gates", files);

    say("bob opens a pull request that breaks a test.");
    let broken =
        github.commit(REPO, "faster-total", "bob", "a faster total", [("src/cart.sh", "total() {\n  echo $(($1 * $2))\n}\n")]);
    let number = github.open_pull(REPO, PullSpec::of("bob", "faster-total").title("A faster total"));
    let link = watch(&github, &broken, "failure").await?;
    comment(&github, number).await;

    say("bob pushes a mend to the same pull request. The comment is edited, not written again.");
    let mended = github.commit(REPO, "faster-total", "bob", "mend", [("src/cart.sh", "total() {\n  expr \"$1\" + \"$2\"\n}\n")]);
    watch(&github, &mended, "success").await?;
    comment(&github, number).await;

    a_fork(&github).await?;

    say("The service is killed (kill -9) while a gate runs, and started again.");
    let slow = github.commit(REPO, "slow", "bob", "slow tests", [("run-tests.sh", format!("sleep 3\n{TESTS}").as_str())]);
    github.open_pull(REPO, PullSpec::of("bob", "slow"));
    check(&github, &slow, "gatewright/tests", "in_progress").await?;
    service.kill().await.map_err(|e| format!("the service cannot be killed: {e}"))?;
    show("killed", "in the middle of gatewright/tests");
    let mut service = start_service(&github, &gitlab, &router, dir.path(), port).await?;
    watch(&github, &slow, "success").await?;
    let made = github.all_check_runs(REPO, &slow).len();
    show("checks made", &format!("{made} for 3 gates and the aggregate: none twice"));

    merge_request(&gitlab).await?;
    agent::agents(&github).await?;
    release::releases(&github, &router).await?;

    let violations = [github.violations(), gitlab.take_violations()].concat();
    if !violations.is_empty() {
        return Err(format!("requests that a forge's API does not allow: {violations:#?}"));
    }
    say("Every request was one that the forge's own description of its API allows. That is the demo.");
    if std::env::var("DEMO").is_ok_and(|demo| demo == "once") {
        return stop(&mut service).await;
    }
    show("a run's page", &link);
    show("metrics", &format!("{url}/metrics"));
    println!("\n  It stays up until Ctrl-C.");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        status = service.wait() => return Err(format!("the service ended by itself: {status:?}")),
    }
    stop(&mut service).await
}

fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|e| format!("no port is free: {e}"))
}

/// A fork waits until somebody who may has looked at it.
async fn a_fork(github: &FakeGitHub) -> Result<(), String> {
    say("mallory opens a pull request from a fork. Nothing of it runs.");
    let fork = github.fork(REPO, "mallory");
    let foreign = github.commit(&fork, "nice", "mallory", "nice", [("src/nice.sh", "echo nice\n")]);
    let foreign_number = github.open_pull(REPO, PullSpec::of("mallory", "nice").from_fork(&fork));
    watch(github, &foreign, "action_required").await?;

    say("mallory asks for it with a slash command, and may not. alice may: she has looked at that commit.");
    github.set_permission(REPO, "alice", Level::Maintain);
    let approve = format!("/gw approve {}", &foreign[..7]);
    command(github, foreign_number, "mallory", &approve, "confused").await?;
    command(github, foreign_number, "alice", &approve, "+1").await?;
    check(github, &foreign, "gatewright", "success").await?;
    show("gatewright", "success");
    Ok(())
}

/// The same on GitLab: statuses, one note with the evidence, and a command.
async fn merge_request(gitlab: &FakeGitLab) -> Result<(), String> {
    say("The same service serves GitLab: bob opens a merge request there that breaks the test.");
    let cart = ("src/cart.sh", "total() {\n  echo $(($1 + $2))\n}\n");
    gitlab.commit(REPO, "main", "alice", "a shop, and its gates", [(".gatewright.yml", GATES), ("run-tests.sh", TESTS), cart]);
    let head = gitlab.commit(REPO, "faster", "bob", "faster", [("src/cart.sh", "total() {\n  echo $(($1 * $2))\n}\n")]);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("bob", "faster"));
    let over = || async { (gitlab.statuses(REPO, &head).get("gatewright")?.state == "failed").then_some(()) };
    patiently("the status `failed`", over).await?;
    for (name, status) in gitlab.statuses(REPO, &head) {
        println!("  {name:<22}{:<16}{}", status.state, status.description);
    }
    let note = patiently("the note", || async {
        let notes = gitlab.notes(REPO, iid).into_iter();
        notes.filter(|note| note.author == gitlab::BOT && note.place.is_none()).find(|note| !note.body.contains("gates done"))
    });
    println!("\n  the one note on !{iid}:\n{}", indented(&note.await?.body));
    gitlab.set_level(REPO, "alice", 40);
    gitlab.advance(2);
    let said = "/gw skip tests the new total is what we want";
    let comment = gitlab.comment(REPO, iid, "alice", said);
    let obeyed = || async { gitlab.reactions(comment).iter().any(|(_, emoji)| emoji == "thumbsup").then_some(()) };
    patiently("the reaction", obeyed).await?;
    let emoji: Vec<String> = gitlab.reactions(comment).into_iter().map(|(_, emoji)| emoji).collect();
    show("alice", &format!("{said}   [{}]", emoji.join(", ")));
    let passed = || async { (gitlab.statuses(REPO, &head).get("gatewright")?.state == "success").then_some(()) };
    patiently("the status `success`", passed).await?;
    show("gatewright", "success");
    Ok(())
}

async fn start_service(
    github: &FakeGitHub,
    gitlab: &FakeGitLab,
    router: &Router,
    dir: &Path,
    port: u16,
) -> Result<Child, String> {
    let url = format!("http://127.0.0.1:{port}");
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"{url}\"\n\n[store]\nurl = \"sled:./data\"\n\n[[forge]]\nkind = \"github\"\n\
         api_url = \"{github}\"\nclone_url = \"{github}\"\napp_id = {app}\nprivate_key = \"file:./app.pem\"\n\
         webhook_secret = \"env:DEMO_WEBHOOK_SECRET\"\n\n[[forge]]\nkind = \"gitlab\"\nurl = \"{gitlab}\"\n\
         token = \"file:./gitlab.token\"\nwebhook_secret = \"env:DEMO_WEBHOOK_SECRET\"\n\n[sandbox]\npull = \"never\"\nmemory_mib = 256\ndisk_mib = 64\n\n[engine]\nsweep_secs = 5\n\n{models}{target}",
        models = agent::table(dir)?,
        target = release::table(router),
        github = github.url(),
        app = github.app_id(),
        gitlab = gitlab.url(),
    );
    write(&dir.join("gatewright.toml"), &config)?;
    write(&dir.join("app.pem"), &github.private_key_pem())?;
    write(&dir.join("gitlab.token"), gitlab::TOKEN)?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("service.log")).map_err(|e| e.to_string())?;
    let child = Command::new(binary()?)
        .args(["serve", "--config"])
        .arg(dir.join("gatewright.toml"))
        .env("DEMO_WEBHOOK_SECRET", SECRET)
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("the service cannot be started: {e}"))?;
    let client = reqwest::Client::new();
    let ready = patiently("the service to be ready", || async {
        let answer = client.get(format!("{url}/readyz")).send().await.ok()?;
        answer.status().is_success().then_some(())
    });
    if let Err(cause) = ready.await {
        let log = std::fs::read_to_string(dir.join("service.log")).unwrap_or_default();
        return Err(format!("{cause}; its log:\n{log}"));
    }
    Ok(child)
}

/// The service's binary, which lies beside the demo's.
fn binary() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let binary = own.with_file_name("gatewright");
    binary.exists().then_some(binary).ok_or_else(|| "the service is not built; start the demo with `make demo`".to_owned())
}

fn write(path: &Path, content: &str) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, content).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(|e| e.to_string())
}

async fn stop(service: &mut Child) -> Result<(), String> {
    let id = service.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        rustix::process::kill_process(id, rustix::process::Signal::TERM).map_err(|e| e.to_string())?;
    }
    let status = service.wait().await.map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("the service ended with {status}")) }
}

/// Shows each change of a commit's checks until the aggregate has this conclusion. Its details link.
async fn watch(github: &FakeGitHub, commit: &str, conclusion: &str) -> Result<String, String> {
    let mut shown = Vec::new();
    let mut last = None;
    let started = std::time::Instant::now();
    while started.elapsed() < PATIENCE {
        let checks = github.check_runs(REPO, commit);
        for check in checks.values() {
            let line = (check.name.clone(), check.state().to_owned());
            if !shown.contains(&line) {
                show_check(check);
                shown.push(line);
            }
        }
        last = checks.get("gatewright").cloned();
        match &last {
            Some(check) if check.conclusion.as_deref() == Some(conclusion) => {
                return Ok(check.details_url.clone().unwrap_or_default());
            }
            Some(check) if check.conclusion.is_some() => return Err(format!("expected {conclusion}, got {check:#?}")),
            Some(_) | None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    Err(format!("the check never was {conclusion}; it is {last:#?}"))
}

/// Says something on a pull request, and shows the reactions to it and the reply, if there is one.
async fn command(github: &FakeGitHub, number: u64, user: &str, text: &str, reaction: &str) -> Result<(), String> {
    github.advance(2);
    let comment = github.comment(REPO, number, user, text);
    let reacted = || async { github.reactions(REPO, comment).iter().any(|(_, content)| content == reaction).then_some(()) };
    patiently(&format!("the reaction {reaction}"), reacted).await?;
    let reactions: Vec<String> = github.reactions(REPO, comment).into_iter().map(|(_, content)| content).collect();
    show(user, &format!("{text}   [{}]", reactions.join(", ")));
    if reaction == "confused" {
        let replied =
            || async { github.bot_comments(REPO, number).into_iter().find(|c| c.body.starts_with("<!-- gatewright:reply")) };
        println!("{}", indented(&patiently("the reply", replied).await?.body));
    }
    Ok(())
}

async fn check(github: &FakeGitHub, commit: &str, name: &str, state: &str) -> Result<(), String> {
    patiently(name, || async { (github.check_runs(REPO, commit).get(name)?.state() == state).then_some(()) }).await
}

async fn comment(github: &FakeGitHub, number: u64) {
    let settled = patiently("the comment", || async {
        let comment = github.sticky(REPO, number)?;
        (!comment.body.contains("gates done")).then_some(comment)
    });
    if let Ok(comment) = settled.await {
        println!("\n  the one comment on #{number}:\n{}", indented(&comment.body));
    }
}

async fn patiently<T, F, S>(what: &str, look: F) -> Result<T, String>
where
    F: Fn() -> S,
    S: Future<Output = Option<T>>,
{
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.map_err(|_| format!("waited in vain for {what}"))
}

fn say(text: &str) {
    println!("\n● {text}");
}

fn show(what: &str, text: &str) {
    println!("  {what:<14}{text}");
}

fn show_check(check: &CheckRun) {
    println!("  {:<22}{:<16}{}", check.name, check.state(), check.title);
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
