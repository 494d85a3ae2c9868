//! Pages of faxes: decoded, drawn and made into a PDF, beside the programs that everybody uses for it, on the same
//! files in the same run. One core each.

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use serde_json::json;
use umstieg::document;
use umstieg_world::sandbox_child::child_at_work;

use crate::{measure::median, report::BenchReport};

/// Pages of the fax: as many as most gateways take.
const PAGES: u32 = 50;

/// The long edge of a picture, as `picture_pixels` has it, and the same in pixels per inch.
const EDGE: u32 = 1_754;
const PER_INCH: &str = "150";

const UNIT: &str = "pages/s";

/// Rows of pages per second, and one of memory. Rounds take turns. Where one of the programs is not installed, its
/// row says so instead.
pub(crate) fn beside_the_programs(rounds: usize, report: &mut BenchReport) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-pages");
    fs::create_dir_all(&folder).unwrap();
    let tiff = folder.join("fax.tif");
    long_fax(&tiff);
    let tiff_bytes = fs::read(&tiff).unwrap();
    let pdf_bytes = document::all_pages(&tiff_bytes).unwrap();
    let pdf = folder.join("fax.pdf");
    fs::write(&pdf, &pdf_bytes).unwrap();
    let out = |name: &str| folder.join(name);

    let mut row = |name: &str, ours: &dyn Fn(), reference: &mut Command| {
        if reference.output().is_err() {
            println!("bench: {name}: {:?} is not installed", reference.get_program());
            return;
        }
        let mut pairs = Vec::new();
        for _ in 0..rounds {
            let theirs = per_second(|| run(reference));
            pairs.push((theirs, per_second(ours)));
        }
        report.beside(
            name,
            median(pairs.iter().map(|(_, ours)| *ours)),
            median(pairs.iter().map(|(theirs, _)| *theirs)),
            median(pairs.iter().map(|(theirs, ours)| ours / theirs)),
            UNIT,
        );
    };
    row(
        "pages of a fax decoded (TIFF), beside tiffcp of libtiff",
        &|| drop(black_box(document::look(&tiff_bytes))),
        Command::new("tiffcp").args(["-c", "none"]).args([&tiff, &out("plain.tif")]),
    );
    row(
        "PDF made of a TIFF, beside tiff2pdf of libtiff",
        &|| drop(black_box(document::all_pages(&tiff_bytes).unwrap())),
        Command::new("tiff2pdf").arg("-o").args([&out("made.pdf"), &tiff]),
    );
    row(
        "PDF made of a TIFF, beside tiff2pdf that codes its pages anew too",
        &|| drop(black_box(document::all_pages(&tiff_bytes).unwrap())),
        Command::new("tiff2pdf").args(["-n", "-o"]).args([&out("coded.pdf"), &tiff]),
    );
    let draw = || {
        for page in 1..=PAGES {
            black_box(document::picture(&pdf_bytes, page, EDGE).unwrap());
        }
    };
    row(
        "pictures of the pages of a PDF, beside pdftoppm of poppler",
        &draw,
        Command::new("pdftoppm").args(["-r", PER_INCH, "-gray", "-png"]).args([&pdf, &out("p")]),
    );
    row(
        "pictures of the pages of a PDF, beside ghostscript",
        &draw,
        Command::new("gs")
            .args(["-q", "-dNOPAUSE", "-dBATCH", "-dSAFER", "-sDEVICE=pnggray", "-r150"])
            .arg(format!("-sOutputFile={}", out("g%d.png").display()))
            .arg(&pdf),
    );
    let name = "memory of the process that opens a fax of 50 pages";
    report.figure(name, peak(&tiff_bytes), "MiB", "< 64");
    fs::remove_dir_all(&folder).unwrap();
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn per_second(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    f64::from(PAGES) / begun.elapsed().as_secs_f64()
}

/// A fax of fifty pages: those of a sample, as often as it takes.
fn long_fax(file: &Path) {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faxes/g4_fine_hylafax.tif");
    let each = document::look(&fs::read(&sample).unwrap()).pages;
    let often = usize::try_from(PAGES / each).unwrap();
    let samples: Vec<PathBuf> = std::iter::repeat_n(sample, often).collect();
    run(Command::new("tiffcp").args(["-c", "g4"]).args(samples).arg(file));
    assert_eq!(document::look(&fs::read(file).unwrap()).pages, PAGES);
}

/// The most memory, in MiB, that the child takes for all that is done with a fax.
fn peak(file: &[u8]) -> f64 {
    let length = file.len();
    let tasks = [
        json!({ "Look": { "file": [length] } }),
        json!({ "Picture": { "file": [length], "page": PAGES, "edge": EDGE, "bytes_max": 9_000_000 } }),
        json!({ "AllPages": { "file": [length], "bytes_max": 50_000_000 } }),
    ];
    let gateway = Path::new(env!("CARGO_BIN_EXE_umstieg"));
    let done = child_at_work(gateway, &tasks, file).unwrap();
    f64::from(done.peak_kib) / 1_024.0
}
