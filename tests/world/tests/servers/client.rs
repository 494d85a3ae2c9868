use umstieg_world::{Client, World, client::SeenEvent};

const PASSWORD: &str = "geheim";
const FILE: &[u8] = b"%PDF-1.7 not really";

/// Two people, logged in; the names are the test's own, since the world is shared.
async fn two(name: &str, encrypted: bool) -> (Client, Client) {
    let homeserver = &World::shared().await.unwrap().homeserver;
    let (anna, bert) = (format!("{name}-anna"), format!("{name}-bert"));
    for person in [&anna, &bert] {
        homeserver.register_user(person, PASSWORD).await.unwrap();
    }
    if encrypted {
        return (
            Client::login_encrypted(homeserver, &anna, PASSWORD).await.unwrap(),
            Client::login_encrypted(homeserver, &bert, PASSWORD).await.unwrap(),
        );
    }
    (
        Client::login(homeserver, &anna, PASSWORD).await.unwrap(),
        Client::login(homeserver, &bert, PASSWORD).await.unwrap(),
    )
}

/// Waits until a person has joined a room, as another sees it.
async fn joined(seen_by: &Client, room: &str, who: &str) {
    let is_join = |event: &&SeenEvent| {
        event.room_id == room
            && event.state_key.as_deref() == Some(who)
            && event.content["membership"] == "join"
    };
    let joined = seen_by.wait_for("the join", |seen| seen.events.iter().find(is_join).cloned());
    joined.await.unwrap();
}

#[tokio::test]
async fn two_people_exchange_text_replies_edits_files_and_redactions() {
    let (anna, bert) = two("exchange", false).await;
    let room = anna.create_room(&[&bert.user_id], false).await.unwrap();
    joined(&anna, &room, &bert.user_id).await;

    let hello = anna.send_text(&room, "hello").await.unwrap();
    let seen = bert.wait_for("hello", |seen| seen.message_with("hello").cloned()).await.unwrap();
    assert_eq!((seen.sender.as_str(), seen.event_id()), (anna.user_id.as_str(), hello.as_str()));
    assert_eq!((seen.msgtype(), seen.encrypted), ("m.text", false));

    bert.reply(&room, &hello, "hello yourself").await.unwrap();
    let reply = anna.wait_for("the reply", |seen| seen.message_with("yourself").cloned());
    assert_eq!(reply.await.unwrap().reply_to(), Some(hello.as_str()));

    anna.edit(&room, &hello, "good morning").await.unwrap();
    let edited = |shown: Option<&str>| (shown == Some("good morning")).then_some(());
    bert.wait_for("the edit", |seen| edited(seen.shown_body(&hello))).await.unwrap();

    bert.send_file(&room, "Befund ä.pdf", "application/pdf", FILE).await.unwrap();
    let file = anna.wait_for("the file", |seen| seen.messages().find(|it| it.has_file()).cloned());
    let file = file.await.unwrap();
    assert_eq!((file.msgtype(), file.body()), ("m.file", "Befund ä.pdf"));
    assert_eq!(anna.download(&file).await.unwrap(), FILE);

    anna.redact(&room, &hello).await.unwrap();
    bert.wait_for("the redaction", |seen| {
        let redacts = Some(hello.as_str());
        seen.events.iter().any(|event| event.redacts.as_deref() == redacts).then_some(())
    })
    .await
    .unwrap();

    let rooms = bert.rooms().await.unwrap();
    assert_eq!(rooms.len(), 1);
    assert_eq!((rooms[0].version.as_str(), rooms[0].members.len()), ("10", 2));
    bert.leave(&room).await.unwrap();
}

#[tokio::test]
async fn two_people_exchange_text_and_files_encrypted() {
    let (anna, bert) = two("encrypted", true).await;
    let room = anna.create_room(&[&bert.user_id], true).await.unwrap();
    joined(&anna, &room, &bert.user_id).await;

    anna.send_text(&room, "secret").await.unwrap();
    let seen = bert.wait_for("secret", |seen| seen.message_with("secret").cloned()).await.unwrap();
    assert!(seen.encrypted && !seen.undecipherable);
    anna.send_file(&room, "secret.pdf", "application/pdf", FILE).await.unwrap();
    let file = bert.wait_for("the file", |seen| seen.messages().find(|it| it.has_file()).cloned());
    let file = file.await.unwrap();
    assert!(file.content.get("url").is_none(), "{file}");
    assert_eq!(bert.download(&file).await.unwrap(), FILE);
}

#[tokio::test]
async fn an_invitation_waits_if_the_client_is_told_to_let_it_wait() {
    let (anna, bert) = two("waits", false).await;
    bert.accept_invitations(false).await.unwrap();
    let room = anna.create_room(&[&bert.user_id], false).await.unwrap();
    bert.wait_for("the invitation", |seen| {
        seen.events.iter().any(|event| event.content["membership"] == "invite").then_some(())
    })
    .await
    .unwrap();
    assert!(bert.rooms().await.unwrap().is_empty());
    bert.accept_invitations(true).await.unwrap();
    joined(&anna, &room, &bert.user_id).await;
}

#[tokio::test]
async fn what_is_not_seen_in_time_is_told_with_what_was() {
    let (anna, bert) = two("told", false).await;
    let room = anna.create_room(&[&bert.user_id], false).await.unwrap();
    joined(&anna, &room, &bert.user_id).await;
    anna.send_text(&room, "something else").await.unwrap();
    bert.wait_for("something", |seen| seen.message_with("something").cloned()).await.unwrap();

    let within = std::time::Duration::from_millis(50);
    let error = bert
        .wait_for_within(within, "a letter", |seen| seen.message_with("letter").cloned())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("in vain for a letter at @told-bert"), "{error}");
    assert!(error.contains("something else"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let homeserver = &World::shared().await.unwrap().homeserver;
    homeserver.register_user("wrong", PASSWORD).await.unwrap();
    let error = Client::login(homeserver, "wrong", "no").await.unwrap_err();
    assert!(error.to_string().contains("M_FORBIDDEN"), "{error}");
}
