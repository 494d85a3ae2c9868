//! Subjects of received faxes, as forms.

/// A subject of received faxes. `{number}` stands for the caller; colons are left out of both.
#[derive(Debug, PartialEq, Eq)]
pub struct SubjectForm {
    pub pattern: &'static str,
    pub says: Says,
}

/// The source of a subject's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// The gateway's: the number that called.
    Caller,
    /// The sending machine's: its station id.
    Station,
}

pub(super) const fn called(pattern: &'static str) -> SubjectForm {
    SubjectForm { pattern, says: Says::Caller }
}

pub(super) const fn station(pattern: &'static str) -> SubjectForm {
    SubjectForm { pattern, says: Says::Station }
}

/// The part of `subject` where `pattern` says `{number}`, without regard to case.
pub(super) fn fill_of<'s>(pattern: &str, subject: &'s str) -> Option<&'s str> {
    let (before, after) = pattern.split_once("{number}")?;
    let subject = subject.trim();
    let rest = subject.get(before.len()..)?;
    let fill = rest.get(..rest.len().checked_sub(after.len())?)?;
    let starts = subject.get(..before.len())?.eq_ignore_ascii_case(before);
    let ends = rest.get(fill.len()..)?.eq_ignore_ascii_case(after);
    (starts && ends).then(|| fill.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_pattern_matches_whole_subjects_only() {
        let check = |pattern: &str, subject: &str, expected: Option<&str>| {
            assert_eq!(fill_of(pattern, subject), expected, "{pattern} | {subject}");
        };
        check("Fax from {number}", "fax FROM 030 1 ", Some("030 1"));
        check("Fax from \"{number}\"", "Fax from \"030\"", Some("030"));
        check("Fax from \"{number}\"", "Fax from \"", None);
        check("Fax from {number}", "Re: Fax from 030", None);
        check("Fax from {number}", "Fäx from 030", None);
        check("Fax {number} end", "Fax end", None);
        check("Fax {number}", "ü", None);
    }
}
