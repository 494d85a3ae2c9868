//! Channels as the database knows them: their names and kinds, and what the names of their letters
//! and rooms are made with.

use sqlx::AssertSqlSafe;

use super::{MailboxPlace, Store, StoreError};
use crate::{
    model::{ChannelKind, ChannelName},
    rules::renaming::{Configured, KnownChannels, Renaming, Unclear, renamings},
};

/// A channel of the settings, with its mailbox.
#[derive(Debug, Clone)]
pub struct ChannelPlace {
    pub name: ChannelName,
    pub kind: ChannelKind,
    pub place: MailboxPlace,
}

/// Channels cannot take their mailboxes along.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unclear(#[from] Unclear),
}

impl Store {
    /// Every channel that the database knows, with the kind of its conversations.
    pub async fn known_channels(&self) -> Result<KnownChannels, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 known.channel as "channel!",
                 case
                     when exists (
                         select 1
                         from conversations
                         where conversations.channel = known.channel
                     ) then kept.kind
                 end as kind
             from (
                 select channel from conversations
                 union
                 select channel from letters
                 union
                 select channel from mailboxes
             ) as known
             left join channels as kept on kept.channel = known.channel
             order by known.channel"#
        )
        .fetch_all(&self.pool)
        .await?;
        let kind = |word: String| ChannelKind::from_word(&word);
        Ok(rows.into_iter().map(|row| (row.channel, row.kind.and_then(kind))).collect())
    }

    /// The channels of the settings that the database knows by another name, with the same mailbox.
    /// Changes nothing.
    pub async fn renamed_channels(
        &self,
        channels: &[ChannelPlace],
    ) -> Result<Vec<Renaming>, RenameError> {
        let known = self.known_channels().await?;
        let mut configured = Vec::new();
        for ChannelPlace { name, kind, place } in channels {
            let known_as = self.channel_at(place).await?;
            configured.push(Configured { name: name.clone(), kind: *kind, known_as });
        }
        Ok(renamings(&configured, &known)?)
    }

    /// The channel that read a mailbox last.
    async fn channel_at(&self, place: &MailboxPlace) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "select channel
             from mailboxes
             where place = $1
             order by id desc
             limit 1",
            place.0.as_slice(),
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Lets channels go on under the names of the settings. Only at the start, holding the
    /// database.
    pub async fn rename_channels(&self, renamings: &[Renaming]) -> Result<(), StoreError> {
        // First to names that no channel can have, so that two channels may swap theirs.
        let from: Vec<String> = renamings.iter().map(|renaming| renaming.from.clone()).collect();
        let to: Vec<String> = renamings.iter().map(|renaming| renaming.to.to_string()).collect();
        let between: Vec<String> = to.iter().map(|name| format!("*{name}")).collect();
        let mut transaction = self.pool.begin().await?;
        // Every table that has a channel's name goes along, even one of a later version.
        let tables = sqlx::query_scalar!(
            r#"select table_name::text as "table!"
             from information_schema.columns
             where table_schema = current_schema()
               and column_name = 'channel'
             order by table_name"#
        )
        .fetch_all(&mut *transaction)
        .await?;
        // A channel that was in the settings and brought nothing leaves its name to the new one.
        sqlx::query!(
            "delete from channels where channel = any ($1) and not channel = any ($2)",
            &to,
            &from,
        )
        .execute(&mut *transaction)
        .await?;
        // So does what was met at its account.
        sqlx::query!(
            "delete from account_troubles where channel = any ($1) and not channel = any ($2)",
            &to,
            &from,
        )
        .execute(&mut *transaction)
        .await?;
        for (from, to) in [(&from, &between), (&between, &to)] {
            for table in &tables {
                let sql = format!(
                    "update {table}
                     set channel = new
                     from unnest($1::text[], $2::text[]) as name (old, new)
                     where channel = old"
                );
                sqlx::query(AssertSqlSafe(sql))
                    .bind(from)
                    .bind(to)
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Notes the channels of the settings. The names of a new channel are made with its own name, or,
    /// where another channel took that name earlier, with its mailbox as well: both are the same
    /// after the database was restored.
    pub async fn keep_channels(&self, channels: &[ChannelPlace]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for ChannelPlace { name, kind, place } in channels {
            sqlx::query!(
                "insert into channels (channel, kind, made_with)
                 select
                     $1,
                     $2,
                     case
                         when exists (
                             select 1
                             from channels
                             where made_with = $1
                         ) then $1 || '/' || encode($3, 'hex')
                         else $1
                     end
                 on conflict (channel) do update
                 set kind = excluded.kind",
                name.as_str(),
                kind.word(),
                place.0.as_slice(),
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// What the names of a channel's letters and rooms are made with.
    pub async fn made_with(&self, channel: &str) -> Result<String, StoreError> {
        let kept =
            sqlx::query_scalar!("select made_with from channels where channel = $1", channel)
                .fetch_optional(&self.pool)
                .await?;
        Ok(kept.unwrap_or_else(|| channel.to_owned()))
    }
}
