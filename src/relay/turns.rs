//! Who is tried beside others, and who alone.
//!
//! An attempt that the gateway does not survive counts, and so does every other one that was under way
//! at that moment. Whoever was in the middle of it several times is tried while nobody else is: from
//! then on only the one at which the gateway ends is counted, and the others come through.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The turns of all flows. Never taken by who has one.
#[derive(Debug, Default)]
pub struct Turns(RwLock<()>);

/// A turn, for one attempt. It ends when it is dropped.
pub(super) enum Turn<'a> {
    Beside { _others: RwLockReadGuard<'a, ()> },
    Alone { _nobody_else: RwLockWriteGuard<'a, ()> },
}

impl Turns {
    /// Waits for a turn. For one alone it waits until those under way have ended, and those who come
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
