//! Files of a fax that are called what they are not, or that take long, and forms that leave as a fax: what a
//! practice sees of them, on real servers.

use std::time::Duration;

use umstieg::phrases::{PagePhrase, Phrase, QuotedName, SendingPhrase};

use crate::{
    fax_pages_attacked::slow_tiff,
    fax_stage::{mail, two_pages},
    phrases::told,
    stage::Stage,
};

/// Promise 1, FAX-13: the first bytes say that it is a PDF, whatever its gateway calls it.
#[tokio::test]
async fn fax_13_a_fax_that_is_called_a_text_is_in_its_room() {
    let stage = Stage::with_profile("hylafax").await;
    let files = [("fax.pdf", "text/plain", two_pages())];
    let files = files.each_ref().map(|(name, kind, bytes)| (*name, *kind, bytes.as_slice()));
    let words = "recvq/fax1.tif:\n  Sender: 030 5550182\n  Pages: 2\n  CallID1: 0305550182\n";
    stage.receive_fax(&mail("Fax received from \"030 5550182\"", words, &files)).await;
    let shown = stage.files_shown("1").await;
    assert!(shown.contains(&"fax.pdf".to_owned()), "the second page is in no room: {shown:?}");
}

/// FAX-12: a web page with the mark of a PDF in it is held back like any other.
#[tokio::test]
async fn fax_12_a_web_page_in_the_disguise_of_a_pdf_is_held_back() {
    let stage = Stage::new().await;
    let page = b"<html><!-- %PDF-1.4 --><script>alert(1)</script></html>".as_slice();
    let files = [("rechnung.html", "text/html", page)];
    stage.receive_fax(&mail("Neues Fax von 030 5550183", "Ihr Fax", &files)).await;
    let shown = stage.files_shown("1").await;
    assert!(!shown.contains(&"rechnung.html".to_owned()), "{shown:?}");
}

/// FAX-14: a mail of a few kilobytes holds up the line for as long as its files may be opened, three minutes,
/// and then the next fax comes.
#[tokio::test]
async fn fax_14_small_files_that_take_long_hold_the_line_up_no_longer_than_three_minutes() {
    let stage = Stage::new().await;
    let slow = slow_tiff(13);
    assert!(slow.len() < 16 * 1024, "{} bytes", slow.len());
    let names: Vec<String> = (0..10).map(|number| format!("fax{number}.tif")).collect();
    let files: Vec<(&str, &str, &[u8])> =
        names.iter().map(|name| (name.as_str(), "image/tiff", slow.as_slice())).collect();
    stage.receive_fax(&mail("Neues Fax von 030 5550185", "Ein großes Fax", &files)).await;
    stage.database_says("select count(*) from letters", "1").await;
    stage.receive_fax("From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 5550186\nDate: Mon, 23 Nov 2026 08:00:01 +0100\n\nDas Fax dahinter\n").await;
    stage.database_says("select count(*) from letters", "2").await;
    let is_placed = "select count(*) from letters where state = 'stored'";
    let begun = std::time::Instant::now();
    while stage.query("select count(*) from posts where state = 'sent' and letter_id = (select max(id) from letters)").await == "0" {
        assert!(
            begun.elapsed() < Duration::from_secs(240),
            "the fax behind it still waits; letters without a place: {}",
            stage.query(is_placed).await
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// FAX-12, FAX-13: the first bytes say that it is a program, whatever the mail calls it.
#[tokio::test]
async fn fax_12_fax_13_a_program_that_is_called_a_message_is_held_back() {
    let stage = Stage::new().await;
    let program = b"MZ\x90\0\x03\0\0\0\x04\0\0\0".as_slice();
    let files = [
        ("rechnung.exe", "message/x-fax", program),
        ("mail.eml", "message/rfc822", program),
        ("protokoll.txt", "text/plain", program),
        ("fax.pdf", "application/pdf", &two_pages()),
    ];
    stage.receive_fax(&mail("Neues Fax von 030 5550188", "Ihr Fax", &files)).await;
    let shown = stage.files_shown("1").await;
    assert!(shown.contains(&"fax.pdf".to_owned()), "{shown:?}");
    for held in ["rechnung.exe", "mail.eml", "protokoll.txt"] {
        assert!(!shown.contains(&held.to_owned()), "{shown:?}");
        let file = QuotedName(held.to_owned());
        let foreign = stage.anna_was_told(&Phrase::OfPages(PagePhrase::Foreign { file }));
        assert!(foreign > 0, "nothing is said of {held}");
    }
}

/// FAX-21: what is neither PDF nor TIFF is offered with a sentence, also when the mail calls it a text.
#[tokio::test]
async fn fax_21_a_script_that_is_called_a_text_has_a_sentence() {
    let stage = Stage::new().await;
    let script = b"CreateObject(\"WScript.Shell\").Run \"calc\"\r\n".as_slice();
    let files = [("rechnung.vbs", "text/plain", script)];
    stage.receive_fax(&mail("Neues Fax von 030 5550189", "Ihr Fax", &files)).await;
    let shown = stage.files_shown("1").await;
    let file = QuotedName("rechnung.vbs".to_owned());
    let is_told = stage.anna_was_told(&Phrase::OfPages(PagePhrase::Unknown { file })) > 0;
    assert!(
        is_told || !shown.contains(&"rechnung.vbs".to_owned()),
        "{shown:?}, without a sentence"
    );
}

/// FAX-12: two files before it that break the process they are opened in do not let a program through.
#[tokio::test]
async fn fax_12_fax_14_a_program_behind_two_bombs_is_held_back() {
    let stage = Stage::new().await;
    let bomb = crate::sandbox::object_stream_bomb();
    let files: [(&str, &str, &[u8]); 4] = [
        ("a.pdf", "application/pdf", &bomb),
        ("b.pdf", "application/pdf", &bomb),
        ("rechnung.exe", "application/pdf", b"MZ\x90\0\x03\0\0\0\x04\0\0\0"),
        ("fax.pdf", "application/pdf", &two_pages()),
    ];
    stage.receive_fax(&mail("Neues Fax von 030 5550191", "Ihr Fax", &files)).await;
    // Two files break two processes each.
    let posted = "select count(*) from letters where state = 'posted'";
    let is_shown = async || stage.query(posted).await == "1";
    stage.until_within(Duration::from_secs(240), "it is shown", is_shown).await;
    let shown = stage.files_shown("1").await;
    assert!(!shown.contains(&"rechnung.exe".to_owned()), "{shown:?}");
    // A fax behind them is there, and is not called what it is not.
    assert!(shown.contains(&"fax.pdf".to_owned()), "{shown:?}");
    let file = QuotedName("fax.pdf".to_owned());
    assert!(stage.anna_was_told(&Phrase::OfPages(PagePhrase::Skipped { file })) > 0);
}

/// What is said of a file has to help: "please send it as a PDF" does not, of a PDF that could leave alone.
#[tokio::test]
async fn fax_23_whoever_sends_a_form_with_a_word_is_not_told_to_send_a_pdf() {
    let stage = Stage::new().await;
    stage.receive_fax("From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 5550192\nDate: Mon, 23 Nov 2026 08:00:00 +0100\n\nEin Fax\n").await;
    let room = stage.anna_sees("Ein Fax").await.room_id;
    let form = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n\
        2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n\
        3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Annots [4 0 R] >>\nendobj\n\
        4 0 obj\n<< /Type /Annot /Subtype /Widget /FT /Tx /T (Name) /V (Test) /Rect [50 700 200 720] >>\nendobj\n\
        trailer\n<< /Root 1 0 R /Size 5 >>\n%%EOF\n";
    let alone = stage.anna.send_file(&room, "bogen.pdf", "application/pdf", form).await.unwrap();
    let file = QuotedName("bogen.pdf".to_owned());
    let refused = Phrase::OfSending(SendingPhrase::FileForm { file });
    told(&stage.anna, &alone, &refused).await;
    let content = stage
        .anna
        .wait_for("the form", |seen| {
            seen.messages()
                .find(|event| event.event_id() == alone)
                .map(|event| event.content.clone())
        })
        .await
        .unwrap();
    let mut with_words = content;
    with_words["filename"] = "bogen.pdf".into();
    with_words["body"] = "Bitte unterschreiben".into();
    let said = stage.anna.send(&room, with_words).await.unwrap();
    let notice = stage
        .anna
        .wait_for("what became of it", |seen| {
            seen.messages()
                .find(|m| m.reply_to() == Some(said.as_str()))
                .map(|m| m.body().to_owned())
        })
        .await
        .unwrap();
    assert!(!notice.contains("als PDF"), "of a PDF: {notice}");
    assert_eq!(stage.anna_was_told(&refused), 2);
}
