//! The files by which a step tells the runner what came of it: outputs and the job's summary.

/// The text that sets outputs, for the file that `GITHUB_OUTPUT` names. Each value lies between delimiters that nobody can
/// guess (`random` must be fresh), so that no value can end itself and set another output.
///
/// # Errors
/// Where a value has the delimiter in it all the same: then it knows what it should not.
pub fn outputs(values: &[(&str, &str)], random: &str) -> Result<String, GuessedDelimiter> {
    let delimiter = format!("gatewright_{random}");
    let mut text = String::new();
    for (name, value) in values {
        if value.contains(&delimiter) || name.contains(&delimiter) {
            return Err(GuessedDelimiter { output: (*name).to_owned() });
        }
        text.push_str(&format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
    }
    Ok(text)
}

/// An output has in it what only we should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the output `{output}` has a delimiter in it that was made up just now; it is not written")]
pub struct GuessedDelimiter {
    /// Its name.
    pub output: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_itself_and_set_another_output() {
        let text = outputs(&[("verdict", "passed"), ("counts", "{}\nEOF\nverdict=failed")], "a1b2");
        insta::assert_snapshot!(text.expect("nothing is guessed"), @"
        verdict<<gatewright_a1b2
        passed
        gatewright_a1b2
        counts<<gatewright_a1b2
        {}
        EOF
        verdict=failed
        gatewright_a1b2
        ");
    }

    #[test]
    fn a_guessed_delimiter_is_refused() {
        let guessed = outputs(&[("verdict", "x\ngatewright_a1b2\nverdict=passed")], "a1b2");
        assert_eq!(guessed, Err(GuessedDelimiter { output: "verdict".to_owned() }));
    }
}
