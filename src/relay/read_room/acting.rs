//! What a readable event asks for is done.

use ruma::{DeviceId, RoomId};
use serde_json::Value;
use tracing::info;

use super::{ReadingProgress, SaidBy, staying::refusal_phrase};
use crate::{
    channel::{Entitled, FaxSend},
    matrix::{decode, status_request, thread_root},
    model::{
        ConversationId, Correspondent, LetterId, MayAsk, Member, Membership, MessageKind,
        ReactionSign, RoomEvent, StatusForm,
    },
    phrases::{EditTrouble, MovePhrase, Phrase, SendingPhrase},
    relay::{
        Ctx, Line,
        acts::{self, ActTarget},
        bot_device,
        commands::{self, Effect, Request},
        members,
        reader::PortalReader,
    },
    rules::{
        acts::ActKind,
        matters::MatterStep,
        posts,
        routing::{Refusal, RoomFacts, Route, WhatLeaves, route},
        status,
    },
    store::{
        AnsweredLetter, EditSays, EventStep, NewPart, StatusWish, StoreError, StoredEvent,
        StoredPart,
    },
};

impl PortalReader<'_> {
    /// Does what an unencrypted event asks for. `is_readable_now`: its sender was told that it
    /// could not be read.
    pub(super) async fn act_on(
        &self,
        stored: &StoredEvent,
        json: &Value,
        is_readable_now: bool,
    ) -> Result<ReadingProgress, StoreError> {
        let event = decode(json);
        if self.note_state(&event, json).await? {
            return Ok(ReadingProgress::Done);
        }
        // No person said anything, so nothing was changed by it either, whatever it calls itself.
        let Some(said) = SaidBy::of(&event) else { return self.nothing(stored, None).await };
        if self.ctx.homeserver.is_ours(&said.sender) {
            confirm_post(self.ctx, json, &said).await?;
            return Ok(ReadingProgress::Done);
        }
        let answered = answered(self.ctx, self.conversation.id, &event, json).await?;
        let wishes = self.wishes(json).await;
        self.heed(stored, &event, &said, (answered, &wishes), is_readable_now).await
    }

    /// What the client wants to be told that sent an event.
    async fn wishes(&self, json: &Value) -> Vec<StatusWish> {
        let mut wishes = Vec::new();
        if self.line.channel.tells_clients {
            wishes.push(StatusWish { form: StatusForm::Beeper, until: None });
        }
        if let Some(request) = status_request(json) {
            // Which device ours is matters only to a client that names one.
            let own = match request.to_device {
                Some(_) => bot_device(self.ctx).await.ok(),
                None => None,
            };
            if status::is_for(&request, own.as_deref().map(DeviceId::as_str)) {
                let until = status::until(&request, self.ctx.clock.now());
                wishes.push(StatusWish { form: StatusForm::Gematik, until });
            }
        }
        wishes
    }

    /// Notes what an event says about the room itself. `false`: it says nothing about it.
    async fn note_state(&self, event: &RoomEvent, json: &Value) -> Result<bool, StoreError> {
        let (ctx, room_id) = (self.ctx, self.room_id);
        match event {
            RoomEvent::Member(member) => {
                member_is(ctx, self.line, self.conversation.id, room_id, member, json).await?;
            }
            RoomEvent::Encryption(encryption) => {
                ctx.store.room_is_encrypted(room_id, encryption).await?;
            }
            RoomEvent::Tombstone { .. } => {
                info!(conversation.id = %self.conversation.id, "A portal was upgraded");
                ctx.store.portal_upgraded(room_id, ctx.clock.now()).await?;
            }
            RoomEvent::Message(_)
            | RoomEvent::Redaction(_)
            | RoomEvent::Reaction(_)
            | RoomEvent::Encrypted(_)
            | RoomEvent::Other => return Ok(false),
        }
        Ok(true)
    }

    /// Does what a person asks for: what needs no step of its event is asked first, because a step
    /// holds a connection.
    async fn heed(
        &self,
        stored: &StoredEvent,
        event: &RoomEvent,
        said: &SaidBy,
        (answered, wishes): (Option<AnsweredLetter>, &[StatusWish]),
        is_readable_now: bool,
    ) -> Result<ReadingProgress, StoreError> {
        let (route, correspondent) = self.route(event, said, answered.as_ref());
        if matches!(route, Route::Approve { .. })
            && (stored.before_copy || self.is_outsider(said).await?)
        {
            return self.nothing(stored, Some(said)).await;
        }
        if let Some(phrase) = self.why_it_stays(stored, said, &route, answered.as_ref()).await? {
            return self.refuse(stored, said, &phrase).await;
        }
        let effect = self.prepare(&route, event, answered.as_ref()).await?;
        let may_be_told = match &route {
            Route::Replace { by: Err(_), .. } => self.may_be_told(said).await?,
            _ => true,
        };
        let answers = answered.as_ref().map(|letter| letter.id);
        let Some(mut step) = self.step(stored).await? else { return Ok(ReadingProgress::Acted) };
        if !matches!(route, Route::Replace { .. }) {
            if is_readable_now {
                self.take_back(&mut step, said, &readable_phrase(&route)).await?;
            }
            if stored.edit_of.is_some() {
                step.is_no_edit(&stored.event_id).await?;
                step.wake_hand_over(self.conversation.id).await?;
            }
        }
        match route {
            Route::Ignore => {}
            Route::Text(body) => {
                self.collect(&mut step, said, StoredPart::Text(body), (answers, wishes)).await?;
            }
            Route::File(file) => {
                self.collect(&mut step, said, acts::file(file), (answers, wishes)).await?;
            }
            Route::Gallery { caption, files } => {
                let part = acts::part(WhatLeaves::Gallery { caption, files });
                self.collect(&mut step, said, part, (answers, wishes)).await?;
            }
            Route::Command(_) => {
                if let Some(effect) = effect {
                    self.obey(&mut step, said, effect).await?;
                }
            }
            Route::Replace { event_id, by } => {
                let trouble = by.as_ref().err().map(|refusal| EditTrouble::from(*refusal));
                let found = self.edit(&mut step, said, &event_id, by, is_readable_now).await?;
                // What a machine says is not answered.
                if let (ActTarget::Unknown, Some(trouble), false) =
                    (found, trouble, is_notice(event))
                    && may_be_told
                {
                    let phrase = Phrase::EditStays { trouble };
                    self.tell(&mut step, &said.event_id, &event_id, &phrase).await?;
                }
            }
            Route::Withdraw { event_id } => self.withdraw(&mut step, said, &event_id).await?,
            Route::Approve { event_id, sign, entitled } => {
                self.approve(&mut step, said, (&event_id, sign, entitled)).await?;
            }
            Route::Refuse(refusal) => {
                let phrase = refusal_phrase(refusal, self.line, correspondent.as_ref());
                self.tell(&mut step, &said.event_id, &said.event_id, &phrase).await?;
            }
        }
        step.commit().await?;
        Ok(ReadingProgress::Acted)
    }

    /// Asks the rule what an event is.
    fn route(
        &self,
        event: &RoomEvent,
        said: &SaidBy,
        answered: Option<&AnsweredLetter>,
    ) -> (Route, Option<Correspondent>) {
        let channel = &self.line.channel;
        let correspondent =
            Correspondent::from_key(channel.kind(), &self.conversation.correspondent).ok();
        let recipient = correspondent.as_ref().map(|c| channel.recipient(c));
        let facts = RoomFacts {
            is_ours: false,
            entitled: channel.entitled(said.sender.as_str()),
            is_answerable: answered.is_some_and(|letter| letter.goes_elsewhere)
                || matches!(recipient, Some(Ok(_))),
            file_bytes_max: channel.mail_bytes_max(),
            // Of all names this is the only one that only its owner can set: the homeserver says what
            // a user is called in a room or in its profile.
            speaker: said.sender.localpart(),
            encrypts_files: self.ctx.devices.is_required(),
        };
        (route(event, facts), correspondent)
    }

    /// Why something stays in the room, whatever it says: when it was said, who said it, and what
    /// it answers.
    async fn why_it_stays(
        &self,
        stored: &StoredEvent,
        said: &SaidBy,
        route: &Route,
        answered: Option<&AnsweredLetter>,
    ) -> Result<Option<Phrase>, StoreError> {
        let is_said = matches!(route, Route::Text(_) | Route::File(_) | Route::Gallery { .. });
        let is_asked = is_said || matches!(route, Route::Command(_));
        if stored.before_copy && is_asked {
            return Ok(Some(Phrase::MessageBeforeCopy));
        }
        // What it took back or changed of its author's own still counts.
        let is_own_affair = matches!(
            route,
            Route::Ignore | Route::Replace { .. } | Route::Withdraw { .. } | Route::Approve { .. }
        );
        if !is_own_affair && self.is_outsider(said).await? {
            return Ok(Some(Phrase::NotASpeaker));
        }
        if is_said && self.line.channel.fax_send() == Some(FaxSend::Off) {
            return Ok(Some(Phrase::OfSending(SendingPhrase::Off)));
        }
        if is_said
            && let Some(there) = answered.and_then(|letter| letter.went_to)
            && let Some(link) = commands::rooms::link_to(self.ctx, there).await?
        {
            return Ok(Some(Phrase::OfMove(MovePhrase::AnswerThere { link })));
        }
        if is_said && answered.is_some_and(|letter| letter.open_doubt.is_some()) {
            return Ok(Some(Phrase::CallerNotConfirmed));
        }
        // To whom it would go is what nobody vouches for, and the room does not show it.
        if is_said && answered.is_some_and(|letter| letter.is_withheld) {
            return Ok(Some(Phrase::AnswerToWithheld));
        }
        Ok(None)
    }

    /// Looks up what a command needs.
    async fn prepare(
        &self,
        route: &Route,
        event: &RoomEvent,
        answered: Option<&AnsweredLetter>,
    ) -> Result<Option<Effect>, StoreError> {
        let (Route::Command(asked), RoomEvent::Message(message)) = (route, event) else {
            return Ok(None);
        };
        let conversation = self.conversation.id;
        let request = Request { ctx: self.ctx, line: self.line, conversation, message, answered };
        request.prepare(asked).await.map(Some)
    }

    async fn collect(
        &self,
        step: &mut EventStep<'_>,
        said: &SaidBy,
        part: StoredPart,
        (answers, wishes): (Option<LetterId>, &[StatusWish]),
    ) -> Result<(), StoreError> {
        let Some(message_id) = self.message_id() else { return Ok(()) };
        let new = self.new_part(said.sender.as_str(), &said.event_id, &part, &message_id);
        step.collect(NewPart { answers, ..new }).await?;
        step.wishes(&said.event_id, wishes).await
    }

    /// Does what a command asks for, and says what came of it.
    async fn obey(
        &self,
        step: &mut EventStep<'_>,
        said: &SaidBy,
        effect: Effect,
    ) -> Result<(), StoreError> {
        let (id, letter) = (self.conversation.id, effect.original());
        let phrase = commands::run(step, self.conversation, effect).await?;
        self.tell(step, &said.event_id, &said.event_id, &phrase).await?;
        match letter {
            Some(letter) => commands::original::follow(step, id, &said.event_id, letter).await,
            None => Ok(()),
        }
    }

    /// A sign. ✅ on the newest preview of a fax is what `!faxen` is; what it comes to is said at the preview,
    /// and only where somebody would go wrong without it. On a letter, or on a line of the tray, a sign says
    /// who takes care and what is done. Everybody sees it there, so nothing is said.
    async fn approve(
        &self,
        step: &mut EventStep<'_>,
        said: &SaidBy,
        (target, sign, entitled): (&str, ReactionSign, Entitled),
    ) -> Result<(), StoreError> {
        let id = self.conversation.id;
        if sign == ReactionSign::Take || !step.is_preview(id, target).await? {
            return match entitled.may_speak {
                true => self.sign_matter(step, said, target, sign).await,
                false => Ok(()),
            };
        }
        let phrase = if entitled.may_confirm {
            let by = (said.event_id.as_str(), said.sender.as_str());
            commands::send_fax::approve(step, self.line, id, target, by).await?
        } else {
            let refusal = match entitled.may_speak {
                true => Refusal::NotEntitled(MayAsk::Confirmers),
                false => Refusal::MayNotSpeak,
            };
            Some(refusal_phrase(refusal, self.line, None))
        };
        match phrase {
            Some(phrase) => self.tell(step, &said.event_id, target, &phrase).await,
            None => Ok(()),
        }
    }

    /// A speaker puts a sign to a letter, or to a line of the tray.
    async fn sign_matter(
        &self,
        step: &mut EventStep<'_>,
        said: &SaidBy,
        target: &str,
        sign: ReactionSign,
    ) -> Result<(), StoreError> {
        let id = self.conversation.id;
        let Some(conversation) = step.conversation_behind(id, target).await? else {
            return Ok(());
        };
        let author = said.sender.as_str();
        let moves = match sign {
            ReactionSign::Take => MatterStep::Take(author.to_owned()),
            ReactionSign::Done => MatterStep::Done,
        };
        step.move_matter(conversation, &moves, author, Some((&said.event_id, id))).await?;
        info!(conversation.id = %conversation, step = moves.word(), "A sign moved what conversation {conversation} asks");
        Ok(())
    }

    /// Notes what an edit says, and does what follows from it.
    async fn edit(
        &self,
        step: &mut EventStep<'_>,
        said: &SaidBy,
        message: &str,
        by: Result<WhatLeaves, Refusal>,
        was_announced: bool,
    ) -> Result<ActTarget, StoreError> {
        let trouble = by.as_ref().err().map(|refusal| EditTrouble::from(*refusal));
        let part = by.ok().map(acts::part);
        let says = part.as_ref().map_or(EditSays::Never, EditSays::Part);
        let (edit, author) = (said.event_id.as_str(), said.sender.as_str());
        step.edit_says(edit, self.room_id, author, message, says).await?;
        let kind = ActKind::Edit;
        let act = acts::ReadAct { event_id: edit, author, kind, message, trouble, was_announced };
        acts::follow(self, step, &act).await
    }

    /// Does what follows from a withdrawal: of a message, or of an edit of one.
    async fn withdraw(
        &self,
        step: &mut EventStep<'_>,
        said: &SaidBy,
        event_id: &str,
    ) -> Result<(), StoreError> {
        step.waits_no_more(event_id).await?;
        let message = step.message_of(event_id).await?;
        let act = acts::ReadAct {
            event_id: &said.event_id,
            author: said.sender.as_str(),
            kind: ActKind::Redaction,
            message: &message,
            trouble: None,
            was_announced: false,
        };
        acts::follow(self, step, &act).await?;
        Ok(())
    }
}

/// What the sender of a message is told that could not be read, and can be now.
fn readable_phrase(route: &Route) -> Phrase {
    match route {
        Route::Ignore | Route::Refuse(_) => Phrase::MessageReadableStays,
        Route::Command(_) | Route::Approve { .. } => Phrase::CommandReadableNow,
        _ => Phrase::MessageReadableNow,
    }
}

/// Whether a machine says it.
fn is_notice(event: &RoomEvent) -> bool {
    matches!(event, RoomEvent::Message(message) if matches!(message.kind, MessageKind::Notice(_)))
}

/// The letter a message answers: the one it replies to, the one its thread is about, or the newest
/// that was in the room when it was written.
async fn answered(
    ctx: &Ctx,
    conversation: ConversationId,
    event: &RoomEvent,
    raw: &Value,
) -> Result<Option<AnsweredLetter>, StoreError> {
    let RoomEvent::Message(message) = event else { return Ok(None) };
    let thread = thread_root(raw);
    let replies_to = message.replies_to.as_ref().map(|event| event.as_str());
    let relates_to: Vec<&str> = replies_to.into_iter().chain(thread).collect();
    ctx.store.answered_letter(conversation, message.event_id.as_str(), &relates_to).await
}

async fn member_is(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    room_id: &str,
    member: &Member,
    event: &Value,
) -> Result<(), StoreError> {
    let said_at_ms = event.get("origin_server_ts").and_then(Value::as_i64).unwrap_or(0);
    let (user, membership) = (&member.user, member.membership);
    ctx.store.member_is(room_id, user.as_str(), membership.word(), said_at_ms).await?;
    if let Ok(room) = <&RoomId>::try_from(room_id) {
        members::changed(ctx, line, conversation, room, user, membership).await?;
    }
    // The bot never leaves a portal by itself. Without it the gateway does not hear what is said
    // there, so the conversation goes on elsewhere.
    if user == ctx.homeserver.bot() && matches!(membership, Membership::Leave | Membership::Ban) {
        info!("The bot was removed from a portal; its conversation goes on in another room");
        ctx.store.portal_lost_the_bot(room_id).await?;
    }
    Ok(())
}

/// Our own post came back: it is in the room, whatever became of the answer to our request.
async fn confirm_post(ctx: &Ctx, event: &Value, said: &SaidBy) -> Result<(), StoreError> {
    let mark = event.get("content").and_then(|content| content.get(posts::POST_MARK));
    match mark.and_then(Value::as_str) {
        Some(txn_id) => {
            let read = event.get("content").and_then(|content| content.get(posts::READ_MARK));
            if read == mark {
                ctx.store.posts_are_shown(&[txn_id.to_owned()]).await?;
            }
            ctx.store.post_echoed(txn_id, &said.event_id, ctx.clock.now()).await
        }
        None => Ok(()),
    }
}
