//! What a channel brings us, parsed.

use std::ops::Range;

use time::OffsetDateTime;

use super::{DocumentWords, MailAddress, MessageId, Report};

/// A mail or fax as `crate::mail::parse` read it. Made from hostile bytes: every text is decoded,
/// free of control characters (line ends and tabs in bodies excepted) and of bounded length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letter {
    /// All addresses of all From headers; a well-formed letter has exactly one.
    pub from: Vec<NamedAddress>,
    /// The account that sent it on behalf of its authors: an office, a list.
    pub sender: Vec<NamedAddress>,
    pub reply_to: Vec<NamedAddress>,
    pub to: Vec<NamedAddress>,
    pub cc: Vec<NamedAddress>,
    /// One line, empty when there is none.
    pub subject: String,
    pub date: Option<OffsetDateTime>,
    pub message_id: Option<MessageId>,
    pub in_reply_to: Vec<MessageId>,
    /// Oldest first, as RFC 5322 orders them.
    pub references: Vec<MessageId>,
    pub body: Body,
    pub attachments: Vec<Attachment>,
    /// Whether a machine wrote it: a report, an absence note, a list (RFC 3834, KIM-21). Such a
    /// letter is shown and never answered by a machine.
    pub automatic: bool,
    /// What it says about a mail of ours, if a machine wrote it to say that (RFC 3464, RFC 8098;
    /// KIM-29). A person's letter never is one.
    pub report: Option<Report>,
    /// Whether its sender marked it as urgent.
    pub urgent: bool,
    /// Whether its sender wants to be told that a person was shown it.
    pub receipt: ReceiptWish,
    /// Fields of the head that begin with `X-`: the name in lower case, and the value. At most forty.
    pub extension_fields: Vec<(String, String)>,
    /// What mail servers on the way say that they checked (RFC 8601), the last server's first. At most
    /// twenty, and anybody can write one.
    pub origin_checks: Vec<OriginCheck>,
    /// What the document of a fax says of the call that brought it. A mail says nothing of it.
    pub document: Option<DocumentWords>,
    /// What could not be read, so that a person looks at the original.
    pub defects: Vec<Defect>,
}

/// What a mail server says of where a mail is from (`Authentication-Results`, RFC 8601 §2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginCheck {
    /// The server's name for itself, in lower case (`authserv-id`).
    pub server: String,
    /// The domains that passed one of its checks (SPF, DKIM, DMARC), in lower case.
    pub domains: Vec<String>,
}

/// A sender's wish for a receipt (`Disposition-Notification-To`, RFC 8098 §2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ReceiptWish {
    #[default]
    Nothing,
    /// A receipt to this address.
    To(MailAddress),
    /// One to several addresses or an unreadable one, or one that says more than the gateway can.
    Unanswerable,
}

/// A name and an address from a header. The name is whatever the sender claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAddress {
    pub name: Option<String>,
    pub address: MailAddress,
}

/// The text of a letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// Plain text with `\n` line ends; made from the HTML when the letter has no plain text.
    pub text: String,
    /// HTML reduced to what Matrix clients may show (no script, no style, no remote image).
    pub html: Option<String>,
}

/// A file that came with a letter. It may be large, so its bytes stay in the mail and are read from
/// there (`crate::mail::Decoder`).
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// One path segment, free of control characters; never used as a path by us.
    pub file_name: String,
    /// A MIME type such as `application/pdf`, without parameters.
    pub media_type: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its position in the mail.
    pub place: Range<u64>,
    /// How it is encoded there.
    pub encoding: TransferEncoding,
    /// The further layers, if the decoded bytes still hold more than the file: from outside to
    /// inside.
    pub within: Vec<Layer>,
}

/// A place within decoded bytes, and how they are encoded there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub place: Range<u64>,
    pub encoding: TransferEncoding,
}

/// How bytes are written in a mail (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEncoding {
    /// As they are.
    Identity,
    Base64,
    QuotedPrintable,
    /// Lines of uuencode (POSIX), without those that begin and end a file.
    Uuencode,
    /// The content of an S/MIME signature (RFC 5652 §5).
    Signed,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attachment({}, {} bytes)", self.media_type, self.bytes)
    }
}

/// Something in a mail that could not be read as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    /// The bytes are no mail at all; they are kept as one attachment.
    NotAMail,
    /// No usable From address.
    NoSender,
    /// More than one From address.
    SeveralSenders,
    /// More headers than the limit; the rest was not read.
    TooManyHeaders,
    /// A header longer than the limit; it was cut.
    HeaderCut,
    /// A body longer than the limit; the post shows its beginning, the original is whole.
    BodyCut,
    /// More parts, deeper nesting or a report of more recipients than the limit; the rest was not
    /// read.
    TooManyParts,
    /// It wants answers elsewhere, at an address that cannot be read.
    ReplyToUnreadable,
    /// Another account sent it, whose address cannot be read.
    SenderUnreadable,
    /// It says that it answers something, in a form that cannot be read.
    AncestorsUnreadable,
    /// A part's encoding or character set is broken; its bytes are shown as well as possible.
    Encoding,
    /// Words that a mail program does not show, or something unreadable that may change what words
    /// mean.
    Markup,
    /// The beginning of the text or the end of a part was a guess: lines of the head may be among
    /// those of the text, and words from outside every part are at its end.
    Structure,
    /// Two versions of the text say different things; both are shown.
    Renderings,
    /// It came within a signature that was not checked.
    SignatureUnchecked,
    /// Some of it is encrypted, for another recipient than the gateway.
    Encrypted,
    /// Some of it is in a file of a form that is not opened here.
    Unopened,
    /// It is one part of a longer letter (RFC 2046 §5.2.2).
    Partial,
    /// Some of it was not sent, but has to be fetched elsewhere (RFC 2046 §5.2.3).
    Elsewhere,
}
