//! Planning, carrying out, undoing and doctoring, on an AWS in memory.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a surprise ends the test"
)]

mod doctor;
mod fake;
mod interrupted;
mod permission;
mod plan;
mod read;
mod round_trip;
mod state_file;
