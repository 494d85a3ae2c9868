//! The crypto store on real Postgres: upstream's conformance suite, and what that does not ask.

mod conformance;
mod conversation;
mod devices;
mod secrecy;
mod sharing;

use std::sync::{Arc, LazyLock};

use matrix_sdk_crypto::{
    Account, DeviceData, Session, UserIdentityData,
    olm::{InboundGroupSession, OutboundGroupSession, PrivateCrossSigningIdentity},
    store::{
        CryptoStore,
        types::{Changes, DeviceChanges, IdentityChanges, PendingChanges},
    },
    testing::get_other_identity,
};
use ruma::{DeviceId, RoomId, UserId, room_id};
use sqlx::{PgPool, postgres::PgPoolOptions};
use time::{OffsetDateTime, macros::datetime};
use umstieg::store::{
    DeviceRow, DeviceStore, Store,
    seal::{DataKey, Seal},
};
use umstieg_world::World;

const NOW: OffsetDateTime = datetime!(2026-11-23 08:00 UTC);

/// One key for the process: a store that is opened again must open what was sealed before.
static SEAL: LazyLock<Seal> = LazyLock::new(|| Seal::new([&DataKey::random(1)]).unwrap());

/// A database with the gateway's tables.
#[derive(Clone)]
struct KeyStoreDatabase {
    url: Arc<str>,
    pool: PgPool,
    store: Store,
}

impl KeyStoreDatabase {
    async fn fresh() -> Self {
        let world = World::shared().await.unwrap();
        let url = world.postgres.create_fresh_database().await.unwrap();
        let database = Self::at(&url);
        sqlx::migrate!().run(&database.pool).await.unwrap();
        database
    }

    /// New connections to a database that has its tables.
    fn at(url: &str) -> Self {
        let pool = PgPoolOptions::new().max_connections(8).connect_lazy(url).unwrap();
        Self { url: url.into(), store: Store::new(pool.clone(), SEAL.clone()), pool }
    }

    /// What a restarted gateway sees.
    fn after_restart(&self) -> Self {
        Self::at(&self.url)
    }

    fn keys_of(&self, device: DeviceRow) -> Arc<DeviceStore> {
        self.store.crypto_store(device)
    }

    /// A device with an account, and its store.
    async fn device(&self, user: &str) -> (DeviceRow, Arc<DeviceStore>, Account) {
        let device = self.store.name_device(user, "GERAET", NOW).await.unwrap().row;
        let store = self.keys_of(device);
        let account = account(user, "GERAET");
        let pending = PendingChanges { account: Some(account.deep_clone()) };
        store.save_pending_changes(pending).await.unwrap();
        let devices = known_devices([DeviceData::from_account(&account)]);
        store.save_changes(Changes { devices, ..Changes::default() }).await.unwrap();
        (device, store, account)
    }

    async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// Every row of every table that belongs to a device, as text.
    async fn rows_of_devices(&self) -> Vec<String> {
        let tables: Vec<String> = sqlx::query_scalar(
            "select table_name::text from information_schema.tables
             where table_schema = 'public' and table_name like 'crypto_%' or table_name = 'devices'",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        assert!(tables.len() > 5, "{tables:?}");
        let mut rows = Vec::new();
        for table in tables {
            let sql = format!("select '{table} ' || entry::text from {table} as entry");
            let found: Vec<String> =
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&self.pool).await.unwrap();
            rows.extend(found);
        }
        rows
    }
}

fn room() -> &'static RoomId {
    room_id!("!befund:practice.example")
}

fn account(user: &str, device: &str) -> Account {
    Account::with_device_id(<&UserId>::try_from(user).unwrap(), <&DeviceId>::from(device))
}

fn known_devices(devices: impl IntoIterator<Item = DeviceData>) -> DeviceChanges {
    DeviceChanges { new: devices.into_iter().collect(), ..DeviceChanges::default() }
}

fn known_identities(identities: impl IntoIterator<Item = UserIdentityData>) -> IdentityChanges {
    IdentityChanges { new: identities.into_iter().collect(), ..IdentityChanges::default() }
}

/// A doctor's device, and her identity.
fn peer(number: usize) -> (DeviceData, UserIdentityData) {
    let user = format!("@aerztin{number}:practice.example");
    let device = DeviceData::from_account(&account(&user, &format!("TELEFON{number}")));
    let identity = UserIdentityData::Other(get_other_identity());
    let published = serde_json::to_string(&identity).unwrap();
    let published = published.replace(identity.user_id().as_str(), &user);
    (device, serde_json::from_str(&published).unwrap())
}

/// One of everything that is secret.
struct Secrets {
    session: Session,
    identity: PrivateCrossSigningIdentity,
    sending: OutboundGroupSession,
    room_key: InboundGroupSession,
}

impl Secrets {
    async fn of(account: &Account) -> Self {
        let mut peer = self::account("@peer:practice.example", "PEER");
        peer.generate_one_time_keys(1);
        let one_time_key = *peer.one_time_keys().values().next().unwrap();
        let session = account
            .create_outbound_session_helper(
                matrix_sdk_crypto::vodozemac::olm::SessionConfig::default(),
                peer.identity_keys().curve25519,
                one_time_key,
                false,
                account.device_keys(),
            )
            .unwrap();
        let (sending, room_key) = account.create_group_session_pair_with_defaults(room()).await;
        let identity = PrivateCrossSigningIdentity::new(account.user_id().to_owned());
        Self { session, identity, sending, room_key }
    }

    fn changes(&self) -> Changes {
        Changes {
            sessions: vec![self.session.clone()],
            private_identity: Some(self.identity.clone()),
            outbound_group_sessions: vec![self.sending.clone()],
            inbound_group_sessions: vec![self.room_key.clone()],
            ..Changes::default()
        }
    }
}
