use gatewright_core::notice::{Channels, Notice, SendError};
use gatewright_notify::{Email, EmailConfig, Encryption, Way};

use crate::sinks::MailSink;
use crate::{hostile, notice, only};

fn account(sink: &MailSink) -> EmailConfig {
    EmailConfig {
        host: sink.address.ip().to_string(),
        port: sink.address.port(),
        encryption: Encryption::None,
        login: None,
        from: "Gatewright <gatewright@example.com>".to_owned(),
        to: vec!["ops@example.com".to_owned(), "lead@example.com".to_owned()],
    }
}

async fn mailed(notice: &Notice, to_data: &'static str) -> (Result<(), SendError>, Vec<String>) {
    let sink = MailSink::answering(to_data).await;
    let email = Email::new(&account(&sink)).unwrap();
    let result = only(Way::Email(Box::new(email))).send("ops", notice).await;
    (result, sink.mails())
}

#[tokio::test]
async fn a_mail_says_what_happened_to_everybody_it_is_for() {
    let (result, mails) = mailed(&notice(), "250 taken").await;
    assert_eq!(result, Ok(()));
    insta::assert_snapshot!(mails.join("\n"), @r#"
    MAIL FROM:<gatewright@example.com>
    RCPT TO:<ops@example.com>
    RCPT TO:<lead@example.com>
    From: Gatewright <gatewright@example.com>
    Subject: v1.4.0 to production: rolled back: too many errors
    Date: Fri, 15 Jan 2027 08:00:00 +0000
    Message-ID: <4fea1fd60a11f8c68aa5d55efdfae795@example.com>
    Content-Type: text/plain; charset=utf-8
    To: ops@example.com, lead@example.com
    Content-Transfer-Encoding: 7bit

    v1.4.0 to production: rolled back: too many errors

    rolled back: too many errors

    Repository: octo/app
    Environment: production

    To be acted on by: whoever may resume

    https://ci.example.com/runs/0198
    "#);
}

#[tokio::test]
async fn no_word_from_outside_becomes_a_header_or_another_recipient() {
    let (result, mails) = mailed(&hostile(), "250 taken").await;
    assert_eq!(result, Ok(()));
    let mail = &mails[0];
    let head = mail.split("\n\n").next().unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert_eq!(mail.matches("RCPT TO").count(), 2, "{mail}");
}

#[tokio::test]
async fn a_server_that_cannot_now_is_tried_again_and_one_that_will_not_is_not() {
    let (later, _) = mailed(&notice(), "451 try again later").await;
    assert!(matches!(later, Err(SendError::Again { .. })), "{later:?}");
    let (never, _) = mailed(&notice(), "550 no such user").await;
    assert!(matches!(never, Err(SendError::Final { .. })), "{never:?}");
}

#[tokio::test]
async fn a_second_copy_has_the_same_message_id() {
    let id = |mails: &[String]| mails[0].lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned();
    let (first, again) = (mailed(&notice(), "250 taken").await.1, mailed(&notice(), "250 taken").await.1);
    assert_eq!(id(&first), id(&again));
    let other = Notice { key: "another".to_owned(), ..notice() };
    assert_ne!(id(&first), id(&mailed(&other, "250 taken").await.1));
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_before_anything_is_sent() {
    let sink = MailSink::answering("250 taken").await;
    let wrong = EmailConfig { to: vec!["ops at example".to_owned()], ..account(&sink) };
    assert_eq!(Email::new(&wrong).err().unwrap(), "`ops at example` is no address such as `ops@example.com`");
}
