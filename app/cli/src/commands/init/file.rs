//! Writes the repository file: by hand rather than by a library, since its comments are half of its use.

use std::fmt::Write;

use super::detect::{Found, Gate};

const HEAD: &str = "\
# What has to hold before a change is merged. Each gate is a command in a fresh container that has the commit's files.
# `gatewright run` runs them on the working tree, `gatewright check` finds mistakes in this file, and `gatewright schema`
# prints what an editor needs to help with it.
";

/// The file's text.
pub(super) fn render(found: &Found) -> String {
    let mut text = HEAD.to_owned();
    let common = common_image(found);
    if let Some(image) = common {
        let _ = write!(text, "\nimage: {}\n", scalar(image));
    }
    text.push_str("\ngates:\n");
    for (i, gate) in found.gates.iter().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        push_gate(&mut text, gate, common);
    }
    text
}

/// The image of most gates.
fn common_image(found: &Found) -> Option<&str> {
    let count = |image: &str| found.gates.iter().filter(|gate| gate.image == image).count();
    let images = found.gates.iter().map(|gate| gate.image.as_str());
    // The first of those that are as many.
    images.rev().max_by_key(|image| count(image))
}

fn push_gate(text: &mut String, gate: &Gate, common: Option<&str>) {
    // Writing to a text does not fail.
    for line in &gate.about {
        let _ = writeln!(text, "  # {line}");
    }
    let _ = writeln!(text, "  {}:", gate.name);
    if common != Some(gate.image.as_str()) {
        let _ = writeln!(text, "    image: {}", scalar(&gate.image));
    }
    if !gate.env.is_empty() {
        text.push_str("    env:\n");
        for (name, value) in &gate.env {
            let _ = writeln!(text, "      {name}: {}", scalar(value));
        }
    }
    match gate.run.as_slice() {
        [one] => {
            let _ = writeln!(text, "    run: {}", scalar(one));
        }
        several => {
            text.push_str("    run: |\n      set -e\n");
            for line in several {
                let _ = writeln!(text, "      {line}");
            }
        }
    }
    push_rest(text, gate);
}

fn push_rest(text: &mut String, gate: &Gate) {
    if let Some(glob) = &gate.junit {
        let _ = writeln!(text, "    junit: {}", scalar(glob));
    }
    if let Some(glob) = &gate.tests {
        let _ = writeln!(text, "    tests: {}", scalar(glob));
    }
    if let Some(timeout) = gate.timeout {
        let _ = writeln!(text, "    timeout: {timeout}");
    }
    if gate.network {
        text.push_str("    # It fetches what the project depends on. An image that has it needs no network, and is faster.\n");
        text.push_str("    network: true\n");
    }
    if gate.advisory {
        text.push_str("    required: false\n");
    }
}

/// A text as YAML has it: as it is where that cannot be taken for something else.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./ =,@+".contains(c) || c == ':';
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '.');
    let is_word = matches!(text, "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n");
    if begins && text.chars().all(plain) && !text.contains(": ") && !text.ends_with([':', ' ']) && !is_word {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "''"))
}
