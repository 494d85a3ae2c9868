//! Logging in: the same for both protocols, but for how the answer is worded (kim.md 1.3 to 1.5).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    account::KonnektorState,
    state::CmCore,
    user_name::{KimProtocol, NameTrouble},
};

/// What becomes of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LoginOutcome {
    /// The account's address in lower case.
    Welcome(String),
    Misnamed(NameTrouble),
    /// The Konnektor or the Fachdienst cannot be asked.
    Away,
    /// The Fachdienst does not take the password, or has locked the account; it does not say which.
    Rejected,
    /// Another session reads this mailbox.
    InUse,
}

/// Checks a login in the order a Clientmodul does: first the name, then the Konnektor, and the
/// Fachdienst at last. The maildrop of a POP3 session is locked for it when it gets in.
pub(super) fn log_in(
    core: &CmCore,
    protocol: KimProtocol,
    name: &str,
    password: &str,
) -> LoginOutcome {
    let mut state = core.state();
    let switches = state.switches.clone();
    let name = match switches.names.read(protocol, name) {
        Ok(name) => name,
        Err(trouble) => return LoginOutcome::Misnamed(trouble),
    };
    let known = state.accounts.get_mut(&name.address);
    if known.as_ref().is_some_and(|known| known.account.konnektor == KonnektorState::Away) {
        return LoginOutcome::Away;
    }
    if known.as_ref().is_some_and(|known| !known.account.knows(&name)) {
        return LoginOutcome::Misnamed(NameTrouble::UnknownContext);
    }
    if switches.fachdienst_away {
        return LoginOutcome::Away;
    }
    let Some(known) = known else { return LoginOutcome::Rejected };
    if switches.lockout_after.is_some_and(|tries| known.bad_logins >= tries) {
        return LoginOutcome::Rejected;
    }
    if known.account.password != password {
        known.bad_logins += 1;
        return LoginOutcome::Rejected;
    }
    known.bad_logins = 0;
    if protocol == KimProtocol::Pop3 {
        if known.maildrop.is_locked {
            return LoginOutcome::InUse;
        }
        known.maildrop.is_locked = true;
    }
    LoginOutcome::Welcome(name.address)
}

/// Name and password of AUTH PLAIN (RFC 4616). Another identity than one's own is not to be had.
pub(super) fn plain(argument: &str) -> Option<(String, String)> {
    let text = decoded(argument)?;
    let mut parts = text.splitn(3, '\0');
    let (identity, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    identity.is_empty().then(|| (name.to_owned(), password.to_owned()))
}

/// One line of AUTH LOGIN.
pub(super) fn decoded(line: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(line.trim()).ok()?).ok()
}
