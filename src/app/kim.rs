//! `umstieg kim`: what the gateway left to other programs in shared KIM mailboxes, for the admin.

use std::fmt::Write as _;

use super::{
    lists::{ListError, minute},
    start,
};
use crate::{config::Settings, model::Language, phrases::AdminPhrase, store::seal::OuterKey};

/// What is left alone in the mailboxes of the settings, as a table: by channel and Dienstkennung, how
/// many mails, since when, and why.
pub async fn classes(
    settings: &Settings,
    key: &OuterKey,
    language: Language,
) -> Result<String, ListError> {
    let store = start::store(settings, key).await?;
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
    let why = AdminPhrase::LeftToOthers.said(language);
    let mut untold = 0;
    for row in left {
        let Some(service) = row.service else {
            untold += row.mails;
            continue;
        };
        let since = minute(row.since);
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
