//! What stands on a fax, as a coarse machine prints it: 204 by 98 dots per inch, black and white. Poppler
//! prints it, and Tesseract reads it again.

use std::{path::Path, process::Command};

use bytes::Bytes;
use umstieg::document::{FaxLabels, FaxPage, fax};

/// What both programs are installed by; without them there is nothing to look with.
const SETUP: &str = "scripts/setup installs poppler-utils, tesseract-ocr and tesseract-ocr-deu";

pub(crate) const TEXT: &str = "Sehr geehrte Frau Kollegin Größmann,\n\n\
    für die Überweisung Ihrer Patientin bedanken wir uns herzlich. Die Untersuchung zeigte einen \
    regelmäßigen Befund; wir empfehlen eine Kontrolle in sechs Wochen. Die übrigen Werte:\n\n\
    Wert\tErgebnis\tEinheit\tNorm\n\
    Hämoglobin\t13,5\tg/dl\t12 bis 16\n\
    Leukozyten\t7,2\tTausend\t4 bis 10\n\
    Kreatinin\t0,9\tmg/dl\tbis 1,1\n\n\
    Mit freundlichen Grüßen\nPraxis Müller";

pub(crate) fn sheet(text: &str) -> FaxPage {
    FaxPage {
        sender: "Praxis Müller".to_owned(),
        sender_number: "+49 30 23125000 (DE)".to_owned(),
        recipient_number: "+49 30 23125999 (DE)".to_owned(),
        date: "27.11.2026, 14:05 Uhr".to_owned(),
        subject: String::new(),
        text: text.to_owned(),
        labels: FaxLabels {
            from: "Von".to_owned(),
            to: "An".to_owned(),
            date: "Datum".to_owned(),
            subject: "Betreff".to_owned(),
            page: "Seite".to_owned(),
        },
    }
}

pub(crate) fn is_there(program: &str) -> bool {
    Command::new(program).arg("-v").output().is_ok()
}

/// The pages of a fax as a coarse machine prints them, each twice as high: the dots are.
fn printed(pdf: &[u8], folder: &Path) -> Vec<std::path::PathBuf> {
    let file = folder.join("fax.pdf");
    std::fs::write(&file, pdf).unwrap();
    let done = Command::new("pdftoppm")
        .args(["-mono", "-rx", "204", "-ry", "98"])
        .arg(&file)
        .arg(folder.join("page"))
        .status()
        .unwrap();
    assert!(done.success());
    let mut pages: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "pbm"))
        .collect();
    pages.sort();
    for page in &pages {
        std::fs::write(page, stretched(&std::fs::read(page).unwrap())).unwrap();
    }
    pages
}

/// A PBM (`P4`) with each of its rows twice.
fn stretched(pbm: &[u8]) -> Vec<u8> {
    let mut words = pbm.split(u8::is_ascii_whitespace);
    let mut next = || String::from_utf8(words.next().unwrap().to_vec()).unwrap();
    assert_eq!(next(), "P4");
    let (width, height) = (next(), next());
    let row: usize = width.parse::<usize>().unwrap().div_ceil(8);
    let height: usize = height.parse().unwrap();
    let dots = &pbm[pbm.len() - row * height..];
    let mut twice = format!("P4\n{width} {}\n", height * 2).into_bytes();
    for row in dots.chunks(row) {
        twice.extend(row.iter().chain(row));
    }
    twice
}

/// The words that are read on a page.
pub(crate) fn read(page: &Path) -> String {
    let read = Command::new("tesseract")
        .arg(page)
        .args(["-", "-l", "deu", "--psm", "6", "--dpi", "200"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&read.stdout).into_owned()
}

/// FAX-36: every word can be read, the head on each page and the columns of a table among them.
#[test]
fn fax_36_every_word_is_read_on_a_coarse_fax() {
    for program in ["pdftoppm", "tesseract"] {
        if !is_there(program) {
            println!("skipped: there is no {program}; {SETUP}");
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let attached = fax(Some(&sheet(TEXT)), &[], 9, &mut |_| {}).unwrap();
    // The same page once more as a file, a little smaller, with its own head and that of the fax.
    let made = fax(Some(&sheet(TEXT)), &[Bytes::from(attached.bytes)], 9, &mut |_| {}).unwrap();
    assert_eq!(made.pages, 2);
    let pages = printed(&made.bytes, folder.path());
    assert_eq!(pages.len(), 2);
    for (number, page) in pages.iter().enumerate() {
        let read = read(page);
        let number = format!("{}/2", number + 1);
        let head = ["Praxis", "23125000", "23125999", "27.11.2026,", "Seite", &number];
        for word in TEXT.split_whitespace().chain(head) {
            assert!(read.contains(word), "{word} on {}:\n{read}", page.display());
        }
    }
    // For eyes: where the pages are kept when this is set.
    if let Ok(kept) = std::env::var("UMSTIEG_FAX_PAGES") {
        for page in &pages {
            std::fs::copy(page, Path::new(&kept).join(page.file_name().unwrap())).unwrap();
        }
    }
}
