//! The way out of a sandbox that has one: a network of its own, without any other route, on whose gateway a proxy of this process
//! listens.
//!
//! The network is internal, so the engine passes nothing on from it. What else listens on all addresses of the engine's machine can
//! be reached at the gateway as well, unless the machine's firewall says otherwise: for its rules (`docs/operations.md`) all such
//! networks have interfaces of one name, and the proxies one port. The engine has to run on this machine, or nobody can listen there.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::PoisonError;

use bollard::Docker;
use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::InspectNetworkOptions;
use gatewright_core::sandbox::{EgressSpec, EgressUse, Network, SandboxError, SandboxKey, SandboxSpec};
use tokio::net::TcpListener;

use super::error::{unavailable, within};
use super::shape::key_labels;
use super::{CALL_MAX, DockerSandbox};
use crate::egress::{Egress, Place};

/// How the interfaces of such networks begin, on the machine.
const INTERFACE: &str = "gwe";

/// An interface's name has at most so many characters.
const INTERFACE_MAX: usize = 15;

/// On which port of its gateway a proxy listens. Where that is taken, on any.
const PORT: u16 = 8317;

/// What a container needs to know of its network.
#[derive(Debug, Default)]
pub(super) struct WayOut {
    /// Its name on the engine.
    pub(super) network: String,
    /// By what commands find the proxy.
    pub(super) env: BTreeMap<String, String>,
}

/// Makes the network and starts the proxy, where a sandbox is to have them.
pub(super) async fn open(this: &DockerSandbox, docker: &Docker, spec: &SandboxSpec) -> Result<Option<WayOut>, SandboxError> {
    let egress = match &spec.network {
        Network::Egress(egress) => egress,
        Network::None | Network::Open => return Ok(None),
    };
    let network = format!("gatewright-{}", uuid::Uuid::new_v4().simple());
    let (asked, docker, name) = (request(this, &network, &spec.key), docker.clone(), network.clone());
    let made = async move {
        docker.create_network(asked).await.map_err(|e| unavailable(&e))?;
        gateway(&docker, &name).await
    };
    let gateway = this.starts.whole(&spec.key, within("making a network", CALL_MAX, made)).await?;
    let proxy = start(this, gateway, &spec.key, egress).await?;
    let env = proxy.env();
    this.proxies.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.key.clone(), proxy);
    Ok(Some(WayOut { network, env }))
}

fn request(this: &DockerSandbox, name: &str, key: &SandboxKey) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        internal: Some(true),
        attachable: Some(false),
        enable_ipv6: Some(false),
        options: Some(HashMap::from([("com.docker.network.bridge.name".to_owned(), interface(name))])),
        labels: Some(key_labels(&this.config.instance, key)),
        ..NetworkCreateRequest::default()
    }
}

/// By the random end of the network's name.
fn interface(network: &str) -> String {
    let random: String = network.chars().rev().take(INTERFACE_MAX - INTERFACE.len()).collect();
    format!("{INTERFACE}{random}")
}

/// The machine's own address in a network, and how many bits of it are the network's.
async fn gateway(docker: &Docker, network: &str) -> Result<(Ipv4Addr, u32), SandboxError> {
    let found = docker.inspect_network(network, None::<InspectNetworkOptions>).await.map_err(|e| unavailable(&e))?;
    let configured = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let gateway = configured.into_iter().find_map(|config| {
        let gateway = config.gateway?.split('/').next()?.parse().ok()?;
        let bits = config.subnet?.split_once('/')?.1.parse().ok()?;
        Some((gateway, bits))
    });
    gateway.ok_or_else(|| SandboxError::Unavailable("the engine gave a network no gateway".to_owned()))
}

async fn start(
    this: &DockerSandbox,
    network: (Ipv4Addr, u32),
    key: &SandboxKey,
    spec: &EgressSpec,
) -> Result<Egress, SandboxError> {
    let gateway = network.0;
    let listener = match TcpListener::bind((gateway, PORT)).await {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => TcpListener::bind((gateway, 0)).await,
        bound => bound,
    };
    let listener = listener.map_err(|error| {
        SandboxError::NotStartable(format!(
            "its way out cannot be made: nothing can listen on the gateway of its network, {gateway} ({error}); for `egress` the \
             container engine has to run on the machine of this service, which has to share that machine's network"
        ))
    })?;
    Egress::start(Place { listener, network }, key, spec, this.config.reach)
}

/// Ends the proxy of a sandbox.
pub(super) fn close(this: &DockerSandbox, key: &SandboxKey) {
    this.proxies.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
}

/// What has passed through the proxy of a sandbox so far.
pub(super) fn used(this: &DockerSandbox, key: &SandboxKey) -> Vec<EgressUse> {
    this.proxies.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(Egress::used).unwrap_or_default()
}
