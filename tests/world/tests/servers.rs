//! Each server of the world does what the tests of the gateway rely on.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has found what it looked for"
)]

mod servers {
    mod client;
    mod clientmodul;
    mod encrypted;
    mod ending;
    mod mail;
    mod one_time_keys;
    mod postgres;
    mod synapse;
    mod vzd;
}
