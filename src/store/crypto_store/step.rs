//! Several saves of one device as one: all of them, or none.
//!
//! The library saves what a `/sync` brought in pieces. A new Olm session is saved at once, moved on
//! past the message that opened it; the room key inside that message comes last. A gateway that is
//! killed in between has a session that does not open the message again, and the key is lost with
//! it. The same happens when the database fails in between and the library goes on with what it has
//! in memory.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sqlx::{PgConnection, PgPool, PgTransaction, Postgres, pool::PoolConnection};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard, OwnedMutexGuard};

use super::DeviceStore;
use crate::store::StoreError;

/// Where the rows of one device are reached, and the step it is in.
#[derive(Debug)]
pub(super) struct Steps {
    pool: PgPool,
    /// The transaction of the open step. Everything the device reads and saves goes through it.
    open: Mutex<Option<Open>>,
    /// The open step was given up, and its transaction is to be taken back.
    is_given_up: AtomicBool,
    /// One step at a time.
    turn: Arc<Mutex<()>>,
}

/// What a device saves from [`DeviceStore::begin_step`] to [`DeviceStep::commit`].
///
/// Dropping it takes all of it back. The library does not know that: its `OlmMachine` then has to
/// be opened again.
#[derive(Debug)]
#[must_use = "a step that is dropped takes everything back"]
pub struct DeviceStep {
    memory: Arc<DeviceStore>,
    _turn: OwnedMutexGuard<()>,
}

/// The transaction of a step. (Under a separate name, because futures that show its lifetime are
/// not recognised as `Send`.)
#[derive(Debug)]
pub(super) struct Open(PgTransaction<'static>);

/// A connection to the rows of a device.
pub(super) enum Rows<'a> {
    OfStep(MappedMutexGuard<'a, Open>),
    OfPool(PoolConnection<Postgres>),
}

impl Steps {
    pub(super) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            open: Mutex::default(),
            is_given_up: AtomicBool::new(false),
            turn: Arc::default(),
        }
    }

    async fn open(&self) -> MutexGuard<'_, Option<Open>> {
        let mut open = self.open.lock().await;
        if self.is_given_up.swap(false, Ordering::AcqRel) {
            *open = None;
        }
        open
    }
}

impl DeviceStore {
    /// Begins a step. Waits for the earlier one to end.
    pub async fn begin_step(self: Arc<Self>) -> Result<DeviceStep, StoreError> {
        let turn = self.steps.turn.clone().lock_owned().await;
        let transaction = self.steps.pool.begin().await?;
        *self.steps.open().await = Some(Open(transaction));
        Ok(DeviceStep { memory: self, _turn: turn })
    }

    /// A connection to the device's rows: that of the open step, if there is one.
    pub(super) async fn rows(&self) -> Result<Rows<'_>, sqlx::Error> {
        match MutexGuard::try_map(self.steps.open().await, Option::as_mut) {
            Ok(open) => Ok(Rows::OfStep(open)),
            Err(none) => {
                drop(none);
                Ok(Rows::OfPool(self.steps.pool.acquire().await?))
            }
        }
    }
}

impl DeviceStep {
    /// Saves all of it. After an error, nothing of it is saved.
    pub async fn commit(self) -> Result<(), StoreError> {
        let open = self.memory.steps.open().await.take();
        if let Some(Open(transaction)) = open {
            transaction.commit().await?;
        }
        Ok(())
    }
}

impl Drop for DeviceStep {
    fn drop(&mut self) {
        let steps = &self.memory.steps;
        match steps.open.try_lock() {
            Ok(mut open) => *open = None,
            // A task is reading through it at the moment; the next task takes it back.
            Err(_) => steps.is_given_up.store(true, Ordering::Release),
        }
    }
}

impl Deref for Rows<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::OfStep(open) => &open.0,
            Self::OfPool(connection) => connection,
        }
    }
}

impl DerefMut for Rows<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::OfStep(open) => &mut open.0,
            Self::OfPool(connection) => connection,
        }
    }
}
