//! Letters pass a virus scanner before anything of them is uploaded (KIM-20).
//!
//! A letter is scanned before it gets its place: the mail as it came, then each of its files as it would
//! be uploaded. While the scanner is away, letters wait as they are. What is uploaded later (a file after
//! a restart, `!original`) is allowed by what is kept of that scan.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::{Ctx, note_account, stop::Stop, stored_mail};
use crate::{
    model::{
        AccountSide, AccountTrouble, Attachment, LargeFiles, Letter, LetterId, LetterScan,
        ScanResult, TransferEncoding,
    },
    phrases::Phrase,
    rules::{
        accounts::AccountSight,
        scanning::{self, FileSight, OriginalStays, ScanVerdict},
    },
    store::{LetterPieces, PostKind, StoreError},
    transport::{ScanError, VirusScanner},
};

/// Attempts to scan a letter that the scanner was given, before a person is asked: whatever is in it, those
/// behind it shall pass. Also where the scanner is away after each of them: a letter at which it dies would
/// otherwise hold up all others for ever.
pub(super) const SCANS_MAX: i32 = 5;

/// Why a letter is parked that could not be scanned, while others can be.
pub(super) const UNSCANNABLE: &str = "unscannable";

/// A virus scanner, and what becomes of what it does not scan.
#[derive(Debug, Clone)]
pub struct Scanning {
    pub scanner: VirusScanner,
    pub large: LargeFiles,
    /// Whether it answered when it was asked last. While it does not, no letter is read in vain.
    is_there: Arc<AtomicBool>,
}

impl Scanning {
    pub fn new(scanner: VirusScanner, large: LargeFiles) -> Self {
        Self { scanner, large, is_there: Arc::new(AtomicBool::new(true)) }
    }

    pub(super) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }
}

/// Why it is not known whether a letter is clean.
#[derive(Debug)]
pub(super) enum ScanStop {
    Store(StoreError),
    /// The scanner is away: everything waits.
    Away,
    /// The scanner was there, and is away since it was given this: it may have ended at it.
    Broke,
    /// The scanner answers, and had no verdict about this letter.
    NoVerdict,
}

impl From<StoreError> for ScanStop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What follows for a letter from what the scanner says of it. It is scanned once, however often it is
/// placed. Without a scanner nothing follows.
pub(super) async fn of_letter(
    ctx: &Ctx,
    id: LetterId,
    letter: &Letter,
) -> Result<ScanVerdict, ScanStop> {
    let Some(scanning) = &ctx.scanning else { return Ok(ScanVerdict::default()) };
    let known = ctx.store.scan_of(id).await?;
    // Another version of the gateway may find other files in it.
    let scan = match known.filter(|scan| scan.files().len() == letter.attachments.len()) {
        Some(scan) => scan,
        None => scan_letter(ctx, scanning, id, letter).await?,
    };
    Ok(scanning::verdict(&scan, scanning.large))
}

async fn scan_letter(
    ctx: &Ctx,
    scanning: &Scanning,
    id: LetterId,
    letter: &Letter,
) -> Result<LetterScan, ScanStop> {
    let pieces = ctx.store.letter_pieces(id).await?;
    let pieces = pieces.ok_or(ScanStop::NoVerdict)?;
    let mail = scan(ctx, scanning, &pieces, &whole(id, &pieces)).await?;
    let mut files = Vec::new();
    for file in &letter.attachments {
        files.push(scan(ctx, scanning, &pieces, file).await?);
    }
    let scan = LetterScan::new(mail, files);
    ctx.store.keep_scan(id, &scan, ctx.clock.now()).await?;
    if scan.mail().virus().is_some() {
        warn!(letter.id = %id, "The virus scanner found something in letter {id}");
    }
    Ok(scan)
}

/// A letter as it came, as a file of itself.
pub(super) fn whole(id: LetterId, pieces: &LetterPieces) -> Attachment {
    Attachment {
        file_name: format!("original-{id}.eml"),
        media_type: "message/rfc822".to_owned(),
        bytes: pieces.bytes(),
        place: 0..pieces.bytes(),
        encoding: TransferEncoding::Identity,
        within: Vec::new(),
    }
}

async fn scan(
    ctx: &Ctx,
    scanning: &Scanning,
    pieces: &LetterPieces,
    file: &Attachment,
) -> Result<ScanResult, ScanStop> {
    let scanner = &scanning.scanner;
    if file.bytes > scanner.bytes_max {
        return Ok(count(ScanResult::TooLarge));
    }
    let _held = ctx.budget.take(stored_mail::poured_bytes(pieces, file)).await;
    let (into, taken) = mpsc::channel(stored_mail::PIECES_WAITING_MAX);
    let (poured, scanned) =
        tokio::join!(stored_mail::pour(ctx, pieces, file, into), scanner.scan(taken));
    // The scan broke off because the letter could not be read.
    poured?;
    match scanned {
        Ok(result) => Ok(count(result)),
        Err(error) => Err(why_not(scanner, &error).await),
    }
}

fn count(result: ScanResult) -> ScanResult {
    metrics::counter!("umstieg_virus_scans_total", "result" => result.word()).increment(1);
    result
}

async fn why_not(scanner: &VirusScanner, error: &ScanError) -> ScanStop {
    metrics::counter!("umstieg_virus_scans_total", "result" => "failed").increment(1);
    let stop = match error {
        ScanError::Unreachable { .. } => ScanStop::Away,
        _ if scanner.ping().await.is_err() => ScanStop::Broke,
        _ => ScanStop::NoVerdict,
    };
    let is_away = !matches!(stop, ScanStop::NoVerdict);
    warn!(error = %error, is_away, "There is no verdict of the virus scanner");
    stop
}

/// Whether a file of a letter may be uploaded. What was never scanned, because the scanner came into the
/// settings later, is scanned now; a mail as it came is scanned each time, with the signatures of now, unless
/// there is no verdict now: then what was said of it when it came counts, and nothing behind it waits.
pub(super) async fn before_upload(
    ctx: &Ctx,
    kind: &PostKind,
    letter: LetterId,
    file: &Attachment,
) -> Result<(), Stop> {
    let known = ctx.store.scan_of(letter).await?;
    let of_now = |result: &ScanResult, large| scanning::original_stays(result, large);
    let known = known.as_ref().and_then(|scan| match kind {
        PostKind::Text => None,
        PostKind::Attachment { index, .. } | PostKind::Made { index, .. } => {
            scan.files().get(*index)
        }
        PostKind::Original { .. } => Some(scan.mail()),
    });
    let Some(scanning) = &ctx.scanning else {
        // What was found stays found.
        return stays(known.and_then(|result| of_now(result, LargeFiles::Pass)));
    };
    if let Some(why) = known.and_then(|result| of_now(result, scanning.large)) {
        return stays(Some(why));
    }
    if known.is_some() && !matches!(kind, PostKind::Original { .. }) {
        return Ok(());
    }
    let pieces = ctx.store.letter_pieces(letter).await?.ok_or(Stop::Lost("letter_lost"))?;
    match scan(ctx, scanning, &pieces, file).await {
        Ok(result) => stays(of_now(&result, scanning.large)),
        Err(ScanStop::Store(error)) => Err(error.into()),
        Err(ScanStop::Away | ScanStop::Broke | ScanStop::NoVerdict) if known.is_some() => Ok(()),
        Err(ScanStop::Away | ScanStop::Broke) => Err(Stop::NotYet("virus_scanner")),
        // A person has to look; until then it stays where it is.
        Err(ScanStop::NoVerdict) => Err(Stop::Lost(UNSCANNABLE)),
    }
}

fn stays(why: Option<OriginalStays>) -> Result<(), Stop> {
    match why {
        None => Ok(()),
        Some(OriginalStays::Infected(_)) => Err(Stop::Lost("infected")),
        Some(OriginalStays::Unscanned) => Err(Stop::Lost("too_large_to_scan")),
    }
}

/// Why a letter is not handed out as it came, by what is known of it.
pub(super) async fn original_stays(
    ctx: &Ctx,
    letter: LetterId,
) -> Result<Option<Phrase>, StoreError> {
    let Some(scan) = ctx.store.scan_of(letter).await? else { return Ok(None) };
    let large = ctx.scanning.as_ref().map_or(LargeFiles::Pass, |scanning| scanning.large);
    Ok(scanning::original_stays(scan.mail(), large).map(|why| match why {
        OriginalStays::Infected(virus) => {
            Phrase::OriginalInfected { virus: virus.as_str().to_owned() }
        }
        OriginalStays::Unscanned => Phrase::OriginalUnscanned,
    }))
}

/// What a room is told of what the scanner says of a letter.
pub(super) fn hints(letter: &Letter, verdict: &ScanVerdict) -> Vec<Phrase> {
    let mail = verdict.mail.iter().map(|virus| Phrase::LetterInfected {
        virus: virus.as_str().to_owned(),
        files: letter.attachments.len() as u64,
    });
    let of_file = |(place, sight): &(usize, FileSight)| {
        let file_name = letter.attachments.get(*place)?.file_name.clone();
        Some(match sight {
            FileSight::Infected(virus) => {
                Phrase::FileInfected { file_name, virus: virus.as_str().to_owned() }
            }
            FileSight::Unscanned => Phrase::FileUnscanned { file_name },
            FileSight::Passed => Phrase::FilePassed { file_name },
        })
    };
    mail.chain(verdict.files.iter().filter_map(of_file)).collect()
}

/// Asks the scanner whether it is there, and tells the teams what is new. Returns whether it is.
pub async fn look_at_scanner(ctx: &Ctx, scanning: &Scanning) -> bool {
    let asked = scanning.scanner.ping().await;
    scanning.is_there.store(asked.is_ok(), Ordering::Relaxed);
    metrics::gauge!("umstieg_virus_scanner_up").set(if asked.is_ok() { 1.0 } else { 0.0 });
    let sight = match &asked {
        Ok(()) => AccountSight::Works,
        Err(_) => AccountSight::Trouble(AccountTrouble::Away),
    };
    for line in ctx.channels.values() {
        // The next look tells it.
        if let Err(error) = note_account(ctx, line, AccountSide::Scanner, sight).await {
            error!(channel.name = %line.channel.name, error = %error, "What the virus scanner does could not be noted");
        }
    }
    if let Err(error) = &asked {
        warn!(error = %error, "The virus scanner is away; letters wait");
    }
    asked.is_ok()
}
