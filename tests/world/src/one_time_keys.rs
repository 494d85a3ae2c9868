//! The fate of the one-time keys of devices, as the homeserver knows it.
//!
//! A one-time key may open only one session. A device that went back to an older state of its own
//! uploads keys it has uploaded before, and Synapse hands them out again: it forgets a key when it
//! is claimed. So a trigger in Synapse's database keeps a list here.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    Surroundings,
    error::{Result, WorldError},
    postgres::Cluster,
};

/// A key that is in the table already was uploaded; it is unknown who claimed others before. A
/// deletion by Synapse's claim (`WITH claims(…) … DELETE`) differs from one by the removal of a
/// device; a test checks that this is how Synapse claims.
const WATCH: &str = r"
DO $watch$
BEGIN
  -- Tests side by side in one world ask at the same time.
  PERFORM pg_advisory_xact_lock(hashtext('umstieg_one_time_keys'));
  IF to_regclass('umstieg_one_time_keys') IS NOT NULL THEN
    RETURN;
  END IF;
  LOCK TABLE e2e_one_time_keys_json IN SHARE ROW EXCLUSIVE MODE;
  CREATE TABLE umstieg_one_time_keys (
    happened text NOT NULL,
    user_id text NOT NULL,
    device_id text NOT NULL,
    key_id text NOT NULL,
    public_key text NOT NULL
  );
  CREATE FUNCTION umstieg_public_key(key_json text) RETURNS text LANGUAGE sql AS
    $$ SELECT coalesce(key_json::jsonb ->> 'key', key_json::jsonb #>> '{}') $$;
  CREATE FUNCTION umstieg_one_time_key() RETURNS trigger LANGUAGE plpgsql AS $key$
  BEGIN
    IF TG_OP = 'INSERT' THEN
      INSERT INTO umstieg_one_time_keys VALUES ('uploaded', NEW.user_id, NEW.device_id,
        NEW.algorithm || ':' || NEW.key_id, umstieg_public_key(NEW.key_json));
    ELSE
      INSERT INTO umstieg_one_time_keys VALUES (
        CASE WHEN current_query() ~ '^\s*WITH claims\(' THEN 'claimed' ELSE 'removed' END,
        OLD.user_id, OLD.device_id,
        OLD.algorithm || ':' || OLD.key_id, umstieg_public_key(OLD.key_json));
    END IF;
    RETURN NULL;
  END $key$;
  INSERT INTO umstieg_one_time_keys
    SELECT 'uploaded', user_id, device_id, algorithm || ':' || key_id, umstieg_public_key(key_json)
    FROM e2e_one_time_keys_json;
  CREATE TRIGGER umstieg_one_time_key AFTER INSERT OR DELETE ON e2e_one_time_keys_json
    FOR EACH ROW EXECUTE FUNCTION umstieg_one_time_key();
END $watch$";

/// The one-time keys of all devices of a homeserver, from the first [`watch`](Self::watch) on.
#[derive(Clone, Debug)]
pub struct OneTimeKeys {
    postgres: Cluster,
    database: String,
}

/// A one-time key of a device and its fate.
///
/// The same key under another id, and another key under the same id, is a separate row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OneTimeKey {
    pub user_id: String,
    pub device_id: String,
    /// With its algorithm: `signed_curve25519:AAAAAAAAAA0`.
    pub key_id: String,
    /// Unpadded base64.
    pub public_key: String,
    /// How many times it was uploaded.
    pub uploaded: u32,
    /// How many times it was given to a user.
    pub claimed: u32,
}

impl OneTimeKeys {
    /// Keeps a list of what is uploaded and claimed from now on; a list that is kept already goes on.
    ///
    /// # Errors
    ///
    /// When Postgres is down.
    pub async fn watch(world: &Surroundings) -> Result<Self> {
        let (postgres, database) = (world.postgres.clone(), world.homeserver.database.clone());
        postgres.query(&database, WATCH).await?;
        Ok(Self { postgres, database })
    }

    /// All keys of the users whose ids begin so (`@_umstieg_t3_`, or a whole user id), in the order
    /// of users, devices and key ids.
    ///
    /// Fallback keys are not among them: those may be handed out many times.
    ///
    /// # Errors
    /// When Postgres is down.
    pub async fn of(&self, users: &str) -> Result<Vec<OneTimeKey>> {
        let users = users.replace('\'', "''");
        let sql = format!(
            "SELECT coalesce(json_agg(key), '[]') FROM (
               SELECT user_id, device_id, key_id, public_key,
                 count(*) FILTER (WHERE happened = 'uploaded') AS uploaded,
                 count(*) FILTER (WHERE happened = 'claimed') AS claimed
               FROM umstieg_one_time_keys
               WHERE starts_with(user_id, '{users}')
               GROUP BY user_id, device_id, key_id, public_key
               ORDER BY user_id, device_id, key_id, public_key
             ) AS key"
        );
        // json_agg puts each element on a separate line.
        let rows = self.postgres.query(&self.database, &sql).await?;
        serde_json::from_str(&rows).map_err(|error| WorldError::refused("read the keys", error))
    }

    /// Those keys of [`of`](Self::of) that were handed out although their device had handed out the
    /// same public key, or another one under the same id, before. Of an honest device: none.
    ///
    /// # Errors
    /// When Postgres is down.
    pub async fn handed_out_twice(&self, users: &str) -> Result<Vec<OneTimeKey>> {
        let mut keys = self.of(users).await?;
        let (mut by_id, mut by_key) = (BTreeMap::new(), BTreeMap::new());
        for OneTimeKey { user_id, device_id, key_id, public_key, claimed, .. } in &keys {
            let device = (user_id.clone(), device_id.clone());
            *by_id.entry((device.clone(), key_id.clone())).or_insert(0) += claimed;
            *by_key.entry((device, public_key.clone())).or_insert(0) += claimed;
        }
        let twice = |claimed: Option<&u32>| claimed.is_some_and(|&claimed| claimed > 1);
        keys.retain(|OneTimeKey { user_id, device_id, key_id, public_key, .. }| {
            let device = (user_id.clone(), device_id.clone());
            twice(by_id.get(&(device.clone(), key_id.clone())))
                || twice(by_key.get(&(device, public_key.clone())))
        });
        Ok(keys)
    }
}
