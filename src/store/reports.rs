//! Reports: the dispatch one is about, and the step that its state takes.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    Moment, Store, StoreError, correspondents::note_reported, matters, parked, parked::ParkedKind,
    seal::Purpose,
};
use crate::model::{
    ChannelName, ConversationId, Correspondent, DeliveryState, DispatchId, FaxNumber, LetterId,
    MailAddress, MessageId, Notice,
};

/// A dispatch that a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedDispatch {
    pub id: DispatchId,
    pub conversation: ConversationId,
    /// The correspondent's key, and where the letter that it answers wanted answers, when that is
    /// elsewhere: what is reported of others is not about it.
    pub correspondent: String,
    pub answer_to: Option<MailAddress>,
    /// Nothing when its row is damaged; then nothing is reported of it.
    pub state: Option<DeliveryState>,
    /// The number of its attempt.
    pub begun: i64,
    /// The Message-ID that the report names.
    pub message_id: String,
    /// What was said under that Message-ID was changed since, and left under another one.
    pub is_earlier: bool,
    /// A body began to leave under that Message-ID, and a person has not had it sent again.
    pub has_left: bool,
    /// What began to leave under its Message-ID, as a `Composition` marks it.
    pub said_as: Option<String>,
    pub may_have_arrived: bool,
    /// The first room message that it still contains: notices answer it.
    pub first_event: Option<String>,
    /// It is a receipt for a letter.
    pub is_receipt: bool,
}

/// A report that speaks of a dispatch.
#[derive(Debug, Clone, Copy)]
pub struct NewReport<'a> {
    pub letter: LetterId,
    pub fingerprint: Option<[u8; 32]>,
    pub dispatch: &'a ReportedDispatch,
    /// The state it leads to by itself.
    pub said: DeliveryState,
    /// Why, as a word.
    pub why: Option<&'static str>,
    /// A fax gateway's own words for it.
    pub words: Option<&'a str>,
    pub at: OffsetDateTime,
}

/// What a report makes of its dispatch.
#[derive(Debug, Clone, Copy)]
pub struct ReportStep<'a> {
    pub to: DeliveryState,
    pub notice: &'a Notice,
    /// Whether the room hears of it by a new message, and not by a change of the earlier one.
    pub is_news: bool,
    /// Where a person has to look: the channel it waits under.
    pub parked_for: Option<&'a ChannelName>,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportTaken {
    Taken,
    /// Its letter has a place already.
    Before,
    /// The dispatch moved meanwhile: the report has to be judged again. Nothing was done.
    Moved,
}

/// A report that came while an attempt was under way, which has ended by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingReport {
    pub id: i64,
    pub dispatch: ReportedDispatch,
    pub said: DeliveryState,
    pub why: Option<String>,
    /// Another attempt began since: what failed before it says nothing of it.
    pub is_overtaken: bool,
}

/// A dispatch that was taken over, and of which nobody has reported anything since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreportedDispatch {
    pub id: DispatchId,
    pub conversation: ConversationId,
    pub taken_at: OffsetDateTime,
    pub may_have_arrived: bool,
    pub first_event: Option<String>,
    /// It is a receipt for a letter.
    pub is_receipt: bool,
}

impl Store {
    /// The dispatch of a channel that bore one of these Message-IDs (KIM-29).
    ///
    /// Nothing when there is none, and when they do not say which one it was. That a letter bore or
    /// named the same id does not matter: we made it.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn reported_dispatch(
        &self,
        channel: &ChannelName,
        ids: &[MessageId],
    ) -> Result<Option<ReportedDispatch>, StoreError> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let bearers = sqlx::query!(
            r#"select
                 substr(bearer, 2)::bigint as "dispatch_id!",
                 message_id
             from thread_ids
             where channel = $1
               and message_id = any ($2)
               and bearer like 'd%'
               and bearer ~ '^d[0-9]{1,18}$'
             limit 2"#,
            channel.as_str(),
            &ids,
        )
        .fetch_all(&self.pool)
        .await?;
        let [bearer] = bearers.as_slice() else { return Ok(None) };
        self.dispatch_that_bore(DispatchId(bearer.dispatch_id), &bearer.message_id).await
    }

    /// The dispatch that left last for a correspondent, since a moment.
    pub async fn last_dispatch_to(
        &self,
        channel: &ChannelName,
        correspondent: &Correspondent,
        since: OffsetDateTime,
    ) -> Result<Option<ReportedDispatch>, StoreError> {
        let last = sqlx::query!(
            r#"select dispatch.id, dispatch.message_id
             from dispatches as dispatch
             join conversations as conversation on conversation.id = dispatch.conversation_id
             join correspondents as correspondent on correspondent.id = conversation.correspondent_id
             where conversation.channel = $1
               and correspondent.kind = $2
               and correspondent.key = $3
               and dispatch.state <> all ($4)
               and dispatch.closes_at >= $5
             order by coalesce(dispatch.settled_at, 'infinity') desc, dispatch.id desc
             limit 1"#,
            channel.as_str(),
            correspondent.kind().word(),
            &*correspondent.key(),
            &DeliveryState::words_of(DeliveryState::surely_stayed_here),
            since,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(last) = last else { return Ok(None) };
        self.dispatch_that_bore(DispatchId(last.id), &last.message_id).await
    }

    /// How many pages a fax has, and had when it left.
    pub async fn pages_of(&self, dispatch: DispatchId) -> Result<Option<u32>, StoreError> {
        let pages =
            sqlx::query_scalar!("select fax_pages from dispatches where id = $1", dispatch.0,)
                .fetch_optional(&self.pool)
                .await?;
        Ok(pages.flatten().and_then(|pages| u32::try_from(pages).ok()))
    }

    /// The only fax to this number that left the channel since a moment and of which the end is not known
    /// (FAX-28). Nothing when there are several: a report without a tag does not say which one it is of.
    pub async fn only_fax_underway(
        &self,
        channel: &ChannelName,
        number: &FaxNumber,
        since: OffsetDateTime,
    ) -> Result<Option<ReportedDispatch>, StoreError> {
        let (fax, claimed) = (
            Correspondent::Fax(number.clone()).key().into_owned(),
            Correspondent::ClaimedFax(number.clone()).key().into_owned(),
        );
        let rows = sqlx::query!(
            r#"select dispatch.id, dispatch.message_id
             from dispatches as dispatch
             join conversations as conversation on conversation.id = dispatch.conversation_id
             join correspondents as correspondent on correspondent.id = conversation.correspondent_id
             where conversation.channel = $1
               and correspondent.kind = 'fax'
               and correspondent.key = any ($2)
               and dispatch.state in ('sending_body', 'accepted', 'delayed', 'unclear')
               and coalesce(dispatch.settled_at, 'infinity') >= $3
             limit 2"#,
            channel.as_str(),
            &[fax, claimed],
            since,
        )
        .fetch_all(&self.pool)
        .await?;
        let [only] = rows.as_slice() else { return Ok(None) };
        self.dispatch_that_bore(DispatchId(only.id), &only.message_id).await
    }

    /// What is reported of a dispatch under this Message-ID is judged by.
    async fn dispatch_that_bore(
        &self,
        dispatch: DispatchId,
        message_id: &str,
    ) -> Result<Option<ReportedDispatch>, StoreError> {
        let row = sqlx::query!(
            r#"select
                 dispatch.conversation_id,
                 correspondent.key as correspondent,
                 case when dispatch.receipt_as is null then letter.answer_to end as answer_to,
                 dispatch.receipt_as is not null as "is_receipt!",
                 dispatch.state,
                 dispatch.begun,
                 dispatch.message_id <> $2 as "is_earlier!",
                 -- What left under another Message-ID is another mail, and so is what a person has sent
                 -- again.
                 dispatch.message_id = $2
                     and coalesce(dispatch.said_as <> 'again', false) as "has_left!",
                 dispatch.said_as,
                 dispatch.may_have_arrived,
                 first_event_of(dispatch.id) as first_event
             from dispatches as dispatch
             join conversations as conversation on conversation.id = dispatch.conversation_id
             join correspondents as correspondent on correspondent.id = conversation.correspondent_id
             left join letters as letter on letter.id = dispatch.letter_id
             where dispatch.id = $1"#,
            dispatch.0,
            message_id,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let answer_to = row.answer_to.as_deref().map(MailAddress::new).transpose();
        Ok(Some(ReportedDispatch {
            id: dispatch,
            conversation: ConversationId(row.conversation_id),
            correspondent: row.correspondent,
            // An address that cannot be read is nobody's.
            state: DeliveryState::from_word(&row.state).filter(|_| answer_to.is_ok()),
            answer_to: answer_to.unwrap_or_default(),
            begun: row.begun,
            message_id: message_id.to_owned(),
            is_earlier: row.is_earlier,
            has_left: row.has_left,
            said_as: row.said_as,
            may_have_arrived: row.may_have_arrived,
            first_event: row.first_event,
            is_receipt: row.is_receipt,
        }))
    }

    /// Keeps a report, and takes the step that its dispatch takes for it: the state, the notice, what
    /// a person has to look at. Without a step nothing moves: `waits` says whether it is to be judged
    /// again when the attempt under way has ended.
    pub async fn take_report(
        &self,
        new: NewReport<'_>,
        step: Option<ReportStep<'_>>,
        waits: bool,
    ) -> Result<ReportTaken, StoreError> {
        let mut transaction = self.pool.begin().await?;
        if !take_letter(&mut transaction, (new.letter, new.fingerprint)).await? {
            return Ok(ReportTaken::Before);
        }
        sqlx::query!(
            "insert into reports
                 (dispatch_id, letter_id, said, why, begun, state, reported_at, message_id, moved,
                  words)
             values
                 ($1, $2, $3, $4, $5, case when $6 then 'waiting' else 'done' end, $7, $8, $9, $10)",
            new.dispatch.id.0,
            new.letter.0,
            new.said.word(),
            new.why,
            new.dispatch.begun,
            waits,
            new.at,
            new.dispatch.message_id,
            step.is_some(),
            new.words.map(|words| self.seal.close(Purpose::ReportWords, words.as_bytes())),
        )
        .execute(&mut *transaction)
        .await?;
        let stands = match step {
            Some(step) => self.move_on(&mut transaction, new.dispatch, step, new.at).await?,
            None => still_stands(&mut transaction, new.dispatch).await?,
        };
        if !stands {
            transaction.rollback().await?;
            return Ok(ReportTaken::Moved);
        }
        transaction.commit().await?;
        Ok(ReportTaken::Taken)
    }

    /// The oldest report that waited for the end of an attempt at a dispatch of a conversation, if that
    /// attempt has ended.
    pub async fn waiting_report(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<WaitingReport>, StoreError> {
        let row = sqlx::query!(
            r#"select
                 report.id,
                 report.dispatch_id,
                 report.message_id,
                 report.said,
                 report.why,
                 report.begun < dispatch.begun as "is_overtaken!"
             from reports as report
             join dispatches as dispatch on dispatch.id = report.dispatch_id
             where report.state = 'waiting'
               and dispatch.conversation_id = $1
               and (
                   dispatch.state = any ($2)
                   -- It arrived, so it need not leave once more.
                   or (
                       dispatch.state in ('waiting', 'handing_over')
                       and report.said in ('delivered', 'read', 'discarded')
                       and report.message_id = dispatch.message_id
                       and dispatch.said_as <> 'again'
                   )
               )
             order by report.id
             limit 1"#,
            conversation.0,
            &DeliveryState::settled_words(),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let Some(said) = DeliveryState::from_word(&row.said) else { return Ok(None) };
        let dispatch = DispatchId(row.dispatch_id);
        let Some(dispatch) = self.dispatch_that_bore(dispatch, &row.message_id).await? else {
            return Ok(None);
        };
        Ok(Some(WaitingReport {
            id: row.id,
            dispatch,
            said,
            why: row.why,
            is_overtaken: row.is_overtaken,
        }))
    }

    /// The report behind what was said of a dispatch in its room: the last one for which its state moved.
    pub async fn report_behind(
        &self,
        conversation: ConversationId,
        event_id: &str,
    ) -> Result<Option<LetterId>, StoreError> {
        let letter = sqlx::query_scalar!(
            "select report.letter_id
             from posts as notice
             join reports as report on report.dispatch_id = notice.dispatch_id
             where notice.event_id = $2
               and notice.conversation_id = $1
               and report.moved
             order by report.id desc
             limit 1",
            conversation.0,
            event_id,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(letter.map(LetterId))
    }

    /// Takes the step that a report which waited leads to, if any. `false`: the dispatch moved
    /// meanwhile, and nothing was done.
    pub async fn end_waiting_report(
        &self,
        report: &WaitingReport,
        step: Option<ReportStep<'_>>,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_first = sqlx::query!(
            "update reports
             set state = 'done',
                 moved = $2
             where id = $1
               and state = 'waiting'",
            report.id,
            step.is_some(),
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if !is_first {
            return Ok(true);
        }
        if let Some(step) = step
            && !self.move_on(&mut transaction, &report.dispatch, step, at).await?
        {
            transaction.rollback().await?;
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Dispatches of a channel that their mail server took before this moment, having agreed to report
    /// what becomes of them, and of which nobody has reported anything; the room was not told.
    /// `also_delayed`: or no more than that it is not sent yet. At most
    /// `limit`, the oldest first.
    pub async fn unreported(
        &self,
        channel: &ChannelName,
        before: OffsetDateTime,
        also_delayed: bool,
        limit: i64,
    ) -> Result<Vec<UnreportedDispatch>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 dispatch.id,
                 dispatch.conversation_id,
                 dispatch.settled_at as "settled_at!: Moment",
                 dispatch.may_have_arrived,
                 dispatch.receipt_as is not null as "is_receipt!",
                 first_event_of(dispatch.id) as first_event
             from dispatches as dispatch
             join conversations as conversation on conversation.id = dispatch.conversation_id
             where (dispatch.state = 'accepted' or (dispatch.state = 'delayed' and $4))
               and dispatch.reports_requested
               and dispatch.silence_told_at is null
               and dispatch.settled_at < $2
               and conversation.channel = $1
             order by dispatch.settled_at
             limit $3"#,
            channel.as_str(),
            before,
            limit,
            also_delayed,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(UnreportedDispatch {
                    id: DispatchId(row.id),
                    conversation: ConversationId(row.conversation_id),
                    taken_at: row.settled_at.read("dispatches", "settled_at", row.id)?,
                    may_have_arrived: row.may_have_arrived,
                    first_event: row.first_event,
                    is_receipt: row.is_receipt,
                })
            })
            .collect()
    }

    /// Tells the room of a dispatch, once, that nobody has reported what became of it.
    pub async fn tell_unreported(
        &self,
        dispatch: &UnreportedDispatch,
        notice: &Notice,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_news = sqlx::query!(
            "update dispatches
             set silence_told_at = $2
             where id = $1
               and state = 'accepted'
               and silence_told_at is null",
            dispatch.id.0,
            at,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if is_news {
            let conversation = dispatch.conversation.0;
            self.insert_notice(&mut transaction, conversation, dispatch.id, notice).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Moves a dispatch from the state in which it was judged, unless it moved meanwhile.
    async fn move_on(
        &self,
        connection: &mut PgConnection,
        dispatch: &ReportedDispatch,
        step: ReportStep<'_>,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let Some(from) = dispatch.state.filter(|from| from.to(step.to).is_ok()) else {
            return Ok(false);
        };
        let moved = sqlx::query!(
            "update dispatches
             set state = $2,
                 settled_at = coalesce(settled_at, $5)
             where id = $1
               and state = $3
               and begun = $4",
            dispatch.id.0,
            step.to.word(),
            from.word(),
            dispatch.begun,
            at,
        )
        .execute(&mut *connection)
        .await?
        .rows_affected()
            == 1;
        if !moved {
            return Ok(false);
        }
        note_reported(connection, dispatch, step.to, at).await?;
        matters::dispatch_moved(connection, dispatch.id, (from, step.to), at).await?;
        parked::settle(connection, ParkedKind::Dispatch, dispatch.id.0, at).await?;
        if let Some(channel) = step.parked_for {
            let (kind, channel) = (ParkedKind::Dispatch, channel.as_str());
            parked::insert(connection, kind, dispatch.id.0, channel, step.to.word(), at).await?;
        }
        let (conversation, id) = (dispatch.conversation.0, dispatch.id);
        // What an earlier report said stands no longer.
        if !step.is_news || from.is_reported() {
            self.insert_notice(connection, conversation, id, step.notice).await?;
        }
        if step.is_news {
            self.insert_new_notice(connection, conversation, id, step.notice).await?;
        }
        Ok(true)
    }
}

/// Whether a dispatch is still as it was when a report about it was judged.
async fn still_stands(
    connection: &mut PgConnection,
    dispatch: &ReportedDispatch,
) -> Result<bool, sqlx::Error> {
    let row = sqlx::query_scalar!(
        "select id
         from dispatches
         where id = $1
           and state = $2
           and begun = $3
         for update",
        dispatch.id.0,
        dispatch.state.map(DeliveryState::word),
        dispatch.begun,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// The mail of a report has its place. It is in no conversation: nothing that is said anywhere answers it.
/// `false`: it had one before.
pub(super) async fn take_letter(
    connection: &mut PgConnection,
    (letter, fingerprint): (LetterId, Option<[u8; 32]>),
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query!(
        "update letters
         set state = 'posted',
             fingerprint = $2
         where id = $1
           and state = 'stored'",
        letter.0,
        fingerprint.as_ref().map(<[u8; 32]>::as_slice),
    )
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == 1)
}
