//! The slash commands: one table, from which `help`, the docs page, the messages about misspelt names and the repository
//! file's `commands` come. What each does is in the engine, a file each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::nearest;
use crate::forge::Permission;
use crate::ids::InvalidId;

/// A command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum CommandName {
    /// What the user may do.
    Help,
    /// Where things stand.
    Status,
    /// Why a gate says what it says.
    Explain,
    /// Run gates.
    Run,
    /// Run those again that did not pass.
    Rerun,
    /// Stop.
    Cancel,
    /// Let a fork's code run.
    Approve,
    /// Have a gate count as passed.
    Skip,
    /// Keep from merging.
    Hold,
    /// Let go again.
    Unhold,
    /// Bring a release to an environment.
    Deploy,
    /// Agree, or have a rollout go on.
    Promote,
    /// Have a rollout stay where it is.
    Pause,
    /// Have it go on.
    Resume,
    /// Go back.
    Rollback,
    /// Keep releases from an environment.
    Freeze,
    /// Let them come again.
    Unfreeze,
    /// Have an agent mend what fails.
    Fix,
    /// Have agents review.
    Review,
    /// Have an agent do something.
    Do,
}

/// A line of the table.
#[derive(Debug)]
pub struct CommandInfo {
    /// Its name.
    pub name: CommandName,
    /// The name as it is written.
    pub word: &'static str,
    /// Its arguments: words in capitals are replaced, those in brackets may be left out.
    pub args: &'static str,
    /// Who may give it, unless the repository file says otherwise.
    pub who: Permission,
    /// Whether the author of the pull request may give it too, whatever the repository file says.
    pub author: Author,
    /// What it does, as a sentence.
    pub about: &'static str,
}

/// Whether a pull request's author may give a command whatever else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The author may.
    May,
    /// The author is nobody special.
    LikeOthers,
}

/// Another way to write a command, for hands that are used to other bots.
#[derive(Debug)]
pub struct Alias {
    /// What is written, after a slash and without `gw`.
    pub word: &'static str,
    /// What is meant.
    pub name: CommandName,
}

const fn line(
    name: CommandName,
    word: &'static str,
    args: &'static str,
    who: Permission,
    author: Author,
    about: &'static str,
) -> CommandInfo {
    CommandInfo { name, word, args, who, author, about }
}

use Author::{LikeOthers, May};
use Permission::{Maintain, Read, Write};

/// The commands, in the order of `help`.
#[rustfmt::skip]
pub static COMMANDS: [CommandInfo; 20] = [
    line(CommandName::Help, "help", "", Read, LikeOthers, "Lists the commands that you may give."),
    line(CommandName::Status, "status", "", Read, LikeOthers, "Says where things stand."),
    line(CommandName::Explain, "explain", "GATE", Read, LikeOthers, "Says why a gate says what it says."),
    line(CommandName::Run, "run", "[GATE...]", Write, LikeOthers, "Runs the gates named, or all of them."),
    line(CommandName::Rerun, "rerun", "", Write, May, "Runs the gates again that did not pass."),
    line(CommandName::Cancel, "cancel", "", Write, May, "Stops what runs."),
    line(CommandName::Approve, "approve", "[SHA]", Write, LikeOthers, "Lets the code of a fork run, at exactly this commit; a push takes it back."),
    line(CommandName::Skip, "skip", "GATE REASON", Maintain, LikeOthers, "Has a gate count as passed at this commit. Name and reason are shown on the check."),
    line(CommandName::Hold, "hold", "[REASON]", Write, LikeOthers, "Keeps the change from being merged, until `unhold`."),
    line(CommandName::Unhold, "unhold", "", Write, LikeOthers, "Lets a held change go."),
    line(CommandName::Fix, "fix", "[TEXT]", Write, LikeOthers, "Has agents mend what fails, or what TEXT says."),
    line(CommandName::Review, "review", "[TEXT]", Write, LikeOthers, "Has agents review the change, with an eye on what TEXT says."),
    line(CommandName::Do, "do", "TEXT", Write, LikeOthers, "Has agents do what TEXT says."),
    line(CommandName::Deploy, "deploy", "ENV [VERSION]", Maintain, LikeOthers, "Rolls a release out to an environment, the newest one where none is named."),
    line(CommandName::Promote, "promote", "[ENV]", Maintain, LikeOthers, "Agrees to a rollout, or has one go on that waits for somebody to say so."),
    line(CommandName::Pause, "pause", "[ENV]", Maintain, LikeOthers, "Has a rollout stay where it is."),
    line(CommandName::Resume, "resume", "[ENV]", Maintain, LikeOthers, "Has a paused rollout go on, and releases come again after a rollback."),
    line(CommandName::Rollback, "rollback", "[ENV] [VERSION] [REASON]", Maintain, LikeOthers, "Undoes the rollout under way, or goes back to the release before, or to this one."),
    line(CommandName::Freeze, "freeze", "ENV [UNTIL] [REASON]", Maintain, LikeOthers, "Keeps releases from an environment. Going back stays possible."),
    line(CommandName::Unfreeze, "unfreeze", "ENV", Maintain, LikeOthers, "Lets releases come to an environment again."),
];

/// The aliases. `/test all` is `run` of all gates.
pub static ALIASES: [Alias; 3] = [
    Alias { word: "retest", name: CommandName::Rerun },
    Alias { word: "ok-to-test", name: CommandName::Approve },
    Alias { word: "test", name: CommandName::Run },
];

impl CommandName {
    /// Its line of the table.
    pub fn info(self) -> &'static CommandInfo {
        COMMANDS.iter().find(|line| line.name == self).expect("every name has a line; a test looks")
    }

    /// The name that was most likely meant by a word that is none. None where no name is near.
    pub fn nearest(word: &str) -> Option<CommandName> {
        let near = nearest(word, COMMANDS.iter().map(|line| line.word))?;
        COMMANDS.iter().find(|line| line.word == near).map(|line| line.name)
    }
}

impl FromStr for CommandName {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let found = COMMANDS.iter().find(|line| line.word == s).map(|line| line.name);
        found.ok_or_else(|| crate::ids::invalid("command", s, "one of those that `/gw help` lists"))
    }
}

impl TryFrom<String> for CommandName {
    type Error = InvalidId;
    fn try_from(s: String) -> Result<Self, InvalidId> {
        s.parse()
    }
}

impl From<CommandName> for &'static str {
    fn from(name: CommandName) -> &'static str {
        name.info().word
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().word)
    }
}

/// Somebody to whom the repository file gives a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Who {
    /// Everybody who may do at least so much.
    Role(Permission),
    /// One person, by the name that the forge gives for the person's id at that moment.
    User(String),
    /// The members of a team, by its path.
    Team(String),
}

impl Who {
    /// `@user` or `@org/team`.
    pub fn named(name: &str) -> Option<Who> {
        let name =
            name.strip_prefix('@').filter(|name| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '@'))?;
        Some(if name.contains('/') { Who::Team(name.to_owned()) } else { Who::User(name.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_line_and_reads_back() {
        for line in &COMMANDS {
            assert_eq!(line.word.parse(), Ok(line.name));
            assert_eq!(line.name.info().word, line.word);
        }
    }

    #[test]
    fn the_page_about_commands_has_the_lines_of_the_table() {
        let page = include_str!("../../../docs/commands.md");
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("| `/gw ")).collect();
        let line = |info: &CommandInfo| {
            let who = format!("{:?}", info.who).to_lowercase();
            let author = if info.author == May { ", author" } else { "" };
            let space = if info.args.is_empty() { "" } else { " " };
            format!("| `/gw {}{space}{}` | {who}{author} | {} |", info.word, info.args, info.about)
        };
        assert_eq!(lines, COMMANDS.iter().map(line).collect::<Vec<_>>());
    }

    #[test]
    fn a_slip_of_the_pen_finds_the_command_that_was_meant() {
        assert_eq!(CommandName::nearest("rerrun"), Some(CommandName::Rerun));
        assert_eq!(CommandName::nearest("aprove"), Some(CommandName::Approve));
        assert_eq!(CommandName::nearest("xyzzy"), None);
    }
}
