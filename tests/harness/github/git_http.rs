//! Git over HTTP: every request is one run of `git http-backend`, as a web server would run it. Beside it, Git LFS, whose objects lie on
//! a server of their own.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use futures_util::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_util::io::ReaderStream;

use super::api::Access;
use super::auth::{Caller, caller, in_scope, permits};
use super::git::ENVIRONMENT;
use super::lfs;
use super::world::{Level, World, lock};

/// What a request wants from git.
pub(crate) struct Wanted {
    /// `git/info-refs`, `git/upload-pack`, `git/receive-pack`, `git/lfs-batch` or `git/lfs-object`.
    pub(crate) operation: &'static str,
    pub(crate) full_name: String,
    pub(crate) service: &'static str,
    pub(crate) writes: bool,
}

/// Where the objects of Git LFS are, below a repository. On GitHub it is another server, which takes no login but a key in the address.
const MEDIA: &str = "lfs-media/";

/// The key in such an address.
fn key_of(oid: &str) -> String {
    format!("token=signed-{}", oid.chars().rev().take(16).collect::<String>())
}

/// Whether a path and query are git's, and what they want.
pub(crate) fn wanted(path: &str, query: &str) -> Option<Wanted> {
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let (owner, repo, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (operation, service) = match rest {
        "info/refs" => ("git/info-refs", "info/refs"),
        "git-upload-pack" => ("git/upload-pack", "git-upload-pack"),
        "git-receive-pack" => ("git/receive-pack", "git-receive-pack"),
        lfs::BATCH => ("git/lfs-batch", lfs::BATCH),
        object if object.starts_with(MEDIA) => ("git/lfs-object", MEDIA),
        _ => return None,
    };
    let writes = service == "git-receive-pack" || query.contains("service=git-receive-pack");
    let full_name = format!("{owner}/{}", repo.strip_suffix(".git").unwrap_or(repo));
    Some(Wanted { operation, full_name, service, writes })
}

/// Serves one request of a git client.
pub(crate) async fn serve(world: &Arc<Mutex<World>>, wanted: &Wanted, request: Request<Body>) -> Response<Body> {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).map(str::to_owned);
    if wanted.service == MEDIA {
        return media(&mut lock(world), &request, authorization.is_some());
    }
    let (repo, dir, sender) = {
        let world = lock(world);
        match authorize(&world, wanted, authorization.as_deref()) {
            Ok((repo, sender)) => (repo, world.repo(repo).git.dir().to_owned(), sender),
            Err(status) => return refusal(status),
        }
    };
    if wanted.service == lfs::BATCH {
        return batch(world, wanted, request).await;
    }
    let response = match backend(&dir, wanted, request).await {
        Ok(response) => response,
        Err(e) => return text(StatusCode::INTERNAL_SERVER_ERROR, &format!("git http-backend failed: {e}")),
    };
    if wanted.service != "git-receive-pack" {
        return response;
    }
    // The push is over once the answer has ended; only then is it known what moved.
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let world = world.clone();
    let synced = tokio::task::spawn_blocking(move || lock(&world).sync_refs(repo, sender)).await;
    synced.expect("following a push does not panic");
    Response::from_parts(parts, Body::from(body))
}

async fn batch(world: &Arc<Mutex<World>>, wanted: &Wanted, request: Request<Body>) -> Response<Body> {
    match lfs::read(request).await {
        Ok((batch, _)) => {
            let world = lock(world);
            // Another name is another server to whoever looks out for where a login may go.
            let base = world.base.replace("127.0.0.1", "localhost");
            let way = |oid: &str| {
                let href = format!("{base}/{}/{MEDIA}{oid}?{}", wanted.full_name, key_of(oid));
                serde_json::json!({ "href": href, "expires_in": 3600 })
            };
            batch.answer(&world.lfs, way)
        }
        Err(status) => text(status, "the request is none of Git LFS"),
    }
}

/// The other server. A login that is not meant for it is refused by real ones, and remembered here.
fn media(world: &mut World, request: &Request<Body>, has_login: bool) -> Response<Body> {
    let path = request.uri().path();
    let oid = path.rsplit('/').next().unwrap_or_default();
    if has_login {
        world.violation(format!("{path}: a login was sent to the server of Git LFS objects"));
        return text(StatusCode::BAD_REQUEST, "Only one auth mechanism allowed");
    }
    if request.uri().query() != Some(key_of(oid).as_str()) {
        return text(StatusCode::FORBIDDEN, "Access denied");
    }
    lfs::object(&world.lfs, path)
}

/// The repository, and who pushes.
fn authorize(world: &World, wanted: &Wanted, authorization: Option<&str>) -> Result<(u64, u64), StatusCode> {
    let caller = caller(world, authorization).map_err(|_| StatusCode::UNAUTHORIZED)?;
    let Some(repo) = world.find_repo(&wanted.full_name) else {
        return Err(if authorization.is_some() { StatusCode::NOT_FOUND } else { StatusCode::UNAUTHORIZED });
    };
    let open = !repo.private && !wanted.writes;
    let access = if wanted.writes { Access::Write } else { Access::Read };
    match caller {
        Caller::Token(token) if in_scope(world, &token, repo.id) => {
            if open || permits(&token, "contents", access) {
                Ok((repo.id, world.app.bot))
            } else {
                Err(StatusCode::FORBIDDEN)
            }
        }
        Caller::User(user) if world.level(repo, user) >= if wanted.writes { Level::Write } else { Level::Read } => {
            Ok((repo.id, user))
        }
        Caller::Anonymous | Caller::App | Caller::Token(_) | Caller::User(_) if open => Ok((repo.id, repo.owner)),
        Caller::Anonymous | Caller::App => Err(StatusCode::UNAUTHORIZED),
        Caller::Token(_) | Caller::User(_) => Err(StatusCode::NOT_FOUND),
    }
}

fn refusal(status: StatusCode) -> Response<Body> {
    let message = if status == StatusCode::NOT_FOUND { "Repository not found." } else { "Invalid username or token." };
    let mut response = text(status, message);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Basic realm=\"GitHub\""));
    }
    response
}

fn text(status: StatusCode, message: &str) -> Response<Body> {
    Response::builder().status(status).body(Body::from(message.to_owned())).expect("the parts are valid")
}

pub(crate) async fn backend(dir: &Path, wanted: &Wanted, request: Request<Body>) -> std::io::Result<Response<Body>> {
    let mut child = command(dir, wanted, &request).spawn()?;
    let stdin = child.stdin.take().expect("stdin is piped");
    let stdout = child.stdout.take().expect("stdout is piped");
    tokio::spawn(feed(request.into_body(), stdin));
    let mut reader = BufReader::new(stdout);
    let mut builder = Response::builder();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.trim().split_once(": ").unwrap_or((line.trim(), ""));
        builder = match name {
            "Status" => builder.status(value.get(..3).and_then(|code| code.parse::<u16>().ok()).unwrap_or(500)),
            _ => builder.header(name, value),
        };
    }
    builder.body(output(reader, child)).map_err(std::io::Error::other)
}

/// What the process writes, until it ends. The process goes with the body: a client that leaves ends it.
fn output(reader: BufReader<ChildStdout>, child: Child) -> Body {
    let stream = ReaderStream::new(reader.take(u64::MAX));
    Body::from_stream(stream.map(move |chunk| {
        // Held until the last chunk was sent, and killed when dropped.
        let _child = &child;
        chunk
    }))
}

fn command(dir: &Path, wanted: &Wanted, request: &Request<Body>) -> Command {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut command = Command::new("git");
    command.arg("http-backend").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.envs(ENVIRONMENT).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "git").env("REMOTE_ADDR", "127.0.0.1");
    command.env("PATH_TRANSLATED", dir.join(wanted.service)).env("REQUEST_METHOD", request.method().as_str());
    command.env("QUERY_STRING", request.uri().query().unwrap_or_default()).env("CONTENT_TYPE", header("content-type"));
    command.env("HTTP_CONTENT_ENCODING", header("content-encoding")).env("GIT_PROTOCOL", header("git-protocol"));
    if !header("content-length").is_empty() {
        command.env("CONTENT_LENGTH", header("content-length"));
    }
    command
}

async fn feed(body: Body, mut stdin: ChildStdin) {
    let mut chunks = body.into_data_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        // A backend that has read enough closes its end; what is left does not matter to it.
        if stdin.write_all(&chunk).await.is_err() {
            break;
        }
    }
}
