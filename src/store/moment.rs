//! Times out of the database.

use sqlx::{
    Decode, Postgres, Type,
    error::BoxDynError,
    postgres::{PgTypeInfo, PgValueFormat, PgValueRef},
};
use time::OffsetDateTime;

use super::error::{Damaged, Harm};

/// A `timestamptz` as stored. Postgres knows times that no calendar of ours does (`infinity`, the
/// year 200,000), and the driver's own reader panics at them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(Option<OffsetDateTime>);

/// 2000-01-01, from which Postgres counts, in seconds of Unix.
const POSTGRES_EPOCH: i128 = 946_684_800;

impl Moment {
    /// The time, if it is one.
    pub(super) fn read(
        self,
        table: &'static str,
        column: &'static str,
        row: i64,
    ) -> Result<OffsetDateTime, Damaged> {
        self.0.ok_or_else(|| Damaged::new(table, column, row, Harm::Time))
    }

    /// For callers that can do without.
    pub(super) fn get(self) -> Option<OffsetDateTime> {
        self.0
    }

    fn of_microseconds(microseconds: i64) -> Self {
        let nanoseconds = (i128::from(microseconds) + POSTGRES_EPOCH * 1_000_000) * 1_000;
        Self(OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok())
    }
}

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        <OffsetDateTime as Type<Postgres>>::type_info()
    }
}

impl Decode<'_, Postgres> for Moment {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self::of_microseconds(i64::decode(value)?)),
            // Not requested anywhere; `infinity` and the like are no such text.
            PgValueFormat::Text => Ok(Self(OffsetDateTime::decode(value).ok())),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_time_that_is_none_is_told_from_one_that_is() {
        let at = |microseconds| Moment::of_microseconds(microseconds).get();
        assert_eq!(at(0), Some(datetime!(2000-01-01 0:00 UTC)));
        assert_eq!(at(1_000_000), Some(datetime!(2000-01-01 0:00:01 UTC)));
        for infinity in [i64::MAX, i64::MIN, i64::MAX / 4] {
            assert_eq!(at(infinity), None);
        }
        let damaged = Moment(None).read("posts", "sent_at", 3).unwrap_err();
        assert_eq!(damaged.row_of("posts"), Some(3));
        assert_eq!(damaged.row_of("letters"), None);
    }
}
