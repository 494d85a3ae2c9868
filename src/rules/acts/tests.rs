//! What a room shows, checked against another way to find it; and what follows from every case.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn act(event_id: &str, author: &str, target: &str, deed: Deed) -> Act {
    Act {
        event_id: event_id.to_owned(),
        author: author.to_owned(),
        target: target.to_owned(),
        deed,
    }
}

fn edit(event_id: &str, newer: Newer) -> Act {
    act(event_id, "@anna", "$m", Deed::Edit(newer))
}

fn redaction(target: &str) -> Act {
    act("$r", "@chefin", target, Deed::Redaction)
}

#[test]
fn the_newest_edit_of_the_author_counts_unless_it_was_taken_back() {
    let check = |acts: &[Act], expected: Shown<'_>| {
        assert_eq!(shown("$m", "@anna", acts), expected, "{acts:?}");
    };
    check(&[], Shown::Version(None));
    check(&[edit("$1", Newer::Says)], Shown::Version(Some("$1")));
    check(&[edit("$1", Newer::Says), edit("$2", Newer::Says)], Shown::Version(Some("$2")));
    // B50: an edit of an edit is none.
    check(
        &[edit("$1", Newer::Says), act("$2", "@anna", "$1", Deed::Edit(Newer::Says))],
        Shown::Version(Some("$1")),
    );
    check(&[edit("$1", Newer::Says), redaction("$1")], Shown::Version(None));
    // B83: what was deleted stays deleted, whatever happens to the redaction.
    check(&[redaction("$m"), redaction("$r")], Shown::Nothing);
    check(&[redaction("$1"), edit("$1", Newer::Says)], Shown::Version(None));
    check(
        &[edit("$1", Newer::Says), edit("$2", Newer::Unread), redaction("$2")],
        Shown::Version(Some("$1")),
    );
    check(&[act("$1", "@fremd", "$m", Deed::Edit(Newer::Says))], Shown::Version(None));
    check(&[edit("$1", Newer::Says), edit("$2", Newer::Unread)], Shown::Waits("$2"));
    check(&[edit("$1", Newer::Unread), edit("$2", Newer::Says)], Shown::Version(Some("$2")));
    check(&[edit("$1", Newer::Never)], Shown::Never("$1"));
    check(&[edit("$1", Newer::Unread), redaction("$m")], Shown::Nothing);
    // Acts on other messages do not concern this one.
    check(&[redaction("$other")], Shown::Version(None));
}

#[test]
fn an_act_is_told_from_its_event_without_its_key() {
    let acts = |event: &serde_json::Value| acts_of(event).collect::<Vec<_>>();
    let edit = json!({
        "type": "m.room.encrypted", "event_id": "$e", "sender": "@anna:x",
        "content": { "ciphertext": "…",
                     "m.relates_to": { "rel_type": "m.replace", "event_id": "$m" } },
    });
    let expected = |event_id: &str, author: &str, target: &str, kind| NewAct {
        event_id: event_id.to_owned(),
        author: author.to_owned(),
        target: target.to_owned(),
        kind,
    };
    assert_eq!(acts(&edit), [expected("$e", "@anna:x", "$m", ActKind::Edit)]);
    let redacted = json!({
        "type": "m.room.message", "event_id": "$m", "sender": "@anna:x", "content": {},
        "unsigned": { "redacted_because": {
            "type": "m.room.redaction", "event_id": "$r", "sender": "@chefin:x",
        } },
    });
    assert_eq!(acts(&redacted), [expected("$r", "@chefin:x", "$m", ActKind::Redaction)]);
    // Both places of a redaction; the server vouches for the upper one.
    let redaction = json!({
        "type": "m.room.redaction", "event_id": "$r", "sender": "@anna:x",
        "redacts": "$m", "content": { "redacts": "$forged" },
    });
    assert_eq!(acts(&redaction), [expected("$r", "@anna:x", "$m", ActKind::Redaction)]);
    // B83: from version 11 on it is in the content alone, and a redaction of it leaves it there.
    let redaction = json!({
        "type": "m.room.redaction", "event_id": "$r", "sender": "@anna:x",
        "content": { "redacts": "$m" },
        "unsigned": { "redacted_because": {
            "type": "m.room.redaction", "event_id": "$s", "sender": "@anna:x",
        } },
    });
    let [of_it, own] = [("$s", "$r"), ("$r", "$m")]
        .map(|(event, target)| expected(event, "@anna:x", target, ActKind::Redaction));
    assert_eq!(acts(&redaction), [of_it, own]);
    for nothing in [
        json!(null),
        json!({}),
        json!({ "type": "m.room.message", "event_id": "$e", "sender": "@a:x", "content": {} }),
        json!({ "type": "m.room.redaction", "event_id": "$e", "sender": "@a:x", "redacts": 5 }),
        json!({ "type": "m.reaction", "event_id": "$e", "sender": "@a:x",
                "content": { "m.relates_to": { "rel_type": "m.annotation", "event_id": "$m" } } }),
        json!({ "type": "m.room.member", "state_key": "@a:x", "event_id": "$e", "sender": "@a:x",
                "content": {}, "unsigned": { "redacted_because": { "event_id": "$r",
                "sender": "@a:x" } } }),
    ] {
        assert_eq!(acts(&nothing), [], "{nothing}");
    }
}

/// What a room shows, found by replaying what happened and keeping a list of versions.
fn shown_by_going_through(
    message: &str,
    author: &str,
    acts: &[Act],
) -> Option<Vec<(String, Newer)>> {
    let mut versions: Vec<(String, Newer)> = Vec::new();
    for act in acts {
        match act.deed {
            Deed::Edit(newer) if act.target == message && act.author == author => {
                versions.push((act.event_id.clone(), newer));
            }
            _ => {}
        }
    }
    for act in acts.iter().filter(|act| act.deed == Deed::Redaction) {
        if act.target == message {
            return None;
        }
        versions.retain(|(edit, _)| *edit != act.target);
    }
    Some(versions)
}

fn any_act() -> impl Strategy<Value = Act> {
    let event = (0..8_u8).prop_map(|n| format!("${n}"));
    let target = prop_oneof![
        3 => Just("$m".to_owned()),
        1 => Just("$other".to_owned()),
        3 => (0..8_u8).prop_map(|n| format!("${n}")),
    ];
    let author = prop_oneof![4 => Just("@anna"), 1 => Just("@fremd")];
    let deed = prop_oneof![
        2 => Just(Deed::Redaction),
        2 => Just(Deed::Edit(Newer::Unread)),
        4 => Just(Deed::Edit(Newer::Says)),
        1 => Just(Deed::Edit(Newer::Never)),
    ];
    (event, author, target, deed)
        .prop_map(|(event, author, target, deed)| act(&event, author, &target, deed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_shown_is_what_going_through_shows(acts in prop::collection::vec(any_act(), 0..12)) {
        // Of two events with one id there is only one.
        let mut seen = std::collections::BTreeSet::new();
        let acts: Vec<Act> =
            acts.into_iter().filter(|act| seen.insert(act.event_id.clone())).collect();
        let expected = match shown_by_going_through("$m", "@anna", &acts) {
            None => Shown::Nothing,
            Some(versions) => match acts.iter().find(|act| {
                versions.last().is_some_and(|(edit, _)| *edit == act.event_id)
            }) {
                None => Shown::Version(None),
                Some(act) => match act.deed {
                    Deed::Edit(Newer::Says) => Shown::Version(Some(&act.event_id)),
                    Deed::Edit(Newer::Unread) => Shown::Waits(&act.event_id),
                    _ => Shown::Never(&act.event_id),
                },
            },
        };
        prop_assert_eq!(shown("$m", "@anna", &acts), expected);
    }
}

/// All cases.
fn every_case() -> Vec<(ActKind, MessageStanding<'static>)> {
    let mut cases = Vec::new();
    for dispatch in DeliveryState::ALL {
        for (is_out, is_held) in [(false, false), (true, false), (true, true)] {
            for left_as in [None, Some(None), Some(Some("$1"))] {
                for has_others in [false, true] {
                    for shown in [
                        Shown::Version(None),
                        Shown::Version(Some("$1")),
                        Shown::Waits("$1"),
                        Shown::Never("$1"),
                        Shown::Nothing,
                    ] {
                        for act in [ActKind::Redaction, ActKind::Edit] {
                            for may_have_arrived in [false, true] {
                                let standing = MessageStanding {
                                    dispatch,
                                    is_out,
                                    is_held,
                                    left_as,
                                    has_others,
                                    may_have_arrived,
                                    shown,
                                };
                                cases.push((act, standing));
                            }
                        }
                    }
                }
            }
        }
    }
    cases
}

#[test]
fn what_is_not_shown_goes_out_of_its_dispatch_in_every_state() {
    for (act, now) in every_case() {
        let After { part, .. } = after(act, now);
        let is_gone = matches!(now.shown, Shown::Nothing | Shown::Never(_));
        if is_gone && !now.is_out && Whereabouts::of(now.dispatch) != Whereabouts::Gone {
            assert_eq!(part, PartAfter::GoesOut, "{act:?} {now:?}");
        }
        if !is_gone {
            assert_ne!(part, PartAfter::GoesOut, "{act:?} {now:?}");
        }
    }
}

#[test]
fn what_is_said_is_true_of_the_state() {
    for (act, now) in every_case() {
        let After { dispatch, say, part } = after(act, now);
        let state = Whereabouts::of(now.dispatch);
        let case = format!("{act:?} {now:?}");
        if dispatch == DispatchAfter::Withdrawn {
            let untouched = [Whereabouts::InHouse, Whereabouts::Failed];
            assert!(untouched.contains(&state) && !now.has_others, "{case}");
            let told = if now.may_have_arrived {
                [Say::WithdrawalUnclear, Say::EditStaysUnclear]
            } else {
                [Say::Withdrawn, Say::EditStays]
            };
            assert!(say.is_some_and(|say| told.contains(&say)), "{case}");
        }
        // L120: what was unclear once is never called "not handed over".
        if now.may_have_arrived || state == Whereabouts::Unclear {
            let untrue = [
                Say::Withdrawn,
                Say::EditStays,
                Say::EditAfterFailure,
                Say::EditInTime,
                Say::WithdrawalAfterFailure,
                Say::WithdrawalInTime,
            ];
            assert!(say.is_none_or(|say| !untrue.contains(&say)), "{case}");
        }
        if dispatch == DispatchAfter::NotAgain {
            assert!(state == Whereabouts::Unclear && !now.has_others, "{case}");
        }
        match say {
            Some(Say::EditTooLate | Say::WithdrawalTooLate) => {
                assert_eq!(state, Whereabouts::Gone, "{case}");
            }
            Some(Say::EditUnderWay | Say::WithdrawalUnderWay) => {
                assert_eq!(state, Whereabouts::UnderWay, "{case}");
            }
            Some(Say::EditUnclear | Say::WithdrawalUnclear | Say::EditStaysUnclear) => {
                assert!(now.may_have_arrived || state == Whereabouts::Unclear, "{case}");
            }
            Some(Say::EditNextTime) => {
                assert!(now.may_have_arrived && state == Whereabouts::InHouse, "{case}");
            }
            Some(Say::EditAfterFailure | Say::WithdrawalAfterFailure) => {
                assert_eq!(state, Whereabouts::Failed, "{case}");
            }
            Some(Say::Withdrawn) => assert_eq!(dispatch, DispatchAfter::Withdrawn, "{case}"),
            Some(Say::EditReadableNow) => assert_eq!(part, PartAfter::ComesBack, "{case}"),
            _ => {}
        }
        // What left is what is shown: there is nothing to say.
        if let (Shown::Version(version), Some(left), false) = (now.shown, now.left_as, now.is_out)
            && version == left
        {
            assert_eq!(after(act, now), After::default(), "{case}");
        }
        // A person who deletes what stays in the room anyway is not bothered.
        if now.is_out && act == ActKind::Redaction && !now.is_held {
            assert_eq!(say, None, "{case}");
        }
    }
}

#[test]
fn what_is_withdrawn_after_it_left_is_said_in_every_state() {
    use DeliveryState as State;
    let out_of_the_house =
        [State::SendingBody, State::Accepted, State::Unclear, State::Undelivered, State::Read];
    for state in out_of_the_house {
        for shown in [Shown::Nothing, Shown::Never("$1"), Shown::Version(Some("$1"))] {
            for has_others in [false, true] {
                let now = MessageStanding {
                    dispatch: state,
                    is_out: false,
                    is_held: false,
                    left_as: Some(None),
                    has_others,
                    may_have_arrived: false,
                    shown,
                };
                assert!(after(ActKind::Edit, now).say.is_some(), "{now:?}");
            }
        }
    }
}

#[test]
fn what_came_under_way_is_told_in_the_end() {
    for state in DeliveryState::ALL {
        for act in [ActKind::Redaction, ActKind::Edit] {
            for may_have_arrived in [false, true] {
                let is_told = in_the_end(act, state, may_have_arrived).is_some();
                assert_eq!(is_told, state != DeliveryState::SendingBody, "{act:?} {state:?}");
            }
            // L120
            let told = in_the_end(act, state, true);
            let untrue = [
                Say::EditInTime,
                Say::EditAfterFailure,
                Say::WithdrawalInTime,
                Say::WithdrawalAfterFailure,
            ];
            assert!(told.is_none_or(|say| !untrue.contains(&say)), "{act:?} {state:?}");
        }
    }
}
