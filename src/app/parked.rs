//! `umstieg parked`: what failed for good, for the person who looks after it.

use std::fmt::Write as _;

use time::macros::format_description;

use super::start;
use crate::{
    config::Settings,
    model::Clock,
    store::{Database, OpenError, Resolution, Store, StoreError, seal::OuterKey},
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

/// Everything parked, as a table.
pub async fn list(settings: &Settings, key: &OuterKey) -> Result<String, ParkedError> {
    let items = store(settings, key).await?.parked().await?;
    if items.is_empty() {
        return Ok("Nothing is parked.\n".to_owned());
    }
    let mut table = format!(
        "{:>6}  {:<16}  {:<12}  {:>8}  {:>6}  {:<24}  reason\n",
        "id", "since (UTC)", "what", "number", "things", "channel"
    );
    let minute = format_description!("[year]-[month]-[day] [hour]:[minute]");
    for item in items {
        let since = item.parked_at.and_then(|at| at.format(&minute).ok()).unwrap_or_default();
        writeln!(
            table,
            "{:>6}  {since:<16}  {:<12}  {:>8}  {:>6}  {:<24}  {}",
            item.id,
            item.kind.word(),
            item.item,
            item.things,
            item.channel,
            item.reason
        )?;
    }
    table.push_str(
        "\nTry one again: umstieg parked retry ID. Give one up: umstieg parked drop ID.\n",
    );
    Ok(table)
}

/// Tries one again.
pub async fn retry(settings: &Settings, key: &OuterKey, id: i64) -> Result<String, ParkedError> {
    resolve(settings, key, id, Resolution::Retry).await?;
    Ok(format!("{id} is tried again as soon as the gateway runs.\n"))
}

/// Gives one up.
pub async fn drop(settings: &Settings, key: &OuterKey, id: i64) -> Result<String, ParkedError> {
    resolve(settings, key, id, Resolution::Drop).await?;
    Ok(format!("{id} is given up; its row stays in the database.\n"))
}

async fn resolve(
    settings: &Settings,
    key: &OuterKey,
    id: i64,
    resolution: Resolution,
) -> Result<(), ParkedError> {
    let now = Clock::of_the_machine().now();
    if store(settings, key).await?.resolve_parked(id, resolution, now).await? {
        Ok(())
    } else {
        Err(ParkedError::NoSuch(id))
    }
}

async fn store(settings: &Settings, key: &OuterKey) -> Result<Store, ParkedError> {
    let database = Database::connect(&start::database_url(&settings.database), 1).await?;
    Ok(database.open(key).await?)
}
