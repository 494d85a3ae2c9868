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

/// The fates of a delivery status, one on each line.
fn fates(machine: &str) -> String {
    let letter = crate::mail::parse(report("", machine, "").as_bytes());
    let fates = letter.report.map(|report| report.fates).unwrap_or_default();
    let shown = |fate: crate::model::Fate| {
        let address = fate.recipient.map_or("-".to_owned(), |address| address.as_str().to_owned());
        format!("{address} {}", fate.end.word())
    };
    fates.into_iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// KIM-30: the fields of one recipient stay together, and never become another's.
#[test]
fn kim_30_groups_are_told_apart_however_they_are_written() {
    for (machine, expected) in [
        (
            "Action: failed\nFinal-Recipient: a@x\n\nAction: delayed\nFinal-Recipient: b@x\n\n",
            "a@x failed, b@x delayed",
        ),
        (
            "Action: failed\nFinal-Recipient: a@x\nAction: delayed\nFinal-Recipient: b@x\n\n",
            "a@x failed, b@x delayed",
        ),
        (
            "Final-Recipient: a@x\nAction: failed\nFinal-Recipient: b@x\nAction: delayed\n\n",
            "a@x failed, b@x delayed",
        ),
        // Of whom the field in the middle speaks is open: both keep the server's name.
        (
            "Final-Recipient: a@x\nAction: failed\nOriginal-Recipient: b@x\n\
             Final-Recipient: b2@x\nAction: delayed\n\n",
            "a@x failed, b2@x delayed",
        ),
        (
            "Original-Recipient: a@x\nFinal-Recipient: a2@x\nAction: failed\n\
             Original-Recipient: b@x\nFinal-Recipient: b2@x\nAction: delayed\n\n",
            "a@x failed, b@x delayed",
        ),
        ("Final-Recipient: a@x\n\nAction: failed\n\nStatus: 5.1.1\n\n", "a@x failed"),
        ("Final-Recipient: a@x\n\n\n\nFinal-Recipient: b@x\nAction: failed\n\n", "b@x failed"),
        ("\n\nReporting-MTA: dns; mail\n\nFinal-Recipient: a@x\nAction: failed\n", "a@x failed"),
        ("Action: failed\n\n", "- failed"),
        ("Final-Recipient: a@x\n\n", ""),
        ("", ""),
    ] {
        assert_eq!(fates(machine), expected, "{machine}");
    }
}

/// KIM-30: addresses in every form that servers write.
#[test]
fn kim_30_recipients_are_read_in_every_form() {
    for (written, expected) in [
        ("rfc822; a@x", "a@x failed"),
        ("rfc822;a@x", "a@x failed"),
        ("RFC822; <A@X>", "a@x failed"),
        ("a@x", "a@x failed"),
        ("rfc822; a@x (Frau A)", "a@x failed"),
        ("rfc822; \"a\"@x", "- failed"),
        ("rfc822; smtp:a@x", "a@x failed"),
        ("rfc822;@weg.x,@weg.y:a@x", "a@x failed"),
        ("rfc822; a+40x", "a@x failed"),
        ("rfc822; a+40b@x", "a+40b@x failed"),
        (r"utf-8; a\x{2B}b@x", "a+b@x failed"),
        (r"utf-8; \x{FC}@x", "- failed"),
        (r"utf-8; \x{@x", "- failed"),
        ("X400; /G=Erik/", "- failed"),
        ("rfc822; a@x, b@x", "- failed"),
        ("", "- failed"),
    ] {
        let machine = format!("Final-Recipient: {written}\nAction: failed\n\n");
        assert_eq!(fates(&machine), expected, "{written}");
    }
}

/// A report of very many recipients is read in part, and leaves a trace.
#[test]
fn a_report_of_many_recipients_is_read_in_part_and_says_so() {
    let of = |count: usize| -> crate::model::Letter {
        let groups: String = (0..count)
            .map(|number| format!("Final-Recipient: rfc822; {number}@x\nAction: failed\n\n"))
            .collect();
        crate::mail::parse(report("", &groups, "").as_bytes())
    };
    for (count, is_cut) in [(FATES_MAX, false), (FATES_MAX + 1, true), (100_000, true)] {
        let letter = of(count);
        assert_eq!(letter.report.map(|report| report.fates.len()), Some(FATES_MAX));
        let defects = letter.defects;
        assert_eq!(defects.contains(&crate::model::Defect::TooManyParts), is_cut, "{count}");
    }
}

/// KIM-21: what made a mail an absence note, and what kept it from being one.
#[test]
fn kim_21_only_an_answer_in_the_recipient_s_place_is_an_absence() {
    let source = |head: &str| {
        let mail = format!("From: a@x.de\n{head}\n\nBin im Urlaub\n");
        crate::mail::parse(mail.as_bytes()).report.map(|report| report.source)
    };
    let absence = Some(ReportSource::Absence);
    for (head, expected) in [
        ("Auto-Submitted: auto-replied\nIn-Reply-To: <1@x>", absence),
        ("Auto-Submitted: Auto-Replied (vacation)\nIn-Reply-To: <1@x>", absence),
        ("X-KIM-Dienstkennung: KIM-Mail;Abwesend;V1.0", absence),
        ("X-KIM-Dienstkennung: kim-mail; abwesend", absence),
        ("X-KIM-Dienstkennung: KIM-Mail;Default;V1.0", None),
        ("Auto-Submitted: auto-replied", None),
        ("Auto-Submitted: auto-generated\nIn-Reply-To: <1@x>", None),
        ("Auto-Submitted: no\nIn-Reply-To: <1@x>", None),
        ("In-Reply-To: <1@x>\nSubject: Abwesend", None),
        // Bounces whose form got lost.
        ("Auto-Submitted: auto-replied\nIn-Reply-To: <1@x>\nX-MS-Exchange-Message-Is-Ndr:", None),
        (
            "Auto-Submitted: auto-replied\nIn-Reply-To: <1@x>\n\
             Content-Type: multipart/report; boundary=b",
            None,
        ),
    ] {
        assert_eq!(source(head), expected, "{head}");
    }
}

/// KIM-31: a code in the head makes no fault of a receipt.
#[test]
fn kim_31_a_receipt_with_a_code_stays_a_receipt() {
    let mail = "From: a@x.kim.telematik\nX-KIM-Fehlermeldung: 4001\n\
                Content-Type: message/disposition-notification\n\n\
                Original-Message-ID: <1@x>\nFinal-Recipient: a@x.kim.telematik\n\
                Disposition: manual-action/MDN-sent-manually; displayed\n";
    let report = crate::mail::parse(mail.as_bytes()).report.unwrap();
    assert_eq!(report.source, ReportSource::Disposition);
    assert_eq!(report.fates.first().map(|fate| fate.end), Some(FateEnd::Read));
    assert_eq!(report.fates.len(), 1);
}

/// KIM-29: the codes of the Clientmodul, for one recipient and for two.
#[test]
fn kim_29_the_codes_of_the_clientmodul_give_the_reason() {
    use crate::model::FateWhy;
    let why = |codes: &[&str], text: &str| {
        let codes: String =
            codes.iter().map(|code| format!("X-KIM-Fehlermeldung: {code}\n")).collect();
        let mail = format!("From: mds@x.kim.telematik\nTo: p@x.kim.telematik\n{codes}\n{text}\n");
        let letter = crate::mail::parse(mail.as_bytes());
        letter.report.map(|report| {
            report.fates.into_iter().filter_map(|fate| fate.why).collect::<Vec<FateWhy>>()
        })
    };
    let one = "Nicht an a@y.kim.telematik";
    let two = "Nicht an a@y.kim.telematik, b@y.kim.telematik-test";
    for (codes, text, expected) in [
        (&["4001"][..], one, Some(vec![FateWhy::RecipientCannotRead])),
        (&["4002"], one, Some(vec![FateWhy::AttachmentService])),
        (&["4003"], one, Some(vec![FateWhy::NoCertificate])),
        (&["4004", "4005"], two, Some(vec![FateWhy::NoCertificate; 2])),
        (&["4004", "4001"], one, Some(vec![FateWhy::RecipientCannotRead])),
        (&["4004", "4001"], two, Some(vec![FateWhy::Unknown; 2])),
        (&["4001, 4002"], one, Some(vec![FateWhy::Unknown])),
        (&["4001", "X17"], "", Some(vec![FateWhy::RecipientCannotRead])),
        (&["4006"], one, None),
        (&["4018", "4009"], one, None),
        (&["cmgerr_4"], one, None),
        (&["X4001"], one, None),
        (&[""], one, None),
    ] {
        assert_eq!(why(codes, text), expected, "{codes:?} {text}");
    }
}
