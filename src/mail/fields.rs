//! Names of header fields: they tell which line is a field when the line that ends the fields is
//! missing.

/// Fields of a mail apart from trace, list and system fields ([`PREFIXES`]).
const NAMES: [&str; 72] = [
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "date",
    "sender",
    "received",
    "references",
    "keywords",
    "comments",
    "organization",
    "organisation",
    "importance",
    "priority",
    "precedence",
    "sensitivity",
    "language",
    "lines",
    "status",
    "encrypted",
    "encoding",
    "expires",
    "expiry-date",
    "supersedes",
    "obsoletes",
    "newsgroups",
    "path",
    "xref",
    "approved",
    "archive",
    "archived-at",
    "control",
    "distribution",
    "followup-to",
    "injection-date",
    "injection-info",
    "summary",
    "autosubmitted",
    "autoforwarded",
    "conversion",
    "errors-to",
    "in-reply-to",
    "reply-to",
    "reply-by",
    "return-path",
    "return-receipt-to",
    "message-id",
    "message-context",
    "message-type",
    "mailing-list",
    "user-agent",
    "accept-language",
    "face",
    "mailer",
    "solicitation",
    "spamdiagnosticoutput",
    "spamdiagnosticmetadata",
    "msip_labels",
    "require-recipient-valid-since",
    "tls-required",
    "tls-report-domain",
    "tls-report-submitter",
    "feedback-id",
    "jabber-id",
    "cancel-lock",
    "cancel-key",
    "body",
    "alternate-recipient",
    "prevent-nondelivery-report",
    "posted-date",
    "fcc",
];

/// How other names of fields begin.
const PREFIXES: [&str; 36] = [
    "ui-",
    "cfbl-",
    "ironport",
    "mail-",
    "old-",
    "read-receipt-",
    "x-",
    "content-",
    "mime-",
    "list-",
    "resent-",
    "arc-",
    "dkim-",
    "domainkey-",
    "received-",
    "authentication-",
    "auto-",
    "thread-",
    "delivered-",
    "delivery-",
    "envelope-",
    "original-",
    "apparently-",
    "disposition-",
    "autocrypt",
    "downgraded-",
    "mmhs-",
    "openpgp",
    "ms-exchange-",
    "bimi-",
    "sio-label",
    "originator-",
    "deferred-",
    "generate-delivery",
    "nntp-",
    "latest-",
];

/// Fields that a part may have (RFC 2045 §9: those that begin with `Content-`), and those that
/// gateways add there.
const OF_PARTS: [&str; 4] = ["content-", "x-", "mime-", "message-id"];

/// Fields that a mail has only once (RFC 5322 §3.6).
const SINGLE: [&str; 8] =
    ["from", "to", "cc", "subject", "date", "sender", "message-id", "mime-version"];

/// What the fields belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Mail,
    Part,
}

/// Whether mails, or parts, have a field of this name.
pub(super) fn is_known(name: &[u8], owner: Owner) -> bool {
    let name = name.to_ascii_lowercase();
    let name = std::str::from_utf8(&name).unwrap_or_default();
    // No real field: `X-ray: o. B.`
    if name == "x-ray" {
        return false;
    }
    match owner {
        Owner::Mail => {
            NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        }
        Owner::Part => OF_PARTS.iter().any(|prefix| name.starts_with(prefix)),
    }
}

/// Which of the fields that a mail has only once this name is.
pub(super) fn single(name: &[u8]) -> Option<&'static str> {
    SINGLE.into_iter().find(|single| name.eq_ignore_ascii_case(single.as_bytes()))
}

/// Whether an unknown name looks like a word that a person wrote: systems put hyphens or
/// underscores into theirs.
pub(super) fn is_word(name: &[u8]) -> bool {
    !name.iter().any(|b| matches!(b, b'-' | b'_'))
}
