-- Expand: who asked first to release a letter, where the channel wants two persons for it.
alter table letters add column release_asked_by text;
alter table letters add column release_asked_at timestamptz;
