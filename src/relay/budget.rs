//! How much of large mails and files may be in memory at a time, for all tasks together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of mails and files held at a time. Enough for one document that a fax gateway takes, with
/// the pages made of it, and for about twenty ordinary files under way; more than that waits. A
/// thing larger than the whole budget comes alone.
pub const HELD_BYTES_MAX: u64 = 160 * 1024 * 1024;

/// Sizes up to this are not counted: ordinary letters, and the pieces of a file on its way, never
/// wait for something large. There is at most one such thing for each worker.
const UNCOUNTED_BYTES: u64 = 5 * 1024 * 1024;

/// The unit of counting.
const UNIT_BYTES: u64 = 64 * 1024;

/// Lends memory. A task that holds some asks for no more, so that no task waits for ever.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

/// Memory that was lent. It is given back when this value is dropped.
#[derive(Debug)]
pub(super) struct LentMemory {
    permit: Option<OwnedSemaphorePermit>,
}

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(units(HELD_BYTES_MAX) as usize)))
    }
}

impl Budget {
    /// Waits until this many bytes may be held.
    pub(super) async fn take(&self, bytes: u64) -> LentMemory {
        if bytes <= UNCOUNTED_BYTES {
            return LentMemory { permit: None };
        }
        // The semaphore is never closed.
        LentMemory { permit: self.0.clone().acquire_many_owned(units(bytes)).await.ok() }
    }
}

impl LentMemory {
    /// Gives back all but this many bytes.
    pub(super) fn keep(mut self, bytes: u64) -> Self {
        if bytes <= UNCOUNTED_BYTES {
            return Self { permit: None };
        }
        let kept = units(bytes) as usize;
        match self.permit.as_mut().and_then(|permit| permit.split(kept)) {
            Some(permit) => Self { permit: Some(permit) },
            // It was no more than that.
            None => self,
        }
    }
}

/// At least one, at most all there are.
fn units(bytes: u64) -> u32 {
    let units = bytes.clamp(1, HELD_BYTES_MAX).div_ceil(UNIT_BYTES);
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_would_be_too_much_waits() {
        let budget = Budget::default();
        let half = budget.take(HELD_BYTES_MAX / 2).await;
        let rest = budget.take(HELD_BYTES_MAX / 2).await;
        budget.take(UNCOUNTED_BYTES).await;
        let larger_than_all = budget.take(u64::MAX);
        tokio::pin!(larger_than_all);
        assert!(futures_util::poll!(&mut larger_than_all).is_pending());
        drop(half.keep(0));
        assert!(futures_util::poll!(&mut larger_than_all).is_pending());
        let rest = rest.keep(HELD_BYTES_MAX / 4);
        assert!(futures_util::poll!(&mut larger_than_all).is_pending());
        drop(rest);
        larger_than_all.await;
    }
}
