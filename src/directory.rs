//! The directory of KIM addresses (VZD), asked by LDAP through a Konnektor's proxy (KIM-27, KIM-35).
//!
//! A shell around one question: what does the directory say about one address? It is given a connection,
//! says its few words and ends. It knows no store, keeps nothing, and never reads out more than an answer
//! to that question (A_27752). What it promises:
//!
//! * An answer is bounded in bytes, entries and depth; the caller bounds it in time.
//! * Only a search that ended well says that an address is not listed. Everything else is an error: a
//!   directory that is away, is full, or sends us elsewhere says nothing about an address.
//! * A referral is not followed: the gateway asks the server of its settings and no other.
//! * What an entry says is checked before it is believed. No error names an address, or repeats the
//!   server's words.
//!
//! `session` speaks the protocol, `question` asks, `entry` reads what an entry says.

mod entry;
mod error;
mod question;
mod session;

#[cfg(test)]
mod tests;

use tokio::io::{AsyncRead, AsyncWrite};

pub use error::DirectoryError;
pub use question::BASE_DEFAULT;

use crate::model::{Listing, MailAddress};
use session::Session;

/// What the directory says about an address: a bind without a name, one search, and the end of the
/// session.
///
/// `base`: the name below which entries are searched. May be dropped at any moment.
pub async fn look_up(
    io: impl AsyncRead + AsyncWrite + Unpin + Send,
    base: &str,
    address: &MailAddress,
) -> Result<Listing, DirectoryError> {
    let mut session = Session::new(io);
    session.bind().await?;
    let found = session.search(question::about(base, address)).await?;
    session.end().await;
    match entry::listing(&found.entries, address) {
        // The entry that names it may be among those that were left out.
        Listing::NotListed if !found.is_all => Err(DirectoryError::TooMuch),
        listing => Ok(listing),
    }
}

/// Whether the directory answers and has the name of the settings. Asks for that one entry, without its
/// attributes.
pub async fn probe(
    io: impl AsyncRead + AsyncWrite + Unpin + Send,
    base: &str,
) -> Result<(), DirectoryError> {
    let mut session = Session::new(io);
    session.bind().await?;
    session.search(question::about_base(base)).await?;
    session.end().await;
    Ok(())
}
