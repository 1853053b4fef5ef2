//! What `[[notify]]` says.

use gatewright_notify::{Encryption, Filter};

use super::LocatedSecret;
use super::tree::Origin;

/// `[[notify]]`: a channel through which people are told of releases.
#[derive(Debug, Clone)]
pub(crate) struct NotifyTable {
    pub(crate) origin: Origin,
    pub(crate) name: String,
    pub(crate) filter: Filter,
    pub(crate) way: NotifyWay,
}

/// How a channel is reached.
#[derive(Debug, Clone)]
pub(crate) enum NotifyWay {
    Webhook { url: LocatedSecret, secret: LocatedSecret },
    Slack { url: LocatedSecret },
    Discord { url: LocatedSecret },
    Email(MailTable),
}

/// An account for sending e-mail.
#[derive(Debug, Clone)]
pub(crate) struct MailTable {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) encryption: Encryption,
    pub(crate) login: Option<(String, LocatedSecret)>,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
}
