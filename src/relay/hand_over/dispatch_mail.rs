//! What leaves: the mail of a dispatch, and the fax.

use bytes::Bytes;
use ruma::MxcUri;
use sha2::{Digest as _, Sha256};
use tracing::error;

use super::{DispatchCase, FAX_SUBJECT, fax_sheet::fax_sheet};
use crate::{
    channel::{FaxSend, Writes},
    document::{self, DocumentError, FaxPage, FaxPdf},
    mail::{self, Composed, DisplayedReceipt, MailBody, MailForm},
    matrix::{AttachmentError, DownloadError, ErrorKind},
    model::{Dispatch, DispatchFile, DispatchPart, Envelope, ServiceId, Trouble},
    phrases::{Phrase, Phrases, QuotedName, SendingPhrase},
    relay::{
        budget::LentMemory,
        leaving::{Content, Leaving},
        notices::unreachable_phrase,
    },
    rules::large_mails::MailLimit,
    sandbox::SandboxError,
    store::{Composition, FaxFileSeen, StoreError, StoredDispatch, StoredPart},
};

/// Why a dispatch cannot become a mail.
pub(super) enum NoMail {
    Store(StoreError),
    /// Its files are not available now.
    Later(Trouble),
    /// Nothing is available from the homeserver now.
    HomeserverAway,
    /// This file is not available from the homeserver now.
    FileAway,
    /// It can never leave as it is; the room is told why.
    Never(Phrase, &'static str),
}

impl From<StoreError> for NoMail {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A fax as it leaves.
pub(super) struct FaxPaper {
    pub(super) pdf: Bytes,
    pub(super) pages: u32,
    /// How many files it holds, and whether words besides.
    pub(super) files: usize,
    pub(super) has_text: bool,
}

/// A mail that is ready to leave.
pub(super) struct ReadyMail {
    pub(super) envelope: Envelope,
    pub(super) mail: Leaving,
    /// The memory that it takes until it has left.
    pub(super) held: LentMemory,
    /// What is on it, if it becomes a fax.
    pub(super) paper: Option<FaxPaper>,
}

impl DispatchCase<'_> {
    /// The mail of a dispatch: the same bytes at every attempt.
    pub(super) async fn mail(
        &self,
        stored: &StoredDispatch,
        composed: &Composition,
        limit: MailLimit,
    ) -> Result<ReadyMail, NoMail> {
        match &stored.receipt_as {
            Some(service) => self.receipt(stored, service, limit).await,
            None => self.answer(stored, composed, limit).await,
        }
    }

    /// The mail that room messages became.
    async fn answer(
        &self,
        stored: &StoredDispatch,
        composed: &Composition,
        limit: MailLimit,
    ) -> Result<ReadyMail, NoMail> {
        let channel = &self.line.channel;
        // The settings may have changed since it was said.
        if channel.fax_send() == Some(FaxSend::Off) {
            return Err(NoMail::Never(Phrase::OfSending(SendingPhrase::Off), "fax_off"));
        }
        let addressee = self.addressee(stored);
        let to = channel
            .recipient(&addressee)
            .map_err(|why| NoMail::Never(unreachable_phrase(why), why.word()))?;
        let said: Vec<StoredPart> =
            composed.parts.iter().flat_map(|leaving| leaving.part.clone().each()).collect();
        // Files that are not encrypted are in memory from here on.
        let is_plain =
            |part: &StoredPart| matches!(part, StoredPart::File { encryption: None, .. });
        let has_plain = said.iter().any(is_plain);
        let mut held = match has_plain {
            true => self.ctx.budget.take(self.bytes_at_most(limit)).await,
            false => self.ctx.budget.take(0).await,
        };
        let (mut parts, mut files) = (Vec::new(), Vec::new());
        for part in said {
            self.part(part, (&mut parts, &mut files), limit).await?;
        }
        let mut dispatch = Dispatch {
            to: addressee,
            message_id: stored.message_id.clone(),
            date: stored.opened_at,
            subject: stored.subject.clone(),
            in_reply_to: stored.in_reply_to.clone(),
            references: stored.ancestors.clone(),
            parts,
        };
        let envelope = channel.envelope(to, &stored.message_id);
        let order = channel.fax_order(&dispatch.to, &dispatch.message_id);
        let commands = order.as_ref().map(|order| order.lines.clone()).unwrap_or_default();
        let mut paper = None;
        let body = match channel.writes() {
            Writes::MailWithAttachments => MailBody::Parts,
            Writes::OnePdf => {
                if !has_plain {
                    drop(held);
                    // The files, and the document made of them. The sandbox accounts for what is
                    // needed between the two.
                    let bytes: u64 = files.iter().map(Content::bytes).sum();
                    held = self.ctx.budget.take(bytes + channel.mail_bytes_max()).await;
                }
                let made = self.fax(&dispatch, std::mem::take(&mut files)).await?;
                let noted = FaxFileSeen {
                    file: 0,
                    pages: Some(made.pages),
                    bytes: made.pdf.len() as u64,
                    digest: Some(Sha256::digest(&made.pdf).into()),
                };
                let now = self.ctx.clock.now();
                self.ctx.store.note_fax_document(&channel.name, stored.id, &noted, now).await?;
                let document = DispatchFile {
                    file_name: "fax.pdf".to_owned(),
                    media_type: "application/pdf".to_owned(),
                    bytes: made.pdf.len() as u64,
                };
                files.push(Content::Whole(made.pdf.clone()));
                paper = Some(made);
                MailBody::Document(document, commands)
            }
        };
        // While the mail leaves, which may take minutes, no task waits for memory that is no longer
        // needed.
        let whole = |file: &Content| match file {
            Content::Whole(bytes) => bytes.len() as u64,
            Content::Spooled(_) => 0,
        };
        let held = held.keep(files.iter().map(whole).sum());
        let mut headers = channel.extra_headers();
        // What people read stands on the paper; the mail's head is for the gateway alone.
        if let Some(order) = order {
            (dispatch.subject, dispatch.in_reply_to) = (order.subject, None);
            dispatch.references.clear();
            headers.extend(order.fields);
        }
        let form = MailForm { headers, body };
        let mail = self.written(stored, dispatch, (&envelope, form), limit).await?;
        Ok(ReadyMail { envelope, mail: Leaving::new(mail, files), held, paper })
    }

    /// The receipt that a letter asks for and a person has sent (KIM-31): the same bytes at every attempt.
    ///
    /// RFC 8098 §3 asks for an empty envelope sender, and KIM refuses every sender but the account's own
    /// address. So it leaves like every mail, and is reported on like every mail.
    async fn receipt(
        &self,
        stored: &StoredDispatch,
        service: &ServiceId,
        limit: MailLimit,
    ) -> Result<ReadyMail, NoMail> {
        let channel = &self.line.channel;
        let to = channel
            .recipient(self.correspondent)
            .map_err(|why| NoMail::Never(unreachable_phrase(why), why.word()))?;
        // The letter could not be read when the receipt was closed: it would name none.
        let of = stored.in_reply_to.clone();
        let of = of.ok_or(NoMail::Never(Phrase::DispatchDamaged, "receipt_of_nothing"))?;
        let words = Phrases::say(channel.language, &Phrase::ReceiptWords);
        let dispatch = Dispatch {
            to: self.correspondent.clone(),
            message_id: stored.message_id.clone(),
            date: stored.opened_at,
            subject: stored.subject.clone(),
            in_reply_to: stored.in_reply_to.clone(),
            references: stored.ancestors.clone(),
            parts: vec![DispatchPart::Text(words)],
        };
        let reader = channel.address.clone();
        let envelope = Envelope::new(reader.clone(), to);
        let body = MailBody::Receipt(DisplayedReceipt { of, reader });
        let form = MailForm { headers: channel.receipt_headers(service), body };
        let mail = self.written(stored, dispatch, (&envelope, form), limit).await?;
        let held = self.ctx.budget.take(0).await;
        Ok(ReadyMail { envelope, mail: Leaving::new(mail, Vec::new()), held, paper: None })
    }

    /// The subject of a receipt, from that of its letter.
    pub(super) fn receipt_subject(&self, subject: &str) -> String {
        let subject = subject.to_owned();
        Phrases::say(self.line.channel.language, &Phrase::ReceiptSubject { subject })
    }

    /// Writes a mail: all of it but the content of its files.
    async fn written(
        &self,
        stored: &StoredDispatch,
        dispatch: Dispatch,
        (envelope, form): (&Envelope, MailForm),
        limit: MailLimit,
    ) -> Result<Composed, NoMail> {
        let envelope = envelope.clone();
        let composed =
            tokio::task::spawn_blocking(move || mail::compose(&dispatch, &envelope, &form)).await;
        match composed {
            Ok(Ok(mail)) if mail.bytes > limit.bytes => Err(too_large(limit)),
            Ok(Ok(mail)) => Ok(mail),
            Ok(Err(error)) => {
                error!(dispatch.id = %stored.id, error = %error, "A dispatch could not be written as a mail");
                Err(NoMail::Never(Phrase::MessageNotTransferable, "not_composable"))
            }
            Err(_) => Err(NoMail::Never(Phrase::MessageNotTransferable, "not_composable")),
        }
    }

    /// The one document that a fax gateway wants (FAX-23): the texts on a sheet, then the files.
    async fn fax(&self, dispatch: &Dispatch, files: Vec<Content>) -> Result<FaxPaper, NoMail> {
        let mut texts = Vec::new();
        let mut names = Vec::new();
        let subject = match dispatch.subject.as_str() {
            FAX_SUBJECT => "",
            own => own,
        };
        for part in &dispatch.parts {
            match part {
                DispatchPart::Text(text) => texts.push(text.as_str()),
                DispatchPart::File(file) => names.push(file.file_name.clone()),
            }
        }
        // A single character may be what forbids something, and the other side would not know it.
        let missing = document::missing_signs(&format!("{subject}{}", texts.concat()));
        if !missing.is_empty() {
            return Err(NoMail::Never(Phrase::FaxSignsMissing { signs: missing }, "signs"));
        }
        let has_text = !texts.is_empty();
        let to = self.correspondent.number();
        let sheet = fax_sheet(&self.line.channel, to, dispatch.date, texts.join("\n\n"));
        let sheet = FaxPage { subject: subject.to_owned(), ..sheet };
        let read = tokio::task::spawn_blocking(move || {
            files.into_iter().map(Content::whole).collect::<Result<Vec<_>, _>>()
        })
        .await;
        let Ok(Ok(files)) = read else { return Err(NoMail::Later(Trouble::Disk)) };
        let channel = &self.line.channel;
        let pages_max = channel.pages_max().map_or(document::PAGES_MAX, |max| max as usize);
        let bytes_max = usize::try_from(channel.mail_bytes_max()).unwrap_or(usize::MAX);
        match self.ctx.sandbox.fax(Some(sheet), &files, pages_max, bytes_max).await {
            Ok(FaxPdf { bytes, pages }) => {
                Ok(FaxPaper { pdf: bytes.into(), pages, files: names.len(), has_text })
            }
            Err(SandboxError::Document(error)) => Err(not_faxable(&error, bytes_max, &names)),
            Err(SandboxError::Broken { index }) => Err(too_costly(index, &names)),
            Err(SandboxError::Unavailable(error)) => {
                error!(error = %error, "The process that opens documents could not be started");
                Err(NoMail::Later(Trouble::Documents))
            }
        }
    }

    /// How much memory unencrypted files may take; for a fax, including the document made of them.
    fn bytes_at_most(&self, limit: MailLimit) -> u64 {
        match self.line.channel.writes() {
            Writes::MailWithAttachments => limit.bytes,
            Writes::OnePdf => {
                document::SOURCE_BYTES_MAX as u64 + self.line.channel.mail_bytes_max()
            }
        }
    }

    /// Adds a part, preceded by what was said about it if it is a file.
    async fn part(
        &self,
        part: StoredPart,
        (parts, files): (&mut Vec<DispatchPart>, &mut Vec<Content>),
        mail_limit: MailLimit,
    ) -> Result<(), NoMail> {
        let (media_uri, file_name, media_type, encryption) = match part {
            StoredPart::Text(body) => {
                parts.push(DispatchPart::Text(body));
                return Ok(());
            }
            // Each file comes here separately.
            StoredPart::Several(_) => return Ok(()),
            StoredPart::File { media_uri, file_name, media_type, caption, encryption } => {
                parts.extend(caption.map(DispatchPart::Text));
                (media_uri, file_name, media_type, encryption)
            }
        };
        // Neither disk nor memory fills with what will not leave.
        let mail_max = mail_limit.bytes;
        let whole_max = match self.line.channel.writes() {
            Writes::MailWithAttachments => mail_max,
            Writes::OnePdf => document::SOURCE_BYTES_MAX as u64,
        };
        let there: u64 = files.iter().map(Content::bytes).sum();
        let limit = mail_max.min(whole_max.saturating_sub(there));
        let exceeded = if limit < mail_max { channel_limit(whole_max) } else { mail_limit };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let uri = <&MxcUri>::from(media_uri.as_str());
        let homeserver = &self.ctx.homeserver;
        let fetched = match &encryption {
            Some(file) => {
                homeserver.download_encrypted(uri, file, limit).await.map(Content::Spooled)
            }
            None => {
                let bytes = homeserver.download(uri, limit).await;
                bytes.map(Content::Whole).map_err(DownloadError::from)
            }
        };
        match fetched {
            Ok(file) => {
                let bytes = file.bytes();
                parts.push(DispatchPart::File(DispatchFile { file_name, media_type, bytes }));
                files.push(file);
                Ok(())
            }
            Err(DownloadError::Attachment(AttachmentError::Spool)) => {
                Err(NoMail::Later(Trouble::Disk))
            }
            // Only the file that was encrypted leaves.
            Err(DownloadError::Attachment(_)) => {
                Err(NoMail::Never(Phrase::FileLost { file_name }, "media_altered"))
            }
            Err(DownloadError::Matrix(error)) if error.is_too_large() => Err(too_large(exceeded)),
            Err(DownloadError::Matrix(error)) if error.is_rate_limit() => {
                Err(NoMail::HomeserverAway)
            }
            Err(DownloadError::Matrix(error)) if error.is_outage() => {
                let is_away = homeserver.is_away(&error).await;
                Err(if is_away { NoMail::HomeserverAway } else { NoMail::FileAway })
            }
            Err(DownloadError::Matrix(error)) => Err(match error.kind() {
                ErrorKind::Again { .. } => NoMail::Later(Trouble::Media),
                ErrorKind::Never | ErrorKind::Gone => {
                    NoMail::Never(Phrase::FileLost { file_name }, "media_lost")
                }
            }),
        }
    }
}

fn too_large(limit: MailLimit) -> NoMail {
    let limit_mib = mebibytes(limit.bytes);
    let phrase = match limit.why {
        None => Phrase::MessageTooLarge { limit_mib },
        Some(why) => Phrase::LargeMailNotTaken { why, limit_mib },
    };
    NoMail::Never(phrase, "size")
}

/// A limit that holds for every recipient.
fn channel_limit(bytes: u64) -> MailLimit {
    MailLimit { bytes, why: None }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes / (1024 * 1024)
}

/// What the room is told of a fax that cannot be made; `names` are those of its files, in order.
fn not_faxable(error: &DocumentError, bytes_max: usize, names: &[String]) -> NoMail {
    let index = match *error {
        DocumentError::TooManyPages { pages, pages_max } => {
            let (pages, pages_max) = (pages as u64, pages_max as u64);
            return NoMail::Never(Phrase::FaxTooLong { pages, pages_max }, "pages");
        }
        DocumentError::TooLarge => {
            return too_large(channel_limit(document::SOURCE_BYTES_MAX.min(bytes_max) as u64));
        }
        DocumentError::Empty | DocumentError::NotWritten => {
            return NoMail::Never(Phrase::MessageNotTransferable, "document");
        }
        DocumentError::FileType { index }
        | DocumentError::Unreadable { index }
        | DocumentError::Encrypted { index }
        | DocumentError::ImageTooLarge { index }
        | DocumentError::Annotated { index }
        | DocumentError::HiddenLayers { index } => index,
    };
    let file_name = names.get(index).cloned().unwrap_or_default();
    let phrase = match error {
        // It is a PDF: to send it as one helps nobody.
        DocumentError::Annotated { .. } => {
            Phrase::OfSending(SendingPhrase::FileForm { file: QuotedName(file_name) })
        }
        DocumentError::HiddenLayers { .. } => {
            Phrase::OfSending(SendingPhrase::FileLayers { file: QuotedName(file_name) })
        }
        DocumentError::Encrypted { .. } => {
            Phrase::OfSending(SendingPhrase::FileLocked { file: QuotedName(file_name) })
        }
        _ => Phrase::FileNotFaxable { file_name },
    };
    NoMail::Never(phrase, "not_faxable")
}

/// What the room is told of a fax whose files took too much memory or time, or broke the process
/// that opened them. If it is not known which file it was, all of them are named.
fn too_costly(index: Option<usize>, names: &[String]) -> NoMail {
    let file_name = match index.and_then(|index| names.get(index)) {
        Some(name) => name.clone(),
        None => names.join("“, „"),
    };
    NoMail::Never(Phrase::FileTooCostly { file_name }, "document_too_costly")
}
