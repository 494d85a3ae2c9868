//! Why the database did not do it: again later, or damaged, and where.

use std::{borrow::Cow, fmt};

use super::{rekey::SEALED, seal::Purpose, seal::Unsealable};
use crate::model::WrongState;

/// The database could not do it. Nothing was half done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres itself failed. The caller tries again later.
    #[error("the database did not answer as expected")]
    Again(#[source] sqlx::Error),
    /// Trying again does not help: a value is not what was saved there. The caller sets the one
    /// thing it belongs to aside and goes on.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl StoreError {
    /// Whether the database as a whole is away, full or about to end: then the request is not at
    /// fault, and everything else would fail as well.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Again(sqlx::Error::Database(refusal)) => {
                refusal.code().is_some_and(|code| is_about_all(&code))
            }
            Self::Again(_) => true,
            Self::Damaged(_) => false,
        }
    }
}

impl StoreError {
    /// Whether Postgres has no room: its disk is full, or something else of it (class 53).
    pub fn is_for_want_of_room(&self) -> bool {
        matches!(self, Self::Again(sqlx::Error::Database(refusal))
            if refusal.code().is_some_and(|code| code.starts_with("53")))
    }
}

/// A value in the database that cannot be read or taken. Says where it is, never what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Damaged {
    pub table: Cow<'static, str>,
    /// The column, or the rule of the table that refused the value.
    pub column: Cow<'static, str>,
    /// The number of its row, where that is known.
    pub row: Option<i64>,
    #[source]
    pub why: Harm,
}

/// What is wrong with a damaged value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Harm {
    #[error(transparent)]
    Sealed(#[from] Unsealable),
    #[error("what was sealed there has another form")]
    Form,
    #[error("it is not a word that is known there")]
    Word,
    #[error("it is not a name, address or id")]
    Name,
    #[error("it is not a number that is possible there")]
    Number,
    #[error("it is not a time that a clock can show")]
    Time,
    #[error("it is missing")]
    Missing,
    #[error("Postgres cannot read it, or refuses it")]
    Refused,
    #[error(transparent)]
    State(#[from] WrongState),
}

/// For damage whose place is unknown.
const SOMEWHERE: &str = "unknown";

impl Damaged {
    pub(super) fn new(table: &'static str, column: &'static str, row: i64, why: Harm) -> Self {
        Self { table: table.into(), column: column.into(), row: Some(row), why }
    }

    /// A value sealed for this purpose is in one column only.
    pub(super) fn sealed(purpose: Purpose, why: Harm) -> Self {
        let place = SEALED.iter().find(|column| column.purpose == purpose);
        let (table, column) = place.map_or((SOMEWHERE, SOMEWHERE), |c| (c.table, c.column));
        Self { table: table.into(), column: column.into(), row: None, why }
    }

    fn somewhere(column: impl Into<Cow<'static, str>>, why: Harm) -> Self {
        Self { table: SOMEWHERE.into(), column: column.into(), row: None, why }
    }

    /// Its row, if it is in this table.
    pub fn row_of(&self, table: &str) -> Option<i64> {
        self.row.filter(|_| self.table == table)
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, column, row, why } = self;
        match row {
            Some(row) => write!(f, "{table}.{column} of row {row} is damaged: {why}"),
            None => write!(f, "{table}.{column} of some row is damaged: {why}"),
        }
    }
}

/// Names the row of what is damaged.
pub(super) trait InRow {
    fn in_row(self, row: i64) -> Self;
}

impl<T> InRow for Result<T, Damaged> {
    fn in_row(self, row: i64) -> Self {
        self.map_err(|damaged| Damaged { row: damaged.row.or(Some(row)), ..damaged })
    }
}

/// Classes and codes of Postgres for a value that it does not take (22, 23) or that it cannot read
/// any more (XX001, XX002): <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn is_about_a_value(code: &str) -> bool {
    code.starts_with("22") || code.starts_with("23") || ["XX001", "XX002"].contains(&code)
}

/// Codes that say nothing about the statement: the connection (08), a server that only reads (25006),
/// others who were faster (40, 55P03), no room (53), a server that ends or begins (57P), its disk
/// (58), and another gateway (UM001). A statement that took too long (57014) may be at fault itself.
fn is_about_all(code: &str) -> bool {
    ["08", "40", "53", "57P", "58"].iter().any(|class| code.starts_with(class))
        || ["25006", "55P03", "UM001"].contains(&code)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::RowNotFound => Damaged::somewhere("row", Harm::Missing).into(),
            sqlx::Error::ColumnDecode { index, .. } => {
                Damaged::somewhere(index.clone(), Harm::Refused).into()
            }
            sqlx::Error::Decode(_) => Damaged::somewhere(SOMEWHERE, Harm::Refused).into(),
            sqlx::Error::Database(refusal)
                if refusal.code().is_some_and(|code| is_about_a_value(&code)) =>
            {
                // Names from our own migrations; the message may quote the value.
                let name = |name: Option<&str>| match name {
                    Some(name) => name.to_owned().into(),
                    None => SOMEWHERE.into(),
                };
                Damaged {
                    table: name(refusal.table()),
                    column: name(refusal.constraint()),
                    row: None,
                    why: Harm::Refused,
                }
                .into()
            }
            _ => Self::Again(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_postgres_is_tried_again() {
        let is_again = |error: sqlx::Error| matches!(StoreError::from(error), StoreError::Again(_));
        assert!(is_again(sqlx::Error::PoolTimedOut));
        assert!(is_again(sqlx::Error::PoolClosed));
        assert!(is_again(sqlx::Error::WorkerCrashed));
        assert!(is_again(std::io::Error::other("broken").into()));
        assert!(!is_again(sqlx::Error::RowNotFound));
        assert!(!is_again(sqlx::Error::Decode("no text".into())));
        for (code, expected) in [
            ("22003", true),
            ("23514", true),
            ("XX001", true),
            ("XX000", false),
            ("08006", false),
            ("40001", false),
            ("42P01", false),
            ("53100", false),
            ("57P01", false),
        ] {
            assert_eq!(is_about_a_value(code), expected, "{code}");
        }
    }

    #[test]
    fn an_outage_is_told_from_what_is_the_statement_s_own() {
        for (code, expected) in [
            ("08006", true),
            ("25006", true),
            ("40P01", true),
            ("53100", true),
            ("53300", true),
            ("57P01", true),
            ("58030", true),
            ("UM001", true),
            ("57014", false),
            ("54000", false),
            ("42P01", false),
            ("XX000", false),
        ] {
            assert_eq!(is_about_all(code), expected, "{code}");
        }
        assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_outage());
        assert!(!StoreError::from(sqlx::Error::RowNotFound).is_outage());
    }

    #[test]
    fn what_is_damaged_says_where_and_not_what() {
        let damaged = Damaged::sealed(Purpose::PostContent, Harm::Form);
        assert_eq!(
            Err::<(), _>(damaged).in_row(7).unwrap_err().to_string(),
            "posts.content of row 7 is damaged: what was sealed there has another form"
        );
    }
}
