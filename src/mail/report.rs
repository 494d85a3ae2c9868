//! Which mail a report is about (RFC 3464, RFC 8098; KIM-29).
//!
//! A report about a mail of ours comes from a mail server or from the mail program that read it. It
//! names that mail in several places, and in each of them only some do.

use super::{
    decode,
    header::{HeaderBlock, unfold},
    media_type::media_type,
    multipart,
};
use crate::model::MessageId;

/// How many parts of a report are read: it has three.
const PARTS_MAX: usize = 10;

/// Message-IDs of one report. One is the rule.
const REPORTED_MAX: usize = 10;

/// The Message-IDs of the mail that a report is about. Nothing for what is no report, and for a
/// report that names no mail.
///
/// The first of these that names any decides: what the machine part says, the mail that came back,
/// what the report replies to.
pub(super) fn about(block: &HeaderBlock<'_>, content: &[u8]) -> Vec<MessageId> {
    let Some(content_type) = block.parameters("Content-Type") else { return Vec::new() };
    let media = media_type(&content_type);
    let mut said = Vec::new();
    let mut returned = Vec::new();
    if media == "multipart/report" {
        let boundaries = content_type.all("boundary");
        let split = multipart::split_by_any(content, boundaries, PARTS_MAX);
        let mut has_machine_part = false;
        for part in split.iter().flat_map(|split| &split.parts) {
            let (block, content) = HeaderBlock::split_part(part);
            let media = block.parameters("Content-Type").as_ref().map(media_type);
            let media = media.unwrap_or_default();
            has_machine_part |= is_machine_part(&media);
            read_part(&block, content, &media, &mut said, &mut returned);
        }
        // A person's letter may call itself a report.
        if !has_machine_part {
            return Vec::new();
        }
    } else if is_machine_part(&media) {
        read_part(block, content, &media, &mut said, &mut returned);
    } else {
        return Vec::new();
    }
    let replied_to = block.message_ids("In-Reply-To");
    let last = block.message_ids("References").pop().into_iter().collect();
    let named = [said, returned, replied_to, last].into_iter().find(|ids| !ids.is_empty());
    let mut named = named.unwrap_or_default();
    named.truncate(REPORTED_MAX);
    named
}

fn is_machine_part(media: &str) -> bool {
    matches!(
        media,
        "message/delivery-status"
            | "message/global-delivery-status"
            | "message/disposition-notification"
            | "message/global-disposition-notification"
    )
}

fn read_part(
    block: &HeaderBlock<'_>,
    content: &[u8],
    media: &str,
    said: &mut Vec<MessageId>,
    returned: &mut Vec<MessageId>,
) {
    let is_mail = matches!(
        media,
        "message/rfc822" | "message/global" | "text/rfc822-headers" | "message/global-headers"
    );
    if !is_mail && !is_machine_part(media) {
        return;
    }
    let written = block.first("Content-Transfer-Encoding").map(unfold).unwrap_or_default();
    let (bytes, _) = decode::transfer(content, decode::encoding(&written).0);
    let (fields, _) = HeaderBlock::split(&bytes);
    if is_mail {
        returned.extend(fields.message_ids("Message-ID"));
    } else {
        for name in ["Original-Message-ID", "X-Original-Message-ID"] {
            said.extend(fields.message_ids(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(mail: &str) -> Vec<String> {
        let letter = crate::mail::parse(mail.as_bytes());
        letter.reports_on.into_iter().map(|id| id.as_str().to_owned()).collect()
    }

    /// A report; `machine` and `returned` are the fields of its second and third part.
    fn report(head: &str, machine: &str, returned: &str) -> String {
        format!(
            "From: MAILER-DAEMON@mail.telematik\nSubject: Bericht\n{head}\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\nEs ging nicht.\n\
             --b\nContent-Type: message/delivery-status\n\n{machine}\
             --b\nContent-Type: text/rfc822-headers\n\n{returned}--b--\n"
        )
    }

    #[test]
    fn kim_29_the_most_certain_place_that_names_a_mail_decides() {
        let said = "Reporting-MTA: dns; mail\nOriginal-Message-ID: <gesagt@x>\n\n";
        let returned = "Subject: Befund\nMessage-ID: <zurück@x>\nIn-Reply-To: <alt@x>\n\n";
        let head = "In-Reply-To: <antwort@x>\nReferences: <erst@x> <letzt@x>\n";
        for (mail, expected) in [
            (report(head, said, returned), &["gesagt@x"][..]),
            (report(head, "Action: failed\n\n", "Message-ID: <zurueck@x>\n\n"), &["zurueck@x"]),
            (report(head, "", ""), &["antwort@x"]),
            (report("References: <erst@x> <letzt@x>\n", "", ""), &["letzt@x"]),
            (report("", "", ""), &[]),
        ] {
            assert_eq!(about(&mail), expected, "{mail}");
        }
    }

    /// A letter that only answers, forwards or quotes a mail is no report about it.
    #[test]
    fn what_is_no_report_is_about_nothing() {
        for mail in [
            "From: a@x.de\nIn-Reply-To: <1@x>\n\nHallo\n",
            "From: a@x.de\nIn-Reply-To: <1@x>\nContent-Type: message/rfc822\n\nMessage-ID: <1@x>\n\nHallo\n",
            "From: a@x.de\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\
             Content-Type: message/delivery-status\n\nOriginal-Message-ID: <1@x>\n--b--\n",
            "From: a@x.de\nAuto-Submitted: auto-replied\nIn-Reply-To: <1@x>\n\nBin im Urlaub\n",
            // L167: it has the form of a report and nothing that a machine says.
            "From: a@x.de\nIn-Reply-To: <1@x>\nContent-Type: multipart/report; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\nBitte Marcumar absetzen\n\
             --b\nContent-Type: application/pdf; name=befund.pdf\n\n%PDF-1.4\n--b--\n",
        ] {
            assert_eq!(about(mail), [""; 0], "{mail}");
        }
    }

    /// KIM-30: what real reports make of the form.
    #[test]
    fn kim_30_sloppy_reports_are_read() {
        let of_part = |kind: &str, part: &str| {
            format!(
                "From: <>\nContent-Type: MULTIPART/Report; boundary=\"b\"\n\n--b\n\nText\n\
                 --b\nContent-Type: message/delivery-status\n\n\
                 --b\nContent-Type: {kind}\n{part}\n--b--\n"
            )
        };
        for (mail, expected) in [
            (of_part("message/rfc822", "\nMESSAGE-ID:\n <1@x>\nSubject: a\n\nText"), "1@x"),
            (of_part("message/rfc822; charset=utf-8", "\r\nMessage-Id:<1@x>\r\n\r\nText"), "1@x"),
            (
                of_part(
                    "message/disposition-notification",
                    "Content-Transfer-Encoding: base64\n\nT3JpZ2luYWwtTWVzc2FnZS1JRDogPDFAeD4K",
                ),
                "1@x",
            ),
            (
                "From: a@x.de\nContent-Type: message/disposition-notification\n\n\
                 Original-Message-ID: <1@x>\n"
                    .to_owned(),
                "1@x",
            ),
        ] {
            assert_eq!(about(&mail), [expected], "{mail}");
        }
    }

    #[test]
    fn a_report_of_many_ids_is_read_in_part() {
        let ids: String = (0..1_000).map(|number| format!("Message-ID: <{number}@x>\n")).collect();
        assert_eq!(about(&report("", "", &ids)).len(), REPORTED_MAX);
        let parts = "--b\nContent-Type: message/delivery-status\n\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <1@x>\n\n".repeat(100_000);
        let mail = format!("From: a@x.de\nContent-Type: multipart/report; boundary=b\n\n{parts}");
        assert!(about(&mail).len() <= REPORTED_MAX);
    }
}
