//! People who use a site: connections that are kept, slow requests, WebSockets. Whatever fails for one of them is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What takes longer has failed.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// What people saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Answers with 2xx, by the version that gave them.
    pub good: BTreeMap<String, u64>,
    /// What else happened, by what it was.
    pub bad: BTreeMap<String, u64>,
}

impl Seen {
    /// All good answers.
    pub fn good(&self) -> u64 {
        self.good.values().sum()
    }

    /// The good answers of a version.
    pub fn of(&self, version: &str) -> u64 {
        self.good.get(version).copied().unwrap_or(0)
    }
}

/// How many people there are.
#[derive(Debug, Clone, Copy)]
pub struct People {
    /// Who ask again as soon as they are answered, on one connection.
    pub eager: usize,
    /// Who ask for what takes 300 ms.
    pub slow: usize,
    /// Who talk over a WebSocket, ten times a second.
    pub talking: usize,
}

/// People at work until they are told to stop.
pub struct Load {
    seen: Arc<Mutex<Seen>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Load {
    /// They begin at once.
    pub fn start(address: &str, people: People) -> Load {
        let mut load = Load { seen: Arc::default(), stop: CancellationToken::new(), tasks: JoinSet::new() };
        for _ in 0..people.eager {
            load.spawn(address, "/", Duration::from_millis(2));
        }
        for _ in 0..people.slow {
            load.spawn(address, "/slow?ms=300", Duration::ZERO);
        }
        for _ in 0..people.talking {
            let (address, seen, stop) = (address.to_owned(), Arc::clone(&load.seen), load.stop.clone());
            load.tasks.spawn(async move {
                while !stop.is_cancelled() {
                    if let Err(error) = talk(&address, &seen, &stop).await {
                        note(&seen, Err(format!("WebSocket: {error}")));
                    }
                }
            });
        }
        load
    }

    fn spawn(&mut self, address: &str, path: &'static str, pause: Duration) {
        let (address, seen, stop) = (address.to_owned(), Arc::clone(&self.seen), self.stop.clone());
        self.tasks.spawn(async move {
            while !stop.is_cancelled() {
                // A connection that ends between two answers is no failure: that is how HTTP says that one is to make another.
                if let Err(error) = ask_again_and_again(&address, path, pause, &seen, &stop).await {
                    note(&seen, Err(error.to_string()));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many more good answers were seen.
    ///
    /// # Panics
    /// Where there are none any more.
    pub async fn more(&self, answers: u64) {
        let before = self.seen().good();
        super::until("more good answers", || async { self.seen().good() >= before + answers }).await;
    }

    /// Lets everybody finish what they have begun, and says what was seen.
    pub async fn stop(mut self) -> Seen {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.seen()
    }
}

fn note(seen: &Mutex<Seen>, result: Result<String, String>) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    match result {
        Ok(version) => *seen.good.entry(version).or_default() += 1,
        Err(what) => *seen.bad.entry(what).or_default() += 1,
    }
}

async fn ask_again_and_again(
    address: &str,
    path: &str,
    pause: Duration,
    seen: &Mutex<Seen>,
    stop: &CancellationToken,
) -> std::io::Result<()> {
    let mut connection = Connection::open(address).await?;
    while !stop.is_cancelled() {
        match connection.get(path, "").await? {
            // The other side has closed it before the request was sent.
            None => return Ok(()),
            Some(answer) if (200..300).contains(&answer.status) => note(seen, Ok(answer.version())),
            Some(answer) => note(seen, Err(format!("answered {}", answer.status))),
        }
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The cookie that it sets, `NAME=VALUE`.
    pub cookie: Option<String>,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The version that gave it: the first word.
    pub fn version(&self) -> String {
        self.body.split_whitespace().next().unwrap_or_default().to_owned()
    }
}

/// One connection that is kept.
pub struct Connection {
    stream: BufReader<TcpStream>,
    answered: bool,
}

impl Connection {
    /// Connects.
    pub async fn open(address: &str) -> std::io::Result<Connection> {
        Ok(Connection { stream: BufReader::new(TcpStream::connect(address).await?), answered: false })
    }

    /// Asks once, with further header lines, each with its line break. None where a connection that was used before is closed: the request was not
    /// taken, and is to be sent on another one.
    pub async fn get(&mut self, path: &str, headers: &str) -> std::io::Result<Option<Answer>> {
        let exchange = self.exchange(path, headers);
        match tokio::time::timeout(ANSWER_MAX, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(std::io::Error::other("no answer in time")),
        }
    }

    async fn exchange(&mut self, path: &str, headers: &str) -> std::io::Result<Option<Answer>> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: site\r\n{headers}\r\n");
        if let Err(error) = self.stream.get_mut().write_all(request.as_bytes()).await {
            return if self.answered { Ok(None) } else { Err(error) };
        }
        let mut line = String::new();
        match self.stream.read_line(&mut line).await {
            Ok(0) | Err(_) if self.answered => return Ok(None),
            Ok(0) => return Err(std::io::Error::other("closed without an answer")),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let (mut length, mut cookie) = (0, None);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "set-cookie" => cookie = value.split(';').next().map(|pair| pair.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        self.answered = true;
        Ok(Some(Answer { status, cookie, body: String::from_utf8_lossy(&body).into_owned() }))
    }
}

/// A WebSocket whose other end sends back what it gets.
pub struct WebSocket {
    stream: TcpStream,
}

impl WebSocket {
    /// Opens one.
    pub async fn open(address: &str) -> std::io::Result<WebSocket> {
        let mut stream = TcpStream::connect(address).await?;
        let head = "GET /ws HTTP/1.1\r\nHost: site\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
        stream.write_all(format!("{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await?);
        }
        match answer.starts_with(b"HTTP/1.1 101") {
            true => Ok(WebSocket { stream }),
            false => Err(std::io::Error::other(String::from_utf8_lossy(&answer[..answer.len().min(30)]).into_owned())),
        }
    }

    /// Says something and waits for it to come back.
    pub async fn echo(&mut self, word: &str) -> std::io::Result<()> {
        let length =
            u8::try_from(word.len()).ok().filter(|length| *length < 126).ok_or_else(|| std::io::Error::other("too long"))?;
        let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
        frame.extend(word.as_bytes());
        self.stream.write_all(&frame).await?;
        let mut answer = vec![0; word.len() + 2];
        self.stream.read_exact(&mut answer).await?;
        if &answer[2..] == word.as_bytes() { Ok(()) } else { Err(std::io::Error::other("another word came back")) }
    }

    /// Says goodbye.
    pub async fn close(mut self) -> std::io::Result<()> {
        self.stream.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await?;
        self.stream.read_u16().await.map(|_| ())
    }
}

async fn talk(address: &str, seen: &Mutex<Seen>, stop: &CancellationToken) -> std::io::Result<()> {
    let mut socket = WebSocket::open(address).await?;
    while !stop.is_cancelled() {
        match tokio::time::timeout(ANSWER_MAX, socket.echo("hello")).await {
            Ok(echoed) => echoed?,
            Err(_) => return Err(std::io::Error::other("nothing came back in time")),
        }
        note(seen, Ok("WebSocket".to_owned()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    socket.close().await
}
