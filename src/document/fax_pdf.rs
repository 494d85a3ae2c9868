//! The pages of a fax as a PDF: each an image of two tones, coded as fax machines do (T.6).

use fax::{Color, VecWriter, encoder::Encoder};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref};

use super::{DocumentError, raster::Raster};

/// Points of an inch.
const POINTS: f64 = 72.0;

/// A PDF that grows by pages.
pub(super) struct PagesPdf {
    pdf: Pdf,
    pages: Vec<Ref>,
    next: Ref,
}

const CATALOG: Ref = Ref::new(1);
const PAGE_TREE: Ref = Ref::new(2);
const IMAGE: Name<'static> = Name(b"Im0");

impl PagesPdf {
    pub(super) fn new() -> Self {
        let mut pdf = Pdf::new();
        pdf.catalog(CATALOG).pages(PAGE_TREE);
        Self { pdf, pages: Vec::new(), next: Ref::new(3) }
    }

    /// Adds a page of the size of its paper. A page without rows is an empty sheet.
    pub(super) fn add(
        &mut self,
        raster: &Raster,
        (columns_per_inch, rows_per_inch): (f64, f64),
    ) -> Result<(), DocumentError> {
        let [page, image, content] = [(); 3].map(|()| self.next.bump());
        let (columns, rows) = (raster.columns(), raster.rows().max(1));
        let width = points(f64::from(columns) / columns_per_inch);
        let height = points(f64::from(rows) / rows_per_inch);
        let coded = coded(raster)?;
        let too_large = |_| DocumentError::TooLarge;
        let (wide, high) =
            (i32::try_from(columns).map_err(too_large)?, i32::try_from(rows).map_err(too_large)?);

        let mut made = self.pdf.page(page);
        made.media_box(Rect::new(0.0, 0.0, width, height)).parent(PAGE_TREE).contents(content);
        made.resources().x_objects().pair(IMAGE, image);
        made.finish();

        let mut drawn = Content::new();
        drawn
            .save_state()
            .transform([width, 0.0, 0.0, height, 0.0, 0.0])
            .x_object(IMAGE)
            .restore_state();
        self.pdf.stream(content, &drawn.finish());

        let mut made = self.pdf.image_xobject(image, &coded);
        made.filter(Filter::CcittFaxDecode);
        made.width(wide).height(high).bits_per_component(1);
        made.color_space().device_gray();
        made.decode_parms().k(-1).columns(wide).rows(high);
        made.finish();
        self.pages.push(page);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let count = i32::try_from(self.pages.len()).unwrap_or(i32::MAX);
        self.pdf.pages(PAGE_TREE).kids(self.pages).count(count);
        self.pdf.finish()
    }
}

/// The rows in T.6.
pub(super) fn coded(raster: &Raster) -> Result<Vec<u8>, DocumentError> {
    let columns = u16::try_from(raster.columns()).map_err(|_| DocumentError::TooLarge)?;
    let mut encoder = Encoder::new(VecWriter::new());
    let white = vec![0; usize::from(columns.div_ceil(8))];
    let empty = (raster.rows() == 0).then_some(white.as_slice());
    for row in raster.iter().chain(empty) {
        let pixels = row.iter().flat_map(|byte| EIGHT.map(|bit| tone(byte & bit != 0)));
        let written = encoder.encode_line(pixels.take(columns.into()), columns.into());
        written.map_err(|_| DocumentError::NotWritten)?;
    }
    Ok(encoder.finish().map_err(|_| DocumentError::NotWritten)?.finish())
}

/// The pixels of a byte.
const EIGHT: [u8; 8] = [128, 64, 32, 16, 8, 4, 2, 1];

fn tone(is_black: bool) -> Color {
    if is_black { Color::Black } else { Color::White }
}

#[expect(clippy::cast_possible_truncation, reason = "a page is no longer than a few metres")]
fn points(inches: f64) -> f32 {
    (inches * POINTS) as f32
}
