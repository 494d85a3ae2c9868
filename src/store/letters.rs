//! What channels brought: saved raw under the mailbox's own key, then placed in one step.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    Damaged, Job, Moment, Store, StoreError, conversations::Sighting,
    correspondents::open_conversation, jobs, kept_back::CardWait, matters, page_readings, parked,
    parked::ParkedKind, seal::Purpose,
};
use crate::model::{
    ChannelName, ConversationId, Correspondent, KeptBack, LetterId, LetterState, MadeFile,
    MailAddress, MessageId, NewPost, PostState, ServiceId,
};

/// A letter as it was saved; [`Store::letter_pieces`] tells where its bytes are.
#[derive(Debug, Clone)]
pub struct StoredLetter {
    pub id: LetterId,
    /// The mailbox's own name for it.
    pub mail_key: String,
    /// SHA-256 of its bytes; nothing for letters from before mailboxes had generations.
    pub digest: Option<Vec<u8>>,
    /// Too large, or out of reach: we have only its head.
    pub head_only: bool,
    /// It could not be fetched: we have its head, or nothing.
    pub out_of_reach: bool,
    /// Because of its length.
    pub too_large: bool,
    /// The letter out of reach that this one turns out to be, now that it could be fetched.
    pub supersedes: Option<LetterId>,
    pub received_at: OffsetDateTime,
    /// How many attempts there were to place it, including this one.
    pub attempts: i32,
    /// What the names of its channel's letters are made with.
    pub made_with: String,
}

struct LetterRow {
    id: i64,
    mail_key: String,
    digest: Option<Vec<u8>>,
    head_only: bool,
    out_of_reach: bool,
    too_large: bool,
    supersedes: Option<i64>,
    received_at: Moment,
    attempts: i32,
    made_with: String,
}

impl TryFrom<LetterRow> for StoredLetter {
    type Error = Damaged;

    fn try_from(row: LetterRow) -> Result<Self, Damaged> {
        Ok(Self {
            id: LetterId(row.id),
            mail_key: row.mail_key,
            digest: row.digest,
            head_only: row.head_only,
            out_of_reach: row.out_of_reach,
            too_large: row.too_large || row.head_only && !row.out_of_reach,
            supersedes: row.supersedes.map(LetterId),
            received_at: row.received_at.read("letters", "received_at", row.id)?,
            attempts: row.attempts,
            made_with: row.made_with,
        })
    }
}

/// What was decided about a letter, saved in one transaction.
#[derive(Debug, Clone)]
pub struct Placing<'a> {
    pub letter: LetterId,
    pub channel: &'a ChannelName,
    pub correspondent: &'a Correspondent,
    /// `None` opens a conversation.
    pub conversation: Option<ConversationId>,
    pub fingerprint: Option<[u8; 32]>,
    /// The letter's own Message-ID.
    pub message_id: Option<&'a MessageId>,
    /// The Message-IDs it names, each once.
    pub ancestors: &'a [MessageId],
    /// Where answers go, when that is not the sender.
    pub answer_to: Option<&'a MailAddress>,
    /// What a person has to confirm before anything is answered.
    pub caller_doubt: Option<&'a str>,
    /// The Dienstkennung of the receipt that a person may send for it.
    pub receipt_as: Option<&'a ServiceId>,
    pub posts: &'a [NewPost],
    /// Whether a machine reads its pages, once it is in its room.
    pub is_read: bool,
    /// Whether its mail is never deleted from the mailbox.
    pub stays: bool,
    /// What is not said of it, and why. If it is withheld, the first post alone is said.
    pub kept_back: Option<KeptBack>,
    /// When its mail, which the Clientmodul could not decrypt, is fetched again.
    pub again_at: Option<OffsetDateTime>,
    /// The SHA-256 of its words, if it is told as an absence note, which nothing answers.
    pub note: Option<[u8; 32]>,
    pub at: OffsetDateTime,
}

/// The outcome of placing a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The letter has its place.
    In(ConversationId),
    /// It had one before, or gets none. Nothing was done.
    Before,
    /// One of its posts has the name of another letter's post. Nothing was done: under that name
    /// the homeserver would take it for a repeat.
    NameTaken,
}

/// What became of the posts of a letter that was given its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AddedPosts {
    /// At least one of them waits to be said.
    Wait,
    /// All of them are in the room since before the database was restored, or there are none.
    AreThere,
}

impl Store {
    /// The oldest letter of a channel that has no place yet. An attempt at it is counted before
    /// anything of it is read, so that an attempt that the gateway does not survive counts.
    ///
    /// The statement does not wait until the count is on disk: if Postgres crashes as well, the
    /// count is lost, and nothing else.
    pub async fn next_stored_letter(
        &self,
        channel: &ChannelName,
    ) -> Result<Option<StoredLetter>, StoreError> {
        let row = sqlx::query_as!(
            LetterRow,
            r#"with unhurried as materialized (select set_config('synchronous_commit', 'off', true))
             update letters
             set attempts = least(greatest(attempts, 0), 2147483646) + 1
             from unhurried
             where id = (
                 select id
                 from letters
                 where channel = $1
                   and state = 'stored'
                 order by id
                 limit 1
             )
             returning
                 id,
                 mail_key,
                 digest,
                 head_only,
                 out_of_reach,
                 too_large,
                 supersedes,
                 received_at as "received_at: Moment",
                 attempts,
                 coalesce(
                     (select made_with from channels where channels.channel = letters.channel),
                     channel
                 ) as "made_with!""#,
            channel.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(StoredLetter::try_from).transpose()?)
    }

    /// The newest letter of a conversation: the one an answer answers. Absence notes are not among them.
    pub async fn newest_letter(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<StoredLetter>, StoreError> {
        let row = sqlx::query_as!(
            LetterRow,
            r#"select
                 id,
                 mail_key,
                 digest,
                 head_only,
                 out_of_reach,
                 too_large,
                 supersedes,
                 received_at as "received_at: Moment",
                 attempts,
                 coalesce(
                     (select made_with from channels where channels.channel = letters.channel),
                     channel
                 ) as "made_with!"
             from letters
             where conversation_id = $1
               and not exists (
                   select 1 from absence_notes as note where note.letter_id = letters.id
               )
             order by id desc
             limit 1"#,
            conversation.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(StoredLetter::try_from).transpose()?)
    }

    /// The letter that this one repeats: a mail of the same content that came before, under another
    /// key or from another mailbox.
    ///
    /// Without a fingerprint, two mails of the same bytes may be two letters. They are one only if
    /// they have the same name in another generation of the mailbox: then the mail moved over with
    /// it.
    pub async fn repeated_by(
        &self,
        channel: &ChannelName,
        letter: LetterId,
        fingerprint: Option<&[u8; 32]>,
    ) -> Result<Option<LetterId>, StoreError> {
        let original = match fingerprint {
            Some(fingerprint) => {
                sqlx::query_scalar!(
                    "select id
                     from letters
                     where channel = $1
                       and fingerprint = $2
                       and id <> $3
                       and state <> 'duplicate'",
                    channel.as_str(),
                    fingerprint.as_slice(),
                    letter.0,
                )
                .fetch_optional(&self.pool)
                .await?
            }
            None => {
                sqlx::query_scalar!(
                    "select other.id
                     from letters as this
                     join letters as other
                       on other.channel = this.channel
                      and other.mail_key = this.mail_key
                      and other.digest = this.digest
                      and other.mailbox_id <> this.mailbox_id
                      and other.id < this.id
                      and other.state <> 'duplicate'
                     where this.channel = $1
                       and this.id = $2
                     order by other.id
                     limit 1",
                    channel.as_str(),
                    letter.0,
                )
                .fetch_optional(&self.pool)
                .await?
            }
        };
        Ok(original.map(LetterId))
    }

    /// How many letters of the same name and bytes came before: mails without a date and an id may
    /// be alike to the last byte.
    pub async fn namesakes(&self, letter: LetterId) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select count(*) as "count!"
             from letters as this
             join letters as other
               on other.channel = this.channel
              and other.mail_key = this.mail_key
              and other.digest = this.digest
              and other.id < this.id
              and other.state <> 'duplicate'
             where this.id = $1"#,
            letter.0,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Notes that a letter repeats another one; it gets no posts.
    ///
    /// When the other letter's name has left the mailbox this one came from, it is the same mail
    /// under a new name: the other letter gets the name, and nothing is kept twice. So a server
    /// that renames its mails at every look fills no database.
    pub async fn mark_repeat(
        &self,
        letter: LetterId,
        original: LetterId,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let renamed = sqlx::query!(
            r#"select
                 repeat.mailbox_id,
                 repeat.mail_key,
                 repeat.digest,
                 repeat.listed_bytes,
                 repeat.left_at,
                 repeat.rest,
                 original.mail_key = repeat.mail_key as "has_same_name!"
             from letters as repeat
             join letters as original on original.mailbox_id = repeat.mailbox_id
             where repeat.id = $1
               and original.id = $2
               and repeat.state = 'stored'
               and repeat.supersedes is null
               and not original.out_of_reach
               and original.left_at is not null
               and (original.deleted_at is null or original.mail_key = repeat.mail_key)
             for update"#,
            letter.0,
            original.0,
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(repeat) = renamed else {
            is_duplicate(&mut transaction, letter, original).await?;
            CardWait { letter, next: None }.note(&mut transaction).await?;
            transaction.commit().await?;
            return Ok(());
        };
        remove(&mut transaction, letter, repeat.rest).await?;
        sqlx::query!(
            "update letters
             set mail_key = $2,
                 digest = $3,
                 listed_bytes = $4,
                 left_at = $5,
                 deleted_at = null
             where id = $1",
            original.0,
            repeat.mail_key,
            repeat.digest,
            repeat.listed_bytes,
            repeat.left_at,
        )
        .execute(&mut *transaction)
        .await?;
        CardWait { letter: original, next: None }.note(&mut transaction).await?;
        if repeat.has_same_name {
            // The list said another size of it, or it was to be deleted.
            sqlx::query!(
                "update mailboxes set false_sizes = false_sizes + 1 where id = $1",
                repeat.mailbox_id,
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Gives a letter its place: conversation, known Message-IDs, posts and the job to send them,
    /// all or nothing. A letter that has a place already is left as it is.
    pub async fn place_letter(&self, placing: Placing<'_>) -> Result<Placed, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let conversation = match placing.conversation {
            Some(conversation) => conversation,
            None => {
                let (channel, correspondent) = (placing.channel, placing.correspondent);
                open_conversation(&mut transaction, channel, correspondent, placing.at).await?
            }
        };
        if !placing.take_place(&mut transaction, conversation).await? {
            transaction.rollback().await?;
            return Ok(Placed::Before);
        }
        if placing.again_at.is_some() {
            let wait = CardWait { letter: placing.letter, next: placing.again_at };
            wait.note(&mut transaction).await?;
        }
        placing.note_absence(&mut transaction, conversation).await?;
        if placing.note.is_none() {
            let letter = placing.letter;
            matters::letter_came(&mut transaction, conversation, letter, placing.at).await?;
        }
        if placing.is_read {
            page_readings::wait(&mut transaction, placing.letter).await?;
        }
        let sighting = Sighting { conversation, at: placing.at };
        if let Some(own) = placing.message_id {
            sighting.of_bearer(&mut transaction, own, &format!("l{}", placing.letter)).await?;
        }
        let others: Vec<&MessageId> =
            placing.ancestors.iter().filter(|id| placing.message_id != Some(id)).collect();
        sighting.of_named(&mut transaction, &others).await?;
        match self.add_posts(&mut transaction, &placing, conversation).await? {
            Some(AddedPosts::Wait) => {}
            Some(AddedPosts::AreThere) => placing.note_whole(&mut transaction).await?,
            None => {
                transaction.rollback().await?;
                return Ok(Placed::NameTaken);
            }
        }
        jobs::add(&mut transaction, &Job::SendPosts(conversation), None).await?;
        transaction.commit().await?;
        Ok(Placed::In(conversation))
    }

    /// Saves the posts of a letter that was just given its place. Nothing when one of them has the
    /// name of another letter's post.
    async fn add_posts(
        &self,
        connection: &mut PgConnection,
        placing: &Placing<'_>,
        conversation: ConversationId,
    ) -> Result<Option<AddedPosts>, StoreError> {
        let posts = placing.posts;
        let speakers: Vec<String> =
            posts.iter().map(|post| post.speaker.word().to_owned()).collect();
        let substances: Vec<String> =
            posts.iter().map(|post| post.substance.word().to_owned()).collect();
        let txn_ids: Vec<String> = posts.iter().map(|post| post.txn_id.clone()).collect();
        let contents: Vec<Vec<u8>> =
            posts.iter().map(|post| self.close_json(Purpose::PostContent, &post.content)).collect();
        let files: Vec<Option<i32>> = posts.iter().map(|post| post.file_index).collect();
        let made: Vec<Option<i32>> =
            posts.iter().map(|post| post.made.map(MadeFile::number)).collect();
        let states = sqlx::query_scalar!(
            "insert into posts
                 (conversation_id, letter_id, speaker, substance, txn_id, content, file_index, made,
                  state, event_id, sent_at, echoed_at)
             select
                 $1, $2, speaker, substance, txn_id, content, file_index, made,
                 case
                     when found.event_id is not null then 'sent'
                     when $8 and new.place > 1 then 'held'
                     else 'pending'
                 end,
                 found.event_id, found.found_at, found.found_at
             from unnest($3::text[], $4::text[], $5::text[], $6::bytea[], $7::int[], $9::int[])
                 with ordinality as new
                     (speaker, substance, txn_id, content, file_index, made, place)
             left join found_posts as found using (txn_id)
             order by new.place
             on conflict (txn_id) do nothing
             returning state",
            conversation.0,
            placing.letter.0,
            &speakers,
            &substances,
            &txn_ids,
            &contents,
            &files as &[Option<i32>],
            placing.kept_back == Some(KeptBack::Withheld),
            &made as &[Option<i32>],
        )
        .fetch_all(&mut *connection)
        .await?;
        // A letter without a place has no posts, so one that is missing is another letter's.
        if states.len() < posts.len() {
            return Ok(None);
        }
        let waits = states.iter().any(|state| state == PostState::Pending.word());
        Ok(Some(if waits { AddedPosts::Wait } else { AddedPosts::AreThere }))
    }

    /// The conversation of a letter.
    pub async fn conversation_of(
        &self,
        letter: LetterId,
    ) -> Result<Option<ConversationId>, StoreError> {
        let id = sqlx::query_scalar!("select conversation_id from letters where id = $1", letter.0)
            .fetch_optional(&self.pool)
            .await?;
        Ok(id.flatten().map(ConversationId))
    }

    /// Parks a letter that cannot be placed: a person has to look. `false`: it has its place
    /// already.
    pub async fn park_letter(
        &self,
        channel: &ChannelName,
        letter: LetterId,
        reason: &'static str,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_parked = sqlx::query!(
            "update letters
             set state = 'parked'
             where id = $1
               and state = any ($2)",
            letter.0,
            &LetterState::Parked.before(),
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if is_parked {
            let (kind, channel) = (ParkedKind::Letter, channel.as_str());
            parked::insert(&mut transaction, kind, letter.0, channel, reason, at).await?;
            transaction.commit().await?;
        }
        Ok(is_parked)
    }
}

impl Placing<'_> {
    /// Gives the letter its place. `false`: it has one already, or gets none.
    async fn take_place(
        &self,
        connection: &mut PgConnection,
        conversation: ConversationId,
    ) -> Result<bool, sqlx::Error> {
        let placed = sqlx::query!(
            "with heard as (
                 update correspondents
                 set last_seen_at = $7
                 from conversations
                 where conversations.id = $2
                   and correspondents.id = conversations.correspondent_id
                   and correspondents.last_seen_at < $7
             )
             update letters
             set state = 'placed',
                 conversation_id = $2,
                 fingerprint = $3,
                 answer_to = $4,
                 caller_doubt = $5,
                 stays = stays or $6,
                 kept_back = $8,
                 receipt_as = $9
             where id = $1
               and state = 'stored'",
            self.letter.0,
            conversation.0,
            self.fingerprint.as_ref().map(<[u8; 32]>::as_slice),
            self.answer_to.map(MailAddress::as_str),
            self.caller_doubt,
            self.stays,
            self.at,
            self.kept_back.map(KeptBack::word),
            self.receipt_as.map(ServiceId::as_str),
        )
        .execute(&mut *connection)
        .await?
        .rows_affected();
        Ok(placed == 1)
    }

    /// Notes that the letter is in its room, when none of its posts waits: all of it may have been
    /// there since before the database was restored.
    async fn note_whole(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "update letters
             set state = 'posted'
             where id = $1
               and state = 'placed'
               and not exists (
                   select 1
                   from posts
                   where letter_id = $1
                     and state in ('pending', 'parked')
               )",
            self.letter.0,
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }
}

/// Notes that a letter repeats another one, and is kept.
pub(super) async fn is_duplicate(
    connection: &mut PgConnection,
    letter: LetterId,
    original: LetterId,
) -> Result<bool, sqlx::Error> {
    let noted = sqlx::query!(
        "update letters
         set state = 'duplicate',
             repeats = $2
         where id = $1
           and state = any ($3)",
        letter.0,
        original.0,
        &LetterState::Duplicate.before(),
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    Ok(noted == 1)
}

/// Removes a letter and its bytes.
async fn remove(
    connection: &mut PgConnection,
    letter: LetterId,
    rest: Option<i64>,
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from letters where id = $1", letter.0).execute(&mut *connection).await?;
    if let Some(rest) = rest {
        sqlx::query!("delete from letter_pieces where rest = $1", rest)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
