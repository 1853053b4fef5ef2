//! Git LFS as the fakes of both forges have it: what people push beside git, and the API that tells where it lies
//! (<https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md>).

use std::collections::HashMap;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::server::BODY_BYTES_MAX;

/// The service of the batch API, below a repository's address.
pub(crate) const BATCH: &str = "info/lfs/objects/batch";

/// What requests and answers of it are.
const KIND: &str = "application/vnd.git-lfs+json";

/// The objects of a forge, by their ids.
pub(crate) type Objects = HashMap<String, Bytes>;

/// Keeps a content. Returns the pointer that a commit has of it.
pub(crate) fn keep(objects: &mut Objects, content: &[u8]) -> String {
    let oid = hex::encode(Sha256::digest(content));
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {}\n", content.len());
    objects.insert(oid, Bytes::copy_from_slice(content));
    pointer
}

/// A request of the batch API, read.
pub(crate) struct Batch {
    wanted: Vec<Value>,
}

/// Reads a request. Err: what a server says to one that no client makes.
pub(crate) async fn read(request: Request<Body>) -> Result<(Batch, HeaderMap), StatusCode> {
    let (parts, body) = request.into_parts();
    let is_kind = |name| parts.headers.get(name).is_some_and(|kind| kind == KIND);
    if parts.method != "POST" || !is_kind(header::ACCEPT) || !is_kind(header::CONTENT_TYPE) {
        return Err(StatusCode::NOT_ACCEPTABLE);
    }
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let wanted = asked["objects"].as_array().filter(|_| asked["operation"] == "download").cloned();
    Ok((Batch { wanted: wanted.ok_or(StatusCode::UNPROCESSABLE_ENTITY)? }, parts.headers))
}

impl Batch {
    /// The answer, with a way to each object that is there.
    pub(crate) fn answer(&self, objects: &Objects, way: impl Fn(&str) -> Value) -> Response<Body> {
        let told = self.wanted.iter().map(|one| {
            let (oid, size) = (one["oid"].as_str().unwrap_or_default(), &one["size"]);
            match objects.get(oid).filter(|content| *size == content.len()) {
                Some(_) => json!({ "oid": oid, "size": size, "actions": { "download": way(oid) } }),
                None => json!({ "oid": oid, "size": size, "error": { "code": 404, "message": "Object does not exist" } }),
            }
        });
        let answer = json!({ "transfer": "basic", "objects": told.collect::<Vec<_>>() });
        let response = Response::builder().header(header::CONTENT_TYPE, KIND).body(Body::from(answer.to_string()));
        response.expect("the parts are valid")
    }
}

/// An object, as its address gives it out.
pub(crate) fn object(objects: &Objects, path: &str) -> Response<Body> {
    let oid = path.rsplit('/').next().unwrap_or_default();
    let (status, content) = match objects.get(oid) {
        Some(content) => (StatusCode::OK, content.clone()),
        None => (StatusCode::NOT_FOUND, Bytes::new()),
    };
    Response::builder().status(status).body(Body::from(content)).expect("the parts are valid")
}
