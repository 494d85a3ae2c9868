//! The pages of a TIFF as fax machines and gateways write it (TIFF 6.0; RFC 3949, profiles S and F).
//!
//! Only the tags are read here, and nothing is believed of them: a place outside the file is the
//! file's end, an array is as long as the file allows, and a chain that bites its tail ends there
//! (RFC 3249 §5.2 lists what readers have to tolerate).

use std::{collections::BTreeSet, ops::Range};

use super::image_turn::Lie;
use crate::model::{PageTrouble, SEEN_PAGES_MAX};

/// Columns of a page: A3 at 400 lines per inch, the widest of T.30.
const COLUMNS_MAX: u32 = 4864;

/// Rows of a page (FAX-14).
pub(super) const ROWS_MAX: u32 = 20_000;

/// Pixels of a page: the widest of ordinary resolution with the most rows (FAX-14).
pub(super) const PAGE_PIXELS_MAX: u64 = 2432 * ROWS_MAX as u64;

/// Columns per inch of ordinary fax machines (T.4: 1728 on 215 mm).
const FAX_COLUMNS_PER_INCH: f64 = 204.0;

/// The pages of a file, in their order.
pub(super) struct TiffPages {
    pub(super) pages: Vec<Result<TiffPage, PageTrouble>>,
    /// The chain of pages leads out of the file, or back into itself.
    pub(super) is_cut: bool,
}

/// A page, before it is decoded.
pub(super) struct TiffPage {
    pub(super) columns: u32,
    /// Nothing when the file does not say.
    pub(super) rows: Option<u32>,
    pub(super) coding: PageCoding,
    /// The lowest bit of a byte is its first (`FillOrder` 2).
    pub(super) is_lowest_first: bool,
    /// What is coded as black is white (`PhotometricInterpretation` 1).
    pub(super) is_inverted: bool,
    /// Their places; each is within the file, or was cut at its end.
    pub(super) strips: Vec<Range<usize>>,
    pub(super) rows_per_strip: u32,
    /// Whether a strip leads out of the file.
    pub(super) is_cut: bool,
    /// How it lies (`Orientation`).
    pub(super) lie: Lie,
    /// Columns and rows per inch, as it is shown.
    pub(super) per_inch: (f64, f64),
}

/// How the rows are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageCoding {
    /// A bit for each pixel, 1 for what CCITT codes as black.
    Plain,
    /// One-dimensional, each row at a byte (`CCITTRLE`).
    Mh,
    /// T.4, one- or two-dimensional.
    Group3 { is_two_dimensional: bool },
    /// T.6.
    Group4,
}

/// Whether a file begins as a TIFF of either byte order does.
pub(super) fn is_tiff(file: &[u8]) -> bool {
    file.starts_with(b"II*\0") || file.starts_with(b"MM\0*")
}

/// Walks the chain of pages.
///
/// Errors: [`PageTrouble::Unreadable`] when there is not one page, [`PageTrouble::TooManyPages`].
pub(super) fn pages(file: &[u8]) -> Result<TiffPages, PageTrouble> {
    let tags = Tags { file, is_big_endian: file.starts_with(b"MM") };
    let mut pages = Vec::new();
    let mut seen = BTreeSet::new();
    let mut is_cut = false;
    let mut next = tags.long(4).ok_or(PageTrouble::Unreadable)?;
    while next != 0 {
        let Some(directory) = PageDirectory::at(&tags, next).filter(|_| seen.insert(next)) else {
            is_cut = true;
            break;
        };
        if pages.len() == SEEN_PAGES_MAX {
            return Err(PageTrouble::TooManyPages);
        }
        let behind = directory.next();
        pages.push(directory);
        match behind {
            Some(place) => next = place,
            None => {
                is_cut = true;
                break;
            }
        }
    }
    if pages.is_empty() {
        return Err(PageTrouble::Unreadable);
    }
    let is_whole = |page: &&PageDirectory<'_>| !page.says_small() && !page.is_mask();
    let widest = pages.iter().filter(is_whole).filter_map(PageDirectory::size).max();
    let pages = pages
        .iter()
        .filter(|page| !page.is_no_page(widest))
        .map(|page| (page.number(PAGE_NUMBER), page.page()));
    Ok(TiffPages { pages: in_order(pages.collect()), is_cut })
}

/// What the first page says of itself (`ImageDescription`), as Latin-1, at most [`DESCRIPTION_BYTES_MAX`]
/// bytes of it (FAX-10).
pub(super) fn description(file: &[u8]) -> Option<String> {
    let tags = Tags { file, is_big_endian: file.starts_with(b"MM") };
    let directory = PageDirectory::at(&tags, tags.long(4)?)?;
    let (entry, kind) = directory.entry(IMAGE_DESCRIPTION)?;
    let count = tags.long(entry + 4)?;
    let at = if count <= 4 { entry + 8 } else { tags.long(entry + 8)? };
    let end = at.checked_add(count.min(DESCRIPTION_BYTES_MAX))?.min(file.len());
    let bytes = file.get(at..end).filter(|_| kind == 2)?;
    Some(bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// The longest description that is looked at: four lines take less.
const DESCRIPTION_BYTES_MAX: usize = 1024;

/// A writer may link pages in another order than theirs; they say their numbers then. Where two say
/// the same, the numbers mean nothing.
fn in_order<P>(mut pages: Vec<(Option<u32>, P)>) -> Vec<P> {
    let numbers: BTreeSet<u32> = pages.iter().filter_map(|(number, _)| *number).collect();
    if numbers.len() == pages.len() {
        pages.sort_by_key(|(number, _)| *number);
    }
    pages.into_iter().map(|(_, page)| page).collect()
}

const NEW_SUBFILE_TYPE: u16 = 254;
const SUBFILE_TYPE: u16 = 255;
const IMAGE_WIDTH: u16 = 256;
const IMAGE_LENGTH: u16 = 257;
const BITS_PER_SAMPLE: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const IMAGE_DESCRIPTION: u16 = 270;
const STRIP_OFFSETS: u16 = 273;
const ORIENTATION: u16 = 274;
const SAMPLES_PER_PIXEL: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTE_COUNTS: u16 = 279;
const X_RESOLUTION: u16 = 282;
const Y_RESOLUTION: u16 = 283;
const T4_OPTIONS: u16 = 292;
const RESOLUTION_UNIT: u16 = 296;
const PAGE_NUMBER: u16 = 297;
const TILE_OFFSETS: u16 = 324;

/// Bytes of an entry of a directory.
const ENTRY_BYTES: usize = 12;

/// The numbers of a file, in its byte order.
struct Tags<'a> {
    file: &'a [u8],
    is_big_endian: bool,
}

impl Tags<'_> {
    fn short(&self, at: usize) -> Option<u32> {
        let bytes: [u8; 2] = self.file.get(at..at.checked_add(2)?)?.try_into().ok()?;
        let number =
            if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        Some(number.into())
    }

    fn long(&self, at: usize) -> Option<usize> {
        let bytes: [u8; 4] = self.file.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let number =
            if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        usize::try_from(number).ok()
    }
}

/// One directory: what is said of one page.
struct PageDirectory<'a> {
    tags: &'a Tags<'a>,
    entries: Range<usize>,
}

impl<'a> PageDirectory<'a> {
    fn at(tags: &'a Tags<'a>, place: usize) -> Option<Self> {
        let count = usize::try_from(tags.short(place)?).ok()?;
        let begin = place.checked_add(2)?;
        // Of a directory that was cut, what is there counts.
        let there = tags.file.len().checked_sub(begin)? / ENTRY_BYTES;
        let entries = begin..begin + count.min(there) * ENTRY_BYTES;
        (!entries.is_empty()).then_some(Self { tags, entries })
    }

    /// The place of the next one; 0 after the last. Nothing: the file ends before.
    fn next(&self) -> Option<usize> {
        self.tags.long(self.entries.end)
    }

    /// The numbers of a tag: BYTE, SHORT or LONG, whatever the standard asks for. At most `max`, and
    /// none that the file does not hold.
    fn numbers(&self, tag: u16, max: usize) -> Vec<usize> {
        let Some((entry, kind)) = self.entry(tag) else { return Vec::new() };
        let size = match kind {
            1 => 1,
            3 => 2,
            4 => 4,
            _ => return Vec::new(),
        };
        let count = self.tags.long(entry + 4).unwrap_or_default();
        let is_inside = count.saturating_mul(size) <= 4;
        let at = if is_inside { Some(entry + 8) } else { self.tags.long(entry + 8) };
        let Some(at) = at else { return Vec::new() };
        let read = |number: usize| {
            let at = at.checked_add(number.checked_mul(size)?)?;
            match size {
                1 => self.tags.file.get(at).map(|byte| usize::from(*byte)),
                2 => self.tags.short(at).and_then(|short| usize::try_from(short).ok()),
                _ => self.tags.long(at),
            }
        };
        (0..count.min(max)).map_while(read).collect()
    }

    fn number(&self, tag: u16) -> Option<u32> {
        self.numbers(tag, 1).first().and_then(|number| u32::try_from(*number).ok())
    }

    fn rational(&self, tag: u16) -> Option<f64> {
        let (entry, kind) = self.entry(tag)?;
        if kind != 5 {
            return self.number(tag).map(f64::from);
        }
        let at = self.tags.long(entry + 8)?;
        let part = |at| self.tags.long(at).and_then(|part| u32::try_from(part).ok());
        Some(f64::from(part(at)?) / f64::from(part(at.checked_add(4)?)?))
    }

    /// The place of the first entry of a tag, and its type.
    fn entry(&self, tag: u16) -> Option<(usize, u32)> {
        self.entries
            .clone()
            .step_by(ENTRY_BYTES)
            .find(|entry| self.tags.short(*entry) == Some(tag.into()))
            .and_then(|entry| Some((entry, self.tags.short(entry + 2)?)))
    }

    /// Columns and rows.
    fn size(&self) -> Option<(u32, u32)> {
        Some((self.number(IMAGE_WIDTH)?, self.number(IMAGE_LENGTH)?))
    }

    /// Whether it says that it is a small picture of another page.
    fn says_small(&self) -> bool {
        self.number(NEW_SUBFILE_TYPE).is_some_and(|kind| kind & 1 != 0)
            || self.number(SUBFILE_TYPE) == Some(2)
    }

    /// Whether it is a small picture of another page, or the mask of one. Writers exist that call each page a
    /// small picture (RFC 3249 §5.2): no page gets lost by what it says, so it has to be small as well, at most
    /// half of the widest page.
    fn is_no_page(&self, widest: Option<(u32, u32)>) -> bool {
        let Some((wide, high)) = widest else { return false };
        let is_small =
            || self.size().is_some_and(|(columns, rows)| columns <= wide / 2 && rows <= high / 2);
        self.is_mask() || (self.says_small() && is_small())
    }

    fn is_mask(&self) -> bool {
        self.number(PHOTOMETRIC) == Some(4)
            && self.number(NEW_SUBFILE_TYPE).is_some_and(|kind| kind & 4 != 0)
    }

    fn page(&self) -> Result<TiffPage, PageTrouble> {
        let coding = self.coding()?;
        let columns = self.number(IMAGE_WIDTH).ok_or(PageTrouble::Unreadable)?;
        // A fax machine may not know how long a page becomes when it begins to write it.
        let rows = self.number(IMAGE_LENGTH).filter(|rows| *rows > 0);
        if columns == 0 {
            return Err(PageTrouble::Unreadable);
        }
        let pixels = u64::from(columns) * u64::from(rows.unwrap_or(1));
        if columns > COLUMNS_MAX
            || rows.is_some_and(|rows| rows > ROWS_MAX)
            || pixels > PAGE_PIXELS_MAX
        {
            return Err(PageTrouble::TooLarge);
        }
        let (strips, is_cut) = self.strips()?;
        let lie = Lie::of(self.number(ORIENTATION).unwrap_or_default());
        let (x, y) = self.per_inch(columns, rows);
        Ok(TiffPage {
            columns,
            rows,
            coding,
            is_lowest_first: self.number(FILL_ORDER) == Some(2),
            is_inverted: self.number(PHOTOMETRIC) == Some(1),
            strips,
            rows_per_strip: self.number(ROWS_PER_STRIP).filter(|n| *n > 0).unwrap_or(u32::MAX),
            is_cut,
            lie,
            per_inch: if lie.is_on_side() { (y, x) } else { (x, y) },
        })
    }

    fn coding(&self) -> Result<PageCoding, PageTrouble> {
        let is_two_tone = self.number(BITS_PER_SAMPLE).unwrap_or(1) == 1
            && self.number(SAMPLES_PER_PIXEL).unwrap_or(1) == 1
            && self.number(PHOTOMETRIC).unwrap_or(0) <= 1;
        if !is_two_tone {
            return Err(PageTrouble::Colour);
        }
        if self.entry(TILE_OFFSETS).is_some() {
            return Err(PageTrouble::Coding);
        }
        match self.number(COMPRESSION).unwrap_or(1) {
            1 => Ok(PageCoding::Plain),
            2 => Ok(PageCoding::Mh),
            3 => {
                let options = self.number(T4_OPTIONS).unwrap_or(0);
                Ok(PageCoding::Group3 { is_two_dimensional: options & 1 != 0 })
            }
            4 => Ok(PageCoding::Group4),
            // JBIG (34661) among them (FAX-21).
            _ => Err(PageTrouble::Coding),
        }
    }

    fn strips(&self) -> Result<(Vec<Range<usize>>, bool), PageTrouble> {
        let length = self.tags.file.len();
        let most = usize::try_from(ROWS_MAX).unwrap_or(usize::MAX);
        let begins = self.numbers(STRIP_OFFSETS, most);
        let counts = self.numbers(STRIP_BYTE_COUNTS, most);
        let several = begins.len() > 1;
        let mut is_cut = false;
        let mut strips = Vec::with_capacity(begins.len());
        for (number, begin) in begins.into_iter().enumerate() {
            // Some writers leave the length of a single strip out. One of several that has none is empty: what
            // stands at its place belongs to another.
            let count = counts.get(number).copied().filter(|count| *count > 0 || several);
            is_cut |= count == Some(0);
            let end = count.map_or(length, |count| begin.saturating_add(count));
            is_cut |= begin >= length || end > length;
            strips.push(begin.min(length)..end.min(length));
        }
        if strips.is_empty() {
            return Err(PageTrouble::Unreadable);
        }
        Ok((strips, is_cut))
    }

    /// Columns and rows per inch; guessed where the file says nothing that a fax can have.
    fn per_inch(&self, columns: u32, rows: Option<u32>) -> (f64, f64) {
        let scale = if self.number(RESOLUTION_UNIT) == Some(3) { 2.54 } else { 1.0 };
        let read = |tag| self.rational(tag).map(|per_unit| per_unit * scale);
        if let (Some(x), Some(y)) = (read(X_RESOLUTION), read(Y_RESOLUTION)) {
            let range = 50.0..=1200.0;
            if range.contains(&x) && range.contains(&y) && (0.2..=5.0).contains(&(x / y)) {
                return (x, y);
            }
        }
        // All machines have the columns; a page with far fewer rows than an A4 page of fine
        // resolution (2292) is of standard resolution.
        let fine = if columns > 2432 { 2.0 } else { 1.0 };
        let is_standard = rows.is_some_and(|rows| f64::from(rows) < 1_500.0 * fine);
        let y = if is_standard { 98.0 } else { 196.0 };
        (FAX_COLUMNS_PER_INCH * fine, y * fine)
    }
}
