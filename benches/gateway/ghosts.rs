//! Many ghosts, each with a device: what they cost before they say anything.

use futures_util::{StreamExt as _, stream};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use secrecy::SecretString;
use time::OffsetDateTime;
use umstieg::{
    matrix::{Homeserver, HomeserverAccess, OwnDevice, Voice},
    store::Store,
};

use crate::{CONCURRENCY, practice::MeasuredPractice};

/// Makes `count` ghosts with the gateway's own code, in its database and at its homeserver, as it
/// does when a correspondent writes for the first time, but without a room. Returns how many
/// requests that took.
pub(crate) async fn make(practice: &MeasuredPractice<'_>, count: usize) -> f64 {
    let recorder = PrometheusBuilder::new().install_recorder().unwrap();
    let homeserver = homeserver(practice);
    let store = practice.store().await;
    let at = practice.now().await;
    stream::iter(0..count)
        .for_each_concurrent(CONCURRENCY, async |number| {
            ghost(&homeserver, &store, &practice.slot().prefix, number, at).await;
        })
        .await;
    requests(&recorder)
}

fn homeserver(practice: &MeasuredPractice<'_>) -> Homeserver {
    let (at, slot) = (practice.at(), practice.slot());
    Homeserver::new(HomeserverAccess {
        base_url: at.url.parse().unwrap(),
        server_name: at.server_name.as_str().try_into().unwrap(),
        as_token: SecretString::from(slot.as_token.clone()),
        bot_localpart: format!("{}bot", slot.prefix),
        user_prefix: slot.prefix.clone(),
        extra_roots_pem: Vec::new(),
    })
    .unwrap()
}

async fn ghost(
    homeserver: &Homeserver,
    store: &Store,
    prefix: &str,
    number: usize,
    at: OffsetDateTime,
) {
    let localpart = format!("{prefix}kim_viele{number}=40viele.kim.telematik");
    homeserver.register(&localpart).await.unwrap();
    let user = ruma::UserId::parse(format!("@{localpart}:{}", homeserver.server_name())).unwrap();
    let row = store.name_device(user.as_str(), &format!("VIELE{number}"), at).await.unwrap();
    let id: ruma::OwnedDeviceId = row.device_id.as_str().into();
    homeserver.ensure_device(&user, &id).await.unwrap();
    let keys = store.crypto_store(row.row);
    let device = OwnDevice::open(homeserver, &user, &id, keys).await.unwrap();
    device.publish(None).await.unwrap();
    homeserver.devices(&user).await.unwrap();
    store.device_is_ready(row.row, at).await.unwrap();
    // Before a ghost speaks its inbox is read; so it is not in need of that while this is measured.
    let voice = Voice { user: &user, device: &id };
    let news = homeserver.inbox(voice, None).await.unwrap();
    let since = news.next_batch.clone();
    let mut turn = device.turn().await.unwrap();
    turn.take_in(news).await.unwrap();
    turn.saved();
    device.catch_up().await.unwrap();
    store.save_inbox_position(row.row, &since, at).await.unwrap();
}

fn requests(recorder: &PrometheusHandle) -> f64 {
    let text = recorder.render();
    let counters = text.lines().filter(|line| line.starts_with("umstieg_matrix_requests_total"));
    counters.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
