//! Decisions: what has come, threading, what was taken back, what to post, how to route a room message,
//! what to answer, when to retry.
//!
//! Every rule is a total function from data to data. It knows no clock, no database and no network;
//! `relay` loads what a rule needs and does what it says.

pub mod absence;
pub mod accounts;
pub mod acts;
pub mod address_book;
pub mod answer;
pub mod arrival;
pub mod audience;
pub mod commands;
pub mod delivery;
pub mod fax_pages;
pub mod faxing;
pub mod hours;
pub mod kim_trust;
pub mod large_mails;
pub mod looking;
pub mod matters;
pub mod names;
pub mod page_text;
pub mod posts;
pub mod receipts;
pub mod renaming;
pub mod reported;
pub mod retry;
pub mod room_ids;
pub mod routing;
pub mod scanning;
pub mod service;
pub mod starting;
pub mod status;
pub mod threading;
pub mod user_ids;
