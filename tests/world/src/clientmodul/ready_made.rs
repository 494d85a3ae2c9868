//! Mails of the kinds KIM knows (kim.md 3), for tests that need one and not a particular one.
//!
//! They are the mails inside: deliver them sealed. Senders, ids and contents are invented.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A PDF of one empty page.
pub const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\nxref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000052 00000 n \n0000000101 00000 n \ntrailer<</Size 4/Root 1 0 R>>\nstartxref\n164\n%%EOF\n";

/// The head every program writes (kim.md 2.1), up to the fields of its content.
#[derive(Clone, Copy, Debug)]
pub struct KimHead<'a> {
    pub from: &'a str,
    pub to: &'a str,
    pub subject: &'a str,
    /// Without brackets.
    pub message_id: &'a str,
    pub dienstkennung: &'a str,
}

impl KimHead<'_> {
    fn written(&self) -> String {
        format!(
            "From: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: <{}>\r\nDate: Mon, 02 Nov 2026 09:15:00 +0100\r\nX-KIM-Dienstkennung: {}\r\nX-KIM-Sendersystem: Simulierte Praxis;1.0\r\nX-KIM-Support: support@pvs.example\r\nX-TI-User-Agent: Simulation-0000/1.0.0\r\nMIME-Version: 1.0\r\n",
            self.from, self.to, self.subject, self.message_id, self.dienstkennung
        )
    }
}

/// What a person wrote.
pub fn chat(from: &str, to: &str, subject: &str, message_id: &str, text: &str) -> Vec<u8> {
    let head = KimHead { from, to, subject, message_id, dienstkennung: "KIM-Mail;Default;V1.0" };
    with_text(&head, text)
}

/// A mail of any Dienstkennung with a text and nothing else.
pub fn with_text(head: &KimHead<'_>, text: &str) -> Vec<u8> {
    let head = head.written();
    format!("{head}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n").into_bytes()
}

/// A letter of a doctor: a PDF, the same for machines, a text without clinical content (S9).
pub fn arztbrief(from: &str, to: &str, message_id: &str) -> Vec<u8> {
    let dienstkennung = "Arztbrief;VHitG-Versand;V1.2";
    let head = KimHead { from, to, subject: dienstkennung, message_id, dienstkennung };
    let cda = b"<?xml version=\"1.0\"?><ClinicalDocument/>\n";
    with_files(
        &head,
        "Ein elektronischer Arztbrief liegt bei.",
        &[
            ("application/pdf", "Arztbrief.pdf", "eAB-PDF-signed", PDF),
            ("application/xml", "Arztbrief.xml", "eAB-XML", cda),
        ],
    )
}

/// A sick note on its way to an insurer.
pub fn sick_note(from: &str, to: &str, message_id: &str) -> Vec<u8> {
    let dienstkennung = "eAU;Lieferung;V1.0";
    let head = KimHead { from, to, subject: dienstkennung, message_id, dienstkennung };
    with_files(&head, "eAU", &[("application/pkcs7-mime", "eAU.p7s", "eAU", b"simulated FHIR")])
}

/// A settlement of the practice with its association.
pub fn billing(from: &str, to: &str, message_id: &str) -> Vec<u8> {
    let dienstkennung = "1ClickAbrechnung;Lieferung;V2.0";
    let head = KimHead { from, to, subject: dienstkennung, message_id, dienstkennung };
    let files: [(&str, &str, &str, &[u8]); 2] = [
        ("application/xml", "begleitdatei.xml", "Begleitdatei", b"<begleitdatei/>"),
        ("application/octet-stream", "Z01.con.xkm", "Abrechnung", b"simulated"),
    ];
    with_files(&head, "1ClickAbrechnung", &files)
}

/// An insurer's answer that somebody is insured (S5).
pub fn insurance_proof(from: &str, to: &str, message_id: &str) -> Vec<u8> {
    let head = KimHead {
        from,
        to,
        subject: "TEEB0_BES_00000000-0000-4000-8000-000000000001",
        message_id,
        dienstkennung: "eEB;Bescheinigung;V1.1",
    };
    with_files(
        &head,
        "eEB",
        &[("application/octet-stream", "eEB.p7s", "eEB_BES", b"simulated FHIR")],
    )
}

/// A text and files: type, name, Content-Description, bytes.
pub fn with_files(head: &KimHead<'_>, text: &str, files: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    let mut out = format!(
        "{}Content-Type: multipart/mixed; boundary=\"kim-parts\"\r\n\r\n--kim-parts\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n",
        head.written()
    )
    .into_bytes();
    for (kind, name, description, bytes) in files {
        let part = format!(
            "--kim-parts\r\nContent-Type: {kind}; name=\"{name}\"\r\nContent-Disposition: attachment; filename=\"{name}\"\r\nContent-Description: {description}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        );
        out.extend(part.into_bytes());
        for line in STANDARD.encode(bytes).into_bytes().chunks(76) {
            out.extend(line);
            out.extend(b"\r\n");
        }
    }
    out.extend(b"--kim-parts--\r\n");
    out
}
