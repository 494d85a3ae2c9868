//! What a barcode of a page says, as far as a practice has any use for it.
//!
//! The patients in a barcode are never taken out of it: the page shows them.

use crate::model::{CodeForm, FaxNumber, HintKind, PageCode, PageHint, PracticeNumber};

/// The longest content of a barcode that is shown: numbers of orders and samples.
const SHOWN_CHARS_MAX: usize = 40;

/// The longest name of an author.
const AUTHOR_CHARS_MAX: usize = 80;

/// What a barcode is for.
#[derive(Clone, PartialEq, Eq)]
pub enum CodeSays {
    /// A medication plan (BMP: XML in a Data Matrix; § 31a SGB V and its specification of the format). Who
    /// wrote it, their number and telephone.
    MedicationPlan {
        author: Option<String>,
        lanr: Option<PracticeNumber>,
        telephone: Option<String>,
    },
    /// The token of an e-prescription: whoever has it can have the medicine. Its content is neither shown
    /// nor kept.
    Prescription,
    /// A form of statutory health care. Inferred, as the specification is not public in full: PDF417, fields
    /// with tabulators between them, of which the first begins with the form's two digits; two fields of nine
    /// digits beside each other, of which the second has the check of a doctor's number, are place and doctor.
    Form { bsnr: Option<PracticeNumber>, lanr: Option<PracticeNumber> },
    /// An address in the internet, or the like.
    Link(CodeForm),
    /// A short text of a code with bars: an order, a sample.
    Short(CodeForm, String),
    /// Nothing that is known here.
    Other(CodeForm),
}

impl std::fmt::Debug for CodeSays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl CodeSays {
    /// The word for it in the sentences.
    pub fn word(&self) -> &'static str {
        match self {
            Self::MedicationPlan { .. } => "plan",
            Self::Prescription => "prescription",
            Self::Form { .. } => "form",
            Self::Link(_) => "link",
            Self::Short(..) => "short",
            Self::Other(_) => "other",
        }
    }

    /// Who wrote what the barcode holds.
    pub(super) fn author(&self) -> Option<&str> {
        match self {
            Self::MedicationPlan { author, .. } => author.as_deref(),
            _ => None,
        }
    }

    pub(super) fn hints(&self, telephone: &dyn Fn(&str) -> Option<FaxNumber>) -> Vec<PageHint> {
        let (bsnr, lanr, written) = match self {
            Self::MedicationPlan { lanr, telephone, .. } => (&None, lanr, telephone.as_deref()),
            Self::Form { bsnr, lanr } => (bsnr, lanr, None),
            _ => return Vec::new(),
        };
        let practice = |kind, number: &Option<PracticeNumber>| {
            number.as_ref().map(|number| PageHint::practice(kind, number, true))
        };
        let called = written.and_then(telephone);
        let called = called.map(|number| PageHint::telephone(HintKind::Phone, &number, true));
        practice(HintKind::Bsnr, bsnr)
            .into_iter()
            .chain(practice(HintKind::Lanr, lanr))
            .chain(called)
            .collect()
    }
}

/// What a barcode says.
pub fn code_says(code: &PageCode) -> CodeSays {
    let text = code.text.trim();
    if let Some(plan) = element(text, "<MP ").and_then(|_| element(text, "<A ")) {
        let lanr = attribute(plan, "lanr").and_then(PracticeNumber::lanr);
        let author = attribute(plan, "n").map(words).filter(|name| !name.is_empty());
        let telephone = attribute(plan, "p").map(words).filter(|number| !number.is_empty());
        return CodeSays::MedicationPlan { author, lanr, telephone };
    }
    if text.starts_with("<MP ") || text.contains("<MP ") {
        return CodeSays::MedicationPlan { author: None, lanr: None, telephone: None };
    }
    // gemSpec_DM_eRp: a path of a task with its access code.
    if text.contains("Task/") && text.contains("$accept") {
        return CodeSays::Prescription;
    }
    if code.form == CodeForm::Pdf417
        && let Some(form) = form(text)
    {
        return form;
    }
    let is_link =
        |scheme: &str| text.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme));
    if ["http:", "https:", "mailto:", "tel:", "www."].into_iter().any(is_link) {
        return CodeSays::Link(code.form);
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " -./+".contains(c);
    let is_of_bars = matches!(code.form, CodeForm::Code128 | CodeForm::Code39);
    if is_of_bars && text.len() <= SHOWN_CHARS_MAX && text.chars().all(is_plain) {
        return CodeSays::Short(code.form, text.to_owned());
    }
    CodeSays::Other(code.form)
}

fn form(text: &str) -> Option<CodeSays> {
    let fields: Vec<&str> = text.split('\t').map(str::trim).collect();
    let begins = fields.first()?.as_bytes().get(..2)?.iter().all(u8::is_ascii_digit);
    if fields.len() < 4 || !begins {
        return None;
    }
    let pair = fields.iter().zip(fields.iter().skip(1)).find_map(|(place, doctor)| {
        Some((PracticeNumber::bsnr(place)?, PracticeNumber::lanr(doctor)?))
    });
    let (bsnr, lanr) = pair.unzip();
    Some(CodeSays::Form { bsnr, lanr })
}

/// The inside of the first element that begins so.
fn element<'a>(text: &'a str, begin: &str) -> Option<&'a str> {
    let (_, inside) = text.split_once(begin)?;
    inside.split('>').next()
}

/// An attribute of an element. Entities stay as they are.
fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let marked = format!(" {name}=\"");
    let begin = format!("{name}=\"");
    let rest = match element.strip_prefix(begin.as_str()) {
        Some(rest) => rest,
        None => element.split_once(marked.as_str())?.1,
    };
    rest.split('"').next()
}

/// One line of what can be seen.
fn words(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let flat =
        flat.replace("&amp;", "&").split_whitespace().map(super::as_words).collect::<Vec<_>>();
    flat.join(" ").chars().take(AUTHOR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Country;

    const PLAN: &str = "<MP v=\"026\" U=\"0123\" l=\"de-DE\"><P g=\"Erika\" f=\"Muster\" b=\"19400324\"/>\
        <A lanr=\"123456601\" n=\"Praxis Dr. Beispiel\" s=\"Weg 1\" p=\"030 1234567\"/><S/></MP>";

    fn says(form: CodeForm, text: &str) -> CodeSays {
        code_says(&PageCode { form, text: text.to_owned() })
    }

    fn hints(says: &CodeSays) -> Vec<(HintKind, String)> {
        let germany = Country::new("DE").unwrap();
        says.hints(&|text| germany.number(text))
            .into_iter()
            .map(|hint| (hint.kind, hint.number))
            .collect()
    }

    #[test]
    fn fax_10_a_medication_plan_names_its_author_and_no_patient() {
        let plan = says(CodeForm::DataMatrix, PLAN);
        assert_eq!(plan.author(), Some("Praxis Dr. Beispiel"));
        let expected = [
            (HintKind::Lanr, "123456601".to_owned()),
            (HintKind::Phone, "+49301234567".to_owned()),
        ];
        assert_eq!(hints(&plan), expected);
        let CodeSays::MedicationPlan { author, telephone, .. } = &plan else { panic!() };
        for held in [author, telephone] {
            assert!(!format!("{held:?}").contains("Muster"));
        }
        let bare = says(CodeForm::DataMatrix, "<MP v=\"026\"/>");
        assert_eq!((bare.word(), bare.author(), hints(&bare)), ("plan", None, vec![]));
    }

    #[test]
    fn fax_10_a_form_names_place_and_doctor_where_both_stand_together() {
        let form = says(
            CodeForm::Pdf417,
            "02a05\tMuster\tErika\t19400324\t721111100\t123456601\t20261101",
        );
        let expected =
            [(HintKind::Bsnr, "721111100".to_owned()), (HintKind::Lanr, "123456601".to_owned())];
        assert_eq!((form.word(), hints(&form)), ("form", expected.to_vec()));
        // Nine digits of something else.
        let other = says(CodeForm::Pdf417, "02a05\tMuster\t721111100\t123456701");
        assert_eq!((other.word(), hints(&other)), ("form", vec![]));
    }

    #[test]
    fn fax_10_the_token_of_a_prescription_is_never_held() {
        let token = "{\"urls\":[\"Task/160.000.226.545.733.51/$accept?ac=777bea0e13cc9c42ceec14aec3ddee22\"]}";
        assert_eq!(says(CodeForm::DataMatrix, token), CodeSays::Prescription);
    }

    #[test]
    fn fax_10_only_short_plain_text_of_bars_is_shown() {
        for (form, text, word) in [
            (CodeForm::Code128, "A123456789", "short"),
            (CodeForm::Code128, "x\u{1b}[2J", "other"),
            (CodeForm::Code128, &"1".repeat(41), "other"),
            (CodeForm::Qr, "A123456789", "other"),
            (CodeForm::Qr, "HTTPS://boese.example/x", "link"),
            (CodeForm::Code39, "https://x", "link"),
            (CodeForm::Pdf417, "abc", "other"),
            (CodeForm::Pdf417, "ä\t1\t2\t3", "other"),
            (CodeForm::DataMatrix, "ähttp", "other"),
        ] {
            assert_eq!(says(form, text).word(), word, "{text:?}");
        }
    }
}
