//! The only way out of a sandbox that has one: a proxy in this process, one for each sandbox, behind a random token.
//!
//! It does two things. `CONNECT` to the hosts of a list, on the port of HTTPS, once their name was found to lead to a public address:
//! what is said there is the sandbox's own. And it serves a plain address for each server that is asked with a key of the service
//! (`/TOKEN/NAME/...`): it asks that server by HTTPS with the key in a header, so that the key is never in the sandbox.
//!
//! Deliberately absent: plain HTTP to anywhere, looking into what passes, a cache, retries, redirects. Everything is bounded, counted
//! and logged by host; no path, no header and no body ever is. The Docker adapter starts it and gives it a network of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatewright_core::sandbox::{EgressSpec, EgressUse, SandboxError, SandboxKey};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod address;
mod forward;
mod serve;
mod tally;
mod tunnel;

use forward::Forward;
use tally::Tally;

/// Connections of one sandbox at once. More wait until one ends.
const CONNECTIONS_MAX: usize = 64;

/// A request's head has to be there after this time.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// Finding an address and connecting to it. Beyond, the sandbox is told that the host cannot be reached.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A connection on which nothing comes or goes for so long is closed: a model may think for minutes.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// A connection is closed after this time, whatever it does.
const WHOLE_MAX: Duration = Duration::from_secs(3600);

/// The body of a request to a server with a key. A longer one is refused.
const REQUEST_BYTES_MAX: usize = 32 << 20;

/// The body of its answer. A longer one is cut off.
const RESPONSE_BYTES_MAX: u64 = 256 << 20;

/// Through one tunnel so many bytes pass each way, and then it is closed.
const TUNNEL_BYTES_MAX: u64 = 1 << 30;

/// Which addresses the hosts of a list may have. It is a matter of who sets the adapter up, never of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The only port.
    pub port: u16,
    /// Whether private, loopback and link-local addresses are let through. For tests, whose servers are on loopback.
    pub private: bool,
}

impl Default for Reach {
    fn default() -> Reach {
        Reach { port: 443, private: false }
    }
}

/// A proxy that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Egress {
    address: SocketAddr,
    token: String,
    names: Vec<String>,
    tally: Arc<Tally>,
    server: JoinHandle<()>,
}

/// Where a proxy listens, and to whom.
pub(crate) struct Place {
    pub(crate) listener: TcpListener,
    /// The network of the one sandbox: its address and how many bits of that are the network's. Nobody else is answered.
    pub(crate) network: (Ipv4Addr, u32),
}

/// What one proxy lets through.
struct Rules {
    key: SandboxKey,
    network: (Ipv4Addr, u32),
    token: String,
    hosts: Vec<String>,
    forwards: BTreeMap<String, Forward>,
    reach: Reach,
    tally: Arc<Tally>,
}

impl Egress {
    /// Starts one on an address that the sandbox alone can reach.
    pub(crate) fn start(place: Place, key: &SandboxKey, spec: &EgressSpec, reach: Reach) -> Result<Egress, SandboxError> {
        let unusable = |words: String| SandboxError::NotStartable(format!("its way out cannot be made: {words}"));
        let Place { listener, network } = place;
        let address = listener.local_addr().map_err(|e| unusable(e.to_string()))?;
        let token = uuid::Uuid::new_v4().simple().to_string();
        let tally = Arc::new(Tally::default());
        let mut forwards = BTreeMap::new();
        for injection in &spec.inject {
            let forward = Forward::new(injection).map_err(unusable)?;
            forwards.insert(injection.name.to_lowercase(), forward);
        }
        let names = forwards.keys().cloned().collect();
        let hosts = spec.hosts.iter().map(|host| host.trim_end_matches('.').to_lowercase()).collect();
        let rules = Rules { key: key.clone(), network, token: token.clone(), hosts, forwards, reach, tally: Arc::clone(&tally) };
        let server = tokio::spawn(serve::serve(listener, Arc::new(rules)));
        Ok(Egress { address, token, names, tally, server })
    }

    /// By what the sandbox's commands find it.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        let (address, token) = (self.address, &self.token);
        let proxy = format!("http://sandbox:{token}@{address}");
        let mut env: BTreeMap<String, String> =
            ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
                .map(|name| (name.to_owned(), proxy.clone()))
                .into();
        let direct = format!("{},localhost,127.0.0.1", address.ip());
        env.extend(["NO_PROXY", "no_proxy"].map(|name| (name.to_owned(), direct.clone())));
        for name in &self.names {
            let variable = name.to_uppercase().replace('-', "_");
            env.insert(format!("{variable}_BASE_URL"), format!("http://{address}/{token}/{name}"));
            // Many programs do not start without one.
            env.insert(format!("{variable}_API_KEY"), "set-outside-of-the-sandbox".to_owned());
        }
        env
    }

    /// What has passed so far.
    pub(crate) fn used(&self) -> Vec<EgressUse> {
        self.tally.told()
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Rules {
    /// Whether somebody is in the network of the sandbox. Without rights nobody takes an address of another one there.
    fn is_inside(&self, peer: IpAddr) -> bool {
        let (network, bits) = self.network;
        let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
        match peer {
            IpAddr::V4(peer) => peer.to_bits() & mask == network.to_bits() & mask,
            IpAddr::V6(_) => false,
        }
    }

    /// Whether a request may use this proxy, by the header that clients send a proxy.
    fn is_allowed(&self, authorization: Option<&str>) -> bool {
        let expected = format!("Basic {}", BASE64.encode(format!("sandbox:{}", self.token)));
        authorization.is_some_and(|given| is_same(given, &expected))
    }
}

/// Compares without telling by its time where two differ.
fn is_same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
