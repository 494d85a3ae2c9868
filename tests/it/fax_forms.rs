//! Filled forms, stamps and notes of a PDF that leaves as a fax: they are on the paper where they lie, or the file
//! does not leave beside anything else. Needs no servers.

use bytes::Bytes;
use umstieg::document::{self, DocumentError, FaxPage, FaxPdf};

use crate::fax_pages_attacked::DarkPicture;

/// A PDF of these objects, the first of which is its catalogue.
fn pdf_of(objects: &[String]) -> Bytes {
    let mut file = "%PDF-1.7\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(objects) {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let begin = file.len();
    let size = objects.len() + 1;
    let trailer = format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{begin}\n%%EOF\n");
    (file + &table + &trailer).into()
}

fn stream(dict: &str, data: &str) -> String {
    format!("<< {dict} /Length {} >>\nstream\n{data}\nendstream", data.len())
}

/// One page with these drawn on it and these on top of it. Objects 5 to 7 are a drawing that is black all over,
/// one that is black in its left half and turned upright by its matrix, and one that is empty.
fn page(catalog: &str, page: &str, drawn: &str, on_top: &str) -> Bytes {
    let form = "/Type /XObject /Subtype /Form";
    pdf_of(&[
        format!("<< /Type /Catalog /Pages 2 0 R {catalog} >>"),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {page} /Contents 4 0 R \
             /Annots [{on_top}] >>"
        ),
        stream("", drawn),
        stream(&format!("{form} /BBox [10 10 60 20]"), "0 0 100 100 re f"),
        stream(&format!("{form} /BBox [0 0 40 20] /Matrix [0 1 -1 0 0 0]"), "0 0 20 20 re f"),
        stream(&format!("{form} /BBox [0 0 9 9]"), "/Tx BMC EMC"),
    ])
}

fn fax(file: Bytes, text: &str) -> Result<FaxPdf, DocumentError> {
    let sheet = FaxPage { text: text.to_owned(), ..FaxPage::default() };
    document::fax(Some(&sheet), &[file], 9, &mut |_| {})
}

/// How many pixels of the last page differ.
fn differences(one: &FaxPdf, other: &FaxPdf) -> usize {
    assert_eq!(one.pages, other.pages);
    let [one, other] = [one, other].map(|made| DarkPicture::page(&made.bytes, made.pages));
    assert_eq!((one.width, one.height), (other.width, other.height));
    one.dark.iter().zip(&other.dark).filter(|(one, other)| one.abs_diff(**other) > 100).count()
}

const TEXT: &str = "<< /Type /Annot /Subtype /Widget /FT /Tx /T (Name) /V (Test) /F 4 /Rect [50 700 200 720] \
     /AP << /N 5 0 R >> >>";
const TICKED: &str = "<< /Type /Annot /Subtype /Widget /FT /Btn /T (Ja) /V /Ja /AS /Ja /F 4 /Rect [300 500 320 540] \
     /AP << /N << /Ja 6 0 R /Off 7 0 R >> >> >>";

/// A filled field and a ticked box are where they lie, below the head, alone and beside words.
#[test]
fn fax_23_fax_36_a_filled_form_leaves_as_it_is_seen() {
    for turned in ["", "/Rotate 90", "/Rotate 180", "/CropBox [20 100 500 800]"] {
        // The matrix turns the drawing to the left: what is its left half is the lower half then.
        let same = page("", turned, "50 700 150 20 re f 300 500 20 20 re f", "");
        let form = page("", turned, "", &format!("{TEXT} {TICKED}"));
        for text in ["", "Anbei der Bogen."] {
            let (form, same) = (fax(form.clone(), text).unwrap(), fax(same.clone(), text).unwrap());
            assert_eq!(form.pages, if text.is_empty() { 1 } else { 2 });
            let blank = fax(page("", turned, "", ""), text).unwrap();
            assert!(differences(&form, &blank) > 1_000, "{turned}: nothing of it is there");
            let differ = differences(&form, &same);
            assert!(differ < 300, "{turned}: {differ} pixels are elsewhere");
        }
    }
}

/// What prints nothing is nothing: links, what is hidden, a box that is not ticked, a field without words, a
/// signature that nobody sees.
#[test]
fn fax_23_what_prints_nothing_is_left_out() {
    let blank = fax(page("", "", "", ""), "x").unwrap();
    for on_top in [
        "<< /Type /Annot /Subtype /Link /Rect [50 700 200 720] >>".to_owned(),
        TEXT.replace("/F 4", "/F 6"),
        TICKED.replace("/AS /Ja", "/AS /Off"),
        TICKED.replace("/AS /Ja", "/AS /Off").replace("/Off 7 0 R", ""),
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (Name) /F 4 /Rect [50 700 200 720] >>"
            .to_owned(),
        "<< /Type /Annot /Subtype /Widget /FT /Sig /V 4 0 R /F 132 /Rect [0 0 0 0] >>".to_owned(),
    ] {
        let made =
            fax(page("", "", "", &on_top), "x").unwrap_or_else(|why| panic!("{on_top}: {why}"));
        assert_eq!(differences(&made, &blank), 0, "{on_top}");
    }
}

/// What is not surely printed as it is seen leaves as it is when it is alone, and else not at all.
#[test]
fn fax_23_a_form_in_doubt_is_not_guessed_at() {
    let stale = "/AcroForm << /NeedAppearances true >>";
    for (catalog, on_top) in [
        ("", TEXT.replace("/AP << /N 5 0 R >>", "")),
        ("", TEXT.replace("5 0 R", "99 0 R")),
        ("", TEXT.replace("/F 4", "")),
        ("", TEXT.replace("/F 4", "/F 36")),
        ("", TEXT.replace("/F 4", "/F 4 /OC 4 0 R")),
        ("", TICKED.replace("/AS /Ja", "/AS /Nein")),
        ("", TICKED.replace("/AS /Ja", "")),
        (stale, TEXT.to_owned()),
        ("/AcroForm << /XFA 4 0 R >>", TEXT.to_owned()),
    ] {
        let file = page(catalog, "", "", &on_top);
        let refused = fax(file.clone(), "x").unwrap_err();
        assert_eq!(refused, DocumentError::Annotated { index: 0 }, "{on_top}");
        // Nor alone: its preview could show something else than the gateway prints.
        assert_eq!(fax(file.clone(), "").unwrap_err(), refused, "{on_top}");
    }
    let layered = page("/OCProperties << >>", "", "", &TEXT.replace("/F 4", ""));
    assert_eq!(fax(layered, "").unwrap_err(), DocumentError::HiddenLayers { index: 0 });
}
