-- A room of ours is not always that of one conversation: a channel's tray will have none.

alter table portals rename to rooms;
alter table rooms rename constraint portals_pkey to rooms_pkey;
alter table rooms rename constraint portals_state_check to rooms_state_check;
alter index portals_one_per_conversation rename to rooms_one_per_conversation;
alter table portal_members rename to room_members;

alter table rooms
    -- portal: the room of a conversation. tray: a channel's own room.
    add column kind text not null default 'portal' check (kind in ('portal', 'tray')),
    -- Whose tray it is. A portal's channel is that of its conversation.
    add column channel text,
    alter column conversation_id drop not null,
    add constraint rooms_of_their_kind check (
        (kind = 'portal') = (conversation_id is not null)
        and (kind = 'tray') = (channel is not null)
    );
create unique index rooms_one_tray_per_channel on rooms (channel)
    where kind = 'tray' and state <> 'gone';
