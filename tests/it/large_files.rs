//! Large files both ways, encrypted, with little memory.

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use umstieg_world::Client;

use crate::stage::Stage;

/// What the issue asks for.
const FILE_BYTES: usize = 100 * 1024 * 1024;

/// How long one way may take; a busy machine is slower than any figure worth stating.
const WITHIN: Duration = Duration::from_secs(600);

/// How much memory one large file may add, in MiB: a skeleton of about 4 MiB, a few pieces of 1 MiB
/// (sealed, opened, decoded, encrypted), the same again in the buffers of connections, and what the
/// allocator keeps of it in each thread. About 50 were measured; before files went in pieces it was
/// 700. A file that is in memory even once exceeds it.
const MEMORY_MAX: u64 = 96;

/// A process's memory, as the kernel counts it.
struct ProcessMemory(u32);

impl ProcessMemory {
    /// The figure of `/proc/PID/status` in MiB.
    fn figure(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Begins a new count of the peak; gives what is in use now.
    fn begin(&self) -> u64 {
        std::fs::write(format!("/proc/{}/clear_refs", self.0), "5").unwrap();
        self.figure("VmRSS:")
    }

    /// Says the most that was in use since, and fails when that is too much.
    fn grew_little(&self, way: &str, before: u64, begun: Instant) -> String {
        let peak = self.figure("VmHWM:");
        assert!(peak <= before + MEMORY_MAX, "{way}: from {before} to {peak} MiB");
        format!("{way}: {before} MiB before, {peak} MiB at most, {:?}", begun.elapsed())
    }
}

/// Bytes that neither repeat nor compress, always the same.
fn file() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FILE_BYTES + 32);
    let mut block: [u8; 32] = Sha256::digest(b"Umstieg").into();
    while bytes.len() < FILE_BYTES {
        // One digest serves for a kilobyte: enough to find bytes in the wrong place.
        for turn in 0..32_u8 {
            bytes.extend(block.iter().map(|byte| byte.wrapping_add(turn)));
        }
        block = Sha256::digest(block).into();
    }
    bytes.truncate(FILE_BYTES);
    bytes
}

#[tokio::test]
async fn a_file_of_100_mib_goes_both_ways_with_little_memory() {
    let mut stage = Stage::encrypted("any-device").await;
    stage.edit_settings(&[
        ("poll_seconds = 1\n", "poll_seconds = 1\nmail_bytes_max = 157286400\n"),
        ("[channel.outbox]\n", "[channel.outbox]\nmail_bytes_max = 157286400\n"),
        ("[channel.kim]\n", "[channel.kim]\nlarge_mails = true\n"),
    ]);
    let name = stage.anna_id.trim_start_matches('@').split(':').next().unwrap().to_owned();
    let anna = Client::login_encrypted(&stage.world.homeserver, &name, "geheim").await.unwrap();
    stage.gateway.start().await.unwrap();
    let memory = ProcessMemory(stage.gateway.id().unwrap());
    let erik = stage.correspondent("erik").await;
    let bytes = file();
    let hash = Sha256::digest(&bytes);

    // The room is made with a small letter, so that only the file is measured.
    stage
        .receive(&crate::stage::kim_mail(&erik, &stage.practice, "g1@x", "Bild", "", "Vorab"))
        .await;
    let room = anna
        .wait_for("the first letter", |seen| seen.message_with("Vorab").cloned())
        .await
        .unwrap()
        .room_id;

    let before = memory.begin();
    let begun = Instant::now();
    let mail = mail_with(&erik, &stage.practice, &bytes);
    stage.world.mail.deliver(&mail, &stage.practice).await.unwrap();
    drop(mail);
    let event = anna
        .wait_for_within(WITHIN, "the file", |seen| {
            seen.messages().find(|message| message.has_file()).cloned()
        })
        .await
        .unwrap();
    println!("{}", memory.grew_little("in", before, begun));
    assert!(event.encrypted && event.body() == "Bild.dcm", "{event}");
    assert_eq!(event.content["info"]["size"], FILE_BYTES);
    let read = anna.download(&event).await.unwrap();
    assert!(Sha256::digest(&read) == hash, "{} other bytes came", read.len());

    let before = memory.begin();
    let begun = Instant::now();
    anna.send_file(&room, "Antwort.dcm", "application/dicom", &bytes).await.unwrap();
    let mails = loop {
        let mails = stage.world.mail.mails(&erik).unwrap();
        if !mails.is_empty() {
            break mails;
        }
        assert!(begun.elapsed() < WITHIN, "{}", stage.gateway.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    println!("{}", memory.grew_little("out", before, begun));
    let parsed = umstieg::mail::parse(&mails[0]);
    assert_eq!(parsed.attachments[0].file_name, "Antwort.dcm");
    let left = umstieg::mail::content(&mails[0], &parsed.attachments[0]);
    assert!(Sha256::digest(&left) == hash, "other bytes left");
}

/// A letter of several pieces is one: its original comes whole, a second copy of it is recognised,
/// and what a broken connection left of another one goes with the next start.
#[tokio::test]
async fn a_letter_in_pieces_is_one_letter() {
    let mut stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let file = &file()[..5_000_000];
    let mail = mail_with(&erik, &stage.practice, file);
    let deliver = async || stage.world.mail.deliver(&mail, &stage.practice).await.unwrap();
    deliver().await;
    let letter = stage.anna_sees("Anbei das Bild.").await;
    stage.database_says("select state from letters", "posted").await;
    let event = stage.anna_sees("Bild.dcm").await;
    assert!(stage.anna.download(&event).await.unwrap() == file);
    assert!(stage.query("select rest_pieces from letters").await.parse::<u32>().unwrap() > 4);

    stage.anna.reply(&letter.room_id, letter.event_id(), "!original").await.unwrap();
    let original = stage.anna_sees(".eml").await;
    let original = stage.anna.download(&original).await.unwrap();
    assert!(original.ends_with(&mail), "{} of {} bytes", original.len(), mail.len());

    deliver().await;
    let states = "select string_agg(state, ' ' order by id) from letters";
    stage.database_says(states, "posted duplicate").await;

    let pieces = "select count(*) from letter_pieces";
    let before = stage.query(pieces).await;
    let left = "insert into letter_pieces (rest, number, piece)
                select nextval('letter_rests'), 1, piece from letter_pieces limit 1";
    stage.query(left).await;
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    stage.database_says(pieces, &before).await;
    stage.lives_on().await;
}

/// One damaged piece, and the letter waits for a person; those behind it pass.
#[tokio::test]
async fn a_letter_with_a_damaged_piece_is_parked() {
    let mut stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let mail = mail_with(&erik, &stage.practice, &file()[..3_000_000]);
    stage.world.mail.deliver(&mail, &stage.practice).await.unwrap();
    stage.anna_sees("Bild.dcm").await;
    stage.database_says("select state from letters", "posted").await;
    stage.gateway.stop();
    stage.query("update letter_pieces set piece = set_byte(piece, 99, get_byte(piece, 99) # 1) where number = 2").await;
    stage.query("update letters set state = 'stored', fingerprint = null").await;
    stage.gateway.start().await.unwrap();
    stage.database_says("select state from letters where id = 1", "parked").await;
    assert!(stage.parked(&["list"]).await.contains("seal_broken"));
    stage.lives_on().await;
}

fn mail_with(from: &str, to: &str, file: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let mut mail = format!(
        "From: \"Dr. Erik Muster\" <{from}>\r\nTo: <{to}>\r\nSubject: Bild\r\n\
         Message-ID: <g2@x>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0100\r\n\
         X-KIM-Dienstkennung: KIM-Mail;Default;V1.0\r\nMIME-Version: 1.0\r\n\
         In-Reply-To: <g1@x>\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nAnbei das Bild.\r\n\
         --b\r\nContent-Type: application/dicom; name=Bild.dcm\r\n\
         Content-Disposition: attachment; filename=Bild.dcm\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    for line in file.chunks(57) {
        let mut encoded = base64::prelude::BASE64_STANDARD.encode(line).into_bytes();
        encoded.extend(b"\r\n");
        mail.extend(encoded);
    }
    mail.extend(b"--b--\r\n");
    mail
}
