//! A mail server's answer: its code, its enhanced code and its words, kept apart.

use std::{fmt, str::FromStr};

/// One reply of an SMTP server, all its lines.
///
/// Only the codes decide. The words are for people: servers quote addresses, host numbers and other
/// servers' replies in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three digits every line begins with (RFC 5321 §4.2).
    pub code: u16,
    /// The code that begins the first line, if the server gives such codes (RFC 2034).
    pub enhanced: Option<EnhancedCode>,
    /// The rest, on one line and fit for rooms; empty when the server says no more.
    pub text: String,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        if !self.text.is_empty() {
            write!(f, " {}", self.text)?;
        }
        Ok(())
    }
}

/// An enhanced status code (RFC 3463): `5.1.1`. Replies carry it, and so does the `Status:` field
/// of a delivery report (RFC 3464 §2.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    pub class: CodeClass,
    pub subject: u16,
    pub detail: u16,
}

/// The first digit of an enhanced code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeClass {
    Success,
    Later,
    Never,
}

impl CodeClass {
    fn digit(self) -> u16 {
        match self {
            Self::Success => 2,
            Self::Later => 4,
            Self::Never => 5,
        }
    }

    /// Whether a reply of this code may carry it: both have to agree on success (RFC 2034 §4).
    pub fn fits(self, code: u16) -> bool {
        code / 100 == self.digit()
    }
}

/// A text is no enhanced status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an enhanced status code is 2, 4 or 5 and two numbers of up to three digits (RFC 3463)")]
pub struct EnhancedCodeError;

impl FromStr for EnhancedCode {
    type Err = EnhancedCodeError;

    /// The whole text is the code: `5.1.1`, but no part of `10.3.4.7`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.');
        let class = match parts.next() {
            Some("2") => CodeClass::Success,
            Some("4") => CodeClass::Later,
            Some("5") => CodeClass::Never,
            _ => return Err(EnhancedCodeError),
        };
        let mut number = || {
            let part = parts.next().ok_or(EnhancedCodeError)?;
            let fits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            if fits { part.parse().map_err(|_| EnhancedCodeError) } else { Err(EnhancedCodeError) }
        };
        let (subject, detail) = (number()?, number()?);
        if parts.next().is_some() {
            return Err(EnhancedCodeError);
        }
        Ok(Self { class, subject, detail })
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class.digit(), self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn r24_only_a_whole_word_is_a_code() {
        for (text, expected) in [
            ("5.7.1", Some((CodeClass::Never, 7, 1))),
            ("4.3.10", Some((CodeClass::Later, 3, 10))),
            ("2.0.0", Some((CodeClass::Success, 0, 0))),
            ("10.3.4.7", None),
            ("5.3.4.7", None),
            ("5.3.4:", None),
            ("5.3", None),
            ("5..4", None),
            ("5.3.", None),
            ("3.3.4", None),
            ("05.3.4", None),
            ("5.3.4000", None),
            ("5.+3.4", None),
            ("", None),
        ] {
            let read = text.parse::<EnhancedCode>().ok();
            assert_eq!(read.map(|c| (c.class, c.subject, c.detail)), expected, "{text}");
        }
    }

    #[test]
    fn a_reply_is_shown_with_its_codes_first() {
        let reply = Reply { code: 550, enhanced: "5.1.1".parse().ok(), text: "no".to_owned() };
        assert_eq!(reply.to_string(), "550 5.1.1 no");
        let bare = Reply { code: 250, enhanced: None, text: String::new() };
        assert_eq!(bare.to_string(), "250");
    }

    proptest! {
        #[test]
        fn a_code_is_read_as_it_is_written(subject in 0_u16..1000, detail in 0_u16..1000) {
            let code = EnhancedCode { class: CodeClass::Never, subject, detail };
            prop_assert_eq!(code.to_string().parse(), Ok(code));
        }
    }
}
