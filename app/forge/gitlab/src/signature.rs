//! What GitLab says of the signatures of tags and commits ("Get signature of a commit", "Get X.509 signature of a tag").
//!
//! Of commits it verifies PGP, SSH and X.509, of tags X.509 alone: a tag that is signed otherwise has a signature of which
//! GitLab says nothing. Gatewright verifies none itself.

use gatewright_core::RepoRef;
use gatewright_core::forge::{ForgeError, Signature, TagState};
use serde::Deserialize;

use crate::call::{Call, project_route};
use crate::error::is_final;
use crate::gitlab::GitLab;

/// A certificate or a key, with what is said of it. A longer answer is none.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How a signature begins that stands in a tag's message.
const ARMOURS: [&str; 3] = ["-----BEGIN PGP SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----", "-----BEGIN SIGNED MESSAGE-----"];

/// GitLab's words for signatures that it vouches for: by the key of the committer, by its own where it made the commit
/// itself, and by a certificate authority of the group.
const VOUCHED: [&str; 3] = ["verified", "verified_system", "verified_ca"];

#[derive(Deserialize)]
struct Signed {
    #[serde(default)]
    verification_status: String,
    #[serde(default)]
    gpg_key_user_name: Option<String>,
    #[serde(default)]
    gpg_key_user_email: Option<String>,
    #[serde(default)]
    x509_certificate: Option<Certificate>,
}

#[derive(Deserialize)]
struct Certificate {
    #[serde(default)]
    email: Option<String>,
}

impl Signed {
    fn by(self) -> Option<String> {
        match (self.gpg_key_user_name, self.gpg_key_user_email) {
            (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
            (None, Some(email)) | (Some(email), None) => Some(email),
            (None, None) => self.x509_certificate.and_then(|certificate| certificate.email),
        }
    }
}

impl GitLab {
    /// A tag with what GitLab says of its signature and of its commit's.
    pub(crate) async fn read_signed_tag(&self, repo: &RepoRef, name: &str) -> Result<Option<TagState>, ForgeError> {
        let Some(tag) = self.read_tag(repo, name).await? else { return Ok(None) };
        let signature = match &tag.object {
            Some(_) => self.signature_of_tag(repo, &tag).await?,
            None => Signature::Unsigned,
        };
        let commit_signature = self.signature(repo, &["repository", "commits", tag.commit.as_str(), "signature"]).await?;
        Ok(Some(TagState { signature, commit_signature, ..tag }))
    }

    async fn signature_of_tag(&self, repo: &RepoRef, tag: &TagState) -> Result<Signature, ForgeError> {
        let signature = self.signature(repo, &["repository", "tags", &tag.name, "signature"]).await?;
        let armoured = tag.message.as_ref().is_some_and(|message| ARMOURS.iter().any(|begin| message.contains(begin)));
        Ok(match signature {
            Signature::Unsigned if armoured => unknown("it is signed, and GitLab tells of X.509 signatures of tags alone"),
            other => other,
        })
    }

    async fn signature(&self, repo: &RepoRef, below: &[&str]) -> Result<Signature, ForgeError> {
        let call = Call::get("signature", project_route(repo, below)?).answer_bytes_max(ANSWER_BYTES_MAX);
        let answer = self.api.send(&call).await?;
        // Other things that are not there are 404 too: the project, and the request itself before GitLab 15.7.
        if answer.status == 404 && answer.words.contains("Signature Not Found") {
            return Ok(Signature::Unsigned);
        }
        let signed = answer.ok(|| format!("signatures of {}", repo.path)).and_then(|answer| answer.json::<Signed>("signature"));
        match signed {
            Ok(signed) if VOUCHED.contains(&signed.verification_status.as_str()) => Ok(Signature::Verified { by: signed.by() }),
            Ok(signed) if signed.verification_status.is_empty() => Ok(unknown("GitLab does not say whether it is verified")),
            Ok(signed) => Ok(Signature::Unverified { reason: signed.verification_status }),
            Err(error) if is_final(&error) => Ok(unknown(&error.to_string())),
            Err(error) => Err(error),
        }
    }
}

pub(crate) fn unknown(reason: &str) -> Signature {
    Signature::Unknown { reason: reason.to_owned() }
}
