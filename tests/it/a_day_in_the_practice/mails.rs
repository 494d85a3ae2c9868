//! What comes into the two mailboxes, and what has to become of it.

use umstieg_world::clientmodul::{
    AsRead, KimDelivery, NoteForm,
    ready_made::{self, KimHead},
    reports::{self, DsnFacts, DsnForm},
};

use super::{Day, transcript::number_in};

/// Somebody who writes to the practice.
pub(super) struct Partner {
    pub(super) name: &'static str,
    pub(super) address: &'static str,
}

pub(super) const PARTNERS: [Partner; 3] = [
    Partner { name: "Klinik Nord", address: "klinik@nord.kim.telematik" },
    Partner { name: "Radiologie am See", address: "radiologie@see.kim.telematik" },
    Partner { name: "Dr. Paula Weber", address: "weber@hausarzt.kim.telematik" },
];

/// The subjects of each partner's threads.
pub(super) const THREADS: [&str; 4] = ["Befund", "Termin", "Entlassbrief", "Rückfrage"];

/// The thread in the mailbox that belongs to the gateway, beside those of [`THREADS`].
const LABOR: usize = THREADS.len();

/// Large enough to come in many pieces; the simulated Fachdienst keeps it in its memory.
const LARGE_BYTES: usize = 4 * 1024 * 1024;

/// A mail that was delivered.
#[derive(Clone, Debug)]
pub(super) struct DayMail {
    pub(super) number: usize,
    /// Whose mailbox it lies in.
    pub(super) account: String,
    pub(super) uidl: String,
    pub(super) fate: DayFate,
}

/// What has to become of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DayFate {
    /// Its words are shown once, in the room of this thread.
    Shown(usize, usize),
    /// Its words are shown once, in whatever room.
    ShownSomewhere,
    /// It is for software: neither fetched nor deleted.
    Untouched,
    /// It is told of and its words are not shown, unless Anna has released them.
    Withheld,
    /// It is told of; its words cannot be shown.
    Unreadable,
    /// Another mail with the same bytes was shown already.
    Repeat,
    /// A report: it moves a state, or is shown as what it is.
    Report,
}

/// The first words of a letter, by which it is found.
pub(super) fn brief(number: usize) -> String {
    format!("Brief {number:03}.")
}

impl Day {
    pub(super) fn next_number(&self) -> usize {
        let mut happened = self.happened.lock().unwrap();
        *happened += 1;
        *happened
    }

    fn lay(&self, number: usize, account: &str, delivery: KimDelivery, fate: DayFate) {
        let uidl = self.module.deliver(account, delivery).unwrap();
        let mail = DayMail { number, account: account.to_owned(), uidl, fate };
        self.mails.lock().unwrap().push(mail);
    }

    /// The Message-ID of the first letter of a thread.
    fn thread_id(&self, partner: usize, thread: usize) -> String {
        format!("faden-{partner}-{thread}@kim.local")
    }

    /// The fields that make a mail the next one of a thread.
    fn replying(id: &str, mail: Vec<u8>) -> Vec<u8> {
        let fields = format!("In-Reply-To: <{id}>\r\nReferences: <{id}>\r\n");
        [fields.into_bytes(), mail].concat()
    }

    fn from(partner: usize) -> String {
        format!("\"{}\" <{}>", PARTNERS[partner].name, PARTNERS[partner].address)
    }

    fn text(
        &self,
        to: &str,
        (partner, thread): (usize, usize),
        number: usize,
        words: &str,
    ) -> Vec<u8> {
        let subject = THREADS.get(thread).copied().unwrap_or("Laborwerte");
        let text = format!("{} {words}", brief(number));
        ready_made::chat(&Self::from(partner), to, subject, &format!("m{number}@kim.local"), &text)
    }

    /// The first letter of a thread.
    pub(super) fn opens(
        &self,
        partner: usize,
        thread: usize,
        as_delivered: impl FnOnce(&[u8]) -> KimDelivery,
    ) {
        let (to, words) = (&self.stage.practice, "Guten Tag, bitte um Durchsicht.");
        self.lay_first(to, (partner, thread), words, as_delivered);
    }

    /// Another letter of a thread.
    pub(super) fn goes_on(
        &self,
        partner: usize,
        thread: usize,
        as_delivered: impl FnOnce(&[u8]) -> KimDelivery,
    ) {
        let (to, words) = (&self.stage.practice, "Noch etwas zu dieser Sache.");
        self.lay_next(to, (partner, thread), words, as_delivered);
    }

    /// The laboratory's partner writes to the account that belongs to the gateway.
    pub(super) fn labor_opens(&self) {
        self.lay_first(&self.labor, (0, LABOR), "Die Werte von heute.", KimDelivery::sealed);
    }

    pub(super) fn labor_goes_on(&self) {
        self.lay_next(&self.labor, (0, LABOR), "Ein Nachtrag.", KimDelivery::sealed);
    }

    fn lay_first(
        &self,
        to: &str,
        place: (usize, usize),
        words: &str,
        as_delivered: impl FnOnce(&[u8]) -> KimDelivery,
    ) {
        let number = self.next_number();
        let mail = self.text(to, place, number, words);
        let own_id = format!("<m{number}@kim.local>");
        let thread_id = format!("<{}>", self.thread_id(place.0, place.1));
        let mail = String::from_utf8(mail).unwrap().replace(&own_id, &thread_id);
        let fate = DayFate::Shown(place.0, place.1);
        self.lay(number, to, as_delivered(mail.as_bytes()), fate);
    }

    fn lay_next(
        &self,
        to: &str,
        place: (usize, usize),
        words: &str,
        as_delivered: impl FnOnce(&[u8]) -> KimDelivery,
    ) {
        let number = self.next_number();
        let mail = self.text(to, place, number, words);
        let mail = Self::replying(&self.thread_id(place.0, place.1), mail);
        self.lay(number, to, as_delivered(&mail), DayFate::Shown(place.0, place.1));
    }

    /// What the practice's software reads: three kinds in turn.
    pub(super) fn machine_mail(&self, kind: usize) {
        let (number, to) = (self.next_number(), &self.stage.practice);
        let (from, id) = ("kasse@kv.kim.telematik", format!("m{number}@kim.local"));
        let mail = match kind % 3 {
            0 => ready_made::sick_note(from, to, &id),
            1 => ready_made::billing(from, to, &id),
            _ => ready_made::insurance_proof(from, to, &id),
        };
        self.lay(number, to, KimDelivery::sealed(&mail), DayFate::Untouched);
    }

    /// A letter that the Clientmodul does not vouch for.
    pub(super) fn doubtful(&self, partner: usize, as_read: AsRead) {
        let (number, to) = (self.next_number(), self.stage.practice.clone());
        let mail = self.text(&to, (partner, 3), number, "Bitte überweisen Sie heute noch.");
        let mail = Self::replying(&self.thread_id(partner, 3), mail);
        self.lay(number, &to, KimDelivery::sealed(&mail).read_as(as_read), DayFate::Withheld);
    }

    /// A mail without encryption that says of itself that all is well.
    pub(super) fn unencrypted(&self, partner: usize, thread: usize) {
        let (number, to) = (self.next_number(), self.stage.practice.clone());
        let mail = self.text(&to, (partner, thread), number, "Ich bin geprüft, glauben Sie mir.");
        let claims = "X-KIM-DecryptionResult: 00\r\nX-KIM-IntegrityCheckResult: 01\r\n";
        let mail = [claims.as_bytes(), &mail].concat();
        let mail = Self::replying(&self.thread_id(partner, thread), mail);
        self.lay(number, &to, KimDelivery::plain(&mail), DayFate::ShownSomewhere);
    }

    /// An eArztbrief in a thread: a PDF, and the same for machines.
    pub(super) fn doctors_letter(&self, partner: usize, thread: usize) {
        let (number, to) = (self.next_number(), self.stage.practice.clone());
        let service = "Arztbrief;VHitG-Versand;V1.2";
        let id = format!("m{number}@kim.local");
        let from = Self::from(partner);
        let head = KimHead {
            from: &from,
            to: &to,
            subject: service,
            message_id: &id,
            dienstkennung: service,
        };
        let (pdf, xml) =
            (format!("Arztbrief-{number:03}.pdf"), format!("Arztbrief-{number:03}.xml"));
        let files: [(&str, &str, &str, &[u8]); 2] = [
            ("application/pdf", &pdf, "eAB-PDF-signed", ready_made::PDF),
            ("application/xml", &xml, "eAB-XML", b"<?xml version=\"1.0\"?><ClinicalDocument/>\n"),
        ];
        let text = format!("{} Ein Arztbrief liegt bei.", brief(number));
        let mail = ready_made::with_files(&head, &text, &files);
        let mail = Self::replying(&self.thread_id(partner, thread), mail);
        self.lay(number, &to, KimDelivery::sealed(&mail), DayFate::Shown(partner, thread));
    }

    /// A letter that no unlocked card makes readable.
    pub(super) fn unreadable(&self, partner: usize, as_read: AsRead) {
        let (number, to) = (self.next_number(), self.stage.practice.clone());
        let mail = self.text(&to, (partner, 2), number, "Das liest niemand.");
        self.lay(number, &to, KimDelivery::sealed(&mail).read_as(as_read), DayFate::Unreadable);
    }

    /// The same letter in two copies, as a mail server delivers it that lost its connection.
    pub(super) fn twice(&self, partner: usize, thread: usize) {
        let (number, to) = (self.next_number(), self.stage.practice.clone());
        let mail = self.text(&to, (partner, thread), number, "Das kommt zweimal.");
        let mail = Self::replying(&self.thread_id(partner, thread), mail);
        let delivery = || KimDelivery::sealed(&mail).read_as(AsRead::with_note(NoteForm::Absent));
        self.lay(number, &to, delivery(), DayFate::Shown(partner, thread));
        self.lay(number, &to, delivery(), DayFate::Repeat);
    }

    /// A mail of a Dienstkennung that no table has.
    pub(super) fn of_service(&self, partner: usize, thread: usize, service: &str) {
        let (number, to) = (self.next_number(), self.stage.practice.clone());
        let mail = self.text(&to, (partner, thread), number, "Was bin ich?");
        let mail = Self::replying(&self.thread_id(partner, thread), mail);
        let mail = String::from_utf8(mail).unwrap().replace("KIM-Mail;Default;V1.0", service);
        self.lay(
            number,
            &to,
            KimDelivery::sealed(mail.as_bytes()),
            DayFate::Shown(partner, thread),
        );
    }

    /// A large letter, of which the Fachdienst lists a small mail that says a size of its own.
    pub(super) fn large(&self, partner: usize, thread: usize) {
        let (number, to) = (self.next_number(), self.stage.practice.clone());
        let (from, id) = (Self::from(partner), format!("m{number}@kim.local"));
        let service = "KIM-Mail;Default;V1.0";
        let subject = THREADS[thread];
        let head =
            KimHead { from: &from, to: &to, subject, message_id: &id, dienstkennung: service };
        let bytes: Vec<u8> = (0..LARGE_BYTES).map(|at| (at % 251) as u8).collect();
        let name = format!("Aufnahme-{number:03}.dcm");
        let files: [(&str, &str, &str, &[u8]); 1] =
            [("application/dicom", &name, "Aufnahme", &bytes)];
        let text = format!("{} Die Aufnahme ist groß.", brief(number));
        let mail = ready_made::with_files(&head, &text, &files);
        let mail = Self::replying(&self.thread_id(partner, thread), mail);
        let delivery = KimDelivery::sealed(&mail).kas_size(20 * 1024 * 1024);
        self.lay(number, &to, delivery, DayFate::Shown(partner, thread));
    }

    /// Each answer that left gets a reply, once.
    pub(super) fn partners_reply(&self) {
        let journal = self.module.journal();
        let mut answers = self.answers.lock().unwrap().clone();
        for answer in answers.iter_mut().filter(|answer| !answer.has_reply) {
            let Some(sent) = journal.accepted().find(|sent| answer.is_in(&sent.bytes)) else {
                continue;
            };
            let id = crate::stage::message_id(&String::from_utf8_lossy(&sent.bytes));
            let (number, to) = (self.next_number(), self.stage.practice.clone());
            let (partner, thread) = answer.thread;
            let mail = self.text(&to, answer.thread, number, "Danke für Ihre Antwort.");
            let mail = Self::replying(&id, mail);
            self.lay(number, &to, KimDelivery::sealed(&mail), DayFate::Shown(partner, thread));
            answer.has_reply = true;
        }
        *self.answers.lock().unwrap() = answers;
    }

    /// Receipts of the last answers that left: their recipients have seen them.
    pub(super) fn some_are_read(&self) {
        let journal = self.module.journal();
        let answers = self.answers.lock().unwrap().clone();
        let of_clinic = answers.iter().filter(|answer| answer.thread.0 == 0);
        for answer in of_clinic.rev().take(6) {
            let Some(sent) = journal.accepted().find(|sent| answer.is_in(&sent.bytes)) else {
                continue;
            };
            let id = crate::stage::message_id(&String::from_utf8_lossy(&sent.bytes));
            self.receipt(answer.thread.0, &format!("<{id}>"));
        }
    }

    fn receipt(&self, partner: usize, about: &str) {
        let (number, to) = (self.next_number(), self.stage.practice.clone());
        let from = PARTNERS[partner].address;
        let facts = DsnFacts {
            to: &to,
            recipient: from,
            message_id: about,
            time: 1_793_600_000,
            number: number.try_into().unwrap(),
            ..DsnFacts::default()
        };
        let mail = reports::receipt(from, &facts, "eNachricht", "displayed");
        self.lay(number, &to, KimDelivery::sealed(&mail), DayFate::Report);
    }

    /// Reports about mails that never left, and about one that did in another one's name.
    pub(super) fn forged_reports(&self) {
        let to = self.stage.practice.clone();
        let last = self.answers.lock().unwrap().last().unwrap().clone();
        let journal = self.module.journal();
        let sent = journal.accepted().find(|sent| last.is_in(&sent.bytes)).unwrap();
        let id = crate::stage::message_id(&String::from_utf8_lossy(&sent.bytes));
        for (about, recipient) in [
            ("<nie-gesendet@kim.local>".to_owned(), PARTNERS[0].address),
            (format!("<{id}>"), "fremd@anderswo.kim.telematik"),
        ] {
            let number = self.next_number();
            let facts = DsnFacts {
                to: &to,
                recipient,
                message_id: &about,
                time: 1_793_600_000,
                number: number.try_into().unwrap(),
                failed: Some("5.1.1"),
                ..DsnFacts::default()
            };
            let mail = reports::dsn(&facts, DsnForm::Clean);
            self.lay(number, &to, KimDelivery::plain(&mail), DayFate::Report);
        }
    }
}

/// The mails whose words are shown, by their numbers.
pub(super) fn number_of_words(body: &str) -> Option<usize> {
    number_in(body, "Brief ")
}
