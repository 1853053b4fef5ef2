//! What a pool's containers are to be made of. Pure.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum};
use gatewright_core::config::DockerConfig;

use super::image::Image;
use super::labels;
use super::made::{Host, Made};

/// The engine keeps so much of a container's output, in so many files of this size each; older output goes.
const LOG_FILES: &str = "3";
const LOG_FILE_SIZE: &str = "10m";

/// Processes and threads of an instance. What starts more gets an error when it does.
const PIDS_MAX: i64 = 4096;

/// Docker takes no less than this.
const MEMORY_MIB_MIN: u64 = 6;

/// The engine refuses fewer processors than this.
const CPUS_MILLI_MIN: u64 = 10;

/// No process of an instance gets more rights than it began with.
const SECURITY: &str = "no-new-privileges";

/// What a container is made of beside its pool.
pub(super) struct Surroundings<'a> {
    pub(super) network: &'a str,
    pub(super) cpus_milli: u64,
    pub(super) image: &'a Image,
    /// The pool's environment, with secrets in it.
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
}

/// What the engine will say that it is.
pub(super) fn made(config: &DockerConfig, around: &Surroundings<'_>) -> Made {
    let image = around.image;
    let mut env = image.env.clone();
    env.extend(around.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    Made {
        image: image.id.clone(),
        entrypoint: image.entrypoint.clone(),
        command: config.command.clone().unwrap_or_else(|| image.command.clone()),
        user: image.user.clone(),
        working_dir: image.working_dir.clone(),
        env,
        labels: around.labels.clone(),
        stop_secs: i64::try_from(config.stop_secs).unwrap_or(i64::MAX),
        networks: vec![around.network.to_owned()],
        host: Host {
            memory: memory(config),
            nano_cpus: nano_cpus(config, around.cpus_milli),
            pids: PIDS_MAX,
            restart: RestartPolicyNameEnum::UNLESS_STOPPED.to_string(),
            log: ("json-file".to_owned(), log_options().into_iter().collect()),
            security: vec![SECURITY.to_owned()],
            more: Vec::new(),
        },
    }
}

/// The container, under this hash.
pub(super) fn container(config: &DockerConfig, around: &Surroundings<'_>, hash: &str) -> ContainerCreateBody {
    let mut labels: HashMap<String, String> = around.labels.clone().into_iter().collect();
    labels.insert(labels::CONFIG_HASH.to_owned(), hash.to_owned());
    ContainerCreateBody {
        image: Some(around.image.id.clone()),
        cmd: config.command.clone(),
        env: Some(around.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(labels),
        stop_timeout: Some(i64::try_from(config.stop_secs).unwrap_or(i64::MAX)),
        host_config: Some(HostConfig {
            network_mode: Some(around.network.to_owned()),
            memory: Some(memory(config)),
            memory_swap: Some(memory(config)),
            nano_cpus: Some(nano_cpus(config, around.cpus_milli)),
            pids_limit: Some(PIDS_MAX),
            // The engine's init reaps what is left behind, and passes the signal to stop on to programs that do not expect to be the first.
            init: Some(true),
            restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::UNLESS_STOPPED), maximum_retry_count: None }),
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(log_options()) }),
            security_opt: Some(vec![SECURITY.to_owned()]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn log_options() -> HashMap<String, String> {
    HashMap::from([("max-size".to_owned(), LOG_FILE_SIZE.to_owned()), ("max-file".to_owned(), LOG_FILES.to_owned())])
}

/// In bytes; 0: no bound.
fn memory(config: &DockerConfig) -> i64 {
    let bytes = |mib: u64| i64::try_from(mib.max(MEMORY_MIB_MIN).saturating_mul(1 << 20)).unwrap_or(i64::MAX);
    config.memory_mib.map_or(0, bytes)
}

/// Billionths of a processor, at most what the machine has; 0: no bound.
fn nano_cpus(config: &DockerConfig, there_milli: u64) -> i64 {
    let nano = |milli: u64| i64::try_from(milli.clamp(CPUS_MILLI_MIN, there_milli) * 1_000_000).unwrap_or(i64::MAX);
    config.cpus_milli.map_or(0, nano)
}

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    #[test]
    fn the_environment_of_a_pool_goes_over_that_of_its_image() {
        let image = Image { env: made::env(["PATH=/bin", "A=image"].into_iter()), ..Image::default() };
        let env = BTreeMap::from([("A".to_owned(), "pool".to_owned())]);
        let around = Surroundings { network: "bridge", cpus_milli: 2000, image: &image, env: &env, labels: BTreeMap::new() };
        let made = super::made(&config(), &around);
        assert_eq!(made.env, made::env(["A=pool", "PATH=/bin"].into_iter()));
        assert_eq!(made.host.nano_cpus, 2_000_000_000);
        assert_eq!(made.host.memory, 64 << 20);
    }

    fn config() -> DockerConfig {
        let health = gatewright_core::config::HealthCheck { path: None, every_secs: 1, timeout_secs: 1, ready_within_secs: 1 };
        DockerConfig {
            service: "web".to_owned(),
            image: "img".to_owned(),
            command: None,
            replicas: 1,
            port: 80,
            health,
            env: BTreeMap::new(),
            memory_mib: Some(64),
            cpus_milli: Some(64_000),
            stop_secs: 10,
        }
    }
}
