//! What fax numbers are called: by the team, else by the address book, and always with the number behind it.
//!
//! A ghost has its name in each room. When a name changes, the rooms that are there are told once; new rooms
//! have it from the beginning.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Mutex, time::SystemTime};

use ruma::OwnedRoomId;
use tracing::{info, warn};

use super::{Ctx, Line};
use crate::{
    channel::{FaxProfile, Home},
    matrix::{ErrorKind, MatrixError},
    model::{ChannelName, Correspondent, GhostName},
    phrases::{Phrase, Phrases},
    rules::{
        address_book::{AddressBook, BOOK_BYTES_MAX, BookRead},
        names,
    },
    store::{RoomOfNumber, StoreError},
};

/// Rooms that are looked at in one go.
const ROOMS_AT_ONCE: i64 = 500;

/// Ghosts that are called otherwise in one go: the homeserver has more to do.
const NAMED_AT_ONCE: usize = 20;

/// The address books of all channels, as they were read last.
#[derive(Debug, Default)]
pub struct AddressBooks(Mutex<BTreeMap<ChannelName, ShelvedBook>>);

#[derive(Debug, Default)]
struct ShelvedBook {
    book: AddressBook,
    /// What the file was when it was read; nothing when it could not be.
    stamp: Option<FileStamp>,
    /// Whether it was tried at all: a file that is missing is told of once.
    was_tried: bool,
    /// The rooms show the names of this book.
    is_shown: bool,
}

/// Tells a file from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    bytes: u64,
    changed: Option<SystemTime>,
}

impl AddressBooks {
    fn shelf<T>(&self, change: impl FnOnce(&mut BTreeMap<ChannelName, ShelvedBook>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// A room was opened: a name that was given or read while it was being opened is not in it yet.
    pub(super) fn room_was_opened(&self, channel: &ChannelName) {
        self.shelf(|shelf| shelf.entry(channel.clone()).or_default().is_shown = false);
    }

    fn name_of(&self, channel: &ChannelName, correspondent: &Correspondent) -> Option<String> {
        // What only a machine says of itself is nobody's name.
        let Correspondent::Fax(number) = correspondent else { return None };
        self.shelf(|shelf| shelf.get(channel)?.book.name_of(number).map(str::to_owned))
    }
}

/// Reads the address book of a channel: what it holds, or why it cannot be read.
pub fn read_book(file: &Path, home: &Home) -> io::Result<BookRead> {
    if fs::metadata(file)?.len() > BOOK_BYTES_MAX as u64 {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    Ok(AddressBook::read(&fs::read(file)?, home))
}

/// What a number is called: by the team, else by the address book.
pub(super) fn name_of(
    ctx: &Ctx,
    line: &Line,
    correspondent: &Correspondent,
    team_name: Option<&str>,
) -> Option<String> {
    let by_team = team_name.and_then(names::of_number);
    by_team.or_else(|| ctx.books.name_of(&line.channel.name, correspondent))
}

/// The name of a fax number's ghost: what it is called, always with the number behind it, so that a name
/// can never hide it.
pub(super) fn ghost_name(line: &Line, correspondent: &Correspondent, name: Option<&str>) -> String {
    let with = |number: &str| match name {
        Some(name) => format!("{name} · {number}"),
        None => number.to_owned(),
    };
    let phrase = match correspondent {
        Correspondent::Fax(number) => Phrase::GhostFax { number: with(number.as_str()) },
        Correspondent::ClaimedFax(number) => {
            Phrase::GhostClaimedFax { number: with(number.as_str()) }
        }
        _ => Phrase::GhostUnknownFax,
    };
    Phrases::say(line.channel.language, &phrase)
}

/// Reads address books that changed, and calls ghosts in their rooms what they are called now.
pub async fn name_ghosts(ctx: &Ctx) -> Result<(), StoreError> {
    for (name, line) in &ctx.channels {
        let Some(profile) = line.channel.fax() else { continue };
        look_into_book(ctx, name, profile).await;
        let all = !ctx.books.shelf(|shelf| shelf.entry(name.clone()).or_default().is_shown);
        let begun = ctx.clock.now();
        if !name_rooms(ctx, line, all).await? {
            continue;
        }
        ctx.store.names_are_shown(name, begun).await?;
        if all {
            ctx.books.shelf(|shelf| shelf.entry(name.clone()).or_default().is_shown = true);
        }
    }
    Ok(())
}

/// Reads the book if its file is another one than before. A file that cannot be read changes nothing:
/// programs write their files anew, and for a moment there is none.
async fn look_into_book(ctx: &Ctx, name: &ChannelName, profile: &FaxProfile) {
    let Some(file) = profile.address_book.clone() else { return };
    let stamp = tokio::fs::metadata(&file)
        .await
        .map(|found| FileStamp { bytes: found.len(), changed: found.modified().ok() });
    let known = ctx.books.shelf(|shelf| {
        let book = shelf.entry(name.clone()).or_default();
        let is_known = book.was_tried && book.stamp == stamp.as_ref().ok().copied();
        book.was_tried = true;
        is_known
    });
    if known {
        return;
    }
    let home = profile.home();
    let read = match &stamp {
        Ok(_) => tokio::task::spawn_blocking(move || read_book(&file, &home)).await,
        Err(error) => Ok(Err(io::Error::from(error.kind()))),
    };
    let read = read.unwrap_or_else(|_| Err(io::Error::other("the reading broke off")));
    match read {
        Ok(BookRead { book, faults_in_all, .. }) => {
            let numbers = book.len();
            info!(channel.name = %name, "Read {numbers} numbers in the address book of {name}");
            if faults_in_all > 0 {
                warn!(channel.name = %name, "{faults_in_all} lines of the address book of {name} cannot be used; see `umstieg check`");
            }
            let stamp = stamp.ok();
            ctx.books.shelf(|shelf| {
                let shelved = ShelvedBook { book, stamp, was_tried: true, is_shown: false };
                shelf.insert(name.clone(), shelved);
            });
        }
        Err(error) => {
            warn!(channel.name = %name, error = %error.kind(), "The address book of {name} cannot be read; its numbers keep the names they have");
            // Told once for each state of the file.
            let stamp = stamp.ok();
            ctx.books.shelf(|shelf| shelf.entry(name.clone()).or_default().stamp = stamp);
        }
    }
}

/// Returns whether every room has its name.
async fn name_rooms(ctx: &Ctx, line: &Line, all: bool) -> Result<bool, StoreError> {
    let (mut after, mut named) = (0, 0);
    loop {
        let channel = &line.channel.name;
        let rooms = ctx.store.fax_rooms(channel, all, after, ROOMS_AT_ONCE).await?;
        let Some(last) = rooms.last() else { return Ok(true) };
        after = last.id;
        for room in &rooms {
            let Some((ghost, name)) = to_be_called(ctx, line, room) else { continue };
            if named >= NAMED_AT_ONCE {
                return Ok(false);
            }
            named += 1;
            let Ok(room_id) = OwnedRoomId::try_from(room.room_id.as_str()) else { continue };
            match ctx.homeserver.name_in_room(&ghost, &room_id, &name).await {
                Ok(()) => ctx.store.ghost_is_named(room.id, &name).await?,
                // Where users may not choose a name, or the ghost is out of its room, nothing is named: it
                // joins anew under its name.
                Err(error) if is_no(&error) => ctx.store.ghost_is_named(room.id, &name).await?,
                Err(error) => {
                    info!(error = %error, "Ghosts cannot be named now; trying again");
                    return Ok(false);
                }
            }
        }
    }
}

/// The ghost of a room that has another name there than it should have.
fn to_be_called(
    ctx: &Ctx,
    line: &Line,
    room: &RoomOfNumber,
) -> Option<(ruma::OwnedUserId, String)> {
    let kind = line.channel.kind();
    let correspondent = Correspondent::from_key(kind, &room.correspondent).ok()?;
    let name = name_of(ctx, line, &correspondent, room.team_name.as_deref());
    let called = ghost_name(line, &correspondent, name.as_deref());
    // It came with its number alone.
    let before = match &room.ghost_name {
        Some(before) => before.clone(),
        None => ghost_name(line, &correspondent, None),
    };
    if before == called {
        return None;
    }
    let ghost = GhostName::of(&correspondent, ctx.homeserver.room_for_ghost_name()).ok()?;
    Some((ctx.homeserver.ghost_user_id(&ghost).ok()?, called))
}

fn is_no(error: &MatrixError) -> bool {
    matches!(error.kind(), ErrorKind::Gone | ErrorKind::Never)
}
