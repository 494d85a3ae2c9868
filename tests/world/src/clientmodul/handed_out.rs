//! What RETR makes of a mail: the mail inside with result fields and a note, or another mail in its
//! place (kim.md 2.4).
//!
//! A failure is never an error of POP3. It is a mail that looks as if the sender had written it; only
//! its fields tell. What came without encryption is handed out as it is (A_2042).

mod note;

use serde::{Deserialize, Serialize};

use super::{
    account::{CardState, KonnektorState},
    head,
    maildrop::MaildropMail,
};

/// How a mail is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AsRead {
    /// The values of X-KIM-DecryptionResult, one field each; none: the field is missing. An error mail
    /// has that of its trouble, unless this is something else than `00`.
    pub decryption: Vec<String>,
    /// The values of X-KIM-IntegrityCheckResult: `01` is good, `02` to `09` and `X…` are not.
    pub integrity: Vec<String>,
    /// What becomes of a mail whose integrity is not `01`.
    pub integrity_form: IntegrityForm,
    pub note: NoteForm,
    /// A report of the maker as an attachment, `Signaturpruefungsbericht.pdf`.
    pub vendor_report: bool,
    /// X-KIM-Auth (1.5.5), which proves nothing to whom it reaches.
    pub auth_field: bool,
    /// It cannot be read.
    pub trouble: Option<ReadTrouble>,
    /// Other values of X-KIM-Fehlermeldung than the one of the trouble: several, `X…`, old words.
    pub codes: Option<Vec<String>>,
}

impl Default for AsRead {
    fn default() -> Self {
        Self {
            decryption: vec!["00".to_owned()],
            integrity: vec!["01".to_owned()],
            integrity_form: IntegrityForm::default(),
            note: NoteForm::default(),
            vendor_report: false,
            auth_field: false,
            trouble: None,
            codes: None,
        }
    }
}

impl AsRead {
    /// With these results of the integrity check.
    pub fn integrity(values: &[&str], form: IntegrityForm) -> Self {
        let integrity = values.iter().map(|value| (*value).to_owned()).collect();
        Self { integrity, integrity_form: form, ..Self::default() }
    }

    pub fn with_note(note: NoteForm) -> Self {
        Self { note, ..Self::default() }
    }

    /// An error mail in its place.
    pub fn trouble(trouble: ReadTrouble) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }
}

/// The three forms of A_23165.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntegrityForm {
    /// A warning in place of the mail.
    Replaced,
    /// The warning, and the mail within as message/rfc822.
    #[default]
    Enclosed,
    /// The mail as it is: only the field tells.
    Unchanged,
}

/// The note behind the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteForm {
    /// In each text part, plain or HTML, in its own character set and encoding.
    #[default]
    AsText,
    Absent,
    /// Encoded twice, as in a published sample: `entschlÃ¼sselt`.
    Mojibake,
}

/// Why a mail cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadTrouble {
    /// 4009: the card is locked or away. Readable again when it is back.
    Key,
    /// 4010
    Format,
    /// 4011: the Konnektor does not answer. Readable again when it does.
    Konnektor,
    /// 4008: a version this Clientmodul does not know.
    Version,
    /// 4006
    KasLoad,
    /// 4007
    KasDecrypt,
    /// 4012
    KasChecksum,
    /// 4013
    KasThrottled,
    /// 4018: a large mail, and this mailbox does not take them.
    LargeOff,
}

/// The X-KOM-LE-Version that can be read.
const KNOWN_VERSIONS: [&str; 2] = ["1.0", "1.5"];

/// Code, result of decryption, subject, text.
struct TroubleRow(&'static str, &'static str, &'static str, &'static str);

const NOT_DECRYPTED: &str = "Die Nachricht konnte nicht entschlüsselt werden";
const NOT_FETCHED: &str = "Die E-Mail-Daten konnten nicht abgerufen werden";

impl ReadTrouble {
    fn row(self) -> TroubleRow {
        let key = "Der Schlüssel für diese Nachricht ist nicht verfügbar. Ist die Karte gesteckt und freigeschaltet?";
        let later = "Bitte rufen Sie die Nachricht später erneut ab.";
        match self {
            Self::Key => TroubleRow("4009", "01", NOT_DECRYPTED, key),
            Self::Format => TroubleRow("4010", "02", NOT_DECRYPTED, "Das Format ist fehlerhaft."),
            Self::Konnektor => {
                TroubleRow("4011", "03", NOT_DECRYPTED, "Der Konnektor antwortet nicht.")
            }
            Self::Version => TroubleRow(
                "4008",
                "02",
                "Die KIM-Version der empfangenen Nachricht wird nicht unterstützt",
                "Bitte aktualisieren Sie das Clientmodul.",
            ),
            Self::KasLoad => TroubleRow("4006", "00", NOT_FETCHED, later),
            Self::KasDecrypt => TroubleRow(
                "4007",
                "00",
                NOT_FETCHED,
                "Abgerufene E-Mail-Daten konnten nicht entschlüsselt werden",
            ),
            Self::KasChecksum => {
                TroubleRow("4012", "00", NOT_FETCHED, "Die Prüfsumme der E-Mail-Daten ist falsch.")
            }
            Self::KasThrottled => TroubleRow("4013", "00", NOT_FETCHED, later),
            Self::LargeOff => TroubleRow(
                "4018",
                "00",
                "Die KIM-Nachricht kann nicht empfangen werden, weil der Empfang großer Nachrichten nicht aktiviert wurde",
                "Bitte aktivieren Sie den Empfang großer Nachrichten.",
            ),
        }
    }
}

/// What RETR brings, and whether it is an error mail in place of the mail.
pub(super) struct HandedOut {
    pub bytes: Vec<u8>,
    pub is_error: bool,
}

/// The mail as RETR brings it now: cards come and go between two tries.
pub(super) fn handed_out(
    mail: &MaildropMail,
    as_read: &AsRead,
    card: CardState,
    konnektor: KonnektorState,
) -> HandedOut {
    let Some(outer) = &mail.outer else {
        return HandedOut { bytes: mail.inner.to_vec(), is_error: false };
    };
    let trouble = match (konnektor, card) {
        (KonnektorState::Reachable, CardState::Unlocked) => {
            let is_known = KNOWN_VERSIONS.contains(&outer.version.as_str());
            as_read.trouble.or((!is_known).then_some(ReadTrouble::Version))
        }
        (KonnektorState::Reachable, CardState::Locked) => Some(ReadTrouble::Key),
        _ => Some(ReadTrouble::Konnektor),
    };
    if let Some(trouble) = trouble {
        let bytes = error_mail(trouble, as_read, &outer.head, &outer.whole(&mail.uidl));
        return HandedOut { bytes, is_error: true };
    }
    let is_whole = as_read.integrity.iter().all(|value| value == "01");
    let bytes = match as_read.integrity_form {
        IntegrityForm::Replaced if !is_whole => warning(as_read, &outer.head, None),
        IntegrityForm::Enclosed if !is_whole => warning(as_read, &outer.head, Some(&mail.inner)),
        _ => {
            let noted = if is_whole {
                note::appended(&mail.inner, as_read.note)
            } else {
                mail.inner.to_vec()
            };
            let noted = if as_read.vendor_report { note::with_report(&noted) } else { noted };
            with_results(&noted, as_read, &outer.head)
        }
    };
    HandedOut { bytes, is_error: false }
}

/// The fields that the Clientmodul puts behind those of the mail.
fn with_results(mail: &[u8], as_read: &AsRead, outer_head: &[u8]) -> Vec<u8> {
    let (inner_head, body) = head::split(mail);
    let mut out = Vec::with_capacity(mail.len() + 1024);
    out.extend(inner_head);
    out.extend(results(as_read));
    out.extend(head::only(outer_head, |name| ["return-path", "received"].contains(&name)));
    if as_read.auth_field {
        out.extend(b"X-KIM-Auth: eyJhbGciOiJCUDI1NlIxIn0.eyJzdWIiOiJzaW11bGF0ZWQifQ.c2lt\r\n");
    }
    out.extend(b"\r\n");
    out.extend(body);
    out
}

fn results(as_read: &AsRead) -> Vec<u8> {
    let decryption =
        as_read.decryption.iter().map(|value| format!("X-KIM-DecryptionResult: {value}\r\n"));
    let integrity =
        as_read.integrity.iter().map(|value| format!("X-KIM-IntegrityCheckResult: {value}\r\n"));
    decryption.chain(integrity).collect::<String>().into_bytes()
}

/// The warning of A_23165. It has an identity of its own and no Dienstkennung, as a published sample.
fn warning(as_read: &AsRead, outer_head: &[u8], enclosed: Option<&[u8]>) -> Vec<u8> {
    const TEXT: &str = "Beim Empfang dieser KIM-Nachricht wurde eine Sicherheitsverletzung erkannt. \
        Bitte wenden Sie sich an den Absender.";
    let mut out = head::only(outer_head, |name| ["date", "from", "to", "cc"].contains(&name));
    let inner_id = head::first(outer_head, "message-id").unwrap_or_default();
    let inner_id = inner_id.trim_matches(['<', '>']);
    out.extend(format!("Message-ID: <warning.{inner_id}>\r\n").into_bytes());
    out.extend(results(as_read));
    out.extend(head::only(outer_head, |name| ["return-path", "received"].contains(&name)));
    let Some(enclosed) = enclosed else {
        let text = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
        out.extend(format!("{text}{TEXT}\r\n").into_bytes());
        return out;
    };
    out.extend(two_parts(
        &format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{TEXT}"),
        enclosed,
    ));
    out
}

/// What comes in place of a mail that cannot be read: in the sender's name, the mail within
/// (A_2046, A_2047; that the other troubles look the same is assumed).
fn error_mail(trouble: ReadTrouble, as_read: &AsRead, outer_head: &[u8], outer: &[u8]) -> Vec<u8> {
    const COPIED: [&str; 6] = ["date", "from", "sender", "reply-to", "to", "cc"];
    let TroubleRow(code, decryption, subject, text) = trouble.row();
    let mut out = head::only(outer_head, |name| COPIED.contains(&name));
    out.extend(format!("Subject: {}\r\n", note::encoded_word(subject)).into_bytes());
    let is_changed = as_read.decryption != ["00"];
    let given = if is_changed { as_read.decryption.clone() } else { vec![decryption.to_owned()] };
    for decryption in given {
        out.extend(format!("X-KIM-DecryptionResult: {decryption}\r\n").into_bytes());
    }
    let codes = as_read.codes.clone().unwrap_or_else(|| vec![code.to_owned()]);
    for code in codes {
        out.extend(format!("X-KIM-Fehlermeldung: {code}\r\n").into_bytes());
    }
    let text = note::quoted_latin1(text);
    let part = format!(
        "Content-Type: text/plain; charset=\"iso-8859-1\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{text}"
    );
    out.extend(two_parts(&part, outer));
    out
}

/// The rest of a mail: a part of text, and a mail.
fn two_parts(text: &str, mail: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"cm-parts-1\"\r\n\r\n--cm-parts-1\r\n{text}\r\n--cm-parts-1\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    .into_bytes();
    out.extend(mail);
    out.extend(b"\r\n--cm-parts-1--\r\n");
    out
}
