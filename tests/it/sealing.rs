//! The key of the settings, and no other, opens what lies in the database.

use std::{collections::BTreeSet, process::Output};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sqlx::{Connection as _, PgConnection};
use umstieg::{
    model::LetterId,
    store::{Database, SEALED, UNSEALED, seal::OuterKey},
};
use umstieg_world::{World, gateway::sealing_key};

use crate::{
    phrases::{HANDED_TO_FAX, HANDED_TO_KIM},
    stage::{Stage, kim_mail},
};

/// Planted, each in one place.
const IN_SUBJECT: &str = "Patientin-Subjektia";
const IN_TEXT: &str = "Patientin-Textina";
const IN_FILE_NAME: &str = "Patientin-Dateia";
/// As many bytes as end a group of base64, so that the mail holds it as one piece.
const IN_FILE: &str = "Patientin-Anhangia";
const SENDER_NAME: &str = "Absenderine Namensdottir";
const IN_FAX: &str = "Patientin-Faxina";
const IN_ANSWER: &str = "Patientin-Antwortia";
const IN_EDIT: &str = "Patientin-Nachtragia";
const IN_ANSWER_FILE_NAME: &str = "Patientin-Anlagia";
const IN_MAIL_ID: &str = "x";

impl Stage {
    /// Every row of every table as text, bytes in hexadecimal digits; except for the note of who holds
    /// the database, which every command that takes it raises.
    async fn dump(&self) -> String {
        let tables = self
            .query(
                "select format('%I.%I', table_schema, table_name)
                 from information_schema.tables
                 where table_schema not in ('pg_catalog', 'information_schema')
                   and table_type = 'BASE TABLE'
                   -- Who has the database is noted before its key is looked at.
                   and table_name not in ('gateway', 'nodes')
                 order by 1",
            )
            .await;
        let mut dump = String::new();
        for table in tables.lines() {
            let rows = self.query(&format!("select t::text from {table} as t order by 1")).await;
            dump.push_str(&format!("{table}\n{rows}\n"));
        }
        dump
    }

    pub(crate) fn sealing_key(&self) -> String {
        let settings = std::fs::read_to_string(self.gateway.settings_file()).unwrap();
        let line = settings.lines().find_map(|line| line.strip_prefix("key = ")).unwrap();
        line.trim_matches('"').to_owned()
    }

    /// Puts another sealing key into the settings.
    pub(crate) fn set_sealing_key(&self, key: &str) {
        let old = format!("key = {:?}", self.sealing_key());
        self.edit_settings(&[(&old, &format!("key = {key:?}"))]);
    }

    async fn umstieg(&self, args: &[&str]) -> CommandOutput {
        CommandOutput::of(&self.gateway.command(args).await.unwrap())
    }

    /// How many values of all sealed columns the data key of this number has sealed.
    async fn sealed_with(&self, key: u32) -> usize {
        let mut count = 0;
        for column in SEALED {
            let sql = format!(
                "select count(*) from {} where substring({} from 1 for 5) = '\\x01{key:08x}'",
                column.table, column.column
            );
            count += self.query(&sql).await.parse::<usize>().unwrap();
        }
        count
    }
}

/// What a command said, and how it ended.
struct CommandOutput {
    code: Option<i32>,
    out: String,
    error: String,
}

impl CommandOutput {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), error: text(&output.stderr) }
    }

    /// Fails unless the command failed and said this.
    #[track_caller]
    fn refused_with(&self, words: &str) {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.error);
        assert!(self.error.contains(words), "{words:?} is missing in\n{}", self.error);
    }

    #[track_caller]
    fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.error);
        self.out
    }
}

fn mark(key: &str) -> String {
    OuterKey::from_base64(key).unwrap().mark().to_owned()
}

/// Whether a dump holds a marker: as text, as bytes, or as an attachment's base64.
fn holds(dump: &str, marker: &str) -> bool {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let base64 = STANDARD.encode(marker);
    [marker.to_owned(), hex(marker), base64.clone(), hex(&base64)]
        .iter()
        .any(|form| dump.contains(form))
}

#[tokio::test]
async fn a_copy_of_the_database_tells_nothing_of_what_was_written() {
    let mut stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let parts = format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\
         Content-Type: text/plain\n\n{IN_TEXT}\n--b\nContent-Type: application/octet-stream\n\
         Content-Disposition: attachment; filename=\"{IN_FILE_NAME}.bin\"\n\
         Content-Transfer-Encoding: base64\n\n{}\n--b--\n",
        STANDARD.encode(IN_FILE)
    );
    let mail = format!(
        "From: \"{SENDER_NAME}\" <{erik}>\nTo: <{}>\nSubject: {IN_SUBJECT}\n\
         Message-ID: <{IN_MAIL_ID}@x>\nDate: Mon, 23 Nov 2026 08:00:00 +0100\n\
         X-KIM-Dienstkennung: KIM-Mail;Default;V1.0\n{parts}",
        stage.practice
    );
    stage.receive(&mail).await;
    let letter = stage.anna_sees(IN_TEXT).await;
    stage.anna_sees(IN_FILE_NAME).await;
    let room = letter.room_id.as_str();
    let answer = stage.anna.send_text(room, IN_ANSWER).await.unwrap();
    stage.anna.edit(room, &answer, IN_EDIT).await.unwrap();
    let name = format!("{IN_ANSWER_FILE_NAME}.bin");
    stage.anna.send_file(room, &name, "application/octet-stream", b"nichts").await.unwrap();
    stage.mails(&erik, 1).await;
    let notice = stage.anna_is_told(&HANDED_TO_KIM).await;
    stage.anna.reply(room, letter.event_id(), "!original").await.unwrap();
    stage.anna_sees("original-").await;

    let fax = format!(
        "From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 23125998\n\
         Message-ID: <fax@x>\nDate: Mon, 23 Nov 2026 08:00:00 +0100\n\n{IN_FAX}\n"
    );
    stage.receive_fax(&fax).await;
    let seen = stage.anna_sees(IN_FAX).await;
    stage.anna.send_text(&seen.room_id, &format!("Fax zu {IN_ANSWER}")).await.unwrap();
    stage.anna_is_told(&HANDED_TO_FAX).await;
    stage.all_events_are_read().await;
    stage.gateway.stop();

    // Without this the search below would find nothing, whatever is there.
    let store = stage.store().await;
    let pieces = store.letter_pieces(LetterId(1)).await.unwrap().unwrap();
    assert_eq!(pieces.lengths().len(), 1);
    let raw = store.letter_piece(&pieces, 0).await.unwrap();
    for marker in [IN_SUBJECT, IN_TEXT, IN_FILE_NAME, SENDER_NAME, &STANDARD.encode(IN_FILE)] {
        assert!(String::from_utf8_lossy(&raw).contains(marker), "{marker}");
    }
    stage.query("create table control (raw bytea)").await;
    for form in [IN_TEXT.to_owned(), STANDARD.encode(IN_TEXT)] {
        stage.query(&format!("insert into control values ('{form}')")).await;
        assert!(holds(&stage.dump().await, IN_TEXT), "{form}");
        stage.query("delete from control").await;
    }

    let dump = stage.dump().await;
    let key = stage.sealing_key();
    for marker in [
        IN_SUBJECT,
        IN_TEXT,
        IN_FILE_NAME,
        IN_FILE,
        SENDER_NAME,
        IN_FAX,
        IN_ANSWER,
        IN_EDIT,
        IN_ANSWER_FILE_NAME,
        notice.body(),
        "application/octet-stream",
        "mxc://",
        &key,
    ] {
        assert!(!holds(&dump, marker), "{marker} stands in the database");
    }
    // Intended, and documented (docs/decisions/0007): with whom the practice writes.
    assert!(holds(&dump, &erik));
    let key: Vec<u8> = STANDARD.decode(key).unwrap();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!dump.contains(&hex), "the key stands in the database");
}

#[tokio::test]
async fn a_wrong_key_stops_the_start_and_changes_nothing() {
    let mut stage = Stage::new().await;
    stage.letter_from("erik").await;
    stage.all_events_are_read().await;
    stage.gateway.stop();
    let (right, wrong) = (stage.sealing_key(), sealing_key());
    let before = stage.dump().await;

    stage.set_sealing_key(&wrong);
    let said = format!(
        "the database is sealed with the key {}, and sealing.key of the settings is {}; nothing \
         was changed",
        mark(&right),
        mark(&wrong)
    );
    assert!(stage.gateway.start().await.is_err());
    assert!(stage.gateway.log().contains(&said), "{}", stage.gateway.log());
    stage.umstieg(&["migrate"]).await.refused_with(&said);
    stage.umstieg(&["parked", "list"]).await.refused_with(&said);
    let check = stage.umstieg(&["check"]).await;
    assert_eq!(check.code, Some(1));
    let mut lines = check.out.lines().skip_while(|line| !line.trim_start().starts_with("sealing"));
    let (row, advice) = (lines.next().unwrap(), lines.next().unwrap());
    assert!(row.contains("FAILED") && row.contains(&mark(&right)), "{}", check.out);
    assert!(advice.contains("umstieg rekey --old-key-file"), "{}", check.out);
    assert_eq!(stage.dump().await, before);
    // Not even what a newer version would have to migrate.
    stage.query("alter table _sqlx_migrations rename to unknown").await;
    let before = stage.dump().await;
    stage.umstieg(&["migrate"]).await.refused_with(&said);
    assert_eq!(stage.dump().await, before);
    stage.query("alter table unknown rename to _sqlx_migrations").await;

    stage.set_sealing_key(&right);
    stage.gateway.start().await.unwrap();
    stage.lives_on().await;

    // A table that lost its keys is not filled with others: what is sealed would be lost for good.
    stage.gateway.stop();
    stage.query("delete from seal_keys").await;
    stage.umstieg(&["migrate"]).await.refused_with("the table seal_keys is empty");
    assert_eq!(stage.query("select count(*) from seal_keys").await, "0");
}

#[tokio::test]
async fn the_key_is_changed_by_a_command_that_may_be_killed() {
    const COPIES: usize = 2_000;
    let mut stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    stage.mails(&erik, 1).await;
    stage.anna_is_told(&HANDED_TO_KIM).await;
    stage.all_events_are_read().await;
    stage
        .query(&format!(
            "insert into letters
                 (channel, mail_key, received_at, raw, head_only, state, conversation_id)
             select channel, 'copy-' || n, received_at, raw, head_only, 'posted', conversation_id
             from letters, generate_series(1, {COPIES}) as n
             where id = 1"
        ))
        .await;

    let (old, new) = (stage.sealing_key(), sealing_key());
    let old_file = stage.gateway.settings_file().with_file_name("old.key");
    let old_file = old_file.to_str().unwrap().to_owned();
    std::fs::write(&old_file, format!("{old}\n")).unwrap();
    let rekey = ["rekey", "--old-key-file", &old_file];
    stage.set_sealing_key(&new);

    stage.umstieg(&rekey).await.refused_with("another gateway is running on this database");
    stage.gateway.stop();
    let before = stage.dump().await;
    stage.umstieg(&["rekey"]).await.refused_with("Give the old key with --old-key-file");
    std::fs::write(&old_file, sealing_key()).unwrap();
    let said = format!("sealed with the key {}; nothing was changed", mark(&old));
    stage.umstieg(&rekey).await.refused_with(&said);
    assert_eq!(stage.dump().await, before);

    // Killed in the middle: it waits for the last letter, which another transaction holds.
    let mut holder =
        PgConnection::connect(&stage.world.postgres.url(&stage.database)).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("select id from letters order by id desc limit 1 for update")
        .execute(&mut *held)
        .await
        .unwrap();
    std::fs::write(&old_file, &old).unwrap();
    let mut running = tokio::process::Command::new(env!("CARGO_BIN_EXE_umstieg"))
        .args(rekey)
        .env("UMSTIEG_SETTINGS", stage.gateway.settings_file())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    stage.until("some letters are sealed anew", async || stage.sealed_with(2).await > 0).await;
    running.kill().await.unwrap();
    held.rollback().await.unwrap();
    assert!(stage.sealed_with(1).await > 0, "it went past a letter that was held");

    // From its first moment on the new key counts, and everything can be read.
    stage.set_sealing_key(&old);
    stage.umstieg(&["migrate"]).await.refused_with(&format!("sealed with the key {}", mark(&new)));
    stage.set_sealing_key(&new);
    let check = stage.umstieg(&["check"]).await.done();
    assert!(check.contains("a change of keys is not finished"), "{check}");
    stage.gateway.start().await.unwrap();
    stage.lives_on().await;
    stage.gateway.stop();

    // The second run needs no old key, and ends.
    let said = stage.umstieg(&["rekey"]).await.done();
    assert!(said.contains("Going on where it was interrupted"), "{said}");
    assert!(
        said.contains("  letters.raw: ") && said.contains("Old data keys removed: 1."),
        "{said}"
    );
    assert_eq!(stage.sealed_with(1).await, 0);
    assert_eq!(stage.query("select string_agg(id::text, ' ') from seal_keys").await, "2");
    let said = stage.umstieg(&["rekey"]).await.done();
    assert!(said.contains("nothing was changed"), "{said}");
    let check = stage.umstieg(&["check"]).await.done();
    assert!(check.contains(&format!("the key {} opens the database", mark(&new))), "{check}");

    stage.set_sealing_key(&old);
    assert!(stage.gateway.start().await.is_err(), "the old key opens nothing");
    stage.set_sealing_key(&new);
    stage.gateway.start().await.unwrap();
    stage.anna.reply(&letter.room_id, letter.event_id(), "!original").await.unwrap();
    let original = stage.anna_sees("original-").await;
    let original = stage.anna.download(&original).await.unwrap();
    let words = format!("Erster Brief von {erik}");
    assert!(String::from_utf8_lossy(&original).contains(&words));
    stage.lives_on().await;
}

#[tokio::test]
async fn a_letter_whose_seal_was_broken_waits_for_a_person_and_those_behind_it_pass() {
    let mut stage = Stage::new().await;
    stage.letter_from("erik").await;
    stage.gateway.stop();
    stage
        .query(
            "update letters
             set state = 'stored',
                 raw = set_byte(raw, 40, get_byte(raw, 40) # 1)",
        )
        .await;
    stage.gateway.start().await.unwrap();
    let anke = stage.correspondent("anke").await;
    let next = kim_mail(&anke, &stage.practice, "naechster@x", "Befund", "", "Der nächste Brief");
    stage.receive(&next).await;
    stage.anna_sees("Der nächste Brief").await;
    let parked = stage.parked(&["list"]).await;
    assert!(parked.contains("seal_broken"), "{parked}");

    // A change of keys leaves it as it is, says so, and keeps the keys.
    stage.gateway.stop();
    let old_file = stage.gateway.settings_file().with_file_name("old.key");
    std::fs::write(&old_file, stage.sealing_key()).unwrap();
    stage.set_sealing_key(&sealing_key());
    let rekey = ["rekey", "--old-key-file", old_file.to_str().unwrap()];
    stage
        .umstieg(&rekey)
        .await
        .refused_with("1 values do not open, the first in letters, column raw");
    assert_eq!(stage.sealed_with(1).await, 1);
    assert_eq!(stage.query("select count(*) from seal_keys").await, "2");
    // Once a person has put it right, the change comes to its end.
    stage
        .query("update letters set raw = set_byte(raw, 40, get_byte(raw, 40) # 1) where id = 1")
        .await;
    stage.umstieg(&["rekey"]).await.done();
    assert_eq!(stage.query("select count(*) from seal_keys").await, "1");
}

#[tokio::test]
async fn every_column_of_bytes_is_sealed_or_known_not_to_be() {
    let world = World::shared().await.unwrap();
    let url = world.postgres.create_fresh_database().await.unwrap();
    let key = OuterKey::from_base64(&sealing_key()).unwrap();
    let at = time::OffsetDateTime::UNIX_EPOCH;
    // Two first starts at the same time make one key.
    let first = async || {
        let database = Database::connect(&url, 1).await.unwrap();
        database.migrate(&key, at).await.unwrap()
    };
    let (store, _) = tokio::join!(first(), first());
    let name = url.rsplit('/').next().unwrap();
    let keys = world.postgres.query(name, "select count(*) from seal_keys").await.unwrap();
    assert_eq!(keys.trim(), "1");
    assert_eq!(store.seal().newest_key(), 1);

    let there = world
        .postgres
        .query(
            name,
            "select table_name || '.' || column_name
             from information_schema.columns
             where table_schema = 'public'
               and (data_type = 'bytea' or udt_name = '_bytea')
               and table_name <> '_sqlx_migrations'",
        )
        .await
        .unwrap();
    let there: BTreeSet<String> = there.lines().map(str::to_owned).collect();
    let sealed = SEALED.iter().map(|column| format!("{}.{}", column.table, column.column));
    let unsealed = UNSEALED.iter().map(|(table, column)| format!("{table}.{column}"));
    let known: BTreeSet<String> = sealed.chain(unsealed).collect();
    assert_eq!(there, known, "name new columns in SEALED or UNSEALED of src/store/rekey.rs");
}
