//! Databases with the gateway's tables: migrated once, and copied for each test, instead of
//! running all migrations again.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use tokio::sync::Mutex;
use umstieg::store::{Database, seal::OuterKey};
use umstieg_world::{Cluster, fresh_name, gateway::sealing_key};

/// Makes a migrated database under this name, without a key: the first start makes one. Gives its address.
pub(crate) async fn migrated_as(postgres: &Cluster, name: &str) -> String {
    postgres.create_copy(&template(postgres).await, name).await.unwrap()
}

/// The same for the caller alone, under a name of its own.
pub(crate) async fn migrated(postgres: &Cluster) -> String {
    migrated_as(postgres, &fresh_name()).await
}

/// The name of the database that is copied in this cluster.
async fn template(postgres: &Cluster) -> String {
    static TEMPLATES: Mutex<BTreeMap<u16, String>> = Mutex::const_new(BTreeMap::new());
    let mut templates = TEMPLATES.lock().await;
    if let Some(name) = templates.get(&postgres.port) {
        return name.clone();
    }
    let name = fresh_name();
    let url = postgres.create_database(&name).await.unwrap();
    let key = OuterKey::from_base64(&sealing_key()).unwrap();
    let database = Database::connect(&url, 1).await.unwrap();
    let store = database.migrate(&key, OffsetDateTime::UNIX_EPOCH).await.unwrap();
    sqlx::query("delete from seal_keys").execute(store.pool()).await.unwrap();
    // No client may be connected to the database that is copied.
    store.pool().close().await;
    templates.insert(postgres.port, name.clone());
    name
}
