//! Planning, carrying out, undoing and doctoring, on an AWS in memory.

mod doctor;
mod fake;
mod interrupted;
mod plan;
mod read;
mod round_trip;
mod state_file;
