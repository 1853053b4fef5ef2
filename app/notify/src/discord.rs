//! Discord: its webhooks take a message with an embed.

use gatewright_core::notice::{Notice, NoticeKind, SendError};
use gatewright_core::secret::SecretString;
use serde_json::{Value, json};

use crate::Client;

/// An embed's title has so many characters at most.
const TITLE_MAX: usize = 256;

/// Its description has so many.
const DESCRIPTION_MAX: usize = 4096;

/// A field's value has so many.
const FIELD_MAX: usize = 1024;

/// What Discord reads as markup, mentions and links included.
const MARKUP: &str = "\\*_~`|>#-[]()<@:";

/// A webhook of Discord. Its address is the secret.
pub struct Discord {
    client: Client,
    url: SecretString,
}

impl Discord {
    /// To this address.
    pub fn new(client: Client, url: SecretString) -> Discord {
        Discord { client, url }
    }

    pub(crate) async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        self.client.post(&self.url, message(notice).to_string().into_bytes(), |request| request).await
    }
}

/// Markup in words from outside is escaped, and nobody is mentioned whatever is written.
fn message(notice: &Notice) -> Value {
    let field = |name: &str, value: &str| json!({"name": name, "value": escaped(value, FIELD_MAX), "inline": true});
    let mut fields = vec![field("Repository", &notice.repo.path), field("Environment", notice.environment.as_str())];
    fields.extend(notice.owner.as_ref().map(|owner| field("To be acted on by", owner)));
    let mut embed = json!({
        "title": escaped(&notice.title, TITLE_MAX),
        "description": escaped(&notice.text, DESCRIPTION_MAX),
        "color": color(notice.kind),
        "timestamp": notice.at.to_string(),
        "fields": fields,
    });
    if let Some(url) = &notice.url {
        embed["url"] = json!(url);
    }
    json!({"embeds": [embed], "allowed_mentions": {"parse": []}})
}

fn color(kind: NoticeKind) -> u32 {
    match kind {
        NoticeKind::Promoted => 0x001a_7f37,
        NoticeKind::RolledBack | NoticeKind::Drift => 0x00b3_261e,
        NoticeKind::Started => 0x0009_69da,
        NoticeKind::Waiting => 0x009a_6700,
        NoticeKind::GivenUp => 0x0059_636e,
    }
}

/// The first characters of a text, escaped, of which there are at most so many then.
fn escaped(text: &str, max: usize) -> String {
    let mut escaped = String::new();
    let mut count = 0;
    for c in text.chars() {
        let marked = MARKUP.contains(c);
        count += if marked { 2 } else { 1 };
        // One is left for the ellipsis.
        if count >= max {
            escaped.push('…');
            break;
        }
        if marked {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
