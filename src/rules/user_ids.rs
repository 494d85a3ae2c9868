//! A user id as people, clients and directories write it.

use ruma::{MatrixToUri, MatrixUri, OwnedUserId, UserId, matrix_uri::MatrixId};

/// How a link to a user or a room begins.
pub const LINK: &str = "https://matrix.to/#/";
/// The same as a URI of its own.
pub const SCHEME: &str = "matrix:";

/// Reads one user id (TIM-17): `@l:d`; `matrix:u/l:d`, which the directory has; `matrix:@l:d` and
/// `matrix://@l:d`, which cards have; or a link to it. Nothing for anything else, such as a room.
///
/// Source: Matrix specification, appendices, "Matrix URI scheme" and "matrix.to navigation".
pub fn user_id(text: &str) -> Option<OwnedUserId> {
    if let Ok(user) = UserId::parse(text) {
        return Some(user);
    }
    if text.starts_with(LINK) {
        return user(MatrixToUri::parse(text).ok()?.id());
    }
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let of_card = rest.strip_prefix("//").unwrap_or(rest);
    match UserId::parse(of_card) {
        Ok(user) => Some(user),
        Err(_) => user(MatrixUri::parse(&format!("{SCHEME}{rest}")).ok()?.id()),
    }
}

fn user(id: &MatrixId) -> Option<OwnedUserId> {
    match id {
        MatrixId::User(user) => Some(user.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tim_17_a_user_id_is_read_in_every_form() {
        for (text, expected) in [
            ("@carla:x.example", Some("@carla:x.example")),
            ("matrix:u/carla:x.example", Some("@carla:x.example")),
            ("MATRIX:u/carla:x.example", Some("@carla:x.example")),
            ("matrix:u/carla:x.example?action=chat", Some("@carla:x.example")),
            ("matrix:u/dr.%40muster=3d:x.example:8448", Some("@dr.@muster=3d:x.example:8448")),
            ("matrix:@carla:x.example", Some("@carla:x.example")),
            ("matrix://@carla:x.example", Some("@carla:x.example")),
            ("https://matrix.to/#/@carla:x.example", Some("@carla:x.example")),
            ("https://matrix.to/#/%40carla%3Ax.example", Some("@carla:x.example")),
            ("matrix:r/raum:x.example", None),
            ("matrix:roomid/raum:x.example", None),
            ("matrix://carla:x.example", None),
            ("matrix:u/carla", None),
            ("matrix:", None),
            ("mätrix:u/carla:x.example", None),
            ("https://matrix.to/#/!raum:x.example", None),
            ("carla@x.example", None),
            ("", None),
        ] {
            assert_eq!(user_id(text).as_deref().map(UserId::as_str), expected, "{text}");
        }
    }
}
