//! What people may say to the bot. A command is a file here and a line of [`COMMANDS`](gatewright_core::command::COMMANDS).
//!
//! A comment is read by [`parse`]; [`rule`] weighs each command in it: purely, from what was found out about who said it
//! and how things stand. What that comes to, a [`Deed`], is carried out afterwards, once.

use gatewright_core::command::{CommandInfo, CommandName};
use gatewright_core::config::Pipeline;
use gatewright_core::event::User;
use gatewright_core::forge::{PullState, Standing};
use gatewright_core::order::{Order, OrderChange, OrderKey, Ordered};
use gatewright_core::run::{
    Call, Cause, Deed, Gates, GatesSpec, NewRun, Ruling, RulingOutcome, Run, RunSpec, Signal, SignalTarget, Start, Work,
};
use gatewright_core::{CommitId, GateName, RepoRef, RunId, Subject, Timestamp};

use crate::history;
use crate::render::escape;

pub(crate) mod agents;
mod approve;
mod cancel;
mod deploy;
mod r#do;
pub(crate) mod environment;
mod explain;
mod fix;
mod freeze;
mod help;
mod hold;
pub(crate) mod may;
pub mod parse;
mod pause;
mod promote;
mod rerun;
mod resume;
mod review;
mod rollback;
mod run;
mod skip;
mod status;
mod unfreeze;
mod unhold;

use environment::EnvironmentCase;
use may::Rules;

/// A person's words (a reason) are cut to so many characters.
const WORDS_CHARS_MAX: usize = 300;

/// An answer has so many bytes at most, so that the sticky comment stays one that people read.
const ANSWER_BYTES_MAX: usize = 3_000;

/// What can be said on an issue: it is no change, but agents can make one of it.
pub(crate) const ON_ISSUES: [CommandName; 3] = [CommandName::Fix, CommandName::Do, CommandName::Cancel];

/// Everything that a ruling goes by.
pub(crate) struct Case<'a> {
    /// The run of the command, by which orders are told apart.
    pub(crate) run: RunId,
    /// When it is weighed.
    pub(crate) now: Timestamp,
    /// The repository.
    pub(crate) repo: &'a RepoRef,
    /// What it is about.
    pub(crate) about: &'a Subject,
    /// Who says it.
    pub(crate) by: &'a User,
    /// When it was said, by the forge's clock.
    pub(crate) said_at: Timestamp,
    /// The head when it was said, where the forge told.
    pub(crate) said_about: Option<&'a CommitId>,
    /// Whether it was said by the button of a check, which is on one commit.
    pub(crate) by_button: bool,
    /// The head now, to which everything is pinned.
    pub(crate) head: &'a CommitId,
    /// The pull request, where it is about one.
    pub(crate) pull: Option<&'a PullState>,
    /// Who that is to the repository.
    pub(crate) standing: &'a Standing,
    /// Who may give which command.
    pub(crate) rules: &'a Rules,
    /// The gates of the repository file in force.
    pub(crate) gates: &'a [GateName],
    /// The newest run of the head's gates.
    pub(crate) latest: Option<&'a Run>,
    /// When this became the head the last time, by the forge's clock where it told, else by ours. None where the last that
    /// we were told is that another commit is.
    pub(crate) head_since: Option<Timestamp>,
    /// The merge groups that the pull request is being checked in.
    pub(crate) queued: &'a [String],
    /// Whether some run about it is not finished, those of agents aside.
    pub(crate) busy: bool,
    /// The pipelines of agents of the repository file in force.
    pub(crate) pipelines: &'a [Pipeline],
    /// The newest runs of agents about it, the newest first.
    pub(crate) agents: &'a [Run],
    /// What stands about it.
    pub(crate) orders: &'a [Order],
    /// The environments, where a command is about one.
    pub(crate) environments: &'a [EnvironmentCase],
    /// The repository's tags, where a command may name one.
    pub(crate) tags: &'a [String],
}

/// A command that is obeyed.
pub(crate) struct Granted {
    deed: Deed,
    /// What it comes to, for the audit log.
    means: String,
}

/// What came of a command: what is done, or why nothing is, in Markdown.
pub(crate) type Answer = Result<Granted, String>;

/// Rules on one command.
pub(crate) fn rule(case: &Case<'_>, call: &Call) -> Ruling {
    let outcome = match weigh(case, call) {
        Ok(Granted { deed, means }) => RulingOutcome::Granted { deed: Box::new(deed), means },
        Err(because) => RulingOutcome::Refused { because },
    };
    Ruling { command: parse::written(call), outcome }
}

fn weigh(case: &Case<'_>, call: &Call) -> Answer {
    let Ok(name) = call.name.parse::<CommandName>() else { return Err(unknown(&call.name)) };
    if !case.may(name) {
        return Err(not_allowed(case, name));
    }
    if matches!(case.about, Subject::Issue { .. }) && !ON_ISSUES.contains(&name) {
        return Err(not_on_issues());
    }
    // What becomes of a release is said where it came from: in a pull request that was merged.
    if case.pull.is_some_and(|pull| !pull.open) && !environment::is_about_one(name) {
        return Err("it is closed. Reopen it first.".to_owned());
    }
    obey(name)(case, &call.args)
}

/// What obeys a command: the file of its name.
fn obey(name: CommandName) -> fn(&Case<'_>, &[String]) -> Answer {
    match name {
        CommandName::Help => help::obey,
        CommandName::Status => status::obey,
        CommandName::Explain => explain::obey,
        CommandName::Run => run::obey,
        CommandName::Rerun => rerun::obey,
        CommandName::Cancel => cancel::obey,
        CommandName::Approve => approve::obey,
        CommandName::Skip => skip::obey,
        CommandName::Hold => hold::obey,
        CommandName::Unhold => unhold::obey,
        CommandName::Deploy => deploy::obey,
        CommandName::Promote => promote::obey,
        CommandName::Pause => pause::obey,
        CommandName::Resume => resume::obey,
        CommandName::Rollback => rollback::obey,
        CommandName::Freeze => freeze::obey,
        CommandName::Unfreeze => unfreeze::obey,
        CommandName::Fix => fix::obey,
        CommandName::Review => review::obey,
        CommandName::Do => r#do::obey,
    }
}

fn unknown(word: &str) -> String {
    match CommandName::nearest(word) {
        Some(near) => format!("there is no such command. Did you mean `/gw {near}`?"),
        None => "there is no such command. `/gw help` lists those that there are.".to_owned(),
    }
}

/// Why a command about a change does nothing on an issue.
pub(crate) fn not_on_issues() -> String {
    let [others @ .., last] = ON_ISSUES.map(|name| usage(name.info()));
    format!(
        "it is about a change, and this is an issue. Say it on a pull request; here there are {} and {last}.",
        others.join(", ")
    )
}

fn not_allowed(case: &Case<'_>, name: CommandName) -> String {
    let whose = case.rules.words(name);
    format!("{} may not give this command: it is for {whose}.", escape(&case.by.login))
}

/// A command and its arguments, as help and errors write it.
fn usage(info: &CommandInfo) -> String {
    let space = if info.args.is_empty() { "" } else { " " };
    format!("`/gw {}{space}{}`", info.word, info.args)
}

fn wrong_args(name: CommandName) -> String {
    format!("it is written {}.", usage(name.info()))
}

/// Words of a person as they are kept.
fn words(args: &[String]) -> String {
    args.join(" ").chars().take(WORDS_CHARS_MAX).collect()
}

impl Case<'_> {
    /// Whether the user may give this command.
    fn may(&self, name: CommandName) -> bool {
        let author = self.pull.is_some_and(|pull| pull.author.id == self.by.id);
        self.rules.may(name, self.standing, author)
    }

    /// The gates of the newest run of the head.
    fn latest_gates(&self) -> Option<(&Run, &Gates)> {
        self.latest.and_then(|run| Some((run, run.gates()?)))
    }

    /// The gate of this name, or what to say where there is none.
    fn gate(&self, word: &str) -> Result<GateName, String> {
        let of_run = self.latest_gates().into_iter().flat_map(|(_, gates)| gates.steps.iter().map(|step| &step.gate.name));
        let new = of_run.filter(|gate| !self.gates.contains(gate));
        let known: Vec<&GateName> = self.gates.iter().chain(new).collect();
        if let Some(gate) = known.iter().find(|gate| gate.as_str() == word) {
            return Ok((*gate).clone());
        }
        let word = escape(word);
        match gatewright_core::config::nearest(&word, known.iter().map(|gate| gate.as_str())) {
            Some(near) => Err(format!("there is no gate {word}. Did you mean `{near}`?")),
            None => {
                let names: Vec<String> = known.iter().take(20).map(|gate| format!("`{gate}`")).collect();
                Err(format!("there is no gate {word}. The gates are {}.", names.join(", ")))
            }
        }
    }

    fn order(&self, key: &OrderKey) -> Option<&Order> {
        let stands = |order: &&Order| order.key() == *key && order.commit().is_none_or(|commit| commit == self.head);
        self.orders.iter().find(stands)
    }

    /// Why gates cannot be run here: the code is a fork's, and nobody has said that it may.
    fn needs_approval(&self) -> Option<String> {
        let fork = self.pull.is_some_and(|pull| pull.fork);
        let head = self.head.short();
        (fork && self.order(&OrderKey::Approval).is_none())
            .then(|| format!("this comes from a fork, and {head} is not approved. Look at it, then write `/gw approve {head}`."))
    }

    /// Whether the head is what the person can have looked at. GitHub does not say with a comment which commit was the head,
    /// so it goes by when this became it: a head that moved in the same second, or after, was not seen. GitLab and buttons
    /// say it, but a payload can be made up a moment after the comment was. `again` is what to write.
    fn was_seen(&self, again: &str) -> Result<(), String> {
        let other = self.said_about.is_some_and(|commit| commit != self.head);
        // A button is on the check of a commit, so it says all that is to be known.
        let in_time = match (self.said_about, self.pull) {
            (Some(_), None) => true,
            (Some(_) | None, _) if self.by_button => true,
            (Some(_) | None, _) => self.head_since.is_some_and(|since| since < self.said_at),
        };
        if !other && in_time {
            return Ok(());
        }
        let head = self.head.short();
        let with_commit = if again == "approve" { format!(" {head}") } else { String::new() };
        Err(format!(
            "the head is {head} now, and was not when you said this, or not for sure. Look at it, then write `/gw {again}{with_commit}`."
        ))
    }

    fn cause(&self, name: CommandName) -> Cause {
        Cause::Commanded { by: self.by.clone(), command: name.to_string() }
    }

    /// A run of the head's gates: all, or those named, with the other verdicts of the newest run standing.
    fn start(&self, name: CommandName, only: Option<Vec<GateName>>) -> Option<NewRun> {
        let cause = self.cause(name);
        let spec = match (self.latest_gates(), self.pull) {
            (Some((run, gates)), _) => {
                let mut spec = history::again(self.repo, run, gates, cause, only);
                if let Work::Gates(gates) = &mut spec.work {
                    gates.changed_at = self.head_since;
                }
                spec
            }
            (None, Some(pull)) => self.first(pull, cause),
            (None, None) => return None,
        };
        Some(NewRun { id: RunId::new(), spec })
    }

    /// A run of all gates of a head that no run is known of.
    fn first(&self, pull: &PullState, cause: Cause) -> RunSpec {
        let spec = GatesSpec { changed_at: self.head_since, ..GatesSpec::of(self.head.clone(), pull.base_ref.clone(), cause) };
        RunSpec { repo: self.repo.clone(), subject: self.about.clone(), work: Work::Gates(spec) }
    }

    /// Something that stands from now on, or no longer. What runs is told; where nothing runs, what is shown is drawn anew
    /// by a run that runs no gate of which a verdict stands.
    fn order_deed(&self, name: CommandName, change: OrderChange) -> Deed {
        let key = self.about.key(self.repo);
        // What holds for every commit is told to the run of one that was pushed meanwhile, too.
        let commit = change.is_pinned().then(|| self.head.clone());
        let groups = self.queued.iter().filter(|_| !change.is_pinned()).map(|key| (key.clone(), None));
        let keys = std::iter::once((key, commit)).chain(groups);
        let signal = Signal::Order { change: change.clone() };
        let target = |(key, commit)| SignalTarget::Subject { key, before: None, commit };
        Deed {
            run: self.start(name, Some(Vec::new())),
            start: Start::UnlessTold,
            signals: keys.map(|key| (target(key), signal.clone())).collect(),
            orders: vec![change],
            elsewhere: Vec::new(),
        }
    }

    fn set(&self, name: CommandName, what: Ordered) -> Deed {
        let order = Order { by: self.by.clone(), at: self.now, run: self.run, what };
        self.order_deed(name, OrderChange::Set { order })
    }

    /// An answer in the sticky comment.
    fn answer(&self, name: CommandName, question: String, body: String) -> Answer {
        if self.pull.is_none() {
            return Err("there is no comment here that could show the answer.".to_owned());
        }
        let mut body = body.trim_end().to_owned();
        if body.len() > ANSWER_BYTES_MAX {
            body.truncate(body.floor_char_boundary(ANSWER_BYTES_MAX));
            // A code block that was cut open would swallow the rest of the comment.
            let fences: Vec<&str> = body.lines().filter(|line| line.starts_with("```")).collect();
            let open = fences.last().filter(|_| fences.len() % 2 == 1);
            let close: String = open.map(|line| line.chars().take_while(|c| *c == '`').collect()).unwrap_or_default();
            body.push_str(&format!("\n{close}\n\n…"));
        }
        let deed = self.set(name, Ordered::Answer { commit: self.head.clone(), question, body });
        Ok(Granted { deed, means: "answered".to_owned() })
    }
}
