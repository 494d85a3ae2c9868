//! A server's words, made fit for logs and rooms.

use crate::model::MailAddress;

/// Longest text we keep, in characters: room for a sentence and a link, too little for a mail.
const PRESENTABLE_MAX: usize = 500;

/// From this many digits on, a bare number may be a person's (E.164 numbers have 7 to 15 digits).
const DIGITS_OF_A_NUMBER: usize = 7;

/// How many of its last digits are the same when a number is written in another form.
const DIGITS_OF_A_TAIL: usize = 7;

/// From this many letters on, a part of a name is looked for within words.
const LETTERS_OF_A_PART: usize = 3;

/// Parts of domains that identify no one.
const EVERYBODY_S: [&str; 14] = [
    "arpa",
    "box",
    "com",
    "example",
    "invalid",
    "kim",
    "local",
    "localhost",
    "mail",
    "net",
    "org",
    "smtp",
    "telematik",
    "test",
];

/// The names that a server's words must not contain: the addresses and user names of a dialogue,
/// and each part of them.
#[derive(Debug, Default, Clone)]
pub(super) struct Names {
    /// In lower case.
    parts: Vec<String>,
    /// The ends of numbers, digits only.
    numbers: Vec<String>,
}

impl Names {
    /// A user name. A Clientmodul's is an address, a server and a call context, joined by `#`.
    pub(super) fn of_user(user: &str) -> Self {
        let mut names = Self::default();
        names.add(user);
        for (place, field) in user.split('#').enumerate() {
            match (place, field.rsplit_once('@')) {
                (_, Some((local, domain))) => {
                    names.add_local(local);
                    names.add_domain(domain);
                }
                (0, None) => names.add_local(field),
                (1, None) => names.add_domain(field.split(':').next().unwrap_or_default()),
                // In a call context, `1` or `7` says nothing.
                _ if field.len() >= LETTERS_OF_A_PART => names.add(field),
                _ => {}
            }
        }
        names
    }

    pub(super) fn and(mut self, address: &MailAddress) -> Self {
        self.add(address.as_str());
        self.add_local(address.local());
        self.add_domain(address.domain());
        self
    }

    fn add_local(&mut self, local: &str) {
        self.add(local);
        for part in parts_of(local) {
            self.add(part);
        }
    }

    fn add_domain(&mut self, domain: &str) {
        self.add(domain);
        for part in
            domain.split('.').flat_map(|label| std::iter::once(label).chain(parts_of(label)))
        {
            if !EVERYBODY_S.contains(&part.to_lowercase().as_str())
                && part.len() >= LETTERS_OF_A_PART
            {
                self.add(part);
            }
        }
    }

    fn add(&mut self, name: &str) {
        let name = name.trim().to_lowercase();
        if name.is_empty() {
            return;
        }
        let digits = digits_of(&name);
        if digits.len() >= DIGITS_OF_A_NUMBER
            && let Some(tail) = digits.get(digits.len() - DIGITS_OF_A_TAIL..)
        {
            self.numbers.push(tail.to_owned());
        }
        self.parts.push(name);
    }

    /// Whether a word holds one of them, or a part of it. A very short part has to be a whole word,
    /// or hardly a word would be left.
    fn are_in(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let stands = |name: &str| {
            if name.chars().count() >= LETTERS_OF_A_PART {
                word.contains(name)
            } else {
                word.split(|c: char| !c.is_alphanumeric()).any(|part| part == name)
            }
        };
        self.parts.iter().any(|name| stands(name)) || self.numbers_are_in(&word)
    }

    fn numbers_are_in(&self, text: &str) -> bool {
        let digits = digits_of(text);
        self.numbers.iter().any(|number| digits.contains(number.as_str()))
    }
}

/// The parts of a name that identify somebody: `erik`, `muster` and `labor2` of
/// `erik.muster-labor2`, and `labor`.
fn parts_of(name: &str) -> impl Iterator<Item = &str> {
    let words = name.split(|c: char| !c.is_alphanumeric());
    let letters = name.split(|c: char| !c.is_alphabetic());
    words.chain(letters).filter(|part| {
        part.chars().count() >= LETTERS_OF_A_PART && part.contains(char::is_alphabetic)
    })
}

fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// `text` in one line of at most 500 printable ASCII characters, without any word that could name
/// a person: an address, a part of one of ours (`names`), a fax number.
pub(super) fn presentable(text: &str, names: &Names) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    let mut shown = Vec::with_capacity(words.len());
    // A number of ours may be written in groups.
    for run in words.chunk_by(|one, next| is_dialled(one) && is_dialled(next)) {
        let is_a_number = run.len() > 1 && names.numbers_are_in(&run.concat());
        for word in run {
            if is_a_number || names_somebody(word, names) {
                shown.push("…".to_owned());
            } else {
                let print = |c: char| if c.is_ascii_graphic() { c } else { '?' };
                shown.push(word.chars().map(print).collect());
            }
        }
    }
    shown.join(" ").chars().take(PRESENTABLE_MAX).collect()
}

fn is_dialled(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit() || c.is_ascii_punctuation())
}

fn names_somebody(word: &str, names: &Names) -> bool {
    let is_number = |part: &str| is_dialled(part) && digits_of(part).len() >= DIGITS_OF_A_NUMBER;
    word.contains(['@', '＠'])
        || word.to_lowercase().contains("%40")
        || names.are_in(word)
        || is_number(word)
        || word.split(['=', ':', '<', '>', ',', ';', '"', '\'']).any(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(presentable(text, &Names::of_user("mueller")), expected);
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

    /// L65: within a word as well, and each part of an address alone.
    #[test]
    fn l65_no_part_of_an_address_of_ours_is_shown() {
        let user = "erik.muster@hrst.kim.telematik#hrst.kim.telematik:995#Mandant1#KOM_LE#7";
        let address = |text| MailAddress::new(text).unwrap();
        let names = Names::of_user(user)
            .and(&address("labor2-nord@mvz-ost.kim.telematik"))
            .and(&address("ab@gateway.example"));
        let check = |text: &str, expected: &str| assert_eq!(presentable(text, &names), expected);
        check("no such mailbox: user=labor2 full", "no such mailbox: … full");
        check("labor/mvz-ost.kim.telematik unknown", "… unknown");
        check("error for name=mvz-ost.kim.telematik type=MX", "error for … type=MX");
        check("(MVZ) xLABORx Nord 'Ost' host.GATEWAY.example", "… … … … …");
        check("maildrop of Erik, Muster; erik_muster is locked", "maildrop of … … … is locked");
        check("HRST mandant1 KOM_LE 7", "… … … 7");
        check("erik%40hrst labor＠x", "… …");
        check("a cab of AB and <ab>", "a cab of … and …");
        check("KIM mail 5.1.1 for telematik unknown", "KIM mail 5.1.1 for telematik unknown");
    }

    /// L65a: a number, however it is written.
    #[test]
    fn l65a_no_number_of_ours_is_shown_in_groups() {
        let to = MailAddress::new("49305550123@gateway.example").unwrap();
        let names = Names::default().and(&to);
        let check = |text: &str, expected: &str| assert_eq!(presentable(text, &names), expected);
        check("fax 030 555 01 23 busy", "fax … … … … busy");
        check("fax=0305550123; n305550123x", "… …");
        check("to:4989123456 id=<0891234567>", "… …");
        check("550 5.1.1 busy 4F1C2A33", "550 5.1.1 busy 4F1C2A33");
    }

    /// B88: characters that Postgres takes for no text would keep the outcome from being saved.
    #[test]
    fn b88_no_byte_of_a_reply_keeps_it_from_being_saved() {
        let reply = String::from_utf8_lossy(b"250 ok\0\xff\xfe queued \xed\xa0\x80").into_owned();
        assert_eq!(presentable(&reply, &Names::default()), "250 ok ?? queued ???");
    }

    #[test]
    fn the_rest_is_one_printable_line_of_bounded_length() {
        check("a\tb\r\nc\u{7}d\u{1b}[31m é", "a b c d [31m ?");
        assert_eq!(presentable(&"x".repeat(2000), &Names::default()).len(), 500);
        check("", "");
    }
}
