//! The REST operations, one table of them. A handler gets the world and a call that was already judged by the
//! description, authenticated and limited to what its token may do.

mod apps;
mod checks;
mod comments;
mod commits;
mod contents;
mod deliveries;
mod deployments;
mod diff_comments;
mod git_data;
mod issues;
mod pulls;
mod releases;
mod repos;
mod reviews;
mod scanning;
mod statuses;
mod teams;

use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) use checks::broken_rule;

use super::auth::Caller;
use super::world::{Kind, Repo, World};

/// The largest page.
const PER_PAGE_MAX: usize = 100;

/// A page where none is asked for.
const PER_PAGE: usize = 30;

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Anybody, with any credential or none.
    Anybody,
    /// The App, by its JWT.
    App,
    /// An installation, by a token.
    Installation,
    /// An installation of the organisation in the path, which let the App see its members.
    Members,
    /// An installation whose token has one of these permissions on the repository in the path.
    Repo(Access, &'static [&'static str]),
}

/// How much of a permission is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

type Handler = fn(&mut World, &Call) -> Result<Reply, Reply>;

/// One line of the table.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) template: &'static str,
    pub(crate) needs: Needs,
    pub(crate) act: Handler,
}

const fn route(method: &'static str, template: &'static str, needs: Needs, act: Handler) -> Route {
    Route { method, template, needs, act }
}

const fn read(permissions: &'static [&'static str]) -> Needs {
    Needs::Repo(Access::Read, permissions)
}

const fn write(permissions: &'static [&'static str]) -> Needs {
    Needs::Repo(Access::Write, permissions)
}

const METADATA: Needs = read(&["metadata"]);
const CONTENTS: Needs = read(&["contents"]);
const CONTENTS_WRITE: Needs = write(&["contents"]);
const DEPLOYMENTS: Needs = read(&["deployments"]);
const DEPLOYMENTS_WRITE: Needs = write(&["deployments"]);
const CHECKS: Needs = read(&["checks"]);
const CHECKS_WRITE: Needs = write(&["checks"]);
const PULLS: Needs = read(&["pull_requests"]);
const TALK: Needs = read(&["issues", "pull_requests"]);
const PULLS_WRITE: Needs = write(&["pull_requests"]);
const ISSUES_WRITE: Needs = write(&["issues"]);
/// Which of the two it must be depends on what is talked about: see `comments::thread`.
const TALK_WRITE: Needs = write(&["issues", "pull_requests"]);

/// Everything that is served.
pub(crate) const ROUTES: &[Route] = &[
    route("GET", "/app", Needs::App, apps::app),
    route("GET", "/app/installations", Needs::App, apps::installations),
    route("GET", "/app/installations/{installation_id}", Needs::App, apps::installation),
    route("POST", "/app/installations/{installation_id}/access_tokens", Needs::App, apps::create_token),
    route("GET", "/app/hook/deliveries", Needs::App, deliveries::list),
    route("GET", "/app/hook/deliveries/{delivery_id}", Needs::App, deliveries::get),
    route("POST", "/app/hook/deliveries/{delivery_id}/attempts", Needs::App, deliveries::redeliver),
    route("GET", "/repos/{owner}/{repo}/installation", Needs::App, apps::repo_installation),
    route("GET", "/orgs/{org}/installation", Needs::App, apps::org_installation),
    route("GET", "/users/{username}/installation", Needs::App, apps::user_installation),
    route("GET", "/installation/repositories", Needs::Installation, apps::repositories),
    route("DELETE", "/installation/token", Needs::Installation, apps::revoke_token),
    route("GET", "/rate_limit", Needs::Anybody, apps::rate_limit),
    route("GET", "/users/{username}", Needs::Anybody, apps::user),
    route("GET", "/user/{account_id}", Needs::Anybody, apps::user_by_id),
    route("GET", "/orgs/{org}/teams/{team_slug}/memberships/{username}", Needs::Members, teams::membership),
    route("GET", "/repos/{owner}/{repo}", METADATA, repos::get),
    route("GET", "/repos/{owner}/{repo}/collaborators/{username}/permission", METADATA, repos::permission),
    route("GET", "/repos/{owner}/{repo}/collaborators/{username}", METADATA, repos::collaborator),
    route("GET", "/repos/{owner}/{repo}/branches", CONTENTS, repos::branches),
    route("GET", "/repos/{owner}/{repo}/branches/{branch}", CONTENTS, repos::branch),
    route("GET", "/repos/{owner}/{repo}/tags", METADATA, repos::tags),
    route("GET", "/repos/{owner}/{repo}/git/ref/{ref}", CONTENTS, repos::git_ref),
    route("GET", "/repos/{owner}/{repo}/git/matching-refs/{ref}", CONTENTS, repos::matching_refs),
    route("GET", "/repos/{owner}/{repo}/git/tags/{tag_sha}", CONTENTS, releases::tag_object),
    route("GET", "/repos/{owner}/{repo}/git/commits/{commit_sha}", CONTENTS, commits::git_commit),
    route("GET", "/repos/{owner}/{repo}/git/trees/{tree_sha}", CONTENTS, contents::tree),
    route("POST", "/repos/{owner}/{repo}/git/blobs", CONTENTS_WRITE, git_data::blob),
    route("POST", "/repos/{owner}/{repo}/git/trees", CONTENTS_WRITE, git_data::tree),
    route("POST", "/repos/{owner}/{repo}/git/commits", CONTENTS_WRITE, git_data::commit),
    route("POST", "/repos/{owner}/{repo}/git/refs", CONTENTS_WRITE, git_data::make_ref),
    route("PATCH", "/repos/{owner}/{repo}/git/refs/{ref}", CONTENTS_WRITE, git_data::move_ref),
    route("GET", "/repos/{owner}/{repo}/commits", CONTENTS, commits::list),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}", CONTENTS, commits::get),
    route("GET", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls", PULLS, commits::pulls),
    route("GET", "/repos/{owner}/{repo}/compare/{basehead}", CONTENTS, commits::compare),
    route("GET", "/repos/{owner}/{repo}/contents/{path}", CONTENTS, contents::get),
    route("GET", "/repos/{owner}/{repo}/pulls", PULLS, pulls::list),
    route("POST", "/repos/{owner}/{repo}/pulls", PULLS_WRITE, pulls::create),
    route("PATCH", "/repos/{owner}/{repo}/pulls/{pull_number}", PULLS_WRITE, pulls::update),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}", PULLS, pulls::get),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/files", PULLS, pulls::files),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/commits", PULLS, pulls::commits),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", PULLS, reviews::list),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/comments", PULLS, diff_comments::list),
    route("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", PULLS_WRITE, diff_comments::review),
    route("POST", "/repos/{owner}/{repo}/code-scanning/sarifs", write(&["security_events"]), scanning::upload),
    route("GET", "/repos/{owner}/{repo}/code-scanning/sarifs/{sarif_id}", read(&["security_events"]), scanning::processing),
    route("GET", "/repos/{owner}/{repo}/pulls/comments/{comment_id}", PULLS, diff_comments::get),
    route("GET", "/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions", PULLS, diff_comments::reactions),
    route("POST", "/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions", PULLS_WRITE, diff_comments::react),
    route(
        "DELETE",
        "/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions/{reaction_id}",
        PULLS_WRITE,
        diff_comments::unreact,
    ),
    route("GET", "/repos/{owner}/{repo}/issues", read(&["issues"]), issues::list),
    route("POST", "/repos/{owner}/{repo}/issues", ISSUES_WRITE, issues::create),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}", TALK, comments::issue),
    route("PATCH", "/repos/{owner}/{repo}/issues/{issue_number}", TALK_WRITE, issues::update),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/labels", TALK, issues::labels_on),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/labels", TALK_WRITE, issues::add_labels),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/comments", TALK, comments::list),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments", TALK_WRITE, comments::create),
    route("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}", TALK, comments::get),
    route("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment_id}", TALK_WRITE, comments::update),
    route("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}", TALK_WRITE, comments::delete),
    route("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", TALK, comments::reactions),
    route("POST", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", TALK_WRITE, comments::react),
    route("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}", TALK_WRITE, comments::unreact),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/reactions", TALK_WRITE, comments::react_issue),
    route("POST", "/repos/{owner}/{repo}/check-runs", CHECKS_WRITE, checks::create),
    route("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}", CHECKS, checks::get),
    route("PATCH", "/repos/{owner}/{repo}/check-runs/{check_run_id}", CHECKS_WRITE, checks::update),
    route("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations", CHECKS, checks::annotations),
    route("POST", "/repos/{owner}/{repo}/check-runs/{check_run_id}/rerequest", CHECKS_WRITE, checks::rerequest),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", CHECKS, checks::on_commit),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/check-suites", CHECKS, checks::suites_on_commit),
    route("POST", "/repos/{owner}/{repo}/check-suites", CHECKS_WRITE, checks::create_suite),
    route("GET", "/repos/{owner}/{repo}/check-suites/{check_suite_id}", CHECKS, checks::suite),
    route("GET", "/repos/{owner}/{repo}/check-suites/{check_suite_id}/check-runs", CHECKS, checks::in_suite),
    route("POST", "/repos/{owner}/{repo}/check-suites/{check_suite_id}/rerequest", CHECKS_WRITE, checks::rerequest_suite),
    route("GET", "/repos/{owner}/{repo}/releases", CONTENTS, releases::list),
    route("POST", "/repos/{owner}/{repo}/releases", CONTENTS_WRITE, releases::create),
    route("GET", "/repos/{owner}/{repo}/releases/latest", CONTENTS, releases::latest),
    route("GET", "/repos/{owner}/{repo}/releases/tags/{tag}", CONTENTS, releases::by_tag),
    route("GET", "/repos/{owner}/{repo}/releases/{release_id}", CONTENTS, releases::get),
    route("PATCH", "/repos/{owner}/{repo}/releases/{release_id}", CONTENTS_WRITE, releases::update),
    route("DELETE", "/repos/{owner}/{repo}/releases/{release_id}", CONTENTS_WRITE, releases::delete),
    route("GET", "/repos/{owner}/{repo}/releases/{release_id}/assets", CONTENTS, releases::assets),
    route("POST", "/repos/{owner}/{repo}/releases/{release_id}/assets", CONTENTS_WRITE, releases::upload),
    route("DELETE", "/repos/{owner}/{repo}/releases/assets/{asset_id}", CONTENTS_WRITE, releases::delete_asset),
    route("GET", "/repos/{owner}/{repo}/deployments", DEPLOYMENTS, deployments::list),
    route("POST", "/repos/{owner}/{repo}/deployments", DEPLOYMENTS_WRITE, deployments::create),
    route("GET", "/repos/{owner}/{repo}/deployments/{deployment_id}", DEPLOYMENTS, deployments::get),
    route("GET", "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", DEPLOYMENTS, deployments::statuses),
    route("POST", "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", DEPLOYMENTS_WRITE, deployments::add_status),
    route(
        "POST",
        "/repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule",
        DEPLOYMENTS_WRITE,
        deployments::answer_rule,
    ),
    route("POST", "/repos/{owner}/{repo}/statuses/{sha}", write(&["statuses"]), statuses::create),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/statuses", read(&["statuses"]), statuses::list),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/status", read(&["statuses"]), statuses::combined),
];

/// The method and template of everything that is served.
pub(crate) fn served() -> Vec<(&'static str, &'static str)> {
    ROUTES.iter().map(|route| (route.method, route.template)).collect()
}

/// A request, as a handler sees it.
pub(crate) struct Call {
    /// Decoded.
    pub(crate) path: Vec<(String, String)>,
    /// Decoded.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    /// The body of an upload, which is no JSON, and its media type.
    pub(crate) file: Bytes,
    pub(crate) content_type: String,
    pub(crate) accept: String,
    pub(crate) caller: Caller,
    /// The address without its query, as the caller knows it: what links to other pages are made of.
    pub(crate) url: String,
    /// What is left of the rate limit: limit, used, and when it starts anew.
    pub(crate) rate: [u64; 3],
}

impl Call {
    pub(crate) fn param(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).expect("the template has this parameter")
    }

    fn number(&self, name: &str) -> Result<u64, Reply> {
        self.param(name).parse().map_err(|_| Reply::missing())
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The repository in the path. It was found before the handler was called.
    fn repo<'w>(&self, world: &'w World) -> &'w Repo {
        world.find_repo(&self.full_name()).expect("the repository was found before")
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.param("owner"), self.param("repo"))
    }

    /// A text of the body.
    fn text(&self, key: &str) -> Option<String> {
        self.body[key].as_str().map(str::to_owned)
    }

    /// One page of `all`, with links to the others.
    fn page<T>(&self, all: Vec<T>, shape: impl Fn(&T) -> Value) -> (Vec<Value>, Option<String>) {
        let asked = |name: &str| self.query(name).and_then(|n| n.parse::<usize>().ok());
        let per_page = asked("per_page").unwrap_or(PER_PAGE).clamp(1, PER_PAGE_MAX);
        let page = asked("page").unwrap_or(1).max(1);
        let last = all.len().div_ceil(per_page).max(1);
        let shapes = all.iter().skip((page - 1) * per_page).take(per_page).map(shape).collect();
        let link = |page: usize, rel: &str| format!("<{}>; rel=\"{rel}\"", self.page_url(page, per_page));
        let mut links = Vec::new();
        if page > 1 {
            links.extend([link(page - 1, "prev"), link(1, "first")]);
        }
        if page < last {
            links.extend([link(page + 1, "next"), link(last, "last")]);
        }
        (shapes, (!links.is_empty()).then(|| links.join(", ")))
    }

    fn page_url(&self, page: usize, per_page: usize) -> String {
        let kept = self.query.iter().filter(|(key, _)| key != "page" && key != "per_page");
        let kept: String = kept.map(|(key, value)| format!("{key}={}&", super::shape::escaped(value))).collect();
        format!("{}?{kept}per_page={per_page}&page={page}", self.url)
    }

    /// A page as a bare list.
    fn list<T>(&self, all: Vec<T>, shape: impl Fn(&T) -> Value) -> Reply {
        let (shapes, link) = self.page(all, shape);
        Reply::json(200, json!(shapes)).link(link)
    }

    /// A page as a list under a key, beside the number of all.
    fn counted<T>(&self, key: &str, all: Vec<T>, shape: impl Fn(&T) -> Value) -> Reply {
        let total = all.len();
        let (shapes, link) = self.page(all, shape);
        Reply::json(200, json!({"total_count": total, key: shapes})).link(link)
    }
}

/// An answer. As an `Err` it is one of refusal.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    /// Instead of JSON.
    pub(crate) raw: Option<Vec<u8>>,
    pub(crate) link: Option<String>,
    /// Seconds to wait.
    pub(crate) retry_after: Option<u64>,
    /// A rule of GitHub's that the caller broke, which is told as a violation besides.
    pub(crate) broken_rule: Option<Box<str>>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Reply { status, body: Some(body), raw: None, link: None, retry_after: None, broken_rule: None }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Reply { status, body: None, raw: None, link: None, retry_after: None, broken_rule: None }
    }

    fn raw(content: Vec<u8>) -> Self {
        Reply { raw: Some(content), ..Reply::empty(200) }
    }

    fn link(mut self, link: Option<String>) -> Self {
        self.link = link;
        self
    }

    pub(crate) fn error(status: u16, message: &str) -> Self {
        let documentation = "https://docs.github.com/rest";
        Reply::json(status, json!({"message": message, "documentation_url": documentation, "status": status.to_string()}))
    }

    pub(crate) fn missing() -> Self {
        Reply::error(404, "Not Found")
    }

    pub(crate) fn forbidden() -> Self {
        Reply::error(403, "Resource not accessible by integration")
    }

    /// 422 for something that a bot can run into without being wrong.
    fn unprocessable(message: &str) -> Self {
        Reply::error(422, message)
    }

    /// 422 for a rule that a bot must know.
    fn broken(resource: &str, rule: &str) -> Self {
        let errors = json!([{"resource": resource, "code": "invalid", "message": rule}]);
        let body = json!({"message": "Invalid request.", "errors": errors, "documentation_url": "https://docs.github.com/rest", "status": "422"});
        Reply { broken_rule: Some(rule.into()), ..Reply::json(422, body) }
    }
}

/// The first line of the table that a path matches, and its parameters, decoded. Of two templates the one with more fixed
/// parts goes first.
pub(crate) fn find(method: &str, path: &str) -> Option<(&'static Route, Vec<(String, String)>)> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let fixed = |route: &Route| route.template.split('/').filter(|part| !part.starts_with('{')).count();
    let matching = ROUTES.iter().filter(|route| route.method == method);
    let matching = matching.filter_map(|route| {
        let template: Vec<&str> = route.template.trim_start_matches('/').split('/').collect();
        let mut found = Vec::new();
        matches(&template, &parts, &mut found).then_some((route, found))
    });
    matching.max_by_key(|(route, _)| fixed(route))
}

/// Parameters that may hold slashes.
const LONG: [&str; 5] = ["{path}", "{ref}", "{branch}", "{basehead}", "{tag}"];

fn matches(template: &[&str], parts: &[&str], found: &mut Vec<(String, String)>) -> bool {
    let (Some(first), Some(part)) = (template.first(), parts.first()) else { return template.is_empty() && parts.is_empty() };
    if !first.starts_with('{') {
        return first == part && matches(&template[1..], &parts[1..], found);
    }
    let most = if LONG.contains(first) { parts.len() } else { 1 };
    for taken in (1..=most).rev() {
        let value = decoded(&parts[..taken].join("/"));
        found.push((first.trim_matches(['{', '}']).to_owned(), value));
        if matches(&template[1..], &parts[taken..], found) {
            return true;
        }
        found.pop();
    }
    false
}

/// A percent-encoded text, decoded.
pub(crate) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escape =
            (bytes[i] == b'%').then(|| text.get(i + 1..i + 3)).flatten().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(escape.unwrap_or(bytes[i]));
        i += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The account that acts by this call.
fn actor(world: &World, call: &Call) -> u64 {
    match call.caller {
        Caller::User(id) => id,
        Caller::Anonymous | Caller::App | Caller::Token(_) => world.app.bot,
    }
}

/// Whether an account is the App's own.
fn is_bot(world: &World, account: u64) -> bool {
    world.account(account).kind == Kind::Bot
}
