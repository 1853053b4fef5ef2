//! Where people are told.

use insta::assert_snapshot;

use super::check_with;

#[test]
fn every_kind_of_channel_can_be_opened() {
    let done = check_with(
        r#"
[[notify]]
name = "hook"
kind = "webhook"
url = "env:HOOK_URL"
secret = "env:HOOK_SECRET"
repositories = ["octo/app"]
environments = ["production"]
events = ["drift", "rolled-back"]

[[notify]]
name = "chat"
kind = "slack"
url = "env:SLACK_URL"

[[notify]]
name = "other-chat"
kind = "discord"
url = "env:DISCORD_URL"

[[notify]]
name = "mail"
kind = "email"
host = "smtp.example.com"
encryption = "tls"
user = "gatewright"
password = "env:SMTP_PASSWORD"
from = "Gatewright <gatewright@example.com>"
to = ["ops@example.com"]
"#,
    );
    assert_eq!(done.stdout, "server.toml: no problems\n", "{}", done.stderr);
}

#[test]
fn what_is_wrong_about_a_channel_is_named_with_its_place() {
    let done = check_with(
        r#"
[[notify]]
name = "hook"
kind = "webhook"
url = "https://hooks.example.com/secret"
events = ["drfit"]

[[notify]]
name = "hook"
kind = "email"
host = "localhost"
encryption = "none"
user = "gatewright"
password = "env:SMTP_PASSWORD"
from = "gatewright@example.com"
to = []
url = "env:X"
"#,
    );
    assert_snapshot!(done.stdout + &done.stderr, @"
    server.toml:19:1: `secret` is missing; a channel of notices needs it
    server.toml:22:7: a secret is written as a reference, `env:NAME` or `file:PATH`, never as the secret itself
    server.toml:23:10: there is no kind of notice `drfit`; did you mean `drift`?
    server.toml:25:1: `encryption` = `none` would show the password to others; use `starttls` or `tls`
    server.toml:33:6: `to` is a list of 1 to 200 texts; found a list
    server.toml:34:1: `url` is a key of `kind` = `webhook` or `slack` or `discord`; this one is `email`
    ");
}
