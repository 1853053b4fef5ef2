//! What these scenarios share: a forge, a service, and a site to release to. Each has a place of its own, and what is made there is removed
//! with it.

use std::sync::Arc;

use gatewright_core::secret::SecretString;
use gatewright_core::store::{RunState, Store};
use gatewright_core::target::{Place, Site, Sites, TargetError};
use gatewright_target::docker::{Config as DockerConfig, DockerTarget, PullPolicy, Secrets};
use gatewright_target::haproxy::{self, Haproxy};
use gatewright_tests::FakeGitHub;
use gatewright_tests::github::{Level, PullSpec};
use gatewright_tests::service::{Service, Setting, until};
use gatewright_tests::site::load::{Load, People, Seen};
use gatewright_tests::site::{Router, Shape};
use gatewright_tests::stage::readable;

/// The repository.
pub(crate) const REPO: &str = "octo/app";

struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _place: &Place, name: &str) -> Result<SecretString, TargetError> {
        Err(TargetError::Refused { what: format!("secret `{name}`"), cause: "there is none".to_owned() })
    }
}

/// One environment, `production`, of one service.
struct OneSite {
    service: String,
    site: Site,
}

impl Sites for OneSite {
    fn site(&self, place: &Place) -> Result<Site, TargetError> {
        if place.service == self.service {
            return Ok(self.site.clone());
        }
        Err(TargetError::Refused { what: place.to_string(), cause: "no target is opened to it".to_owned() })
    }
}

/// A forge with a repository, a site, and the service between them.
pub(crate) struct World {
    pub(crate) github: FakeGitHub,
    pub(crate) service: Service,
    pub(crate) router: Router,
    pub(crate) name: String,
    setting: Setting,
    _containers: Containers,
    _dir: tempfile::TempDir,
}

/// The containers of a service, which go when this does.
pub(crate) struct Containers(pub(crate) String);

impl World {
    pub(crate) async fn start() -> World {
        Self::start_with(|_| {}).await
    }

    /// With another setting.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Setting)) -> World {
        let name = format!("s{:x}", uuid::Uuid::new_v4().as_fields().0);
        let router = Router::start(Shape::default()).await;
        let site = site_behind(&router);
        let github = FakeGitHub::start().await;
        github.create_repo(REPO);
        github.protect(REPO, "main");
        for (user, level) in [("rita", Level::Read), ("wendy", Level::Write), ("max", Level::Maintain), ("ada", Level::Admin)] {
            github.set_permission(REPO, user, level);
        }
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let mut setting = Setting::new(&github, dir.path());
        // Gates are no part of what is tried here.
        setting.on_machine = true;
        setting.sites = Arc::new(OneSite { service: name.clone(), site });
        change(&mut setting);
        let service = Service::start(&github, &setting).await;
        World { github, service, router, setting, _containers: Containers(name.clone()), name, _dir: dir }
    }

    /// The repository file, with these lines of the environment and these variables of its instances.
    pub(crate) fn file(&self, environment: &str, env: &str) -> String {
        file(&self.name, environment, env)
    }

    /// Merges a change with this repository file and tags it. Returns the commit.
    pub(crate) fn tag(&self, tag: &str, file: &str) -> String {
        let commit = self.github.commit(
            REPO,
            "main",
            "alice",
            &format!("feat: what {tag} brings"),
            [(".gatewright.yml", file), ("f", tag)],
        );
        self.github.push_tag(REPO, tag, &commit, "alice");
        commit
    }

    /// Has a change with this repository file merged by `wendy` and tags what came of it. Returns the pull request.
    pub(crate) fn merge(&self, tag: &str, file: &str) -> u64 {
        let branch = format!("topic-{tag}");
        self.github.commit(REPO, &branch, "alice", &format!("feat: what {tag} brings"), [(".gatewright.yml", file), ("f", tag)]);
        let number = self.github.open_pull(REPO, PullSpec::of("alice", &branch));
        let commit = self.github.merge_pull(REPO, number, "wendy").expect("nothing conflicts");
        self.github.push_tag(REPO, tag, &commit, "alice");
        number
    }

    /// Says something in a pull request and waits until it was weighed. The answer in words, where there is one.
    pub(crate) async fn say(&self, number: u64, user: &str, words: &str) -> String {
        let replies = || self.github.bot_comments(REPO, number).len();
        let before = replies();
        let comment = self.github.comment(REPO, number, user, words);
        until("the command was weighed", || async {
            self.github.reactions(REPO, comment).iter().any(|(_, reaction)| reaction != "eyes")
        })
        .await;
        if self.github.reactions(REPO, comment).iter().any(|(_, reaction)| reaction == "confused") {
            until("the command was answered", || async { replies() > before }).await;
        }
        let answers = self.github.bot_comments(REPO, number).into_iter().skip(before);
        answers.map(|comment| readable(&comment.body)).collect::<Vec<_>>().join("\n")
    }

    /// Waits until the last deployment to an environment says this.
    pub(crate) async fn until_says(&self, environment: &str, words: &str) {
        let said = || async { self.steps(environment).iter().any(|step| step.contains(words)) };
        until(&format!("{environment} says: {words}"), said).await;
    }

    /// Waits until the last deployment is one of this tag, and says this.
    pub(crate) async fn until_at(&self, tag: &str, environment: &str, words: &str) {
        let of = format!("{tag} to {environment} ");
        let there = || async { self.last(environment).starts_with(&of) };
        let what = format!("{tag} goes to {environment}");
        let within = tokio::time::timeout(std::time::Duration::from_secs(50), until(&what, there)).await;
        assert!(within.is_ok(), "{tag} does not go to {environment}:\n{}", self.unfinished().await);
        self.until_says(environment, words).await;
    }

    fn last(&self, environment: &str) -> String {
        let deployments = self.github.deployments(REPO);
        let is_head = |line: &&str| !line.starts_with(' ') && line.contains(&format!(" to {environment} "));
        deployments.lines().rfind(is_head).unwrap_or_default().to_owned()
    }

    /// The versions that answer so many requests.
    pub(crate) async fn answers(&self, requests: u64) -> Seen {
        let load = Load::start(&self.router.address(), People { eager: 2, slow: 0, talking: 0 });
        load.more(requests).await;
        load.stop().await
    }

    /// The containers of the service, by version.
    pub(crate) fn containers(&self) -> Vec<String> {
        containers(&self.name)
    }

    /// Stops the service as SIGTERM does and starts it on the same store.
    pub(crate) async fn restarted(self) -> World {
        let World { github, service, router, name, setting, _containers, _dir } = self;
        service.stop().await;
        let service = Service::start(&github, &setting).await;
        World { github, service, router, name, setting, _containers, _dir }
    }

    /// What people read of the last deployment to an environment, one line after the other.
    pub(crate) fn steps(&self, environment: &str) -> Vec<String> {
        let told = self.github.deployments(REPO);
        let last = told.rsplit_once(&format!(" to {environment} ")).map(|(_, last)| last.to_owned()).unwrap_or_default();
        let line = |line: &str| match line.trim().split_once(": ") {
            Some(("queued", _)) | None => "queued".to_owned(),
            Some((_, words)) => words.to_owned(),
        };
        last.lines().skip(1).map(line).collect()
    }

    /// Waits until every delivery was taken and every run is over.
    pub(crate) async fn idle(&self) {
        let idle = tokio::time::timeout(std::time::Duration::from_secs(100), self.service.idle(&self.github)).await;
        assert!(idle.is_ok(), "it is not over: {}\n{}", self.github.deployments(REPO), self.unfinished().await);
    }

    /// The runs that are not over, and how each has come to where it stands.
    async fn unfinished(&self) -> String {
        let mut told = String::new();
        for record in self.service.runs().await {
            if matches!(record.state, RunState::Finished { .. }) {
                continue;
            }
            let (_, journal) = self.service.store.journal(record.id).await.expect("the store answers");
            let last: String = journal[journal.len().saturating_sub(12)..].iter().map(|entry| format!("  {entry:?}\n")).collect();
            told += &format!("{} {:?}\n{last}", record.title, record.state);
        }
        told
    }

    pub(crate) async fn end(self) {
        self.service.stop().await;
        self.github.assert_valid();
    }
}

/// Containers behind a router.
pub(crate) fn site_behind(router: &Router) -> Site {
    site_on(None, router)
}

/// Containers of this engine behind a router.
pub(crate) fn site_on(engine: Option<String>, router: &Router) -> Site {
    let target = DockerTarget::new(DockerConfig {
        engine,
        network: "bridge".to_owned(),
        pull: PullPolicy::Never,
        secrets: Arc::new(NoSecrets),
        hash_key: SecretString::from("key of the scenarios"),
    });
    let haproxy = Arc::new(Haproxy::new(haproxy::Config {
        server_options: "check inter 300ms fastinter 100ms downinter 100ms rise 1 fall 2".to_owned(),
        servers_file: Some(router.servers_file()),
        latency_table: Some("gatewright_web_latency".to_owned()),
        ..haproxy::Config::new(haproxy::Address::Unix(router.socket()), "web")
    }));
    Site { target: Arc::new(target), router: haproxy.clone(), metrics: vec![haproxy] }
}

/// The repository file for a service, with these lines of the environment and these variables of its instances.
pub(crate) fn file(name: &str, environment: &str, env: &str) -> String {
    format!(
        "image: gatewright-sandbox:local\ngates:\n  good: {{ run: 'true' }}\nreleases:\n  on: {{ tag: 'v*' }}\n  require: [good]\n\
         environments:\n  production:\n    target:\n      docker:\n        service: {name}\n        image: gatewright-instance:local\n        \
         replicas: 2\n        port: 8080\n        stop: 1s\n        health: {{ path: /healthz, every: 1s, timeout: 2s, ready-within: 20s }}\n        \
         env: {{ VERSION: '{{{{ version }}}}'{env} }}\n{environment}"
    )
}

/// The containers of a service, by version.
pub(crate) fn containers(name: &str) -> Vec<String> {
    let listed = std::process::Command::new("docker")
        .args(["ps", "-a", "--format", "{{.Label \"gatewright.place\"}} {{.Label \"gatewright.version\"}}"])
        .output()
        .expect("the docker client is installed by tests/setup/all.sh");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let own = listed.lines().filter_map(|line| line.split_once(' ')).filter(|(place, _)| place.ends_with(&format!("/{name}")));
    let mut own: Vec<String> = own.map(|(_, version)| version.to_owned()).collect();
    own.sort();
    own
}

impl Drop for Containers {
    fn drop(&mut self) {
        let docker = |arguments: &[&str]| std::process::Command::new("docker").args(arguments).output();
        let Ok(listed) =
            docker(&["ps", "-a", "--format", "{{.ID}} {{.Label \"gatewright.place\"}}", "--filter", "label=gatewright.place"])
        else {
            return;
        };
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let own = listed.lines().filter(|line| line.ends_with(&format!("/{}", self.0)));
        let ids: Vec<&str> = own.filter_map(|line| line.split_whitespace().next()).collect();
        if !ids.is_empty() {
            let _ = docker(&[&["rm", "-f", "-v"], ids.as_slice()].concat());
        }
    }
}
