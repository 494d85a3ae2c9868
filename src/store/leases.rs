//! Who works on what: a node, which is one run of a gateway on this database, holds a lease of each
//! place it works for.
//!
//! A lease never expires by itself. It belongs to its node until the node has ended, and from then on
//! Postgres refuses whatever that node still writes (`fence` in migrations/0023_leases.sql): every
//! connection names its node's epoch, so every statement carries it. So a lease need not be asked for
//! again in the same run.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Store, StoreError};

/// The leases that this node is known to hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Leases(Arc<Mutex<BTreeSet<String>>>);

impl Store {
    /// Takes the lease of a place, or finds that this node has it. `false`: another node has it, and
    /// works there.
    ///
    /// A command beside the gateway is no node: it holds no lease, and no lease stops it.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer, or this node has ended.
    pub async fn lease(&self, what: &str) -> Result<bool, StoreError> {
        if self.leases.0.lock().unwrap_or_else(PoisonError::into_inner).contains(what) {
            return Ok(true);
        }
        let row = sqlx::query!(
            r#"with taken as (
                 insert into leases as held (what, epoch)
                 select $1, this_node()
                 where this_node() is not null
                 on conflict (what) do update
                 set epoch = excluded.epoch
                 where held.epoch = excluded.epoch
                    or not is_live(held.epoch)
                 returning what
             )
             select
                 exists (select 1 from taken) as "is_ours!",
                 this_node() is null as "is_no_node!""#,
            what,
        )
        .fetch_one(&self.pool)
        .await?;
        if row.is_ours {
            let mut held = self.leases.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.insert(what.to_owned());
        }
        Ok(row.is_ours || row.is_no_node)
    }

    /// Forgets the leases of nodes that have ended. They are no longer needed, and most of them are
    /// never asked for again.
    pub async fn forget_ended_nodes(&self) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!("delete from leases where not is_live(epoch)")
            .execute(&mut *transaction)
            .await?;
        sqlx::query!(
            "delete from nodes
             where ended_at is not null
               and not exists (select 1 from leases where leases.epoch = nodes.epoch)"
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
