//! A receipt that a person had sent: a disposition notification (RFC 8098).

use mail_builder::{headers::content_type::ContentType, mime::MimePart};

use super::boundary::boundary;
use crate::model::{MailAddress, MessageId};

/// What a receipt says, for machines: that a person was shown a mail, and decided to say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayedReceipt {
    /// The mail it is about.
    pub of: MessageId,
    /// The address at which the mail was received.
    pub reader: MailAddress,
}

impl DisplayedReceipt {
    /// The fields of the part for machines (RFC 8098 §3.1). Neither an address nor an id has anything
    /// that could end its line; the id stands whole, since whoever asked looks for it.
    ///
    /// `Reporting-UA` and `Original-Recipient` are left out: both are optional, and the first would
    /// name our host (KIM-23).
    fn fields(&self) -> String {
        format!(
            "Final-Recipient: rfc822; {}\r\n\
             Original-Message-ID: <{}>\r\n\
             Disposition: manual-action/MDN-sent-manually; displayed\r\n",
            self.reader.as_str(),
            self.of.as_str(),
        )
    }
}

/// Adds a receipt to its mail's head: the words for people, and the fields for machines. The mail itself
/// is not returned (RFC 8098 §3 allows that): its author has it.
pub(super) fn with_receipt(
    mut mail: Vec<u8>,
    words: &str,
    receipt: &DisplayedReceipt,
    message_id: &MessageId,
) -> Vec<u8> {
    let fields = receipt.fields();
    let boundary = boundary(message_id, &format!("{words}{fields}"));
    mail.extend_from_slice(
        format!(
            "Content-Type: multipart/report; report-type=disposition-notification;\r\n \
             boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
        )
        .as_bytes(),
    );
    let kind = ContentType::new("text/plain").attribute("charset", "utf-8");
    MimePart::new(kind, words).write_part(&mut mail);
    mail.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\nContent-Type: message/disposition-notification\r\n\r\n\
             {fields}\r\n--{boundary}--\r\n"
        )
        .as_bytes(),
    );
    mail
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::{
        mail::{MailBody, MailForm, Piece, compose, parse},
        model::{
            Correspondent, Dispatch, DispatchPart, Envelope, FateEnd, MailAddress, ReportSource,
        },
    };

    /// The receipt of a mail, as it leaves.
    fn written(own: &str, of: &str, reader: &str, subject: &str, words: &str) -> String {
        let address = |text: &str| MailAddress::new(text).unwrap();
        let of = MessageId::new(of).unwrap();
        let dispatch = Dispatch {
            to: Correspondent::Mail(address("klinik@b.kim.telematik")),
            message_id: MessageId::new(own).unwrap(),
            date: datetime!(2026-11-23 17:10:50 +1),
            subject: subject.to_owned(),
            in_reply_to: Some(of.clone()),
            references: vec![of.clone()],
            parts: vec![DispatchPart::Text(words.to_owned())],
        };
        let reader = address(reader);
        let envelope = Envelope::new(reader.clone(), address("klinik@b.kim.telematik"));
        let body = MailBody::Receipt(DisplayedReceipt { of, reader });
        let form = MailForm { headers: Vec::new(), body };
        let composed = compose(&dispatch, &envelope, &form).unwrap();
        let mut mail = Vec::new();
        for piece in composed.pieces {
            match piece {
                Piece::Bytes(bytes) => mail.extend_from_slice(&bytes),
                Piece::File(number) => panic!("a receipt has no file {number}"),
            }
        }
        assert_eq!(composed.bytes, mail.len() as u64);
        String::from_utf8(mail).unwrap()
    }

    #[test]
    fn kim_31_a_receipt_is_a_disposition_notification() {
        let mail = written("r@kim.local", "1@b", "praxis@a.kim.telematik", "Gelesen", "Angezeigt.");
        let boundary = boundary(&MessageId::new("r@kim.local").unwrap(), "");
        assert_eq!(
            mail,
            format!(
                "From: praxis@a.kim.telematik\r\n\
                 To: klinik@b.kim.telematik\r\n\
                 Date: Mon, 23 Nov 2026 17:10:50 +0100\r\n\
                 Message-ID: <r@kim.local>\r\n\
                 In-Reply-To: <1@b>\r\n\
                 References: <1@b>\r\n\
                 Subject: Gelesen\r\n\
                 MIME-Version: 1.0\r\n\
                 Content-Type: multipart/report; report-type=disposition-notification;\r\n \
                 boundary=\"{boundary}\"\r\n\r\n\
                 --{boundary}\r\n\
                 Content-Type: text/plain; charset=\"utf-8\"\r\n\
                 Content-Transfer-Encoding: 7bit\r\n\r\n\
                 Angezeigt.\r\n\r\n\
                 --{boundary}\r\n\
                 Content-Type: message/disposition-notification\r\n\r\n\
                 Final-Recipient: rfc822; praxis@a.kim.telematik\r\n\
                 Original-Message-ID: <1@b>\r\n\
                 Disposition: manual-action/MDN-sent-manually; displayed\r\n\r\n\
                 --{boundary}--\r\n"
            )
        );
    }

    proptest! {
        /// KIM-31: whatever Message-ID a letter bears and whatever its subject says, its receipt is
        /// plain ASCII in short lines, has each field once, and names that letter and nothing else.
        #[test]
        fn kim_31_no_id_and_no_subject_adds_a_field_or_a_part(
            of in "[!-;=?-~]{1,900}",
            reader in "[a-z0-9._-]{1,60}@[a-z0-9.-]{1,60}\\.kim\\.telematik",
            subject in "\\PC{0,80}|.{0,40}\r\nBcc: eve@x.de\r\n\r\n--=_x.{0,20}",
            words in "\\PC{0,200}|--=_[0-9a-f]{32}(--)?\n.{0,40}",
        ) {
            prop_assume!(MessageId::new(&of).is_ok() && MailAddress::new(&reader).is_ok());
            let mail = written("r@kim.local", &of, &reader, &subject, &words);
            prop_assert!(mail.is_ascii());
            for line in mail.split("\r\n") {
                prop_assert!(line.len() <= 998 && !line.contains(['\r', '\n']));
            }
            for name in ["From", "To", "Bcc", "Message-ID", "Content-Type", "In-Reply-To"] {
                let (head, _) = mail.split_once("\r\n\r\n").unwrap();
                let of_name = |line: &&str| line.starts_with(&format!("{name}:"));
                prop_assert_eq!(head.split("\r\n").filter(of_name).count(), usize::from(name != "Bcc"));
            }
            let letter = parse(mail.as_bytes());
            let report = letter.report.expect("it is read as the report that it is");
            prop_assert_eq!(report.source, ReportSource::Disposition);
            prop_assert_eq!(report.about, vec![MessageId::new(&of).unwrap()]);
            let fates: Vec<_> = report.fates.iter().map(|fate| fate.end).collect();
            prop_assert_eq!(fates, vec![FateEnd::Read]);
            prop_assert!(letter.automatic && letter.attachments.len() <= 1);
        }
    }
}
