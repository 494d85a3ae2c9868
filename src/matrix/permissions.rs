//! Who may invite one of our users at a homeserver of TI-Messenger (TIM-6).

use ruma::UserId;
use serde_json::{Value, json};

use super::{Homeserver, MatrixError, ghosts::is_not_allowed};

/// Account data in which each user says who may invite it (A_25045-02; gematik's schema
/// `TI-M_Pro/permissionConfig_V1`). Exceptions are the opposite of the default.
const PERMISSIONS: &str = "de.gematik.tim.account.permissionconfig.pro.v1";

impl Homeserver {
    /// Lets the bot invite one of our users, after an invitation was refused. Whom else the user lets stays
    /// as it is; an exception that somebody made for the bot stays, too.
    ///
    /// Gives whether something was changed: then the invitation is worth another try.
    pub async fn let_bot_invite(&self, user: &UserId) -> Result<bool, MatrixError> {
        let changed = async {
            let stored = self.account_data(user, PERMISSIONS).await?;
            let Some(wanted) = with_bot(stored, self.bot()) else { return Ok(false) };
            self.set_account_data(user, PERMISSIONS, &wanted).await.map(|()| true)
        };
        match changed.await {
            // What is told is then the invitation that was refused.
            Err(error) if is_not_allowed(&error) => Ok(false),
            changed => changed,
        }
    }
}

/// What has to be stored so that the bot may invite; nothing if nothing is to be changed.
fn with_bot(stored: Option<Value>, bot: &UserId) -> Option<Value> {
    let Some(mut stored) = stored else {
        return Some(json!({ "defaultSetting": "block all", "userExceptions": { bot: {} } }));
    };
    let names = |key: &str, name: &str| stored.get(key).is_some_and(|it| it.get(name).is_some());
    let is_named = names("userExceptions", bot.as_str())
        || names("serverExceptions", bot.server_name().as_str());
    // "allow all" does not refuse the bot, unless somebody excepted it.
    if is_named || stored.get("defaultSetting")?.as_str()? != "block all" {
        return None;
    }
    let users = stored.as_object_mut()?.entry("userExceptions").or_insert_with(|| json!({}));
    users.as_object_mut()?.insert(bot.to_string(), json!({}));
    Some(stored)
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;

    #[test]
    fn tim_6_the_bot_may_invite_and_nothing_else_is_changed() {
        let bot = user_id!("@_umstieg_bot:praxis.example");
        let only_bot =
            json!({ "defaultSetting": "block all", "userExceptions": { bot.as_str(): {} } });
        for (stored, expected) in [
            (None, Some(only_bot.clone())),
            (Some(json!({ "defaultSetting": "block all" })), Some(only_bot.clone())),
            (
                Some(json!({ "defaultSetting": "block all",
                    "userExceptions": { "@chefin:praxis.example": {} },
                    "groupExceptions": [{ "groupName": "isInsuredPerson" }] })),
                Some(json!({ "defaultSetting": "block all",
                    "userExceptions": { "@chefin:praxis.example": {}, bot.as_str(): {} },
                    "groupExceptions": [{ "groupName": "isInsuredPerson" }] })),
            ),
            // It may already, or somebody does not want it to.
            (Some(only_bot), None),
            (
                Some(json!({ "defaultSetting": "block all",
                    "serverExceptions": { "praxis.example": {} } })),
                None,
            ),
            (Some(json!({ "defaultSetting": "allow all" })), None),
            (
                Some(
                    json!({ "defaultSetting": "allow all", "userExceptions": { bot.as_str(): {} } }),
                ),
                None,
            ),
            // Nothing that gematik's schema knows.
            (Some(json!({ "defaultSetting": "block some" })), None),
            (Some(json!({ "defaultSetting": "block all", "userExceptions": [] })), None),
            (Some(json!([])), None),
        ] {
            assert_eq!(with_bot(stored.clone(), bot), expected, "{stored:?}");
        }
    }
}
