//! The identities of members, pinned when they were first seen.

use std::collections::BTreeMap;

use ruma::OwnedUserId;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Moment, Store, StoreError, StoredIdentity, shown};

/// The person who says that an identity is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfirmedBy {
    /// Another person who may speak, in a room.
    Speaker,
    /// An admin at the command line.
    Admin,
}

impl ConfirmedBy {
    fn word(self) -> &'static str {
        match self {
            Self::Speaker => "speaker",
            Self::Admin => "admin",
        }
    }
}

/// A user whose identity is not the one that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedIdentity {
    pub user_id: String,
    pub identity: StoredIdentity,
    /// Nothing if it is no time that a clock shows.
    pub seen_at: Option<OffsetDateTime>,
}

impl Store {
    /// Notes the identities that members have now. An identity that is seen for the first time is
    /// pinned.
    pub async fn identities_seen(
        &self,
        identities: &BTreeMap<OwnedUserId, String>,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let users: Vec<String> = identities.keys().map(ToString::to_string).collect();
        let keys: Vec<String> = identities.values().cloned().collect();
        sqlx::query!(
            "insert into identities (user_id, pinned, pinned_at, pinned_by, seen, seen_at)
             select user_id, key, $3, 'first_seen', key, $3
             from unnest($1::text[], $2::text[]) as identity (user_id, key)
             -- In one order everywhere, so that nobody waits in a circle.
             order by user_id
             on conflict (user_id) do update
             set seen = excluded.seen,
                 seen_at = excluded.seen_at
             where identities.seen <> excluded.seen",
            &users,
            &keys,
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What is known of a user's identity.
    pub async fn identity(&self, user_id: &str) -> Result<Option<StoredIdentity>, StoreError> {
        Ok(sqlx::query_as!(
            StoredIdentity,
            "select pinned, seen from identities where user_id = $1",
            user_id,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The identity that a room was last told of as a user's new one.
    pub async fn told_identity(
        &self,
        room_id: &str,
        user_id: &str,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "select detail
             from told_of_members
             where room_id = $1
               and user_id = $2
               and what = 'identity'
             order by told_at desc
             limit 1",
            room_id,
            user_id,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Believes a user's new identity from now on: exactly the one that was asked about. `false`:
    /// it is believed already, or is unknown.
    pub async fn confirm_identity(
        &self,
        user_id: &str,
        key: &str,
        by: ConfirmedBy,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_new = confirm(&mut transaction, user_id, key, by, at).await?;
        transaction.commit().await?;
        Ok(is_new)
    }

    /// All users whose identity is not the one that is believed, the newest change last.
    pub async fn changed_identities(&self) -> Result<Vec<ChangedIdentity>, StoreError> {
        let rows = sqlx::query!(
            r#"select user_id, pinned, seen, seen_at as "seen_at: Moment"
             from identities
             where seen <> pinned
             order by seen_at, user_id"#,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| ChangedIdentity {
                user_id: row.user_id,
                identity: StoredIdentity { pinned: row.pinned, seen: row.seen },
                seen_at: row.seen_at.get(),
            })
            .collect())
    }
}

pub(super) async fn confirm(
    connection: &mut PgConnection,
    user_id: &str,
    key: &str,
    by: ConfirmedBy,
    at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let confirmed = sqlx::query!(
        "update identities
         set pinned = $2,
             pinned_by = $3,
             pinned_at = $4
         where user_id = $1
           and pinned <> $2",
        user_id,
        key,
        by.word(),
        at,
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if confirmed == 1 {
        shown::wake_for_readers(connection, &[user_id.to_owned()]).await?;
    }
    Ok(confirmed == 1)
}
