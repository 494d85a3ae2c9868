//! `umstieg identities`: members whose identity differs from the one the gateway knows.

use std::fmt::Write as _;

use super::{lists::minute, start};
use crate::{
    config::Settings,
    model::{Clock, Language},
    phrases::AdminPhrase,
    store::{ConfirmedBy, OpenError, StoreError, seal::OuterKey},
};

/// A command about identities failed.
#[derive(Debug, thiserror::Error)]
pub enum IdentitiesError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "no identity of this user waits to be confirmed; `umstieg identities list` shows what does"
    )]
    NoSuch,
    #[error("the list could not be written")]
    Write(#[from] std::fmt::Error),
}

/// All users whose identity waits to be confirmed, as a table.
pub async fn list(
    settings: &Settings,
    key: &OuterKey,
    language: Language,
) -> Result<String, IdentitiesError> {
    let changed = start::store(settings, key).await?.changed_identities().await?;
    if changed.is_empty() {
        return Ok(format!("{}\n", AdminPhrase::NobodyChanged.said(language)));
    }
    let [since, identity, user] =
        [AdminPhrase::HeadSince, AdminPhrase::HeadNewIdentity, AdminPhrase::HeadUser]
            .map(|head| head.said(language));
    let mut table = format!("{since:<16}  {identity:<43}  {user}\n");
    for item in changed {
        let since = minute(item.seen_at);
        writeln!(table, "{since:<16}  {:<43}  {}", item.identity.seen, item.user_id)?;
    }
    writeln!(table, "\n{}", AdminPhrase::AskChanged.said(language))?;
    Ok(table)
}

/// Believes the identity of a user that was seen last.
pub async fn confirm(
    settings: &Settings,
    key: &OuterKey,
    user: &str,
) -> Result<AdminPhrase, IdentitiesError> {
    let store = start::store(settings, key).await?;
    let now = Clock::of_the_machine().now();
    let known = store.identity(user).await?.ok_or(IdentitiesError::NoSuch)?;
    if !store.confirm_identity(user, &known.seen, ConfirmedBy::Admin, now).await? {
        return Err(IdentitiesError::NoSuch);
    }
    let (user, identity) = (user.to_owned(), known.seen);
    Ok(AdminPhrase::IdentityBelieved { user, identity })
}
