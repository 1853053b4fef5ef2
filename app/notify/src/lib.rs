//! Tells people what happens to releases, through channels of the operator's choosing: webhooks with a signature, Slack, Discord, e-mail.
//!
//! Each channel makes one message of a notice and hands it over once; whether and when that is tried again is the run's matter
//! ([`NoticeRun`](gatewright_core::run::NoticeRun)). Words from outside are in every notice: each format shows them as plain text, so that no
//! markup, mention or link in them takes effect. Nothing is read here but whether a message was taken.
//!
//! The binary makes [`OpenedChannels`] of its server file; the engine knows the trait alone.

use async_trait::async_trait;
use gatewright_core::notice::{Channels, Notice, NoticeKind, SendError};

mod discord;
mod email;
mod http;
mod slack;
mod webhook;

pub use discord::Discord;
pub use email::{Email, EmailConfig, Encryption};
pub use http::Client;
pub use slack::Slack;
pub use webhook::{SIGNATURE_HEADER, Webhook};

/// Which notices a channel is for. What is empty lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Paths of repositories, `OWNER/NAME`. Not told apart by the size of letters.
    pub repositories: Vec<String>,
    /// Names of environments.
    pub environments: Vec<String>,
    /// Kinds of notice.
    pub kinds: Vec<NoticeKind>,
}

impl Filter {
    fn fits(&self, notice: &Notice) -> bool {
        let any = |all: &[String], is: &dyn Fn(&String) -> bool| all.is_empty() || all.iter().any(is);
        any(&self.repositories, &|path| path.eq_ignore_ascii_case(&notice.repo.path))
            && any(&self.environments, &|name| name == notice.environment.as_str())
            && (self.kinds.is_empty() || self.kinds.contains(&notice.kind))
    }
}

/// How a channel is reached.
pub enum Way {
    /// JSON of our own, signed.
    Webhook(Webhook),
    /// An incoming webhook of Slack.
    Slack(Slack),
    /// A webhook of Discord.
    Discord(Discord),
    /// E-mail over SMTP.
    Email(Box<Email>),
}

/// A channel.
pub struct Channel {
    /// Its name, by which runs remember it.
    pub name: String,
    /// What it is for.
    pub filter: Filter,
    /// How it is reached.
    pub way: Way,
}

/// What the operator has opened.
#[derive(Default)]
pub struct OpenedChannels(Vec<Channel>);

impl OpenedChannels {
    /// Channels, whose names differ.
    pub fn new(channels: Vec<Channel>) -> OpenedChannels {
        OpenedChannels(channels)
    }
}

#[async_trait]
impl Channels for OpenedChannels {
    fn fitting(&self, notice: &Notice) -> Vec<String> {
        self.0.iter().filter(|channel| channel.filter.fits(notice)).map(|channel| channel.name.clone()).collect()
    }

    async fn send(&self, channel: &str, notice: &Notice) -> Result<(), SendError> {
        let Some(channel) = self.0.iter().find(|known| known.name == channel) else {
            return Err(SendError::Final { cause: format!("the server file has no channel `{channel}` any more") });
        };
        match &channel.way {
            Way::Webhook(webhook) => webhook.send(notice).await,
            Way::Slack(slack) => slack.send(notice).await,
            Way::Discord(discord) => discord.send(notice).await,
            Way::Email(email) => email.send(notice).await,
        }
    }
}
