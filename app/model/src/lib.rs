//! Asks language models: the adapter behind [`gatewright_core::model::Model`].
//!
//! [`Models`] knows the providers of the server file. It turns a question into the provider's own request ([`wire`]), sends it within
//! bounds ([`http`]), reads what comes back, tries again where the provider says that this helps ([`retry`]), leaves a provider alone
//! that fails ([`breaker`]), and asks the next model then. [`scripted`] is a provider like any other that answers from a file.
//!
//! Deliberately absent: what is asked and what becomes of an answer (the engine's), budgets (the run's), streams (an answer is of use
//! once it is whole), and any knowledge of prices: those are the server file's alone. Nothing that was asked or answered is ever
//! logged, and no key is in an error, a log or a `Debug`.
//!
//! Who calls it: the binary, which makes [`Models`] of the server file, and tests, which use [`Scripted`].

mod breaker;
mod config;
mod conversation;
mod http;
mod injection;
mod models;
mod prices;
mod refusal;
mod retry;
pub mod scripted;
mod trouble;
mod wire;

pub use config::{Config, ConfigError, Endpoint, Kind, Patience, ProviderConfig};
pub use models::Models;
pub use prices::{ANY_MODEL, Prices};
pub use scripted::{Script, ScriptError, Scripted};
