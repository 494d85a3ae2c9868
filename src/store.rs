//! Postgres: one file per table family. Everything that must not be lost goes through here.
//!
//! Every function is one transaction and may run twice. Times are arguments. What people wrote (raw
//! letters, posts, answers) is sealed here on its way in, opened on its way out, and never logged.

#![expect(
    deprecated,
    reason = "the query macros warn that both time crates are in the tree (the job engine brings \
              chrono); with `time` switched on they always take `time`, which is what we want"
)]

mod absence_notes;
mod accounts;
mod acts;
mod answered;
mod arrivals;
mod attempts;
mod channels;
mod commanded;
mod conversations;
mod correspondents;
mod crypto_store;
mod database;
mod devices;
mod dispatches;
mod envelopes;
mod error;
mod event_step;
mod fax_names;
mod fax_previews;
mod fax_records;
mod fax_tests;
mod ghosts;
mod identities;
mod jobs;
mod kept_back;
mod leases;
mod letter_pieces;
mod letters;
mod listings;
mod mailboxes;
mod matter_steps;
mod matters;
mod members;
mod moment;
mod moves;
mod outer_heads;
mod page_readings;
mod parked;
mod portals;
mod posts;
mod receipts;
mod rekey;
mod reports;
mod room_events;
pub mod seal;
mod server_names;
mod shown;
mod sqlstate;
mod starting;
mod statuses;
mod strangers;
mod takeover;
mod virus_scans;

use serde::{Serialize, de::DeserializeOwned};

use error::InRow;
use moment::Moment;
use seal::{Purpose, Seal, Unsealable};

pub use absence_notes::ToldNote;
pub use acts::{Composition, LeavingPart};
pub use answered::AnsweredLetter;
pub use arrivals::{ArrivedBy, IncomingEvent};
pub use attempts::Attempt;
pub use channels::{ChannelPlace, RenameError};
pub use commanded::LetIn;
pub use conversations::{Conversation, KnownThreads};
pub use crypto_store::{DeviceStep, DeviceStore, DeviceStoreError};
pub use database::{Database, KeyState, OpenError};
pub use devices::{Device, DeviceRow, DeviceState};
pub use dispatches::{MayLeave, NewPart, StoredDispatch, StoredPart};
pub use envelopes::LetterEnvelope;
pub use error::{Damaged, Harm, StoreError};
pub use event_step::{EditSays, EventStep, Stood, UnderWay, WaitForEdit, WaitedFor};
pub use fax_names::RoomOfNumber;
pub use fax_previews::{FaxConfirmation, NewPreview, Previewed, UnconfirmedFax};
pub use fax_records::{FaxFileSeen, FaxRecord};
pub use fax_tests::{FaxTest, FaxTestSaid};
pub use identities::{ChangedIdentity, ConfirmedBy};
pub use jobs::Job;
pub use letter_pieces::{FetchedFrom, LetterPieces, NewLetter, PIECE_BYTES, Saved};
pub use letters::{Placed, Placing, StoredLetter};
pub use mailboxes::{Aside, MailboxMails, MailboxPlace, MailboxRow};
pub use matter_steps::MatterMoved;
pub use matters::{MatterNews, OpenCount, OpenMatter, Reminder};
pub use members::{PresentMember, STRANGERS_A_DAY_MAX, StoredIdentity, ToldOf};
pub use moves::{LetterMoved, MovingLetter};
pub use outer_heads::{LeftAlone, OuterOfLetter, SeenOuterHead};
pub use page_readings::{FaxInRoom, ReadingEnd, StoredReading};
pub use parked::{ParkedItem, ParkedKind, Resolution};
pub use portals::{Portal, PortalState};
pub use posts::{PostKind, StoredPost};
pub use receipts::{NewReceipt, ReceiptSent};
pub use rekey::{RekeyError, RekeyProgress, SEALED, SealedColumn, UNSEALED, rekey};
pub use reports::{
    NewReport, ReportStep, ReportTaken, ReportedDispatch, UnreportedDispatch, WaitingReport,
};
pub use room_events::{StoredEvent, UnreadableEvent};
pub use server_names::NamesError;
pub use starting::{AddressConfirmation, Begun, NewConversation, StartedConversation};
pub use statuses::StatusWish;
pub use strangers::StrangeDispatch;
pub use takeover::{Epoch, OneGateway, Sessions};

/// From this size on, a value is sealed and opened on a blocking thread: a megabyte takes about a
/// millisecond.
const LARGE_BYTES: usize = 1024 * 1024;

/// The gateway's open database: a pool of connections, and the seal on its contents.
#[derive(Debug, Clone)]
pub struct Store {
    pool: sqlx::PgPool,
    seal: Seal,
    reign: takeover::Reign,
    leases: leases::Leases,
}

impl Store {
    /// Wraps a pool whose database was migrated, and whose values this seal opens.
    pub fn new(pool: sqlx::PgPool, seal: Seal) -> Self {
        let (reign, leases) = (takeover::Reign::default(), leases::Leases::default());
        Self { pool, seal, reign, leases }
    }

    /// The pool, for the job engine.
    pub fn pool(&self) -> &sqlx::PgPool {
        &self.pool
    }

    /// What seals and opens the values in this database.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Opens a value; the caller that knows its row names it ([`InRow`]).
    fn open_sealed(&self, purpose: Purpose, sealed: &[u8]) -> Result<Vec<u8>, Damaged> {
        self.seal.open(purpose, sealed).map_err(|why| Damaged::sealed(purpose, why.into()))
    }

    fn open_text(&self, purpose: Purpose, sealed: &[u8]) -> Result<String, Damaged> {
        let plain = self.open_sealed(purpose, sealed)?;
        String::from_utf8(plain).map_err(|_| Damaged::sealed(purpose, Harm::Form))
    }

    fn close_json(&self, purpose: Purpose, value: &impl Serialize) -> Vec<u8> {
        let plain = serde_json::to_vec(value).expect("only JSON and texts are sealed this way");
        self.seal.close(purpose, &plain)
    }

    fn open_json<T: DeserializeOwned>(
        &self,
        purpose: Purpose,
        sealed: &[u8],
    ) -> Result<T, Damaged> {
        let plain = self.open_sealed(purpose, sealed)?;
        // The library's error quotes the text.
        serde_json::from_slice(&plain).map_err(|_| Damaged::sealed(purpose, Harm::Form))
    }

    async fn close_large(&self, purpose: Purpose, plain: Vec<u8>) -> Vec<u8> {
        let seal = self.seal.clone();
        beside(plain.len(), move || seal.close(purpose, &plain)).await
    }

    async fn open_large(&self, purpose: Purpose, sealed: Vec<u8>) -> Result<Vec<u8>, Unsealable> {
        let seal = self.seal.clone();
        beside(sealed.len(), move || seal.open(purpose, &sealed)).await
    }
}

/// Does work on this many bytes where it holds up no other task.
async fn beside<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes < LARGE_BYTES {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Only a panic ends it early: the panic goes on as it would have without the detour.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
