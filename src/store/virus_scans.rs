//! What a virus scanner said of letters (KIM-20).

use time::OffsetDateTime;

use super::{Damaged, Harm, Store, StoreError};
use crate::model::{LetterId, LetterScan, ScanResult, VirusName};

/// The row of a mail as it came, among those of its files.
const MAIL: i32 = -1;

impl Store {
    /// What was said of a letter; nothing if it was not scanned.
    pub async fn scan_of(&self, letter: LetterId) -> Result<Option<LetterScan>, StoreError> {
        let rows = sqlx::query!(
            "select file_index, result, virus
             from virus_scans
             where letter_id = $1
             order by file_index",
            letter.0,
        )
        .fetch_all(&self.pool)
        .await?;
        let damaged = || Damaged::new("virus_scans", "result", letter.0, Harm::Missing);
        let (mut mail, mut files) = (None, Vec::new());
        for row in rows {
            let result = ScanResult::from_word(&row.result, row.virus.as_deref());
            let result = result.ok_or_else(damaged)?;
            match row.file_index {
                MAIL => mail = Some(result),
                _ => files.push(result),
            }
        }
        match mail {
            Some(mail) => Ok(Some(LetterScan::new(mail, files))),
            None if files.is_empty() => Ok(None),
            None => Err(damaged().into()),
        }
    }

    /// Keeps what was said of a letter, in the place of what was said before.
    pub async fn keep_scan(
        &self,
        letter: LetterId,
        scan: &LetterScan,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let all: Vec<&ScanResult> = std::iter::once(scan.mail()).chain(scan.files()).collect();
        let results: Vec<String> = all.iter().map(|result| result.word().to_owned()).collect();
        let viruses: Vec<Option<String>> = all
            .iter()
            .map(|result| result.virus().map(VirusName::as_str).map(str::to_owned))
            .collect();
        let mut transaction = self.pool.begin().await?;
        sqlx::query!("delete from virus_scans where letter_id = $1", letter.0)
            .execute(&mut *transaction)
            .await?;
        sqlx::query!(
            "insert into virus_scans (letter_id, file_index, result, virus, scanned_at)
             select $1, place - 2, result, virus, $4
             from unnest($2::text[], $3::text[]) with ordinality as new (result, virus, place)",
            letter.0,
            &results,
            &viruses as &[Option<String>],
            at,
        )
        .execute(&mut *transaction)
        .await?;
        if scan.mail().virus().is_some() {
            // Nothing of it is handed out, so the mailbox keeps it for whoever has to look at it.
            sqlx::query!("update letters set stays = true where id = $1", letter.0)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
