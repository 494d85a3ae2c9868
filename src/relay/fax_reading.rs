//! What a machine reads on the pages of a fax is said beside it, once, in the background (FAX-10, decision 26).
//!
//! The fax is in its room before anything of this begins, and nothing waits for it. One fax is read at a time.

use std::time::Duration;

use tracing::{info, warn};

use super::{
    Ctx, Line,
    stored_mail::{self, Unread},
};
use crate::{
    document::SOURCE_BYTES_MAX,
    model::{Attachment, FaxPictures, GreyPage, LetterId, Notice, PageCode, PageHint, Substance},
    phrases::{PageWords, Phrase, Phrases, QuotedName, ReadPhrase},
    rules::{
        fax_pages::{FileSeen, PageOfFile},
        page_text::{self, CodeSays, PageTextView, ReadPage},
        posts,
    },
    sandbox::{PageReader, PageUnread, SandboxError},
    store::{FaxInRoom, ReadingEnd, StoreError, StoredReading},
};

/// Attempts at one fax, those counted that ended with the gateway.
const READS_MAX: i32 = 3;

/// Pages of one fax that are read: what it is about stands on the first ones. Each takes seconds.
const READ_PAGES_MAX: usize = 10;

/// How long one fax is read. What is read by then is said: a page made to be searched for barcodes for ever
/// takes a minute, and others wait to be read as well.
const READ_FAX_TIME_MAX: Duration = Duration::from_secs(180);

/// Wait before a fax is tried again, when the reading program could not be started.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// Why a fax was not read.
enum NotRead {
    Store(StoreError),
    /// Something could not be started. Trying again may help.
    NotYet,
    /// Its letter cannot be opened.
    Never,
}

impl From<StoreError> for NotRead {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Reads every fax that waits for it and is due, the oldest first.
pub async fn read_pages(ctx: &Ctx) -> Result<(), StoreError> {
    while let Some(reading) = ctx.store.next_reading(ctx.clock.now()).await? {
        read_fax(ctx, &reading).await?;
    }
    Ok(())
}

async fn read_fax(ctx: &Ctx, reading: &StoredReading) -> Result<(), StoreError> {
    let Some(attempts) = ctx.store.reading_begins(reading.letter).await? else { return Ok(()) };
    let line = ctx.line(&reading.channel).filter(|line| line.channel.reads_faxes());
    let stands = ctx.store.fax_in_room(reading.letter).await?;
    let (Some(line), Some(stands)) = (line, stands) else {
        return end(ctx, reading, ReadingEnd::Dropped).await;
    };
    if attempts > READS_MAX {
        return end(ctx, reading, ReadingEnd::GivenUp).await;
    }
    let fax = FaxRead { ctx, reader: &ctx.page_reader, letter: reading.letter };
    match fax.read(&stands).await {
        Ok((pages, all)) => tell(ctx, line, reading, &stands, (&pages, all)).await,
        Err(NotRead::Store(error)) => Err(error),
        Err(NotRead::NotYet) if attempts < READS_MAX => {
            let wait = READ_AGAIN * u32::try_from(attempts).unwrap_or(1);
            ctx.store.reading_again_at(reading.letter, ctx.clock.now() + wait).await
        }
        Err(NotRead::NotYet | NotRead::Never) => end(ctx, reading, ReadingEnd::GivenUp).await,
    }
}

/// Says what was read, if it is worth it, and if the fax still stands in its room.
async fn tell(
    ctx: &Ctx,
    line: &Line,
    reading: &StoredReading,
    stands: &FaxInRoom,
    (pages, all): (&[ReadPage], usize),
) -> Result<(), StoreError> {
    let Some(profile) = line.channel.fax() else { return Ok(()) };
    let country = profile.country;
    let view = page_text::view(pages, &profile.number, &|written| country.number(written));
    if view.is_empty() {
        return end(ctx, reading, ReadingEnd::Nothing).await;
    }
    // Reading took a while.
    if ctx.store.reading_came_too_late(reading.letter).await? {
        return end(ctx, reading, ReadingEnd::Dropped).await;
    }
    let said: Vec<String> = phrases(&view, pages.len(), all)
        .into_iter()
        .map(|phrase| Phrases::say(line.channel.language, &Phrase::OfReading(phrase)))
        .collect();
    let content = posts::reading_of(&said.join("\n"), &stands.event_id);
    let notice = Notice { substance: Substance::Content, content };
    let txn_id = posts::reading_name(&stands.txn_id);
    end(ctx, reading, ReadingEnd::Said { txn_id: &txn_id, notice: &notice, hints: &view.hints })
        .await
}

async fn end(ctx: &Ctx, reading: &StoredReading, end: ReadingEnd<'_>) -> Result<(), StoreError> {
    let (result, id) = (end.word(), reading.letter);
    if result == "given_up" {
        warn!(letter.id = %id, channel.name = %reading.channel, "The pages of letter {id} could not be read");
    }
    if ctx.store.reading_ends(reading, end, ctx.clock.now()).await? {
        info!(letter.id = %id, channel.name = %reading.channel, result, "Read the pages of letter {id}");
        metrics::counter!("umstieg_faxes_read_total", "channel" => reading.channel.clone(), "result" => result)
            .increment(1);
    }
    Ok(())
}

/// A fax whose pages are read.
struct FaxRead<'a> {
    ctx: &'a Ctx,
    reader: &'a PageReader,
    letter: LetterId,
}

impl FaxRead<'_> {
    /// What stands on its first pages, and how many pages there are.
    async fn read(&self, stands: &FaxInRoom) -> Result<(Vec<ReadPage>, usize), NotRead> {
        let read = match stored_mail::read(self.ctx, self.letter).await {
            Ok(Some(read)) => read,
            Ok(None) | Err(Unread::Panicked) => return Err(NotRead::Never),
            Err(Unread::Store(error)) => return Err(error.into()),
        };
        let files = &read.letter.attachments;
        let mut seen = Vec::with_capacity(files.len());
        for (place, file) in files.iter().enumerate() {
            // A file that is held back in its room is not read either.
            let is_shown = stands.files.contains(&place);
            seen.push(if is_shown { self.look_at(file).await? } else { FileSeen::Passed });
        }
        let view = crate::rules::fax_pages::view(&seen, FaxPictures::All, None);
        let all = usize::try_from(view.pages).unwrap_or(usize::MAX);
        let begun = self.ctx.clock.now();
        let mut pages = Vec::new();
        for PageOfFile { file, page, number } in view.pictures.into_iter().take(READ_PAGES_MAX) {
            if self.ctx.clock.now() - begun > READ_FAX_TIME_MAX {
                break;
            }
            let Some(file) = files.get(file) else { continue };
            let Some((grey, codes)) = self.open_page(file, page).await? else { continue };
            let words = match self.reader.words(&grey).await {
                Ok(words) => words,
                // Its barcodes are there.
                Err(PageUnread::Broken) => Vec::new(),
                Err(PageUnread::NotStarted(error)) => return Err(self.not_started(&error)),
            };
            pages.push(ReadPage { number, words, codes });
        }
        Ok((pages, all))
    }

    async fn look_at(&self, file: &Attachment) -> Result<FileSeen, NotRead> {
        if usize::try_from(file.bytes).is_ok_and(|bytes| bytes > SOURCE_BYTES_MAX) {
            return Ok(FileSeen::TooLarge);
        }
        let opened = stored_mail::bytes_of(self.ctx, self.letter, file).await?;
        let Some((bytes, _held)) = opened else { return Err(NotRead::Never) };
        match self.reader.sandbox().look(&bytes).await {
            Ok(sight) => Ok(FileSeen::Looked(sight)),
            Err(SandboxError::Unavailable(error)) => Err(self.not_started(&error)),
            Err(SandboxError::Document(_) | SandboxError::Broken { .. }) => Ok(FileSeen::Broken),
        }
    }

    /// A page in shades of grey, and its barcodes. Nothing if it cannot be opened. The file is given back
    /// before the page is read.
    async fn open_page(
        &self,
        file: &Attachment,
        page: u32,
    ) -> Result<Option<(GreyPage, Vec<PageCode>)>, NotRead> {
        let opened = stored_mail::bytes_of(self.ctx, self.letter, file).await?;
        let Some((bytes, _held)) = opened else { return Err(NotRead::Never) };
        let sandbox = self.reader.sandbox();
        let grey = match sandbox.scan(&bytes, page).await {
            Ok(grey) => grey,
            Err(SandboxError::Unavailable(error)) => return Err(self.not_started(&error)),
            Err(SandboxError::Document(_) | SandboxError::Broken { .. }) => return Ok(None),
        };
        match sandbox.codes(&bytes, page).await {
            Ok(codes) => Ok(Some((grey, codes))),
            Err(SandboxError::Unavailable(error)) => Err(self.not_started(&error)),
            // Its words may be read all the same.
            Err(SandboxError::Document(_) | SandboxError::Broken { .. }) => {
                Ok(Some((grey, Vec::new())))
            }
        }
    }

    fn not_started(&self, error: &std::io::Error) -> NotRead {
        warn!(letter.id = %self.letter, error = %error, "What reads pages could not be started");
        NotRead::NotYet
    }
}

/// What the room is told, line by line.
fn phrases(view: &PageTextView, read: usize, all: usize) -> Vec<ReadPhrase> {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let mut said = vec![match view.sure {
        Some(sure) => ReadPhrase::Intro { legible: view.legibility(), sure: sure.into() },
        None => ReadPhrase::OnlyCodes,
    }];
    let quoted = |text: &String| QuotedName(text.clone());
    said.extend(view.sender.as_ref().map(|text| ReadPhrase::Sender { text: quoted(text) }));
    said.extend(view.subject.as_ref().map(|text| ReadPhrase::Subject { text: quoted(text) }));
    said.extend(view.hints.iter().map(of_hint));
    said.extend(view.codes.iter().map(|(page, says)| of_code((*page).into(), says)));
    if read < all {
        said.push(ReadPhrase::FirstPages { read: count(read), pages: count(all) });
    }
    if !view.texts.is_empty() {
        said.push(ReadPhrase::Marks);
    }
    for (page, text) in &view.texts {
        said.push(ReadPhrase::Page { page: (*page).into(), text: PageWords(text.clone()) });
    }
    if view.is_shortened {
        said.push(ReadPhrase::Shortened);
    }
    said
}

fn of_hint(hint: &PageHint) -> ReadPhrase {
    let (kind, number) = (hint.kind, QuotedName(hint.number.clone()));
    match hint.is_of_code {
        true => ReadPhrase::NumberOfCode { kind, number },
        false => ReadPhrase::Number { kind, number },
    }
}

fn of_code(page: u64, says: &CodeSays) -> ReadPhrase {
    match says {
        CodeSays::MedicationPlan { .. } => ReadPhrase::CodeOfPlan { page },
        CodeSays::Prescription => ReadPhrase::CodeOfPrescription { page },
        CodeSays::Form { .. } => ReadPhrase::CodeOfForm { page },
        CodeSays::Link(form) => ReadPhrase::CodeOfLink { page, form: *form },
        CodeSays::Short(form, text) => {
            ReadPhrase::CodeShown { page, form: *form, text: QuotedName(text.clone()) }
        }
        CodeSays::Other(form) => ReadPhrase::CodeOther { page, form: *form },
    }
}
