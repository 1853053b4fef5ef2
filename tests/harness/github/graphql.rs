//! What REST has not: minimising a comment, when texts were changed, and whose an installation's token is.
//!
//! A query is taken apart and held to what GitHub's schema (`@octokit/graphql-schema` 15.26) says of `minimizeComment`:
//! `minimizeComment(input: MinimizeCommentInput!): MinimizeCommentPayload`, whose input is a variable. Everything else is
//! refused and remembered as a violation.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request, Response, header};
use serde_json::{Map, Value, json};

use super::api::{Access, Reply};
use super::auth::{self, Caller};
use super::limits::Refusal;
use super::server::{self, BODY_BYTES_MAX, Cut, Seen, Shared};
use super::shape::node_id;
use super::world::{Comment, Level, Place, World, lock, time_text};

/// What the log and the faults know the mutation by.
const OPERATION: &str = "graphql/minimize-comment";

/// `ReportedContentClassifiers`.
const CLASSIFIERS: [&str; 6] = ["ABUSE", "DUPLICATE", "OFF_TOPIC", "OUTDATED", "RESOLVED", "SPAM"];
/// The one query: whose the credential is. `User.login` of the schema; of an App's token it is the account of its bot.
const VIEWER: [&str; 7] = ["query", "{", "viewer", "{", "login", "}", "}"];
/// The other query: when title and text of an issue or a pull request were changed. `lastEditedAt` and `timelineItems` are fields of
/// both in the schema, and `RENAMED_TITLE_EVENT` a value of both `IssueTimelineItemsItemType` and `PullRequestTimelineItemsItemType`.
const EDITS: &str = "
query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    issueOrPullRequest(number: $number) {
      ... on Issue {
        lastEditedAt
        timelineItems(itemTypes: [RENAMED_TITLE_EVENT], last: 1) { nodes { ... on RenamedTitleEvent { createdAt } } }
      }
      ... on PullRequest {
        lastEditedAt
        timelineItems(itemTypes: [RENAMED_TITLE_EVENT], last: 1) { nodes { ... on RenamedTitleEvent { createdAt } } }
      }
    }
  }
}";
/// The fields of `Minimizable`.
const COMMENT_FIELDS: [&str; 4] = ["__typename", "isMinimized", "minimizedReason", "viewerCanMinimize"];

/// Whether this path is GraphQL's: on github.com, and on an Enterprise Server.
pub(crate) fn wanted(path: &str) -> bool {
    matches!(path, "/graphql" | "/api/graphql")
}

/// One request's way, as REST's: fault, credential, limit, answer.
pub(crate) async fn serve(shared: &Shared, request: Request<Body>, seen: &mut Seen) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    seen.body = serde_json::from_slice(&body).unwrap_or_default();
    seen.operation = OPERATION.to_owned();
    seen.fault = shared.strike(seen);
    if let Some(answer) = server::before(seen.fault).await? {
        return Ok(answer.into_response(&HeaderMap::new()));
    }
    let credential = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    server::after(seen.fault, judged(shared, &seen.method, credential, &seen.body)).await
}

fn judged(shared: &Shared, method: &str, credential: Option<&str>, body: &Value) -> Response<Body> {
    let mut world = lock(&shared.world);
    let caller = match auth::caller(&world, credential) {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(&HeaderMap::new()),
    };
    // GraphQL has a limit of its own.
    let key = format!("{}/graphql", server::key(&caller));
    let counted = lock(&shared.meter).count(&key, super::limits::Cost::Write);
    let reply = match counted {
        Ok(()) => answer(&mut world, method, &caller, body),
        Err(Refusal::Primary) => server::limited(403, "API rate limit exceeded for installation."),
        Err(Refusal::Secondary(secs)) => server::secondary(secs),
    };
    let mut headers = HeaderMap::new();
    server::rate_headers(&mut headers, lock(&shared.meter).state(&key));
    headers.insert("x-ratelimit-resource", HeaderValue::from_static("graphql"));
    reply.into_response(&headers)
}

/// Answers a request of this body.
fn answer(world: &mut World, method: &str, caller: &Caller, body: &Value) -> Reply {
    if matches!(caller, Caller::Anonymous | Caller::App) {
        return Reply::error(401, "This endpoint requires you to be authenticated.");
    }
    if method == "POST" && body["query"].as_str().is_some_and(|query| tokens(query).is_ok_and(|tokens| tokens == VIEWER)) {
        return Reply::json(200, json!({"data": {"viewer": {"login": viewer(world, caller)}}}));
    }
    let known = tokens(EDITS).expect("it is understood");
    if method == "POST" && body["query"].as_str().is_some_and(|query| tokens(query).is_ok_and(|tokens| tokens == known)) {
        return edits(world, caller, &body["variables"]);
    }
    let asked = if method == "POST" { Asked::read(body) } else { Err(format!("{method} is not how GraphQL is asked")) };
    let asked = match asked {
        Ok(asked) => asked,
        Err(cause) => {
            world.violation(format!("{OPERATION}: {cause}"));
            let error = json!({"message": cause, "extensions": {"code": "undefinedField"}});
            return Reply::json(200, json!({"errors": [error]}));
        }
    };
    match minimise(world, caller, &asked) {
        Ok(payload) => Reply::json(200, json!({"data": {"minimizeComment": payload}})),
        Err((kind, message)) => {
            let error = json!({"type": kind, "path": ["minimizeComment"], "message": message});
            Reply::json(200, json!({"data": {"minimizeComment": null}, "errors": [error]}))
        }
    }
}

fn viewer(world: &World, caller: &Caller) -> String {
    let id = if let Caller::User(user) = caller { *user } else { world.app.bot };
    world.account(id).login.clone()
}

/// What is not there, or not to be seen, is null with an error beside it.
fn edits(world: &World, caller: &Caller, variables: &Value) -> Reply {
    let text = |key: &str| variables[key].as_str().unwrap_or_default();
    let number = variables["number"].as_u64().unwrap_or_default();
    let repo = world.find_repo(&format!("{}/{}", text("owner"), text("name")));
    let seen = repo.filter(|repo| world.has_thread(repo.id, number)).filter(|repo| match caller {
        Caller::Token(token) => {
            let permission = if world.is_issue(repo.id, number) { "issues" } else { "pull_requests" };
            auth::in_scope(world, token, repo.id) && auth::permits(token, permission, Access::Read)
        }
        Caller::User(user) => world.level(repo, *user) >= Level::Read,
        Caller::Anonymous | Caller::App => false,
    });
    let Some(repo) = seen else {
        let error =
            json!({"type": "NOT_FOUND", "path": ["repository"], "message": "Could not resolve to an issue or pull request."});
        return Reply::json(200, json!({"data": {"repository": null}, "errors": [error]}));
    };
    let edits = repo.tracker.issues.get(&number).map_or_else(|| world.pull(repo.id, number).edits, |issue| issue.edits);
    let nodes: Vec<Value> = edits.title.into_iter().map(|at| json!({"createdAt": time_text(at)})).collect();
    let thing = json!({"lastEditedAt": edits.body.map(time_text), "timelineItems": {"nodes": nodes}});
    Reply::json(200, json!({"data": {"repository": {"issueOrPullRequest": thing}}}))
}

fn minimise(world: &mut World, caller: &Caller, asked: &Asked) -> Result<Value, (&'static str, String)> {
    let unknown = || ("NOT_FOUND", format!("Could not resolve to a node with the global id of '{}'.", asked.subject));
    let found = world.comments.iter().find(|c| comment_node_id(c) == asked.subject).ok_or_else(unknown)?;
    let (id, foreign) = (found.id, found.author != world.app.bot);
    let permission = if world.is_issue(found.repo, found.number) { "issues" } else { "pull_requests" };
    match caller {
        Caller::Token(token) if !auth::in_scope(world, token, found.repo) => return Err(unknown()),
        Caller::Token(token) if !auth::permits(token, permission, Access::Write) => {
            return Err(("FORBIDDEN", "Resource not accessible by integration".to_owned()));
        }
        Caller::Token(_) if foreign => {
            let rule = "this comment is not the App's own";
            world.violation(format!("{OPERATION}: {rule}"));
            return Err(("UNPROCESSABLE", rule.to_owned()));
        }
        Caller::User(user) if world.level(world.repo(found.repo), *user) < Level::Write && found.author != *user => {
            return Err(("FORBIDDEN", "you may not minimize this comment".to_owned()));
        }
        Caller::Token(_) | Caller::User(_) | Caller::Anonymous | Caller::App => {}
    }
    let comment = world.comments.iter_mut().find(|c| c.id == id).expect("it was just found");
    comment.minimised = Some(asked.classifier.clone());
    Ok(asked.payload())
}

/// GraphQL's id of a comment, which REST tells as `node_id`.
pub(crate) fn comment_node_id(comment: &Comment) -> String {
    let kind = match comment.place {
        Place::Conversation => "IssueComment",
        Place::Diff(_) => "PullRequestReviewComment",
    };
    node_id(kind, comment.id)
}

/// How a reason is told, which is not how it is given.
pub(crate) fn reason(classifier: &str) -> String {
    classifier.to_lowercase().replace('_', "-")
}

/// A mutation that was understood.
struct Asked {
    subject: String,
    classifier: String,
    client: Value,
    selection: Selection,
}

/// What the query names.
struct Selection {
    variable: String,
    wants_client: bool,
    /// Of the comment.
    fields: Vec<String>,
}

impl Asked {
    fn read(body: &Value) -> Result<Self, String> {
        let body = body.as_object().ok_or("the body is not a JSON object")?;
        only(body, &["query", "variables", "operationName"], "the body")?;
        let query = body.get("query").and_then(Value::as_str).ok_or("there is no query")?;
        let selection = Query { tokens: tokens(query)?, at: 0 }.read()?;
        let variables = body.get("variables").and_then(Value::as_object).ok_or("there are no variables")?;
        only(variables, &[&selection.variable], "the variables")?;
        let input = variables.get(&selection.variable).and_then(Value::as_object).ok_or("the variable is not an object")?;
        only(input, &["subjectId", "classifier", "clientMutationId"], "MinimizeCommentInput")?;
        let text = |key: &str| input.get(key).and_then(Value::as_str).ok_or(format!("{key} is not a string"));
        let (subject, classifier) = (text("subjectId")?.to_owned(), text("classifier")?.to_owned());
        if !CLASSIFIERS.contains(&classifier.as_str()) {
            return Err(format!("{classifier} is no ReportedContentClassifiers"));
        }
        Ok(Asked { subject, classifier, client: input.get("clientMutationId").cloned().unwrap_or_default(), selection })
    }

    fn payload(&self) -> Value {
        let value = |field: &str| match field {
            "__typename" => json!("IssueComment"),
            "minimizedReason" => json!(reason(&self.classifier)),
            _ => json!(true),
        };
        let mut payload = Map::new();
        if self.selection.wants_client {
            payload.insert("clientMutationId".to_owned(), self.client.clone());
        }
        if !self.selection.fields.is_empty() {
            let comment: Map<String, Value> = self.selection.fields.iter().map(|field| (field.clone(), value(field))).collect();
            payload.insert("minimizedComment".to_owned(), comment.into());
        }
        payload.into()
    }
}

fn only(object: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), String> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{what} has no {key}")),
        None => Ok(()),
    }
}

/// Names and punctuation; GraphQL's commas count as blanks.
fn tokens(query: &str) -> Result<Vec<&str>, String> {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = query.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if name(first) => rest.find(|c| !name(c)).unwrap_or(rest.len()),
            '!' | '$' | '(' | ')' | ':' | '{' | '}' | '[' | ']' | '.' => 1,
            _ => return Err(format!("the query is not understood at {rest:.20}")),
        };
        found.push(&rest[..length]);
        rest = rest[length..].trim_start_matches(|c: char| c.is_whitespace() || c == ',');
    }
    Ok(found)
}

struct Query<'q> {
    tokens: Vec<&'q str>,
    at: usize,
}

impl<'q> Query<'q> {
    fn read(mut self) -> Result<Selection, String> {
        self.expect(&["mutation"])?;
        if self.peek() != "(" {
            self.name()?;
        }
        self.expect(&["(", "$"])?;
        let variable = self.name()?;
        self.expect(&[
            ":",
            "MinimizeCommentInput",
            "!",
            ")",
            "{",
            "minimizeComment",
            "(",
            "input",
            ":",
            "$",
            variable,
            ")",
            "{",
        ])?;
        let (mut wants_client, mut fields) = (false, Vec::new());
        while self.peek() != "}" {
            match self.name()? {
                "clientMutationId" => wants_client = true,
                "minimizedComment" => fields = self.comment_fields()?,
                other => return Err(format!("MinimizeCommentPayload has no {other}")),
            }
        }
        self.expect(&["}", "}"])?;
        if self.at < self.tokens.len() {
            return Err("there is more than one operation".to_owned());
        }
        if !wants_client && fields.is_empty() {
            return Err("nothing of the payload is asked for".to_owned());
        }
        Ok(Selection { variable: variable.to_owned(), wants_client, fields })
    }

    fn comment_fields(&mut self) -> Result<Vec<String>, String> {
        self.expect(&["{"])?;
        let mut fields = Vec::new();
        while self.peek() != "}" {
            let field = self.name()?;
            if !COMMENT_FIELDS.contains(&field) {
                return Err(format!("Minimizable has no {field}"));
            }
            fields.push(field.to_owned());
        }
        self.expect(&["}"])?;
        if fields.is_empty() { Err("nothing of the comment is asked for".to_owned()) } else { Ok(fields) }
    }

    /// The next token; empty at the end.
    fn peek(&self) -> &'q str {
        self.tokens.get(self.at).copied().unwrap_or_default()
    }

    fn name(&mut self) -> Result<&'q str, String> {
        let token = self.peek();
        self.at += 1;
        let named = token.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if named { Ok(token) } else { Err(format!("the query has {token:?} where a name should be")) }
    }

    fn expect(&mut self, wanted: &[&str]) -> Result<(), String> {
        for token in wanted {
            if self.peek() != *token {
                return Err(format!("the query has {:?} where {token:?} should be", self.peek()));
            }
            self.at += 1;
        }
        Ok(())
    }
}
