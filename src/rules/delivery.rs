//! The outcome of an attempt to hand over, as a person needs it to act.

use crate::model::{EnhancedCode, Outcome, Reached, Reply, Trouble, Why};

/// What stopped a dispatch. A server's reply is judged by its codes (RFC 5321 §4.2.3, RFC 3463),
/// and where they leave it open by how far the dialogue came; never by its words.
pub fn trouble(outcome: &Outcome) -> Trouble {
    match outcome {
        Outcome::Refused { at, why } => of(*at, why, true),
        Outcome::TryLater { at, why } => of(*at, why, false),
        Outcome::Accepted { .. } | Outcome::Unclear { .. } => Trouble::Busy,
    }
}

fn of(at: Reached, why: &Why, is_final: bool) -> Trouble {
    let coded = match why {
        Why::Reply(reply) => by_code(reply),
        Why::TooLarge(_) => Some(Trouble::TooLarge),
        Why::NoSession(..) | Why::Fault(_) => None,
    };
    match (at, coded) {
        (Reached::Login, _) => Trouble::Login,
        (Reached::Connect, _) => Trouble::Unreachable,
        (Reached::Body, _) if says_quota(why) => Trouble::QuotaUsedUp,
        (_, Some(trouble)) => trouble,
        _ if !is_final => Trouble::Busy,
        (Reached::Sender, None) => Trouble::SenderRefused,
        (Reached::Recipient, None) => Trouble::RecipientRefused,
        (Reached::Body, None) => Trouble::ContentRefused,
    }
}

/// A Clientmodul says so when its store for large mails has no room (507 of the KAS becomes 521),
/// whatever enhanced code stands beside it. Mail servers say 521 before the body (RFC 7504).
fn says_quota(why: &Why) -> bool {
    matches!(why, Why::Reply(reply) if reply.code == 521)
}

/// What the codes alone say. The enhanced code is more exact: 552 alone means too much for the
/// server, and `552 5.2.2` that the recipient's mailbox is full.
fn by_code(reply: &Reply) -> Option<Trouble> {
    match reply.enhanced {
        Some(enhanced) => by_enhanced_code(enhanced),
        None if reply.code == 552 => Some(Trouble::TooLarge),
        None => None,
    }
}

fn by_enhanced_code(code: EnhancedCode) -> Option<Trouble> {
    match (code.subject, code.detail) {
        // The sender's address has the wrong form, or its domain has no mail server.
        (1, 7 | 8) => Some(Trouble::SenderRefused),
        (1, _) => Some(Trouble::RecipientRefused),
        (2, 2) => Some(Trouble::MailboxFull),
        // Too large for this mailbox; too large for this server.
        (2, 3) | (3, 4) => Some(Trouble::TooLarge),
        (2, 0 | 1 | 4) => Some(Trouble::RecipientRefused),
        (6, _) => Some(Trouble::ContentRefused),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(at: Reached, code: u16, enhanced: &str, expected: Trouble) {
        let text = "5.3.4 552 10.3.4.7 too big".to_owned();
        let why = Why::Reply(Reply { code, enhanced: enhanced.parse().ok(), text });
        let outcome = match code {
            500.. => Outcome::Refused { at, why },
            _ => Outcome::TryLater { at, why },
        };
        assert_eq!(trouble(&outcome), expected, "{code} {enhanced} at {at:?}");
    }

    /// R24: the same words each time, and they decide nothing.
    #[test]
    fn r24_the_codes_decide_and_never_the_words() {
        use Reached::{Body, Recipient, Sender};
        check(Recipient, 550, "5.7.1", Trouble::RecipientRefused);
        check(Sender, 550, "5.7.1", Trouble::SenderRefused);
        check(Body, 554, "5.7.1", Trouble::ContentRefused);
        check(Recipient, 550, "", Trouble::RecipientRefused);
        check(Body, 552, "5.3.4", Trouble::TooLarge);
        check(Sender, 552, "", Trouble::TooLarge);
        check(Recipient, 550, "5.2.3", Trouble::TooLarge);
        check(Recipient, 552, "5.2.2", Trouble::MailboxFull);
        check(Body, 452, "4.2.2", Trouble::MailboxFull);
        check(Body, 521, "5.2.2", Trouble::QuotaUsedUp);
        check(Body, 521, "", Trouble::QuotaUsedUp);
        check(Recipient, 521, "", Trouble::RecipientRefused);
        check(Body, 550, "5.1.1", Trouble::RecipientRefused);
        check(Recipient, 553, "5.1.8", Trouble::SenderRefused);
        check(Recipient, 554, "5.6.1", Trouble::ContentRefused);
        check(Recipient, 450, "", Trouble::Busy);
        check(Recipient, 450, "4.7.1", Trouble::Busy);
        check(Sender, 452, "4.3.4", Trouble::TooLarge);
    }

    #[test]
    fn where_it_ended_decides_what_no_code_does() {
        let fault = || Why::Fault("552 5.3.4 is no code here".to_owned());
        let later = |at| trouble(&Outcome::TryLater { at, why: fault() });
        assert_eq!(later(Reached::Connect), Trouble::Unreachable);
        assert_eq!(later(Reached::Login), Trouble::Login);
        assert_eq!(later(Reached::Body), Trouble::Busy);
        let at = Reached::Sender;
        let large = Outcome::Refused { at, why: Why::TooLarge(String::new()) };
        assert_eq!(trouble(&large), Trouble::TooLarge);
    }
}
