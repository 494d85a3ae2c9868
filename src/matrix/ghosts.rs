//! Our users: the bot and the ghosts, their names and their devices.

use ruma::{DeviceId, OwnedDeviceId, OwnedUserId, UserId};
use serde_json::{Value, json};

use super::{
    ErrorKind, Homeserver, MatrixError,
    client::{As, Endpoint},
    error::Cause,
};
use crate::model::{Correspondent, GhostName};

/// Longest user id, in bytes, with its `@` and `:` (Matrix appendices, "User Identifiers").
const USER_ID_BYTES_MAX: usize = 255;

/// The name that people see for our users' devices. Free of personal data (TIM-29).
const DEVICE_NAME: &str = "Umstieg";

/// The name in the bot's account data under which the copy count is kept.
const COPY_COUNT: &str = "de.umstieg.keys";

impl Homeserver {
    /// Whether a user is one of ours: the bot or a ghost.
    pub fn is_ours(&self, user: &UserId) -> bool {
        user == self.bot()
            || (user.server_name() == self.server_name()
                && user.localpart().starts_with(self.user_prefix()))
    }

    /// Bytes that a [`GhostName`] may have so that the user id with our prefix and server fits.
    pub fn room_for_ghost_name(&self) -> usize {
        let taken = "@:".len() + self.user_prefix().len() + self.server_name().as_str().len();
        USER_ID_BYTES_MAX.saturating_sub(taken)
    }

    /// The user id of a ghost: `@`, our prefix, the ghost's name, `:`, our server.
    pub fn ghost_user_id(&self, name: &GhostName) -> Result<OwnedUserId, MatrixError> {
        let localpart = self.ghost_localpart(name);
        UserId::parse_with_server_name(localpart.as_str(), self.server_name())
            .map_err(|_| MatrixError::new(Endpoint::Register, Cause::Unsendable))
    }

    /// The correspondent whose ghost has this user id; `None` if it is no ghost of ours.
    pub fn correspondent_of(&self, user: &UserId) -> Option<Correspondent> {
        if user.server_name() != self.server_name() {
            return None;
        }
        let name = user.localpart().strip_prefix(self.user_prefix())?;
        GhostName::correspondent(name).ok()
    }

    /// The local part under which a ghost is registered.
    pub fn ghost_localpart(&self, name: &GhostName) -> String {
        format!("{}{}", self.user_prefix(), name.as_str())
    }

    /// Registers a user of our namespace; a user that is there already is fine (TIM-5).
    ///
    /// It needs no access token of its own: without `inhibit_login` Synapse answers 400, although
    /// it has made the user.
    pub async fn register(&self, localpart: &str) -> Result<(), MatrixError> {
        use ruma::api::client::account::register::{LoginType, v3};
        let mut request = v3::Request::new();
        request.username = Some(localpart.to_owned());
        request.login_type = Some(LoginType::ApplicationService);
        request.inhibit_login = true;
        match self.ask(Endpoint::Register, As::Service, request).await {
            Err(error) if error.errcode() == Some("M_USER_IN_USE") => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Whether its homeserver knows a user; `None` if it does not say.
    ///
    /// An invitation tells nothing: Synapse also sends one to a user it does not have. And for a
    /// user without a name and a picture it has no profile as a whole, but an empty name.
    pub async fn knows(&self, user: &UserId) -> Result<Option<bool>, MatrixError> {
        use ruma::api::client::profile::get_display_name::v3;
        #[expect(
            deprecated,
            reason = "its successor is a path of its own only from Matrix 1.16 on, TI-Messenger has 1.11"
        )]
        let request = v3::Request::new(user.to_owned());
        match self.ask_leniently::<_, Value>(Endpoint::Profile, As::Service, request).await {
            Ok(_) => Ok(Some(true)),
            Err(error) if error.errcode() == Some("M_NOT_FOUND") => Ok(Some(false)),
            // The homeserver hides its users, or is not in the federation: nothing is wrong with
            // the name.
            Err(error) if is_not_allowed(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives one of our users a device; a device that is there already is fine. It needs no
    /// password (MSC4190, Matrix 1.17).
    pub async fn ensure_device(&self, user: &UserId, device: &DeviceId) -> Result<(), MatrixError> {
        use ruma::api::client::device::update_device::v3;
        let mut request = v3::Request::new(device.to_owned());
        request.display_name = Some(DEVICE_NAME.to_owned());
        self.ask(Endpoint::Device, As::User(user), request).await.map(|_| ())
    }

    /// The devices of one of our users.
    pub async fn devices(&self, user: &UserId) -> Result<Vec<OwnedDeviceId>, MatrixError> {
        use ruma::api::client::device::get_devices::v3;
        let answer = self.ask(Endpoint::Devices, As::User(user), v3::Request::new()).await?;
        Ok(answer.devices.into_iter().map(|device| device.device_id).collect())
    }

    /// Removes a device of one of our users, with its keys and its inbox; a device that is gone is
    /// fine.
    pub async fn delete_device(&self, user: &UserId, device: &DeviceId) -> Result<(), MatrixError> {
        use ruma::api::client::device::delete_device::v3;
        let request = v3::Request::new(device.to_owned());
        match self.ask(Endpoint::Devices, As::User(user), request).await {
            Err(error) if error.status() == Some(404) => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// The copy count the bot left at the homeserver with [`Homeserver::leave_copy_count`].
    pub async fn copy_count(&self) -> Result<Option<i64>, MatrixError> {
        let content = self.account_data(self.bot(), COPY_COUNT).await?;
        Ok(content.and_then(|content| content.get("count")?.as_i64()))
    }

    /// Leaves the copy count at the homeserver, where no restored database can take it back.
    pub async fn leave_copy_count(&self, count: i64) -> Result<(), MatrixError> {
        self.set_account_data(self.bot(), COPY_COUNT, &json!({ "count": count })).await
    }

    /// Names one of our users everywhere; `false` if the homeserver does not let users do so
    /// (`enable_set_displayname: false`), where a name per room is the way (TIM-16).
    pub async fn set_displayname(&self, user: &UserId, name: &str) -> Result<bool, MatrixError> {
        use ruma::api::client::profile::set_display_name::v3;
        #[expect(
            deprecated,
            reason = "its successor is a path of its own only from Matrix 1.16 on, TI-Messenger has 1.11"
        )]
        let request = v3::Request::new(user.to_owned(), Some(name.to_owned()));
        match self.ask(Endpoint::DisplayName, As::User(user), request).await {
            Ok(_) => Ok(true),
            Err(error) if is_not_allowed(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A plain no: neither an outage nor a limit nor a missing device.
pub(super) fn is_not_allowed(error: &MatrixError) -> bool {
    matches!(error.status(), Some(400 | 403))
        && !matches!(error.kind(), ErrorKind::Again { .. })
        && error.errcode() != Some("M_UNKNOWN_DEVICE")
}
