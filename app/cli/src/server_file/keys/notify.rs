//! The keys of `[[notify]]`.

use super::{OfKind, Shape, Table, key};

/// What a channel needs.
pub(in crate::server_file) static NEEDED: [&str; 2] = ["name", "kind"];

/// A channel through which people are told of releases.
pub(in crate::server_file) static NOTIFY: Table = Table {
    what: "a channel of notices",
    keys: &[
        key("name", Shape::Text, "Its name, by which runs remember it."),
        key(
            "kind",
            Shape::Word { words: &["webhook", "slack", "discord", "email"], default: None, later: &[] },
            "How it is reached.",
        ),
        key("url", Shape::Secret, "The address to post to: a secret, since who knows it may post."),
        key("secret", Shape::Secret, "Of the kind `webhook`: what it is signed with."),
        key("host", Shape::Text, "Of the kind `email`: the mail server."),
        key(
            "port",
            Shape::Number { min: 1, max: 65_535, default: None },
            "Its port; without it 465, 587 or 25, as `encryption` has it.",
        ),
        key(
            "encryption",
            Shape::Word { words: &["tls", "starttls", "none"], default: Some("starttls"), later: &[] },
            "How the connection to it is kept from others. `none` is for a server on this machine, and takes no password.",
        ),
        key("user", Shape::Text, "Who logs in there."),
        key("password", Shape::Secret, "With which password."),
        key("from", Shape::Text, "Who it comes from, an address."),
        key("to", Shape::Texts, "Whom it goes to, addresses."),
        key("repositories", Shape::Texts, "Only what is about these repositories, `OWNER/NAME`."),
        key("environments", Shape::Texts, "Only what is about these environments."),
        key("events", Shape::Texts, "Only these: `started`, `waiting`, `promoted`, `rolled-back`, `given-up` and `drift`."),
    ],
};

/// The keys that only one kind of channel has.
pub(in crate::server_file) static KINDS: [OfKind; 4] = [
    OfKind { kind: "webhook", own: &["url", "secret"], needed: &["url", "secret"] },
    OfKind { kind: "slack", own: &["url"], needed: &["url"] },
    OfKind { kind: "discord", own: &["url"], needed: &["url"] },
    OfKind {
        kind: "email",
        own: &["host", "port", "encryption", "user", "password", "from", "to"],
        needed: &["host", "from", "to"],
    },
];
