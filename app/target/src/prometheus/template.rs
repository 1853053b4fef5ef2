//! Queries with places for the names of what is measured.

use std::str::FromStr;

use gatewright_core::target::{Place, PoolId};

/// A query may have so many characters.
const LENGTH_MAX: usize = 2000;

/// A query in which `{{ pool }}`, `{{ service }}` and `{{ environment }}` stand for names. It names the pool, or it would measure all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Pool,
    Service,
    Environment,
}

/// A text that is no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// It stands for nothing.
    #[error("`{{{{ {0} }}}}` is not known; a query may have `{{{{ pool }}}}`, `{{{{ service }}}}` and `{{{{ environment }}}}`")]
    Unknown(String),
    /// It is not ended.
    #[error("a `{{{{` has no `}}}}`")]
    Open,
    /// Every pool would get the same numbers.
    #[error("it has no `{{{{ pool }}}}`, so it cannot tell versions apart")]
    NoPool,
    /// It is too long.
    #[error("it has more than {LENGTH_MAX} characters")]
    Long,
}

impl FromStr for Query {
    type Err = InvalidQuery;
    fn from_str(text: &str) -> Result<Self, InvalidQuery> {
        if text.len() > LENGTH_MAX {
            return Err(InvalidQuery::Long);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or(InvalidQuery::Open)?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(match name.trim() {
                "pool" => Part::Pool,
                "service" => Part::Service,
                "environment" => Part::Environment,
                other => return Err(InvalidQuery::Unknown(other.chars().take(40).collect())),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        if parts.contains(&Part::Pool) { Ok(Query(parts)) } else { Err(InvalidQuery::NoPool) }
    }
}

impl Query {
    /// The query of a pool.
    pub(super) fn fill(&self, place: &Place, pool: &PoolId) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Pool => quoted(pool.as_str()),
            Part::Service => quoted(&place.service),
            Part::Environment => quoted(place.environment.as_str()),
        };
        self.0.iter().map(part).collect()
    }
}

/// As it stands in a text of PromQL.
fn quoted(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use gatewright_core::{ForgeKind, RepoRef};

    use super::*;

    #[test]
    fn names_are_filled_in_so_that_they_stay_texts() {
        let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "o/a".to_owned(), installation: None };
        let place = Place { repo, environment: "production".parse().unwrap(), service: "we\"b".to_owned() };
        let query: Query = r#"sum(x{pool="{{ pool }}", s="{{service}}"})"#.parse().unwrap();
        assert_eq!(query.fill(&place, &"1.0".parse().unwrap()), r#"sum(x{pool="1.0", s="we\"b"})"#);
    }

    #[test]
    fn a_query_that_cannot_be_right_is_refused() {
        assert_eq!("sum(x)".parse::<Query>(), Err(InvalidQuery::NoPool));
        assert_eq!("{{ pool".parse::<Query>(), Err(InvalidQuery::Open));
        assert_eq!("{{ pol }}".parse::<Query>(), Err(InvalidQuery::Unknown("pol".to_owned())));
        assert_eq!("x".repeat(2001).parse::<Query>(), Err(InvalidQuery::Long));
    }
}
