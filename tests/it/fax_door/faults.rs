//! The door while something dies: no fax is lost, none is doubled, and none is called taken that was not.

use std::time::Duration;

use umstieg::model::LetterId;
use umstieg_world::{World, WorldOptions};

use super::{AtTheDoor, FaxServer, RECIPIENTS};

impl AtTheDoor {
    /// From now on Postgres refuses this.
    async fn breaks(&self, when: &str, how: &str) {
        self.stage
            .query(&format!(
                "create function breaks() returns trigger language plpgsql as $$ begin {how}; end $$;
                 create trigger broken before {when} execute function breaks()"
            ))
            .await;
    }

    async fn is_whole(&self, table: &str) {
        self.stage.query(&format!("drop trigger broken on {table}; drop function breaks()")).await;
    }

    /// Delivers until the door says 250, as a mail server's queue does.
    async fn deliver_until_taken(&self, mail: &str) {
        self.stage
            .until("the fax was taken", async || {
                let Some(mut server) = FaxServer::connect(self.port).await else { return false };
                if !server.say("EHLO a").await.starts_with("250 ") {
                    return false;
                }
                server.say("MAIL FROM:<>").await;
                server.say(&format!("RCPT TO:<{}>", RECIPIENTS[0])).await;
                server.say("DATA").await;
                server.send_mail(mail).await;
                server.heard().await.starts_with("250 ")
            })
            .await;
    }
}

#[tokio::test]
async fn fax_15_without_room_in_the_database_the_fax_stays_with_its_server() {
    let door = AtTheDoor::open().await;
    let mut server = door.connect().await;
    for (how, expected) in [
        ("raise exception 'full' using errcode = '53100'", "452 4.3.1 "),
        ("raise exception 'another gateway' using errcode = 'UM001'", "451 4.3.0 "),
        ("perform pg_terminate_backend(pg_backend_pid()); return new", "451 4.3.0 "),
    ] {
        door.breaks("insert on letters for each row", how).await;
        let heard = server.deliver(RECIPIENTS[0], &door.fax("1")).await;
        assert!(heard.starts_with(expected), "{how}: {heard}");
        door.is_whole("letters").await;
    }
    assert_eq!(door.letters().await, "0");
    let heard = server.deliver(RECIPIENTS[0], &door.fax("1")).await;
    assert_eq!(heard, "250 2.0.0 Saved");
    assert_eq!(door.letters().await, "1");
}

#[tokio::test]
async fn fax_15_a_connection_that_breaks_before_the_dot_leaves_nothing_behind() {
    let door = AtTheDoor::open().await;
    let mut server = door.connect().await;
    server.begin(RECIPIENTS[0]).await;
    // Several pieces are saved by then.
    let line = format!("{}\r\n", "x".repeat(998));
    for _ in 0..4_000 {
        server.send(line.as_bytes()).await;
    }
    door.stage
        .until("pieces came", async || {
            door.stage.query("select count(*) > 0 from letter_pieces").await == "t"
        })
        .await;
    drop(server);
    door.stage.database_says("select count(*) from letter_pieces", "0").await;
    assert_eq!(door.letters().await, "0");
    door.stage.until("it was counted", async || door.counted("broken_off").await >= 1.0).await;
    // What was whole, and has many pieces, is there to the last byte.
    let long = format!("{}\n", "y".repeat(76)).repeat(40_000);
    let mail = format!("{}{long}", door.fax("1"));
    assert_eq!(door.connect().await.deliver(RECIPIENTS[0], &mail).await, "250 2.0.0 Saved");
    let store = door.stage.store().await;
    let id = door.stage.query("select id from letters where channel = 'fax'").await;
    let pieces = store.letter_pieces(LetterId(id.parse().unwrap())).await.unwrap().unwrap();
    let bytes: usize = mail.lines().map(|line| line.len() + 2).sum();
    assert_eq!(usize::try_from(pieces.bytes()).unwrap(), bytes);
    assert!(pieces.lengths().len() > 2);
}

/// The peer never sees our 250: the gateway is killed after the commit and before the answer.
#[tokio::test]
async fn fax_2_fax_15_a_kill_between_commit_and_250_gives_one_fax() {
    let mut door = AtTheDoor::open().await;
    // The job is added after the commit, and before the answer.
    let jobs = "graphile_worker._private_jobs";
    door.breaks(
        &format!("insert on {jobs} for each statement"),
        "perform pg_sleep(60); return null",
    )
    .await;
    let fax = door.fax("1");
    let mut server = door.connect().await;
    server.begin(RECIPIENTS[0]).await;
    server.send_mail(&fax).await;
    door.stage.database_says("select count(*) from letters where channel = 'fax'", "1").await;
    door.stage.gateway.kill();
    assert_eq!(server.heard().await, "");
    door.stage
        .query(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
    door.is_whole(jobs).await;
    door.stage.gateway.start().await.unwrap();
    door.deliver_until_taken(&fax).await;
    assert_eq!(door.letters().await, "1");
    door.stage.anna_sees("fax000000001.pdf").await;
    door.stage.all_events_are_read().await;
    assert_eq!(door.stage.anna_saw("fax000000001.pdf"), 1);
}

#[tokio::test]
async fn fax_15_a_gateway_that_stops_says_so_and_a_new_one_takes_the_fax() {
    let mut door = AtTheDoor::open().await;
    let mut peers = Vec::new();
    for _ in 0..16 {
        peers.push(door.connect().await);
    }
    door.stage.gateway.stop();
    for peer in &mut peers {
        assert!(peer.heard().await.starts_with("421 4.3.2 "));
    }
    assert!(FaxServer::connect(door.port).await.is_none());
    door.stage.gateway.start().await.unwrap();
    door.deliver_until_taken(&door.fax("1")).await;
    assert_eq!(door.letters().await, "1");
}

#[tokio::test]
async fn fax_15_while_postgres_is_stopped_the_fax_stays_with_its_server() {
    let mut world = World::start(WorldOptions::with_slots(1), |_| {}).await.unwrap();
    let around = Box::leak(Box::new(world.surroundings()));
    let door = AtTheDoor::open_in(around).await;
    let mut server = door.connect().await;
    server.begin(RECIPIENTS[0]).await;
    world.postgres.stop();
    server.send_mail(&door.fax("1")).await;
    let heard = tokio::time::timeout(Duration::from_secs(60), server.heard()).await.unwrap();
    // The gateway may end this life before it can answer.
    assert!(heard.is_empty() || heard.starts_with("451 ") || heard.starts_with("421 "), "{heard}");
    world.postgres.start_again().await.unwrap();
    door.deliver_until_taken(&door.fax("1")).await;
    door.stage.database_says("select count(*) from letters where channel = 'fax'", "1").await;
    door.stage.anna_sees("fax000000001.pdf").await;
}
