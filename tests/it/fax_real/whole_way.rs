//! The whole way of a fax, with HylaFAX at both ends of the telephone line: said in a room, shown and confirmed,
//! printed, mailed, dialled, received, mailed, and read in another practice's room; and back comes HylaFAX's own
//! report. `make test-fax` runs these: they need root, since HylaFAX does, and take a minute.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use umstieg::{
    model::{FateWhy, WhyAsked},
    phrases::{FaxPhrase, HasText, Phrase, SendingPhrase},
};
use umstieg_world::{
    Client, Hydrogen, Hylafax, World,
    client::SeenEvent,
    gateway::PracticeChannel,
    hylafax::{DeadEnd, FaxLine, FaxMails},
    ports::Port,
};

use super::{one_page, unread};
use crate::{
    fax_door::{CALLER, FaxServer, RAW_PIPE, with_inbox},
    fax_paper::TEXT,
    phrases::{HANDED_TO_REPORTING_FAX, SOME_TIME, hears, is_shown, saying, told},
    stage::Stage,
};

/// The practice's number, and that of the laboratory, as one dials them within Germany without the 0.
const PRACTICE: &str = "3023125000";
const LABORATORY: &str = "3023125999";

/// A number that rings at the laboratory's line too, and whose connections break.
const DROPS: &str = "305550195";

/// Two practices with a fax line each, one gateway, and HylaFAX, whose second line is the laboratory's.
struct TwoPractices {
    stage: Stage,
    /// Of the practice.
    anna: Client,
    /// Of the laboratory.
    bea: Client,
    bea_name: String,
    hylafax: Hylafax,
    /// Where mail to fax numbers arrives.
    mail_to_fax: TcpListener,
    door: u16,
    _ports: [Port; 2],
}

impl TwoPractices {
    /// Fails where there is no HylaFAX, or no root: whoever asks for these tests wants them.
    async fn open(send: &str, numbers: &[DeadEnd<'_>]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let world = World::shared().await.unwrap();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let bea_name = format!("bea-{}-{number}", std::process::id());
        world.homeserver.register_user(&bea_name, "geheim").await.unwrap();
        let bea_id = world.homeserver.user_id(&bea_name);
        let address = format!("labor-{}-{number}@fax.example", std::process::id());
        let laboratory = PracticeChannel::fax("labor", &address, &[&bea_id]);
        let mut stage = Stage::encrypted_with("any-device", |mut channels| {
            channels.push(laboratory);
            channels
        })
        .await;
        let ports = [Port::reserve().unwrap(), Port::reserve().unwrap()];
        let [door, mail] = ports.each_ref().map(Port::number);
        let hylafax = hylafax(door, numbers).await.unwrap();
        let domain = format!("hylafax-{}.test", stage.tag);
        world.mail.add_door(&domain, mail).unwrap();
        settle(&stage, door, &domain, send);
        let anna_name = stage.anna_id.trim_start_matches('@').split(':').next().unwrap().to_owned();
        let login = async |name: &str| {
            Client::login_encrypted(&world.homeserver, name, "geheim").await.unwrap()
        };
        let (anna, bea) = (login(&anna_name).await, login(&bea_name).await);
        stage.gateway.start().await.unwrap();
        let mail_to_fax = TcpListener::bind(("127.0.0.1", mail)).await.unwrap();
        Self { stage, anna, bea, bea_name, hylafax, mail_to_fax, door, _ports: ports }
    }

    /// The practice has a room for a number: a fax came from there, some time.
    async fn room_for(&self, number: &str) -> String {
        let fax = RAW_PIPE
            .replace("faxlab.example", "fax.example")
            .replace("+49 30 111111", &format!("+49{number}"))
            .replace(CALLER, number);
        let mut server = FaxServer::connect(self.door).await.unwrap();
        let heard = server.deliver("fax-praxis@umstieg.internal", &fax).await;
        assert_eq!(heard, "250 2.0.0 Saved");
        let came = |seen: &umstieg_world::client::SeenTimeline| {
            let ghost = |event: &&SeenEvent| event.has_file() && event.sender.contains(number);
            seen.messages().find(ghost).map(|event| event.room_id.clone())
        };
        self.anna.wait_for("the first fax", came).await.unwrap()
    }

    /// Takes mails from Exim and hands them to HylaFAX, without end.
    async fn fax_mails(&self) {
        loop {
            let (stream, _) = self.mail_to_fax.accept().await.unwrap();
            // A connection that breaks is tried again by Exim.
            let _ = self.fax_mails_of(stream).await;
        }
    }

    /// LMTP (RFC 2033), as much as Exim needs: the recipient is the number, and the answer to a mail comes when
    /// HylaFAX has it.
    async fn fax_mails_of(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut peer = BufReader::new(stream);
        let (mut sender, mut numbers) = (String::new(), Vec::new());
        peer.get_mut().write_all(b"220 mail to fax\r\n").await?;
        loop {
            let mut line = String::new();
            if peer.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            let address = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "LHLO" => "250-mail to fax\r\n250 8BITMIME\r\n".to_owned(),
                "MAIL" => {
                    (sender, numbers) = (address, Vec::new());
                    "250 ok\r\n".to_owned()
                }
                "RCPT" => {
                    numbers.push(address.split('@').next().unwrap_or_default().to_owned());
                    "250 ok\r\n".to_owned()
                }
                "DATA" => {
                    peer.get_mut().write_all(b"354 go ahead\r\n").await?;
                    let mail = data(&mut peer).await?;
                    let mut answers = String::new();
                    for number in &numbers {
                        // HylaFAX takes every mail of these tests.
                        self.hylafax.take(&mail, number, &sender).await.unwrap();
                        answers.push_str("250 HylaFAX has it\r\n");
                    }
                    answers
                }
                "QUIT" => return Ok(()),
                _ => "250 ok\r\n".to_owned(),
            };
            peer.get_mut().write_all(answer.as_bytes()).await?;
        }
    }

    /// How often the practice was told that a fax was sent.
    fn was_told_sent(&self) -> usize {
        let seen = self.anna.seen();
        seen.messages().filter(|said| said.body().contains("Als Fax gesendet")).count()
    }

    /// What msmtp and HylaFAX could not do.
    fn has_no_complaints(&self) {
        assert_eq!(self.hylafax.spool().complaints(), "");
    }
}

/// A mail up to its dot, without the dots that were doubled.
async fn data(peer: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    loop {
        let mut line = Vec::new();
        if peer.read_until(b'\n', &mut line).await? == 0 || line == b".\r\n" {
            return Ok(mail);
        }
        mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

async fn hylafax(door: u16, numbers: &[DeadEnd<'_>]) -> umstieg_world::Result<Hylafax> {
    let mails = FaxMails {
        port: door,
        from: "hylafax@fax.example".to_owned(),
        send_to: "fax-$CALLID3@umstieg.internal".to_owned(),
        told: "fax-$CALLID3@umstieg.internal".to_owned(),
        file_type: "pdf".to_owned(),
        language: "de".to_owned(),
    };
    let lines = [
        FaxLine { number: PRACTICE, station: "+49 30 23125000" },
        FaxLine { number: LABORATORY, station: "+49 30 23125999" },
    ];
    Hylafax::start(&mails, &lines, numbers).await
}

/// Both fax channels are behind the door; the practice's faxes go to HylaFAX's domain.
fn settle(stage: &Stage, door: u16, domain: &str, send: &str) {
    let file = stage.gateway.settings_file();
    let settings = std::fs::read_to_string(&file).unwrap();
    let listener =
        format!("\n[listener]\nlisten = \"127.0.0.1:{door}\"\ntls = \"none\"\n\n[[channel]]");
    let settings = settings.replacen("\n[[channel]]", &listener, 1);
    let inbox = |recipients: &[&str]| {
        format!(
            "[channel.inbox]\nprotocol = \"smtp\"\nrecipients = {recipients:?}\n\
             peers = [\"127.0.0.1\"]\n"
        )
    };
    // Reports come to the channel's own address, with the tag behind it.
    let practice = inbox(&["fax-praxis@umstieg.internal", &stage.fax_line]);
    let numbers = [LABORATORY, DROPS].map(|number| format!("fax-0{number}@umstieg.internal"));
    let laboratory = inbox(&[&numbers[0], &numbers[1]]);
    let settings = with_inbox(&settings, "name = \"fax\"", &practice);
    let settings = with_inbox(&settings, "name = \"labor\"", &laboratory)
        .replace("profile = \"generic\"", "profile = \"hylafax\"")
        .replace("domain = \"fax.example\"", &format!("domain = {domain:?}"))
        .replace("send = \"on\"", &format!("send = {send:?}"));
    let (practice, laboratory) = settings.split_once("name = \"labor\"").unwrap();
    let laboratory = laboratory.replace(PRACTICE, LABORATORY);
    std::fs::write(&file, format!("{practice}name = \"labor\"{laboratory}")).unwrap();
}

fn sent(pages: u32) -> Phrase {
    Phrase::OfFax(FaxPhrase::Sent { at: SOME_TIME, pages: Some(pages) })
}

/// Issue and promise in one: what is said in one practice's room is read in the other's, every word of it, and the
/// room says "sent" when HylaFAX has said so.
#[tokio::test]
#[ignore = "whole HylaFAX, as root, half a minute: make test-fax"]
async fn fax_40_what_is_said_in_a_room_is_read_in_the_other_practices_room() {
    let practices = TwoPractices::open("confirm", &[]).await;
    let homeserver = &practices.stage.world.homeserver;
    let browser = Hydrogen::login(homeserver, &practices.bea_name, "geheim").await.unwrap();
    tokio::select! {
        () = practices.fax_mails() => {}
        () = said_and_read(&practices, &browser) => {}
    }
}

async fn said_and_read(practices: &TwoPractices, browser: &Hydrogen) {
    let TwoPractices { anna, bea, .. } = practices;
    let room = practices.room_for(LABORATORY).await;
    let said = anna.send_text(&room, TEXT).await.unwrap();
    let preview = SendingPhrase::Preview {
        number: "+49 30 23125999 (DE)".to_owned(),
        why: WhyAsked::Always,
        pages: 1,
        files: 0,
        text: HasText(true),
    };
    let preview = hears(anna, &Phrase::OfSending(preview)).await;
    assert_eq!(preview.reply_to(), Some(said.as_str()));
    anna.reply(&room, preview.event_id(), "!faxen").await.unwrap();
    let notice = told(anna, &said, &HANDED_TO_REPORTING_FAX).await;
    assert_eq!(practices.was_told_sent(), 0, "HylaFAX has not dialled yet");

    // The laboratory.
    let seen = hears(bea, &Phrase::OfPages(one_page())).await;
    assert_ne!(seen.room_id, room);
    let picture = |timeline: &umstieg_world::client::SeenTimeline| {
        timeline.messages().find(|event| event.msgtype() == "m.image").cloned()
    };
    let picture = bea.wait_for("a picture of the page", picture).await.unwrap();
    assert_eq!(
        (picture.room_id.as_str(), picture.body()),
        (seen.room_id.as_str(), "Fax-Seite-1-von-1.png")
    );
    assert!(picture.sender.contains(PRACTICE), "{}", picture.sender);
    let folder = tempfile::tempdir().unwrap();
    let png = bea.download(&picture).await.unwrap();
    assert_eq!(unread(&png, folder.path()), Vec::<&str>::new());
    let count = |kind: &str| bea.seen().messages().filter(|event| event.msgtype() == kind).count();
    assert_eq!((count("m.image"), count("m.file")), (1, 1), "one fax");

    // The practice, by HylaFAX's report.
    is_shown(anna, notice.event_id(), &sent(1)).await;
    let states = "select string_agg(state, ' ') from dispatches";
    assert_eq!(practices.stage.query(states).await, "delivered");
    assert_eq!(practices.stage.query("select count(*) from parked").await, "0");
    practices.has_no_complaints();

    browser.open_room(&seen.room_id).await.unwrap();
    browser.wait_for_text("Fax mit einer Seite").await.unwrap();
    browser.screenshot("fax-received").await.unwrap();
    browser.open_picture().await.unwrap();
    browser.screenshot("fax-received-opened").await.unwrap();
}

/// No fax machine takes these calls. Each room is told why, and none that anything was sent; where the line broke
/// in the middle of the page, the other practice is told of a call that brought nothing.
#[tokio::test]
#[ignore = "whole HylaFAX, as root, a minute: make test-fax"]
async fn fax_40_a_fax_that_no_machine_took_is_told_with_its_reason_and_never_as_sent() {
    const BUSY: &str = "305550191";
    const NO_ANSWER: &str = "305550192";
    const SILENT: &str = "305550193";
    const NO_DIAL_TONE: &str = "305550194";
    let numbers = [
        DeadEnd::Busy(BUSY),
        DeadEnd::NoAnswer(NO_ANSWER),
        DeadEnd::Silent(SILENT),
        DeadEnd::NoDialTone(NO_DIAL_TONE),
        // A page of text takes longer.
        DeadEnd::Drops(DROPS, 16_000),
    ];
    let practices = TwoPractices::open("on", &numbers).await;
    let fates = [
        (BUSY, FateWhy::Busy),
        (NO_ANSWER, FateWhy::NoAnswer),
        (SILENT, FateWhy::NoFax),
        (NO_DIAL_TONE, FateWhy::Line),
        (DROPS, FateWhy::Transmission),
    ];
    tokio::select! {
        () = practices.fax_mails() => {}
        () = said_in_vain(&practices, &fates) => {}
    }
}

async fn said_in_vain(practices: &TwoPractices, fates: &[(&str, FateWhy)]) {
    let TwoPractices { anna, bea, stage, .. } = practices;
    for (number, why) in fates {
        let room = practices.room_for(number).await;
        let said = anna.send_text(&room, TEXT).await.unwrap();
        told(anna, &said, &HANDED_TO_REPORTING_FAX).await;
        let not_sent = Phrase::OfFax(FaxPhrase::NotSent { at: SOME_TIME, why: *why });
        hears(anna, &not_sent).await;
        assert_eq!(saying(&anna.seen(), &not_sent).count(), 1, "{number}");
    }
    let reason = Some("T.30 T2 timeout, expected signal not received".to_owned());
    hears(bea, &Phrase::OfFax(FaxPhrase::Missed { number: None, reason })).await;
    assert_eq!(practices.was_told_sent(), 0);
    let states = "select string_agg(distinct state, ' ') from dispatches";
    assert_eq!(stage.query(states).await, "undelivered");
    let parked = "select count(*) from parked where reason <> 'undelivered'";
    assert_eq!(stage.query(parked).await, "0");
    practices.has_no_complaints();
}
