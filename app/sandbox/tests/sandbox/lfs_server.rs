//! The API of Git LFS beside the git server, and a store of objects elsewhere. Both note who asked them for what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The batch API asks for it, and tells it.
const KIND: &str = "application/vnd.git-lfs+json";

/// Which way to an object the server names.
#[derive(Clone, Default)]
pub(crate) enum Way {
    /// To itself, with whatever got in here.
    #[default]
    Own,
    /// To itself, from where it sends on.
    Redirected(String),
    /// To another server, with this header.
    Elsewhere(String, &'static str, &'static str),
}

#[derive(Default)]
struct Inner {
    objects: HashMap<String, Vec<u8>>,
    way: Way,
    refusal: Option<(&'static str, StatusCode)>,
    asked: Vec<Asked>,
}

/// A request, and what it brought to get in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) headers: HeaderMap,
}

/// What a server has, and what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Lfs(Arc<Mutex<Inner>>);

/// The pointer to a content, as it is committed.
pub(crate) fn pointer(content: &[u8]) -> String {
    let oid = hex::encode(Sha256::digest(content));
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {}\n", content.len())
}

fn oid_of(pointer: &str) -> String {
    pointer.split_once("sha256:").expect("it has one").1[..64].to_owned()
}

impl Lfs {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics while it holds this")
    }

    /// Has it keep a content. Returns the pointer.
    pub(crate) fn add(&self, content: &[u8]) -> String {
        let pointer = pointer(content);
        self.inner().objects.insert(oid_of(&pointer), content.to_vec());
        pointer
    }

    /// Has it give out another content for a pointer.
    pub(crate) fn spoil(&self, pointer: &str, content: &[u8]) {
        self.inner().objects.insert(oid_of(pointer), content.to_vec());
    }

    pub(crate) fn name(&self, way: Way) {
        self.inner().way = way;
    }

    /// From now on requests of which the path contains this are refused so.
    pub(crate) fn refuse(&self, part: &'static str, status: StatusCode) {
        self.inner().refusal = Some((part, status));
    }

    pub(crate) fn heal(&self) {
        self.inner().refusal = None;
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }

    /// How many objects were asked for.
    pub(crate) fn downloads(&self) -> usize {
        self.inner().asked.iter().filter(|asked| asked.path.contains("/lfs-objects/")).count()
    }

    /// The answer to a request of Git LFS. None for any other.
    pub(crate) fn answer(&self, may: bool, host: &str, request: (&Method, &Uri, &HeaderMap, &[u8])) -> Option<Response> {
        let (method, uri, headers, body) = request;
        let path = uri.path();
        let batch = path.ends_with(".git/info/lfs/objects/batch") && *method == Method::POST;
        let object = path.strip_prefix("/lfs-objects/").filter(|_| *method == Method::GET);
        if !batch && object.is_none() {
            return None;
        }
        let mut inner = self.inner();
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
        inner.asked.push(Asked { path: path.to_owned(), authorization, headers: headers.clone() });
        if let Some((_, status)) = inner.refusal.filter(|(part, _)| path.contains(part)) {
            return Some(status.into_response());
        }
        if !may {
            return Some(StatusCode::UNAUTHORIZED.into_response());
        }
        Some(match (object, &inner.way) {
            (Some(oid), Way::Redirected(to)) => {
                (StatusCode::FOUND, [("location", format!("{to}/lfs-objects/{oid}"))]).into_response()
            }
            (Some(oid), Way::Own | Way::Elsewhere(..)) => inner.give(oid),
            (None, _) => inner.batch(host, headers, body),
        })
    }
}

impl Inner {
    fn give(&self, oid: &str) -> Response {
        self.objects.get(oid).map_or(StatusCode::NOT_FOUND.into_response(), |content| content.clone().into_response())
    }

    fn batch(&self, host: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        let asked: Value = serde_json::from_slice(body).expect("it is JSON");
        assert_eq!([&headers["accept"], &headers["content-type"]], [KIND, KIND]);
        assert_eq!((&asked["operation"], &asked["transfers"]), (&json!("download"), &json!(["basic"])));
        let wanted = asked["objects"].as_array().expect("they are listed");
        assert!(wanted.len() <= 100, "{}", wanted.len());
        let told = wanted.iter().map(|one| {
            let oid = one["oid"].as_str().expect("it is named");
            if !self.objects.contains_key(oid) {
                let error = json!({ "code": 404, "message": "Object does not exist" });
                return json!({ "oid": oid, "size": one["size"], "error": error });
            }
            let download = match &self.way {
                Way::Own | Way::Redirected(_) => json!({ "href": format!("http://{host}/lfs-objects/{oid}") }),
                Way::Elsewhere(to, name, value) => {
                    json!({ "href": format!("{to}/lfs-objects/{oid}?signed=1"), "header": { *name: value }, "expires_in": 60 })
                }
            };
            json!({ "oid": oid, "size": one["size"], "actions": { "download": download } })
        });
        let answer = json!({ "transfer": "basic", "objects": told.collect::<Vec<_>>() });
        (StatusCode::OK, [("content-type", KIND)], answer.to_string()).into_response()
    }
}

/// A store on another port, which is another origin, with the same objects. It lets everybody in.
pub(crate) async fn elsewhere(of: &Lfs) -> (String, Lfs) {
    let store = Lfs::default();
    store.inner().objects.clone_from(&of.inner().objects);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    let app = axum::Router::new().fallback(from_store).with_state(store.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, store)
}

async fn from_store(State(store): State<Lfs>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    store.answer(true, "", (&method, &uri, &headers, b"")).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}
