//! Which users are given a key, whatever order memberships are told in: against a small model of a
//! homeserver, without a real one.

use crate::{databases, stage::conversations};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU32, Ordering},
};

use proptest::{prelude::*, test_runner::TestRunner};
use secrecy::ExposeSecret as _;
use time::{OffsetDateTime, macros::datetime};
use umstieg::{
    model::{ConversationId, Notice, Substance},
    rules::audience::{Facts, Insured, Standing, standing},
    store::{ConfirmedBy, Database, EventStep, PresentMember, Store, ToldOf, seal::OuterKey},
};
use umstieg_world::World;

const NOW: OffsetDateTime = datetime!(2026-11-23 08:00 UTC);

async fn fresh_store() -> Store {
    let url = databases::migrated(&World::shared().await.unwrap().postgres).await;
    let key = OuterKey::from_base64(OuterKey::random_base64().expose_secret()).unwrap();
    Database::connect(&url, 2).await.unwrap().migrate(&key, NOW).await.unwrap()
}

/// A conversation with an open portal of this room.
async fn open_portal(store: &Store, room: &str) -> ConversationId {
    let conversation = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(conversations(
        "kim",
        &["erik@x.kim.telematik"],
    )))
    .fetch_one(store.pool())
    .await
    .unwrap();
    sqlx::query(
        "insert into rooms (conversation_id, alias_token, room_id, state, created_at)
         values ($1, gen_random_uuid(), $2, 'open', now())",
    )
    .bind(conversation)
    .bind(room)
    .execute(store.pool())
    .await
    .unwrap();
    ConversationId(conversation)
}

/// A speaker's command is acted upon in a separate step.
async fn step(store: &Store) -> EventStep<'_> {
    let id = sqlx::query_scalar::<_, i64>(
        "insert into room_events (event_id, room_id, sender, event, door, received_at, state)
         values (gen_random_uuid()::text, '!r:x', '@anna:x', '', 'sync', now(), 'new')
         returning id",
    )
    .fetch_one(store.pool())
    .await
    .unwrap();
    store.event_step(id, NOW).await.unwrap().unwrap()
}

async fn admit(store: &Store, conversation: ConversationId, user: &str) {
    let mut step = step(store).await;
    step.admit(conversation, user).await.unwrap();
    step.commit().await.unwrap();
}

async fn dismiss(store: &Store, conversation: ConversationId, user: &str) -> bool {
    let mut step = step(store).await;
    let was_in = step.dismiss(conversation, user).await.unwrap();
    step.commit().await.unwrap();
    was_in
}

/// R17: the author of an event chooses its time.
#[tokio::test]
async fn r17_a_join_from_the_future_does_not_outlive_a_leave() {
    let store = fresh_store().await;
    let (room, user) = ("!r:example.org", "@fremd:anderswo.example");
    let now = 1_795_000_000_000;
    for leave in ["leave", "ban"] {
        store.member_is(room, user, "join", now + 3_600_000).await.unwrap();
        assert_eq!(store.present_members(room).await.unwrap(), [user]);
        // Half an hour later, by the right clock.
        store.member_is(room, user, leave, now + 1_800_000).await.unwrap();
        assert!(store.present_members(room).await.unwrap().is_empty(), "{leave}");
        store.member_is(room, user, leave, i64::MAX).await.unwrap();
        store.member_is(room, user, "invite", i64::MIN).await.unwrap();
        assert_eq!(store.present_members(room).await.unwrap(), [user], "let in anew");
    }
}

/// R05: a user who was let in stays so in the room that follows an upgraded one, and a user who was
/// sent out, too.
#[tokio::test]
async fn r05_whom_a_speaker_let_in_is_let_in_in_the_next_room_too() {
    let store = fresh_store().await;
    let conversation = open_portal(&store, "!alt:x").await;
    let (carla, dora) = ("@carla:x", "@dora:x");
    admit(&store, conversation, carla).await;
    admit(&store, conversation, dora).await;
    assert!(dismiss(&store, conversation, dora).await);
    assert!(!dismiss(&store, conversation, dora).await, "once");
    let portal = store.portal(conversation).await.unwrap().unwrap();
    store.portal_moved(portal.id, "!neu:x", uuid::Uuid::new_v4(), NOW).await.unwrap();
    store
        .members_are("!neu:x", &[(carla.to_owned(), true), (dora.to_owned(), true)])
        .await
        .unwrap();
    let present = store.present("!neu:x").await.unwrap();
    let of = |user: &str| present.iter().find(|member| member.user_id == user).unwrap();
    assert_eq!(stands(of(carla), &[]), Standing::Reader);
    assert_eq!(stands(of(dora), &[]), Standing::Former);
}

/// R04: an identity is pinned once; another one counts when it is confirmed, and the first one needs
/// no confirmation when it comes back.
#[tokio::test]
async fn r04_an_identity_is_pinned_once_and_confirmed_one_by_one() {
    let store = fresh_store().await;
    let anna = ruma::owned_user_id!("@anna:x");
    let see = async |key: &str| {
        let seen = BTreeMap::from([(anna.clone(), key.to_owned())]);
        store.identities_seen(&seen, NOW).await.unwrap();
        let known = store.identity("@anna:x").await.unwrap().unwrap();
        (known.pinned, known.seen)
    };
    let is = |pinned: &str, seen: &str| (pinned.to_owned(), seen.to_owned());
    assert_eq!(see("K1").await, is("K1", "K1"));
    assert_eq!(see("K2").await, is("K1", "K2"));
    assert_eq!(store.changed_identities().await.unwrap().len(), 1);
    assert_eq!(see("K1").await, is("K1", "K1"), "back without a word");
    assert_eq!(see("K2").await, is("K1", "K2"));
    assert_eq!(see("K3").await, is("K1", "K3"));
    // The identity in question is confirmed, not one that came since.
    let by = ConfirmedBy::Speaker;
    assert!(store.confirm_identity("@anna:x", "K2", by, NOW).await.unwrap());
    assert!(!store.confirm_identity("@anna:x", "K2", by, NOW).await.unwrap(), "once");
    assert!(!store.confirm_identity("@eve:x", "K2", by, NOW).await.unwrap());
    assert_eq!(see("K3").await, is("K2", "K3"));
    assert_eq!(see("K1").await, is("K2", "K1"), "the one of before is another one now");
}

fn stands(member: &PresentMember, team: &[&str]) -> Standing {
    standing(Facts {
        is_ours: false,
        in_team: team.contains(&member.user_id.as_str()),
        admitted: member.admitted,
        was_invited: member.was_invited,
        insured: Insured::No,
    })
}

/// Anna is of the team; Bert was; Carla may be let in; the spy is brought in by an admin.
const USERS: [&str; 4] = ["@anna:x", "@bert:x", "@carla:x", "@spion:x"];
const TEAM: [&str; 1] = ["@anna:x"];

/// What happens. A user is an index into [`USERS`].
#[derive(Debug, Clone, Copy)]
enum AudienceStep {
    /// At the homeserver.
    Join(usize),
    Leave(usize),
    Ban(usize),
    /// The gateway hears of the next thing that happened.
    Hear,
    /// The other door brings an earlier event once more or out of order.
    HearLate(usize),
    LetIn(usize),
    LetOut(usize),
    Restart,
    /// Something is said: missing members are invited, and keys are given.
    Say,
}

fn any_step() -> impl Strategy<Value = AudienceStep> {
    let user = 0..USERS.len();
    prop_oneof![
        3 => user.clone().prop_map(AudienceStep::Join),
        2 => user.clone().prop_map(AudienceStep::Leave),
        1 => user.clone().prop_map(AudienceStep::Ban),
        4 => Just(AudienceStep::Hear),
        2 => (0_usize..8).prop_map(AudienceStep::HearLate),
        2 => user.clone().prop_map(AudienceStep::LetIn),
        2 => user.prop_map(AudienceStep::LetOut),
        1 => Just(AudienceStep::Restart),
        5 => Just(AudienceStep::Say),
    ]
}

/// The homeserver, what a speaker said last, and the session in use.
#[derive(Default)]
struct Model {
    truth: BTreeMap<usize, &'static str>,
    happened: Vec<(usize, &'static str)>,
    heard: usize,
    let_in: BTreeSet<usize>,
    session: Option<BTreeSet<String>>,
}

impl Model {
    fn happens(&mut self, user: usize, membership: &'static str) {
        // A banned user cannot join.
        if membership == "join" && self.truth.get(&user) == Some(&"ban") {
            return;
        }
        self.truth.insert(user, membership);
        self.happened.push((user, membership));
    }

    fn is_there(&self, user: usize) -> bool {
        matches!(self.truth.get(&user), Some(&("join" | "invite")))
    }

    fn may_read(&self, user: usize) -> bool {
        TEAM.contains(&USERS[user]) || self.let_in.contains(&user)
    }
}

async fn run(store: &Store, steps: &[AudienceStep]) -> Result<(), TestCaseError> {
    static ROOMS: AtomicU32 = AtomicU32::new(0);
    let room = format!("!modell{}:x", ROOMS.fetch_add(1, Ordering::Relaxed));
    let conversation = open_portal(store, &room).await;
    let portal = store.portal(conversation).await.unwrap().unwrap().id;
    store.portal_invited(portal, &["@anna:x".to_owned(), "@bert:x".to_owned()]).await.unwrap();
    let mut model = Model::default();
    for user in [0, 1] {
        model.happens(user, "join");
    }
    let hear = async |(user, membership): (usize, &str)| {
        store.member_is(&room, USERS[user], membership, 0).await.unwrap();
    };
    for step in steps.iter().copied().chain([AudienceStep::Say]) {
        match step {
            AudienceStep::Join(user) => model.happens(user, "join"),
            AudienceStep::Leave(user) => model.happens(user, "leave"),
            AudienceStep::Ban(user) => model.happens(user, "ban"),
            AudienceStep::Hear => {
                if let Some(event) = model.happened.get(model.heard).copied() {
                    model.heard += 1;
                    hear(event).await;
                }
            }
            AudienceStep::HearLate(back) => {
                let place = model.happened.len().checked_sub(back + 1);
                if let Some(event) = place.map(|place| model.happened[place]) {
                    hear(event).await;
                }
            }
            AudienceStep::LetIn(user) if !TEAM.contains(&USERS[user]) => {
                admit(store, conversation, USERS[user]).await;
                model.let_in.insert(user);
            }
            AudienceStep::LetOut(user) => {
                dismiss(store, conversation, USERS[user]).await;
                model.let_in.remove(&user);
            }
            AudienceStep::LetIn(_) => {}
            AudienceStep::Restart => {
                store.memberships_are_uncertain().await.unwrap();
                model.session = None;
            }
            AudienceStep::Say => say(store, &room, conversation, portal, &mut model).await?,
        }
    }
    Ok(())
}

/// What the gateway does before it says something, with the same questions in the same order.
async fn say(
    store: &Store,
    room: &str,
    conversation: ConversationId,
    portal: i64,
    model: &mut Model,
) -> Result<(), TestCaseError> {
    let invited = store.portal(conversation).await.unwrap().unwrap().invited;
    for user in store.admitted(conversation).await.unwrap() {
        let place = USERS.iter().position(|known| *known == user).unwrap();
        let is_present = store.present_members(room).await.unwrap().contains(&user);
        if !is_present && !invited.contains(&user) && model.truth.get(&place) != Some(&"ban") {
            if !model.is_there(place) {
                model.happens(place, "invite");
            }
            store.member_was_invited(room, &user).await.unwrap();
            store.portal_invited(portal, &[user]).await.unwrap();
        }
    }
    let readers = async || {
        let mut present = store.present(room).await.unwrap();
        present.retain(|member| stands(member, &TEAM) == Standing::Reader);
        present
    };
    let names = |members: &[PresentMember]| -> BTreeSet<String> {
        members.iter().map(|member| member.user_id.clone()).collect()
    };
    let mut known = readers().await;
    if model.session.as_ref() == Some(&names(&known)) {
        // No user is given anything; and none of the readers is one who must not read.
        for user in &names(&known) {
            let place = USERS.iter().position(|known| known == user).unwrap();
            prop_assert!(model.may_read(place), "{user} goes on reading");
        }
        return Ok(());
    }
    if known.iter().any(|member| !member.is_certain) {
        let there: Vec<(String, bool)> = (0..USERS.len())
            .filter(|user| model.is_there(*user))
            .map(|user| (USERS[user].to_owned(), model.truth[&user] == "join"))
            .collect();
        store.members_are(room, &there).await.unwrap();
        known = readers().await;
        let expected: BTreeSet<String> = (0..USERS.len())
            .filter(|user| model.is_there(*user) && model.may_read(*user))
            .map(|user| USERS[user].to_owned())
            .collect();
        prop_assert_eq!(names(&known), expected, "asked, and yet not those who are there");
    } else {
        store.invited_get_keys(room).await.unwrap();
    }
    for user in &names(&known) {
        let place = USERS.iter().position(|known| known == user).unwrap();
        prop_assert!(model.may_read(place), "a key for {user}, whom nobody let in");
        prop_assert!(model.is_there(place), "a key for {user}, who is gone");
    }
    model.session = Some(names(&known));
    Ok(())
}

/// R05, R17: no user gets a key who is neither in the team nor let in, or who is gone, in whatever
/// order it is told. `UMSTIEG_MODEL_CASES` asks for more.
#[test]
fn r05_r17_nobody_out_of_the_audience_gets_a_key() {
    let cases = std::env::var("UMSTIEG_MODEL_CASES").ok().and_then(|n| n.parse().ok());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(fresh_store());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: cases.unwrap_or(150),
        max_shrink_iters: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&proptest::collection::vec(any_step(), 1..25), |steps| {
            runtime.block_on(run(&store, &steps))
        })
        .unwrap();
}

/// R05g: many strangers, who come and go as often as they like: the room is told of the first ones,
/// and not without end.
#[tokio::test]
async fn r05g_strangers_who_come_and_go_make_no_notices_without_end() {
    let store = fresh_store().await;
    let conversation = open_portal(&store, "!r:x").await;
    let content = serde_json::json!({ "body": "x" });
    let notice = Notice { substance: Substance::Word, content };
    let mut number = 0;
    let mut tell = async |user: &str, at: OffsetDateTime| {
        number += 1;
        let (whom, txn_id) = (("!r:x", user), format!("m{number}"));
        let about = ToldOf::Stranger;
        store.tell_of_member(conversation, whom, about, &txn_id, &notice, at).await.unwrap()
    };
    let mut told = 0;
    for _ in 0..50 {
        told += usize::from(tell("@fremd:x", NOW).await);
        store.forget_told("!r:x", "@fremd:x").await.unwrap();
    }
    assert!((1..=3).contains(&told), "{told}");
    let mut others = 0;
    for other in 0..100 {
        others += usize::from(tell(&format!("@fremd{other}:x"), NOW).await);
    }
    assert!((10..=30).contains(&others), "{others}");
    // That is no licence to come unseen for ever.
    let tomorrow = NOW + std::time::Duration::from_secs(25 * 3600);
    assert!(tell("@fremd:x", tomorrow).await);
    let posts = sqlx::query_scalar::<_, i64>("select count(*) from posts");
    let posts = posts.fetch_one(store.pool()).await.unwrap();
    assert_eq!(usize::try_from(posts).unwrap(), told + others + 1);
}
