//! One HTTP request to an instance, and how it was answered.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// So much of an answer is read: its first line says all that counts.
const ANSWER_BYTES_MAX: u64 = 1024;

/// Asks for a path, and returns the status. An error says what came instead.
pub(crate) async fn get(address: &str, path: &str, limit: Duration) -> Result<u16, String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: gatewright\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        let mut stream = stream.take(ANSWER_BYTES_MAX);
        while !answer.contains(&b'\n') {
            if stream.read_buf(&mut answer).await.map_err(|error| error.to_string())? == 0 {
                break;
            }
        }
        status(&answer).ok_or_else(|| format!("{path} is answered with something that is no HTTP"))
    };
    within(limit, asked).await
}

/// Connects, and asks nothing.
pub(crate) async fn connect(address: &str, limit: Duration) -> Result<(), String> {
    within(limit, async { TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string()) }).await
}

async fn within<T>(limit: Duration, asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let none = || Err(format!("no answer within {} s", limit.as_secs_f64()));
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| none())
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\n').next()?).into_owned();
    let mut words = line.split_whitespace();
    words.next().filter(|word| word.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_an_answer_has_its_status() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\nLocation: /"), Some(200));
        assert_eq!(status(b"HTTP/1.0 503 \r\n"), Some(503));
        for other in ["", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1\r\n", "200 OK\r\n"] {
            assert_eq!(status(other.as_bytes()), None, "{other}");
        }
    }
}
