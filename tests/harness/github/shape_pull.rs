//! The JSON of pull requests, comments and reactions.

use serde_json::{Value, json};

use super::graphql::{comment_node_id, reason};
use super::shape::{merge, node_id};
use super::world::{Comment, DiffPlace, Kind, Level, Place, Pull, Reaction, ReactionOn, Repo, Via, World, time_text};

/// Every reaction there is.
pub(crate) const REACTIONS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket"];

impl World {
    /// What an author is to the repository, in GitHub's words.
    pub(crate) fn association(&self, repo: &Repo, account: u64) -> &'static str {
        if repo.owner == account {
            return "OWNER";
        }
        let organization = self.account(repo.owner).kind == Kind::Organization;
        match self.level(repo, account) {
            Level::None | Level::Read => "NONE",
            Level::Triage | Level::Write | Level::Maintain | Level::Admin if organization => "MEMBER",
            Level::Triage | Level::Write | Level::Maintain | Level::Admin => "COLLABORATOR",
        }
    }

    /// As lists of pull requests have it.
    pub(crate) fn pull_simple_json(&self, repo: &Repo, pull: &Pull) -> Value {
        let (url, n) = (self.repo_url(repo), pull.number);
        let html = format!("{}/{}/pull/{n}", self.base, repo.full_name());
        let link = |href: String| json!({"href": href});
        let statuses = format!("{url}/statuses/{}", pull.head);
        json!({
            "url": format!("{url}/pulls/{n}"), "id": pull.id, "node_id": node_id("PullRequest", pull.id), "html_url": html,
            "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"), "issue_url": format!("{url}/issues/{n}"),
            "commits_url": format!("{url}/pulls/{n}/commits"), "review_comments_url": format!("{url}/pulls/{n}/comments"),
            "review_comment_url": format!("{url}/pulls/comments{{/number}}"), "comments_url": format!("{url}/issues/{n}/comments"),
            "statuses_url": statuses, "number": n, "state": if pull.open() { "open" } else { "closed" }, "locked": false,
            "title": pull.title, "user": self.user_json(pull.author), "body": pull.body, "labels": self.all_labels_json(repo, &pull.labels),
            "milestone": null, "active_lock_reason": null, "created_at": time_text(pull.created_at),
            "updated_at": time_text(pull.updated_at), "closed_at": pull.closed_at.map(time_text),
            "merged_at": pull.merged.as_ref().map(|m| time_text(m.at)), "merge_commit_sha": self.merge_commit(repo, pull),
            "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [],
            "head": self.side_json(pull.head_repo, &pull.head_branch, &pull.head),
            "base": self.side_json(repo.id, &pull.base_branch, &pull.base),
            "_links": {
                "self": link(format!("{url}/pulls/{n}")), "html": link(html.clone()), "issue": link(format!("{url}/issues/{n}")),
                "comments": link(format!("{url}/issues/{n}/comments")), "review_comments": link(format!("{url}/pulls/{n}/comments")),
                "review_comment": link(format!("{url}/pulls/comments{{/number}}")), "commits": link(format!("{url}/pulls/{n}/commits")),
                "statuses": link(statuses.clone()),
            },
            "author_association": self.association(repo, pull.author), "auto_merge": null, "draft": pull.draft,
        })
    }

    /// As `GET /repos/.../pulls/N` and the payloads have it.
    pub(crate) fn pull_json(&self, repo: &Repo, pull: &Pull) -> Value {
        let files =
            repo.git.merge_base(&pull.base, &pull.head).map(|base| repo.git.diff(Some(&base), &pull.head)).unwrap_or_default();
        let mergeable = pull.open().then(|| self.merge_commit(repo, pull).is_some());
        let state = if !pull.open() {
            "unknown"
        } else if mergeable == Some(true) {
            "clean"
        } else {
            "dirty"
        };
        let (commits, _) = repo.git.ahead_behind(&pull.base, &pull.head);
        let (comments, review_comments) = (self.count_comments(repo, pull, false), self.count_comments(repo, pull, true));
        let mut shape = self.pull_simple_json(repo, pull);
        merge(
            &mut shape,
            json!({
                "merged": pull.merged.is_some(), "mergeable": mergeable, "rebaseable": mergeable, "mergeable_state": state,
                "merged_by": pull.merged.as_ref().map(|m| self.user_json(m.by)), "comments": comments, "review_comments": review_comments,
                "maintainer_can_modify": pull.head_repo != repo.id, "commits": commits,
                "additions": files.iter().map(|f| f.additions).sum::<u64>(), "deletions": files.iter().map(|f| f.deletions).sum::<u64>(),
                "changed_files": files.len(),
            }),
        );
        shape
    }

    fn merge_commit(&self, repo: &Repo, pull: &Pull) -> Option<String> {
        let tested = || repo.refs.get(&format!("refs/pull/{}/merge", pull.number)).cloned();
        pull.merged.as_ref().map(|m| m.commit.clone()).or_else(tested)
    }

    fn side_json(&self, repo: u64, branch: &str, sha: &str) -> Value {
        let repo = self.repo(repo);
        json!({
            "label": format!("{}:{branch}", repo.owner_login), "ref": branch, "sha": sha,
            "user": self.user_json(repo.owner), "repo": self.repo_json(repo),
        })
    }

    /// As checks name the pull requests that they are on.
    pub(crate) fn pull_minimal_json(&self, repo: &Repo, pull: &Pull) -> Value {
        let side = |repo: &Repo, branch: &str, sha: &str| json!({"ref": branch, "sha": sha, "repo": {"id": repo.id, "url": self.repo_url(repo), "name": repo.name}});
        json!({
            "id": pull.id, "number": pull.number, "url": format!("{}/pulls/{}", self.repo_url(repo), pull.number),
            "head": side(self.repo(pull.head_repo), &pull.head_branch, &pull.head), "base": side(repo, &pull.base_branch, &pull.base),
        })
    }

    /// A pull request as an issue, which is what comments are on.
    pub(crate) fn issue_json(&self, repo: &Repo, pull: &Pull) -> Value {
        let (url, n) = (self.repo_url(repo), pull.number);
        let html = format!("{}/{}/pull/{n}", self.base, repo.full_name());
        let comments = self.count_comments(repo, pull, false);
        json!({
            "url": format!("{url}/issues/{n}"), "repository_url": url, "labels_url": format!("{url}/issues/{n}/labels{{/name}}"),
            "comments_url": format!("{url}/issues/{n}/comments"), "events_url": format!("{url}/issues/{n}/events"),
            "html_url": html, "id": pull.id, "node_id": node_id("PullRequest", pull.id), "number": n, "title": pull.title,
            "user": self.user_json(pull.author), "labels": self.all_labels_json(repo, &pull.labels), "state": if pull.open() { "open" } else { "closed" },
            "locked": false, "assignee": null, "assignees": [], "milestone": null, "comments": comments,
            "created_at": time_text(pull.created_at), "updated_at": time_text(pull.updated_at),
            "closed_at": pull.closed_at.map(time_text), "author_association": self.association(repo, pull.author),
            "active_lock_reason": null, "draft": pull.draft, "body": pull.body,
            "reactions": self.reactions_json(&format!("{url}/issues/{n}"), ReactionOn::Issue(repo.id, n)),
            "timeline_url": format!("{url}/issues/{n}/timeline"), "performed_via_github_app": null, "state_reason": null,
            "pull_request": {"url": format!("{url}/pulls/{n}"), "html_url": html, "diff_url": format!("{html}.diff"),
                "patch_url": format!("{html}.patch"), "merged_at": pull.merged.as_ref().map(|m| time_text(m.at))},
        })
    }

    /// A comment, by the place that it is at.
    pub(crate) fn comment_json(&self, comment: &Comment) -> Value {
        match &comment.place {
            Place::Conversation => self.issue_comment_json(comment),
            Place::Diff(place) => self.review_comment_json(comment, place),
        }
    }

    fn issue_comment_json(&self, comment: &Comment) -> Value {
        let repo = self.repo(comment.repo);
        let url = format!("{}/issues/comments/{}", self.repo_url(repo), comment.id);
        let app = match &comment.via {
            Via::Page => Value::Null,
            Via::App => self.app_json(),
            Via::OtherApp(slug) => self.other_app_json(slug),
        };
        let kind = if self.is_issue(repo.id, comment.number) { "issues" } else { "pull" };
        let mut shape = self.said_json(comment, repo, &url);
        let more = json!({
            "html_url": format!("{}/{}/{kind}/{}#issuecomment-{}", self.base, repo.full_name(), comment.number, comment.id),
            "issue_url": format!("{}/issues/{}", self.repo_url(repo), comment.number), "performed_via_github_app": app,
            "minimized": comment.minimised.as_ref().map(|classifier| json!({"reason": reason(classifier)})),
        });
        merge(&mut shape, more);
        shape
    }

    fn review_comment_json(&self, comment: &Comment, place: &DiffPlace) -> Value {
        let repo = self.repo(comment.repo);
        let url = format!("{}/pulls/comments/{}", self.repo_url(repo), comment.id);
        let html = format!("{}/{}/pull/{}#discussion_r{}", self.base, repo.full_name(), comment.number, comment.id);
        let pull = format!("{}/pulls/{}", self.repo_url(repo), comment.number);
        let link = |href: &str| json!({"href": href});
        let mut shape = self.said_json(comment, repo, &url);
        let more = json!({
            "html_url": html, "pull_request_url": pull, "pull_request_review_id": place.review, "diff_hunk": place.hunk,
            "path": place.path, "commit_id": place.commit, "original_commit_id": place.commit, "position": place.line,
            "original_position": place.line, "line": place.line, "original_line": place.line, "side": "RIGHT",
            "start_line": null, "original_start_line": null, "start_side": null, "subject_type": "line",
            "_links": {"self": link(&url), "html": link(&html), "pull_request": link(&pull)},
        });
        merge(&mut shape, more);
        shape
    }

    /// What both kinds of comments have.
    fn said_json(&self, comment: &Comment, repo: &Repo, url: &str) -> Value {
        json!({
            "id": comment.id, "node_id": comment_node_id(comment), "url": url, "user": self.user_json(comment.author),
            "created_at": time_text(comment.created_at), "updated_at": time_text(comment.updated_at),
            "author_association": self.association(repo, comment.author), "body": comment.body,
            "reactions": self.reactions_json(url, ReactionOn::Comment(comment.id)),
        })
    }

    fn count_comments(&self, repo: &Repo, pull: &Pull, of_the_diff: bool) -> usize {
        let wanted =
            |c: &&Comment| c.repo == repo.id && c.number == pull.number && (c.place != Place::Conversation) == of_the_diff;
        self.comments.iter().filter(wanted).count()
    }

    pub(crate) fn reactions_json(&self, url: &str, on: ReactionOn) -> Value {
        let count =
            |content: &str| self.reactions.iter().filter(|r| r.on == on && (content.is_empty() || r.content == content)).count();
        let mut shape = json!({"url": format!("{url}/reactions"), "total_count": count("")});
        for content in REACTIONS {
            shape[content] = json!(count(content));
        }
        shape
    }

    pub(crate) fn reaction_json(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id, "node_id": node_id("Reaction", reaction.id), "user": self.user_json(reaction.user),
            "content": reaction.content, "created_at": time_text(reaction.created_at),
        })
    }
}
