//! Minimising a comment, which only GraphQL can do.

use gatewright_core::forge::ForgeError;
use gatewright_core::{ItemRef, RepoRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Answer;
use crate::call::{Call, Repeat};
use crate::error::{foreign_words, limited, unavailable};
use crate::github::GitHub;

/// By GitHub's public GraphQL schema; its answer says whether it is so now.
const MUTATION: &str =
    "mutation($input: MinimizeCommentInput!) { minimizeComment(input: $input) { minimizedComment { isMinimized } } }";
/// GraphQL's own limit names its end only in header fields that a 200 carries; "at least one minute" is GitHub's advice.
const LIMITED_SECS: u64 = 60;

#[derive(Serialize)]
struct Mutation<'a> {
    query: &'static str,
    variables: Variables<'a>,
}

#[derive(Serialize)]
struct Variables<'a> {
    input: Input<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    subject_id: &'a str,
    classifier: &'static str,
}

#[derive(Deserialize)]
struct GraphqlAnswer {
    #[serde(default)]
    errors: Vec<GraphqlError>,
}

#[derive(Deserialize)]
struct GraphqlError {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    message: String,
    /// Set where the query itself is not understood.
    #[serde(default)]
    extensions: Option<Value>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Minimised {
    /// It is minimised.
    Yes,
    /// There is no such comment any more.
    Gone,
    /// GitHub does not do it for us, and will not the next time.
    Refused,
}

impl GitHub {
    /// Minimises a comment as resolved. Doing it twice changes nothing.
    pub(crate) async fn minimise(&self, repo: &RepoRef, on: ItemRef, node_id: &str) -> Result<Minimised, ForgeError> {
        let input = Input { subject_id: node_id, classifier: "RESOLVED" };
        let mutation = Mutation { query: MUTATION, variables: Variables { input } };
        let call = Call::graphql("minimise", &mutation)?.repeat(Repeat::Safe);
        let answer = self.api.for_item(repo, on, &call).await?;
        let refusal = match answer.status {
            // A GitHub Enterprise Server may have GraphQL switched off, or answer for it elsewhere.
            403 | 404 => answer.words,
            _ => match judge(answer)? {
                Verdict::Is(outcome) => return Ok(outcome),
                Verdict::Refused(words) => words,
            },
        };
        tracing::warn!(forge = "github", repo = repo.path, cause = refusal, "a comment cannot be minimised");
        Ok(Minimised::Refused)
    }
}

enum Verdict {
    Is(Minimised),
    /// GitHub's words.
    Refused(String),
}

/// GraphQL answers 200 whatever came of it, and says that in the body.
fn judge(answer: Answer) -> Result<Verdict, ForgeError> {
    let answer: GraphqlAnswer = answer.ok(|| "GraphQL".to_owned())?.json("minimise")?;
    let Some(error) = answer.errors.first() else {
        return Ok(Verdict::Is(Minimised::Yes));
    };
    let words = foreign_words(&error.message, "");
    match error.kind.as_deref() {
        Some("NOT_FOUND") => Ok(Verdict::Is(Minimised::Gone)),
        Some("RATE_LIMITED") => Err(limited(LIMITED_SECS)),
        Some(_) => Ok(Verdict::Refused(words)),
        None if error.extensions.is_some() => Ok(Verdict::Refused(words)),
        // "Something went wrong while executing your query": GitHub's way of a 500.
        None => Err(unavailable(words)),
    }
}
