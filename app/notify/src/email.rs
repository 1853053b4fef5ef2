//! E-mail, handed to a server of the operator's over SMTP.

use std::time::{Duration, SystemTime};

use gatewright_core::notice::{Notice, SendError};
use gatewright_core::secret::{ExposeSecret, SecretString};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use sha2::{Digest, Sha256};

/// From the connection to the server's word that it has the message.
const CALL_MAX: Duration = Duration::from_secs(30);

/// What a server says is cut after so many characters.
const WORDS_MAX: usize = 200;

/// How the connection is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TLS from the first byte, usually at port 465.
    Tls,
    /// TLS after the greeting, usually at port 587. A server that cannot is refused.
    Starttls,
    /// None: for a server on the same machine.
    None,
}

/// An account for sending.
#[derive(Clone)]
pub struct EmailConfig {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from others.
    pub encryption: Encryption,
    /// Who logs in, where that is asked for.
    pub login: Option<(String, SecretString)>,
    /// Who it comes from, `NAME <ADDRESS>` or an address.
    pub from: String,
    /// Whom it goes to.
    pub to: Vec<String>,
}

/// Sends e-mail.
pub struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Email {
    /// Over this account.
    ///
    /// # Errors
    /// An address is none, or TLS cannot be set up; for people.
    pub fn new(config: &EmailConfig) -> Result<Email, String> {
        let mailbox =
            |text: &String| text.parse::<Mailbox>().map_err(|_| format!("`{text}` is no address such as `ops@example.com`"));
        let tls = |error: lettre::transport::smtp::Error| format!("TLS to {} cannot be set up: {error}", config.host);
        let builder = match config.encryption {
            Encryption::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(&config.host).map_err(tls)?,
            Encryption::Starttls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(&config.host).map_err(tls)?,
            Encryption::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host),
        };
        let builder = builder.port(config.port).timeout(Some(CALL_MAX));
        let builder = match &config.login {
            Some((user, password)) => builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned())),
            None => builder,
        };
        let to = config.to.iter().map(mailbox).collect::<Result<Vec<_>, _>>()?;
        Ok(Email { transport: builder.build(), from: mailbox(&config.from)?, to })
    }

    pub(crate) async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let message = self.message(notice).map_err(|error| SendError::Final { cause: error.to_string() })?;
        match tokio::time::timeout(CALL_MAX, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let cause: String = error.to_string().chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
                Err(if error.is_permanent() { SendError::Final { cause } } else { SendError::Again { cause, after_secs: None } })
            }
            Err(_) => {
                let cause = format!("the mail server did not take it within {} s", CALL_MAX.as_secs());
                Err(SendError::Again { cause, after_secs: None })
            }
        }
    }

    /// Plain text. The same notice has the same Message-ID, by which a mailbox knows a second copy of it.
    fn message(&self, notice: &Notice) -> Result<Message, lettre::error::Error> {
        let id = hex::encode(&Sha256::digest(&notice.key)[..16]);
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(notice.title.as_str())
            .date(SystemTime::from(notice.at))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        builder.body(body(notice))
    }
}

fn body(notice: &Notice) -> String {
    let mut parts = vec![notice.title.clone()];
    parts.extend((!notice.text.is_empty()).then(|| notice.text.clone()));
    parts.push(format!("Repository: {}\nEnvironment: {}", notice.repo.path, notice.environment));
    parts.extend(notice.owner.as_ref().map(|owner| format!("To be acted on by: {owner}")));
    parts.extend(notice.url.clone());
    parts.join("\n\n") + "\n"
}
