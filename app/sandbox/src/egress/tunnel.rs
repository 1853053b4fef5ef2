//! `CONNECT`: a tunnel to a host of the list, if its name leads to an address that is allowed. The address that was looked at is the
//! one that is connected to, so a name that changes its mind meanwhile gains nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Sender;

use super::serve::{Body, refusal};
use super::{CONNECT_MAX, IDLE_MAX, Rules, TUNNEL_BYTES_MAX, address};

/// So much is under way each way.
const CHUNK: usize = 16 * 1024;

/// A tunnel whose client has been told that it is there.
pub(super) struct Tunnel {
    host: String,
    server: TcpStream,
    client: OnUpgrade,
}

/// Answers a request for a tunnel.
pub(super) async fn open(request: Request<Incoming>, rules: &Rules, tunnels: Sender<Tunnel>) -> Response<Body> {
    let Some((host, port)) = request.uri().authority().map(|to| (to.host().trim_end_matches('.').to_lowercase(), to.port_u16()))
    else {
        return refusal(StatusCode::BAD_REQUEST, "CONNECT names a host and a port");
    };
    let authorization = request.headers().get(header::PROXY_AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !rules.is_allowed(authorization) {
        rules.tally.refused(&host);
        let mut refused = refusal(StatusCode::PROXY_AUTHENTICATION_REQUIRED, "this is not the way out of your sandbox");
        refused.headers_mut().insert(header::PROXY_AUTHENTICATE, http::HeaderValue::from_static("Basic realm=\"sandbox\""));
        return refused;
    }
    rules.tally.asked(&host);
    match reach(&host, port, rules).await {
        Ok(server) => {
            let _ = tunnels.send(Tunnel { host, server, client: hyper::upgrade::on(request) }).await;
            Response::new(Body::default())
        }
        Err((status, words)) => {
            rules.tally.refused(&host);
            tracing::info!(run.id = %rules.key.run, gate = %rules.key.gate, host, status = status.as_u16(), "a sandbox was refused a host");
            refusal(status, words)
        }
    }
}

/// Connects to a host, if that is allowed.
async fn reach(host: &str, port: Option<u16>, rules: &Rules) -> Result<TcpStream, (StatusCode, &'static str)> {
    if !rules.hosts.iter().any(|listed| listed == host) {
        return Err((StatusCode::FORBIDDEN, "this host is not among those that the stage may reach (`egress`)"));
    }
    if port != Some(rules.reach.port) {
        return Err((StatusCode::FORBIDDEN, "only the port of HTTPS is open"));
    }
    let unreachable = (StatusCode::BAD_GATEWAY, "the host cannot be reached");
    let connected = async {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, rules.reach.port))
            .await
            .map_err(|_| (StatusCode::BAD_GATEWAY, "the host is not known"))?
            .collect();
        let allowed: Vec<SocketAddr> =
            found.into_iter().filter(|found| rules.reach.private || address::is_public(found.ip())).collect();
        if allowed.is_empty() {
            return Err((StatusCode::FORBIDDEN, "the host's name leads to no public address"));
        }
        TcpStream::connect(allowed.as_slice()).await.map_err(|_| unreachable)
    };
    tokio::time::timeout(CONNECT_MAX, connected).await.unwrap_or(Err(unreachable))
}

/// Passes on what comes, both ways, within the bounds.
pub(super) async fn pass(tunnel: Tunnel, rules: &Rules) {
    let Tunnel { host, mut server, client } = tunnel;
    let Ok(client) = client.await else { return };
    let (mut from_client, mut to_client) = tokio::io::split(TokioIo::new(client));
    let (mut from_server, mut to_server) = server.split();
    let (sent, received, both) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let ended = async {
        tokio::join!(
            one_way(&mut from_client, &mut to_server, &sent, &both),
            one_way(&mut from_server, &mut to_client, &received, &both),
        );
    };
    tokio::select! {
        () = ended => {}
        () = idle(&both) => {}
    }
    let (sent, received) = (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed));
    rules.tally.passed(&host, sent, received);
    tracing::info!(run.id = %rules.key.run, gate = %rules.key.gate, host, status = 200, sent, received, "a sandbox has used a tunnel");
}

async fn one_way(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), passed: &AtomicU64, both: &AtomicU64) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let before = passed.fetch_add(length as u64, Ordering::Relaxed);
        both.fetch_add(1, Ordering::Relaxed);
        if before + length as u64 > TUNNEL_BYTES_MAX || to.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
    // The other way may go on: a client that has asked waits for its answer.
    let _ = to.shutdown().await;
}

/// Ends once nothing has passed for so long.
async fn idle(passed: &AtomicU64) {
    let mut before = passed.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(IDLE_MAX.max(Duration::from_millis(1))).await;
        let now = passed.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}
