//! What matrix-sdk-crypto demands of every store, by its own suite. All its devices live in one
//! database, so that each test also shows that it is not disturbed by the others.

#![expect(unexpected_cfgs, reason = "the suite asks for features of its own crate")]

use std::sync::Arc;

use matrix_sdk_crypto::{cryptostore_integration_tests, cryptostore_integration_tests_time};
use tokio::sync::OnceCell;
use umstieg::store::DeviceStore;

use super::{KeyStoreDatabase, NOW};

/// The store of that name: the earlier one, or an empty one.
///
/// A passphrase means nothing to this store: its rows are always sealed.
async fn get_store(name: &str, _passphrase: Option<&str>, clear_data: bool) -> DeviceStore {
    static URL: OnceCell<String> = OnceCell::const_new();
    let url = URL.get_or_init(|| async { KeyStoreDatabase::fresh().await.url.to_string() }).await;
    // Connections belong to the test that made them.
    let database = KeyStoreDatabase::at(url);
    let user = format!("@{name}:example.org");
    let known = database.store.live_device(&user).await.unwrap();
    if let (Some(device), true) = (known, clear_data) {
        database.store.retire_device(device.row).await.unwrap();
        database.store.forget_device(device.row).await.unwrap();
    }
    let device = database.store.name_device(&user, "GERAET", NOW).await.unwrap();
    Arc::into_inner(database.keys_of(device.row)).unwrap()
}

cryptostore_integration_tests!();
cryptostore_integration_tests_time!();
