//! What a file that came by fax is, and how people can look at it. Pure.
//!
//! The file is foreign, and may take any memory and time: this runs in `crate::sandbox`. One page is in
//! memory at a time.

use super::{
    DocumentError,
    fax_pdf::PagesPdf,
    pdf_page::{self, PdfPages},
    pixels::{Grey, PICTURE_PIXELS_MAX, picture_size},
    strips::{self, DecodedPage},
    tiff::{self, TiffPage, TiffPages},
};
use crate::model::{DocumentForm, DocumentSight, DocumentWords, PageTrouble};

/// Judges by the first bytes of a file; [`FORM_BYTES`] of them are enough (FAX-13).
pub fn form_of(file: &[u8]) -> DocumentForm {
    let head = file.get(..FORM_BYTES).unwrap_or(file);
    if tiff::is_tiff(head) {
        return DocumentForm::Tiff;
    }
    let starts = |marks: &[&[u8]]| marks.iter().any(|mark| head.starts_with(mark));
    // DOS PostScript has a head of its own.
    if starts(&[b"%!PS", b"\xC5\xD0\xD3\xC6", b"\x04%!PS"]) {
        return DocumentForm::PostScript;
    }
    let is_webp = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP");
    if is_webp || starts(&[b"\x89PNG\r\n\x1A\n", b"\xFF\xD8\xFF", b"GIF87a", b"GIF89a", b"BM"]) {
        return DocumentForm::Image;
    }
    let is_tar = head.get(257..262) == Some(b"ustar");
    if is_tar || starts(&FOREIGN) || is_script(head) {
        return DocumentForm::Foreign;
    }
    // Readers look for the mark within the first KiB, as old versions of the format allowed. What begins as
    // something else is that, wherever it has the mark too.
    if head.windows(5).any(|mark| mark == b"%PDF-") {
        return DocumentForm::Pdf;
    }
    DocumentForm::Other
}

/// So many of a file's first bytes say what it is.
pub const FORM_BYTES: usize = 1024;

/// The first bytes of archives and of the documents that are archives, of older office documents, of RTF,
/// of programs, and of links to them.
const FOREIGN: [&[u8]; 23] = [
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x07\x08",
    b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
    b"{\\rt",
    b"Rar!\x1A\x07",
    b"7z\xBC\xAF\x27\x1C",
    b"\x1F\x8B",
    b"\xFD7zXZ",
    b"\x28\xB5\x2F\xFD",
    b"MSCF",
    b"ITSF",
    b"BZh",
    b"MZ",
    b"\x7FELF",
    b"\xCA\xFE\xBA\xBE",
    b"\xCF\xFA\xED\xFE",
    b"\xFE\xED\xFA",
    b"\0asm",
    b"#!",
    b"#@~^",
    // A link of Windows, and a notebook of OneNote.
    b"\x4C\0\0\0\x01\x14\x02\0",
    b"\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D",
];

/// How web pages and what else a computer runs begin as text, in lower case.
const SCRIPTS: [&[u8]; 24] = [
    b"<!doctype",
    b"<!--",
    b"<?xml",
    b"<?php",
    b"<html",
    b"<head",
    b"<body",
    b"<title",
    b"<meta",
    b"<link",
    b"<base",
    b"<style",
    b"<script",
    b"<svg",
    b"<iframe",
    b"<img",
    b"<table",
    b"<div",
    b"<job",
    b"<package",
    b"@echo",
    b"mime-version:",
    b"[internetshortcut]",
    b"windows registry editor",
];

/// Whether a file begins as a web page or a script does.
fn is_script(head: &[u8]) -> bool {
    // In UTF-16 each other byte of such a beginning is zero.
    let text: Vec<u8> = match head {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            head.iter().skip(2).copied().filter(|byte| *byte != 0).collect()
        }
        _ => head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).to_vec(),
    };
    let text = text.trim_ascii_start().to_ascii_lowercase();
    SCRIPTS.iter().any(|mark| text.starts_with(mark))
}

/// As [`look`], without opening the pages of a PDF: they may take what a document may not have.
pub fn glance(file: &[u8]) -> DocumentSight {
    sight_of(file, |_| Vec::new())
}

/// Looks at a file: what it is, and whether all of its pages are there. Every page of a TIFF is decoded
/// once, and so is every image of a PDF, as far as that is quick.
pub fn look(file: &[u8]) -> DocumentSight {
    sight_of(file, PdfPages::damaged)
}

fn sight_of(file: &[u8], damaged: impl FnOnce(&PdfPages) -> Vec<u32>) -> DocumentSight {
    let form = form_of(file);
    let mut says = None;
    let found = match form {
        DocumentForm::Pdf => PdfPages::of(file).map(|pdf| {
            says = pdf.subject().and_then(|text| DocumentWords::of_lines(&text));
            (pdf.count(), damaged(&pdf), pdf_page::is_cut(file))
        }),
        DocumentForm::Tiff => {
            says = tiff::description(file).and_then(|text| DocumentWords::of_lines(&text));
            look_at_tiff(file)
        }
        DocumentForm::PostScript
        | DocumentForm::Image
        | DocumentForm::Foreign
        | DocumentForm::Other => return DocumentSight::without_pages(form, None),
    };
    match found {
        Ok((pages, damaged, is_cut)) => {
            DocumentSight { form, pages, damaged, is_cut, trouble: None, says }
        }
        Err(trouble) => DocumentSight::without_pages(form, Some(trouble)),
    }
}

fn look_at_tiff(file: &[u8]) -> Result<(u32, Vec<u32>, bool), PageTrouble> {
    let (pages, is_cut) = whole_tiff(file)?;
    let mut damaged = Vec::new();
    for (number, page) in (1..).zip(&pages) {
        if strips::decode_page(file, page).is_damaged {
            damaged.push(number);
        }
    }
    Ok((u32::try_from(pages.len()).unwrap_or(u32::MAX), damaged, is_cut))
}

/// The pages of a TIFF all of whose pages can be shown. A file with one that cannot stays as it is: a fax
/// without one of its pages would look whole.
fn whole_tiff(file: &[u8]) -> Result<(Vec<TiffPage>, bool), PageTrouble> {
    let TiffPages { pages, is_cut } = tiff::pages(file)?;
    let mut whole = Vec::with_capacity(pages.len());
    let last = pages.len().saturating_sub(1);
    for (at, page) in pages.into_iter().enumerate() {
        match page {
            Ok(page) => whole.push(page),
            // The end of the file went through it.
            Err(_) if is_cut && at == last && at > 0 => {}
            Err(trouble) => return Err(trouble),
        }
    }
    Ok((whole, is_cut))
}

/// A picture of a page, counted from 1: a PNG in shades of grey, with the proportions of the paper and a
/// long edge of `edge` pixels (FAX-17). The same page gives the same bytes.
///
/// Errors: those of `file` 0, and [`DocumentError::Empty`] for a page that does not exist.
pub fn picture(file: &[u8], page: u32, edge: u32) -> Result<Vec<u8>, DocumentError> {
    grey(file, page, edge)?.png()
}

/// A page as a machine reads it best, counted from 1: a PGM with as many columns as the fax has, and as many
/// rows per inch as columns. Errors are those of [`picture`].
pub fn scan(file: &[u8], page: u32) -> Result<Vec<u8>, DocumentError> {
    Ok(grey(file, page, SCAN_EDGE)?.pgm())
}

/// The long edge of an A4 page with all columns of a fax: 204 pixels per inch.
pub(super) const SCAN_EDGE: u32 = 2_400;

pub(super) fn grey(file: &[u8], page: u32, edge: u32) -> Result<Grey, DocumentError> {
    let at = usize::try_from(page).ok().and_then(|page| page.checked_sub(1));
    let at = at.ok_or(DocumentError::Empty)?;
    match form_of(file) {
        DocumentForm::Pdf => PdfPages::of(file).map_err(unreadable)?.picture(at, edge),
        DocumentForm::Tiff => {
            let (pages, _) = whole_tiff(file).map_err(unreadable)?;
            let page = pages.get(at).ok_or(DocumentError::Empty)?;
            let DecodedPage { raster, .. } = strips::decode_page(file, page);
            let (columns, rows) = page.per_inch;
            let inches = (f64::from(raster.columns()) / columns, f64::from(raster.rows()) / rows);
            let (width, height) = picture_size(inches, edge, columns);
            if u64::from(width) * u64::from(height) > PICTURE_PIXELS_MAX {
                return Err(DocumentError::ImageTooLarge { index: 0 });
            }
            Ok(raster.picture(width, height))
        }
        _ => Err(DocumentError::FileType { index: 0 }),
    }
}

/// One PDF of all pages of a TIFF, each of the size of its paper, with its pixels as they are (FAX-19). The
/// same file gives the same bytes.
pub fn all_pages(file: &[u8]) -> Result<Vec<u8>, DocumentError> {
    if form_of(file) != DocumentForm::Tiff {
        return Err(DocumentError::FileType { index: 0 });
    }
    let (pages, _) = whole_tiff(file).map_err(unreadable)?;
    let mut pdf = PagesPdf::new();
    for page in &pages {
        pdf.add(&strips::decode_page(file, page).raster, page.per_inch)?;
    }
    Ok(pdf.finish())
}

fn unreadable(trouble: PageTrouble) -> DocumentError {
    match trouble {
        PageTrouble::Encrypted => DocumentError::Encrypted { index: 0 },
        _ => DocumentError::Unreadable { index: 0 },
    }
}
