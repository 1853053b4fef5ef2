//! The models of each provider over its real wire format, on loopback: what is sent, what is understood of what comes back, and what is
//! done where nothing comes back.

mod answers;
mod bodies;
mod circuits;
mod fake;
mod refusals;
mod scripts;
mod secrets;
mod support;
mod tries;
