//! The demo's releases: a tag that goes out in stages, and one that undoes itself, over containers and HAProxy with people on it.

use gatewright_tests::FakeGitHub;
use gatewright_tests::github::PullSpec;
use gatewright_tests::site::load::{Load, People, Seen};
use gatewright_tests::site::{IMAGE, Router, Shape};

use super::{indented, patiently, say, show};

/// The repository that is released.
pub(super) const REPO: &str = "octo/web";

/// What the server file says of where it goes.
pub(super) fn table(router: &Router) -> String {
    format!(
        "[[target]]\nservice = \"web\"\nenvironment = \"production\"\nrepository = \"{REPO}\"\ndriver = \"docker\"\npull = \"never\"\n\n\
         [target.router]\nkind = \"haproxy\"\nsocket = \"unix://{socket}\"\nbackend = \"web\"\nservers_file = \"{servers}\"\n\
         latency_table = \"gatewright_web_latency\"\nreload_grace_secs = 0\n\
         server_options = \"check inter 300ms fastinter 100ms downinter 100ms rise 1 fall 2\"\n\n\
         [rollout]\nmeasure_secs = 1\nbaseline_secs = 2\ndrain_secs = 5\n\n",
        socket = router.socket().display(),
        servers = router.servers_file().display(),
    )
}

/// HAProxy, as an operator would run it.
pub(super) async fn router() -> Router {
    Router::start(Shape::default()).await
}

fn file(env: &str) -> String {
    format!(
        "\
image: gatewright-sandbox:local
gates:
  style: {{ run: \"! grep -rn 'TODO' src\" }}
releases:
  on: {{ tag: 'v*' }}
  require: [style]
environments:
  production:
    target:
      docker:
        service: web
        image: {IMAGE}
        replicas: 2
        health: {{ path: /healthz, every: 1s }}
        stop: 1s
        env: {{ VERSION: '{{{{ version }}}}'{env} }}
    strategy: {{ canary: {{ steps: [10, 50, 100], every: 3s, keep: 0s }} }}
    analysis: {{ warm-up: 0s }}
"
    )
}

/// A change of this kind is merged and tagged. Its pull request's number.
fn tagged(github: &FakeGitHub, tag: &str, title: &str, env: &str) -> Result<u64, String> {
    let branch = format!("for-{tag}");
    github.commit(REPO, &branch, "alice", title, [(".gatewright.yml", file(env).as_str()), ("src/web.sh", title)]);
    let number = github.open_pull(REPO, PullSpec::of("alice", &branch).title(title));
    let merged = github.merge_pull(REPO, number, "alice").ok_or("the pull request cannot be merged")?;
    github.push_tag(REPO, tag, &merged, "alice");
    Ok(number)
}

/// Shows each status of the newest deployment until one says this. The comment on the pull request then.
async fn watch(github: &FakeGitHub, number: u64, tag: &str, end: &str) -> Result<(), String> {
    let mut shown = 0;
    let started = std::time::Instant::now();
    while started.elapsed() < super::PATIENCE * 2 {
        let told = github.deployments(REPO);
        let lines: Vec<&str> = told.rsplit(&format!("{tag} to production")).next().unwrap_or_default().lines().skip(1).collect();
        for line in lines.iter().skip(shown) {
            show("production", line.trim());
            shown += 1;
        }
        if lines.last().is_some_and(|line| line.trim().starts_with(end)) {
            let comment = || async { github.release_comment(REPO, number).filter(|body| !body.contains("🔄")) };
            println!("\n  the comment on #{number}:\n{}", indented(&patiently("the release's comment", comment).await?));
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Err(format!("{tag} never came to its end: {}", github.deployments(REPO)))
}

fn answers(seen: &Seen) -> String {
    let good: Vec<String> = seen.good.iter().map(|(version, count)| format!("{count} from {version}")).collect();
    let bad: Vec<String> = seen.bad.iter().map(|(what, count)| format!("{count} {what}")).collect();
    format!("{}; failed: {}", good.join(", "), if bad.is_empty() { "none".to_owned() } else { bad.join(", ") })
}

/// The whole of it.
pub(super) async fn releases(github: &FakeGitHub, router: &Router) -> Result<(), String> {
    github.create_repo(REPO);
    github.protect(REPO, "main");
    say("A web service is released by tags: two containers behind HAProxy, and a canary with 10, 50 and 100 % of the requests.");
    println!("{}", indented(&file("")));
    let first = tagged(github, "v1.0.0", "feat: a web service", "")?;
    watch(github, first, "v1.0.0", "success").await?;

    say("People use it. v1.1.0 is tagged and goes out in stages; nobody notices.");
    let load = Load::start(&router.address(), People { eager: 4, slow: 1, talking: 0 });
    let good = tagged(github, "v1.1.0", "feat: answers in half the time", "")?;
    watch(github, good, "v1.1.0", "success").await?;
    load.more(100).await;
    let seen = load.stop().await;
    show("people saw", &answers(&seen));
    if !seen.bad.is_empty() {
        return Err("a good release was noticed".to_owned());
    }

    say("v1.2.0 passes its gates and its health checks, and fails every third request. It undoes itself.");
    let load = Load::start(&router.address(), People { eager: 4, slow: 0, talking: 0 });
    let bad = tagged(github, "v1.2.0", "fix: a faster cache", ", FAIL_PERCENT: '33'")?;
    watch(github, bad, "v1.2.0", "failure").await?;
    let seen = load.stop().await;
    show("people saw", &answers(&seen));
    let load = Load::start(&router.address(), People { eager: 2, slow: 0, talking: 0 });
    load.more(100).await;
    show("and now", &answers(&load.stop().await));
    Ok(())
}
