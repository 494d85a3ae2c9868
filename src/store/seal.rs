//! The seal on what people wrote: what lies in the database can be read only with a key from
//! outside.
//!
//! There are two layers. Values are sealed with a **data key**; the data keys are in `seal_keys`,
//! each wrapped by the **outer key**, which is in the settings and never in the database. So a new
//! outer key means wrapping a few data keys again, and a copy of the database alone reveals
//! nothing.
//!
//! A sealed value is 1 byte version, 4 bytes data key id (big endian), 24 bytes nonce, then the
//! ciphertext with its tag (XChaCha20-Poly1305, draft-irtf-cfrg-xchacha). Version, key id and
//! [`Purpose`] are authenticated with it. Not hidden: that a value is there, and how long it is.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use umstieg_cipher::{Cipher, KEY_BYTES, NONCE_BYTES, TAG_BYTES, fill_random};

const VERSION: u8 = 1;
/// Version and data key id.
const HEAD_BYTES: usize = 5;

/// The length of the part of a sealed value that no other value shares.
pub(super) const NONCE_END: usize = HEAD_BYTES + NONCE_BYTES;

/// How many bytes a sealed value is longer than the plain one.
pub const SEAL_BYTES: usize = HEAD_BYTES + NONCE_BYTES + TAG_BYTES;

/// What a sealed value is. It is bound in, so that a value does not open in another column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A mail, byte for byte, or its first piece.
    LetterRaw,
    /// A further piece of a mail.
    LetterPiece,
    /// What a fax server said of a mail beside it.
    LetterEnvelope,
    /// A number that a machine read on a page of a fax.
    PageHint,
    /// What a post says.
    PostContent,
    /// Where the file of a post lies, with the key to it.
    PostMedia,
    /// An event as the homeserver told it.
    RoomEvent,
    DispatchSubject,
    /// What a conversation is about that a speaker began.
    StartedSubject,
    /// A text or file of a dispatch, with name, place and key.
    DispatchPart,
    /// What a channel's server said last: servers often repeat addresses.
    DispatchReply,
    /// What a fax gateway wrote about why a fax failed.
    ReportWords,
    /// What a fax number is called.
    FaxName,
    /// Keys and sessions of the gateway's devices.
    CryptoSecret,
}

impl Purpose {
    /// Is part of every sealed value: must never change.
    pub fn word(self) -> &'static str {
        match self {
            Self::LetterRaw => "letter raw",
            Self::LetterPiece => "letter piece",
            Self::LetterEnvelope => "letter envelope",
            Self::PageHint => "page hint",
            Self::PostContent => "post content",
            Self::PostMedia => "post media",
            Self::RoomEvent => "room event",
            Self::DispatchSubject => "dispatch subject",
            Self::StartedSubject => "started subject",
            Self::DispatchPart => "dispatch part",
            Self::DispatchReply => "dispatch reply",
            Self::ReportWords => "report words",
            Self::FaxName => "fax name",
            Self::CryptoSecret => "crypto secret",
        }
    }
}

/// The harm for which a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsealable {
    #[error("the value is too short to be sealed")]
    TooShort,
    #[error("the value is sealed in version {0}, which this gateway does not know")]
    UnknownVersion(u8),
    #[error("the value is sealed with data key {0}, which the database does not have")]
    UnknownKey(u32),
    #[error("the value was altered, or sealed for another place or with another key")]
    Altered,
}

/// Seals and opens values. Cheap to clone; `Debug` shows no key.
#[derive(Clone)]
pub struct Seal {
    keys: Arc<BTreeMap<u32, Cipher>>,
    /// The key that seals from now on.
    newest: (u32, Cipher),
}

impl Seal {
    /// A seal that opens what any of these keys sealed, and seals with the key of the highest id.
    /// `None` without a key.
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k DataKey>) -> Option<Self> {
        let keys: BTreeMap<u32, Cipher> =
            keys.into_iter().map(|key| (key.id, key.cipher())).collect();
        let newest = keys.last_key_value().map(|(id, cipher)| (*id, cipher.clone()))?;
        Some(Self { keys: Arc::new(keys), newest })
    }

    /// The id of the data key that seals.
    pub fn newest_key(&self) -> u32 {
        self.newest.0
    }

    /// Seals a value. Sealing the same value twice gives different bytes.
    pub fn close(&self, purpose: Purpose, plain: &[u8]) -> Vec<u8> {
        let (id, cipher) = &self.newest;
        let head = head(*id);
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_BYTES);
        sealed.extend_from_slice(&head);
        seal_onto(&mut sealed, cipher, &bound(head, purpose), plain);
        sealed
    }

    /// Opens a value that [`Self::close`] sealed for the same purpose.
    pub fn open(&self, purpose: Purpose, sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (head, rest) = sealed.split_first_chunk().ok_or(Unsealable::TooShort)?;
        let id = key_id(head)?;
        let cipher = self.keys.get(&id).ok_or(Unsealable::UnknownKey(id))?;
        unseal(cipher, &bound(*head, purpose), rest)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({} data keys)", self.keys.len())
    }
}

/// The data key a sealed value was sealed with, from its first bytes.
///
/// Errors: [`Unsealable::TooShort`] and [`Unsealable::UnknownVersion`].
pub fn sealed_with(sealed: &[u8]) -> Result<u32, Unsealable> {
    key_id(sealed.first_chunk().ok_or(Unsealable::TooShort)?)
}

/// A key that seals values. Its id never changes and is never used again.
pub struct DataKey {
    pub id: u32,
    key: SecretBox<[u8; KEY_BYTES]>,
}

impl DataKey {
    /// A fresh random key.
    ///
    /// Keys and nonces come from the operating system and not from an argument: with a seeded
    /// generator two values could be sealed with one nonce, which opens both.
    pub fn random(id: u32) -> Self {
        let key = SecretBox::init_with_mut(|key: &mut [u8; KEY_BYTES]| fill_random(key));
        Self { id, key }
    }

    fn cipher(&self) -> Cipher {
        Cipher::new(self.key.expose_secret())
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id)
    }
}

/// The key from the settings. It wraps data keys, and nothing else.
#[derive(Clone)]
pub struct OuterKey {
    cipher: Cipher,
    mark: String,
}

/// A text that is not an outer key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    #[error("is not base64")]
    NotBase64,
    #[error("is {0} bytes long in base64, not 32")]
    WrongLength(usize),
    #[error("is 32 times the same byte, which is not a secret")]
    NoSecret,
}

impl OuterKey {
    /// Reads 32 bytes in base64 (RFC 4648 §4, with padding).
    pub fn from_base64(text: &str) -> Result<Self, NotAKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| NotAKey::NotBase64)?;
        let bytes = SecretBox::new(Box::new(bytes));
        let key: &[u8; KEY_BYTES] = bytes
            .expose_secret()
            .as_slice()
            .try_into()
            .map_err(|_| NotAKey::WrongLength(bytes.expose_secret().len()))?;
        if key.iter().all(|byte| Some(byte) == key.first()) {
            return Err(NotAKey::NoSecret);
        }
        // The key has 256 random bits: nobody finds it by trying out keys until the hash fits.
        let hash = Sha256::new().chain_update(b"umstieg outer key").chain_update(key).finalize();
        let mark = hash.iter().take(MARK_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { cipher: Cipher::new(key), mark })
    }

    /// A fresh random key, in the form of the settings.
    pub fn random_base64() -> SecretString {
        let key = SecretBox::init_with_mut(|key: &mut [u8; KEY_BYTES]| fill_random(key));
        SecretString::from(STANDARD.encode(key.expose_secret()))
    }

    /// Eight hexadecimal digits by which a person tells two keys apart. Not secret.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Wraps a data key for `seal_keys`.
    pub fn wrap(&self, key: &DataKey) -> Vec<u8> {
        let head = head(key.id);
        let mut wrapped = head.to_vec();
        seal_onto(&mut wrapped, &self.cipher, &wrap_bound(head), key.key.expose_secret());
        wrapped
    }

    /// Opens what [`Self::wrap`] wrapped for the data key `id`. [`Unsealable::Altered`] also if
    /// another outer key wrapped it.
    pub fn unwrap(&self, id: u32, wrapped: &[u8]) -> Result<DataKey, Unsealable> {
        let (head, rest) = wrapped.split_first_chunk().ok_or(Unsealable::TooShort)?;
        if key_id(head)? != id {
            return Err(Unsealable::Altered);
        }
        let plain = SecretBox::new(Box::new(unseal(&self.cipher, &wrap_bound(*head), rest)?));
        let bytes = plain.expose_secret().as_slice();
        let bytes: &[u8; KEY_BYTES] = bytes.try_into().map_err(|_| Unsealable::Altered)?;
        let key = SecretBox::init_with_mut(|key: &mut [u8; KEY_BYTES]| *key = *bytes);
        Ok(DataKey { id, key })
    }
}

impl fmt::Debug for OuterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OuterKey({})", self.mark)
    }
}

/// Enough to tell the few keys of one practice apart.
const MARK_BYTES: usize = 4;

/// How a value begins that this data key sealed.
pub(super) fn head(id: u32) -> [u8; HEAD_BYTES] {
    let [a, b, c, d] = id.to_be_bytes();
    [VERSION, a, b, c, d]
}

fn key_id(head: &[u8; HEAD_BYTES]) -> Result<u32, Unsealable> {
    let [version, id @ ..] = *head;
    if version == VERSION {
        Ok(u32::from_be_bytes(id))
    } else {
        Err(Unsealable::UnknownVersion(version))
    }
}

/// What is authenticated with a value without being part of it. The head has a fixed length, so no
/// two pairs of head and purpose give the same bytes.
fn bound(head: [u8; HEAD_BYTES], purpose: Purpose) -> Vec<u8> {
    [head.as_slice(), purpose.word().as_bytes()].concat()
}

/// As [`bound`]; no purpose has this word.
fn wrap_bound(head: [u8; HEAD_BYTES]) -> Vec<u8> {
    [head.as_slice(), b"data key"].concat()
}

/// Appends nonce, ciphertext and tag.
fn seal_onto(sealed: &mut Vec<u8>, cipher: &Cipher, bound: &[u8], plain: &[u8]) {
    let mut nonce = [0; NONCE_BYTES];
    fill_random(&mut nonce);
    sealed.extend_from_slice(&nonce);
    let start = sealed.len();
    sealed.extend_from_slice(plain);
    let body = sealed.get_mut(start..).unwrap_or_default();
    let tag = cipher.encrypt(&nonce, bound, body);
    sealed.extend_from_slice(&tag);
}

/// Opens nonce, ciphertext and tag.
fn unseal(cipher: &Cipher, bound: &[u8], rest: &[u8]) -> Result<Vec<u8>, Unsealable> {
    let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Unsealable::TooShort)?;
    let (body, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(Unsealable::TooShort)?;
    let mut plain = body.to_vec();
    if cipher.decrypt(nonce, bound, &mut plain, tag) { Ok(plain) } else { Err(Unsealable::Altered) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Purpose; 12] = [
        Purpose::LetterRaw,
        Purpose::LetterPiece,
        Purpose::LetterEnvelope,
        Purpose::PostContent,
        Purpose::PostMedia,
        Purpose::RoomEvent,
        Purpose::DispatchSubject,
        Purpose::DispatchPart,
        Purpose::DispatchReply,
        Purpose::ReportWords,
        Purpose::FaxName,
        Purpose::CryptoSecret,
    ];

    fn seal(ids: &[u32]) -> Seal {
        let keys: Vec<_> = ids.iter().map(|id| DataKey::random(*id)).collect();
        Seal::new(&keys).unwrap()
    }

    fn outer() -> OuterKey {
        OuterKey::from_base64(OuterKey::random_base64().expose_secret()).unwrap()
    }

    proptest! {
        #[test]
        fn what_was_closed_opens(
            plain in proptest::collection::vec(any::<u8>(), 0..2_000),
            purpose in proptest::sample::select(ALL.as_slice()),
        ) {
            let seal = seal(&[1, 7]);
            let sealed = seal.close(purpose, &plain);
            prop_assert_eq!(sealed.len(), plain.len() + SEAL_BYTES);
            prop_assert_eq!(sealed_with(&sealed), Ok(7));
            prop_assert_eq!(seal.open(purpose, &sealed), Ok(plain));
        }

        #[test]
        fn any_bytes_open_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(seal(&[1]).open(Purpose::LetterRaw, &bytes).is_err());
        }
    }

    /// Including the empty value: its emptiness is authenticated as well.
    #[test]
    fn every_altered_byte_is_noticed() {
        let seal = seal(&[1]);
        for plain in [b"".as_slice(), b"Befund"] {
            let sealed = seal.close(Purpose::LetterRaw, plain);
            for place in 0..sealed.len() {
                let mut altered = sealed.clone();
                altered[place] ^= 1;
                let expected = match place {
                    0 => Unsealable::UnknownVersion(VERSION ^ 1),
                    1..HEAD_BYTES => Unsealable::UnknownKey(1 ^ (1 << (8 * (4 - place)))),
                    _ => Unsealable::Altered,
                };
                assert_eq!(seal.open(Purpose::LetterRaw, &altered), Err(expected), "byte {place}");
            }
        }
    }

    #[test]
    fn a_value_opens_for_its_purpose_only() {
        let seal = seal(&[1]);
        for closed in ALL {
            let sealed = seal.close(closed, b"Befund");
            for opened in ALL {
                let expected = if closed == opened {
                    Ok(b"Befund".to_vec())
                } else {
                    Err(Unsealable::Altered)
                };
                assert_eq!(seal.open(opened, &sealed), expected, "{closed:?} as {opened:?}");
            }
        }
    }

    #[test]
    fn another_key_does_not_open() {
        let sealed = seal(&[1]).close(Purpose::LetterRaw, b"Befund");
        let same_id = seal(&[1]).open(Purpose::LetterRaw, &sealed);
        assert_eq!(same_id, Err(Unsealable::Altered));
        let other_id = seal(&[2, 3]).open(Purpose::LetterRaw, &sealed);
        assert_eq!(other_id, Err(Unsealable::UnknownKey(1)));
    }

    #[test]
    fn an_older_key_opens_what_it_sealed() {
        let (old, new) = (DataKey::random(1), DataKey::random(2));
        let sealed = Seal::new([&old]).unwrap().close(Purpose::PostContent, b"Befund");
        let both = Seal::new([&new, &old]).unwrap();
        assert_eq!(both.newest_key(), 2);
        assert_eq!(both.open(Purpose::PostContent, &sealed).unwrap(), b"Befund");
        assert!(Seal::new([]).is_none());
    }

    #[test]
    fn a_truncated_value_is_refused() {
        let seal = seal(&[1]);
        let sealed = seal.close(Purpose::LetterRaw, b"Befund");
        for length in 0..sealed.len() {
            let expected =
                if length < SEAL_BYTES { Unsealable::TooShort } else { Unsealable::Altered };
            let opened = seal.open(Purpose::LetterRaw, &sealed[..length]);
            assert_eq!(opened, Err(expected), "{length} bytes");
        }
    }

    #[test]
    fn equal_values_do_not_look_equal() {
        let seal = seal(&[1]);
        let sealed = [0, 1].map(|_| seal.close(Purpose::PostContent, b"Befund"));
        assert_ne!(sealed[0], sealed[1]);
    }

    #[test]
    fn an_outer_key_opens_what_it_wrapped_and_nothing_else() {
        let (outer, other) = (outer(), outer());
        assert_ne!(outer.mark(), other.mark());
        let key = DataKey::random(3);
        let sealed = Seal::new([&key]).unwrap().close(Purpose::LetterRaw, b"Befund");

        let wrapped = outer.wrap(&key);
        let unwrapped = outer.unwrap(3, &wrapped).unwrap();
        let opened = Seal::new([&unwrapped]).unwrap().open(Purpose::LetterRaw, &sealed);
        assert_eq!(opened.unwrap(), b"Befund");

        assert_eq!(other.unwrap(3, &wrapped).unwrap_err(), Unsealable::Altered);
        assert_eq!(outer.unwrap(4, &wrapped).unwrap_err(), Unsealable::Altered);
        assert_eq!(outer.unwrap(3, &wrapped[..20]).unwrap_err(), Unsealable::TooShort);
    }

    #[test]
    fn only_32_secret_bytes_in_base64_are_an_outer_key() {
        let check = |text: &str, expected| {
            assert_eq!(OuterKey::from_base64(text).unwrap_err(), expected, "{text}");
        };
        check("", NotAKey::WrongLength(0));
        check("change-me", NotAKey::NotBase64);
        check(&STANDARD.encode([7; 31]), NotAKey::WrongLength(31));
        check(&STANDARD.encode([7; 33]), NotAKey::WrongLength(33));
        check(&STANDARD.encode([0; 32]), NotAKey::NoSecret);
    }

    #[test]
    fn nothing_shows_a_key() {
        let text = OuterKey::random_base64();
        let key = OuterKey::from_base64(text.expose_secret()).unwrap();
        assert_eq!(format!("{key:?}"), format!("OuterKey({})", key.mark()));
        assert_eq!(format!("{:?}", seal(&[1, 2])), "Seal(2 data keys)");
        assert_eq!(format!("{:?}", DataKey::random(5)), "DataKey(5)");
    }
}
