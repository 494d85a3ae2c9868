//! The pages of a PDF, drawn.

use std::sync::Arc;

use hayro::{
    RenderCache, RenderSettings,
    hayro_interpret::InterpreterSettings,
    hayro_syntax::{LoadPdfError, Pdf},
    vello_cpu::color::palette::css::WHITE,
};

use super::{
    DocumentError, pdf_sound,
    pixels::{Grey, picture_size},
};
use crate::model::{PageTrouble, SEEN_PAGES_MAX};

/// Points of an inch.
const POINTS: f64 = 72.0;

/// Pixels per inch of a picture: no more than of a fax, however small its page.
const PER_INCH_MAX: f64 = 204.0;

/// How far from its end the mark of a PDF's end stands: some programs write something behind it.
const END_WITHIN: usize = 2048;

/// The longest subject that is looked at: four lines take less.
const SUBJECT_BYTES_MAX: usize = 1024;

/// A PDF whose pages can be counted, also one without a table or trailer: the reader then looks for
/// its objects (FAX-20).
pub(super) struct PdfPages(Pdf);

impl PdfPages {
    pub(super) fn of(file: &[u8]) -> Result<Self, PageTrouble> {
        match Pdf::new(Arc::new(file.to_vec())) {
            Ok(pdf) if pdf.pages().len() > SEEN_PAGES_MAX => Err(PageTrouble::TooManyPages),
            Ok(pdf) if !pdf.pages().is_empty() => Ok(Self(pdf)),
            Err(LoadPdfError::Decryption(_)) => Err(PageTrouble::Encrypted),
            _ => Err(PageTrouble::Unreadable),
        }
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.pages().len()).unwrap_or(u32::MAX)
    }

    /// What the document says it is about, as a reader shows it: bytes as Latin-1, or UTF-16 behind its mark
    /// (ISO 32000-1 §7.9.2.2). At most [`SUBJECT_BYTES_MAX`] bytes of it.
    pub(super) fn subject(&self) -> Option<String> {
        let subject = self.0.metadata().subject.as_ref()?;
        let bytes = subject.get(..subject.len().min(SUBJECT_BYTES_MAX))?;
        Some(match bytes.strip_prefix(b"\xFE\xFF") {
            Some(units) => {
                let units = units.as_chunks().0.iter().map(|unit| u16::from_be_bytes(*unit));
                char::decode_utf16(units).map(|c| c.unwrap_or('\u{FFFD}')).collect()
            }
            None => bytes.iter().map(|byte| char::from(*byte)).collect(),
        })
    }

    /// The numbers of the pages that are not whole, as far as that can be told (FAX-18).
    pub(super) fn damaged(&self) -> Vec<u32> {
        pdf_sound::damaged(&self.0)
    }

    /// A picture of the page at this place, from 0.
    pub(super) fn picture(&self, at: usize, edge: u32) -> Result<Grey, DocumentError> {
        let page = self.0.pages().get(at).ok_or(DocumentError::Empty)?;
        let (width, height) = page.render_dimensions();
        let is_size = |points: f32| points.is_finite() && (1.0..=20_000.0).contains(&points);
        if !is_size(width) || !is_size(height) {
            return Err(DocumentError::Unreadable { index: 0 });
        }
        let inches = (f64::from(width) / POINTS, f64::from(height) / POINTS);
        let (wide, high) = picture_size(inches, edge, PER_INCH_MAX);
        let fits = |pixels: u32| u16::try_from(pixels).map_err(|_| DocumentError::TooLarge);
        let settings = RenderSettings {
            x_scale: scale(wide, width),
            y_scale: scale(high, height),
            width: Some(fits(wide)?),
            height: Some(fits(high)?),
            bg_color: WHITE,
        };
        let pixmap =
            hayro::render(page, &RenderCache::new(), &InterpreterSettings::default(), &settings);
        let shades = pixmap.data().iter().map(|pixel| luminance(pixel.r, pixel.g, pixel.b));
        Ok(Grey::new((wide, high), shades.collect()))
    }
}

/// Whether the end of the file is missing: a PDF ends with a mark (ISO 32000-1 §7.5.5). Some gateways
/// write none, and their pages are nevertheless all there; nobody can tell.
pub(super) fn is_cut(file: &[u8]) -> bool {
    let tail = file.get(file.len().saturating_sub(END_WITHIN)..).unwrap_or(file);
    !tail.windows(5).any(|mark| mark == b"%%EOF")
}

/// Rec. 601, in integers, so that the same page gives the same bytes.
fn luminance(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    u8::try_from(sum / 1000).unwrap_or(255)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a few thousand pixels over a few hundred points"
)]
fn scale(pixels: u32, points: f32) -> f32 {
    (f64::from(pixels) / f64::from(points)) as f32
}
