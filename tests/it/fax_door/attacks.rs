//! Peers that misbehave at the door: they get nothing in, and hold nobody else up.

use std::time::Duration;

use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::{AtTheDoor, FaxServer, RECIPIENTS};

/// A relay that passes bare LFs on cannot be used to bring a second mail in.
#[tokio::test]
async fn fax_12_a_second_mail_cannot_be_smuggled_in() {
    let door = AtTheDoor::open().await;
    for (number, end) in ["\n.\r\n", "\n.\n", "\r\n.\n", "\r.\r", "\n.\r"].into_iter().enumerate() {
        let mut server = door.connect().await;
        server.begin(RECIPIENTS[0]).await;
        let mail = format!(
            "From: hylafax@fax.example\r\nSubject: New fax from +4930{number}111111\r\n\r\n\
             Text{end}MAIL FROM:<boese@fax.example>\r\nRCPT TO:<{}>\r\nDATA\r\n\
             From: boese@fax.example\r\n\r\nBoese\r\n.\r\n",
            RECIPIENTS[0],
        );
        server.send(mail.as_bytes()).await;
        assert_eq!(server.heard().await, "250 2.0.0 Saved", "{end:?}");
        assert_eq!(server.say("NOOP").await, "250 2.0.0 OK", "{end:?}");
        assert_eq!(door.letters().await, (number + 1).to_string(), "{end:?}");
    }
    // A command that ends with a bare LF is none, and neither is one with a NUL.
    let mut server = door.connect().await;
    server.send(b"EHLO a\n").await;
    assert!(server.heard().await.starts_with("500 5.5.2 "));
    server.send(b"EHLO \0a\r\n").await;
    assert!(server.heard().await.starts_with("500 5.5.2 "));
    server.send(&[b"NOOP ".as_slice(), &[b'x'; 3_000], b"\r\n"].concat()).await;
    assert!(server.heard().await.starts_with("500 5.5.6 "));
    // Commands that come together are answered one by one.
    server.send(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<x@y>\r\nDATA\r\nQUIT\r\n").await;
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.push(server.heard().await.chars().take(3).collect::<String>());
    }
    assert_eq!(heard, ["250", "250", "550", "503", "221"]);
}

#[tokio::test]
async fn fax_14_an_endless_mail_ends_at_the_limit() {
    let mut door = AtTheDoor::before_start(
        "tls = \"none\"\nmail_bytes_max = 65536",
        "peers = [\"127.0.0.1\"]",
    )
    .await;
    door.stage.gateway.start().await.unwrap();
    let mut server = door.connect().await;
    server.say("EHLO a").await;
    let announced = server.say("MAIL FROM:<> SIZE=2147483648").await;
    assert!(announced.starts_with("552 5.3.4 "), "{announced}");
    let mut server = door.connect().await;
    server.begin(RECIPIENTS[0]).await;
    // Up to two gigabytes, without an end; the door hangs up long before.
    let chunk = vec![b'x'; 1024 * 1024];
    let mut sent = 0;
    let streaming = async {
        use tokio::io::AsyncWriteExt as _;
        while sent < 2_048 && server.io.get_mut().write_all(&chunk).await.is_ok() {
            sent += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), streaming).await.unwrap();
    assert!(sent < 64, "{sent} MiB");
    door.stage.until("it was counted", async || door.counted("too_large").await == 1.0).await;
    assert_eq!(door.letters().await, "0");
    door.stage.database_says("select count(*) from letter_pieces", "0").await;
    // A little too large: the peer is told, and goes on.
    let mut server = door.connect().await;
    let heard = server.deliver(RECIPIENTS[0], &"x".repeat(70_000)).await;
    assert!(heard.starts_with("552 5.3.4 "), "{heard}");
    assert!(server.say("NOOP").await.starts_with("250 "));
}

#[tokio::test]
async fn fax_12_a_thousand_connections_keep_neither_a_fax_nor_the_other_doors_out() {
    let door = AtTheDoor::open().await;
    let mut held = Vec::new();
    for _ in 0..1_000 {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", door.port)).await {
            held.push(stream);
        }
    }
    assert_eq!(held.len(), 1_000);
    // Half a command from some of those that are still there.
    for stream in &mut held {
        let _ = stream.try_write(b"EHL");
    }
    let heard = door.connect().await.deliver(RECIPIENTS[0], &door.fax("1")).await;
    assert_eq!(heard, "250 2.0.0 Saved");
    door.stage.until("it is ready", async || door.stage.gateway.is_ready().await).await;
    door.stage.lives_on().await;
    // Those that had to go were told so, or were never let in.
    let mut words = Vec::new();
    let first = held.first_mut().unwrap();
    tokio::time::timeout(Duration::from_secs(30), first.read_to_end(&mut words))
        .await
        .unwrap()
        .ok();
    assert!(String::from_utf8_lossy(&words).contains("421 4.7.0 "), "{words:?}");
    // Mails that are under way are not pushed out.
    let mut under_way = Vec::new();
    while let Some(mut server) = FaxServer::connect(door.port).await {
        server.say("EHLO a").await;
        if !server.say("MAIL FROM:<>").await.starts_with("250 ") {
            break;
        }
        under_way.push(server);
        assert!(under_way.len() <= 20);
    }
    assert_eq!(under_way.len(), 20);
    for server in &mut under_way {
        assert!(server.say("NOOP").await.starts_with("250 "));
    }
}
