//! Bytes to nouns and back: reads letters, writes dispatches. Pure.
//!
//! Reading is for hostile mail. The structure (header fields, MIME parts) is split here, in one
//! pass per level and under named limits; `mail-parser` decodes single header values, transfer
//! encodings and character sets. Its whole-message parser is not used: it nests `message/rfc822`
//! without bound, so that a mail of nothing but nested mails overflows the stack when it is
//! dropped, and looks for each missing boundary up to the end, which is quadratic.

mod compose;
mod decode;
mod file_name;
mod fingerprint;
mod header;
mod html;
mod parse;
mod skeleton;
mod text;

pub use compose::{
    ComposeError, Composed, FILE_PIECE_BYTES, MailBody, MailForm, Piece, compose, file_lines,
};
pub use decode::{Decoder, content};
pub use fingerprint::{Fingerprinting, fingerprint};
pub use header::{HEADER_BYTES_MAX, HEADERS_MAX, header};
pub use html::{HTML_BYTES_MAX, HTML_SOURCE_BYTES_MAX};
pub use parse::{
    ATTACHMENTS_MAX, DEPTH_MAX, MAILBOXES_MAX, PARTS_MAX, REFERENCES_MAX, parse, parse_skeleton,
};
pub use skeleton::{Keep, Scanner, Skeleton};
pub use text::{NAME_CHARS_MAX, SUBJECT_CHARS_MAX, TEXT_BYTES_MAX, TEXT_CHARS_MAX};
