//! Chance.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};
use uuid::Uuid;

/// Chance. An argument, so that tests can choose.
#[derive(Debug, Clone)]
pub struct Rng(Arc<Mutex<StdRng>>);

impl Rng {
    /// Seeded by the operating system.
    pub fn from_os() -> Self {
        Self(Arc::new(Mutex::new(StdRng::from_os_rng())))
    }

    /// A random (version 4) UUID: 122 bits that cannot be guessed.
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}
