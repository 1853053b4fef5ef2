//! No key is in an error, a log or a `Debug`, whatever a provider says, and nothing that was asked is in a log.

use std::io::Write;
use std::sync::{Arc, Mutex};

use gatewright_core::model::Model;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::fake::{Canned, Fake};
use crate::support::{KEY, KINDS, ask, one, provider, words};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// All of it, or its beginning or end: providers leave out the middle.
fn is_free_of_the_key(text: &str) -> bool {
    !text.contains(&KEY[..8]) && !text.contains(&KEY[KEY.len() - 6..])
}

#[tokio::test]
async fn a_key_is_in_no_error_no_log_and_no_debug() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .finish();
    // The test's runtime is on this one thread.
    let _guard = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let echo = format!("Incorrect API key provided: {KEY}. You sent {}****{}, Bearer {KEY}", &KEY[..8], &KEY[KEY.len() - 6..]);
    for kind in KINDS {
        assert!(is_free_of_the_key(&format!("{:?}", provider(kind, &Fake::start().await))), "{kind}");
        for status in [200, 400, 401, 402, 429, 500] {
            let fake = Fake::start().await;
            fake.always(Canned::no(status, &json!({ "error": { "message": echo, "type": echo, "code": echo } })));
            let models = one(kind, &fake);
            let outcome = models.reply(&ask(&[&format!("{kind}/m")])).await;
            let health = models.health();
            let text = format!("{outcome:?} {models:?} {health:?}");
            assert!(is_free_of_the_key(&text), "{kind} {status}: {text}");
            if let Err(error) = outcome {
                assert!(is_free_of_the_key(&error.to_string()), "{kind} {status}");
            }
        }
        let fake = Fake::start().await;
        fake.always(Canned::ok(&words(kind)));
        one(kind, &fake).reply(&ask(&[&format!("{kind}/m")])).await.expect("an answer");
    }
    let log = String::from_utf8(log.0.lock().expect("a lock").clone()).expect("text");
    assert!(log.contains("a model did not answer"), "there is a log: {log}");
    assert!(is_free_of_the_key(&log), "{log}");
    assert!(!log.contains("The build fails") && !log.contains("A semicolon"), "{log}");
}

#[tokio::test]
async fn a_redirect_does_not_take_the_key_along() {
    let (fake, elsewhere) = (Fake::start().await, Fake::start().await);
    let to = vec![("location", format!("{}/v1/messages", elsewhere.url))];
    fake.always(Canned::Whole(307, to, String::new()));
    one("anthropic", &fake).reply(&ask(&["anthropic/m"])).await.expect_err("it leads elsewhere");
    assert!(elsewhere.seen().is_empty());
}
