//! An address on loopback that keeps the notices it is sent, and can be out of order for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;

#[derive(Default)]
struct Kept {
    out_of_order: AtomicBool,
    notices: Mutex<Vec<Value>>,
}

/// The sink.
pub struct Sink {
    url: String,
    kept: Arc<Kept>,
}

impl Sink {
    /// One that takes what comes.
    pub async fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/notices", listener.local_addr().expect("it is bound"));
        let kept = Arc::new(Kept::default());
        let app = Router::new().fallback(take).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Sink { url, kept }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Answers 503 from now on, or no more.
    pub fn set_out_of_order(&self, out_of_order: bool) {
        self.kept.out_of_order.store(out_of_order, Ordering::SeqCst);
    }

    /// What it has taken, in order.
    pub fn notices(&self) -> Vec<Value> {
        self.kept.notices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The kinds of those and what each is about, in order.
    pub fn told(&self) -> Vec<String> {
        let text = |notice: &Value, key: &str| notice[key].as_str().unwrap_or_default().to_owned();
        self.notices().iter().map(|notice| format!("{} {}", text(notice, "kind"), text(notice, "tag"))).collect()
    }
}

async fn take(State(kept): State<Arc<Kept>>, body: Bytes) -> StatusCode {
    if kept.out_of_order.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let notice = serde_json::from_slice(&body).unwrap_or(Value::Null);
    kept.notices.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
    StatusCode::NO_CONTENT
}
