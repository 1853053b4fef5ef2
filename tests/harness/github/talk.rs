//! Comments and reactions: how they come about, and how people see them.

use serde_json::{Value, json};

use super::FakeGitHub;
use super::world::{Comment as Written, DiffPlace, Kind, Place, Reaction, ReactionOn, Via, World};

/// A comment, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// GitHub's id of it.
    pub id: u64,
    /// Its author's login.
    pub author: String,
    /// Markdown.
    pub body: String,
    /// Whether it was changed since it was made.
    pub edited: bool,
    /// Whether it is shown folded, as resolved and the like.
    pub minimised: bool,
    /// The reactions to it, oldest first: login and content.
    pub reactions: Vec<(String, String)>,
}

/// What people say.
impl FakeGitHub {
    /// Comments on a pull request or an issue; returns the comment's id.
    pub fn comment(&self, repo: &str, number: u64, user: &str, body: &str) -> u64 {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        assert!(world.has_thread(repo, number), "there is no {number}");
        world.add_comment(repo, number, user, Via::Page, Place::Conversation, body)
    }

    /// Comments as another App's account, `APP[bot]`, which is a bot by its type too; returns the comment's id.
    pub fn comment_as_bot(&self, repo: &str, number: u64, app: &str, body: &str) -> u64 {
        let mut world = self.world();
        let (repo, bot) = (world.repo_id(repo), world.account_id(&format!("{app}[bot]"), Kind::Bot));
        world.add_comment(repo, number, bot, Via::OtherApp(app.to_owned()), Place::Conversation, body)
    }

    /// Comments as a person by means of another App, which GitHub tells in the comment; returns the comment's id.
    pub fn comment_through_app(&self, repo: &str, number: u64, user: &str, app: &str, body: &str) -> u64 {
        self.with_pull(repo, number, user, |world, repo, user| {
            world.add_comment(repo, number, user, Via::OtherApp(app.to_owned()), Place::Conversation, body)
        })
    }

    /// Comments on a line that a pull request adds or keeps in a file which it changes; returns the comment's id.
    pub fn diff_comment(&self, repo: &str, number: u64, user: &str, place: (&str, u64), body: &str) -> u64 {
        self.with_pull(repo, number, user, |world, repo, user| {
            let place = world.diff_place(repo, number, place);
            world.add_comment(repo, number, user, Via::Page, Place::Diff(place), body)
        })
    }

    /// Changes a comment.
    pub fn edit_comment(&self, id: u64, user: &str, body: &str) {
        let mut world = self.world();
        let user = world.account_id(user, Kind::User);
        world.edit_comment(id, body, user);
    }

    /// Removes a comment.
    pub fn delete_comment(&self, id: u64, user: &str) {
        let mut world = self.world();
        let user = world.account_id(user, Kind::User);
        world.delete_comment(id, user);
    }

    /// Reacts to a comment: `+1`, `eyes` and the like.
    pub fn react(&self, comment: u64, user: &str, content: &str) {
        let mut world = self.world();
        let user = world.account_id(user, Kind::User);
        assert!(world.comment(comment).is_some(), "there is no comment {comment}");
        world.react(ReactionOn::Comment(comment), user, content);
    }
}

/// What people see of it.
impl FakeGitHub {
    /// The comments in the conversation of a pull request or an issue, oldest first.
    pub fn comments(&self, repo: &str, number: u64) -> Vec<Comment> {
        self.comments_at(repo, number, |place| *place == Place::Conversation)
    }

    /// The comments on the diff of a pull request, oldest first.
    pub fn diff_comments(&self, repo: &str, number: u64) -> Vec<Comment> {
        self.comments_at(repo, number, |place| matches!(place, Place::Diff(_)))
    }

    fn comments_at(&self, repo: &str, number: u64, wanted: impl Fn(&Place) -> bool) -> Vec<Comment> {
        let world = self.world();
        let repo = world.repo_id(repo);
        let seen = |c: &Written| Comment {
            id: c.id,
            author: world.account(c.author).login.clone(),
            body: c.body.clone(),
            edited: c.edited,
            minimised: c.minimised.is_some(),
            reactions: world.reactions_to(c.id),
        };
        world.comments.iter().filter(|c| c.repo == repo && c.number == number && wanted(&c.place)).map(seen).collect()
    }

    /// The comments of a pull request that the App made.
    pub fn bot_comments(&self, repo: &str, number: u64) -> Vec<Comment> {
        let bot = self.bot_login();
        self.comments(repo, number).into_iter().filter(|c| c.author == bot).collect()
    }

    /// The one comment that the App made, where it made one.
    ///
    /// # Panics
    /// Where it made more: nobody wants those.
    pub fn sticky(&self, repo: &str, number: u64) -> Option<Comment> {
        let mut found = self.bot_comments(repo, number);
        assert!(found.len() < 2, "the App made {} comments on {repo}#{number}: {found:#?}", found.len());
        found.pop()
    }

    /// The reactions to a comment of either kind, oldest first: login and content. None of a comment that is gone.
    pub fn reactions(&self, repo: &str, comment: u64) -> Vec<(String, String)> {
        let world = self.world();
        let repo = world.repo_id(repo);
        let there = world.comment(comment).is_some_and(|c| c.repo == repo);
        if there { world.reactions_to(comment) } else { Vec::new() }
    }

    /// Whether a comment is shown folded. False of one that is gone.
    pub fn minimised(&self, repo: &str, comment: u64) -> bool {
        let world = self.world();
        let repo = world.repo_id(repo);
        world.comment(comment).is_some_and(|c| c.repo == repo && c.minimised.is_some())
    }
}

impl World {
    /// Adds a comment to a pull request or an issue, which counts as a change of it.
    pub(crate) fn add_comment(&mut self, repo: u64, number: u64, author: u64, via: Via, place: Place, body: &str) -> u64 {
        let (id, now) = (self.new_id(), self.now());
        self.touch(repo, number);
        let body = body.to_owned();
        let (edited, minimised) = (false, None);
        let (created_at, updated_at) = (now, now);
        self.comments.push(Written { id, repo, number, author, via, place, body, edited, minimised, created_at, updated_at });
        self.tell_comment(id, "created", author, json!({}));
        id
    }

    /// Comments of a review on lines of the diff, or GitHub's words on why they cannot be there.
    pub(crate) fn review(
        &mut self,
        repo: u64,
        number: u64,
        author: u64,
        comments: &[(String, u64, u64, String)],
    ) -> Result<u64, String> {
        let found = self.repo(repo);
        let pull = self.pull(repo, number);
        let base = found.git.merge_base(&pull.base, &pull.head);
        let files = found.git.diff(base.as_deref(), &pull.head);
        for (path, first, last, _) in comments {
            let patch = files.iter().find(|file| file.path == *path).and_then(|file| file.patch.clone());
            if !patch.is_some_and(|patch| in_one_hunk(&patch, *first, *last)) {
                return Err("pull_request_review_thread.line must be part of the diff".to_owned());
            }
        }
        let review = self.new_id();
        for (path, _, line, body) in comments {
            let place = DiffPlace { review, ..self.diff_place(repo, number, (path, *line)) };
            self.add_comment(repo, number, author, Via::App, Place::Diff(place), body);
        }
        Ok(review)
    }

    fn diff_place(&mut self, repo: u64, number: u64, (path, line): (&str, u64)) -> DiffPlace {
        let review = self.new_id();
        let (found, pull) = (self.repo(repo), self.pull(repo, number));
        let base = found.git.merge_base(&pull.base, &pull.head);
        let file = found.git.diff(base.as_deref(), &pull.head).into_iter().find(|file| file.path == path);
        let file = file.unwrap_or_else(|| panic!("pull request {number} does not change {path}"));
        let hunk = file.patch.unwrap_or_default();
        DiffPlace { path: path.to_owned(), line, commit: pull.head.clone(), hunk, review }
    }

    pub(crate) fn edit_comment(&mut self, id: u64, body: &str, sender: u64) {
        let now = self.now();
        let comment = self.comments.iter_mut().find(|c| c.id == id).expect("the comment exists");
        comment.updated_at = now;
        comment.edited = true;
        let from = std::mem::replace(&mut comment.body, body.to_owned());
        self.tell_comment(id, "edited", sender, json!({"changes": {"body": {"from": from}}}));
    }

    pub(crate) fn delete_comment(&mut self, id: u64, sender: u64) {
        self.tell_comment(id, "deleted", sender, json!({}));
        self.comments.retain(|c| c.id != id);
        self.reactions.retain(|r| r.on != ReactionOn::Comment(id));
    }

    /// The reaction of this user, made where there is none; and whether it was made.
    pub(crate) fn react(&mut self, on: ReactionOn, user: u64, content: &str) -> (Reaction, bool) {
        if let Some(found) = self.reactions.iter().find(|r| r.on == on && r.user == user && r.content == content) {
            return (found.clone(), false);
        }
        let reaction = Reaction { id: self.new_id(), on, user, content: content.to_owned(), created_at: self.now() };
        self.reactions.push(reaction.clone());
        (reaction, true)
    }

    fn reactions_to(&self, comment: u64) -> Vec<(String, String)> {
        let on = ReactionOn::Comment(comment);
        let seen = |r: &Reaction| (self.account(r.user).login.clone(), r.content.clone());
        self.reactions.iter().filter(|r| r.on == on).map(seen).collect()
    }

    pub(crate) fn tell_comment(&mut self, id: u64, action: &str, sender: u64, extra: Value) {
        let comment = self.comment(id).expect("told before it is removed").clone();
        let (repo, number) = (self.repo(comment.repo), comment.number);
        let (event, key, about) = match &comment.place {
            Place::Conversation => ("issue_comment", "issue", self.thread_json(repo.id, number)),
            Place::Diff(_) => {
                ("pull_request_review_comment", "pull_request", self.pull_simple_json(repo, self.pull(repo.id, number)))
            }
        };
        let mut payload = json!({"action": action, key: about, "comment": self.comment_json(&comment)});
        super::shape::merge(&mut payload, extra);
        self.tell(comment.repo, event, sender, payload);
    }
}

/// Whether a hunk of a patch shows these new lines.
fn in_one_hunk(patch: &str, first: u64, last: u64) -> bool {
    let spans = patch.lines().filter_map(|line| {
        let (_, new) = line.strip_prefix("@@ -")?.split_once(" +")?;
        let (new, _) = new.split_once(" @@")?;
        let (begin, count) = new.split_once(',').unwrap_or((new, "1"));
        let (begin, count): (u64, u64) = (begin.parse().ok()?, count.parse().ok()?);
        Some(begin..begin + count)
    });
    spans.into_iter().any(|span| first <= last && span.contains(&first) && span.contains(&last))
}
