//! What these scenarios share: a forge, a service, and a site to release to. Each has a place of its own, and what is made there is removed
//! with it.

use std::sync::Arc;

use gatewright_core::secret::SecretString;
use gatewright_core::target::{Place, Site, Sites, TargetError};
use gatewright_target::docker::{Config as DockerConfig, DockerTarget, PullPolicy, Secrets};
use gatewright_target::haproxy::{self, Haproxy};
use gatewright_tests::FakeGitHub;
use gatewright_tests::service::{Service, Setting};
use gatewright_tests::site::{Router, Shape};

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
    _containers: Containers,
    _dir: tempfile::TempDir,
}

/// The containers of a service, which go when this does.
struct Containers(String);

impl World {
    pub(crate) async fn start() -> World {
        let name = format!("s{:x}", uuid::Uuid::new_v4().as_fields().0);
        let router = Router::start(Shape::default()).await;
        let target = DockerTarget::new(DockerConfig {
            engine: None,
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
        let site = Site { target: Arc::new(target), router: haproxy.clone(), metrics: vec![haproxy] };
        let github = FakeGitHub::start().await;
        github.create_repo(REPO);
        github.protect(REPO, "main");
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let mut setting = Setting::new(&github, dir.path());
        setting.sites = Arc::new(OneSite { service: name.clone(), site });
        let service = Service::start(&github, &setting).await;
        World { github, service, router, _containers: Containers(name.clone()), name, _dir: dir }
    }

    /// The repository file, with these lines of the environment and these variables of its instances.
    pub(crate) fn file(&self, environment: &str, env: &str) -> String {
        format!(
            "image: gatewright-sandbox:local\ngates:\n  good: {{ run: 'true' }}\nreleases:\n  on: {{ tag: 'v*' }}\n  require: [good]\n\
             environments:\n  production:\n    target:\n      docker:\n        service: {name}\n        image: gatewright-instance:local\n        \
             replicas: 2\n        port: 8080\n        stop: 1s\n        health: {{ path: /healthz, every: 1s, timeout: 2s, ready-within: 20s }}\n        \
             env: {{ VERSION: '{{{{ version }}}}'{env} }}\n{environment}",
            name = self.name,
        )
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
        self.service.idle(&self.github).await;
    }

    pub(crate) async fn end(self) {
        self.service.stop().await;
        self.github.assert_valid();
    }
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
