//! How many answers of one channel are handed over at a time: a mail server that is silent for minutes
//! holds up its own channel, and no other.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::ConversationId;

/// The seats of a channel.
#[derive(Debug, Clone)]
pub struct Seats {
    free: Arc<Semaphore>,
    /// The conversations that found no seat.
    waiting: Arc<Mutex<BTreeSet<ConversationId>>>,
}

impl Seats {
    pub fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), waiting: Arc::default() }
    }

    /// A seat until it is dropped; without one the conversation is among those that wait.
    pub(super) fn take(&self, conversation: ConversationId) -> Option<OwnedSemaphorePermit> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = self.free.clone().try_acquire_owned().ok();
        match seat {
            Some(_) => waiting.remove(&conversation),
            None => waiting.insert(conversation),
        };
        seat
    }

    /// Takes a conversation that waits for a seat off the list; called when a seat was given back.
    pub(super) fn next(&self) -> Option<ConversationId> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }
}
