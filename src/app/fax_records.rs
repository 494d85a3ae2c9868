//! `umstieg fax records`: what is kept of each fax, for the admin (FAX-39).

use std::fmt::Write as _;

use time::Duration;

use super::{
    lists::{ListError, minute},
    start,
};
use crate::{
    config::Settings,
    model::{Clock, Language},
    phrases::{AdminPhrase, FaxAdminPhrase},
    store::{FaxRecord, seal::OuterKey},
};

/// The faxes of the last days as a table, a line for each document. Times are UTC.
pub async fn list(
    settings: &Settings,
    key: &OuterKey,
    days: u32,
    language: Language,
) -> Result<String, ListError> {
    let since = Clock::of_the_machine().now() - Duration::days(days.into());
    let records = start::store(settings, key).await?.fax_records(since).await?;
    if records.is_empty() {
        return Ok(format!(
            "{}\n",
            FaxAdminPhrase::NoFaxRecords { days: days.into() }.said(language)
        ));
    }
    let [at, way, number, pages, bytes, state, digest] = [
        FaxAdminPhrase::HeadTime,
        FaxAdminPhrase::HeadWay,
        FaxAdminPhrase::HeadFaxNumber,
        FaxAdminPhrase::HeadPages,
        FaxAdminPhrase::HeadBytes,
        FaxAdminPhrase::HeadState,
        FaxAdminPhrase::HeadDigest,
    ]
    .map(|head| head.said(language));
    let [channel, item] =
        [AdminPhrase::HeadChannel, AdminPhrase::HeadId].map(|head| head.said(language));
    let mut table = format!(
        "{at:<16}  {channel:<12}  {way:<3}  {item:>6}  {number:<16}  {pages:>5}  {bytes:>10}  \
         {state:<12}  {digest}\n"
    );
    for record in &records {
        write_row(&mut table, record, language)?;
    }
    Ok(table)
}

fn write_row(
    table: &mut String,
    record: &FaxRecord,
    language: Language,
) -> Result<(), std::fmt::Error> {
    let at = minute(Some(record.at));
    let way = if record.is_ours { FaxAdminPhrase::WayOut } else { FaxAdminPhrase::WayIn };
    let pages = record.pages.map_or("?".to_owned(), |pages| pages.to_string());
    let digest = record.digest.as_deref().map_or("-".to_owned(), hex);
    writeln!(
        table,
        "{at:<16}  {:<12}  {:<3}  {:>6}  {:<16}  {pages:>5}  {:>10}  {:<12}  {digest}",
        record.channel,
        way.said(language),
        record.item,
        record.number,
        record.bytes,
        record.state,
    )?;
    if let Some(words) = &record.words {
        let said: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let said = FaxAdminPhrase::GatewayWrote { words: said };
        writeln!(table, "  {}", said.said(language))?;
    }
    if record.is_purged {
        writeln!(table, "  {}", FaxAdminPhrase::MailIsPurged.said(language))?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
