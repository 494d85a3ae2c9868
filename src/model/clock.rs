//! The time.

use std::{fmt, sync::Arc};

use time::OffsetDateTime;

/// The time. An argument, so that tests can choose.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> OffsetDateTime + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
    pub fn of_the_machine() -> Self {
        Self(Arc::new(OffsetDateTime::now_utc))
    }

    /// Another one.
    pub fn new(read: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub fn now(&self) -> OffsetDateTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
