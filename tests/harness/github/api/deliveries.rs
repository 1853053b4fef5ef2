//! The App's own list of what its webhook was sent, and sending it again.

use serde_json::{Value, json};

use super::{Call, PER_PAGE, PER_PAGE_MAX, Reply};
use crate::github::hooks::{Attempt, Delivery, headers};
use crate::github::world::{World, time_text};

/// Every attempt is an item, newest first; pages go by a cursor.
pub(super) fn list(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let per_page = call.query("per_page").and_then(|n| n.parse().ok()).unwrap_or(PER_PAGE).clamp(1, PER_PAGE_MAX);
    let cursor = call.query("cursor");
    let below = match cursor.map(|cursor| cursor.strip_prefix("v1_").and_then(|id| id.parse::<u64>().ok())) {
        None => u64::MAX,
        Some(Some(id)) => id,
        Some(None) => return Err(Reply::error(400, "Invalid cursor")),
    };
    let wanted = |attempt: &Attempt| match call.query("status") {
        Some("success") => attempt.taken(),
        Some(_) => !attempt.taken(),
        None => true,
    };
    let attempts = world.deliveries.iter().flat_map(|d| d.attempts.iter().map(move |a| (d, a)));
    let mut found: Vec<(&Delivery, &Attempt)> = attempts.filter(|(_, a)| a.id < below && wanted(a)).collect();
    found.sort_by_key(|(_, attempt)| std::cmp::Reverse(attempt.id));
    let more = found.len() > per_page;
    found.truncate(per_page);
    let kept = call.query("status").map(|status| format!("&status={status}")).unwrap_or_default();
    let next = |id: u64| format!("<{}?per_page={per_page}{kept}&cursor=v1_{id}>; rel=\"next\"", call.url);
    let link = found.last().filter(|_| more).map(|(_, attempt)| next(attempt.id));
    Ok(Reply::json(200, found.iter().map(|(d, a)| item(d, a)).collect()).link(link))
}

fn item(delivery: &Delivery, attempt: &Attempt) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "a delivery takes seconds, not ages")]
    let duration = attempt.ms as f64 / 1000.0;
    json!({
        "id": attempt.id, "guid": delivery.guid, "delivered_at": time_text(attempt.at), "redelivery": attempt.redelivery,
        "duration": duration, "status": attempt.status, "status_code": attempt.status_code, "event": delivery.event,
        "action": delivery.action, "installation_id": delivery.installation, "repository_id": delivery.repository, "throttled_at": null,
    })
}

fn find(world: &World, id: u64) -> Option<(&Delivery, &Attempt)> {
    world.deliveries.iter().find_map(|d| d.attempts.iter().find(|a| a.id == id).map(|a| (d, a)))
}

pub(super) fn get(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (delivery, attempt) = find(world, call.number("delivery_id")?).ok_or_else(Reply::missing)?;
    let hook = world.hook.as_ref().ok_or_else(Reply::missing)?;
    let sent = headers(&hook.secret, delivery, &delivery.guid, [world.app.hook_id, world.app.id]);
    let sent: serde_json::Map<String, Value> = sent.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let mut shape = item(delivery, attempt);
    shape["url"] = json!(hook.url);
    shape["request"] = json!({"headers": sent, "payload": delivery.payload()});
    shape["response"] = json!({"headers": {}, "payload": attempt.answer});
    Ok(Reply::json(200, shape))
}

pub(super) fn redeliver(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (delivery, _) = find(world, call.number("delivery_id")?).ok_or_else(Reply::missing)?;
    world.queue.push(&delivery.guid, true);
    Ok(Reply::json(202, json!({})))
}
