//! Where the rows of T.4 data begin.

/// Zeros before the 1 of an EOL (T.4 §4.1.2). No row holds as many one after the other.
const ZEROS: usize = 11;

/// Zeros that are kept of a run: those of the EOL, and before it more than the last code of a row ends with
/// (three). More than 23 would be no EOL to the decoder.
const ZEROS_KEPT: usize = 20;

/// T.4 data without the fill between its rows, and the places where rows begin.
///
/// A machine that receives slowly is sent fill: zeros before an EOL, as many as it needs (T.4
/// §4.1.3). They mean nothing.
pub(super) struct CodedLines {
    bits: Vec<u8>,
    /// In bits; behind an EOL each, or at the beginning.
    begins: Vec<usize>,
}

impl CodedLines {
    pub(super) fn of(data: &[u8]) -> Self {
        let mut written = WrittenBits::default();
        let mut begins = Vec::new();
        let mut zeros = 0;
        for byte in data {
            for place in (0..8).rev() {
                if byte >> place & 1 == 0 {
                    zeros += 1;
                    if zeros <= ZEROS_KEPT {
                        written.push(false);
                    }
                    continue;
                }
                written.push(true);
                if zeros >= ZEROS {
                    let is_first = written.length == zeros.min(ZEROS_KEPT) + 1;
                    if begins.is_empty() && !is_first {
                        begins.push(0);
                    }
                    begins.push(written.length);
                }
                zeros = 0;
            }
        }
        if begins.is_empty() {
            begins.push(0);
        }
        Self { bits: written.bits, begins }
    }

    pub(super) fn count(&self) -> usize {
        self.begins.len()
    }

    /// The data of the rows from `first` to before `end`, with the EOL behind the last of them.
    pub(super) fn between(&self, first: usize, end: usize) -> Vec<u8> {
        let length = 8 * self.bits.len();
        let place = |line: usize| self.begins.get(line).copied().unwrap_or(length);
        let (begin, end) = (place(first), place(end));
        let (bytes, shift) = (begin / 8..end.div_ceil(8), begin % 8);
        let rest = self.bits.get(bytes).unwrap_or_default();
        let next = rest.iter().skip(1).copied().chain([0]);
        let shifted = |(byte, next): (&u8, u8)| {
            let both = u16::from_be_bytes([*byte, next]) << shift;
            both.to_be_bytes()[0]
        };
        let mut data: Vec<u8> = rest.iter().zip(next).map(shifted).collect();
        // What lies behind the last bit belongs to the row behind.
        let bits = end.saturating_sub(begin);
        data.truncate(bits.div_ceil(8));
        if let (Some(last), true) = (data.last_mut(), bits % 8 > 0) {
            *last &= 0xFF << (8 - bits % 8);
        }
        data
    }

    /// The bit that says of a row of two-dimensional data that it is coded in one dimension.
    pub(super) fn first_bit(&self, line: usize) -> bool {
        self.begins.get(line).is_some_and(|begin| self.bit(*begin))
    }

    /// Whether the page ends here: EOLs with no row between them (T.4 §4.1.4), or nothing.
    pub(super) fn is_end(&self, line: usize, is_two_dimensional: bool) -> bool {
        let Some(begin) = self.begins.get(line) else { return true };
        let begin = begin + usize::from(is_two_dimensional);
        let end = self.begins.get(line + 1).map_or(8 * self.bits.len(), |next| next - 1);
        (begin..end).all(|place| !self.bit(place))
    }

    fn bit(&self, place: usize) -> bool {
        self.bits.get(place / 8).is_some_and(|byte| byte >> (7 - place % 8) & 1 == 1)
    }
}

/// Bits one after the other, the highest of a byte first.
#[derive(Default)]
struct WrittenBits {
    bits: Vec<u8>,
    length: usize,
}

impl WrittenBits {
    fn push(&mut self, bit: bool) {
        if self.length.is_multiple_of(8) {
            self.bits.push(0);
        }
        if let Some(last) = self.bits.last_mut()
            && bit
        {
            *last |= 0x80 >> (self.length % 8);
        }
        self.length += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_goes_and_rows_are_found() {
        // An EOL with five zeros of fill, 1011000, an EOL behind forty more, 1.
        let lines = CodedLines::of(&[0, 0, 0b1101_1000, 0, 0, 0, 0, 0, 0, 0b0000_1100]);
        assert_eq!(lines.begins, [17, 42]);
        assert_eq!(lines.between(0, 1), [0b1011_0000, 0, 0, 0b1000_0000]);
        assert!(lines.first_bit(1));
        assert!(!lines.is_end(0, false) && !lines.is_end(1, false) && lines.is_end(2, false));
        let ends = CodedLines::of(&[0, 0b0001_0000, 0b0000_0001, 0, 0b0001_0000]);
        assert_eq!(ends.count(), 3);
        assert!(ends.is_end(0, false) && ends.is_end(2, false));
    }

    #[test]
    fn data_without_an_eol_is_one_piece() {
        let lines = CodedLines::of(&[0xA5, 0x5A]);
        assert_eq!((lines.count(), lines.between(0, 1)), (1, vec![0xA5, 0x5A]));
    }
}
