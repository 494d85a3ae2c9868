//! What files are called, and where they may be.

use super::*;

#[test]
fn a_file_is_named_after_the_rules_of_matrix_1_10() {
    let file = |body: Value, filename: Value| {
        let content = json!({
            "msgtype": "m.file", "body": body, "filename": filename,
            "url": "mxc://hs.example/abc",
            "info": { "mimetype": "Application/PDF; x=y", "size": 1234 },
        });
        let MessageKind::File(file) = said(content).kind else { panic!("no file") };
        assert_eq!(file.uri, "mxc://hs.example/abc");
        assert_eq!(file.media_type.as_deref(), Some("application/pdf"));
        assert_eq!(file.bytes, Some(1234));
        (file.file_name, file.caption)
    };
    let named = |name: &str, caption: Option<&str>| (name.to_owned(), caption.map(str::to_owned));
    assert_eq!(file(json!("a.pdf"), Value::Null), named("a.pdf", None));
    assert_eq!(file(json!("a.pdf"), json!("a.pdf")), named("a.pdf", None));
    assert_eq!(file(json!("Der Befund"), json!("a.pdf")), named("a.pdf", Some("Der Befund")));
    assert_eq!(file(json!(""), json!("a.pdf")), named("a.pdf", None));
    assert_eq!(file(Value::Null, Value::Null), named("attachment", None));
}

#[test]
fn a_file_name_is_one_harmless_path_segment() {
    for (claimed, expected) in [
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("a\r\nb.pdf", "a__b.pdf"),
        ("C:\\befund.pdf", "C:_befund.pdf"),
        ("..", "attachment"),
        ("///", "attachment"),
        ("gpj\u{202e}fdp.exe", "gpj_fdp.exe"),
    ] {
        assert_eq!(safe_file_name(claimed), expected, "{claimed:?}");
    }
    assert_eq!(safe_file_name(&"ä".repeat(200)).len(), 254);
}

#[test]
fn claims_about_a_file_are_checked() {
    for claimed in ["", "pdf", "a/", "/b", "a/b c", "text/plain\r\nX: y", "a/b/c"] {
        assert_eq!(media_type(claimed), None, "{claimed:?}");
    }
    let content =
        json!({ "msgtype": "m.file", "body": "a", "url": "mxc://h/m", "info": { "size": -1 } });
    let MessageKind::File(file) = said(content).kind else { panic!("no file") };
    assert_eq!((file.bytes, file.media_type), (None, None));
}

#[test]
fn a_file_that_lies_elsewhere_is_not_fetched() {
    for url in ["https://evil.example/x", "mxc://", "mxc://a", "mxc://h/../x", ""] {
        let kind = said(json!({ "msgtype": "m.file", "body": "a", "url": url })).kind;
        assert_eq!(kind, MessageKind::Other { fallback: None }, "{url}");
    }
}

/// B41: every file of a gallery is a file; one that cannot be fetched makes the whole gallery
/// untransferable.
#[test]
fn b41_a_gallery_is_all_its_files_or_nothing() {
    let item = |name: &str| {
        json!({ "itemtype": "m.image", "body": name, "filename": name, "url": "mxc://hs/a",
                "info": { "mimetype": "image/jpeg", "size": 4711 } })
    };
    for msgtype in ["dm.filament.gallery", "m.gallery"] {
        let kind = said(json!({
            "msgtype": msgtype, "body": "Drei Bilder der Wunde",
            "itemtypes": [item("a.jpg"), item("b.jpg"), item("c.jpg")],
        }))
        .kind;
        let MessageKind::Gallery { caption, files } = kind else { panic!("{msgtype}") };
        assert_eq!(caption.as_deref(), Some("Drei Bilder der Wunde"));
        let names: Vec<&str> = files.iter().map(|file| file.file_name.as_str()).collect();
        assert_eq!(names, ["a.jpg", "b.jpg", "c.jpg"]);
    }
    let cannot = MessageKind::Other { fallback: None };
    for items in [
        json!([]),
        json!("x"),
        json!([item("a.jpg"), { "itemtype": "m.image", "body": "x" }]),
        json!([item("a.jpg"), 7]),
    ] {
        let content = json!({ "msgtype": "m.gallery", "body": "Bilder", "itemtypes": items });
        assert!(said(content.clone()).kind == cannot, "{content}");
    }
}

/// B41b: the words beside a file of an unknown type are a name or a caption, and no answer.
#[test]
fn b41b_words_beside_an_unknown_file_do_not_pass_for_the_answer() {
    let with =
        |field: &str, value: Value| json!({ "msgtype": "x.scan", "body": "Befund", field: value });
    let file = said(with("url", json!("mxc://hs/a"))).kind;
    assert!(matches!(file, MessageKind::File(file) if file.file_name == "Befund"));
    let cannot = MessageKind::Other { fallback: None };
    for content in [
        with("file", json!({ "url": "mxc://" })),
        with("files", json!([{ "url": "mxc://hs/a" }])),
        with("attachments", json!({ "one": { "src": "mxc://hs/a" } })),
    ] {
        assert!(said(content.clone()).kind == cannot, "{content}");
    }
    let event = said_as("de.praxis.scan", json!({ "body": "Befund", "url": "mxc://hs/a" }));
    assert!(event.kind == cannot);
    // A picture that shows the target of a link is no file, and effects are words (B56).
    let words = MessageKind::Other { fallback: Some("Befund".to_owned()) };
    let preview = with("m.url_previews", json!([{ "og:image": "mxc://hs/a" }]));
    assert!(said(preview).kind == words);
    let snow = json!({ "msgtype": "io.element.effect.snowfall", "body": "Befund" });
    assert!(said(snow).kind == words);
}

/// B47: the file of a voice message has its own name.
#[test]
fn b47_a_voice_message_is_called_as_its_file() {
    let name = |content: Value| match said(content).kind {
        MessageKind::File(file) => file.file_name,
        other => panic!("{other:?}"),
    };
    let voice = json!({
        "msgtype": "m.audio", "body": "Voice message", "url": "mxc://hs/v",
        "info": { "mimetype": "audio/ogg" }, "org.matrix.msc3245.voice": {},
        "org.matrix.msc1767.file": { "name": "Voice message.ogg" },
    });
    assert_eq!(name(voice), "Voice message.ogg");
    let named = json!({
        "msgtype": "m.audio", "body": "Diktat.mp3", "url": "mxc://hs/v",
        "org.matrix.msc1767.file": { "name": "anders.ogg" },
    });
    assert_eq!(name(named), "Diktat.mp3");
}

/// L186: the server of a file has a name without an end.
#[test]
fn l186_a_file_of_a_server_with_an_endless_name_is_none_that_can_be_fetched() {
    let of = |bytes: usize| {
        let url = format!("mxc://{}/png", "a".repeat(bytes));
        file(FileForm::File, &json!({ "body": "a.png", "url": url })).is_some()
    };
    assert!(of(1) && of(230));
    for bytes in [231, 249, 250, 251, 255, 506, 70_000] {
        assert!(!of(bytes), "{bytes}");
    }
}
