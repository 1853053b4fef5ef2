//! Reads `show stat` and `show table`.

use std::collections::HashMap;

use gatewright_core::target::PoolId;

/// Between pool and instance in a server's name: the one sign that HAProxy takes in a name and that neither of them can hold.
const BETWEEN: char = ':';

/// Longer names of servers are refused. The template's table of latencies tells names apart up to this.
pub(super) const NAME_MAX: usize = 250;

/// The name of an instance's server. None where HAProxy could not take it.
pub(super) fn server_name(pool: &PoolId, instance: &str) -> Option<String> {
    let name = format!("{pool}{BETWEEN}{instance}");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!instance.is_empty() && instance.chars().all(plain) && name.len() <= NAME_MAX).then_some(name)
}

/// Whose server this is. None where its name is none of ours.
pub(super) fn of_name(name: &str) -> Option<(PoolId, &str)> {
    let (pool, instance) = name.split_once(BETWEEN)?;
    Some((pool.parse().ok()?, instance))
}

/// A backend, as it is now.
#[derive(Debug, Clone, Default)]
pub(super) struct Backend {
    /// Its servers, in its own order.
    pub(super) servers: Vec<Row>,
    /// How it chooses among them.
    pub(super) balance: String,
    /// Whether a cookie keeps users with their server.
    pub(super) sticky: bool,
}

/// A server, as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) status: String,
    /// What its last check came to, such as `L7OK`. Empty where there was none.
    pub(super) check: String,
    pub(super) weight: u32,
    pub(super) backup: bool,
    /// Sessions on it and in its queue.
    pub(super) in_flight: u64,
    /// How often it was chosen by weight.
    pub(super) chosen: u64,
    pub(super) counters: Counters,
}

/// A server's counters since its process began, or since it was added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Attempts at handing it a request (`stot`).
    pub(super) attempts: u64,
    /// Those of them that were repeated on the same server (`wretr`).
    pub(super) repeated: u64,
    /// Requests that went to another server, since this one did not connect (`wredis`).
    pub(super) moved: u64,
    /// Requests that were given up, since it did not connect (`econ`).
    pub(super) not_connected: u64,
    /// Answers that came (`req_tot`).
    pub(super) answered: u64,
    /// Those of them that were 5xx (`hrsp_5xx`).
    pub(super) failed: u64,
    /// Failures of answers (`eresp`): a timeout is one, a connection that is reset before its answer two, a cut answer one.
    pub(super) broken: u64,
    /// Answers that were cut off in the middle (`srv_abrt`).
    pub(super) cut: u64,
    /// Sessions on it now (`scur`).
    pub(super) sessions: u64,
}

impl Row {
    /// Whose it is.
    pub(super) fn owner(&self) -> Option<(PoolId, &str)> {
        of_name(&self.name)
    }

    /// Whether it is taken out of service.
    pub(super) fn in_maintenance(&self) -> bool {
        self.status.starts_with("MAINT")
    }

    /// Whether HAProxy sends it what its weight asks for: it is in service and has passed a check, or it had weight when HAProxy began and no
    /// check has failed since. A server that was added counts as up for HAProxy before its first check too, but has no weight then.
    pub(super) fn is_up(&self) -> bool {
        self.in_service() && (self.has_passed() || (self.weight > 0 && self.check_is_to_come()))
    }

    /// Whether its first check is still to come.
    pub(super) fn is_unchecked(&self) -> bool {
        self.in_service() && !self.is_up() && self.check_is_to_come()
    }

    fn in_service(&self) -> bool {
        ["UP", "DRAIN", "NOLB", "no check"].iter().any(|word| self.status.starts_with(word))
    }

    fn check_is_to_come(&self) -> bool {
        self.check.is_empty() || self.check.trim_start_matches("* ") == "INI"
    }

    /// Whether it is known to be down.
    pub(super) fn is_down(&self) -> bool {
        self.status.starts_with("DOWN") && !self.check.is_empty()
    }

    fn has_passed(&self) -> bool {
        let check = self.check.trim_start_matches("* ");
        check.len() >= 4 && check.starts_with('L') && check[2..].starts_with("OK")
    }
}

/// Reads `show stat BACKEND 6 -1`.
pub(super) fn backend(answer: &str) -> Option<Backend> {
    let mut lines = answer.lines().filter(|line| !line.trim().is_empty());
    let header: HashMap<String, usize> =
        fields(lines.next()?.strip_prefix("# ")?).into_iter().enumerate().map(|(at, name)| (name, at)).collect();
    let mut backend = Backend::default();
    for line in lines {
        let line = Line { header: &header, fields: fields(line) };
        match line.text("type") {
            "1" => {
                backend.balance = line.text("algo").to_owned();
                backend.sticky = !line.text("cookie").is_empty();
            }
            "2" => backend.servers.push(line.row()),
            _ => {}
        }
    }
    Some(backend)
}

struct Line<'h> {
    header: &'h HashMap<String, usize>,
    fields: Vec<String>,
}

impl Line<'_> {
    fn text(&self, name: &str) -> &str {
        self.header.get(name).and_then(|at| self.fields.get(*at)).map_or("", String::as_str)
    }

    /// What is empty, as a counter that does not apply, is zero.
    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    fn row(&self) -> Row {
        Row {
            name: self.text("svname").to_owned(),
            address: self.text("addr").to_owned(),
            status: self.text("status").to_owned(),
            check: self.text("check_status").to_owned(),
            weight: u32::try_from(self.number("uweight")).unwrap_or(0),
            backup: self.number("bck") > 0,
            in_flight: self.number("scur") + self.number("qcur"),
            chosen: self.number("lbtot"),
            counters: Counters {
                attempts: self.number("stot"),
                repeated: self.number("wretr"),
                moved: self.number("wredis"),
                not_connected: self.number("econ"),
                answered: self.number("req_tot"),
                failed: self.number("hrsp_5xx"),
                broken: self.number("eresp"),
                cut: self.number("srv_abrt"),
                sessions: self.number("scur"),
            },
        }
    }
}

/// The fields of a line of CSV. A field in quotes has its own quotes doubled.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().expect("there is one from the start").push(other),
        }
    }
    fields
}

/// Reads `show table`: of each key, the counters `gpc0`, `gpc1` and so on.
pub(super) fn table(answer: &str, counters: usize) -> HashMap<String, Vec<u64>> {
    let entry = |line: &str| {
        let words: HashMap<&str, &str> = line.split_whitespace().filter_map(|word| word.split_once('=')).collect();
        let counts = (0..counters).map(|nth| words.get(format!("gpc{nth}").as_str()).and_then(|n| n.parse().ok()).unwrap_or(0));
        Some(((*words.get("key")?).to_owned(), counts.collect()))
    };
    answer.lines().filter(|line| !line.starts_with('#')).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_after_its_pool_and_instance() {
        let pool: PoolId = "1.4.0-3f2a9c01".parse().expect("a pool");
        let name = server_name(&pool, "gw-web-1").expect("a name");
        assert_eq!(name, "1.4.0-3f2a9c01:gw-web-1");
        assert_eq!(of_name(&name), Some((pool.clone(), "gw-web-1")));
        assert_eq!(of_name("web1"), None);
        for wrong in ["", "a b", "a/b", "a:b", "a;b", &"x".repeat(240)] {
            assert_eq!(server_name(&pool, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn quoted_fields_may_hold_what_separates_fields() {
        assert_eq!(fields(r#"a,"b, ""c""",,d"#), ["a", "b, c", "", "d"]);
    }

    #[test]
    fn a_server_is_up_only_once_a_check_has_passed() {
        let row = |status: &str, check: &str| Row { status: status.to_owned(), check: check.to_owned(), ..Row::default() };
        for (status, check) in [("UP", "L7OK"), ("UP 1/2", "L4OK"), ("UP", "* L7OK"), ("DRAIN", "L7OK")] {
            assert!(row(status, check).is_up(), "{status} {check}");
        }
        for (status, check) in
            [("UP", ""), ("UP", "INI"), ("no check", ""), ("MAINT", "L7OK"), ("DOWN", "L7STS"), ("UP", "L7STS")]
        {
            assert!(!row(status, check).is_up(), "{status} {check}");
        }
    }

    #[test]
    fn a_server_that_had_weight_when_haproxy_began_is_up_until_a_check_fails() {
        let row =
            |status: &str, check: &str| Row { status: status.to_owned(), check: check.to_owned(), weight: 9, ..Row::default() };
        assert!(row("UP", "").is_up() && row("UP", "INI").is_up() && !row("UP", "INI").is_unchecked());
        assert!(!row("DOWN", "L4CON").is_up() && !row("MAINT", "").is_up() && !row("UP 1/2", "L7STS").is_unchecked());
    }

    #[test]
    fn a_table_is_read_by_its_keys() {
        let answer = "# table: t, type: string, size:10240, used:1\n0x5581: key=1.0:gw-1 use=0 exp=0 gpc0=4 gpc1=7\n\n";
        assert_eq!(table(answer, 3), HashMap::from([("1.0:gw-1".to_owned(), vec![4, 7, 0])]));
    }
}
