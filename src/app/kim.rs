//! `umstieg kim`: what the gateway left to other programs in shared KIM mailboxes, for the admin.

use std::fmt::Write as _;

use time::macros::format_description;

use super::start;
use crate::{
    config::Settings,
    model::Language,
    phrases::AdminPhrase,
    store::{Database, OpenError, StoreError, seal::OuterKey},
};

/// A command about KIM failed.
#[derive(Debug, thiserror::Error)]
pub enum KimError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the list could not be written")]
    Write(#[from] std::fmt::Error),
}

/// What is left alone in the mailboxes of the settings, as a table: by channel and Dienstkennung, how
/// many mails, since when, and why.
pub async fn classes(
    settings: &Settings,
    key: &OuterKey,
    language: Language,
) -> Result<String, KimError> {
    let database = Database::connect(&start::database_url(&settings.database), 1).await?;
    let store = database.open(key).await?;
    let places: Vec<_> =
        start::places(&settings.channels).into_iter().map(|place| place.place).collect();
    let left = store.left_alone_by_service(&places).await?;
    if left.is_empty() {
        return Ok(format!("{}\n", AdminPhrase::NothingLeftAlone.said(language)));
    }
    let [channel, since, mails, service, reason] = [
        AdminPhrase::HeadChannel,
        AdminPhrase::HeadSince,
        AdminPhrase::HeadMails,
        AdminPhrase::HeadService,
        AdminPhrase::HeadReason,
    ]
    .map(|head| head.said(language));
    let mut table = format!("{channel:<24}  {since:<16}  {mails:>6}  {service:<40}  {reason}\n");
    let minute = format_description!("[year]-[month]-[day] [hour]:[minute]");
    let why = AdminPhrase::LeftToOthers.said(language);
    let mut untold = 0;
    for row in left {
        let Some(service) = row.service else {
            untold += row.mails;
            continue;
        };
        let since = row.since.and_then(|at| at.format(&minute).ok()).unwrap_or_default();
        writeln!(
            table,
            "{:<24}  {since:<16}  {:>6}  {service:<40}  {why}",
            row.channel, row.mails
        )?;
    }
    if untold > 0 {
        writeln!(table, "{}", AdminPhrase::LeftAloneMore { mails: untold }.said(language))?;
    }
    writeln!(table, "\n{}", AdminPhrase::LeftAloneNext.said(language))?;
    Ok(table)
}
