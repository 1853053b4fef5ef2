//! An exact sliding window: never more than so much within so many seconds.
//!
//! A token bucket would not do here: full at first and filled again as it is used, it lets nearly twice its limit
//! through within one window, and forges count windows.

use std::collections::VecDeque;

/// What was spent lately, and how much may be. Time is an argument, in whole seconds.
#[derive(Debug)]
pub struct Window {
    limit: u32,
    secs: i64,
    /// What was spent at which second, oldest first: at most one entry a second of the window.
    spent: VecDeque<(i64, u32)>,
    sum: u32,
}

impl Window {
    /// At most `limit` within `secs` seconds.
    pub fn new(limit: u32, secs: i64) -> Self {
        Window { limit, secs, spent: VecDeque::new(), sum: 0 }
    }

    /// How many seconds until `cost` may be spent; 0 for now.
    pub fn wait_secs(&mut self, cost: u32, now: i64) -> u64 {
        self.forget_before(now);
        let mut sum = self.sum;
        for (at, points) in &self.spent {
            if sum + cost <= self.limit {
                break;
            }
            sum -= points;
            if sum + cost <= self.limit {
                return u64::try_from(at + self.secs + 1 - now).unwrap_or(1).max(1);
            }
        }
        0
    }

    /// Counts what was spent, whether or not there was room for it.
    pub fn spend(&mut self, cost: u32, now: i64) {
        self.sum += cost;
        match self.spent.back_mut() {
            // A clock set back adds to the newest second, so that the entries stay in order.
            Some((at, points)) if *at >= now => *points += cost,
            Some(_) | None => self.spent.push_back((now, cost)),
        }
    }

    /// One second more than the window is kept, because entries are whole seconds.
    fn forget_before(&mut self, now: i64) {
        while let Some((at, points)) = self.spent.front().copied() {
            if now - at <= self.secs {
                break;
            }
            self.sum -= points;
            self.spent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_ever_holds_more_than_the_limit() {
        let mut window = Window::new(80, 60);
        let mut sent = Vec::new();
        for now in 0..600 {
            for _ in 0..5 {
                if window.wait_secs(1, now) == 0 {
                    window.spend(1, now);
                    sent.push(now);
                }
            }
        }
        for start in 0..600 {
            assert!(sent.iter().filter(|at| (start..start + 60).contains(*at)).count() <= 80);
        }
        assert!(sent.len() > 700, "{} of at most 800 were let through", sent.len());
    }

    #[test]
    fn the_wait_is_exactly_until_there_is_room() {
        let mut window = Window::new(10, 60);
        window.spend(6, 100);
        window.spend(4, 110);
        assert_eq!(window.wait_secs(5, 120), 41);
        assert_eq!(window.wait_secs(5, 160), 1);
        assert_eq!(window.wait_secs(5, 161), 0);
        assert_eq!(window.wait_secs(7, 161), 10);
    }

    #[test]
    fn a_clock_set_back_does_no_harm() {
        let mut window = Window::new(2, 60);
        window.spend(1, 1_000);
        window.spend(1, 10);
        assert!(window.wait_secs(1, 10) > 0);
        assert_eq!(window.wait_secs(1, 1_061), 0);
    }
}
