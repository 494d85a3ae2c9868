//! What left equals what the room showed when the body began to leave: random sequences of
//! everything that can happen to a message, on the real flows and the real tables, against a small
//! model of a room.
//!
//! There is no homeserver: the model writes what the two doors would bring, and the mail server is a
//! script. `UMSTIEG_MODEL_CASES` runs more sequences than the default.

mod mail_server;
mod room;
mod run;

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestError, TestRunner},
};

use run::Flows;

/// Something that happens, or is done.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Say {
        who: u8,
        arrives: Arrives,
    },
    /// Of any event, by its place.
    Edit {
        target: u8,
        to: EditedTo,
        arrives: Arrives,
    },
    Redact {
        target: u8,
        lost: bool,
    },
    /// `!erneut`.
    Again {
        lost: bool,
    },
    /// An earlier transaction comes once more.
    Repeat,
    /// The bot's `/sync` tells of all that happened.
    Sync,
    /// The oldest key that is missing comes.
    KeyComes,
    ReadRoom {
        killed_after: Option<u8>,
    },
    HandOver {
        answers: MailServerAnswer,
        meanwhile: Option<(HandOverMoment, Meanwhile)>,
        killed_after: Option<u8>,
    },
    Wait {
        seconds: u16,
    },
    Sweep,
}

/// How an event comes to the gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrives {
    /// The transaction that brings it is lost: only `/sync` tells of it.
    pub(crate) lost: bool,
    /// Its key is late.
    pub(crate) late: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EditedTo {
    Words,
    /// Something that cannot leave.
    Poll,
    Nothing,
    /// Another person's edit, which does not count.
    OfAnother,
}

/// What the mail server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailServerAnswer {
    Accepts,
    RefusesLogin,
    RefusesRecipient,
    BusyAtRecipient,
    RefusesBody,
    BusyAfterBody,
    HangsUpAfterBody,
}

/// When something happens while an answer is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandOverMoment {
    AtRecipient,
    BeforeBody,
    AfterBody,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Meanwhile {
    Redact { target: u8 },
    Edit { target: u8 },
}

fn arrives() -> impl Strategy<Value = Arrives> {
    (prop::bool::weighted(0.25), prop::bool::weighted(0.2))
        .prop_map(|(lost, late)| Arrives { lost, late })
}

fn op() -> impl Strategy<Value = Op> {
    let newer = prop_oneof![
        6 => Just(EditedTo::Words),
        1 => Just(EditedTo::Poll),
        1 => Just(EditedTo::Nothing),
        1 => Just(EditedTo::OfAnother),
    ];
    let killed = || prop::option::weighted(0.15, 1..40_u8);
    let answers = prop_oneof![
        4 => Just(MailServerAnswer::Accepts),
        1 => Just(MailServerAnswer::RefusesRecipient),
        2 => Just(MailServerAnswer::BusyAtRecipient),
        1 => Just(MailServerAnswer::RefusesBody),
        2 => Just(MailServerAnswer::BusyAfterBody),
        1 => Just(MailServerAnswer::HangsUpAfterBody),
    ];
    let moment = prop_oneof![
        Just(HandOverMoment::AtRecipient),
        Just(HandOverMoment::BeforeBody),
        Just(HandOverMoment::AfterBody),
    ];
    let meanwhile = prop_oneof![
        any::<u8>().prop_map(|target| Meanwhile::Redact { target }),
        any::<u8>().prop_map(|target| Meanwhile::Edit { target }),
    ];
    let hand_over = (answers, prop::option::weighted(0.4, (moment, meanwhile)), killed()).prop_map(
        |(answers, meanwhile, killed_after)| Op::HandOver { answers, meanwhile, killed_after },
    );
    prop_oneof![
        5 => (0..2_u8, arrives()).prop_map(|(who, arrives)| Op::Say { who, arrives }),
        5 => (any::<u8>(), newer, arrives())
            .prop_map(|(target, to, arrives)| Op::Edit { target, to, arrives }),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(target, lost)| Op::Redact { target, lost }),
        2 => any::<bool>().prop_map(|lost| Op::Again { lost }),
        1 => Just(Op::Repeat),
        5 => Just(Op::Sync),
        2 => Just(Op::KeyComes),
        5 => killed().prop_map(|killed_after| Op::ReadRoom { killed_after }),
        6 => hand_over,
        3 => (1..400_u16).prop_map(|seconds| Op::Wait { seconds }),
        1 => Just(Op::Sweep),
    ]
}

/// R02, R03, R18, B48: only what the room shows leaves, and the room is told what does not leave.
#[test]
fn what_left_is_what_the_room_showed() {
    let cases = std::env::var("UMSTIEG_MODEL_CASES").ok().and_then(|n| n.parse().ok());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let flows = runtime.block_on(Flows::start());
    let seed = std::env::var("UMSTIEG_MODEL_SEED").ok().and_then(|n| n.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    println!("UMSTIEG_MODEL_SEED={seed}");
    let mut runner = TestRunner::new(Config {
        cases: cases.unwrap_or(120),
        failure_persistence: None,
        max_shrink_iters: 400,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    });
    let sequences = prop::collection::vec(op(), 3..24);
    let outcome = runner
        .run(&sequences, |ops| runtime.block_on(flows.check(&ops)).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {
            let (left, edited) = runtime.block_on(flows.left());
            println!("{left} messages left, {edited} of them edited");
            assert!(left > 0 && edited > 0, "the sequences reach too little");
        }
        Err(TestError::Fail(why, ops)) => panic!("{why}\nafter {ops:#?}"),
        Err(other) => panic!("{other}"),
    }
}

const KEY_LATE: Arrives = Arrives { lost: false, late: true };
const ON_TIME: Arrives = Arrives { lost: false, late: false };

fn read() -> [Op; 2] {
    [Op::Sync, Op::ReadRoom { killed_after: None }]
}

fn hand_over(answers: MailServerAnswer) -> [Op; 2] {
    [Op::Wait { seconds: 1000 }, Op::HandOver { answers, meanwhile: None, killed_after: None }]
}

/// What may have arrived leaves once more only when a person says so: also when the key of its edit
/// comes after its author was told, and when that edit is taken back.
#[tokio::test]
async fn what_may_have_arrived_leaves_again_only_when_a_person_says_so() {
    let flows = Flows::start().await;
    for the_edit_becomes_readable in [true, false] {
        let mut ops = vec![Op::Say { who: 1, arrives: ON_TIME }];
        ops.extend(read());
        ops.extend(hand_over(MailServerAnswer::HangsUpAfterBody));
        ops.push(Op::Edit { target: 0, to: EditedTo::Words, arrives: KEY_LATE });
        ops.extend(read());
        ops.extend([Op::Wait { seconds: 1000 }, Op::Sweep]);
        match the_edit_becomes_readable {
            true => ops.push(Op::KeyComes),
            false => ops.push(Op::Redact { target: 1, lost: false }),
        }
        ops.extend(read());
        ops.extend(hand_over(MailServerAnswer::Accepts));
        let case = format!("readable: {the_edit_becomes_readable}");
        assert_eq!(flows.accepted_after(&ops).await, 0, "it left by itself; {case}");
        let states = "select count(*) from dispatches where conversation_id = $1
            and state = 'unclear'";
        assert_eq!(flows.number(states).await, 1, "{case}");
        // A person may have it sent again, with the words that the room shows.
        let mut again = vec![Op::Again { lost: false }];
        again.extend(read());
        again.extend(hand_over(MailServerAnswer::Accepts));
        assert_eq!(flows.more_accepted_after(&again).await, 1, "{case}");
    }
}

/// `R12`: however long an account takes no login, and however often that is found, a room is told
/// only once.
#[tokio::test]
async fn an_account_that_waits_is_told_of_once() {
    let flows = Flows::start().await;
    let mut ops = vec![Op::Say { who: 1, arrives: ON_TIME }];
    ops.extend(read());
    ops.extend(hand_over(MailServerAnswer::RefusesLogin));
    for _ in 0..50 {
        ops.extend(hand_over(MailServerAnswer::RefusesLogin));
    }
    assert_eq!(flows.accepted_after(&ops).await, 0);
    let waits = "select count(*) from dispatches where conversation_id = $1 and state = 'waiting'";
    assert_eq!(flows.number(waits).await, 1);
    let notices = flows.number("select count(*) from posts where conversation_id = $1").await;
    assert!((1..=2).contains(&notices), "{notices} notices");
}
