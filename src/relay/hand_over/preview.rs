//! A fax that is shown before it leaves: the paper is written, posted in the room, and leaves only when a
//! person has confirmed just this paper to just this number.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::Duration;
use tokio::sync::mpsc;
use tracing::{error, info};

use super::{
    DispatchCase,
    dispatch_mail::{FaxPaper, NoMail},
};
use crate::{
    channel::{FaxSend, number_shown},
    matrix::{ErrorKind, MatrixError, Upload},
    model::{Correspondent, FaxNumber, MailAddress, Media, Notice, Substance, Trouble},
    phrases::{HasText, Phrase, Phrases, SendingPhrase},
    relay::{
        Ctx,
        fax_names::name_of,
        notices::{notice_about, notice_to},
    },
    rules::{
        faxing::{FaxFacts, why_asked},
        posts,
    },
    sandbox::SandboxError,
    store::{Composition, NewPreview, StoreError, StoredDispatch},
};

/// After this time a room is reminded, once, of a fax that waits: half a day of a practice.
const REMIND_AFTER: Duration = Duration::hours(4);

/// How many are reminded of in one go.
const REMINDED_AT_ONCE: i64 = 100;

const PDF: &str = "application/pdf";
const PNG: &str = "image/png";

/// Pieces of a preview on their way into the media repository.
const PIECE_BYTES: usize = 64 * 1024;

/// Tells a paper and where it goes apart from every other: only what bears the hash that a person confirmed
/// leaves.
fn hash_of(paper: &FaxPaper, to: &MailAddress) -> String {
    let mut hash = Sha256::new();
    hash.update(to.as_str().as_bytes());
    hash.update([0]);
    hash.update(&paper.pdf);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl DispatchCase<'_> {
    /// Whether a fax may leave now. If a person has to confirm it, it is shown, and does not.
    pub(super) async fn is_let_go(
        &self,
        dispatch: &StoredDispatch,
        composed: &Composition,
        (paper, to): (&FaxPaper, &MailAddress),
    ) -> Result<bool, NoMail> {
        let store = &self.ctx.store;
        let shown = hash_of(paper, to);
        if store.confirmed_preview(dispatch.id).await?.as_ref() == Some(&shown) {
            return Ok(true);
        }
        let (send, number) = (self.line.channel.fax_send(), self.correspondent.number());
        let (Some(send), Some(number)) = (send, number) else { return Ok(true) };
        let facts = self.facts(dispatch, composed, (send, number)).await?;
        let Some(why) = why_asked(facts) else { return Ok(true) };
        let team_name = store.team_name(self.conversation.id).await?;
        let name = name_of(self.ctx, self.line, self.correspondent, team_name.as_deref());
        // Whoever looks knows a name sooner than a number; the number goes first all the same.
        let number = match name {
            Some(name) => format!("{} · {name}", number_shown(number)),
            None => number_shown(number),
        };
        let phrase = Phrase::OfSending(SendingPhrase::Preview {
            number,
            why,
            pages: paper.pages.into(),
            files: paper.files as u64,
            text: HasText(paper.has_text),
        });
        let picture = self.preview_picture(paper).await?;
        let file = self.preview_file(paper).await?;
        let words = notice_about(self.line, &phrase, dispatch.first_event.as_deref());
        let at = self.ctx.clock.now();
        let picture = picture.as_ref();
        let new = NewPreview { composed, shown: &shown, picture, file: &file, words: &words, at };
        let became = store.preview_fax(dispatch, new).await?;
        info!(dispatch.id = %dispatch.id, "Dispatch {} was shown before it leaves: {became:?}", dispatch.id);
        Ok(false)
    }

    async fn facts(
        &self,
        dispatch: &StoredDispatch,
        composed: &Composition,
        (send, number): (FaxSend, &FaxNumber),
    ) -> Result<FaxFacts, StoreError> {
        let store = &self.ctx.store;
        let parties =
            [Correspondent::Fax(number.clone()), Correspondent::ClaimedFax(number.clone())];
        Ok(FaxFacts {
            send,
            is_claimed: matches!(self.correspondent, Correspondent::ClaimedFax(_)),
            is_differing: match dispatch.answers {
                Some(letter) => store.caller_differed(letter).await?,
                None => false,
            },
            answers_fax: dispatch.answers.is_some(),
            is_taken_back: composed.confirmations_taken_back > 0,
            was_accepted: store.was_faxed_confirmed(&self.line.channel.name, &parties).await?,
        })
    }

    /// The post that holds the paper.
    async fn preview_file(&self, paper: &FaxPaper) -> Result<Notice, NoMail> {
        let name = SendingPhrase::PreviewFile;
        self.posted((paper.pdf.clone(), PDF), name, ("m.file", json!({ "mimetype": PDF }))).await
    }

    /// The post that shows the first page: a telephone opens a picture with one touch, and a PDF in
    /// another program. A page of which there is no picture is in the file.
    async fn preview_picture(&self, paper: &FaxPaper) -> Result<Option<Notice>, NoMail> {
        let Some(profile) = self.line.channel.fax() else { return Ok(None) };
        let edge = profile.showing.edge;
        let picture = match self.ctx.sandbox.picture(&paper.pdf, 1, edge).await {
            Ok(picture) => picture,
            Err(SandboxError::Document(_) | SandboxError::Broken { .. }) => return Ok(None),
            Err(SandboxError::Unavailable(error)) => {
                error!(error = %error, "The process that opens documents could not be started");
                return Err(NoMail::Later(Trouble::Documents));
            }
        };
        let info = json!({ "mimetype": PNG, "w": picture.width, "h": picture.height });
        let name = SendingPhrase::PreviewPicture;
        self.posted((picture.png.into(), PNG), name, ("m.image", info)).await.map(Some)
    }

    /// A post with a file that is in the media repository.
    async fn posted(
        &self,
        (bytes, media_type): (Bytes, &str),
        name: SendingPhrase,
        (form, info): (&str, Value),
    ) -> Result<Notice, NoMail> {
        let length = bytes.len() as u64;
        let media = match self.upload(bytes, media_type).await? {
            Ok(media) => media,
            Err(error) => return Err(self.not_uploaded(&error).await),
        };
        let name = Phrases::say(self.line.channel.language, &Phrase::OfSending(name));
        let content = json!({ "msgtype": form, "body": name, "filename": name, "info": info });
        let content = posts::with_media(&content, &media, length);
        Ok(Notice { substance: Substance::Content, content })
    }

    /// Puts a file into the media repository, encrypted unless its room is known not to be. An upload
    /// that nothing follows is of no use to anybody.
    async fn upload(
        &self,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<Result<Media, MatrixError>, StoreError> {
        let (ctx, homeserver) = (self.ctx, &self.ctx.homeserver);
        let portal = ctx.store.portal(self.conversation.id).await?;
        let is_clear = portal.is_some_and(|it| it.room_id.is_some() && it.encryption.is_none());
        let (into, pieces) = mpsc::channel(1);
        let upload = Upload { bytes: bytes.len() as u64, pieces };
        let pour = async {
            let mut rest = bytes;
            while !rest.is_empty() {
                let piece = rest.split_to(rest.len().min(PIECE_BYTES));
                if into.send(Ok(piece)).await.is_err() {
                    break;
                }
            }
            drop(into);
        };
        let uploading = async {
            Ok(if is_clear && !ctx.devices.is_required() {
                let bot = homeserver.bot();
                Media::Plain(homeserver.upload(bot, media_type, upload).await?.to_string())
            } else {
                Media::Encrypted(homeserver.upload_encrypted(homeserver.bot(), upload).await?)
            })
        };
        let ((), uploaded) = tokio::join!(pour, uploading);
        Ok(uploaded)
    }

    async fn not_uploaded(&self, error: &MatrixError) -> NoMail {
        if error.is_too_large() {
            let phrase = Phrase::OfSending(SendingPhrase::PreviewTooLarge);
            return NoMail::Never(phrase, "preview_size");
        }
        if error.is_rate_limit() || (error.is_outage() && self.ctx.homeserver.is_away(error).await)
        {
            return NoMail::HomeserverAway;
        }
        match error.kind() {
            ErrorKind::Again { .. } => NoMail::Later(Trouble::Media),
            ErrorKind::Never | ErrorKind::Gone => {
                NoMail::Never(Phrase::MessageNotTransferable, "preview")
            }
        }
    }
}

/// Reminds rooms, once each, of faxes that wait to be confirmed. They never leave by themselves.
pub async fn remind_of_faxes(ctx: &Ctx) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    for fax in ctx.store.unconfirmed_faxes(now - REMIND_AFTER, REMINDED_AT_ONCE).await? {
        let Some(conversation) = ctx.store.conversation(fax.conversation).await? else { continue };
        let Some(line) = ctx.line(&conversation.channel) else { continue };
        let phrase = Phrase::OfSending(SendingPhrase::Waits);
        let notice = match &fax.first_event {
            Some(event) => notice_to(line, &phrase, event),
            None => notice_about(line, &phrase, None),
        };
        ctx.store.remind_of_fax(&fax, &notice, now).await?;
    }
    Ok(())
}
