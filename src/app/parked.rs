//! `umstieg parked`: what failed for good, for the admin.

use std::fmt::Write as _;

use super::{lists::minute, start};
use crate::{
    config::Settings,
    model::{Clock, Language},
    phrases::AdminPhrase,
    store::{OpenError, ParkedKind, Resolution, StoreError, seal::OuterKey},
};

/// A command about parked things failed.
#[derive(Debug, thiserror::Error)]
pub enum ParkedError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("nothing with the number {0} is parked; `umstieg parked list` shows the numbers")]
    NoSuch(i64),
    #[error("the list could not be written")]
    Write(#[from] std::fmt::Error),
}

/// What `umstieg parked` can do.
#[derive(Debug, clap::Subcommand)]
pub enum ParkedCommand {
    /// Show what is parked, with ids and reasons
    List,
    /// Try one again
    Retry { id: i64 },
    /// Give one up; the row stays as evidence
    Drop { id: i64 },
}

/// Everything parked, as a table.
pub async fn list(
    settings: &Settings,
    key: &OuterKey,
    language: Language,
) -> Result<String, ParkedError> {
    let items = start::store(settings, key).await?.parked().await?;
    if items.is_empty() {
        return Ok(format!("{}\n", AdminPhrase::NothingParked.said(language)));
    }
    let [id, since, what, number, things, channel, reason] = [
        AdminPhrase::HeadId,
        AdminPhrase::HeadSince,
        AdminPhrase::HeadWhat,
        AdminPhrase::HeadNumber,
        AdminPhrase::HeadThings,
        AdminPhrase::HeadChannel,
        AdminPhrase::HeadReason,
    ]
    .map(|head| head.said(language));
    let mut table = format!(
        "{id:>6}  {since:<16}  {what:<12}  {number:>8}  {things:>6}  {channel:<24}  {reason}\n"
    );
    for item in items {
        let since = minute(item.parked_at);
        writeln!(
            table,
            "{:>6}  {since:<16}  {:<12}  {:>8}  {:>6}  {:<24}  {}",
            item.id,
            kind(item.kind).said(language),
            item.item,
            item.things,
            item.channel,
            because_of(&item.reason).said(language)
        )?;
    }
    writeln!(table, "\n{}", AdminPhrase::ParkedNext.said(language))?;
    Ok(table)
}

fn kind(kind: ParkedKind) -> AdminPhrase {
    match kind {
        ParkedKind::Letter => AdminPhrase::KindLetter,
        ParkedKind::Post => AdminPhrase::KindPost,
        ParkedKind::Dispatch => AdminPhrase::KindDispatch,
        ParkedKind::Portal => AdminPhrase::KindPortal,
        ParkedKind::Conversation => AdminPhrase::KindConversation,
        ParkedKind::Event => AdminPhrase::KindEvent,
        ParkedKind::Gap => AdminPhrase::KindGap,
        ParkedKind::Mail => AdminPhrase::KindMail,
        ParkedKind::Unknown => AdminPhrase::KindUnknown,
    }
}

/// The reason's word, under which docs/operations.md says what to do, and its meaning.
fn because_of(word: &str) -> AdminPhrase {
    let why = match word {
        "sender_not_allowed" => AdminPhrase::ReasonSender,
        "sender_not_proven" => AdminPhrase::ReasonSenderNotProven,
        "no_sender" => AdminPhrase::ReasonNoSender,
        "several_senders" => AdminPhrase::ReasonSeveralSenders,
        "nobody_joined" => AdminPhrase::ReasonNobodyJoined,
        "nobody_can_read" => AdminPhrase::ReasonNobodyReads,
        "broken_off" | "silent" | "endless" | "garbled" | "withheld" | "nothing_came"
        | "not_kept" => AdminPhrase::ReasonNotFetched,
        "too_large" => AdminPhrase::ReasonTooLarge,
        "expires_soon" => AdminPhrase::ReasonExpires,
        "no_name" => AdminPhrase::ReasonNoName,
        "unreadable" => AdminPhrase::ReasonUnreadable,
        "interrupted" => AdminPhrase::ReasonInterrupted,
        "unscannable" => AdminPhrase::ReasonUnscannable,
        "infected" | "too_large_to_scan" => AdminPhrase::ReasonInfected,
        "seal_broken" | "damaged" => AdminPhrase::ReasonDamaged,
        "portal_gone" | "ghost_refused" => AdminPhrase::ReasonRoom,
        "address_too_long" => AdminPhrase::ReasonAddress,
        "letter_lost" | "attachment_lost" | "correspondent" => AdminPhrase::ReasonLost,
        "gap" => AdminPhrase::ReasonGap,
        "unclear" => AdminPhrase::ReasonUnclear,
        "refused" => AdminPhrase::ReasonRefused,
        "try_later" => AdminPhrase::ReasonTryLater,
        "register" | "device" | "displayname" | "create_room" | "alias" | "read_state"
        | "write_state" | "join" | "invite" | "kick" | "leave" | "members" | "profile" | "send"
        | "upload" | "download" | "media_config" | "messages" => AdminPhrase::ReasonHomeserver,
        _ => return AdminPhrase::as_it_is(word),
    };
    AdminPhrase::ParkedFor { code: word.to_owned(), why: Box::new(why) }
}

/// Tries one again.
pub async fn retry(
    settings: &Settings,
    key: &OuterKey,
    id: i64,
) -> Result<AdminPhrase, ParkedError> {
    resolve(settings, key, id, Resolution::Retry).await?;
    Ok(AdminPhrase::ParkedRetried { id: id.to_string() })
}

/// Gives one up.
pub async fn drop(
    settings: &Settings,
    key: &OuterKey,
    id: i64,
) -> Result<AdminPhrase, ParkedError> {
    resolve(settings, key, id, Resolution::Drop).await?;
    Ok(AdminPhrase::ParkedDropped { id: id.to_string() })
}

async fn resolve(
    settings: &Settings,
    key: &OuterKey,
    id: i64,
    resolution: Resolution,
) -> Result<(), ParkedError> {
    let now = Clock::of_the_machine().now();
    if start::store(settings, key).await?.resolve_parked(id, resolution, now).await? {
        Ok(())
    } else {
        Err(ParkedError::NoSuch(id))
    }
}
