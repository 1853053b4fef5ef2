//! Reads `roles`: those that a file changes, and those that it adds.

use std::collections::BTreeMap;

use super::keys::{ROLE, ROLES_MAX, VERIFY};
use super::values::{prompt, role_name, tools};
use crate::agent::{BUILT_IN, RoleName, Tool};
use crate::config::Role;
use crate::config::keys::{listed, nearest};
use crate::config::parse::{Fields, Reader};
use crate::config::tree::{Node, Place, Value, quoted};

/// The roles that steps can name.
#[derive(Default)]
pub(super) struct Roles {
    /// Those of the file.
    own: BTreeMap<RoleName, Role>,
    /// Names of those of the file that could not be read, which has been said.
    wrong: Vec<String>,
}

impl Roles {
    /// The role of a name; what there is instead has been said where there is none.
    pub(super) fn named(&self, reader: &mut Reader, place: Place, name: &str) -> Option<Role> {
        if self.wrong.iter().any(|wrong| wrong == name) {
            return None;
        }
        let known = name.parse::<RoleName>().ok();
        if let Some(role) = known.as_ref().and_then(|name| self.own.get(name).cloned().or_else(|| built_in(name))) {
            return Some(role);
        }
        if reader.is_full() {
            return None;
        }
        let names = || BUILT_IN.iter().map(|role| role.name).chain(self.own.keys().map(RoleName::as_str)).chain([VERIFY]);
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}; `roles` can add one", listed(names())),
        };
        reader.wrong(place, format!("unknown role {}; {hint}", quoted(name)));
        None
    }
}

fn built_in(name: &RoleName) -> Option<Role> {
    let role = name.built_in()?;
    Some(Role { name: name.clone(), prompt: None, tools: role.tools.to_vec() })
}

/// Reads the roles of a file.
pub(super) fn roles(reader: &mut Reader, of_file: &Fields<'_>) -> Roles {
    let mut roles = Roles::default();
    let Some(node) = of_file.get("roles") else { return roles };
    let Value::Mapping(entries) = &node.value else {
        reader.wrong(node.place, format!("expected a mapping of roles by their names, found {node}"));
        return roles;
    };
    if let Some(entry) = entries.get(ROLES_MAX) {
        reader.wrong(entry.place, format!("{} roles; a file may have {ROLES_MAX}", entries.len()));
    }
    for entry in entries.iter().take(ROLES_MAX) {
        match role(reader, &entry.key, entry.place, &entry.value) {
            Some(role) => drop(roles.own.insert(role.name.clone(), role)),
            None => roles.wrong.push(entry.key.clone()),
        }
    }
    roles
}

fn role(reader: &mut Reader, name: &str, place: Place, node: &Node) -> Option<Role> {
    let name = role_name(reader, place, name)?;
    if name.as_str() == VERIFY {
        reader.wrong(place, "`verify` is the step in which gates look; give the role another name");
        return None;
    }
    let fields = reader.fields(node, &ROLE)?;
    if fields.is_empty() && fields.is_right() && name.built_in().is_some() {
        reader.wrong(node.place, format!("this changes nothing of the role `{name}`; it needs `prompt` or `tools`"));
    }
    if name.built_in().is_none() {
        let rule = format!("the role `{name}` is not built in, so it needs a `prompt`");
        let hint = nearest(name.as_str(), BUILT_IN.iter().map(|role| role.name));
        let hint = hint.map(|near| format!("; or did you mean `{near}`?")).unwrap_or_default();
        reader.lacks(place, &fields, "prompt", format!("{rule}{hint}"));
    }
    let usual = || name.built_in().map_or_else(|| Tool::READING.to_vec(), |role| role.tools.to_vec());
    Some(Role {
        prompt: fields.get("prompt").and_then(|node| prompt(reader, node)),
        tools: fields.get("tools").map_or_else(usual, |node| tools(reader, node)),
        name,
    })
}
