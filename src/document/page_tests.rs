//! Pages of faxes, against what libtiff decodes and against every way in which they come broken.

use std::{collections::BTreeMap, fs, path::Path};

use hayro_syntax::{
    Pdf,
    object::{Dict, Stream},
};
use sha2::{Digest as _, Sha256};

use super::{
    raster::Raster,
    seen::{all_pages, form_of, look, picture},
    strips::{DecodedPage, decode_page},
    tiff::{self, ROWS_MAX},
};
use crate::model::{DocumentForm, DocumentSight, PageTrouble};

fn faxes() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faxes")
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(faxes().join(format!("{name}.tif"))).unwrap()
}

fn pages(file: &[u8]) -> Vec<DecodedPage> {
    let pages = tiff::pages(file).unwrap().pages;
    pages.into_iter().map(|page| decode_page(file, &page.ok().unwrap())).collect()
}

fn rasters(file: &[u8]) -> Vec<Raster> {
    pages(file).into_iter().map(|page| page.raster).collect()
}

fn digest(raster: &Raster) -> String {
    let mut hash = Sha256::new();
    raster.iter().for_each(|row| hash.update(row));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a TIFF of the tests is written.
#[derive(Clone, Copy, Default)]
struct Form {
    is_big_endian: bool,
    is_lowest_first: bool,
    /// LONG numbers where a SHORT would do.
    is_long: bool,
    /// Bytes before the first directory.
    odd: usize,
    compression: u32,
    /// Numbers of the pages, as they are linked; nothing: in their order.
    numbers: &'static [u32],
    resolution: Option<(u32, u32)>,
    /// Where the last page links to; 0 is nowhere.
    last_link: u32,
}

impl Form {
    fn short(self, number: u32) -> Vec<u8> {
        let number = u16::try_from(number).unwrap();
        if self.is_big_endian { number.to_be_bytes() } else { number.to_le_bytes() }.to_vec()
    }

    fn long(self, number: usize) -> Vec<u8> {
        let number = u32::try_from(number).unwrap();
        if self.is_big_endian { number.to_be_bytes() } else { number.to_le_bytes() }.to_vec()
    }

    fn entry(self, tag: u32, number: u32, is_long: bool) -> Vec<u8> {
        let (kind, mut value) = match is_long || number > 0xFFFF {
            true => (4, self.long(number as usize)),
            false => (3, self.short(number)),
        };
        value.resize(4, 0);
        [self.short(tag), self.short(kind), self.long(1), value].concat()
    }

    /// A TIFF of pages: columns, rows, and their only strip.
    fn write(self, pages: &[(u32, u32, Vec<u8>)]) -> Vec<u8> {
        let mut file = if self.is_big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        let mut at = 8 + self.odd;
        file.extend(self.long(at));
        file.resize(at, 0xAA);
        for (place, (columns, rows, strip)) in pages.iter().enumerate() {
            let number = self.numbers.get(place).map(|number| (297, *number));
            let count = 8 + u32::from(number.is_some()) + 2 * u32::from(self.resolution.is_some());
            let data = at + 2 + 12 * count as usize + 4 + 16;
            let next = data + strip.len() + self.odd;
            let mut directory = self.short(count);
            let mut entries = vec![
                (256, *columns, self.is_long),
                (257, *rows, self.is_long),
                (259, if self.compression == 0 { 4 } else { self.compression }, false),
                (262, 0, false),
                (266, if self.is_lowest_first { 2 } else { 1 }, false),
                (273, u32::try_from(data).unwrap(), true),
                (278, u32::MAX, true),
                (279, u32::try_from(strip.len()).unwrap(), self.is_long),
            ];
            entries.extend(number.map(|(tag, number)| (tag, number, false)));
            for (tag, number, is_long) in entries {
                directory.extend(self.entry(tag, number, is_long));
            }
            for (place, tag) in [(0, 282), (1, 283)] {
                let Some(_) = self.resolution else { continue };
                let rational = [self.short(tag), self.short(5), self.long(1)].concat();
                directory.extend(rational);
                directory.extend(self.long(data - 16 + 8 * place));
            }
            let is_last = place + 1 == pages.len();
            directory.extend(self.long(if is_last { self.last_link as usize } else { next }));
            let (x, y) = self.resolution.unwrap_or((204, 196));
            for number in [x, 1, y, 1] {
                directory.extend(self.long(number as usize));
            }
            file.extend(directory);
            let turn = |byte: &u8| if self.is_lowest_first { byte.reverse_bits() } else { *byte };
            file.extend(strip.iter().map(turn));
            file.resize(next, 0x55);
            at = next;
        }
        file
    }
}

/// Rows with a stroke that wanders, so that each differs from the one above.
fn wandering(columns: u32, rows: u32) -> Raster {
    let mut raster = Raster::new(columns);
    for number in 0..rows {
        let mut row = vec![0; columns.div_ceil(8) as usize];
        for step in 0..7 {
            let column = (number * 5 + step * 311) % columns;
            row[column as usize / 8] |= 0x80 >> (column % 8);
        }
        raster.push(&row);
    }
    raster
}

fn group4(raster: &Raster) -> (u32, u32, Vec<u8>) {
    (raster.columns(), raster.rows(), super::fax_pdf::coded(raster).unwrap())
}

#[test]
fn fax_16_every_sample_is_decoded_as_libtiff_decodes_it() {
    let said = fs::read_to_string(faxes().join("rows.txt")).unwrap();
    let mut expected: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for line in said.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        expected.entry(words[0]).or_default().push(words[2..].to_vec());
    }
    let files = fs::read_dir(faxes()).unwrap().map(|file| file.unwrap().path());
    let count = files.filter(|path| path.extension().is_some_and(|kind| kind == "tif")).count();
    assert_eq!(count, expected.len(), "run scripts/fax-rows");
    for (name, rows) in expected {
        let file = sample(name);
        let decoded: Vec<Vec<String>> = pages(&file)
            .iter()
            .map(|page| {
                assert!(!page.is_damaged, "{name}");
                let raster = &page.raster;
                vec![raster.columns().to_string(), raster.rows().to_string(), digest(raster)]
            })
            .collect();
        assert_eq!(decoded, rows, "{name}");
        let sight = look(&file);
        assert_eq!(
            (sight.form, sight.pages, sight.trouble),
            (DocumentForm::Tiff, 2, None),
            "{name}"
        );
        assert!(sight.damaged.is_empty() && !sight.is_cut, "{name}");
    }
}

#[test]
fn fax_16_every_order_of_bytes_bits_and_pages_is_read() {
    let (first, second) = (wandering(1728, 300), wandering(1728, 200));
    let written = [group4(&first), group4(&second)];
    for turn in 0..32_u8 {
        let is = |bit: u8| turn >> bit & 1 == 1;
        let form = Form {
            is_big_endian: is(0),
            is_lowest_first: is(1),
            is_long: is(2),
            odd: usize::from(is(3)) * 3,
            numbers: if is(4) { &[1, 0] } else { &[] },
            ..Form::default()
        };
        let read = rasters(&form.write(&written));
        let expected = match is(4) {
            true => [second.clone(), first.clone()],
            false => [first.clone(), second.clone()],
        };
        assert_eq!(read, expected, "form {turn:05b}");
    }
}

#[test]
fn fax_14_pages_of_one_row_and_of_twenty_thousand_are_read_and_more_are_not() {
    for (columns, rows) in [(1728, 1), (1728, 74), (2432, 50), (1, 1), (9, 3), (1728, ROWS_MAX)] {
        let raster = wandering(columns, rows);
        let file = Form::default().write(&[group4(&raster)]);
        assert_eq!(rasters(&file), std::slice::from_ref(&raster), "{columns} x {rows}");
        let png = picture(&file, 1, 600).unwrap();
        assert!(png.len() < 2_000_000, "{} bytes", png.len());
    }
    for (columns, rows) in
        [(1728, ROWS_MAX + 1), (60_000, 10), (4864, 19_000), (u32::MAX, u32::MAX)]
    {
        let file = Form::default().write(&[(columns, rows, vec![0x55; 99])]);
        assert_eq!(look(&file).trouble, Some(PageTrouble::TooLarge), "{columns} x {rows}");
        assert!(picture(&file, 1, 600).is_err() && all_pages(&file).is_err());
    }
}

#[test]
fn fax_14_a_chain_of_pages_that_bites_its_tail_ends() {
    let page = group4(&wandering(64, 10));
    let file = Form { last_link: 8, ..Form::default() }.write(&[page.clone(), page.clone()]);
    let sight = look(&file);
    assert_eq!((sight.pages, sight.is_cut, sight.trouble), (2, true, None));
    let file = Form::default().write(&vec![page; 501]);
    assert_eq!(look(&file).trouble, Some(PageTrouble::TooManyPages));
}

#[test]
fn fax_17_a_standard_page_is_stretched_to_the_proportions_of_a_fine_one() {
    for name in ["g4_standard_hylafax", "g4_fine_hylafax", "g3_2d_standard"] {
        let png = picture(&sample(name), 1, 1754).unwrap();
        assert_eq!(size(&png), (1271, 1754), "{name}");
        assert_eq!(png, picture(&sample(name), 1, 1754).unwrap(), "the same bytes again");
    }
    // Without a resolution the columns and the number of rows tell it.
    let rows = |rows| Form::default().write(&[group4(&wandering(1728, rows))]);
    assert_eq!(size(&picture(&rows(1146), 1, 1754).unwrap()), (1271, 1754));
    assert_eq!(size(&picture(&rows(2292), 1, 1754).unwrap()), (1271, 1754));
    let said = Form { resolution: Some((204, 196)), ..Form::default() };
    let short = said.write(&[group4(&wandering(1728, 1146))]);
    assert_eq!(size(&picture(&short, 1, 1754).unwrap()), (1728, 1193));
}

fn size(png: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn fax_18_rows_before_a_fault_stay_and_the_page_is_marked() {
    let raster = wandering(1728, 400);
    let (columns, rows, mut strip) = group4(&raster);
    let middle = strip.len() / 2;
    strip[middle..middle + 40].fill(0);
    let good = group4(&raster);
    let file = Form::default().write(&[good, (columns, rows, strip)]);
    let sight = look(&file);
    assert_eq!((sight.pages, sight.damaged, sight.trouble), (2, vec![2], None));
    let read = rasters(&file);
    let kept = read[1].iter().zip(raster.iter()).take_while(|(read, sent)| read == sent).count();
    assert!((150..250).contains(&kept), "{kept} rows");
    assert!(picture(&file, 2, 1754).is_ok() && all_pages(&file).is_ok());
}

/// T.4 has a mark between rows: one garbled row costs itself, and in two dimensions those that build on
/// it. A row that became longer, and whose last run takes that up, is taken for a good one: nothing in it
/// is wrong.
#[test]
fn fax_18_behind_a_garbled_row_of_group_3_the_page_goes_on() {
    for (name, lost_max) in [("g3_1d_fill_lowest_first", 1), ("g3_2d", 4)] {
        let file = sample(name);
        let whole = rasters(&file);
        let page = tiff::pages(&file).unwrap().pages.remove(0).ok().unwrap();
        let middle = page.strips[0].start + page.strips[0].len() / 2;
        let mut noticed = 0;
        for garbage in [0x11, 0x22, 0x55, 0x66, 0xAA, 0xCC, 0xF1, 0xFF] {
            let mut broken = file.clone();
            broken[middle] = garbage;
            let read = &pages(&broken)[0];
            assert_eq!(read.raster.rows(), whole[0].rows(), "{name} {garbage:x}");
            let differ = read.raster.iter().zip(whole[0].iter()).filter(|(a, b)| a != b).count();
            assert!(differ <= lost_max, "{name} {garbage:x}: {differ} rows differ");
            noticed += usize::from(read.is_damaged);
            let said = if read.is_damaged { vec![1] } else { Vec::new() };
            assert_eq!(look(&broken).damaged, said, "{name} {garbage:x}");
        }
        assert!(noticed >= 1, "{name}: {noticed} garbled rows were noticed");
    }
}

#[test]
fn fax_18_a_file_that_was_cut_is_shown_as_far_as_it_goes() {
    for name in
        ["g4_fine_hylafax", "g3_2d_padded_spandsp", "big_endian_g4", "mh", "g3_strips_of_16"]
    {
        let file = sample(name);
        for part in 1..40 {
            let cut = &file[..file.len() * part / 40];
            let sight = look(cut);
            let is_marked = sight.is_cut || !sight.damaged.is_empty() || sight.trouble.is_some();
            assert!(is_marked, "{name}: {part} of 40 parts look whole");
            assert_eq!(sight.trouble.is_none(), picture(cut, 1, 400).is_ok(), "{name}");
        }
    }
    // The first page comes before the second one's tags.
    let file = sample("g4_standard_hylafax");
    let sight = look(&file[..file.len() - 300]);
    assert_eq!(sight.trouble, None);
    assert!(sight.pages >= 1 && (sight.is_cut || sight.damaged == [2]), "{sight:?}");
}

/// FAX-19: the PDF has the pixels as they came; nothing in it depends on when it was made.
#[test]
fn fax_19_the_pdf_of_a_tiff_has_its_pixels_and_its_size_of_paper() {
    for name in ["g4_fine_hylafax", "g4_standard_hylafax", "mh", "black_is_zero_g3_2d"] {
        let file = sample(name);
        let made = all_pages(&file).unwrap();
        assert_eq!(made, all_pages(&file).unwrap());
        assert!(made.len() < 100_000, "{name}: {} bytes", made.len());
        let pdf = Pdf::new(made).ok().unwrap();
        for (page, raster) in pdf.pages().iter().zip(rasters(&file)) {
            let (width, height) = page.render_dimensions();
            assert!(
                (width - 609.88).abs() < 0.1 && (height - 841.96).abs() < 0.1,
                "{width} {height}"
            );
            let objects: Dict<'_> = page.resources().x_objects.clone();
            let image: Stream<'_> = objects.get(b"Im0".as_slice()).unwrap();
            let drawn = image.decoded().unwrap();
            // A byte for each pixel.
            let bits = |byte: &u8| (0..8).rev().map(|place| byte >> place & 1).collect::<Vec<u8>>();
            let rows: Vec<u8> = raster.iter().flatten().flat_map(bits).collect();
            let is_same =
                drawn.iter().zip(&rows).all(|(drawn, black)| (*drawn == 0) == (*black == 1));
            assert!(drawn.len() == rows.len() && is_same, "{name}: other pixels");
        }
        assert_eq!(pdf.pages().len(), 2);
    }
    assert!(all_pages(b"%PDF-1.4").is_err());
}

#[test]
fn fax_20_a_pdf_without_table_or_trailer_and_half_a_pdf_are_shown() {
    let whole = all_pages(&sample("g4_fine_hylafax")).unwrap();
    let expected = picture(&whole, 1, 800).unwrap();
    let at = |mark: &[u8]| whole.windows(mark.len()).rposition(|place| place == mark).unwrap();
    for (name, cut) in [
        ("without a table", &whole[..at(b"xref\n0")]),
        ("without a trailer", &whole[..at(b"trailer")]),
        ("without its end", &whole[..at(b"startxref")]),
    ] {
        let sight = look(cut);
        assert_eq!((sight.form, sight.is_cut), (DocumentForm::Pdf, true), "{name}");
        assert_eq!((sight.pages, sight.trouble), (2, None), "{name}");
        assert!(picture(cut, 1, 800).unwrap() == expected, "{name}: another picture");
    }
    let sight = look(&whole);
    assert_eq!((sight.pages, sight.is_cut, sight.trouble), (2, false, None));
    // What cannot be shown is said, and never panics here.
    let nothing = look(b"%PDF-1.4\nnothing else");
    assert_eq!((nothing.pages, nothing.trouble), (0, Some(PageTrouble::Unreadable)));
}

#[test]
fn fax_21_what_no_fax_machine_sends_has_a_reason_and_no_picture() {
    let page = group4(&wandering(1728, 20));
    let of =
        |compression| Form { compression, ..Form::default() }.write(std::slice::from_ref(&page));
    for (compression, trouble) in [
        (34661, Some(PageTrouble::Coding)),
        (7, Some(PageTrouble::Coding)),
        (5, Some(PageTrouble::Coding)),
        (4, None),
    ] {
        assert_eq!(look(&of(compression)).trouble, trouble, "compression {compression}");
    }
    // PhotometricInterpretation 2: red, green and blue.
    let mut colour = of(4);
    let tag = 262_u16.to_le_bytes();
    let at = colour.windows(2).position(|place| place == tag).unwrap();
    colour[at + 8] = 2;
    assert_eq!(look(&colour).trouble, Some(PageTrouble::Colour));
    assert!(picture(&colour, 1, 800).is_err() && all_pages(&colour).is_err());
}

#[test]
fn fax_12_fax_13_the_first_bytes_say_what_a_file_is() {
    use DocumentForm::{Foreign, Image, Other, Pdf as PdfFile, PostScript, Tiff};
    for (file, form) in [
        (b"%PDF-1.4".as_slice(), PdfFile),
        (b"junk before %PDF-1.4", PdfFile),
        (b"II*\0\x08\0\0\0", Tiff),
        (b"MM\0*\0\0\0\x08", Tiff),
        (b"%!PS-Adobe-3.0", PostScript),
        (b"GIF89a", Image),
        (b"\x89PNG\r\n\x1A\n", Image),
        (b"PK\x03\x04docx", Foreign),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Foreign),
        (b"\xEF\xBB\xBF <!DOCTYPE HTML>", Foreign),
        (b"<html>", Foreign),
        (b"{\\rtf1", Foreign),
        (b"MZ\x90", Foreign),
        (b"EFX", Other),
        (b"", Other),
    ] {
        assert_eq!(form_of(file), form, "{}", String::from_utf8_lossy(file));
        let sight = look(file);
        assert_eq!(sight.form, form);
        assert_eq!(sight.pages, 0);
    }
}

#[test]
fn fax_14_an_answer_that_lies_is_not_believed() {
    let said = |pages, damaged: &[u32]| DocumentSight {
        form: DocumentForm::Tiff,
        pages,
        damaged: damaged.to_vec(),
        is_cut: false,
        trouble: None,
        says: None,
    };
    assert!(said(2, &[1, 2]).checked().is_some());
    for lie in [said(0, &[]), said(2, &[3]), said(2, &[0]), said(9_000_000, &[]), said(9, &[1; 21])]
    {
        assert_eq!(lie.checked(), None);
    }
}

/// The samples were received by HylaFAX, with a number that called and one that was called. Of two, only the
/// first has the tag in four lines.
#[test]
fn fax_10_a_tiff_and_a_pdf_say_which_numbers_called_and_were_called() {
    let says =
        |file: &[u8]| look(file).says.map(|says| (says.station, says.caller, says.name, says.line));
    let own = |text: &str| text.to_owned();
    let expected =
        Some((own("+49 30 111111"), own("30111111"), own("Test Praxis"), own("030222222")));
    for name in ["g4_standard_hylafax", "g4_fine_hylafax"] {
        assert_eq!(says(&sample(name)), expected, "{name}");
    }
    assert_eq!(says(&sample("g3_2d_real")), None);
    let pdf = |subject: &str| {
        format!(
            "%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n\
             2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n\
             3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 200 300]>> endobj\n\
             4 0 obj <</Subject {subject}>> endobj\n\
             trailer <</Root 1 0 R/Info 4 0 R>>\n%%EOF\n"
        )
    };
    let written = pdf("(+49 30 111111\\01230111111\\012Test Praxis\\012030222222)");
    assert_eq!(says(written.as_bytes()), expected);
    for other in [
        "(Befund)",
        "()",
        &format!("({})", "\\012".repeat(9)),
        &format!("(\\012\\012\\012{})", "1".repeat(2000)),
    ] {
        assert_eq!(says(pdf(other).as_bytes()), None, "{other}");
    }
}

/// Writes the pictures for a person to look at: `UMSTIEG_PICTURES` names the folder.
#[test]
fn fax_17_the_pictures_of_the_samples_for_a_person() {
    let Ok(folder) = std::env::var("UMSTIEG_PICTURES") else { return };
    let text = "Kalium 4,1 mmol/l, Größe ≥ 5 µg, 1 Tbl. 1-0-1\n".repeat(30);
    let letter = super::letter_pdf(&super::FaxPage { text, ..super::FaxPage::default() }).unwrap();
    fs::write(Path::new(&folder).join("letter.png"), picture(&letter, 1, 1754).unwrap()).unwrap();
    for name in ["g4_standard_hylafax", "g4_fine_hylafax", "mh", "black_is_zero_g3_2d"] {
        let file = sample(name);
        for (kind, file) in [("tiff", file.clone()), ("pdf", all_pages(&file).unwrap())] {
            let png = picture(&file, 1, 1754).unwrap();
            fs::write(Path::new(&folder).join(format!("{name}_{kind}.png")), png).unwrap();
        }
    }
}

/// A TIFF of one page: columns, rows, its only strip; and how many of both an inch has.
pub(super) fn tiff_of(page: (u32, u32, Vec<u8>), per_inch: (u32, u32)) -> Vec<u8> {
    Form { resolution: Some(per_inch), ..Form::default() }.write(&[page])
}
