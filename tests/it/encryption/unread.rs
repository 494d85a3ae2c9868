//! R10, F2, F17: what nobody could read is known as such, is said once more when somebody can read it,
//! and raises an alarm when nobody comes.

use umstieg::phrases::Phrase;
use umstieg_world::{Client, JsClient, JsOptions, client::ClientTrust};

use super::{sees, strict_anna};
use crate::{
    phrases::{hears, saying},
    proxy::{HoldMoment, Proxy},
    stage::{Stage, kim_mail},
};

const UNSIGNED: JsOptions = JsOptions { cross_signed: false, trust: ClientTrust::AnyDevice };

async fn next_letter(stage: &Stage, erik: &str, id: &str, words: &str) {
    let more = "In-Reply-To: <fr1@x>\nReferences: <fr1@x>\n";
    stage.receive(&kim_mail(erik, &stage.practice, id, "AW: Befund", more, words)).await;
}

fn times(client: &Client, words: &str) -> usize {
    client.seen().messages().filter(|m| m.body().contains(words)).count()
}

/// The gateway starts on Friday, and the team logs in for the first time on Monday.
#[tokio::test]
async fn r10_who_logs_in_after_a_letter_came_reads_it() {
    let mut stage = Stage::encrypted("cross-signed").await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "fr1@x", "Befund", "", "Am Freitag")).await;
    stage.database_says("select state from letters", "posted").await;
    assert_eq!(stage.query("select count(*) from posts where unshown").await, "1");
    next_letter(&stage, &erik, "fr2@x", "Am Freitag Abend").await;
    stage.database_says("select count(*) from posts where unshown", "2").await;

    let anna = strict_anna(&stage).await;
    hears(&anna, &Phrase::LettersAgain).await;
    sees(&anna, "Am Freitag Abend").await;
    let unread = "select count(*) from posts where unshown and not repeated";
    stage.database_says(unread, "0").await;
    next_letter(&stage, &erik, "mo@x", "Am Montag").await;
    sees(&anna, "Am Montag").await;
    // Once, in the order they came, and not again after a restart.
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    next_letter(&stage, &erik, "di@x", "Am Dienstag").await;
    sees(&anna, "Am Dienstag").await;
    let days = ["Am Freitag", "Am Freitag Abend", "Am Montag", "Am Dienstag"];
    let said: Vec<String> = anna
        .seen()
        .messages()
        .filter_map(|m| days.iter().find(|day| m.body().lines().any(|line| line == **day)))
        .map(|day| (*day).to_owned())
        .collect();
    assert_eq!(said, days, "{}", anna.seen());
}

/// Others could read what came before: a newcomer is told how many letters that are.
#[tokio::test]
async fn r10_who_gets_a_device_when_others_have_read_is_told_what_is_missing() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let name = format!("bert-{}", stage.tag);
    stage.world.homeserver.register_user(&name, "geheim").await.unwrap();
    let bert_id = stage.world.homeserver.user_id(&name);
    // He has accepted the invitation with a client that does not encrypt.
    let _old = Client::login(&stage.world.homeserver, &name, "geheim").await.unwrap();
    stage.edit_settings(&[(
        &format!("team = [{:?}]", stage.anna_id),
        &format!("team = [{:?}, {bert_id:?}]", stage.anna_id),
    )]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "fr1@x", "Befund", "", "Am Freitag")).await;
    sees(&anna, "Am Freitag").await;
    let joined = format!("select membership from room_members where user_id = '{bert_id}'");
    stage.database_says(&joined, "join").await;
    assert_eq!(stage.query("select count(*) from posts where unshown").await, "0");

    let options = JsOptions { cross_signed: true, trust: ClientTrust::OnlySigned };
    let bert = JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap();
    let missed = Phrase::LettersMissed { user_id: bert_id, letters: 1 };
    hears(&bert, &missed).await;
    next_letter(&stage, &erik, "mo@x", "Am Montag").await;
    sees(&bert, "Am Montag").await;
    sees(&anna, "Am Montag").await;
    assert_eq!(saying(&bert.seen(), &missed).count(), 1, "{}", bert.seen());
    assert_eq!(saying(&anna.seen(), &Phrase::LettersAgain).count(), 0, "{}", anna.seen());
}

/// F17: the sentence for a locked-out member reaches the device that has to be signed, also when it is
/// not the one that was there when it was said first.
#[tokio::test]
async fn f17_a_locked_out_member_is_told_on_each_new_device() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let name = format!("clara-{}", stage.tag);
    stage.world.homeserver.register_user(&name, "geheim").await.unwrap();
    let login =
        async || JsClient::login(&stage.world.homeserver, &name, "geheim", UNSIGNED).await.unwrap();
    let first = login().await;
    let locked_out = Phrase::MemberLockedOut { user_id: first.user_id.clone() };
    stage.edit_settings(&[(
        &format!("team = [{:?}]", stage.anna_id),
        &format!("team = [{:?}, {:?}]", stage.anna_id, first.user_id),
    )]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "fr1@x", "Befund", "", "Erstens")).await;
    hears(&first, &locked_out).await;
    let second = login().await;
    let known = format!(
        "select (count(*) >= 2)::text from crypto_peer_devices where user_id = '{}'",
        first.user_id
    );
    next_letter(&stage, &erik, "fr2@x", "Zweitens").await;
    stage.database_says(&known, "true").await;
    next_letter(&stage, &erik, "fr3@x", "Drittens").await;
    hears(&second, &locked_out).await;
}

/// F17b: the speaker of a letter has heard of a new device, and the bot, whose `/sync` lies behind, has
/// not: the sentence reaches that device all the same.
#[tokio::test]
async fn f17b_a_locked_out_member_is_told_on_a_device_the_bot_has_not_heard_of() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let (name, options) = (format!("clara-{}", stage.tag), UNSIGNED);
    stage.world.homeserver.register_user(&name, "geheim").await.unwrap();
    let first = JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap();
    let locked_out = Phrase::MemberLockedOut { user_id: first.user_id.clone() };
    stage.edit_settings(&[(
        &format!("team = [{:?}]", stage.anna_id),
        &format!("team = [{:?}, {:?}]", stage.anna_id, first.user_id),
    )]);
    let (proxy, erik) = unsaid(&mut stage).await;
    stage.receive(&kim_mail(&erik, &stage.practice, "fr1@x", "Befund", "", "Erstens")).await;
    hears(&first, &locked_out).await;

    let bot = stage.bot_id();
    let (bot, _) = bot.trim_start_matches('@').split_once(':').unwrap();
    proxy.keep_back_answers(&["/sync?", bot]);
    let second = JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap();
    let frida = stage.correspondent("frida").await;
    stage.receive(&kim_mail(&frida, &stage.practice, "mo1@x", "Befund", "", "Zweitens")).await;
    hears(&second, &locked_out).await;
}

/// F2: a typo in `team`. There is an alarm; when the account is made after all, nothing is lost.
#[tokio::test]
async fn f2_a_portal_that_nobody_joins_is_an_alarm_until_somebody_does() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let typo = format!("ana-{}", stage.tag);
    let typo_id = stage.world.homeserver.user_id(&typo);
    stage.edit_settings(&[(&format!("{:?}", stage.anna_id), &format!("{typo_id:?}"))]);
    stage.gateway.start().await.unwrap();
    let check = stage.gateway.command(&["check"]).await.unwrap();
    let table = String::from_utf8(check.stdout).unwrap();
    assert!(!check.status.success() && table.contains(&typo_id), "{table}");

    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "fr1@x", "Befund", "", "Guten Tag")).await;
    stage.database_says("select state from letters", "posted").await;
    let metrics = stage.gateway.metrics().await;
    assert!(metrics.contains("umstieg_invites_failed_total 1"), "{metrics}");
    // The time the channel sets has passed.
    stage.query("update rooms set deserted_since = now() - interval '1 day'").await;
    let parked = "select kind || ' ' || reason from parked where resolved_at is null";
    stage.database_says(parked, "portal nobody_joined").await;
    let list = stage.parked(&["list"]).await;
    assert!(list.contains("portal") && list.contains("nobody_joined"), "{list}");
    assert!(!list.contains(&erik) && !list.contains(&typo_id), "{list}");

    stage.world.homeserver.register_user(&typo, "geheim").await.unwrap();
    let options = JsOptions { cross_signed: true, trust: ClientTrust::OnlySigned };
    let ana = JsClient::login(&stage.world.homeserver, &typo, "geheim", options).await.unwrap();
    sees(&ana, "Guten Tag").await;
    stage.database_says("select count(*) from parked where resolved_at is null", "0").await;
}

/// A letter that should have been said when nobody could read it, and was not.
async fn unsaid(stage: &mut Stage) -> (Proxy, String) {
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    let url = format!("url = {:?}", stage.world.homeserver.url);
    stage.edit_settings(&[(&url, &format!("url = {:?}", proxy.url))]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    (proxy, erik)
}

async fn is_said_once(stage: &mut Stage, anna: &Client, erik: &str) {
    sees(anna, "Am Freitag").await;
    next_letter(stage, erik, "mo@x", "Am Montag").await;
    sees(anna, "Am Montag").await;
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    next_letter(stage, erik, "di@x", "Am Dienstag").await;
    sees(anna, "Am Dienstag").await;
    assert_eq!(times(anna, "Am Freitag"), 1, "{}", anna.seen());
}

/// R10c: the homeserver refused it, and by the time it takes it somebody has a device: said once.
#[tokio::test]
async fn r10c_what_left_only_when_somebody_could_read_it_is_not_said_again() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let (proxy, erik) = unsaid(&mut stage).await;
    proxy.hold(&["PUT", "/send/m.room.encrypted/"], HoldMoment::Before);
    stage.receive(&kim_mail(&erik, &stage.practice, "fr1@x", "Befund", "", "Am Freitag")).await;
    stage.until("it is about to leave", async || proxy.holds()).await;
    assert_eq!(stage.query("select count(*) from posts where unshown").await, "1");
    let anna = strict_anna(&stage).await;
    stage.gateway.kill();
    proxy.let_pass();
    stage.gateway.start().await.unwrap();
    is_said_once(&mut stage, &anna, &erik).await;
}

/// R10d: it left readable, and the gateway was killed before it could note that.
#[tokio::test]
async fn r10d_a_kill_between_posting_and_noting_says_nothing_twice() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let (proxy, erik) = unsaid(&mut stage).await;
    proxy.hold(&["PUT", "/send/m.room.encrypted/"], HoldMoment::Before);
    stage.receive(&kim_mail(&erik, &stage.practice, "fr1@x", "Befund", "", "Am Freitag")).await;
    stage.until("it is about to leave", async || proxy.holds()).await;
    let anna = strict_anna(&stage).await;
    stage.gateway.kill();
    proxy.let_pass();
    proxy.hold(&["PUT", "/send/m.room.encrypted/"], HoldMoment::After);
    stage.gateway.launch().await.unwrap();
    stage.until("it has left", async || proxy.holds()).await;
    stage.gateway.kill();
    proxy.let_pass();
    stage.gateway.start().await.unwrap();
    is_said_once(&mut stage, &anna, &erik).await;
}

/// R10e: it left when nobody could read it, its answer was lost, and the homeserver returns the
/// first one for the repeat: it is said once more.
#[tokio::test]
async fn r10e_what_stands_there_unreadable_is_said_again_whatever_a_repeat_was() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let (proxy, erik) = unsaid(&mut stage).await;
    proxy.hold(&["PUT", "/send/m.room.encrypted/"], HoldMoment::After);
    stage.receive(&kim_mail(&erik, &stage.practice, "fr1@x", "Befund", "", "Am Freitag")).await;
    stage.until("it has left", async || proxy.holds()).await;
    let anna = strict_anna(&stage).await;
    stage.gateway.kill();
    proxy.let_pass();
    stage.gateway.start().await.unwrap();
    is_said_once(&mut stage, &anna, &erik).await;
}

/// What is stored of a user's device is damaged: its keys are asked for again.
#[tokio::test]
async fn a_damaged_device_of_a_member_is_fetched_anew() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "fr1@x", "Befund", "", "Am Freitag")).await;
    let room = sees(&anna, "Am Freitag").await.room_id;
    for (table, words) in
        [("crypto_peer_devices", "Am Montag"), ("crypto_peer_identities", "Am Dienstag")]
    {
        stage.gateway.stop();
        stage
            .query(&format!(
                "update {table} set sealed = '\\x00' where user_id = '{}' returning 1",
                stage.anna_id
            ))
            .await;
        stage.gateway.start().await.unwrap();
        next_letter(&stage, &erik, words.trim_start_matches("Am "), words).await;
        let seen = sees(&anna, words).await;
        assert_eq!(seen.room_id, room);
    }
    assert_eq!(stage.query("select count(*) from posts where unshown").await, "0");
    let answer = anna.send_text(&room, "Danke").await.unwrap();
    stage.mails(&erik, 1).await;
    assert!(!answer.is_empty());
}
