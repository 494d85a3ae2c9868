//! Pages as a fax machine has them before it dials: dots, and the TIFF that they are sent from.

use std::{fs, path::Path, process::Command};

/// Columns and rows of an A4 page at a fine fax machine: 204 and 196 dots per inch.
const COLUMNS: usize = 1728;
const ROWS: usize = 2292;

/// A page in black and white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dots {
    columns: usize,
    rows: usize,
    /// Row by row, each beginning at a byte; 1 is black.
    bits: Vec<u8>,
}

impl Dots {
    /// A PBM (`P4`).
    fn of_pbm(pbm: &[u8]) -> Self {
        let mut words = pbm.split(u8::is_ascii_whitespace);
        let mut next = || String::from_utf8(words.next().unwrap().to_vec()).unwrap();
        assert_eq!(next(), "P4");
        let (columns, rows) = (next().parse().unwrap(), next().parse().unwrap());
        let bytes = usize::div_ceil(columns, 8) * rows;
        Self { columns, rows, bits: pbm[pbm.len() - bytes..].to_vec() }
    }

    fn is_black(&self, row: usize, column: usize) -> bool {
        let byte = self.bits[row * self.columns.div_ceil(8) + column / 8];
        byte >> (7 - column % 8) & 1 == 1
    }

    /// How many dots are black.
    pub(super) fn black(&self) -> usize {
        self.bits.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// T.6, as the `fax` crate writes it.
    fn coded(&self) -> Vec<u8> {
        let mut encoder = fax::encoder::Encoder::new(fax::VecWriter::new());
        for row in 0..self.rows {
            let dots = (0..self.columns).map(|column| match self.is_black(row, column) {
                true => fax::Color::Black,
                false => fax::Color::White,
            });
            encoder.encode_line(dots, u32::try_from(self.columns).unwrap()).unwrap();
        }
        encoder.finish().unwrap().finish()
    }
}

/// The pages of a PDF as a fax machine scans them. Poppler draws them.
pub(super) fn scanned(pdf: &[u8], folder: &Path) -> Vec<Dots> {
    let file = folder.join("paper.pdf");
    fs::write(&file, pdf).unwrap();
    let done = Command::new("pdftoppm")
        .args(["-mono", "-scale-to-x", &COLUMNS.to_string(), "-scale-to-y", &ROWS.to_string()])
        .args([&file, &folder.join("paper")])
        .status()
        .unwrap();
    assert!(done.success());
    pbms(folder, "paper")
}

/// The pages of a PDF that was made of a fax, dot by dot. Poppler takes them out as they lie in it.
pub(super) fn taken_out(pdf: &[u8], folder: &Path) -> Vec<Dots> {
    let file = folder.join("came.pdf");
    fs::write(&file, pdf).unwrap();
    let done = Command::new("pdfimages").args([&file, &folder.join("came")]).status().unwrap();
    assert!(done.success());
    pbms(folder, "came")
}

fn pbms(folder: &Path, prefix: &str) -> Vec<Dots> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "pbm"))
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix))
        .collect();
    files.sort();
    files.iter().map(|file| Dots::of_pbm(&fs::read(file).unwrap())).collect()
}

/// A picture of a room twice as large, as a PGM: Tesseract wants more dots to an inch than people do.
pub(super) fn enlarged(picture: &[u8]) -> Vec<u8> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(picture));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut greys = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut greys).unwrap();
    assert_eq!(
        (frame.color_type, frame.bit_depth),
        (png::ColorType::Grayscale, png::BitDepth::Eight)
    );
    let (columns, rows) = (frame.width as usize, frame.height as usize);
    let grey = |row: usize, column: usize| {
        u32::from(greys[row.min(rows - 1) * columns + column.min(columns - 1)])
    };
    let mut pgm = format!("P5\n{} {}\n255\n", columns * 2, rows * 2).into_bytes();
    for row in 0..rows * 2 {
        // What lies between two dots has the mean of both.
        let pair = [row / 2, row.div_ceil(2)];
        for column in 0..columns * 2 {
            let around = pair.map(|row| grey(row, column / 2) + grey(row, column.div_ceil(2)));
            pgm.push(u8::try_from((around[0] + around[1]) / 4).unwrap());
        }
    }
    pgm
}

/// A TIFF of profile F (RFC 3949) that libtiff reads: T.6, one strip to a page.
pub(super) fn tiff(pages: &[Dots]) -> Vec<u8> {
    const LONG: u16 = 4;
    const RATIONAL: u16 = 5;
    let mut file = b"II*\0".to_vec();
    let mut link = file.len();
    file.extend([0; 4]);
    for page in pages {
        let strip = file.len();
        let coded = page.coded();
        file.extend(&coded);
        let across = file.len();
        file.extend([204_u32, 1, 196, 1].into_iter().flat_map(u32::to_le_bytes));
        // A directory begins at an even place.
        file.resize(file.len().next_multiple_of(2), 0);
        let directory = file.len();
        file[link..link + 4].copy_from_slice(&number(directory));
        let entries = [
            (254, LONG, 2),
            (256, LONG, page.columns),
            (257, LONG, page.rows),
            (258, LONG, 1),
            (259, LONG, 4),
            (262, LONG, 0),
            (266, LONG, 1),
            (273, LONG, strip),
            (277, LONG, 1),
            (278, LONG, page.rows),
            (279, LONG, coded.len()),
            (282, RATIONAL, across),
            (283, RATIONAL, across + 8),
            (296, LONG, 2),
        ];
        file.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
        for (tag, kind, value) in entries {
            file.extend(u16::to_le_bytes(tag));
            file.extend(kind.to_le_bytes());
            file.extend(1_u32.to_le_bytes());
            file.extend(number(value));
        }
        link = file.len();
        file.extend([0; 4]);
    }
    file
}

fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap().to_le_bytes()
}
