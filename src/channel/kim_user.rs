//! The names by which a KIM account logs in at its Clientmodul (KIM-1).

/// What a Clientmodul's user names are built from (gemSpec_CM_KOMLE 3.3.2.2 for SMTP, 3.4.2.2 for POP3).
///
/// The parts are joined by `#`. The two protocols put the last ones in different orders, and the
/// Clientmodule differ as well, so a channel may give each name as a whole instead.
#[derive(Clone, PartialEq, Eq)]
pub struct KimUserForm {
    /// What the names begin with: the KIM address.
    pub address: String,
    pub pop3_server: Option<KimServerPart>,
    pub smtp_server: Option<KimServerPart>,
    /// Stands between host and port; another character than `:` where a system between takes offence.
    pub separator: char,
    /// Nothing: the mail server in between knows it.
    pub context: Option<KimCallContext>,
    /// The UserId is in the SMTP name as well, before the KonnektorId, as in the POP3 name.
    ///
    /// Assumed: the published specification has no UserId there; the draft of the implementation guide
    /// requires it for accounts of a HBA and does not say where. Known Clientmodule read both names in
    /// the order of POP3.
    pub user_id_in_smtp: bool,
}

/// The provider's server, as a user name gives it.
#[derive(Clone, PartialEq, Eq)]
pub enum KimServerPart {
    HostAndPort(String, u16),
    /// `*`, or nothing between two `#`. Since KIM 1.5.4 the server may be left out; what then stands in
    /// its place is not published, so it is taken from the settings as it is.
    Verbatim(String),
}

/// The call context: who of the practice asks the Konnektor. The ids are case-sensitive.
#[derive(Clone, PartialEq, Eq)]
pub struct KimCallContext {
    pub mandant: String,
    pub client_system: String,
    pub workplace: String,
    /// Needed for a HBA.
    pub user_id: Option<String>,
    pub konnektor: Option<String>,
}

/// Between the parts.
const BETWEEN: &str = "#";

/// Stands for an optional part that is left out before one that is not (A_21518, A_21519).
const LEFT_OUT: &str = "*";

impl KimUserForm {
    pub fn pop3(&self) -> String {
        let context = self.context.as_ref();
        let optional = context.map(|context| vec![&context.user_id, &context.konnektor]);
        self.joined(self.pop3_server.as_ref(), optional.unwrap_or_default())
    }

    pub fn smtp(&self) -> String {
        let context = self.context.as_ref();
        let optional = context.map(|context| match self.user_id_in_smtp {
            true => vec![&context.user_id, &context.konnektor],
            false => vec![&context.konnektor],
        });
        self.joined(self.smtp_server.as_ref(), optional.unwrap_or_default())
    }

    fn joined(&self, server: Option<&KimServerPart>, mut optional: Vec<&Option<String>>) -> String {
        let mut parts = vec![self.address.clone()];
        parts.extend(server.map(|server| match server {
            KimServerPart::HostAndPort(host, port) => format!("{host}{}{port}", self.separator),
            KimServerPart::Verbatim(text) => text.clone(),
        }));
        if let Some(context) = &self.context {
            let KimCallContext { mandant, client_system, workplace, .. } = context;
            parts.extend([mandant, client_system, workplace].map(String::clone));
        }
        while optional.last().is_some_and(|last| last.is_none()) {
            optional.pop();
        }
        let filled =
            optional.into_iter().map(|part| part.as_deref().unwrap_or(LEFT_OUT).to_owned());
        parts.extend(filled);
        parts.join(BETWEEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(user_id: Option<&str>, konnektor: Option<&str>) -> KimUserForm {
        let server =
            |port| Some(KimServerPart::HostAndPort("hrst_domain.kim.telematik".to_owned(), port));
        KimUserForm {
            address: "erik.mustermann@hrst_domain.kim.telematik".to_owned(),
            pop3_server: server(995),
            smtp_server: server(465),
            separator: ':',
            context: Some(KimCallContext {
                mandant: "1".to_owned(),
                client_system: "KOM_LE".to_owned(),
                workplace: "7".to_owned(),
                user_id: user_id.map(str::to_owned),
                konnektor: konnektor.map(str::to_owned),
            }),
            user_id_in_smtp: false,
        }
    }

    const ADDRESS: &str = "erik.mustermann@hrst_domain.kim.telematik";

    fn check(name: &str, rest: &str) {
        assert_eq!(name, format!("{ADDRESS}{rest}"));
    }

    /// The examples of gemSpec_CM_KOMLE 3.3.2.2 and 3.4.2.2.
    #[test]
    fn kim_1_user_names_are_those_of_the_specification_s_examples() {
        let (smtp, pop3) = ("#hrst_domain.kim.telematik:465", "#hrst_domain.kim.telematik:995");
        let konnektor = Some("Konn_1");
        check(&form(None, konnektor).smtp(), &format!("{smtp}#1#KOM_LE#7#Konn_1"));
        check(&form(None, None).smtp(), &format!("{smtp}#1#KOM_LE#7"));
        check(&form(Some("13"), konnektor).smtp(), &format!("{smtp}#1#KOM_LE#7#Konn_1"));
        check(&form(None, None).pop3(), &format!("{pop3}#1#KOM_LE#7"));
        check(&form(Some("13"), None).pop3(), &format!("{pop3}#1#KOM_LE#7#13"));
        check(&form(None, konnektor).pop3(), &format!("{pop3}#1#KOM_LE#7#*#Konn_1"));
        check(&form(Some("13"), konnektor).pop3(), &format!("{pop3}#1#KOM_LE#7#13#Konn_1"));
    }

    #[test]
    fn kim_1_clientmodule_that_differ_get_the_names_they_want() {
        let with = |change: fn(&mut KimUserForm)| {
            let mut form = form(Some("13"), Some("Konn_1"));
            change(&mut form);
            (form.smtp(), form.pop3())
        };
        let server = "hrst_domain.kim.telematik";
        let (smtp, _) = with(|form| form.user_id_in_smtp = true);
        check(&smtp, &format!("#{server}:465#1#KOM_LE#7#13#Konn_1"));
        let (smtp, _) = with(|form| {
            form.user_id_in_smtp = true;
            form.context.as_mut().unwrap().user_id = None;
        });
        check(&smtp, &format!("#{server}:465#1#KOM_LE#7#*#Konn_1"));
        let (smtp, pop3) = with(|form| form.separator = '!');
        check(&smtp, &format!("#{server}!465#1#KOM_LE#7#Konn_1"));
        check(&pop3, &format!("#{server}!995#1#KOM_LE#7#13#Konn_1"));
        // KIM 1.5.4, and a mail server of the practice that knows the call context.
        let (smtp, pop3) = with(|form| (form.smtp_server, form.pop3_server) = (None, None));
        check(&smtp, "#1#KOM_LE#7#Konn_1");
        check(&pop3, "#1#KOM_LE#7#13#Konn_1");
        let (smtp, pop3) = with(|form| {
            form.smtp_server = Some(KimServerPart::Verbatim("*".to_owned()));
            form.pop3_server = Some(KimServerPart::Verbatim(String::new()));
        });
        check(&smtp, "#*#1#KOM_LE#7#Konn_1");
        check(&pop3, "##1#KOM_LE#7#13#Konn_1");
        let (smtp, pop3) = with(|form| form.context = None);
        check(&smtp, &format!("#{server}:465"));
        check(&pop3, &format!("#{server}:995"));
        let (smtp, _) = with(|form| (form.context, form.smtp_server) = (None, None));
        check(&smtp, "");
    }
}
