//! Instances that are no containers: servers within the test, for what needs many of them or wants them to fail in a certain way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use gatewright_core::target::{Health, Instance};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// How requests are answered. Checks are always answered well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Manner {
    Well,
    Fails,
    /// Closes the connection by a reset.
    Resets,
    /// Never answers.
    Silent,
    /// Half of an answer.
    Cut,
}

/// A server that listens until this is dropped.
pub(crate) struct Local {
    pub(crate) instance: Instance,
    manner: Arc<AtomicU8>,
    task: AbortHandle,
}

impl Local {
    /// The instance of this number of a version's pool.
    pub(crate) async fn start(version: &str, nth: usize) -> Local {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let manner = Arc::new(AtomicU8::new(Manner::Well as u8));
        let (body, how) = (format!("{version} {nth}"), Arc::clone(&manner));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(serve(stream, body.clone(), Arc::clone(&how)));
            }
        });
        let instance = Instance {
            id: format!("local-{version}-{nth}"),
            pool: version.parse().unwrap(),
            address: Some(address),
            health: Health::Ready,
            config_hash: String::new(),
            digest: None,
        };
        Local { instance, manner, task: task.abort_handle() }
    }

    /// So many of a version.
    pub(crate) async fn several(version: &str, count: usize) -> Vec<Local> {
        let mut all = Vec::new();
        for nth in 0..count {
            all.push(Local::start(version, nth).await);
        }
        all
    }

    pub(crate) fn answers(&self, manner: Manner) {
        self.manner.store(manner as u8, Ordering::SeqCst);
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn instances(locals: &[Local]) -> Vec<Instance> {
    locals.iter().map(|local| local.instance.clone()).collect()
}

pub(crate) fn ids(instances: &[Instance]) -> Vec<String> {
    instances.iter().map(|instance| instance.id.clone()).collect()
}

async fn serve(stream: TcpStream, body: String, manner: Arc<AtomicU8>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let manner = if head.starts_with("GET /healthz") { Manner::Well as u8 } else { manner.load(Ordering::SeqCst) };
        let length = body.len();
        let answer = match manner {
            m if m == Manner::Fails as u8 => format!("HTTP/1.1 500 No\r\nContent-Length: {length}\r\n\r\n{body}"),
            m if m == Manner::Cut as u8 => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned(),
            m if m == Manner::Silent as u8 => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                return Ok(());
            }
            m if m == Manner::Resets as u8 => {
                stream.get_ref().set_zero_linger()?;
                return Ok(());
            }
            _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
        };
        stream.get_mut().write_all(answer.as_bytes()).await?;
        if manner == Manner::Cut as u8 {
            return Ok(());
        }
    }
}
