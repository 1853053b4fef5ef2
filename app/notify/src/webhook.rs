//! JSON of our own to an address of the operator's, signed so that who gets it can tell that it is ours.

use gatewright_core::notice::{Notice, SendError};
use gatewright_core::secret::{ExposeSecret, SecretString};
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::Client;

/// The version of what is sent. It grows when a field changes its meaning or goes; fields may be added at any time.
const PROTOCOL: u32 = 1;

/// The header with the signature: `sha256=` and the HMAC-SHA256 of the body under the secret, in small hexadecimal digits.
pub const SIGNATURE_HEADER: &str = "x-gatewright-signature-256";

/// The header with the notice's key: the same for each try.
const KEY_HEADER: &str = "x-gatewright-delivery";

/// The header with its kind.
const KIND_HEADER: &str = "x-gatewright-event";

/// A webhook.
pub struct Webhook {
    client: Client,
    url: SecretString,
    secret: SecretString,
}

impl Webhook {
    /// To this address, signed with this secret.
    pub fn new(client: Client, url: SecretString, secret: SecretString) -> Webhook {
        Webhook { client, url, secret }
    }

    pub(crate) async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let body = body(notice);
        let signature = self.signature(&body);
        let headers = |request: reqwest::RequestBuilder| {
            request
                .header(SIGNATURE_HEADER, format!("sha256={signature}"))
                .header(KEY_HEADER, notice.key.as_str())
                .header(KIND_HEADER, notice.kind.as_str())
        };
        self.client.post(&self.url, body, headers).await
    }

    fn signature(&self, body: &[u8]) -> String {
        let key = self.secret.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
        mac.update(body);
        hex::encode(mac.finalize().into_bytes())
    }
}

fn body(notice: &Notice) -> Vec<u8> {
    let Notice { key, kind, repo, environment, tag, title, text, owner, url, at } = notice;
    let body = json!({
        "protocol": PROTOCOL,
        "key": key,
        "kind": kind,
        "forge": repo.forge.as_str(),
        "repository": repo.path,
        "environment": environment,
        "tag": tag,
        "title": title,
        "text": text,
        "owner": owner,
        "url": url,
        "at": at.to_string(),
    });
    body.to_string().into_bytes()
}
