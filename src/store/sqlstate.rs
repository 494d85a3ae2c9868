//! What Postgres says by its codes (SQLSTATE).

/// Postgres' code for a table that does not exist, because nothing was ever migrated.
const UNDEFINED_TABLE: &str = "42P01";

pub(super) fn is_missing_table(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some(UNDEFINED_TABLE))
}
