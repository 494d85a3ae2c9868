//! Pages of faxes: decoded, drawn and made into a PDF, beside the programs that everybody uses for it, on the same
//! files in the same run. One core each.

use std::{
    fs,
    hint::black_box,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json};
use umstieg::document;

use crate::{
    measure::{as_float, median},
    report::BenchReport,
};

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
    let mut child = Command::new(env!("CARGO_BIN_EXE_umstieg"))
        .arg("sandbox")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // As `sandbox::wire` says it: a length, JSON, bytes.
    let mut hear = || -> Value {
        let mut length = [0; 4];
        from.read_exact(&mut length).unwrap();
        let mut json = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        from.read_exact(&mut json).unwrap();
        let said: Value = serde_json::from_slice(&json).unwrap();
        let bytes = said.pointer("/Made/bytes").and_then(Value::as_u64).unwrap_or_default();
        std::io::copy(&mut from.by_ref().take(bytes), &mut std::io::sink()).unwrap();
        said
    };
    hear();
    let length = file.len();
    for task in [
        json!({ "Look": { "file": [length] } }),
        json!({ "Picture": { "file": [length], "page": PAGES, "edge": EDGE, "bytes_max": 9_000_000 } }),
        json!({ "AllPages": { "file": [length], "bytes_max": 50_000_000 } }),
    ] {
        let task = task.to_string();
        to.write_all(&u32::try_from(task.len()).unwrap().to_be_bytes()).unwrap();
        to.write_all(task.as_bytes()).unwrap();
        to.write_all(file).unwrap();
        to.flush().unwrap();
        hear();
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u32 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    drop(to);
    child.wait().unwrap();
    f64::from(kib) / as_float(1024)
}
