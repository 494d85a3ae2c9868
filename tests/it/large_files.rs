//! Large files both ways, encrypted, with little memory.

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use umstieg_world::Client;

use crate::stage::Stage;

/// What the issue asks for.
const FILE_BYTES: usize = 100 * 1024 * 1024;

/// How long one way may take; a busy machine is slower than any figure worth stating.
const WITHIN: Duration = Duration::from_secs(300);

/// A process's memory, as the kernel counts it.
struct Memory(u32);

impl Memory {
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

    /// The most that was in use since.
    fn peak(&self) -> u64 {
        self.figure("VmHWM:")
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
    ]);
    let name = stage.anna_id.trim_start_matches('@').split(':').next().unwrap().to_owned();
    let anna = Client::login_encrypted(&stage.world.homeserver, &name, "geheim").await.unwrap();
    stage.gateway.start().await.unwrap();
    let memory = Memory(stage.gateway.id().unwrap());
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
    println!("in: {before} MiB before, {} MiB at most, {:?}", memory.peak(), begun.elapsed());
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
    println!("out: {before} MiB before, {} MiB at most, {:?}", memory.peak(), begun.elapsed());
    let parsed = umstieg::mail::parse(&mails[0]);
    assert_eq!(parsed.attachments[0].file_name, "Antwort.dcm");
    let left = umstieg::mail::content(&mails[0], &parsed.attachments[0]);
    assert!(Sha256::digest(&left) == hash, "other bytes left");
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
