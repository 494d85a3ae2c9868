//! What a fax gateway's mail says besides its fax.

use super::{FreshLetter, tell_channel};
use crate::{
    channel::{FaxArrived, FaxMail, FaxMissedCall, FaxReportSays, FaxSaid, subaddress_of},
    model::{Attachment, Body, Correspondent, Letter, MailAddress},
    phrases::{FaxPhrase, NamePhrase, Phrase},
    relay::{Ctx, Line, fax_reports},
    store::{StoreError, StoredLetter},
};

/// Tells the team of a call that brought no fax (FAX-5).
pub(super) async fn tell_of_missed(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    correspondent: &Correspondent,
    call: FaxMissedCall,
) -> Result<(), StoreError> {
    let number = correspondent.number().map(|number| number.as_str().to_owned());
    let phrase = Phrase::OfFax(FaxPhrase::Missed { number, reason: call.reason });
    tell_channel(ctx, line, stored, &Correspondent::UnknownFax, (&phrase, false)).await
}

/// Takes what the gateway says of a fax of ours. Its transcript and the document that it brings back
/// stay out of the rooms (FAX-35).
pub(super) async fn take_report(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    new: &FreshLetter,
    said: &FaxSaid,
) -> Result<(), StoreError> {
    // Of a report that brings the document back, perhaps only the head was fetched: it says that something was
    // sent, and not how much (FAX-31).
    let is_half = stored.too_large || stored.out_of_reach;
    let is_counted = !(is_half && said.says == FaxReportSays::Sent);
    let letter = (stored.id, new.read.fingerprint);
    if is_counted && fax_reports::take(ctx, line, letter, said).await? {
        return Ok(());
    }
    let digits = || said.to_digits.clone();
    let number = said.to.as_ref().map(|number| number.as_str().to_owned()).or_else(digits);
    let says = said.says.word();
    let phrase = Phrase::OfFax(FaxPhrase::ReportUnplaced { number, says });
    tell_channel(ctx, line, stored, &Correspondent::UnknownFax, (&phrase, false)).await
}

/// The subaddress of a fax, where its envelope names just one: in a house with several desks it says whose
/// fax this is (FAX-9).
pub(super) async fn subaddress(
    ctx: &Ctx,
    stored: &StoredLetter,
) -> Result<Option<Phrase>, StoreError> {
    let Some((envelope, _)) = ctx.store.letter_envelope(stored.id).await? else { return Ok(None) };
    let recipients = envelope.recipients.iter();
    let mut named = recipients.filter_map(|to| subaddress_of(&MailAddress::new(to).ok()?));
    let phrase = named.next().map(|subaddress| NamePhrase::Subaddress { subaddress });
    Ok(phrase.filter(|_| named.next().is_none()).map(Phrase::OfName))
}

/// What a fax's room is told of it besides its files.
#[derive(Default)]
pub(super) struct FaxTold {
    /// Above its words.
    pub(super) head: Vec<Phrase>,
    pub(super) hints: Vec<Phrase>,
    /// The places of files that are for machines: the transcript of a session (FAX-35).
    pub(super) left_out: Vec<i32>,
}

/// Takes the transcript of a session out of a mail's words, whatever gateway wrote it (FAX-35).
fn without_transcript(body: &mut Body) {
    let is_transcript = |line: &str| {
        let line = line.to_lowercase();
        line.contains("session begin") || line.contains("transcript of session")
    };
    let kept: Vec<&str> = body.text.lines().take_while(|line| !is_transcript(line)).collect();
    if kept.len() < body.text.lines().count() {
        // Formatted words would say the rest.
        *body = Body { text: kept.join("\n").trim_end().to_owned(), html: None };
    }
}

/// Says what a room is told of a fax, and takes out of its words what the mail says for machines.
/// `documents`: the places of the files that are none of its words.
pub(super) fn told(line: &Line, letter: &mut Letter, documents: &[usize]) -> FaxTold {
    let Some(mail) = line.channel.fax_mail(letter) else { return FaxTold::default() };
    without_transcript(&mut letter.body);
    let mut hints = Vec::new();
    let is_technical = matches!(&mail, FaxMail::Fax(fax) if fax.is_technical);
    // A gateway may call a fax a text; its first bytes decide (FAX-13).
    let is_left_out = |(place, file): &&(usize, &Attachment)| {
        is_technical && file.media_type == "text/plain" && !documents.contains(place)
    };
    let files: Vec<(usize, &Attachment)> = letter.attachments.iter().enumerate().collect();
    let left_out: Vec<i32> = files
        .iter()
        .filter(is_left_out)
        .filter_map(|(place, _)| i32::try_from(*place).ok())
        .collect();
    let has_document = letter.attachments.len() > left_out.len();
    let head = match mail {
        FaxMail::Fax(FaxArrived { incomplete, name, is_technical, .. }) => {
            if let Some(reason) = incomplete {
                let reason = Some(reason).filter(|reason| !reason.is_empty());
                hints.push(FaxPhrase::Incomplete { reason });
            }
            if !has_document {
                hints.push(FaxPhrase::WithoutDocument);
            }
            if is_technical {
                letter.body = Body::default();
                letter.subject = String::new();
            }
            name.map(|name| FaxPhrase::Came { name }).into_iter().collect()
        }
        FaxMail::Other => {
            hints.push(FaxPhrase::UnknownForm);
            Vec::new()
        }
        FaxMail::Missed(_) | FaxMail::Report(_) => Vec::new(),
    };
    let phrases = |said: Vec<FaxPhrase>| said.into_iter().map(Phrase::OfFax).collect();
    FaxTold { head: phrases(head), hints: phrases(hints), left_out }
}
