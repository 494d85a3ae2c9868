//! Rooms against a model: whatever is told of them, a conversation has one at a time, a room that is
//! gone stays gone, and no room belongs to two conversations.

use std::collections::BTreeSet;

use proptest::prelude::*;
use umstieg::{
    model::ConversationId,
    store::{Portal, PortalState, StoreError},
};
use uuid::Uuid;

use crate::{
    model::{Taken, run, take, taken},
    tables::{NOW, StoreTables, after},
};

const USERS: [&str; 3] = ["@anna:x", "@bert:x", "@carla:x"];

#[derive(Debug, Clone)]
enum RoomsStep {
    /// A conversation needs a room.
    Add {
        conversation: usize,
        taken: Taken,
    },
    /// The room of one is made, or found.
    HasRoom {
        conversation: usize,
        is_found: bool,
        taken: Taken,
    },
    Open {
        which: prop::sample::Index,
        taken: Taken,
    },
    Gone {
        which: prop::sample::Index,
        taken: Taken,
    },
    Upgraded {
        which: prop::sample::Index,
        taken: Taken,
    },
    /// Into an unknown room, or into a conversation's room.
    Moved {
        which: prop::sample::Index,
        into: Option<prop::sample::Index>,
        taken: Taken,
    },
    LostTheBot {
        which: prop::sample::Index,
        taken: Taken,
    },
    Invited {
        which: prop::sample::Index,
        user: usize,
        taken: Taken,
    },
    Compared {
        which: prop::sample::Index,
        taken: Taken,
    },
}

fn step() -> impl Strategy<Value = RoomsStep> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        4 => (0..2_usize, taken())
            .prop_map(|(conversation, taken)| RoomsStep::Add { conversation, taken }),
        4 => (0..2_usize, any::<bool>(), taken()).prop_map(
            |(conversation, is_found, taken)| RoomsStep::HasRoom { conversation, is_found, taken }
        ),
        3 => (which(), taken()).prop_map(|(which, taken)| RoomsStep::Open { which, taken }),
        1 => (which(), taken()).prop_map(|(which, taken)| RoomsStep::Gone { which, taken }),
        2 => (which(), taken()).prop_map(|(which, taken)| RoomsStep::Upgraded { which, taken }),
        2 => (which(), prop::option::weighted(0.3, which()), taken())
            .prop_map(|(which, into, taken)| RoomsStep::Moved { which, into, taken }),
        1 => (which(), taken()).prop_map(|(which, taken)| RoomsStep::LostTheBot { which, taken }),
        2 => (which(), 0..3_usize, taken())
            .prop_map(|(which, user, taken)| RoomsStep::Invited { which, user, taken }),
        1 => (which(), taken()).prop_map(|(which, taken)| RoomsStep::Compared { which, taken }),
    ]
}

/// A room as it should be.
#[derive(Debug, Clone)]
struct ModelRoom {
    id: i64,
    conversation: usize,
    /// `None`: it is gone.
    state: Option<PortalState>,
    room_id: Option<String>,
    is_upgraded: bool,
    to_compare: bool,
    invited: BTreeSet<&'static str>,
}

struct RoomsModel<'t> {
    tables: &'t StoreTables,
    conversations: [ConversationId; 2],
    rooms: Vec<ModelRoom>,
    number: u32,
}

impl RoomsModel<'_> {
    fn new_room(&mut self) -> String {
        self.number += 1;
        format!("!{}-{}:x", self.conversations[0], self.number)
    }

    fn live(&self, conversation: usize) -> Option<usize> {
        let is_live = |room: &ModelRoom| room.conversation == conversation && room.state.is_some();
        self.rooms.iter().position(is_live)
    }

    fn pick(&self, which: prop::sample::Index) -> Option<usize> {
        (!self.rooms.is_empty()).then(|| which.index(self.rooms.len()))
    }

    async fn portal(&self, conversation: usize) -> Option<Portal> {
        self.tables.store.portal(self.conversations[conversation]).await.unwrap()
    }

    async fn added(&mut self, conversation: usize, room_id: Option<String>) {
        let id = self.portal(conversation).await.unwrap().id;
        self.rooms.push(ModelRoom {
            id,
            conversation,
            state: Some(PortalState::Opening),
            room_id,
            is_upgraded: false,
            to_compare: false,
            invited: BTreeSet::new(),
        });
    }

    async fn take(&mut self, step: RoomsStep) {
        match step {
            RoomsStep::Add { conversation, taken } => {
                let id = self.conversations[conversation];
                let (store, token) = (&self.tables.store, Uuid::new_v4());
                take(taken, async || store.add_portal(id, token, NOW).await).await;
                if self.live(conversation).is_none() {
                    self.added(conversation, None).await;
                }
            }
            RoomsStep::HasRoom { conversation, is_found, taken } => {
                let Some(at) = self.live(conversation) else { return };
                self.has_room(at, is_found, taken).await;
            }
            RoomsStep::Moved { which, into, taken } => {
                let Some(at) = self.pick(which) else { return };
                self.moved(at, into, taken).await;
            }
            RoomsStep::Open { which, taken }
            | RoomsStep::Gone { which, taken }
            | RoomsStep::Upgraded { which, taken }
            | RoomsStep::LostTheBot { which, taken }
            | RoomsStep::Invited { which, taken, .. }
            | RoomsStep::Compared { which, taken } => {
                let Some(at) = self.pick(which) else { return };
                self.told(at, &step, taken).await;
            }
        }
    }

    async fn has_room(&mut self, at: usize, is_found: bool, taken: Taken) {
        if self.rooms[at].room_id.is_some() {
            return;
        }
        let (room_id, id) = (self.new_room(), self.rooms[at].id);
        let store = &self.tables.store;
        let has_room = async || match is_found {
            true => store.portal_has_found_room(id, &room_id).await,
            false => store.portal_has_room(id, &room_id, None).await,
        };
        let jobs = self.tables.wakes(async { Ok(take(taken, has_room).await) }).await;
        assert_eq!(jobs, format!("read_room {room_id}"));
        let room = &mut self.rooms[at];
        room.to_compare |= is_found;
        room.room_id = Some(room_id);
    }

    async fn moved(&mut self, at: usize, into: Option<prop::sample::Index>, taken: Taken) {
        let (id, conversation) = (self.rooms[at].id, self.rooms[at].conversation);
        let other = into.and_then(|into| self.rooms[into.index(self.rooms.len())].room_id.clone());
        let is_taken = other.is_some();
        let into = other.unwrap_or_else(|| self.new_room());
        let (store, token) = (&self.tables.store, Uuid::new_v4());
        let is_live = self.rooms[at].state.is_some();
        // A room belongs to one conversation for ever.
        let is_refused = is_live && is_taken;
        let moves = async || match store.portal_moved(id, &into, token, NOW).await {
            Err(StoreError::Damaged(_)) if is_refused => Ok(()),
            Ok(()) if !is_refused => Ok(()),
            other => panic!("{other:?}"),
        };
        let jobs = self.tables.wakes(async { Ok(take(taken, moves).await) }).await;
        if !is_live || is_refused {
            assert_eq!(jobs, "");
            return;
        }
        let follows = self.conversations[conversation];
        assert_eq!(jobs, format!("read_room {into}, send_posts {follows}"));
        self.rooms[at].state = None;
        self.added(conversation, Some(into)).await;
    }

    /// What changes nothing but the room itself.
    async fn told(&mut self, at: usize, step: &RoomsStep, taken: Taken) {
        let (store, room) = (&self.tables.store, &mut self.rooms[at]);
        let (id, room_id) = (room.id, room.room_id.clone().unwrap_or_default());
        let is_live = room.state.is_some();
        let has_room = room.room_id.is_some();
        let invited = match step {
            RoomsStep::Invited { user, .. } => USERS[*user],
            _ => "",
        };
        let told = async || match step {
            RoomsStep::Open { .. } => store.portal_is_open(id).await,
            RoomsStep::Gone { .. } => store.portal_is_gone(id).await,
            RoomsStep::Upgraded { .. } => store.portal_upgraded(&room_id, after(1)).await,
            RoomsStep::LostTheBot { .. } => store.portal_lost_the_bot(&room_id).await,
            RoomsStep::Invited { .. } => store.portal_invited(id, &[invited.to_owned()]).await,
            RoomsStep::Compared { .. } => store.portal_is_compared(id).await,
            other => panic!("{other:?}"),
        };
        let jobs = self.tables.wakes(async { Ok(take(taken, told).await) }).await;
        let wakes = format!("send_posts {}", self.conversations[room.conversation]);
        let wakes = match step {
            RoomsStep::Upgraded { .. } | RoomsStep::LostTheBot { .. } if is_live && has_room => {
                &*wakes
            }
            _ => "",
        };
        assert_eq!(jobs, wakes);
        match step {
            RoomsStep::Open { .. } if is_live => room.state = Some(PortalState::Open),
            RoomsStep::Gone { .. } => room.state = None,
            RoomsStep::LostTheBot { .. } if has_room => room.state = None,
            RoomsStep::Upgraded { .. } if is_live && has_room => room.is_upgraded = true,
            RoomsStep::Invited { .. } => {
                room.invited.insert(invited);
            }
            RoomsStep::Compared { .. } => room.to_compare = false,
            _ => {}
        }
    }

    async fn compare(&self) {
        for conversation in 0..2 {
            let there = self.portal(conversation).await;
            let live = self.live(conversation).map(|at| &self.rooms[at]);
            assert_eq!(there.as_ref().map(|portal| portal.id), live.map(|room| room.id));
            let id = self.conversations[conversation];
            let had = self.rooms.iter().filter(|room| room.conversation == conversation);
            let began = self.tables.store.beginning(id).await.unwrap().unwrap();
            assert_eq!(began.rooms, i64::try_from(had.clone().count()).unwrap());
            for room_id in had.clone().filter_map(|room| room.room_id.as_deref()) {
                let leads_to = self.tables.store.conversation_of_room(room_id).await.unwrap();
                assert_eq!(leads_to, Some(id));
            }
            let (Some(there), Some(live)) = (there, live) else { continue };
            assert_eq!((Some(there.state), &there.room_id), (live.state, &live.room_id));
            assert_eq!(there.upgraded_at, live.is_upgraded.then_some(after(1)));
            assert_eq!(there.to_compare, live.to_compare);
            assert_eq!(
                there.continues,
                had.clone().any(|r| r.state.is_none() && r.room_id.is_some())
            );
            let invited: Vec<&str> = live.invited.iter().copied().collect();
            assert_eq!(there.invited, invited);
        }
    }
}

#[test]
fn rooms_are_what_the_model_says_after_each_step() {
    run(step(), async |tables, steps| {
        let conversations = [tables.conversation().await, tables.conversation().await];
        let mut model = RoomsModel { tables, conversations, rooms: Vec::new(), number: 0 };
        for step in steps {
            model.take(step).await;
            model.compare().await;
        }
    });
}
