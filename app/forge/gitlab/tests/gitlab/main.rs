//! The adapter against a small server that records what it is sent, answers as each test says, and takes nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod catch_up;
mod changes;
mod description;
mod external;
mod limits;
mod notes;
mod people;
mod places;
mod reactions;
mod reads;
mod recorded;
mod remarks;
mod safety;
mod shipping;
mod statuses;
mod stub;
