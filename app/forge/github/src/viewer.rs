//! Who the bearer of a token is, which for a CI job's token only GraphQL tells.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Repeat};
use crate::error::refused;
use crate::github::GitHub;

#[derive(Serialize)]
struct Query {
    query: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    viewer: Viewer,
}

#[derive(Deserialize)]
struct Viewer {
    login: String,
}

impl GitHub {
    /// The name under which the bearer of the token comments: `github-actions[bot]` for a job's own. No person's name has
    /// brackets, so nobody else can take that one.
    pub(crate) async fn viewer(&self, repo: &RepoRef) -> Result<&str, ForgeError> {
        let ask = || async {
            let call = Call::graphql("viewer", &Query { query: "query { viewer { login } }" })?.repeat(Repeat::Safe);
            let answer: Answer = self.api.for_repo(repo, &call).await?.ok(|| "GraphQL".to_owned())?.json("viewer")?;
            let login = answer.data.map(|data| data.viewer.login).unwrap_or_default();
            if login.is_empty() { Err(refused("it does not say whose the token is")) } else { Ok(login) }
        };
        self.viewer.get_or_try_init(ask).await.map(String::as_str)
    }
}
