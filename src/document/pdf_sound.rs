//! Whether what a page of a PDF shows can be read: what it draws from, and its images.
//!
//! A renderer shows an image that it cannot decode as nothing, and the rest of one that breaks off as white or
//! black: the page looks whole. So each image is decoded once, before it is shown, and a page that draws one
//! that is not whole is marked (FAX-18).

use std::collections::HashMap;

use hayro_syntax::{
    Filter, Pdf,
    content::{TypedIter, ops::TypedInstruction},
    object::{
        Dict, Name, Object, ObjectIdentifier, Stream,
        stream::{FilterResult, ImageDecodeParams},
    },
    page::{Page, Resources},
};

/// How deep drawings may lie within each other.
const DEPTH_MAX: usize = 8;

/// Pixels that are decoded of one file, so that a look stays quick: those of about a hundred pages of a fax.
/// Images behind them are shown unchecked.
const PIXELS_MAX: u64 = 400_000_000;

/// Pixels of one image in a coding of photos; a fax has none of this size, and decoding it takes much memory.
const PHOTO_PIXELS_MAX: u64 = 40_000_000;

/// How far from its end a JPEG has the mark of its end.
const JPEG_END_WITHIN: usize = 512;

/// The numbers of the pages, from 1, that are not whole.
pub(super) fn damaged(pdf: &Pdf) -> Vec<u32> {
    let mut look = SoundLook { left: PIXELS_MAX, known: HashMap::new() };
    let pages = (1..).zip(pdf.pages().iter());
    pages.filter(|(_, page)| !look.is_whole_page(page)).map(|(number, _)| number).collect()
}

struct SoundLook {
    /// Pixels that may still be decoded.
    left: u64,
    /// Drawings and images that were looked at, and whether they are whole: pages share them.
    known: HashMap<ObjectIdentifier, bool>,
}

impl SoundLook {
    fn is_whole_page(&mut self, page: &Page<'_>) -> bool {
        if !page.raw().contains_key(b"Contents".as_slice()) {
            // An empty page has none.
            return true;
        }
        let parts: Vec<Stream<'_>> = match page.raw().get::<Object<'_>>(b"Contents".as_slice()) {
            Some(Object::Stream(stream)) => vec![stream],
            Some(Object::Array(array)) => {
                let all: Vec<Stream<'_>> = array.iter::<Stream<'_>>().collect();
                if all.len() < array.raw_iter().count() {
                    return false;
                }
                all
            }
            _ => return false,
        };
        parts.iter().all(|part| content(part).is_some())
            && page.page_stream().is_some_and(|drawn| self.is_whole(drawn, page.resources(), 0))
    }

    /// Whether all that is drawn with these instructions is there.
    fn is_whole(&mut self, drawn: &[u8], resources: &Resources<'_>, depth: usize) -> bool {
        let mut instructions = TypedIter::new(drawn);
        let mut is_whole = true;
        while let Some(instruction) = instructions.next() {
            is_whole &= match instruction {
                TypedInstruction::XObject(named) => match resources.get_x_object(named.0) {
                    Some(object) => self.is_whole_object(&object, resources, depth),
                    None => false,
                },
                TypedInstruction::InlineImage(image) => self.is_whole_image(image.0),
                _ => true,
            };
        }
        is_whole
    }

    fn is_whole_object(
        &mut self,
        object: &Stream<'_>,
        resources: &Resources<'_>,
        depth: usize,
    ) -> bool {
        if let Some(known) = self.known.get(&object.obj_id()) {
            return *known;
        }
        // Should it draw itself, its other instructions decide.
        self.known.insert(object.obj_id(), true);
        let kind = object.dict().get::<Name<'_>>(b"Subtype".as_slice());
        let is_whole = match kind.as_deref() {
            Some(b"Image") => self.is_whole_image(object),
            Some(b"Form") if depth < DEPTH_MAX => content(object).is_some_and(|drawn| {
                let own = object.dict().get::<Dict<'_>>(b"Resources".as_slice());
                let own = Resources::from_parent(own.unwrap_or_default(), resources.clone());
                self.is_whole(&drawn, &own, depth + 1)
            }),
            _ => true,
        };
        self.known.insert(object.obj_id(), is_whole);
        is_whole
    }

    fn is_whole_image(&mut self, image: &Stream<'_>) -> bool {
        let dict = image.dict();
        let number = |long: &[u8], short: &[u8]| {
            dict.get::<u32>(long).or_else(|| dict.get::<u32>(short)).unwrap_or_default()
        };
        let (width, height) = (number(b"Width", b"W"), number(b"Height", b"H"));
        if width == 0 || height == 0 || !knows_filters(image) {
            return false;
        }
        let filters = image.filters();
        let pixels = u64::from(width) * u64::from(height);
        let (weight, is_photo) = match filters.last() {
            Some(Filter::JpxDecode) => (8, true),
            Some(Filter::DctDecode) => (2, true),
            Some(Filter::CcittFaxDecode | Filter::Jbig2Decode) => (1, false),
            _ => (1, true),
        };
        if is_photo && pixels > PHOTO_PIXELS_MAX {
            return true;
        }
        let Some(left) = self.left.checked_sub(pixels.saturating_mul(weight)) else { return true };
        self.left = left;
        if filters.as_slice() == [Filter::DctDecode] && !has_jpeg_end(&image.raw_data()) {
            return false;
        }
        let bits = match number(b"BitsPerComponent", b"BPC") {
            0 => 1,
            bits => bits,
        };
        let params = ImageDecodeParams {
            // Eight pixels in a byte: it takes less memory.
            is_indexed: filters.last() == Some(&Filter::CcittFaxDecode),
            bpc: u8::try_from(bits).ok(),
            num_components: None,
            target_dimension: None,
            width,
            height,
        };
        let Ok(decoded) = image.decoded_image(&params) else { return false };
        has_all_rows(&decoded, (width, height), bits)
    }
}

/// Whether what was decoded is as long as the image says at least.
fn has_all_rows(decoded: &FilterResult<'_>, (width, height): (u32, u32), bits: u32) -> bool {
    let (columns, rows, bits) = match &decoded.image_data {
        // The sizes that its own coding names count.
        Some(image) => (image.width, image.height, u32::from(image.bits_per_component)),
        None => (width, height, bits),
    };
    let row = (u64::from(columns) * u64::from(bits)).div_ceil(8);
    decoded.data.len() as u64 >= row * u64::from(rows)
}

/// The decoded instructions of a page or of a drawing; nothing if they cannot be read.
fn content<'a>(stream: &Stream<'a>) -> Option<std::borrow::Cow<'a, [u8]>> {
    let drawn = stream.decoded().ok().filter(|_| knows_filters(stream))?;
    (!drawn.is_empty() || stream.raw_data().is_empty()).then_some(drawn)
}

/// Whether the reader knows each coding of a stream: it passes over one that it does not know, as if it were
/// none.
fn knows_filters(stream: &Stream<'_>) -> bool {
    let dict = stream.dict();
    let named = dict
        .get::<Object<'_>>(b"Filter".as_slice())
        .or_else(|| dict.get::<Object<'_>>(b"F".as_slice()));
    let count = match named {
        Some(Object::Name(_)) => 1,
        Some(Object::Array(names)) => names.raw_iter().count(),
        _ => 0,
    };
    count == stream.filters().len()
}

fn has_jpeg_end(data: &[u8]) -> bool {
    let tail = data.get(data.len().saturating_sub(JPEG_END_WITHIN)..).unwrap_or(data);
    tail.windows(2).any(|mark| mark == b"\xFF\xD9")
}
