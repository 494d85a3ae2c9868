//! The registry of devices, and what a device's rows do when something happens to it.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use matrix_sdk_crypto::{
    olm::OlmMessageHash,
    store::{
        CryptoStore,
        types::{Changes, RoomKeyWithheldEntry},
    },
};
use ruma::{UserId, user_id};
use serde_json::json;
use umstieg::store::DeviceState;

use super::{KeyStoreDatabase, NOW, Secrets, account, known_devices, known_identities, peer, room};

#[tokio::test]
async fn a_device_is_named_once_and_lives_until_it_is_forgotten() {
    let database = KeyStoreDatabase::fresh().await;
    let store = &database.store;
    let user = "@fax_1:practice.example";
    assert_eq!(store.live_device(user).await.unwrap(), None);

    let first = store.name_device(user, "EINS", NOW).await.unwrap();
    assert_eq!((first.state, first.device_id.as_str()), (DeviceState::New, "EINS"));
    // A repeat, and the second caller, get the device that has the name already.
    assert_eq!(store.name_device(user, "ZWEI", NOW).await.unwrap(), first);
    store.device_is_ready(first.row, NOW).await.unwrap();
    assert_eq!(store.live_device(user).await.unwrap().unwrap().state, DeviceState::Ready);

    // A device that is not retired is not forgotten.
    store.forget_device(first.row).await.unwrap();
    assert!(store.live_device(user).await.unwrap().is_some());

    store.retire_device(first.row).await.unwrap();
    assert_eq!(store.live_device(user).await.unwrap(), None);
    // Too late: it stays retired.
    store.device_is_ready(first.row, NOW).await.unwrap();
    store.name_device(user, "EINS", NOW).await.expect_err("no name is used twice");
    let second = store.name_device(user, "ZWEI", NOW).await.unwrap();
    assert_ne!(second.row, first.row);
    let retired = store.retired_devices().await.unwrap();
    assert_eq!(retired.iter().map(|d| d.row).collect::<Vec<_>>(), [first.row]);
    let states = "select count(*) from devices where state in ('new', 'retired')";
    assert_eq!(database.number(states).await, 2);

    store.forget_device(first.row).await.unwrap();
    assert_eq!(store.retired_devices().await.unwrap(), []);
    assert_eq!(store.live_device(user).await.unwrap(), Some(second));
}

#[tokio::test]
async fn inboxes_are_drained_the_longest_waiting_first() {
    let store = KeyStoreDatabase::fresh().await.store;
    let mut rows = Vec::new();
    for number in 0..4 {
        let user = format!("@fax_{number}:practice.example");
        let device = store.name_device(&user, "GERAET", NOW).await.unwrap();
        rows.push(device.row);
        if number < 3 {
            store.device_is_ready(device.row, NOW - 3 * time::Duration::HOUR).await.unwrap();
        }
    }
    let hour = time::Duration::HOUR;
    store.save_inbox_position(rows[0], "s1", NOW - hour).await.unwrap();
    store.save_inbox_position(rows[2], "s2", NOW - 2 * hour).await.unwrap();
    let first = store.live_device("@fax_0:practice.example").await.unwrap().unwrap();
    assert_eq!(first.inbox_since.as_deref(), Some("s1"));

    let due = |before, limit| {
        let store = store.clone();
        async move {
            let devices = store.devices_to_drain(before, limit).await.unwrap();
            devices.iter().map(|device| device.row).collect::<Vec<_>>()
        }
    };
    // The fourth is not ready: the homeserver may not have it.
    assert_eq!(due(NOW, 9).await, [rows[1], rows[2], rows[0]]);
    assert_eq!(due(NOW, 1).await, [rows[1]]);
    assert_eq!(due(NOW - hour, 9).await, [rows[1], rows[2]]);
}

#[tokio::test]
async fn what_was_read_is_remembered_as_long_as_it_may_come_again() {
    let database = KeyStoreDatabase::fresh().await;
    let (row, fax, _) = database.device("@fax_1:practice.example").await;
    let (_, kim, _) = database.device("@kim_1:practice.example").await;
    for store in [&fax, &kim] {
        let changes = Changes { message_hashes: vec![message("einmal")], ..Changes::default() };
        store.save_changes(changes).await.unwrap();
    }
    database
        .run("update crypto_message_hashes set saved_at = timestamptz '2026-11-20 08:00 UTC'")
        .await;
    let day = time::Duration::DAY;
    assert_eq!(database.store.forget_read_messages(row, NOW - 4 * day).await.unwrap(), 0);
    assert!(fax.is_message_known(&message("einmal")).await.unwrap());
    assert_eq!(database.store.forget_read_messages(row, NOW - 2 * day).await.unwrap(), 1);
    assert!(!fax.is_message_known(&message("einmal")).await.unwrap());
    assert!(kim.is_message_known(&message("einmal")).await.unwrap());
}

#[tokio::test]
async fn the_copy_count_grows() {
    let database = KeyStoreDatabase::fresh().await;
    assert_eq!(database.store.copy_count().await.unwrap(), 0);
    assert_eq!(database.store.grow_copy_count().await.unwrap(), 1);
    assert_eq!(database.store.grow_copy_count().await.unwrap(), 2);
    assert_eq!(database.after_restart().store.copy_count().await.unwrap(), 2);
}

#[tokio::test]
async fn after_a_restart_everything_is_there_and_nobody_elses() {
    let database = KeyStoreDatabase::fresh().await;
    let (fax, fax_store, fax_account) = database.device("@fax_1:practice.example").await;
    let (kim, _, kim_account) = database.device("@kim_1:practice.example").await;
    let secrets = Secrets::of(&fax_account).await;
    let (device, identity) = peer(1);
    let mut changes = secrets.changes();
    changes.devices = known_devices([device.clone()]);
    changes.identities = known_identities([identity]);
    changes.message_hashes.push(message("einmal"));
    fax_store.save_changes(changes).await.unwrap();
    fax_store.save_tracked_users(&[(doctor(), false)]).await.unwrap();
    fax_store.set_custom_value("wort", b"wert".to_vec()).await.unwrap();

    let database = database.after_restart();
    let (fax_store, kim_store) = (database.keys_of(fax), database.keys_of(kim));
    let peer_key = secrets.session.sender_key().to_base64();
    let session_id = secrets.room_key.session_id();

    // Asked first of all, before the account was loaded.
    let sessions = fax_store.get_sessions(&peer_key).await.unwrap().unwrap();
    assert_eq!(sessions, [secrets.session]);
    let sending = fax_store.get_outbound_group_session(room()).await.unwrap().unwrap();
    assert_eq!(sending.session_id(), secrets.sending.session_id());
    assert_eq!(fax_store.load_account().await.unwrap().unwrap(), fax_account);
    assert!(fax_store.load_identity().await.unwrap().unwrap().has_master_key().await);
    let room_key = fax_store.get_inbound_group_session(room(), session_id).await.unwrap();
    assert_eq!(room_key, Some(secrets.room_key.clone()));
    let known = fax_store.get_user_devices(doctor()).await.unwrap();
    assert_eq!(known.get(device.device_id()), Some(&device));
    assert!(fax_store.get_user_identity(doctor()).await.unwrap().is_some());
    assert!(fax_store.is_message_known(&message("einmal")).await.unwrap());
    assert_eq!(fax_store.load_tracked_users().await.unwrap().len(), 1);
    let value = fax_store.get_custom_value("wort").await.unwrap();
    assert_eq!(value.as_deref(), Some(&b"wert"[..]));
    assert!(fax_store.get_size().await.unwrap().unwrap() > 1000);

    assert_eq!(kim_store.load_account().await.unwrap().unwrap(), kim_account);
    assert_eq!(kim_store.get_sessions(&peer_key).await.unwrap(), None);
    assert!(kim_store.get_outbound_group_session(room()).await.unwrap().is_none());
    assert!(kim_store.load_identity().await.unwrap().is_none());
    assert_eq!(kim_store.get_inbound_group_session(room(), session_id).await.unwrap(), None);
    assert!(kim_store.get_user_devices(doctor()).await.unwrap().is_empty());
    assert!(kim_store.get_user_identity(doctor()).await.unwrap().is_none());
    assert!(!kim_store.is_message_known(&message("einmal")).await.unwrap());
    assert!(kim_store.load_tracked_users().await.unwrap().is_empty());
    assert_eq!(kim_store.get_custom_value("wort").await.unwrap(), None);
}

#[tokio::test]
async fn a_forgotten_device_leaves_nothing_and_takes_nothing_of_others() {
    let database = KeyStoreDatabase::fresh().await;
    let mut devices = Vec::new();
    for user in ["@fax_1:practice.example", "@kim_1:practice.example"] {
        let (device, store, account) = database.device(user).await;
        let mut changes = Secrets::of(&account).await.changes();
        let (doctors_device, identity) = peer(1);
        changes.devices = known_devices([doctors_device]);
        changes.identities = known_identities([identity]);
        changes.message_hashes.push(message("einmal"));
        store.save_changes(changes).await.unwrap();
        store.save_tracked_users(&[(doctor(), false)]).await.unwrap();
        store.try_take_leased_lock(1000, "schloss", "ich").await.unwrap();
        devices.push((device, store, account));
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.columns
         where table_schema = 'public' and column_name = 'device'",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert_eq!(tables.len(), 7, "{tables:?}");
    let rows = async |device: i64| {
        let mut counts = Vec::new();
        for table in &tables {
            let sql = format!("select count(*) from {table} where device = {device}");
            counts.push(database.number(&sql).await);
        }
        counts
    };
    let (fax, kim) = (devices[0].0, devices[1].0);
    let before = rows(kim.0).await;
    assert!(rows(fax.0).await.iter().all(|count| *count > 0));

    database.store.retire_device(fax).await.unwrap();
    database.store.forget_device(fax).await.unwrap();

    assert!(rows(fax.0).await.iter().all(|count| *count == 0));
    assert_eq!(rows(kim.0).await, before);
    assert_eq!(devices[1].1.load_account().await.unwrap().unwrap(), devices[1].2);
}

#[tokio::test]
async fn what_the_bot_learns_of_a_user_reaches_devices_that_are_not_loaded() {
    let database = KeyStoreDatabase::fresh().await;
    let others = [user_id!("@aerztin2:practice.example"), user_id!("@aerztin3:practice.example")];
    let mut rows = Vec::new();
    for number in 0..3 {
        let (device, store, _) = database.device(&format!("@fax_{number}:practice.example")).await;
        // The last one knows other people only.
        let users = if number < 2 {
            [(doctor(), false), (others[0], false)]
        } else {
            [(others[0], false), (others[1], false)]
        };
        store.save_tracked_users(&users).await.unwrap();
        rows.push(device);
    }

    let changed = [doctor().to_string(), "@unbekannt:practice.example".to_owned()];
    assert_eq!(database.store.mark_users_dirty(&changed).await.unwrap(), 2);
    assert_eq!(database.store.mark_users_dirty(&changed).await.unwrap(), 0);

    let database = database.after_restart();
    for (number, device) in rows.into_iter().enumerate() {
        let users = database.keys_of(device).load_tracked_users().await.unwrap();
        let dirty: Vec<_> =
            users.iter().filter(|user| user.dirty).map(|user| user.user_id.as_str()).collect();
        let expected: &[&str] = if number < 2 { &[doctor().as_str()] } else { &[] };
        assert_eq!((users.len(), dirty.as_slice()), (2, expected));
    }
}

#[tokio::test]
async fn a_save_that_breaks_off_leaves_nothing() {
    let database = KeyStoreDatabase::fresh().await;
    let (_, store, account) = database.device("@fax_1:practice.example").await;
    let before = database.rows_of_devices().await;
    let changes = async || {
        let mut changes = Secrets::of(&account).await.changes();
        changes.devices = known_devices([peer(1).0]);
        changes.message_hashes.push(message("einmal"));
        changes
    };

    // The last of its statements waits, everything before it is done; then the future is dropped.
    let mut other = database.pool.begin().await.unwrap();
    sqlx::query("lock table crypto_message_hashes in exclusive mode")
        .execute(&mut *other)
        .await
        .unwrap();
    {
        let changes = changes().await;
        let mut saving = pin!(store.save_changes(changes));
        let waiting = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        let begun = std::time::Instant::now();
        loop {
            std::future::poll_fn(|context| {
                assert!(saving.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
            if database.number(waiting).await == 1 {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "it never came to its last statement"
            );
        }
    }
    other.rollback().await.unwrap();
    assert_eq!(database.rows_of_devices().await, before);

    // The last of its statements fails.
    database
        .run(
            "create function refuse() returns trigger language plpgsql as
             $$ begin raise exception 'full'; end $$;
             create trigger refuse before insert on crypto_message_hashes
             for each row execute function refuse()",
        )
        .await;
    store.save_changes(changes().await).await.unwrap_err();
    assert_eq!(database.rows_of_devices().await, before);

    database.run("drop trigger refuse on crypto_message_hashes").await;
    store.save_changes(changes().await).await.unwrap();
    assert_ne!(database.rows_of_devices().await, before);
}

#[tokio::test]
async fn names_that_strangers_choose_cannot_stop_a_save() {
    let database = KeyStoreDatabase::fresh().await;
    let (_, store, _) = database.device("@fax_1:practice.example").await;
    let entry: RoomKeyWithheldEntry = serde_json::from_value(json!({
        "sender": doctor(),
        "content": {
            "algorithm": "m.megolm.v1.aes-sha2",
            "code": "m.unverified",
            "reason": "nul \u{0} in it",
            "room_id": room(),
            "sender_key": "9n7mdWKOjr9c4NTlG6zV8dbFtNK79q9vZADoh7nMUwA",
            "session_id": "x",
        },
    }))
    .unwrap();
    for name in ["\u{0}".to_owned(), "lang".repeat(20_000)] {
        let mut changes = Changes::default();
        let sessions = changes.withheld_session_info.entry(room().to_owned()).or_default();
        sessions.insert(name.clone(), entry.clone());
        let device =
            matrix_sdk_crypto::DeviceData::from_account(&account(doctor().as_str(), &name));
        changes.devices = known_devices([device.clone()]);
        store.save_changes(changes).await.unwrap();

        let withheld = store.get_withheld_info(room(), &name).await.unwrap().unwrap();
        assert_eq!(withheld.sender, doctor());
        let known = store.get_device(doctor(), device.device_id()).await.unwrap();
        assert_eq!(known, Some(device));
        assert_eq!(store.get_inbound_group_session(room(), &name).await.unwrap(), None);
        assert_eq!(store.get_sessions(&name).await.unwrap(), None);
    }
    assert_eq!(store.get_withheld_sessions_by_room_id(room()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_room_key_that_came_anew_is_in_no_backup() {
    let database = KeyStoreDatabase::fresh().await;
    let (_, store, account) = database.device("@fax_1:practice.example").await;
    let [anew, again] =
        [Secrets::of(&account).await.room_key, Secrets::of(&account).await.room_key];
    store.save_inbound_group_sessions(vec![anew.clone(), again.clone()], None).await.unwrap();
    let both = [anew.session_id(), again.session_id()].map(|id| (room(), id));
    store.mark_inbound_group_sessions_as_backed_up("1", &both).await.unwrap();
    let load = async |id: &str| store.get_inbound_group_session(room(), id).await.unwrap().unwrap();
    // The flag of the session follows, though the sealed value is older.
    let again = load(again.session_id()).await;
    assert!(again.backed_up() && !anew.backed_up());

    store.save_inbound_group_sessions(vec![anew.clone(), again.clone()], None).await.unwrap();
    let in_none = store.inbound_group_sessions_for_backup("1", 9).await.unwrap();
    assert_eq!(in_none.iter().map(|key| key.session_id()).collect::<Vec<_>>(), [anew.session_id()]);
    assert_eq!(store.inbound_group_sessions_for_backup("2", 9).await.unwrap().len(), 2);
    assert!(!load(anew.session_id()).await.backed_up());
    let counts = store.inbound_group_session_counts(Some("1")).await.unwrap();
    assert_eq!((counts.total, counts.backed_up), (2, 1));
}

fn doctor() -> &'static UserId {
    user_id!("@aerztin1:practice.example")
}

fn message(words: &str) -> OlmMessageHash {
    OlmMessageHash { sender_key: "schluessel".to_owned(), hash: words.to_owned() }
}
