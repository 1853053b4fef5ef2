//! The environment of a command on the host: from empty, what a toolchain needs to be found, and what the gate says.
//!
//! Secrets of a CI job are in its environment, and tokens of a developer in theirs. So names are let through one by one, and
//! what is not known here has to be asked for.

use std::collections::BTreeMap;
use std::ffi::OsString;

use gatewright_core::sandbox::{SandboxKey, SandboxSpec};

use super::HostConfig;

/// What is taken from this process's own environment. Listed in `docs/local-run.md`.
const KEPT: [&str; 61] = [
    // Who and where.
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    // Where toolchains are.
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOPATH",
    "GOROOT",
    "GOCACHE",
    "GOMODCACHE",
    "GOTOOLCHAIN",
    "JAVA_HOME",
    "M2_HOME",
    "MAVEN_HOME",
    "GRADLE_USER_HOME",
    "ANDROID_HOME",
    "DOTNET_ROOT",
    "NVM_DIR",
    "VOLTA_HOME",
    "PNPM_HOME",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "pythonLocation",
    "GEM_HOME",
    "GEM_PATH",
    "RBENV_ROOT",
    "LD_LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    // How the outside is reached.
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    // What a CI runner is.
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "RUNNER_OS",
    "RUNNER_ARCH",
    "RUNNER_TEMP",
    "RUNNER_TOOL_CACHE",
    "AGENT_TOOLSDIRECTORY",
    "ImageOS",
];

/// The variable that a sandbox's processes are found by. A gate cannot set it: names that begin so are reserved.
const MARK: &str = "GATEWRIGHT_SANDBOX";

/// The mark of a sandbox, as it stands in the environment of its processes.
pub(super) fn mark(instance: &str, key: &SandboxKey) -> String {
    format!("{MARK}={instance}/{}/{}", key.run, key.gate)
}

/// The whole environment of a sandbox's commands.
pub(super) fn environment(config: &HostConfig, spec: &SandboxSpec) -> BTreeMap<OsString, OsString> {
    let kept = KEPT.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let mut env: BTreeMap<OsString, OsString> = kept.collect();
    env.extend([("CI", "true"), ("GATEWRIGHT", "true")].map(|(name, value)| (name.into(), value.into())));
    env.extend(config.env.iter().chain(&spec.env).map(|(name, value)| (name.into(), value.into())));
    if let Some((name, value)) = mark(&config.instance, &spec.key).split_once('=') {
        env.insert(name.into(), value.into());
    }
    env
}
