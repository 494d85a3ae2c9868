//! The names this database was made with: those of the homeserver and of the gateway's users.

use super::{Store, StoreError};

/// The names at the homeserver differ from those the database was made with.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the database was made for the homeserver {kept}, and homeserver.server_name is {given}; \
         nothing was changed. Its rooms and users are at {kept}: set that name again, or start with \
         a new, empty database"
    )]
    ServerName { kept: String, given: String },
    #[error(
        "the database was made with the user_prefix {kept:?}, and appservice.user_prefix is \
         {given:?}; nothing was changed. The names of all its users and rooms begin with {kept:?}: \
         set that again, or start with a new, empty database"
    )]
    UserPrefix { kept: String, given: String },
}

impl Store {
    /// Keeps what the names at the homeserver are made with, and refuses others.
    pub async fn keep_names(&self, server_name: &str, user_prefix: &str) -> Result<(), NamesError> {
        self.check_names(server_name, user_prefix).await?;
        sqlx::query!(
            "insert into gateway_names (server_name, user_prefix)
             values ($1, $2)
             on conflict do nothing",
            server_name,
            user_prefix,
        )
        .execute(&self.pool)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// Whether names are made as they were made before. Changes nothing.
    pub async fn check_names(
        &self,
        server_name: &str,
        user_prefix: &str,
    ) -> Result<(), NamesError> {
        let kept = sqlx::query!("select server_name, user_prefix from gateway_names")
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::from)?;
        let Some(kept) = kept else {
            return self.check_names_of_devices(server_name, user_prefix).await;
        };
        if kept.server_name != server_name {
            let given = server_name.to_owned();
            return Err(NamesError::ServerName { kept: kept.server_name, given });
        }
        if kept.user_prefix != user_prefix {
            let given = user_prefix.to_owned();
            return Err(NamesError::UserPrefix { kept: kept.user_prefix, given });
        }
        Ok(())
    }

    /// A database from before the names were kept reveals them by its devices.
    async fn check_names_of_devices(
        &self,
        server_name: &str,
        user_prefix: &str,
    ) -> Result<(), NamesError> {
        let users = sqlx::query_scalar!("select user_id from devices order by id limit 1")
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::from)?;
        for user in users {
            let (local, server) =
                user.trim_start_matches('@').split_once(':').unwrap_or((&user, ""));
            if server != server_name {
                let (kept, given) = (server.to_owned(), server_name.to_owned());
                return Err(NamesError::ServerName { kept, given });
            }
            if !local.starts_with(user_prefix) {
                // The first device is the bot's, and its name says nothing more about the prefix.
                let (kept, given) = (local.to_owned(), user_prefix.to_owned());
                return Err(NamesError::UserPrefix { kept, given });
            }
        }
        Ok(())
    }
}
