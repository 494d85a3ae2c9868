//! The directory of KIM addresses, behind a real LDAP server: whom the gateway looks up, what follows from
//! it, and that nothing waits for it.

use std::time::{Duration, Instant};

use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinSet};

use umstieg::{model::WhyNotLarge, phrases::Phrase};
use umstieg_world::{
    Clientmodul, PracticeChannel, Vzd, VzdEntry,
    client::SeenEvent,
    clientmodul::{KimDelivery, RecipientState, ready_made},
};

use crate::{
    phrases::{HANDED_TO_KIM, told},
    stage::{Stage, kim_behind},
};

const CLINIC: &str = "klinik@nord_haus.kim.telematik";

const LIMIT_MIB: u64 = 15;

/// More than 15 MiB, but not as a mail would be refused for any other reason.
const LARGE_BYTES: usize = 13 * 1024 * 1024;

fn too_large(why: WhyNotLarge) -> Phrase {
    Phrase::LargeMailNotTaken { why, limit_mib: LIMIT_MIB }
}

/// A practice behind a Clientmodul, which asks the directory of these lines, with a letter in its room.
struct DirectoryStage {
    module: Clientmodul,
    stage: Stage,
    letter: SeenEvent,
}

impl DirectoryStage {
    async fn new(directory: &str) -> Self {
        let module = Clientmodul::start().await.unwrap();
        module.set_recipient(CLINIC, RecipientState::Usable);
        let behind = |channels: Vec<PracticeChannel>| {
            let mut channels = kim_behind(&module)(channels);
            channels[0].more_kim.push_str(directory);
            channels
        };
        let stage = Stage::with(behind).await;
        let mail = ready_made::chat(CLINIC, &stage.practice, "Befund", "a1@kim.local", "Guten Tag");
        module.deliver(&stage.practice, KimDelivery::sealed(&mail)).unwrap();
        let letter = stage.anna_sees("Guten Tag").await;
        Self { module, stage, letter }
    }

    /// Waits until the correspondent was looked up, with this outcome.
    async fn is_listed(&self, listed: bool) {
        let rows = "select string_agg(listed::text, ' ') from listings";
        self.stage.database_says(rows, &listed.to_string()).await;
    }

    /// Makes what is known older than a day.
    async fn a_day_passes(&self) {
        let older = "update listings set looked_up_at = looked_up_at - interval '25 hours'";
        // The fence refuses every writer but the newest gateway; a test is none.
        let sql = format!("set session_replication_role = replica; {older}");
        self.stage.query(&sql).await;
    }

    async fn says(&self, words: &str) -> String {
        self.stage.anna.send_text(&self.letter.room_id, words).await.unwrap()
    }

    async fn sends(&self, name: &str, bytes: usize) -> String {
        let (anna, room) = (&self.stage.anna, &self.letter.room_id);
        let content = vec![7; bytes];
        anna.send_file(room, name, "application/octet-stream", &content).await.unwrap()
    }

    async fn is_told(&self, event_id: &str, phrase: &Phrase) {
        told(&self.stage.anna, event_id, phrase).await;
    }

    fn accepted(&self) -> usize {
        self.module.journal().accepted().count()
    }

    async fn metric(&self, result: &str) -> f64 {
        let with = format!("result=\"{result}\"");
        let metrics = self.stage.gateway.metrics().await;
        metrics
            .lines()
            .filter(|line| {
                line.starts_with("umstieg_directory_lookups_total") && line.contains(&with)
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

#[tokio::test]
async fn kim_27_a_large_mail_leaves_only_where_the_entry_says_that_it_is_taken() {
    let mut vzd = Vzd::start(&[VzdEntry::of(CLINIC, "1.5")]).await.unwrap();
    let on = DirectoryStage::new(&vzd.settings()).await;
    on.is_listed(true).await;
    let refused = on.sends("MRT.bin", LARGE_BYTES).await;
    on.is_told(&refused, &too_large(WhyNotLarge::NotTaken)).await;
    assert_eq!(on.accepted(), 0, "told before anything is sent");
    // What fits leaves as ever.
    let small = on.says("Die Bilder sind zu groß").await;
    on.is_told(&small, &HANDED_TO_KIM).await;

    vzd.now_has(&[VzdEntry::of(CLINIC, "1.5+")]).await.unwrap();
    on.a_day_passes().await;
    let taken = on.sends("CT.bin", LARGE_BYTES).await;
    on.is_told(&taken, &HANDED_TO_KIM).await;
    let journal = on.module.journal();
    let sent = journal.accepted().last().unwrap();
    assert!(sent.bytes.len() > 15 * 1024 * 1024, "{}", sent.bytes.len());
    assert_eq!(vzd.searches(), 2, "once a day");
    assert_eq!(vzd.connections_at_once(), 1);
}

#[tokio::test]
async fn kim_27_where_the_directory_does_not_say_the_settings_do() {
    let mut vzd = Vzd::start(&[]).await.unwrap();
    let mut on = DirectoryStage::new(&vzd.settings()).await;
    let unlisted = on.sends("MRT.bin", LARGE_BYTES).await;
    on.is_told(&unlisted, &too_large(WhyNotLarge::NotListed)).await;
    vzd.kill();
    on.a_day_passes().await;
    let unknown = on.sends("CT.bin", LARGE_BYTES).await;
    on.is_told(&unknown, &too_large(WhyNotLarge::NotKnown)).await;
    assert_eq!(on.accepted(), 0);

    // The setting that lets large mails leave does so whatever the directory says.
    let always = |settings: String| {
        settings.replace("[channel.kim]\n", "[channel.kim]\nlarge_mails = true\n")
    };
    on.stage.restart_with(always).await;
    let taken = on.sends("Serie.bin", LARGE_BYTES).await;
    on.is_told(&taken, &HANDED_TO_KIM).await;
    assert_eq!(on.accepted(), 1);
}

#[tokio::test]
async fn kim_35_whom_the_gateway_talks_to_is_looked_up_once_a_day_and_nobody_else() {
    let other = VzdEntry::of("labor@nord_haus.kim.telematik", "1.5+");
    let mut vzd = Vzd::start(&[VzdEntry::of(CLINIC, "1.5+"), other.clone()]).await.unwrap();
    let on = DirectoryStage::new(&vzd.settings()).await;
    on.is_listed(true).await;
    assert_eq!(vzd.searches(), 1, "the letter of a new correspondent");
    let answer = on.says("Danke").await;
    on.is_told(&answer, &HANDED_TO_KIM).await;
    assert_eq!(vzd.searches(), 1, "what was looked up holds for a day");
    let kept = "select address, version, takes_large, telematik_id from listings";
    let expected = format!("{CLINIC}|1.5|t|5-SMC-B-Testkarte-1");
    assert_eq!(on.stage.query(kept).await, expected);

    // Whoever writes unencrypted may bear any name: nobody vouches for it, and it is not looked up.
    let (labor, words) = ("labor@nord_haus.kim.telematik", "Unverschlüsselt");
    let mail = ready_made::chat(labor, &on.stage.practice, "Befund", "a9@kim.local", words);
    on.module.deliver(&on.stage.practice, KimDelivery::plain(&mail)).unwrap();
    on.stage.anna_sees(words).await;

    // The entry vanishes: the next answer says so once, and leaves.
    vzd.now_has(&[other]).await.unwrap();
    on.a_day_passes().await;
    let next = on.says("Noch etwas").await;
    on.is_told(&next, &Phrase::AddressVanished).await;
    on.is_told(&next, &HANDED_TO_KIM).await;
    let later = on.says("Und noch etwas").await;
    on.is_told(&later, &HANDED_TO_KIM).await;
    assert_eq!(on.stage.anna_was_told(&Phrase::AddressVanished), 1);
    assert_eq!((on.accepted(), vzd.searches()), (3, 2));
    assert_eq!((on.metric("listed").await, on.metric("unlisted").await), (1.0, 1.0));
    // KIM-36: the log tells nothing of whom was asked about.
    let log = on.stage.gateway.log();
    assert!(!log.contains("nord_haus") && !log.contains("Testkarte"), "{log}");
}

/// A directory that takes connections, says these bytes on each, and then nothing.
struct SilentDirectory {
    port: u16,
    _tasks: JoinSet<()>,
}

impl SilentDirectory {
    async fn saying(bytes: &'static [u8], again: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut sessions = JoinSet::new();
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                sessions.spawn(async move {
                    while connection.write_all(bytes).await.is_ok() && again {}
                    std::future::pending::<()>().await;
                });
            }
        });
        Self { port, _tasks: tasks }
    }

    fn settings(&self) -> String {
        format!(
            "[channel.kim.directory]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
             timeout_seconds = 2\n",
            self.port
        )
    }
}

#[tokio::test]
async fn kim_35_nothing_waits_for_a_directory_that_hangs_or_talks_without_end() {
    // A bind's answer, and then entries that are none, without end.
    const BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
    const ENDLESS: &[u8] = b"\x30\x0c\x02\x01\x02\x73\x07\x04\x05ldap:\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
    // Nested more deeply than is read; the library would log what it met.
    const DEEP: &[u8] = b"\x30\x1a\x30\x18\x30\x16\x30\x14\x30\x12\x30\x10\x30\x0e\x30\x0c\x30\x0a\x30\x08\x30\x06\x30\x04\x30\x02\x30\x00";
    for (says, again) in [(b"".as_slice(), false), (BOUND, false), (ENDLESS, true), (DEEP, false)] {
        let directory = SilentDirectory::saying(says, again).await;
        let on = DirectoryStage::new(&directory.settings()).await;
        let begun = Instant::now();
        for words in ["Danke", "Noch etwas", "Und noch etwas"] {
            let answer = on.says(words).await;
            on.is_told(&answer, &HANDED_TO_KIM).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
        assert_eq!(on.accepted(), 3);
        assert!(on.metric("away").await >= 1.0);
        let log = on.stage.gateway.log();
        assert_eq!(log.matches("does not answer; letters and answers go on").count(), 1, "{log}");
        assert!(!log.contains("lber") && !log.contains("ldap3"), "{log}");
        assert_eq!(on.stage.query("select count(*) from listings").await, "0");
        // A letter of somebody new comes as ever.
        let mail = ready_made::chat(
            "labor@nord_haus.kim.telematik",
            &on.stage.practice,
            "Befund",
            "a2@kim.local",
            "Guten Abend",
        );
        on.module.deliver(&on.stage.practice, KimDelivery::sealed(&mail)).unwrap();
        on.stage.anna_sees("Guten Abend").await;
    }
}

#[tokio::test]
async fn kim_35_an_admin_asks_the_directory_and_sees_whether_it_answers() {
    let vzd = Vzd::start(&[VzdEntry::of(CLINIC, "1.5+")]).await.unwrap();
    let with_directory = |mut channels: Vec<PracticeChannel>| {
        channels[0].more_kim.push_str(&vzd.settings());
        channels
    };
    let stage = Stage::before_start(with_directory).await;
    let run = async |words: &[&str]| {
        let output = stage.gateway.command(words).await.unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), said.concat())
    };
    let (code, german) = run(&["--lang", "de", "kim", "lookup", &CLINIC.to_uppercase()]).await;
    assert_eq!(code, Some(0), "{german}");
    for row in
        ["steht darin", "1.5\n", "nimmt sie an", "5-SMC-B-Testkarte-1\n", "Praxis Dr. Testfall\n"]
    {
        assert!(german.contains(row), "{row} is missing in\n{german}");
    }
    let (code, english) = run(&["kim", "lookup", "niemand@nord_haus.kim.telematik"]).await;
    assert_eq!((code, english.contains("is not in it")), (Some(0), true), "{english}");
    let (code, other) = run(&["kim", "lookup", "klinik@nord_haus.kim.telematik-test"]).await;
    assert_eq!((code, other.contains("no channel")), (Some(1), true), "{other}");
    let (code, no_kim) = run(&["kim", "lookup", "klinik@nord.example"]).await;
    assert_eq!((code, no_kim.contains("KIM address")), (Some(1), true), "{no_kim}");
    let asked = vzd.searches();
    let (_, table) = run(&["--lang", "de", "check"]).await;
    let row = table.lines().find(|line| line.contains("KIM-Verzeichnis kim")).unwrap_or_default();
    assert!(row.contains("OK") && row.contains("antwortet"), "{table}");
    assert_eq!(vzd.searches(), asked + 1, "one search for the base");

    // Another base, another certificate.
    for (old, new, expected) in [
        ("[channel.kim.directory]\n", "[channel.kim.directory]\nbase_dn = \"dc=x\"\n", "base_dn"),
        ("pin_sha256 = [\"", "pin_sha256 = [\"00", "pin_sha256"),
    ] {
        let file = stage.gateway.settings_file();
        let (good, changed) =
            (std::fs::read_to_string(&file).unwrap(), file.with_extension("other"));
        let (before, section) = good.split_once("[channel.kim.directory]").unwrap();
        let section = format!("[channel.kim.directory]{section}");
        let mut section = section.replacen(old, new, 1);
        if expected == "pin_sha256" {
            // As long as a pin is.
            let end = section.find("\"]").unwrap();
            section.replace_range(end - 2..end, "");
        }
        std::fs::write(&changed, format!("{before}{section}")).unwrap();
        let path = changed.display().to_string();
        let (code, table) = run(&["--settings", &path, "check"]).await;
        assert_eq!(code, Some(1));
        let rows = table.lines().skip_while(|line| !line.contains("KIM directory kim"));
        let rows = rows.take(2).collect::<Vec<_>>().join("\n");
        assert!(rows.contains("FAILED") && rows.contains(expected), "{table}");
    }
}
