#![expect(clippy::unwrap_used, reason = "a test may fail at once")]

use std::cmp::Ordering;

use super::*;

fn pool(name: &str) -> PoolId {
    name.parse().unwrap()
}

fn servers(pool: &str, weights: &[u32]) -> Vec<Row> {
    let row = |(nth, weight): (usize, &u32)| Row {
        name: format!("{pool}:i{nth}"),
        status: "UP".to_owned(),
        check: "L7OK".to_owned(),
        weight: *weight,
        ..Row::default()
    };
    weights.iter().enumerate().map(row).collect()
}

fn sum(rows: &[Row], of: &str) -> u64 {
    let of = pool(of);
    rows.iter().filter(|row| row.owner().unwrap().0 == of).map(|row| u64::from(row.weight)).sum()
}

fn with(rows: &[Row], weights: &[Weight]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    for weight in weights {
        rows.iter_mut().find(|row| row.name == weight.server).unwrap().weight = weight.weight;
    }
    rows
}

#[test]
fn every_percentage_is_exact_for_any_numbers_of_servers() {
    for canaries in 1..=12 {
        for stables in 1..=12 {
            for percent in 0..=100 {
                let rows = [servers("c", &vec![0; canaries]), servers("s", &vec![0; stables])].concat();
                let wanted = weights(&rows, &Shares::split(pool("c"), percent, pool("s"))).unwrap();
                let after = with(&rows, &wanted);
                let (c, s) = (sum(&after, "c"), sum(&after, "s"));
                assert_eq!(c * u64::from(100 - percent), s * u64::from(percent), "{percent} % of {canaries} and {stables}");
                assert!(wanted.iter().all(|weight| weight.weight <= 256));
                assert!(c + s > 0);
            }
        }
    }
}

#[test]
fn the_servers_of_a_pool_weigh_the_same_where_some_weights_allow_it() {
    let rows = [servers("c", &[0; 2]), servers("s", &[0; 7])].concat();
    let wanted = weights(&rows, &Shares::split(pool("c"), 10, pool("s"))).unwrap();
    let of = |range: std::ops::Range<usize>| wanted[range].iter().map(|weight| weight.weight).collect::<Vec<_>>();
    assert_eq!((of(0..2), of(2..9)), (vec![98; 2], vec![252; 7]));
}

#[test]
fn one_percent_of_seven_servers_beside_one_is_exact_with_some_of_them_idle() {
    let rows = [servers("c", &[0; 7]), servers("s", &[0; 1])].concat();
    let wanted = weights(&rows, &Shares::split(pool("c"), 1, pool("s"))).unwrap();
    assert_eq!(wanted.iter().map(|weight| weight.weight).collect::<Vec<_>>(), [1, 1, 0, 0, 0, 0, 0, 198]);
}

#[test]
fn a_server_that_is_down_gets_nothing_unless_its_pool_gets_everything() {
    let mut rows = [servers("c", &[0]), servers("s", &[0; 2])].concat();
    rows[2].status = "DOWN".to_owned();
    let split = weights(&rows, &Shares::split(pool("c"), 50, pool("s"))).unwrap();
    assert_eq!(split.iter().map(|weight| weight.weight).collect::<Vec<_>>(), [256, 256, 0]);
    let all = weights(&rows, &Shares::all_to(pool("s"))).unwrap();
    assert_eq!(all.iter().map(|weight| weight.weight).collect::<Vec<_>>(), [0, 256, 256]);
}

#[test]
fn a_pool_without_a_server_that_has_passed_a_check_gets_nothing() {
    let mut rows = [servers("c", &[0]), servers("s", &[256])].concat();
    rows[0].check = String::new();
    assert_eq!(weights(&rows, &Shares::split(pool("c"), 5, pool("s"))), Err(Unable::NoneUp(pool("c"))));
    assert_eq!(weights(&rows[1..], &Shares::split(pool("c"), 5, pool("s"))), Err(Unable::NoServer(pool("c"))));
}

#[test]
fn on_no_way_between_two_splits_is_the_canary_raised_above_both_or_nothing_left_with_weight() {
    let steps = [0, 1, 5, 10, 25, 40, 50, 60, 75, 99, 100];
    for (canaries, stables) in [(1, 1), (1, 3), (2, 7), (7, 1), (3, 3)] {
        for from in steps {
            for to in steps {
                let rows = [servers("c", &vec![0; canaries]), servers("s", &vec![0; stables])].concat();
                let rows = with(&rows, &weights(&rows, &Shares::split(pool("c"), from, pool("s"))).unwrap());
                let wanted = weights(&rows, &Shares::split(pool("c"), to, pool("s"))).unwrap();
                let order = order(&rows, &wanted);
                let most = |pool: &str| if pool == "c" { from.max(to) } else { 100 - from.min(to) };
                let spared = match most("c").cmp(&most("s")) {
                    Ordering::Less => "c",
                    Ordering::Greater => "s",
                    Ordering::Equal => {
                        if from > to {
                            "c"
                        } else {
                            "s"
                        }
                    }
                };
                let most = most(spared);
                for done in 0..=order.len() {
                    let now = with(&rows, &order[..done]);
                    let all = sum(&now, "c") + sum(&now, "s");
                    assert!(all > 0, "{from} to {to}: nothing left after {done}");
                    assert!(sum(&now, spared) * 100 <= u64::from(most) * all, "{from} to {to}: raised after {done}");
                }
            }
        }
    }
}

#[test]
fn an_abort_only_ever_lowers_the_canary() {
    for from in 1..=100 {
        let rows = [servers("c", &[0; 2]), servers("s", &[0; 3])].concat();
        let rows = with(&rows, &weights(&rows, &Shares::split(pool("c"), from, pool("s"))).unwrap());
        let order = order(&rows, &weights(&rows, &Shares::all_to(pool("s"))).unwrap());
        let mut before = (sum(&rows, "c"), sum(&rows, "c") + sum(&rows, "s"));
        for done in 1..=order.len() {
            let now = with(&rows, &order[..done]);
            let now = (sum(&now, "c"), sum(&now, "c") + sum(&now, "s"));
            assert!(now.0 * before.1 <= before.0 * now.1, "from {from} %, after {done}");
            before = now;
        }
        assert_eq!(before.0, 0);
    }
}
