//! Deleting mails that are in their rooms.

use std::{collections::HashMap, fmt::Display};

use tokio::time::Instant;
use tracing::warn;

use super::{LOGIN_AGAIN_MAX, LookError, LookMemory, fetching::Look, session::MailboxSession};
use crate::{
    mail,
    model::MailKey,
    relay,
    rules::looking,
    store::StoreError,
    transport::{Fetched, KeyList},
};

/// How many deletions are requested in one session.
const DELETIONS_AT_ONCE: usize = 200;

/// Marks what may go. A failure keeps no mail from being fetched: the deletion is tried again later
/// and later.
pub(super) async fn delete(
    session: &mut MailboxSession<'_>,
    look: &Look<'_>,
    present: &KeyList,
    sizes: &HashMap<MailKey, u64>,
    memory: &mut LookMemory,
) -> Result<Vec<MailKey>, LookError> {
    let is_time = memory.deletions_from.is_none_or(|from| from <= Instant::now());
    if !look.inbox.deletes || !is_time || session.mailbox.is_over() {
        return Ok(Vec::new());
    }
    let safe = look.ctx.store.deletable_mails(look.row.id).await?;
    let mut safe = looking::deletable(safe, &present.keys, &present.shared, sizes);
    if safe.is_empty() {
        return Ok(Vec::new());
    }
    // One of them may break the session each time: then they are deleted one by one, each in its
    // turn.
    if let Some(turn) = usize::try_from(memory.deletions_failed).ok().and_then(|n| n.checked_sub(1))
    {
        let turn = turn % safe.len();
        safe = safe.into_iter().skip(turn).take(1).collect();
    }
    // Only now: a mail that the server does not delete must not stand before the others.
    safe.truncate(DELETIONS_AT_ONCE);
    let wanted = safe.len();
    let safe = look.proven(session, safe).await?;
    if safe.len() < wanted {
        let kept = wanted - safe.len();
        memory.deletion_failed(
            look,
            &format!("of {kept} mails their heads do not say which they are"),
        );
    }
    if safe.is_empty() || session.mailbox.is_over() {
        return Ok(Vec::new());
    }
    look.ctx.store.surely_ours().await?;
    match session.delete(&safe).await {
        Ok(agreed) => {
            if agreed.len() < safe.len() {
                let kept = safe.len() - agreed.len();
                memory.deletion_failed(look, &format!("the server keeps {kept} mails"));
            }
            Ok(agreed)
        }
        Err(error) => {
            memory.deletion_failed(look, &error);
            Ok(Vec::new())
        }
    }
}

/// Ends the session. Deletions count only once the server has confirmed its end (KIM-11).
/// `failed_before`: how many had failed in a row before these.
pub(super) async fn close(
    session: MailboxSession<'_>,
    look: &Look<'_>,
    deleted: &[MailKey],
    failed_before: u32,
    memory: &mut LookMemory,
) -> Result<(), StoreError> {
    match session.close(!deleted.is_empty()).await {
        Ok(()) if !deleted.is_empty() => {
            if memory.deletions_failed == failed_before {
                memory.deletions_failed = 0;
                memory.deletions_from = None;
            }
            let (store, now) = (&look.ctx.store, look.ctx.clock.now());
            store.mails_deleted(look.row.id, deleted, now).await?;
        }
        Err(error) if !deleted.is_empty() => memory.deletion_failed(look, &error),
        // Nothing depended on it.
        Ok(()) | Err(_) => {}
    }
    Ok(())
}

impl Look<'_> {
    /// Of the mails that are to be deleted, those whose heads show that they are the ones we have: a
    /// server may have used their names again, for mails of the same length.
    async fn proven(
        &self,
        session: &mut MailboxSession<'_>,
        keys: Vec<MailKey>,
    ) -> Result<Vec<MailKey>, LookError> {
        let store = &self.ctx.store;
        let mut proven = Vec::new();
        for key in keys {
            let Some(letter) = store.letter_of(self.row.id, &key).await? else { continue };
            // Once the session is over, the heads that came before justify no deletion any more.
            if session.mailbox.is_over() {
                break;
            }
            let Ok(Fetched::Mail(head)) = session.header(&key).await else { continue };
            let Some(seen) = mail::head_identity(&head) else { continue };
            let kept = relay::head_identity(store, letter).await?;
            if kept == Some(seen) {
                proven.push(key);
            } else if kept.is_some() {
                store.not_deletable(letter, self.ctx.clock.now()).await?;
                store.forget_outer_heads(self.row.id, std::slice::from_ref(&key)).await?;
                warn!(channel.name = %self.channel, "A mail that was to be deleted is not the one that was fetched; it is fetched");
            }
        }
        Ok(proven)
    }
}

impl LookMemory {
    fn deletion_failed(&mut self, look: &Look<'_>, why: &dyn Display) {
        self.deletions_failed += 1;
        let wait = look.inbox.patience.look_wait(self.deletions_failed).min(LOGIN_AGAIN_MAX);
        self.deletions_from = Some(Instant::now() + wait);
        warn!(channel.name = %look.channel, error = %why, "Mails could not be deleted; tried again in {} s", wait.as_secs());
    }
}
