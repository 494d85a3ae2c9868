//! What a thief of the database has: nothing that opens a message.

use std::{collections::BTreeSet, fmt::Write as _};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use matrix_sdk_crypto::{
    DeviceData,
    store::{
        CryptoStore,
        types::{
            BackupDecryptionKey, Changes, DehydratedDeviceKey, PendingChanges, SecretsInboxItem,
        },
    },
};
use ruma::events::secret::request::SecretName;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use umstieg::store::{DeviceStoreError, rekey, seal::OuterKey};
use umstieg_world::World;

use super::{KeyStoreDatabase, NOW, Secrets, account, known_devices, known_identities, peer, room};

const GOSSIPPED: &str = "geheimnis-das-jemand-schickte";
const CUSTOM: &str = "geheimnis-unter-eigenem-wort";

#[tokio::test]
async fn nothing_secret_stands_open_in_any_table() {
    let database = KeyStoreDatabase::fresh().await;
    let (_, store, mut account) = database.device("@fax_1:practice.example").await;
    account.generate_one_time_keys(5);
    let pending = PendingChanges { account: Some(account.deep_clone()) };
    store.save_pending_changes(pending).await.unwrap();
    let secrets = Secrets::of(&account).await;
    let (backup, dehydrated) = (BackupDecryptionKey::new(), DehydratedDeviceKey::new());
    let mut changes = secrets.changes();
    changes.backup_decryption_key = Some(backup.clone());
    changes.dehydrated_device_pickle_key = Some(dehydrated.clone());
    changes.secrets.push(SecretsInboxItem {
        secret_name: SecretName::RecoveryKey,
        secret: GOSSIPPED.to_owned().into(),
    });
    store.save_changes(changes).await.unwrap();
    store.set_custom_value("wort", CUSTOM.into()).await.unwrap();

    // Every key in what the library gives out to be stored, without those that everybody may know.
    let mut keys = BTreeSet::new();
    keys_in(&account.pickle(), &mut keys);
    keys_in(&secrets.session.pickle().await, &mut keys);
    keys_in(&secrets.identity.pickle().await, &mut keys);
    keys_in(&secrets.sending.pickle().await, &mut keys);
    keys_in(&secrets.room_key.pickle().await, &mut keys);
    keys_in(&backup, &mut keys);
    keys_in(&dehydrated, &mut keys);
    let public = account.identity_keys();
    let (ed25519, curve25519) = (public.ed25519.as_bytes(), public.curve25519.as_bytes());
    keys.remove(ed25519.as_slice());
    keys.remove(curve25519.as_slice());
    assert!(keys.len() > 15, "{} keys", keys.len());

    let dump = database.rows_of_devices().await.join("\n");
    for key in &keys {
        assert!(!is_found(&dump, key), "a secret key stands open");
    }
    let exported = secrets.room_key.export().await.session_key.to_base64();
    for words in [GOSSIPPED, CUSTOM, &exported, &backup.to_base64(), &dehydrated.to_base64()] {
        assert!(!is_found(&dump, words.as_bytes()), "a secret stands open");
    }
    // The search finds what is there: the public keys are.
    assert!(is_found(&dump, ed25519) && is_found(&dump, curve25519));
}

#[tokio::test]
async fn a_row_in_the_place_of_another_is_not_believed() {
    let database = KeyStoreDatabase::fresh().await;
    let (fax, _, _) = database.device("@fax_1:practice.example").await;
    let (kim, kim_store, kim_account) = database.device("@kim_1:practice.example").await;
    let (first, second) = (peer(1).0, peer(2).0);
    let mut changes = Secrets::of(&kim_account).await.changes();
    changes.devices = known_devices([first.clone(), second.clone()]);
    kim_store.save_changes(changes).await.unwrap();
    let reading = async || {
        let store = database.after_restart().keys_of(kim);
        let account = store.load_account().await.map(drop);
        let device = store.get_device(first.user_id(), first.device_id()).await.unwrap();
        (account, device.is_some())
    };
    assert!(matches!(reading().await, (Ok(()), true)));

    // An attacker gives one ghost's device the account of another.
    database
        .run(&format!(
            "update crypto_records as record set sealed = other.sealed from crypto_records as other
             where record.device = {} and record.kind = 'account'
               and other.device = {} and other.kind = 'account'",
            kim.0, fax.0
        ))
        .await;
    // An attacker gives a doctor's device the keys of another, to read along.
    database
        .run(&format!(
            "update crypto_peer_devices as peer set keys = other.keys
             from crypto_peer_devices as other
             where peer.device = {0} and peer.user_id = '{1}'
               and other.device = {0} and other.user_id = '{2}'",
            kim.0,
            first.user_id(),
            second.user_id()
        ))
        .await;
    let (account, device) = reading().await;
    assert!(matches!(account, Err(DeviceStoreError::Misplaced)), "{account:?}");
    // A user whose keys are uncertain counts as unknown, and is given none.
    assert!(!device);
}

#[tokio::test]
async fn public_keys_that_were_altered_are_not_believed() {
    let database = KeyStoreDatabase::fresh().await;
    let (kim, store, _) = database.device("@kim_1:practice.example").await;
    let device = peer(1).0;
    store
        .save_changes(Changes { devices: known_devices([device.clone()]), ..Changes::default() })
        .await
        .unwrap();
    let curve = device.curve25519_key().unwrap().to_base64();
    let other = peer(2).0.curve25519_key().unwrap().to_base64();
    database
        .run(&format!(
            "update crypto_public_keys set keys = convert_to(
                 replace(convert_from(keys, 'UTF8'), '{curve}', '{other}'), 'UTF8')"
        ))
        .await;
    let store = database.after_restart().keys_of(kim);
    let read = store.get_device(device.user_id(), device.device_id()).await;
    assert!(matches!(read, Ok(None)), "{read:?}");
}

#[tokio::test]
async fn another_key_of_the_gateway_opens_what_its_devices_keep() {
    let world = World::shared().await.unwrap();
    let url = world.postgres.create_fresh_database().await.unwrap();
    let connect = || umstieg::store::Database::connect(&url, 3);
    let [old, new] =
        [1, 2].map(|_| OuterKey::from_base64(OuterKey::random_base64().expose_secret()).unwrap());
    let store = connect().await.unwrap().migrate(&old, NOW).await.unwrap();
    let device = store.name_device("@fax_1:practice.example", "GERAET", NOW).await.unwrap().row;
    let keys = store.crypto_store(device);
    let account = account("@fax_1:practice.example", "GERAET");
    let pending = PendingChanges { account: Some(account.deep_clone()) };
    keys.save_pending_changes(pending).await.unwrap();
    let secrets = Secrets::of(&account).await;
    let (doctor, identity) = peer(1);
    let mut changes = secrets.changes();
    changes.devices = known_devices([DeviceData::from_account(&account), doctor.clone()]);
    changes.identities = known_identities([identity]);
    keys.save_changes(changes).await.unwrap();

    let database = connect().await.unwrap();
    rekey(&database, &new, Some(&old), NOW, |_| {}).await.unwrap();

    let keys = connect().await.unwrap().open(&new).await.unwrap().crypto_store(device);
    assert_eq!(keys.load_account().await.unwrap(), Some(account));
    let room_key = keys.get_inbound_group_session(room(), secrets.room_key.session_id()).await;
    assert_eq!(room_key.unwrap(), Some(secrets.room_key));
    let known = keys.get_device(doctor.user_id(), doctor.device_id()).await.unwrap();
    assert!(keys.get_user_identity(doctor.user_id()).await.unwrap().is_some());
    assert_eq!(known, Some(doctor));
}

/// Collects everything of 32 bytes in a value: in these forms, keys.
fn keys_in(value: &impl Serialize, keys: &mut BTreeSet<Vec<u8>>) {
    fn walk(value: &Value, keys: &mut BTreeSet<Vec<u8>>) {
        match value {
            Value::Array(values) => {
                let bytes: Option<Vec<u8>> =
                    values.iter().map(|v| v.as_u64().and_then(|n| u8::try_from(n).ok())).collect();
                match bytes {
                    Some(bytes) if bytes.len() >= 32 => _ = keys.insert(bytes),
                    _ => values.iter().for_each(|value| walk(value, keys)),
                }
            }
            Value::Object(fields) => fields.values().for_each(|value| walk(value, keys)),
            _ => {}
        }
    }
    walk(&serde_json::to_value(value).unwrap(), keys);
}

/// Whether a dump has these bytes: as they are, as base64, or as the numbers of JSON.
fn is_found(dump: &str, bytes: &[u8]) -> bool {
    let base64 = STANDARD_NO_PAD.encode(bytes);
    let json = serde_json::to_string(bytes).unwrap();
    let forms = [hex(bytes), hex(base64.as_bytes()), hex(json.as_bytes()), base64];
    forms.iter().any(|form| dump.contains(form))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
