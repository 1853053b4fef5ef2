//! What the tests of this folder share: a place of its own for each, and what is made there is removed with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_core::config::{DockerConfig, EnvValue, HealthCheck, TargetConfig};
use gatewright_core::secret::SecretString;
use gatewright_core::target::{Health, Instance, Place, Pool, Target, TargetError};
use gatewright_core::{ForgeKind, RepoRef};
use gatewright_target::docker::{Config, DockerTarget, PullPolicy, Secrets};
use gatewright_target::haproxy::{self, Haproxy, Pins};

use crate::site::{IMAGE, Router, until};

/// A secret that must be seen nowhere.
pub(crate) const SECRET: &str = "tr0ub4dor-and-3";

struct OneSecret(&'static str);

impl Secrets for OneSecret {
    fn resolve(&self, _place: &Place, name: &str) -> Result<SecretString, TargetError> {
        match name {
            "database" => Ok(SecretString::from(self.0)),
            _ => Err(TargetError::Refused { what: format!("secret `{name}`"), cause: "there is none".to_owned() }),
        }
    }
}

/// A place, with the containers that are made there.
pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) target: DockerTarget,
}

impl World {
    pub(crate) fn new() -> World {
        World { place: place(), target: World::target_with(SECRET) }
    }

    /// Another process of the same service, whose secret has this value.
    pub(crate) fn target_with(secret: &'static str) -> DockerTarget {
        DockerTarget::new(World::config(secret))
    }

    pub(crate) fn config(secret: &'static str) -> Config {
        Config {
            engine: None,
            network: "bridge".to_owned(),
            pull: PullPolicy::Never,
            secrets: Arc::new(OneSecret(secret)),
            hash_key: SecretString::from("key of the tests"),
        }
    }

    pub(crate) async fn deploy(&self, pool: &Pool, replicas: u32) -> Vec<Instance> {
        self.target.deploy(&self.place, pool, replicas).await.unwrap()
    }

    pub(crate) async fn observe(&self) -> Vec<Instance> {
        self.target.observe(&self.place).await.unwrap().instances
    }

    /// Deploys, and waits until all are ready.
    pub(crate) async fn ready(&self, pool: &Pool, replicas: u32) -> Vec<Instance> {
        self.deploy(pool, replicas).await;
        let of_pool = |all: Vec<Instance>| all.into_iter().filter(|instance| instance.pool == pool.id).collect::<Vec<_>>();
        until("all instances are ready", || async {
            of_pool(self.observe().await).iter().all(|instance| instance.health == Health::Ready)
        })
        .await;
        of_pool(self.observe().await)
    }
}

/// A place that no other test has.
pub(crate) fn place() -> Place {
    let id = u64::from(uuid::Uuid::new_v4().as_fields().0);
    let repo = RepoRef { forge: ForgeKind::Github, id, path: "octo/app".to_owned(), installation: None };
    Place { repo, environment: "production".parse().unwrap(), service: format!("t{id:x}") }
}

impl Drop for World {
    fn drop(&mut self) {
        let label = format!("label=gatewright.place=github/{}/production/{}", self.place.repo.id, self.place.service);
        let docker = |arguments: &[&str]| std::process::Command::new("docker").args(arguments).output();
        let Ok(listed) = docker(&["ps", "-aq", "--filter", &label]) else { return };
        let ids = String::from_utf8_lossy(&listed.stdout).into_owned();
        let ids: Vec<&str> = ids.split_whitespace().collect();
        if !ids.is_empty() {
            let _ = docker(&[&["rm", "-f", "-v"], ids.as_slice()].concat());
        }
    }
}

/// The docker client, for what people do by hand.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = std::process::Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A pool of this version.
pub(crate) fn pool(version: &str) -> Pool {
    pool_with(version, &[])
}

pub(crate) fn pool_with(version: &str, env: &[(&str, &str)]) -> Pool {
    let mut variables = BTreeMap::from([("VERSION".to_owned(), EnvValue::Plain(version.to_owned()))]);
    variables.extend(env.iter().map(|(name, value)| ((*name).to_owned(), EnvValue::Plain((*value).to_owned()))));
    let health = HealthCheck { path: Some("/healthz".to_owned()), every_secs: 1, timeout_secs: 2, ready_within_secs: 20 };
    let config = DockerConfig {
        service: "web".to_owned(),
        image: IMAGE.to_owned(),
        command: None,
        replicas: 2,
        port: 8080,
        health,
        env: variables,
        memory_mib: Some(64),
        cpus_milli: Some(1000),
        stop_secs: 1,
    };
    Pool {
        id: format!("{version}-0a1b2c3d").parse().unwrap(),
        version: version.to_owned(),
        config: TargetConfig::Docker(config),
        digest: None,
    }
}

/// The same with another configuration.
pub(crate) fn changed(pool: &Pool, change: impl FnOnce(&mut DockerConfig)) -> Pool {
    let mut pool = pool.clone();
    let TargetConfig::Docker(config) = &mut pool.config else { unreachable!("the tests make containers") };
    change(config);
    pool
}

/// Gatewright's side of a router.
pub(crate) fn haproxy(router: &Router) -> Haproxy {
    Haproxy::new(config(router))
}

pub(crate) fn config(router: &Router) -> haproxy::Config {
    haproxy::Config {
        server_options: "check inter 300ms fastinter 100ms downinter 100ms rise 1 fall 2".to_owned(),
        servers_file: Some(router.servers_file()),
        latency_table: Some("gatewright_web_latency".to_owned()),
        pins: Some(Pins {
            map: router.pins().display().to_string(),
            header: Some("X-Canary".to_owned()),
            cookie: Some("canary".to_owned()),
        }),
        ..haproxy::Config::new(haproxy::Address::Unix(router.socket()), "web")
    }
}
