//! Pages that a broken machine, bad luck or an attacker makes look like other pages than they are: they are
//! shown and leave as they are, or are marked, or refused. Needs no servers.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use umstieg::{
    document::{self, FaxPage},
    model::{DocumentForm, FaxPictures},
    rules::fax_pages::{FaxNote, FileSeen, view},
};

use crate::fax_stage::{sample, tiff_of_one_strip};

/// A picture: its width, its height, and how dark each pixel is (0 is white).
pub(crate) struct DarkPicture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) dark: Vec<u8>,
}

impl DarkPicture {
    fn of(png: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let (width, height) = (info.width as usize, info.height as usize);
        bytes.truncate(width * height);
        let dark = bytes.iter().map(|shade| 255 - shade).collect();
        Self { width, height, dark }
    }

    pub(crate) fn page(file: &[u8], page: u32) -> Self {
        Self::of(&document::picture(file, page, 1754).unwrap())
    }

    /// The part that is dark, of a part of the picture; all in hundredths.
    fn darkness(&self, (left, right): (usize, usize), (top, bottom): (usize, usize)) -> usize {
        let rows = self.height * top / 100..self.height * bottom / 100;
        let columns = self.width * left / 100..self.width * right / 100;
        let area = rows.len() * columns.len();
        let sum: usize = rows
            .flat_map(|y| columns.clone().map(move |x| (x, y)))
            .map(|(x, y)| usize::from(self.dark[y * self.width + x]))
            .sum();
        sum * 100 / (255 * area.max(1))
    }

    /// How dark each of four quarters is: left and right above, left and right below.
    fn quarters(&self) -> [usize; 4] {
        let (first, second) = ((0, 50), (50, 100));
        [(first, first), (second, first), (first, second), (second, second)]
            .map(|(columns, rows)| self.darkness(columns, rows))
    }
}

/// A PDF of one page with an image that fills it.
fn pdf_of_image(image: &str, data: &[u8], page: &str) -> Vec<u8> {
    let drawn = "q 595 0 0 842 0 0 cm /Im0 Do Q";
    let mut file = format!(
        "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n\
         2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n\
         3 0 obj\n<< /Type /Page /Parent 2 0 R {page} /Contents 4 0 R /Resources << /XObject << /Im0 5 0 R >> >> >>\nendobj\n\
         4 0 obj\n<< /Length {} >>\nstream\n{drawn}\nendstream\nendobj\n\
         5 0 obj\n<< /Type /XObject /Subtype /Image {image} /Length {} >>\nstream\n",
        drawn.len(),
        data.len()
    )
    .into_bytes();
    file.extend(data);
    file.extend(b"\nendstream\nendobj\ntrailer\n<< /Root 1 0 R /Size 6 >>\n%%EOF\n");
    file
}

const A4: &str = "/MediaBox [0 0 595 842]";

/// Rows in T.6, black where this says so.
fn group4(columns: u16, rows: u32, is_black: impl Fn(u16, u32) -> bool) -> Vec<u8> {
    let mut encoder = fax::encoder::Encoder::new(fax::VecWriter::new());
    for row in 0..rows {
        let pixel =
            |column| if is_black(column, row) { fax::Color::Black } else { fax::Color::White };
        encoder.encode_line((0..columns).map(pixel), columns.into()).unwrap();
    }
    encoder.finish().unwrap().finish()
}

/// A TIFF of pages of these columns, rows and strips, each with further numbers.
fn tiff(pages: &[(u32, u32, &[u8])], more: &[&[(u16, u32)]]) -> Vec<u8> {
    let mut file = b"II*\0\0\0\0\0".to_vec();
    let mut link = 4;
    for (place, (columns, rows, strip)) in pages.iter().enumerate() {
        let data = u32::try_from(file.len()).unwrap();
        file.extend(*strip);
        file.resize(file.len().next_multiple_of(2), 0);
        let directory = u32::try_from(file.len()).unwrap();
        file[link..link + 4].copy_from_slice(&directory.to_le_bytes());
        let bytes = u32::try_from(strip.len()).unwrap();
        let mut tags =
            vec![(256, *columns), (257, *rows), (259, 4), (262, 0), (273, data), (279, bytes)];
        let more = more.get(place).copied().unwrap_or_default();
        tags.retain(|(tag, _)| !more.iter().any(|(other, _)| other == tag));
        tags.extend(more);
        tags.sort_unstable();
        file.extend(u16::try_from(tags.len()).unwrap().to_le_bytes());
        for (tag, number) in tags {
            file.extend(tag.to_le_bytes());
            file.extend(4_u16.to_le_bytes());
            file.extend(1_u32.to_le_bytes());
            file.extend(number.to_le_bytes());
        }
        link = file.len();
        file.extend([0; 4]);
    }
    file
}

/// A TIFF of pages of the largest size, all with the same few bytes: a small file that takes long to write
/// as a PDF.
pub(crate) fn slow_tiff(pages: u32) -> Vec<u8> {
    tiff_of_one_strip(pages, (2_432, 20_000), &group4(2_432, 20_000, |_, _| false))
}

/// Whether anything is said about a file beside how many pages it has.
fn is_marked(file: &[u8]) -> bool {
    let sight = document::look(file);
    sight.trouble.is_some() || sight.is_cut || !sight.damaged.is_empty()
}

/// "A mark says what is damaged": a PDF whose picture of a page was garbled on its way. The page is shown
/// blank.
#[test]
fn fax_18_a_pdf_whose_page_breaks_off_is_marked() {
    let whole = document::all_pages(&sample("g4_fine_hylafax")).unwrap();
    let at = |from: usize, mark: &[u8]| {
        from + whole[from..].windows(mark.len()).position(|place| place == mark).unwrap()
    };
    let stream = at(at(0, b"/CCITTFaxDecode"), b"stream") + 7;
    let mut garbled = whole.clone();
    garbled[stream + 1_000..stream + 1_200].fill(0);
    let (sent, shown) = (DarkPicture::page(&whole, 1), DarkPicture::page(&garbled, 1));
    assert!(
        is_marked(&garbled) || sent.quarters() == shown.quarters(),
        "of a page that is {:?} dark, {:?} is shown, without a mark",
        sent.quarters(),
        shown.quarters()
    );
}

/// The same of a page in a coding that is not read here, which was shown black; of one whose image is not
/// there at all, or is cut; and of one whose instructions are not there.
#[test]
fn fax_18_a_pdf_in_an_unknown_coding_is_marked() {
    let whole = document::all_pages(&sample("g4_fine_hylafax")).unwrap();
    let whole = whole.as_slice();
    assert!(!is_marked(whole), "{:?}", document::look(whole));
    let changed = |mark: &[u8], place: usize, letter: u8| {
        let mut file = whole.to_vec();
        let at = file.windows(mark.len()).position(|part| part == mark).unwrap();
        file[at + place] = letter;
        file
    };
    for (mark, place, letter) in [
        (b"/CCITTFaxDecode".as_slice(), 6, b'X'),
        (b"/Im0 ", 3, b'9'),
        (b"/Width", 3, b'x'),
        (b"/Contents 5 0 R", 10, b'9'),
    ] {
        let file = changed(mark, place, letter);
        assert!(is_marked(&file), "{}: {:?}", String::from_utf8_lossy(mark), document::look(&file));
    }
    let bits = vec![0xFF; 100 * 90 / 8];
    let plain = "/Width 100 /Height 100 /BitsPerComponent 1 /ColorSpace /DeviceGray";
    assert!(is_marked(&pdf_of_image(plain, &bits, A4)), "ten rows are missing");
    let named = format!("{plain} /Filter [/XYZDecode]");
    assert!(is_marked(&pdf_of_image(&named, &[0xFF; 1_300], A4)), "in a list");
    assert!(!is_marked(&pdf_of_image(plain, &[0xFF; 1_300], A4)));
    let jpeg = BASE64_STANDARD.decode(JPEG).unwrap();
    let photo =
        "/Width 64 /Height 90 /BitsPerComponent 8 /ColorSpace /DeviceGray /Filter /DCTDecode";
    assert!(!is_marked(&pdf_of_image(photo, &jpeg, A4)));
    assert!(is_marked(&pdf_of_image(photo, &jpeg[..jpeg.len() - 20], A4)), "a photo that is cut");
}

/// FAX-18: every page that is not whole is marked, also the twenty-first.
#[test]
fn fax_18_each_of_many_damaged_pages_is_marked() {
    let mut strip = group4(1_728, 300, |x, y| (u32::from(x) + y * 5).is_multiple_of(311));
    let middle = strip.len() / 2;
    strip[middle..middle + 40].fill(0);
    let file = tiff(&vec![(1_728, 300, strip.as_slice()); 25], &[]);
    let sight = document::look(&file);
    assert_eq!((sight.pages, sight.trouble), (25, None));
    let notes = view(&[FileSeen::Looked(sight)], FaxPictures::First, None).notes;
    let is_told = notes.iter().any(|note| match note {
        FaxNote::Damaged(pages) => pages.contains(&25),
        _ => true,
    });
    assert!(is_told, "all of 25 pages are damaged, and the room reads: {notes:?}");
}

/// A page that lies on its head, or in a mirror, and says so (TIFF 6.0, tag 274): it is turned, or not
/// shown as if it were upright. The PDF that is made of it lies the same.
#[test]
fn fax_17_a_tiff_is_shown_as_it_says_that_it_lies() {
    let strip = group4(1_728, 2_200, |x, y| x < 864 && y < 1_100);
    for (orientation, dark, is_on_side) in [
        (0, 0, false),
        (1, 0, false),
        (2, 1, false),
        (3, 3, false),
        (4, 2, false),
        (5, 0, true),
        (6, 1, true),
        (7, 3, true),
        (8, 2, true),
        (9, 0, false),
    ] {
        let file = tiff(&[(1_728, 2_200, &strip)], &[&[(274, orientation)]]);
        assert!(!is_marked(&file));
        let pdf = document::all_pages(&file).unwrap();
        for shown in [&file, &pdf] {
            let picture = DarkPicture::page(shown, 1);
            let quarters = picture.quarters();
            assert!(quarters[dark] > 90, "orientation {orientation}: {quarters:?}");
            assert_eq!(picture.width > picture.height, is_on_side, "orientation {orientation}");
        }
    }
}

/// A small picture of the first page within the TIFF (`NewSubfileType`, bit 0) is no page.
#[test]
fn fax_16_a_small_picture_in_a_tiff_is_no_page_and_no_page_is_lost() {
    let page = group4(1_728, 2_200, |x, y| x < 864 && y < 1_100);
    let small = group4(108, 140, |x, y| x < 54 && y < 70);
    let file = tiff(&[(1_728, 2_200, &page), (108, 140, &small)], &[&[(254, 2)], &[(254, 1)]]);
    assert_eq!(document::look(&file).pages, 1);
    let pages = |more: &[&[(u16, u32)]], second: (u32, u32, &[u8])| {
        document::look(&tiff(&[(1_728, 2_200, &page), second], more)).pages
    };
    let (whole, little) = ((1_728, 2_200, page.as_slice()), (108, 140, small.as_slice()));
    // TIFF 5.0 had another tag for it. A mask is no page either.
    assert_eq!(pages(&[&[], &[(255, 2)]], little), 1);
    assert_eq!(pages(&[&[], &[(254, 4), (262, 4)]], whole), 1);
    // Whoever calls each page a small picture loses none, nor a short page that says nothing of itself.
    assert_eq!(pages(&[&[(254, 1)], &[(254, 1)]], whole), 2);
    assert_eq!(pages(&[&[(254, 2)], &[(254, 3)]], whole), 2);
    assert_eq!(pages(&[&[], &[]], little), 2);
}

/// A strip of no bytes has no rows: those of the next one do not stand in their place.
#[test]
fn fax_18_an_empty_strip_shows_no_other_strip_s_rows() {
    let (white, black) = (group4(1_728, 700, |_, _| false), group4(1_728, 700, |_, _| true));
    let places = [8, 8 + white.len(), 8 + white.len()];
    let counts = [white.len(), 0, black.len()];
    let mut file = b"II*\0\0\0\0\0".to_vec();
    file.extend(white.iter().chain(&black));
    file.resize(file.len().next_multiple_of(2), 0);
    let arrays = file.len();
    for number in places.into_iter().chain(counts) {
        file.extend(u32::try_from(number).unwrap().to_le_bytes());
    }
    let directory = file.len();
    file[4..8].copy_from_slice(&u32::try_from(directory).unwrap().to_le_bytes());
    file.extend(7_u16.to_le_bytes());
    let number = |number: usize| u32::try_from(number).unwrap();
    for (tag, count, value) in [
        (256_u16, 1_u32, 1_728),
        (257, 1, 2_100),
        (259, 1, 4),
        (262, 1, 0),
        (273, 3, number(arrays)),
        (278, 1, 700),
        (279, 3, number(arrays + 12)),
    ] {
        file.extend(tag.to_le_bytes());
        file.extend(4_u16.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    let seen = DarkPicture::page(&file, 1);
    let thirds = [(2, 31), (35, 64), (69, 98)].map(|rows| seen.darkness((5, 95), rows));
    assert!(thirds[1] < 10, "{thirds:?}");
    assert!(thirds[2] > 90, "{thirds:?}");
    assert!(is_marked(&file), "seven hundred rows are missing");
}

/// FAX-12, FAX-13: what no fax machine sends stays what it is, also with the mark of a PDF somewhere in its
/// first KiB.
#[test]
fn fax_12_fax_13_a_program_with_the_mark_of_a_pdf_in_it_is_a_program() {
    for file in [
        b"MZ\x90\0\x03\0\0\0%PDF-1.4".as_slice(),
        b"<html><!-- %PDF-1.4 --><script>alert(1)</script></html>",
        b"PK\x03\x04\x14\0\0\0\0\0 %PDF-1.4",
        b"{\\rtf1 %PDF-1.4}",
        b"#!/bin/sh\n# %PDF-1.4\n",
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 %PDF-1.4",
        b"\xFF\xFE<\0h\0t\0m\0l\0>\0%PDF-1.4",
        b"\xEF\xBB\xBF<?xml version='1.0'?><!-- %PDF-1.4 -->",
        b" <!-- %PDF-1.4 --><script>alert(1)</script>",
        b"@echo off & rem %PDF-1.4",
        b"[InternetShortcut]\r\nURL=file://%PDF-1.4",
        b"\x4C\0\0\0\x01\x14\x02\0%PDF-1.4",
        b"MSCF\0\0\0\0%PDF-1.4",
        b"MIME-Version: 1.0\r\n%PDF-1.4",
    ] {
        let form = document::form_of(file);
        assert_eq!(form, DocumentForm::Foreign, "{}", String::from_utf8_lossy(file));
    }
}

/// The black of each sign of the only line of a letter, from left to right.
fn signs(text: &str) -> Vec<usize> {
    let sheet = FaxPage { text: text.to_owned(), ..FaxPage::default() };
    let pdf = document::letter_pdf(&sheet).unwrap();
    let seen = DarkPicture::of(&document::picture(&pdf, 1, 2_386).unwrap());
    let rows = seen.height * 60 / 842..seen.height * 110 / 842;
    let black = |x: usize| {
        rows.clone().map(|y| usize::from(seen.dark[y * seen.width + x])).sum::<usize>() / 255
    };
    let (mut signs, mut current) = (Vec::new(), 0);
    for x in 0..seen.width {
        match black(x) {
            0 if current > 0 => signs.push(std::mem::take(&mut current)),
            more => current += more,
        }
    }
    signs
}

/// FAX-23: a fax says what was written. A line that begins with a name in Hebrew or Arabic has a dose behind
/// it: 11118888 must not be printed as 88881111, nor 12 mg as `gm 21`. Such a text stays in the room, and its
/// author is told which signs a fax cannot show; in what is printed nevertheless, figures keep their order.
#[test]
fn fax_23_figures_behind_a_hebrew_or_arabic_name_are_not_reversed() {
    let figures = signs("11118888");
    assert_eq!(figures.len(), 8);
    for text in [
        "\u{5d0}\u{5d1} 11118888",
        "\u{623}\u{62d}\u{645}\u{62f} 11118888",
        "Frau \u{5d0}\u{5d1} 11118888",
        "\u{7ca}\u{7cb} 11118888",
        "\u{fb2a} 11118888",
        "\u{fe8d} 11118888",
        "\u{200f}11118888",
        "\u{61c}11118888",
        "\u{202b}11118888\u{202c}",
        "\u{202e}11118888\u{202c}",
        "\u{2067}11118888\u{2069}",
    ] {
        assert!(!document::missing_signs(text).is_empty(), "{text:?} would leave");
        let line = signs(text);
        let is_there = line.windows(8).any(|part| {
            part.iter().zip(&figures).all(|(printed, written)| printed.abs_diff(*written) <= 8)
        });
        assert!(is_there, "{text:?}: the figures {figures:?} are not in {line:?}");
    }
    for text in ["Größe ≥ 5 µg €", "\u{200e}+49 30 1234\u{200e}", "\u{202a}030 1234\u{202c}", "Ω Ж"]
    {
        assert_eq!(document::missing_signs(text), [' '; 0], "{text:?}");
    }
}

/// A text of signs that show nothing makes no empty page.
#[test]
fn fax_23_a_text_that_shows_nothing_is_no_page() {
    for text in ["\u{200b}", " \u{2060}\n\u{feff}\u{ad}", "\u{fe0f}"] {
        let sheet = FaxPage { text: text.to_owned(), ..FaxPage::default() };
        let made = document::fax(Some(&sheet), &[], 9, &mut |_| {});
        assert_eq!(made.unwrap_err(), document::DocumentError::Empty, "{text:?}");
    }
}

/// A JPEG of 64 times 90 pixels whose upper left quarter is black.
const JPEG: &str = "\
    /9j/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/wAAL\
    CABaAEABAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG\
    E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4\
    eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6\
    /9oACAEBAAA/APyqooor+qiiiiv5V6KKK/qoooor+Veiiiv6qKKKK/lXooor+qiiiiv5V6KKK/qoooor8Vv+HKnxv/6Gn4f/APgx\
    vv8A5Do/4cqfG/8A6Gn4f/8Agxvv/kOj/hyp8b/+hp+H/wD4Mb7/AOQ6P+HKnxv/AOhp+H//AIMb7/5Dr9qaKKKKKKKKKKKKKKKK\
    KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK//9k=";

/// A photo that is to be shown in a mirror (Exif orientation 2 and 4, as apps write it for the camera at the
/// front) leaves as every client shows it.
#[test]
fn fax_23_a_photo_leaves_as_its_room_shows_it() {
    let plain = BASE64_STANDARD.decode(JPEG).unwrap();
    // The photo is upright: one that is stored on its side is turned once more, as far as it takes to fit.
    for (orientation, dark) in [(1_u8, 0), (2, 1), (3, 3), (4, 2), (5, 1), (6, 3), (7, 2), (8, 0)] {
        let tag = [0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0];
        let exif = [b"\xFF\xE1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0".as_slice(), &tag].concat();
        let photo = Bytes::from([&plain[..2], &exif, &plain[2..]].concat());
        let made = document::fax(Some(&FaxPage::default()), &[photo], 9, &mut |_| {}).unwrap();
        let quarters = DarkPicture::page(&made.bytes, 1).quarters();
        assert!(quarters[dark] > 50, "orientation {orientation}: {quarters:?}");
    }
}

/// Held: a PDF lies as it says, whatever its box and turn, in each combination of what codes black.
#[test]
fn fax_17_a_page_is_neither_inverted_nor_turned_otherwise() {
    let data = group4(100, 100, |x, y| x < 50 && y < 50);
    let image = |black: &str, more: &str| {
        format!(
            "/Width 100 /Height 100 /BitsPerComponent 1 {more} /Filter /CCITTFaxDecode \
             /DecodeParms << /K -1 /Columns 100 /Rows 100 {black} >>"
        )
    };
    for (black, more, is_inverted) in [
        ("", "/ColorSpace /DeviceGray", false),
        ("/BlackIs1 true", "/ColorSpace /DeviceGray", true),
        ("/BlackIs1 true", "/ColorSpace /DeviceGray /Decode [1 0]", false),
        ("", "/ImageMask true", false),
        ("", "/ColorSpace [/Indexed /DeviceRGB 1 <ffffff000000>]", true),
    ] {
        let quarters =
            DarkPicture::page(&pdf_of_image(&image(black, more), &data, A4), 1).quarters();
        assert_eq!(quarters[0] < 50, is_inverted, "{black} {more}: {quarters:?}");
        assert_eq!(quarters[3] > 50, is_inverted, "{black} {more}: {quarters:?}");
    }
    for (page, dark) in [
        (A4, 0),
        ("/MediaBox [0 0 595 842] /Rotate 180", 3),
        ("/MediaBox [0 0 595 842] /CropBox [100 100 495 742]", 0),
        ("/MediaBox [-100 -100 695 942]", 0),
        ("/MediaBox [595 842 0 0]", 0),
    ] {
        let file = pdf_of_image(&image("", "/ColorSpace /DeviceGray"), &data, page);
        let made = document::fax(Some(&FaxPage::default()), &[Bytes::from(file)], 9, &mut |_| {});
        let quarters = DarkPicture::page(&made.unwrap().bytes, 1).quarters();
        let most = quarters.iter().enumerate().max_by_key(|(_, dark)| **dark).unwrap().0;
        assert_eq!(most, dark, "{page}: {quarters:?}");
    }
}

/// A PDF of one layer, whose catalogue says this of it, and which says this of itself. `used`: the object that
/// the page names, the layer or what refers to it.
fn pdf_of_layer(shown: &str, layer: &str, used: &str) -> Bytes {
    let drawn = "/OC /MC0 BDC 0 421 297 421 re f EMC";
    let file = format!(
        "%PDF-1.5\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R \
         /OCProperties << /OCGs [5 0 R] {shown} >> >>\nendobj\n\
         2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n\
         3 0 obj\n<< /Type /Page /Parent 2 0 R {A4} /Contents 4 0 R \
         /Resources << /Properties << /MC0 {used} >> >> >>\nendobj\n\
         4 0 obj\n<< /Length {} >>\nstream\n{drawn}\nendstream\nendobj\n\
         5 0 obj\n<< /Type /OCG /Name (Notizen) {layer} >>\nendobj\n\
         trailer\n<< /Root 1 0 R /Size 6 >>\n%%EOF\n",
        drawn.len(),
    );
    Bytes::from(file.into_bytes())
}

/// A layer that its PDF hides, as notes of a practice may be, does not leave on the paper: such a file is
/// refused, and so is one of which nobody knows.
#[test]
fn fax_23_a_hidden_layer_stays_hidden() {
    let fax = |file| document::fax(Some(&FaxPage::default()), &[file], 9, &mut |_| {});
    let printed = "/Usage << /Print << /PrintState /OFF >> >>";
    let by_event = "/D << /AS [<< /Event /Print /Category [/Print] /OCGs [5 0 R] >>] >>";
    for (shown, layer, used) in [
        ("/D << /OFF [5 0 R] >>", "", "5 0 R"),
        ("/D << /BaseState /OFF >>", "", "5 0 R"),
        ("/D << /BaseState /Unchanged >>", "", "5 0 R"),
        ("/D << /RBGroups [[5 0 R]] >>", "", "5 0 R"),
        (by_event, printed, "5 0 R"),
        (by_event, "/Usage << /Zoom << /min 2 >> >>", "5 0 R"),
        ("/D << >>", "", "<< /Type /OCMD /OCGs 5 0 R /P /AllOff >>"),
        ("/D << >>", "", "<< /Type /OCMD /VE [/Not 5 0 R] >>"),
        ("/D 9", "", "5 0 R"),
        ("", "", "5 0 R"),
    ] {
        let refused = fax(pdf_of_layer(shown, layer, used)).unwrap_err();
        let expected = document::DocumentError::HiddenLayers { index: 0 };
        assert_eq!(refused, expected, "{shown} {layer} {used}");
    }
    let both = "/Usage << /View << /ViewState /ON >> /Print << /PrintState /ON >> >>";
    for (shown, layer, used) in [
        ("/D << >>", "", "5 0 R"),
        ("/D << /BaseState /ON /OFF [] /RBGroups [] >>", printed, "5 0 R"),
        (by_event, both, "5 0 R"),
        ("/D << >>", "", "<< /Type /OCMD /OCGs 5 0 R /P /AnyOn >>"),
    ] {
        let made = fax(pdf_of_layer(shown, layer, used)).unwrap();
        let quarters = DarkPicture::page(&made.bytes, 1).quarters();
        assert!(quarters[0] > 50, "{shown} {layer} {used}: {quarters:?}");
    }
}

/// A PDF that says `/Rows 0` says that it does not know how many there are (ISO 32000-1, table 11). It is shown, or
/// marked; not as a white page.
#[test]
fn fax_18_a_pdf_that_does_not_know_its_rows_is_no_white_page() {
    let data = group4(1_728, 2_200, |x, y| x < 864 && y < 1_100);
    let image = "/Width 1728 /Height 2200 /BitsPerComponent 1 /ColorSpace /DeviceGray \
                 /Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 1728 /Rows 0 >>";
    let file = pdf_of_image(image, &data, A4);
    let shown = document::picture(&file, 1, 800).map(|png| DarkPicture::of(&png).quarters());
    let is_there = shown.as_ref().is_ok_and(|quarters| quarters[0] > 90);
    assert!(is_there || shown.is_err() || is_marked(&file), "{shown:?} is shown, without a mark");
}
