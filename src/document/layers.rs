//! What a PDF hides: layers, which the standard calls optional content (ISO 32000-1 §8.11).
//!
//! Joining copies what is drawn on a page, without the catalogue that says which of it is shown. A file that
//! may hide something is therefore not joined. Which layer a reader shows also depends on whether it shows or
//! prints, how large, in which language and to whom: nothing of that is guessed at here.

use hayro_syntax::{
    Pdf,
    object::{Array, Dict, MaybeRef, Name, Object},
};

/// How deep objects may lie within each other before they count as hiding something.
const DEPTH_MAX: usize = 32;

/// Whether anything of a PDF may be hidden. Without layers, or with layers that are all shown always, nothing
/// is; what is not known counts as hidden.
pub(super) fn hides(pdf: &Pdf) -> bool {
    let catalog = pdf.xref().root_id();
    let catalog = pdf.xref().get::<Dict<'_>>(catalog);
    let Some(catalog) = catalog else { return has_layers(pdf) };
    if !catalog.contains_key(b"OCProperties".as_slice()) {
        return false;
    }
    let layers = catalog.get::<Dict<'_>>(b"OCProperties".as_slice());
    let Some(layers) = layers else { return true };
    let Some(shown) = layers.get::<Dict<'_>>(b"D".as_slice()) else { return true };
    let is_on = shown.get::<Name<'_>>(b"BaseState".as_slice()).is_none_or(|state| &*state == b"ON");
    let has = |key: &[u8]| match shown.get::<Object<'_>>(key) {
        None => false,
        Some(Object::Array(list)) => list.raw_iter().next().is_some(),
        Some(_) => true,
    };
    // `AS`: a reader turns layers on and off by itself. Of several in `RBGroups` one at most is on.
    !is_on
        || has(b"OFF")
        || has(b"RBGroups")
        || (has(b"AS") && any_usage_hides(&layers))
        || any_object(pdf, &|dict| says_to_hide(dict))
}

/// Whether a layer says of itself that it is hidden somewhere, such as on paper.
fn any_usage_hides(layers: &Dict<'_>) -> bool {
    let Some(all) = layers.get::<Array<'_>>(b"OCGs".as_slice()) else { return true };
    all.iter::<Dict<'_>>().any(|layer| {
        let Some(usage) = layer.get::<Dict<'_>>(b"Usage".as_slice()) else { return false };
        [b"Zoom".as_slice(), b"User", b"Language"].iter().any(|key| usage.contains_key(key))
            || [(b"View".as_slice(), b"ViewState".as_slice()), (b"Print", b"PrintState")]
                .iter()
                .chain(&[(b"Export".as_slice(), b"ExportState".as_slice())])
                .any(|(of, state)| {
                    usage.get::<Dict<'_>>(*of).is_some_and(|of| {
                        of.get::<Name<'_>>(*state).is_none_or(|state| &*state != b"ON")
                    })
                })
    })
}

/// Whether something is shown only where layers are off, or by an expression, although all of them are on.
fn says_to_hide(dict: &Dict<'_>) -> bool {
    let is_membership =
        dict.get::<Name<'_>>(b"Type".as_slice()).is_some_and(|kind| &*kind == b"OCMD");
    let policy = dict.get::<Name<'_>>(b"P".as_slice());
    let is_off = policy.is_some_and(|policy| ![b"AllOn".as_slice(), b"AnyOn"].contains(&&*policy));
    is_membership && (is_off || dict.contains_key(b"VE".as_slice()))
}

/// Whether a file that has no catalogue has layers.
fn has_layers(pdf: &Pdf) -> bool {
    any_object(pdf, &|dict| {
        let kind = dict.get::<Name<'_>>(b"Type".as_slice());
        kind.is_some_and(|kind| [b"OCG".as_slice(), b"OCMD"].contains(&&*kind))
    })
}

fn any_object(pdf: &Pdf, is: &dyn Fn(&Dict<'_>) -> bool) -> bool {
    pdf.objects().into_iter().any(|object| any_within(&object, is, DEPTH_MAX))
}

/// Whether this is so of a dictionary, or of one that stands in it.
fn any_within(object: &Object<'_>, is: &dyn Fn(&Dict<'_>) -> bool, depth: usize) -> bool {
    if depth == 0 {
        return true;
    }
    let any_of = |inner: MaybeRef<Object<'_>>| match inner {
        // It has its turn by itself.
        MaybeRef::Ref(_) => false,
        MaybeRef::NotRef(inner) => any_within(&inner, is, depth - 1),
    };
    let any_of_dict = |dict: &Dict<'_>| is(dict) || dict.entries().any(|(_, inner)| any_of(inner));
    match object {
        Object::Dict(dict) => any_of_dict(dict),
        Object::Stream(stream) => any_of_dict(stream.dict()),
        Object::Array(array) => array.raw_iter().any(any_of),
        _ => false,
    }
}
