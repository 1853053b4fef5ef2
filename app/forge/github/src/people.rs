//! Who somebody is to a repository: account, permission and teams, asked anew each time.

use gatewright_core::RepoRef;
use gatewright_core::event::User;
use gatewright_core::forge::{ForgeError, Permission, Standing};
use serde::Deserialize;

use crate::call::Call;
use crate::github::GitHub;
use crate::route::{repo_route, route};

/// So many teams are asked about for one standing. The others count as teams without members, which is logged.
const TEAMS_MAX: usize = 50;
/// Where an owner did not grant the App to see members, it is asked again after this.
const MEMBERS_RETRY_SECS: i64 = 600;

#[derive(Deserialize)]
struct Collaborator {
    #[serde(default)]
    permission: String,
    #[serde(default)]
    role_name: Option<String>,
    user: Option<Account>,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
    login: String,
    #[serde(rename = "type", default)]
    kind: String,
    /// Named where the account is told as a collaborator.
    #[serde(default)]
    permissions: Option<Grants>,
}

#[derive(Deserialize)]
struct Grants {
    #[serde(default)]
    maintain: bool,
}

#[derive(Deserialize)]
struct TeamMembership {
    #[serde(default)]
    state: String,
}

/// Whether somebody is in a team.
enum Membership {
    Active,
    None,
    /// The App may not see members there.
    Hidden,
}

impl GitHub {
    pub(crate) async fn read_standing(&self, repo: &RepoRef, user: &User, teams: &[String]) -> Result<Standing, ForgeError> {
        let Some(mut standing) = self.account_standing(repo, user).await? else {
            // The account is gone. Whoever has its name now is somebody else.
            return Ok(Standing { permission: Permission::None, login: user.login.clone(), bot: false, teams: Vec::new() });
        };
        if !standing.bot {
            standing.teams = self.teams_of(repo, &standing.login, teams).await?;
        }
        Ok(standing)
    }

    /// GitHub is asked by name, and a name can pass to somebody else: it counts only if the answer is about the id. If it
    /// is not, the account was renamed, and is asked about once more by the name that the id has now.
    async fn account_standing(&self, repo: &RepoRef, user: &User) -> Result<Option<Standing>, ForgeError> {
        if let Some(found) = self.collaborator(repo, &user.login, user.id).await? {
            return Ok(Some(found));
        }
        let Some(account) = self.account(repo, user.id).await? else {
            return Ok(None);
        };
        let found = match account.login == user.login {
            true => None,
            false => self.collaborator(repo, &account.login, user.id).await?,
        };
        Ok(Some(found.unwrap_or_else(|| standing(Permission::None, account))))
    }

    /// None where nobody of this name and id has anything to do with the repository.
    async fn collaborator(&self, repo: &RepoRef, login: &str, id: u64) -> Result<Option<Standing>, ForgeError> {
        let Ok(target) = repo_route(repo, &["collaborators", login, "permission"]) else {
            return Ok(None);
        };
        let answer = self.api.for_repo(repo, &Call::get("permission", target)).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let found: Collaborator = answer.ok(|| format!("the permission of {login}"))?.json("permission")?;
        let Some(account) = found.user.filter(|account| account.id == id) else {
            return Ok(None);
        };
        let maintains = account.permissions.as_ref().is_some_and(|grants| grants.maintain);
        Ok(Some(standing(permission(&found.permission, found.role_name.as_deref(), maintains), account)))
    }

    /// The account of this number now. None where it was deleted.
    async fn account(&self, repo: &RepoRef, id: u64) -> Result<Option<Account>, ForgeError> {
        let call = Call::get("account", route(&["user", &id.to_string()])?);
        let answer = self.api.for_repo(repo, &call).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let account: Account = answer.ok(|| format!("the account {id}"))?.json("account")?;
        Ok(Some(account).filter(|account| account.id == id))
    }

    /// Those of the teams that the account is in. A team of another organisation than the repository's owner has none: the
    /// App was let in by this owner only.
    async fn teams_of(&self, repo: &RepoRef, login: &str, teams: &[String]) -> Result<Vec<String>, ForgeError> {
        let (owner, _) = repo.owner_and_name();
        let slug =
            |team: &str| team.split_once('/').filter(|(org, _)| org.eq_ignore_ascii_case(owner)).map(|(_, slug)| slug.to_owned());
        let asked: Vec<(&String, String)> = teams.iter().filter_map(|team| Some((team, slug(team)?))).collect();
        if asked.len() > TEAMS_MAX {
            tracing::warn!(forge = "github", repo = repo.path, teams = asked.len(), "more teams than are asked about at once");
        }
        let mut found = Vec::new();
        for (team, slug) in asked.into_iter().take(TEAMS_MAX) {
            match self.membership(repo, owner, &slug, login).await? {
                Membership::Active => found.push(team.clone()),
                Membership::None => {}
                Membership::Hidden => break,
            }
        }
        Ok(found)
    }

    async fn membership(&self, repo: &RepoRef, org: &str, slug: &str, login: &str) -> Result<Membership, ForgeError> {
        let Ok(target) = route(&["orgs", org, "teams", slug, "memberships", login]) else {
            return Ok(Membership::None);
        };
        if self.members_hidden.get(&key(org)).is_some_and(|until| self.api.now().as_second() < until) {
            return Ok(Membership::Hidden);
        }
        let answer = match self.api.for_members(repo, &Call::get("team_membership", target)).await {
            // Without the permission there is not even a token for it.
            Err(ForgeError::Refused { cause, .. }) => return Ok(self.hidden(org, &cause)),
            answer => answer?,
        };
        match answer.status {
            403 => Ok(self.hidden(org, &answer.words)),
            404 => Ok(Membership::None),
            _ => {
                let membership: TeamMembership = answer.ok(|| format!("the team {org}/{slug}"))?.json("team_membership")?;
                // An invitation that was not accepted yet is no membership.
                Ok(if membership.state == "active" { Membership::Active } else { Membership::None })
            }
        }
    }

    /// Remembers that the App may not see members there, and says so in the log the first time.
    fn hidden(&self, org: &str, cause: &str) -> Membership {
        if self.members_hidden.get(&key(org)).is_none() {
            tracing::warn!(
                forge = "github",
                org,
                cause,
                "teams count as empty: the App may not see members there; its organisation permission `members: read` lets it"
            );
        }
        let until = self.api.now().as_second().saturating_add(MEMBERS_RETRY_SECS);
        self.members_hidden.put(key(org), until, size_of::<i64>());
        Membership::Hidden
    }
}

fn key(org: &str) -> String {
    org.to_ascii_lowercase()
}

fn standing(permission: Permission, account: Account) -> Standing {
    Standing { permission, bot: account.kind == "Bot", login: account.login, teams: Vec::new() }
}

/// `permission` is what GitHub goes by (a custom role is one of its four words there); `role_name`, and what the account is
/// granted, tell apart what it lumps together.
fn permission(permission: &str, role_name: Option<&str>, maintains: bool) -> Permission {
    match (permission, role_name) {
        ("admin", _) => Permission::Admin,
        ("maintain", _) | ("write", Some("maintain")) => Permission::Maintain,
        ("write", _) if maintains => Permission::Maintain,
        ("write", _) => Permission::Write,
        ("read" | "triage", _) => Permission::Read,
        _ => Permission::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_map_to_what_they_may_really_do() {
        let cases = [
            (("admin", Some("admin"), true), Permission::Admin),
            (("write", Some("maintain"), true), Permission::Maintain),
            (("write", Some("maintain"), false), Permission::Maintain),
            (("write", Some("write"), false), Permission::Write),
            (("write", Some("our-release-role"), false), Permission::Write),
            (("write", Some("our-release-role"), true), Permission::Maintain),
            (("read", Some("triage"), false), Permission::Read),
            (("read", Some("admin"), true), Permission::Read),
            (("read", None, false), Permission::Read),
            (("none", Some("none"), true), Permission::None),
            (("something-new", Some("admin"), true), Permission::None),
            (("", None, false), Permission::None),
        ];
        for ((word, role, maintains), expected) in cases {
            assert_eq!(permission(word, role, maintains), expected, "{word} {role:?} {maintains}");
        }
    }
}
