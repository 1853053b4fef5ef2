//! Which weight each server gets, so that the pools' parts are exact, and in which order weights are set.
//!
//! HAProxy's weights are whole numbers from 0 to 256 of single servers. The parts of pools are whole percentages: with the weights of
//! each pool adding up to a multiple, the same for all pools, of its percentage, every split is exact, for any numbers of servers.
//! Within a pool all servers weigh the same where some multiple allows that, and else differ by one; where a pool's part is
//! smaller than it has servers, some of them get nothing.

use std::collections::BTreeMap;

use gatewright_core::target::{PoolId, Shares};

use super::stat::Row;

/// The largest weight of a server.
const WEIGHT_MAX: u64 = 256;

/// A server and the weight that it is to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) server: String,
    pub(super) weight: u32,
}

/// A pool that is to get requests and has no server that could take them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unable {
    /// None is attached.
    NoServer(PoolId),
    /// None has passed a check.
    NoneUp(PoolId),
}

/// The weights of all servers, in their order.
pub(super) fn weights(rows: &[Row], shares: &Shares) -> Result<Vec<Weight>, Unable> {
    let parts: Vec<(&PoolId, u64)> = shares.iter().filter(|(_, percent)| *percent > 0).map(|(p, n)| (p, u64::from(n))).collect();
    let mut members: BTreeMap<&PoolId, Vec<&Row>> = BTreeMap::new();
    for (pool, _) in &parts {
        let of_pool = |row: &&Row| row.owner().is_some_and(|(owner, _)| owner == **pool);
        let all: Vec<&Row> = rows.iter().filter(of_pool).collect();
        if all.is_empty() {
            return Err(Unable::NoServer((*pool).clone()));
        }
        if !all.iter().any(|row| row.is_up()) {
            return Err(Unable::NoneUp((*pool).clone()));
        }
        // One that is down and comes back would shift the parts, unless there is only one.
        let alone = parts.len() == 1;
        members.insert(pool, all.into_iter().filter(|row| row.is_up() || (alone && row.is_down())).collect());
    }
    let counts: Vec<(u64, u64)> = parts.iter().map(|(pool, percent)| (*percent, members[pool].len() as u64)).collect();
    let mut wanted: BTreeMap<&str, u32> = BTreeMap::new();
    for ((pool, _), total) in parts.iter().zip(totals(&counts)) {
        let servers = &members[pool];
        wanted.extend(servers.iter().zip(spread(total, servers.len() as u64)).map(|(row, weight)| (row.name.as_str(), weight)));
    }
    let weight = |row: &Row| wanted.get(row.name.as_str()).copied().unwrap_or(0);
    Ok(rows.iter().map(|row| Weight { server: row.name.clone(), weight: weight(row) }).collect())
}

/// What each pool's servers weigh together, from its percentage and its number of servers.
fn totals(pools: &[(u64, u64)]) -> Vec<u64> {
    let common = pools.iter().fold(0, |all, (percent, _)| gcd(all, *percent)).max(1);
    // At least 1: a percentage is at most 100, and one server weighs up to 256.
    let most = pools.iter().map(|(percent, servers)| WEIGHT_MAX * servers / (percent / common)).min().unwrap_or(1);
    let even = pools.iter().fold(1, |all, (percent, servers)| lcm(all, servers / gcd(*servers, percent / common)));
    let times = if even <= most { most - most % even } else { most };
    pools.iter().map(|(percent, _)| percent / common * times).collect()
}

/// Shares a total out among so many servers: the same for each, or one more for the first of them.
fn spread(total: u64, servers: u64) -> impl Iterator<Item = u32> {
    let (each, more) = (total / servers, total % servers);
    (0..servers).map(move |nth| u32::try_from(each + u64::from(nth < more)).unwrap_or(u32::MAX))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: u64, b: u64) -> u64 {
    (a / gcd(a, b)).saturating_mul(b)
}

/// The changes, in the order to make them.
///
/// Two halves. In the first, the pool that is spared only loses: its weights are lowered and the others' raised. In the second the
/// rest is done. So its part is never more than both the old and the new one. Spared is the pool with the smaller part, be it before or
/// after, which is the canary; of two of the same size the one that is losing. Raising goes before lowering within each half, so that
/// there is always a server with weight.
pub(super) fn order(rows: &[Row], wanted: &[Weight]) -> Vec<Weight> {
    let spared = spared(rows, wanted);
    let half = |row: &Row, new: u32| {
        let is_spared = row.owner().is_some_and(|(pool, _)| Some(pool) == spared);
        let raises = new > row.weight;
        (is_spared == raises, !raises)
    };
    let mut changes: Vec<((bool, bool), &Weight)> = rows
        .iter()
        .zip(wanted)
        .filter(|(row, wanted)| row.weight != wanted.weight)
        .map(|(row, wanted)| (half(row, wanted.weight), wanted))
        .collect();
    changes.sort_by_key(|(half, _)| *half);
    changes.into_iter().map(|(_, weight)| weight.clone()).collect()
}

fn spared(rows: &[Row], wanted: &[Weight]) -> Option<PoolId> {
    let sum = |weights: &mut dyn Iterator<Item = u32>| weights.map(u64::from).sum::<u64>().max(1);
    let (before, after) = (sum(&mut rows.iter().map(|row| row.weight)), sum(&mut wanted.iter().map(|wanted| wanted.weight)));
    let mut parts: BTreeMap<PoolId, (u64, u64)> = BTreeMap::new();
    for (row, wanted) in rows.iter().zip(wanted) {
        let Some((pool, _)) = row.owner() else { continue };
        let part = parts.entry(pool).or_default();
        *part = (part.0 + u64::from(row.weight), part.1 + u64::from(wanted.weight));
    }
    // Both parts in the same unit, so that they can be compared as whole numbers.
    let scaled = |(old, new): (u64, u64)| (old * after, new * before);
    let key = |parts: (u64, u64)| {
        let (old, new) = scaled(parts);
        (old.max(new), new >= old)
    };
    parts.into_iter().filter(|(_, part)| *part != (0, 0)).min_by_key(|(_, part)| key(*part)).map(|(pool, _)| pool)
}

#[cfg(test)]
mod tests;
