//! What a program reads on a fax stands beside it, once, marked as a guess; and it can do nothing but read.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use umstieg::{
    document::{self, FaxLabels, FaxPage},
    model::{GreyPage, HintKind, Legibility, PageWord},
    phrases::{PagePhrase, PageWords, Phrase, QuotedName, ReadPhrase},
    sandbox::{PageReader, PageUnread, Sandbox},
};
use umstieg_world::client::SeenEvent;

use crate::{fax_stage::sample, phrases::sentence, stage::Stage};

/// Where the tests have it; `scripts/setup` installs it.
const TESSERACT: &str = "/usr/bin/tesseract";

/// The binary of the gateway.
const GATEWAY: &str = env!("CARGO_BIN_EXE_umstieg");

/// A letter as a practice writes it. The number of the doctor has a right check digit.
const LETTER: &str = "Hausarztpraxis Dr. Testmann\nWaldweg, Musterstadt\nTelefon: 030 23125040\n\
    LANR: 123456601\n\n\
    Betreff: Befund der Untersuchung\n\n\
    Sehr geehrte Frau Kollegin,\n\
    wir danken für die Überweisung. Die Lunge ist beidseits frei.\n\
    Bitte geben Sie Ramipril 5 mg am Morgen und kontrollieren Sie den Blutdruck.\n\n\
    Mit freundlichen Grüßen";

fn written(text: &str) -> Vec<u8> {
    let sheet =
        FaxPage { text: text.to_owned(), labels: FaxLabels::default(), ..FaxPage::default() };
    document::letter_pdf(&sheet).unwrap()
}

/// How a page is put onto the machine.
#[derive(Clone, Copy, PartialEq)]
enum Lies {
    Upright,
    UpsideDown,
}

/// A fax of these pages (shades of grey at 204 dots per inch), as a machine of so many rows per inch sends
/// it: a TIFF of black and white.
fn faxed(pages: &[&[u8]], rows_per_inch: u32, lies: Lies) -> Vec<u8> {
    let strips: Vec<(u32, Vec<u8>)> = pages
        .iter()
        .map(|pdf| strip(&document::scan(pdf, 1).unwrap(), rows_per_inch, lies))
        .collect();
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    let entries: u32 = 9;
    for (place, (rows, strip)) in strips.iter().enumerate() {
        let at = u32::try_from(file.len()).unwrap();
        let resolution = at + 2 + 12 * entries + 4;
        let data = resolution + 16;
        let bytes = u32::try_from(strip.len()).unwrap();
        let end = (data + bytes).next_multiple_of(2);
        file.extend(u16::try_from(entries).unwrap().to_le_bytes());
        for (tag, kind, number) in [
            (256_u16, 4_u16, 1728),
            (257, 4, *rows),
            (259, 4, 4),
            (262, 4, 0),
            (273, 4, data),
            (279, 4, bytes),
            (282, 5, resolution),
            (283, 5, resolution + 8),
            (296, 3, 2),
        ] {
            file.extend(tag.to_le_bytes());
            file.extend(kind.to_le_bytes());
            file.extend(1_u32.to_le_bytes());
            file.extend(number.to_le_bytes());
        }
        file.extend(if place + 1 == strips.len() { 0 } else { end }.to_le_bytes());
        for number in [204, 1, rows_per_inch, 1] {
            file.extend(number.to_le_bytes());
        }
        file.extend(strip);
        file.resize(end as usize, 0);
    }
    file
}

fn strip(pgm: &[u8], rows_per_inch: u32, lies: Lies) -> (u32, Vec<u8>) {
    let mut head = pgm.splitn(4, |byte| *byte == b'\n');
    let size = String::from_utf8(head.nth(1).unwrap().to_vec()).unwrap();
    let (width, height) = size.split_once(' ').unwrap();
    let (width, height): (usize, usize) = (width.parse().unwrap(), height.parse().unwrap());
    let shades = &pgm[pgm.len() - width * height..];
    let rows = u32::try_from(height).unwrap() * rows_per_inch / 204;
    let mut encoder = fax::encoder::Encoder::new(fax::VecWriter::new());
    for row in 0..rows as usize {
        let pixels = (0..1728).map(|column| {
            let at = (row * height / rows as usize, column);
            let (row, column) = match lies {
                Lies::Upright => at,
                Lies::UpsideDown => (height - 1 - at.0, 1727 - at.1),
            };
            let is_black = column < width && shades[row * width + column] < 140;
            if is_black { fax::Color::Black } else { fax::Color::White }
        });
        encoder.encode_line(pixels, 1728).unwrap();
    }
    (rows, encoder.finish().unwrap().finish())
}

fn grey(file: &[u8]) -> GreyPage {
    GreyPage::checked(document::scan(file, 1).unwrap()).unwrap()
}

fn text(words: &[PageWord]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// On both resolutions, and on a page that was put in upside down.
#[tokio::test]
async fn fax_10_words_are_read_on_coarse_fine_and_upside_down_pages() {
    let reader = PageReader::of(GATEWAY, TESSERACT);
    assert_eq!(reader.missing().await.unwrap(), [""; 0], "scripts/setup installs it");
    let page = written(LETTER);
    for (rows_per_inch, lies) in
        [(98, Lies::Upright), (196, Lies::Upright), (98, Lies::UpsideDown), (196, Lies::UpsideDown)]
    {
        let words = reader.words(&grey(&faxed(&[&page], rows_per_inch, lies))).await.unwrap();
        let read = text(&words);
        for word in ["Hausarztpraxis", "Überweisung.", "Ramipril", "123456601", "Grüßen"] {
            assert!(read.contains(word), "{word} at {rows_per_inch} rows in {read}");
        }
        assert!(
            words.iter().filter(|word| word.sure >= 80).count() * 10 > words.len() * 8,
            "{read}"
        );
    }
    let white =
        GreyPage { pgm: [b"P5\n1728 2386\n255\n".to_vec(), vec![255; 1728 * 2386]].concat() };
    assert_eq!(reader.words(&white).await.unwrap(), []);
    let dot = GreyPage::checked(b"P5\n1 1\n255\n\0".to_vec()).unwrap();
    assert!(matches!(reader.words(&dot).await, Ok(_) | Err(PageUnread::Broken)));
}

/// A page of a real fax, as HylaFAX received it.
#[tokio::test]
async fn fax_10_a_page_of_a_real_fax_is_read() {
    let reader = PageReader::of(GATEWAY, TESSERACT);
    for name in ["g4_standard_hylafax", "g4_fine_hylafax"] {
        let file = Bytes::from(sample(name));
        let sandbox = Sandbox::of(GATEWAY);
        let page = sandbox.scan(&file, 1).await.unwrap();
        let words = text(&reader.words(&page).await.unwrap());
        assert!(words.contains("Hausarztpraxis Testmann"), "{words}");
        assert_eq!(sandbox.codes(&file, 1).await.unwrap(), []);
    }
}

/// What takes the place of the reading program in a test: a script.
fn script(folder: &Path, lines: &str) -> PageReader {
    let (text, file) = (folder.join("script"), folder.join("tesseract"));
    fs::write(&text, format!("#!/bin/sh\n{lines}\n")).unwrap();
    // Another process writes what is executed: a child that another test starts meanwhile would inherit
    // a file of ours that is open for writing, and such a file cannot be executed.
    let mut copy = std::process::Command::new("install");
    assert!(copy.args(["-m", "755"]).args([&text, &file]).status().unwrap().success());
    PageReader::of(GATEWAY, file)
}

/// If a page takes the reading program over, it finds no environment, writes no file and starts nothing.
#[tokio::test]
async fn fax_10_the_reading_program_can_do_nothing_but_read_and_say() {
    let folder = tempfile::tempdir().unwrap();
    let stolen = folder.path().join("stolen");
    let row = "5\\t1\\t1\\t1\\t1\\t1\\t1\\t1\\t1\\t1\\t90\\t";
    let lines = format!(
        "printf '{row}home=%s\\n' \"$HOME\"\n\
         (echo x > {0}) 2>/dev/null\n\
         echo x > {0}\n\
         printf '{row}wrote\\n'\n\
         /bin/touch {0} && printf '{row}started\\n'\n\
         exit 0",
        stolen.display()
    );
    let page = GreyPage::checked(b"P5\n1 1\n255\n\0".to_vec()).unwrap();
    let read = script(folder.path(), &lines).words(&page).await;
    assert!(!stolen.exists(), "it wrote a file");
    if let Ok(words) = read {
        let words = text(&words);
        assert!(words.starts_with("home=") && !words.contains('/'), "{words}");
        assert!(!words.contains("started"), "{words}");
    }
}

/// A page that makes the program say too much, break, or say what is no table.
#[tokio::test]
async fn fax_10_what_the_reading_program_says_is_bounded_and_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let page = grey(&faxed(&[&written("Guten Tag")], 98, Lies::Upright));
    let broken = |read: Result<Vec<PageWord>, PageUnread>| matches!(read, Err(PageUnread::Broken));
    let endless =
        script(folder.path(), "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
    assert!(broken(endless.words(&page).await), "endless");
    let fails = script(folder.path(), "exit 3");
    assert!(broken(fails.words(&page).await), "fails");
    let babbles = script(folder.path(), "printf '<script>\\0\\n5\\t1\\n'");
    assert_eq!(babbles.words(&page).await.unwrap(), []);
    let nowhere = PageReader::of(GATEWAY, "/nowhere/tesseract");
    assert!(matches!(nowhere.words(&page).await, Err(PageUnread::NotStarted(_))));
}

/// FAX-14: one page is in memory at a time.
#[tokio::test]
async fn fax_14_a_page_that_is_too_large_is_not_read() {
    let sandbox = Sandbox::of(GATEWAY);
    let bomb = crate::sandbox::object_stream_bomb();
    assert!(sandbox.scan(&bomb, 1).await.is_err());
    assert!(sandbox.codes(&bomb, 1).await.is_err());
    let page = Bytes::from(written("Guten Tag"));
    assert!(sandbox.scan(&page, 2).await.is_err(), "there is no such page");
    assert!(sandbox.scan(&page, 1).await.is_ok(), "and the next one is read");
}

/// A stage on which faxes are read.
async fn reading_stage() -> Stage {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.edit_settings(&[("[channel.fax]\n", "[channel.fax]\nread_pages = true\n")]);
    stage.gateway.start().await.unwrap();
    stage
}

async fn receive(stage: &Stage, number: &str, file: &[u8]) {
    let mail = crate::fax_stage::fax(number, "Fax", &[("fax.tif", "image/tiff", file)]);
    stage.receive_fax(&mail).await;
}

fn said(phrase: ReadPhrase) -> String {
    sentence(&Phrase::OfReading(phrase))
}

/// The notices of a room that say what was read.
fn readings<'a>(seen: impl Iterator<Item = &'a SeenEvent>) -> Vec<SeenEvent> {
    let marks = said(ReadPhrase::Marks);
    seen.filter(|event| event.body().contains(&marks)).cloned().collect()
}

async fn reading(stage: &Stage) -> SeenEvent {
    stage
        .anna
        .wait_for("what was read", |seen| readings(seen.messages()).into_iter().next())
        .await
        .unwrap()
}

#[tokio::test]
async fn fax_10_what_a_fax_says_is_one_reply_with_every_figure_marked() {
    let stage = reading_stage().await;
    let (first, second) = (written(LETTER), written("Seite zwei mit einem Satz für die Akte."));
    receive(&stage, "030 5551001", &faxed(&[&first, &second], 98, Lies::Upright)).await;
    let reply = reading(&stage).await;
    let seen = stage.anna.seen();
    let answered =
        seen.messages().find(|event| Some(event.event_id()) == reply.reply_to()).unwrap();
    assert_eq!((answered.msgtype(), answered.body()), ("m.image", "Fax-Seite-1-von-2.png"));
    assert_eq!(reply.msgtype(), "m.notice");
    assert_eq!(reply.content["m.mentions"], serde_json::json!({}));
    let quoted = |text: &str| QuotedName(text.to_owned());
    let number = |kind, number| said(ReadPhrase::Number { kind, number: quoted(number) });
    for line in [
        said(ReadPhrase::Sender { text: quoted("Hausarztpraxis Dr. Testmann") }),
        said(ReadPhrase::Subject { text: quoted("Befund der Untersuchung") }),
        number(HintKind::Phone, "+493023125040"),
        number(HintKind::Lanr, "123456601"),
        said(ReadPhrase::Page { page: 2, text: PageWords(String::new()) }).trim_end().to_owned(),
        "Seite zwei mit einem".to_owned(),
        "Ramipril 5(?) mg am Morgen".to_owned(),
    ] {
        assert!(reply.body().contains(&line), "{line} in {}", reply.body());
    }
    let begins = said(ReadPhrase::Intro { legible: Legibility::Good, sure: 100 });
    let begins: String = begins.chars().take(60).collect();
    assert!(reply.body().starts_with(&begins), "{}", reply.body());
    let kept = "select string_agg(kind, ',' order by kind) from page_hints";
    stage.database_says(kept, "lanr,phone").await;
    stage.database_says("select state from page_readings", "said").await;
}

/// A page with nothing on it, and one that breaks what opens it: no word about either, and the next is read.
#[tokio::test]
async fn fax_10_a_fax_that_says_nothing_is_passed_over_and_holds_up_no_other() {
    let stage = reading_stage().await;
    receive(&stage, "030 5551002", &faxed(&[&written("")], 196, Lies::Upright)).await;
    let bomb = crate::sandbox::third_page_bomb();
    let mail = crate::fax_stage::fax("030 5551003", "Fax", &[("a.pdf", "application/pdf", &bomb)]);
    stage.receive_fax(&mail).await;
    receive(&stage, "030 5551004", &faxed(&[&written(LETTER)], 196, Lies::UpsideDown)).await;
    let states = "select string_agg(state, ',' order by letter_id) from page_readings";
    let is_read = || async { stage.query(states).await == "nothing,nothing,said" };
    // The page that breaks its child takes its time.
    stage.until_within(Duration::from_secs(180), "all are read", is_read).await;
    let reply = reading(&stage).await;
    assert!(reply.body().contains("Hausarztpraxis"), "{}", reply.body());
    assert_eq!(readings(stage.anna.seen().messages()).len(), 1);
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}

/// Promises 1 and 2: the gateway is killed while a fax waits to be read, while it is read, and once more its
/// database forgets that it was.
#[tokio::test]
async fn fax_10_a_fax_is_read_once_however_often_the_gateway_is_killed() {
    let mut stage = reading_stage().await;
    receive(&stage, "030 5551005", &faxed(&[&written(LETTER)], 98, Lies::Upright)).await;
    stage.database_says("select state from page_readings", "waiting").await;
    stage.gateway.kill();
    stage.gateway.start().await.unwrap();
    stage.database_says("select attempts > 0 from page_readings", "t").await;
    stage.gateway.kill();
    stage.gateway.start().await.unwrap();
    let reply = reading(&stage).await;
    stage.database_says("select state from page_readings", "said").await;
    stage.gateway.kill();
    let forget = "with kept as (delete from posts where txn_id like '%p999998')
         update page_readings set state = 'waiting', attempts = 0, ended_at = null returning 1";
    stage.query(forget).await;
    stage.gateway.start().await.unwrap();
    stage.database_says("select state from page_readings", "said").await;
    stage.database_says("select count(*) from posts where state <> 'sent'", "0").await;
    stage.last_is_seen_by(&stage.anna).await;
    let seen = stage.anna.seen();
    assert_eq!(readings(seen.messages_in(&reply.room_id)).len(), 1);
}

/// A fax that was deleted in its room, or that its channel does not want to be read any more.
#[tokio::test]
async fn fax_10_nothing_is_said_of_a_fax_that_was_deleted_or_is_not_wanted() {
    let mut stage = reading_stage().await;
    stage.gateway.kill();
    stage.edit_settings(&[("read_pages = true", "read_pages = false")]);
    stage.gateway.start().await.unwrap();
    receive(&stage, "030 5551006", &faxed(&[&written(LETTER)], 98, Lies::Upright)).await;
    let picture = stage
        .anna
        .wait_for("the picture", |seen| {
            seen.messages().find(|event| event.msgtype() == "m.image").cloned()
        })
        .await
        .unwrap();
    stage.database_says("select state from letters", "posted").await;
    assert_eq!(stage.query("select count(*) from page_readings").await, "0", "not switched on");
    stage.empower_anna(&picture.room_id).await;
    stage.anna.redact(&picture.room_id, picture.event_id()).await.unwrap();
    stage.database_says("select count(*) from room_acts join rooms using (room_id)", "1").await;
    // As if it had been switched on before the fax came.
    stage.query("insert into page_readings (letter_id) select id from letters returning 1").await;
    stage.database_says("select state from page_readings", "dropped").await;
    stage.gateway.kill();
    let again = "update page_readings set state = 'waiting', ended_at = null returning 1";
    stage.query(again).await;
    stage.edit_settings(&[("read_pages = false", "read_pages = true")]);
    stage.gateway.start().await.unwrap();
    stage.database_says("select state from page_readings", "dropped").await;
    assert_eq!(readings(stage.anna.seen().messages()).len(), 0);
}

/// HylaFAX's mail names nobody, and its TIFF does: the station id as a whole number, and the caller id without
/// its zero.
#[tokio::test]
async fn fax_10_the_document_of_a_real_fax_names_caller_and_line() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let set = "[channel.fax]\nnumber_in_document = \"missing\"\n";
    stage.edit_settings(&[("[channel.fax]\n", set)]);
    stage.gateway.start().await.unwrap();
    let file = sample("g4_standard_hylafax");
    receive(&stage, "", &file).await;
    let line = PagePhrase::Called { line: QuotedName("030222222".to_owned()) };
    stage.anna_sees(&sentence(&Phrase::OfPages(line))).await;
    let correspondents =
        "select string_agg(kind || key, ',') from correspondents where kind = 'fax'";
    stage.database_says(correspondents, "fax+4930111111").await;
    // What the mail names stays, whatever the document says.
    receive(&stage, "030 5551007", &file).await;
    let both = "select string_agg(key, ',' order by key) from correspondents where kind = 'fax'";
    stage.database_says(both, "+4930111111,+49305551007").await;
}
