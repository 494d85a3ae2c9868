//! The outer mail: what the Fachdienst keeps, and what TOP, LIST and STAT show (kim.md 1.5, 2.1).
//!
//! Nothing is encrypted here. The outer body names the mail it stands for and is as long as an
//! encrypted one would be; it is made only when somebody reads it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail_parser::DateTime;

use super::head;

/// Above this the Clientmodul puts the whole mail into a store of its own (KAS), and the outer mail
/// carries only a link (kim.md 2.3).
pub(super) const KAS_THRESHOLD: u64 = 15_728_640;

/// The body of an outer mail whose content lies in the KAS.
const KAS_BODY_BYTES: usize = 8 * 1024;
/// Keys, signature and certificates around a content.
const CMS_BYTES: usize = 6 * 1024;
const LINE_CHARS: usize = 76;
const DAY: i64 = 24 * 60 * 60;

/// What an outer head says beside what it copies.
#[derive(Clone, Debug)]
pub(super) struct OuterFacts {
    /// When the Fachdienst took it, in seconds since 1970.
    pub time: i64,
    pub days_kept: i64,
    pub from: String,
    pub to: String,
    /// Another size than the real one for the KAS; `None`: by the real one.
    pub kas_size: Option<u64>,
    pub version: String,
}

/// An outer mail without its body.
#[derive(Clone, Debug)]
pub(super) struct OuterMail {
    /// With the line end of its last field.
    pub head: Vec<u8>,
    /// X-KOM-LE-Version.
    pub version: String,
    body_bytes: usize,
}

impl OuterMail {
    /// Around an inner mail.
    pub(super) fn around(inner: &[u8], facts: &OuterFacts) -> Self {
        let (inner_head, _) = head::split(inner);
        let size = u64::try_from(inner.len()).unwrap_or(u64::MAX);
        let kas = facts.kas_size.or((size > KAS_THRESHOLD).then_some(size));
        let stamp = date(facts.time);
        let domain = facts.to.rsplit('@').next().unwrap_or_default();
        let mut out = format!(
            "Return-Path: <{}>\r\nReceived: from 192.0.2.11 (EHLO 192.0.2.11) ([192.0.2.11])\r\n          by mail.{domain} with ESMTPA\r\n          for <{}>; {stamp}\r\nSubject: KOM-LE-Nachricht\r\n",
            facts.from, facts.to
        )
        .into_bytes();
        let copied = ["date", "from", "sender", "reply-to", "to", "cc", "message-id"];
        out.extend(head::only(inner_head, |name| {
            copied.contains(&name) || name.starts_with("x-kim-")
        }));
        let expires = facts.time + facts.days_kept * DAY;
        out.extend(
            format!(
                "X-KOM-LE-Version: {}\r\nX-KIM-CMVersion: UMST_1.5.0-0\r\nX-KIM-PTVersion: 1.5.0-2\r\nX-KIM-KONVersion: <simulated konnektor 2.0.0><Konnektor\r\n PTV5><5.0.2><2.0.0><5.0.5><null>\r\nExpires: {}\r\n",
                facts.version,
                date(expires)
            )
            .into_bytes(),
        );
        if let Some(size) = kas {
            let sizes = format!("X-KIM-KAS-Size: {size}\r\nX-KIM-KAS-EncSize: {}\r\n", size + 28);
            out.extend(sizes.into_bytes());
        }
        out.extend(
            b"MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime;\r\n\tsmime-type=authenticated-enveloped-data; name=smime.p7m\r\nContent-Disposition: attachment; filename=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n",
        );
        let encoded = |bytes: usize| bytes.div_ceil(3) * 4;
        let body_bytes = match kas {
            Some(_) => KAS_BODY_BYTES,
            None => encoded(inner.len() + CMS_BYTES),
        };
        Self { head: out, version: facts.version.clone(), body_bytes }
    }

    /// What LIST says. No measure of what RETR brings.
    pub(super) fn size(&self) -> usize {
        self.head.len() + 2 + self.body_bytes
    }

    /// The whole outer mail, as it lies within an error mail.
    pub(super) fn whole(&self, uidl: &str) -> Vec<u8> {
        let mut out = self.head.clone();
        out.extend(b"\r\n");
        let end = out.len() + self.body_bytes;
        out.extend(STANDARD.encode(format!("{MARK}{uidl}")).into_bytes());
        out.extend(b"\r\n");
        while out.len() < end {
            let chars = (end - out.len()).saturating_sub(2).clamp(1, LINE_CHARS);
            out.extend(std::iter::repeat_n(b'A', chars));
            out.extend(b"\r\n");
        }
        out
    }
}

/// Which mail the outer mail somewhere in these bytes stands for.
pub(super) fn named_within(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let decoded = text.lines().filter_map(|line| STANDARD.decode(line.trim()).ok());
    decoded
        .filter_map(|line| String::from_utf8(line).ok())
        .find_map(|line| line.strip_prefix(MARK).map(str::to_owned))
}

const MARK: &str = "in place of a CMS: ";

/// A date as a head writes it.
pub(super) fn date(time: i64) -> String {
    DateTime::from_timestamp(time).to_rfc822()
}
