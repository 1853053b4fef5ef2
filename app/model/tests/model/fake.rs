//! A provider on loopback that answers what it was told to, in order, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::Notify;

/// What it answers.
#[derive(Debug, Clone)]
pub(crate) enum Canned {
    /// A status, headers and a body.
    Whole(u16, Vec<(&'static str, String)>, String),
    /// The beginning of a body, and then the connection breaks.
    Cut(String),
    /// Nothing, ever.
    Hang,
}

impl Canned {
    pub(crate) fn ok(body: &Value) -> Canned {
        Canned::Whole(200, Vec::new(), body.to_string())
    }

    pub(crate) fn no(status: u16, body: &Value) -> Canned {
        Canned::Whole(status, Vec::new(), body.to_string())
    }
}

/// What it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Inner {
    answers: Mutex<VecDeque<Canned>>,
    /// What it answers once it has been through all of them.
    then: Mutex<Option<Canned>>,
    seen: Mutex<Vec<Seen>>,
    asked: Notify,
}

pub(crate) struct Fake {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

impl Fake {
    pub(crate) async fn start() -> Fake {
        let inner = Arc::new(Inner::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let app = Router::new().fallback(answer).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Fake { url, inner }
    }

    pub(crate) fn will(&self, answer: Canned) -> &Self {
        self.inner.answers.lock().expect("a lock").push_back(answer);
        self
    }

    pub(crate) fn always(&self, answer: Canned) -> &Self {
        *self.inner.then.lock().expect("a lock") = Some(answer);
        self
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().expect("a lock").clone()
    }

    /// Until it has been asked so often.
    pub(crate) async fn until_asked(&self, times: usize) {
        loop {
            let asked = self.inner.asked.notified();
            if self.seen().len() >= times {
                return;
            }
            asked.await;
        }
    }
}

async fn answer(State(inner): State<Arc<Inner>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    inner.seen.lock().expect("a lock").push(Seen { path: uri.to_string(), headers, body });
    inner.asked.notify_waiters();
    let next = inner.answers.lock().expect("a lock").pop_front();
    let next = next.or_else(|| inner.then.lock().expect("a lock").clone());
    match next.unwrap_or_else(|| Canned::Whole(500, Vec::new(), "nothing is left to answer".to_owned())) {
        Canned::Whole(status, headers, body) => {
            let response = Response::builder().status(status).header("content-type", "application/json");
            let response = headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
            response.body(Body::from(body)).expect("a response")
        }
        Canned::Cut(beginning) => {
            let first = stream::iter([Ok(Bytes::from(beginning))]);
            // What is there is sent once the stream has nothing to give for a moment.
            let then = stream::once(async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("the connection breaks"))
            });
            Response::new(Body::from_stream(first.chain(then)))
        }
        Canned::Hang => std::future::pending().await,
    }
}
