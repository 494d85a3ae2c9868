//! The rules that a homeserver of TI-Messenger adds.

use serde_json::{Value, json};

use super::{SynapseAccess, SynapseOptions, User};
use crate::error::{Result, WorldError};

/// What a homeserver of TI-Messenger enforces: who may invite whom, which servers there are.
#[derive(Clone, Debug)]
pub struct TiMessengerRules {
    /// What its users allow who have set nothing: `allow all` or `block all`.
    pub default_permission: &'static str,
    /// The version of TI-Messenger: `1.1` or `1.2`.
    pub version: &'static str,
    /// The other servers of the federation; the name of an insurer's ends in `!`.
    pub federation: Vec<String>,
}

impl TiMessengerRules {
    /// Version 1.2, without other servers.
    pub fn of(default_permission: &'static str) -> Self {
        Self { default_permission, version: "1.2", federation: Vec::new() }
    }
}

/// The module that enforces them.
pub(super) const MODULE: &str = include_str!("../../python/ti_messenger.py");

/// Whether nobody may invite a user who has set nothing.
pub(super) fn blocks_invitations(options: &SynapseOptions) -> bool {
    options.ti_messenger.as_ref().is_some_and(|rules| rules.default_permission == BLOCK_ALL)
}

const BLOCK_ALL: &str = "block all";

/// Account data in which a user says who may invite it (gematik's `permissionConfig_V1`).
pub const PERMISSIONS: &str = "de.gematik.tim.account.permissionconfig.pro.v1";

impl SynapseAccess {
    /// A person lets everybody of its own server invite it, as in a practice.
    pub(super) async fn let_own_server_invite(&self, user: &User) -> Result<()> {
        let content = self.own_server_may_invite();
        let path = format!("/_matrix/client/v3/user/{}/account_data/{PERMISSIONS}", user.id);
        match self.request("PUT", &path, &user.access_token, Some(&content)).await? {
            (200, _) => Ok(()),
            (_, answer) => Err(WorldError::refused("say who may invite a user", answer)),
        }
    }

    /// What lets everybody of this server invite a user, as its [account data](PERMISSIONS).
    pub fn own_server_may_invite(&self) -> Value {
        let own = self.server_name.as_str();
        json!({ "defaultSetting": BLOCK_ALL, "serverExceptions": { own: {} } })
    }
}

/// The settings of the module.
pub(super) fn module(server_name: &str, rules: &TiMessengerRules) -> Value {
    let domains: Vec<&str> =
        [server_name].into_iter().chain(rules.federation.iter().map(String::as_str)).collect();
    json!({
        "module": "ti_messenger.TiMessengerRules",
        "config": {
            "domains": domains,
            "rules": {
                "tim-type": "pro",
                "tim_version": rules.version,
                "default_permissions": { "defaultSetting": rules.default_permission },
            },
        },
    })
}
