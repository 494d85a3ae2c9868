//! Which of the homeserver's interfaces the gateway needs.

use crate::{
    encryption::{sees, strict_anna},
    phrases::{HANDED_TO_KIM, hears},
    proxy::Proxy,
    stage::{Stage, kim_mail},
};

/// TIM-23: a proxy in front of the homeserver lets through what clients need, and no interface of admins.
#[tokio::test]
async fn tim_23_the_client_server_interface_is_enough() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    let url = |url: &str| format!("url = {url:?}");
    stage.edit_settings(&[(&url(&stage.world.homeserver.url), &url(&proxy.url))]);
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();

    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "i1@x", "Befund", "", "Guten Tag")).await;
    let letter = sees(&anna, "Guten Tag").await;
    let pdf = b"%PDF-1.4 Brief";
    anna.send_file(&letter.room_id, "Brief.pdf", "application/pdf", pdf).await.unwrap();
    hears(&anna, &HANDED_TO_KIM).await;
    anna.reply(&letter.room_id, letter.event_id(), "!original").await.unwrap();
    sees(&anna, "original-").await;

    // Uploads are part of it under a path of their own (client-server API, "Content repository").
    let is_of_clients =
        |what: &str| what.contains(" /_matrix/client/") || what == "POST /_matrix/media/v3/upload";
    let passed: Vec<String> = proxy.passed().into_iter().map(|request| request.what).collect();
    let others: Vec<&String> = passed.iter().filter(|what| !is_of_clients(what)).collect();
    assert!(passed.len() > 10 && others.is_empty(), "{others:?} of {passed:?}");
}
