//! Who somebody is to a project: account, role and groups, asked anew each time.

use gatewright_core::event::User;
use gatewright_core::forge::{ForgeError, Permission, Standing};
use gatewright_core::{RepoRef, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::call::{Call, project_route, route};
use crate::gitlab::GitLab;

/// So many groups are asked about for one standing. The others count as groups without members, which is logged.
const TEAMS_MAX: usize = 50;

/// From this on somebody is a member for whom a project is there. Below is "minimal access" (5), which is to a group's page.
const GUEST: u32 = 10;
const DEVELOPER: u32 = 30;
const MAINTAINER: u32 = 40;
const OWNER: u32 = 50;

#[derive(Deserialize)]
struct FullAccount {
    id: u64,
    username: String,
    /// `active`, `blocked`, `deactivated`, ...
    #[serde(default)]
    state: String,
    #[serde(default)]
    bot: bool,
    /// Told to administrators only.
    #[serde(default)]
    is_admin: Option<bool>,
}

#[derive(Deserialize)]
struct Member {
    id: u64,
    #[serde(default)]
    access_level: u32,
    #[serde(default)]
    state: Option<String>,
    /// `awaiting` where the membership waits for somebody's approval.
    #[serde(default)]
    membership_state: Option<String>,
    /// The first day on which it no longer holds.
    #[serde(default)]
    expires_at: Option<String>,
}

#[derive(Deserialize)]
struct Project {
    /// None where the token may not see it.
    #[serde(default)]
    visibility: Option<String>,
}

impl GitLab {
    pub(crate) async fn read_standing(&self, repo: &RepoRef, user: &User, teams: &[String]) -> Result<Standing, ForgeError> {
        let nobody = || Standing { permission: Permission::None, login: user.login.clone(), bot: false, teams: Vec::new() };
        let Some(account) = self.full_account(user.id).await? else {
            // The account is gone. Whoever has its name now is somebody else.
            return Ok(nobody());
        };
        let standing = Standing { login: account.username, bot: account.bot, ..nobody() };
        if account.state != "active" {
            return Ok(standing);
        }
        let permission = match account.is_admin {
            Some(true) => Permission::Admin,
            Some(false) | None => self.permission(repo, user.id).await?,
        };
        let teams = if account.bot { Vec::new() } else { self.teams_of(repo, user.id, teams).await? };
        Ok(Standing { permission, teams, ..standing })
    }

    async fn full_account(&self, id: u64) -> Result<Option<FullAccount>, ForgeError> {
        let answer = self.api.send(&Call::get("account", route(&["users", &id.to_string()])?)).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let account: FullAccount = answer.ok(|| format!("the account {id}"))?.json("account")?;
        Ok(Some(account).filter(|account| account.id == id))
    }

    async fn permission(&self, repo: &RepoRef, id: u64) -> Result<Permission, ForgeError> {
        let target = project_route(repo, &["members", "all", &id.to_string()])?;
        match self.membership("member", target, id).await? {
            Some(level) => Ok(permission(level)),
            None => self.permission_of_strangers(repo).await,
        }
    }

    /// What somebody may do who is no member.
    async fn permission_of_strangers(&self, repo: &RepoRef) -> Result<Permission, ForgeError> {
        let call = Call::get("project", project_route(repo, &[])?);
        let project: Project = self.api.read(call).await?.ok(|| repo.path.clone())?.json("project")?;
        Ok(match project.visibility.as_deref() {
            Some("public" | "internal") => Permission::Read,
            Some(_) | None => Permission::None,
        })
    }

    /// Those of the groups that the account is a member of, by itself or through a group above. One that the token does not
    /// see has no members: a project's token sees public groups only.
    async fn teams_of(&self, repo: &RepoRef, id: u64, teams: &[String]) -> Result<Vec<String>, ForgeError> {
        if teams.len() > TEAMS_MAX {
            tracing::warn!(forge = "gitlab", repo = repo.path, teams = teams.len(), "more groups than are asked about at once");
        }
        let mut found = Vec::new();
        for team in teams.iter().take(TEAMS_MAX) {
            let Ok(target) = route(&["groups", team, "members", "all", &id.to_string()]) else { continue };
            if self.membership("group_member", target, id).await?.is_some() {
                found.push(team.clone());
            }
        }
        Ok(found)
    }

    /// The access level of a membership that holds now. GitLab answers 404 for no membership, and for a group or a project
    /// that the token does not see.
    async fn membership(&self, operation: &'static str, target: String, id: u64) -> Result<Option<u32>, ForgeError> {
        let answer = self.api.send(&Call::get(operation, target)).await?;
        if matches!(answer.status, 403 | 404) {
            return Ok(None);
        }
        let member: Member = answer.ok(|| format!("the membership of account {id}"))?.json(operation)?;
        Ok(Some(member.access_level).filter(|_| member.id == id && member.holds(self.api.now())))
    }
}

impl Member {
    fn holds(&self, now: Timestamp) -> bool {
        let active = |state: &Option<String>| state.as_deref().is_none_or(|state| state == "active");
        let today = now.to_zoned(TimeZone::UTC).date();
        // A date that cannot be read is no reason to let somebody in.
        let lasts = self.expires_at.as_deref().is_none_or(|date| day(date).is_some_and(|end| end > today));
        active(&self.state) && active(&self.membership_state) && lasts && self.access_level >= GUEST
    }
}

/// `2027-01-31`, or a time on that day, as some versions have it.
fn day(date: &str) -> Option<Date> {
    date.get(..10)?.parse().ok()
}

/// By "Roles and permissions": what lies between two roles has the rights of the lower one at least.
fn permission(level: u32) -> Permission {
    match level {
        OWNER.. => Permission::Admin,
        MAINTAINER.. => Permission::Maintain,
        DEVELOPER.. => Permission::Write,
        GUEST.. => Permission::Read,
        _ => Permission::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_map_to_what_they_may_really_do() {
        let cases = [
            (0, Permission::None),
            (5, Permission::None),
            (10, Permission::Read),
            (15, Permission::Read),
            (20, Permission::Read),
            (25, Permission::Read),
            (30, Permission::Write),
            (40, Permission::Maintain),
            (50, Permission::Admin),
            (60, Permission::Admin),
        ];
        for (level, expected) in cases {
            assert_eq!(permission(level), expected, "{level}");
        }
    }

    #[test]
    fn a_membership_holds_until_the_day_on_which_it_expires() {
        let now: Timestamp = "2027-03-04T23:30:00Z".parse().expect("a time");
        let member = |state: &str, expires_at: Option<&str>| Member {
            id: 1,
            access_level: 30,
            state: Some(state.to_owned()),
            membership_state: None,
            expires_at: expires_at.map(str::to_owned),
        };
        let holds = |expires_at: &str| member("active", Some(expires_at)).holds(now);
        assert!(member("active", None).holds(now) && holds("2027-03-05") && holds("2027-03-05T00:00:00Z"));
        assert!(!holds("2027-03-04") && !holds("2020-01-01") && !holds("soon") && !holds(""));
        assert!(!member("blocked", None).holds(now) && !member("awaiting", None).holds(now));
        assert!(!Member { membership_state: Some("awaiting".to_owned()), ..member("active", None) }.holds(now));
    }
}
