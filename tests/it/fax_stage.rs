//! What tests of received faxes have in common: mails as a fax gateway writes them, faxes, and a practice whose
//! gateway is of some make.

use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::stage::Stage;

/// A fax of `tests/faxes`, by its name without `.tif`.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faxes");
    fs::read(folder.join(format!("{name}.tif"))).unwrap()
}

/// A PDF of two pages.
pub(crate) fn two_pages() -> Vec<u8> {
    umstieg::document::all_pages(&sample("g4_fine_hylafax")).unwrap()
}

/// A TIFF of as many pages as this, each of this size and all of one strip in T.6.
pub(crate) fn tiff_of_one_strip(pages: u32, (columns, rows): (u32, u32), strip: &[u8]) -> Vec<u8> {
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    let entries = 5;
    let directory = 2 + 12 * entries + 4;
    let data = 8 + directory * pages;
    let bytes = u32::try_from(strip.len()).unwrap();
    for page in 1..=pages {
        file.extend(u16::try_from(entries).unwrap().to_le_bytes());
        for (tag, number) in [(256, columns), (257, rows), (259, 4), (273, data), (279, bytes)] {
            file.extend(u16::to_le_bytes(tag));
            file.extend(4_u16.to_le_bytes());
            file.extend(1_u32.to_le_bytes());
            file.extend(u32::to_le_bytes(number));
        }
        let next = if page < pages { 8 + directory * page } else { 0 };
        file.extend(next.to_le_bytes());
    }
    file.extend(strip);
    file
}

/// A mail of the gateway, with files of these names, types and bytes.
pub(crate) fn mail(subject: &str, words: &str, files: &[(&str, &str, &[u8])]) -> String {
    let mut mail = format!(
        "From: Fax <gateway@fax.example>\nSubject: {subject}\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=xyz\n\n\
         --xyz\nContent-Type: text/plain; charset=utf-8\n\n{words}\n"
    );
    for (name, kind, bytes) in files {
        let encoded = BASE64_STANDARD.encode(bytes);
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
        mail.push_str(&format!(
            "--xyz\nContent-Type: {kind}; name=\"{name}\"\nContent-Disposition: attachment; \
             filename=\"{name}\"\nContent-Transfer-Encoding: base64\n\n{}\n",
            lines.join("\n")
        ));
    }
    mail + "--xyz--\n"
}

/// The same of a fax from a number.
pub(crate) fn fax(number: &str, words: &str, files: &[(&str, &str, &[u8])]) -> String {
    mail(&format!("Neues Fax von {number}"), words, files)
}

impl Stage {
    /// A practice whose fax gateway is of this make, before the start.
    pub(crate) async fn of_profile(profile: &str) -> Self {
        let stage = Self::before_start(|channels| channels).await;
        stage.edit_settings(&[("profile = \"generic\"", &format!("profile = {profile:?}"))]);
        stage
    }

    /// The same, running.
    pub(crate) async fn with_profile(profile: &str) -> Self {
        let mut stage = Self::of_profile(profile).await;
        stage.gateway.start().await.unwrap();
        stage
    }

    /// The names of the files that Anna sees once all of so many letters is shown.
    pub(crate) async fn files_shown(&self, letters: &str) -> Vec<String> {
        self.database_says("select count(*) from letters where state = 'posted'", letters).await;
        self.database_says("select count(*) from posts where state <> 'sent'", "0").await;
        self.last_is_seen_by(&self.anna).await;
        let seen = self.anna.seen();
        let files = seen.messages().filter(|event| event.has_file());
        files.map(|event| event.body().to_owned()).collect()
    }
}
