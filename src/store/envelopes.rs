//! What a fax server said of a mail beside the mail, and how a mail that comes again is recognised.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Damaged, InRow as _, Store, StoreError, seal::Purpose};
use crate::model::{LetterId, MailKey, MailboxId};

/// The envelope of a mail that was delivered (RFC 5321 §2.3.1), as far as it is about one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterEnvelope {
    /// Empty for a report.
    pub sender: String,
    /// In lower case, with subaddresses (`+`, `T33S`) and whatever else they say.
    pub recipients: Vec<String>,
}

impl LetterEnvelope {
    /// It names people, or their numbers.
    pub(super) fn sealed(&self, store: &Store) -> Vec<u8> {
        store.close_json(Purpose::LetterEnvelope, self)
    }
}

impl Store {
    /// The name for a mail of these bytes that a fax server delivers. A mail has no name of its own there, and
    /// comes again when its server did not hear that it was taken: then it has the name of the first time.
    ///
    /// The same bytes are another mail when all that came of them is older than `since`.
    pub async fn delivery_key(
        &self,
        mailbox: MailboxId,
        digest: &[u8; 32],
        since: OffsetDateTime,
    ) -> Result<MailKey, StoreError> {
        let earlier = sqlx::query_scalar!(
            r#"select count(*) as "count!"
             from letters
             where mailbox_id = $1
               and digest = $2
               and received_at < $3"#,
            mailbox.0,
            digest.as_slice(),
            since,
        )
        .fetch_one(&self.pool)
        .await?;
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(MailKey::stored(format!("{digits}.{earlier}")))
    }

    /// What the envelope of a letter said, and the word for what let its peer in; nothing of a letter out of
    /// a mailbox.
    pub async fn letter_envelope(
        &self,
        letter: LetterId,
    ) -> Result<Option<(LetterEnvelope, String)>, StoreError> {
        let row = sqlx::query!(
            r#"select envelope as "envelope!", let_in_by as "let_in_by!"
             from letters
             where id = $1
               and envelope is not null
               and let_in_by is not null"#,
            letter.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let opened: Result<LetterEnvelope, Damaged> =
            self.open_json(Purpose::LetterEnvelope, &row.envelope).in_row(letter.0);
        Ok(Some((opened?, row.let_in_by)))
    }
}
