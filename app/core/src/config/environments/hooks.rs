//! Reads `hooks`.

use super::keys::{HOOK_KEYS, HOOKS, HOOKS_MAX};
use super::values;
use crate::config::parse::Reader;
use crate::config::tree::Node;
use crate::config::values::{command, env, image, one_or_more, span_secs};
use crate::config::{Hook, Hooks};
use crate::ids::GateName;

/// Reads the hooks of an environment. `of_file` is the image of those that name none.
pub(super) fn hooks(reader: &mut Reader, node: &Node, of_file: Option<&str>) -> Option<Hooks> {
    let fields = reader.fields(node, &HOOKS)?;
    if fields.is_empty() && fields.is_right() {
        reader.wrong(node.place, "`hooks` has none; it needs `before`, `preview` or `after`");
    }
    let mut names = Vec::new();
    let mut of = |key| fields.get(key).map(|node| some(reader, node, of_file, &mut names)).unwrap_or_default();
    Some(Hooks { before: of("before"), preview: of("preview"), after: of("after") })
}

fn some(reader: &mut Reader, node: &Node, of_file: Option<&str>, names: &mut Vec<GateName>) -> Vec<Hook> {
    let all = one_or_more(reader, node, "a hook with `name` and `run`, or a list of them", HOOKS_MAX);
    all.into_iter().filter_map(|node| hook(reader, node, of_file, names)).collect()
}

fn hook(reader: &mut Reader, node: &Node, of_file: Option<&str>, names: &mut Vec<GateName>) -> Option<Hook> {
    let fields = reader.fields(node, &HOOK_KEYS)?;
    reader.lacks(node.place, &fields, "name", "the hook has no `name`; its log is found by it");
    reader.lacks(node.place, &fields, "run", "the hook has no `run`; it needs a command");
    if of_file.is_none() {
        reader.lacks(node.place, &fields, "image", "the hook has no `image`, and neither has the file; one of them needs it");
    }
    let name = fields.get("name").and_then(|node| Some((values::name(reader, node, "a hook")?, node.place)));
    if let Some((name, place)) = &name {
        if names.contains(name) {
            reader.wrong(*place, format!("the environment has two hooks `{name}`; their logs are found by their names"));
        }
        names.push(name.clone());
    }
    let run = fields.get("run").and_then(|node| command(reader, node));
    let of_hook = fields.get("image").map(|node| image(reader, node));
    let hook = Hook {
        env: fields.get("env").map(|node| env(reader, node)).unwrap_or_default(),
        timeout_secs: fields.get("timeout").and_then(|node| span_secs(reader, node)),
        network: reader.flag(&fields, "network", false),
        image: of_hook.unwrap_or_else(|| of_file.map(str::to_owned)).unwrap_or_default(),
        name: name?.0,
        run: run?,
    };
    Some(hook)
}
