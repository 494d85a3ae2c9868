//! The pages of a fax are shown: its files are looked at before it gets its place, and what is shown of
//! them is made anew when it is said. Nothing that is made is kept: the same file gives the same bytes.

use std::time::Duration;

use bytes::Bytes;
use ruma::UserId;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tracing::{info, warn};

use super::{
    Ctx, Line,
    budget::LentMemory,
    scanning,
    stop::Stop,
    stored_mail::{self, Read},
};
use crate::{
    channel::{DocumentNumber, FaxMail},
    document::{self, DocumentError, FORM_BYTES, SOURCE_BYTES_MAX},
    matrix::Upload,
    model::{
        Attachment, DAMAGED_NAMED_MAX, DocumentForm, DocumentSight, DocumentWords, LetterId,
        MadeFile, Media, NewPost, PageTrouble,
    },
    phrases::{CameAt, PageNumbers, PagePhrase, Phrase, Phrases, QuotedName},
    rules::{
        fax_pages::{self, FaxNote, FaxView, FileSeen, MadePost, PageOfFile},
        posts,
    },
    sandbox::SandboxError,
    store::{FaxFileSeen, PostKind, StoreError, StoredPost},
};

/// Attempts at a letter while files cannot be opened at all, before it is shown without its pages.
pub(super) const LOOKS_MAX: i32 = 5;

/// Files of one letter that may break the process they are opened in. Those behind them are not opened.
const BROKEN_MAX: usize = 2;

/// How long the files of one letter are opened, all together. The letters behind it wait meanwhile.
const LOOK_TIME_MAX: Duration = Duration::from_secs(120);

/// How long what is shown of them is made. It is made once more when it is said.
const MAKE_TIME_MAX: Duration = Duration::from_secs(60);

/// The largest PDF that is made of a TIFF: a few times what the pages of the longest fax take.
const PDF_BYTES_MAX: usize = SOURCE_BYTES_MAX;

/// Why a fax was not looked at.
#[derive(Debug)]
pub(super) enum LookStop {
    Store(StoreError),
    /// No process could be started to open files in.
    Unopened,
}

impl From<StoreError> for LookStop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What of a fax is shown.
#[derive(Debug, Default)]
pub(super) struct ShownFax {
    made: Vec<MadePost>,
    quiet: Vec<usize>,
    /// The places of the files that are held back (FAX-12).
    pub(super) held: Vec<usize>,
    /// The places of the files that are not words of the gateway, whatever it calls them.
    pub(super) documents: Vec<usize>,
    said: String,
    /// What the document says of the call that brought it (FAX-10).
    pub(super) document: Option<DocumentWords>,
    /// How many pages can be looked at.
    pub(super) pages: u32,
}

impl ShownFax {
    /// The posts of the letter, with what is shown of its pages.
    pub(super) fn among(&self, name: &str, posts: Vec<NewPost>) -> Vec<NewPost> {
        fax_pages::with_pages(name, posts, &self.made, &self.quiet, &self.said)
    }
}

/// A letter whose files are looked at.
struct LookedAt<'a> {
    ctx: &'a Ctx,
    line: &'a Line,
    id: LetterId,
    files: &'a [Attachment],
    /// Whether its words are for machines: then a text beside them is as well.
    is_technical: bool,
    /// Whether this is the last attempt: what cannot be opened now is shown without its pages.
    is_last: bool,
}

/// Looks at the files of a letter of a fax channel, and makes what is shown of them once, so that it is known
/// to be possible. `held`: files that are not opened.
pub(super) async fn of_letter(
    ctx: &Ctx,
    line: &Line,
    id: LetterId,
    read: &Read,
    (held, is_last): (&[usize], bool),
) -> Result<ShownFax, LookStop> {
    let profile = line.channel.fax().filter(|_| !read.letter.attachments.is_empty());
    let Some(profile) = profile else { return Ok(ShownFax::default()) };
    let (is_technical, declared) = match line.channel.fax_mail(&read.letter) {
        Some(FaxMail::Fax(fax)) => (fax.is_technical, fax.pages),
        _ => (false, None),
    };
    let files = &read.letter.attachments;
    let looked_at = LookedAt { ctx, line, id, files, is_technical, is_last };
    let (seen, noted) = looked_at.look(held).await?;
    ctx.store.note_fax_files(&line.channel.name, id, &noted, ctx.clock.now()).await?;
    let view = fax_pages::view(&seen, profile.showing.pictures, declared);
    let (made, without) = looked_at.make(&view, profile.showing.edge).await?;
    let came = read.letter.date.unwrap_or_else(|| ctx.clock.now());
    let mut said = Vec::new();
    if view.pages > 0 {
        said.push(PagePhrase::Seen { pages: view.pages.into(), at: CameAt(came) });
    }
    let document = document_of(&seen);
    let names_line = profile.document_number != DocumentNumber::Off;
    let called = document.as_ref().and_then(DocumentWords::called).filter(|_| names_line);
    said.extend(called.map(|line| PagePhrase::Called { line: QuotedName(line.to_owned()) }));
    said.extend(view.notes.iter().map(|note| looked_at.phrase(note, view.pages)));
    if !without.is_empty() {
        said.push(PagePhrase::NoPicture { pages: PageNumbers(without) });
    }
    let said: Vec<String> = said.into_iter().map(|phrase| looked_at.say(phrase)).collect();
    let said = said.join("\n");
    let is_document = |seen: &&(usize, FileSeen)| seen.1 != FileSeen::Passed;
    let seen: Vec<(usize, FileSeen)> = seen.into_iter().enumerate().collect();
    let documents = seen.iter().filter(is_document).map(|(place, _)| *place).collect();
    let (quiet, held, pages) = (view.quiet, view.held, view.pages);
    Ok(ShownFax { made, quiet, held, documents, said, document, pages })
}

/// What the first of these files that says anything says of the call.
fn document_of(seen: &[FileSeen]) -> Option<DocumentWords> {
    seen.iter().find_map(|file| match file {
        FileSeen::Looked(sight) => sight.says.clone(),
        _ => None,
    })
}

impl LookedAt<'_> {
    /// What is seen of each file, and what is kept of those that are no words of the gateway (FAX-39).
    async fn look(&self, held: &[usize]) -> Result<(Vec<FileSeen>, Vec<FaxFileSeen>), LookStop> {
        let until = Instant::now() + LOOK_TIME_MAX;
        let mut seen = Vec::with_capacity(self.files.len());
        let mut noted = Vec::new();
        for (place, file) in self.files.iter().enumerate() {
            let broken = seen.iter().filter(|seen| **seen == FileSeen::Broken).count();
            let (sight, digest) = if held.contains(&place) {
                (FileSeen::Passed, None)
            } else {
                self.look_at(file, (broken < BROKEN_MAX).then_some(until)).await?
            };
            let pages = match &sight {
                FileSeen::Looked(sight) => Some(sight.pages).filter(|pages| *pages > 0),
                _ => None,
            };
            if sight != FileSeen::Passed {
                noted.push(FaxFileSeen { file: place, pages, bytes: file.bytes, digest });
            }
            seen.push(sight);
        }
        Ok((seen, noted))
    }

    /// What is seen of a file, and its SHA-256. `until`: when opening ends; nothing if no more files of this
    /// letter are opened.
    ///
    /// The first bytes of each file are looked at, however large it is and whatever it is called: what no fax
    /// machine sends is held back (FAX-12, FAX-13).
    async fn look_at(
        &self,
        file: &Attachment,
        until: Option<Instant>,
    ) -> Result<(FileSeen, Option<[u8; 32]>), LookStop> {
        let Some((bytes, _held)) = self.open(file).await? else {
            let head = stored_mail::head_of(self.ctx, self.id, file, FORM_BYTES).await?;
            let seen = match document::form_of(&head) {
                form @ DocumentForm::Foreign => {
                    FileSeen::Looked(DocumentSight::without_pages(form, None))
                }
                _ => FileSeen::TooLarge,
            };
            return Ok((seen, None));
        };
        let digest = Some(Sha256::digest(&bytes).into());
        let seen = match (document::form_of(&bytes), until) {
            (DocumentForm::Other, _) if self.is_words(file) => FileSeen::Passed,
            (form @ (DocumentForm::Pdf | DocumentForm::Tiff), Some(until)) => {
                self.sight_of(form, &bytes, until).await?
            }
            (DocumentForm::Pdf | DocumentForm::Tiff, None) => FileSeen::Skipped,
            (form, _) => FileSeen::Looked(DocumentSight::without_pages(form, None)),
        };
        Ok((seen, digest))
    }

    /// Whether a file of unknown content is words of the gateway: they are no page of the fax.
    fn is_words(&self, file: &Attachment) -> bool {
        (self.is_technical && file.media_type == "text/plain")
            || fax_pages::is_words(&file.media_type, &file.file_name)
    }

    async fn sight_of(
        &self,
        form: DocumentForm,
        bytes: &Bytes,
        until: Instant,
    ) -> Result<FileSeen, LookStop> {
        if Instant::now() >= until {
            return Ok(FileSeen::Skipped);
        }
        match timeout_at(until, self.ctx.sandbox.look(bytes)).await {
            Ok(Ok(sight)) => Ok(FileSeen::Looked(sight)),
            Ok(Err(SandboxError::Broken { .. })) | Err(_) => Ok(FileSeen::Broken),
            Ok(Err(SandboxError::Document(DocumentError::TooLarge))) => Ok(FileSeen::TooLarge),
            Ok(Err(SandboxError::Document(_))) => {
                let trouble = Some(PageTrouble::Unreadable);
                Ok(FileSeen::Looked(DocumentSight::without_pages(form, trouble)))
            }
            Ok(Err(SandboxError::Unavailable(error))) => {
                self.unopened(&error)?;
                Ok(FileSeen::Unopened)
            }
        }
    }

    /// The bytes of a file; nothing if it has too many.
    async fn open(&self, file: &Attachment) -> Result<Option<(Bytes, LentMemory)>, LookStop> {
        if usize::try_from(file.bytes).is_ok_and(|bytes| bytes <= SOURCE_BYTES_MAX) {
            Ok(stored_mail::bytes_of(self.ctx, self.id, file).await?)
        } else {
            Ok(None)
        }
    }

    /// Nothing can be opened: the letter waits, unless it waited often enough.
    fn unopened(&self, error: &std::io::Error) -> Result<(), LookStop> {
        let id = self.id;
        warn!(letter.id = %id, error = %error, "The process that opens documents could not be started");
        if self.is_last { Ok(()) } else { Err(LookStop::Unopened) }
    }

    /// Makes the pictures and PDFs; returns the numbers of the pages without one as well.
    async fn make(&self, view: &FaxView, edge: u32) -> Result<(Vec<MadePost>, Vec<u32>), LookStop> {
        let until = Instant::now() + MAKE_TIME_MAX;
        let (mut made, mut without) = (Vec::new(), Vec::new());
        let mut opened: Option<(usize, Bytes, LentMemory)> = None;
        for PageOfFile { file, page, number } in &view.pictures {
            if opened.as_ref().is_none_or(|(place, ..)| place != file) {
                // What one file holds is given back before the next one is asked for.
                drop(opened.take());
                opened = self.open_at(*file).await?;
            }
            let Some((_, bytes, _)) = &opened else { continue };
            match timeout_at(until, self.ctx.sandbox.picture(bytes, *page, edge)).await {
                Ok(Ok(picture)) => made.push(MadePost {
                    file: *file,
                    made: MadeFile::Page(*page),
                    name: self.say(PagePhrase::PictureName {
                        page: (*number).into(),
                        pages: view.pages.into(),
                    }),
                    bytes: picture.png.len() as u64,
                    size: Some((picture.width, picture.height)),
                }),
                Ok(Err(SandboxError::Unavailable(error))) => {
                    self.unopened(&error)?;
                    without.push(*number);
                }
                Ok(Err(SandboxError::Document(_) | SandboxError::Broken { .. })) | Err(_) => {
                    without.push(*number);
                }
            }
        }
        drop(opened);
        for (number, file) in (1..).zip(&view.to_pdf) {
            let Some((_, bytes, _held)) = self.open_at(*file).await? else { continue };
            match timeout_at(until, self.ctx.sandbox.all_pages(&bytes, PDF_BYTES_MAX)).await {
                Ok(Ok(pdf)) => made.push(MadePost {
                    file: *file,
                    made: MadeFile::AllPages,
                    name: self.say(match number {
                        1 => PagePhrase::PdfName,
                        number => PagePhrase::PdfNameOf { number },
                    }),
                    bytes: pdf.len() as u64,
                    size: None,
                }),
                Ok(Err(SandboxError::Unavailable(error))) => self.unopened(&error)?,
                // The TIFF is there as it came.
                Ok(Err(SandboxError::Document(_) | SandboxError::Broken { .. })) | Err(_) => {}
            }
        }
        Ok((made, without))
    }

    async fn open_at(&self, place: usize) -> Result<Option<(usize, Bytes, LentMemory)>, LookStop> {
        let Some(file) = self.files.get(place) else { return Ok(None) };
        Ok(self.open(file).await?.map(|(bytes, held)| (place, bytes, held)))
    }

    fn say(&self, phrase: PagePhrase) -> String {
        Phrases::say(self.line.channel.language, &Phrase::OfPages(phrase))
    }

    fn phrase(&self, note: &FaxNote, pages: u32) -> PagePhrase {
        let pages = u64::from(pages);
        let file = |place: &usize| {
            QuotedName(
                self.files.get(*place).map(|file| file.file_name.clone()).unwrap_or_default(),
            )
        };
        match note {
            FaxNote::Damaged(damaged) => match damaged.split_at_checked(DAMAGED_NAMED_MAX) {
                Some((named, more)) if !more.is_empty() => PagePhrase::DamagedMany {
                    pages: PageNumbers(named.to_vec()),
                    more: more.len() as u64,
                },
                _ => PagePhrase::Damaged { pages: PageNumbers(damaged.clone()) },
            },
            FaxNote::Cut => PagePhrase::Cut,
            FaxNote::PagesDiffer { declared, came } => {
                PagePhrase::PagesDiffer { declared: (*declared).into(), pages: (*came).into() }
            }
            FaxNote::FormsDiffer { pdf, tiff } => {
                PagePhrase::FormsDiffer { pdf: (*pdf).into(), tiff: (*tiff).into() }
            }
            FaxNote::SomePictures { shown } => {
                PagePhrase::SomePictures { shown: *shown as u64, pages }
            }
            FaxNote::NotShown(place, trouble) => {
                PagePhrase::NotShown { file: file(place), trouble: *trouble }
            }
            FaxNote::Broken(place) => PagePhrase::Broken { file: file(place) },
            FaxNote::Skipped(place) => PagePhrase::Skipped { file: file(place) },
            FaxNote::TooLarge(place) => PagePhrase::TooLarge { file: file(place) },
            FaxNote::PostScript(place) => PagePhrase::PostScript { file: file(place) },
            FaxNote::Unknown(place) => PagePhrase::Unknown { file: file(place) },
            FaxNote::Foreign(place) => PagePhrase::Foreign { file: file(place) },
            FaxNote::Unopened => PagePhrase::Unopened,
        }
    }
}

/// What a post says that shows something made of a file: made again and uploaded, if it was not uploaded
/// before.
pub(super) async fn content_of(
    ctx: &Ctx,
    line: &Line,
    post: &StoredPost,
    (letter, file, made): (LetterId, &Attachment, MadeFile),
    (speaker, is_encrypted): (&UserId, bool),
) -> Result<Value, Stop> {
    let mut content = post.content.clone();
    let known = match &post.media {
        Some(media @ Media::Plain(_)) if !is_encrypted => Some(media.clone()),
        Some(media @ Media::Encrypted(_)) if is_encrypted => Some(media.clone()),
        _ => None,
    };
    if let Some(media) = known {
        let bytes = content.pointer("/info/size").and_then(Value::as_u64).unwrap_or_default();
        return Ok(posts::with_media(&content, &media, bytes));
    }
    scanning::before_upload(ctx, &post.kind, letter, file).await?;
    let (bytes, size) = make_again(ctx, line, letter, file, made).await?;
    if let (Some((width, height)), Some(Value::Object(info))) = (size, content.get_mut("info")) {
        info.insert("w".to_owned(), json!(width));
        info.insert("h".to_owned(), json!(height));
    }
    let length = bytes.len() as u64;
    let (into, pieces) = mpsc::channel(1);
    // There is room for one piece.
    let _ = into.try_send(Ok(bytes));
    drop(into);
    let upload = Upload { bytes: length, pieces };
    let homeserver = &ctx.homeserver;
    let media = if is_encrypted {
        Media::Encrypted(homeserver.upload_encrypted(speaker, upload).await?)
    } else {
        let media_type = match made {
            MadeFile::Page(_) => "image/png",
            MadeFile::AllPages => "application/pdf",
        };
        Media::Plain(homeserver.upload(speaker, media_type, upload).await?.to_string())
    };
    ctx.store.post_uploaded(post.id, &media).await?;
    Ok(posts::with_media(&content, &media, length))
}

/// Makes it, and says how large a picture is. It was possible when the letter got its place: if it is not
/// now, a person has to look.
async fn make_again(
    ctx: &Ctx,
    line: &Line,
    letter: LetterId,
    file: &Attachment,
    made: MadeFile,
) -> Result<(Bytes, Option<(u32, u32)>), Stop> {
    let opened = stored_mail::bytes_of(ctx, letter, file).await?;
    let (bytes, _held) = opened.ok_or(Stop::Lost("letter_lost"))?;
    let edge = line.channel.fax().map(|fax| fax.showing).unwrap_or_default().edge;
    let again = match made {
        MadeFile::Page(page) => {
            let picture = ctx.sandbox.picture(&bytes, page, edge).await;
            picture.map(|picture| (picture.png.into(), Some((picture.width, picture.height))))
        }
        MadeFile::AllPages => {
            let pdf = ctx.sandbox.all_pages(&bytes, PDF_BYTES_MAX).await;
            pdf.map(|pdf| (Bytes::from(pdf), None))
        }
    };
    again.map_err(|error| match error {
        SandboxError::Unavailable(error) => {
            warn!(letter.id = %letter, error = %error, "The process that opens documents could not be started");
            Stop::NotYet("documents")
        }
        SandboxError::Document(_) | SandboxError::Broken { .. } => Stop::Lost("page_lost"),
    })
}

/// Deletes the mails of faxes that are older than their channel keeps them (FAX-39).
pub async fn purge_fax_mails(ctx: &Ctx) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    for line in ctx.channels.values() {
        let Some(days) = line.channel.fax().and_then(|fax| fax.keep_days) else { continue };
        let name = &line.channel.name;
        let before = now - time::Duration::days(days.into());
        let purged = ctx.store.purge_mails(name, before, now).await?;
        if purged > 0 {
            info!(channel.name = %name, "Deleted the content of {purged} mails that are older than {days} days");
        }
    }
    Ok(())
}

/// Which file of its letter a post is made of.
pub(super) fn made_of(kind: &PostKind) -> Option<MadeFile> {
    match kind {
        PostKind::Made { made, .. } => Some(*made),
        PostKind::Text | PostKind::Attachment { .. } | PostKind::Original { .. } => None,
    }
}
