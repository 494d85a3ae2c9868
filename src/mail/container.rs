//! Files that are, or hold, the letter itself: signed, encrypted, packed, cut, or elsewhere.

use super::signed::{self, CmsKind};
use crate::model::Defect;

/// How deep signatures may be nested; RFC 2634 wraps one in another.
pub(super) const LEVELS_MAX: usize = 3;

/// How many signatures of one mail are opened.
pub(super) const OPENED_MAX: usize = 10;

/// The role of a file in the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// Its content is behind a signature, and no key is needed to read it.
    Signed,
    /// What to say about it; it stays a file.
    Closed(Defect),
}

impl Container {
    /// By its type, by its name, and by its content.
    pub(super) fn of(media: &str, name: &str, bytes: &[u8]) -> Option<Self> {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
        let is_mime = matches!(media, "application/pkcs7-mime" | "application/x-pkcs7-mime");
        let is_open = media == "application/octet-stream" && (ending == "p7m" || ending.is_empty());
        if is_mime || is_open || ending == "p7m" {
            match signed::kind(bytes) {
                Some(CmsKind::Signed) => return Some(Self::Signed),
                Some(CmsKind::Enveloped) => return Some(Self::Closed(Defect::Encrypted)),
                Some(CmsKind::Other) => return Some(Self::Closed(Defect::Unopened)),
                None if is_mime => return Some(Self::Closed(Defect::Unopened)),
                None => {}
            }
        }
        let name = name.to_ascii_lowercase();
        let defect = match media {
            "application/ms-tnef" | "application/vnd.ms-tnef" => Defect::Unopened,
            _ if name == "winmail.dat"
                || name == "win.dat"
                || bytes.starts_with(b"\x78\x9F\x3E\x22") =>
            {
                Defect::Unopened
            }
            "application/mac-binhex40" | "application/x-binhex40" => Defect::Unopened,
            "application/pgp-encrypted" => Defect::Encrypted,
            _ if bytes.starts_with(b"-----BEGIN PGP MESSAGE-----") => Defect::Encrypted,
            "message/partial" => Defect::Partial,
            "message/external-body" => Defect::Elsewhere,
            _ => return None,
        };
        Some(Self::Closed(defect))
    }

    /// What to say about a text that is not only one.
    pub(super) fn within(text: &str) -> Option<Defect> {
        [
            ("-----BEGIN PGP MESSAGE-----", Defect::Encrypted),
            ("-----BEGIN PKCS7-----", Defect::Unopened),
            ("-----BEGIN PGP SIGNED MESSAGE-----", Defect::SignatureUnchecked),
            ("=ybegin line=", Defect::Unopened),
            ("(This file must be converted with BinHex", Defect::Unopened),
        ]
        .iter()
        .find_map(|(mark, defect)| {
            text.lines().any(|line| line.starts_with(mark)).then_some(*defect)
        })
    }
}
