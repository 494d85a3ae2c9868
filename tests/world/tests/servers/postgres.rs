use umstieg_world::{Folder, Postgres};

#[tokio::test]
async fn what_was_committed_survives_a_restart_and_a_kill() {
    let folder = Folder::make("test").unwrap();
    let mut postgres = Postgres::start(folder.path()).await.unwrap();
    let url = postgres.create_database("kept").await.unwrap();
    assert_eq!(url, format!("postgres://umstieg@127.0.0.1:{}/kept", postgres.port));
    postgres.query("kept", "CREATE TABLE letter (id int)").await.unwrap();

    postgres.query("kept", "INSERT INTO letter VALUES (1)").await.unwrap();
    postgres.restart().await.unwrap();
    postgres.query("kept", "INSERT INTO letter VALUES (2)").await.unwrap();
    postgres.kill();
    postgres.query("kept", "SELECT 1").await.unwrap_err();
    postgres.start_again().await.unwrap();

    let kept = postgres.query("kept", "SELECT id FROM letter ORDER BY id").await.unwrap();
    assert_eq!(kept, "1\n2");
}

#[tokio::test]
async fn a_database_is_made_once() {
    let folder = Folder::make("test").unwrap();
    let postgres = Postgres::start(folder.path()).await.unwrap();
    postgres.create_database("a \"quoted\" name").await.unwrap();
    let error = postgres.create_database("a \"quoted\" name").await.unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
    let fresh = postgres.create_fresh_database().await.unwrap();
    assert_ne!(fresh, postgres.create_fresh_database().await.unwrap());
}
