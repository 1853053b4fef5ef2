//! Accounts, what they may do in a repository, and teams.

use super::FakeGitHub;
use super::world::{Kind, Level, Team, World};

/// Who is who.
impl FakeGitHub {
    /// The id of a user's account.
    pub fn user_id(&self, login: &str) -> u64 {
        self.world().account_id(login, Kind::User)
    }

    /// Gives a user another login; the id stays. Whoever takes the old one next is somebody else.
    pub fn rename_user(&self, login: &str, new: &str) {
        let mut world = self.world();
        let id = world.account_id(login, Kind::User);
        let found = world.accounts.iter_mut().find(|a| a.id == id).expect("it was just looked up");
        found.login = new.to_owned();
    }

    /// Makes an account of a login that is free, such as that of somebody who was renamed; returns its id.
    ///
    /// # Panics
    /// Where somebody has it.
    pub fn take_login(&self, login: &str) -> u64 {
        let mut world = self.world();
        assert!(world.find_account(login).is_none(), "somebody has the login {login}");
        world.account_id(login, Kind::User)
    }

    /// Sets what a user may do in a repository, from now on.
    pub fn set_permission(&self, repo: &str, user: &str, level: Level) {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        let repo = world.repo_mut(repo);
        repo.levels.insert(user, level);
        repo.roles.remove(&user);
    }

    /// Gives a user a custom role of this name, which is made from `base`.
    pub fn set_custom_role(&self, repo: &str, user: &str, role: &str, base: Level) {
        self.set_permission(repo, user, base);
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        world.repo_mut(repo).roles.insert(user, role.to_owned());
    }

    /// Puts a user into the team `ORG/SLUG`, which is made where there is none.
    pub fn add_to_team(&self, team: &str, user: &str) {
        self.world().set_membership(team, user, true);
    }

    /// Invites a user into a team, who has not accepted yet.
    pub fn invite_to_team(&self, team: &str, user: &str) {
        self.world().set_membership(team, user, false);
    }

    /// Takes a user out of a team.
    pub fn remove_from_team(&self, team: &str, user: &str) {
        let mut world = self.world();
        let user = world.account_id(user, Kind::User);
        world.team_mut(team).members.remove(&user);
    }
}

impl World {
    fn set_membership(&mut self, team: &str, user: &str, accepted: bool) {
        let user = self.account_id(user, Kind::User);
        self.team_mut(team).members.insert(user, accepted);
    }

    fn team_mut(&mut self, name: &str) -> &mut Team {
        let (org, slug) = name.split_once('/').expect("a team's name is ORG/SLUG");
        let org = self.account_id(org, Kind::Organization);
        let at = self.teams.iter().position(|t| t.org == org && t.slug == slug).unwrap_or_else(|| {
            self.teams.push(Team { org, slug: slug.to_owned(), members: Default::default() });
            self.teams.len() - 1
        });
        &mut self.teams[at]
    }

    pub(crate) fn find_team(&self, org: &str, slug: &str) -> Option<&Team> {
        let org = self.find_account(org).filter(|account| account.kind == Kind::Organization)?.id;
        self.teams.iter().find(|t| t.org == org && t.slug == slug)
    }
}
