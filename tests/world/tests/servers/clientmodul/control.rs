//! Orders from outside.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use umstieg_world::{Clientmodul, clientmodul::KimProtocol};

use super::plain_client::PlainClient;

struct Orders(BufReader<TcpStream>);

impl Orders {
    async fn give(&mut self, order: Value) -> Value {
        self.0.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn done(&mut self, order: Value) -> Value {
        let answer = self.give(order).await;
        answer.get("done").unwrap_or_else(|| panic!("{answer}")).clone()
    }
}

#[tokio::test]
async fn kim_38_everything_can_be_ordered_from_outside() {
    let module = Clientmodul::start().await.unwrap();
    let tcp = TcpStream::connect(("127.0.0.1", module.ports().control)).await.unwrap();
    let mut orders = Orders(BufReader::new(tcp));
    let address = "praxis@mueller.kim.telematik";
    let names = orders
        .done(json!({"account": {"address": address, "password": "geheim", "user_id": "13"}}))
        .await;
    assert_eq!(names["pop3"], format!("{address}#mail.mueller.kim.telematik:995#1#KOM_LE#7#13"));
    for kind in [
        "chat",
        "arztbrief",
        "sick_note",
        "billing",
        "insurance_proof",
        "receipt",
        "absence",
        "dsn",
        "not_sent",
    ] {
        let order =
            json!({"deliver": {"to": address, "kind": kind, "text": "Guten Tag", "subject": "x"}});
        assert!(orders.done(order).await.is_string(), "{kind}");
    }
    let uidls = orders.done(json!({"uidls": {"address": address}})).await;
    let uidl = uidls[0].as_str().unwrap();
    orders.done(json!({"vanish": {"address": address, "uidl": uidls[1]}})).await;
    orders.done(json!({"card": {"address": address, "state": "locked"}})).await;
    let all = orders
        .done(json!({"switches": {"dsn_offered": false, "names": {"port_delimiter": ";"}}}))
        .await;
    assert_eq!(
        (&all["dsn_offered"], &all["names"]["port_delimiter"]),
        (&json!(false), &json!(";"))
    );
    orders.done(json!({"mishap": {"at": "retr", "mishap": "hold"}})).await;

    let mut client = PlainClient::open(&module, KimProtocol::Pop3).await;
    assert_eq!(client.log_in(names["pop3"].as_str().unwrap(), "geheim").await, "-ERR");
    let name = module.user_name(KimProtocol::Pop3, address).unwrap();
    assert_eq!(client.log_in(&name, "geheim").await, "+OK");
    client.tells("RETR 1").await;
    module.until("RETR", |it| it.count(KimProtocol::Pop3, "RETR") == 1).await.unwrap();
    orders.done(json!("release")).await;
    assert_eq!(client.line().await, "+OK");
    assert!(client.lines().await.join("\n").contains("X-KIM-Fehlermeldung: 4009"));
    let journal = orders.done(json!("journal")).await;
    assert_eq!(journal["mails"][address][uidl]["unreadable"], 1);

    assert_eq!(orders.done(json!("rotate_certificate")).await["pin"], module.pin());
    for wrong in [
        json!("dance"),
        json!({"switches": {"x": 1}}),
        json!({"card": {"address": "nobody", "state": "locked"}}),
    ] {
        assert!(orders.give(wrong).await["refused"].is_string());
    }
}
