//! `umstieg rekey`: another key in the settings.

use super::start;
use crate::{
    config::Settings,
    model::Clock,
    store::{self, Database, OneGateway, OpenError, RekeyError, RekeyProgress, seal::OuterKey},
};

/// Makes the key of the settings the one the database is sealed with; `tell` hears a line at a
/// time how far it is.
///
/// Errors: [`OpenError::AnotherGateway`] while a gateway runs; else see [`RekeyError`]. It may be
/// killed at any moment and run again.
pub async fn rekey(
    settings: &Settings,
    key: &OuterKey,
    old: Option<&OuterKey>,
    mut tell: impl FnMut(&str),
) -> Result<(), RekeyError> {
    let url = start::database_url(&settings.database);
    let mut gate = OneGateway::take(&url).await?;
    // A gateway that was stopped must not go on with keys that are no more.
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
    // Until here nobody else may write.
    drop(gate);
    done
}

fn sentence(progress: RekeyProgress, mark: &str) -> String {
    match progress {
        RekeyProgress::NothingToDo => {
            format!("Everything is sealed with the key {mark} already; nothing was changed.\n")
        }
        RekeyProgress::KeysWrapped => format!(
            "From now on the database opens with the key {mark} only.\n\
             Sealing anew what lies in it; this may be interrupted and run again.\n"
        ),
        RekeyProgress::GoesOn => "Going on where it was interrupted.\n".to_owned(),
        RekeyProgress::Resealed { column, done, all } => {
            format!("  {}.{}: {done} of {all}\n", column.table, column.column)
        }
        RekeyProgress::KeysRemoved(keys) => format!(
            "Done. Old data keys removed: {keys}.\n\
             Keep the old key as long as you keep backups from before.\n"
        ),
    }
}
