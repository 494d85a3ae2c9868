//! The rows of a TIFF page (T.4, T.6), as far as they can be read.

use hayro_ccitt::{DecodeSettings, Decoder, DecoderContext, EncodingMode, decode};

use super::{
    eols::CodedLines,
    raster::Raster,
    tiff::{PAGE_PIXELS_MAX, PageCoding, ROWS_MAX, TiffPage},
};

/// A page, and whether all of it is there.
pub(super) struct DecodedPage {
    pub(super) raster: Raster,
    /// Rows are missing, or could not be read and repeat the one above (FAX-18).
    pub(super) is_damaged: bool,
}

/// Decodes a page. Never fails: what cannot be read ends the page, or is marked.
pub(super) fn decode_page(file: &[u8], page: &TiffPage) -> DecodedPage {
    let most = u64::from(ROWS_MAX).min(PAGE_PIXELS_MAX / u64::from(page.columns.max(1)));
    let rows = page.rows.unwrap_or_else(|| u32::try_from(most).unwrap_or(ROWS_MAX));
    let mut raster = Raster::new(page.columns);
    let mut is_damaged = page.is_cut;
    let last = page.strips.len().saturating_sub(1);
    for (at, strip) in page.strips.iter().enumerate() {
        let begun = raster.rows();
        let wanted = page.rows_per_strip.min(rows - begun);
        if wanted == 0 {
            break;
        }
        // Rows that the strip before lacks stay white, so that these are in their place.
        let data = file.get(strip.clone()).unwrap_or_default();
        let data = if page.is_lowest_first { turned(data) } else { data.to_vec() };
        let mut taken = TakenRows { raster, row: Vec::new(), column: 0, left: wanted };
        is_damaged |= decode_strip(&data, page, &mut taken);
        raster = taken.raster;
        let there = raster.rows() - begun;
        if there < wanted && page.rows.is_some() {
            is_damaged = true;
            if at < last {
                raster.push_white(wanted - there);
            }
        }
    }
    is_damaged |= page.rows.is_some_and(|rows| raster.rows() < rows) || raster.rows() == 0;
    if page.is_inverted {
        raster.invert();
    }
    DecodedPage { raster: raster.laid(page.lie), is_damaged }
}

/// Bytes whose lowest bit is the first, as if the highest were.
fn turned(data: &[u8]) -> Vec<u8> {
    data.iter().map(|byte| byte.reverse_bits()).collect()
}

/// Whether some rows could not be read.
fn decode_strip(data: &[u8], page: &TiffPage, taken: &mut TakenRows) -> bool {
    match page.coding {
        PageCoding::Plain => {
            let row_bytes = usize::try_from(page.columns.div_ceil(8)).unwrap_or(usize::MAX);
            for row in data.chunks_exact(row_bytes) {
                taken.take_row(row);
            }
            false
        }
        PageCoding::Mh => {
            let settings = settings(page.columns, taken.left, EncodingMode::Group3_1D);
            let settings = DecodeSettings { rows_are_byte_aligned: true, ..settings };
            decode(data, taken, &mut DecoderContext::new(settings)).is_err()
        }
        PageCoding::Group4 => {
            let settings = settings(page.columns, taken.left, EncodingMode::Group4);
            decode(data, taken, &mut DecoderContext::new(settings)).is_err()
        }
        PageCoding::Group3 { is_two_dimensional } => {
            decode_group3(data, page.columns, is_two_dimensional, taken)
        }
    }
}

fn settings(columns: u32, rows: u32, encoding: EncodingMode) -> DecodeSettings {
    DecodeSettings {
        columns,
        rows,
        end_of_block: true,
        end_of_line: false,
        rows_are_byte_aligned: false,
        encoding,
        invert_black: false,
    }
}

/// T.4 marks the end of each row, so that a row that was garbled on its way costs itself alone; the one
/// above stands in its place, as fax machines print it. In two dimensions it costs those that build on it.
fn decode_group3(
    data: &[u8],
    columns: u32,
    is_two_dimensional: bool,
    taken: &mut TakenRows,
) -> bool {
    let lines = CodedLines::of(data);
    let encoding = match is_two_dimensional {
        true => EncodingMode::Group3_2D { k: 4 },
        false => EncodingMode::Group3_1D,
    };
    let context = |rows| DecoderContext::new(settings(columns, rows, encoding));
    if lines.count() == 1 {
        return decode(data, taken, &mut context(taken.left)).is_err();
    }
    let is_end = |line| lines.is_end(line, is_two_dimensional);
    let (mut line, mut is_damaged) = (0, false);
    // A page ends with several EOLs; one alone is a row that was lost.
    while taken.left > 0 && line < lines.count() && !(is_end(line) && is_end(line + 1)) {
        let mut next = line + 1;
        while is_two_dimensional && next < lines.count() && !lines.first_bit(next) {
            next += 1;
        }
        let coded = u32::try_from(next - line).unwrap_or(u32::MAX);
        let (before, wanted) = (taken.left, coded.min(taken.left));
        let piece = lines.between(line, next);
        let read = decode(&piece, taken, &mut context(wanted));
        taken.forget_row();
        let got = before - taken.left;
        // If a row ends before its EOL or behind it, it is not the row that was sent.
        let is_exact = read == Ok(piece.len()) || next == lines.count() || wanted < coded;
        if read.is_err() || got < wanted || !is_exact {
            is_damaged = true;
            (got..wanted).for_each(|_| taken.repeat_row());
        }
        line = next;
    }
    is_damaged
}

/// Takes rows from the decoder.
struct TakenRows {
    raster: Raster,
    row: Vec<u8>,
    column: u32,
    /// Rows that are still wanted.
    left: u32,
}

impl TakenRows {
    fn take_row(&mut self, row: &[u8]) {
        if self.left > 0 {
            self.left -= 1;
            self.raster.push(row);
        }
    }

    fn repeat_row(&mut self) {
        if self.left > 0 {
            self.left -= 1;
            self.raster.repeat_last();
        }
    }

    fn forget_row(&mut self) {
        self.row.clear();
        self.column = 0;
    }
}

impl Decoder for TakenRows {
    fn push_pixels(&mut self, white: bool, count: u32) {
        let end = self.column.saturating_add(count).min(self.raster.columns());
        if !white {
            blacken(&mut self.row, self.column, end);
        }
        self.column = end;
    }

    fn next_line(&mut self) {
        let row = std::mem::take(&mut self.row);
        self.take_row(&row);
        self.row = row;
        self.forget_row();
    }
}

/// Makes the pixels from `begin` to before `end` black; the row grows as far as that takes.
fn blacken(row: &mut Vec<u8>, begin: u32, end: u32) {
    if begin >= end {
        return;
    }
    let place = |column: u32| usize::try_from(column / 8).unwrap_or(usize::MAX);
    let (first, last) = (place(begin), place(end - 1));
    if row.len() <= last {
        row.resize(last + 1, 0);
    }
    for at in first..=last {
        let mut mask = 0xFF_u8;
        if at == first {
            mask &= 0xFF >> (begin % 8);
        }
        if at == last {
            mask &= 0xFF << (7 - (end - 1) % 8);
        }
        if let Some(byte) = row.get_mut(at) {
            *byte |= mask;
        }
    }
}
