//! Users of another homeserver in portals: of the team, let in by a speaker, insured persons.
//!
//! Two real homeservers federate on this machine; the gateway's own has the rules of TI-Messenger.

use std::time::Duration;

use umstieg::phrases::{InsuredPhrase, InsuredUser, Phrase};
use umstieg_world::{
    FederationDoor, JsClient, JsOptions, Surroundings, Synapse, SynapseOptions, TiMessengerRules,
    World, WorldOptions,
    client::{ClientTrust, SeenTimeline},
};

use crate::{
    encryption::{sees, strict_anna},
    phrases::{HANDED_TO_KIM, hears, told},
    stage::{Stage, kim_mail},
};

/// How long what another homeserver missed may take to reach it: Synapse looks once a minute which server
/// has fallen behind.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(180);

/// What the federation's list says of the other homeserver.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    AsPractice,
    AsInsurer,
    Not,
}

/// An encrypted practice, with the gateway not yet started, and another homeserver.
struct TwoServers {
    stage: Stage,
    other: Synapse,
    /// The name of the other homeserver.
    name: String,
    // Goes last.
    _world: World,
}

impl TwoServers {
    async fn start(listed: Listed) -> Self {
        let (own, door) = (FederationDoor::reserve().unwrap(), FederationDoor::reserve().unwrap());
        let name = door.server_name();
        let names = [own.server_name(), name.clone()];
        let federation = match listed {
            Listed::AsPractice => vec![name.clone()],
            Listed::AsInsurer => vec![format!("{name}!")],
            Listed::Not => Vec::new(),
        };
        let rules =
            TiMessengerRules { default_permission: "allow all", version: "1.2", federation };
        let federating = SynapseOptions::federating(&own, &names);
        let synapse = SynapseOptions { slots: 1, ti_messenger: Some(rules), ..federating };
        let world = World::start(WorldOptions { synapse }, |_| {}).await.unwrap();
        let around: &'static Surroundings = Box::leak(Box::new(world.surroundings()));
        let options = SynapseOptions::federating(&door, &names);
        let other = Synapse::start(world.folder(), &world.postgres, options).await.unwrap();
        let stage = Stage::encrypted_in(around, "cross-signed").await;
        Self { stage, other, name, _world: world }
    }

    /// A person of the other homeserver, with a signed device.
    async fn person(&self, name: &str) -> JsClient {
        self.other.register_user(name, "geheim").await.unwrap();
        let options = JsOptions { cross_signed: true, trust: ClientTrust::OnlySigned };
        JsClient::login(&self.other, name, "geheim", options).await.unwrap()
    }

    /// Puts a person beside Anna into the team.
    fn add_to_team(&self, user_id: &str) {
        let anna = &self.stage.anna_id;
        let team = format!("team = [{anna:?}]");
        self.stage.edit_settings(&[(&team, &format!("team = [{anna:?}, {user_id:?}]"))]);
    }
}

/// The first letter of a thread: gives its sender, and the room in which Anna sees it.
async fn first_letter(stage: &Stage, anna: &JsClient) -> (String, String) {
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "f1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(anna, "Guten Tag").await.room_id;
    (erik, room)
}

async fn next_letter(stage: &Stage, erik: &str, id: &str, words: &str) {
    let more = "In-Reply-To: <f1@x>\nReferences: <f1@x>\n";
    stage.receive(&kim_mail(erik, &stage.practice, id, "AW: Befund", more, words)).await;
}

async fn member_is(stage: &Stage, room: &str, user: &str, membership: &str) {
    let sql = format!(
        "select membership from room_members where user_id = '{user}' and room_id = '{room}'"
    );
    stage.database_says(&sql, membership).await;
}

/// Waits until a client has an event with these words, however long the other server takes to catch up.
async fn sees_late(client: &JsClient, words: &str) {
    let shown = |seen: &SeenTimeline| seen.message_with(words).map(|_| ());
    client.wait_for_within(CAUGHT_UP_WITHIN, words, shown).await.unwrap();
}

#[tokio::test]
async fn a_member_of_the_team_at_another_homeserver_reads_and_answers() {
    let mut two = TwoServers::start(Listed::AsPractice).await;
    let anna = strict_anna(&two.stage).await;
    let bert = two.person("bert").await;
    two.add_to_team(&bert.user_id);
    two.stage.gateway.start().await.unwrap();
    let stage = &two.stage;
    let (erik, room) = first_letter(stage, &anna).await;
    let letter = sees(&bert, "Guten Tag").await;
    assert!(letter.encrypted, "{letter:?}");
    assert_eq!(letter.room_id, room);
    bert.send_text(&room, "Danke aus der Klinik").await.unwrap();
    hears(&bert, &HANDED_TO_KIM).await;
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Danke aus der Klinik"), "{}", mails[0]);
    sees(&anna, "Danke aus der Klinik").await;
}

#[tokio::test]
async fn a_doctor_of_another_homeserver_is_let_in_reads_on_and_is_sent_out() {
    let mut two = TwoServers::start(Listed::AsPractice).await;
    let anna = strict_anna(&two.stage).await;
    let carla = two.person("carla").await;
    two.stage.gateway.start().await.unwrap();
    let stage = &two.stage;
    let (erik, room) = first_letter(stage, &anna).await;
    let user_id = carla.user_id.clone();
    let asked = anna.send_text(&room, &format!("!einlassen {user_id}")).await.unwrap();
    told(&anna, &asked, &Phrase::MemberAdmitted { user_id: user_id.clone() }).await;
    member_is(stage, &room, &user_id, "join").await;
    next_letter(stage, &erik, "f2@x", "Auch für die Ärztin").await;
    sees(&carla, "Auch für die Ärztin").await;
    hears(&carla, &Phrase::LettersMissed { user_id: user_id.clone(), letters: 1 }).await;

    let asked = anna.send_text(&room, &format!("!ausladen {user_id}")).await.unwrap();
    told(&anna, &asked, &Phrase::MemberDismissed { user_id: user_id.clone() }).await;
    member_is(stage, &room, &user_id, "leave").await;
    next_letter(stage, &erik, "f3@x", "Nicht mehr für sie").await;
    sees(&anna, "Nicht mehr für sie").await;
    let read = "select count(*) from room_readers where until is null and user_id = ";
    stage.database_says(&format!("{read}'{user_id}'"), "0").await;
    assert!(carla.seen().message_with("Nicht mehr für sie").is_none(), "{}", carla.seen());
}

#[tokio::test]
async fn a_homeserver_that_is_away_keeps_no_letter_from_the_others_and_gets_it_later() {
    let mut two = TwoServers::start(Listed::AsPractice).await;
    let anna = strict_anna(&two.stage).await;
    let bert = two.person("bert").await;
    two.add_to_team(&bert.user_id);
    two.stage.gateway.start().await.unwrap();
    let (erik, room) = first_letter(&two.stage, &anna).await;
    sees(&bert, "Guten Tag").await;
    member_is(&two.stage, &room, &bert.user_id, "join").await;

    two.other.kill();
    next_letter(&two.stage, &erik, "f2@x", "Während Ihr Server fort ist").await;
    sees(&anna, "Während Ihr Server fort ist").await;
    // A room into which Bert cannot be invited now.
    let nora = two.stage.correspondent("nora").await;
    let mail = kim_mail(&nora, &two.stage.practice, "n1@x", "Labor", "", "Der erste von Nora");
    two.stage.receive(&mail).await;
    let elsewhere = sees(&anna, "Der erste von Nora").await.room_id;
    assert_ne!(elsewhere, room);

    two.other.start_again().await.unwrap();
    next_letter(&two.stage, &erik, "f3@x", "Und wieder da").await;
    sees_late(&bert, "Während Ihr Server fort ist").await;
    sees_late(&bert, "Und wieder da").await;
    // The next letter invites him once more.
    let more = "In-Reply-To: <n1@x>\nReferences: <n1@x>\n";
    let mail = kim_mail(&nora, &two.stage.practice, "n2@x", "Labor", more, "Der zweite von Nora");
    two.stage.receive(&mail).await;
    sees_late(&bert, "Der zweite von Nora").await;
    hears(&bert, &Phrase::LettersMissed { user_id: bert.user_id.clone(), letters: 1 }).await;
    assert_eq!(two.stage.query("select count(*) from parked").await, "0");
}

/// TIM-7: the homeserver refuses to invite anybody of a server that the federation does not list.
#[tokio::test]
async fn tim_7_a_person_of_a_server_that_is_not_on_the_list_is_told_of_and_stops_nothing() {
    let mut two = TwoServers::start(Listed::Not).await;
    let anna = strict_anna(&two.stage).await;
    let fremd = two.person("fremd").await;
    two.stage.gateway.start().await.unwrap();
    let stage = &two.stage;
    let (erik, room) = first_letter(stage, &anna).await;
    let user_id = fremd.user_id.clone();
    let asked = anna.send_text(&room, &format!("!einlassen {user_id}")).await.unwrap();
    told(&anna, &asked, &Phrase::MemberAdmitted { user_id: user_id.clone() }).await;
    hears(&anna, &Phrase::MemberNotInvited { user_id }).await;
    next_letter(stage, &erik, "f2@x", "Trotzdem").await;
    sees(&anna, "Trotzdem").await;
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}

/// TIM-18: an insured person comes in where the channel says so, alone, and speaks for nobody.
#[tokio::test]
async fn tim_18_insured_persons_come_in_where_the_channel_says_so_and_never_two() {
    let mut two = TwoServers::start(Listed::AsInsurer).await;
    let anna = strict_anna(&two.stage).await;
    let (ida, otto) = (two.person("x110000001").await, two.person("x110000002").await);
    let own = format!("server_name = {:?}", two.stage.world.homeserver.server_name);
    let listed = format!("{own}\ninsured_servers = [{:?}]", two.name);
    two.stage.edit_settings(&[(&own, &listed)]);
    two.stage.gateway.start().await.unwrap();
    let (erik, room) = first_letter(&two.stage, &anna).await;
    let named = |person: &JsClient| InsuredUser(person.user_id.clone());
    let admit = async |person: &JsClient, answer: Phrase| {
        let words = format!("!einlassen {}", person.user_id);
        let asked = anna.send_text(&room, &words).await.unwrap();
        told(&anna, &asked, &answer).await;
    };
    let refused = InsuredPhrase::NotAdmitted { member: named(&ida) };
    admit(&ida, Phrase::OfInsured(refused)).await;
    let nobody = "select count(*) from admitted";
    assert_eq!(two.stage.query(nobody).await, "0");

    let team = format!("team = [{:?}]", two.stage.anna_id);
    let allowed = format!("{team}\ninsured_persons = true");
    two.stage.restart_with(|settings| settings.replace(&team, &allowed)).await;
    admit(&ida, Phrase::MemberAdmitted { user_id: ida.user_id.clone() }).await;
    member_is(&two.stage, &room, &ida.user_id, "join").await;
    next_letter(&two.stage, &erik, "f2@x", "Auch für Versicherte").await;
    sees(&ida, "Auch für Versicherte").await;
    let own_words = ida.send_text(&room, "Bitte weiterleiten").await.unwrap();
    told(&ida, &own_words, &Phrase::NotASpeaker).await;
    let second = InsuredPhrase::NotASecond { member: named(&otto) };
    admit(&otto, Phrase::OfInsured(second)).await;
    assert!(!two.stage.members(&room).await.contains_key(&otto.user_id));
    assert_eq!(two.stage.query("select count(*) from dispatches").await, "0");

    // The permission is taken back.
    two.stage.restart_with(|settings| settings.replace(&allowed, &team)).await;
    next_letter(&two.stage, &erik, "f3@x", "Nicht mehr für Versicherte").await;
    let secret = sees(&anna, "Nicht mehr für Versicherte").await;
    hears(&anna, &Phrase::OfInsured(InsuredPhrase::Present { member: named(&ida) })).await;
    let hidden = |seen: &SeenTimeline| {
        seen.undecipherable().find(|hidden| hidden.event_id() == secret.event_id()).map(|_| ())
    };
    ida.wait_for("an event without its key", hidden).await.unwrap();
}
