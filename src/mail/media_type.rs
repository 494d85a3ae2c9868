//! The kind of content of a part, by its declaration and by its first bytes.

use super::parameters::Parameters;

/// The type of bytes without one.
pub(super) const OCTETS: &str = "application/octet-stream";

/// `type/subtype` in lower case (RFC 2045 §5.1). An invalid one means text, as if it were missing
/// (§5.2), or unknown bytes if it was meant to say something.
pub(super) fn media_type(content_type: &Parameters) -> String {
    let is_token = |text: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
        (1..=64).contains(&text.len()) && text.chars().all(legal)
    };
    let value = content_type.value.as_str();
    match value.split_once('/') {
        Some(("text", "enriched" | "richtext" | "markdown" | "x-markdown" | "")) => {
            "text/plain".to_owned()
        }
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => format!("{kind}/{subtype}"),
        // A bare `text`, as old mailers wrote it, or nothing.
        None if matches!(value, "text" | "plain" | "") => "text/plain".to_owned(),
        None if value == "html" => "text/html".to_owned(),
        _ => OCTETS.to_owned(),
    }
}

/// The type of undeclared bytes. Some fax gateways send PDF and TIFF like this (FAX-11, FAX-13).
pub(super) fn sniff(media: &str, bytes: &[u8]) -> String {
    if media != OCTETS {
        return media.to_owned();
    }
    let known: [(&[u8], &str); 6] = [
        (b"%PDF-", "application/pdf"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"\x89PNG\r\n\x1A\n", "image/png"),
        (b"\xFF\xD8\xFF", "image/jpeg"),
        (b"PK\x03\x04", "application/zip"),
    ];
    let found = known.iter().find(|(magic, _)| bytes.starts_with(magic));
    found.map_or(media, |(_, media)| media).to_owned()
}
