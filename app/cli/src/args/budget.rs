//! A budget, as it is written on the command line.

use std::str::FromStr;

use gatewright_core::config::Budget;

/// The limits of a repository file's `budget`: what is more is a slip of the finger.
const USD_MAX: u64 = 1_000;
const TOKENS: (u64, u64) = (1_000, 1_000_000_000);
const TURNS_MAX: u32 = 500;
const MINUTES_MAX: u64 = 24 * 60;

/// A millionth of a US dollar has so many decimals.
const MICRO_DECIMALS: usize = 6;

/// What is to be other than the file says. None: as there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BudgetArg {
    /// Millionths of a US dollar; within, None is no limit.
    micro_usd: Option<Option<u64>>,
    tokens: Option<u64>,
    turns: Option<u32>,
    secs: Option<u64>,
}

impl BudgetArg {
    /// The budget with these limits over it.
    pub(crate) fn over(self, budget: Budget) -> Budget {
        Budget {
            micro_usd: self.micro_usd.unwrap_or(budget.micro_usd),
            tokens: self.tokens.unwrap_or(budget.tokens),
            turns: self.turns.unwrap_or(budget.turns),
            secs: self.secs.unwrap_or(budget.secs),
        }
    }
}

impl FromStr for BudgetArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = BudgetArg::default();
        for part in text.split(',').map(str::trim) {
            // A number alone is money.
            let (name, value) = part.split_once('=').unwrap_or(("usd", part));
            let twice = match name.trim() {
                "usd" => all.micro_usd.replace(usd(value.trim())?).is_some(),
                "tokens" => all.tokens.replace(whole(name, value, TOKENS.0, TOKENS.1)?).is_some(),
                "turns" => {
                    let turns = whole(name, value, 1, u64::from(TURNS_MAX))?;
                    all.turns.replace(u32::try_from(turns).unwrap_or(TURNS_MAX)).is_some()
                }
                "minutes" => all.secs.replace(60 * whole(name, value, 1, MINUTES_MAX)?).is_some(),
                other => return Err(format!("a budget has no `{other}`; it has usd, tokens, turns and minutes")),
            };
            if twice {
                return Err(format!("`{name}` is there twice"));
            }
        }
        Ok(all)
    }
}

fn whole(name: &str, value: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = value.trim().parse::<u64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("`{name}` is a whole number from {least} to {most}"))
}

/// US dollars, in millionths. None: no limit.
fn usd(text: &str) -> Result<Option<u64>, String> {
    if text == "none" {
        return Ok(None);
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let valid = !whole.is_empty() && digits(whole) && digits(part) && part.len() <= MICRO_DECIMALS;
    let micro = format!("{whole}{part:0<MICRO_DECIMALS$}").parse::<u64>().ok().filter(|_| valid);
    let micro = micro.filter(|micro| (10_000..=USD_MAX * 1_000_000).contains(micro));
    micro
        .map(Some)
        .ok_or_else(|| format!("money is US dollars from 0.01 to {USD_MAX}, such as `1.50`, or `usd=none` for no limit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(text: &str) -> Budget {
        text.parse::<BudgetArg>().expect("it is a budget").over(Budget::default())
    }

    #[test]
    fn a_number_alone_is_money_and_the_rest_stays() {
        assert_eq!(over("1.5"), Budget { micro_usd: Some(1_500_000), ..Budget::default() });
        assert_eq!(over("usd=none, turns=3"), Budget { micro_usd: None, turns: 3, ..Budget::default() });
        assert_eq!(over("minutes=2,tokens=5000"), Budget { secs: 120, tokens: 5_000, ..Budget::default() });
        assert_eq!(over("0.25,turns=500"), Budget { micro_usd: Some(250_000), turns: 500, ..Budget::default() });
    }

    #[test]
    fn what_is_no_budget_is_refused_with_what_would_be_one() {
        for wrong in [
            "",
            "0",
            "0.001",
            "1001",
            "1.1234567",
            "-1",
            "usd=",
            "turns=0",
            "turns=501",
            "tokens=1",
            "minutes=x",
            "cents=5",
            "1,2",
        ] {
            assert!(wrong.parse::<BudgetArg>().is_err(), "{wrong}");
        }
        assert_eq!(
            "cents=5".parse::<BudgetArg>(),
            Err("a budget has no `cents`; it has usd, tokens, turns and minutes".to_owned())
        );
    }
}
