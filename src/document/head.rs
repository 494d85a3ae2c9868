//! What stands above each page of a fax: who sends it, to which number, when, and which page it is of how
//! many (FAX-36). It is printed on pages of attached files too, because gateways often add no line of
//! their own, and pages get separated.

use krilla::{
    geom::{PathBuilder, Point},
    paint::Stroke,
    surface::Surface,
    text::{Font, TextDirection},
};
use skrifa::FontRef;

use super::{
    FONT, FaxPage,
    layout::{LEFT, RIGHT, Ruler, TextLine},
};

/// Baselines of the two lines.
const FIRST: f32 = 30.0;
const SECOND: f32 = 43.0;

/// Large enough for 98 lines per inch: a small letter is seven of them high.
const SIZE: f32 = 10.0;

/// The rule under the head: two lines of a coarse fax, so that one of them is printed.
const RULE: f32 = 49.0;
const RULE_WIDTH: f32 = 1.5;

/// From here down a page is the document's own.
pub(super) const BELOW_HEAD: f32 = 55.0;

/// Space between what stands left and right on a line.
const GAP: f32 = 12.0;

/// The head of all pages of a fax.
pub(super) struct PageHead {
    from: String,
    to: String,
    date: String,
    page: String,
}

impl PageHead {
    pub(super) fn of(sheet: &FaxPage) -> Self {
        let joined = |parts: [&str; 2], between: &str| {
            let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            parts.join(between)
        };
        let to = match sheet.recipient_number.as_str() {
            "" => String::new(),
            number => joined([&sheet.labels.to, number], " "),
        };
        Self {
            from: joined([&sheet.sender, &sheet.sender_number], ", "),
            to,
            date: sheet.date.clone(),
            page: sheet.labels.page.clone(),
        }
    }

    /// The lines of page `number` of `count`. What does not fit is cut on the left side; the number of the
    /// page and the moment are always whole.
    pub(super) fn lines(&self, number: usize, count: usize) -> Vec<TextLine> {
        // Only an embedded font that is damaged could fail here.
        let Ok(font) = FontRef::new(FONT) else { return Vec::new() };
        let ruler = Ruler::new(&font, SIZE);
        let page = format!("{} {number}/{count}", self.page);
        let rows = [(&self.from, page.trim(), FIRST), (&self.to, self.date.as_str(), SECOND)];
        let mut lines = Vec::new();
        for (left, right, y) in rows {
            let right = ruler.printable(right);
            let x = RIGHT - ruler.width(&right);
            let left = ruler.printable(&left.split_whitespace().collect::<Vec<_>>().join(" "));
            let left = ruler.wrap(&left, x - LEFT - GAP).into_iter().next().unwrap_or_default();
            for (x, text) in [(LEFT, left), (x, right)] {
                if !text.is_empty() {
                    lines.push(TextLine { x, y, size: SIZE, text });
                }
            }
        }
        lines
    }

    /// Prints it.
    pub(super) fn print(
        &self,
        surface: &mut Surface<'_>,
        font: &Font,
        (number, count): (usize, usize),
    ) {
        print_lines(surface, font, &self.lines(number, count));
        let mut rule = PathBuilder::new();
        rule.move_to(LEFT, RULE);
        rule.line_to(RIGHT, RULE);
        if let Some(rule) = rule.finish() {
            surface.set_fill(None);
            surface.set_stroke(Some(Stroke { width: RULE_WIDTH, ..Stroke::default() }));
            surface.draw_path(&rule);
            surface.set_stroke(None);
        }
    }
}

/// Prints lines of text, black.
pub(super) fn print_lines(surface: &mut Surface<'_>, font: &Font, lines: &[TextLine]) {
    for line in lines {
        surface.draw_text(
            Point::from_xy(line.x, line.y),
            font.clone(),
            line.size,
            &line.text,
            false,
            // No other one comes here: `Ruler::printable` shows its signs as missing.
            TextDirection::LeftToRight,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::FaxLabels;

    fn sheet() -> FaxPage {
        FaxPage {
            sender: "Praxis Dr. Müller".to_owned(),
            sender_number: "+49 30 23125000 (DE)".to_owned(),
            recipient_number: "+49 30 23125999 (DE)".to_owned(),
            date: "27.11.2026, 14:05 Uhr".to_owned(),
            labels: FaxLabels {
                to: "An".to_owned(),
                page: "Seite".to_owned(),
                ..FaxLabels::default()
            },
            ..FaxPage::default()
        }
    }

    #[test]
    fn fax_36_each_page_names_sender_recipient_moment_and_its_number() {
        let lines = PageHead::of(&sheet()).lines(2, 7);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Praxis Dr. Müller, +49 30 23125000 (DE)",
                "Seite 2/7",
                "An +49 30 23125999 (DE)",
                "27.11.2026, 14:05 Uhr",
            ]
        );
        assert!(lines.iter().all(|line| line.y < RULE && RULE < BELOW_HEAD));
    }

    /// A long name is cut, and covers neither the number of the page nor the page.
    #[test]
    fn fax_36_a_long_name_leaves_the_number_of_the_page_whole() {
        let sheet = FaxPage { sender: "Gemeinschaftspraxis ".repeat(30), ..sheet() };
        let lines = PageHead::of(&sheet).lines(10, 10);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1].text, "Seite 10/10");
        let font = FontRef::new(FONT).unwrap();
        let end = lines[0].x + Ruler::new(&font, SIZE).width(&lines[0].text);
        assert!(end < lines[1].x, "{end} {}", lines[1].x);
    }
}
