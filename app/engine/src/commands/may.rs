//! Who may give which command.

use std::collections::BTreeMap;

use gatewright_core::RepoRef;
use gatewright_core::command::{Author, CommandName, Who};
use gatewright_core::config::RepoConfig;
use gatewright_core::event::User;
use gatewright_core::forge::{Forge, ForgeError, Permission, Standing};

use crate::render::escape;

/// What the repository says about its commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rules {
    /// This; what it does not name is as the table has it.
    Written(BTreeMap<CommandName, Vec<Who>>),
    /// The base branch's file cannot be read, and no earlier one is known: it may have said anything.
    Unreadable,
}

impl Rules {
    /// The teams that it names for these commands.
    pub(crate) fn teams(&self, names: impl IntoIterator<Item = CommandName>) -> Vec<String> {
        let Rules::Written(commands) = self else { return Vec::new() };
        let of_names = names.into_iter().filter_map(|name| commands.get(&name));
        let mut teams: Vec<String> = of_names.flatten().filter_map(team).collect();
        teams.sort();
        teams.dedup();
        teams
    }

    /// Whether somebody may give a command. `author`: whether the pull request is theirs.
    pub(crate) fn may(&self, name: CommandName, standing: &Standing, author: bool) -> bool {
        if standing.bot {
            return false;
        }
        let info = name.info();
        if author && info.author == Author::May {
            return true;
        }
        match self {
            Rules::Written(commands) => match commands.get(&name) {
                Some(who) => who.iter().any(|who| is(who, standing)),
                None => standing.permission >= info.who,
            },
            Rules::Unreadable if info.who == Permission::Read => standing.permission >= Permission::Read,
            Rules::Unreadable => standing.permission >= Permission::Admin,
        }
    }

    /// Who may give a command, in words.
    pub(crate) fn words(&self, name: CommandName) -> String {
        let info = name.info();
        let mut words = match self {
            Rules::Written(commands) => match commands.get(&name) {
                Some(who) => who.iter().map(one).collect::<Vec<_>>().join(", "),
                None => role(info.who).to_owned(),
            },
            Rules::Unreadable => format!("{}, as long as the repository file cannot be read", role(Permission::Admin)),
        };
        if info.author == Author::May {
            words.push_str(", and the author");
        }
        words
    }
}

/// Whether somebody who has given a command may still do so: rights can have been lost since, and another base branch can
/// have other rules.
pub(crate) async fn still_may(
    forge: &dyn Forge,
    repo: &RepoRef,
    config: &RepoConfig,
    name: CommandName,
    by: &User,
) -> Result<bool, ForgeError> {
    let rules = Rules::Written(config.commands.clone());
    let standing = forge.standing(repo, by, &rules.teams([name])).await?;
    Ok(rules.may(name, &standing, false))
}

fn team(who: &Who) -> Option<String> {
    match who {
        Who::Team(team) => Some(team.clone()),
        Who::Role(_) | Who::User(_) => None,
    }
}

fn is(who: &Who, standing: &Standing) -> bool {
    match who {
        Who::Role(role) => standing.permission >= *role,
        // Who has lost all access has lost what the file gives too.
        Who::User(login) => standing.permission >= Permission::Read && login.eq_ignore_ascii_case(&standing.login),
        Who::Team(team) => standing.permission >= Permission::Read && standing.teams.contains(team),
    }
}

fn one(who: &Who) -> String {
    match who {
        Who::Role(permission) => role(*permission).to_owned(),
        Who::User(login) => escape(login),
        Who::Team(team) => format!("the team {}", escape(team)),
    }
}

fn role(permission: Permission) -> &'static str {
    match permission {
        Permission::None => "everybody",
        Permission::Read => "those who may read the repository",
        Permission::Write => "those who may write to the repository",
        Permission::Maintain => "those who maintain the repository",
        Permission::Admin => "those who administer the repository",
    }
}
