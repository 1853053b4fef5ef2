//! Talks to the runtime API: a line of commands, an answer up to the end of the stream.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use gatewright_core::target::TargetError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::error::{refused, unavailable};

/// An answer comes in milliseconds. A router that takes longer counts as not reachable.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// An answer of more bytes is refused. A server takes about 500 of them, so these are some thousand servers.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// HAProxy takes so many bytes in a line, at its usual `tune.bufsize` of 16384. What is longer is sent as several lines.
const LINE_BYTES_MAX: usize = 12_000;

/// Where the runtime API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `unix:///PATH`
    Unix(PathBuf),
    /// `tcp://HOST:PORT`
    Tcp(String),
}

/// A text that is no address of a runtime API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `unix:///PATH` or `tcp://HOST:PORT`")]
pub struct InvalidAddress;

impl FromStr for Address {
    type Err = InvalidAddress;
    fn from_str(s: &str) -> Result<Self, InvalidAddress> {
        if let Some(path) = s.strip_prefix("unix://").filter(|path| path.starts_with('/') && path.len() > 1) {
            return Ok(Address::Unix(PathBuf::from(path)));
        }
        match s.strip_prefix("tcp://").and_then(|address| address.rsplit_once(':')) {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Address::Tcp(format!("{host}:{port}"))),
            Some(_) | None => Err(InvalidAddress),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// A connection a call: the API closes it after its answer, and a router that was reloaded answers from its new process.
#[derive(Debug, Clone)]
pub(super) struct Client {
    address: Address,
}

impl Client {
    pub(super) fn new(address: Address) -> Self {
        Client { address }
    }

    /// What errors call it.
    pub(super) fn name(&self) -> String {
        format!("HAProxy at {}", self.address)
    }

    /// Sends one command, or several with `;` between them.
    pub(super) async fn ask(&self, commands: &str) -> Result<String, TargetError> {
        let asked = async {
            match &self.address {
                Address::Unix(path) => exchange(UnixStream::connect(path).await?, commands).await,
                Address::Tcp(address) => exchange(TcpStream::connect(address).await?, commands).await,
            }
        };
        let answer = match tokio::time::timeout(ANSWER_MAX, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unavailable(self.name(), error.to_string())),
            Err(_) => return Err(unavailable(self.name(), format!("no answer within {} s", ANSWER_MAX.as_secs()))),
        };
        if answer.len() as u64 >= ANSWER_BYTES_MAX {
            return Err(refused(self.name(), format!("it answers more than {ANSWER_BYTES_MAX} bytes")));
        }
        if answer.contains("Permission denied") {
            return Err(refused(self.name(), "the socket may not change anything; it needs `level admin`"));
        }
        Ok(answer)
    }

    /// Sends commands that answer nothing when they were obeyed, in their order, as few lines as they fit in.
    pub(super) async fn tell(&self, commands: &[String]) -> Result<(), TargetError> {
        for line in lines(commands) {
            let answer = self.ask(&line).await?;
            if let Some(words) = answer.lines().find(|line| !line.trim().is_empty() && !is_success(line)) {
                return Err(unavailable(self.name(), words));
            }
        }
        Ok(())
    }
}

/// What says in words that it was done.
fn is_success(line: &str) -> bool {
    ["New server registered", "Server deleted", "IP changed", "no need to change", "port changed"]
        .iter()
        .any(|words| line.contains(words))
}

fn lines(commands: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for command in commands {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + command.len() <= LINE_BYTES_MAX => {
                line.push(';');
                line.push_str(command);
            }
            Some(_) | None => lines.push(command.clone()),
        }
    }
    lines
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, commands: &str) -> std::io::Result<String> {
    stream.write_all(format!("{commands}\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_socket_file_or_a_host_and_port() {
        assert_eq!("unix:///run/haproxy/admin.sock".parse(), Ok(Address::Unix("/run/haproxy/admin.sock".into())));
        assert_eq!("tcp://[::1]:9999".parse(), Ok(Address::Tcp("[::1]:9999".to_owned())));
        for wrong in ["/run/haproxy/admin.sock", "unix://", "unix://run", "tcp://host", "tcp://:1", "http://host:1"] {
            assert_eq!(wrong.parse::<Address>(), Err(InvalidAddress), "{wrong}");
        }
    }

    #[test]
    fn commands_go_in_as_few_lines_as_haproxy_takes() {
        let commands: Vec<String> = (0..100).map(|nth| format!("set server b/{nth:0300} weight 1")).collect();
        let lines = lines(&commands);
        assert!(lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
        assert_eq!(lines.len(), 3);
        assert_eq!(lines.join(";"), commands.join(";"));
    }
}
