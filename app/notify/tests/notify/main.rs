//! What channels send, over sinks on loopback that keep what they get.

#![expect(clippy::unwrap_used, reason = "tests")]

mod chat;
mod mail;
mod sinks;
mod webhook;

use gatewright_core::notice::{Channels, Notice, NoticeKind, SendError};
use gatewright_core::{ForgeKind, RepoRef};
use gatewright_notify::{Channel, Client, Filter, OpenedChannels, Slack, Way};
use jiff::Timestamp;

/// Words from outside with everything that some format reads as markup, a mention or a link.
pub(crate) const HOSTILE: &str =
    "<!channel> @everyone <@U123> **b** [x](https://evil.example) `c` <script>&amp;\r\nBcc: all@example.com";

pub(crate) fn notice() -> Notice {
    Notice {
        key: "rollout/0198/7".to_owned(),
        kind: NoticeKind::RolledBack,
        repo: RepoRef { forge: ForgeKind::Github, id: 7, path: "octo/app".to_owned(), installation: Some(1) },
        environment: "production".parse().unwrap(),
        tag: "v1.4.0".to_owned(),
        title: "v1.4.0 to production: rolled back: too many errors".to_owned(),
        text: "rolled back: too many errors".to_owned(),
        owner: Some("whoever may resume".to_owned()),
        url: Some("https://ci.example.com/runs/0198".to_owned()),
        at: Timestamp::from_second(1_800_000_000).unwrap(),
    }
}

/// One whose every word is from outside.
pub(crate) fn hostile() -> Notice {
    Notice { title: HOSTILE.to_owned(), text: HOSTILE.repeat(100), owner: Some(HOSTILE.to_owned()), ..notice() }.bounded()
}

/// The only channel of this kind.
pub(crate) fn only(way: Way) -> OpenedChannels {
    OpenedChannels::new(vec![Channel { name: "ops".to_owned(), filter: Filter::default(), way }])
}

fn named(name: &str, filter: Filter) -> Channel {
    let way = Way::Slack(Slack::new(Client::new().unwrap(), "http://127.0.0.1:9/x".into()));
    Channel { name: name.to_owned(), filter, way }
}

#[tokio::test]
async fn a_channel_is_told_only_what_it_is_for() {
    let one = |text: &str| vec![text.to_owned()];
    let channels = OpenedChannels::new(vec![
        named("all", Filter::default()),
        named(
            "this",
            Filter { repositories: one("Octo/App"), environments: one("production"), kinds: vec![NoticeKind::RolledBack] },
        ),
        named("another-repository", Filter { repositories: one("octo/other"), ..Filter::default() }),
        named("another-environment", Filter { environments: one("staging"), ..Filter::default() }),
        named("another-event", Filter { kinds: vec![NoticeKind::Drift], ..Filter::default() }),
    ]);
    assert_eq!(channels.fitting(&notice()), ["all", "this"]);
}

#[tokio::test]
async fn a_channel_that_the_server_file_has_no_more_is_given_up() {
    let gone = OpenedChannels::default().send("ops", &notice()).await;
    assert!(matches!(gone, Err(SendError::Final { .. })), "{gone:?}");
}
