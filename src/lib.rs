//! Umstieg is a gateway between TI-Messenger rooms and the channels health care leaves behind: KIM
//! mail and fax-to-email.
//!
//! The modules are in reading order: first the nouns, then the pure rooms, then the shells that
//! each talk to one thing outside, then the flows that join them, then what starts it all.
//! `docs/architecture.md` walks the two roads a message takes through them.

pub mod model;

pub mod channel;
pub mod document;
pub mod mail;
pub mod phrases;
pub mod rules;

pub mod directory;
pub mod matrix;
pub mod sandbox;
pub mod store;
pub mod transport;

pub mod relay;

pub mod http;
pub mod smtp_door;
pub mod worker;

pub mod app;
pub mod config;
