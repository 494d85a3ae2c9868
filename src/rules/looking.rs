//! What to do with the mails a mailbox lists: which are fetched, in which order, and which keys name
//! nothing any more.
//!
//! A key names a mail only while it is in the list. A key that was gone, or whose mail we had
//! deleted, and that is there again names a new mail (RFC 1939 §7 lets a server use it again).

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use time::OffsetDateTime;

use super::retry::{WAIT_MAX, not_before};
use crate::model::MailKey;

/// Longest wait of a mail that was put aside.
const ASIDE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// A letter whose key has not left the list, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMail {
    pub key: MailKey,
    /// Its length in the server's list when it was fetched.
    pub listed_bytes: Option<u64>,
    /// The mailbox confirmed its deletion.
    pub is_deleted: bool,
    /// `false` for a mail out of reach, of which there is a letter with its head or less.
    pub is_whole: bool,
}

/// A mail that is no letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfetchedMail {
    pub key: MailKey,
    pub state: UnfetchedState,
    pub tries: u32,
    pub next_try_at: Option<OffsetDateTime>,
    /// Its length in the server's list when it was noted.
    pub listed_bytes: Option<u64>,
}

/// Why a mail is no letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnfetchedState {
    /// It could not be fetched yet.
    Trying,
    /// It could not be fetched in several tries: a person was told, and it is tried now and then.
    Aside,
    /// A person was told, and no further try would bring it.
    Final,
    /// A person gave it up.
    Dropped,
    /// It was there before the gateway came, and is older than the settings want.
    Skipped,
    /// It was put aside, and is not in the mailbox any more.
    Gone,
    /// Its letter says only that the Clientmodul could not decrypt it; it is fetched again now and
    /// then.
    Undecrypted,
}

impl UnfetchedState {
    pub const ALL: [Self; 7] = [
        Self::Trying,
        Self::Aside,
        Self::Final,
        Self::Dropped,
        Self::Skipped,
        Self::Gone,
        Self::Undecrypted,
    ];

    /// The word for it in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Aside => "aside",
            Self::Final => "final",
            Self::Dropped => "dropped",
            Self::Skipped => "skipped",
            Self::Gone => "gone",
            Self::Undecrypted => "undecrypted",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A mail to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    pub key: MailKey,
    /// What was tried before.
    pub before: Before,
}

/// What was tried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing is known of it.
    Nothing,
    /// Its letter is kept, and the server's list gives another length now.
    OtherSize,
    /// How often it was tried.
    Tries(u32),
    /// It was put aside; a person was told.
    Aside,
    /// A mail of this name was noted, and the server's list gave another length for it.
    OtherThanNoted,
    /// How often it came without being decrypted.
    Undecrypted(u32),
}

/// What identifies a mail besides its key, which its server may use again for another mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// See [`head_identity`](crate::mail::head_identity).
    pub head: Option<[u8; 32]>,
    /// Its length in the server's list, if that is believed.
    pub listed_bytes: Option<u64>,
}

/// Whether two mails of one key are the same. `is_key_unique`: the protocol promises that no key is
/// used again, as IMAP does. If nothing decides it, they are not.
pub fn is_same(noted: Marks, seen: Marks, is_key_unique: bool) -> bool {
    match (noted.head, seen.head) {
        (Some(noted), Some(seen)) => noted == seen,
        _ => {
            is_key_unique || noted.listed_bytes.is_some() && noted.listed_bytes == seen.listed_bytes
        }
    }
}

/// What a look has to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Mails that were never tried, in the order of the list, then those that were tried and are
    /// due.
    pub errands: Vec<Errand>,
    /// Keys of letters that name nothing any more.
    pub left: Vec<MailKey>,
    /// Keys that name nothing any more, of mails that are no letters.
    pub unfetched_left: Vec<MailKey>,
    /// Mails that were fetched after all, which was not noted.
    pub settled: Vec<MailKey>,
}

/// Plans a look.
///
/// `sizes` are those of the server's list; empty if they are not known or not believed. `is_short`:
/// the list is not complete, so it never says that a key has left.
pub fn plan(
    listed: &[MailKey],
    is_short: bool,
    sizes: &HashMap<MailKey, u64>,
    kept: &[KeptMail],
    unfetched: &[UnfetchedMail],
    now: OffsetDateTime,
) -> Plan {
    let kept_by_key: HashMap<&MailKey, &KeptMail> = kept.iter().map(|m| (&m.key, m)).collect();
    let unfetched_by_key: HashMap<&MailKey, &UnfetchedMail> =
        unfetched.iter().map(|m| (&m.key, m)).collect();
    let mut plan = Plan::default();
    let mut later = Vec::new();
    for key in listed {
        let kept = kept_by_key.get(key).copied().filter(|kept| !kept.is_deleted);
        let is_other = |noted: Option<u64>| matches!((noted, sizes.get(key)), (Some(noted), Some(now)) if noted != *now);
        match (kept, unfetched_by_key.get(key)) {
            (Some(kept), Some(mail))
                if kept.is_whole && mail.state != UnfetchedState::Undecrypted =>
            {
                plan.settled.push(key.clone());
            }
            (Some(kept), mail) if kept.is_whole => {
                if is_other(kept.listed_bytes) {
                    let before = Before::OtherSize;
                    plan.errands.push(Errand { key: key.clone(), before });
                } else if let Some(mail) = mail
                    && is_due(mail, now)
                {
                    let before = Before::Undecrypted(mail.tries);
                    later.push((mail.next_try_at, Errand { key: key.clone(), before }));
                }
            }
            (_, Some(mail)) if is_other(mail.listed_bytes) => {
                let before = Before::OtherThanNoted;
                plan.errands.push(Errand { key: key.clone(), before });
            }
            (_, Some(mail)) => {
                if let Some(before) = tried_before(mail)
                    && is_due(mail, now)
                {
                    later.push((mail.next_try_at, Errand { key: key.clone(), before }));
                }
            }
            (_, None) => plan.errands.push(Errand { key: key.clone(), before: Before::Nothing }),
        }
    }
    // The longest waiting comes first, so that no bad mail keeps another one from its try.
    later.sort_by_key(|(since, _)| *since);
    plan.errands.extend(later.into_iter().map(|(_, errand)| errand));
    if !is_short {
        let listed: HashSet<&MailKey> = listed.iter().collect();
        let left = |key: &&MailKey| !listed.contains(key);
        plan.left = kept.iter().map(|mail| &mail.key).filter(left).cloned().collect();
        plan.unfetched_left = unfetched
            .iter()
            .filter(|mail| mail.state != UnfetchedState::Gone)
            .map(|mail| &mail.key)
            .filter(left)
            .cloned()
            .collect();
    }
    plan
}

/// What was tried before for a mail that is no letter; nothing when it is not tried any more.
fn tried_before(mail: &UnfetchedMail) -> Option<Before> {
    match mail.state {
        UnfetchedState::Trying => Some(Before::Tries(mail.tries)),
        // A person was told, and wants it tried no more, or no try would bring it.
        UnfetchedState::Aside if mail.next_try_at.is_some() => Some(Before::Aside),
        UnfetchedState::Aside
        | UnfetchedState::Final
        | UnfetchedState::Dropped
        | UnfetchedState::Skipped => None,
        // Its name is there again: a new mail.
        UnfetchedState::Gone | UnfetchedState::Undecrypted => Some(Before::Tries(0)),
    }
}

fn is_due(mail: &UnfetchedMail, now: OffsetDateTime) -> bool {
    // A time further ahead than any wait was written by a clock that was set back since.
    let longest = match mail.state {
        UnfetchedState::Trying => WAIT_MAX,
        _ => ASIDE_MAX,
    };
    mail.next_try_at.is_none_or(|next| not_before(next, now, longest).is_none())
}

/// Which of the mails that may be deleted can be named to the server without a doubt. Their heads
/// tell whether the name is still theirs.
pub fn deletable(
    safe: Vec<KeptMail>,
    listed: &[MailKey],
    shared: &BTreeSet<MailKey>,
    sizes: &HashMap<MailKey, u64>,
) -> Vec<MailKey> {
    let listed: HashSet<&MailKey> = listed.iter().collect();
    safe.into_iter()
        .filter(|mail| listed.contains(&mail.key) && !shared.contains(&mail.key))
        .filter(|mail| match (mail.listed_bytes, sizes.get(&mail.key)) {
            (Some(then), Some(now)) => then == *now,
            _ => true,
        })
        .map(|mail| mail.key)
        .collect()
}

/// So often a mail that the Clientmodul could not decrypt is fetched again out of turn because another
/// one was decrypted. A mail that is broken for good is not asked for with each mail that comes.
pub const OUT_OF_TURN_MAX: u32 = 8;

/// Whether some of these mails are fetched again as soon as another one is decrypted: the card or the
/// Konnektor is back, and nobody should wait for the next turn (KIM-15).
pub fn waits_for_card(unfetched: &[UnfetchedMail], now: OffsetDateTime) -> bool {
    unfetched.iter().any(|mail| {
        mail.state == UnfetchedState::Undecrypted
            && mail.tries < OUT_OF_TURN_MAX
            && mail.next_try_at.is_some_and(|next| next > now)
    })
}

/// How patient the gateway is with a mail that cannot be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// After this many tries it is put aside.
    pub tries: u32,
    /// First wait after a failed try.
    pub first: Duration,
    /// First wait of a mail that was put aside.
    pub aside_first: Duration,
    pub aside_max: Duration,
    /// First wait of a mail that the Clientmodul could not decrypt.
    pub undecrypted_first: Duration,
    /// First wait after a look that failed as a whole, and after failed deletions.
    pub look_first: Duration,
}

impl Default for Patience {
    /// Three tries within about a minute, then every hour to every day: a mail's own fault does not
    /// pass within minutes, and a person should hear of it the same hour. A locked card is another
    /// matter: somebody in the practice is about to enter its PIN.
    fn default() -> Self {
        Self {
            tries: 3,
            first: Duration::from_secs(10),
            aside_first: Duration::from_secs(3_600),
            aside_max: ASIDE_MAX,
            undecrypted_first: Duration::from_secs(60),
            look_first: Duration::from_secs(5),
        }
    }
}

impl Patience {
    /// The wait after the `failed`-th failed try, from 1.
    pub fn wait(&self, failed: u32) -> Duration {
        match failed.checked_sub(self.tries) {
            None => doubled(self.first, failed.saturating_sub(1)),
            Some(times) => doubled(self.aside_first, times).min(self.aside_max),
        }
    }

    /// The wait of a mail that came undecrypted and was fetched again in vain this often.
    pub fn undecrypted_wait(&self, again: u32) -> Duration {
        doubled(self.undecrypted_first, again).min(self.aside_max)
    }

    /// The wait after this many failures of the whole, from 1.
    pub fn look_wait(&self, failures: u32) -> Duration {
        doubled(self.look_first, failures.saturating_sub(1))
    }
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times.min(12)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 08:00 UTC);

    fn key(text: &str) -> MailKey {
        MailKey::new(text).unwrap()
    }

    fn keys(text: &str) -> Vec<MailKey> {
        text.split_whitespace().map(key).collect()
    }

    fn kept(text: &str) -> KeptMail {
        KeptMail { key: key(text), listed_bytes: Some(10), is_deleted: false, is_whole: true }
    }

    fn unfetched(text: &str, state: UnfetchedState) -> UnfetchedMail {
        UnfetchedMail {
            key: key(text),
            state,
            tries: 1,
            next_try_at: Some(NOW),
            listed_bytes: Some(10),
        }
    }

    fn errands(plan: &Plan) -> String {
        plan.errands.iter().map(|errand| errand.key.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn check(listed: &str, kept: &[KeptMail], tried: &[UnfetchedMail], expected: &str) -> Plan {
        let plan = plan(&keys(listed), false, &HashMap::new(), kept, tried, NOW);
        assert_eq!(errands(&plan), expected, "{listed}");
        plan
    }

    /// `R01`: a mail that was deleted or had left, and is there again, is a new mail.
    #[test]
    fn a_key_names_a_mail_only_while_it_is_there() {
        check("1 2", &[kept("1")], &[], "2");
        let deleted = KeptMail { is_deleted: true, ..kept("1") };
        check("1", std::slice::from_ref(&deleted), &[], "1");
        let plan = check("2", &[kept("1"), kept("2"), deleted], &[], "");
        assert_eq!(plan.left, keys("1 1"));
        let short = super::plan(&keys("2"), true, &HashMap::new(), &[kept("1")], &[], NOW);
        assert_eq!((short.left, errands_of(&short.errands)), (vec![], "2".to_owned()));
    }

    /// B85: servers that number their mails by date put a late one between known ones.
    #[test]
    fn b85_a_mail_between_known_ones_is_new() {
        check("1 2 3 5", &[kept("1"), kept("3"), kept("5")], &[], "2");
    }

    /// B86: a server deletes the next mail in the place of one that is not there.
    #[test]
    fn b86_what_is_not_listed_is_never_named_for_deletion() {
        let (sizes, shared) = (HashMap::new(), BTreeSet::new());
        let safe = || ["1", "2", "3"].map(kept).to_vec();
        assert_eq!(deletable(safe(), &keys("2 4"), &shared, &sizes), keys("2"));
        assert_eq!(deletable(safe(), &keys("4"), &shared, &sizes), keys(""));
    }

    fn errands_of(errands: &[Errand]) -> String {
        errands.iter().map(|errand| errand.key.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// `R06`: a failed mail comes after all the others, and only it waits.
    #[test]
    fn what_failed_comes_last_and_waits_alone() {
        use UnfetchedState::{Aside, Dropped, Final, Gone, Skipped, Trying};
        let later = UnfetchedMail {
            next_try_at: Some(NOW + Duration::from_secs(1)),
            ..unfetched("3", Trying)
        };
        check("1 2 3 4", &[], &[unfetched("1", Trying), later], "2 4 1");
        // The clock was set back by a day since: a mail that is being tried does not wait for
        // tomorrow.
        let tomorrow = |key, state| UnfetchedMail {
            next_try_at: Some(NOW + Duration::from_secs(25 * 3_600)),
            ..unfetched(key, state)
        };
        check("1 2", &[], &[tomorrow("1", Trying), tomorrow("2", Aside)], "1 2");
        check("1 2", &[], &[unfetched("1", Dropped), unfetched("2", Skipped)], "");
        check("1 2", &[], &[unfetched("1", Final), unfetched("2", Aside)], "2");
        let never = UnfetchedMail { next_try_at: None, ..unfetched("1", Aside) };
        check("1", &[], &[never], "");
        check("1", &[], &[unfetched("1", Gone)], "1");
        let head = KeptMail { is_whole: false, ..kept("1") };
        check("1", std::slice::from_ref(&head), &[unfetched("1", Aside)], "1");
        let settled = check("1", &[kept("1")], &[unfetched("1", Trying)], "");
        assert_eq!(settled.settled, keys("1"));
        let gone = check("", &[head], &[unfetched("1", Aside)], "");
        assert_eq!((gone.left, gone.unfetched_left), (keys("1"), keys("1")));
    }

    /// `R01d`: the sizes show that a counter began again while nobody looked.
    #[test]
    fn a_key_with_another_size_is_looked_at_and_never_deleted() {
        let sizes: HashMap<MailKey, u64> = [(key("1"), 10), (key("2"), 11)].into();
        let mails = [kept("1"), kept("2")];
        let plan = super::plan(&keys("1 2"), false, &sizes, &mails, &[], NOW);
        assert_eq!(plan.errands, [Errand { key: key("2"), before: Before::OtherSize }]);
        let shared = BTreeSet::from([key("3")]);
        let safe = vec![kept("1"), kept("2"), kept("3"), kept("4")];
        assert_eq!(deletable(safe, &keys("1 2 3"), &shared, &sizes), keys("1"));
    }

    /// A noted key with another size names another mail, whatever the note says.
    #[test]
    fn a_noted_key_with_another_size_is_looked_at() {
        for state in UnfetchedState::ALL {
            let noted = [UnfetchedMail { next_try_at: None, ..unfetched("1", state) }];
            let plan = |bytes| {
                let sizes = HashMap::from([(key("1"), bytes)]);
                super::plan(&keys("1"), false, &sizes, &[], &noted, NOW).errands
            };
            let before = Before::OtherThanNoted;
            assert_eq!(plan(11), [Errand { key: key("1"), before }], "{state:?}");
            assert!(plan(10).iter().all(|errand| errand.before != before), "{state:?}");
        }
    }

    #[test]
    fn what_was_not_decrypted_is_fetched_again_in_its_time() {
        let wait = Duration::from_secs(1);
        let later = UnfetchedMail {
            next_try_at: Some(NOW + wait),
            ..unfetched("1", UnfetchedState::Undecrypted)
        };
        let plan = check("1", &[kept("1")], std::slice::from_ref(&later), "");
        assert_eq!(plan.settled, []);
        let due = UnfetchedMail { next_try_at: Some(NOW), ..later };
        let plan = check("1", &[kept("1")], &[due], "1");
        assert_eq!(plan.errands[0].before, Before::Undecrypted(1));
    }

    #[test]
    fn kim_15_a_mail_that_was_not_decrypted_waits_for_the_card_so_often() {
        let waits = |tries, next_try_at, state| {
            waits_for_card(&[UnfetchedMail { tries, next_try_at, ..unfetched("1", state) }], NOW)
        };
        let later = Some(NOW + Duration::from_secs(1));
        assert!(waits(0, later, UnfetchedState::Undecrypted));
        assert!(waits(OUT_OF_TURN_MAX - 1, later, UnfetchedState::Undecrypted));
        assert!(!waits(OUT_OF_TURN_MAX, later, UnfetchedState::Undecrypted));
        assert!(!waits(0, Some(NOW), UnfetchedState::Undecrypted), "it is due anyway");
        assert!(!waits(0, later, UnfetchedState::Aside));
        let patience = Patience::default();
        let minutes = [0, 1, 2, 10, 11, 12].map(|n| patience.undecrypted_wait(n).as_secs() / 60);
        assert_eq!(minutes, [1, 2, 4, 1024, 1440, 1440]);
    }

    #[test]
    fn mails_of_one_key_are_the_same_where_something_tells() {
        let check = |noted: (Option<u8>, Option<u64>),
                     seen: (Option<u8>, Option<u64>),
                     expected: (bool, bool)| {
            let marks = |(head, listed_bytes): (Option<u8>, _)| Marks {
                head: head.map(|byte| [byte; 32]),
                listed_bytes,
            };
            assert_eq!(is_same(marks(noted), marks(seen), false), expected.0);
            assert_eq!(is_same(marks(noted), marks(seen), true), expected.1);
        };
        check((Some(1), Some(10)), (Some(1), Some(11)), (true, true));
        check((Some(1), Some(10)), (Some(2), Some(10)), (false, false));
        check((None, Some(10)), (Some(2), Some(10)), (true, true));
        check((None, Some(10)), (Some(2), Some(11)), (false, true));
        check((None, None), (Some(2), None), (false, true));
    }

    #[test]
    fn a_mail_put_aside_is_tried_every_hour_to_every_day() {
        let patience = Patience::default();
        let waits: Vec<u64> = (1..=9).map(|failed| patience.wait(failed).as_secs()).collect();
        assert_eq!(waits, [10, 20, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 86_400]);
        assert_eq!(patience.wait(u32::MAX).as_secs(), 86_400);
    }

    proptest! {
        /// Every mail of a list is kept, fetched now, waits for its time, or is settled by a person
        /// or the settings; and nothing is fetched twice in a look.
        #[test]
        fn no_mail_of_a_list_is_forgotten(
            listed in prop::collection::btree_set(0_u8..12, 0..12),
            kept_keys in prop::collection::btree_map(0_u8..12, (any::<bool>(), any::<bool>()), 0..12),
            tried in prop::collection::btree_map(0_u8..12, (0_usize..7, -2_i64..3), 0..12),
        ) {
            let name = |n: &u8| key(&n.to_string());
            let listed: Vec<_> = listed.iter().map(name).collect();
            let kept: Vec<_> = kept_keys
                .iter()
                .map(|(n, (is_deleted, is_whole))| KeptMail {
                    key: name(n), listed_bytes: None, is_deleted: *is_deleted, is_whole: *is_whole,
                })
                .collect();
            let unfetched: Vec<_> = tried
                .iter()
                .map(|(n, (state, next))| UnfetchedMail {
                    key: name(n),
                    state: UnfetchedState::ALL[*state],
                    tries: 1,
                    next_try_at: Some(NOW + time::Duration::seconds(*next)),
                    listed_bytes: None,
                })
                .collect();
            let plan = plan(&listed, false, &HashMap::new(), &kept, &unfetched, NOW);
            let fetched: BTreeSet<_> = plan.errands.iter().map(|errand| &errand.key).collect();
            prop_assert_eq!(fetched.len(), plan.errands.len());
            for key in &listed {
                let is_kept = kept.iter().any(|m| m.key == *key && !m.is_deleted && m.is_whole);
                let rests = unfetched.iter().any(|m| m.key == *key && match m.state {
                    UnfetchedState::Trying | UnfetchedState::Aside => m.next_try_at > Some(NOW),
                    UnfetchedState::Gone | UnfetchedState::Undecrypted => {
                        m.next_try_at > Some(NOW)
                    }
                    _ => true,
                });
                prop_assert!(is_kept || rests || fetched.contains(key), "{:?}", key);
                let is_undecrypted = unfetched
                    .iter()
                    .any(|m| m.key == *key && m.state == UnfetchedState::Undecrypted);
                prop_assert!(!(is_kept && fetched.contains(key)) || is_undecrypted);
            }
            for key in fetched {
                prop_assert!(listed.contains(key));
            }
        }
    }
}
