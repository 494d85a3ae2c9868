//! A text that a client wrote beside its HTML, with the marks it lacks.

use super::{
    layout::{Level, TextLayout},
    reader::{Listener, Tag, read},
    style::{Shift, Space},
};

/// How a character is shown.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct SignLook {
    is_struck: bool,
    level: Level,
}

/// `body` with the marks of a letter's text ([`super::layout`]) for what `html` strikes out, raises
/// and lowers. `None` if there is nothing to mark, if the text marks it already, or if the two
/// otherwise differ.
pub(super) fn marked(body: &str, html: &str) -> Option<String> {
    let mut shown = ShownSigns::default();
    read(html, &mut shown);
    if shown.is_lost || shown.signs.iter().all(|(_, look)| *look == SignLook::default()) {
        return None;
    }
    let looks = aligned(body, &shown.signs)?;
    let mut layout = TextLayout::default();
    let mut run = String::new();
    let mut of_run = SignLook::default();
    for (sign, look) in body.chars().zip(looks) {
        if look != of_run {
            layout.push(&run, Space::Kept, of_run.is_struck, of_run.level);
            run.clear();
            of_run = look;
        }
        run.push(sign);
    }
    layout.push(&run, Space::Kept, of_run.is_struck, of_run.level);
    layout.finish();
    Some(layout.out).filter(|out| !layout.is_cut && out != body)
}

/// How each character of the text is shown. The text may have its own characters between those of
/// the HTML, but no letter and no figure: line ends, and what a client writes for bold words or
/// links.
fn aligned(body: &str, shown: &[(char, SignLook)]) -> Option<Vec<SignLook>> {
    let mut shown = shown.iter().copied().peekable();
    let mut looks: Vec<SignLook> = Vec::new();
    // The text's own characters since the last one that the HTML has too, and how that one is
    // shown.
    let (mut own, mut last, mut said_by_text) = (String::new(), SignLook::default(), None);
    for sign in body.chars() {
        while shown
            .next_if(|(s, _)| *s != sign && !s.is_alphanumeric() && sign.is_alphanumeric())
            .is_some()
        {}
        let Some((_, look)) = shown.next_if(|(s, _)| *s == sign) else {
            if sign.is_alphanumeric() {
                return None;
            }
            own.push(sign);
            looks.push(SignLook::default());
            continue;
        };
        if look != last {
            said_by_text = says(&own, look).then_some(look);
        } else if let Some(gap) = looks.len().checked_sub(own.chars().count()) {
            // Blanks within struck words.
            let look = if said_by_text == Some(look) { SignLook::default() } else { look };
            looks.iter_mut().skip(gap).for_each(|own| *own = look);
        }
        looks.push(if said_by_text == Some(look) { SignLook::default() } else { look });
        own.clear();
        last = look;
    }
    shown.all(|(s, _)| !s.is_alphanumeric()).then_some(looks)
}

/// Whether the text itself says, by the characters before a character, how it is shown.
fn says(own: &str, look: SignLook) -> bool {
    let is_struck = !look.is_struck || own.contains("~~");
    let is_moved = match look.level.shift {
        Shift::Base => true,
        Shift::Up => own.ends_with('^'),
        Shift::Down => own.ends_with('_'),
    };
    is_struck && is_moved
}

/// The characters of HTML, without blanks, as a Matrix client shows them: it knows these tags and
/// no styles.
#[derive(Debug, Default)]
struct ShownSigns {
    signs: Vec<(char, SignLook)>,
    struck: usize,
    shifts: Vec<(String, Shift)>,
    is_lost: bool,
}

impl Listener for ShownSigns {
    fn text(&mut self, text: &str) {
        let level = self.shifts.iter().fold(Level::default(), |level, (_, by)| level.moved(*by));
        let look = SignLook { is_struck: self.struck > 0, level };
        self.signs.extend(text.chars().filter(|c| !c.is_whitespace()).map(|c| (c, look)));
    }

    fn open(&mut self, tag: &Tag) {
        match tag.name.as_str() {
            "del" | "s" | "strike" => self.struck += 1,
            "sup" => self.shifts.push((tag.name.clone(), Shift::Up)),
            "sub" => self.shifts.push((tag.name.clone(), Shift::Down)),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if matches!(name, "del" | "s" | "strike") {
            self.struck = self.struck.saturating_sub(1);
        } else if let Some(at) = self.shifts.iter().rposition(|(open, _)| open == name) {
            self.shifts.remove(at);
        }
    }

    fn lost(&mut self) {
        self.is_lost = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_html_marks_is_marked_in_the_text() {
        for (body, html, expected) in [
            (
                "Bitte 50 mg 5 mg geben",
                "Bitte <del>50 mg</del> 5 mg geben",
                "Bitte ~~50 mg~~ 5 mg geben",
            ),
            ("Bitte 50 mg\n5 mg", "<p>Bitte <s>50 mg</s></p><p>5 mg</p>", "Bitte ~~50 mg~~\n5 mg"),
            (
                "Leukozyten 109 je Liter",
                "Leukozyten 10<sup>9</sup> je Liter",
                "Leukozyten 10^9 je Liter",
            ),
            ("H2O & 109", "H<sub>2</sub>O &amp; 10<sup>9</sup>", "H_2O & 10^9"),
            ("1023", "10<sup>2</sup>3", "10^(2)3"),
            (
                "**Wichtig**: 50 5 mg",
                "<b>Wichtig</b>: <strike>50</strike> 5 mg",
                "**Wichtig**: ~~50~~ 5 mg",
            ),
            ("a\nb c", "<del>a<br>b</del> c", "~~a~~\n~~b~~ c"),
            ("alles", "<del>alles</del>", "~~alles~~"),
            ("\n\n50\n\n\n5", "<del>50</del><br>5", "~~50~~\n\n\n5"),
        ] {
            assert_eq!(marked(body, html).as_deref(), Some(expected), "{body:?} {html:?}");
        }
    }

    #[test]
    fn a_text_that_says_it_or_something_else_stays_as_it_is() {
        for (body, html) in [
            ("Guten Tag", "<b>Guten</b> Tag"),
            ("~~50 mg~~ 5 mg", "<del>50 mg</del> 5 mg"),
            ("Bitte **~~50 mg~~** 5", "Bitte <b><del>50 mg</del></b> 5"),
            ("10^9 je Liter", "10<sup>9</sup> je Liter"),
            ("50 mg", "<del>50 mg</del> 5 mg"),
            ("50 mg 5 mg", "<del>50 mg</del>"),
            ("<del>50</del> 5", "<del>50</del> 5"),
            ("", "<del>50</del>"),
            ("50", "<del>"),
        ] {
            assert_eq!(marked(body, html), None, "{body:?} {html:?}");
        }
    }
}
