//! Pictures for people to look at: shades of grey as a PNG.

use super::DocumentError;

/// Pixels of one picture: the longest pages are shown in as many.
pub(super) const PICTURE_PIXELS_MAX: u64 = 24_000_000;

/// How many times as high as the usual picture that of a very long page may be: it stays readable,
/// and a client can still show it.
const LONG_PAGE_MAX: f64 = 4.0;

/// The height of an A4 page in inches.
const A4_INCHES: f64 = 11.7;

/// A picture in shades of grey, one byte each; 255 is white.
pub(super) struct Grey {
    width: u32,
    height: u32,
    shades: Vec<u8>,
}

impl Grey {
    /// A picture of these shades, row by row; what is missing of it is white.
    pub(super) fn new((width, height): (u32, u32), mut shades: Vec<u8>) -> Self {
        let pixels = u64::from(width) * u64::from(height);
        shades.resize(usize::try_from(pixels).unwrap_or_default(), 255);
        Self { width, height, shades }
    }

    pub(super) fn shades(&self) -> &[u8] {
        &self.shades
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// A PGM: a short head and the shades as they are, so that who reads it needs to decode nothing.
    pub(super) fn pgm(&self) -> Vec<u8> {
        let mut made = format!("P5\n{} {}\n255\n", self.width, self.height).into_bytes();
        made.extend_from_slice(&self.shades);
        made
    }

    /// A PNG of sixteen shades: what is printed looks the same in them, and takes half the bytes. The
    /// same picture gives the same bytes.
    pub(super) fn png(&self) -> Result<Vec<u8>, DocumentError> {
        let width = usize::try_from(self.width).unwrap_or_default();
        let pairs = self.shades.chunks(width.max(1)).flat_map(|row| row.chunks(2));
        let packed: Vec<u8> = pairs
            .map(|pair| match *pair {
                [left, right] => sixteenth(left) << 4 | sixteenth(right),
                [left] => sixteenth(left) << 4 | 15,
                _ => 0xFF,
            })
            .collect();
        let mut made = Vec::new();
        let mut encoder = png::Encoder::new(&mut made, self.width, self.height);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Four);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&packed))
            .map_err(|_| DocumentError::NotWritten)?;
        Ok(made)
    }
}

fn sixteenth(shade: u8) -> u8 {
    u8::try_from((u16::from(shade) * 15 + 127) / 255).unwrap_or(15)
}

/// The size of the picture of a page of so many inches, with a long edge of `edge` pixels, and never
/// larger than `most` pixels per inch.
pub(super) fn picture_size((wide, high): (f64, f64), edge: u32, most: f64) -> (u32, u32) {
    let edge = f64::from(edge);
    let long = wide.max(high);
    // A page longer than A4 may have a longer picture, so that its words are as large.
    let per_inch = (edge / long.min(A4_INCHES)).min(LONG_PAGE_MAX * edge / long).min(most);
    (pixels(wide * per_inch), pixels(high * per_inch))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and what a picture may have"
)]
fn pixels(length: f64) -> u32 {
    length.round().clamp(1.0, 65_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FAX-17: the proportions are those of the paper, whatever the resolution.
    #[test]
    fn fax_17_the_picture_has_the_proportions_of_the_paper() {
        let fax =
            |rows: f64, per_inch: f64| picture_size((1728.0 / 204.0, rows / per_inch), 1754, 204.0);
        assert_eq!(fax(2292.0, 196.0), (1271, 1754));
        assert_eq!(fax(1146.0, 98.0), (1271, 1754));
        // A strip of 74 rows is not blown up beyond its columns.
        assert_eq!(fax(74.0, 98.0), (1728, 154));
        assert_eq!(fax(1.0, 98.0), (1728, 2));
        let (width, height) = fax(20_000.0, 196.0);
        assert_eq!(height, 4 * 1754);
        assert!(width > 500, "{width} columns of a very long page");
    }
}
