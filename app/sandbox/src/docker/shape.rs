//! What a sandbox's container is made of: everything that keeps it apart, in one place. Pure.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountType,
    MountVolumeOptions, MountVolumeOptionsDriverConfig, ResourcesUlimits,
};
use gatewright_core::sandbox::{Folder, Limits, Network, SandboxKey, SandboxSpec};

use super::egress::WayOut;

/// Which service made it.
pub(super) const LABEL_INSTANCE: &str = "dev.gatewright.instance";
/// The run that it belongs to.
pub(super) const LABEL_RUN: &str = "dev.gatewright.run";
/// The gate that runs in it.
pub(super) const LABEL_GATE: &str = "dev.gatewright.gate";
/// What its processes may use of its memory, in MiB: see [`memory_bytes`].
pub(super) const LABEL_MEMORY: &str = "dev.gatewright.memory-mib";

/// Where the source lies and commands run.
pub(super) const WORKSPACE: &str = "/workspace";

/// Where what the source is compared with lies.
pub(super) const BASE: &str = "/base";

/// Whom commands run as. The group is named too, or it would be root's.
pub(super) const USER: &str = "1000:1000";

/// Whom the process runs as that keeps the container alive. It is another user than the commands', so that "kill all that
/// I may" at a time limit spares it, and nobody with rights.
const KEEPER: &str = "65534:65534";

/// The shell waits for a line that never comes. A shell is all that an image is asked to have.
const KEEP_ALIVE: &str = "read -r line";

/// `/tmp` and each folder that the image declares a volume get this share of the workspace's size, in memory.
const TMP_SHARE: u64 = 4;

/// But no less than this, in MiB.
const TMP_MIB_MIN: u64 = 16;

/// Open files of one process: what build tools need. An engine that may not raise its own limit refuses to start a container
/// with a higher one, so it is not more than that.
const OPEN_FILES_MAX: i64 = 8192;

/// If the machine itself runs out of memory, sandboxes are to go before the service (0) and the engine (-500).
const OOM_SCORE_ADJ: i64 = 500;

/// Nothing answers there.
const NO_NAME_SERVER: &str = "127.0.0.1";

/// Docker takes no less than this.
const MEMORY_MIB_MIN: u64 = 6;

/// The engine refuses fewer processors than this.
const CPUS_MIN: f64 = 0.01;

/// Where a folder of a sandbox is.
pub(super) fn path(folder: Folder) -> &'static str {
    match folder {
        Folder::Workspace => WORKSPACE,
        Folder::Base => BASE,
    }
}

/// What a container is made of beside its spec.
pub(super) struct Surroundings<'a> {
    /// This service's name.
    pub(super) instance: &'a str,
    /// The environment of every sandbox.
    pub(super) env: &'a BTreeMap<String, String>,
    /// How many processors the machine has.
    pub(super) cpus: f64,
    /// The folders that the image declares as volumes. Left alone, each would be a folder on the host without a bound.
    pub(super) image_volumes: &'a [String],
    /// Its network, where that is one of its own.
    pub(super) way_out: Option<&'a WayOut>,
}

/// The container of a spec.
pub(super) fn container(spec: &SandboxSpec, around: &Surroundings<'_>) -> ContainerCreateBody {
    let mut labels = key_labels(around.instance, &spec.key);
    labels.insert(LABEL_MEMORY.to_owned(), spec.limits.memory_mib.to_string());
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        hostname: Some("gatewright".to_owned()),
        user: Some(KEEPER.to_owned()),
        // The image's own entry point, health check and volumes have no say.
        entrypoint: Some(vec!["sh".to_owned()]),
        cmd: Some(vec!["-c".to_owned(), KEEP_ALIVE.to_owned()]),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        open_stdin: Some(true),
        working_dir: Some(WORKSPACE.to_owned()),
        env: Some(environment(around.env, &spec.env, around.way_out.map(|way_out| &way_out.env))),
        labels: Some(labels.clone()),
        host_config: Some(host_config(spec, around, labels)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(spec: &SandboxSpec, around: &Surroundings<'_>, labels: HashMap<String, String>) -> HostConfig {
    let folders: &[Folder] = if spec.base.is_some() { &[Folder::Workspace, Folder::Base] } else { &[Folder::Workspace] };
    let memory = memory_bytes(&spec.limits, folders.len() as u64);
    HostConfig {
        network_mode: Some(network(spec, around)),
        // The engine's own name server passes questions on from the machine, even for a network without a way out. With a server
        // named, it asks that one from within the sandbox, where there is none.
        dns: around.way_out.map(|_| vec![NO_NAME_SERVER.to_owned()]),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        // The engine's init reaps what the commands leave behind, so that zombies do not eat up the process limit.
        init: Some(true),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        memory: Some(memory),
        memory_swap: Some(memory),
        oom_score_adj: Some(OOM_SCORE_ADJ),
        nano_cpus: Some(nano_cpus(spec.limits.cpus, around.cpus)),
        pids_limit: Some(i64::try_from(spec.limits.pids).unwrap_or(i64::MAX)),
        ulimits: Some(vec![ulimit("core", 0), ulimit("nofile", OPEN_FILES_MAX)]),
        mounts: Some(folders.iter().map(|folder| mount(*folder, &spec.limits, labels.clone())).collect()),
        tmpfs: Some(tmpfs(&spec.limits, around.image_volumes)),
        // Output goes to whoever runs the command; the engine is to write none of it to its disk.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..HostConfig::default()
    }
}

/// The labels by which a sandbox is found again.
pub(super) fn key_labels(instance: &str, key: &SandboxKey) -> HashMap<String, String> {
    HashMap::from([
        (LABEL_INSTANCE.to_owned(), instance.to_owned()),
        (LABEL_RUN.to_owned(), key.run.to_string()),
        (LABEL_GATE.to_owned(), key.gate.as_str().to_owned()),
    ])
}

/// The kernel's bound of a container's memory: what its processes may use, and beside it room for all of its folders and
/// `/tmp`, since files in memory are charged to whoever wrote them. So a full workspace is "no space left", not a kill. That
/// processes use more than their part where the files leave room is watched for while a command runs.
pub(super) fn memory_bytes(limits: &Limits, folders: u64) -> i64 {
    let memory = limits.memory_mib.max(MEMORY_MIB_MIN);
    mib(memory.saturating_add(limits.disk_mib.saturating_mul(folders)).saturating_add(tmp_mib(limits)))
}

fn tmp_mib(limits: &Limits) -> u64 {
    (limits.disk_mib / TMP_SHARE).max(TMP_MIB_MIN)
}

fn mib(mib: u64) -> i64 {
    i64::try_from(mib.saturating_mul(1 << 20)).unwrap_or(i64::MAX)
}

/// Billionths of a processor, at most what the machine has.
fn nano_cpus(wanted: f64, there: f64) -> i64 {
    (wanted.clamp(CPUS_MIN, there) * 1e9).round() as i64
}

fn network(spec: &SandboxSpec, around: &Surroundings<'_>) -> String {
    match (&spec.network, around.way_out) {
        (Network::Open, _) => "bridge".to_owned(),
        (Network::Egress(_), Some(way_out)) => way_out.network.clone(),
        (Network::None, _) | (Network::Egress(_), None) => "none".to_owned(),
    }
}

fn ulimit(name: &str, limit: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(limit), hard: Some(limit) }
}

/// The workspace, like the folder beside it, is a volume of the engine that is a file system in memory. As a volume, and unlike a tmpfs mount, it can be
/// filled through the archive API of every engine version; being of fixed size, it ends in ENOSPC; and without a name it goes
/// with its container.
fn mount(folder: Folder, limits: &Limits, labels: HashMap<String, String>) -> Mount {
    let options = format!("size={}m,uid=1000,gid=1000,mode=0755,nosuid,nodev", limits.disk_mib);
    let driver = HashMap::from([
        ("type".to_owned(), "tmpfs".to_owned()),
        ("device".to_owned(), "tmpfs".to_owned()),
        ("o".to_owned(), options),
    ]);
    Mount {
        target: Some(path(folder).to_owned()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            labels: Some(labels),
            driver_config: Some(MountVolumeOptionsDriverConfig { name: Some("local".to_owned()), options: Some(driver) }),
            subpath: None,
        }),
        ..Mount::default()
    }
}

fn tmpfs(limits: &Limits, image_volumes: &[String]) -> HashMap<String, String> {
    let options = format!("rw,exec,nosuid,nodev,mode=1777,uid=1000,gid=1000,size={}m", tmp_mib(limits));
    let folders =
        image_volumes.iter().map(String::as_str).filter(|folder| ![WORKSPACE, BASE].contains(&folder.trim_end_matches('/')));
    folders.chain(["/tmp"]).map(|folder| (folder.to_owned(), options.clone())).collect()
}

/// The environment, from empty; the image's own variables (such as a toolchain's PATH) are the engine's to add.
fn environment(
    everywhere: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
    way_out: Option<&BTreeMap<String, String>>,
) -> Vec<String> {
    let fixed = [("HOME", "/tmp"), ("CI", "true"), ("GATEWRIGHT", "true")];
    let mut env: BTreeMap<&str, &str> = BTreeMap::from(fixed);
    env.extend(
        everywhere.iter().chain(own).chain(way_out.into_iter().flatten()).map(|(name, value)| (name.as_str(), value.as_str())),
    );
    env.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use gatewright_core::config::Checkout;
    use gatewright_core::forge::CloneCredential;
    use gatewright_core::sandbox::Source;
    use gatewright_core::{ForgeKind, RepoRef, RunId};

    use super::*;

    fn spec() -> SandboxSpec {
        SandboxSpec {
            key: SandboxKey { run: RunId::new(), gate: "unit".parse().unwrap() },
            image: "img:1".to_owned(),
            env: BTreeMap::new(),
            limits: Limits { memory_mib: 100, cpus: 64.0, pids: 10, disk_mib: 200, wall_secs: 5 },
            network: Network::None,
            source: None,
            cache: None,
            base: None,
            watched: false,
        }
    }

    fn around<'a>(env: &'a BTreeMap<String, String>, image_volumes: &'a [String]) -> Surroundings<'a> {
        Surroundings { instance: "i", env, cpus: 2.0, image_volumes, way_out: None }
    }

    #[test]
    fn memory_has_room_for_the_files_and_no_swap() {
        let host = container(&spec(), &around(&BTreeMap::new(), &[])).host_config.unwrap();
        assert_eq!(host.memory, Some((100 + 200 + 50) << 20));
        assert_eq!(host.memory_swap, host.memory);
    }

    #[test]
    fn a_base_has_a_folder_of_its_own_as_large_as_the_workspace() {
        let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "o/a".to_owned(), installation: None };
        let credential = CloneCredential { url: "https://forge.example/o/a.git".to_owned(), login: None, one_repository: true };
        let commit = "a".repeat(40).parse().unwrap();
        let base = Some(Source { repo, commit, credential, checkout: Checkout::default(), overlay: std::sync::Arc::default() });
        let host = container(&SandboxSpec { base, ..spec() }, &around(&BTreeMap::new(), &[])).host_config.unwrap();
        let folders: Vec<String> = host.mounts.unwrap().into_iter().filter_map(|mount| mount.target).collect();
        assert_eq!(folders, ["/workspace", "/base"]);
        assert_eq!(host.memory, Some((100 + 2 * 200 + 50) << 20));
    }

    #[test]
    fn more_processors_than_the_machine_has_are_all_of_them() {
        assert_eq!(nano_cpus(64.0, 2.0), 2_000_000_000);
        assert_eq!(nano_cpus(0.5, 2.0), 500_000_000);
        assert_eq!(nano_cpus(-1.0, 2.0), 10_000_000);
    }

    #[test]
    fn a_folder_that_the_image_declares_a_volume_is_bounded_too() {
        let volumes = ["/var/cache/x".to_owned(), "/workspace".to_owned()];
        let host = container(&spec(), &around(&BTreeMap::new(), &volumes)).host_config.unwrap();
        let tmpfs = host.tmpfs.unwrap();
        assert!(tmpfs["/var/cache/x"].contains("size=50m"));
        assert!(!tmpfs.contains_key("/workspace"));
        assert!(tmpfs.contains_key("/tmp"));
    }

    #[test]
    fn a_sandboxs_own_environment_goes_over_the_services() {
        let everywhere = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "1".to_owned())]);
        let own = BTreeMap::from([("B".to_owned(), "2".to_owned()), ("HOME".to_owned(), "/workspace".to_owned())]);
        assert_eq!(environment(&everywhere, &own, None), ["A=1", "B=2", "CI=true", "GATEWRIGHT=true", "HOME=/workspace"]);
    }
}
