//! Files in a content: one, or several in one message.

use ruma::{MxcUri, OwnedMxcUri};
use serde_json::Value;

use super::{text, words::plain_words};
use crate::model::{FileForm, MessageKind, RoomFile};

/// Longest file name, in bytes: what common file systems take.
const FILE_NAME_BYTES_MAX: usize = 255;

/// The name of a file whose sender gave no usable one.
const FILE_NAME_DEFAULT: &str = "attachment";

/// Longest MIME type, in bytes (RFC 6838 §4.2: twice 127 and the slash).
const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// Most files of one message. An event has 64 KiB, and an encrypted file's key takes 200 bytes.
const GALLERY_FILES_MAX: usize = 300;

/// Fields of a content that show the target of a link in its words: their pictures are no files.
const PREVIEWS: [&str; 2] = ["m.url_previews", "com.beeper.linkpreviews"];

/// Several files in one message (MSC4274): all of them, or none. If one of them cannot be fetched,
/// the message cannot be relayed, because its words alone would pass for the whole.
pub(super) fn gallery(content: &Value) -> Option<MessageKind> {
    let items = content.get("itemtypes")?;
    let cannot = MessageKind::Other { fallback: None };
    let Some(items) =
        items.as_array().filter(|items| (1..=GALLERY_FILES_MAX).contains(&items.len()))
    else {
        return Some(cannot);
    };
    let files: Option<Vec<RoomFile>> = items
        .iter()
        .map(|item| {
            let form = match text(item, "itemtype").or_else(|| text(item, "msgtype"))? {
                "m.image" => FileForm::Image,
                "m.audio" => FileForm::Audio,
                "m.video" => FileForm::Video,
                _ => FileForm::File,
            };
            file(form, item)
        })
        .collect();
    let caption = Some(plain_words(content)).filter(|caption| !caption.trim().is_empty());
    Some(files.map_or(cannot, |files| MessageKind::Gallery { caption, files }))
}

/// Whether there is a file somewhere in a content of unknown type. Its words are then a name or a
/// caption.
pub(super) fn holds_a_file(content: &Value) -> bool {
    let Value::Object(fields) = content else { return false };
    fields
        .iter()
        .filter(|(name, _)| !PREVIEWS.contains(&name.as_str()))
        .any(|(_, value)| names_a_file(value))
}

fn names_a_file(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with("mxc://"),
        Value::Array(items) => items.iter().any(names_a_file),
        Value::Object(fields) => fields.values().any(names_a_file),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Longest name of a server, in bytes (Matrix 1.11, appendices, "Server name").
const SERVER_NAME_BYTES_MAX: usize = 230;

/// Whether the server of a media URI has a name of legal length. With 250 bytes the library that takes
/// the URI apart panics, and the URI may be anybody's.
fn has_a_short_server(uri: &str) -> bool {
    let server = uri.strip_prefix("mxc://").and_then(|rest| rest.split('/').next());
    server.is_none_or(|server| server.len() <= SERVER_NAME_BYTES_MAX)
}

/// A file counts only if we can fetch it. An encrypted file has its place beside its key.
pub(super) fn file(form: FileForm, content: &Value) -> Option<RoomFile> {
    let encryption = content.get("file").filter(|file| file.is_object()).cloned();
    let place = encryption.as_ref().map_or_else(|| text(content, "url"), |file| text(file, "url"));
    let place = place.filter(|place| has_a_short_server(place))?;
    let uri: OwnedMxcUri = <&MxcUri>::from(place).to_owned();
    uri.parts().ok()?;
    let body = text(content, "body").unwrap_or_default();
    // Since Matrix 1.10 the body beside a different `filename` is the sender's caption.
    let (file_name, caption) = match text(content, "filename") {
        Some(file_name) if file_name != body => (file_name, Some(plain_words(content))),
        Some(file_name) => (file_name, None),
        // A voice message is called "Voice message" in every language; its file has a name (MSC3245).
        None => match content.pointer("/org.matrix.msc1767.file/name").and_then(Value::as_str) {
            Some(file_name) if file_name.contains('.') && !body.contains('.') => (file_name, None),
            _ => (body, None),
        },
    };
    let info = content.get("info");
    Some(RoomFile {
        form,
        uri,
        file_name: safe_file_name(file_name),
        caption: caption.filter(|caption| !caption.is_empty()),
        media_type: info.and_then(|info| text(info, "mimetype")).and_then(media_type),
        bytes: info.and_then(|info| info.get("size")).and_then(Value::as_u64),
        encryption,
    })
}

/// One path segment: no separators, no control characters, nothing that turns the reading direction
/// (`fdp.exe` shown as `exe.pdf`), and not the names of a folder or its parent.
pub(super) fn safe_file_name(name: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || "/\\".contains(c)
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut safe = String::new();
    for c in name.trim().chars().map(|c| if is_unsafe(c) { '_' } else { c }) {
        if safe.len() + c.len_utf8() > FILE_NAME_BYTES_MAX {
            break;
        }
        safe.push(c);
    }
    if safe.trim_matches(['.', ' ', '_']).is_empty() { FILE_NAME_DEFAULT.to_owned() } else { safe }
}

/// `type/subtype` without parameters, in lower case (RFC 6838 §4.2).
pub(super) fn media_type(claimed: &str) -> Option<String> {
    let bare = claimed.split(';').next().unwrap_or_default().trim();
    let (main, sub) = bare.split_once('/')?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let fits = bare.len() <= MEDIA_TYPE_BYTES_MAX && is_name(main) && is_name(sub);
    fits.then(|| bare.to_ascii_lowercase())
}
