//! Absence notes that were told in the thread of the answer they are about (KIM-21).

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Moment, Placing, Store, StoreError, letters::is_duplicate};
use crate::model::{ConversationId, LetterId};

/// A note that its room was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldNote {
    pub letter: LetterId,
    pub told_at: OffsetDateTime,
    /// How often it came since and was not told.
    pub again: u64,
}

impl Store {
    /// The note of these words that was told last in a conversation. One that a person gave up before it
    /// was in its room was not told.
    pub async fn told_note(
        &self,
        conversation: ConversationId,
        words: &[u8; 32],
    ) -> Result<Option<ToldNote>, StoreError> {
        let row = sqlx::query!(
            r#"select note.letter_id, note.told_at as "told_at: Moment", note.again
             from absence_notes as note
             join letters as letter on letter.id = note.letter_id
             where note.conversation_id = $1
               and note.words = $2
               and letter.state in ('placed', 'posted')
             order by note.told_at desc, note.letter_id desc
             limit 1"#,
            conversation.0,
            words.as_slice(),
        )
        .fetch_optional(&self.pool)
        .await?;
        // A time that is damaged tells nothing: the note is told once more.
        Ok(row.and_then(|row| {
            Some(ToldNote {
                letter: LetterId(row.letter_id),
                told_at: row.told_at.get()?,
                again: u64::try_from(row.again).unwrap_or_default(),
            })
        }))
    }

    /// Notes that a note came again and is not told: its letter is kept, and repeats the one that was.
    pub async fn note_came_again(
        &self,
        letter: LetterId,
        told: LetterId,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        if is_duplicate(&mut transaction, letter, told).await? {
            sqlx::query!("update absence_notes set again = again + 1 where letter_id = $1", told.0)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The absence note behind an event.
    pub async fn note_behind(
        &self,
        conversation: ConversationId,
        event_id: &str,
    ) -> Result<Option<LetterId>, StoreError> {
        let letter = sqlx::query_scalar!(
            "select note.letter_id
             from posts as post
             join absence_notes as note on note.letter_id = post.letter_id
             where post.event_id = $2
               and post.conversation_id = $1
             limit 1",
            conversation.0,
            event_id,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(letter.map(LetterId))
    }
}

impl Placing<'_> {
    /// Notes that the letter is told as an absence note, if it is.
    pub(super) async fn note_absence(
        &self,
        connection: &mut PgConnection,
        conversation: ConversationId,
    ) -> Result<(), sqlx::Error> {
        if let Some(words) = &self.note {
            sqlx::query!(
                "insert into absence_notes (letter_id, conversation_id, words, told_at)
                 values ($1, $2, $3, $4)",
                self.letter.0,
                conversation.0,
                words.as_slice(),
                self.at,
            )
            .execute(connection)
            .await?;
        }
        Ok(())
    }
}
