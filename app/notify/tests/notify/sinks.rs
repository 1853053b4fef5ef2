//! An HTTP server and a mail server that keep what they get and answer what they are told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What is answered: a status, a header, a body.
#[derive(Debug, Clone)]
pub(crate) struct Answer(pub(crate) u16, pub(crate) Option<(&'static str, &'static str)>, pub(crate) &'static str);

#[derive(Clone)]
pub(crate) struct HttpSink {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl HttpSink {
    pub(crate) async fn answering(answer: Answer) -> HttpSink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = HttpSink { address: listener.local_addr().unwrap(), got: Arc::default() };
        let app = Router::new().fallback(take).with_state((Arc::clone(&sink.got), answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        sink
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks/T0PSECRETPATH", self.address)
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn take(
    State((got, Answer(status, header, text))): State<(Arc<Mutex<Vec<Got>>>, Answer)>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    got.lock().unwrap().push(Got { headers, body });
    let mut answer = HeaderMap::new();
    if let Some((name, value)) = header {
        answer.insert(name, value.parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), answer, text)
}

/// A mail server without encryption.
pub(crate) struct MailSink {
    pub(crate) address: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
}

impl MailSink {
    /// One that answers to the message itself with this.
    pub(crate) async fn answering(to_data: &'static str) -> MailSink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = MailSink { address: listener.local_addr().unwrap(), mails: Arc::default() };
        let mails = Arc::clone(&sink.mails);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mails = Arc::clone(&mails);
                tokio::spawn(async move { talk(stream, &mails, to_data).await });
            }
        });
        sink
    }

    /// The messages, envelope first.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}

async fn talk(stream: TcpStream, mails: &Mutex<Vec<String>>, to_data: &str) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut mail = String::new();
    write.write_all(b"220 sink ready\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" | "HELO" => "250 sink\r\n".to_owned(),
            "MAIL" | "RCPT" => {
                mail += &format!("{line}\n");
                "250 ok\r\n".to_owned()
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.unwrap();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line == "." {
                        break;
                    }
                    mail += &format!("{line}\n");
                }
                mails.lock().unwrap().push(std::mem::take(&mut mail));
                format!("{to_data}\r\n")
            }
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 ok\r\n".to_owned(),
        };
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
