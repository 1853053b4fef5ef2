use gatewright_core::notice::{Channels, Notice};
use gatewright_notify::{Client, Discord, Slack, Way};
use serde_json::Value;

use crate::sinks::{Answer, HttpSink};
use crate::{HOSTILE, hostile, notice, only};

async fn slack(notice: &Notice) -> Value {
    let sink = HttpSink::answering(Answer(200, None, "ok")).await;
    let way = Way::Slack(Slack::new(Client::new().unwrap(), sink.url().into()));
    assert_eq!(only(way).send("ops", notice).await, Ok(()));
    sink.got().pop().unwrap().json()
}

async fn discord(notice: &Notice) -> Value {
    let sink = HttpSink::answering(Answer(204, None, "")).await;
    let way = Way::Discord(Discord::new(Client::new().unwrap(), sink.url().into()));
    assert_eq!(only(way).send("ops", notice).await, Ok(()));
    sink.got().pop().unwrap().json()
}

#[tokio::test]
async fn slack_gets_blocks() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&slack(&notice()).await).unwrap(), @r#"
    {
      "blocks": [
        {
          "text": {
            "emoji": false,
            "text": "v1.4.0 to production: rolled back: too many errors",
            "type": "plain_text"
          },
          "type": "header"
        },
        {
          "text": {
            "emoji": false,
            "text": "rolled back: too many errors",
            "type": "plain_text"
          },
          "type": "section"
        },
        {
          "elements": [
            {
              "emoji": false,
              "text": "octo/app, production",
              "type": "plain_text"
            },
            {
              "emoji": false,
              "text": "To be acted on by whoever may resume",
              "type": "plain_text"
            }
          ],
          "type": "context"
        },
        {
          "elements": [
            {
              "text": {
                "emoji": false,
                "text": "Open",
                "type": "plain_text"
              },
              "type": "button",
              "url": "https://ci.example.com/runs/0198"
            }
          ],
          "type": "actions"
        }
      ],
      "text": "v1.4.0 to production: rolled back: too many errors",
      "unfurl_links": false,
      "unfurl_media": false
    }
    "#);
}

#[tokio::test]
async fn discord_gets_an_embed() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&discord(&notice()).await).unwrap(), @r#"
    {
      "allowed_mentions": {
        "parse": []
      },
      "embeds": [
        {
          "color": 11740702,
          "description": "rolled back\\: too many errors",
          "fields": [
            {
              "inline": true,
              "name": "Repository",
              "value": "octo/app"
            },
            {
              "inline": true,
              "name": "Environment",
              "value": "production"
            },
            {
              "inline": true,
              "name": "To be acted on by",
              "value": "whoever may resume"
            }
          ],
          "timestamp": "2027-01-15T08:00:00Z",
          "title": "v1.4.0 to production\\: rolled back\\: too many errors",
          "url": "https://ci.example.com/runs/0198"
        }
      ]
    }
    "#);
}

/// All texts in a message.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(entries) => entries.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[tokio::test]
async fn no_markup_and_no_mention_takes_effect_in_slack() {
    let message = slack(&hostile()).await;
    let mut all = Vec::new();
    texts(&message, &mut all);
    assert!(all.iter().any(|text| text.contains("&lt;!channel&gt;")), "{all:?}");
    for text in &all {
        assert!(!text.contains(['<', '>']) && !text.contains("&amp;amp;amp"), "{text}");
    }
    for block in message["blocks"].as_array().unwrap() {
        assert_ne!(block["text"]["type"], "mrkdwn");
        let max = if block["type"] == "header" { 150 } else { 3000 };
        assert!(block["text"]["text"].as_str().is_none_or(|text| text.chars().count() <= max), "{block}");
    }
}

#[tokio::test]
async fn no_markup_and_no_mention_takes_effect_in_discord() {
    let message = discord(&hostile()).await;
    assert_eq!(message["allowed_mentions"]["parse"], serde_json::json!([]));
    let embed = &message["embeds"][0];
    let title = embed["title"].as_str().unwrap();
    assert!(title.contains("\\<\\!channel\\>") || title.contains("\\<!channel\\>"), "{title}");
    assert!(title.contains("\\[x\\]\\(https\\://evil"), "{title}");
    assert!(title.chars().count() <= 256 && embed["description"].as_str().unwrap().chars().count() <= 4096);
    assert!(HOSTILE.len() < 256, "all of it is in the title");
}
