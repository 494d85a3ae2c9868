//! Mails: what the correspondents send, and what arrives at them.

use hayro_syntax::Pdf;
use mail_parser::{Message, MessageParser, MimeHeaders as _};
use serde_json::json;

use crate::{
    practice::{ERIK, PASSWORD, PRACTICE_KIM, write},
    story::{Story, WITHIN},
    tale::Miss,
};

impl Story<'_> {
    /// Sends a mail by the hospital's account; returns its Message-ID.
    pub(crate) async fn kim(
        &self,
        name: &str,
        subject: &str,
        text: &str,
        files: &[&str],
        thread: serde_json::Value,
    ) -> Result<String, Miss> {
        let mut headers = thread;
        if let Some(headers) = headers.as_object_mut() {
            headers.insert("X-KIM-Dienstkennung".to_owned(), json!("KIM-Mail;Default;V1.0"));
        }
        let letter = json!({
            "from": format!("Dr. Erik Muster <{ERIK}>"),
            "to": PRACTICE_KIM,
            "subject": subject,
            "headers": headers,
            "text": text,
            "files": files,
            "server": self.server(ERIK, PASSWORD),
        });
        self.send(name, &letter).await
    }

    pub(crate) fn server(&self, user: &str, password: &str) -> serde_json::Value {
        let mail = &self.practice.world.mail;
        json!({
            "smtps": mail.ports.smtps, "ca_file": mail.ca_file, "user": user, "password": password,
        })
    }

    pub(crate) async fn send(
        &self,
        name: &str,
        letter: &serde_json::Value,
    ) -> Result<String, Miss> {
        let folder = &self.practice.place.folder;
        let file = format!("{name}.json");
        write(folder, &file, format!("{letter:#}").as_bytes())?;
        let expected = "Exim answers 250";
        let sent = tokio::process::Command::new("python3")
            .arg(folder.join("send.py"))
            .arg(folder.join(file))
            .process_group(0)
            .kill_on_drop(true)
            .output();
        let sent = tokio::time::timeout(WITHIN, sent)
            .await
            .map_err(|_| Miss::new(expected, format!("no answer in {} s", WITHIN.as_secs())))?
            .map_err(|error| Miss::of("python3 starts", &error))?;
        match sent.status.success() {
            true => Ok(String::from_utf8_lossy(&sent.stdout).trim().to_owned()),
            false => Err(Miss::new(expected, String::from_utf8_lossy(&sent.stderr))),
        }
    }
}

pub(crate) fn read(raw: &[u8]) -> Result<Message<'_>, Miss> {
    MessageParser::default().parse(raw).ok_or_else(|| Miss::new("a mail", "bytes that are none"))
}

pub(crate) fn first(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

pub(crate) fn first_to<'m>(mail: &'m Message<'_>) -> &'m str {
    mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap_or_default()
}

pub(crate) fn text_of(mail: &Message<'_>) -> String {
    mail.body_text(0).unwrap_or_default().replace("\r\n", "\n").trim().to_owned()
}

/// The attachments, one to a line.
pub(crate) fn file_lines(mail: &Message<'_>) -> String {
    let line = |part: &mail_parser::MessagePart<'_>| {
        let name = part.attachment_name().unwrap_or("without a name").to_owned();
        let bytes = part.contents();
        match bytes.starts_with(b"%PDF") {
            true => format!("[{name}, {}, pages: {}]", size(bytes), pages(bytes)),
            false => format!("[{name}, {}]", size(bytes)),
        }
    };
    mail.attachments().map(line).collect::<Vec<_>>().join("\n")
}

pub(crate) fn size(bytes: &[u8]) -> String {
    format!("{} bytes", bytes.len())
}

pub(crate) fn pages(pdf: &[u8]) -> String {
    match Pdf::new(pdf.to_vec()) {
        Ok(pdf) => pdf.pages().len().to_string(),
        Err(error) => format!("no PDF ({error:?})"),
    }
}
