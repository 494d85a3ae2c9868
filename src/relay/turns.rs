//! What is tried beside others, and what alone.
//!
//! An attempt that the gateway does not survive counts, and so does every other attempt that was under
//! way at that moment. A thing that was in the middle of it several times is tried while nothing else
//! is: from then on only the thing at which the gateway ends is counted, and the others come through.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The turns of all flows. A flow that has a turn never takes another.
#[derive(Debug, Default)]
pub struct Turns(RwLock<()>);

/// A turn, for one attempt. It ends when it is dropped.
pub(super) enum Turn<'a> {
    Beside { _others: RwLockReadGuard<'a, ()> },
    Alone { _nobody_else: RwLockWriteGuard<'a, ()> },
}

impl Turns {
    /// Waits for a turn. A turn alone waits until those under way have ended, and those that come
    /// later wait for it.
    pub(super) async fn take(&self, is_alone: bool) -> Turn<'_> {
        if is_alone {
            Turn::Alone { _nobody_else: self.0.write().await }
        } else {
            Turn::Beside { _others: self.0.read().await }
        }
    }
}

impl Turn<'_> {
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::Alone { .. })
    }
}
