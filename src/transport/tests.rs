//! The dialogues against a server that behaves badly, in virtual time.
//!
//! Names cite the KIM requirement (kim 1 to 38) or the peer's fault (P1 to P11) that a test is
//! about.

mod clamd;
mod imap;
mod kim;
mod pop3;
mod scripted;
mod smtp;
mod tls;
