//! What fails for good is given up, said so, and let pass by; and one cause is one parked row,
//! whatever comes from outside.

use axum::http::StatusCode;
use serde_json::json;
use time::OffsetDateTime;
use tokio::{net::TcpListener, task::JoinSet};
use umstieg::{
    model::{ConversationId, Notice, Substance},
    phrases::{ParkedWhat, Phrase, Trouble},
    store::Resolution,
};

use crate::{
    encryption::{sees, strict_anna},
    phrases::{SOME_TIME, hears, says},
    proxy::{HoldMoment, Proxy, ProxyRefusal},
    stage::{Stage, conversations, kim_mail},
};

/// Two attempts, and a proxy before the homeserver.
async fn behind_a_proxy() -> (Stage, Proxy) {
    let stage = Stage::before_start(|channels| channels).await;
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    let url = format!("url = {:?}", stage.world.homeserver.url);
    stage.edit_settings(&[
        (&url, &format!("url = {:?}", proxy.url)),
        ("[worker]\n", "[worker]\nattempts_max = 2\n"),
    ]);
    (stage, proxy)
}

const PARKED: &str = "select count(*) from parked where resolved_at is null";

impl Stage {
    /// Has everything tried again that is parked.
    async fn retry_all(&self) {
        let ids = self.query("select id from parked where resolved_at is null order by id").await;
        for id in ids.lines() {
            self.parked(&["retry", id]).await;
        }
    }
}

/// R07: an answer that kills the gateway (its memory runs out over a file) must not kill it for ever.
#[tokio::test]
async fn r07_an_answer_at_which_the_gateway_dies_each_time_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (knocked, mut knocks) = tokio::sync::watch::channel(0);
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut silent = Vec::new();
        loop {
            silent.push(listener.accept().await.unwrap());
            knocked.send_modify(|count| *count += 1);
        }
    });
    let mut stage = Stage::before_start(|mut channels| {
        channels[0].outbox_port = Some(port);
        channels
    })
    .await;
    stage.edit_settings(&[("[worker]\n", "[worker]\nattempts_max = 2\n")]);
    stage.gateway.start().await.unwrap();
    let (_, letter) = stage.letter_from("erik").await;
    stage.anna.send_text(&letter.room_id, "Antwort").await.unwrap();
    for attempt in 1..=2 {
        knocks.wait_for(|count| *count >= attempt).await.unwrap();
        assert_eq!(stage.query("select attempts from dispatches").await, attempt.to_string());
        stage.gateway.kill();
        stage.gateway.start().await.unwrap();
    }
    stage.anna_is_told(&Phrase::DispatchInterrupted).await;
    assert_eq!(stage.query("select state from dispatches").await, "failed");
    assert_eq!(stage.query(PARKED).await, "1");
    assert!(stage.parked(&["list"]).await.contains("interrupted"));
    assert_eq!(*knocks.borrow(), 2);
    // A person may have it tried again, and the count starts again.
    stage.retry_all().await;
    knocks.wait_for(|count| *count == 3).await.unwrap();
}

/// R07: the same for a letter, while its place is being found.
#[tokio::test]
async fn r07_a_letter_at_which_the_gateway_dies_each_time_is_parked_and_the_next_one_passes() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.edit_settings(&[("[worker]\n", "[worker]\nattempts_max = 2\n")]);
    stage.gateway.start().await.unwrap();
    stage
        .query(
            "create function hangs() returns trigger language plpgsql as
             $$ begin perform pg_sleep(600); return new; end $$;
             create trigger hangs before update of state on letters
             for each row when (new.id = 1 and new.state = 'placed') execute function hangs()",
        )
        .await;
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "g1@x", "Befund", "", "Tödlich")).await;
    for attempt in 1..=2 {
        stage
            .database_says("select attempts from letters where id = 1", &attempt.to_string())
            .await;
        stage.gateway.kill();
        stage
            .query(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()",
            )
            .await;
        stage.gateway.start().await.unwrap();
    }
    stage.letter_from("anke").await;
    assert_eq!(stage.query("select state from letters where id = 1").await, "parked");
    assert!(stage.parked(&["list"]).await.contains("interrupted"));
    stage.query("drop trigger hangs on letters").await;
    stage.retry_all().await;
    stage.anna_sees("Tödlich").await;
}

/// R07: the same for a post, while it is said.
#[tokio::test]
async fn r07_a_post_at_which_the_gateway_dies_each_time_is_parked_and_the_next_one_passes() {
    let (mut stage, proxy) = behind_a_proxy().await;
    stage.gateway.start().await.unwrap();
    let (erik, letter) = stage.letter_from("erik").await;
    let more = format!("In-Reply-To: <erster-{erik}>\n");
    let next = |id: &str, words: &str| kim_mail(&erik, &stage.practice, id, "AW", &more, words);
    let (first, second) = (next("g2@x", "Tödlich"), next("g3@x", "Danach"));
    proxy.hold(&["PUT", "/send/m.room.message/"], HoldMoment::Before);
    stage.receive(&first).await;
    let attempts = "select attempts from posts where letter_id = 2";
    for attempt in 1..=2 {
        stage.until("it is being said", async || proxy.holds()).await;
        assert_eq!(stage.query(attempts).await, attempt.to_string());
        stage.gateway.kill();
        proxy.hold(&["PUT", "/send/m.room.message/"], HoldMoment::Before);
        if attempt == 2 {
            proxy.let_pass();
        }
        // What is held keeps it from being ready.
        stage.gateway.launch().await.unwrap();
    }
    stage.receive(&second).await;
    assert_eq!(stage.anna_sees("Danach").await.room_id, letter.room_id);
    stage.anna_is_told(&Phrase::Parked { what: ParkedWhat::Letter }).await;
    assert_eq!(stage.anna_saw("Tödlich"), 0);
    assert!(stage.parked(&["list"]).await.contains("interrupted"));
    stage.retry_all().await;
    stage.anna_sees("Tödlich").await;
    assert_eq!(stage.anna_saw("Tödlich"), 1);
}

/// R07: who only happened to be under way when the gateway ended is tried alone after a while, and
/// not blamed.
#[tokio::test]
async fn r07f_of_many_that_were_under_way_one_is_tried_at_a_time() {
    let (mut stage, mut proxy) = behind_a_proxy().await;
    stage.edit_settings(&[("attempts_max = 2\n", "attempts_max = 12\n")]);
    // A new one each time: what a killed gateway had sent may still arrive.
    let behind_another = async |stage: &Stage, before: &Proxy| {
        let proxy = Proxy::before(&stage.world.homeserver.url).await;
        stage.edit_settings(&[(&before.url, &proxy.url)]);
        proxy
    };
    stage.gateway.start().await.unwrap();
    let mut correspondents = Vec::new();
    for name in ["erik", "anke", "ole"] {
        correspondents.push(stage.letter_from(name).await.0);
    }
    let is_held = ["PUT", "/send/m.room.message/"];
    proxy.hold(&is_held, HoldMoment::Before);
    for (number, from) in correspondents.iter().enumerate() {
        let (id, words) = (format!("u{number}@x"), format!("Unterwegs {number}"));
        let more = format!("In-Reply-To: <erster-{from}>\n");
        stage.receive(&kim_mail(from, &stage.practice, &id, "AW", &more, &words)).await;
    }
    let attempts = "select sum(attempts) from posts where state = 'pending'";
    for round in 1..=3 {
        stage.database_says(attempts, &(3 * round).to_string()).await;
        stage.gateway.kill();
        proxy = behind_another(&stage, &proxy).await;
        proxy.hold(&is_held, HoldMoment::Before);
        stage.gateway.launch().await.unwrap();
    }
    for alone in 1..=4 {
        stage.until("one is being said", async || proxy.holds()).await;
        assert_eq!(stage.query(attempts).await, (9 + alone).to_string());
        stage.gateway.kill();
        proxy = behind_another(&stage, &proxy).await;
        if alone < 4 {
            proxy.hold(&is_held, HoldMoment::Before);
        }
        stage.gateway.launch().await.unwrap();
    }
    for number in 0..3 {
        stage.anna_sees(&format!("Unterwegs {number}")).await;
        assert_eq!(stage.anna_saw(&format!("Unterwegs {number}")), 1);
    }
    assert_eq!(stage.query(PARKED).await, "0");
}

/// F1: an address that fits into no user id. Its letters are parked once, and nothing follows.
#[tokio::test]
async fn f1_letters_of_a_correspondent_who_can_have_no_ghost_are_parked_once() {
    let stage = Stage::new().await;
    let from = format!("{}@{}.kim.telematik", "!".repeat(64), "d".repeat(50));
    for number in 1..=3 {
        let (id, words) = (format!("f1-{number}@x"), format!("Zu lang {number}"));
        stage.receive(&kim_mail(&from, &stage.practice, &id, "Befund", "", &words)).await;
    }
    stage.database_says("select count(*) from letters where state = 'placed'", "3").await;
    stage
        .database_says("select count(*) from conversations where parked_id is not null", "3")
        .await;
    // Other correspondents are heard, and nothing more comes of these meanwhile.
    stage.lives_on().await;
    assert_eq!(stage.query(PARKED).await, "1");
    stage.database_says("select count(*) from posts where state <> 'sent'", "3").await;
    let list = stage.parked(&["list"]).await;
    let row: Vec<&str> = list
        .lines()
        .find(|line| line.contains("address_too_long"))
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!((row[3], row[5]), ("conversation", "3"), "{list}");
    // Tried again, it fails again, and is one row again.
    stage.retry_all().await;
    stage.database_says("select count(*) from parked", "2").await;
    stage
        .database_says("select count(*) from conversations where parked_id is not null", "3")
        .await;
    assert_eq!(stage.query(PARKED).await, "1");
    // Given up, none of it waits any more.
    let id = stage.query("select id from parked where resolved_at is null").await;
    stage.parked(&["drop", &id]).await;
    assert_eq!(stage.parked(&["list"]).await, "Nothing is parked.\n");
    assert_eq!(stage.query("select count(*) from letters where state = 'dropped'").await, "3");
    assert_eq!(stage.query("select count(*) from posts where state = 'pending'").await, "0");
}

/// F1: a homeserver that forbids rooms. What was parked comes with one `parked retry` for each
/// correspondent.
#[tokio::test]
async fn f1_where_no_room_can_be_made_each_correspondent_is_parked_once_and_all_comes_back() {
    let (mut stage, proxy) = behind_a_proxy().await;
    stage.gateway.start().await.unwrap();
    proxy.refuse(ProxyRefusal {
        what: "POST /_matrix/client/v3/createRoom",
        status: StatusCode::FORBIDDEN,
        body: r#"{"errcode":"M_FORBIDDEN","error":"not here"}"#,
    });
    for name in ["erik", "nora"] {
        let from = stage.correspondent(name).await;
        for number in 1..=3 {
            let (id, words) = (format!("{name}{number}@x"), format!("Brief {number} von {name}"));
            stage.receive(&kim_mail(&from, &stage.practice, &id, "Befund", "", &words)).await;
        }
    }
    stage
        .database_says("select count(*) from conversations where parked_id is not null", "6")
        .await;
    assert_eq!(stage.query(PARKED).await, "2");
    assert_eq!(stage.query("select count(*) from posts").await, "6");
    let asked = proxy.passed().iter().filter(|passed| passed.what.contains("createRoom")).count();
    // One more letter asks once more, and adds no row.
    let erik = format!("erik-{}@charite.kim.telematik", stage.tag);
    stage
        .receive(&kim_mail(&erik, &stage.practice, "e4@x", "Befund", "", "Brief 4 von erik"))
        .await;
    stage
        .database_says("select count(*) from conversations where parked_id is not null", "7")
        .await;
    assert_eq!(stage.query(PARKED).await, "2");
    assert!(asked <= 12, "it was asked {asked} times");

    proxy.refuse(ProxyRefusal { what: "never", status: StatusCode::OK, body: "" });
    stage.retry_all().await;
    for words in ["Brief 1 von erik", "Brief 3 von erik", "Brief 4 von erik", "Brief 2 von nora"] {
        stage.anna_sees(words).await;
        assert_eq!(stage.anna_saw(words), 1);
    }
    stage.database_says("select count(*) from letters where state = 'posted'", "7").await;
    assert_eq!(stage.query(PARKED).await, "0");
}

/// F1: everything that is said in a room is refused, notices too.
#[tokio::test]
async fn f1_a_letter_whose_parts_and_notices_all_fail_is_one_parked_row() {
    let (mut stage, proxy) = behind_a_proxy().await;
    stage.gateway.start().await.unwrap();
    let (erik, letter) = stage.letter_from("erik").await;
    proxy.refuse(ProxyRefusal {
        what: "PUT /_matrix/client/v3/rooms/",
        status: StatusCode::BAD_REQUEST,
        body: r#"{"errcode":"M_BAD_JSON","error":"no"}"#,
    });
    let part = |number: usize| {
        format!(
            "--b\nContent-Type: application/pdf; name=a{number}.pdf\n\
             Content-Disposition: attachment; filename=a{number}.pdf\n\
             Content-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n"
        )
    };
    let parts: String = (0..30).map(part).collect();
    let mail = format!(
        "From: <{erik}>\nTo: <{}>\nSubject: Viel\nMessage-ID: <viel@x>\nIn-Reply-To: <erster-{erik}>\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nX-KIM-Dienstkennung: KIM-Mail;Default;V1.0\n\
         MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nAnbei viel\n{parts}--b--\n",
        stage.practice
    );
    stage.receive(&mail).await;
    // 31 posts and the notice about their letter.
    stage.database_says("select count(*) from posts where state = 'parked'", "32").await;
    assert_eq!(stage.query("select count(*) from posts").await, "33");
    assert_eq!(stage.query(PARKED).await, "1");
    assert!(stage.parked(&["list"]).await.contains(" 32 "), "{}", stage.parked(&["list"]).await);
    proxy.refuse(ProxyRefusal { what: "never", status: StatusCode::OK, body: "" });
    stage.retry_all().await;
    assert_eq!(stage.anna_sees("a29.pdf").await.room_id, letter.room_id);
    stage.database_says("select count(*) from posts where state = 'sent'", "33").await;
    stage.database_says("select count(*) from letters where state = 'posted'", "2").await;
    assert_eq!((stage.anna_saw("Anbei viel"), stage.anna_saw("a0.pdf")), (1, 1));
    assert_eq!(stage.query(PARKED).await, "0");
}

/// R21: the homeserver takes a post and answers with an error, too often. The echo tells the truth.
#[tokio::test]
async fn r21_a_parked_post_that_turns_out_to_be_in_its_room_is_settled_by_itself() {
    let stage = Stage::before_start(|channels| channels).await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let store = stage.store().await;
    let now = OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_000_000);
    stage.query(&conversations("kim", &["erik@charite.kim.telematik"])).await;
    let (conversation, body) = (ConversationId(1), json!({ "body": "x" }));
    let notice = Notice { substance: Substance::Word, content: body };
    for txn_id in ["t1", "t2"] {
        store.add_bot_post(conversation, txn_id, &notice).await.unwrap();
    }
    for post in store.pending_posts(conversation, 2).await.unwrap() {
        assert!(store.park_post(post.id, "kim", "send", now).await.unwrap());
        assert!(!store.park_post(post.id, "kim", "send", now).await.unwrap(), "it is parked");
    }
    let parked = store.parked().await.unwrap();
    assert_eq!((parked.len(), parked[0].things), (1, 2));
    store.post_echoed("t1", "$it-is-there", now).await.unwrap();
    assert_eq!(store.parked().await.unwrap()[0].things, 1);
    // The other one is there as well: nothing is left for a person to do.
    let states = async || stage.query("select string_agg(state, ' ' order by id) from posts").await;
    assert_eq!(states().await, "sent parked");
    store.resolve_parked(parked[0].id, Resolution::Retry, now).await.unwrap();
    assert_eq!(states().await, "sent pending", "what is there is not said once more");
    let post = store.pending_posts(conversation, 1).await.unwrap().remove(0);
    store.park_post(post.id, "kim", "send", now).await.unwrap();
    store.post_echoed("t2", "$it-too", now).await.unwrap();
    assert_eq!(store.parked().await.unwrap(), []);
    assert_eq!(
        stage.query("select resolution from parked order by id desc limit 1").await,
        "settled"
    );
    assert!(!store.resolve_parked(parked[0].id + 1, Resolution::Retry, now).await.unwrap());
    assert_eq!(states().await, "sent sent");
}

/// F10: a full folder for temporary files is named, in the room and in the log.
#[tokio::test]
async fn f10_a_full_folder_for_temporary_files_is_named_as_such() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.set_env("TMPDIR", "/proc/no-room-here");
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "f10@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    anna.send_file(&room, "befund.pdf", "application/pdf", b"%PDF-1.4 klein").await.unwrap();
    let waits = |trouble| Phrase::DispatchTryLater { trouble, next: SOME_TIME };
    let told = hears(&anna, &waits(Trouble::Disk)).await;
    assert!(!says(told.body(), &waits(Trouble::Unreachable)), "{}", told.body());
    let log = stage.gateway.log();
    assert!(log.contains("folder for temporary files") && !log.contains("befund.pdf"), "{log}");
    assert_eq!(stage.world.mail.mails(&erik).unwrap().len(), 0);
}

/// F11: a state that is now empty is shown as 0.
#[tokio::test]
async fn f11_a_figure_falls_again() {
    let stage = Stage::new().await;
    let shows = async |line: &str| stage.gateway.metrics().await.lines().any(|shown| shown == line);
    let failed = |count| format!("umstieg_dispatches{{state=\"failed\"}} {count}");
    stage.until("nothing failed", async || shows(&failed(0)).await).await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.world.mail.set_trouble(&erik, Some(umstieg_world::AddressTrouble::Refuse)).unwrap();
    stage.anna.send_text(&letter.room_id, "Antwort").await.unwrap();
    stage.until("one failed", async || shows(&failed(1)).await).await;
    stage.world.mail.set_trouble(&erik, None).unwrap();
    stage.anna.send_text(&letter.room_id, "!erneut").await.unwrap();
    stage.mails(&erik, 1).await;
    stage.until("none is failed", async || shows(&failed(0)).await).await;
}

/// A file lies at another homeserver that no longer exists: ours answers 502 for it, for ever. That is
/// not an outage of ours: the answer is given up like any other, and the next one leaves.
#[tokio::test]
async fn a_file_of_a_homeserver_that_is_no_more_stops_no_later_answer() {
    let (mut stage, proxy) = behind_a_proxy().await;
    stage.edit_settings(&[("attempts_max = 2", "attempts_max = 1")]);
    proxy.refuse(ProxyRefusal {
        what: "GET /_matrix/client/v1/media/download/weg.invalid/",
        status: StatusCode::BAD_GATEWAY,
        body: r#"{"errcode":"M_UNKNOWN","error":"Failed to fetch remote media"}"#,
    });
    stage.gateway.start().await.unwrap();
    let (erik, letter) = stage.letter_from("erik").await;
    let file = json!({
        "msgtype": "m.file", "body": "Befund.pdf", "url": "mxc://weg.invalid/abcdef",
        "info": { "mimetype": "application/pdf", "size": 10 },
    });
    stage.anna.send(&letter.room_id, file).await.unwrap();
    // Once it may be chance, and is no attempt.
    let waits = "select count(*) from dispatches
                 where state = 'waiting' and attempts = 0 and next_attempt_at is not null";
    stage.database_says(waits, "1").await;
    stage.query("update dispatches set next_attempt_at = now()").await;
    stage.anna.send_text(&letter.room_id, "Bitte 5 mg geben").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Bitte 5 mg geben"), "{}", mails[0]);
    assert_eq!(stage.query("select state from dispatches order by id limit 1").await, "failed");
    let failed = Phrase::DispatchFailed { trouble: Trouble::Media, reply: String::new() };
    stage.anna_is_told(&failed).await;
}

/// The team lives at another homeserver that no longer exists: ours answers 502 to each invitation, for
/// ever.
#[tokio::test]
async fn a_letter_for_which_nobody_can_be_invited_is_an_alarm() {
    let (mut stage, proxy) = behind_a_proxy().await;
    proxy.refuse(ProxyRefusal {
        what: "POST /_matrix/client/v3/rooms/*/invite",
        status: StatusCode::BAD_GATEWAY,
        body: r#"{"errcode":"M_UNKNOWN"}"#,
    });
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "i1@x", "Befund", "", "Guten Tag")).await;
    stage.database_says(PARKED, "1").await;
    assert_eq!(stage.query("select kind, reason from parked").await, "conversation|invite");
}
