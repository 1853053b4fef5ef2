//! Names that a repository file gives: one rule for all of them, and a type for each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{InvalidId, invalid};

const RULE: &str = "1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'";

fn is_valid(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=60).contains(&name.len()) && !name.starts_with(['-', '.']) && name.chars().all(plain)
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The rule in words, for error texts.
            pub const RULE: &'static str = RULE;

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(s: &str) -> Result<Self, InvalidId> {
                if is_valid(s) { Ok($name(s.to_owned())) } else { Err(invalid($what, s, RULE)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(s: String) -> Result<Self, InvalidId> {
                s.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A gate's name: 1 to 60 letters, digits, `-`, `_` or `.`, not starting with `-` or `.`.
    GateName,
    "gate name"
);

name!(
    /// An environment's name: 1 to 60 letters, digits, `-`, `_` or `.`, not starting with `-` or `.`.
    EnvironmentName,
    "environment name"
);

name!(
    /// A name of a pipeline of agents: 1 to 60 letters, digits, `-`, `_` or `.`, not starting with `-` or `.`.
    PipelineName,
    "pipeline name"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain_and_no_option_and_no_hidden_file() {
        for good in ["a", "unit-tests_2.0", &"x".repeat(60)] {
            assert!(good.parse::<GateName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "ä", &"x".repeat(61)] {
            assert!(bad.parse::<GateName>().is_err(), "{bad}");
        }
        let error = "a b".parse::<EnvironmentName>().expect_err("it has a space");
        assert!(error.to_string().starts_with("environment name \"a b\" is not valid: 1 to 60 "), "{error}");
    }
}
