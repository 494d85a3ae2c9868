-- The Message-ID that the outer head of a KIM mail shows. While the mail cannot be decrypted, its answers
-- are led to the room that was told of it.
alter table outer_heads add column message_id text;
