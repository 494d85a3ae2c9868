//! Tables as they were, with something in them, and what must be there after a migration
//! (`migrations/README.md`).

use sqlx::{Connection as _, PgConnection, migrate::Migrator};
use umstieg_world::{Surroundings, World};

/// What a gateway of migration 19 had: two mailboxes and a fax line, of which one never knew a sender.
const BEFORE_CORRESPONDENTS: &str = "
    insert into channels (channel, kind, made_with)
    values ('kim', 'kim', 'kim'), ('labor', 'kim', 'labor'), ('fax', 'fax', 'fax'), ('still', null, 'still');
    insert into conversations (channel, correspondent, created_at) values
        ('kim', 'erik@charite.kim.telematik', '2026-01-01Z'),
        ('kim', 'erik@charite.kim.telematik', '2026-01-03Z'),
        ('labor', 'erik@charite.kim.telematik', '2026-01-02Z'),
        ('kim', 'unknown', '2026-01-04Z'),
        ('fax', '+493012345', '2026-01-05Z'),
        ('fax', 'claimed-+493012345', '2026-01-06Z'),
        ('fax', 'unknown', '2026-01-07Z'),
        ('still', 'unknown', '2026-01-08Z');
    insert into letters (channel, mail_key, received_at, raw, head_only, state, conversation_id) values
        ('kim', 'a', '2026-02-01Z', '', false, 'posted', 1),
        ('labor', 'b', '2026-02-02Z', '', false, 'posted', 3);
    insert into thread_ids
        (channel, correspondent, message_id, conversation_id, seen_at, bearer, is_ambiguous)
    values
        ('kim', 'erik@charite.kim.telematik', '1@x', 1, now(), 'l1', false),
        ('kim', 'erik@charite.kim.telematik', '2@x', 2, now(), null, true),
        ('labor', 'erik@charite.kim.telematik', '1@x', 3, now(), null, false),
        ('fax', '+493012345', '1@x', 5, now(), null, false);
    insert into dispatches
        (conversation_id, author, message_id, state, opened_at, closes_at, settled_at)
    values
        (1, '@anna:x', 'd1@x', 'accepted', now(), now(), '2026-03-01Z'),
        (3, '@anna:x', 'd2@x', 'accepted', now(), now(), '2026-03-02Z'),
        (3, '@anna:x', 'd3@x', 'failed', now(), now(), '2026-03-03Z'),
        (5, '@anna:x', 'd4@x', 'unclear', now(), now(), '2026-03-04Z');
    insert into portals (conversation_id, alias_token, room_id, state, created_at) values
        (1, gen_random_uuid(), '!alt:x', 'gone', now()),
        (1, gen_random_uuid(), '!neu:x', 'open', now()),
        (5, gen_random_uuid(), null, 'opening', now());
    insert into portal_members (room_id, user_id, membership) values ('!neu:x', '@anna:x', 'join');
    insert into admitted (conversation_id, user_id, state, changed_at)
    values (1, '@anna:x', 'out', now());";

/// A database on its way through the migrations.
struct MigratingTables {
    world: &'static Surroundings,
    name: String,
    connection: PgConnection,
}

impl MigratingTables {
    async fn empty() -> Self {
        let world = World::shared().await.unwrap();
        let url = world.postgres.create_fresh_database().await.unwrap();
        let name = url.rsplit('/').next().unwrap().to_owned();
        Self { world, name, connection: PgConnection::connect(&url).await.unwrap() }
    }

    /// Runs all migrations that have not run, up to this one.
    async fn up_to(&mut self, version: i64) {
        let all = sqlx::migrate!();
        let migrations: Vec<_> = all.iter().filter(|m| m.version <= version).cloned().collect();
        let some = Migrator { migrations: migrations.into(), ..all };
        some.run(&mut self.connection).await.unwrap();
    }

    /// Runs some statements and gives their rows, a line each.
    async fn sql(&self, sql: &str) -> String {
        self.world.postgres.query(&self.name, sql).await.unwrap().trim().to_owned()
    }
}

const CORRESPONDENTS: &str = "
    select string_agg(format('%s %s %s %s %s %s', kind, key, first_seen_at::date, last_seen_at::date,
               accepted_at::date, failed_at::date), E'\\n' order by kind, key)
    from (select kind, key, first_seen_at at time zone 'UTC' as first_seen_at,
              last_seen_at at time zone 'UTC' as last_seen_at,
              accepted_at at time zone 'UTC' as accepted_at, failed_at at time zone 'UTC' as failed_at
          from correspondents) as known";

#[tokio::test]
async fn correspondents_and_rooms_are_carried_over() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(19).await;
    tables.sql(BEFORE_CORRESPONDENTS).await;

    tables.up_to(20).await;
    // A gateway of the version before still runs on these tables.
    tables
        .sql(
            "insert into conversations (channel, correspondent, created_at) values
                 ('kim', 'neu@x.kim.telematik', '2026-04-01Z'),
                 ('kim', 'erik@charite.kim.telematik', '2026-04-02Z');
             insert into thread_ids (channel, correspondent, message_id, conversation_id, seen_at)
             values ('kim', 'neu@x.kim.telematik', '9@x', 9, now())",
        )
        .await;
    tables.up_to(i64::MAX).await;

    assert_eq!(
        tables.sql(CORRESPONDENTS).await.lines().map(str::trim_end).collect::<Vec<_>>(),
        [
            "fax +493012345 2026-01-05 2026-01-05",
            "fax claimed-+493012345 2026-01-06 2026-01-06",
            "fax unknown 2026-01-07 2026-01-07",
            "kim erik@charite.kim.telematik 2026-01-01 2026-02-02 2026-03-02 2026-03-03",
            "kim neu@x.kim.telematik 2026-04-01 2026-04-01",
            "kim unknown 2026-01-04 2026-01-08",
        ]
    );
    let conversations =
        "select string_agg(conversation.id || ' ' || key, ' ' order by conversation.id)
         from conversations as conversation
         join correspondents as correspondent on correspondent.id = correspondent_id";
    assert_eq!(
        tables.sql(conversations).await,
        "1 erik@charite.kim.telematik 2 erik@charite.kim.telematik 3 erik@charite.kim.telematik \
         4 unknown 5 +493012345 6 claimed-+493012345 7 unknown 8 unknown 9 neu@x.kim.telematik \
         10 erik@charite.kim.telematik"
    );
    let thread_ids = "select string_agg(format('%s %s %s %s %s %s', channel, key, message_id,
             conversation_id, bearer, is_ambiguous), ' ' order by conversation_id, message_id)
         from thread_ids
         join correspondents as correspondent on correspondent.id = correspondent_id";
    assert_eq!(
        tables.sql(thread_ids).await,
        "kim erik@charite.kim.telematik 1@x 1 l1 f kim erik@charite.kim.telematik 2@x 2  t \
         labor erik@charite.kim.telematik 1@x 3  f fax +493012345 1@x 5  f \
         kim neu@x.kim.telematik 9@x 9  f"
    );
    let rooms = "select string_agg(format('%s %s %s %s', kind, conversation_id, room_id, state),
             ' ' order by id)
         from rooms";
    assert_eq!(
        tables.sql(rooms).await,
        "portal 1 !alt:x gone portal 1 !neu:x open portal 5  opening"
    );
    assert_eq!(tables.sql("select user_id from former_members").await, "@anna:x");
}

/// What was handed over before does not claim that reports were agreed on, and a gateway of the version
/// before still hands over.
#[tokio::test]
async fn dispatches_of_before_say_nothing_about_reports() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(24).await;
    let dispatch = |id: &str| {
        format!(
            "insert into dispatches
                 (conversation_id, author, message_id, state, opened_at, closes_at, settled_at)
             select id, '@anna:x', '{id}', 'accepted', now(), now(), now() from conversations"
        )
    };
    tables
        .sql(
            "insert into correspondents (kind, key, first_seen_at, last_seen_at)
             values ('kim', 'erik@charite.kim.telematik', now(), now());
             insert into conversations (channel, correspondent_id, created_at)
             select 'kim', id, now() from correspondents",
        )
        .await;
    tables.sql(&dispatch("d1@x")).await;
    tables.up_to(i64::MAX).await;
    tables.sql(&dispatch("d2@x")).await;
    let known = "select count(*) || ' ' || count(reports_requested) from dispatches";
    assert_eq!(tables.sql(known).await, "2 0");
}

/// A channel's own room belongs to no conversation, and there is one of it.
#[tokio::test]
async fn a_room_has_what_its_kind_has() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(i64::MAX).await;
    let add = |fields: &str, values: &str| {
        format!(
            "do $$ begin
                 insert into rooms (alias_token, created_at, {fields})
                 values (gen_random_uuid(), now(), {values});
             exception when check_violation or unique_violation then
                 raise notice 'refused';
             end $$;
             select count(*) from rooms"
        )
    };
    for (fields, values, rooms) in [
        ("kind, channel", "'tray', 'kim'", "1"),
        ("kind, channel", "'tray', 'kim'", "1"),
        ("kind, channel, state", "'tray', 'kim', 'gone'", "2"),
        ("kind, channel", "'tray', 'fax'", "3"),
        ("kind", "'tray'", "3"),
        ("kind", "'portal'", "3"),
        ("kind, channel", "'portal', 'kim'", "3"),
        ("kind", "'lobby'", "3"),
    ] {
        let counted = tables.sql(&add(fields, values)).await;
        assert_eq!(counted.lines().last(), Some(rooms), "{fields} {values}");
    }
}

/// States that only reports bring are words that the tables take, and dispatches keep theirs.
#[tokio::test]
async fn dispatches_keep_their_states_and_get_more() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(19).await;
    tables.sql(BEFORE_CORRESPONDENTS).await;
    let states = "select string_agg(state, ' ' order by id) from dispatches";
    let before = tables.sql(states).await;
    assert!(before.contains("accepted"), "{before}");
    tables.up_to(i64::MAX).await;
    assert_eq!(tables.sql(states).await, before);
    for state in umstieg::model::DeliveryState::ALL {
        let word = state.word();
        tables.sql(&format!("update dispatches set state = '{word}' where id = 1")).await;
        assert_eq!(tables.sql("select state from dispatches where id = 1").await, word);
    }
}

/// Letters and posts of before know nothing of outer heads, and nothing of them is kept back; a post
/// can be held from then on.
#[tokio::test]
async fn letters_of_before_have_no_outer_head_and_nothing_kept_back() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(24).await;
    tables
        .sql(
            "insert into letters (channel, mail_key, received_at, raw, head_only, stays)
             values ('kim', 'a', '2026-02-01Z', '', false, true)",
        )
        .await;
    tables.up_to(i64::MAX).await;
    let letters =
        "select string_agg(concat_ws(' ', mail_key, stays, outer_service, outer_encrypted,
             kept_back, released_by, released_at), ' ')
         from letters";
    assert_eq!(tables.sql(letters).await, "a t");
    let states = "select pg_get_constraintdef(oid) like '%held%'
         from pg_constraint where conname = 'posts_state_check'";
    assert_eq!(tables.sql(states).await, "t");
}

/// Letters of before ask for no receipt, their answers are none, and notices still answer the first room
/// message; posts of before are messages that may be said at any time.
#[tokio::test]
async fn what_was_there_before_receipts_stays_what_it_is() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(29).await;
    tables
        .sql(
            "insert into correspondents (kind, key, first_seen_at, last_seen_at)
             values ('kim', 'erik@charite.kim.telematik', now(), now());
             insert into conversations (channel, correspondent_id, created_at)
             select 'kim', id, now() from correspondents;
             insert into letters (channel, mail_key, received_at, raw, head_only, conversation_id)
             values ('kim', 'a', '2026-02-01Z', '', false, 1);
             insert into dispatches
                 (conversation_id, author, message_id, state, opened_at, closes_at, letter_id)
             values (1, '@anna:x', 'd1@x', 'accepted', now(), now(), 1),
                    (1, '@anna:x', 'd2@x', 'accepted', now(), now(), 1);
             insert into dispatch_parts (dispatch_id, event_id, content) values (1, '$e', '');
             insert into posts (conversation_id, speaker, txn_id, content) values (1, 'bot', 't', '')",
        )
        .await;
    tables.up_to(i64::MAX).await;
    let letters = "select count(*) || ' ' || count(receipt_as) from letters";
    assert_eq!(tables.sql(letters).await, "1 0");
    let dispatches =
        "select string_agg(concat_ws(' ', id, receipt_as, asked_in, first_event_of(id)),
                          ', ' order by id)
                      from dispatches";
    assert_eq!(tables.sql(dispatches).await, "1 $e, 2");
    let posts = "select concat_ws(' ', txn_id, event_type, until) from posts";
    assert_eq!(tables.sql(posts).await, "t");
}

/// Letters of before were told as no notes and were not scanned; a third thing can be in trouble, and what
/// was told of the two others stays.
#[tokio::test]
async fn letters_of_before_are_no_notes_and_were_not_scanned() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(29).await;
    tables
        .sql(
            "insert into letters (channel, mail_key, received_at, raw, head_only)
             values ('kim', 'a', '2026-02-01Z', '', false);
             insert into account_troubles (channel, side, trouble, since, told_at, stands)
             values ('kim', 'inbox', 'login', '2026-02-01Z', '2026-02-01Z', true)",
        )
        .await;
    let troubles = "select string_agg(concat_ws(' ', channel, side, trouble, stands), ', '
             order by side) from account_troubles";
    assert_eq!(tables.sql(troubles).await, "kim inbox login t");
    tables.up_to(i64::MAX).await;
    let of_letters = "select (select count(*) from absence_notes) || ' '
             || (select count(*) from virus_scans) || ' ' || count(*) from letters";
    assert_eq!(tables.sql(of_letters).await, "0 0 1");
    tables
        .sql(
            "insert into account_troubles (channel, side, trouble) values ('kim', 'scanner', 'away');
             insert into virus_scans (letter_id, file_index, result, virus, scanned_at)
             select id, -1, 'infected', 'Eicar', now() from letters",
        )
        .await;
    assert_eq!(tables.sql(troubles).await, "kim inbox login t, kim scanner away f");
    // A letter that is removed takes along what was said of it.
    tables.sql("delete from letters").await;
    assert_eq!(tables.sql("select count(*) from virus_scans").await, "0");
}

/// Posts of before are files themselves, and say so after the change as well.
#[tokio::test]
async fn posts_of_before_are_nothing_that_was_made() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(34).await;
    tables
        .sql(
            "insert into correspondents (kind, key, first_seen_at, last_seen_at)
             values ('fax', '+493012345', now(), now());
             insert into conversations (channel, correspondent_id, created_at)
             select 'fax', id, now() from correspondents;
             insert into letters (channel, mail_key, received_at, raw, head_only, conversation_id)
             values ('fax', 'a', '2026-02-01Z', '', false, 1);
             insert into posts
                 (conversation_id, letter_id, speaker, substance, txn_id, content, file_index)
             values (1, 1, 'ghost', 'content', 'l1p0', '', 0)",
        )
        .await;
    tables.up_to(i64::MAX).await;
    assert_eq!(tables.sql("select made is null and file_index = 0 from posts").await, "t");
    tables.sql("update posts set made = 3").await;
    assert_eq!(tables.sql("select made from posts").await, "3");
}

/// Letters of before came out of a mailbox: they have no envelope, and nobody delivered them.
#[tokio::test]
async fn fax_9_letters_of_before_have_no_envelope() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(34).await;
    tables
        .sql(
            "insert into letters (channel, mail_key, received_at, raw, head_only)
             values ('fax', 'a', '2026-02-01Z', '', false)",
        )
        .await;
    tables.up_to(i64::MAX).await;
    let of_letters =
        "select count(*) || ' ' || count(envelope) || ' ' || count(let_in_by) from letters";
    assert_eq!(tables.sql(of_letters).await, "1 0 0");
    tables.sql("update letters set envelope = '', let_in_by = 'login'").await;
    assert_eq!(tables.sql(of_letters).await, "1 1 1");
}

/// Previews of before have no picture, and their confirmations stand; nobody has named a number.
#[tokio::test]
async fn fax_25_previews_of_before_have_no_picture_and_stay_confirmed() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(42).await;
    tables
        .sql(
            "insert into correspondents (kind, key, first_seen_at, last_seen_at)
             values ('fax', '+493012345', now(), now());
             insert into conversations (channel, correspondent_id, created_at)
             select 'fax', id, now() from correspondents;
             insert into rooms (conversation_id, alias_token, room_id, state, created_at)
             values (1, gen_random_uuid(), '!fax:x', 'open', now());
             insert into dispatches (conversation_id, author, message_id, state, opened_at, closes_at)
             values (1, '@anna:x', 'd1@x', 'waiting', now(), now());
             insert into fax_previews
                 (dispatch_id, shown, file_txn_id, words_txn_id, made_at, confirmed_by, confirmed_in,
                  confirmed_at)
             values (1, 'x', 'f1p', 'f1w', now(), '@anna:x', '$yes', now())",
        )
        .await;
    tables.up_to(i64::MAX).await;
    let of_previews =
        "select picture_txn_id is null, was_taken_back(confirmed_in) from fax_previews";
    assert_eq!(tables.sql(of_previews).await, "t|f");
    assert_eq!(tables.sql("select ghost_name is null from rooms").await, "t");
    tables
        .sql(
            "insert into room_events (event_id, room_id, sender, event, door, received_at, state)
             values ('$yes', '!fax:x', '@anna:x', null, 'sync', now(), 'done');
             insert into room_acts (event_id, room_id, kind, author, target, received_at)
             values ('$no', '!fax:x', 'redaction', '@anna:x', '$yes', now())",
        )
        .await;
    assert_eq!(tables.sql(of_previews).await, "t|t");
}

/// Conversations of before were begun by letters, and what was settled stays settled.
#[tokio::test]
async fn tim_19_conversations_of_before_were_begun_by_letters() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(48).await;
    tables
        .sql(
            "insert into correspondents (kind, key, first_seen_at, last_seen_at)
             values ('kim', 'erik@charite.kim.telematik', now(), now());
             insert into conversations (channel, correspondent_id, created_at)
             select 'kim', id, now() from correspondents;
             insert into settled_doubts (conversation_id, doubt, settled_at)
             values (1, 'claimed', now());
             insert into channel_notices (channel, conversation_id) values ('kim', 1)",
        )
        .await;
    tables.up_to(i64::MAX).await;
    let of_before = "select count(*) || ' ' || count(started_in) || ' ' || count(subject)
                     from conversations";
    assert_eq!(tables.sql(of_before).await, "1 0 0");
    let settled =
        "select doubt, settled_in is null, was_taken_back(settled_in) from settled_doubts";
    assert_eq!(tables.sql(settled).await, "claimed|t|f");
    assert_eq!(tables.sql("select welcomed_at is null from channel_notices").await, "t");
}

/// Conversations of before wait for nothing until something happens in them, and their answers count.
#[tokio::test]
async fn conversations_of_before_ask_nothing_of_anybody() {
    let mut tables = MigratingTables::empty().await;
    tables.up_to(48).await;
    tables
        .sql(
            "insert into correspondents (kind, key, first_seen_at, last_seen_at)
             values ('kim', 'erik@charite.kim.telematik', now(), now());
             insert into conversations (channel, correspondent_id, created_at)
             select 'kim', id, now() from correspondents cross join generate_series(1, 2);
             insert into channel_notices (channel, conversation_id) values ('kim', 2);
             insert into dispatches (conversation_id, author, message_id, state, opened_at, closes_at)
             values (1, '@anna:x', 'd1@x', 'waiting', now(), now())",
        )
        .await;
    tables.up_to(i64::MAX).await;
    assert_eq!(tables.sql("select count(*) from matters").await, "0");
    assert_eq!(tables.sql("select count(*) from matter_steps").await, "0");
    assert_eq!(tables.sql("select after_step is null from dispatches").await, "t");
    let trays = "select channel, conversation_id, reminded_at is null from channel_notices";
    assert_eq!(tables.sql(trays).await, "kim|2|t");
}
