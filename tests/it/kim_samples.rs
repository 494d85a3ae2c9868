//! What the rooms show of each sample of a KIM mail, at every station from the sender's mail program to
//! the recipient's (`tests/kim_samples/README.md`).
//!
//! A sample lies in two mailboxes behind a Clientmodul, which hands it out just as it stands: one that
//! the practice's software reads, too, and one that the gateway alone reads, and in which it deletes what
//! it has shown. Beside each sample stands its golden room, which a person reads as Anna does at the
//! front desk. `UMSTIEG_GOLDEN=write` writes them again.

mod seen;

use std::{
    fs,
    path::{Path, PathBuf},
};

use umstieg_world::{
    Clientmodul, PracticeChannel,
    clientmodul::{
        CmJournal, DsnForm, KimDelivery, KimProtocol, RecipientState, Submission, ready_made,
    },
};

use crate::{
    golden,
    stage::{Stage, message_id},
};

/// Who gets an answer of ours before the sample comes, and only then: the samples of reports.
const ANSWERED: [(&str, &str); 10] = [
    ("mdn_processed_by_a_program", "portal@kv-nord.kim.telematik"),
    ("s6_delivered", "eins@hausarzt-sued.kim.telematik"),
    ("s6_delivered_but_not_to_us", "zwei@hausarzt-sued.kim.telematik"),
    ("s7_not_sent_in_words_only", "drei@hausarzt-sued.kim.telematik"),
    ("s7_not_sent_to_all", "vier@hausarzt-sued.kim.telematik"),
    ("s8_absent", "fuenf@hausarzt-sued.kim.telematik"),
    ("s8_absent_marked", "sechs@hausarzt-sued.kim.telematik"),
    ("s8_absent_marked_and_naming_our_answer", "sieben@hausarzt-sued.kim.telematik"),
    ("s8_absent_naming_our_answer", "acht@hausarzt-sued.kim.telematik"),
    ("s8_absent_naming_the_answer_of_another", "neun@hausarzt-sued.kim.telematik"),
];

/// A mailbox looks again before the next one is said to be left in it.
const LOOKS: usize = 3;

/// No larger mail is fetched.
const MAIL_BYTES_MAX: usize = 1024 * 1024;

/// The two mailboxes, and who looks at their rooms.
struct Samples {
    module: Clientmodul,
    stage: Stage,
    mailboxes: [SampleMailbox; 2],
}

/// One of the two.
#[derive(Clone, Debug)]
struct SampleMailbox {
    channel: &'static str,
    address: String,
    /// As the golden rooms call it.
    said: &'static str,
}

/// A sample that came: what the rooms showed of it, and under which names it lies in the mailboxes.
struct ShownSample {
    name: String,
    rooms: Vec<String>,
    uidls: Vec<String>,
}

#[tokio::test]
async fn kim_13_15_18_29_every_sample_of_a_kim_mail_gives_its_golden_room() {
    let samples = Samples::begin().await;
    let mut shown = Vec::new();
    for name in names() {
        shown.push(samples.comes(&name).await);
    }
    let handed_over = samples.what_we_hand_over().await;
    samples.mailboxes_rest().await;
    let journal = samples.module.journal();
    let rooms = shown.iter().map(|sample| {
        let path = folder().join(format!("{}.room.txt", sample.name));
        (sample.name.clone(), path, samples.written(sample, &journal))
    });
    let own = "1_1_what_we_hand_over";
    let own = (own.to_owned(), folder().join(format!("{own}.txt")), handed_over);
    golden::as_golden_files_say(rooms.chain([own]));
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kim_samples")
}

/// The lines of a file with which a mail is too large.
fn filler() -> String {
    format!("{}\n", "QWxsZXMgaW4gT3JkbnVuZy4u".repeat(3)).repeat(MAIL_BYTES_MAX / 72)
}

/// The names of all samples, in their order.
fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = files
        .filter_map(|file| file.into_string().unwrap().strip_suffix(".eml").map(str::to_owned))
        .filter(|name| !name.ends_with(".top"))
        .collect();
    names.sort();
    names
}

impl Samples {
    async fn begin() -> Self {
        let module = Clientmodul::start().await.unwrap();
        // The only reports are those of the samples.
        module.switch(|it| it.dsn_form = DsnForm::Never);
        for (_, partner) in ANSWERED {
            module.set_recipient(partner, RecipientState::Usable);
        }
        let mut own = String::new();
        let stage = Stage::with(|channels: Vec<PracticeChannel>| {
            let shared = channels.into_iter().next().unwrap();
            own = shared.address.replacen("praxis-", "labor-", 1);
            let team: Vec<&str> = shared.team.iter().map(String::as_str).collect();
            let mut owned = PracticeChannel::kim("labor", &own, &team);
            owned.more_inbox = "after_relay = \"delete\"\n".to_owned();
            let behind = |(mut channel, mailbox): (PracticeChannel, &str)| {
                channel.collect_seconds = 0;
                channel.more_inbox.push_str(&format!("mail_bytes_max = {MAIL_BYTES_MAX}\n"));
                channel.more_kim = format!(
                    "mailbox = {mailbox:?}\nsupport = \"support@hersteller.example\"\n\
                     user_agent = \"Umstieg-Test/1\"\n"
                );
                channel.behind(&module).unwrap()
            };
            [(shared, "shared"), (owned, "owned")].map(behind).into()
        })
        .await;
        let mailboxes = [
            SampleMailbox {
                channel: "kim",
                address: stage.practice.clone(),
                said: "a mailbox that the practice's software reads, too",
            },
            SampleMailbox {
                channel: "labor",
                address: own,
                said: "a mailbox that the gateway alone reads, and deletes from",
            },
        ];
        Self { module, stage, mailboxes }
    }

    /// Lays a sample into both mailboxes, and waits until all is said about it.
    async fn comes(&self, name: &str) -> ShownSample {
        let partner = ANSWERED.iter().find(|(answered, _)| *answered == name).map(|(_, who)| *who);
        let mut answers = Vec::new();
        for mailbox in &self.mailboxes {
            answers.push(match partner {
                Some(partner) => self.answered(mailbox, name, partner).await,
                None => String::new(),
            });
        }
        let before = self.stage.anna.seen().events.len();
        let parked_before = self.stage.query("select coalesce(max(id), 0) from parked").await;
        let mut uidls = Vec::new();
        for (mailbox, id) in self.mailboxes.iter().zip(&answers) {
            let file = |ending: &str| {
                let text = fs::read_to_string(folder().join(format!("{name}{ending}"))).ok()?;
                let partner = partner.unwrap_or_default();
                let text = text.replace("{practice}", &mailbox.address).replace("{id}", id);
                let text = text.replace("{filler}", &filler());
                Some(text.replace("{partner}", partner).into_bytes())
            };
            let mail = file(".eml").unwrap();
            let delivery = match file(".top.eml") {
                Some(outer) => KimDelivery::recorded(&outer, &mail),
                None => KimDelivery::plain(&mail),
            };
            uidls.push(self.module.deliver(&mailbox.address, delivery).unwrap());
        }
        for uidl in &uidls {
            self.settles(uidl).await;
        }
        let seen = self.stage.anna.seen();
        let mut rooms = Vec::new();
        for mailbox in &self.mailboxes {
            rooms.push(seen::shown_since(self, &seen, before, mailbox).await);
        }
        for (room, (mailbox, (uidl, id))) in
            rooms.iter_mut().zip(self.mailboxes.iter().zip(uidls.iter().zip(&answers)))
        {
            room.push_str(&self.states(mailbox, (uidl, id), &parked_before).await);
        }
        ShownSample { name: name.to_owned(), rooms, uidls }
    }

    /// A letter of this partner, and Anna's answer to it: gives the answer's Message-ID.
    async fn answered(&self, mailbox: &SampleMailbox, name: &str, partner: &str) -> String {
        let words = format!("Bitte um Antwort ({name}, {}).", mailbox.channel);
        let id = format!("anfrage-{name}-{}@kim.local", mailbox.channel);
        let letter = ready_made::chat(partner, &mailbox.address, "Anfrage", &id, &words);
        self.module.deliver(&mailbox.address, KimDelivery::sealed(&letter)).unwrap();
        let room = self.stage.anna_sees(&words).await.room_id;
        let answer = format!("Unsere Antwort ({name}, {}).", mailbox.channel);
        self.stage.anna.send_text(&room, &answer).await.unwrap();
        let is_it = |sent: &&Submission| String::from_utf8_lossy(&sent.bytes).contains(&answer);
        let has_left = |journal: &CmJournal| journal.accepted().any(|sent| is_it(&sent));
        let journal = self.module.until("the answer", has_left).await.unwrap();
        let sent = journal.accepted().find(is_it).unwrap();
        let id = message_id(&String::from_utf8_lossy(&sent.bytes));
        let state = format!("select state from dispatches where message_id = '{id}'");
        self.stage.database_says(&state, "accepted").await;
        self.all_is_said().await;
        id
    }

    /// A text and a file of ours, as the Clientmodul gets them: mails of the build of `1_1`.
    async fn what_we_hand_over(&self) -> String {
        let (mailbox, (_, partner)) = (&self.mailboxes[0], ANSWERED[0]);
        self.answered(mailbox, "what we hand over", partner).await;
        let room = self.stage.anna_sees("Unsere Antwort (what we hand over").await.room_id;
        let file = ("werte.csv", "text/csv", b"Natrium;140\n");
        self.stage.anna.send_file(&room, file.0, file.1, file.2).await.unwrap();
        let of = |journal: &CmJournal| {
            let texts =
                journal.accepted().map(|sent| String::from_utf8(sent.bytes.to_vec()).unwrap());
            let ours = texts
                .filter(|text| text.contains("what we hand over") || text.contains("werte.csv"));
            ours.collect::<Vec<String>>()
        };
        let journal = self.module.until("both mails", |it| of(it).len() == 2).await.unwrap();
        let mails = of(&journal).into_iter().map(|mail| seen::without_what_is_made_up(&mail));
        seen::without_what_varies(
            &mails.collect::<Vec<String>>().join("\n── and its file ──\n"),
            &self.stage.tag,
        )
    }

    /// Waits until a mail was fetched or left alone, and everything is said about it.
    async fn settles(&self, uidl: &str) {
        let known = format!(
            "select (exists (select from letters where mail_key = '{uidl}')
                     or exists (select from unfetched_mails
                                where mail_key = '{uidl}' and state = 'skipped'))"
        );
        self.stage.database_says(&known, "t").await;
        self.all_is_said().await;
    }

    async fn all_is_said(&self) {
        let waiting = "select (select count(*) from letters where state in ('stored', 'placed'))
                            + (select count(*) from posts where state = 'pending')";
        self.stage.database_says(waiting, "0").await;
        self.stage.last_is_seen_by(&self.stage.anna).await;
    }

    /// Waits until each mailbox was looked at often enough to delete from it what is to be deleted.
    async fn mailboxes_rest(&self) {
        let looks = |journal: &CmJournal, of: &SampleMailbox| {
            let is_look = |command: &&umstieg_world::clientmodul::journal::AskedCommand| {
                command.protocol == KimProtocol::Pop3
                    && command.verb == "UIDL"
                    && command.account.as_deref() == Some(of.address.as_str())
            };
            journal.commands.iter().filter(is_look).count()
        };
        let before = self.module.journal();
        let have_looked = |journal: &CmJournal| {
            self.mailboxes.iter().all(|it| looks(journal, it) >= looks(&before, it) + LOOKS)
        };
        self.module.until("some more looks", have_looked).await.unwrap();
    }

    /// What the gateway keeps of it: the letter, and the answer it may be about.
    async fn states(
        &self,
        mailbox: &SampleMailbox,
        (uidl, id): (&str, &str),
        parked_before: &str,
    ) -> String {
        let letter = format!(
            "select state || coalesce(', ' || kept_back, '') from letters where mail_key = '{uidl}'"
        );
        let letter = self.stage.query(&letter).await;
        let mut lines = match letter.as_str() {
            "" => String::new(),
            letter => format!("  the letter: {letter}\n"),
        };
        if !id.is_empty() {
            let answer = format!("select state from dispatches where message_id = '{id}'");
            lines.push_str(&format!("  the answer: {}\n", self.stage.query(&answer).await));
        }
        let parked = format!(
            "select string_agg(distinct reason, ' ') from parked
             where channel = '{}' and id > {parked_before}",
            mailbox.channel
        );
        match self.stage.query(&parked).await.as_str() {
            "" => lines,
            reasons => format!("{lines}  parked: {reasons}\n"),
        }
    }

    /// The golden room of a sample.
    fn written(&self, sample: &ShownSample, journal: &CmJournal) -> String {
        let mut out = String::new();
        let mut before: Option<&str> = None;
        for ((mailbox, room), uidl) in self.mailboxes.iter().zip(&sample.rooms).zip(&sample.uidls) {
            let used = journal.mail(&mailbox.address, uidl);
            let left = match (used.deleted, used.retr) {
                (true, _) => "deleted",
                (false, 0) => "there, never fetched",
                (false, _) => "there",
            };
            let said = mailbox.said;
            let room = if before == Some(room) { "  the same is shown\n" } else { room };
            out.push_str(&format!("── {said}\n{room}  in the mailbox: {left}\n"));
            before = before.or(Some(room));
        }
        seen::without_what_varies(&out, &self.stage.tag)
    }
}
