//! The door for fax servers in the house, with real Postgres and Synapse: what is delivered by SMTP and LMTP,
//! by whom, and what becomes of it when something dies.

mod attacks;
mod clients;
mod faults;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use umstieg::phrases::{NamePhrase, Phrase};
use umstieg_world::{Surroundings, ports::Port};

use crate::{phrases::sentence, stage::Stage};

/// A fax as HylaFAX hands it to `sendmail`: LF, no Date and no Message-ID (FAX-11).
pub(crate) const RAW_PIPE: &str = include_str!("../fax_door/hylafax_raw_pipe.eml");

/// The caller in it.
pub(crate) const CALLER: &str = "30111111";

/// The recipients of the fax channel behind a door.
const RECIPIENTS: [&str; 2] = ["fax-praxis@umstieg.internal", "FAX=+493023125000@umstieg.internal"];

/// A stage whose fax channel has no mailbox.
pub(crate) struct AtTheDoor {
    pub(crate) stage: Stage,
    pub(crate) port: u16,
    _reserved: Port,
}

impl AtTheDoor {
    /// The gateway is running; peers on loopback may deliver.
    pub(crate) async fn open() -> Self {
        let mut door = Self::before_start("tls = \"none\"", "peers = [\"127.0.0.1\"]").await;
        door.stage.gateway.start().await.unwrap();
        door
    }

    /// The same, in a world of the test's own.
    pub(crate) async fn open_in(world: &'static Surroundings) -> Self {
        let stage = Stage::in_world(world, |channels| channels).await;
        let mut door = Self::of(stage, "tls = \"none\"", "peers = [\"127.0.0.1\"]");
        door.stage.gateway.start().await.unwrap();
        door
    }

    /// `listener` and `inbox`: further lines of the two sections.
    pub(crate) async fn before_start(listener: &str, inbox: &str) -> Self {
        Self::of(Stage::before_start(|channels| channels).await, listener, inbox)
    }

    fn of(stage: Stage, listener: &str, inbox: &str) -> Self {
        let reserved = Port::reserve().unwrap();
        let port = reserved.number();
        let file = stage.gateway.settings_file();
        let settings = std::fs::read_to_string(&file).unwrap();
        let door = format!(
            "[channel.inbox]\nprotocol = \"smtp\"\nrecipients = [{:?}, {:?}]\n{inbox}\n",
            RECIPIENTS[0], RECIPIENTS[1]
        );
        let listener =
            format!("\n[listener]\nlisten = \"127.0.0.1:{port}\"\n{listener}\n\n[[channel]]");
        let settings = settings.replacen("\n[[channel]]", &listener, 1);
        std::fs::write(&file, with_inbox(&settings, "name = \"fax\"", &door)).unwrap();
        Self { stage, port, _reserved: reserved }
    }

    /// A connection that was greeted.
    pub(crate) async fn connect(&self) -> FaxServer {
        FaxServer::connect(self.port).await.unwrap()
    }

    /// How many letters there are of the fax channel.
    pub(crate) async fn letters(&self) -> String {
        self.stage.query("select count(*) from letters where channel = 'fax'").await
    }

    /// What the metric counts so far of this result.
    pub(crate) async fn counted(&self, result: &str) -> f64 {
        self.stage.gateway.metric(&format!("umstieg_deliveries_total{{result=\"{result}\"}}")).await
    }

    /// A fax of this time, so that it is no repeat of another one.
    pub(crate) fn fax(&self, time: &str) -> String {
        RAW_PIPE.replace("faxlab.example", "fax.example").replace("13:13:00", time)
    }
}

/// The settings with another inbox for the channel that has this line.
pub(crate) fn with_inbox(settings: &str, of: &str, inbox: &str) -> String {
    let (before, channel) = settings.split_once(of).unwrap();
    let (head, rest) = channel.split_once("[channel.inbox]").unwrap();
    let (_, after) = rest.split_once("[channel.outbox]").unwrap();
    format!("{before}{of}{head}{inbox}\n[channel.outbox]{after}")
}

/// A fax server by hand: what it says is what leaves.
pub(crate) struct FaxServer {
    io: BufReader<TcpStream>,
}

impl FaxServer {
    /// Nothing when the door does not greet with 220.
    pub(crate) async fn connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let mut server = Self { io: BufReader::new(stream) };
        server.heard().await.starts_with("220 ").then_some(server)
    }

    /// The last line of the next answer; empty when the door closed the connection.
    pub(crate) async fn heard(&mut self) -> String {
        loop {
            let mut line = String::new();
            match self.io.read_line(&mut line).await {
                Ok(1..) if line.chars().nth(3) == Some('-') => {}
                Ok(1..) => return line.trim_end().to_owned(),
                Ok(0) | Err(_) => return String::new(),
            }
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // The door may have closed the connection; then nothing is heard.
        let _ = self.io.get_mut().write_all(bytes).await;
    }

    pub(crate) async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.heard().await
    }

    /// Up to the mail, which may come now.
    pub(crate) async fn begin(&mut self, to: &str) {
        for line in ["EHLO hyla.praxis.internal", "MAIL FROM:<hylafax@fax.example>"] {
            let heard = self.say(line).await;
            assert!(heard.starts_with("250 "), "{line}: {heard}");
        }
        let heard = self.say(&format!("RCPT TO:<{to}>")).await;
        assert!(heard.starts_with("250 "), "{heard}");
        let heard = self.say("DATA").await;
        assert!(heard.starts_with("354 "), "{heard}");
    }

    /// A mail with its end, without waiting for the answer.
    pub(crate) async fn send_mail(&mut self, mail: &str) {
        let lines: Vec<String> = mail.lines().map(|line| format!("{line}\r\n")).collect();
        self.send(format!("{}.\r\n", lines.concat()).as_bytes()).await;
    }

    /// Delivers a mail; gives the last answer.
    pub(crate) async fn deliver(&mut self, to: &str, mail: &str) -> String {
        self.begin(to).await;
        self.send_mail(mail).await;
        self.heard().await
    }
}

#[tokio::test]
async fn fax_9_fax_11_fax_15_a_fax_without_a_mailbox_is_in_its_room() {
    let door = AtTheDoor::open().await;
    let heard =
        door.connect().await.deliver("Fax-Praxis+77@umstieg.internal", &door.fax("1")).await;
    assert_eq!(heard, "250 2.0.0 Saved");
    // 250 came after the commit.
    assert_eq!(door.letters().await, "1");
    let fax = door.stage.anna_sees("fax000000001.pdf").await;
    let ghosts = door.stage.members(&fax.room_id).await;
    assert!(ghosts.keys().any(|user| user.contains(CALLER)), "{ghosts:?}");
    // What the envelope said is kept, sealed.
    let store = door.stage.store().await;
    let id = door.stage.query("select id from letters where channel = 'fax'").await;
    let letter = umstieg::model::LetterId(id.parse().unwrap());
    let (envelope, let_in_by) = store.letter_envelope(letter).await.unwrap().unwrap();
    assert_eq!(envelope.sender, "hylafax@fax.example");
    assert_eq!(envelope.recipients, ["fax-praxis+77@umstieg.internal"]);
    assert_eq!(let_in_by, "address");
    let dump = door.stage.query("select letters::text from letters where channel = 'fax'").await;
    assert!(!dump.contains("hylafax@fax.example") && !dump.contains("umstieg.internal"), "{dump}");
    // KIM's mailbox is read as ever, and a T.37 server says the number.
    door.stage.lives_on().await;
    let to = "/FAX=+49-30-23125000/T33S=12/@umstieg.internal";
    assert_eq!(door.connect().await.deliver(to, &door.fax("2")).await, "250 2.0.0 Saved");
    door.stage.database_says("select count(*) from letters where channel = 'fax'", "2").await;
    let dialled = NamePhrase::Subaddress { subaddress: "12".to_owned() };
    door.stage.anna_sees(&sentence(&Phrase::OfName(dialled))).await;
    assert!(door.stage.gateway.metric("umstieg_letters_received_total").await >= 3.0);
}

#[tokio::test]
async fn fax_2_fax_15_a_server_that_did_not_hear_250_delivers_again_and_one_fax_is_in_the_room() {
    let door = AtTheDoor::open().await;
    let fax = door.fax("1");
    for _ in 0..3 {
        let heard = door.connect().await.deliver(RECIPIENTS[0], &fax).await;
        assert_eq!(heard, "250 2.0.0 Saved");
    }
    // Two at the same time as well.
    let other = door.fax("2");
    let mut servers = [door.connect().await, door.connect().await];
    for server in &mut servers {
        server.begin(RECIPIENTS[0]).await;
    }
    for server in &mut servers {
        server.send_mail(&other).await;
    }
    for server in &mut servers {
        assert_eq!(server.heard().await, "250 2.0.0 Saved");
    }
    assert_eq!(door.letters().await, "2");
    assert!(door.counted("repeat").await >= 3.0);
    // After the longest time for which a server tries, the same bytes are another mail.
    door.stage
        .query("update letters set received_at = received_at - interval '8 days' where channel = 'fax'")
        .await;
    assert_eq!(door.connect().await.deliver(RECIPIENTS[0], &fax).await, "250 2.0.0 Saved");
    assert_eq!(door.letters().await, "3");
}

#[tokio::test]
async fn fax_12_from_alone_is_never_enough_and_what_does_not_fit_is_parked() {
    let door = AtTheDoor::open().await;
    let foreign = door.fax("1").replace("hylafax@fax.example", "hylafax@anderswo.example");
    assert_eq!(door.connect().await.deliver(RECIPIENTS[0], &foreign).await, "250 2.0.0 Saved");
    let parked = "select reason from parked where channel = 'fax'";
    door.stage.database_says(parked, "sender_not_allowed").await;
    // A peer with the right From and the wrong address gets nothing in.
    let other = AtTheDoor::before_start("tls = \"none\"", "peers = [\"192.168.1.20\"]").await;
    let AtTheDoor { mut stage, port, _reserved } = other;
    stage.gateway.start().await.unwrap();
    let mut refused =
        FaxServer { io: BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap()) };
    assert!(refused.heard().await.starts_with("554 5.7.1 "));
    assert_eq!(refused.heard().await, "");
}

#[tokio::test]
async fn the_check_says_who_may_deliver_and_what_the_proof_is_worth() {
    let mut door = AtTheDoor::before_start("tls = \"none\"", "peers = [\"127.0.0.0/8\"]").await;
    let check = async |door: &AtTheDoor| {
        let output = door.stage.gateway.command(&["check"]).await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let table = check(&door).await;
    let address = format!("127.0.0.1:{}", door.port);
    assert!(table.contains(&format!("{address} can be opened; not encrypted")), "{table}");
    assert!(
        table.contains("may deliver: whoever has one of these addresses: 127.0.0.0/8"),
        "{table}"
    );
    assert!(table.contains("The sender (From) proves nothing"), "{table}");
    door.stage.gateway.start().await.unwrap();
    let table = check(&door).await;
    assert!(table.contains(&format!("{address} is open; not encrypted")), "{table}");
    // Another program on the port is no door of ours.
    door.stage.gateway.stop();
    let _other = std::net::TcpListener::bind(("127.0.0.1", door.port)).unwrap();
    let table = check(&door).await;
    assert!(table.contains("the port is in use, and not by Umstieg"), "{table}");
}
