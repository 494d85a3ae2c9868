//! One session of LDAP (RFC 4511): bind, search, unbind.
//!
//! The library turns messages into bytes and back; it bounds the length and the depth of each. How many
//! may come, and how much together, is bounded here.

use bytes::BytesMut;
use ldap3_proto::{
    LdapCodec,
    proto::{
        LdapBindCred, LdapBindRequest, LdapMsg, LdapOp, LdapResult, LdapResultCode,
        LdapSearchRequest, LdapSearchResultEntry,
    },
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::{error::DirectoryError, question::ENTRIES_MAX};

/// Longest message, in bytes. A practice may have a thousand addresses, and its entry names each of them
/// three times, with about 60 bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 512 * 1024;

/// All that a session reads, in bytes: a few such entries.
pub(super) const SESSION_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Deepest nesting within a message. An entry has six levels.
const DEPTH_MAX: usize = 12;

/// Messages read for one question. Besides the entries there may be references to other servers, which
/// are passed over.
pub(super) const MESSAGES_MAX: usize = 50;

/// How much is read at a time, in bytes.
const READ_BYTES: usize = 16 * 1024;

/// What a search has found.
pub(super) struct FoundEntries {
    pub(super) entries: Vec<LdapSearchResultEntry>,
    /// Nothing was left out, and no other server has more.
    pub(super) is_all: bool,
}

/// A connection, and how much of it was read.
pub(super) struct Session<I> {
    io: I,
    codec: LdapCodec,
    unread: BytesMut,
    bytes: usize,
    /// The id of the newest request.
    id: i32,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Session<I> {
    pub(super) fn new(io: I) -> Self {
        let codec = LdapCodec::new(Some(MESSAGE_BYTES_MAX), Some(DEPTH_MAX));
        Self { io, codec, unread: BytesMut::new(), bytes: 0, id: 0 }
    }

    /// Says that nobody in particular asks: the Konnektor knows its clients by their network, or by the
    /// certificate they show.
    pub(super) async fn bind(&mut self) -> Result<(), DirectoryError> {
        let (dn, cred) = (String::new(), LdapBindCred::Simple(String::new()));
        self.ask(LdapOp::BindRequest(LdapBindRequest { version: 3, dn, cred })).await?;
        match self.answer().await? {
            LdapOp::BindResponse(bound) => accepted(&bound.res),
            _ => Err(DirectoryError::Protocol),
        }
    }

    /// The entries that are found, at most [`ENTRIES_MAX`].
    pub(super) async fn search(
        &mut self,
        question: LdapSearchRequest,
    ) -> Result<FoundEntries, DirectoryError> {
        self.ask(LdapOp::SearchRequest(question)).await?;
        let (mut found, mut refers) = (Vec::new(), false);
        for _ in 0..MESSAGES_MAX {
            match self.answer().await? {
                // A server that keeps no limit of size has said enough.
                LdapOp::SearchResultEntry(entry) => {
                    found.push(entry);
                    if found.len() >= ENTRIES_MAX {
                        return Ok(FoundEntries { entries: found, is_all: false });
                    }
                }
                LdapOp::SearchResultReference(_) => refers = true,
                LdapOp::IntermediateResponse(_) => {}
                LdapOp::SearchResultDone(done) => return ended(&done, found, refers),
                _ => return Err(DirectoryError::Protocol),
            }
        }
        Err(DirectoryError::TooMuch)
    }

    /// Says goodbye, which has no answer, and closes. What comes of it does not matter any more.
    pub(super) async fn end(&mut self) {
        if self.ask(LdapOp::UnbindRequest).await.is_ok() {
            let _ = self.io.shutdown().await;
        }
    }

    async fn ask(&mut self, op: LdapOp) -> Result<(), DirectoryError> {
        self.id += 1;
        let mut bytes = BytesMut::new();
        let message = LdapMsg { msgid: self.id, op, ctrl: Vec::new() };
        self.codec.encode(message, &mut bytes).map_err(DirectoryError::Io)?;
        self.io.write_all(&bytes).await.map_err(DirectoryError::Io)?;
        self.io.flush().await.map_err(DirectoryError::Io)
    }

    /// The next message, if it answers the newest request. A server that is about to hang up says so
    /// under the id 0 (RFC 4511 §4.4.1).
    async fn answer(&mut self) -> Result<LdapOp, DirectoryError> {
        let message = self.message().await?;
        match message.msgid {
            id if id == self.id => Ok(message.op),
            0 => Err(DirectoryError::Closed),
            _ => Err(DirectoryError::Protocol),
        }
    }

    async fn message(&mut self) -> Result<LdapMsg, DirectoryError> {
        loop {
            // The library's errors say nothing that an admin could use, and one quotes what came.
            let read = self.codec.decode(&mut self.unread);
            if let Some(message) = read.map_err(|_| DirectoryError::Protocol)? {
                return Ok(message);
            }
            if self.bytes >= SESSION_BYTES_MAX || self.unread.len() > MESSAGE_BYTES_MAX {
                return Err(DirectoryError::TooMuch);
            }
            self.unread.reserve(READ_BYTES);
            let mut piece = (&mut self.io).take(READ_BYTES as u64);
            let count = piece.read_buf(&mut self.unread).await.map_err(DirectoryError::Io)?;
            if count == 0 {
                return Err(DirectoryError::Closed);
            }
            self.bytes += count;
        }
    }
}

fn accepted(result: &LdapResult) -> Result<(), DirectoryError> {
    match &result.code {
        LdapResultCode::Success => Ok(()),
        LdapResultCode::Referral => Err(DirectoryError::Elsewhere),
        LdapResultCode::NoSuchObject => Err(DirectoryError::NoSuchBase),
        code => Err(DirectoryError::Refused { code: code.clone() as i64 }),
    }
}

/// What a search that ended has found. That nothing was found is believed only where nothing was left
/// out.
fn ended(
    done: &LdapResult,
    found: Vec<LdapSearchResultEntry>,
    refers: bool,
) -> Result<FoundEntries, DirectoryError> {
    match done.code {
        LdapResultCode::SizeLimitExceeded if !found.is_empty() => {
            Ok(FoundEntries { entries: found, is_all: false })
        }
        LdapResultCode::Success if found.is_empty() && refers => Err(DirectoryError::Elsewhere),
        _ => accepted(done).map(|()| FoundEntries { entries: found, is_all: !refers }),
    }
}
