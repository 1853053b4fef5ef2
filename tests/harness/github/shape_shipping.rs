//! The JSON of tags, releases and deployments.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::git::TagObject;
use super::shape::{escaped, node_id, signature_json};
use super::shipping::{Asset, Deployment, DeploymentStatus, Release};
use super::world::{Repo, World, time_text};

impl World {
    /// What GitHub says of the signature of a commit or a tag object.
    pub(crate) fn verification_json(&self, object: &str) -> Value {
        let Some(reason) = self.shipping.signatures.get(object) else {
            return json!({"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null});
        };
        let verified = *reason == "valid";
        json!({
            "verified": verified, "reason": reason, "signature": "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----",
            "payload": format!("object {object}\n"), "verified_at": verified.then(|| time_text(self.now())),
        })
    }

    pub(crate) fn tag_json(&self, repo: &Repo, sha: &str, tag: &TagObject) -> Value {
        let url = self.repo_url(repo);
        let folder = if tag.kind == "commit" { "commits" } else { "tags" };
        json!({
            "node_id": node_id("Tag", sha), "tag": tag.name, "sha": sha, "url": format!("{url}/git/tags/{sha}"),
            "message": tag.message, "tagger": signature_json(&tag.tagger), "verification": self.verification_json(sha),
            "object": {"type": tag.kind, "sha": tag.object, "url": format!("{url}/git/{folder}/{}", tag.object)},
        })
    }

    pub(crate) fn release_json(&self, release: &Release) -> Value {
        let repo = self.repo(release.repo);
        let url = format!("{}/releases/{}", self.repo_url(repo), release.id);
        let page = format!("{}/{}/releases", self.base, repo.full_name());
        let shown = if release.draft { format!("untagged-{:020x}", release.id) } else { escaped(&release.tag) };
        let ball = |kind: &str| (!release.draft).then(|| format!("{}/{kind}/{}", self.repo_url(repo), escaped(&release.tag)));
        json!({
            "url": url, "html_url": format!("{page}/tag/{shown}"), "assets_url": format!("{url}/assets"),
            "upload_url": format!("{url}/assets{{?name,label}}"), "tarball_url": ball("tarball"), "zipball_url": ball("zipball"),
            "id": release.id, "node_id": node_id("Release", release.id), "tag_name": release.tag, "target_commitish": release.target,
            "name": release.name, "body": release.body, "draft": release.draft, "prerelease": release.prerelease,
            "immutable": release.immutable, "created_at": time_text(release.created_at), "updated_at": time_text(release.created_at),
            "published_at": release.published_at.map(time_text), "author": self.user_json(release.author),
            "assets": release.assets.iter().map(|asset| self.asset_json(release, asset)).collect::<Vec<_>>(),
        })
    }

    pub(crate) fn asset_json(&self, release: &Release, asset: &Asset) -> Value {
        let repo = self.repo(release.repo);
        let download = format!("{}/{}/releases/download/{}/{}", self.base, repo.full_name(), escaped(&release.tag), asset.name);
        json!({
            "url": format!("{}/releases/assets/{}", self.repo_url(repo), asset.id), "browser_download_url": download,
            "id": asset.id, "node_id": node_id("ReleaseAsset", asset.id), "name": asset.name, "label": null, "state": asset.state,
            "content_type": asset.content_type, "size": asset.content.len(),
            "digest": format!("sha256:{}", hex::encode(Sha256::digest(&asset.content))), "download_count": 0,
            "created_at": time_text(asset.created_at), "updated_at": time_text(asset.created_at),
            "uploader": self.user_json(asset.uploader),
        })
    }

    pub(crate) fn deployment_json(&self, deployment: &Deployment) -> Value {
        let repo_url = self.repo_url(self.repo(deployment.repo));
        let url = format!("{repo_url}/deployments/{}", deployment.id);
        json!({
            "url": url, "id": deployment.id, "node_id": node_id("Deployment", deployment.id), "sha": deployment.sha,
            "ref": deployment.of, "task": deployment.task, "payload": deployment.payload,
            "original_environment": deployment.environment, "environment": deployment.environment,
            "description": deployment.description, "creator": self.user_json(deployment.creator),
            "created_at": time_text(deployment.created_at), "updated_at": time_text(deployment.created_at),
            "statuses_url": format!("{url}/statuses"), "repository_url": repo_url,
            "transient_environment": deployment.transient, "production_environment": deployment.production,
        })
    }

    pub(crate) fn deployment_status_json(&self, deployment: &Deployment, status: &DeploymentStatus) -> Value {
        let repo_url = self.repo_url(self.repo(deployment.repo));
        let url = format!("{repo_url}/deployments/{}", deployment.id);
        json!({
            "url": format!("{url}/statuses/{}", status.id), "id": status.id, "node_id": node_id("DeploymentStatus", status.id),
            "state": status.state, "creator": self.user_json(status.creator), "description": status.description,
            "environment": status.environment, "target_url": status.log_url, "log_url": status.log_url,
            "environment_url": status.environment_url, "created_at": time_text(status.created_at),
            "updated_at": time_text(status.created_at), "deployment_url": url, "repository_url": repo_url,
        })
    }
}
