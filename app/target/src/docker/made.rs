//! What a container is made of, in a form in which what should be and what is can be compared.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerInspectResponse, HostConfig};
use gatewright_core::secret::{ExposeSecret, SecretString};
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;

use super::labels;

/// Everything that decides what a container does, and that somebody could change.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(super) struct Made {
    pub(super) image: String,
    pub(super) entrypoint: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) user: String,
    pub(super) working_dir: String,
    pub(super) env: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) stop_secs: i64,
    pub(super) networks: Vec<String>,
    pub(super) host: Host,
}

/// Its part of the host.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(super) struct Host {
    pub(super) memory: i64,
    pub(super) nano_cpus: i64,
    pub(super) pids: i64,
    pub(super) restart: String,
    pub(super) log: (String, BTreeMap<String, String>),
    pub(super) security: Vec<String>,
    /// What no container of ours has: mounts, devices, capabilities, ports, the host's own namespaces.
    pub(super) more: Vec<String>,
}

impl Made {
    /// The hash by which it is compared. Only who has the key can tell a value from it.
    pub(super) fn hash(&self, key: &SecretString) -> String {
        let text = serde_json::to_vec(self).expect("texts and numbers are JSON");
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).expect("a key of any length will do");
        mac.update(&text);
        hex::encode(mac.finalize().into_bytes())
    }

    /// The same without the values of secrets: a secret that was changed at its source makes no other container of it.
    pub(super) fn without_secrets(&self) -> Made {
        let mut made = self.clone();
        let secrets = self.labels.get(labels::SECRETS).cloned().unwrap_or_default();
        for name in secrets.split(',').filter(|name| !name.is_empty()) {
            made.env.insert(name.to_owned(), String::new());
        }
        made
    }
}

/// What the engine says that a container is.
pub(super) fn of(container: &ContainerInspectResponse) -> Made {
    let config = container.config.clone().unwrap_or_default();
    let host = container.host_config.clone().unwrap_or_default();
    let attached = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mut networks: Vec<String> = attached.into_iter().flat_map(HashMap::keys).cloned().collect();
    networks.sort();
    Made {
        image: container.image.clone().unwrap_or_default(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        env: env(config.env.unwrap_or_default().iter().map(String::as_str)),
        labels: labels::ours(&config.labels.unwrap_or_default()),
        stop_secs: config.stop_timeout.unwrap_or(-1),
        networks,
        host: Host {
            memory: host.memory.unwrap_or(0),
            nano_cpus: host.nano_cpus.unwrap_or(0),
            pids: host.pids_limit.unwrap_or(0),
            restart: host.restart_policy.as_ref().and_then(|policy| policy.name).map(|name| name.to_string()).unwrap_or_default(),
            log: host.log_config.as_ref().map_or_else(Default::default, |log| {
                let options = log.config.clone().unwrap_or_default().into_iter().collect();
                (log.typ.clone().unwrap_or_default(), options)
            }),
            security: host.security_opt.clone().unwrap_or_default(),
            more: more(&host),
        },
    }
}

/// Variables by name, the last of the same name.
pub(super) fn env<'a>(variables: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    variables
        .map(|variable| variable.split_once('=').unwrap_or((variable, "")))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect()
}

/// What a container may have beyond what ours are made with, a line each.
fn more(host: &HostConfig) -> Vec<String> {
    let mut more = Vec::new();
    let mut note = |what: &str, there: Option<String>| more.extend(there.map(|there| format!("{what} {there}")));
    note("privileged", host.privileged.filter(|is| *is).map(|_| String::new()));
    note("binds", host.binds.as_ref().filter(|all| !all.is_empty()).map(|all| all.join(" ")));
    note("mounts", host.mounts.as_ref().filter(|all| !all.is_empty()).map(|all| format!("{all:?}")));
    note("devices", host.devices.as_ref().filter(|all| !all.is_empty()).map(|all| format!("{all:?}")));
    note("cap_add", host.cap_add.as_ref().filter(|all| !all.is_empty()).map(|all| all.join(" ")));
    note("ports", host.port_bindings.as_ref().filter(|all| !all.is_empty()).map(|all| format!("{all:?}")));
    note("pid", host.pid_mode.clone().filter(|mode| !mode.is_empty()));
    note("ipc", host.ipc_mode.clone().filter(|mode| mode == "host"));
    note("uts", host.uts_mode.clone().filter(|mode| !mode.is_empty()));
    more
}
