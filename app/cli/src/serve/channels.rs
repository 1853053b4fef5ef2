//! Makes what people are told through from the `[[notify]]` tables of the configuration.

use std::path::Path;
use std::sync::Arc;

use gatewright_core::notice::Channels;
use gatewright_notify::{Channel, Client, Discord, Email, EmailConfig, OpenedChannels, Slack, Way, Webhook};

use crate::failure::Failure;
use crate::load;
use crate::secrets;
use crate::server_file::{LocatedSecret, MailTable, NotifyTable, NotifyWay, Problem, ServerConfig};

/// Every secret of every channel, for looking whether it is there, and whether anybody may read it.
pub(super) fn secrets(config: &ServerConfig) -> impl Iterator<Item = &LocatedSecret> {
    config.channels.iter().flat_map(|table| match &table.way {
        NotifyWay::Webhook { url, secret } => vec![url, secret],
        NotifyWay::Slack { url } | NotifyWay::Discord { url } => vec![url],
        NotifyWay::Email(mail) => mail.login.iter().map(|(_, password)| password).collect(),
    })
}

/// The channels.
pub(super) fn channels(file: &Path, config: &ServerConfig) -> Result<Arc<dyn Channels>, Failure> {
    let client = Client::new().map_err(|error| Failure::Outside(format!("TLS cannot be set up: {error}")))?;
    let made = config.channels.iter().map(|table| channel(table, &client)).collect::<Result<Vec<_>, Problem>>();
    let made = made.map_err(|problem| load::wrong(file, &[problem]))?;
    Ok(Arc::new(OpenedChannels::new(made)))
}

fn channel(table: &NotifyTable, client: &Client) -> Result<Channel, Problem> {
    let way = match &table.way {
        NotifyWay::Webhook { url, secret } => {
            Way::Webhook(Webhook::new(client.clone(), secrets::resolve(url)?, secrets::resolve(secret)?))
        }
        NotifyWay::Slack { url } => Way::Slack(Slack::new(client.clone(), secrets::resolve(url)?)),
        NotifyWay::Discord { url } => Way::Discord(Discord::new(client.clone(), secrets::resolve(url)?)),
        NotifyWay::Email(mail) => Way::Email(Box::new(email(mail, table)?)),
    };
    Ok(Channel { name: table.name.clone(), filter: table.filter.clone(), way })
}

fn email(mail: &MailTable, table: &NotifyTable) -> Result<Email, Problem> {
    let login = match &mail.login {
        Some((user, password)) => Some((user.clone(), secrets::resolve(password)?)),
        None => None,
    };
    let config = EmailConfig {
        host: mail.host.clone(),
        port: mail.port,
        encryption: mail.encryption,
        login,
        from: mail.from.clone(),
        to: mail.to.clone(),
    };
    Email::new(&config).map_err(|error| table.origin.problem(error))
}
