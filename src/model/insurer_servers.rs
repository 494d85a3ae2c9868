//! The homeservers of health insurers. Their users are insured persons (TIM-18).

/// The names of these servers, as the settings list them. `Debug` may show them: they are organisations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InsurerServers(Vec<String>);

impl InsurerServers {
    pub fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Whether a user id is an insured person's.
    pub fn has_user(&self, user_id: &str) -> bool {
        user_id.split_once(':').is_some_and(|(_, server)| self.has_server(server))
    }

    /// Whether a server is one of them. A name without a port is listed for every port.
    pub fn has_server(&self, server: &str) -> bool {
        let (server, host) = (plain(server), plain(without_port(server)));
        self.0
            .iter()
            .map(|listed| plain(listed))
            .any(|listed| listed.eq_ignore_ascii_case(server) || listed.eq_ignore_ascii_case(host))
    }
}

/// The name that DNS knows it by as well.
fn plain(name: &str) -> &str {
    name.trim_end_matches('.')
}

fn without_port(server: &str) -> &str {
    match server.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tim_18_an_insured_person_is_known_by_the_name_of_the_server() {
        let servers =
            InsurerServers::new(vec!["kasse.example".to_owned(), "127.0.0.1:8448".to_owned()]);
        for (user_id, expected) in [
            ("@x110000001:kasse.example", true),
            ("@x110000001:kasse.example:8448", true),
            ("@x110000001:KASSE.Example", true),
            ("@x110000001:kasse.example.", true),
            ("@a:127.0.0.1:8448", true),
            ("@a:127.0.0.1:8449", false),
            ("@a:127.0.0.1", false),
            ("@a:praxis.example", false),
            ("@a:kasse.example.praxis.example", false),
            ("@a:eine-kasse.example", false),
            ("@kasse.example:praxis.example", false),
            ("@a:[::1]", false),
            ("kasse.example", false),
            ("", false),
        ] {
            assert_eq!(servers.has_user(user_id), expected, "{user_id}");
        }
        assert!(!InsurerServers::default().has_user("@a:kasse.example"));
    }
}
