//! The operations that a bot needs: the table, and what all of them share.

mod checks;
mod commits;
mod discussions;
mod emoji;
mod issues;
mod merge_requests;
mod notes;
mod people;
mod projects;
mod quick_actions;
mod repository;
mod shapes;
mod shipping;
mod statuses;

use serde_json::{Value, json};

use super::auth::Caller;
use super::world::{DEVELOPER, MergeRequest, Noteable, World};
use crate::github::decoded;
use shapes::Shape;

/// What an operation comes to; either is an answer.
pub(super) type Answer = Result<Reply, Reply>;

/// One operation.
pub(super) struct Route {
    pub(super) method: &'static str,
    /// Behind `/api/v4`, parameters with a colon.
    template: &'static str,
    /// What it takes, where GitLab's description does not say.
    pub(super) shape: Option<Shape>,
    pub(super) act: fn(&mut World, &Call) -> Answer,
}

impl Route {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    /// Whether GitLab's limit of new notes counts it.
    pub(super) fn makes_note(&self) -> bool {
        self.method == "POST" && (self.template.ends_with("/notes") || self.template.ends_with("/discussions"))
    }
}

/// An operation of GitLab's description.
const fn known(method: &'static str, template: &'static str, act: fn(&mut World, &Call) -> Answer) -> Route {
    Route { method, template, shape: None, act }
}

/// An operation that only GitLab's documentation knows.
const fn documented(method: &'static str, template: &'static str, shape: Shape, act: fn(&mut World, &Call) -> Answer) -> Route {
    Route { method, template, shape: Some(shape), act }
}

const TABLES: [&[Route]; 12] = [
    people::ROUTES,
    projects::ROUTES,
    repository::ROUTES,
    commits::ROUTES,
    merge_requests::ROUTES,
    issues::ROUTES,
    notes::ROUTES,
    discussions::ROUTES,
    emoji::ROUTES,
    statuses::ROUTES,
    checks::ROUTES,
    shipping::ROUTES,
];

/// The operation of a path, and its parameters by name.
pub(super) fn find(method: &str, path: &str) -> Option<(&'static Route, Vec<(String, String)>)> {
    let parts: Vec<String> = path.split('/').map(decoded).collect();
    let method = if method == "HEAD" { "GET" } else { method };
    let routes = TABLES.into_iter().flatten().filter(|route| route.method == method);
    routes.into_iter().find_map(|route| params(route.template, &parts).map(|params| (route, params)))
}

fn params(template: &'static str, parts: &[String]) -> Option<Vec<(String, String)>> {
    let wanted: Vec<&str> = template.split('/').collect();
    let fits = |(want, part): (&&str, &String)| want.strip_prefix(':').map_or(part == want, |_| !part.is_empty());
    if wanted.len() != parts.len() || !wanted.iter().zip(parts).all(fits) {
        return None;
    }
    let pairs = wanted.iter().zip(parts).filter_map(|(want, part)| want.strip_prefix(':').map(|name| (name, part)));
    Some(pairs.map(|(name, part)| (name.to_owned(), part.clone())).collect())
}

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    /// Instead of JSON.
    pub(super) text: Option<Vec<u8>>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(super) fn empty(status: u16) -> Reply {
        Reply { status, body: None, text: None, headers: Vec::new() }
    }

    pub(super) fn json(status: u16, body: Value) -> Reply {
        Reply { body: Some(body), ..Reply::empty(status) }
    }

    /// A refusal as most handlers write it.
    pub(super) fn message(status: u16, message: &str) -> Reply {
        Reply::json(status, json!({ "message": message }))
    }

    /// A refusal before a handler was reached.
    pub(super) fn error(status: u16, error: &str) -> Reply {
        Reply::json(status, json!({ "error": error }))
    }

    pub(super) fn missing(what: &str) -> Reply {
        Reply::message(404, &format!("404 {what} Not Found"))
    }

    pub(super) fn forbidden() -> Reply {
        Reply::message(403, "403 Forbidden")
    }

    pub(super) fn insufficient_scope() -> Reply {
        let description = "The request requires higher privileges than provided by the access token.";
        Reply::json(403, json!({ "error": "insufficient_scope", "error_description": description, "scope": "api" }))
    }

    pub(super) fn retry_after(mut self, secs: i64) -> Reply {
        self.headers.push(("retry-after", secs.to_string()));
        self
    }
}

/// One request, as a handler sees it.
pub(super) struct Call {
    pub(super) params: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
    pub(super) caller: Option<Caller>,
    /// Without its query.
    pub(super) url: String,
}

impl Call {
    fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(one, _)| one == name);
        found.map(|(_, value)| value.as_str()).expect("the template has this parameter")
    }

    fn number(&self, name: &str) -> Result<u64, Reply> {
        self.param(name).parse().map_err(|_| Reply::error(400, &format!("{name} is invalid")))
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that may come in the body or in the query.
    fn given(&self, name: &str) -> Option<String> {
        let in_body = match &self.body[name] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        in_body.or_else(|| self.query(name).map(str::to_owned))
    }

    fn user(&self) -> Option<u64> {
        self.caller.map(|caller| caller.user)
    }

    /// Who writes. The server has refused strangers.
    fn author(&self) -> u64 {
        self.user().expect("a write has a caller")
    }

    /// The project, where the caller may know that it is there.
    fn project(&self, world: &World) -> Result<u64, Reply> {
        let found = world.find_project(self.param("id")).filter(|id| world.knows(*id, self.user()));
        found.ok_or_else(|| Reply::missing("Project"))
    }

    /// The project, where the caller may look at its code.
    fn code(&self, world: &World) -> Result<u64, Reply> {
        let id = self.project(world)?;
        if world.sees(id, self.user()) { Ok(id) } else { Err(Reply::forbidden()) }
    }

    /// The project, where the caller may push.
    fn as_developer(&self, world: &World) -> Result<u64, Reply> {
        let id = self.project(world)?;
        if world.level(id, self.author()) >= DEVELOPER { Ok(id) } else { Err(Reply::forbidden()) }
    }

    /// What the path's notes are on, an issue or a merge request, where the caller may look at it.
    fn noteable(&self, world: &World) -> Result<(u64, u64, Noteable), Reply> {
        if self.params.iter().any(|(name, _)| name == "issue_iid") {
            let issue = issues::find(world, self)?;
            return Ok((issue.project, issue.iid, Noteable::Issue));
        }
        let mr = self.request(world)?;
        Ok((mr.project, mr.iid, Noteable::Request))
    }

    /// The merge request, where the caller may look at it.
    fn request<'a>(&self, world: &'a World) -> Result<&'a MergeRequest, Reply> {
        let project = self.code(world)?;
        world.request(project, self.number("iid")?).ok_or_else(|| Reply::missing("Merge Request"))
    }
}

/// So many things are on a page at most.
const PER_PAGE_MAX: usize = 100;

/// One page of a list, with the headers that lead to the others.
fn page(call: &Call, items: Vec<Value>) -> Reply {
    let number = |name: &str, otherwise: usize| call.query(name).and_then(|n| n.parse().ok()).unwrap_or(otherwise).max(1);
    let (page, per_page) = (number("page", 1), number("per_page", 20).min(PER_PAGE_MAX));
    let total = items.len();
    let pages = total.div_ceil(per_page).max(1);
    let shown: Vec<Value> = items.into_iter().skip((page - 1) * per_page).take(per_page).collect();
    let link = |to: usize, rel: &str| {
        let others = call.query.iter().filter(|(name, _)| name != "page" && name != "per_page");
        let others: String = others.map(|(name, value)| format!("&{name}={}", escaped(value))).collect();
        format!("<{}?page={to}&per_page={per_page}{others}>; rel=\"{rel}\"", call.url)
    };
    let next = (page < pages).then(|| page + 1);
    let previous = (page > 1).then(|| page - 1);
    let mut links: Vec<String> = previous.map(|previous| link(previous, "prev")).into_iter().collect();
    links.extend(next.map(|next| link(next, "next")));
    links.extend([link(1, "first"), link(pages, "last")]);
    let number = |page: Option<usize>| page.map_or_else(String::new, |page| page.to_string());
    let mut reply = Reply::json(200, Value::Array(shown));
    reply.headers = vec![
        ("link", links.join(", ")),
        ("x-next-page", number(next)),
        ("x-page", page.to_string()),
        ("x-per-page", per_page.to_string()),
        ("x-prev-page", number(previous)),
        ("x-total", total.to_string()),
        ("x-total-pages", pages.to_string()),
    ];
    reply
}

/// The same by keyset: the next page is what comes behind the last id of this one, and nothing is counted. Items are in
/// the order of their ids.
fn keyset_page(call: &Call, mut items: Vec<Value>) -> Reply {
    let per_page = call.query("per_page").and_then(|n| n.parse().ok()).unwrap_or(20).clamp(1, PER_PAGE_MAX);
    let falls = call.query("sort") != Some("asc");
    if falls {
        items.reverse();
    }
    let marker = if falls { "id_before" } else { "id_after" };
    let behind = call.query(marker).and_then(|id| id.parse::<u64>().ok());
    let is_behind = |item: &Value| {
        let id = item["id"].as_u64().unwrap_or_default();
        behind.is_none_or(|behind| if falls { id < behind } else { id > behind })
    };
    let rest: Vec<Value> = items.into_iter().filter(is_behind).collect();
    let more = rest.len() > per_page;
    let shown: Vec<Value> = rest.into_iter().take(per_page).collect();
    let last = shown.last().map(|item| item["id"].clone()).filter(|_| more);
    let mut reply = Reply::json(200, Value::Array(shown));
    if let Some(last) = last {
        let others = call.query.iter().filter(|(name, _)| name != marker);
        let others: String = others.map(|(name, value)| format!("&{name}={}", escaped(value))).collect();
        reply.headers.push(("link", format!("<{}?{marker}={last}{others}>; rel=\"next\"", call.url)));
    }
    reply
}

/// A value as it stands in a query.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
