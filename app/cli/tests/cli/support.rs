//! Runs the binary, and a service of it beside a forge that says little.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tempfile::TempDir;

/// Longer than anything here takes, even on a machine that is busy with something else. Nothing waits this long when all
/// is well.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const WEBHOOK_SECRET: &str = "CANARY-webhook-0123456789abcdef";

/// A finished command.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A folder with files, and the binary run in it with an environment of its own.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    env: BTreeMap<String, String>,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench { folder: tempfile::tempdir().expect("there is a folder for temporary files"), env: BTreeMap::new() }
    }

    /// A bench with a server file for a forge at this address, and its secrets in place.
    pub(crate) fn with_server_file(forge: SocketAddr, store: &str) -> Bench {
        let bench = Bench::new().env("HOOK_SECRET", WEBHOOK_SECRET);
        bench.write("app.pem", private_key());
        bench.write("gatewright.toml", &server_file(forge, store));
        bench
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Bench {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).expect("the folder can be written");
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command.args(args).current_dir(self.folder.path()).env_clear().envs(&self.env).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        let output = self.command(args).output().expect("the binary can be run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the binary writes UTF-8");
        Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts the service and waits until it is ready.
    pub(crate) fn serve(&self, args: &[&str]) -> Service {
        let mut command = self.command(&["serve", "--log-format", "json"]);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        Service::start(command.spawn().expect("the binary can be run"))
    }
}

/// A server file for tests: any free port, short times.
pub(crate) fn server_file(forge: SocketAddr, store: &str) -> String {
    format!(
        r#"[server]
listen = "127.0.0.1:0"
header_secs = 1

[store]
url = "{store}"

[[forge]]
kind = "github"
api_url = "http://{forge}"
app_id = 12345
private_key = "file:app.pem"
webhook_secret = "env:HOOK_SECRET"

[sandbox]
engine = "unix:///nowhere/docker.sock"
"#
    )
}

/// An RSA key in PEM, the same one for the whole test binary: making one takes a while.
pub(crate) fn private_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key can be made");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("a key can be written");
        let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("Base64 is ASCII")).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
    })
}

/// A running service.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Everything that it wrote.
    written: Arc<Mutex<String>>,
    /// The same, line by line.
    told: mpsc::Receiver<String>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Service {
    fn start(mut child: Child) -> Service {
        let written = Arc::new(Mutex::new(String::new()));
        let (tell, told) = mpsc::channel();
        let stdout = child.stdout.take().expect("standard output is piped");
        let stderr = child.stderr.take().expect("standard error is piped");
        let readers =
            vec![read_lines(stdout, Arc::clone(&written), tell.clone()), read_lines(stderr, Arc::clone(&written), tell)];
        let address = loop {
            let Ok(line) = told.recv_timeout(PATIENCE) else {
                panic!("the service did not become ready: {}", written.lock().expect("no reader panics"));
            };
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if line["message"] == "ready" {
                break line["address"].as_str().expect("the line has an address").parse().expect("it is one");
            }
        };
        Service { child, address, written, told, readers }
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill is everywhere").success());
    }

    /// Waits until it writes a line with this in it.
    pub(crate) fn wait_for(&self, text: &str) {
        loop {
            let line = self.told.recv_timeout(PATIENCE).expect("the service writes the line that is waited for");
            if line.contains(text) {
                return;
            }
        }
    }

    /// Waits for the process's end.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("the process is ours");
        for reader in self.readers.drain(..) {
            reader.join().expect("no reader panics");
        }
        let written = self.written.lock().expect("no reader panics").clone();
        (status, written)
    }

    /// Asks it to stop; it must exit with 0.
    pub(crate) fn stop(self) -> String {
        self.signal("TERM");
        let (status, written) = self.wait();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{written}");
        written
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        request(self.address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    }

    /// Sends a delivery with this signature.
    pub(crate) fn deliver(&self, guid: &str, event: &str, payload: &str, signature: &str) -> Answer {
        let head = format!(
            "POST /webhooks/github HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             x-github-event: {event}\r\nx-github-delivery: {guid}\r\nx-hub-signature-256: sha256={signature}\r\ncontent-length: {}\r\n\r\n",
            payload.len()
        );
        request(self.address, &format!("{head}{payload}"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind. One that has ended is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(
    pipe: impl Read + Send + 'static,
    written: Arc<Mutex<String>>,
    tell: mpsc::Sender<String>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut written = written.lock().expect("no reader panics");
            written.push_str(&line);
            written.push('\n');
            // Nobody listens any more once the service is ready.
            let _ = tell.send(line);
        }
    })
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

pub(crate) fn request(address: SocketAddr, text: &str) -> Answer {
    let mut stream = connect(address);
    stream.write_all(text.as_bytes()).expect("the service reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the service answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a head has a status");
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the service listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

pub(crate) fn sign(payload: &str) -> String {
    sign_with(WEBHOOK_SECRET, payload)
}

pub(crate) fn sign_with(secret: &str, payload: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(payload.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A forge that knows the App and nothing else.
pub(crate) fn forge() -> SocketAddr {
    static FORGE: OnceLock<SocketAddr> = OnceLock::new();
    *FORGE.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(|| answer(stream));
            }
        });
        address
    })
}

fn answer(mut stream: TcpStream) {
    let mut first = String::new();
    let mut lines = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    let _ = lines.read_line(&mut first);
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 2) {
        line.clear();
    }
    let (status, body) = match first.split(' ').nth(1).unwrap_or_default() {
        "/app" => ("200 OK", r#"{"id":12345,"slug":"bench","name":"Bench"}"#),
        path if path.starts_with("/app/hook/deliveries") => ("200 OK", "[]"),
        _ => ("404 Not Found", r#"{"message":"Not Found"}"#),
    };
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address")
}

/// Every regular file under a folder with its content.
pub(crate) fn files_under(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
            let kind = entry.file_type().expect("an entry has a type");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push((entry.path(), fs::read(entry.path()).expect("the file can be read")));
            }
        }
    }
    found
}
