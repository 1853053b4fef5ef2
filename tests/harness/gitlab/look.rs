//! What people see.

use std::collections::BTreeMap;

use super::world::{Note, NoteKind, Noteable, Status, World, lock};
use super::{BOT, Delivery, FakeGitLab, Seen};

/// A note, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSeen {
    /// GitLab's id of it.
    pub id: u64,
    /// Who wrote it.
    pub author: String,
    /// Markdown.
    pub body: String,
    /// The line of the diff that it stands at: path and line, new or else old.
    pub place: Option<(String, u64)>,
    /// Its thread is resolved.
    pub resolved: bool,
}

/// A commit status, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSeen {
    /// GitLab's id of it.
    pub id: u64,
    /// `pending`, `running`, `success`, `failed`, `canceled` or `skipped`.
    pub state: String,
    /// What stands beside it.
    pub description: String,
    /// Where it leads.
    pub target_url: Option<String>,
    /// The pipeline that it is in.
    pub pipeline: u64,
    /// That pipeline's ref.
    pub reference: String,
}

impl FakeGitLab {
    /// A branch's commit.
    ///
    /// # Panics
    /// Where there is no such branch.
    pub fn branch(&self, path: &str, branch: &str) -> String {
        let world = self.world();
        let git = &world.project(world.project_id(path)).git;
        git.resolve(&format!("refs/heads/{branch}")).expect("the branch exists")
    }

    /// A merge request's head.
    ///
    /// # Panics
    /// Where there is no such merge request.
    pub fn head(&self, path: &str, iid: u64) -> String {
        let world = self.world();
        world.request(world.project_id(path), iid).expect("the merge request exists").sha.clone()
    }

    /// The newest status of each name on a commit in one project.
    pub fn statuses(&self, path: &str, sha: &str) -> BTreeMap<String, StatusSeen> {
        let world = self.world();
        let project = world.project_id(path);
        let ours = world.statuses.iter().filter(|status| status.project == project && status.sha == sha);
        // In the order in which they were made, so that the newest of a name stays.
        ours.map(|status| (status.name.clone(), seen(status))).collect()
    }

    /// The same in whichever project: statuses of a fork's merge request may be in the fork or in the target.
    pub fn statuses_anywhere(&self, sha: &str) -> BTreeMap<String, StatusSeen> {
        let world = self.world();
        let ours = world.statuses.iter().filter(|status| status.sha == sha);
        ours.map(|status| (status.name.clone(), seen(status))).collect()
    }

    /// How many statuses were ever made on a commit, in whichever project.
    pub fn statuses_made(&self, sha: &str) -> usize {
        self.world().statuses.iter().filter(|status| status.sha == sha).count()
    }

    /// What the pipeline that a merge request goes by comes to. None where it has none.
    ///
    /// # Panics
    /// Where there is no such merge request.
    pub fn head_pipeline(&self, path: &str, iid: u64) -> Option<(u64, &'static str)> {
        let world = self.world();
        let mr = world.request(world.project_id(path), iid).expect("the merge request exists");
        world.head_pipeline(mr).map(|pipeline| (pipeline.id, world.pipeline_state(pipeline.id)))
    }

    /// The answers of external status checks, by the check's name: commit and word.
    ///
    /// # Panics
    /// Where there is no such merge request.
    pub fn external_answers(&self, path: &str, iid: u64) -> BTreeMap<String, (String, String)> {
        let world = self.world();
        let project = world.project(world.project_id(path));
        let mr = world.request(project.id, iid).expect("the merge request exists");
        let checks = project.checks.iter().flatten();
        checks.filter_map(|(id, name)| mr.answers.get(id).map(|answer| (name.clone(), answer.clone()))).collect()
    }

    /// The notes that people and programs wrote on a merge request, oldest first; without GitLab's own.
    pub fn notes(&self, path: &str, iid: u64) -> Vec<NoteSeen> {
        let world = self.world();
        let project = world.project_id(path);
        let on_it = world.notes.iter().filter(|note| note.project == project && note.iid == iid && note.on == Noteable::Request);
        let there = on_it.filter(|note| note.kind != NoteKind::System);
        there.map(|note| note_seen(&world, note)).collect()
    }

    /// The bot's notes on a merge request, oldest first.
    pub fn bot_notes(&self, path: &str, iid: u64) -> Vec<NoteSeen> {
        self.notes(path, iid).into_iter().filter(|note| note.author == BOT).collect()
    }

    /// The bot's note that begins with a marker.
    ///
    /// # Panics
    /// Where there is more than one.
    pub fn sticky(&self, path: &str, iid: u64, marker: &str) -> Option<NoteSeen> {
        let mut marked = self.bot_notes(path, iid).into_iter().filter(|note| note.body.starts_with(marker));
        let first = marked.next();
        assert!(marked.next().is_none(), "there is more than one note that begins with {marker}");
        first
    }

    /// The emoji on a note, in order: who and which.
    pub fn reactions(&self, note: u64) -> Vec<(String, String)> {
        let world = self.world();
        let there = world.emoji.iter().filter(|emoji| emoji.note == note);
        there.map(|emoji| (world.username(emoji.user).to_owned(), emoji.name.clone())).collect()
    }

    /// Every delivery, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.world().deliveries.clone()
    }

    /// Every request, oldest first; of very many the newest.
    pub fn log(&self) -> Vec<Seen> {
        lock(&self.inner.shared.log).iter().cloned().collect()
    }

    /// How many requests of an operation came: `POST /projects/:id/statuses/:sha`, `git/upload-pack`.
    pub fn calls(&self, operation: &str) -> usize {
        lock(&self.inner.shared.log).iter().filter(|seen| seen.operation == operation).count()
    }

    /// The most notes that one account made within a minute.
    pub fn notes_a_minute(&self) -> usize {
        lock(&self.inner.shared.meter).most_notes()
    }

    /// The lines of notes that GitLab obeyed as quick actions, such as `/merge`, and by whose rights. Nothing comes of them
    /// here; a program that repeats what others wrote must not be among those.
    pub fn obeyed(&self) -> Vec<(String, String)> {
        let world = self.world();
        world.obeyed.iter().map(|(user, line)| (world.username(*user).to_owned(), line.clone())).collect()
    }

    /// What was wrong with requests, and forgets it: for tests that send wrong ones on purpose.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.world().violations)
    }

    /// Asserts that every request was one that GitLab's description and documentation allow.
    ///
    /// # Panics
    /// Where one was not.
    pub fn assert_valid(&self) {
        let violations = self.world().violations.clone();
        assert!(violations.is_empty(), "requests that GitLab does not allow: {violations:#?}");
    }
}

fn seen(status: &Status) -> StatusSeen {
    StatusSeen {
        id: status.id,
        state: status.state.clone(),
        description: status.description.clone().unwrap_or_default(),
        target_url: status.target_url.clone(),
        pipeline: status.pipeline,
        reference: status.reference.clone(),
    }
}

fn note_seen(world: &World, note: &Note) -> NoteSeen {
    let thread = note.thread.as_ref();
    let place = thread.and_then(|thread| thread.position.as_ref()).map(|position| {
        let either = |new: &str, old: &str| if position[new].is_null() { position[old].clone() } else { position[new].clone() };
        let path = either("new_path", "old_path").as_str().unwrap_or_default().to_owned();
        (path, either("new_line", "old_line").as_u64().unwrap_or_default())
    });
    NoteSeen {
        id: note.id,
        author: world.username(note.author).to_owned(),
        body: note.body.clone(),
        place,
        resolved: thread.is_some_and(|thread| thread.resolved_by.is_some()),
    }
}
