//! Publishing a check as a commit status.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{CheckReport, Known, Published, parse_external_id};
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;

use crate::answer::Answer;
use crate::api::PER_PAGE;
use crate::call::{Call, route};
use crate::error::{is_final, is_missing, unavailable};
use crate::gitlab::{Account, GitLab};
use crate::pipeline::Place;
use crate::remarks::Remarks;
use crate::status_body::{State, StatusBody};

/// Statuses of one commit and one name beyond these pages of 100, newest first, are not looked at.
const STATUS_PAGES_MAX: usize = 3;
/// What is remembered of a status, about.
const SHOWN_BYTES: usize = 64;

#[derive(Debug, Deserialize)]
struct Status {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    status: String,
    #[serde(rename = "ref", default)]
    reference: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    target_url: Option<String>,
    /// Not told by older versions.
    #[serde(default)]
    pipeline_id: Option<u64>,
    #[serde(default)]
    author: Option<Account>,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

impl GitLab {
    /// The threads come last: should they fail, the status is shown all the same, and the next attempt finds it.
    pub(crate) async fn publish_check(
        &self,
        repo: &RepoRef,
        report: &CheckReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let name = format!("{}/{}/{}/{}", repo.key(), report.pull.unwrap_or_default(), report.head, report.name);
        let _held = self.publishing.hold(name.clone()).await;
        let run = parse_external_id(&report.external_id).map(|(run, _)| run);
        if let (Some(run), Some((newest, id))) = (run, self.shown.get(&name))
            && newest > run
        {
            return Ok(Published { id });
        }
        let remarks = self.remarks_of(repo, report).await?;
        let said = remarks.as_ref().and_then(Remarks::left_out);
        let id = self.show_status(repo, report, StatusBody::new(report, said.as_deref()), known).await?;
        if let Some(run) = run {
            self.shown.put(name, (run, id), SHOWN_BYTES);
        }
        self.answer_external(repo, report).await?;
        if let Some(remarks) = remarks {
            self.show_remarks(repo, &remarks).await?;
        }
        Ok(Published { id })
    }

    /// Tries the places in their order; one that is not for us leads to the next.
    async fn show_status(
        &self,
        repo: &RepoRef,
        report: &CheckReport,
        body: StatusBody<'_>,
        known: &Known,
    ) -> Result<u64, ForgeError> {
        let mut places = self.places_of(repo, report).await?;
        let last = places.pop();
        for place in &places {
            match self.set_status(place, &body, known).await {
                Err(error) if is_final(&error) => {
                    tracing::info!(forge = "gitlab", repo = repo.path, project = place.project, %error, "no status in the fork");
                    self.close(place.project);
                }
                result => return result,
            }
        }
        let last = last.ok_or_else(|| unavailable("there is no place for a status"))?;
        match (self.set_status(&last, &body, known).await, report.pull) {
            (Err(error), Some(number)) if last.pipeline.is_some() && is_missing(&error) => {
                self.forget_place(repo, number, report.head.as_str());
                Err(unavailable(format!("{error}; its pipeline may just have been deleted")))
            }
            (result, _) => result,
        }
    }

    /// A status that was perhaps made, or that is over, is looked for first: what is finished is not changed by GitLab but
    /// made anew.
    async fn set_status(&self, place: &Place, body: &StatusBody<'_>, known: &Known) -> Result<u64, ForgeError> {
        let reference = place.reference.clone();
        let body = StatusBody { reference, pipeline_id: place.pipeline, ..body.clone() };
        let seen = match known {
            Known::Never => Vec::new(),
            Known::Id(_) if !body.state.is_over() => Vec::new(),
            Known::Maybe | Known::Id(_) => self.statuses_of(place, &body).await?,
        };
        let there = newest(&seen, place).filter(|status| status.shows(&body)).map(|status| status.id);
        let id = match there {
            Some(id) => id,
            None => self.post_status(place, &body, known).await?,
        };
        if body.state.is_over() {
            self.finish_elsewhere(&seen, place, &body).await?;
        }
        Ok(id)
    }

    async fn post_status(&self, place: &Place, body: &StatusBody<'_>, known: &Known) -> Result<u64, ForgeError> {
        let answer = self.send_status(place, body).await?;
        if answer.status == 400 && answer.words.to_ascii_lowercase().contains("cannot transition status") {
            return self.settle(place, body, known, &answer).await;
        }
        let made: Id = answer.ok(|| format!("the place for a status at {}", place.sha))?.json("set_status")?;
        Ok(made.id)
    }

    async fn send_status(&self, place: &Place, body: &StatusBody<'_>) -> Result<Answer, ForgeError> {
        let target = route(&["projects", &place.project.to_string(), "statuses", &place.sha])?;
        self.api.send(&Call::post("set_status", target, body)?).await
    }

    /// GitLab refuses to set a status to what it is already, or from running back to pending: it stands, unfinished, as it
    /// should. One that should be over may have been finished by somebody else at that moment, which then is looked at.
    async fn settle(&self, place: &Place, body: &StatusBody<'_>, known: &Known, answer: &Answer) -> Result<u64, ForgeError> {
        if let (Known::Id(id), false) = (known, body.state.is_over()) {
            return Ok(*id);
        }
        let seen = self.statuses_of(place, body).await?;
        let stands = |status: &&Status| !body.state.is_over() || status.status == body.state.as_str();
        let found = newest(&seen, place).filter(stands).map(|status| status.id);
        found.ok_or_else(|| unavailable(format!("{} (for a status)", answer.words)))
    }

    /// A status of this check that was posted before the merge request had its pipeline, or to one before it, would wait
    /// for ever: it ends as this one does.
    async fn finish_elsewhere(&self, seen: &[Status], place: &Place, body: &StatusBody<'_>) -> Result<(), ForgeError> {
        let waiting = |status: &&Status| {
            let unfinished = [State::Pending, State::Running].map(State::as_str).contains(&status.status.as_str());
            unfinished && status.pipeline_id.is_some() && !status.is_in(place)
        };
        for status in seen.iter().filter(waiting) {
            let reference = status.reference.clone();
            let body = StatusBody { reference, pipeline_id: status.pipeline_id, ..body.clone() };
            let answer = self.send_status(place, &body).await?;
            if answer.status >= 400 {
                tracing::warn!(forge = "gitlab", status = status.id, cause = answer.words, "a status elsewhere stays unfinished");
            }
        }
        Ok(())
    }

    /// Our own statuses of that name at that commit.
    async fn statuses_of(&self, place: &Place, body: &StatusBody<'_>) -> Result<Vec<Status>, ForgeError> {
        let me = self.me().await?;
        let route = route(&["projects", &place.project.to_string(), "repository", "commits", &place.sha, "statuses"])?;
        let query = [("name", body.name), ("all", "true"), ("order_by", "id"), ("sort", "desc"), PER_PAGE];
        let first = Call::get("find_status", with_query(route, &query));
        let listed = self.api.list::<Status>(first, STATUS_PAGES_MAX, || format!("the commit {}", place.sha)).await?;
        let is_ours = |status: &Status| status.name == body.name && status.author.as_ref().is_some_and(|by| by.id == me);
        Ok(listed.items.into_iter().filter(is_ours).collect())
    }
}

impl Status {
    fn is_in(&self, place: &Place) -> bool {
        match (self.pipeline_id, place.pipeline) {
            (Some(own), Some(wanted)) => own == wanted,
            (None, _) | (_, None) => place.reference.is_none() || self.reference.is_none() || self.reference == place.reference,
        }
    }

    fn shows(&self, body: &StatusBody<'_>) -> bool {
        self.status == body.state.as_str()
            && self.description.as_deref() == Some(body.description.as_str())
            && self.target_url.as_deref() == body.target_url
    }
}

fn newest<'a>(seen: &'a [Status], place: &Place) -> Option<&'a Status> {
    seen.iter().filter(|status| status.is_in(place)).max_by_key(|status| status.id)
}
