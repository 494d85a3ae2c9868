//! Pictures with transparent places, put on white paper.
//!
//! A gateway that does not know transparency prints what lies under it, mostly black; and colours under
//! transparent places would be in the document without being printed (FAX-26).

use krilla::image::Image;
use png::{ColorType, Decoder, Transformations};
use std::io::Cursor;

/// Larger pictures stay as they are: on white they take four bytes for each pixel.
const OPAQUE_PIXELS_MAX: u64 = 16_000_000;

/// The picture on white; nothing for one without transparent places, and one that cannot be read.
pub(super) fn on_white(png: &[u8]) -> Option<Image> {
    let mut decoder = Decoder::new(Cursor::new(png));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().ok()?;
    let (width, height) = (reader.info().width, reader.info().height);
    let (color, _) = reader.output_color_type();
    let channels = match color {
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgba => 4,
        ColorType::Grayscale | ColorType::Rgb | ColorType::Indexed => return None,
    };
    if u64::from(width) * u64::from(height) > OPAQUE_PIXELS_MAX {
        return None;
    }
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut pixels).ok()?;
    pixels.truncate(frame.buffer_size());
    let mut opaque = Vec::with_capacity(pixels.len() / channels * 4);
    for pixel in pixels.chunks_exact(channels) {
        let Some((&alpha, shades)) = pixel.split_last() else { continue };
        let paper = |shade: u8| {
            let alpha = u32::from(alpha);
            u8::try_from((u32::from(shade) * alpha + 255 * (255 - alpha)) / 255).unwrap_or(255)
        };
        match shades {
            [grey] => opaque.extend([paper(*grey); 3]),
            shades => opaque.extend(shades.iter().map(|shade| paper(*shade))),
        }
        opaque.push(255);
    }
    let bytes = u64::from(width) * u64::from(height) * 4;
    (u64::try_from(opaque.len()) == Ok(bytes)).then(|| Image::from_rgba8(opaque, width, height))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{PAGES_MAX, fax, picture};

    /// A picture with black under everything: a strip that is not transparent, and the rest that is.
    fn png(color: png::ColorType, pixel: &[u8], clear: &[u8]) -> Bytes {
        let mut made = Vec::new();
        let mut encoder = png::Encoder::new(&mut made, 100, 100);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        let rows: Vec<u8> = (0..100 * 100)
            .flat_map(|at| if at < 20 * 100 { pixel } else { clear }.to_vec())
            .collect();
        encoder.write_header().unwrap().write_image_data(&rows).unwrap();
        made.into()
    }

    /// The share of dark pixels of the page.
    fn dark(file: &Bytes) -> f64 {
        let made = fax(None, std::slice::from_ref(file), PAGES_MAX, &mut |_| {}).unwrap();
        assert!(!made.bytes.windows(6).any(|name| name == b"/SMask"), "nothing is transparent");
        let shown = picture(&made.bytes, 1, 1000).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(shown)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let nibbles = pixels.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let dark = nibbles.filter(|shade| *shade < 8).count();
        f64::from(u32::try_from(dark).unwrap())
            / f64::from(u32::try_from(pixels.len() * 2).unwrap())
    }

    /// FAX-26: what is transparent is paper, not black, and what lies under it is not in the document.
    #[test]
    fn fax_26_transparent_places_are_white_paper() {
        for (color, pixel, clear) in [
            (png::ColorType::Rgba, &[0, 0, 0, 255][..], &[0, 0, 0, 0][..]),
            (png::ColorType::GrayscaleAlpha, &[0, 255][..], &[0, 0][..]),
        ] {
            let share = dark(&png(color, pixel, clear));
            assert!((0.05..0.25).contains(&share), "{share}");
        }
        // Half transparent black is grey, and stays to be seen.
        assert!(dark(&png(png::ColorType::Rgba, &[0, 0, 0, 200], &[0, 0, 0, 0])) > 0.05);
    }
}
