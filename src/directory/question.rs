//! The two questions that are asked.
//!
//! A filter is built, not written: in LDAP's own form each value is a string with its length before it,
//! so nothing in an address can end the value or widen the search. RFC 4515, with its escapes, is the
//! form for people; no filter of that form exists here.

use ldap3_proto::proto::{
    LdapDerefAliases, LdapFilter, LdapSearchRequest, LdapSearchScope, LdapSubstringFilter,
};

use crate::model::MailAddress;

/// Below this name the VZD keeps its entries, and a Konnektor's proxy hands on the question.
pub const BASE_DEFAULT: &str = "dc=data,dc=vzd";

/// An address has one entry. A few more are read to see that it has not: which one is meant is then not
/// known.
pub(super) const ENTRIES_MAX: usize = 5;

/// What is read of an entry. Not the certificates: they are the Clientmodul's business, and large.
pub(super) const MAIL: &str = "mail";
pub(super) const KIM_DATA: &str = "kimData";
pub(super) const KOM_LE_DATA: &str = "komLeData";
pub(super) const TELEMATIK_ID: &str = "telematikID";
pub(super) const DISPLAY_NAME: &str = "displayName";

/// How long the server may search, in seconds. The gateway's own limit is what counts.
const SEARCH_SECONDS: i32 = 30;

/// RFC 4511 §4.5.1.8: no attributes at all.
const NO_ATTRIBUTES: &str = "1.1";

/// Which entries name an address: `(|(mail=ADDRESS)(kimData=ADDRESS,*))`.
///
/// `mail` alone would do where the directory fills it; that `kimData` can be searched by its beginning is
/// assumed (gematik says that every attribute can be searched).
pub(super) fn about(base: &str, address: &MailAddress) -> LdapSearchRequest {
    let address = address.as_str();
    let beginning = LdapSubstringFilter {
        initial: Some(format!("{address},")),
        ..LdapSubstringFilter::default()
    };
    LdapSearchRequest {
        base: base.to_owned(),
        scope: LdapSearchScope::Subtree,
        aliases: LdapDerefAliases::Never,
        sizelimit: i32::try_from(ENTRIES_MAX).unwrap_or(i32::MAX),
        timelimit: SEARCH_SECONDS,
        typesonly: false,
        filter: LdapFilter::Or(vec![
            LdapFilter::Equality(MAIL.to_owned(), address.to_owned()),
            LdapFilter::Substring(KIM_DATA.to_owned(), beginning),
        ]),
        attrs: [MAIL, KIM_DATA, KOM_LE_DATA, TELEMATIK_ID, DISPLAY_NAME].map(str::to_owned).into(),
    }
}

/// Whether the base is there.
pub(super) fn about_base(base: &str) -> LdapSearchRequest {
    LdapSearchRequest {
        base: base.to_owned(),
        scope: LdapSearchScope::Base,
        aliases: LdapDerefAliases::Never,
        sizelimit: 1,
        timelimit: SEARCH_SECONDS,
        typesonly: true,
        filter: LdapFilter::Present("objectClass".to_owned()),
        attrs: vec![NO_ATTRIBUTES.to_owned()],
    }
}
