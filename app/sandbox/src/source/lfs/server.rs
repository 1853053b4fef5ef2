//! One server of Git LFS: the one beside the repository's own git. It is asked where contents lie, and each is fetched from there.
//!
//! The clone's credential goes to the clone's own server only, as it does for git. To other servers, such as a store of objects in a
//! cloud, goes what the forge's answer names for it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use gatewright_core::cause::deepest;
use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::SandboxError;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::Pointer;
use crate::source::git::{login, redacted};

const AGENT: &str = concat!("gatewright/", env!("CARGO_PKG_VERSION"));

/// What requests and answers are.
const KIND: &str = "application/vnd.git-lfs+json";

/// A server that takes longer to be connected to is tried again later.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// A server that falls silent is given up before the deadline, as git's is.
const SILENT_MAX: Duration = Duration::from_secs(60);

/// The answer for a hundred objects has some hundred KiB. A longer one is an error.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A forge sends from itself to its store, and that may send on. More is an error.
const REDIRECTS_MAX: usize = 5;

/// The server of a repository.
pub(super) struct Server {
    client: Client,
    batch: Url,
    /// `Basic`, for the clone's own server.
    login: Option<HeaderValue>,
    secrets: Vec<String>,
}

/// Where a content lies.
#[derive(Debug)]
pub(super) struct Way {
    url: Url,
    headers: HeaderMap,
}

#[derive(Deserialize)]
struct Answer {
    transfer: Option<String>,
    hash_algo: Option<String>,
    objects: Option<Vec<Object>>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    size: Option<u64>,
    authenticated: Option<bool>,
    actions: Option<Actions>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Actions {
    download: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    header: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Fault {
    code: u16,
    message: Option<String>,
}

impl Server {
    /// The one that Git LFS takes for a repository whose files name no other one
    /// (<https://github.com/git-lfs/git-lfs/blob/main/docs/api/server-discovery.md>).
    pub(super) fn of(credential: &CloneCredential) -> Result<Server, SandboxError> {
        let plain = credential.url.trim_end_matches('/');
        let end = if plain.ends_with(".git") { "" } else { ".git" };
        let batch = Url::parse(&format!("{plain}{end}/info/lfs/objects/batch")).ok();
        let batch = batch.filter(|url| matches!(url.scheme(), "http" | "https"));
        let batch = batch.ok_or_else(|| unusable("Git LFS is not fetched from there: its address is none of HTTP".to_owned()))?;
        // Proxies and certificates are those of the service's environment. Redirects are followed here, without credentials.
        let client = Client::builder()
            .user_agent(AGENT)
            .connect_timeout(CONNECT_MAX)
            .read_timeout(SILENT_MAX)
            .redirect(Policy::none())
            .build()
            .map_err(|error| SandboxError::Source(format!("no client for Git LFS: {}", deepest(&error))))?;
        let encoded = login(credential);
        let header = encoded.as_ref().and_then(|encoded| HeaderValue::from_str(&format!("Basic {encoded}")).ok());
        let header = header.map(|mut header| {
            header.set_sensitive(true);
            header
        });
        let secret = credential.login.as_ref().map(|(_, secret)| secret.expose_secret().to_owned());
        Ok(Server { client, batch, login: header, secrets: secret.into_iter().chain(encoded).collect() })
    }

    /// Asks where these contents lie, and says it in their order
    /// (<https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md>).
    pub(super) async fn ways(&self, wanted: &[&Pointer]) -> Result<Vec<Way>, SandboxError> {
        let objects: Vec<_> = wanted.iter().map(|one| json!({ "oid": one.oid, "size": one.bytes })).collect();
        let body = json!({ "operation": "download", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256" });
        let mut request = self.client.post(self.batch.clone()).header(ACCEPT, KIND).header(CONTENT_TYPE, KIND);
        if let Some(login) = &self.login {
            request = request.header(AUTHORIZATION, login);
        }
        let response = request.body(body.to_string()).send().await.map_err(|error| lost(&error))?;
        let answer = self.answer(response).await?;
        if answer.transfer.as_deref().is_some_and(|name| name != "basic")
            || answer.hash_algo.as_deref().is_some_and(|name| name != "sha256")
        {
            return Err(later("its server answers with a transfer that it was not asked for"));
        }
        let told = answer.objects.unwrap_or_default().into_iter().map(|object| (object.oid.clone(), object));
        let told: HashMap<String, Object> = told.collect();
        wanted.iter().map(|pointer| self.way(pointer, told.get(&pointer.oid))).collect()
    }

    async fn answer(&self, mut response: Response) -> Result<Answer, SandboxError> {
        let status = response.status();
        let permanent = [StatusCode::NOT_FOUND, StatusCode::GONE, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::NOT_IMPLEMENTED];
        if permanent.contains(&status) {
            let words =
                format!("the forge has no Git LFS for this repository (HTTP {}): is it switched on there?", status.as_u16());
            return Err(unusable(words));
        }
        if status != StatusCode::OK {
            return Err(later(&format!("its server answered {}", status.as_u16())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(later(&format!("its server answered more than {} MiB", ANSWER_BYTES_MAX >> 20)));
            }
        }
        serde_json::from_slice(&body).map_err(|_| later("its server answered something else than Git LFS does"))
    }

    fn way(&self, pointer: &Pointer, told: Option<&Object>) -> Result<Way, SandboxError> {
        let path = pointer.shown();
        let told = told.ok_or_else(|| later(&format!("its server says nothing of `{path}`")))?;
        if let Some(Fault { code, message }) = &told.error {
            let message = redacted(&self.secrets, message.as_deref().unwrap_or_default());
            let message: String = message.chars().filter(|c| !c.is_control()).collect();
            return Err(refused(*code, &path, &message));
        }
        if told.size.is_some_and(|bytes| bytes != pointer.bytes) {
            return Err(unusable(format!("`{path}` is kept in Git LFS with another size than the commit names")));
        }
        let action = told.actions.as_ref().and_then(|actions| actions.download.as_ref());
        let action = action.ok_or_else(|| later(&format!("its server names no way to `{path}`")))?;
        let url = Url::parse(&action.href).map_err(|_| later(&format!("its server names no way to `{path}`")))?;
        let mut headers = HeaderMap::new();
        for (name, value) in action.header.iter().flatten() {
            let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) else {
                return Err(later(&format!("its server names headers for `{path}` that are none")));
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let own = url.origin() == self.batch.origin() && told.authenticated != Some(true);
        if let Some(login) = self.login.as_ref().filter(|_| own && !headers.contains_key(AUTHORIZATION)) {
            headers.insert(AUTHORIZATION, login.clone());
        }
        Ok(Way { url, headers })
    }

    /// Begins to fetch a content. What comes has still to be checked.
    pub(super) async fn open(&self, pointer: &Pointer, way: Way) -> Result<Response, SandboxError> {
        let Way { mut url, mut headers } = way;
        for _ in 0..=REDIRECTS_MAX {
            // What is fetched encrypted from the forge is not fetched openly from its store.
            if url.scheme() != "https" && url.scheme() != self.batch.scheme() {
                return Err(later("its server sends to an address that is not `https`"));
            }
            let sent = self.client.get(url.clone()).headers(headers.clone()).send().await;
            let response = sent.map_err(|error| lost(&error))?;
            let status = response.status();
            if status.is_redirection() {
                let next = response.headers().get(LOCATION).and_then(|to| url.join(to.to_str().ok()?).ok());
                let next = next.ok_or_else(|| later("its server sends nowhere"))?;
                if next.origin() != url.origin() {
                    headers.clear();
                }
                url = next;
                continue;
            }
            if status == StatusCode::OK {
                return Ok(response);
            }
            return Err(refused(status.as_u16(), &pointer.shown(), ""));
        }
        Err(later(&format!("its server sent on more than {REDIRECTS_MAX} times")))
    }
}

/// A content that its server does not give. Those that are not there, or not any more, will not be there in a moment either.
fn refused(code: u16, path: &str, message: &str) -> SandboxError {
    let said = if message.is_empty() { String::new() } else { format!(", {message}") };
    match code {
        404 | 410 | 422 => unusable(format!(
            "the content of `{path}` is not in the forge's Git LFS ({code}{said}); `git lfs push --all` brings it there"
        )),
        _ => later(&format!("its server does not give out `{path}` ({code}{said})")),
    }
}

fn unusable(words: String) -> SandboxError {
    SandboxError::SourceUnusable(words)
}

/// The fault lies outside, and may pass.
pub(super) fn later(words: &str) -> SandboxError {
    SandboxError::Source(format!("fetching from Git LFS failed: {words}"))
}

/// Without the address, which may hold a key.
pub(super) fn lost(error: &reqwest::Error) -> SandboxError {
    later(&match () {
        () if error.is_timeout() => "no answer in time".to_owned(),
        () if error.is_connect() => format!("cannot connect: {}", deepest(error)),
        () => format!("the connection broke: {}", deepest(error)),
    })
}
