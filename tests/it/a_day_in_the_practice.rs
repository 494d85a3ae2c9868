//! A day in a practice behind a Clientmodul: three hundred mails of every kind, while cards are locked,
//! lines are cut, certificates change and the gateway is killed.
//!
//! The practice has two KIM accounts at one Clientmodul. `kim` is shared with the practice's software;
//! `labor` belongs to the gateway, which deletes there what it has shown. Anna sits at the front desk,
//! with an encrypted client. At the end nothing is lost, doubled, misplaced or falsely reported, the
//! software's mails are untouched, and what the rooms show is what the golden file says: a person reads
//! it as Anna does.

mod balance;
mod desk;
mod mails;
mod transcript;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use umstieg::{
    model::{AccountSide, AccountTrouble},
    phrases::Phrase,
};
use umstieg_world::{
    Client, Clientmodul, PracticeChannel,
    client::SeenTimeline,
    clientmodul::{
        AsRead, CardState, CmStep, DsnForm, IntegrityForm, KimAccount, KimDelivery, KonnektorState,
        Mishap, MishapRule, NoteForm, ReadTrouble, RecipientState,
    },
};

use self::{
    desk::DayAnswer,
    mails::{DayFate, DayMail, PARTNERS, THREADS},
};
use crate::{phrases::saying, stage::Stage};

/// How often the gateway is killed, each time in the middle of another step.
const KILLED_AT: [CmStep; 10] = [
    CmStep::Uidl,
    CmStep::SmtpGreeting,
    CmStep::Top,
    CmStep::SmtpLogin,
    CmStep::MailFrom,
    CmStep::Retr,
    CmStep::RcptTo,
    CmStep::Data,
    CmStep::Pop3Quit,
    CmStep::EndOfData,
];

/// The steps of a session that lines are cut in.
const POP3_STEPS: [CmStep; 9] = [
    CmStep::Pop3Greeting,
    CmStep::Capa,
    CmStep::Pop3Login,
    CmStep::List,
    CmStep::Uidl,
    CmStep::Top,
    CmStep::Retr,
    CmStep::Dele,
    CmStep::Pop3Quit,
];
const SMTP_STEPS: [CmStep; 7] = [
    CmStep::SmtpGreeting,
    CmStep::Ehlo,
    CmStep::SmtpLogin,
    CmStep::MailFrom,
    CmStep::RcptTo,
    CmStep::Data,
    CmStep::SmtpQuit,
];

const MAILS_MIN: usize = 300;

/// Everything of one day.
struct Day {
    module: Clientmodul,
    stage: Stage,
    anna: Client,
    /// Our own address at the account that belongs to the gateway.
    labor: String,
    /// Letters and answers are numbered as they happen.
    happened: Mutex<usize>,
    mails: Mutex<Vec<DayMail>>,
    answers: Mutex<Vec<DayAnswer>>,
    /// The rooms of threads, by the partner's number and the thread's.
    rooms: Mutex<BTreeMap<(usize, usize), String>>,
}

#[tokio::test]
async fn kim_38_a_day_in_the_practice_loses_doubles_misplaces_and_misreports_nothing() {
    let mut day = Day::begins().await;
    day.the_card_is_locked_at_seven().await;
    day.the_line_is_cut_in_the_forenoon().await;
    day.answers_leave_over_a_bad_line().await;
    day.the_certificate_is_renewed_at_noon().await;
    day.the_gateway_is_killed_ten_times().await;
    day.what_is_not_quite_right_comes_in_the_afternoon().await;
    day.the_card_is_locked_again().await;
    day.reports_come_in_the_evening().await;
    day.everything_settles().await;

    let balance = balance::of(&day).await;
    println!("{balance}");
    assert_eq!(balance.wrong(), 0, "{balance}");
    assert!(balance.mails >= MAILS_MIN, "{balance}");
    transcript::is_as_golden_file_says(&day).await;
}

impl Day {
    async fn begins() -> Self {
        let module = Clientmodul::start().await.unwrap();
        for partner in PARTNERS {
            module.set_recipient(partner.address, RecipientState::Usable);
        }
        let mut labor = String::new();
        let channels = |channels: Vec<PracticeChannel>| {
            let kim = channels.into_iter().next().unwrap();
            labor = kim.address.replacen("praxis-", "labor-", 1);
            let team: Vec<&str> = kim.team.iter().map(String::as_str).collect();
            let mut owned = PracticeChannel::kim("labor", &labor, &team);
            owned.more_inbox = "after_relay = \"delete\"\n".to_owned();
            let channels = [(kim, "shared"), (owned, "owned")];
            let behind = |(mut channel, mailbox): (PracticeChannel, &str)| {
                channel.collect_seconds = 0;
                channel.more_kim = format!(
                    "mailbox = {mailbox:?}\nsupport = \"support@hersteller.example\"\n\
                     user_agent = \"Umstieg-Test/1\"\n"
                );
                channel.behind(&module).unwrap()
            };
            channels.map(behind).into()
        };
        let mut stage = Stage::encrypted_with("any-device", channels).await;
        let name = stage.anna_id.trim_start_matches('@').split(':').next().unwrap().to_owned();
        let client = Client::login_encrypted(&stage.world.homeserver, &name, "geheim");
        let anna = client.await.unwrap();
        stage.gateway.start().await.unwrap();
        Self {
            module,
            stage,
            anna,
            labor,
            happened: Mutex::default(),
            mails: Mutex::default(),
            answers: Mutex::default(),
            rooms: Mutex::default(),
        }
    }

    /// Twelve partners' letters of the night, and the software's mails between them. The PIN is entered
    /// when the first assistant comes.
    async fn the_card_is_locked_at_seven(&self) {
        let practice = &self.stage.practice;
        self.module.set_card(practice, CardState::Locked).unwrap();
        for thread in 0..THREADS.len() {
            for partner in 0..PARTNERS.len() {
                self.opens(partner, thread, KimDelivery::sealed);
                self.machine_mail(thread);
                self.machine_mail(partner);
            }
        }
        self.undecrypted_are(THREADS.len() * PARTNERS.len()).await;
        self.module.set_card(practice, CardState::Unlocked).unwrap();
        // The next one that is decrypted brings all others.
        self.goes_on(0, 0, KimDelivery::sealed);
        self.all_have_come().await;
        self.labor_opens();
    }

    /// Letters of all partners, while each step of a session that fetches is cut off once.
    async fn the_line_is_cut_in_the_forenoon(&self) {
        let forms = [Mishap::HangUp, Mishap::BreakOff];
        let notes = [NoteForm::AsText, NoteForm::Absent, NoteForm::Mojibake];
        for (round, step) in POP3_STEPS.into_iter().enumerate() {
            self.module.goes_wrong(MishapRule::once(step, forms[round % forms.len()].clone()));
            for number in 0..3 * PARTNERS.len() {
                let as_read = AsRead::with_note(notes[(round + number) % notes.len()]);
                self.goes_on(number % PARTNERS.len(), (round + number) % THREADS.len(), |mail| {
                    KimDelivery::sealed(mail).read_as(as_read)
                });
            }
            self.labor_goes_on();
            self.labor_goes_on();
            self.machine_mail(round);
            self.machine_mail(round + 1);
            self.has_gone_wrong(step).await;
            self.all_have_come().await;
        }
    }

    /// Answers while the line is cut in each step of a session, and while the Konnektor and the mail
    /// server say no.
    async fn answers_leave_over_a_bad_line(&self) {
        let forms = [Mishap::HangUp, Mishap::HangUpUnanswered];
        let cuts = SMTP_STEPS.into_iter().zip(forms.into_iter().cycle());
        let later = [Mishap::not_sent(), Mishap::service_away(), Mishap::service_timeout()];
        let later = later.into_iter().map(|mishap| (CmStep::EndOfData, mishap));
        // Which of the answers meets it is all the same: all of them leave in the end.
        for (round, (step, mishap)) in cuts.chain(later).enumerate() {
            self.module.goes_wrong(MishapRule::once(step, mishap));
            self.anna_answers(round % PARTNERS.len(), round % THREADS.len()).await;
            self.has_gone_wrong(step).await;
        }
        self.all_answers_are_settled().await;
        let refused = [Mishap::quota_exceeded(), Mishap::too_large()];
        let unclear = [Mishap::HangUp, Mishap::HangUpUnanswered, Mishap::BreakOff];
        for (round, mishap) in refused.into_iter().chain(unclear).enumerate() {
            self.module.goes_wrong(MishapRule::once(CmStep::EndOfData, mishap));
            self.anna_answers(round % PARTNERS.len(), round % THREADS.len()).await;
            self.has_gone_wrong(CmStep::EndOfData).await;
            self.all_answers_are_settled().await;
        }
        self.partners_reply();
        self.all_have_come().await;
    }

    /// The Clientmodul shows another certificate. Nothing is said to whom nobody knows; the team is told,
    /// and the admin enters the new fingerprint.
    async fn the_certificate_is_renewed_at_noon(&mut self) {
        let old = self.module.pin();
        self.module.rotate_certificate().unwrap();
        self.goes_on(1, 1, KimDelivery::sealed);
        let changed = Phrase::AccountTrouble {
            side: AccountSide::Inbox,
            trouble: AccountTrouble::Certificate,
            is_kim: true,
        };
        self.both_channels_are_told(&changed).await;
        let new = self.module.pin();
        self.stage.restart_with(|settings| settings.replace(&old, &new)).await;
        self.all_have_come().await;
        self.both_channels_are_told(&Phrase::AccountWorks { side: AccountSide::Inbox }).await;
    }

    /// Each time in the middle of another step.
    async fn the_gateway_is_killed_ten_times(&mut self) {
        for (round, step) in KILLED_AT.into_iter().enumerate() {
            let (partner, thread) = (round % PARTNERS.len(), (round + 1) % THREADS.len());
            self.all_answers_are_settled().await;
            self.module.goes_wrong(MishapRule::once(step, Mishap::Hold));
            self.goes_on(partner, thread, KimDelivery::sealed);
            self.labor_goes_on();
            self.machine_mail(round);
            self.anna_answers(partner, thread).await;
            self.has_gone_wrong(step).await;
            self.stage.gateway.kill();
            self.module.release();
            self.stage.gateway.start().await.unwrap();
            self.all_have_come().await;
        }
        self.all_answers_are_settled().await;
        self.partners_reply();
        self.all_have_come().await;
    }

    /// Letters that KIM does not vouch for, that cannot be read, that come twice, that are large, or of
    /// which nobody knows what they are.
    async fn what_is_not_quite_right_comes_in_the_afternoon(&self) {
        let forms = [IntegrityForm::Replaced, IntegrityForm::Enclosed, IntegrityForm::Unchanged];
        let results: [&[&str]; 4] = [&["07"], &["01", "02"], &["X1"], &[]];
        for (number, result) in results.iter().cycle().take(12).enumerate() {
            let form = forms[number / results.len() % forms.len()];
            self.doubtful(number % PARTNERS.len(), AsRead::integrity(result, form));
        }
        for number in 0..8 {
            self.unencrypted(number % PARTNERS.len(), number % THREADS.len());
        }
        for number in 0..9 {
            self.doctors_letter(number % PARTNERS.len(), number % THREADS.len());
        }
        for trouble in [ReadTrouble::Format, ReadTrouble::KasChecksum, ReadTrouble::LargeOff] {
            self.unreadable(2, AsRead::trouble(trouble));
        }
        for number in 0..8 {
            self.twice(number % PARTNERS.len(), number % THREADS.len());
        }
        for service in
            ["MIO-Neu;Lieferung;V1.0", "Pflege;Anfrage;V2.1", "Unbekannt", ";;", "KIM-Mail"]
        {
            self.of_service(0, 1, service);
        }
        for number in 0..2 {
            self.large(number, 2);
        }
        self.all_have_come().await;
        self.anna_releases_every_second().await;
        self.all_have_come().await;
    }

    /// The card is pulled, and for a moment the Konnektor is away: both roads wait, and go on.
    async fn the_card_is_locked_again(&self) {
        let practice = &self.stage.practice;
        let before = self.undecrypted().await;
        self.module.set_card(practice, CardState::Locked).unwrap();
        for number in 0..6 {
            self.goes_on(number % PARTNERS.len(), number % THREADS.len(), KimDelivery::sealed);
        }
        self.undecrypted_are(before + 6).await;
        self.anna_answers(0, 3).await;
        self.module.set_card(practice, CardState::Unlocked).unwrap();
        self.module.set_konnektor(practice, KonnektorState::AwayForCards).unwrap();
        for number in 0..5 {
            self.goes_on(number % PARTNERS.len(), number % THREADS.len(), KimDelivery::sealed);
        }
        self.undecrypted_are(before + 11).await;
        self.module.set_konnektor(practice, KonnektorState::Reachable).unwrap();
        self.goes_on(2, 0, KimDelivery::sealed);
        self.all_have_come().await;
        self.all_answers_are_settled().await;
    }

    /// Somebody is away, somebody's mailbox is full, somebody reads, and somebody forges a report.
    async fn reports_come_in_the_evening(&self) {
        let weber = PARTNERS[2].address;
        self.module.switch(|it| it.dsn_form = DsnForm::Sloppy);
        self.module.add_account(KimAccount::new(weber, "geheim"));
        let away = "Die Praxis ist bis zum 30. November geschlossen.";
        self.module.set_absence(weber, Some(away)).unwrap();
        for thread in [0, 1, 2, 2] {
            self.anna_answers(2, thread).await;
            // A note that names nothing is about what left last.
            self.all_answers_are_settled().await;
        }
        self.module.set_recipient(PARTNERS[1].address, RecipientState::MailboxFull);
        self.anna_answers(1, 0).await;
        self.all_answers_are_settled().await;
        self.some_are_read();
        self.forged_reports();
        self.all_have_come().await;
    }

    /// Waits until the team is told this of both channels, each in its own room.
    async fn both_channels_are_told(&self, phrase: &Phrase) {
        let in_two_rooms = |seen: &SeenTimeline| {
            let rooms: BTreeSet<&str> =
                saying(seen, phrase).map(|message| message.room_id.as_str()).collect();
            (rooms.len() == 2).then_some(())
        };
        self.anna.wait_for("what is told of both channels", in_two_rooms).await.unwrap();
    }

    /// Waits until the Clientmodul was asked what is to go wrong.
    async fn has_gone_wrong(&self, step: CmStep) {
        let within = Duration::from_secs(90);
        let asked = async || !self.module.is_armed(step);
        self.stage.until_within(within, &format!("{step:?} goes wrong"), asked).await;
    }
}
