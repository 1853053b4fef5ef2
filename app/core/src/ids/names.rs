//! Names that a repository file gives: a type for each, and one rule for most of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{InvalidId, invalid};

const RULE: &str = "1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'";

fn is_valid(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=60).contains(&name.len()) && !name.starts_with(['-', '.']) && name.chars().all(plain)
}

/// What roles and inputs of agents are called: stricter, since the ones name templates and the others make variables.
const SMALL_RULE: &str = "1 to 40 lower-case letters, digits or '-', not starting with '-'";

fn is_small(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=40).contains(&name.len()) && !name.starts_with('-') && name.chars().all(plain)
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        name!($(#[$doc])* $name, $what, RULE, is_valid);
    };
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:expr, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The rule in words, for error texts.
            pub const RULE: &'static str = $rule;

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(s: &str) -> Result<Self, InvalidId> {
                if $is_valid(s) { Ok($name(s.to_owned())) } else { Err(invalid($what, s, $rule)) }
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

name!(
    /// A role's name: one that is built in, or one of the repository file.
    RoleName,
    "role",
    SMALL_RULE,
    is_small
);

name!(
    /// The name of something that whoever starts a pipeline of agents may give it.
    InputName,
    "input name",
    SMALL_RULE,
    is_small
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_roles_and_inputs_are_called_is_written_in_small_letters() {
        for good in ["a", "5", "security-review", &"x".repeat(40)] {
            assert!(good.parse::<RoleName>().is_ok() && good.parse::<InputName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a.b", &"x".repeat(41)] {
            assert!(bad.parse::<RoleName>().is_err() && bad.parse::<InputName>().is_err(), "{bad}");
        }
    }

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
