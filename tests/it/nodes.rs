//! Several nodes on one database: who works on what.

use time::macros::datetime;
use umstieg::{
    model::ConversationId,
    store::{Database, Job, StoreError},
};

use crate::takeover::Alone;

/// What a node has a lease of, another node leaves alone, together with the job there. It is free when
/// the node has ended, and a command beside the gateway is not limited by leases.
#[tokio::test]
async fn a_place_is_worked_for_by_one_node() {
    let alone = Alone::new().await;
    let (mut gate, first) = alone.gateway().await;
    let command = alone.command().await;
    assert!(first.lease("send_posts 1").await.unwrap());
    assert!(first.lease("send_posts 1").await.unwrap(), "it has it already");
    assert!(command.lease("send_posts 1").await.unwrap());

    // A second node at the same time: for that the rule of one gateway has to go.
    sqlx::query("drop trigger end_other_nodes on gateway").execute(command.pool()).await.unwrap();
    let second = Database::connect_in(&alone.url, 1, gate.begin().await.unwrap()).await.unwrap();
    let second = second.open(&alone.key).await.unwrap();
    // Its connections were ended; it may have others.
    while first.ping().await.is_err() {}
    assert!(!second.lease("send_posts 1").await.unwrap());
    assert!(second.lease("send_posts 2").await.unwrap());
    assert!(!first.lease("send_posts 2").await.unwrap());

    // Both have a job that is taken, and each knows of none of the other.
    for number in [1, 2, 3] {
        command.wake(&Job::SendPosts(ConversationId(number)), None).await.unwrap();
    }
    sqlx::query("update graphile_worker._private_jobs set locked_at = '2026-11-25 12:00Z', locked_by = 'engine'")
        .execute(command.pool())
        .await
        .unwrap();
    let later = datetime!(2026-11-25 12:01 UTC);
    assert_eq!(second.release_orphaned_jobs(&[], later).await.unwrap(), 2, "2, and 3 is nobody's");

    let ended = "update nodes set ended_at = now() where epoch = (select min(epoch) from nodes)";
    sqlx::query(ended).execute(command.pool()).await.unwrap();
    assert!(second.lease("send_posts 1").await.unwrap());
    let refused = first.lease("send_posts 4").await.unwrap_err();
    assert!(matches!(refused, StoreError::Again(_)), "{refused}");
    second.forget_ended_nodes().await.unwrap();
    let nodes: i64 =
        sqlx::query_scalar("select count(*) from nodes").fetch_one(command.pool()).await.unwrap();
    assert_eq!(nodes, 1);
    // A node that was forgotten counts no more than before.
    first.lease("send_posts 5").await.unwrap_err();
}
