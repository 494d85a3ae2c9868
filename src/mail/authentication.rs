//! What mail servers on the way say that they checked of a mail's origin (RFC 8601; FAX-12).

use super::header::{HeaderBlock, unfold};
use crate::model::OriginCheck;

/// Fields that are read: a mail that passed a dozen servers has as many.
const CHECKS_MAX: usize = 20;

/// Characters of one field that are read.
const CHECK_CHARS_MAX: usize = 4_000;

/// Domains of one field that are kept.
const DOMAINS_MAX: usize = 20;

/// The fields `Authentication-Results`, the topmost first, and of each the domains that passed.
///
/// Whoever writes a mail can write such a field too: it means something only if the server that it names
/// is the reader's own, which removes fields that bear its name and came from elsewhere (RFC 8601 §5).
pub(super) fn origin_checks(block: &HeaderBlock<'_>) -> Vec<OriginCheck> {
    block.values("Authentication-Results").take(CHECKS_MAX).filter_map(origin_check).collect()
}

fn origin_check(value: &[u8]) -> Option<OriginCheck> {
    let text: String = unfold(value).chars().take(CHECK_CHARS_MAX + 1).collect();
    // Half a field could end before its `fail`.
    if text.chars().count() > CHECK_CHARS_MAX {
        return None;
    }
    let results = statements(&text)?;
    let (server, results) = results.split_first()?;
    // A version may follow the name (RFC 8601 §2.2).
    let server = server.first()?.to_ascii_lowercase();
    // What speaks against the author's domain counts, whatever else passed.
    let is_denied = |words: &Vec<String>| {
        words.first().is_some_and(|word| word.eq_ignore_ascii_case("dmarc=fail"))
    };
    if results.iter().any(is_denied) {
        return Some(OriginCheck { server, domains: Vec::new() });
    }
    let domains = results.iter().filter_map(|words| passed(words)).take(DOMAINS_MAX).collect();
    Some(OriginCheck { server, domains })
}

/// The domain that a result vouches for: the signer's, the envelope sender's, the author's.
fn passed(words: &[String]) -> Option<String> {
    let (method, result) = words.first()?.split_once('=')?;
    let method = method.split('/').next()?.to_ascii_lowercase();
    if !result.eq_ignore_ascii_case("pass") {
        return None;
    }
    let property = match method.as_str() {
        "dkim" => "header.d",
        "spf" => "smtp.mailfrom",
        "dmarc" => "header.from",
        _ => return None,
    };
    let mut values = words.iter().skip(1).filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        name.eq_ignore_ascii_case(property).then_some(value)
    });
    let value = values.next()?;
    // Two of one name: it is not known which was checked.
    if values.next().is_some() {
        return None;
    }
    let domain = value.rsplit('@').next()?.trim_end_matches('.').to_ascii_lowercase();
    let is_domain = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    (domain.contains('.') && domain.bytes().all(is_domain)).then_some(domain)
}

/// The statements between semicolons, each as its words; `name = value` is one word. Nothing for a field
/// with a quotation or a comment that does not end, or with a quotation mark in a comment.
fn statements(text: &str) -> Option<Vec<Vec<String>>> {
    let mut all = vec![Vec::new()];
    let mut word = String::new();
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    // A blank or a comment ends a word only if no `=` is around it.
    let mut has_gap = false;
    for c in text.chars() {
        if is_escaped {
            is_escaped = false;
            if depth == 0 {
                word.push(c);
            }
            continue;
        }
        match c {
            // A server that writes the sender's address into a comment as it came may let it end the comment,
            // and say the rest in the server's name.
            '"' if depth > 0 => return None,
            '\\' if is_quoted || depth > 0 => is_escaped = true,
            '"' if depth == 0 => is_quoted = !is_quoted,
            _ if is_quoted => word.push(c),
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => has_gap = true,
            ';' => {
                let words = all.last_mut()?;
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                all.push(Vec::new());
                has_gap = false;
            }
            _ if c.is_whitespace() => has_gap = true,
            _ => {
                if has_gap && !word.is_empty() && c != '=' && !word.ends_with('=') {
                    all.last_mut()?.push(std::mem::take(&mut word));
                }
                has_gap = false;
                word.push(c);
            }
        }
    }
    if is_quoted || depth > 0 {
        return None;
    }
    all.last_mut()?.extend((!word.is_empty()).then_some(word));
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &str) -> Option<(String, Vec<String>)> {
        origin_check(field.as_bytes()).map(|check| (check.server, check.domains))
    }

    #[test]
    fn fax_12_only_what_passed_vouches_for_a_domain() {
        for (field, server, domains) in [
            (
                "mx.praxis.example; dkim=pass header.d=Gateway.example header.s=k1",
                "mx.praxis.example",
                &["gateway.example"][..],
            ),
            (
                "MX.praxis.example 1;\r\n\tspf=pass smtp.mailfrom=fax@gateway.example;\r\n dmarc=pass (p=reject; dkim=fail) header.from=gateway.example",
                "mx.praxis.example",
                &["gateway.example", "gateway.example"],
            ),
            (
                "mx.praxis.example; dkim = pass (2048 bit) header.d = gateway.example",
                "mx.praxis.example",
                &["gateway.example"],
            ),
            (
                "mx.praxis.example; dkim=pass reason=\"header.d=other.example; spf=pass\" header.d=gateway.example",
                "mx.praxis.example",
                &["gateway.example"],
            ),
            ("mx.praxis.example; none", "mx.praxis.example", &[]),
            (
                "mx.praxis.example; dkim=fail header.d=gateway.example; spf=softfail smtp.mailfrom=gateway.example",
                "mx.praxis.example",
                &[],
            ),
            (
                "mx.praxis.example; dkim=pass header.d=a.example header.d=gateway.example",
                "mx.praxis.example",
                &[],
            ),
            (
                "mx.praxis.example; iprev=pass policy.iprev=192.0.2.1; auth=pass smtp.auth=gateway.example",
                "mx.praxis.example",
                &[],
            ),
            (
                "mx.praxis.example (dkim=pass header.d=gateway.example); spf=none",
                "mx.praxis.example",
                &[],
            ),
            // What one check failed, another one does not heal; what passed belongs to its own statement.
            (
                "mx.praxis.example; dkim=pass header.d=gateway.example; dmarc=fail header.from=gateway.example",
                "mx.praxis.example",
                &[],
            ),
            (
                "mx.praxis.example; dkim=fail header.d=gateway.example; dkim=pass",
                "mx.praxis.example",
                &[],
            ),
            (
                "mx.praxis.example; (note (x) dmarc=pass header.from=gateway.example) spf=fail",
                "mx.praxis.example",
                &[],
            ),
            ("dkim=pass header.d=gateway.example", "dkim=pass", &[]),
            (
                "\"mx.praxis.example\"; dkim/1=pass header.d=gateway.example",
                "mx.praxis.example",
                &["gateway.example"],
            ),
        ] {
            let domains: Vec<String> = domains.iter().map(|&domain| domain.to_owned()).collect();
            assert_eq!(read(field), Some((server.to_owned(), domains)), "{field}");
        }
        for broken in [
            "",
            ";",
            "mx.praxis.example; dkim=pass (header.d=gateway.example",
            "mx; \"dkim=pass",
            // The sender's address in a comment ends the comment.
            "mx.praxis.example; spf=pass (of \"a) dmarc=pass (b\"@evil.example) smtp.mailfrom=x",
            "mx.praxis.example; spf=pass (of \"a); dmarc=pass header.from=gateway.example (b\"@x)",
        ] {
            assert_eq!(read(broken), None, "{broken}");
        }
        let long = format!(
            "mx.praxis.example; dkim=pass header.d=gateway.example; x={}",
            "y".repeat(CHECK_CHARS_MAX)
        );
        assert_eq!(read(&long), None);
    }
}
