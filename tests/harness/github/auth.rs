//! Who calls: the App by its JWT, an installation by its token, a person (for git), or nobody.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;

use super::api::{Access, Call, Needs, Reply};
use super::world::{Level, Token, World};

/// A JWT may live so long, and no longer.
const JWT_SECS_MAX: i64 = 600;

/// Clocks may differ by so much.
const LEEWAY_SECS: i64 = 60;

/// The App's key pair: made once a process, since making one takes time.
pub(crate) struct AppKey {
    /// PKCS#8, for the bot.
    pub(crate) private_pem: String,
    /// PKCS#1, to verify with.
    public_der: Vec<u8>,
}

/// The key pair of every fake in this process.
pub(crate) fn app_key() -> &'static AppKey {
    static KEY: OnceLock<AppKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key can be made");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("a key can be written");
        let base64 = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("base64 is ASCII")).collect();
        let label = "PRIVATE KEY";
        let private_pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
        AppKey { private_pem, public_der: pair.public_key().as_ref().to_vec() }
    })
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    Anonymous,
    App,
    Token(Token),
    User(u64),
}

#[derive(Deserialize)]
struct Claims {
    iat: i64,
    exp: i64,
    iss: serde_json::Value,
}

/// Who an `Authorization` header names. Err: it names nobody, which is a 401.
pub(crate) fn caller(world: &World, authorization: Option<&str>) -> Result<Caller, Reply> {
    let Some(authorization) = authorization else { return Ok(Caller::Anonymous) };
    let (scheme, credential) = authorization.split_once(' ').ok_or_else(bad)?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" if credential.matches('.').count() == 2 => app(world, credential).map(|()| Caller::App),
        "bearer" | "token" => token(world, credential),
        "basic" => {
            let plain = base64::engine::general_purpose::STANDARD.decode(credential).map_err(|_| bad())?;
            let plain = String::from_utf8(plain).map_err(|_| bad())?;
            token(world, plain.split_once(':').ok_or_else(bad)?.1)
        }
        _ => Err(bad()),
    }
}

fn bad() -> Reply {
    Reply::error(401, "Bad credentials")
}

fn token(world: &World, token: &str) -> Result<Caller, Reply> {
    if let Some(user) = world.user_tokens.get(token) {
        return Ok(Caller::User(*user));
    }
    let found = world.tokens.get(token).filter(|t| t.expires_at > world.machine_now()).ok_or_else(bad)?;
    let suspended = world.installation(found.installation).is_none_or(|i| i.suspended_at.is_some());
    if suspended { Err(Reply::error(403, "This installation has been suspended")) } else { Ok(Caller::Token(found.clone())) }
}

fn app(world: &World, jwt: &str) -> Result<(), Reply> {
    let mut rules = Validation::new(Algorithm::RS256);
    // The times are judged below, by the fake's own clock.
    rules.validate_exp = false;
    rules.required_spec_claims.clear();
    let key = DecodingKey::from_rsa_der(&app_key().public_der);
    let refused = |message: &str| Reply::error(401, message);
    let claims = decode::<Claims>(jwt, &key, &rules).map_err(|_| refused("A JSON web token could not be decoded"))?.claims;
    let now = world.machine_now().as_second();
    let iss = claims.iss.as_str().map_or_else(|| claims.iss.to_string(), str::to_owned);
    if iss != world.app.id.to_string() && iss != format!("Iv1.{:016x}", world.app.id) {
        return Err(refused("'Issuer' claim ('iss') must be an Integer, and that of this App"));
    }
    if claims.exp <= now {
        return Err(refused("'Expiration time' claim ('exp') must be a numeric value representing a time in the future"));
    }
    if claims.exp > now + JWT_SECS_MAX + LEEWAY_SECS || claims.exp - claims.iat > JWT_SECS_MAX + LEEWAY_SECS {
        return Err(refused("'Expiration time' claim ('exp') is too far in the future"));
    }
    if claims.iat > now + LEEWAY_SECS {
        return Err(refused("'Issued at' claim ('iat') must be an Integer representing a time in the past"));
    }
    Ok(())
}

/// Whether the caller may do this: 401, 403 or 404 where not, as GitHub decides among them.
pub(crate) fn allowed(world: &World, needs: Needs, call: &Call) -> Result<(), Reply> {
    match (needs, &call.caller) {
        (Needs::Anybody, _) | (Needs::App, Caller::App) | (Needs::Installation, Caller::Token(_)) => Ok(()),
        (Needs::App, _) => Err(Reply::error(401, "A JSON web token could not be decoded")),
        (Needs::Installation, Caller::Anonymous) => Err(Reply::error(401, "Requires authentication")),
        (Needs::Installation, Caller::App | Caller::User(_)) => {
            Err(Reply::error(403, "You must authenticate with an installation access token in order to list repositories."))
        }
        (Needs::Members, Caller::Token(token)) => members_allowed(world, token, call.param("org")),
        (Needs::Members, _) => Err(Reply::missing()),
        (Needs::Repo(access, permissions), caller) => repo_allowed(world, access, permissions, caller, &call.full_name()),
    }
}

/// Teams are told to an App that is installed for the organisation, with the permission that the organisation gave it.
fn members_allowed(world: &World, token: &Token, org: &str) -> Result<(), Reply> {
    let installed = world.installation(token.installation).map(|i| world.account(i.account).login.clone());
    match installed.is_some_and(|login| login.eq_ignore_ascii_case(org)) {
        true if permits(token, "members", Access::Read) => Ok(()),
        true => Err(Reply::forbidden()),
        false => Err(Reply::missing()),
    }
}

fn repo_allowed(world: &World, access: Access, permissions: &[&str], caller: &Caller, name: &str) -> Result<(), Reply> {
    let repo = world.find_repo(name).ok_or_else(Reply::missing)?;
    let Caller::Token(token) = caller else {
        if let Caller::User(user) = caller {
            // What a personal token may do is what its owner may do.
            let least = if access == Access::Read { Level::Read } else { Level::Write };
            if world.level(repo, *user) >= least {
                return Ok(());
            }
        }
        let open = !repo.private && access == Access::Read;
        let unknown = if matches!(caller, Caller::App) { Reply::error(401, "Bad credentials") } else { Reply::missing() };
        return if open { Ok(()) } else { Err(unknown) };
    };
    if !in_scope(world, token, repo.id) {
        return match (repo.private, access) {
            (true, _) => Err(Reply::missing()),
            (false, Access::Read) => Ok(()),
            (false, Access::Write) => Err(Reply::forbidden()),
        };
    }
    let has = |permission: &&&str| permits(token, permission, access);
    let public = !repo.private && access == Access::Read && !permissions.contains(&"checks");
    if public || permissions.iter().any(|p| has(&p)) { Ok(()) } else { Err(Reply::forbidden()) }
}

pub(crate) fn in_scope(world: &World, token: &Token, repo: u64) -> bool {
    let installed = world.installation(token.installation).is_some_and(|i| i.repos.contains(&repo));
    installed && token.repos.as_ref().is_none_or(|repos| repos.contains(&repo))
}

/// Whether a token's permission is enough. Everybody has `metadata`.
pub(crate) fn permits(token: &Token, permission: &str, access: Access) -> bool {
    let given = token.permissions.get(permission).map(String::as_str);
    match access {
        Access::Read => given.is_some() || permission == "metadata",
        Access::Write => matches!(given, Some("write" | "admin")),
    }
}
