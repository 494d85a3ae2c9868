//! How received faxes are shown: keys of `[channel.fax]`.

use super::reader::Section;
use crate::{
    model::{FaxPictures, FaxShowing},
    phrases::AdminPhrase,
};

/// Below this an A4 page cannot be read; above it a picture shows no more than the fax has.
const EDGES: std::ops::RangeInclusive<u64> = 600..=4_000;

pub(super) fn read(section: &Section<'_, '_>) -> FaxShowing {
    let default = FaxShowing::default();
    let pictures = section.text("pictures", |text| {
        let row = FaxPictures::ALL.iter().find(|(_, word)| *word == text);
        row.map(|(pictures, _)| *pictures).ok_or_else(|| {
            let words = FaxPictures::ALL.map(|(_, word)| format!("\"{word}\""));
            AdminPhrase::AllowedForms { names: words.join(", ") }
        })
    });
    let edge = section.whole("picture_pixels", EDGES).and_then(|edge| u32::try_from(edge).ok());
    FaxShowing {
        pictures: pictures.unwrap_or(default.pictures),
        edge: edge.unwrap_or(default.edge),
        is_read: section.flag("read_pages").unwrap_or(default.is_read),
    }
}
