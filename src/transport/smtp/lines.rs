//! One reply of the server, all its lines (RFC 5321 §4.2).

use crate::model::{EnhancedCode, Reply};
use crate::transport::reply::{Names, presentable};

/// One reply, all its lines. `lettre`'s `Response` knows none without a text (`250`), and no code
/// beyond 559 (`571`, which filters give).
#[derive(Debug)]
pub(super) struct ReplyLines {
    pub(super) code: u16,
    pub(super) lines: Vec<String>,
}

impl ReplyLines {
    pub(super) fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    pub(super) fn is_negative(&self) -> bool {
        (400..600).contains(&self.code)
    }

    pub(super) fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }

    /// The codes and the words, the words fit for logs and rooms.
    ///
    /// The enhanced code is the one that the first line begins with and that fits the code.
    /// Anything else that looks like one is text: a host's address, or a quoted reply of another
    /// server.
    pub(super) fn reply(&self, names: &Names) -> Reply {
        let enhanced = self
            .lines
            .first()
            .and_then(|line| line.split_whitespace().next()?.parse::<EnhancedCode>().ok())
            .filter(|enhanced| enhanced.class.fits(self.code));
        // Each line repeats it (RFC 2034 §4).
        let repeated = enhanced.map(|enhanced| enhanced.to_string()).unwrap_or_default();
        let words: Vec<&str> = self
            .lines
            .iter()
            .map(|line| {
                let line = line.trim_start();
                match line.split_once(char::is_whitespace).unwrap_or((line, "")) {
                    (first, rest) if first == repeated => rest,
                    _ => line,
                }
            })
            .collect();
        Reply { code: self.code, enhanced, text: presentable(&words.join(" "), names) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R24: a code within the words is text.
    #[test]
    fn r24_a_reply_s_code_is_what_its_first_line_begins_with() {
        let check = |code, lines: &[&str], enhanced: Option<&str>, shown: &str| {
            let lines = lines.iter().map(|line| (*line).to_owned()).collect();
            let reply = ReplyLines { code, lines }.reply(&Names::of_user("mueller"));
            let read = reply.enhanced.map(|enhanced| enhanced.to_string());
            assert_eq!((read.as_deref(), reply.to_string().as_str()), (enhanced, shown));
        };
        let first = "550 5.7.1 client 10.3.4.7 blocked";
        check(550, &["5.7.1 client 10.3.4.7 blocked"], Some("5.7.1"), first);
        check(550, &["5.7.1 first", "5.7.1 second"], Some("5.7.1"), "550 5.7.1 first second");
        check(550, &["5.3.4.7 is blocked"], None, "550 5.3.4.7 is blocked");
        check(550, &["10.3.4.7 blocked"], None, "550 10.3.4.7 blocked");
        check(550, &["says 5.3.4 to us"], None, "550 says 5.3.4 to us");
        // Quoted from another server's reply, as Exim does.
        check(550, &["verify failed", "552 5.3.4 big"], None, "550 verify failed 552 5.3.4 big");
        check(550, &["5.7.1 no", "5.3.4 big"], Some("5.7.1"), "550 5.7.1 no 5.3.4 big");
        // A refusal cannot mean success.
        check(554, &["2.0.0 no"], None, "554 2.0.0 no");
        check(552, &["4.3.4 later"], None, "552 4.3.4 later");
        check(250, &[""], None, "250");
        check(552, &["5.3.4"], Some("5.3.4"), "552 5.3.4");
        check(550, &["5.1.1\tno"], Some("5.1.1"), "550 5.1.1 no");
        let hidden = "550 5.1.1 … … unknown";
        check(550, &["5.1.1 <mueller@x.de>: Mueller unknown"], Some("5.1.1"), hidden);
    }
}
