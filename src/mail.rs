//! Bytes to nouns and back: reads letters, writes dispatches. Pure.
//!
//! The reader copes with hostile mail, and with mail that was badly built or damaged on its way:
//! nothing is left out without a trace. The structure (header fields, MIME parts) is split here, in
//! one pass per level and under named limits; `mail-parser` decodes base64 and character
//! sets (decision 17).

mod alternative;
mod attached;
mod authentication;
mod automatic;
mod boundary;
mod charset;
mod compose;
mod container;
mod date;
mod decode;
mod entity;
mod fields;
mod file_name;
mod fingerprint;
mod head_identity;
mod header;
mod html;
mod kim_fields;
mod kim_note;
mod kim_result;
mod mailboxes;
mod media_type;
mod multipart;
mod outer_head;
mod parameters;
mod parse;
mod receipt;
mod report;
mod signed;
mod skeleton;
mod text;
mod uuencode;
mod words;

pub use compose::{
    ComposeError, Composed, FILE_PIECE_BYTES, MailBody, MailForm, Piece, compose, file_lines,
};
pub use decode::{Decoder, content};
pub use entity::{ATTACHMENTS_MAX, DEPTH_MAX, PARTS_MAX};
pub use fingerprint::{Fingerprinting, fingerprint};
pub use head_identity::head_identity;
pub use header::{HEADER_BYTES_MAX, HEADERS_MAX, header};
pub use html::{HTML_BYTES_MAX, HTML_SOURCE_BYTES_MAX, body_of_message};
pub use kim_fields::unknown_kim_fields;
pub use kim_note::{is_kim_report, without_kim_note};
pub use kim_result::kim_results;
pub use outer_head::{outer_head, said_service};
pub use parse::{MAILBOXES_MAX, REFERENCES_MAX, parse, parse_skeleton};
pub use receipt::DisplayedReceipt;
pub use report::FATES_MAX;
pub use skeleton::{Keep, Scanner, Skeleton};
pub use text::{NAME_CHARS_MAX, SUBJECT_CHARS_MAX, TEXT_BYTES_MAX, TEXT_CHARS_MAX};
