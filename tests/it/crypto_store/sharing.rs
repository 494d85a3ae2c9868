//! What others publish is stored once.

use matrix_sdk_crypto::{
    DeviceData, LocalTrust,
    store::{
        CryptoStore,
        types::{Changes, DeviceChanges},
    },
};
use tokio::task::JoinSet;

use super::{KeyStoreDatabase, NOW, known_devices, known_identities, peer};

const ACCOUNTS: usize = 50;
const PEERS: usize = 20;

#[tokio::test]
async fn what_all_ghosts_know_is_stored_once() {
    let database = KeyStoreDatabase::fresh().await;
    let peers: Vec<_> = (0..PEERS).map(peer).collect();
    let mut whole_devices = Vec::new();
    for number in 0..ACCOUNTS {
        let user = format!("@fax_{number}:practice.example");
        let device = database.store.name_device(&user, "GERAET", NOW).await.unwrap().row;
        let devices = known_devices(peers.iter().map(|(device, _)| device.clone()));
        let identities = known_identities(peers.iter().map(|(_, identity)| identity.clone()));
        whole_devices.push(device.0);
        let changes = Changes { devices, identities, ..Changes::default() };
        database.keys_of(device).save_changes(changes).await.unwrap();
    }
    let rows = ACCOUNTS * PEERS;
    let count = async |table: &str| {
        usize::try_from(database.number(&format!("select count(*) from {table}")).await).unwrap()
    };
    assert_eq!(count("crypto_peer_devices").await, rows);
    assert_eq!(count("crypto_peer_identities").await, rows);
    assert_eq!(count("crypto_public_keys").await, 2 * PEERS);

    // The same without sharing: the keys in every row, sealed or not.
    database
        .run(
            "create table whole_devices (like crypto_peer_devices including indexes);
             alter table whole_devices drop column keys;
             alter table whole_devices alter column sealed set storage plain;
             insert into whole_devices
             select peer.device, peer.user_id, peer.name, peer.sealed || public.keys
             from crypto_peer_devices as peer
             join crypto_public_keys as public on public.sha256 = peer.keys;
             create table whole_identities (like crypto_peer_identities including indexes);
             alter table whole_identities drop column keys;
             alter table whole_identities alter column sealed set storage plain;
             insert into whole_identities
             select peer.device, peer.user_id, peer.sealed || public.keys
             from crypto_peer_identities as peer
             join crypto_public_keys as public on public.sha256 = peer.keys",
        )
        .await;
    let size = async |table: &str| {
        database.number(&format!("select pg_total_relation_size('{table}')")).await
    };
    let shared = size("crypto_peer_devices").await
        + size("crypto_peer_identities").await
        + size("crypto_public_keys").await;
    let whole = size("whole_devices").await + size("whole_identities").await;
    println!(
        "{ACCOUNTS} accounts that know the same {PEERS} devices and identities, with indexes:\n\
         shared: {} rows, {shared} bytes ({} of them for the {} shared rows)\n\
         not shared: {} rows, {whole} bytes",
        2 * rows + 2 * PEERS,
        size("crypto_public_keys").await,
        2 * PEERS,
        2 * rows,
    );
    assert!(shared * 3 < whole * 2, "{shared} bytes shared, {whole} not");
}

#[tokio::test]
async fn each_account_has_its_own_view_of_what_is_shared() {
    let database = KeyStoreDatabase::fresh().await;
    let (_, fax, _) = database.device("@fax_1:practice.example").await;
    let (_, kim, _) = database.device("@kim_1:practice.example").await;
    // Two of one: each account has seen it by itself.
    let (device, identity) = peer(1);
    let seen = || -> DeviceData {
        serde_json::from_value(serde_json::to_value(&device).unwrap()).unwrap()
    };
    for store in [&fax, &kim] {
        let changes = Changes {
            devices: known_devices([seen()]),
            identities: known_identities([identity.clone()]),
            ..Changes::default()
        };
        store.save_changes(changes).await.unwrap();
    }
    let trusted = DeviceData::new(device.as_device_keys().clone(), LocalTrust::Verified);
    let devices = DeviceChanges { changed: vec![trusted], ..DeviceChanges::default() };
    fax.save_changes(Changes { devices, ..Changes::default() }).await.unwrap();

    let trust = async |store: &umstieg::store::DeviceStore| {
        let known = store.get_device(device.user_id(), device.device_id()).await.unwrap();
        known.unwrap().local_trust_state()
    };
    assert_eq!(trust(&fax).await, LocalTrust::Verified);
    assert_eq!(trust(&kim).await, LocalTrust::Unset);
    assert_eq!(database.number("select count(*) from crypto_public_keys").await, 4);

    let devices = DeviceChanges { deleted: vec![device.clone()], ..DeviceChanges::default() };
    fax.save_changes(Changes { devices, ..Changes::default() }).await.unwrap();
    assert!(fax.get_device(device.user_id(), device.device_id()).await.unwrap().is_none());
    assert_eq!(trust(&kim).await, LocalTrust::Unset);
}

#[tokio::test]
async fn what_nobody_knows_any_more_goes() {
    let database = KeyStoreDatabase::fresh().await;
    let (row, fax, _) = database.device("@fax_1:practice.example").await;
    let (_, kim, _) = database.device("@kim_1:practice.example").await;
    let (common, own) = (peer(1), peer(2));
    for (store, peers) in [(&fax, vec![&common, &own]), (&kim, vec![&common])] {
        let changes = Changes {
            devices: known_devices(peers.iter().map(|peer| peer.0.clone())),
            identities: known_identities(peers.iter().map(|peer| peer.1.clone())),
            ..Changes::default()
        };
        store.save_changes(changes).await.unwrap();
    }
    // Two devices of ours, two of others, two identities.
    assert_eq!(database.number("select count(*) from crypto_public_keys").await, 6);
    assert_eq!(database.store.forget_unused_public_keys().await.unwrap(), 0);

    database.store.retire_device(row).await.unwrap();
    database.store.forget_device(row).await.unwrap();
    assert_eq!(database.store.forget_unused_public_keys().await.unwrap(), 3);
    let device = kim.get_device(common.0.user_id(), common.0.device_id()).await.unwrap();
    assert_eq!(device, Some(common.0));
    assert!(kim.get_user_identity(common.1.user_id()).await.unwrap().is_some());
}

#[tokio::test]
async fn all_ghosts_may_learn_the_same_at_once_while_what_is_unused_goes() {
    let database = KeyStoreDatabase::fresh().await;
    let mut rows = Vec::new();
    for number in 0..12 {
        let user = format!("@fax_{number}:practice.example");
        rows.push(database.store.name_device(&user, "GERAET", NOW).await.unwrap().row);
    }
    for round in 0..8 {
        let peers: Vec<_> = (0..PEERS).map(|number| peer(round * PEERS + number)).collect();
        let mut tasks = JoinSet::new();
        for (number, row) in rows.iter().enumerate() {
            let (store, mut peers) = (database.keys_of(*row), peers.clone());
            // Each in a different order.
            peers.rotate_left(number);
            tasks.spawn(async move {
                let changes = Changes {
                    devices: known_devices(peers.iter().map(|peer| peer.0.clone())),
                    identities: known_identities(peers.iter().map(|peer| peer.1.clone())),
                    ..Changes::default()
                };
                store.save_changes(changes).await.unwrap();
                let users: Vec<_> = peers.iter().map(|peer| (peer.0.user_id(), false)).collect();
                store.save_tracked_users(&users).await.unwrap();
                let deleted = peers.iter().map(|peer| peer.0.clone()).collect();
                let devices = DeviceChanges { deleted, ..DeviceChanges::default() };
                store.save_changes(Changes { devices, ..Changes::default() }).await.unwrap();
            });
        }
        for _ in 0..3 {
            let (store, users) = (database.store.clone(), peers.clone());
            tasks.spawn(async move {
                let users: Vec<_> = users.iter().map(|p| p.0.user_id().to_string()).collect();
                store.mark_users_dirty(&users).await.unwrap();
                store.forget_unused_public_keys().await.unwrap();
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }
    database.store.forget_unused_public_keys().await.unwrap();
    // All devices were deleted again; the identities stay, one for each peer.
    let left = database.number("select count(*) from crypto_public_keys").await;
    assert_eq!(left, i64::try_from(8 * PEERS).unwrap());
}
