//! The intake alone, in front of something that keeps nothing: what verifying and parsing cost. For the bench.
//!
//! Listens on 127.0.0.1 at the port in `PORT`; the secret of both forges is in `WEBHOOK_SECRET`.

use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use gatewright_core::event::{Delivery, Intake, IntakeError, Taken};
use gatewright_webhook::github::GithubHook;
use gatewright_webhook::gitlab::GitlabHook;
use gatewright_webhook::{GitlabSecrets, Limits, WebhookConfig, WebhookSecrets, routes};
use secrecy::SecretString;

struct Nowhere;

#[async_trait]
impl Intake for Nowhere {
    async fn take(&self, _: Delivery) -> Result<Taken, IntakeError> {
        Ok(Taken::New)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let secret = SecretString::from(std::env::var("WEBHOOK_SECRET")?);
    let github = Some(GithubHook { secrets: WebhookSecrets::new([secret.clone()])?, app_id: 1 });
    let gitlab = Some(GitlabHook { secrets: GitlabSecrets::new([secret])? });
    let router = routes(WebhookConfig { intake: Arc::new(Nowhere), github, gitlab, limits: Limits::default() });
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    axum::serve(listener, router).await?;
    Ok(())
}
