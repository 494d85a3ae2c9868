-- Echoes of our posts have a place as well: it tells which letters stood in a room when something was
-- written there. Those of before came in about this order.
update room_events set place = id where place is null and state = 'done';
