//! What exists on the homeserver: ghosts, and how far the bot's `/sync` was read.

use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::model::GhostName;

impl Store {
    /// Whether the ghost was registered and has its device.
    pub async fn ghost_is_ready(&self, name: &GhostName) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (select 1 from ghosts where name = $1) as "ready!""#,
            name.as_str(),
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Notes that the ghost was registered and has its device.
    pub async fn ghost_became_ready(
        &self,
        name: &GhostName,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "insert into ghosts (name, ready_at)
             values ($1, $2)
             on conflict do nothing",
            name.as_str(),
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many ghosts there are, for the metrics.
    pub async fn ghost_count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(r#"select count(*) as "count!" from ghosts"#)
            .fetch_one(&self.pool)
            .await?)
    }

    /// Whether that position is a copy's: the next `/sync` brings what happened since the copy was
    /// made.
    pub async fn sync_is_of_copy(&self, user_id: &str) -> Result<bool, StoreError> {
        let of_copy = sqlx::query_scalar::<_, bool>(
            "select exists (select 1 from sync_positions where user_id = $1 and of_copy)",
        )
        .bind(user_id)
        .fetch_one(&self.pool)
        .await?;
        Ok(of_copy)
    }

    /// Where the next `/sync` of `user_id` goes on.
    pub async fn sync_position(&self, user_id: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar!("select since from sync_positions where user_id = $1", user_id)
            .fetch_optional(&self.pool)
            .await?)
    }
}
