//! The gateway's own sentences: tests wait for the phrase they mean, and no test knows its words.

use time::OffsetDateTime;
use umstieg::{
    model::Language,
    phrases::{FaxPhrase, Phrase, Phrases, Trouble},
};
use umstieg_world::{
    AddressTrouble, Client,
    client::{SeenEvent, SeenTimeline},
};

use crate::stage::Stage;

/// A moment that a test cannot know; what [`says`] compares is the same for every moment.
pub(crate) const SOME_TIME: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// An answer was handed over to KIM, at some time.
pub(crate) const HANDED_TO_KIM: Phrase = Phrase::DispatchAcceptedKim { at: SOME_TIME };

/// A fax was handed over to a gateway that writes no reports, at some time.
pub(crate) const HANDED_TO_FAX: Phrase = Phrase::OfFax(FaxPhrase::HandedOver { at: SOME_TIME });

/// A fax was handed over to a gateway that will report, at some time.
pub(crate) const HANDED_TO_REPORTING_FAX: Phrase = Phrase::DispatchAcceptedFax { at: SOME_TIME };

/// What is said of an answer to an address that the world's mail server has this trouble with.
pub(crate) fn of_trouble(trouble: AddressTrouble) -> Phrase {
    let failed = |trouble, reply: &str| Phrase::DispatchFailed { trouble, reply: reply.to_owned() };
    match trouble {
        AddressTrouble::TryLater | AddressTrouble::TryLaterAfterData => {
            Phrase::DispatchTryLater { trouble: Trouble::Busy, next: SOME_TIME }
        }
        AddressTrouble::Refuse => failed(Trouble::RecipientRefused, "550 5.1.1 no such recipient"),
        AddressTrouble::RefuseAfterData => {
            failed(Trouble::ContentRefused, "550 5.6.0 content refused")
        }
    }
}

/// The whole sentence in German, which the channels of every stage speak; it is never empty.
pub(crate) fn sentence(phrase: &Phrase) -> String {
    let sentence = Phrases::say(Language::German, phrase);
    assert!(!sentence.trim().is_empty(), "{phrase:?} says nothing");
    sentence
}

/// Whether a text holds the whole sentence of a phrase, word by word. Of its words only times of day
/// (`14:05`) and days (`24.11.`) may be others: a test does not know when a mail left.
pub(crate) fn says(text: &str, phrase: &Phrase) -> bool {
    holds(text, &without_moments(&sentence(phrase)))
}

fn holds(text: &str, timeless: &str) -> bool {
    without_moments(text).contains(timeless)
}

/// The same sign in the place of each time of day and each day.
pub(crate) fn without_moments(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let bare = word.trim_end_matches([',', ';']);
        if is_moment(bare) { word.replacen(bare, "…", 1) } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_moment(word: &str) -> bool {
    let is_number = |text: &str| {
        (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_time = word.split_once(':').is_some_and(|(h, m)| is_number(h) && is_number(m));
    let is_day = word.split_once('.').is_some_and(|(day, rest)| {
        let month = rest.split_once('.');
        is_number(day) && month.is_some_and(|(m, y)| is_number(m) && (y.is_empty() || is_number(y)))
    });
    is_time || is_day
}

/// The messages that say it, edits included.
pub(crate) fn saying<'s>(
    seen: &'s SeenTimeline,
    phrase: &Phrase,
) -> impl Iterator<Item = &'s SeenEvent> + use<'s> {
    let timeless = without_moments(&sentence(phrase));
    seen.messages().filter(move |message| holds(message.body(), &timeless))
}

/// Waits until a client is told this.
pub(crate) async fn hears(client: &Client, phrase: &Phrase) -> SeenEvent {
    client.wait_for(&what(phrase), |seen| saying(seen, phrase).next().cloned()).await.unwrap()
}

/// Waits for the notice that answers an event with this.
pub(crate) async fn told(client: &Client, event_id: &str, phrase: &Phrase) -> SeenEvent {
    let what = format!("{} about {event_id}", what(phrase));
    client
        .wait_for(&what, |seen| {
            let about = |m: &&SeenEvent| m.reply_to() == Some(event_id) && m.edit_of().is_none();
            saying(seen, phrase).find(about).cloned()
        })
        .await
        .unwrap()
}

/// What is waited for, as a failed test shows it.
fn what(phrase: &Phrase) -> String {
    format!("{phrase:?}: {:?}", sentence(phrase))
}

impl Stage {
    /// Waits until Anna is told this.
    pub(crate) async fn anna_is_told(&self, phrase: &Phrase) -> SeenEvent {
        hears(&self.anna, phrase).await
    }

    /// Waits until what Anna is shown in the place of an event says this.
    pub(crate) async fn anna_is_shown(&self, event_id: &str, phrase: &Phrase) {
        is_shown(&self.anna, event_id, phrase).await;
    }

    /// How often Anna was told this, edits not counted.
    pub(crate) fn anna_was_told(&self, phrase: &Phrase) -> usize {
        saying(&self.anna.seen(), phrase).filter(|message| message.edit_of().is_none()).count()
    }
}

/// Waits until what a client is shown in the place of an event says this.
pub(crate) async fn is_shown(client: &Client, event_id: &str, phrase: &Phrase) {
    let what = format!("{} in the place of an earlier notice", what(phrase));
    client
        .wait_for(&what, |seen| says(seen.shown_body(event_id)?, phrase).then_some(()))
        .await
        .unwrap();
}

#[test]
fn a_sentence_is_known_whole_and_at_any_time() {
    let at = |hour| SOME_TIME + time::Duration::hours(hour);
    let waits = |trouble, hour| Phrase::DispatchTryLater { trouble, next: at(hour) };
    let said = format!("* {}", sentence(&waits(Trouble::Busy, 60 * 24 + 13)));
    assert!(says(&said, &waits(Trouble::Busy, 0)), "{said}");
    assert!(!says(&said, &waits(Trouble::Login, 0)), "another reason: {said}");
    let cut = said.split_at(said.len() - 1).0;
    assert!(!says(cut, &waits(Trouble::Busy, 0)), "a part of it: {cut}");

    let too_long = |pages| Phrase::FaxTooLong { pages, pages_max: 1 };
    assert!(!says(&sentence(&too_long(4)), &too_long(5)), "a number is no time");
    assert!(!says("", &HANDED_TO_KIM) && !says("…", &HANDED_TO_KIM));
}
