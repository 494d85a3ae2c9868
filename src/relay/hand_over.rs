//! Road (b), second half: a gathered dispatch is closed and handed over, and its fate is shown.
//!
//! One dispatch of a conversation moves at a time, the oldest first. Each step is saved before it
//! is taken, so that after a crash the state tells what may have happened: nothing of the body left
//! before `SendingBody` was saved, and after it only the server knows.

mod dispatch_mail;
mod fax_sheet;
mod new_address;
mod preview;
mod recipient;

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::{error, info, warn};

use self::dispatch_mail::{NoMail, ReadyMail};
pub use self::{fax_sheet::fax_sheet, preview::remind_of_faxes};
use super::{
    Ctx, Line,
    accounts::note_account,
    acts, attempts,
    damage::{self, DAMAGED, INTERRUPTED, UNCLEAR},
    leaving::{Leaving, Ours},
    notices::{notice_about, said_of_kind},
    reported, stored_mail,
};
use crate::{
    channel::Writes,
    model::{
        AccountSide, ChannelKind, ConversationId, Correspondent, DeliveryState, DispatchId,
        Envelope, Notice, Outcome, Trouble,
    },
    phrases::{FaxPhrase, Phrase},
    rules::{
        accounts::sight_of,
        answer::{self, Answers},
        delivery::trouble,
        large_mails,
        retry::{
            COLLECT_MAX, Verdict, WAIT_MAX, after_interruption, back_off, is_suspect, judge,
            not_before,
        },
    },
    store::{Attempt, Composition, Conversation, Job, MayLeave, StoreError, StoredDispatch},
    transport::submit,
};

/// How long a mail server's answer is kept in memory while Postgres is away: a restart takes
/// minutes. After that a person has to look, as after a crash.
const RECORD_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Wait before saving it is tried again.
const RECORD_PAUSE: Duration = Duration::from_secs(1);

/// Why a dispatch waits although nothing was tried.
const ACCOUNT_WAITS: &str = "account_waits";

/// Why a dispatch waits while the homeserver is away; the second once its room knows.
const HOMESERVER_AWAY: &str = "homeserver_away";
const HOMESERVER_AWAY_TOLD: &str = "homeserver_away_told";

/// Wait before the files of a dispatch are asked for again when the homeserver was away.
const AWAY_WAIT: Duration = Duration::from_secs(60);

/// Subject of a fax that has none of its own; it does not stand on the paper.
const FAX_SUBJECT: &str = "Fax";

/// Moves the dispatches of a conversation on, oldest first, until one has to wait.
pub async fn hand_over(ctx: &Ctx, id: ConversationId) -> Result<(), StoreError> {
    let Some(conversation) = ctx.store.conversation(id).await? else { return Ok(()) };
    let Some(line) = ctx.line(&conversation.channel) else {
        warn!(conversation.id = %id, "Dispatches wait for a channel that is not in the settings");
        return Ok(());
    };
    let kind = line.channel.kind();
    let correspondent = Correspondent::from_key(kind, &conversation.correspondent).ok();
    attempts::give_back(ctx).await?;
    // What came while an earlier run was under way, and it could not say.
    reported::catch_up(ctx, line, id).await?;
    loop {
        let dispatch = match ctx.store.head_dispatch(id).await {
            Ok(Some(dispatch)) => dispatch,
            Ok(None) => return Ok(()),
            Err(StoreError::Damaged(damaged)) => {
                let Some(row) = damaged.row_of("dispatches") else { return Err(damaged.into()) };
                damage::tell(&damaged);
                damage::settle_dispatch(ctx, id, DispatchId(row)).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(correspondent) = &correspondent else {
            error!(conversation.id = %id, "A conversation's correspondent cannot be read");
            damage::settle_dispatch(ctx, id, dispatch.id).await?;
            continue;
        };
        let case = DispatchCase { ctx, line, conversation: &conversation, correspondent };
        let now = ctx.clock.now();
        match dispatch.state {
            DeliveryState::Collecting
                if not_before(dispatch.closes_at, now, COLLECT_MAX).is_some() =>
            {
                return ctx.store.wake(&Job::HandOver(id), Some(dispatch.closes_at)).await;
            }
            DeliveryState::Collecting => case.close_in_turn(dispatch).await?,
            // A crash left it here before anything of the body could leave.
            DeliveryState::HandingOver => case.interrupted(&dispatch).await?,
            // A crash left it here while the body may have been on its way.
            DeliveryState::SendingBody => {
                case.hold(&dispatch, INTERRUPTED, &Phrase::DispatchUnclearInterrupted).await?;
                reported::catch_up(ctx, line, id).await?;
            }
            DeliveryState::Waiting => {
                let next =
                    dispatch.next_attempt_at.and_then(|next| not_before(next, now, WAIT_MAX));
                if let Some(next) = next {
                    return ctx.store.wake(&Job::HandOver(id), Some(next)).await;
                }
                if case.attempt_in_seat(&dispatch).await? == AttemptEnd::Waits {
                    return Ok(());
                }
                // Reports may have overtaken the mail server's reply.
                reported::catch_up(ctx, line, id).await?;
            }
            // The store hands out none that is settled.
            _ => return Ok(()),
        }
    }
}

/// One conversation's dispatches, with all that handing them over needs.
struct DispatchCase<'a> {
    ctx: &'a Ctx,
    line: &'a Line,
    conversation: &'a Conversation,
    correspondent: &'a Correspondent,
}

/// How an attempt ended, as far as the dispatches behind it are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AttemptEnd {
    Ended,
    /// An edit cannot be read yet, or no seat is free. What was said later does not overtake it.
    Waits,
}

impl DispatchCase<'_> {
    /// Closes a dispatch that nothing is added to any more. Beginning it is counted.
    async fn close_in_turn(&self, dispatch: StoredDispatch) -> Result<(), StoreError> {
        let ctx = self.ctx;
        let _turn = ctx.turns.take(is_suspect(dispatch.attempts, ctx.attempts_max)).await;
        match ctx.store.dispatch_closes(dispatch.id).await? {
            Some(attempts) if attempts > ctx.attempts_max => {
                self.give_up_interrupted(&dispatch).await
            }
            Some(_) => {
                let counted = Attempt::Closing(dispatch.id);
                attempts::ended(ctx, counted, self.close(dispatch).await).await
            }
            None => Ok(()),
        }
    }

    /// Fixes what the dispatch answers, and its place in the thread.
    async fn close(&self, mut dispatch: StoredDispatch) -> Result<(), StoreError> {
        let started = match self.ctx.store.started_conversation(self.conversation.id).await {
            Err(StoreError::Damaged(damaged)) => {
                damage::tell(&damaged);
                return self.fail(&dispatch, &Phrase::DispatchDamaged, DAMAGED, DAMAGED).await;
            }
            started => started?,
        };
        let answered = match self.line.channel.writes() {
            Writes::MailWithAttachments => match (dispatch.answers, &started) {
                (Some(letter), _) => stored_mail::answered(self.ctx, letter).await?,
                // What came since was not there yet when it was said.
                (None, Some(_)) => None,
                (None, None) => stored_mail::newest(self.ctx, self.conversation.id).await?,
            },
            // A fax carries no thread, and a mail from its gateway is nothing to answer.
            Writes::OnePdf => None,
        };
        let of_receipt = answered.as_ref().filter(|_| dispatch.receipt_as.is_some());
        let receipt_subject = of_receipt.map(|letter| self.receipt_subject(&letter.subject));
        // What a speaker began is about its own matter until a letter comes.
        let own =
            started.and_then(|started| started.subject).filter(|_| dispatch.answers.is_none());
        let answers = match answered {
            Some(letter) => answer::to(&letter),
            None => {
                let of_fax = self.line.channel.writes() == Writes::OnePdf;
                let subject = own.or_else(|| of_fax.then(|| FAX_SUBJECT.to_owned()));
                Answers { subject: subject.unwrap_or_default(), ..Answers::default() }
            }
        };
        dispatch.subject = receipt_subject.unwrap_or(answers.subject);
        dispatch.in_reply_to = answers.in_reply_to;
        dispatch.ancestors = answers.references;
        self.ctx.store.close_dispatch(&dispatch, self.ctx.clock.now()).await
    }

    /// Tries to hand a dispatch over, once a seat of its channel is free.
    async fn attempt_in_seat(&self, dispatch: &StoredDispatch) -> Result<AttemptEnd, StoreError> {
        let seats = &self.line.seats;
        // A task that gives a seat back wakes one that waits.
        let Some(seat) = seats.take(self.conversation.id) else { return Ok(AttemptEnd::Waits) };
        let attempt = self.attempt(dispatch).await;
        drop(seat);
        if let Some(next) = seats.next() {
            self.ctx.store.wake(&Job::HandOver(next), None).await?;
        }
        attempt
    }

    async fn attempt(&self, dispatch: &StoredDispatch) -> Result<AttemptEnd, StoreError> {
        let store = &self.ctx.store;
        let composed = match store.composition(dispatch.id).await {
            Ok(composed) => composed,
            Err(StoreError::Damaged(damaged)) => {
                damage::tell(&damaged);
                self.fail(dispatch, &Phrase::DispatchDamaged, DAMAGED, DAMAGED).await?;
                return Ok(AttemptEnd::Ended);
            }
            Err(error) => return Err(error),
        };
        if composed.waits {
            // The task that reads that edit wakes us, and so does the task that finds that it waits
            // too long.
            return Ok(AttemptEnd::Waits);
        }
        let is_empty = composed.parts.is_empty() && dispatch.receipt_as.is_none();
        if is_empty || composed.is_taken_back {
            let notice = self.notice(dispatch, &Phrase::DispatchWithdrawn);
            store.withdraw_empty(dispatch, &notice, self.ctx.clock.now()).await?;
            return Ok(AttemptEnd::Ended);
        }
        if let Some(wait) = self.line.outbox.login_wait() {
            self.wait_for_account(dispatch, wait).await?;
            return Ok(AttemptEnd::Ended);
        }
        let limit = large_mails::limit(&self.line.channel, self.standing(dispatch).await?);
        let Some(dispatch) = self.rightly_named(dispatch, &composed).await? else {
            return Ok(AttemptEnd::Ended);
        };
        let is_alone = is_suspect(dispatch.attempts, self.ctx.attempts_max)
            && store.waits_for(dispatch.id, INTERRUPTED).await?;
        let turn = self.ctx.turns.take(is_alone).await;
        let Some(dispatch) = &store.begin_attempt(&dispatch).await? else {
            return Ok(AttemptEnd::Ended);
        };
        let ready = match self.let_go(dispatch, &composed, limit).await {
            Ok(Some(ready)) => ready,
            // It waits for a person, and those behind it pass.
            Ok(None) => return Ok(AttemptEnd::Ended),
            Err(why) => {
                self.no_mail(dispatch, why).await?;
                return Ok(AttemptEnd::Ended);
            }
        };
        let ReadyMail { envelope, mail, held: _held, .. } = ready;
        // A server that is silent for minutes must not hold up a task that wants to be alone.
        drop(turn);
        self.submit(dispatch, &composed, &envelope, mail).await?;
        Ok(AttemptEnd::Ended)
    }

    /// The mail of a dispatch; nothing if a person has to confirm it first.
    async fn let_go(
        &self,
        dispatch: &StoredDispatch,
        composed: &Composition,
        limit: large_mails::MailLimit,
    ) -> Result<Option<ReadyMail>, NoMail> {
        if !self.may_go_there(dispatch, composed).await? {
            return Ok(None);
        }
        let ready = self.mail(dispatch, composed, limit).await?;
        let is_let_go = match &ready.paper {
            Some(paper) => self.is_let_go(dispatch, composed, (paper, &ready.envelope.to)).await?,
            None => true,
        };
        Ok(is_let_go.then_some(ready))
    }

    /// Does what follows when a dispatch, whose attempt began, could not become a mail.
    async fn no_mail(&self, dispatch: &StoredDispatch, why: NoMail) -> Result<(), StoreError> {
        let counted = Attempt::Dispatch(dispatch.id, dispatch.begun);
        match why {
            NoMail::Store(StoreError::Damaged(damaged)) => {
                damage::tell(&damaged);
                self.fail(dispatch, &Phrase::DispatchDamaged, DAMAGED, DAMAGED).await
            }
            NoMail::Store(error) => attempts::ended(self.ctx, counted, Err(error)).await,
            NoMail::HomeserverAway => {
                let waits = self.wait_for_homeserver(dispatch).await;
                attempts::ended(self.ctx, counted, waits).await
            }
            NoMail::FileAway => {
                // A proxy that was asked just when its homeserver came back says so once.
                let is_first = dispatch.attempts <= 1
                    && !self.ctx.store.waits_for(dispatch.id, HOMESERVER_AWAY).await?;
                if is_first {
                    self.wait_for_homeserver(dispatch).await
                } else {
                    self.not_made(dispatch, Trouble::Media).await
                }
            }
            NoMail::Later(trouble) => self.not_made(dispatch, trouble).await,
            NoMail::Never(phrase, reason) => self.fail(dispatch, &phrase, reason, reason).await,
        }
    }

    /// Gives the mail to the channel's server, and records what became of it. Until its body leaves
    /// an edit or a redaction counts, even during the dialogue with the server.
    async fn submit(
        &self,
        dispatch: &StoredDispatch,
        composed: &Composition,
        envelope: &Envelope,
        mail: Leaving,
    ) -> Result<(), StoreError> {
        let store = &self.ctx.store;
        let mut body = None;
        let outcome = submit(&self.line.outbox, envelope, Ours::new(mail, store), async || {
            let may_leave = store.body_leaves(dispatch, composed).await;
            let leaves = matches!(may_leave, Ok(MayLeave::Leaves));
            body = Some(may_leave);
            if leaves { Ok(()) } else { Err("the state of the dispatch could not be saved") }
        })
        .await;
        match body {
            Some(Ok(MayLeave::Changed | MayLeave::Stopped)) => return Ok(()),
            // Nothing of it left.
            Some(Err(error)) if error.is_outage() => {
                let counted = Attempt::Dispatch(dispatch.id, dispatch.begun);
                return attempts::ended(self.ctx, counted, Err(error)).await;
            }
            Some(Ok(MayLeave::Leaves) | Err(_)) | None => {}
        }
        self.record_in_the_end(dispatch, &outcome).await?;
        if let Some(sight) = sight_of(&outcome) {
            note_account(self.ctx, self.line, AccountSide::Outbox, sight).await?;
        }
        acts::tell_what_became(self.ctx).await
    }

    /// Nothing else leaves under the Message-ID of a mail that may have arrived: the recipient's server
    /// might take it for a double and drop it. A mail that says the same keeps the id, so that a double
    /// is recognised. Returns nothing when the dispatch moved meanwhile.
    async fn rightly_named(
        &self,
        dispatch: &StoredDispatch,
        composed: &Composition,
    ) -> Result<Option<StoredDispatch>, StoreError> {
        let Ctx { store, clock, .. } = self.ctx;
        let is_another = dispatch.said_as.as_ref().is_some_and(|said| *said != composed.mark());
        match self.line.new_message_id(&self.ctx.rng) {
            Some(id) if is_another => {
                info!(dispatch.id = %dispatch.id, "Dispatch {} says something else by now, so it becomes another mail", dispatch.id);
                store.name_anew(dispatch, &id, clock.now()).await
            }
            _ => Ok(Some(dispatch.clone())),
        }
    }

    /// The homeserver as a whole is away, and with it the files. That does not count as an attempt of
    /// this dispatch, however long it lasts; when it lasts, its room is told once.
    async fn wait_for_homeserver(&self, dispatch: &StoredDispatch) -> Result<(), StoreError> {
        let (store, trouble) = (&self.ctx.store, Trouble::Media);
        let (was_away, is_told) = (
            store.waits_for(dispatch.id, HOMESERVER_AWAY).await?,
            store.waits_for(dispatch.id, HOMESERVER_AWAY_TOLD).await?,
        );
        info!(dispatch.id = %dispatch.id, "Dispatch {} waits {} s for the homeserver", dispatch.id, AWAY_WAIT.as_secs());
        let next = self.ctx.clock.now() + AWAY_WAIT;
        let notice = (was_away && !is_told)
            .then(|| self.notice(dispatch, &Phrase::DispatchTryLater { trouble, next }));
        let reply = if was_away || is_told { HOMESERVER_AWAY_TOLD } else { HOMESERVER_AWAY };
        let none = StoredDispatch { attempts: dispatch.attempts - 1, ..dispatch.clone() };
        store.dispatch_again_at(&none, next, reply, notice.as_ref()).await
    }

    /// The account takes no login now: the mail server refused one, for whichever dispatch. That
    /// does not count as an attempt of this dispatch. Its room is told only once, because the same
    /// may be found again and again, for days, and for as many conversations as there are.
    async fn wait_for_account(
        &self,
        dispatch: &StoredDispatch,
        wait: Duration,
    ) -> Result<(), StoreError> {
        let id = dispatch.id;
        let channel = &self.line.channel.name;
        info!(dispatch.id = %id, channel.name = %channel, "Dispatch {id} waits {} s for its account", wait.as_secs());
        let next = self.ctx.clock.now() + wait;
        let is_told = self.ctx.store.waits_for(id, ACCOUNT_WAITS).await?;
        let notice = (!is_told).then(|| self.notice(dispatch, &Phrase::DispatchWaitsForAccount));
        self.ctx.store.dispatch_again_at(dispatch, next, ACCOUNT_WAITS, notice.as_ref()).await
    }

    /// Saves how an attempt ended, however often that has to be tried: nothing else knows the mail
    /// server's answer, and without it the gateway could not say whether the mail arrived.
    async fn record_in_the_end(
        &self,
        dispatch: &StoredDispatch,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        let channel = self.line.channel.name.to_string();
        metrics::counter!("umstieg_hand_over_total", "channel" => channel, "outcome" => outcome.word())
            .increment(1);
        let begun = Instant::now();
        loop {
            match self.record(dispatch, outcome).await {
                Err(error) if error.is_outage() && begun.elapsed() < RECORD_WITHIN => {
                    warn!(dispatch.id = %dispatch.id, error = %error,
                        "The outcome of dispatch {} could not be saved; it is tried again", dispatch.id);
                    sleep(RECORD_PAUSE).await;
                }
                end => return end,
            }
        }
    }

    /// Saves how an attempt ended, and shows it.
    async fn record(&self, dispatch: &StoredDispatch, outcome: &Outcome) -> Result<(), StoreError> {
        let (id, attempts) = (dispatch.id, dispatch.attempts);
        let channel = &self.line.channel;
        let now = self.ctx.clock.now();
        let word = outcome.word();
        match judge(outcome, attempts, self.ctx.attempts_max) {
            Verdict::Done => {
                info!(dispatch.id = %id, channel.name = %channel.name, "Handed dispatch {id} over");
                let phrase = match channel.writes() {
                    Writes::MailWithAttachments => match &dispatch.answer_to {
                        Some(to) => {
                            let address = to.as_str().to_owned();
                            Phrase::DispatchAcceptedElsewhere { at: now, address }
                        }
                        None => Phrase::DispatchAcceptedKim { at: now },
                    },
                    Writes::OnePdf if channel.report_wait().is_none() => {
                        Phrase::OfFax(FaxPhrase::HandedOver { at: now })
                    }
                    Writes::OnePdf => Phrase::DispatchAcceptedFax { at: now },
                };
                let notice = self.notice(dispatch, &phrase);
                // A fax gateway reports by itself, if it does at all.
                let asked = matches!(outcome, Outcome::Accepted { reports_requested: true, .. })
                    || (self.line.channel.kind() == ChannelKind::Fax
                        && self.line.channel.report_wait().is_some());
                let reply = outcome.reply();
                self.ctx.store.settle_accepted(dispatch, &reply, asked, &notice, now).await
            }
            Verdict::Again(wait) => {
                let (reached, trouble) = (outcome.reached(), trouble(outcome));
                // Nothing is tried before the account may be used again.
                let outbox = &self.line.outbox;
                let account = outbox.login_waits().filter(|_| trouble == Trouble::Login);
                let wait = wait.max(account.unwrap_or_default());
                self.again(dispatch, wait, trouble, reached, &outcome.reply()).await
            }
            Verdict::GiveUp | Verdict::TriedEnough => {
                let reply = outcome.reply();
                let phrase =
                    Phrase::DispatchFailed { trouble: trouble(outcome), reply: reply.clone() };
                self.fail(dispatch, &phrase, &reply, word).await
            }
            Verdict::Hold => {
                self.hold(dispatch, &outcome.reply(), &Phrase::DispatchUnclear { at: now }).await
            }
        }
    }

    /// Lets a dispatch wait for its next attempt.
    async fn again(
        &self,
        dispatch: &StoredDispatch,
        wait: Duration,
        trouble: Trouble,
        reached: &str,
        reply: &str,
    ) -> Result<(), StoreError> {
        let id = dispatch.id;
        warn!(dispatch.id = %id, channel.name = %self.line.channel.name, reached,
            "Dispatch {id} waits {} s for its next attempt", wait.as_secs());
        let next = self.ctx.clock.now() + wait;
        let phrase = Phrase::DispatchTryLater { trouble, next };
        // A first short wait is not worth a notice that is replaced a moment later.
        let is_told = dispatch.attempts >= NOTICE_FROM_ATTEMPT || trouble == Trouble::Login;
        let notice = is_told.then(|| self.notice(dispatch, &phrase));
        self.ctx.store.dispatch_again_at(dispatch, next, reply, notice.as_ref()).await
    }

    /// The mail could not be made for now: no server was asked to take it.
    async fn not_made(
        &self,
        dispatch: &StoredDispatch,
        trouble: Trouble,
    ) -> Result<(), StoreError> {
        let word = trouble.word();
        if trouble == Trouble::Disk {
            error!(dispatch.id = %dispatch.id, "A file could not be kept in the folder for temporary files: it is full, or cannot be written");
        }
        if dispatch.attempts < self.ctx.attempts_max {
            return self.again(dispatch, back_off(dispatch.attempts), trouble, word, word).await;
        }
        let phrase = Phrase::DispatchFailed { trouble, reply: String::new() };
        self.fail(dispatch, &phrase, word, word).await
    }

    /// The gateway ended in the middle of an attempt, before anything of the body could leave.
    async fn interrupted(&self, dispatch: &StoredDispatch) -> Result<(), StoreError> {
        match after_interruption(dispatch.attempts, self.ctx.attempts_max) {
            Verdict::Again(wait) => {
                let next = self.ctx.clock.now() + wait;
                self.ctx.store.dispatch_again_at(dispatch, next, INTERRUPTED, None).await
            }
            _ => self.give_up_interrupted(dispatch).await,
        }
    }

    async fn give_up_interrupted(&self, dispatch: &StoredDispatch) -> Result<(), StoreError> {
        self.fail(dispatch, &Phrase::DispatchInterrupted, INTERRUPTED, INTERRUPTED).await
    }

    async fn fail(
        &self,
        dispatch: &StoredDispatch,
        phrase: &Phrase,
        reply: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        let id = dispatch.id;
        let channel = &self.line.channel.name;
        warn!(dispatch.id = %id, channel.name = %channel, reason, "Dispatch {id} failed");
        metrics::counter!("umstieg_parked_total", "kind" => "dispatch").increment(1);
        let notice = self.notice(dispatch, phrase);
        let state = DeliveryState::Failed;
        let parked = Some((channel, reason));
        let now = self.ctx.clock.now();
        self.ctx.store.settle_dispatch(dispatch, state, reply, &notice, parked, now).await
    }

    /// It is not known whether the channel took it: a person decides, because trying again might
    /// double a letter.
    async fn hold(
        &self,
        dispatch: &StoredDispatch,
        reply: &str,
        phrase: &Phrase,
    ) -> Result<(), StoreError> {
        let id = dispatch.id;
        let channel = &self.line.channel.name;
        warn!(dispatch.id = %id, channel.name = %channel, "Dispatch {id} is unclear");
        metrics::counter!("umstieg_parked_total", "kind" => "dispatch").increment(1);
        let now = self.ctx.clock.now();
        let notice = self.notice(dispatch, phrase);
        let state = DeliveryState::Unclear;
        let parked = Some((channel, UNCLEAR));
        self.ctx.store.settle_dispatch(dispatch, state, reply, &notice, parked, now).await
    }

    fn notice(&self, dispatch: &StoredDispatch, phrase: &Phrase) -> Notice {
        let is_receipt = dispatch.receipt_as.is_some();
        let phrase = said_of_kind(phrase.clone(), dispatch.may_have_arrived, is_receipt);
        notice_about(self.line, &phrase, dispatch.first_event.as_deref())
    }
}

/// From this attempt on the room is told that a dispatch waits.
const NOTICE_FROM_ATTEMPT: i32 = 2;
