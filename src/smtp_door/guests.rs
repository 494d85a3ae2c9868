//! How many peers may be here at a time.
//!
//! Whoever holds connections open keeps nobody out: when there is no room, the connection that has waited
//! longest without announcing a mail makes some.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Connections of one peer. Postfix and Exim open up to twenty to one host.
const PER_PEER_MAX: usize = 20;
/// Connections of one peer that still has to log in: a single one cannot take all places of its kind.
const PER_OTHER_MAX: usize = 4;
/// Connections of peers that the settings name by their addresses.
const KNOWN_MAX: usize = 48;
/// Connections of others, who still have to log in.
const OTHERS_MAX: usize = 16;

#[derive(Debug, Clone, Default)]
pub(super) struct DoorGuests(Arc<Mutex<DoorCrowd>>);

#[derive(Debug, Default)]
struct DoorCrowd {
    arrivals: u64,
    /// The longest present first.
    present: BTreeMap<u64, DoorGuest>,
}

#[derive(Debug)]
struct DoorGuest {
    peer: IpAddr,
    is_known: bool,
    has_mail: bool,
    leaves: Arc<Notify>,
}

/// A place at the door, until it is dropped.
#[derive(Debug)]
pub(super) struct DoorSeat {
    guests: DoorGuests,
    number: u64,
    leaves: Arc<Notify>,
}

impl DoorGuests {
    /// A seat, if need be that of a connection without a mail; none when each has one.
    pub(super) fn admit(&self, peer: IpAddr, is_known: bool) -> Option<DoorSeat> {
        let mut crowd = self.crowd();
        let peer = peer.to_canonical();
        let most = if is_known { PER_PEER_MAX } else { PER_OTHER_MAX };
        crowd.make_room(most, |guest| guest.peer == peer)?;
        let most = if is_known { KNOWN_MAX } else { OTHERS_MAX };
        crowd.make_room(most, |guest| guest.is_known == is_known)?;
        crowd.arrivals += 1;
        let (number, leaves) = (crowd.arrivals, Arc::<Notify>::default());
        let guest = DoorGuest { peer, is_known, has_mail: false, leaves: leaves.clone() };
        crowd.present.insert(number, guest);
        Some(DoorSeat { guests: self.clone(), number, leaves })
    }

    fn crowd(&self) -> MutexGuard<'_, DoorCrowd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DoorCrowd {
    /// `None`: all `most` of them have a mail.
    fn make_room(&mut self, most: usize, is_of_them: impl Fn(&DoorGuest) -> bool) -> Option<()> {
        let theirs = || self.present.iter().filter(|(_, guest)| is_of_them(guest));
        if theirs().count() < most {
            return Some(());
        }
        let number = *theirs().find(|(_, guest)| !guest.has_mail)?.0;
        self.present.remove(&number)?.leaves.notify_one();
        Some(())
    }
}

impl DoorSeat {
    /// Says whether a mail is being announced or comes: then the seat is kept.
    pub(super) fn has_mail(&self, has_mail: bool) {
        if let Some(guest) = self.guests.crowd().present.get_mut(&self.number) {
            guest.has_mail = has_mail;
        }
    }

    /// Completes when another peer needs the seat.
    pub(super) async fn is_needed(&self) {
        self.leaves.notified().await;
    }
}

impl Drop for DoorSeat {
    fn drop(&mut self) {
        self.guests.crowd().present.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn peer(last: u8) -> IpAddr {
        [192, 168, 1, last].into()
    }

    #[test]
    fn fax_12_one_peer_fills_its_own_places_and_no_other_s() {
        let guests = DoorGuests::default();
        let seats: Vec<DoorSeat> =
            (0..PER_PEER_MAX).map(|_| guests.admit(peer(1), true).unwrap()).collect();
        // The oldest without a mail makes room.
        seats[0].has_mail(true);
        let new = guests.admit(peer(1), true).unwrap();
        assert!(seats[1].is_needed().now_or_never().is_some());
        assert!(seats[0].is_needed().now_or_never().is_none());
        assert!(new.is_needed().now_or_never().is_none());
        seats.iter().chain([&new]).for_each(|seat| seat.has_mail(true));
        assert!(guests.admit(peer(1), true).is_none());
        assert!(guests.admit(peer(2), true).is_some());
        drop(new);
        assert!(guests.admit(peer(1), true).is_some());
    }

    #[test]
    fn fax_12_whoever_still_has_to_log_in_takes_no_place_of_a_known_peer() {
        let guests = DoorGuests::default();
        let strangers: Vec<DoorSeat> = (0..OTHERS_MAX)
            .filter_map(|number| guests.admit(peer(u8::try_from(number).unwrap()), false))
            .collect();
        assert_eq!(strangers.len(), OTHERS_MAX);
        strangers.iter().for_each(|seat| seat.has_mail(true));
        assert!(guests.admit(peer(200), false).is_none());
        assert!(guests.admit(peer(200), true).is_some());
    }
}
