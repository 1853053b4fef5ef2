//! A real git server on loopback: git's own `http-backend` behind a little HTTP, with a login.

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use gatewright_core::config::Checkout;
use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::Source;
use gatewright_core::secret::SecretString;
use gatewright_core::{CommitId, ForgeKind, RepoRef};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::lfs_server::Lfs;

pub(crate) const TOKEN: &str = "ghs_c4n4ryC4n4ryC4n4ry";

/// Which protocol the server speaks. The old one gives out no commit that no branch points at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Now,
    Old,
}

pub(crate) struct GitServer {
    shared: Arc<Shared>,
    pub(crate) root: TempDir,
    port: u16,
}

struct Shared {
    root: PathBuf,
    speaks: Speaks,
    fetches: AtomicU64,
    bytes: AtomicU64,
    refusal: Mutex<Option<StatusCode>>,
    lfs: Lfs,
}

impl GitServer {
    pub(crate) async fn start(speaks: Speaks) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let shared = Arc::new(Shared {
            root: root.path().to_owned(),
            speaks,
            fetches: AtomicU64::default(),
            bytes: AtomicU64::default(),
            refusal: Mutex::default(),
            lfs: Lfs::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let app = axum::Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        GitServer { shared, root, port }
    }

    pub(crate) fn url(&self, repo: &str) -> String {
        format!("http://127.0.0.1:{}/{repo}", self.port)
    }

    /// How many packs were asked for, and how many bytes they had.
    pub(crate) fn fetched(&self) -> (u64, u64) {
        (self.shared.fetches.load(Ordering::SeqCst), self.shared.bytes.load(Ordering::SeqCst))
    }

    /// What it keeps of Git LFS, for all its repositories.
    pub(crate) fn lfs(&self) -> &Lfs {
        &self.shared.lfs
    }

    /// From now on every request is refused so, or none.
    pub(crate) fn refuse(&self, status: Option<StatusCode>) {
        *self.shared.refusal.lock().expect("no test panics while it holds this") = status;
    }

    pub(crate) fn source(&self, repo: &Repo, commit: &CommitId) -> Source {
        Source {
            repo: RepoRef { forge: ForgeKind::Github, id: 7, path: "octo/app".to_owned(), installation: None },
            commit: commit.clone(),
            credential: CloneCredential {
                url: self.url(&repo.name),
                login: Some(("x-access-token".to_owned(), SecretString::from(TOKEN.to_owned()))),
                one_repository: true,
            },
            checkout: Checkout::default(),
            overlay: Arc::default(),
        }
    }

    /// A repository with a work tree, which the server serves.
    pub(crate) fn repo(&self, name: &str) -> Repo {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder can be made");
        let repo = Repo { name: name.to_owned(), path };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo.git(&["config", "http.receivepack", "false"]);
        repo
    }
}

pub(crate) struct Repo {
    name: String,
    pub(crate) path: PathBuf,
}

impl Repo {
    /// Writes files and commits them all.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> CommitId {
        for (name, content) in files {
            let path = self.path.join(name);
            std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
            std::fs::write(path, content).expect("a file can be written");
        }
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "change"]);
        self.head()
    }

    pub(crate) fn head(&self) -> CommitId {
        self.git(&["rev-parse", "HEAD"]).parse().expect("git prints a commit")
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let done = Process::new("git")
            .arg("-C")
            .arg(&self.path)
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("there is a PATH"))
            .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/nonexistent")])
            .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.com")])
            .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@example.com")])
            .output()
            .expect("there is a git");
        assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(status) = *shared.refusal.lock().expect("no test panics while it holds this") {
        return status.into_response();
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    // printf 'x-access-token:ghs_c4n4ryC4n4ryC4n4ry' | base64
    let may = header("authorization") == "Basic eC1hY2Nlc3MtdG9rZW46Z2hzX2M0bjRyeUM0bjRyeUM0bjRyeQ==";
    if let Some(answer) = shared.lfs.answer(may, &header("host"), (&method, &uri, &headers, &body)) {
        return answer;
    }
    if !may {
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"git\"")]).into_response();
    }
    let mut backend = tokio::process::Command::new("git");
    backend.arg("http-backend").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    backend.env("GIT_PROJECT_ROOT", &shared.root).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("PATH_INFO", uri.path()).env("QUERY_STRING", uri.query().unwrap_or_default());
    backend.env("REQUEST_METHOD", method.as_str()).env("CONTENT_TYPE", header("content-type"));
    backend.env("HTTP_CONTENT_ENCODING", header("content-encoding"));
    if shared.speaks == Speaks::Now {
        backend.env("GIT_PROTOCOL", header("git-protocol"));
    }
    let mut backend = backend.spawn().expect("git has http-backend");
    let mut stdin = backend.stdin.take().expect("it is piped");
    let (_, output) = tokio::join!(
        async move {
            let _ = stdin.write_all(&body).await;
        },
        backend.wait_with_output()
    );
    respond(&shared, &uri, &output.expect("it ends").stdout)
}

fn respond(shared: &Shared, uri: &Uri, output: &[u8]) -> Response {
    let end = output.windows(4).position(|w| w == b"\r\n\r\n").expect("a CGI program prints a head");
    let (head, body) = (String::from_utf8_lossy(&output[..end]).into_owned(), output[end + 4..].to_vec());
    if body.windows(4).any(|w| w == b"PACK") && Path::new(uri.path()).ends_with("git-upload-pack") {
        shared.fetches.fetch_add(1, Ordering::SeqCst);
        shared.bytes.fetch_add(body.len() as u64, Ordering::SeqCst);
    }
    let mut response = Response::builder();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        response = match name {
            "Status" => response.status(value.split(' ').next().unwrap_or("200")),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(body)).expect("the head is valid")
}
