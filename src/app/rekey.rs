//! `umstieg rekey`: another key in the settings.

use super::start;
use crate::{
    config::Settings,
    model::Clock,
    phrases::AdminPhrase,
    store::{self, Database, OneGateway, OpenError, RekeyError, RekeyProgress, seal::OuterKey},
};

/// Makes the key of the settings the one the database is sealed with; `tell` gets sentences about
/// the progress.
///
/// Errors: [`OpenError::AnotherGateway`] while a gateway runs; else see [`RekeyError`]. It may be
/// killed at any moment and run again.
pub async fn rekey(
    settings: &Settings,
    key: &OuterKey,
    old: Option<&OuterKey>,
    mut tell: impl FnMut(&AdminPhrase),
) -> Result<(), RekeyError> {
    let url = start::database_url(&settings.database);
    let mut gate = OneGateway::take(&url).await?;
    // A gateway that was stopped must not go on with keys that no longer exist.
    match gate.begin().await {
        // There was none.
        Ok(_) | Err(OpenError::NotMigrated) => {}
        Err(error) => return Err(error.into()),
    }
    let database = Database::connect(&url, 1).await?;
    let mark = key.mark();
    let done = store::rekey(&database, key, old, Clock::of_the_machine().now(), |progress| {
        tell(&sentence(progress, mark));
    })
    .await;
    // Until here no other process may write.
    drop(gate);
    done
}

fn sentence(progress: RekeyProgress, mark: &str) -> AdminPhrase {
    let mark = mark.to_owned();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    match progress {
        RekeyProgress::NothingToDo => AdminPhrase::RekeyNothing { mark },
        RekeyProgress::KeysWrapped => AdminPhrase::RekeyWrapped { mark },
        RekeyProgress::GoesOn => AdminPhrase::RekeyGoesOn,
        RekeyProgress::Resealed { column, done, all } => AdminPhrase::RekeyColumn {
            column: format!("{}.{}", column.table, column.column),
            done: count(done),
            all: count(all),
        },
        RekeyProgress::KeysRemoved(keys) => AdminPhrase::RekeyDone { keys },
    }
}
