//! How an image lies, and how it has to be turned to be seen as it is meant.

/// How far an image has to be turned, clockwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ImageTurn {
    #[default]
    None,
    Right,
    Half,
    Left,
}

/// What has to be done with an image before it is seen: first left and right are exchanged, then it is
/// turned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lie {
    pub(super) is_mirrored: bool,
    pub(super) turn: ImageTurn,
}

impl Lie {
    /// From the number of TIFF 6.0, tag 274, which Exif has taken over (Exif 2.3 §4.6.4, tag 0x0112).
    /// Telephones store what the sensor saw and note how they were held, some mirror what the camera at their
    /// front saw. A number that is none says nothing.
    pub(super) fn of(orientation: u32) -> Self {
        let (is_mirrored, turn) = match orientation {
            2 => (true, ImageTurn::None),
            3 => (false, ImageTurn::Half),
            4 => (true, ImageTurn::Half),
            5 => (true, ImageTurn::Left),
            6 => (false, ImageTurn::Right),
            7 => (true, ImageTurn::Right),
            8 => (false, ImageTurn::Left),
            _ => (false, ImageTurn::None),
        };
        Self { is_mirrored, turn }
    }

    /// Whether what is stored as a column is seen as a row.
    pub(super) fn is_on_side(self) -> bool {
        matches!(self.turn, ImageTurn::Right | ImageTurn::Left)
    }

    /// A fax page is upright, so an image that is wide when shown lies on its side.
    pub(super) fn upright(self, width: f32, height: f32) -> Self {
        let is_broad = if self.is_on_side() { height > width } else { width > height };
        let turn = match (is_broad, self.turn) {
            (false, turn) => turn,
            (true, ImageTurn::None) => ImageTurn::Right,
            (true, ImageTurn::Right) => ImageTurn::Half,
            (true, ImageTurn::Half) => ImageTurn::Left,
            (true, ImageTurn::Left) => ImageTurn::None,
        };
        Self { turn, ..self }
    }

    /// Which pixel of an image of so many columns and rows is seen at `x` and `y`.
    pub(super) fn source(self, (x, y): (u32, u32), (columns, rows): (u32, u32)) -> (u32, u32) {
        let (right, bottom) = (columns.saturating_sub(1), rows.saturating_sub(1));
        let (column, row) = match self.turn {
            ImageTurn::None => (x, y),
            ImageTurn::Half => (right.saturating_sub(x), bottom.saturating_sub(y)),
            ImageTurn::Right => (y, bottom.saturating_sub(x)),
            ImageTurn::Left => (right.saturating_sub(y), x),
        };
        (if self.is_mirrored { right.saturating_sub(column) } else { column }, row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TIFF 6.0 says of each number where the first row and the first column are: so is the first pixel.
    #[test]
    fn fax_17_the_first_pixel_is_where_the_number_says() {
        let (columns, rows) = (3, 2);
        for (orientation, first, behind) in [
            (1, (0, 0), (1, 0)),
            (2, (2, 0), (1, 0)),
            (3, (2, 1), (1, 1)),
            (4, (0, 1), (1, 1)),
            (5, (0, 0), (0, 1)),
            (6, (1, 0), (1, 1)),
            (7, (1, 2), (1, 1)),
            (8, (0, 2), (0, 1)),
            (0, (0, 0), (1, 0)),
            (9, (0, 0), (1, 0)),
        ] {
            let lie = Lie::of(orientation);
            let seen_at = |pixel| {
                let (wide, high) = if lie.is_on_side() { (rows, columns) } else { (columns, rows) };
                let places = (0..high).flat_map(|y| (0..wide).map(move |x| (x, y)));
                places.into_iter().find(|place| lie.source(*place, (columns, rows)) == pixel)
            };
            assert_eq!(seen_at((0, 0)), Some(first), "{orientation}");
            assert_eq!(seen_at((1, 0)), Some(behind), "{orientation}");
        }
    }
}
