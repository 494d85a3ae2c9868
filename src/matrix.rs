//! The homeserver: our users, portals, what is said in them, files, and what comes back.
//!
//! A thin typed client over one HTTP connection pool, with requests from ruma. It asks what it is
//! told to ask and says how it went: it decides nothing, repeats nothing, and waits for nothing but
//! its answers. Only [`decode()`] understands what is heard there.

mod account_data;
mod client;
mod decode;
mod encryption;
mod error;
mod ghosts;
mod media;
mod permissions;
mod raw;
mod rooms;
mod sync;
mod trial;

pub use client::{Endpoint, Homeserver, HomeserverAccess, HomeserverAccessError};
pub use decode::{decode, status_request, thread_root};
pub use encryption::{
    AttachmentError, Audience, Decrypted, DeviceError, DeviceNews, EncryptedContent, LockedOut,
    OwnDevice, RoomKey, Rotation, SeenMembers, SessionPlace, Spooled, Upload,
};
pub use error::{ErrorKind, MatrixError};
pub use media::DownloadError;
pub use raw::RawEvent;
pub use rooms::{CreateError, Invited, PortalPlan, Voice, encryption};
pub use sync::{EventPage, RoomInvite, RoomNews, SyncBatch};
pub use trial::{KeysNeed, KeysRefused};

#[cfg(test)]
mod tests;
