//! Slack: its incoming webhooks take a message of blocks.

use gatewright_core::notice::{Notice, SendError};
use gatewright_core::secret::SecretString;
use serde_json::{Value, json};

use crate::Client;

/// A header of Slack's has so many characters at most.
const HEADER_MAX: usize = 150;

/// A section has 3000. Escaping makes up to five of one, so less is sent.
const SECTION_MAX: usize = 3000;

/// An incoming webhook of Slack. Its address is the secret.
pub struct Slack {
    client: Client,
    url: SecretString,
}

impl Slack {
    /// To this address.
    pub fn new(client: Client, url: SecretString) -> Slack {
        Slack { client, url }
    }

    pub(crate) async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        self.client.post(&self.url, message(notice).to_string().into_bytes(), |request| request).await
    }
}

/// All words are `plain_text`, in which nothing is markup. `text` is what notifications show and may be markup: there the three characters that Slack
/// reads as such are escaped.
fn message(notice: &Notice) -> Value {
    let mut blocks = vec![json!({"type": "header", "text": plain(&notice.title, HEADER_MAX)})];
    if !notice.text.is_empty() {
        blocks.push(json!({"type": "section", "text": plain(&notice.text, SECTION_MAX)}));
    }
    let mut context = vec![plain(&format!("{}, {}", notice.repo.path, notice.environment), HEADER_MAX)];
    context.extend(notice.owner.as_ref().map(|owner| plain(&format!("To be acted on by {owner}"), HEADER_MAX)));
    blocks.push(json!({"type": "context", "elements": context}));
    if let Some(url) = &notice.url {
        let button = json!({"type": "button", "text": plain("Open", HEADER_MAX), "url": url});
        blocks.push(json!({"type": "actions", "elements": [button]}));
    }
    json!({"text": escaped(&notice.title, SECTION_MAX), "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
}

fn plain(text: &str, max: usize) -> Value {
    json!({"type": "plain_text", "text": escaped(text, max), "emoji": false})
}

/// The first characters of a text, escaped, of which there are at most so many then.
fn escaped(text: &str, max: usize) -> String {
    let mut escaped = String::new();
    let mut count = 0;
    for c in text.chars() {
        let piece = match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            other => other.to_string(),
        };
        count += piece.chars().count();
        // One is left for the ellipsis.
        if count >= max {
            escaped.push('…');
            break;
        }
        escaped.push_str(&piece);
    }
    escaped
}
