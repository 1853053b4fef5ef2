//! Sandboxes: where the commands of a gate run, apart from the service, the host and each other.
//!
//! [`DockerSandbox`] makes a container per gate: no network, no capabilities, a read-only root, an ordinary user, and hard
//! bounds of memory, processors, processes and disk. The source comes from a mirror cache on the host (`source`), as a
//! stream of the pinned commit; the credential that fetched it stays outside.
//!
//! [`HostSandbox`] runs commands on the machine itself: only where the machine is the sandbox, or its owner asks for it.
//! Both are workshops: what was changed in them can be taken out (`changes`) and put into others. Where a sandbox may reach certain
//! hosts, a proxy in this process is its only way out (`egress`).
//!
//! [`local`] makes a source of a working tree, for the run without a forge.
//!
//! Deliberately absent: redaction of output (the engine knows the secrets), any judgement of what a command printed, and
//! retries (the engine decides by [`SandboxError`](gatewright_core::sandbox::SandboxError)). The engine calls it through
//! the traits [`Sandbox`](gatewright_core::sandbox::Sandbox) and [`Workshop`](gatewright_core::sandbox::Workshop); the binary constructs it.

mod cache;
mod changes;
mod docker;
mod egress;
mod host;
pub mod local;
mod source;
mod spool;
mod wanted;

pub use cache::CacheLimits;
pub use docker::{DockerConfig, DockerSandbox, PullPolicy};
pub use egress::Reach;
pub use host::{HostConfig, HostSandbox, HostWorkspace};
