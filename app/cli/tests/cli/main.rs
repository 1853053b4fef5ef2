//! The binary as its users meet it: what it says, how it exits, and the service over real sockets.

mod agent_gates;
mod agent_inputs;
mod agent_pages;
mod agent_tls;
mod agents;
mod configuration;
mod files;
mod gate_pages;
mod init;
mod journal;
mod pages;
mod releases;
mod rollout;
mod run;
mod seeded;
mod service;
mod support;
