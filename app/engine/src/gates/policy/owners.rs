//! `CODEOWNERS`: who owns which files, as GitHub and GitLab read it.

use gatewright_core::command::Who;
use globset::{GlobBuilder, GlobMatcher};

/// Where such a file can lie; the first that there is counts.
pub(super) const PATHS: [&str; 4] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"];

/// So many lines are read. What is beyond owns nothing.
const LINES_MAX: usize = 10_000;

/// Sections of rules. GitHub knows one only.
pub(super) struct Owners {
    sections: Vec<Section>,
}

#[derive(Default)]
struct Section {
    /// Approval is not asked for.
    optional: bool,
    /// Who owns what names nobody.
    usual: Vec<Who>,
    rules: Vec<OwnerRule>,
}

struct OwnerRule {
    globs: Vec<GlobMatcher>,
    owners: Vec<Who>,
}

impl Owners {
    pub(super) fn read(text: &str) -> Owners {
        let mut sections = vec![Section::default()];
        for line in text.lines().take(LINES_MAX).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(section) = section(line) {
                sections.push(section);
                continue;
            }
            let mut words = words(line).into_iter();
            let Some(pattern) = words.next() else { continue };
            let owners = owners(words);
            let Some(section) = sections.last_mut() else { continue };
            let owners = if owners.is_empty() { section.usual.clone() } else { owners };
            section.rules.push(OwnerRule { globs: globs(&pattern), owners });
        }
        Owners { sections }
    }

    /// The owners of a file, of each section that asks for one of its own. The last rule that matches counts.
    pub(super) fn of(&self, path: &str) -> Vec<&[Who]> {
        let of_section =
            |section: &'_ Section| section.rules.iter().rposition(|rule| rule.globs.iter().any(|glob| glob.is_match(path)));
        let asked = self.sections.iter().filter(|section| !section.optional);
        let found = asked.filter_map(|section| Some(section.rules[of_section(section)?].owners.as_slice()));
        found.filter(|owners| !owners.is_empty()).collect()
    }

    /// All teams that own something.
    pub(super) fn teams(&self) -> Vec<String> {
        let all = self.sections.iter().flat_map(|section| &section.rules).flat_map(|rule| &rule.owners);
        let mut teams: Vec<String> = all
            .filter_map(|who| match who {
                Who::Team(team) => Some(team.clone()),
                Who::User(_) | Who::Role(_) => None,
            })
            .collect();
        teams.sort_unstable();
        teams.dedup();
        teams
    }
}

/// `[Section][2] @owner`, `^[Optional section]`
fn section(line: &str) -> Option<Section> {
    let optional = line.starts_with('^');
    let rest = line.strip_prefix('^').unwrap_or(line).strip_prefix('[')?;
    let (_, rest) = rest.split_once(']')?;
    // How many have to approve is a setting of the forge's own rules.
    let rest = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(rest, |(_, rest)| rest);
    Some(Section { optional, usual: owners(words(rest).into_iter()), rules: Vec::new() })
}

fn owners(words: impl Iterator<Item = String>) -> Vec<Who> {
    // What follows `#` is a comment; an address is nobody that a forge could tell by an approval.
    words.take_while(|word| !word.starts_with('#')).filter_map(|word| Who::named(&word)).collect()
}

/// Words between white space, of which a backslash takes its meaning.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, words.last_mut()) {
            ('\\', Some(word)) => word.extend(chars.next()),
            (c, _) if c.is_whitespace() => words.push(String::new()),
            (c, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What a pattern means, which is written as in `.gitignore`.
fn globs(pattern: &str) -> Vec<GlobMatcher> {
    let bare = pattern.trim_matches('/');
    let anchored = pattern.starts_with('/') || bare.contains('/');
    let base = if anchored { bare.to_owned() } else { format!("**/{bare}") };
    // A folder owns what lies in it, but `docs/*` does not go below.
    let below = format!("{base}/**");
    let all = match (pattern.ends_with('/'), pattern.ends_with('*')) {
        (true, _) => vec![below],
        (false, true) => vec![base],
        (false, false) => vec![base, below],
    };
    all.iter().filter_map(|glob| Some(GlobBuilder::new(glob).literal_separator(true).build().ok()?.compile_matcher())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, path: &str) -> Vec<Vec<String>> {
        let name = |who: &Who| match who {
            Who::User(name) | Who::Team(name) => name.clone(),
            Who::Role(_) => "a role".to_owned(),
        };
        Owners::read(text).of(path).iter().map(|owners| owners.iter().map(name).collect()).collect()
    }

    #[test]
    fn the_last_rule_that_matches_counts() {
        let text = "# who\n*  @all # everybody\n*.js @js @octo/web\n/docs/ @docs\napps/ @apps\nlib/* @lib\n/docs/free.md\nwith\\ space.md @space\n";
        assert_eq!(of(text, "x/a.rs"), [["all"]]);
        assert_eq!(of(text, "x/a.js"), [["js", "octo/web"]]);
        assert_eq!(of(text, "docs/deep/a.md"), [["docs"]]);
        assert_eq!(of(text, "x/docs/a.md"), [["all"]]);
        assert_eq!(of(text, "x/apps/a"), [["apps"]]);
        assert_eq!(of(text, "lib/a"), [["lib"]]);
        assert_eq!(of(text, "lib/deep/a"), [["all"]]);
        assert_eq!(of(text, "docs/free.md"), Vec::<Vec<String>>::new(), "nobody owns it");
        assert_eq!(of(text, "with space.md"), [["space"]]);
    }

    #[test]
    fn sections_ask_each_for_itself() {
        let text = "[Docs] @docs\n*.md\n\n^[Hints]\n* @hints\n\n[Core][2]\nsrc/ @core\n*.md @texts\n";
        assert_eq!(of(text, "src/a.md"), [["docs"], ["texts"]]);
        assert_eq!(of(text, "src/a.rs"), [["core"]]);
        assert_eq!(of(text, "a"), Vec::<Vec<String>>::new());
        assert_eq!(Owners::read("* @octo/b @octo/a @c\nx @octo/a\n").teams(), ["octo/a", "octo/b"]);
    }
}
