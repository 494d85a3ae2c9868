//! Bytes to a letter.

use super::{
    alternative::Unit,
    authentication::origin_checks,
    automatic::is_automatic,
    date::date,
    entity::{PartPlace, PartReader, PartSource, PartsFound},
    header::{HeaderBlock, Named, is_garbled, text, unfold},
    media_type::{OCTETS, sniff},
    report,
    skeleton::Skeleton,
    text::{SUBJECT_CHARS_MAX, body},
};
use crate::model::{Attachment, Body, Defect, Letter, NamedAddress, ReceiptWish, TransferEncoding};

/// Addresses taken from all fields of one name.
pub const MAILBOXES_MAX: usize = 1_000;

/// How many references are kept, the newest: a thread is found by its nearest known ancestor.
pub const REFERENCES_MAX: usize = 100;

/// Fields that begin with `X-` that are kept, for the profiles of fax gateways.
const EXTENSIONS_MAX: usize = 40;

/// Longest value of one, in characters.
const EXTENSION_CHARS_MAX: usize = 200;

/// Texts with a file name that may be the body together; more are files.
const NAMED_BODIES_MAX: usize = 3;

/// The names of which a mail has at least one. Anything may look like a field; a mail has a sender,
/// a date, a trace or a type.
const TELLTALES: [&str; 12] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Received",
    "Return-Path",
    "Sender",
    "Delivered-To",
];

/// Reads a mail. Never fails and never panics: what cannot be read is noted among the defects, and
/// the original can still be downloaded. Time and memory are linear in the size of `raw`.
///
/// * The text is made from the text parts, in their order; of a `multipart/alternative` everything
///   that is not another rendering of the same words. A part with only HTML gives its text.
/// * Words outside every part come after the rest; files written into a text (uuencode) are taken
///   out of it.
/// * HTML is kept only when the whole body comes from one part. Two parts are never joined into one
///   HTML document, which could lead the text of one out through the other (EFAIL).
/// * Everything else is an attachment, byte for byte, including `message/rfc822` (KIM-18): nested
///   mails are not opened, archives are not unpacked. The content of an S/MIME signature is read as
///   the letter that it is; the signature is not checked.
pub fn parse(raw: &[u8]) -> Letter {
    parse_skeleton(&Skeleton::whole(raw))
}

/// The same from a mail's skeleton. Only a text in base64 that follows large files may come out
/// shorter than from the whole mail, which is noted like every cut.
pub fn parse_skeleton(skeleton: &Skeleton<'_>) -> Letter {
    let (block, content) = HeaderBlock::split(skeleton.bytes());
    if !TELLTALES.iter().any(|name| block.has(name)) {
        return not_a_mail(skeleton);
    }
    let source = PartSource::mail(skeleton);
    let mut reader = PartReader { source: &source, found: PartsFound::default() };
    let units = reader.entity(&block, content, PartPlace::ROOT);
    let mut found = reader.found;
    let subject = block.first("Subject").map(|value| text(value, SUBJECT_CHARS_MAX));
    let subject = subject.unwrap_or_default();
    let body = whole_body(units, &subject.text, &mut found);
    let PartsFound { attachments, mut defects, .. } = found;

    let (from, defect) = senders(block.named("From"));
    defects.extend(defect);
    let [to, cc, reply_to, sender] =
        ["To", "Cc", "Reply-To", "Sender"].map(|name| block.named(name));
    let is_broken = ["From", "To", "Subject"].iter().any(|name| block.values(name).any(is_garbled))
        || [&to, &cc, &reply_to].iter().any(|list| list.mailboxes.broken)
        // The cut may be within a word.
        || (subject.broken && !block.cut);
    let report = report::read(&block, content);
    let is_unthreaded =
        ["In-Reply-To", "References"].iter().any(|name| block.names_unreadably(name));
    for (is_so, defect) in [
        (subject.cut, Defect::HeaderCut),
        (is_broken, Defect::Encoding),
        // A second one is not shown.
        (block.count("Subject") > 1, Defect::Structure),
        (is_unthreaded, Defect::AncestorsUnreadable),
        (reply_to.mailboxes.unreadable > 0, Defect::ReplyToUnreadable),
        (sender.mailboxes.unreadable > 0, Defect::SenderUnreadable),
        (report.as_ref().is_some_and(|read| read.is_cut), Defect::TooManyParts),
    ] {
        if is_so {
            defects.insert(defect);
        }
    }
    let mut references = block.message_ids("References");
    references.drain(..references.len().saturating_sub(REFERENCES_MAX));
    let mut in_reply_to = block.message_ids("In-Reply-To");
    in_reply_to.truncate(REFERENCES_MAX);
    Letter {
        from,
        sender: bounded(sender),
        reply_to: bounded(reply_to),
        to: bounded(to),
        cc: bounded(cc),
        subject: subject.text,
        date: block.first("Date").and_then(date),
        message_id: block.message_ids("Message-ID").into_iter().next(),
        in_reply_to,
        references,
        body,
        attachments,
        // No machine answers a report, whatever its head says.
        automatic: is_automatic(&block) || report.is_some(),
        report: report.map(|read| read.report),
        urgent: is_urgent(&block),
        receipt: receipt_wish(&block),
        extension_fields: extension_fields(&block),
        origin_checks: origin_checks(&block),
        document: None,
        defects: defects.into_iter().collect(),
    }
}

/// As many mailboxes of a field as a letter holds.
fn bounded(named: Named) -> Vec<NamedAddress> {
    let mut list = named.mailboxes.read;
    list.truncate(MAILBOXES_MAX);
    list
}

/// Who wrote it, and what is wrong about that. One of several authors is never named alone: an
/// unreadable one is still there.
fn senders(named: Named) -> (Vec<NamedAddress>, Option<Defect>) {
    let Named { mailboxes, fields, cut } = named;
    let count = mailboxes.read.len() + mailboxes.unreadable;
    let mut from = mailboxes.read;
    from.truncate(MAILBOXES_MAX);
    if count > 1 || (count == 1 && (fields > 1 || cut)) {
        if from.len() == 1 {
            from.clear();
        }
        return (from, Some(Defect::SeveralSenders));
    }
    let defect = if from.is_empty() {
        Some(Defect::NoSender)
    } else {
        mailboxes.broken.then_some(Defect::Encoding)
    };
    (from, defect)
}

/// The body, from its pieces and the words outside all of them.
fn whole_body(mut units: Vec<Unit>, subject: &str, found: &mut PartsFound) -> Body {
    if units.is_empty() && found.strays.is_empty() {
        // If there is no other body, a text that has a name is the body.
        let named = std::mem::take(&mut found.named);
        let is_body = named.len() <= NAMED_BODIES_MAX;
        let named: Vec<_> = named.into_iter().filter(|_| is_body).collect();
        let places: Vec<usize> = named.iter().map(|(place, _)| *place).collect();
        let mut place = 0;
        found.attachments.retain(|_| {
            place += 1;
            !places.contains(&(place - 1))
        });
        units.extend(named.into_iter().map(|(_, unit)| unit));
    }
    let subjects = std::mem::take(&mut found.subjects);
    for own in subjects.into_iter().filter(|own| !own.is_empty() && own != subject) {
        units.insert(0, Unit { text: own, html: None, is_html: false, is_marked: false });
    }
    units.append(&mut found.strays);
    let texts: Vec<&str> = units.iter().map(|unit| unit.text.trim_matches(['\r', '\n'])).collect();
    let (text, cut) = body(&texts.join("\n\n"));
    if cut {
        found.defects.insert(Defect::BodyCut);
    }
    let html = match <[Unit; 1]>::try_from(units) {
        Ok([only]) => only.html,
        Err(_) => None,
    };
    Body { text, html }
}

fn not_a_mail(skeleton: &Skeleton<'_>) -> Letter {
    Letter {
        attachments: vec![Attachment {
            file_name: "original.bin".to_owned(),
            media_type: sniff(OCTETS, skeleton.bytes()),
            bytes: skeleton.mail_bytes(),
            place: 0..skeleton.mail_bytes(),
            encoding: TransferEncoding::Identity,
            within: Vec::new(),
        }],
        defects: vec![Defect::NotAMail],
        ..Letter::default()
    }
}

/// The fields of the head that no standard names.
fn extension_fields(block: &HeaderBlock<'_>) -> Vec<(String, String)> {
    let fields = block.with_prefix("X-").take(EXTENSIONS_MAX);
    let fields = fields.map(|(name, value)| {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        (name, text(value, EXTENSION_CHARS_MAX).text)
    });
    fields.collect()
}

/// Whether its sender wants a receipt, and where. Older fields that ask for one are no standard and are
/// not read.
fn receipt_wish(block: &HeaderBlock<'_>) -> ReceiptWish {
    let wanted = block.named("Disposition-Notification-To");
    let mailboxes = wanted.mailboxes;
    // A receipt that is not made as its sender requires is none (RFC 8098 §2.2), and no way of making
    // one is known here.
    let is_demanding = block
        .values("Disposition-Notification-Options")
        .any(|value| unfold(value).to_ascii_lowercase().contains("required"));
    match mailboxes.read.as_slice() {
        [] if mailboxes.unreadable == 0 => ReceiptWish::Nothing,
        [only] if mailboxes.unreadable == 0 && !wanted.cut && !is_demanding => {
            ReceiptWish::To(only.address.clone())
        }
        _ => ReceiptWish::Unanswerable,
    }
}

/// Whether its sender marked it as urgent, in any of the four ways mail programs know.
fn is_urgent(block: &HeaderBlock<'_>) -> bool {
    let first_word = |name: &str| {
        let value = block.first(name).map(unfold).unwrap_or_default().to_ascii_lowercase();
        value
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .find(|w| !w.is_empty())
            .map(str::to_owned)
    };
    let says = |name: &str, words: &[&str]| {
        first_word(name).is_some_and(|word| words.contains(&word.as_str()))
    };
    says("Importance", &["high"])
        || says("X-Priority", &["1", "2", "highest", "high"])
        || says("X-MSMail-Priority", &["high", "highest"])
        || says("Priority", &["urgent"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MailAddress;

    /// KIM-31: one address that can be read, and no requirement that nobody here knows how to meet.
    #[test]
    fn kim_31_a_wish_for_a_receipt_names_one_address() {
        let wish = |fields: &str| parse(format!("From: a@x.de\n{fields}\nx").as_bytes()).receipt;
        let to = |address: &str| ReceiptWish::To(MailAddress::new(address).unwrap());
        for (fields, expected) in [
            ("", ReceiptWish::Nothing),
            ("Disposition-Notification-To:\n", ReceiptWish::Nothing),
            ("Disposition-Notification-To: a@x.de\n", to("a@x.de")),
            ("disposition-notification-to: \"A, B\" <a@x.de>\n", to("a@x.de")),
            ("Disposition-Notification-To: a@x.de, b@x.de\n", ReceiptWish::Unanswerable),
            (
                "Disposition-Notification-To: a@x.de\nDisposition-Notification-To: b@x.de\n",
                ReceiptWish::Unanswerable,
            ),
            ("Disposition-Notification-To: kein Postfach\n", ReceiptWish::Unanswerable),
            (
                "Disposition-Notification-To: a@x.de\n\
                 Disposition-Notification-Options: signed-receipt=optional,pkcs7\n",
                to("a@x.de"),
            ),
            (
                "Disposition-Notification-To: a@x.de\n\
                 Disposition-Notification-Options: signed-receipt=Required,pkcs7\n",
                ReceiptWish::Unanswerable,
            ),
            // No standard: they ask the mail servers on the way, or nobody.
            ("Return-Receipt-To: a@x.de\nX-Confirm-Reading-To: a@x.de\n", ReceiptWish::Nothing),
        ] {
            assert_eq!(wish(fields), expected, "{fields}");
        }
    }
}
