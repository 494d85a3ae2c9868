//! The head of a mail as bytes: fields are found, added and left out, never rewritten.
//!
//! Lines end with CRLF, and every head with an empty line; [`with_crlf`] sees to it at every door.

use mail_parser::{Address, MessageParser};

/// Gives every bare line feed its carriage return, and a mail without a body its empty line.
pub(super) fn with_crlf(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + mail.len() / 32);
    let mut before = 0;
    for &byte in mail {
        if byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        before = byte;
    }
    if !out.starts_with(b"\r\n") && !out.windows(4).any(|four| four == b"\r\n\r\n") {
        let missing: &[u8] = if out.ends_with(b"\r\n") { b"\r\n" } else { b"\r\n\r\n" };
        out.extend(missing);
    }
    out
}

/// The head with the line end of its last field, and the body behind the empty line.
pub(super) fn split(mail: &[u8]) -> (&[u8], &[u8]) {
    if mail.starts_with(b"\r\n") {
        return mail.split_at(0);
    }
    match mail.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(end) => {
            let (head, rest) = mail.split_at(end + 2);
            (head, rest.get(2..).unwrap_or_default())
        }
        None => (mail, &[]),
    }
}

/// The fields as they stand, folded lines and line ends with them.
pub(super) fn fields(head: &[u8]) -> Vec<&[u8]> {
    let (mut fields, mut begin, mut at) = (Vec::new(), 0, 0);
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if at > begin && !line.starts_with(b" ") && !line.starts_with(b"\t") {
            fields.extend(head.get(begin..at));
            begin = at;
        }
        at += line.len();
    }
    fields.extend(head.get(begin..).filter(|rest| !rest.is_empty()));
    fields
}

/// The name of a field in lower case.
pub(super) fn name(field: &[u8]) -> String {
    let name = field.split(|byte| *byte == b':').next().unwrap_or_default();
    String::from_utf8_lossy(name).trim().to_ascii_lowercase()
}

/// The value of a field, unfolded.
pub(super) fn value(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    let value = text.split_once(':').map_or("", |(_, value)| value);
    value.replace("\r\n", "").trim().to_owned()
}

/// The values of all fields of this name.
pub(super) fn all(head: &[u8], wanted: &str) -> Vec<String> {
    fields(head).into_iter().filter(|field| is(field, wanted)).map(value).collect()
}

/// The value of the first field of this name.
pub(super) fn first(head: &[u8], wanted: &str) -> Option<String> {
    fields(head).into_iter().find(|field| is(field, wanted)).map(value)
}

pub(super) fn is(field: &[u8], wanted: &str) -> bool {
    name(field).eq_ignore_ascii_case(wanted)
}

/// The fields that a rule wants, one after the other.
pub(super) fn only(head: &[u8], wanted: impl Fn(&str) -> bool) -> Vec<u8> {
    fields(head).into_iter().filter(|field| wanted(&name(field))).flatten().copied().collect()
}

/// The addresses of all fields of this name, in lower case. What cannot be read counts as "".
pub(super) fn addresses(head: &[u8], wanted: &str) -> Vec<String> {
    let each = fields(head).into_iter().filter(|field| is(field, wanted));
    each.flat_map(|field| {
        let listed = list(field);
        if listed.is_empty() {
            vec![String::new()]
        } else {
            listed.into_iter().map(|it| it.1).collect()
        }
    })
    .collect()
}

/// An address field without those whose address a rule does not want; `None`: nobody is left.
///
/// It stays as it was when all are wanted. Else names that are not plain ASCII words are left out.
pub(super) fn keep_addresses(field: &[u8], wanted: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let listed = list(field);
    if listed.iter().all(|(_, address)| wanted(address)) {
        return Some(field.to_vec());
    }
    let kept: Vec<String> = listed
        .into_iter()
        .filter(|(_, address)| wanted(address))
        .map(|(shown, address)| match shown {
            Some(shown) => format!("\"{shown}\" <{address}>"),
            None => address,
        })
        .collect();
    let written = String::from_utf8_lossy(field);
    let field_name = written.split(':').next().unwrap_or_default();
    (!kept.is_empty()).then(|| format!("{field_name}: {}\r\n", kept.join(",\r\n\t")).into_bytes())
}

/// Shown name, if plain, and address of each in an address field.
fn list(field: &[u8]) -> Vec<(Option<String>, String)> {
    // Read as a To, whichever it is: the parser reads all address fields alike.
    let as_to = [b"To: ", value(field).as_bytes(), b"\r\n\r\n"].concat();
    let message = MessageParser::default().parse_headers(as_to.as_slice());
    let listed = message.as_ref().and_then(|message| message.to()).map(Address::iter);
    let plain = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" .-@_".contains(&byte))
    };
    listed
        .into_iter()
        .flatten()
        .map(|it| {
            let address = it.address().unwrap_or_default().to_ascii_lowercase();
            (it.name().filter(|name| plain(name)).map(str::to_owned), address)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{addresses, all, fields, keep_addresses, split, with_crlf};

    const MAIL: &[u8] = b"From: \"Dr. A\" <A@b.kim.telematik>\nTo: c@d.kim.telematik,\n\te@f.example\nX: 1\nx: 2\n\nbody";

    #[test]
    fn a_head_is_taken_apart_and_stays_as_it_is() {
        let mail = with_crlf(MAIL);
        let (head, body) = split(&mail);
        assert_eq!((fields(head).concat().as_slice(), body), (head, b"body".as_slice()));
        assert_eq!(all(head, "X"), ["1", "2"]);
        assert_eq!(addresses(head, "from"), ["a@b.kim.telematik"]);
        assert_eq!(addresses(head, "to"), ["c@d.kim.telematik", "e@f.example"]);
        assert_eq!(with_crlf(&mail), mail);
        assert_eq!(with_crlf(b"X: 1"), b"X: 1\r\n\r\n");
    }

    #[test]
    fn recipients_are_taken_out_of_a_field() {
        let field = b"Cc: Eva <e@f.kim.telematik>,\r\n g@h.kim.telematik\r\n";
        let keep = |wanted: &str| keep_addresses(field, |address| address.contains(wanted));
        assert_eq!(keep("@").as_deref(), Some(field.as_slice()));
        assert_eq!(keep("e@").as_deref(), Some(b"Cc: \"Eva\" <e@f.kim.telematik>\r\n".as_slice()));
        assert_eq!(keep("z@"), None);
    }
}
