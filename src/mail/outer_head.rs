//! The head that TOP shows of a KIM mail, and what a mail says of its Dienstkennung.

use super::{
    date::date,
    header::{HEADER_BYTES_MAX, HeaderBlock, text},
    kim_result::is_sealed,
    skeleton::Skeleton,
};
use crate::model::{OuterHead, SaidService, ServiceId};

/// The field that names the Dienstkennung.
const SERVICE: &str = "X-KIM-Dienstkennung";

/// Reads an outer head. What is missing or unreadable in it is as if it were not there; the
/// Dienstkennung alone tells the two apart.
pub fn outer_head(head: &[u8]) -> OuterHead {
    let (block, _) = HeaderBlock::split(head);
    OuterHead {
        service: said(&block),
        is_encrypted: is_sealed(&block),
        has_error: block.has("X-KIM-Fehlermeldung"),
        written: block.first("Date").and_then(date),
        expires: block.first("Expires").and_then(date),
    }
}

/// What a mail says of its Dienstkennung in the head it has.
pub fn said_service(mail: &Skeleton<'_>) -> SaidService {
    said(&HeaderBlock::split(mail.bytes()).0)
}

fn said(block: &HeaderBlock<'_>) -> SaidService {
    let read = |value| {
        let words = text(value, HEADER_BYTES_MAX).text;
        ServiceId::new(&words).map_or(SaidService::Unreadable, SaidService::Is)
    };
    let mut all = block.values(SERVICE).map(read);
    let Some(first) = all.next() else { return SaidService::Nothing };
    // Repeated they may be; different ones say nothing.
    if all.all(|other| other == first) { first } else { SaidService::Unreadable }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// A real one, trimmed (api-kim, samples/KAS/1_4).
    const REAL: &str = "Subject: KOM-LE-Nachricht\r\nDate: Fri, 9 Sep 2022 15:47:00 +0200\r\n\
        From: <user.test15@gematik.kim.telematik-test>\r\n\
        X-KIM-Dienstkennung: KIM-Mail;Default;V1.0\r\nX-KOM-LE-Version: 1.5\r\n\
        X-KIM-KONVersion: <secunet konnektor 2.0.0><Konnektor\r\n PTV5><5.0.2>\r\n\
        Expires: Thu, 08 Dec 2022 15:48:35 +0200\r\n\
        Content-Type: application/pkcs7-mime; name=smime.p7m\r\n\r\n";

    #[test]
    fn kim_9_the_outer_head_says_what_comes_and_how_long_it_lies_there() {
        let head = outer_head(REAL.as_bytes());
        assert!(head.is_encrypted && !head.has_error);
        assert_eq!(head.service.stored(), Some("KIM-Mail;Default;V1.0"));
        assert_eq!(head.written, Some(datetime!(2022-09-09 15:47 +2)));
        assert_eq!(head.expires, Some(datetime!(2022-12-08 15:48:35 +2)));
        let plain = outer_head(b"From: mds@x.kim.telematik\r\nX-KIM-Fehlermeldung: 4001\r\n\r\n");
        assert_eq!(plain, OuterHead { has_error: true, ..OuterHead::default() });
        assert_eq!(outer_head(b""), OuterHead::default());
    }

    /// KIM-14: what is no S/MIME passes a Clientmodul as it is, whatever its sender wrote into its head
    /// (A_2042). That the version alone makes none decrypt it, is assumed. Its results are then the
    /// sender's own.
    #[test]
    fn l199_a_mail_that_only_says_that_it_is_encrypted_is_not() {
        let real = "application/pkcs7-mime; name=smime.p7m";
        for (content_type, expected) in [
            ("application/pkcs7-mime; smime-type=authenticated-enveloped-data", true),
            ("Application/X-PKCS7-MIME; smime-type=\"Enveloped-Data\"", true),
            ("text/plain; charset=utf-8", false),
            ("multipart/mixed; boundary=b", false),
            ("multipart/signed; protocol=\"application/pkcs7-signature\"", false),
            ("application/pkcs7-mime; smime-type=signed-data", false),
            ("application/pkcs7-mime\r\nContent-Type: text/plain", false),
            ("text/plain\r\nContent-Type: application/pkcs7-mime", false),
        ] {
            let head = REAL.replace(real, content_type);
            assert_eq!(outer_head(head.as_bytes()).is_encrypted, expected, "{content_type}");
        }
        let head = REAL.replace("X-KOM-LE-Version", "X-Other");
        assert!(!outer_head(head.as_bytes()).is_encrypted);
    }

    #[test]
    fn kim_9_a_dienstkennung_is_read_once_folded_or_repeated() {
        for (head, expected) in [
            ("x-kim-dienstkennung:eAU;Lieferung;V1.0", Some("eAU;Lieferung;V1.0")),
            ("X-KIM-Dienstkennung: eAU;\r\n Lieferung;V1.0", Some("eAU;Lieferung;V1.0")),
            ("X-KIM-Dienstkennung: a;b;1\r\nX-KIM-Dienstkennung: a;b;1", Some("a;b;1")),
            ("X-KIM-Dienstkennung: a;b;1\r\nX-KIM-Dienstkennung: a;c;1", Some("")),
            ("X-KIM-Dienstkennung:", Some("")),
            ("Subject: X-KIM-Dienstkennung: a;b;1", None),
        ] {
            let mail = format!("From: a@x\r\n{head}\r\n\r\nX-KIM-Dienstkennung: z;z;z\r\n");
            assert_eq!(
                said_service(&Skeleton::whole(mail.as_bytes())).stored(),
                expected,
                "{head}"
            );
        }
    }
}
