//! The program that is rolled out in tests and the demo: an HTTP server that can be told to misbehave.
//!
//! It needs nothing but the standard library, so that `rustc` alone makes one static file of it for an image without anything else.
//!
//! | variable or control | what it does |
//! |---|---|
//! | `VERSION` | what `/` answers with |
//! | `FAIL_PERCENT`, `fail` | so many of a hundred requests are answered 500 |
//! | `RESET_PERCENT`, `reset` | so many of a hundred are cut off without an answer |
//! | `DELAY_MS`, `delay` | every answer takes so much longer |
//! | `LEAK_KIB`, `leak` | every request leaves so much memory behind |
//! | `HEALTH_STATUS`, `health` | what `/healthz` is answered with |
//! | `READY_AFTER_MS` | it listens only after so long |
//! | `CRASH=start` | it ends with code 3 at once |
//! | `CRASH_AFTER_REQUESTS`, `crash` | it ends with code 4 at this request |
//!
//! `GET /control?fail=10&delay=50` changes what its second names say while it runs. Other paths: `/slow?ms=500` answers after so long, `/ws` is a
//! WebSocket that sends back what it gets, `/env?NAME` answers with a variable, `/metrics` is for Prometheus.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The bounds of the histogram in `/metrics`, in milliseconds.
const BOUNDS_MS: [u64; 6] = [5, 20, 50, 100, 500, 2000];

/// A request's head may have so many bytes; a longer one ends its connection.
const HEAD_BYTES_MAX: u64 = 16 * 1024;

struct State {
    version: String,
    name: String,
    fail: AtomicU64,
    reset: AtomicU64,
    delay: AtomicU64,
    leak: AtomicU64,
    health: AtomicU64,
    crash: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
    /// Cumulative, as Prometheus has them; the last is all.
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    leaked: Mutex<Vec<Vec<u8>>>,
}

fn main() -> io::Result<()> {
    if std::env::var("CRASH").is_ok_and(|when| when == "start") {
        eprintln!("this version crashes when it starts");
        std::process::exit(3);
    }
    std::thread::sleep(Duration::from_millis(number("READY_AFTER_MS", 0)));
    let state = Arc::new(State {
        version: std::env::var("VERSION").unwrap_or_else(|_| "0".to_owned()),
        name: std::env::var("HOSTNAME").unwrap_or_default(),
        fail: AtomicU64::new(number("FAIL_PERCENT", 0)),
        reset: AtomicU64::new(number("RESET_PERCENT", 0)),
        delay: AtomicU64::new(number("DELAY_MS", 0)),
        leak: AtomicU64::new(number("LEAK_KIB", 0)),
        health: AtomicU64::new(number("HEALTH_STATUS", 200)),
        crash: AtomicU64::new(number("CRASH_AFTER_REQUESTS", 0)),
        requests: AtomicU64::new(0),
        errors: AtomicU64::new(0),
        buckets: Default::default(),
        leaked: Mutex::default(),
    });
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "0.0.0.0:8080".to_owned());
    for stream in TcpListener::bind(listen)?.incoming() {
        let (stream, state) = (stream?, Arc::clone(&state));
        // A client that goes away ends its own connection and nothing else.
        std::thread::spawn(move || serve(stream, &state).ok());
    }
    Ok(())
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct Request {
    path: String,
    query: String,
    headers: HashMap<String, String>,
}

/// One connection, with as many requests as its client sends.
fn serve(mut stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read(&mut reader)? {
        let close = request.headers.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        match request.path.as_str() {
            "/healthz" => answer(&mut stream, state.health.load(Ordering::Relaxed), "ok")?,
            "/control" => {
                control(state, &request.query);
                answer(&mut stream, 200, "ok")?;
            }
            "/metrics" => answer(&mut stream, 200, &metrics(state))?,
            "/ws" => return web_socket(stream, &mut reader, &request),
            _ => ordinary(&mut stream, state, &request)?,
        }
        if close {
            return Ok(());
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut head = reader.by_ref().take(HEAD_BYTES_MAX);
    let mut line = String::new();
    if head.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split_whitespace().nth(1).unwrap_or("/").to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Ok(Some(Request { path: path.to_owned(), query: query.to_owned(), headers }))
}

fn answer(stream: &mut TcpStream, status: u64, body: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status} Answer\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes())
}

fn ordinary(stream: &mut TcpStream, state: &State, request: &Request) -> io::Result<()> {
    let begun = Instant::now();
    let nth = state.requests.fetch_add(1, Ordering::Relaxed) + 1;
    if state.crash.load(Ordering::Relaxed) == nth {
        std::process::exit(4);
    }
    leak(state);
    let mut wait = state.delay.load(Ordering::Relaxed);
    if request.path == "/slow" {
        wait += request.query.strip_prefix("ms=").and_then(|ms| ms.parse::<u64>().ok()).unwrap_or(0);
    }
    if wait > 0 {
        std::thread::sleep(Duration::from_millis(wait));
    }
    let failing = falls(nth, state.fail.load(Ordering::Relaxed));
    let resetting = falls(nth.wrapping_add(50), state.reset.load(Ordering::Relaxed));
    if failing || resetting {
        state.errors.fetch_add(1, Ordering::Relaxed);
    }
    if resetting {
        return Err(io::Error::other("cut off, as told"));
    }
    let status = if failing { 500 } else { 200 };
    let variable = std::env::var(&request.query).unwrap_or_default();
    let body = if request.path == "/env" { variable } else { format!("{} {} {nth}", state.version, state.name) };
    answer(stream, status, &body)?;
    observe(state, begun.elapsed());
    Ok(())
}

/// Spreads so many of a hundred evenly, without chance.
fn falls(nth: u64, percent: u64) -> bool {
    (nth * percent) % 100 < percent
}

/// Memory counts once something is written to it.
fn leak(state: &State) {
    let kib = usize::try_from(state.leak.load(Ordering::Relaxed)).unwrap_or(0);
    if kib > 0
        && let Ok(mut leaked) = state.leaked.lock()
    {
        leaked.push(vec![1; kib * 1024]);
    }
}

fn observe(state: &State, took: Duration) {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let first = BOUNDS_MS.iter().position(|bound| ms <= *bound).unwrap_or(BOUNDS_MS.len());
    for bucket in &state.buckets[first..] {
        bucket.fetch_add(1, Ordering::Relaxed);
    }
}

fn metrics(state: &State) -> String {
    let version = &state.version;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let mut text = String::new();
    let mut line = |name: &str, labels: &str, value: u64| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}{{version=\"{version}\"{labels}}} {value}");
    };
    line("app_requests_total", "", count(&state.requests));
    line("app_errors_total", "", count(&state.errors));
    for (bound, bucket) in BOUNDS_MS.iter().zip(&state.buckets) {
        line("app_duration_ms_bucket", &format!(",le=\"{bound}\""), count(bucket));
    }
    line("app_duration_ms_bucket", ",le=\"+Inf\"", count(&state.buckets[BOUNDS_MS.len()]));
    text
}

fn control(state: &State, query: &str) {
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let Ok(value) = value.parse() else { continue };
        let setting = match name {
            "fail" => &state.fail,
            "reset" => &state.reset,
            "delay" => &state.delay,
            "leak" => &state.leak,
            "health" => &state.health,
            "crash" => &state.crash,
            _ => continue,
        };
        setting.store(value, Ordering::Relaxed);
    }
}

/// RFC 6455, as far as an echo needs it: whole frames of up to 64 KiB.
fn web_socket(mut stream: TcpStream, reader: &mut BufReader<TcpStream>, request: &Request) -> io::Result<()> {
    let Some(key) = request.headers.get("sec-websocket-key") else { return answer(&mut stream, 400, "no key") };
    let accept = base64(&sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()));
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    stream.write_all(format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes())?;
    loop {
        let mut head = [0; 2];
        reader.read_exact(&mut head)?;
        let mut length = u64::from(head[1] & 0x7f);
        if length == 126 {
            let mut long = [0; 2];
            reader.read_exact(&mut long)?;
            length = u64::from(u16::from_be_bytes(long));
        } else if length == 127 {
            return Ok(());
        }
        let mut mask = [0; 4];
        if head[1] & 0x80 != 0 {
            reader.read_exact(&mut mask)?;
        }
        let mut payload = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut payload)?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        let opcode = match head[0] & 0x0f {
            9 => 10,
            other => other,
        };
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(length),
            Ok(_) | Err(_) => {
                frame.push(126);
                frame.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
            }
        }
        frame.extend(&payload);
        stream.write_all(&frame)?;
        if opcode == 8 {
            return Ok(());
        }
    }
}

/// FIPS 180-4. For the handshake of WebSockets only.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for nth in 16..80 {
            words[nth] = (words[nth - 3] ^ words[nth - 8] ^ words[nth - 14] ^ words[nth - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (nth, word) in words.iter().enumerate() {
            let (f, k) = match nth {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc_u32),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    digest.chunks_exact_mut(4).zip(state).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_be_bytes()));
    digest
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        let letter = move |nth: usize| if nth > three.len() { '=' } else { char::from(LETTERS[bits >> (18 - 6 * nth) & 63]) };
        [letter(0), letter(1), letter(2), letter(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}
