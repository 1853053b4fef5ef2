//! The anchors of a Markdown file, as forges make them from its headings.

use std::collections::{HashMap, HashSet};

/// Collects anchors.
#[derive(Default)]
pub(super) struct Slugs {
    all: HashSet<String>,
    times: HashMap<String, usize>,
}

impl Slugs {
    /// A heading with this text. A second one of the same text gets a number.
    pub(super) fn heading(&mut self, text: &str) {
        let slug = slug(text);
        let times = self.times.entry(slug.clone()).or_default();
        let numbered = if *times == 0 { slug } else { format!("{slug}-{times}") };
        *times += 1;
        // GitLab makes one hyphen of several.
        self.all.insert(squeezed(&numbered));
        self.all.insert(numbered);
    }

    /// An anchor that the file names itself.
    pub(super) fn named(&mut self, name: &str) {
        self.all.insert(name.to_lowercase());
    }

    /// Whether a link's fragment leads to one of them.
    pub(super) fn has(&self, fragment: &str) -> bool {
        let fragment = fragment.to_lowercase();
        let fragment = fragment.strip_prefix("user-content-").unwrap_or(&fragment);
        fragment.is_empty() || fragment == "top" || self.all.contains(fragment)
    }
}

fn slug(text: &str) -> String {
    let keep = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    text.trim().to_lowercase().chars().filter(keep).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn squeezed(slug: &str) -> String {
    slug.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_anchors_as_on_the_forges() {
        let mut slugs = Slugs::default();
        for heading in ["What's new?", "A & B", "`run` it", "Übersicht", "Twice", "Twice"] {
            slugs.heading(heading);
        }
        for anchor in ["whats-new", "a--b", "a-b", "run-it", "übersicht", "twice", "twice-1", "Twice-1"] {
            assert!(slugs.has(anchor), "{anchor}");
        }
        assert!(!slugs.has("twice-2") && !slugs.has("run"));
    }
}
