//! What our users keep at the homeserver for themselves (client-server API, "Client Config").

use ruma::{UserId, serde::Raw};
use serde_json::{Value, value::to_raw_value};

use super::{
    Homeserver, MatrixError,
    client::{As, Endpoint},
    error::Cause,
};

impl Homeserver {
    /// The account data of one of our users under this name; nothing if there is none.
    pub(super) async fn account_data(
        &self,
        user: &UserId,
        name: &str,
    ) -> Result<Option<Value>, MatrixError> {
        use ruma::api::client::config::get_global_account_data::v3;
        let request = v3::Request::new(user.to_owned(), name.into());
        match self.ask_leniently::<_, Value>(Endpoint::AccountData, As::User(user), request).await {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps account data of one of our users under this name, in the place of what was there.
    pub(super) async fn set_account_data(
        &self,
        user: &UserId,
        name: &str,
        content: &Value,
    ) -> Result<(), MatrixError> {
        use ruma::api::client::config::set_global_account_data::v3;
        let content = to_raw_value(content)
            .map(Raw::from_json)
            .map_err(|_| MatrixError::new(Endpoint::AccountData, Cause::Unsendable))?;
        let request = v3::Request::new_raw(user.to_owned(), name.into(), content);
        self.ask(Endpoint::AccountData, As::User(user), request).await.map(|_| ())
    }
}
