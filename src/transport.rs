//! The mail servers: POP3 and IMAP to fetch letters, SMTP submission to hand dispatches over.
//!
//! A shell: it moves bytes, and says in types how far it came. It knows no store and no room, keeps
//! nothing between two sessions, and decides nothing about a mail's content. What it promises:
//!
//! * Everything a server sends is bounded, in time ("no byte since", never "the whole command": a
//!   Clientmodul decrypts with a card between the first and the second line) and in bytes.
//! * No fallback to plaintext. An untrusted certificate ends the attempt.
//! * No error, log line or reply text names a user, an address or a password; the host is named.
//!
//! A virus scanner is asked here as well (`clamd`), and `listening` is what being a server takes.
//!
//! `wire` reads and writes with those limits, `tls` decides which certificates to trust, `pop3`,
//! `imap` and `smtp` hold one dialogue each, `mailbox` gives the first two one face.

mod account;
mod bare_server;
mod clamd;
mod error;
mod fetched;
mod imap;
mod ldap;
mod listening;
mod mailbox;
mod pop3;
mod reply;
mod server;
mod smtp;
mod tls;
mod trust;
mod wire;

#[cfg(test)]
mod tests;

pub use account::{Account, Accounts};
pub use bare_server::TlsMode;
pub use clamd::{ScanError, ScannerAddress, VirusScanner, test_virus};
pub use error::{MailServerError, MailServerErrorKind, ServerSettingsError};
pub use fetched::{Basket, Fetched, Head, KeyList, Waited};
pub use ldap::{LdapConnectError, LdapServer};
pub use listening::{DoorCertificate, DoorProtocol, DoorTls};
pub use mailbox::{Mailbox, MailboxProtocol};
pub use server::{Login, MailServer, PACE_MIN, ReportsBreak, Timeouts};
pub use smtp::{MailSource, SmtpFacts, probe_login, submit};
pub use trust::{
    ClientCertificate, Distrust, Fingerprint, ServerTrust, TrustError, Untrusted, certificates,
    is_server_name, private_key,
};
pub use wire::{Fault, Undotted};
