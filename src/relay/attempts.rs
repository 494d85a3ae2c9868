//! Attempts are counted before they begin. An attempt that Postgres did not survive does not count: it
//! is given back at once, and where that fails too, before anything else is attempted.
//!
//! If the gateway ends before that, the attempt counts, as does every attempt that the gateway does not
//! survive.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use super::Ctx;
use crate::store::{Attempt, StoreError};

/// Attempts that have to be given back.
#[derive(Debug, Default)]
pub struct Owed(Mutex<BTreeSet<Attempt>>);

impl Owed {
    fn add(&self, attempt: Attempt) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt);
    }

    fn first(&self) -> Option<Attempt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).first().copied()
    }

    fn remove(&self, attempt: Attempt) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&attempt);
    }
}

/// Gives back what is owed. Each flow does this first; while it fails, nothing is attempted.
pub(super) async fn give_back(ctx: &Ctx) -> Result<(), StoreError> {
    while let Some(attempt) = ctx.owed.first() {
        match ctx.store.attempt_is_none(attempt).await {
            // A damaged row has worse problems than a count.
            Ok(()) | Err(StoreError::Damaged(_)) => ctx.owed.remove(attempt),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Passes on how an attempt ended. An attempt that an outage of the database ended is given back.
pub(super) async fn ended<T>(
    ctx: &Ctx,
    attempt: Attempt,
    end: Result<T, StoreError>,
) -> Result<T, StoreError> {
    if end.as_ref().is_err_and(StoreError::is_outage) {
        is_none(ctx, attempt).await;
    }
    end
}

/// An attempt does not count.
pub(super) async fn is_none(ctx: &Ctx, attempt: Attempt) {
    if ctx.store.attempt_is_none(attempt).await.is_err() {
        ctx.owed.add(attempt);
    }
}
