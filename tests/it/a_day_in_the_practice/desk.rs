//! Anna at the front desk: she answers, releases what waits, and looks after what is unclear.

use std::time::Duration;

use umstieg_world::client::SeenTimeline;

use super::{
    Day,
    mails::{DayFate, brief},
};
use crate::encryption::sees;

/// What Anna said in a room.
#[derive(Clone, Debug)]
pub(super) struct DayAnswer {
    pub(super) number: usize,
    /// The partner and the thread.
    pub(super) thread: (usize, usize),
    pub(super) event_id: String,
    pub(super) has_reply: bool,
    /// Anna had it sent again.
    was_resent: bool,
}

/// How long all that was begun may take. A line that was cut is tried again after five seconds and more.
const SETTLES_WITHIN: Duration = Duration::from_secs(120);

impl DayAnswer {
    pub(super) fn words(number: usize) -> String {
        format!("Antwort {number:03}.")
    }

    /// Whether a mail that left says it.
    pub(super) fn is_in(&self, mail: &[u8]) -> bool {
        String::from_utf8_lossy(mail).contains(&Self::words(self.number))
    }
}

impl Day {
    /// The room of a thread: that of its first letter.
    pub(super) async fn room_of(&self, thread: (usize, usize)) -> String {
        if let Some(room) = self.rooms.lock().unwrap().get(&thread) {
            return room.clone();
        }
        let is_first = |mail: &&super::DayMail| mail.fate == DayFate::Shown(thread.0, thread.1);
        let number = self.mails.lock().unwrap().iter().find(is_first).unwrap().number;
        let room = sees(&self.anna, &brief(number)).await.room_id;
        self.rooms.lock().unwrap().insert(thread, room.clone());
        room
    }

    /// Anna answers the newest letter of a thread.
    pub(super) async fn anna_answers(&self, partner: usize, thread: usize) {
        let room = self.room_of((partner, thread)).await;
        let number = self.next_number();
        let words = format!("{} Danke, wir kümmern uns darum.", DayAnswer::words(number));
        let event_id = self.anna.send_text(&room, &words).await.unwrap();
        let answer = DayAnswer {
            number,
            thread: (partner, thread),
            event_id,
            has_reply: false,
            was_resent: false,
        };
        self.answers.lock().unwrap().push(answer);
    }

    /// Waits until every letter is where it belongs and nothing waits to be said.
    pub(super) async fn all_have_come(&self) {
        self.quiet("all letters have come").await;
    }

    /// Waits until no answer is on its way. Those of which nobody knows whether they left: Anna asks at the
    /// other side, and has sent again what is not there.
    pub(super) async fn all_answers_are_settled(&self) {
        self.quiet("all answers are settled").await;
        let answers = self.answers.lock().unwrap().clone();
        for answer in answers.iter().filter(|answer| !answer.was_resent) {
            let sql = format!(
                "select dispatches.state from dispatches
                 join dispatch_parts on dispatch_parts.dispatch_id = dispatches.id
                 where dispatch_parts.event_id = '{}'",
                answer.event_id
            );
            if self.stage.query(&sql).await != "unclear" {
                continue;
            }
            let has_left = self.module.journal().accepted().any(|sent| answer.is_in(&sent.bytes));
            if !has_left {
                let room = self.room_of(answer.thread).await;
                self.anna.reply(&room, &answer.event_id, "!erneut").await.unwrap();
            }
            let mut answers = self.answers.lock().unwrap();
            let same = answers.iter_mut().find(|it| it.event_id == answer.event_id);
            same.unwrap().was_resent = true;
        }
        self.quiet("what was sent again is settled").await;
    }

    /// Waits until nothing is under way: neither in the mailboxes nor in the gateway. Rooms of an earlier
    /// stage in the same application service are not ours.
    async fn quiet(&self, what: &str) {
        let waiting = "select (select count(*) from letters where state in ('stored', 'placed'))
                            + (select count(*) from posts where state = 'pending')
                            + (select count(*) from room_events join rooms using (room_id)
                               where room_events.state = 'new')
                            + (select count(*) from unfetched_mails where state = 'trying')
                            + (select count(*) from unfetched_mails
                               where state = 'undecrypted' and next_try_at <= now())
                            + (select count(*) from dispatches
                               where state in ('collecting', 'waiting', 'handing_over', 'sending_body'))";
        self.stage
            .until_within(SETTLES_WITHIN, what, async || {
                // In this order: what is fetched meanwhile is in the tables.
                let (said, fetched) = (self.all_said_is_read().await, self.all_are_fetched());
                said && fetched && self.stage.query(waiting).await == "0"
            })
            .await;
    }

    /// Whether the gateway has read everything Anna said.
    async fn all_said_is_read(&self) -> bool {
        let ids: Vec<String> =
            self.answers.lock().unwrap().iter().map(|answer| answer.event_id.clone()).collect();
        let sql = format!(
            "select count(distinct event_id) from dispatch_parts where event_id in ('{}')",
            ids.join("', '")
        );
        self.stage.query(&sql).await == ids.len().to_string()
    }

    /// Whether each mail that is to be fetched was asked for.
    fn all_are_fetched(&self) -> bool {
        let journal = self.module.journal();
        [&self.stage.practice, &self.labor].into_iter().all(|account| {
            self.module.uidls(account).unwrap().iter().all(|uidl| {
                let mails = self.mails.lock().unwrap();
                let ours = mails.iter().find(|mail| mail.account == *account && mail.uidl == *uidl);
                let is_untouched = ours.is_some_and(|mail| mail.fate == DayFate::Untouched);
                let used = journal.mail(account, uidl);
                if is_untouched { used.top > 0 } else { used.retr > 0 }
            })
        })
    }

    /// How many mails could not be decrypted and are told of.
    pub(super) async fn undecrypted(&self) -> usize {
        let sql =
            "select count(*) from letters where kept_back = 'undecrypted' and state = 'posted'";
        self.stage.query(sql).await.parse().unwrap()
    }

    pub(super) async fn undecrypted_are(&self, count: usize) {
        let are = async || self.undecrypted().await == count;
        self.stage.until_within(SETTLES_WITHIN, "the team is told of undecrypted mails", are).await;
    }

    /// Anna has asked at the other side, and releases every second letter that was held back.
    pub(super) async fn anna_releases_every_second(&self) {
        let in_order = "select string_agg(room_id, ' ' order by letters.id)
                        from letters
                        join rooms using (conversation_id)
                        where kept_back = 'withheld'";
        let rooms = self.stage.query(in_order).await;
        let mut warnings = Vec::new();
        for room in rooms.split(' ') {
            let is_it = |seen: &SeenTimeline| {
                seen.messages_in(room).find(|it| it.body().contains("!freigeben")).cloned()
            };
            warnings.push(self.anna.wait_for("a warning", is_it).await.unwrap());
        }
        assert_eq!(warnings.len(), 12, "{warnings:#?}");
        for warning in warnings.iter().step_by(2) {
            let reply = self.anna.reply(&warning.room_id, warning.event_id(), "!freigeben");
            reply.await.unwrap();
        }
        let released = "select count(*) from letters where released_at is not null";
        self.stage.database_says(released, "6").await;
    }

    /// Everything was said, and Anna has seen it.
    pub(super) async fn everything_settles(&self) {
        self.all_answers_are_settled().await;
        self.all_have_come().await;
        self.stage.last_is_seen_by(&self.anna).await;
    }
}
