//! Mails that machines write: reports of the Fachdienst, error mails of the Clientmodul, receipts of
//! other programs, absence notes (kim.md 2.5, S6 to S8).
//!
//! All of them are passed through as they are, unencrypted and unsigned, except receipts (MDN), which
//! programs send as KIM mails like any other.

use mail_parser::DateTime;
use serde::{Deserialize, Serialize};

use super::outer;

/// In which form a delivery is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DsnForm {
    /// As RFC 3464 has it.
    #[default]
    Clean,
    /// As a published sample: no `rfc822;`, `Status: 4.0.0` beside `delivered`, a Message-ID without
    /// brackets, a date in German.
    Sloppy,
    /// It never comes.
    Never,
}

/// What a report is about.
#[derive(Clone, Debug, Default)]
pub struct DsnFacts<'a> {
    /// Who sent the mail and gets the report.
    pub to: &'a str,
    pub recipient: &'a str,
    /// The Message-ID of the mail it reports on, in brackets.
    pub message_id: &'a str,
    /// ENVID of MAIL FROM.
    pub envelope_id: Option<&'a str>,
    /// The head of the mail (RET=HDRS).
    pub head: &'a [u8],
    /// In seconds since 1970.
    pub time: i64,
    /// Makes the report's own Message-ID.
    pub number: u64,
    /// The mail did not get there, with this status; `None`: it did.
    pub failed: Option<&'a str>,
}

/// A report of the Fachdienst that a mail lies in the recipient's mailbox (S6), or never will.
pub fn dsn(facts: &DsnFacts<'_>, form: DsnForm) -> Vec<u8> {
    let domain = domain(facts.to);
    let DsnFacts { to, recipient, message_id, number, .. } = facts;
    let date = outer::date(facts.time);
    let (action, subject, text) = match facts.failed {
        None => ("delivered", "Zustellbestaetigung", "Nachricht zugestellt"),
        Some(_) => ("failed", "Unzustellbar", "Nachricht nicht zugestellt"),
    };
    let (id, date, recipient_field, good) = match form {
        DsnForm::Sloppy => (
            format!("dsn-{number}.mds@{domain}"),
            in_german(facts.time),
            (*recipient).to_owned(),
            "4.0.0",
        ),
        _ => (format!("<dsn-{number}@{domain}>"), date, format!("rfc822; {recipient}"), "2.0.0"),
    };
    let status = facts.failed.unwrap_or(good);
    let mut fields = format!(
        "Original-Recipient: {recipient_field}\r\nFinal-Recipient: {recipient_field}\r\nAction: {action}\r\nStatus: {status}\r\n"
    );
    let envelope = facts.envelope_id.map(|id| format!("Original-Envelope-Id: {id}\r\n"));
    let mut message =
        format!("{}Reporting-MTA: dns; mail.{domain}\r\n", envelope.unwrap_or_default());
    match form {
        DsnForm::Sloppy => {
            fields.push_str(&format!("Arrival-Date: {date}\r\n"));
            message.clear();
        }
        _ => message.push_str(&format!("Arrival-Date: {date}\r\n\r\n")),
    }
    let mut out = format!(
        "Return-Path: <>\r\nFrom: Mail Delivery Subsystem <mds@{domain}>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-Id: {id}\r\nDate: {date}\r\nIn-Reply-To: {message_id}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"dsn-parts\"\r\n\r\n--dsn-parts\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{text}\r\n--dsn-parts\r\nContent-Type: message/delivery-status\r\n\r\n{message}{fields}"
    )
    .into_bytes();
    if form == DsnForm::Clean {
        out.extend(b"\r\n--dsn-parts\r\nContent-Type: text/rfc822-headers\r\n\r\n");
        out.extend(facts.head);
    }
    out.extend(b"\r\n--dsn-parts--\r\n");
    out
}

/// Who could not get a mail, and why (S7): the code of X-KIM-Fehlermeldung.
#[derive(Clone, Copy, Debug)]
pub struct NotSentTo<'a> {
    pub recipient: &'a str,
    pub code: &'a str,
}

/// The error mail of the Clientmodul about recipients it took out (A_2024-01).
///
/// `with_status`: with a part for machines; without, only the text names the recipients.
pub fn not_sent(facts: &DsnFacts<'_>, refused: &[NotSentTo<'_>], with_status: bool) -> Vec<u8> {
    let domain = domain(facts.to);
    let mut codes: Vec<&str> = refused.iter().map(|it| it.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let codes: String =
        codes.iter().map(|code| format!("X-KIM-Fehlermeldung: {code}\r\n")).collect();
    let names: Vec<&str> = refused.iter().map(|it| it.recipient).collect();
    let names = names.join(", ");
    let DsnFacts { to, message_id, number, .. } = facts;
    let date = outer::date(facts.time);
    let subject = "=?UTF-8?Q?Nachricht_nicht_f=C3=BCr_alle_Empf=C3=A4nger_verschl=C3=BCsselbar?=";
    let head = format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@{domain}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <error-{number}@{domain}>\r\nDate: {date}\r\nIn-Reply-To: {message_id}\r\n{codes}MIME-Version: 1.0\r\n"
    );
    let text = format!(
        "Content-Type: text/plain; charset=utf-8\r\n\r\nDie Nachricht konnte nicht versendet werden an: {names}\r\n"
    );
    if !with_status {
        return format!("{head}{text}").into_bytes();
    }
    let status: String = refused
        .iter()
        .map(|it| {
            format!(
                "\r\nFinal-Recipient: rfc822; {}\r\nAction: failed\r\nStatus: 5.7.0\r\n",
                it.recipient
            )
        })
        .collect();
    format!(
        "{head}Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"error-parts\"\r\n\r\n--error-parts\r\n{text}--error-parts\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.{domain}\r\n{status}\r\n--error-parts--\r\n"
    )
    .into_bytes()
}

/// An absence note (S8). That it may carry Auto-Submitted and In-Reply-To is assumed: no source says
/// that it does, or that it does not.
pub fn absence(from: &str, facts: &DsnFacts<'_>, text: &str, is_marked: bool) -> Vec<u8> {
    let marks = if is_marked {
        format!("Auto-Submitted: auto-replied\r\nIn-Reply-To: {}\r\n", facts.message_id)
    } else {
        String::new()
    };
    format!(
        "From: {from}\r\nTo: {}\r\nSubject: Abwesenheitsnotiz\r\nMessage-ID: <absence-{}@{}>\r\nDate: {}\r\n{marks}X-KIM-Dienstkennung: KIM-Mail;Abwesend;V1.0\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n",
        facts.to,
        facts.number,
        domain(from),
        outer::date(facts.time)
    )
    .into_bytes()
}

/// A receipt (MDN, RFC 8098) as programs send it: `application` is `Arztbrief`, `eNachricht`…
///
/// `disposition` is `displayed` or `processed`. It is a KIM mail: deliver it sealed.
pub fn receipt(from: &str, facts: &DsnFacts<'_>, application: &str, disposition: &str) -> Vec<u8> {
    let DsnFacts { to, message_id, number, .. } = facts;
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {application};Eingangsbestaetigung;V1.0\r\nMessage-ID: <mdn-{number}@kim.local>\r\nDate: {}\r\nIn-Reply-To: {message_id}\r\nX-KIM-Dienstkennung: {application};Eingangsbestaetigung;V1.0\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=disposition-notification;\r\n\tboundary=\"mdn-parts\"\r\n\r\n--mdn-parts\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nDie Nachricht ist eingegangen.\r\n--mdn-parts\r\nContent-Type: message/disposition-notification\r\n\r\nReporting-UA: simulated; PVS\r\nFinal-Recipient: rfc822; {from}\r\nOriginal-Message-ID: {message_id}\r\nDisposition: automatic-action/MDN-sent-automatically; {disposition}\r\n\r\n--mdn-parts--\r\n",
        outer::date(facts.time)
    )
    .into_bytes()
}

fn domain(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or_default()
}

/// As a server in German writes a date where it should not: `Do, 15 Dez 2022 10:00:00 +0000`.
fn in_german(time: i64) -> String {
    const DAYS: [&str; 7] = ["So", "Mo", "Di", "Mi", "Do", "Fr", "Sa"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mrz", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"];
    let it = DateTime::from_timestamp(time);
    let day = DAYS.get(usize::from(it.day_of_week())).copied().unwrap_or_default();
    let month = usize::from(it.month).checked_sub(1).and_then(|at| MONTHS.get(at));
    let month = month.copied().unwrap_or_default();
    format!(
        "{day}, {} {month} {} {:02}:{:02}:{:02} +0000",
        it.day, it.year, it.hour, it.minute, it.second
    )
}
