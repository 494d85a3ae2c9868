//! What the codes of a report mean to a front desk (RFC 3463, RFC 5248, RFC 5321 §4.2.3).

use crate::model::{CodeClass, EnhancedCode, FateEnd, FateWhy, Reply};

/// The reply in a `Diagnostic-Code` of SMTP or LMTP: `smtp; 550-5.1.1 …`. Diagnoses of other kinds
/// are words; codes that come after words are another server's or the mail's.
pub(super) fn reply(diagnostic: &str) -> Option<Reply> {
    let (kind, said) = diagnostic.split_once(';')?;
    if !matches!(kind.trim().to_ascii_lowercase().as_str(), "smtp" | "esmtp" | "lmtp") {
        return None;
    }
    let mut words = said
        .split(|c: char| c.is_whitespace() || c == '-')
        .map(|word| word.trim_matches(['#', '(', ')', ':', ',']))
        .filter(|word| !word.is_empty());
    let first = words.next()?;
    if let Ok(enhanced) = first.parse::<EnhancedCode>() {
        let code = [200, 400, 500].into_iter().find(|code| enhanced.class.fits(*code))?;
        return Some(Reply { code, enhanced: Some(enhanced), text: String::new() });
    }
    let is_code = first.len() == 3 && first.bytes().all(|b| b.is_ascii_digit());
    let code: u16 = first.parse().ok().filter(|_| is_code)?;
    let enhanced = words.next().and_then(|word| word.parse::<EnhancedCode>().ok());
    let enhanced = enhanced.filter(|enhanced| enhanced.class.fits(code));
    (200..600).contains(&code).then(|| Reply { code, enhanced, text: String::new() })
}

/// What happened according to the codes alone.
pub(super) fn end(status: Option<EnhancedCode>, reply: Option<&Reply>) -> Option<FateEnd> {
    match (status.map(|status| status.class), reply.map(|reply| reply.code)) {
        (Some(CodeClass::Success), _) | (None, Some(200..=299)) => Some(FateEnd::Relayed),
        (Some(CodeClass::Later), _) | (None, Some(400..=499)) => Some(FateEnd::Delayed),
        (Some(CodeClass::Never), _) | (None, Some(500..)) => Some(FateEnd::Failed),
        _ => None,
    }
}

/// Why a mail did not arrive: the report's own code, then what the other server replied. Many
/// reports say 5.0.0 and no more in their own.
pub(super) fn why(status: Option<EnhancedCode>, reply: Option<&Reply>) -> FateWhy {
    let is_of_550 = reply.is_some_and(|reply| reply.code == 550);
    let replied = reply.and_then(|reply| reply.enhanced);
    let by_enhanced =
        status.into_iter().chain(replied).find_map(|code| by_enhanced(code, is_of_550));
    by_enhanced.or_else(|| reply.and_then(|reply| by_code(reply.code))).unwrap_or(FateWhy::Unknown)
}

fn by_enhanced(code: EnhancedCode, is_of_550: bool) -> Option<FateWhy> {
    match (code.subject, code.detail) {
        // The sender's address, not the recipient's.
        (1, 7 | 8) => Some(FateWhy::Blocked),
        // 1.5 is a good address; 1.0 says no more than that it is about one.
        (1, 5) => None,
        (1, _) | (2, 0 | 1 | 4) => Some(FateWhy::NoSuchRecipient),
        (2, 2) => Some(FateWhy::MailboxFull),
        (2, 3) | (3, 4) => Some(FateWhy::TooLarge),
        (3, 1 | 2) => Some(FateWhy::Unreachable),
        // Where a recipient does not exist, Microsoft's servers on the Internet reply `550 5.4.1`. A
        // server that replies can be reached.
        (4, 1) if is_of_550 => Some(FateWhy::NoSuchRecipient),
        (4, _) => Some(FateWhy::Unreachable),
        (6, _) => Some(FateWhy::ContentRefused),
        (7, _) => Some(FateWhy::Blocked),
        _ => None,
    }
}

/// A code alone says little: 550 is for unknown recipients and for unwanted senders.
fn by_code(code: u16) -> Option<FateWhy> {
    match code {
        551 | 553 | 556 => Some(FateWhy::NoSuchRecipient),
        452 => Some(FateWhy::MailboxFull),
        552 => Some(FateWhy::TooLarge),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kim_29_a_diagnosis_is_read_from_its_codes() {
        for (diagnostic, expected) in [
            ("smtp; 550 5.1.1 <a@b> unknown", Some("550 5.1.1")),
            ("SMTP;550-5.1.1 first line", Some("550 5.1.1")),
            ("smtp; 550 #5.1.0 rejected", Some("550 5.1.0")),
            ("lmtp; 452 4.2.2 full", Some("452 4.2.2")),
            ("smtp; 5.2.2 full", Some("500 5.2.2")),
            ("smtp; 550 no (#5.1.1)", Some("550")),
            ("smtp; 550 4.1.1 both", Some("550")),
            ("x-postfix; host mx said: 550 5.1.1", None),
            ("smtp; said 550 5.1.1", None),
            ("smtp; 5501 5.1.1", None),
            ("smtp;", None),
            ("550 5.1.1", None),
        ] {
            let read = reply(diagnostic).map(|reply| reply.to_string());
            assert_eq!(read.as_deref(), expected, "{diagnostic}");
        }
    }

    #[test]
    fn kim_29_the_codes_say_what_a_front_desk_can_do() {
        use FateWhy::{
            Blocked, ContentRefused, MailboxFull, NoSuchRecipient, TooLarge, Unknown, Unreachable,
        };
        for (status, diagnostic, expected) in [
            ("5.1.1", "", NoSuchRecipient),
            ("5.0.0", "smtp; 550 5.1.1 no", NoSuchRecipient),
            ("5.0.0", "smtp; 550 no", Unknown),
            ("5.0.0", "smtp; 553 no", NoSuchRecipient),
            ("5.0.0", "smtp; 552 no", TooLarge),
            ("5.2.2", "smtp; 552 no", MailboxFull),
            ("4.2.2", "", MailboxFull),
            ("5.3.4", "", TooLarge),
            ("5.1.8", "", Blocked),
            ("5.4.1", "smtp; 550 5.4.1 no", NoSuchRecipient),
            ("5.4.1", "", Unreachable),
            ("4.4.7", "", Unreachable),
            ("5.6.1", "", ContentRefused),
            ("5.7.1", "smtp; 550 5.7.1 no", Blocked),
            ("5.0.0", "", Unknown),
            ("", "x-unix; 70", Unknown),
        ] {
            let why = why(status.parse().ok(), reply(diagnostic).as_ref());
            assert_eq!(why, expected, "{status} {diagnostic}");
        }
    }
}
