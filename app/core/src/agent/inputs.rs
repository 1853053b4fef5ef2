//! What whoever starts a pipeline may give it beside the task: named values that the repository file declares.
//!
//! In a slash command they stand before the task, as `NAME=VALUE` or `NAME="SEVERAL WORDS"`. Pure.

use std::collections::BTreeMap;

use crate::config::{PipelineInput, listed, nearest};
use crate::ids::InputName;

/// A value may have so many bytes: it is a word, a path or a sentence, and what is longer is the task.
pub const VALUE_BYTES_MAX: usize = 1_000;

/// What inputs are in a run, those with a default that nobody gave too.
pub type Inputs = BTreeMap<InputName, String>;

/// What is wrong with a value. None: nothing.
pub fn wrong_value(value: &str) -> Option<String> {
    if value.trim().is_empty() {
        Some("it is empty".to_owned())
    } else if value.len() > VALUE_BYTES_MAX {
        Some(format!("it has {} bytes, and may have {VALUE_BYTES_MAX}", value.len()))
    } else if value.chars().any(|c| c.is_control() || crate::unseen::is_unseen(c)) {
        Some("it holds line breaks or characters that nobody sees".to_owned())
    } else {
        None
    }
}

/// The inputs at the beginning of what somebody wrote, and what is left of it: the task. Of a pipeline that declares none all of it is.
pub fn of_words<'t>(declared: &[PipelineInput], words: &'t str) -> Result<(Inputs, &'t str), String> {
    let mut given = Inputs::new();
    let mut rest = words.trim_start();
    if declared.is_empty() {
        return Ok((given, rest));
    }
    while let Some((name, value, after)) = first(rest)? {
        let name = known(declared, name)?;
        if given.contains_key(&name) {
            return Err(format!("the input `{name}` is given twice"));
        }
        given.insert(name, value.to_owned());
        rest = after;
    }
    Ok((given, rest))
}

/// The input that a text begins with: its name, its value, and what comes after it.
fn first(text: &str) -> Result<Option<(&str, &str, &str)>, String> {
    let Some((name, after)) = text.split_once('=') else { return Ok(None) };
    if name.parse::<InputName>().is_err() {
        return Ok(None);
    }
    if let Some(quoted) = after.strip_prefix('"') {
        let Some((value, rest)) = quoted.split_once('"') else {
            return Err(format!("the value of the input `{name}` begins with `\"` and has no end"));
        };
        return Ok(Some((name, value, rest.trim_start())));
    }
    let end = after.find(char::is_whitespace).unwrap_or(after.len());
    Ok(Some((name, &after[..end], after[end..].trim_start())))
}

/// The name of an input that is declared.
fn known(declared: &[PipelineInput], name: &str) -> Result<InputName, String> {
    let names = || declared.iter().map(|input| input.name.as_str());
    declared.iter().find(|input| input.name.as_str() == name).map(|input| input.name.clone()).ok_or_else(|| {
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if declared.is_empty() => "it takes none".to_owned(),
            None => format!("there are {}", listed(names())),
        };
        format!("the pipeline has no input `{name}`; {hint}")
    })
}

/// What the inputs of a pipeline are where somebody has given these.
pub fn resolved(declared: &[PipelineInput], given: &Inputs) -> Result<Inputs, String> {
    for name in given.keys() {
        known(declared, name.as_str())?;
    }
    declared.iter().map(|input| Ok((input.name.clone(), value(input, given.get(&input.name))?))).collect()
}

fn value(input: &PipelineInput, given: Option<&String>) -> Result<String, String> {
    let name = &input.name;
    let Some(value) = given.or(input.default.as_ref()) else {
        let what = input.description.as_deref().map(|what| format!(" ({what})")).unwrap_or_default();
        return Err(format!("the input `{name}`{what} has to be given, as `{name}=...`"));
    };
    if let Some(cause) = wrong_value(value) {
        return Err(format!("the input `{name}` cannot be this: {cause}"));
    }
    if !input.options.is_empty() && !input.options.contains(value) {
        let options = listed(input.options.iter().map(String::as_str));
        return Err(format!("the input `{name}` is one of {options}"));
    }
    Ok(value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> Vec<PipelineInput> {
        let input = |name: &str, default: Option<&str>, options: &[&str]| PipelineInput {
            name: name.parse().expect("a name"),
            description: (name == "area").then(|| "where to look".to_owned()),
            default: default.map(str::to_owned),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
        };
        vec![input("area", None, &[]), input("focus", Some("safety"), &["safety", "speed"])]
    }

    /// What the inputs come to, and the task.
    fn said(words: &str) -> Result<(String, String), String> {
        let (given, task) = of_words(&declared(), words)?;
        let inputs = resolved(&declared(), &given)?;
        Ok((inputs.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", "), task.to_owned()))
    }

    #[test]
    fn inputs_stand_before_the_task() {
        let right = |words: &str| said(words).expect(words);
        assert_eq!(right("area=src/ make it so"), ("area: src/, focus: safety".to_owned(), "make it so".to_owned()));
        assert_eq!(
            right(" focus=speed  area=\"the first floor\"\nwhere a=b holds"),
            ("area: the first floor, focus: speed".to_owned(), "where a=b holds".to_owned())
        );
        assert_eq!(right("area=x"), ("area: x, focus: safety".to_owned(), String::new()));
        assert_eq!(right("area=a=b 1 + 1 = 2"), ("area: a=b, focus: safety".to_owned(), "1 + 1 = 2".to_owned()));
    }

    #[test]
    fn what_is_no_input_of_the_pipeline_or_no_value_of_it_is_told() {
        let wrong = |words: &str| said(words).expect_err(words);
        assert_eq!(wrong("make it so"), "the input `area` (where to look) has to be given, as `area=...`");
        assert_eq!(wrong("aera=src x"), "the pipeline has no input `aera`; did you mean `area`?");
        assert_eq!(wrong("somewhere-else=src x"), "the pipeline has no input `somewhere-else`; there are `area` and `focus`");
        assert_eq!(wrong("area=a area=b"), "the input `area` is given twice");
        assert_eq!(wrong("area=a focus=beauty"), "the input `focus` is one of `safety` and `speed`");
        assert_eq!(wrong("area=\"src and no end"), "the value of the input `area` begins with `\"` and has no end");
        assert_eq!(wrong("area= x"), "the input `area` cannot be this: it is empty");
        assert_eq!(
            wrong("area=a\u{200b}b x"),
            "the input `area` cannot be this: it holds line breaks or characters that nobody sees"
        );
        let long = format!("area={}", "x".repeat(1_001));
        assert_eq!(wrong(&long), "the input `area` cannot be this: it has 1001 bytes, and may have 1000");
    }

    #[test]
    fn a_pipeline_without_inputs_takes_all_as_its_task() {
        assert_eq!(of_words(&[], " a=b c"), Ok((Inputs::new(), "a=b c")));
        let given = [("a".parse().expect("a name"), "b".to_owned())].into();
        assert_eq!(resolved(&[], &given), Err("the pipeline has no input `a`; it takes none".to_owned()));
    }
}
