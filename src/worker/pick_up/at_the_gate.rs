//! Before a KIM mail is fetched, its outer head says whether it is: what is for another program stays
//! untouched in a shared mailbox (KIM-9).

use std::{collections::HashSet, time::Duration};

use tracing::{info, warn};

use super::{
    LookError,
    aside::is_head,
    fetching::{Look, reason},
    gate::Gated,
    session::MailboxSession,
};
use crate::{
    mail,
    model::MailKey,
    rules::{
        looking::{Before, Errand, Marks},
        service::AtTheGate,
    },
    store::{SeenOuterHead, StoreError},
    transport::{Fetched, KeyList},
};

/// How long before its end a person is told of a mail: time enough to have a card or a Konnektor put
/// right. A mail service keeps mails for 10 days at least.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3_600);

/// Why a mail was not fetched: its server does not show the head by which to decide it.
const HEAD_WITHHELD: &str = "withheld";

/// What came of a request for an outer head.
enum HeadAnswer {
    Head(SeenOuterHead),
    Gone,
    /// The session goes on.
    Withheld,
    Failed(&'static str),
}

impl Look<'_> {
    /// Loads what the outer heads of this mailbox said, forgets those that are gone, and takes back
    /// what is left alone no more because the settings are others now.
    pub(super) async fn open_gate(&mut self, present: &KeyList) -> Result<(), StoreError> {
        let Some(keeper) = &mut self.gatekeeper else { return Ok(()) };
        let (store, row) = (&self.ctx.store, self.row.id);
        keeper.seen = store.outer_heads(row).await?;
        if !present.is_short {
            let listed: HashSet<&MailKey> = present.keys.iter().collect();
            let gone: Vec<MailKey> =
                keeper.seen.keys().filter(|key| !listed.contains(key)).cloned().collect();
            store.forget_outer_heads(row, &gone).await?;
            keeper.seen.retain(|key, _| listed.contains(key));
        }
        let mut back = store.left_alone(row).await?;
        back.retain(|key| {
            keeper.seen.get(key).is_some_and(|seen| keeper.decide(&seen.head) == AtTheGate::Fetch)
        });
        if !back.is_empty() {
            store.not_left_alone(row, &back).await?;
            info!(channel.name = %self.channel, "Fetches {} mails that were left to other programs", back.len());
        }
        Ok(())
    }

    /// Tells a person of mails that did not come and that their server deletes soon (KIM-12).
    pub(super) async fn tell_of_expiring(&self) -> Result<(), StoreError> {
        if self.gatekeeper.is_none() {
            return Ok(());
        }
        let now = self.ctx.clock.now();
        let until = now + EXPIRES_SOON;
        let parked = self.ctx.store.park_expiring(self.channel, self.row.id, until, now).await?;
        if parked > 0 {
            metrics::counter!("umstieg_parked_total", "kind" => "mail").increment(parked);
            warn!(channel.name = %self.channel, "Their server deletes {parked} mails soon that could not be fetched or decrypted");
        }
        Ok(())
    }

    /// Decides by its outer head what is done with a mail. `head`: the head, if it came already.
    pub(super) async fn at_the_gate(
        &mut self,
        session: &mut MailboxSession<'_>,
        errand: &Errand,
        listed_bytes: Option<u64>,
        head: Option<Vec<u8>>,
    ) -> Result<Gated, LookError> {
        let Errand { key, before } = errand;
        let Some(keeper) = &self.gatekeeper else { return Ok(Gated::Fetch) };
        // It was fetched before, and only waits for its key.
        if matches!(before, Before::Undecrypted(_)) {
            return Ok(Gated::Fetch);
        }
        let known = keeper.known(key, listed_bytes).cloned();
        let seen = match known {
            Some(seen) => seen,
            None => match self.outer_head(session, key, listed_bytes, head).await? {
                HeadAnswer::Head(seen) => seen,
                HeadAnswer::Gone => return Ok(Gated::Gone),
                ends => return self.without_head(key, *before, &ends).await,
            },
        };
        if *before == Before::Nothing && self.is_too_old(key, seen.head.written) {
            let now = self.ctx.clock.now();
            self.ctx.store.mail_skipped(self.row.id, key, seen.marks, now).await?;
            return Ok(Gated::Older);
        }
        let Some(keeper) = &mut self.gatekeeper else { return Ok(Gated::Fetch) };
        if keeper.decide(&seen.head) == AtTheGate::Fetch {
            return Ok(Gated::Fetch);
        }
        keeper.left_alone += 1;
        self.is_another(key, *before).await?;
        let now = self.ctx.clock.now();
        self.ctx.store.leave_alone(self.row.id, key, seen.marks, now).await?;
        Ok(Gated::Passed)
    }

    /// Tells how many mails were left alone since the last time.
    pub(super) fn tell_left_alone(&mut self) {
        let Some(keeper) = &mut self.gatekeeper else { return };
        let left = std::mem::take(&mut keeper.left_alone);
        if left > 0 {
            let channel = self.channel.to_string();
            metrics::counter!("umstieg_mails_left_alone_total", "channel" => channel)
                .increment(left);
            info!(channel.name = %self.channel, "Left {left} mails in the mailbox that are for other programs");
        }
    }

    /// Asks for an outer head, and keeps it: nobody asks for it again.
    async fn outer_head(
        &mut self,
        session: &mut MailboxSession<'_>,
        key: &MailKey,
        listed_bytes: Option<u64>,
        head: Option<Vec<u8>>,
    ) -> Result<HeadAnswer, LookError> {
        let store = &self.ctx.store;
        let head = match head {
            Some(head) => head,
            None => {
                // A head at which the gateway dies counts as a fetch that was interrupted.
                store.fetch_begins(self.row.id, key).await?;
                match session.header(key).await {
                    Ok(Fetched::Mail(head)) if is_head(&head) => head,
                    Ok(Fetched::Gone) => return Ok(HeadAnswer::Gone),
                    Ok(_) => return Ok(HeadAnswer::Withheld),
                    Err(fault) => return Ok(HeadAnswer::Failed(reason(&fault))),
                }
            }
        };
        let seen = SeenOuterHead {
            head: mail::outer_head(&head),
            marks: Marks { head: mail::head_identity(&head), listed_bytes },
        };
        store.outer_head_seen(self.row.id, key, &seen, self.ctx.clock.now()).await?;
        if let Some(keeper) = &mut self.gatekeeper {
            keeper.seen.insert(key.clone(), seen.clone());
        }
        Ok(HeadAnswer::Head(seen))
    }

    /// What is done with a mail whose outer head does not come.
    ///
    /// In a mailbox of our own it is fetched all the same. In a shared one it might be another
    /// program's, so the head is asked for once more in a later look; only where the server refuses
    /// it again and again, and so perhaps knows no TOP, is the mail fetched without it.
    async fn without_head(
        &mut self,
        key: &MailKey,
        before: Before,
        ends: &HeadAnswer,
    ) -> Result<Gated, LookError> {
        let Some(keeper) = &mut self.gatekeeper else { return Ok(Gated::Fetch) };
        // What is known under this key is another mail's.
        keeper.seen.remove(key);
        self.ctx.store.forget_outer_heads(self.row.id, std::slice::from_ref(key)).await?;
        if keeper.is_owned() {
            return Ok(Gated::Fetch);
        }
        Ok(match ends {
            HeadAnswer::Failed(reason) => Gated::Failed(reason),
            _ if matches!(before, Before::Tries(1..) | Before::Aside) => Gated::Fetch,
            _ => Gated::Failed(HEAD_WITHHELD),
        })
    }
}
