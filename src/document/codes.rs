//! The barcodes of a page. Pure.
//!
//! The page is foreign: this runs in `crate::sandbox`, which ends what takes too long.

use rxing::{
    BarcodeFormat, BinaryBitmap, DecodeHints, Luma8LuminanceSource, RXingResult, Reader as _,
    aztec::AztecReader, common::HybridBinarizer, helpers::detect_multiple_in_luma_with_hints,
};

use super::{
    DocumentError,
    pixels::Grey,
    seen::{SCAN_EDGE, grey},
};
use crate::model::{CODES_MAX, CodeForm, PageCode};

/// The kinds that are looked for. Others (EAN, ITF) have next to no check: text would be taken for one.
const FORMS: [(BarcodeFormat, CodeForm); 6] = [
    (BarcodeFormat::DATA_MATRIX, CodeForm::DataMatrix),
    (BarcodeFormat::QR_CODE, CodeForm::Qr),
    (BarcodeFormat::AZTEC, CodeForm::Aztec),
    (BarcodeFormat::PDF_417, CodeForm::Pdf417),
    (BarcodeFormat::CODE_128, CodeForm::Code128),
    (BarcodeFormat::CODE_39, CodeForm::Code39),
];

/// A Code 39 has no check digit, and a few letters of a page may look like a short one.
const CODE_39_CHARS_MIN: usize = 6;

/// The barcodes of a page, counted from 1, at most [`CODES_MAX`], each once. Errors are those of
/// [`super::picture`].
///
/// What is found is true in so far as a code has a check; a code that is not found may be there.
pub fn codes(file: &[u8], page: u32) -> Result<Vec<PageCode>, DocumentError> {
    Ok(codes_of(&grey(file, page, SCAN_EDGE)?))
}

fn codes_of(page: &Grey) -> Vec<PageCode> {
    let (width, height) = page.size();
    let shades = page.shades();
    let mut found = Vec::new();
    for (format, form) in FORMS {
        let results = match form {
            CodeForm::Aztec => in_windows(shades, width, height),
            _ => {
                let mut hints = DecodeHints {
                    PossibleFormats: Some([format].into()),
                    TryHarder: Some(true),
                    ..DecodeHints::default()
                };
                // An error says that there is none.
                detect_multiple_in_luma_with_hints(shades.to_vec(), width, height, &mut hints)
                    .unwrap_or_default()
            }
        };
        for result in results {
            let code = PageCode { form, text: result.getText().to_owned() };
            let is_long = form != CodeForm::Code39 || code.text.len() >= CODE_39_CHARS_MIN;
            if code.is_sane() && is_long && !found.contains(&code) && found.len() < CODES_MAX {
                found.push(code);
            }
        }
    }
    found
}

/// Edge of the windows in which an Aztec code is looked for, in pixels: two and a half centimetres.
const WINDOW: u32 = 360;

/// From one window to the next: the smallest mark in the middle of a code is larger.
const WINDOW_STEP: u32 = 60;

/// Of so many pixels one is looked at to see whether a window is worth reading; no divisor of its edge.
const SAMPLED: usize = 7;

/// The reader of Aztec codes looks around the middle of its picture only, so that it is shown many.
fn in_windows(shades: &[u8], width: u32, height: u32) -> Vec<RXingResult> {
    let mut found = Vec::new();
    let places = |length: u32| {
        (0..length.saturating_sub(WINDOW / 2))
            .step_by(usize::try_from(WINDOW_STEP).unwrap_or(usize::MAX))
    };
    for top in places(height) {
        for left in places(width) {
            let window = window(shades, width, (left, top));
            // Most of a page is white, and a code is half black.
            let some = window.iter().step_by(SAMPLED);
            let black = some.filter(|shade| **shade < 128).count();
            if black * SAMPLED * 12 < window.len() {
                continue;
            }
            let Ok(source) = Luma8LuminanceSource::new(window, WINDOW, WINDOW) else { continue };
            let mut bitmap = BinaryBitmap::new(HybridBinarizer::new(source));
            found.extend(AztecReader.decode(&mut bitmap));
            if found.len() >= CODES_MAX {
                return found;
            }
        }
    }
    found
}

/// A square of a page; white where the page ends.
fn window(shades: &[u8], width: u32, (left, top): (u32, u32)) -> Vec<u8> {
    let at = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let mut window = Vec::with_capacity(at(WINDOW) * at(WINDOW));
    for row in shades.chunks(at(width.max(1))).skip(at(top)).take(at(WINDOW)) {
        let begun = window.len();
        let end = at(left).saturating_add(at(WINDOW)).min(row.len());
        window.extend_from_slice(row.get(at(left)..end).unwrap_or_default());
        window.resize(begun + at(WINDOW), 255);
    }
    window.resize(at(WINDOW) * at(WINDOW), 255);
    window
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use rxing::{EncodeHints, MultiFormatWriter, Writer as _, common::BitMatrix};

    use super::*;
    use crate::document::{
        FaxLabels, FaxPage, letter_pdf, page_tests::tiff_of, raster::Raster, seen,
    };

    /// Columns per inch of a fax.
    const ACROSS: u32 = 204;

    /// As the forms of statutory health insurance print it: fields with tabulators between them.
    const FORM: &str = "02a05\tMuster\tErika\t19400324\t721111100\t123456601\t20261101";

    const PLAN: &str = "<MP v=\"026\" U=\"0123456789ABCDEF0123456789ABCDEF\" l=\"de-DE\">\
        <P g=\"Erika\" f=\"Muster\" b=\"19400324\"/><A lanr=\"123456601\" n=\"Praxis Dr. Beispiel\" \
        s=\"Weg 1\" z=\"10555\" c=\"Berlin\" p=\"030 1234567\" t=\"2026-11-01T12:00:00\"/><S>\
        <M p=\"230272\" m=\"1\" du=\"1\" r=\"Blutdruck\"/></S></MP>";

    fn matrix(text: &str, format: BarcodeFormat) -> BitMatrix {
        let hints = EncodeHints::default();
        MultiFormatWriter.encode_with_hints(text, &format, 0, 0, &hints).unwrap()
    }

    /// A page full of text in shades of grey, with its size. Drawn once: that takes a while.
    fn text_page() -> &'static (u32, u32, Vec<u8>) {
        static PAGE: OnceLock<(u32, u32, Vec<u8>)> = OnceLock::new();
        PAGE.get_or_init(|| {
            let text = "Guten Tag, anbei der Befund vom 3.11.2026 mit 5 mg Ramipril.\n".repeat(40);
            let (sender, labels) = ("Praxis".to_owned(), FaxLabels::default());
            let pdf = letter_pdf(&FaxPage { text, sender, labels, ..FaxPage::default() }).unwrap();
            let grey = seen::grey(&pdf, 1, SCAN_EDGE).unwrap();
            let (width, height) = grey.size();
            (width, height, grey.shades().to_vec())
        })
    }

    /// A code on a page: its modules, their width in millimetres and how many times as high they are, and
    /// where it stands, in millimetres.
    struct OnPage<'a> {
        code: &'a BitMatrix,
        module: (f64, f64),
        place: (f64, f64),
    }

    impl OnPage<'_> {
        /// Whether the code is black at a place of the page; nothing where it is not.
        fn is_black(&self, (x, y): (f64, f64)) -> Option<bool> {
            let (module, high) = self.module;
            let at = ((x - self.place.0) / module, (y - self.place.1) / (module * high));
            let size = (f64::from(self.code.getWidth()), f64::from(self.code.getHeight()));
            let is_within = |at: f64, size: f64| (0.0..size).contains(&at);
            // White around it, as it is printed.
            let is_beside = |at: f64, size: f64| (-4.0..size + 4.0).contains(&at);
            if is_within(at.0, size.0) && is_within(at.1, size.1) {
                return Some(self.code.get(whole(at.0), whole(at.1)));
            }
            (is_beside(at.0, size.0) && is_beside(at.1, size.1)).then_some(false)
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place on a page is no less than 0 and small"
    )]
    fn whole(place: f64) -> u32 {
        place as u32
    }

    /// A page of text with a code on it, as a machine with so many rows per inch scans it.
    fn page(code: Option<&OnPage<'_>>, per_inch: u32) -> Vec<u8> {
        let (width, height, shades) = text_page();
        let millimetres =
            |dots: u32, per_inch: u32| (f64::from(dots) + 0.5) / f64::from(per_inch) * 25.4;
        let rows = height * per_inch / ACROSS;
        let mut raster = Raster::new(1728);
        for y in 0..rows {
            let mut row = vec![0_u8; 216];
            for x in 0..1728_u32 {
                let at = (y * height / rows) * width + x.min(width - 1);
                let place = (millimetres(x, ACROSS), millimetres(y, per_inch));
                let of_code = code.and_then(|code| code.is_black(place));
                if of_code.unwrap_or_else(|| shades[at as usize] < 128) {
                    row[x as usize / 8] |= 0x80 >> (x % 8);
                }
            }
            raster.push(&row);
        }
        let strip = crate::document::fax_pdf::coded(&raster).unwrap();
        tiff_of((1728, rows, strip), (ACROSS, per_inch))
    }

    #[track_caller]
    fn check(text: &str, format: BarcodeFormat, form: CodeForm, module: (f64, f64)) {
        let code = matrix(text, format);
        let on_page = OnPage { code: &code, module, place: (110.0, 20.0) };
        for per_inch in [196, 98] {
            let file = page(Some(&on_page), per_inch);
            let expected = vec![PageCode { form, text: text.to_owned() }];
            assert_eq!(codes(&file, 1).unwrap(), expected, "{form:?} at {per_inch} rows");
        }
    }

    /// The sizes are those of printed forms: a medication plan has modules of 0.4 mm and more.
    #[test]
    fn fax_10_every_kind_of_barcode_is_read_on_a_coarse_and_on_a_fine_page() {
        check(PLAN, BarcodeFormat::DATA_MATRIX, CodeForm::DataMatrix, (0.4, 1.0));
        check("https://praxis.example/x", BarcodeFormat::QR_CODE, CodeForm::Qr, (0.5, 1.0));
        check("Befund 12345", BarcodeFormat::AZTEC, CodeForm::Aztec, (0.6, 1.0));
        check(FORM, BarcodeFormat::PDF_417, CodeForm::Pdf417, (0.33, 1.0));
        check("A123456789", BarcodeFormat::CODE_128, CodeForm::Code128, (0.33, 30.0));
        check("A123456789", BarcodeFormat::CODE_39, CodeForm::Code39, (0.33, 30.0));
    }

    #[test]
    fn fax_10_a_page_of_text_has_no_barcode() {
        for per_inch in [196, 98] {
            assert_eq!(codes(&page(None, per_inch), 1), Ok(Vec::new()));
        }
    }

    #[test]
    fn fax_10_a_code_is_read_however_the_page_lies() {
        let code = matrix(PLAN, BarcodeFormat::DATA_MATRIX);
        let on_page = OnPage { code: &code, module: (0.5, 1.0), place: (20.0, 200.0) };
        let file = page(Some(&on_page), 196);
        let grey = seen::grey(&file, 1, SCAN_EDGE).unwrap();
        let (width, height) = grey.size();
        let shades = grey.shades();
        let turned = Grey::new((width, height), shades.iter().rev().copied().collect());
        assert_eq!(codes_of(&turned), codes_of(&grey));
        assert_eq!(codes_of(&turned).len(), 1);
    }
}
