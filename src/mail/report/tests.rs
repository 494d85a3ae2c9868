use super::*;

fn about(mail: &str) -> Vec<String> {
    let letter = crate::mail::parse(mail.as_bytes());
    let about = letter.report.map(|report| report.about).unwrap_or_default();
    about.into_iter().map(|id| id.as_str().to_owned()).collect()
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
