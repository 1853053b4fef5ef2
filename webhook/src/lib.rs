//! Signed webhooks in, verified [`Delivery`](gatewright_core::event::Delivery)s and forge-neutral
//! [`Event`](gatewright_core::event::Event)s out.
//!
//! [`routes()`] serves the addresses that the forges send to. A request goes through it in this order, and stops at the
//! first thing that is wrong: its body is read within [`Limits`], it is authenticated ([`WebhookSecrets`],
//! [`GitlabSecrets`]), its headers are checked, its payload is parsed, and the delivery is handed to an
//! [`Intake`](gatewright_core::event::Intake). Only when that says that the delivery is durable is it acknowledged.
//! What a forge sends and Gatewright has no use for is handed on just the same, as
//! [`Event::Unused`](gatewright_core::event::Event::Unused): a forge switches off hooks that are answered with errors.
//!
//! Deliberately absent: the engine, the store, calls to a forge, any decision about what an event starts, and what a
//! comment's lines say. Nothing of a request that is not authenticated is parsed, stored or echoed.
//!
//! The binary calls [`routes()`] for `serve`, and [`replay::DeliveryFile`] for `replay`.

mod body;
pub mod github;
pub mod gitlab;
mod headers;
mod lenient;
mod refusal;
pub mod replay;
pub mod routes;
pub mod signature;

pub use body::Limits;
pub use lenient::{COMMENT_BYTES_MAX, Parsed};
pub use refusal::{NotJson, Refusal};
pub use routes::{WebhookConfig, routes};
pub use signature::{GitlabSecrets, SecretsError, WebhookSecrets};
