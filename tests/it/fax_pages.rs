//! Pages of faxes in the room: pictures, a PDF, the files as they came, and a mark when something is missing.

use serde_json::json;
use time::macros::datetime;
use umstieg::{
    document,
    model::PageTrouble,
    phrases::{CameAt, PageNumbers, PagePhrase, Phrase, QuotedName},
};
use umstieg_world::{
    Client,
    client::SeenEvent,
    sandbox_child::{ChildAtWork, child_at_work},
};

use crate::{
    fax_stage::{fax, sample, tiff_of_one_strip},
    phrases::sentence,
    stage::Stage,
};

/// When the faxes of these tests came.
const CAME: CameAt = CameAt(datetime!(2026-11-23 07:00:00 UTC));

fn said(phrases: &[PagePhrase]) -> String {
    let all = phrases.iter().map(|phrase| sentence(&Phrase::OfPages(phrase.clone())));
    all.collect::<Vec<_>>().join("\n")
}

fn seen(pages: u64) -> PagePhrase {
    PagePhrase::Seen { pages, at: CAME }
}

/// The messages of a room up to the one with these words, as kind and body.
async fn told(client: &Client, words: &str) -> Vec<SeenEvent> {
    let wanted = words.to_owned();
    client
        .wait_for(&format!("{words:?}"), |seen| {
            let last = seen.messages().find(|event| event.body() == wanted)?.clone();
            Some(seen.messages_in(&last.room_id).cloned().collect::<Vec<_>>())
        })
        .await
        .unwrap()
}

fn kinds(events: &[SeenEvent]) -> Vec<(&str, &str)> {
    events.iter().map(|event| (event.msgtype(), event.body())).collect()
}

async fn encrypted_stage() -> (Stage, Client) {
    let mut stage = Stage::encrypted("any-device").await;
    let name = stage.anna_id.trim_start_matches('@').split(':').next().unwrap().to_owned();
    let anna = Client::login_encrypted(&stage.world.homeserver, &name, "geheim").await.unwrap();
    stage.gateway.start().await.unwrap();
    (stage, anna)
}

/// A TIFF of as many pages as this, all of one strip: 1728 times 2292 pixels of noise.
fn long_fax(pages: u32) -> Vec<u8> {
    let mut encoder = fax::encoder::Encoder::new(fax::VecWriter::new());
    let mut state = 1_u32;
    for _ in 0..2292 {
        let pixels = (0..1728_u16).map(|column| {
            if column % 27 == 0 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            }
            if state >> 31 == 1 { fax::Color::Black } else { fax::Color::White }
        });
        encoder.encode_line(pixels, 1728).unwrap();
    }
    let strip = encoder.finish().unwrap().finish();
    tiff_of_one_strip(pages, (1728, 2292), &strip)
}

/// FAX-14: one page is in memory at a time, however many a fax has. Pages that are read have a child of their own.
#[test]
fn fax_14_a_fax_of_fifty_pages_takes_less_than_64_mib_in_the_child() {
    let file = long_fax(50);
    let length = file.len();
    let shown = [
        json!({ "Look": { "file": [length] } }),
        json!({ "Picture": { "file": [length], "page": 50, "edge": 1754, "bytes_max": 9_000_000 } }),
        json!({ "AllPages": { "file": [length], "bytes_max": 50_000_000 } }),
    ];
    let read = [
        json!({ "Scan": { "file": [length], "page": 50, "bytes_max": 25_000_000 } }),
        json!({ "Codes": { "file": [length], "page": 50, "bytes_max": 300_000 } }),
    ];
    for tasks in [&shown[..], &read[..]] {
        let ChildAtWork { answers, peak_kib } =
            child_at_work(env!("CARGO_BIN_EXE_umstieg").as_ref(), tasks, &file).unwrap();
        assert!(peak_kib < 64 * 1024, "the child took {peak_kib} KiB");
        for answer in answers {
            assert!(answer["Seen"]["pages"] == 50 || answer["Made"]["bytes"].is_u64(), "{answer}");
        }
    }
}

/// In an encrypted room: a picture of the first page, one PDF of all, the TIFF as it came, and the words.
#[tokio::test]
async fn fax_17_fax_19_a_tiff_is_a_picture_a_pdf_and_the_file_as_it_came() {
    let (stage, anna) = encrypted_stage().await;
    let file = sample("g4_standard_hylafax");
    let mail = fax("030 5550001", "Pages: 2", &[("fax1.tif", "image/tiff", &file)]);
    stage.receive_fax(&mail).await;
    let events = told(&anna, &said(&[seen(2)])).await;
    let shown = [
        ("m.image", "Fax-Seite-1-von-2.png"),
        ("m.file", "Fax.pdf"),
        ("m.file", "fax1.tif"),
        ("m.notice", &said(&[seen(2)])),
    ];
    assert_eq!(kinds(&events)[1..5], shown);
    let picture = &events[1];
    let info = &picture.content["info"];
    assert_eq!((info["w"].as_u64(), info["h"].as_u64()), (Some(1271), Some(1754)));
    let png = anna.download(picture).await.unwrap();
    assert_eq!(info["size"].as_u64(), Some(png.len() as u64));
    assert_eq!(png, document::picture(&file, 1, 1754).unwrap());
    assert_eq!(anna.download(&events[2]).await.unwrap(), document::all_pages(&file).unwrap());
    assert_eq!(anna.download(&events[3]).await.unwrap(), file, "byte for byte");
    assert!(picture.content.get("url").is_none(), "encrypted like every file");
}

/// FAX-3: the same pages twice, and a small picture of the first one besides.
#[tokio::test]
async fn fax_3_pdf_tiff_and_thumbnail_are_one_fax_and_all_pages_are_shown_once() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.edit_settings(&[("[channel.fax]\n", "[channel.fax]\npictures = \"all\"\n")]);
    stage.gateway.start().await.unwrap();
    let file = sample("g4_fine_hylafax");
    let pdf = document::all_pages(&file).unwrap();
    let small = document::picture(&file, 1, 600).unwrap();
    let files: [(&str, &str, &[u8]); 3] = [
        ("fax.tif", "image/tiff", &file),
        ("seite1.png", "image/png", &small),
        ("fax.pdf", "application/octet-stream", &pdf),
    ];
    stage.receive_fax(&fax("030 5550002", "Seiten: 2", &files)).await;
    let events = told(&stage.anna, &said(&[seen(2)])).await;
    let shown = [
        ("m.image", "Fax-Seite-1-von-2.png"),
        ("m.image", "Fax-Seite-2-von-2.png"),
        ("m.file", "fax.tif"),
        ("m.file", "seite1.png"),
        ("m.file", "fax.pdf"),
        ("m.notice", &said(&[seen(2)])),
    ];
    assert_eq!(kinds(&events)[1..7], shown);
    assert_eq!(stage.anna.download(&events[5]).await.unwrap(), pdf, "byte for byte");
}

/// FAX-6, FAX-18: a file that was cut, from a gateway that says how many pages there were.
#[tokio::test]
async fn fax_6_fax_18_a_fax_that_is_not_whole_is_shown_and_marked() {
    let stage = Stage::new().await;
    let file = sample("big_endian_g4");
    let cut = &file[..file.len() * 19 / 20];
    let sight = document::look(cut);
    assert_eq!((sight.pages, sight.is_cut, sight.trouble), (1, true, None));
    stage.receive_fax(&fax("030 5550003", "Pages: 2", &[("fax.tif", "image/tiff", cut)])).await;
    let mut marks = vec![seen(1)];
    if !sight.damaged.is_empty() {
        marks.push(PagePhrase::Damaged { pages: PageNumbers(sight.damaged) });
    }
    marks.extend([PagePhrase::Cut, PagePhrase::PagesDiffer { declared: 2, pages: 1 }]);
    let events = told(&stage.anna, &said(&marks)).await;
    assert_eq!(kinds(&events)[1], ("m.image", "Fax-Seite-1-von-1.png"));
    assert_eq!(stage.anna.download(&events[3]).await.unwrap(), cut, "as it came");
}

/// FAX-12, FAX-13, FAX-20, FAX-21: what is no page is held back or offered, with a sentence, and the next fax
/// comes.
#[tokio::test]
async fn fax_12_fax_13_fax_20_fax_21_other_files_are_held_back_or_offered_with_a_sentence() {
    let stage = Stage::new().await;
    let office = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 Rechnung".as_slice();
    let files: [(&str, &str, &[u8]); 3] = [
        ("fax.pdf", "application/pdf", office),
        ("fax.ps", "application/postscript", b"%!PS-Adobe-3.0\nshowpage\n"),
        ("zwei.pdf", "application/pdf", b"%PDF-1.4\nsonst nichts"),
    ];
    stage.receive_fax(&fax("030 5550004", "Sie haben ein Fax", &files)).await;
    let quoted = |name: &str| QuotedName(name.to_owned());
    let marks = said(&[
        PagePhrase::Foreign { file: quoted("fax.pdf") },
        PagePhrase::PostScript { file: quoted("fax.ps") },
        PagePhrase::NotShown { file: quoted("zwei.pdf"), trouble: PageTrouble::Unreadable },
    ]);
    let events = told(&stage.anna, &marks).await;
    assert_eq!(kinds(&events)[1..3], [("m.file", "fax.ps"), ("m.file", "zwei.pdf")]);
    stage.database_says("select stays from letters", "t").await;
    stage
        .receive_fax(&fax("030 5550005", "Pages: 2", &[("a.tif", "image/tiff", &sample("mh"))]))
        .await;
    told(&stage.anna, &said(&[seen(2)])).await;
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}

/// FAX-14: a file that breaks every process it is opened in is offered as it came, and holds up no other.
#[tokio::test]
async fn fax_14_a_bomb_is_a_file_with_a_sentence_and_the_next_fax_comes() {
    let stage = Stage::new().await;
    let bomb = crate::sandbox::object_stream_bomb();
    let files: [(&str, &str, &[u8]); 1] = [("fax.pdf", "application/pdf", &bomb)];
    stage.receive_fax(&fax("030 5550006", "Fax", &files)).await;
    let file = || QuotedName("fax.pdf".to_owned());
    let broken = said(&[PagePhrase::Broken { file: file() }]);
    let unread = said(&[PagePhrase::NotShown { file: file(), trouble: PageTrouble::Unreadable }]);
    let told_of = stage
        .anna
        .wait_for("what became of it", |seen| {
            let is_it = |body: &str| body == broken || body == unread;
            seen.messages().find(|event| is_it(event.body())).cloned()
        })
        .await
        .unwrap();
    let events: Vec<SeenEvent> = stage.anna.seen().messages_in(&told_of.room_id).cloned().collect();
    assert_eq!(kinds(&events)[1], ("m.file", "fax.pdf"));
    assert_eq!(stage.anna.download(&events[1]).await.unwrap(), bomb.as_ref());
    stage
        .receive_fax(&fax("030 5550007", "Pages: 2", &[("a.tif", "image/tiff", &sample("mh"))]))
        .await;
    told(&stage.anna, &said(&[seen(2)])).await;
}

/// FAX-14: the child ends at the third page. The others are shown, and the file is there.
#[tokio::test]
async fn fax_14_a_page_that_breaks_the_child_leaves_the_others() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.edit_settings(&[("[channel.fax]\n", "[channel.fax]\npictures = \"all\"\n")]);
    stage.gateway.start().await.unwrap();
    let bomb = crate::sandbox::third_page_bomb();
    stage.receive_fax(&fax("030 5550009", "Fax", &[("a.pdf", "application/pdf", &bomb)])).await;
    let without = PagePhrase::NoPicture { pages: PageNumbers(vec![3]) };
    let words = said(&[seen(3), without]);
    let events = told(&stage.anna, &words).await;
    let shown = [
        ("m.image", "Fax-Seite-1-von-3.png"),
        ("m.image", "Fax-Seite-2-von-3.png"),
        ("m.file", "a.pdf"),
        ("m.notice", &words),
    ];
    assert_eq!(kinds(&events)[1..5], shown);
}

/// Promises 1 and 2: the gateway is killed while the posts of a fax are said, and once more its database
/// forgets that they were.
#[tokio::test]
async fn fax_19_pages_are_said_once_however_often_the_gateway_is_killed() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.edit_settings(&[("[channel.fax]\n", "[channel.fax]\npictures = \"all\"\n")]);
    stage.gateway.start().await.unwrap();
    let file = sample("g4_fine_hylafax");
    let words = "Pages: 2";
    stage.receive_fax(&fax("030 5550008", words, &[("fax.tif", "image/tiff", &file)])).await;
    stage
        .anna
        .wait_for("the first picture", |seen| {
            seen.messages().find(|event| event.msgtype() == "m.image").cloned()
        })
        .await
        .unwrap();
    stage.gateway.kill();
    stage.gateway.start().await.unwrap();
    let whole = said(&[seen(2)]);
    let room = told(&stage.anna, &whole).await[0].room_id.clone();
    stage.database_says("select state from letters", "posted").await;

    stage.gateway.kill();
    stage
        .query(
            "update posts set state = 'pending', event_id = null, sent_at = null, echoed_at = null,
                 media = null where made is not null returning id",
        )
        .await;
    stage.gateway.start().await.unwrap();
    stage.database_says("select count(*) from posts where state <> 'sent'", "0").await;
    stage.last_is_seen_by(&stage.anna).await;
    let seen = stage.anna.seen();
    let bodies: Vec<&str> = seen.messages_in(&room).map(SeenEvent::body).collect();
    for once in ["Fax-Seite-1-von-2.png", "Fax-Seite-2-von-2.png", "Fax.pdf", "fax.tif", &whole] {
        assert_eq!(bodies.iter().filter(|body| **body == once).count(), 1, "{once} in {bodies:?}");
    }
}
