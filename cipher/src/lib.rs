//! XChaCha20-Poly1305, without anything generic: so it is compiled here, with optimisation also
//! where the rest is not. Unoptimised, a letter of 50 MB takes a minute each time it is read.

use chacha20poly1305::{
    AeadInPlace, KeyInit, XChaCha20Poly1305,
    aead::{OsRng, rand_core::RngCore},
};

pub const KEY_BYTES: usize = 32;
pub const NONCE_BYTES: usize = 24;
pub const TAG_BYTES: usize = 16;

/// A key ready for use. It is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct Cipher(XChaCha20Poly1305);

impl Cipher {
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// Encrypts in place and returns the tag, over `bound` as well.
    ///
    /// # Panics
    /// With more than 256 GiB.
    pub fn encrypt(
        &self,
        nonce: &[u8; NONCE_BYTES],
        bound: &[u8],
        bytes: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        self.0
            .encrypt_in_place_detached(nonce.into(), bound, bytes)
            .expect("the cipher takes up to 256 GiB, and no row of Postgres holds more than 1")
            .into()
    }

    /// Decrypts in place; `false`, and nothing decrypted, when tag or `bound` do not fit.
    #[must_use]
    pub fn decrypt(
        &self,
        nonce: &[u8; NONCE_BYTES],
        bound: &[u8],
        bytes: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool {
        self.0.decrypt_in_place_detached(nonce.into(), bound, bytes, tag.into()).is_ok()
    }
}

/// Fills with random bytes of the operating system.
pub fn fill_random(bytes: &mut [u8]) {
    OsRng.fill_bytes(bytes);
}
