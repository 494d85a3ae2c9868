//! Why a directory did not answer a question.

use std::io;

/// The directory did not answer. Nothing of it says anything about an address.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("the connection to the directory failed")]
    Io(#[source] io::Error),
    #[error("the directory closed the connection")]
    Closed,
    /// Its bytes are no LDAP, or no answer to what was asked.
    #[error("the directory sent what is no answer to the question")]
    Protocol,
    #[error("the directory sent more than an answer may have")]
    TooMuch,
    /// There is no such name: another base is meant.
    #[error("the directory does not know the base of the search")]
    NoSuchBase,
    /// The answer is said to be at another server (RFC 4511 §4.1.10).
    #[error("the directory refers to another server")]
    Elsewhere,
    /// It answered that it does not answer. Its own words are not repeated: they may hold what was asked.
    #[error("the directory refused the question with the result code {code}")]
    Refused {
        /// RFC 4511 §4.1.9, or that of an extension.
        code: i64,
    },
}
