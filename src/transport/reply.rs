//! A server's words, made fit for logs and rooms.

/// Longest text we keep, in characters: room for a sentence and a link, too little for a mail.
const PRESENTABLE_MAX: usize = 500;

/// From how many digits on a bare number may be somebody's (E.164 numbers have 7 to 15 digits).
const DIGITS_OF_A_NUMBER: usize = 7;

/// `text` in one line of at most 500 printable ASCII characters, without any word that could name
/// a person: an address, a user name of ours (`names`), a fax number.
pub(super) fn presentable(text: &str, names: &[&str]) -> String {
    let mut words = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        let shown = if names_somebody(word, names) {
            "…".to_owned()
        } else {
            word.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
        };
        words.push(shown);
    }
    words.join(" ").chars().take(PRESENTABLE_MAX).collect()
}

fn names_somebody(word: &str, names: &[&str]) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let is_number = || {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let is_dialled = |c: char| c.is_ascii_digit() || c.is_ascii_punctuation();
        digits >= DIGITS_OF_A_NUMBER && word.chars().all(is_dialled)
    };
    word.contains('@')
        || names.iter().any(|name| !name.is_empty() && bare.eq_ignore_ascii_case(name))
        || is_number()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(presentable(text, &["mueller"]), expected);
    }

    #[test]
    fn codes_and_sentences_stay() {
        check("550 5.1.1 User unknown", "550 5.1.1 User unknown");
        check("250 2.0.0 Ok: queued as 4F1C2A33", "250 2.0.0 Ok: queued as 4F1C2A33");
    }

    #[test]
    fn who_is_meant_is_left_out() {
        check("550 5.1.1 <a@b.c>: no such user", "550 5.1.1 … no such user");
        check("553 RCPT:<x@y>,<z@y> no", "553 … no");
        check("550 Mueller, unknown", "550 … unknown");
        check("450 +49(0)30/123456 busy", "450 … busy");
        check("-ERR erik@hrst.kim.telematik#h:995#1#KOM_LE#7 locked", "-ERR … locked");
    }

    /// B88: what Postgres takes for no text would keep the outcome from being saved.
    #[test]
    fn b88_no_byte_of_a_reply_keeps_it_from_being_saved() {
        let reply = String::from_utf8_lossy(b"250 ok\0\xff\xfe queued \xed\xa0\x80").into_owned();
        assert_eq!(presentable(&reply, &[]), "250 ok ?? queued ???");
    }

    #[test]
    fn the_rest_is_one_printable_line_of_bounded_length() {
        check("a\tb\r\nc\u{7}d\u{1b}[31m é", "a b c d [31m ?");
        assert_eq!(presentable(&"x".repeat(2000), &[]).len(), 500);
        check("", "");
    }
}
