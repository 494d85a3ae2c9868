//! Real faxes: pages go through a call between two fax machines (T.30, in software), and HylaFAX's own scripts
//! make the mails that come to the door (FAX-40, FAX-41). None of it needs root or a telephone; where HylaFAX or
//! libspandsp are not installed, these tests say so and do nothing.
//!
//! `whole_way` has HylaFAX itself at both ends, and runs with `make test-fax`.

mod sheet;
mod whole_way;

use std::{io::Write as _, path::Path};

use bytes::Bytes;
use time::macros::datetime;
use umstieg::{
    document::{self, fax},
    model::{FateWhy, LetterId},
    phrases::{CameAt, FaxPhrase, PagePhrase, Phrase},
};
use umstieg_world::{
    Telephone, WorldError,
    client::SeenEvent,
    hylafax::{FaxMails, HylafaxSpool, ReceivedCall},
};

use crate::{
    fax_door::AtTheDoor,
    fax_paper::{self, TEXT, is_there},
    phrases::{HANDED_TO_REPORTING_FAX, SOME_TIME, is_shown, told},
    stage::Stage,
};

/// Who faxes to us, as it says itself and as the telephone network tells.
const STATION: &str = "+49 30 5550181";
const CALLER: &str = "0305550181";

/// Nothing where a part is missing: then a line on the terminal says what, whether or not the output of tests is
/// shown.
fn telephone() -> Option<Telephone> {
    let found = Telephone::find().map_err(|error| error.to_string());
    let found = found.and_then(|telephone| {
        let reading = ["pdftoppm", "pdfimages", "tesseract"];
        match reading.iter().find(|program| !is_there(program)) {
            Some(program) => Err(format!("{program} is missing: run scripts/setup")),
            None => Ok(telephone),
        }
    });
    found.map_err(|why| skipped(&why)).ok()
}

fn skipped(why: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "{name}: skipped, no real fax here: {why}");
}

/// A letter on paper, as the gateway prints it.
fn paper(text: &str) -> Vec<u8> {
    fax(Some(&fax_paper::sheet(text)), &[], 9, &mut |_| {}).unwrap().bytes
}

/// A practice with HylaFAX in the house, and a folder for what is faxed.
struct FaxedTo {
    door: AtTheDoor,
    spool: HylafaxSpool,
    telephone: Telephone,
    folder: tempfile::TempDir,
}

impl FaxedTo {
    /// Nothing where there are no real faxes.
    async fn open(language: &str) -> Option<Self> {
        let telephone = telephone()?;
        let mut door = AtTheDoor::before_start("tls = \"none\"", "peers = [\"127.0.0.1\"]").await;
        let folder = tempfile::tempdir().unwrap();
        let mails = FaxMails {
            port: door.port,
            from: "hylafax@fax.example".to_owned(),
            send_to: "fax-praxis+$CALLID3@umstieg.internal".to_owned(),
            told: "fax-praxis@umstieg.internal".to_owned(),
            file_type: "pdf".to_owned(),
            language: language.to_owned(),
        };
        let spool = match HylafaxSpool::make(&folder.path().join("spool"), &mails) {
            Err(error @ WorldError::NotSetUp { .. }) => {
                skipped(&error.to_string());
                return None;
            }
            spool => spool.unwrap(),
        };
        let own = door.stage.fax_line.clone();
        door.stage.edit_settings(&[
            ("profile = \"generic\"", "profile = \"hylafax\""),
            // Reports come to the channel's own address, with the tag behind it.
            ("FAX=+493023125000@umstieg.internal", &own),
        ]);
        door.stage.gateway.start().await.unwrap();
        Some(Self { door, spool, telephone, folder })
    }

    /// One call: the pages of a text go through T.30, then HylaFAX's script mails what came.
    async fn call(&self, options: &[&str], error: &str) {
        let (sent, came) =
            (self.folder.path().join("sent.tif"), self.folder.path().join("came.tif"));
        let pages = sheet::scanned(&paper(TEXT), self.folder.path());
        std::fs::write(&sent, sheet::tiff(&pages)).unwrap();
        let options = [&["--from", STATION], options].concat();
        let end = self.telephone.call(&options, &sent, &came).await.unwrap();
        assert_eq!(end.is_ok, error.is_empty(), "{}", end.told);
        let call = ReceivedCall {
            file: came.exists().then_some(&came),
            station: STATION,
            number: CALLER,
            dialled: "03023125000",
            error,
        };
        self.spool.receive(&call).await.unwrap();
    }

    /// Waits for what the pages are said to be; the messages of their room.
    async fn room_after(&self, phrases: &[PagePhrase]) -> Vec<SeenEvent> {
        let mut last = None;
        for phrase in phrases {
            last = Some(self.stage().anna_is_told(&Phrase::OfPages(phrase.clone())).await);
        }
        let room = last.unwrap().room_id;
        self.stage().anna.seen().messages_in(&room).cloned().collect()
    }

    /// FAX-35: whether a room was told what is for machines.
    fn saw_a_transcript(&self) -> bool {
        let seen = self.stage().anna.seen();
        seen.messages().any(|message| message.body().contains("SESSION BEGIN"))
    }

    fn stage(&self) -> &Stage {
        &self.door.stage
    }
}

/// One page came; when is not looked at.
fn one_page() -> PagePhrase {
    PagePhrase::Seen { pages: 1, at: CameAt(datetime!(2026-11-23 07:00:00 UTC)) }
}

/// The words of the text that are not read on a picture. For eyes: where pictures are kept when
/// `UMSTIEG_FAX_PAGES` names a folder.
fn unread(png: &[u8], folder: &Path) -> Vec<&'static str> {
    // At one size Tesseract takes an l for an I, at another one a comma for dirt. A word that it reads at either is
    // there.
    let mut read = String::new();
    for (name, bytes) in [("seen.png", png.to_vec()), ("seen.pgm", sheet::enlarged(png))] {
        let picture = folder.join(name);
        std::fs::write(&picture, bytes).unwrap();
        read.push_str(&fax_paper::read(&picture));
    }
    if let Ok(kept) = std::env::var("UMSTIEG_FAX_PAGES") {
        let test = std::thread::current().name().unwrap_or_default().replace("::", "-");
        std::fs::write(Path::new(&kept).join(format!("{test}.png")), png).unwrap();
    }
    TEXT.split_whitespace().filter(|word| !read.contains(word)).collect()
}

/// FAX-41: every dot that was sent is there again, in what our reader makes of the TIFF that came, with and
/// without error correction, and where the line crackles and the page is sent again.
#[tokio::test]
async fn fax_41_a_page_that_went_through_a_call_is_the_page_that_was_sent() {
    let Some(telephone) = telephone() else { return };
    let folder = tempfile::tempdir().unwrap();
    let longer = TEXT.repeat(6);
    let pages = sheet::scanned(&paper(&longer), folder.path());
    assert_eq!(pages.len(), 2);
    assert!(pages.iter().all(|page| page.black() > 20_000), "there is something on each page");
    let sent = folder.path().join("sent.tif");
    std::fs::write(&sent, sheet::tiff(&pages)).unwrap();
    for options in [&[][..], &["--no-ecm"], &["--noise", "16000", "400"]] {
        let folder = tempfile::tempdir().unwrap();
        let came = folder.path().join("came.tif");
        let end = telephone.call(options, &sent, &came).await.unwrap();
        assert!(end.is_ok, "{options:?}: {}", end.told);
        let file = std::fs::read(&came).unwrap();
        let sight = document::look(&file);
        assert_eq!((sight.pages, sight.is_cut, sight.damaged), (2, false, Vec::new()));
        let pdf = document::all_pages(&file).unwrap();
        assert!(sheet::taken_out(&pdf, folder.path()) == pages, "{options:?}: other dots");
    }
}

/// FAX-40: what was faxed is in its room: a picture that can be read, the document, who called, and which of our
/// numbers was dialled.
#[tokio::test]
async fn fax_40_a_page_that_was_faxed_is_in_its_room() {
    for language in ["en", "de"] {
        let Some(faxed) = FaxedTo::open(language).await else { return };
        faxed.call(&[], "").await;
        let events = faxed.room_after(&[one_page()]).await;
        let picture = events.iter().find(|event| event.msgtype() == "m.image").unwrap();
        assert_eq!(picture.body(), "Fax-Seite-1-von-1.png");
        let png = faxed.stage().anna.download(picture).await.unwrap();
        assert_eq!(unread(&png, faxed.folder.path()), Vec::<&str>::new());
        let file = events.iter().find(|event| event.msgtype() == "m.file").unwrap();
        assert_eq!(file.body(), "fax000000001.pdf");
        let pdf = faxed.stage().anna.download(file).await.unwrap();
        assert!(Bytes::from(pdf).starts_with(b"%PDF"));

        let ghosts = faxed.stage().members(&file.room_id).await;
        assert!(ghosts.keys().any(|user| user.contains("49305550181")), "{ghosts:?}");
        let id = faxed.stage().query("select id from letters where channel = 'fax'").await;
        let store = faxed.stage().store().await;
        let (envelope, _) =
            store.letter_envelope(LetterId(id.parse().unwrap())).await.unwrap().unwrap();
        assert_eq!(envelope.recipients, ["fax-praxis+03023125000@umstieg.internal"]);
        assert_eq!(faxed.stage().query("select count(*) from parked").await, "0");
    }
}

/// FAX-40, FAX-4: the line goes dead in the middle of a page. What had come is shown, and marked, with HylaFAX's
/// reason.
#[tokio::test]
async fn fax_40_a_fax_that_broke_off_is_shown_as_far_as_it_goes() {
    for language in ["en", "de"] {
        let Some(faxed) = FaxedTo::open(language).await else { return };
        let error = "RSPREC error/got DCN (sender abort)";
        faxed.call(&["--no-ecm", "--cut", "16500"], error).await;
        // The English mail has the transcript alone, and no sentence with the reason.
        let reason = (language == "de").then(|| error.to_owned());
        let incomplete = FaxPhrase::Incomplete { reason };
        faxed.stage().anna_is_told(&Phrase::OfFax(incomplete)).await;
        let events = faxed.room_after(&[one_page()]).await;
        let picture = events.iter().find(|event| event.msgtype() == "m.image").unwrap();
        let png = faxed.stage().anna.download(picture).await.unwrap();
        let missing = unread(&png, faxed.folder.path());
        assert!(!faxed.saw_a_transcript());
        assert!(!missing.contains(&"Überweisung") && missing.contains(&"Grüßen"), "{missing:?}");
    }
}

/// FAX-40, FAX-5: a call ends before the first page.
#[tokio::test]
async fn fax_40_a_call_that_brought_no_page_is_told_in_the_channels_room() {
    for language in ["en", "de"] {
        let Some(faxed) = FaxedTo::open(language).await else { return };
        let error = "No sender protocol (T.30 T1 timeout)";
        faxed.call(&["--cut", "4000"], error).await;
        let missed = FaxPhrase::Missed { number: None, reason: Some(error.to_owned()) };
        faxed.stage().anna_is_told(&Phrase::OfFax(missed)).await;
        assert_eq!(faxed.door.letters().await, "1");
        assert_eq!(faxed.stage().query("select count(*) from parked").await, "0");
        assert!(!faxed.stage().anna.seen().messages().any(SeenEvent::has_file));
        assert!(!faxed.saw_a_transcript());
    }
}

/// What HylaFAX's script `notify` reports of one of our faxes: not yet, not, and sent, each with the tag of its fax.
#[tokio::test]
async fn fax_40_what_hylafax_reports_of_a_fax_is_what_its_room_says() {
    for language in ["en", "de"] {
        let Some(faxed) = FaxedTo::open(language).await else { return };
        faxed.call(&[], "").await;
        let room = faxed.room_after(&[one_page()]).await.remove(0).room_id;
        let stage = faxed.stage();
        let busy = "Busy signal detected; too many attempts to dial";
        let jobs = [
            [("requeued", "Busy signal detected"), ("failed", busy)],
            [("requeued", "No answer from remote"), ("done", "")],
        ];
        for (number, jobs) in jobs.iter().enumerate() {
            let said = stage.anna.send_text(&room, "Bitte um Rückruf").await.unwrap();
            let notice = told(&stage.anna, &said, &HANDED_TO_REPORTING_FAX).await;
            let (to, tag) = own_mail(stage, number + 1).await;
            for (why, status) in jobs {
                let job = format!(
                    "external:{CALLER}\nnumber:{CALLER}\nmailaddr:{to}\njobtag:{tag}\njobid:7\n\
                     groupid:7\njobtype:facsimile\nnotify:when done+requeued\nsender:{to}\n\
                     npages:1\ntotpages:1\nstatus:{status}\nresolution:196\n"
                );
                faxed.spool.notify(&job, why).await.unwrap();
                let now = match *why {
                    "requeued" => FaxPhrase::TriesAgain { at: SOME_TIME },
                    "failed" => FaxPhrase::NotSent { at: SOME_TIME, why: FateWhy::Busy },
                    _ => FaxPhrase::Sent { at: SOME_TIME, pages: Some(1) },
                };
                is_shown(&stage.anna, notice.event_id(), &Phrase::OfFax(now)).await;
            }
        }
        let states = "select string_agg(state, ' ' order by id) from dispatches";
        assert_eq!(stage.query(states).await, "undelivered delivered");
        // What failed waits for a person, and nothing else.
        let parked = "select kind, reason from parked";
        assert_eq!(stage.query(parked).await, "dispatch|undelivered");
        assert!(!faxed.saw_a_transcript());
    }
}

/// Where reports of our latest fax go to, and its tag, as its mail to the gateway says; the gateway has got
/// `wanted` of ours.
async fn own_mail(stage: &Stage, wanted: usize) -> (String, String) {
    let own = async || {
        let mails = stage.mails("gateway@fax.example", 0).await;
        mails.into_iter().filter(|mail| mail.contains(&stage.fax_line)).collect::<Vec<_>>()
    };
    stage.until("the fax is at its gateway", async || own().await.len() == wanted).await;
    let mail = own().await.pop().unwrap();
    let field = |name: &str| {
        let line = mail.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    (field("X-FAX-MailAddr:"), field("X-FAX-JobTag:"))
}
