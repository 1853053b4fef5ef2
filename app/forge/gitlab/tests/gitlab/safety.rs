//! What must not get out, and what must not be made from a configuration.

use gatewright_core::forge::{Forge, ForgeError};
use gatewright_core::report::Known;
use gatewright_core::secret::SecretString;
use gatewright_forge_gitlab::{ConfigError, GitLab, GitLabConfig, Limits};

use crate::stub::*;

#[tokio::test]
async fn no_error_and_no_description_holds_the_token() {
    let echo = format!("bad header private-token: {CANARY}, see also glpat-other");
    for status in [400, 401, 403, 404, 409, 422, 500] {
        let echo = echo.clone();
        let stub = Stub::start(move |_| Some(Reply::text(status, &echo))).await;
        let gitlab = stub.gitlab();
        let errors: [ForgeError; 3] = [
            gitlab.branch(&repo(), "main").await.unwrap_err(),
            gitlab.pull(&repo(), 5).await.unwrap_err(),
            gitlab.publish(&repo(), &comment("x"), &Known::Never).await.unwrap_err(),
        ];
        for error in errors {
            let words = format!("{error} {error:?}");
            assert!(!words.contains("CANARY") && !words.contains("glpat-"), "{words}");
        }
        assert!(!format!("{gitlab:?}").contains("CANARY"));
        assert!(!format!("{:?}", gitlab.credential(&repo()).await).contains("CANARY"));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_takes_no_token_anywhere() {
    let elsewhere = Stub::start(|_| None).await;
    let to = format!("{}/api/v4/user", elsewhere.url());
    let stub = Stub::start(move |_| Some(Reply::text(302, "").with("location", &to))).await;
    assert!(is_refused(&stub.gitlab().branch(&repo(), "main").await));
    assert!(elsewhere.lines().is_empty());
}

#[tokio::test]
async fn a_forge_that_is_not_there_is_named_without_its_address() {
    let mut config = GitLabConfig::new("http://127.0.0.1:1", SecretString::from(CANARY));
    config.timeouts.retry_delay = std::time::Duration::from_millis(1);
    let error = GitLab::new(config).unwrap().branch(&repo(), "main").await.unwrap_err();
    assert!(matches!(&error, ForgeError::Unavailable { cause, .. } if cause.starts_with("cannot connect")), "{error}");
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let of = |change: fn(&mut GitLabConfig)| {
        let mut config = GitLabConfig::new("https://gitlab.example", SecretString::from(CANARY));
        change(&mut config);
        GitLab::new(config).map(drop)
    };
    assert_eq!(of(|_| ()), Ok(()));
    assert!(matches!(of(|c| c.url = "http://gitlab.example".to_owned()), Err(ConfigError::Url { .. })));
    assert!(matches!(of(|c| c.url = "https://u:p@gitlab.example".to_owned()), Err(ConfigError::Url { .. })));
    assert!(matches!(of(|c| c.clone_url = Some("ssh://x".to_owned())), Err(ConfigError::CloneUrl { .. })));
    for bad in ["", "short", "with a space in it", "with\nnewline"] {
        let mut config = GitLabConfig::new("https://gitlab.example", SecretString::from(bad));
        assert_eq!(GitLab::new(config.clone()).map(drop), Err(ConfigError::Token { key: "token" }), "{bad:?}");
        config.token = SecretString::from(CANARY);
        config.clone_token = Some(SecretString::from(bad));
        assert_eq!(GitLab::new(config).map(drop), Err(ConfigError::Token { key: "clone_token" }), "{bad:?}");
    }
    assert_eq!(of(|c| c.limits = Limits { concurrent: 0, ..Limits::default() }), Err(ConfigError::Limits));
    assert_eq!(of(|c| c.limits = Limits { notes_per_minute: 0, ..Limits::default() }), Err(ConfigError::Limits));
}
