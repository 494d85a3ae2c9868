//! The story: a KIM mail and a fax arrive, are answered from the room, and the thread goes on.

use std::time::Duration;

use mail_parser::Message;
use serde_json::json;
use umstieg::document::{FaxLabels, FaxPage, letter_pdf};
use umstieg_world::{
    client::SeenEvent,
    mail::{FAX_GATEWAY, FAX_GATEWAY_PASSWORD},
};

use crate::{
    DemoError,
    evidence::expect,
    mail::{file_lines, first, first_to, pages, read, size, text_of},
    practice::{ERIK, PRACTICE_FAX, PRACTICE_KIM, Practice, write},
    tale::{Miss, Tale},
};

/// How long each step may take. All of them take a second or two; a busy machine takes longer.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);
/// Between two looks into a mailbox.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Sends the mails of the correspondents.
const MAIL_PROGRAM: &str = include_str!("send.py");

const KIM_SUBJECT: &str = "Entlassbrief Testpatient Max Beispiel";
const KIM_TEXT: &str = "\
Sehr geehrte Frau Kollegin Müller,

anbei der Entlassbrief. Bitte kontrollieren Sie in einer Woche das Kalium und
teilen Sie uns mit, ob Ramipril weitergeführt wird.

Mit freundlichen Grüßen
Dr. Erik Muster, Klinik Nord
";
const KIM_FILE: &str = "Entlassbrief.pdf";
const KIM_PAPER: &str = "\
Aufnahme 16.11.2026, Entlassung 23.11.2026.

Diagnosen: arterielle Hypertonie, Hypokaliämie.
Therapie: Ramipril 5 mg 1-0-0, Kaliumsubstitution.
Verlauf: komplikationslos. Kalium bei Entlassung 3,9 mmol/l.

Wir bitten um Kontrolle in einer Woche.
";
const KIM_ANSWER: &str = "Guten Tag Herr Dr. Muster, das Kalium ist bei 4,2 mmol/l, Ramipril geht weiter. \
                          Der Medikationsplan liegt bei.";
const KIM_ANSWER_FILE: &str = "Medikationsplan.pdf";
const KIM_ANSWER_PAPER: &str = "Ramipril 5 mg 1-0-0\nKalium: Substitution beendet am 23.11.2026";
const KIM_THANKS: &str = "Vielen Dank, damit ist der Fall bei uns abgeschlossen.\n";

const FAX_SUBJECT: &str = "Fax empfangen von 030 23125999";
const FAX_CALLER: &str = "+493023125999";
const FAX_RECIPIENT: &str = "03023125999@fax.example";
const FAX_TEXT: &str = "     Sender: 030 23125999\n     Seiten: 1\nAnrufe ID 1: 030 23125999\n";
const FAX_PICTURE: &str = "Fax-Seite-1-von-1.png";
const FAX_FILE: &str = "fax-0001.pdf";
const FAX_PAPER: &str = "\
Pflegedienst Abendstern

Wir bitten um eine Verordnung häuslicher Krankenpflege für
Max Beispiel, geboren am 01.01.1950 (Testpatient),
ab 01.12.2026: Blutdruckmessung einmal täglich.
";
const FAX_ANSWER: &str = "Die Verordnung ist ausgestellt, eine Kopie liegt bei. \
                          Sie können das Original ab heute abholen.";
const FAX_ANSWER_FILE: &str = "Verordnung.pdf";
const FAX_ANSWER_PAPER: &str =
    "Verordnung häuslicher Krankenpflege\nBlutdruckmessung, einmal täglich";

const DOUBTFUL_SUBJECT: &str = "Neue Bankverbindung";
const DOUBTFUL_TEXT: &str = "Bitte überweisen Sie ab heute auf unser neues Konto.";

/// Tells it; ends at the first step that was not seen.
pub(super) async fn tell(tale: &mut Tale, practice: &Practice) -> Result<(), DemoError> {
    let story = Story::prepare(practice).map_err(|miss| tale.missed("write the papers", miss))?;
    let letter = story.kim_mail_arrives(tale).await?;
    let answer = story.kim_mail_is_answered(tale, &letter).await?;
    story.kim_thread_goes_on(tale, &letter, &answer).await?;
    story.kim_does_not_vouch(tale).await?;
    let fax = story.fax_arrives(tale, &letter).await?;
    story.fax_is_answered(tale, &fax).await?;
    story.tray_says_what_waits(tale, &letter).await?;
    story.nobody_read_along(tale).await
}

pub(crate) struct Story<'a> {
    pub(crate) practice: &'a Practice,
    /// The papers, as the correspondents and Anna have them.
    kim_pdf: Vec<u8>,
    kim_answer_pdf: Vec<u8>,
    fax_pdf: Vec<u8>,
    fax_answer_pdf: Vec<u8>,
}

/// The hospital's letter, once Anna has seen it.
pub(crate) struct InRoom {
    /// As the hospital's mail program named it.
    message_id: String,
    pub(crate) event_id: String,
    pub(crate) room: String,
}

impl<'a> Story<'a> {
    fn prepare(practice: &'a Practice) -> Result<Self, Miss> {
        let story = Self {
            practice,
            kim_pdf: paper("Klinik Nord", "Entlassbrief", KIM_PAPER)?,
            kim_answer_pdf: paper("Praxis Müller", "Medikationsplan", KIM_ANSWER_PAPER)?,
            fax_pdf: paper("Pflegedienst Abendstern", "Bitte um Verordnung", FAX_PAPER)?,
            fax_answer_pdf: paper("Praxis Müller", "Verordnung", FAX_ANSWER_PAPER)?,
        };
        let folder = &practice.place.folder;
        write(folder, "send.py", MAIL_PROGRAM.as_bytes())?;
        write(folder, KIM_FILE, &story.kim_pdf)?;
        write(folder, FAX_FILE, &story.fax_pdf)?;
        Ok(story)
    }

    async fn kim_mail_arrives(&self, tale: &mut Tale) -> Result<InRoom, DemoError> {
        tale.heading("1. A hospital sends a KIM mail with a PDF")?;
        tale.say("  Dr. Muster writes in his mail program, to the practice's KIM address:\n")?;
        tale.quote(&format!(
            "From: Dr. Erik Muster <{ERIK}>\nTo: {PRACTICE_KIM}\nSubject: {KIM_SUBJECT}\n\n\
             {KIM_TEXT}\n[{KIM_FILE}, {}]",
            size(&self.kim_pdf)
        ))?;
        let (text, files) = (KIM_TEXT, [KIM_FILE]);
        let letter = self.kim("kim", KIM_SUBJECT, text, &files, json!({}));
        let message_id = tale.step("the hospital's mail program hands it to Exim", letter).await?;
        let sees = self.anna_sees_letter(KIM_SUBJECT, KIM_FILE);
        let (words, file) = tale.step("Anna sees it in a new room", sees).await?;
        self.quote_room(tale, &[&words, &file]).await?;
        let shown = [&words, &file];
        let trusted = self.is_trusted(&shown);
        tale.step("the room is encrypted, and her client shows no warning shield", trusted).await?;
        let held = self.held_encrypted(words.event_id());
        let held = tale.step("the homeserver holds none of his words", held).await?;
        tale.quote(&held)?;
        let same = self.is_the_file(&file, &self.kim_pdf);
        tale.step("the PDF in the room is the one he sent, byte for byte", same).await?;
        let lies = self.lies_encrypted(&file, &self.kim_pdf);
        tale.step("in the homeserver's media store it lies encrypted, and without its name", lies)
            .await?;
        let event_id = words.event_id().to_owned();
        Ok(InRoom { message_id, event_id, room: words.room_id })
    }

    /// Returns the Message-ID of the answer.
    async fn kim_mail_is_answered(
        &self,
        tale: &mut Tale,
        letter: &InRoom,
    ) -> Result<String, DemoError> {
        tale.heading("2. Anna answers in the room, with text and a file")?;
        let anna = &self.practice.anna;
        let said = tale
            .step("Anna writes, and attaches a PDF", async {
                let said = anna.reply(&letter.room, &letter.event_id, KIM_ANSWER).await?;
                let (name, pdf) = (KIM_ANSWER_FILE, &self.kim_answer_pdf);
                anna.send_file(&letter.room, name, "application/pdf", pdf).await?;
                Ok(said)
            })
            .await?;
        tale.quote(&format!(
            "anna: {KIM_ANSWER}\nanna: [{KIM_ANSWER_FILE}, {}]",
            size(&self.kim_answer_pdf)
        ))?;
        let held = self.held_encrypted(&said);
        tale.step("her words left her client encrypted", held).await?;
        let arrived = self.mail_in(ERIK, |_| true);
        let raw = tale.step("one mail arrives in the hospital's mailbox", arrived).await?;
        let read_by_bot = self.was_read_by_bot(&said);
        tale.step("the gateway has read her words with the key of its bot", read_by_bot).await?;
        let mail = read(&raw).map_err(|miss| tale.missed("read the mail", miss))?;
        self.quote_mail(tale, &mail)?;
        let id = tale
            .step("it answers his mail, with Anna's text and her PDF", async {
                expect("In-Reply-To", &letter.message_id, &first(mail.in_reply_to().as_text()))?;
                expect("References", &letter.message_id, &first(mail.references().as_text()))?;
                expect("the text", KIM_ANSWER, &text_of(&mail))?;
                let files: Vec<&[u8]> = mail.attachments().map(|part| part.contents()).collect();
                if files != [self.kim_answer_pdf.as_slice()] {
                    let names = file_lines(&mail);
                    return Err(Miss::new("one attachment, the PDF byte for byte", names));
                }
                Ok(first(mail.message_id()))
            })
            .await?;
        // The hospital's mail server has put it into the mailbox, and reported that.
        self.anna_is_told(tale, &said, "Zugestellt: ").await?;
        Ok(id)
    }

    async fn kim_thread_goes_on(
        &self,
        tale: &mut Tale,
        letter: &InRoom,
        answer: &str,
    ) -> Result<(), DemoError> {
        tale.heading("3. The hospital replies, and the reply comes into the same room")?;
        let subject = format!("AW: {KIM_SUBJECT}");
        let thread = json!({
            "In-Reply-To": format!("<{answer}>"),
            "References": format!("<{}> <{answer}>", letter.message_id),
        });
        let reply = self.kim("kim-reply", &subject, KIM_THANKS, &[], thread);
        tale.step("the hospital's mail program hands it to Exim", reply).await?;
        let words = tale.step("Anna sees it", self.anna_sees(KIM_THANKS)).await?;
        self.quote_room(tale, &[&words]).await?;
        tale.step("it is in the room of the first letter", async {
            expect("the room", &letter.room, &words.room_id)
        })
        .await
    }

    /// A letter whose signature does not hold waits until Anna has asked its sender, and releases it.
    async fn kim_does_not_vouch(&self, tale: &mut Tale) -> Result<(), DemoError> {
        tale.heading("4. A letter comes that KIM does not vouch for")?;
        let results = json!({
            "X-KOM-LE-Version": "1.5",
            "X-KIM-DecryptionResult": "00",
            "X-KIM-IntegrityCheckResult": "07",
        });
        let letter = self.kim("kim-doubtful", DOUBTFUL_SUBJECT, DOUBTFUL_TEXT, &[], results);
        tale.step("the Clientmodul delivers it, with its doubt in the head", letter).await?;
        let warning = tale.step("Anna is warned", self.anna_sees("!freigeben")).await?;
        self.quote_room(tale, &[&warning]).await?;
        let anna = &self.practice.anna;
        tale.step("of its words she sees none", async {
            let seen = anna.seen();
            match seen.message_with(DOUBTFUL_TEXT) {
                None => Ok(()),
                Some(_) => Err(Miss::new("no words before they are released", "the words")),
            }
        })
        .await?;
        tale.step("she asks the sender on another way, and releases it", async {
            anna.reply(&warning.room_id, warning.event_id(), "!freigeben").await?;
            Ok(())
        })
        .await?;
        let words = tale.step("the letter is shown", self.anna_sees(DOUBTFUL_TEXT)).await?;
        self.quote_room(tale, &[&words]).await
    }

    /// Returns the fax as Anna sees it.
    async fn fax_arrives(&self, tale: &mut Tale, letter: &InRoom) -> Result<SeenEvent, DemoError> {
        tale.heading("5. A nursing service sends a fax")?;
        tale.say(
            "  Its fax gateway, a HylaFAX, makes a mail of it that names the number that called:\n",
        )?;
        tale.quote(&format!(
            "From: {FAX_GATEWAY}\nTo: {PRACTICE_FAX}\nSubject: {FAX_SUBJECT}\n\n{FAX_TEXT}\n[{FAX_FILE}, {}]",
            size(&self.fax_pdf)
        ))?;
        let letter_of_gateway = json!({
            "from": format!("Fax-Gateway <{FAX_GATEWAY}>"),
            "to": PRACTICE_FAX,
            "subject": FAX_SUBJECT,
            "headers": {},
            "text": FAX_TEXT,
            "files": [FAX_FILE],
            "server": self.server(FAX_GATEWAY, FAX_GATEWAY_PASSWORD),
        });
        let sent = self.send("fax", &letter_of_gateway);
        tale.step("the fax gateway hands it to Exim as a mail", sent).await?;
        let file = tale.step("Anna sees it in a room of its own", self.anna_sees_file(FAX_FILE));
        let file = file.await?;
        let picture = tale.step("and its page as a picture", self.anna_sees_file(FAX_PICTURE));
        let picture = picture.await?;
        self.quote_room(tale, &[&picture, &file]).await?;
        tale.step(
            "it is the fax, from the caller's number, encrypted, not in the KIM room",
            async {
                expect("the sender", &format!("{FAX_CALLER} (Fax)"), &file.sender_name)?;
                self.is_the_file(&file, &self.fax_pdf).await?;
                self.is_trusted(&[&file]).await?;
                self.lies_encrypted(&file, &self.fax_pdf).await?;
                match file.room_id == letter.room {
                    true => Err(Miss::new("another room than that of the KIM letter", "the same")),
                    false => Ok(()),
                }
            },
        )
        .await?;
        Ok(file)
    }

    async fn fax_is_answered(&self, tale: &mut Tale, fax: &SeenEvent) -> Result<(), DemoError> {
        tale.heading("6. Anna answers the fax in the room, with text and a file")?;
        let anna = &self.practice.anna;
        let said = tale
            .step("Anna writes, and attaches a PDF", async {
                let said = anna.send_text(&fax.room_id, FAX_ANSWER).await?;
                let (name, pdf) = (FAX_ANSWER_FILE, &self.fax_answer_pdf);
                anna.send_file(&fax.room_id, name, "application/pdf", pdf).await?;
                Ok(said)
            })
            .await?;
        tale.quote(&format!(
            "anna: {FAX_ANSWER}\nanna: [{FAX_ANSWER_FILE}, {}]",
            size(&self.fax_answer_pdf)
        ))?;
        let arrived = self.mail_in(FAX_GATEWAY, |mail| first_to(mail) == FAX_RECIPIENT);
        let raw = tale.step("one mail arrives at the fax gateway, for the number", arrived).await?;
        let mail = read(&raw).map_err(|miss| tale.missed("read the mail", miss))?;
        self.quote_mail(tale, &mail)?;
        tale.step("it is one PDF: a sheet with Anna's text, then her page", async {
            let parts: Vec<&[u8]> = mail.attachments().map(|part| part.contents()).collect();
            let [pdf] = parts.as_slice() else {
                return Err(Miss::new("one attachment", file_lines(&mail)));
            };
            expect("the pages", "2", &pages(pdf))?;
            expect("words beside the PDF", "", &text_of(&mail))
        })
        .await?;
        self.anna_is_told(tale, &said, "übergeben um").await?;
        let tag = mail.header_raw("X-FAX-JobTag").unwrap_or_default().trim().to_owned();
        let report = json!({
            "from": format!("Fax-Gateway <{FAX_GATEWAY}>"),
            "to": PRACTICE_FAX,
            "subject": format!("Fax Auftrag {tag} (1) an 030 23125999 abgeschlossen"),
            "headers": {},
            "text": "Ihr Fax Auftrag wurde erfolgreich abgeschlossen.\n\n  Seiten: 2\n",
            "files": [],
            "server": self.server(FAX_GATEWAY, FAX_GATEWAY_PASSWORD),
        });
        let sent = self.send("fax-report", &report);
        tale.step("the fax gateway reports that it was sent, two pages", sent).await?;
        self.anna_is_told(tale, &said, "Als Fax gesendet").await
    }

    async fn nobody_read_along(&self, tale: &mut Tale) -> Result<(), DemoError> {
        tale.heading("9. Nobody read along")?;
        let anna = &self.practice.anna;
        let said = tale
            .step("everything that was said came encrypted, and nothing with a warning", async {
                let seen = anna.seen();
                if let Some(event) = seen.undecipherable().next() {
                    return Err(Miss::new("that Anna can read all of it", event));
                }
                let all: Vec<&SeenEvent> = seen.messages().collect();
                self.is_trusted(&all).await?;
                Ok(all.len())
            })
            .await?;
        tale.say(&format!("    {said} messages, each from a device its owner has signed\n"))?;
        let world = &self.practice.world;
        let markers = [KIM_SUBJECT, KIM_ANSWER, KIM_FILE, KIM_ANSWER_FILE, FAX_ANSWER];
        tale.step("Synapse's database has neither subject, words nor file names", async {
            for marker in markers {
                // Among all events, as they came; state and room names included.
                let sql = format!("select count(*) from event_json where json like '%{marker}%'");
                let count = world.postgres.query(&world.synapse.database, &sql).await?;
                expect(&format!("events with {marker:?}"), "0", &count)?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn quote_room(
        &self,
        tale: &Tale,
        events: &[&SeenEvent],
    ) -> Result<(), DemoError> {
        let rooms = self.practice.anna.rooms().await;
        let rooms = rooms.map_err(|error| tale.missed("look at the rooms", error.into()))?;
        let room_id = events.first().map(|event| event.room_id.as_str());
        let room = rooms.iter().find(|room| Some(room.room_id.as_str()) == room_id);
        let mut lines = format!("Room “{}”\n", room.map_or("", |room| &room.display_name));
        for event in events {
            let size = event.content.pointer("/info/size").and_then(serde_json::Value::as_u64);
            let body = match event.has_file() {
                true => format!("[{}, {} bytes]", event.body(), size.unwrap_or_default()),
                false => format!("\n  {}", event.body().trim_end().replace('\n', "\n  ")),
            };
            lines.push_str(&format!("{}: {body}\n", event.sender_name));
        }
        tale.quote(&lines)
    }

    pub(crate) fn quote_mail(&self, tale: &Tale, mail: &Message<'_>) -> Result<(), DemoError> {
        let mut lines = String::new();
        for name in ["From", "To", "Subject", "In-Reply-To"] {
            if let Some(value) = mail.header_raw(name) {
                let value = match name {
                    "Subject" => mail.subject().unwrap_or_default(),
                    _ => value.trim(),
                };
                lines.push_str(&format!("{name}: {value}\n"));
            }
        }
        for more in [text_of(mail), file_lines(mail)].iter().filter(|more| !more.is_empty()) {
            lines.push_str(&format!("\n{more}\n"));
        }
        tale.quote(&lines)
    }
}

/// A sheet of paper.
fn paper(sender: &str, subject: &str, text: &str) -> Result<Vec<u8>, Miss> {
    letter_pdf(&FaxPage {
        sender: sender.to_owned(),
        date: "23.11.2026".to_owned(),
        subject: subject.to_owned(),
        text: text.to_owned(),
        labels: FaxLabels {
            from: "Von".to_owned(),
            to: "An".to_owned(),
            date: "Datum".to_owned(),
            subject: "Betreff".to_owned(),
            page: "Seite".to_owned(),
        },
        ..FaxPage::default()
    })
    .map_err(|error| Miss::of("a PDF", &error))
}
