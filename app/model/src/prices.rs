//! What models cost, as the server file says it. There is no table of ours: prices change, and a wrong one is worse than none.

use std::collections::BTreeMap;

use gatewright_core::model::Price;

/// The name that stands for all models of a provider that have no price of their own.
pub const ANY_MODEL: &str = "*";

/// The prices of a provider's models.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices(BTreeMap<String, Price>);

impl Prices {
    /// What this model costs. None where nobody has said so.
    pub fn of(&self, model: &str) -> Option<Price> {
        self.0.get(model).or_else(|| self.0.get(ANY_MODEL)).copied()
    }
}

impl FromIterator<(String, Price)> for Prices {
    fn from_iter<I: IntoIterator<Item = (String, Price)>>(prices: I) -> Self {
        Prices(prices.into_iter().collect())
    }
}
