//! Reads `[[notify]]`.

use std::collections::BTreeSet;

use gatewright_core::notice::NoticeKind;
use gatewright_notify::{Encryption, Filter};

use super::super::LocatedSecret;
use super::super::keys::nearest;
use super::super::keys::notify::KINDS;
use super::super::notify::{MailTable, NotifyTable, NotifyWay};
use super::super::tree::Value;
use super::{Fields, Reader};

/// So many channels may be opened.
const CHANNELS_MAX: usize = 100;

/// A channel's list may name so many repositories, environments or addresses.
const LISTED_MAX: usize = 200;

impl Reader<'_> {
    /// All of them, whose names differ.
    pub(super) fn channels(&mut self, file: &Fields<'_>) -> Vec<NotifyTable> {
        let nodes = self.list(file, "notify", "channels of notices are a list of tables, each written `[[notify]]`");
        if let Some((node, _)) = nodes.get(CHANNELS_MAX) {
            self.wrong(&node.origin, format!("there are more than {CHANNELS_MAX} channels"));
        }
        let (mut channels, mut names) = (Vec::new(), BTreeSet::new());
        for (node, table) in nodes.into_iter().take(CHANNELS_MAX) {
            let fields = self.fields(node, table);
            let Some(channel) = self.channel(&fields) else { continue };
            if !names.insert(channel.name.clone()) {
                self.wrong(&node.origin, format!("a second channel of the name `{}`", channel.name));
            }
            channels.push(channel);
        }
        channels
    }

    fn channel(&mut self, fields: &Fields<'_>) -> Option<NotifyTable> {
        self.required(fields, "name")?;
        let (_, name) = self.text(fields, "name")?;
        let filter = Filter {
            repositories: self.listed(fields, "repositories"),
            environments: self.listed(fields, "environments"),
            kinds: self.kinds(fields),
        };
        let way = match self.of_kinds(fields, "kind", &KINDS)? {
            "webhook" => NotifyWay::Webhook { url: self.address(fields)?, secret: self.located(fields, "secret")? },
            "slack" => NotifyWay::Slack { url: self.address(fields)? },
            "discord" => NotifyWay::Discord { url: self.address(fields)? },
            _ => NotifyWay::Email(self.mail(fields)?),
        };
        Some(NotifyTable { origin: fields.origin.clone(), name, filter, way })
    }

    fn address(&mut self, fields: &Fields<'_>) -> Option<LocatedSecret> {
        self.located(fields, "url")
    }

    fn located(&mut self, fields: &Fields<'_>, name: &'static str) -> Option<LocatedSecret> {
        let node = fields.get(name)?;
        self.secret(name, node)
    }

    fn mail(&mut self, fields: &Fields<'_>) -> Option<MailTable> {
        let (encryption, usual) = match self.word(fields, "encryption") {
            Some("tls") => (Encryption::Tls, 465),
            Some("none") => (Encryption::None, 25),
            Some(_) | None => (Encryption::Starttls, 587),
        };
        let port = match fields.get("port") {
            Some(_) => u16::try_from(self.number(fields, "port")).unwrap_or(usual),
            None => usual,
        };
        let user = self.text(fields, "user").map(|(_, user)| user);
        let password = self.located(fields, "password");
        let login = match (user, password) {
            (Some(_), Some(_)) if encryption == Encryption::None => {
                self.wrong(&fields.origin, "`encryption` = `none` would show the password to others; use `starttls` or `tls`");
                None
            }
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                self.wrong(&fields.origin, "`user` and `password` are given together, or neither");
                None
            }
        };
        let (_, host) = self.text(fields, "host")?;
        let (_, from) = self.text(fields, "from")?;
        Some(MailTable { host, port, encryption, login, from, to: self.listed(fields, "to") })
    }

    fn kinds(&mut self, fields: &Fields<'_>) -> Vec<NoticeKind> {
        let Some(node) = fields.get("events") else { return Vec::new() };
        let mut kinds = Vec::new();
        for word in self.listed(fields, "events") {
            match word.parse::<NoticeKind>() {
                Ok(kind) => kinds.push(kind),
                Err(error) => {
                    let near = nearest(&word, NoticeKind::ALL.iter().map(|kind| kind.as_str()));
                    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    self.wrong(&node.origin, format!("{error}{near}"));
                }
            }
        }
        kinds
    }

    /// A list of texts that may be left out.
    fn listed(&mut self, fields: &Fields<'_>, name: &str) -> Vec<String> {
        let Some(node) = fields.get(name) else { return Vec::new() };
        match &node.value {
            Value::List(nodes) if !nodes.is_empty() && nodes.len() <= LISTED_MAX => {
                nodes.iter().filter_map(|node| self.text_of(node)).collect()
            }
            Value::List(_)
            | Value::Text(_)
            | Value::Untyped(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Bool
            | Value::Date
            | Value::Table(_) => {
                self.wrong(&node.origin, format!("`{name}` is a list of 1 to {LISTED_MAX} texts; found {node}"));
                Vec::new()
            }
        }
    }
}
