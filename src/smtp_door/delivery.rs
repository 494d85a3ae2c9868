//! A mail on its way from a fax server into the database: one letter for each channel it is for.

use time::OffsetDateTime;
use tracing::{error, info, warn};

use super::{
    SmtpDoor,
    connection::MailSink,
    dialogue::DoorEnvelope,
    reply::{DoorReply, no_room, not_saved, taken},
};
use crate::{
    relay::Ctx,
    store::{FetchedFrom, Job, LetterEnvelope, NewLetter, Saved, StoreError},
};

/// For how long the same bytes are the same mail: as long as a mail server keeps trying (RFC 5321 §4.5.4.1
/// has four to five days), and some more. Inferred (FAX-2): no fax server writes two mails that are alike to
/// the last byte within that time; HylaFAX counts its faxes and names the second.
const REPEATS_WITHIN: time::Duration = time::Duration::days(7);

pub(super) struct Delivery<'d> {
    door: &'d SmtpDoor,
    envelope: &'d DoorEnvelope,
    parcels: Vec<Parcel<'d>>,
}

/// What comes for one channel.
struct Parcel<'d> {
    /// The place of its entrance.
    place: usize,
    letter: NewLetter<'d>,
    /// Why it could not be saved.
    trouble: Option<StoreError>,
}

impl<'d> Delivery<'d> {
    pub(super) fn begin(door: &'d SmtpDoor, envelope: &'d DoorEnvelope) -> Self {
        let mut parcels: Vec<Parcel<'_>> = Vec::new();
        for (_, place) in &envelope.recipients {
            if parcels.iter().all(|parcel| parcel.place != *place) {
                let letter = NewLetter::new(&door.ctx.store);
                parcels.push(Parcel { place: *place, letter, trouble: None });
            }
        }
        Self { door, envelope, parcels }
    }

    /// Saves the mail for every channel. Returns one answer for each recipient, in their order.
    pub(super) async fn keep(self) -> Vec<DoorReply> {
        let Self { door, envelope, parcels } = self;
        let mut replies = Vec::new();
        for parcel in parcels {
            let place = parcel.place;
            replies.push((place, keep(door, envelope, parcel).await));
        }
        let of = |place: usize| {
            let kept = replies.iter().find(|(of, _)| *of == place);
            kept.map_or_else(not_saved, |(_, reply)| reply.clone())
        };
        envelope.recipients.iter().map(|(_, place)| of(*place)).collect()
    }

    /// Removes what was saved of a mail that did not come to its end. If the database is away, the next
    /// start does.
    pub(super) async fn discard(self) {
        for parcel in self.parcels {
            if let Err(error) = parcel.letter.discard().await {
                warn!(error = %error, "What was saved of a broken-off mail could not be removed yet");
            }
        }
    }
}

impl MailSink for Delivery<'_> {
    async fn take(&mut self, bytes: &[u8]) {
        for parcel in &mut self.parcels {
            if parcel.trouble.is_none() {
                parcel.trouble = parcel.letter.take(bytes).await.err();
            }
        }
    }
}

async fn keep(door: &SmtpDoor, envelope: &DoorEnvelope, parcel: Parcel<'_>) -> DoorReply {
    let saved = match parcel.trouble {
        None => save(door, envelope, parcel.place, parcel.letter).await,
        Some(error) => {
            // What is there of it is removed at the next start, at the latest.
            let _ = parcel.letter.discard().await;
            Err(error)
        }
    };
    let (reply, result) = match saved {
        Ok(Some(Saved::New)) => (taken(), "saved"),
        Ok(Some(Saved::Known | Saved::StillOutOfReach)) => (taken(), "repeat"),
        Ok(None) => (not_saved(), "try_later"),
        Err(error) => {
            error!(error = %error, "A mail of a fax server could not be saved; it is asked to send it again");
            let reply = if error.is_for_want_of_room() { no_room() } else { not_saved() };
            (reply, "try_later")
        }
    };
    metrics::counter!("umstieg_deliveries_total", "result" => result).increment(1);
    reply
}

/// Saves one letter, and wakes who places it. Nothing is saved, or known, where its channel is not.
async fn save(
    door: &SmtpDoor,
    envelope: &DoorEnvelope,
    place: usize,
    letter: NewLetter<'_>,
) -> Result<Option<Saved>, StoreError> {
    let Ctx { store, clock, channels, .. } = &*door.ctx;
    let entrance = door.rules.entrances.get(place);
    let found = entrance.and_then(|(name, entrance)| {
        channels.get(name).map(|line| (name, entrance, line.intake.place()))
    });
    let Some((channel, entrance, at_place)) = found else { return Ok(None) };
    let now: OffsetDateTime = clock.now();
    let mailbox = store.mailbox(channel, &at_place, 0, now).await?.id;
    let key = store.delivery_key(mailbox, &letter.digest(), now - REPEATS_WITHIN).await?;
    let recipients = envelope.recipients.iter().filter(|(_, of)| *of == place);
    let said = LetterEnvelope {
        sender: envelope.sender.clone(),
        recipients: recipients.map(|(address, _)| address.as_str().to_owned()).collect(),
    };
    let bytes = letter.bytes();
    let letter = letter.in_envelope(&said, entrance.proof());
    let arrival = FetchedFrom {
        channel,
        mailbox,
        key: &key,
        listed_bytes: None,
        head_only: false,
        out_of_reach: false,
        too_large: false,
        at: now,
    };
    let saved = letter.finish(arrival).await?;
    if saved == Saved::New {
        let name = channel.to_string();
        metrics::counter!("umstieg_letters_received_total", "channel" => name).increment(1);
        info!(channel.name = %channel, "Saved a letter of {bytes} bytes, delivered by a fax server");
    } else {
        info!(channel.name = %channel, "A fax server delivered a letter once more");
    }
    // It is saved; the sweep wakes what this did not.
    if let Err(error) = store.wake(&Job::PlaceLetters(channel.clone()), None).await {
        warn!(error = %error, "The job that places letters could not be added yet");
    }
    Ok(Some(saved))
}
