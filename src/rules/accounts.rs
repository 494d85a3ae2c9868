//! What keeps the gateway out of an account, and when the team is told of it (KIM-6).

use time::{Duration, OffsetDateTime};

use crate::model::{AccountTrouble, Outcome, Reached, Why};

/// The team is told of one trouble at most once in this time, and so at most once that it is over: a
/// server that comes and goes must not fill a room.
const TOLD_ONCE_IN: Duration = Duration::hours(1);

/// How long a server has to be away before the team is told. A Konnektor that restarts takes minutes,
/// and mail servers are restarted every day.
const AWAY_FOR: Duration = Duration::minutes(15);

/// What an attempt to use an account showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountSight {
    Works,
    Trouble(AccountTrouble),
}

/// What is known of one trouble of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TroubleNote {
    pub trouble: AccountTrouble,
    /// Since when it lasts; nothing while it does not.
    pub since: Option<OffsetDateTime>,
    /// When the team was told of it last.
    pub told_at: Option<OffsetDateTime>,
    /// The team was told of it, and of nothing else since.
    pub stands: bool,
}

impl TroubleNote {
    /// Nothing is known of it.
    pub fn none(trouble: AccountTrouble) -> Self {
        Self { trouble, since: None, told_at: None, stands: false }
    }

    fn is_due(&self, now: OffsetDateTime) -> bool {
        let patience = match self.trouble {
            AccountTrouble::Away => AWAY_FOR,
            // None of these gets better without a person.
            AccountTrouble::Login
            | AccountTrouble::Settings
            | AccountTrouble::Certificate
            | AccountTrouble::OwnCertificate => Duration::ZERO,
        };
        let lasts = self.since.is_some_and(|since| now - since >= patience);
        // A time to come is a clock that was set back since.
        let is_fresh = self.told_at.is_some_and(|told| told <= now && now - told < TOLD_ONCE_IN);
        lasts && !self.stands && !is_fresh
    }
}

/// What the team is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountNews {
    Trouble(AccountTrouble),
    /// What it was told of last is over.
    Works,
}

/// Notes what an attempt showed: changes `notes`, at most one for each trouble, and says what the team
/// is told.
pub fn note(
    notes: &mut Vec<TroubleNote>,
    sight: AccountSight,
    now: OffsetDateTime,
) -> Option<AccountNews> {
    let seen = match sight {
        AccountSight::Trouble(trouble) => trouble,
        AccountSight::Works => {
            let stood = notes.iter().any(|note| note.stands);
            for note in notes {
                note.since = None;
                note.stands = false;
            }
            return stood.then_some(AccountNews::Works);
        }
    };
    if !notes.iter().any(|note| note.trouble == seen) {
        notes.push(TroubleNote::none(seen));
    }
    for note in notes.iter_mut() {
        note.since = (note.trouble == seen).then(|| note.since.unwrap_or(now).min(now));
    }
    if !notes.iter().any(|note| note.trouble == seen && note.is_due(now)) {
        return None;
    }
    for note in notes {
        note.stands = note.trouble == seen;
        if note.stands {
            note.told_at = Some(now);
        }
    }
    Some(AccountNews::Trouble(seen))
}

/// What the outcome of an attempt to hand over shows of the account; nothing if no login was tried.
pub fn sight_of(outcome: &Outcome) -> Option<AccountSight> {
    let (at, why) = match outcome {
        Outcome::TryLater { at, why } => (*at, why),
        Outcome::Accepted { .. } | Outcome::Refused { .. } | Outcome::Unclear { .. } => {
            return Some(AccountSight::Works);
        }
    };
    let trouble = match (at, why) {
        (_, Why::NoSession(trouble, _)) => *trouble,
        // The account waits after an earlier refusal, or the connection broke off at the login.
        (Reached::Login, Why::Fault(_) | Why::TooLarge(_)) => return None,
        // A Clientmodul's answers (gemSpec_CM_KOMLE Tab_SMTP_Verbindung).
        (Reached::Login, Why::Reply(reply)) if reply.code < 500 => AccountTrouble::Away,
        (Reached::Login, Why::Reply(reply)) if reply.code == 501 => AccountTrouble::Settings,
        (Reached::Login, Why::Reply(_)) => AccountTrouble::Login,
        (Reached::Connect, _) => AccountTrouble::Away,
        // The login was taken; what follows is about this mail.
        (Reached::Sender | Reached::Recipient | Reached::Body, _) => {
            return Some(AccountSight::Works);
        }
    };
    Some(AccountSight::Trouble(trouble))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::model::Reply;

    const BEGIN: OffsetDateTime = datetime!(2026-11-23 08:00 UTC);
    const LOGIN: AccountSight = AccountSight::Trouble(AccountTrouble::Login);
    const AWAY: AccountSight = AccountSight::Trouble(AccountTrouble::Away);
    const WORKS: AccountSight = AccountSight::Works;

    /// Minute by minute: what is seen, and what the team is told.
    fn check(seen: &[(i64, AccountSight, Option<AccountNews>)]) {
        let mut notes = Vec::new();
        for (minute, sight, expected) in seen {
            let told = note(&mut notes, *sight, BEGIN + Duration::minutes(*minute));
            assert_eq!(told, *expected, "in minute {minute}");
        }
    }

    fn told(trouble: AccountTrouble) -> Option<AccountNews> {
        Some(AccountNews::Trouble(trouble))
    }

    #[test]
    fn kim_6_a_refused_login_is_told_once_and_that_it_is_over_once() {
        check(&[
            (0, WORKS, None),
            (1, LOGIN, told(AccountTrouble::Login)),
            (2, LOGIN, None),
            (600, LOGIN, None),
            (601, WORKS, Some(AccountNews::Works)),
            (602, WORKS, None),
        ]);
    }

    #[test]
    fn kim_6_a_server_that_is_away_for_moments_is_nobody_s_business() {
        check(&[
            (0, AWAY, None),
            (14, AWAY, None),
            (14, WORKS, None),
            (20, AWAY, None),
            (34, AWAY, None),
            (35, AWAY, told(AccountTrouble::Away)),
            (40, AWAY, None),
            (50, WORKS, Some(AccountNews::Works)),
        ]);
    }

    #[test]
    fn kim_6_another_trouble_is_news_and_the_end_of_all_is_told_once() {
        let certificate = AccountTrouble::Certificate;
        check(&[
            (0, LOGIN, told(AccountTrouble::Login)),
            (1, AccountSight::Trouble(certificate), told(certificate)),
            // Not again within the hour, and what was told last still stands.
            (2, LOGIN, None),
            (59, LOGIN, None),
            (60, LOGIN, told(AccountTrouble::Login)),
            (61, WORKS, Some(AccountNews::Works)),
            (62, WORKS, None),
        ]);
    }

    #[test]
    fn kim_6_a_clock_that_is_set_back_silences_nobody() {
        check(&[
            (600, LOGIN, told(AccountTrouble::Login)),
            (601, WORKS, Some(AccountNews::Works)),
            (0, LOGIN, told(AccountTrouble::Login)),
        ]);
    }

    /// A server that refuses and takes the login in turns, for a day.
    #[test]
    fn kim_6_a_flapping_server_makes_one_pair_of_notices_an_hour() {
        let (mut notes, mut told) = (Vec::new(), Vec::new());
        for minute in 0..24 * 60 {
            let sight = if minute % 2 == 0 { LOGIN } else { WORKS };
            told.extend(note(&mut notes, sight, BEGIN + Duration::minutes(minute)));
        }
        assert_eq!(told.len(), 2 * 24);
        let troubles = told.iter().filter(|news| **news != AccountNews::Works).count();
        assert_eq!(troubles, 24);
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn kim_6_an_outcome_tells_what_is_wrong_with_the_account() {
        let reply = |code| Why::Reply(Reply { code, enhanced: None, text: "501 535".to_owned() });
        let later = |at, why| sight_of(&Outcome::TryLater { at, why });
        for (code, trouble) in [
            (535, AccountTrouble::Login),
            (530, AccountTrouble::Login),
            (501, AccountTrouble::Settings),
            (454, AccountTrouble::Away),
            (421, AccountTrouble::Away),
        ] {
            let sight = later(Reached::Login, reply(code));
            assert_eq!(sight, Some(AccountSight::Trouble(trouble)), "{code}");
        }
        let no_session = |trouble| later(Reached::Connect, Why::NoSession(trouble, String::new()));
        for trouble in AccountTrouble::ALL {
            assert_eq!(no_session(trouble), Some(AccountSight::Trouble(trouble)));
        }
        assert_eq!(later(Reached::Connect, reply(421)), Some(AWAY));
        assert_eq!(later(Reached::Body, reply(451)), Some(WORKS));
        assert_eq!(later(Reached::Login, Why::Fault(String::new())), None);
        let refused = Outcome::Refused { at: Reached::Recipient, why: reply(550) };
        assert_eq!(sight_of(&refused), Some(WORKS));
    }
}
