//! Sends one signed payload again and again to a server on this machine, each time as another delivery, and says how
//! that went as a line of JSON. For the bench; cheap, since it shares the processor with what it measures.
//!
//! `load --port 8080 --path /webhooks/github --payload FILE [--event pull_request] [--connections 16] [--seconds 5]
//! [--warmup-seconds 1]`, with the secret in `WEBHOOK_SECRET`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

type Failure = Box<dyn std::error::Error>;

/// No run takes longer than this.
const SECONDS_MAX: u64 = 60;

/// A request that is not answered within this is an error.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A connection that failed is made again after this, so that a server that is down is not flooded.
const RECONNECT_AFTER: Duration = Duration::from_millis(20);

/// An answer longer than this is an error; those of webhook receivers have some bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

struct Options {
    port: u16,
    path: String,
    payload: Vec<u8>,
    event: String,
    secret: String,
    connections: usize,
    measured: Duration,
    warmup: Duration,
}

fn options() -> Result<Options, Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let given: BTreeMap<&str, &str> = args.chunks(2).filter_map(|pair| Some((pair[0].as_str(), pair.get(1)?.as_str()))).collect();
    let get = |name: &str, default: &'static str| given.get(name).map_or(default, |value| *value).to_owned();
    let seconds = |name: &str, default| get(name, default).parse().map(|secs: u64| Duration::from_secs(secs.min(SECONDS_MAX)));
    Ok(Options {
        port: get("--port", "").parse().map_err(|_| "--port is needed")?,
        path: get("--path", "/webhooks/github"),
        payload: std::fs::read(get("--payload", "")).map_err(|error| format!("--payload: {error}"))?,
        event: get("--event", "pull_request"),
        secret: std::env::var("WEBHOOK_SECRET").map_err(|_| "WEBHOOK_SECRET is not set")?,
        connections: get("--connections", "16").parse()?,
        measured: seconds("--seconds", "5")?,
        warmup: seconds("--warmup-seconds", "1")?,
    })
}

/// The request, in which only the delivery's id changes.
struct Template {
    head: Vec<u8>,
    id_at: usize,
    payload: Vec<u8>,
    address: SocketAddrV4,
}

fn template(options: &Options, secret: &str) -> Template {
    let mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length").chain_update(&options.payload);
    let signature = hex::encode(mac.finalize().into_bytes());
    let before = format!(
        "POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: GitHub-Hookshot/bench\r\nAccept: */*\r\nContent-Type: application/json\r\n\
         X-GitHub-Event: {}\r\nX-Hub-Signature-256: sha256={signature}\r\nContent-Length: {}\r\nX-GitHub-Delivery: ",
        options.path,
        options.port,
        options.event,
        options.payload.len(),
    );
    let id_at = before.len();
    let head = format!("{before}{}\r\n\r\n", id(0, 0)).into_bytes();
    // Nothing but this machine is ever loaded.
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, options.port);
    Template { head, id_at, payload: options.payload.clone(), address }
}

/// An id of 36 characters, as GitHub's are, that no other request of this or an earlier run has.
fn id(run: u64, n: u64) -> String {
    format!("{:08x}-{:04x}-4000-8000-{n:012x}", run >> 16 & 0xffff_ffff, run & 0xffff)
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    /// All requests, those of the warm-up too.
    sent: u64,
    latencies_us: Vec<u32>,
    statuses: BTreeMap<u16, u64>,
    errors: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let options = options()?;
    // A server may close the connection without an answer, which is a refusal as well.
    let wrong = wrong_signature_status(&options).await.ok();
    let run = u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos() >> 10 & 0xffff_ffff_ffff)?;
    let template = Arc::new(template(&options, &options.secret));
    let from = Instant::now() + options.warmup;
    let until = from + options.measured;
    let connections = (0..options.connections).map(|connection| {
        let numbers = (u64::try_from(connection).expect("a count") << 32)..;
        tokio::spawn(connection_load(Arc::clone(&template), run, numbers, from, until))
    });
    let connections: Vec<_> = connections.collect();
    let mut all = Seen::default();
    for connection in connections {
        let seen = connection.await?;
        all.latencies_us.extend(seen.latencies_us);
        all.errors += seen.errors;
        all.sent += seen.sent;
        for (status, count) in seen.statuses {
            *all.statuses.entry(status).or_default() += count;
        }
    }
    all.latencies_us.sort_unstable();
    writeln!(io::stdout(), "{}", report(&options, &all, wrong))?;
    Ok(())
}

fn report(options: &Options, seen: &Seen, wrong: Option<u16>) -> serde_json::Value {
    let count = seen.latencies_us.len();
    let at = |percent: usize| seen.latencies_us.get((count * percent / 100).min(count.saturating_sub(1)));
    let ms = |percent: usize| at(percent).map(|us| f64::from(*us) / 1000.0);
    let not_2xx: u64 = seen.statuses.iter().filter(|(status, _)| !(200..300).contains(*status)).map(|(_, count)| count).sum();
    serde_json::json!({
        "connections": options.connections,
        "payload_bytes": options.payload.len(),
        "seconds": options.measured.as_secs(),
        "sent_with_warmup": seen.sent,
        "per_second": count as u64 / options.measured.as_secs().max(1),
        "p50_ms": ms(50),
        "p99_ms": ms(99),
        "max_ms": ms(100),
        "statuses": seen.statuses,
        "not_2xx": not_2xx,
        "errors": seen.errors,
        "wrong_signature_status": wrong,
    })
}

/// What the server says to a request that is signed with another secret.
async fn wrong_signature_status(options: &Options) -> Result<u16, Failure> {
    let template = template(options, "not the secret of this server");
    let mut socket = connect(&template).await?;
    Ok(exchange(&mut socket, &request(&template), &mut Vec::new()).await?.status)
}

async fn connect(template: &Template) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(template.address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn request(template: &Template) -> Vec<u8> {
    [&template.head[..], &template.payload].concat()
}

async fn connection_load(
    template: Arc<Template>,
    run: u64,
    mut numbers: impl Iterator<Item = u64>,
    from: Instant,
    until: Instant,
) -> Seen {
    let mut seen = Seen::default();
    let mut request = request(&template);
    let mut buffer = Vec::new();
    let mut socket = None;
    while Instant::now() < until {
        let number = numbers.next().expect("a run ends long before its numbers do");
        request[template.id_at..template.id_at + 36].copy_from_slice(id(run, number).as_bytes());
        seen.sent += 1;
        let started = Instant::now();
        let answer = attempt(&template, &mut socket, &request, &mut buffer).await;
        let ended = Instant::now();
        if started < from || ended > until {
            continue;
        }
        match answer {
            Ok(status) => {
                let us = ended.duration_since(started).as_micros();
                seen.latencies_us.push(u32::try_from(us).unwrap_or(u32::MAX));
                *seen.statuses.entry(status).or_default() += 1;
            }
            Err(_) => seen.errors += 1,
        }
    }
    seen
}

/// One request, on the connection that is there or a new one.
async fn attempt(template: &Template, socket: &mut Option<TcpStream>, request: &[u8], buffer: &mut Vec<u8>) -> io::Result<u16> {
    let mut open = match socket.take() {
        Some(open) => open,
        None => connect(template).await?,
    };
    match timeout(ANSWER_WITHIN, exchange(&mut open, request, buffer)).await {
        Ok(Ok(answer)) => {
            *socket = Some(open).filter(|_| !answer.closes);
            Ok(answer.status)
        }
        Ok(Err(error)) => {
            sleep(RECONNECT_AFTER).await;
            Err(error)
        }
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

struct Answer {
    status: u16,
    closes: bool,
}

async fn exchange(socket: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> io::Result<Answer> {
    socket.write_all(request).await?;
    buffer.clear();
    loop {
        if socket.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(answer) = whole_answer(buffer)? {
            return Ok(answer);
        }
    }
}

/// The answer, once all of it is there.
fn whole_answer(buffer: &[u8]) -> io::Result<Option<Answer>> {
    let broken = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    if buffer.len() > ANSWER_BYTES_MAX {
        return Err(broken("the answer is too long"));
    }
    let Some(head_bytes) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head =
        std::str::from_utf8(&buffer[..head_bytes]).map_err(|_| broken("the answer's head is not text"))?.to_ascii_lowercase();
    let body = &buffer[head_bytes + 4..];
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let whole = match (header("content-length:"), header("transfer-encoding:")) {
        (Some(length), _) => body.len() >= length.parse().map_err(|_| broken("the answer's length is no number"))?,
        (None, Some(_)) => body.ends_with(b"0\r\n\r\n"),
        (None, None) => return Err(broken("the answer does not say how long it is")),
    };
    let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(|| broken("the answer has no status"))?;
    Ok(whole.then_some(Answer { status, closes: header("connection:") == Some("close") }))
}
