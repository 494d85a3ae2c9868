//! matrix-js-sdk with its Rust crypto: what Element does with keys, devices and shields.

use std::{ops::Deref, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Client, SeenEvent, Shield,
    talk::{JS, field},
};
use crate::{
    error::{Result, WorldError},
    folder::Folder,
    synapse::SynapseAccess,
};

/// Whose devices a client reads from and writes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientTrust {
    /// Every device; a shield warns of one its owner has not signed.
    #[default]
    AnyDevice,
    /// Those their owners have signed, no others: what another device sends stays undecipherable,
    /// and it gets no keys. Element is about to behave so for good (MSC4153).
    OnlySigned,
}

/// How a [`JsClient`] is to be.
#[derive(Clone, Copy, Debug)]
pub struct JsOptions {
    /// Whether it makes a cross-signing identity for its user and signs its own device with it.
    ///
    /// For the first device of a user. A second one that does so replaces the identity, and one
    /// that does not is a device its owner has not signed.
    pub cross_signed: bool,
    pub trust: ClientTrust,
}

impl Default for JsOptions {
    fn default() -> Self {
        Self { cross_signed: true, trust: ClientTrust::AnyDevice }
    }
}

/// A logged-in client on matrix-js-sdk. It does all that [`Client`] does.
#[derive(Debug)]
pub struct JsClient {
    client: Client,
    login: JsLogin,
}

/// A [`JsClient`] that was ended and keeps its device and its keys: a closed laptop.
#[derive(Debug)]
pub struct JsEnded {
    user_id: String,
    login: JsLogin,
    folder: Arc<Folder>,
}

#[derive(Clone, Debug)]
struct JsLogin {
    homeserver: String,
    trust: ClientTrust,
    account: Value,
}

impl Deref for JsClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl JsClient {
    /// Logs a user in on a new device and waits for the first answer of the homeserver.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn login(
        homeserver: &SynapseAccess,
        name: &str,
        password: &str,
        options: JsOptions,
    ) -> Result<Self> {
        let client = Client::start(&JS, Arc::new(Folder::make("client")?))?;
        let command = json!({
            "homeserver": homeserver.url, "user": name, "password": password,
            "cross_signed": options.cross_signed,
            "only_signed": options.trust == ClientTrust::OnlySigned,
        });
        let account = client.command("login", command).await?;
        let login = JsLogin { homeserver: homeserver.url.clone(), trust: options.trust, account };
        Ok(Self::logged_in(client, login))
    }

    fn logged_in(mut client: Client, login: JsLogin) -> Self {
        client.user_id = field(&login.account, "user_id");
        client.device_id = field(&login.account, "device_id");
        Self { client, login }
    }

    /// Makes a cross-signing identity for its user and signs its own device with it.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn sign(&self, name: &str, password: &str) -> Result<()> {
        self.client.command("sign", json!({ "user": name, "password": password })).await?;
        Ok(())
    }

    /// The shield beside an event as it would be shown now: a shield that warned of an unknown
    /// device goes when the device is known. Nothing for an unencrypted event.
    ///
    /// # Errors
    ///
    /// When the event is not in the timeline.
    pub async fn shield(&self, event: &SeenEvent) -> Result<Option<Shield>> {
        #[derive(Deserialize)]
        struct ShieldAnswer {
            shield: Option<Shield>,
        }
        let command = json!({ "room_id": event.room_id, "event_id": event.event_id });
        let answer = self.command("shield", command).await?;
        let answer = serde_json::from_value::<ShieldAnswer>(answer);
        Ok(answer.map_err(|error| WorldError::refused("read a shield", error))?.shield)
    }

    /// Ends the client in an orderly way, so that it can be [resumed](JsEnded::resume).
    ///
    /// It keeps its device, its keys, its rooms, its position in the homeserver's `/sync`, and the
    /// last 50 events of each room. They are written to a file only here, since Node has no
    /// IndexedDB: a client that is dropped has lost them.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub async fn end(self) -> Result<JsEnded> {
        let Self { client, login } = self;
        let path = client.folder.path().join(STORE);
        client.command("save", json!({ "path": path })).await?;
        let Client { user_id, folder, .. } = client;
        Ok(JsEnded { user_id, login, folder })
    }

    /// [`end`](Self::end) and [`resume`](JsEnded::resume). What was seen starts again, with what
    /// was kept of each room.
    ///
    /// # Errors
    ///
    /// When it cannot be ended or resumed.
    pub async fn restart(self) -> Result<Self> {
        self.end().await?.resume().await
    }
}

/// The databases of the browser the client believes to be in.
const STORE: &str = "databases";

impl JsEnded {
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// Starts the client again as the same device.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn resume(self) -> Result<JsClient> {
        let Self { login, folder, .. } = self;
        let client = Client::start(&JS, folder)?;
        let command = json!({
            "homeserver": login.homeserver, "account": login.account,
            "only_signed": login.trust == ClientTrust::OnlySigned,
            "path": client.folder.path().join(STORE),
        });
        client.command("resume", command).await?;
        Ok(JsClient::logged_in(client, login))
    }
}
