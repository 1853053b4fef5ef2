//! The keys of `[[model]]` and `[agents]`.

use super::{Key, OfKind, Shape, Table, key, number};

/// What a provider of models needs.
pub(in crate::server_file) static NEEDED: [&str; 1] = ["kind"];

/// A provider of models.
pub(in crate::server_file) static MODEL: Table = Table {
    what: "a provider of models",
    keys: &[
        key("name", Shape::Text, "Its name: what stands before the slash of its models' names. The kind without it."),
        key(
            "kind",
            Shape::Word {
                words: &["anthropic", "openai", "gemini", "perplexity", "ollama", "scripted"],
                default: None,
                later: &[],
            },
            "Which provider it is. `openai` is also whatever speaks the same at another `url`.",
        ),
        key("url", Shape::Url, "Where it is, where that is not the provider's own address."),
        key("key", Shape::Secret, "The key that it knows us by."),
        key("file", Shape::Text, "Of the kind `scripted`: the script, relative to this file."),
        key(
            "context_tokens",
            Shape::Number { min: 512, max: 10_000_000, default: None },
            "Of the kind `ollama`: the size of its models' context. Ollama's own is small, and what does not fit is dropped.",
        ),
        key("timeout_secs", number(1, 3600, 300), "It has so long for an answer."),
        key("concurrency", number(1, 10_000, 8), "Questions to it that are under way at once; further ones wait."),
        key("price", Shape::List(&PRICE, &PRICE_NEEDED), "What its models cost, one `[[model.price]]` each."),
    ],
};

/// The keys that only one kind of provider has.
pub(in crate::server_file) static KINDS: [OfKind; 6] = [
    OfKind { kind: "anthropic", own: &["url", "key"], needed: &["key"] },
    OfKind { kind: "openai", own: &["url", "key"], needed: &[] },
    OfKind { kind: "gemini", own: &["url", "key"], needed: &["key"] },
    OfKind { kind: "perplexity", own: &["url", "key"], needed: &["key"] },
    OfKind { kind: "ollama", own: &["url", "key", "context_tokens"], needed: &[] },
    OfKind { kind: "scripted", own: &["file"], needed: &["file"] },
];

static PRICE_NEEDED: [&str; 3] = ["model", "input", "output"];

const fn usd(name: &'static str, about: &'static str) -> Key {
    key(name, Shape::Real { min: 0.0, max: 100_000.0, default: None }, about)
}

static PRICE: Table = Table {
    what: "a price",
    keys: &[
        key("model", Shape::Text, "The model, as the provider calls it; `*` for all that have no price of their own."),
        usd("input", "US dollars for a million tokens that it is asked."),
        usd("output", "US dollars for a million tokens that it answers."),
        usd("cache_read", "The same for what of a question the provider had kept. `input` without it."),
        usd("cache_write", "The same for what of a question the provider keeps from now on. `input` without it."),
    ],
};

/// What agents may do.
pub(in crate::server_file) static AGENTS: Table = Table {
    what: "`agents`",
    keys: &[
        key("models", Shape::Texts, "The models to ask where the repository file names none, the first one at the front."),
        key("max_concurrent_agents", number(1, 1000, 10), "Agents at work at once; further ones wait."),
        key(
            "per_repository_per_day_usd",
            Shape::Real { min: 0.0, max: 1_000_000.0, default: None },
            "The agents of one repository may cost so many US dollars in a day (UTC).",
        ),
        key(
            "per_repository_per_day_tokens",
            Shape::Number { min: 0, max: 1_000_000_000_000, default: None },
            "The agents of one repository may use so many tokens in a day (UTC).",
        ),
        key("answer_tokens_max", number(256, 1_000_000, 16_384), "An answer to an agent may have so many tokens."),
        key(
            "programs_may_use",
            Shape::Texts,
            "The providers, by name, whose keys programs that repositories run as agents may use. No budget holds for those.",
        ),
    ],
};
