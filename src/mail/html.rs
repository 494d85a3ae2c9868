//! Foreign HTML, reduced to what a room may show.
//!
//! The output is not the input with bad things removed; it is written from scratch, from an
//! allow-list, and we escape every text and every link in it. A mistake in reading can therefore
//! show too little or too much text, and never run anything.
//!
//! The source is split into tokens by the rules that browsers follow (html5gum), so that we read
//! what the sender saw. No tree is built: mails can nest tags deeper than a stack, and tree
//! builders repair some of them in quadratic time. What carries meaning is kept in the HTML and in
//! the text version: struck words, raised and lowered figures, quotations, the numbers of lists,
//! ticks and fields of forms, kept line ends, the columns of tables. What a mail program would not
//! show is not shown, and noted when it contains words.

mod css;
mod elements;
#[cfg(test)]
mod forest_tests;
mod layout;
mod lists;
mod marks;
#[cfg(test)]
mod meaning_tests;
#[cfg(test)]
mod misread_tests;
mod page;
mod reader;
mod rows;
mod sheet;
mod style;
mod symbols;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
mod writer;

use reader::Outline;
use writer::{Writer, Written};

/// How many bytes of a body part are read. Anything beyond has long exceeded the limits of a post.
pub const HTML_SOURCE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of HTML as a JSON string; longer HTML is left out, since the text says the same. See
/// [`super::TEXT_BYTES_MAX`] for the sum.
pub const HTML_BYTES_MAX: usize = 18_000;

/// HTML made harmless, and the same as text.
#[derive(Debug)]
pub(super) struct Rendered {
    /// `None` when it would be longer than [`HTML_BYTES_MAX`].
    pub(super) html: Option<String>,
    pub(super) text: String,
    /// The text is only the beginning.
    pub(super) is_cut: bool,
    /// Words are hidden, or something unreadable may change their meaning.
    pub(super) is_unsure: bool,
    /// Words are struck out, raised or lowered, which a plain text beside it may not say.
    pub(super) is_marked: bool,
}

/// What a message in a room says whose sender's client wrote `body` and `html` (Matrix
/// `formatted_body`): the text, marked where the HTML strikes out, raises or lowers and the two
/// otherwise say the same. If the text is blank, the words of the HTML, unless they are unsure.
pub fn body_of_message(body: String, html: &str) -> String {
    if !body.trim().is_empty() {
        return marks::marked(&body, html).unwrap_or(body);
    }
    let page = render(html);
    if page.is_cut || page.is_unsure { body } else { page.text }
}

/// Reduces HTML to the subset that Matrix clients may show.
///
/// No style, class, script or event handler; no image, remote or embedded, so no tracking pixel;
/// links to `http`, `https`, `mailto` and `tel` only, with their real target beside them when
/// their text says anything else.
pub(super) fn render(source: &str) -> Rendered {
    let mut writer = Writer::new(&Outline::of(source));
    reader::read(source, &mut writer);
    let Written { html, text, is_cut, is_unsure, is_marked } = writer.finish();
    Rendered { html, text, is_cut, is_unsure, is_marked }
}
