//! What the directory said about the addresses the gateway talks to, and when (KIM-35).

use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::model::{AddressStanding, ConversationId, KimVersion, Listing, MailAddress, Notice};

impl Store {
    /// What is known of an address by a look that is newer than `after` and not later than `now`: a look
    /// in the future was noted before the clock was set back, and may be of any age.
    pub async fn standing(
        &self,
        address: &MailAddress,
        after: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Option<AddressStanding>, StoreError> {
        let row = sqlx::query!(
            "select listed, takes_large, vanishings
             from listings
             where address = $1
               and looked_up_at > $2
               and looked_up_at <= $3",
            address.as_str(),
            after,
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| standing(row.listed, row.takes_large, row.vanishings)))
    }

    /// Whether an address was ever looked up, as far as is kept.
    pub async fn was_looked_up(&self, address: &MailAddress) -> Result<bool, StoreError> {
        let there = sqlx::query_scalar!(
            r#"select exists (select 1 from listings where address = $1) as "there!""#,
            address.as_str(),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(there)
    }

    /// How many addresses were looked up since then.
    pub async fn looked_up_since(&self, at: OffsetDateTime) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"select count(*) as "count!" from listings where looked_up_at > $1"#,
            at,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(count)
    }

    /// Keeps what a look said. An entry that had been there and is not found any more has vanished; taken
    /// twice, the step counts that once.
    pub async fn note_listing(
        &self,
        address: &MailAddress,
        listing: &Listing,
        at: OffsetDateTime,
    ) -> Result<AddressStanding, StoreError> {
        let entry = match listing {
            Listing::Listed(entry) => Some(entry),
            Listing::NotListed => None,
        };
        let row = sqlx::query!(
            "insert into listings as known
                 (address, listed, version, takes_large, telematik_id, looked_up_at)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (address) do update
             set listed = excluded.listed,
                 version = excluded.version,
                 takes_large = excluded.takes_large,
                 telematik_id = excluded.telematik_id,
                 looked_up_at = excluded.looked_up_at,
                 vanishings = known.vanishings
                     + case when known.listed and not excluded.listed then 1 else 0 end
             returning listed, takes_large, vanishings",
            address.as_str(),
            entry.is_some(),
            entry.and_then(|entry| entry.version.as_ref()).map(KimVersion::as_str),
            entry.is_some_and(|entry| entry.takes_large),
            entry.and_then(|entry| entry.telematik_id.as_deref()),
            at,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(standing(row.listed, row.takes_large, row.vanishings))
    }

    /// Tells a room that the entry of an address has vanished, once for each time it did. Does nothing
    /// where it is there, or never was.
    pub async fn tell_vanished(
        &self,
        conversation: ConversationId,
        address: &MailAddress,
        notice: &Notice,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query!(
            "select id, vanishings
             from listings
             where address = $1
               and not listed
               and vanishings > 0",
            address.as_str(),
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(row) = row {
            // Named after what it is about, so that it is said once.
            let txn_id = format!("v{}-{}-{conversation}", row.id, row.vanishings);
            self.insert_bot_post(&mut transaction, conversation, &txn_id, notice).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets what was looked up before then.
    pub async fn forget_listings(&self, before: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!("delete from listings where looked_up_at < $1", before)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

fn standing(listed: bool, takes_large: bool, vanishings: i64) -> AddressStanding {
    match listed {
        true => AddressStanding::Listed { takes_large },
        false => AddressStanding::Unlisted { vanished: vanishings > 0 },
    }
}
