//! What people are told through the operator's channels: each thing once, whatever happens to the service and to the channels.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_notify::{Channel, Client, Filter, OpenedChannels, Way, Webhook};
use gatewright_tests::service::{Setting, until};
use gatewright_tests::sink::Sink;

use crate::drift::docker;
use crate::world::{REPO, World};

const AT_ONCE: &str = "    strategy: recreate\n";

const APPROVED: &str = "    strategy: recreate\n    approvals: 1\n";

fn channel(name: &str, url: &str) -> Channel {
    let client = Client::new().expect("TLS can be set up");
    let way = Way::Webhook(Webhook::new(client, url.to_owned().into(), "a secret of the scenarios".into()));
    Channel { name: name.to_owned(), filter: Filter::default(), way }
}

/// A world whose people are told through this address, and through one where nobody listens.
async fn telling(sink: &Sink, remind_after_secs: &[u64]) -> World {
    let channels = OpenedChannels::new(vec![channel("ops", &sink.url())]);
    let tell = |setting: &mut Setting| {
        setting.channels = Arc::new(channels);
        setting.remind_after_secs = remind_after_secs.to_vec();
    };
    World::start_with(tell).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_what_waits_begins_and_arrives_and_are_reminded_of_what_still_waits() {
    let sink = Sink::start().await;
    let world = telling(&sink, &[1, 3600]).await;
    world.tag("v1.0.0", &world.file(AT_ONCE, ""));
    world.idle().await;
    assert_eq!(sink.told(), ["started v1.0.0", "promoted v1.0.0"]);
    let pull = world.merge("v1.1.0", &world.file(APPROVED, ""));
    until("people were reminded", || async { sink.told().len() == 4 }).await;
    assert_eq!(sink.told()[2..], ["waiting v1.1.0", "waiting v1.1.0"]);
    let reminder = sink.notices().pop().expect("it was there just now");
    assert!(reminder["title"].as_str().is_some_and(|title| title.starts_with("Reminder: v1.1.0 to production")), "{reminder}");
    assert!(reminder["text"].as_str().is_some_and(|text| text.contains("/gw promote production")), "{reminder}");
    assert_eq!(reminder["owner"], "whoever may promote");
    let comments = || world.github.bot_comments(REPO, pull);
    until("the comment says so too", || async {
        comments().iter().any(|comment| comment.body.contains("people were reminded once"))
    })
    .await;
    assert_eq!(comments().len(), 1, "no second comment");
    world.say(pull, "max", "/gw promote production").await;
    world.idle().await;
    assert_eq!(sink.told()[4..], ["started v1.1.0", "promoted v1.1.0"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_out_of_order_keeps_no_rollout_waiting_and_is_told_once_when_it_is_back() {
    let sink = Sink::start().await;
    sink.set_out_of_order(true);
    let world = telling(&sink, &[]).await;
    world.tag("v1.0.0", &world.file(AT_ONCE, ""));
    world.until_says("production", "v1.0.0 is live").await;
    assert_eq!(sink.told(), Vec::<String>::new());
    // What is to be told survives the service.
    let world = world.restarted().await;
    sink.set_out_of_order(false);
    world.idle().await;
    let mut told = sink.told();
    told.sort();
    assert_eq!(told, ["promoted v1.0.0", "started v1.0.0"]);
    let keys: BTreeSet<String> = sink.notices().iter().map(|notice| notice["key"].to_string()).collect();
    assert_eq!(keys.len(), 2, "each under a key of its own");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_and_what_drifts_is_told() {
    let sink = Sink::start().await;
    let world = telling(&sink, &[]).await;
    world.tag("v1.0.0", &world.file(AT_ONCE, ""));
    world.idle().await;
    docker(&["update", "--pids-limit", "77", &world.container(0)]);
    until("drift was told", || async { sink.told().len() == 3 }).await;
    docker(&["update", "--pids-limit", "4096", &world.container(0)]);
    until("its end was told", || async { sink.told().len() == 4 }).await;
    let file = world.file(AT_ONCE, ", CRASH: start");
    world.tag("v1.1.0", &file);
    world.idle().await;
    assert_eq!(sink.told()[2..], ["drift v1.0.0", "drift v1.0.0", "started v1.1.0", "rolled-back v1.1.0"]);
    let drift = &sink.notices()[2];
    assert!(drift["text"].as_str().is_some_and(|text| text.contains("is configured otherwise")), "{drift}");
    world.end().await;
}
