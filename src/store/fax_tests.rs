//! Test faxes: what a fax gateway says of them, for the admin who sent one.

use sqlx::types::time::OffsetDateTime;

use super::{Store, StoreError, reports::take_letter};
use crate::model::{ChannelName, DeliveryState, FaxNumber, LetterId, MessageId};

/// A test fax of which the end is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxTest {
    pub id: i64,
    pub number: String,
    pub pages: u32,
}

/// What a gateway says of a test fax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxTestSaid {
    pub state: DeliveryState,
    /// Why, as a word.
    pub why: Option<String>,
}

struct FaxTestRow {
    id: i64,
    number: String,
    pages: i32,
}

impl From<FaxTestRow> for FaxTest {
    fn from(row: FaxTestRow) -> Self {
        let FaxTestRow { id, number, pages } = row;
        Self { id, number, pages: u32::try_from(pages).unwrap_or_default() }
    }
}

impl Store {
    /// Notes a test fax before it leaves, so that no report of it comes too early.
    pub async fn begin_fax_test(
        &self,
        channel: &ChannelName,
        message_id: &MessageId,
        (number, pages): (&FaxNumber, u32),
        at: OffsetDateTime,
    ) -> Result<i64, StoreError> {
        let begun = sqlx::query_scalar!(
            "insert into fax_tests (channel, message_id, number, pages, begun_at)
             values ($1, $2, $3, $4, $5)
             returning id",
            channel.as_str(),
            message_id.as_str(),
            number.as_str(),
            i32::try_from(pages).unwrap_or(i32::MAX),
            at,
        );
        Ok(begun.fetch_one(&self.pool).await?)
    }

    /// The test fax of a channel with one of these names.
    pub async fn fax_test_named(
        &self,
        channel: &ChannelName,
        id: &MessageId,
    ) -> Result<Option<FaxTest>, StoreError> {
        let row = sqlx::query_as!(
            FaxTestRow,
            "select id, number, pages from fax_tests where channel = $1 and message_id = $2",
            channel.as_str(),
            id.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(FaxTest::from))
    }

    /// The newest test fax to a number since a moment of which the end is not known.
    pub async fn fax_test_underway(
        &self,
        channel: &ChannelName,
        number: &FaxNumber,
        since: OffsetDateTime,
    ) -> Result<Option<FaxTest>, StoreError> {
        let row = sqlx::query_as!(
            FaxTestRow,
            "select id, number, pages
             from fax_tests
             where channel = $1
               and number = $2
               and begun_at >= $3
               and (said is null or said in ('accepted', 'delayed'))
             order by id desc
             limit 1",
            channel.as_str(),
            number.as_str(),
            since,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(FaxTest::from))
    }

    /// Keeps what a report says of a test fax; what was final stays. The report's mail has its place.
    pub async fn note_fax_test(
        &self,
        test: i64,
        letter: (LetterId, Option<[u8; 32]>),
        said: &FaxTestSaid,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        take_letter(&mut transaction, letter).await?;
        sqlx::query!(
            "update fax_tests
             set said = $2,
                 why = $3,
                 said_at = $4
             where id = $1
               and (said is null or said in ('accepted', 'delayed'))",
            test,
            said.state.word(),
            said.why,
            at,
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What the gateway has said of a test fax by now.
    pub async fn fax_test_said(&self, test: i64) -> Result<Option<FaxTestSaid>, StoreError> {
        let row = sqlx::query!("select said, why from fax_tests where id = $1", test)
            .fetch_optional(&self.pool)
            .await?;
        let said = row.and_then(|row| Some((DeliveryState::from_word(&row.said?)?, row.why)));
        Ok(said.map(|(state, why)| FaxTestSaid { state, why }))
    }
}
