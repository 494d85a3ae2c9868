//! The promises of the tables, on Postgres alone: nothing lost, nothing doubled, nothing in the
//! wrong place, however often a step is taken and wherever it is broken off.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has found what it looked for"
)]

mod absence;
mod accounts;
mod bodies;
mod dispatches;
mod dispatches_model;
mod fax_previews;
mod letters;
mod letters_model;
mod listings;
mod matters;
mod model;
mod moves;
mod page_readings;
mod posts;
mod posts_model;
mod receipts;
mod reports;
mod rooms;
mod rooms_model;
mod starting;
mod statuses;
mod tables;
mod threads;
