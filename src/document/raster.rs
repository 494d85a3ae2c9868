//! A page of black and white, and its picture.

use super::{image_turn::Lie, pixels::Grey};

/// A page of black and white: a bit for each pixel, rows at bytes, the highest bit first, 1 is black.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raster {
    columns: u32,
    row_bytes: usize,
    bits: Vec<u8>,
}

impl Raster {
    pub(super) fn new(columns: u32) -> Self {
        let row_bytes = usize::try_from(columns.div_ceil(8)).unwrap_or(usize::MAX);
        Self { columns, row_bytes, bits: Vec::new() }
    }

    pub(super) fn columns(&self) -> u32 {
        self.columns
    }

    pub(super) fn rows(&self) -> u32 {
        u32::try_from(self.bits.len() / self.row_bytes.max(1)).unwrap_or(u32::MAX)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bits.chunks_exact(self.row_bytes.max(1))
    }

    /// Adds a row; what is missing of it is white.
    pub(super) fn push(&mut self, row: &[u8]) {
        let end = self.bits.len() + self.row_bytes;
        self.bits.extend(row.iter().take(self.row_bytes));
        self.bits.resize(end, 0);
    }

    /// Adds the last row once more, or a white one where there is none.
    pub(super) fn repeat_last(&mut self) {
        let begin = self.bits.len().saturating_sub(self.row_bytes);
        let last = self.bits.get(begin..).map(<[u8]>::to_vec).unwrap_or_default();
        self.push(&last);
    }

    /// Adds white rows.
    pub(super) fn push_white(&mut self, rows: u32) {
        for _ in 0..rows {
            self.push(&[]);
        }
    }

    /// Black for white. The bits behind the last column stay white.
    pub(super) fn invert(&mut self) {
        let behind = u32::try_from(self.row_bytes * 8).unwrap_or(u32::MAX) - self.columns;
        for row in self.bits.chunks_exact_mut(self.row_bytes.max(1)) {
            for byte in &mut *row {
                *byte = !*byte;
            }
            if let Some(last) = row.last_mut() {
                *last &= 0xFF_u8.checked_shl(behind).unwrap_or_default();
            }
        }
    }

    /// The page as it is to be seen, from how its rows lie.
    pub(super) fn laid(self, lie: Lie) -> Self {
        if lie == Lie::default() {
            return self;
        }
        let (columns, rows) = (self.columns, self.rows());
        let (wide, high) = if lie.is_on_side() { (rows, columns) } else { (columns, rows) };
        let mut laid = Self::new(wide);
        for y in 0..high {
            let mut row = vec![0_u8; laid.row_bytes];
            for x in 0..wide {
                let (from_x, from_y) = lie.source((x, y), (columns, rows));
                let byte = usize::try_from(x / 8).ok().and_then(|at| row.get_mut(at));
                if let Some(byte) = byte
                    && self.is_black(from_x, from_y)
                {
                    *byte |= 0x80 >> (x % 8);
                }
            }
            laid.push(&row);
        }
        laid
    }

    fn is_black(&self, x: u32, y: u32) -> bool {
        let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let at = place(y).saturating_mul(self.row_bytes).saturating_add(place(x / 8));
        self.bits.get(at).is_some_and(|byte| byte & (0x80 >> (x % 8)) != 0)
    }

    /// A picture of it in `width` times `height` pixels. Each is as dark as the part of it that is
    /// black, and a little darker: a stroke thinner than a pixel has to be seen.
    pub(super) fn picture(&self, width: u32, height: u32) -> Grey {
        let (columns, rows) = (f64::from(self.columns), f64::from(self.rows()));
        let mut shades = Vec::new();
        let (Some(wide), Some(high)) = (fraction(columns, width), fraction(rows, height)) else {
            return Grey::new((width, height), shades);
        };
        let mut sums = vec![0.0_f32; usize::try_from(width).unwrap_or_default()];
        let mut target = 0_u32;
        for (number, row) in (0_u32..).zip(self.iter()) {
            let covered = coverage(row, self.columns, width, wide);
            let (mut top, bottom) = (f64::from(number), f64::from(number) + 1.0);
            // A row may belong to several rows of the picture, or to a part of one.
            while top < bottom && target < height {
                let end = f64::from(target + 1) * high;
                let part = to_f32(bottom.min(end) - top);
                for (sum, covered) in sums.iter_mut().zip(&covered) {
                    *sum += covered * part;
                }
                if end > bottom {
                    break;
                }
                shades.extend(sums.iter().map(|sum| darkness(*sum, wide * high)));
                sums.fill(0.0);
                (target, top) = (target + 1, end);
            }
        }
        if target < height {
            shades.extend(sums.iter().map(|sum| darkness(*sum, wide * high)));
        }
        Grey::new((width, height), shades)
    }
}

/// How many source pixels one target pixel covers.
fn fraction(source: f64, target: u32) -> Option<f64> {
    (source > 0.0 && target > 0).then(|| source / f64::from(target))
}

/// How much black of a row lies under each pixel of the picture, in source pixels.
fn coverage(row: &[u8], columns: u32, width: u32, wide: f64) -> Vec<f32> {
    let mut black = Vec::with_capacity(usize::try_from(columns).unwrap_or_default() + 1);
    let mut count = 0.0_f32;
    black.push(count);
    for byte in row {
        for bit in (0..8).rev() {
            count += f32::from(byte >> bit & 1);
            black.push(count);
        }
    }
    // Black left of a place between two pixels.
    let left_of = |place: f64| {
        let whole = place.floor();
        let at = index(whole);
        let here = black.get(at).copied().unwrap_or(count);
        let next = black.get(at + 1).copied().unwrap_or(count);
        here + (next - here) * to_f32(place - whole)
    };
    let mut before = 0.0;
    (1..=width)
        .map(|column| {
            let until = left_of(f64::from(column) * wide);
            let covered = until - before;
            before = until;
            covered
        })
        .collect()
}

/// From the black under a pixel to its shade: 0 is black.
fn darkness(black: f32, area: f64) -> u8 {
    let part = (black / to_f32(area)).clamp(0.0, 1.0);
    // Between the part and its root.
    shade(1.0 - (part + part.sqrt()) / 2.0)
}

#[expect(clippy::cast_possible_truncation, reason = "places within a page are small")]
fn to_f32(value: f64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place within a row is no less than 0 and small"
)]
fn index(place: f64) -> usize {
    place as usize
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
fn shade(light: f32) -> u8 {
    (light.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stroke_of_one_pixel_is_seen_in_a_quarter_of_the_size() {
        let mut raster = Raster::new(1728);
        for _ in 0..2292 {
            let mut row = vec![0; 216];
            row[100] = 0b0001_0000;
            raster.push(&row);
        }
        let grey = raster.picture(432, 573);
        let darkest = grey.shades().iter().min().copied().unwrap();
        assert!(darkest < 170, "a stroke of shade {darkest}");
        assert_eq!(grey.shades().len(), 432 * 573);
        assert_eq!(grey.shades().iter().filter(|shade| **shade < 255).count(), 573);
    }

    #[test]
    fn an_inverted_page_has_white_behind_its_last_column() {
        let mut raster = Raster::new(10);
        raster.push(&[0b1111_0000, 0b0100_0000]);
        raster.invert();
        assert_eq!(raster.iter().next(), Some([0b0000_1111, 0b1000_0000].as_slice()));
    }

    #[test]
    fn a_page_without_rows_has_a_white_picture() {
        assert!(Raster::new(8).picture(2, 3).shades().iter().all(|shade| *shade == 255));
    }
}
