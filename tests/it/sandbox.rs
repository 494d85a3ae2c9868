//! Foreign documents in a separate process: what they cannot do, and what becomes of bombs.

use std::{fs, time::Instant};

use bytes::Bytes;
use umstieg::{
    document::{DocumentError, FaxPage, FaxPdf, SOURCE_BYTES_MAX, letter_pdf},
    phrases::Phrase,
    sandbox::{CHILDREN_MAX, Confinement, Sandbox, SandboxError},
};
use umstieg_world::client::SeenTimeline;

use crate::{
    phrases::{HANDED_TO_FAX, sentence},
    stage::Stage,
};

const BROAD_PNG: &[u8] = include_bytes!("../documents/broad.png");
const UPRIGHT_JPEG: &[u8] = include_bytes!("../documents/upright.jpg");

fn sandbox() -> Sandbox {
    Sandbox::of(env!("CARGO_BIN_EXE_umstieg"))
}

fn sheet(text: &str) -> FaxPage {
    FaxPage { text: text.to_owned(), ..FaxPage::default() }
}

async fn fax(sandbox: &Sandbox, files: &[Bytes]) -> Result<FaxPdf, SandboxError> {
    sandbox.fax(Some(sheet("Guten Tag")), files, 200, SOURCE_BYTES_MAX).await
}

#[tokio::test]
async fn a_document_has_no_files_no_network_no_processes_and_little_memory() {
    let (confinement, open) = sandbox().try_out().await.unwrap();
    assert_eq!(confinement, Confinement::Seccomp, "this machine has no seccomp filters");
    assert_eq!(open, []);
}

#[tokio::test]
async fn documents_are_the_same_as_without_it_and_one_process_opens_many() {
    let sandbox = sandbox();
    let files = [Bytes::from_static(BROAD_PNG), Bytes::from_static(UPRIGHT_JPEG)];
    let text = sheet("Guten Tag");
    let direct = umstieg::document::fax(Some(&text), &files, 200, &mut |_| {}).unwrap();
    for _ in 0..120 {
        assert_eq!(fax(&sandbox, &files).await.unwrap(), direct);
    }
    let alone = Bytes::from(letter_pdf(&text).unwrap());
    let kept = sandbox.fax(None, std::slice::from_ref(&alone), 200, SOURCE_BYTES_MAX).await;
    assert_eq!(kept.unwrap().bytes, alone, "a single PDF leaves byte for byte");
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_said_and_the_next_one_passes() {
    let sandbox = sandbox();
    let good = Bytes::from_static(UPRIGHT_JPEG);
    for (files, expected) in [
        (
            vec![good.clone(), Bytes::from_static(b"PK\x03\x04")],
            DocumentError::FileType { index: 1 },
        ),
        (vec![good.slice(..40)], DocumentError::Unreadable { index: 0 }),
        (vec![pixels(u32::MAX, u32::MAX)], DocumentError::ImageTooLarge { index: 0 }),
        (vec![pixels(1 << 31, 1 << 31)], DocumentError::ImageTooLarge { index: 0 }),
    ] {
        match fax(&sandbox, &files).await {
            Err(SandboxError::Document(error)) => assert_eq!(error, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let too_long = sandbox.fax(Some(sheet(&"Zeile\n".repeat(150))), &[], 2, SOURCE_BYTES_MAX).await;
    let Err(SandboxError::Document(DocumentError::TooManyPages { pages, pages_max: 2 })) = too_long
    else {
        panic!("{too_long:?}");
    };
    assert!(pages > 2);
    let too_large = sandbox.fax(None, std::slice::from_ref(&good), 200, 100).await;
    assert!(matches!(too_large, Err(SandboxError::Document(DocumentError::TooLarge))));
    fax(&sandbox, &[good]).await.unwrap();
}

/// R07: files that are small and become large, or never end. Each is refused, and what follows is
/// opened.
#[tokio::test]
async fn bombs_break_nothing_but_themselves() {
    let good = Bytes::from_static(UPRIGHT_JPEG);
    let sandbox = sandbox();
    let bombs = [
        ("60 megapixels of four times 16 bits", png_bomb()),
        ("an object stream of 600 MiB", object_stream_bomb()),
        ("pages that are their own parents", endless_pages()),
        ("arrays in arrays", nested_pdf()),
        ("50,000 pages", many_pages()),
        ("a comment of 400 MiB", comment_bomb()),
    ];
    for (name, bomb) in bombs {
        assert!(bomb.len() < 3 * 1024 * 1024, "{name}: {} bytes", bomb.len());
        let begun = Instant::now();
        let refused = fax(&sandbox, &[good.clone(), bomb]).await;
        println!(
            "{name}: {:?} after {:?}",
            refused.as_ref().map(|made| made.bytes.len()),
            begun.elapsed()
        );
        match refused {
            Err(SandboxError::Broken { index }) => assert_eq!(index, Some(1), "{name}"),
            Err(SandboxError::Document(_)) | Ok(_) => {}
            Err(SandboxError::Unavailable(error)) => panic!("{name}: {error}"),
        }
        fax(&sandbox, std::slice::from_ref(&good)).await.unwrap();
    }
}

#[tokio::test]
async fn more_documents_than_places_wait_for_their_turn() {
    let sandbox = sandbox();
    let files = [Bytes::from_static(BROAD_PNG)];
    let all = (0..4 * CHILDREN_MAX).map(|_| fax(&sandbox, &files));
    for made in futures_util::future::join_all(all).await {
        made.unwrap();
    }
}

/// A child that does not answer as it should, whatever it is.
#[tokio::test]
async fn a_program_that_is_no_sandbox_is_told_from_a_document_at_fault() {
    for program in ["/bin/true", "/nonexistent/umstieg", "/bin/cat"] {
        let answer = fax(&Sandbox::of(program), &[Bytes::from_static(BROAD_PNG)]).await;
        assert!(matches!(answer, Err(SandboxError::Unavailable(_))), "{program}: {answer:?}");
        let sight = Sandbox::of(program).look(&Bytes::from_static(BROAD_PNG)).await;
        assert!(matches!(sight, Err(SandboxError::Unavailable(_))), "{program}: {sight:?}");
    }
}

/// R07, whole gateway: the room is told, once, and the gateway stays small.
#[tokio::test]
async fn a_bomb_in_an_answer_is_a_sentence_in_the_room() {
    let stage = Stage::new().await;
    let room = fax_room(&stage).await;
    stage.anna.send_file(&room, "scan.png", "image/png", &png_bomb()).await.unwrap();
    stage.anna_is_told(&Phrase::FileTooCostly { file_name: "scan.png".to_owned() }).await;
    stage.database_says("select state from dispatches", "failed").await;
    let status =
        fs::read_to_string(format!("/proc/{}/status", stage.gateway.id().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 200 * 1024, "the gateway took {peak} KiB");
    stage.anna.send_text(&room, "Dann eben so.").await.unwrap();
    stage.anna_is_told(&HANDED_TO_FAX).await;
}

/// What is said first about a room message.
async fn what_became_of(stage: &Stage, event_id: &str) -> String {
    let about = |seen: &SeenTimeline| {
        let notice = seen.messages().find(|m| m.reply_to() == Some(event_id))?;
        Some(notice.body().to_owned())
    };
    stage.anna.wait_for("what became of it", about).await.unwrap()
}

/// R16: `pages_max` holds for what is written in the room.
#[tokio::test]
async fn a_fax_longer_than_pages_max_does_not_leave() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage
        .restart_with(|settings| {
            settings.replace("[channel.fax]\n", "[channel.fax]\npages_max = 1\n")
        })
        .await;
    let room = fax_room(&stage).await;
    let said = "Eine lange Zeile.\n".repeat(150);
    let said = stage.anna.send_text(&room, &said).await.unwrap();
    let told = what_became_of(&stage, &said).await;
    assert_eq!(told, sentence(&Phrase::FaxTooLong { pages: 4, pages_max: 1 }));
}

/// L61: a sign may be all that forbids something.
#[tokio::test]
async fn l61_a_fax_that_would_lose_signs_does_not_leave_and_its_author_is_told() {
    let stage = Stage::with(|channels| channels).await;
    let room = fax_room(&stage).await;
    let said = stage.anna.send_text(&room, "🚫 Marcumar 不要").await.unwrap();
    let told = what_became_of(&stage, &said).await;
    assert_eq!(told, sentence(&Phrase::FaxSignsMissing { signs: vec!['🚫', '不', '要'] }));
}

/// Receives a fax from a new number; returns the room it came into.
async fn fax_room(stage: &Stage) -> String {
    let number = format!("030 {:08}", std::process::id());
    stage
        .receive_fax(&format!(
            "From: Fax <gateway@fax.example>\nSubject: Neues Fax von {number}\n\
             Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
             Content-Type: application/pdf; name=fax.pdf\n\
             Content-Disposition: attachment; filename=fax.pdf\n\
             Content-Transfer-Encoding: base64\n\nJVBERi0xLjQgZmF4\n"
        ))
        .await;
    let fax = stage
        .anna
        .wait_for("the fax", |seen| seen.messages().find(|event| event.has_file()).cloned())
        .await;
    fax.unwrap().room_id
}

// ---------------------------------------------------------------- bombs

/// The head of a PNG that claims a size.
fn pixels(width: u32, height: u32) -> Bytes {
    let head = b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR".as_slice();
    [head, &width.to_be_bytes(), &height.to_be_bytes(), b"\x08\x06\0\0\0"].concat().into()
}

/// Some hundred kilobytes that are half a gigabyte of pixels, and nearly a gigabyte on the way.
fn png_bomb() -> Bytes {
    let (width, height) = (7_700, 7_700);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Sixteen);
    let mut writer = encoder.write_header().unwrap();
    let mut pixels = writer.stream_writer().unwrap();
    let row = vec![0; width as usize * 8];
    for _ in 0..height {
        std::io::Write::write_all(&mut pixels, &row).unwrap();
    }
    pixels.finish().unwrap();
    drop(writer);
    file.into()
}

/// B70: a picture of one pixel with a comment that is long once it is unpacked.
fn comment_bomb() -> Bytes {
    let mut into = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..400 {
        std::io::Write::write_all(&mut into, &[b'x'; 1 << 20]).unwrap();
    }
    let text = [b"Comment\0\0".as_slice(), &into.finish().unwrap()].concat();
    let mut file = Vec::new();
    let mut writer = png::Encoder::new(&mut file, 1, 1).write_header().unwrap();
    writer.write_chunk(png::chunk::zTXt, &text).unwrap();
    writer.write_image_data(&[0]).unwrap();
    drop(writer);
    file.into()
}

fn deflated(unit: &[u8], times: usize) -> Vec<u8> {
    let mut into = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..times {
        std::io::Write::write_all(&mut into, unit).unwrap();
    }
    let once = into.finish().unwrap();
    // Data that is squeezed once is still long; squeezed twice it is not.
    let mut into = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut into, &once).unwrap();
    into.finish().unwrap()
}

fn pdf(objects: &[Vec<u8>]) -> Bytes {
    let mut pdf = b"%PDF-1.5\n".to_vec();
    for (number, object) in objects.iter().enumerate() {
        pdf.extend_from_slice(format!("{} 0 obj ", number + 1).as_bytes());
        pdf.extend_from_slice(object);
        pdf.extend_from_slice(b" endobj\n");
    }
    pdf.extend_from_slice(b"trailer <</Root 1 0 R>>\n%%EOF\n");
    pdf.into()
}

/// The page lies in an object stream whose bytes do not fit into memory.
pub(crate) fn object_stream_bomb() -> Bytes {
    let stream = deflated(&[b' '; 1 << 20], 600);
    let head = format!(
        "<</Type/ObjStm/N 1/First 5/Filter[/FlateDecode/FlateDecode]/Length {}>>stream\n",
        stream.len()
    );
    pdf(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>".to_vec(),
        [head.as_bytes(), &stream, b"\nendstream"].concat(),
    ])
}

/// Three pages; drawing the third one takes more memory than a document may have.
pub(crate) fn third_page_bomb() -> Bytes {
    let stream = deflated(&[b' '; 1 << 20], 600);
    let head = format!("<</Filter[/FlateDecode/FlateDecode]/Length {}>>stream\n", stream.len());
    let page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>".to_vec();
    pdf(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R 4 0 R 5 0 R]/Count 3>>".to_vec(),
        page.clone(),
        page,
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 6 0 R>>".to_vec(),
        [head.as_bytes(), &stream, b"\nendstream"].concat(),
    ])
}

fn endless_pages() -> Bytes {
    pdf(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[2 0 R 2 0 R 3 0 R]/Count 3/Parent 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[2 0 R 3 0 R]/Parent 3 0 R>>".to_vec(),
    ])
}

fn nested_pdf() -> Bytes {
    let deep = [b"[".repeat(500_000), b"]".repeat(500_000)].concat();
    pdf(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        [b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Annots ".as_slice(), &deep, b">>"].concat(),
    ])
}

fn many_pages() -> Bytes {
    let kids = b"3 0 R ".repeat(50_000);
    pdf(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        [b"<</Type/Pages/Count 50000/Kids[".as_slice(), &kids, b"]>>"].concat(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>".to_vec(),
    ])
}
