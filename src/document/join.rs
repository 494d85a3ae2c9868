//! Several files as one document.

use std::sync::Arc;

use bytes::Bytes;
use hayro_syntax::{LoadPdfError, Pdf, PdfVersion as SourceVersion};
use krilla::{
    Document,
    configure::PdfVersion,
    error::KrillaError,
    geom::{PathBuilder, Rect, Size, Transform},
    image::Image,
    paint::FillRule,
    pdf::PdfDocument,
    surface::Surface,
    text::Font,
};

use super::{
    DocumentError, FONT, FaxPdf, a4,
    head::{BELOW_HEAD, PageHead, print_lines},
    image_turn::{ImageTurn, Lie},
    layers,
    layout::{Layout, PAGE_HEIGHT, PAGE_WIDTH},
    on_top::{OnTop, PieceOnTop},
    opaque, settings,
};

/// Bytes of all files together: more than any fax gateway takes.
pub const SOURCE_BYTES_MAX: usize = 50 * 1024 * 1024;

/// Pixels of one image: as many as a telephone takes today. Decoded, they are four times as many
/// bytes.
pub const IMAGE_PIXELS_MAX: u64 = 60_000_000;

/// White around an image, in points; fax machines do not print to the edge.
const IMAGE_MARGIN: f32 = 28.35;

/// Makes one PDF of pages of text and of files; see [`super::fax`].
pub(super) fn join(
    (head, text): (Option<&PageHead>, Option<Layout>),
    files: &[Bytes],
    pages_max: usize,
    opening: &mut dyn FnMut(usize),
) -> Result<FaxPdf, DocumentError> {
    let total: usize = files.iter().map(Bytes::len).sum();
    if total > SOURCE_BYTES_MAX {
        return Err(DocumentError::TooLarge);
    }
    let mut sources = Vec::with_capacity(files.len().min(pages_max));
    let mut pages = text.as_ref().map_or(0, |text| text.pages.len());
    for (index, file) in files.iter().enumerate() {
        opening(index);
        let source = SourceFile::read(index, file)?;
        pages += source.page_count();
        sources.push(source);
    }
    if pages == 0 {
        return Err(DocumentError::Empty);
    }
    if pages > pages_max {
        return Err(DocumentError::TooManyPages { pages, pages_max });
    }
    // Without a head there is no sheet, and nothing to join. No fax leaves so.
    if let (None, None, [SourceFile::Pdf(_)], [only]) = (head, &text, sources.as_slice(), files) {
        return Ok(FaxPdf { bytes: only.to_vec(), pages: number(pages) });
    }
    let mut sheets = Sheets::new(head, pages, &sources)?;
    for lines in text.iter().flat_map(|text| &text.pages) {
        sheets.add(|surface, font| print_lines(surface, font, lines));
    }
    for (index, source) in sources.into_iter().enumerate() {
        opening(index);
        sheets.add_file(index, source)?;
    }
    sheets.finish()
}

fn number(pages: usize) -> u32 {
    u32::try_from(pages).unwrap_or(u32::MAX)
}

/// The pages of a fax, one after the other.
struct Sheets<'a> {
    document: Document,
    font: Font,
    head: Option<&'a PageHead>,
    /// How many there are, and will be.
    at: usize,
    count: usize,
    images: Vec<(usize, Image)>,
}

impl<'a> Sheets<'a> {
    fn new(
        head: Option<&'a PageHead>,
        count: usize,
        sources: &[SourceFile],
    ) -> Result<Self, DocumentError> {
        let is_new = |pdf: &Pdf| pdf.version() > SourceVersion::Pdf17;
        let needs_new =
            sources.iter().any(|source| matches!(source, SourceFile::Pdf(pdf) if is_new(pdf)));
        let version = if needs_new { PdfVersion::Pdf20 } else { PdfVersion::Pdf17 };
        Ok(Self {
            document: Document::new_with(settings(version)),
            // Only an embedded font that is damaged could fail here.
            font: Font::new(FONT.into(), 0).ok_or(DocumentError::NotWritten)?,
            head,
            at: 0,
            count,
            images: Vec::new(),
        })
    }

    fn add(&mut self, print: impl FnOnce(&mut Surface<'_>, &Font)) {
        self.at += 1;
        let mut page = self.document.start_page_with(a4());
        let mut surface = page.surface();
        print(&mut surface, &self.font);
        if let Some(head) = self.head {
            head.print(&mut surface, &self.font, (self.at, self.count));
        }
        surface.finish();
        page.finish();
    }

    fn add_file(&mut self, index: usize, source: SourceFile) -> Result<(), DocumentError> {
        let unreadable = || DocumentError::Unreadable { index };
        match source {
            SourceFile::Pdf(pdf) => self.add_pdf(index, pdf),
            SourceFile::Image(picture) => {
                let (image, lie) = picture.open().ok_or_else(unreadable)?;
                self.images.push((index, image.clone()));
                let (width, height) = image.size();
                #[expect(clippy::cast_precision_loss, reason = "a pixel more or less is not seen")]
                let size = (width as f32, height as f32);
                let lie = lie.upright(size.0, size.1);
                let room = PageArea::of_image(self.head.is_some());
                let fitted = room.fit(size, lie).ok_or_else(unreadable)?;
                self.add(|surface, _| {
                    surface.push_transform(&fitted.transform);
                    surface.draw_image(image, fitted.size);
                    surface.pop();
                });
                Ok(())
            }
        }
    }

    /// Each page, with what lies on top of it.
    fn add_pdf(&mut self, index: usize, pdf: Pdf) -> Result<(), DocumentError> {
        if layers::hides(&pdf) {
            return Err(DocumentError::HiddenLayers { index });
        }
        let (on_top, pieces) = match OnTop::of(&pdf) {
            OnTop::Nothing => (None, Vec::new()),
            OnTop::Drawn { pdf, pieces } => (Some(PdfDocument::new(Arc::new(pdf))), pieces),
            OnTop::Unknown => return Err(DocumentError::Annotated { index }),
        };
        let sizes: Vec<(f32, f32)> =
            pdf.pages().iter().map(|page| page.render_dimensions()).collect();
        let pdf = PdfDocument::new(Arc::new(pdf));
        let room = PageArea::of_page(self.head.is_some());
        for (page, size) in sizes.into_iter().enumerate() {
            let lie = Lie::default().upright(size.0, size.1);
            let fitted = room.fit(size, lie).ok_or(DocumentError::Unreadable { index })?;
            let scale = f64::from(fitted.size.width() / size.0);
            self.add(|surface, _| {
                surface.push_transform(&fitted.transform);
                surface.draw_pdf_page(&pdf, fitted.size, page);
                // Nothing lies beside the page.
                let area = Rect::from_xywh(0.0, 0.0, fitted.size.width(), fitted.size.height());
                let mut edge = PathBuilder::new();
                area.into_iter().for_each(|area| edge.push_rect(area));
                let Some(edge) = edge.finish() else { return surface.pop() };
                surface.push_clip_path(&edge, &FillRule::NonZero);
                for (number, piece) in pieces.iter().enumerate() {
                    if let (Some(drawings), true) = (&on_top, piece.page == page) {
                        draw_piece(surface, drawings, (number, piece), scale);
                    }
                }
                surface.pop();
                surface.pop();
            });
        }
        Ok(())
    }

    fn finish(self) -> Result<FaxPdf, DocumentError> {
        let Self { document, images, count, .. } = self;
        let bytes = document.finish().map_err(|error| match error {
            KrillaError::Image(broken, ..) => images
                .into_iter()
                .find(|(_, image)| *image == broken)
                .map_or(DocumentError::NotWritten, |(index, _)| DocumentError::Unreadable {
                    index,
                }),
            _ => DocumentError::NotWritten,
        })?;
        Ok(FaxPdf { bytes, pages: number(count) })
    }
}

enum SourceFile {
    Pdf(Pdf),
    Image(Picture),
}

/// A recognised picture that is opened only when its turn comes, because that takes memory.
struct Picture {
    file: Bytes,
    lie: Lie,
}

impl Picture {
    fn open(self) -> Option<(Image, Lie)> {
        let is_png = self.file.starts_with(PNG);
        if is_png && let Some(image) = opaque::on_white(&self.file) {
            return Some((image, self.lie));
        }
        let data = self.file.to_vec().into();
        let image = if is_png { Image::from_png(data, true) } else { Image::from_jpeg(data, true) };
        Some((image.ok()?, self.lie))
    }
}

/// The beginning of a PNG.
const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";

impl SourceFile {
    fn read(index: usize, file: &Bytes) -> Result<Self, DocumentError> {
        // Readers look for the mark within the first KiB, as old versions of the format allowed.
        let head = file.get(..1024).unwrap_or(file);
        if head.windows(5).any(|mark| mark == b"%PDF-") {
            return load(file.to_vec()).map(Self::Pdf).map_err(|error| error.of(index));
        }
        let (size, lie) = if file.starts_with(PNG) {
            (png_size(file), Lie::default())
        } else if file.starts_with(b"\xFF\xD8\xFF") {
            (jpeg_size(file), lie_of_jpeg(file))
        } else {
            return Err(DocumentError::FileType { index });
        };
        let (width, height) = size.ok_or(DocumentError::Unreadable { index })?;
        if u64::from(width) * u64::from(height) > IMAGE_PIXELS_MAX {
            return Err(DocumentError::ImageTooLarge { index });
        }
        Ok(Self::Image(Picture { file: file.clone(), lie }))
    }

    fn page_count(&self) -> usize {
        match self {
            Self::Pdf(pdf) => pdf.pages().len(),
            Self::Image(_) => 1,
        }
    }
}

enum LoadError {
    Encrypted,
    Unreadable,
}

impl LoadError {
    fn of(self, index: usize) -> DocumentError {
        match self {
            Self::Encrypted => DocumentError::Encrypted { index },
            Self::Unreadable => DocumentError::Unreadable { index },
        }
    }
}

fn load(bytes: Vec<u8>) -> Result<Pdf, LoadError> {
    match Pdf::new(bytes) {
        Ok(pdf) if !pdf.pages().is_empty() => Ok(pdf),
        Err(LoadPdfError::Decryption(_)) => Err(LoadError::Encrypted),
        _ => Err(LoadError::Unreadable),
    }
}

/// Draws what lies on a page that is shown `scale` times as large.
fn draw_piece(
    surface: &mut Surface<'_>,
    drawings: &PdfDocument,
    (number, piece): (usize, &PieceOnTop),
    scale: f64,
) {
    #[expect(clippy::cast_possible_truncation, reason = "places and sizes on a page")]
    let [a, b, c, d, e, f] = piece.place.map(|number| (number * scale) as f32);
    #[expect(clippy::cast_possible_truncation, reason = "places and sizes on a page")]
    let size = Size::from_wh(piece.width as f32, piece.height as f32);
    if let Some(size) = size {
        surface.push_transform(&Transform::from_row(a, b, c, d, e, f));
        surface.draw_pdf_page(drawings, size, number);
        surface.pop();
    }
}

/// Where on a page something is printed.
struct PageArea {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
}

impl PageArea {
    /// For a page of a document, which has a margin of its own.
    fn of_page(has_head: bool) -> Self {
        let top = if has_head { BELOW_HEAD } else { 0.0 };
        Self { left: 0.0, top, width: PAGE_WIDTH, height: PAGE_HEIGHT - top }
    }

    fn of_image(has_head: bool) -> Self {
        let top = if has_head { BELOW_HEAD } else { IMAGE_MARGIN };
        Self {
            left: IMAGE_MARGIN,
            top,
            width: PAGE_WIDTH - 2.0 * IMAGE_MARGIN,
            height: PAGE_HEIGHT - IMAGE_MARGIN - top,
        }
    }

    /// Something of this size, mirrored and turned, as large as there is room for, in the middle. Nothing for a size
    /// that is none: documents say what they like.
    fn fit(&self, (width, height): (f32, f32), lie: Lie) -> Option<Fitted> {
        let (shown_width, shown_height) =
            if lie.is_on_side() { (height, width) } else { (width, height) };
        let scale = (self.width / shown_width).min(self.height / shown_height);
        let (w, h) = (shown_width * scale, shown_height * scale);
        let x = self.left + (self.width - w) / 2.0;
        let y = self.top + (self.height - h) / 2.0;
        // The directions of the thing's own axes on the page, and the position of its corner.
        let (across, down, mut corner) = match lie.turn {
            ImageTurn::None => ((1.0, 0.0), (0.0, 1.0), (x, y)),
            ImageTurn::Half => ((-1.0, 0.0), (0.0, -1.0), (x + w, y + h)),
            ImageTurn::Right => ((0.0, 1.0), (-1.0, 0.0), (x + w, y)),
            ImageTurn::Left => ((0.0, -1.0), (1.0, 0.0), (x, y + h)),
        };
        let mut across: (f32, f32) = across;
        if lie.is_mirrored {
            let long = width * scale;
            corner = (corner.0 + across.0 * long, corner.1 + across.1 * long);
            across = (-across.0, -across.1);
        }
        let transform = Transform::from_row(across.0, across.1, down.0, down.1, corner.0, corner.1);
        let size = Size::from_wh(width * scale, height * scale)?;
        (scale.is_finite() && scale > 0.0).then_some(Fitted { transform, size })
    }
}

struct Fitted {
    transform: Transform,
    size: Size,
}

/// How a photo lies, as its Exif data say.
fn lie_of_jpeg(file: &[u8]) -> Lie {
    let orientation = segments(file).find_map(|(kind, data)| exif_orientation(kind, data));
    Lie::of(orientation.unwrap_or_default().into())
}

/// The segments of a JPEG before its image data (ISO 10918-1 annex B): kind and content.
fn segments(file: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = file.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk::<4>()?;
        let [0xFF, kind, high, low] = *head else { return None };
        // 0xDA: the image data starts.
        let length = usize::from(u16::from_be_bytes([high, low])).checked_sub(2)?;
        if kind == 0xDA {
            return None;
        }
        let (data, next) = after.split_at_checked(length)?;
        rest = next;
        Some((kind, data))
    })
}

fn jpeg_size(file: &[u8]) -> Option<(u32, u32)> {
    // SOF0 to SOF15, without the three that are no frames.
    let is_frame = |kind: u8| (0xC0..=0xCF).contains(&kind) && ![0xC4, 0xC8, 0xCC].contains(&kind);
    let (_, frame) = segments(file).find(|(kind, _)| is_frame(*kind))?;
    let [_, h1, h2, w1, w2, ..] = *frame else { return None };
    let size = (u32::from(u16::from_be_bytes([w1, w2])), u32::from(u16::from_be_bytes([h1, h2])));
    (size.0 > 0 && size.1 > 0).then_some(size)
}

fn png_size(file: &[u8]) -> Option<(u32, u32)> {
    let header = file.get(12..24)?.strip_prefix(b"IHDR")?;
    let (width, height) = header.split_first_chunk::<4>()?;
    let size = (u32::from_be_bytes(*width), u32::from_be_bytes(*height.first_chunk::<4>()?));
    (size.0 > 0 && size.1 > 0).then_some(size)
}

fn exif_orientation(kind: u8, data: &[u8]) -> Option<u16> {
    let tiff = (kind == 0xE1).then_some(data)?.strip_prefix(b"Exif\0\0")?;
    let is_little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk::<2>()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk::<4>()?;
        Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = usize::try_from(u32_at(4)?).ok()?;
    let count = usize::from(u16_at(directory)?);
    (0..count)
        .map(|n| directory + 2 + n * 12)
        .find_map(|entry| if u16_at(entry)? == 0x0112 { u16_at(entry + 8) } else { None })
}
