# Jeder Satz sagt, was geschehen ist und was zu tun ist.

# Was aus einer Antwort wird
dispatch-accepted-kim = An KIM übergeben um { $time } Uhr. Eine Zustellbestätigung liegt noch nicht vor.
dispatch-accepted-elsewhere = An KIM übergeben um { $time } Uhr, wie vom Absender gewünscht an { $address }. Eine Zustellbestätigung liegt noch nicht vor.
dispatch-accepted-fax = An den Fax-Dienst übergeben um { $time } Uhr. Ein Sendebericht liegt noch nicht vor.
dispatch-try-later = Noch nicht übergeben: { $trouble ->
    [recipient] Für diese Adresse wird zurzeit nichts angenommen.
    [sender] Der Mailserver nimmt von unserer Adresse zurzeit nichts an.
    [size] Der Mailserver hat zurzeit nicht genug Platz.
    [mailbox] Das Postfach der Gegenseite ist zurzeit voll.
    [quota] Der Speicher für große KIM-Nachrichten ist zurzeit ausgeschöpft.
    [content] Der Mailserver konnte die Antwort zurzeit nicht verarbeiten.
    [login] Die Anmeldung am Mailserver gelingt zurzeit nicht. Bitte sehen Sie bei KIM nach, ob die Praxiskarte (SMC-B) steckt und freigeschaltet ist (PIN), und informieren Sie sonst Ihre Systemverwaltung.
    [unreachable] Der Mailserver ist zurzeit nicht erreichbar.
    [documents] Umstieg kann Dateien zurzeit nicht öffnen. Bitte informieren Sie Ihre Systemverwaltung.
    [media] Eine Datei Ihrer Nachricht lässt sich zurzeit nicht vom Chat-Server abrufen.
    [disk] Auf dem Rechner von Umstieg lassen sich zurzeit keine Dateien ablegen. Bitte informieren Sie Ihre Systemverwaltung.
   *[busy] Der Mailserver ist zurzeit ausgelastet.
    } Nächster Versuch am { $day } um { $time } Uhr; { $trouble ->
    [login] die Antwort müssen Sie nicht noch einmal schreiben.
    [documents] die Antwort müssen Sie nicht noch einmal schreiben.
    [disk] die Antwort müssen Sie nicht noch einmal schreiben.
   *[other] Sie müssen nichts tun.
    }
dispatch-waits-for-account = Noch nicht übergeben: Die Anmeldung am Mailserver gelingt zurzeit nicht. Bitte sehen Sie bei KIM nach, ob die Praxiskarte (SMC-B) steckt und freigeschaltet ist (PIN), und informieren Sie sonst Ihre Systemverwaltung. Die Anmeldung wird mindestens einmal in der Stunde wieder versucht; gelingt sie, geht die Antwort von selbst hinaus.
dispatch-failed = Nicht zugestellt: { $trouble ->
    [recipient] Für diese Adresse wird nichts angenommen. Bitte prüfen Sie die Adresse oder wählen Sie einen anderen Weg.
    [sender] Der Mailserver nimmt von unserer Adresse nichts an. Bitte informieren Sie Ihre Systemverwaltung; schreiben Sie danach !erneut, oder wählen Sie einen anderen Weg.
    [size] Die Antwort ist zu groß. Bitte schicken Sie weniger oder kleinere Dateien.
    [mailbox] Das Postfach der Gegenseite ist voll. Bitte rufen Sie dort an; schreiben Sie danach !erneut, oder wählen Sie einen anderen Weg.
    [quota] Der Speicher für große KIM-Nachrichten ist ausgeschöpft. Bitte schicken Sie kleinere Dateien, oder schreiben Sie später !erneut.
    [content] Der Mailserver hat den Inhalt abgelehnt. Bitte prüfen Sie die Dateien oder wählen Sie einen anderen Weg.
    [login] Die Anmeldung am Mailserver ist zu lange nicht gelungen. Bitte sehen Sie bei KIM nach, ob die Praxiskarte (SMC-B) steckt und freigeschaltet ist (PIN), und informieren Sie sonst Ihre Systemverwaltung; schreiben Sie danach !erneut, oder wählen Sie einen anderen Weg.
    [unreachable] Der Mailserver war zu lange nicht erreichbar. Bitte informieren Sie Ihre Systemverwaltung; schreiben Sie danach !erneut, oder wählen Sie einen anderen Weg.
    [documents] Umstieg konnte Dateien zu lange nicht öffnen. Bitte informieren Sie Ihre Systemverwaltung; schreiben Sie danach !erneut, oder wählen Sie einen anderen Weg.
    [media] Eine Datei Ihrer Nachricht ließ sich zu lange nicht vom Chat-Server abrufen. Bitte informieren Sie Ihre Systemverwaltung; schreiben Sie danach !erneut, oder wählen Sie einen anderen Weg.
    [disk] Auf dem Rechner von Umstieg ließen sich zu lange keine Dateien ablegen. Bitte informieren Sie Ihre Systemverwaltung; schreiben Sie danach !erneut, oder wählen Sie einen anderen Weg.
   *[busy] Der Mailserver war zu lange ausgelastet. Bitte schreiben Sie später !erneut, oder wählen Sie einen anderen Weg.
    }{ $has-reply ->
    [yes] {" "}(Antwort des Servers: { $reply })
   *[no] {""}
    }
dispatch-delivered = Zugestellt: Die Antwort liegt im Postfach der Gegenseite. Das wurde am { $day } um { $time } Uhr gemeldet.
dispatch-relayed = Weitergegeben: Die Antwort ging an einen Mailserver, der keine Zustellung bestätigt. Das wurde am { $day } um { $time } Uhr gemeldet. Ist sie dringend, fragen Sie bitte telefonisch nach.
dispatch-delayed = Verzögert: Die Antwort konnte noch nicht zugestellt werden. Das wurde am { $day } um { $time } Uhr gemeldet; die Zustellung wird weiter versucht. Eilt es, rufen Sie bitte an.
dispatch-read = Geöffnet: Die Antwort wurde bei der Gegenseite angezeigt. Das meldete ihr Mailprogramm am { $day } um { $time } Uhr.
dispatch-discarded = Gelöscht: Bei der Gegenseite wurde die Antwort gelöscht, ohne dass sie angezeigt wurde. Das meldete ihr Mailprogramm am { $day } um { $time } Uhr. Bitte rufen Sie, wenn nötig, dort an.
dispatch-undelivered = Nicht angekommen: { $why ->
    [recipient] Diese Adresse gibt es bei der Gegenseite nicht. Bitte prüfen Sie die Adresse, oder wählen Sie einen anderen Weg.
    [mailbox] Das Postfach der Gegenseite ist voll. Bitte rufen Sie dort an; schreiben Sie danach !erneut, oder wählen Sie einen anderen Weg.
    [size] Die Antwort ist für die Gegenseite zu groß. Bitte schicken Sie weniger oder kleinere Dateien.
    [content] Der Mailserver hat den Inhalt abgelehnt. Bitte prüfen Sie die Dateien, oder wählen Sie einen anderen Weg.
    [kim_version] Das KIM der Gegenseite kann diese Nachricht nicht empfangen, weil es zu alt ist oder keine großen Nachrichten annimmt. Bitte schicken Sie weniger oder kleinere Dateien, oder wählen Sie einen anderen Weg.
    [certificate] Die Antwort ließ sich für die Gegenseite nicht verschlüsseln: Ihr KIM-Zertifikat fehlt oder ist nicht eindeutig. Bitte rufen Sie dort an, oder wählen Sie einen anderen Weg.
    [attachments] Der KIM-Dienst für große Dateien hat sie nicht angenommen. Bitte schreiben Sie später !erneut, oder schicken Sie weniger oder kleinere Dateien.
    [unreachable] Der Mailserver der Gegenseite war zu lange nicht erreichbar. Bitte schreiben Sie später !erneut, oder wählen Sie einen anderen Weg.
    [blocked] Die Gegenseite nimmt von unserer Adresse nichts an. Bitte rufen Sie dort an, oder wählen Sie einen anderen Weg.
   *[unknown] Einen eindeutigen Grund nennt der Bericht nicht. Bitte rufen Sie die Gegenseite an, oder wählen Sie einen anderen Weg.
    } (Gemeldet am { $day } um { $time } Uhr. Den Bericht selbst erhalten Sie, wenn Sie hierauf mit !original antworten.)
dispatch-unreported = An KIM übergeben am { $day } um { $time } Uhr. Seither kam kein Zustellbericht; ob die Antwort angekommen ist, ist nicht bekannt. Ist sie wichtig, fragen Sie bitte telefonisch nach.
dispatch-contradicted = Widersprüchlich: Ein Bericht sagt, dass die Antwort angekommen ist, ein anderer, dass sie es nicht ist. Bitte fragen Sie telefonisch nach. Ist sie nicht angekommen, schreiben Sie !erneut. Den letzten Bericht erhalten Sie, wenn Sie hierauf mit !original antworten.
dispatch-unclear = Unklar: Die Verbindung brach um { $time } Uhr ab, nachdem alles übertragen war. Die Antwort ist möglicherweise angekommen; ein zweiter Versuch käme dann doppelt an. Bitte fragen Sie telefonisch nach. Ist sie nicht angekommen, schreiben Sie !erneut.
dispatch-unclear-interrupted = Unklar: Umstieg wurde unterbrochen, während die Antwort übergeben wurde, und weiß nicht, ob sie angekommen ist. Ist sie es, käme ein zweiter Versuch doppelt an. Bitte fragen Sie telefonisch nach. Ist sie nicht angekommen, schreiben Sie !erneut.
dispatch-unclear-damaged = Unklar: Diese Antwort ist im Speicher von Umstieg beschädigt. Ob sie angekommen ist, lässt sich hier nicht mehr feststellen. Bitte fragen Sie telefonisch nach. Ist sie nicht angekommen, schreiben Sie sie bitte noch einmal. Bitte informieren Sie auch Ihre Systemverwaltung.
dispatch-after-unclear = Unklar: Bei einem früheren Versuch ist die Antwort möglicherweise schon angekommen. Bitte fragen Sie, wenn nötig, telefonisch nach. Seither gilt: { $said }
dispatch-accepted-again = { $said } Bei einem früheren Versuch ist die Antwort möglicherweise auch schon angekommen; dann hat die Gegenseite sie doppelt.
dispatch-of-receipt = Lesebestätigung: { $said }
dispatch-interrupted = Nicht zugestellt: Umstieg ist bei jedem Versuch, diese Antwort zu übergeben, ausgefallen und versucht es deshalb nicht weiter. Bitte informieren Sie Ihre Systemverwaltung. Schicken Sie einstweilen weniger oder kleinere Dateien, oder wählen Sie einen anderen Weg.
dispatch-damaged = Nicht zugestellt: Diese Antwort ist im Speicher von Umstieg beschädigt und kann nicht mehr übergeben werden. Bitte schreiben Sie sie noch einmal, und informieren Sie Ihre Systemverwaltung.
dispatch-withdrawn = Zurückgezogen: Es wurde nichts übergeben.
edit-too-late = Ihre Änderung kam zu spät: Die Antwort ist schon übergeben, und die Gegenseite sieht die frühere Fassung. Bitte schicken Sie eine Berichtigung als neue Nachricht.
edit-under-way = Ihre Änderung kam, während die Antwort gerade übergeben wurde. Ob die Gegenseite die frühere Fassung erhält, steht gleich an dieser Stelle.
edit-in-time = Ihre Änderung kam rechtzeitig: Die frühere Fassung wurde nicht übergeben. Sie müssen nichts tun.
edit-after-failure = Ihre Änderung ist vermerkt: Die Antwort war nicht übergeben worden. Wenn Sie !erneut schreiben, geht die geänderte Fassung hinaus.
edit-unclear = Ob die Gegenseite die frühere Fassung erhalten hat, ist unklar. Bitte fragen Sie telefonisch nach. Wenn Sie !erneut schreiben, geht die geänderte Fassung hinaus.
edit-next-time = Ihre Änderung ist vermerkt: Der nächste Versuch nimmt die geänderte Fassung. Ob die Gegenseite die frühere schon erhalten hat, ist unklar. Bitte fragen Sie, wenn nötig, telefonisch nach.
edit-stays = { $trouble ->
    [empty] Ihre Änderung lässt von der Nachricht nichts übrig, was weitergegeben werden könnte.
    [size] Mit Ihrer Änderung ist die Nachricht zu groß.
    [speaker] Ihre Änderung lässt sich nicht weitergeben, weil Sie hier nicht mehr für die Praxis antworten dürfen.
    [device] Ihre Änderung kam von einem Gerät, das nicht bestätigt ist.
    [clear] Ihre Änderung kam unverschlüsselt.
    [broken] Ihre Änderung lässt sich nicht lesen, vielleicht wurde sie unterwegs verändert.
   *[kind] Die geänderte Nachricht lässt sich nicht weitergeben.
    } Die Nachricht bleibt im Raum, auch die frühere Fassung wird nicht weitergegeben. { $trouble ->
    [speaker] Bitte lassen Sie eine Person, die hier antworten darf, schreiben, was gelten soll.
    [device] Bitte bestätigen Sie das Gerät in den Einstellungen Ihrer App (Sitzung verifizieren), und schicken Sie dann, was gelten soll, als neue Nachricht.
    [clear] Bitte schicken Sie, was gelten soll, mit einer App, die verschlüsselt, als neue Nachricht.
   *[other] Bitte schicken Sie, was gelten soll, als neue Nachricht.
    }
edit-of-what-stayed = Diese Nachricht war im Raum geblieben, und auch ihre Änderung bleibt hier. Bitte schicken Sie, was hinausgehen soll, als neue Nachricht.
edit-without-key = Ihre Änderung ist hier noch nicht lesbar: Der Schlüssel dazu ist nicht angekommen. Weder die frühere Fassung noch die geänderte wurde weitergegeben. Bitte lassen Sie die App einen Moment geöffnet, mit der Sie geschrieben haben. Wenn sich hier nichts ändert, schicken Sie bitte als neue Nachricht, was gelten soll.
edit-without-key-unclear = Ihre Änderung ist hier noch nicht lesbar: Der Schlüssel dazu ist nicht angekommen. Ob die Gegenseite die frühere Fassung erhalten hat, ist unklar; noch einmal geht sie nicht hinaus, und die geänderte ist noch nicht übergeben. Bitte lassen Sie die App einen Moment geöffnet, mit der Sie geschrieben haben. Wenn sich hier nichts ändert, schicken Sie bitte als neue Nachricht, was gelten soll.
edit-readable-now = Der Schlüssel ist angekommen: Ihre Änderung ist jetzt lesbar und wird berücksichtigt. Bitte schicken Sie die Nachricht nicht noch einmal.
withdrawal-too-late = Die Nachricht ist hier gelöscht, war aber schon übergeben und lässt sich bei der Gegenseite nicht zurückholen. Bitte rufen Sie, wenn nötig, dort an.
withdrawal-under-way = Die Nachricht ist hier gelöscht, wird aber gerade schon übergeben. Ob sie die Gegenseite noch erreicht, steht gleich an dieser Stelle.
withdrawal-in-time = Die Nachricht wurde rechtzeitig gelöscht: Sie wurde nicht übergeben und geht nicht mehr hinaus.
withdrawal-after-failure = Die Nachricht ist gelöscht. Sie war nicht übergeben worden und geht auch mit !erneut nicht mehr hinaus.
withdrawal-unclear = Die Nachricht ist hier gelöscht und geht auch mit !erneut nicht mehr hinaus. Ob die Gegenseite sie schon erhalten hat, ist unklar. Bitte rufen Sie, wenn nötig, dort an.
history-lost = Umstieg war nicht erreichbar und konnte einen Teil der Nachrichten dieses Raums nicht lesen. Was davor geschrieben und noch nicht weitergegeben war, bleibt vorerst liegen. Bitte sehen Sie nach, was hinausgehen sollte, und schicken Sie es als neue Nachricht. Bitte informieren Sie auch Ihre Systemverwaltung (Befehl dort: umstieg parked list).
dispatch-before-gap = Nicht übergeben: Vielleicht wurde diese Antwort geändert oder gelöscht, während Umstieg nicht erreichbar war. Bitte prüfen Sie sie. Stimmt sie so, schreiben Sie !erneut; sonst schicken Sie bitte als neue Nachricht, was gelten soll.

# Warum eine Nachricht den Raum nicht verlässt
not-a-speaker = Diese Nachricht bleibt im Raum: Für die Praxis dürfen hier nur freigegebene Personen antworten. Bitte lassen Sie eine davon antworten oder sich von Ihrer Systemverwaltung freigeben.
unknown-fax-not-answerable = Diese Nachricht bleibt im Raum: Das Fax kam ohne Rufnummer und lässt sich nicht beantworten. Bitte suchen Sie die Nummer auf dem Fax und wählen Sie einen anderen Weg.
caller-not-confirmed = Diese Nachricht bleibt im Raum: Es ist nicht sicher, von welchem Anschluss das Fax kam. Bitte prüfen Sie die Nummer auf dem Fax. Ist sie richtig, schreiben Sie !bestätigen und schicken Sie die Nachricht dann noch einmal; sonst wählen Sie bitte einen anderen Weg.
answer-to-withheld = Diese Nachricht bleibt im Raum: Sie würde einen Brief beantworten, den KIM nicht bestätigt, und an wen sie ginge, ist nicht sicher. Bitte antworten Sie auf einen anderen Brief, oder geben Sie diesen zuerst frei: Antworten Sie auf die Warnung mit !freigeben, und schicken Sie die Nachricht dann noch einmal.
message-not-transferable = Diese Art von Nachricht lässt sich nicht weitergeben und bleibt im Raum. Bitte schicken Sie Text oder eine Datei.
file-not-faxable = Die Datei „{ $file }“ lässt sich nicht faxen und bleibt im Raum. Bitte schicken Sie sie als PDF oder schreiben Sie den Inhalt als Text.
file-too-costly = Die Datei „{ $file }“ bleibt im Raum: Sie braucht zum Öffnen zu viel Speicher oder Zeit, oder sie ist beschädigt. Bitte speichern Sie sie neu, zum Beispiel mit geringerer Auflösung oder als PDF, und schicken Sie sie noch einmal.
message-too-large = Diese Nachricht ist zu groß und bleibt im Raum: Auf diesem Weg gehen höchstens { $limit } MB. Bitte schicken Sie weniger oder kleinere Dateien.
large-mail-not-taken = { $why ->
    [not-taken] Diese Nachricht ist für diesen Empfänger zu groß und wurde nicht übergeben: Über { $limit } MB nimmt bei KIM nur an, wer den Empfang großer Nachrichten eingeschaltet hat, und im Verzeichnis (VZD) steht das für diese Adresse nicht. Bitte schicken Sie weniger oder kleinere Dateien, oder bitten Sie den Empfänger, große Nachrichten einzuschalten; das Verzeichnis zeigt es hier spätestens einen Tag danach.
    [not-listed] Diese Nachricht ist mehr als { $limit } MB groß und wurde nicht übergeben: Die KIM-Adresse steht zurzeit nicht im Verzeichnis (VZD), deshalb ist nicht bekannt, ob sie so große Nachrichten annimmt. Bitte schicken Sie weniger oder kleinere Dateien, oder wählen Sie einen anderen Weg.
   *[not-known] Diese Nachricht ist mehr als { $limit } MB groß und wurde nicht übergeben: Das Verzeichnis (VZD), in dem steht, ob der Empfänger so große Nachrichten annimmt, war nicht zu erreichen. Bitte schreiben Sie später !erneut, oder schicken Sie weniger oder kleinere Dateien.
    }
address-vanished = Die KIM-Adresse, an die diese Antwort geht, steht nicht mehr im Verzeichnis (VZD). Das kann vorübergehen, zum Beispiel wenn dort eine Karte getauscht wird. Antworten gehen trotzdem weiter dorthin; was aus ihnen wird, steht jeweils bei der Antwort. Kommt eine nicht an, fragen Sie bitte nach der neuen Adresse.
fax-signs-missing = Ihr Fax ist nicht abgeschickt worden und bleibt im Raum, denn diese Zeichen kann es nicht zeigen: { $signs }. Bitte schicken Sie den Text noch einmal und schreiben Sie statt der Zeichen Worte.
fax-too-long = Dieses Fax ist mit { $pages } Seiten zu lang und bleibt im Raum: Auf diesem Weg gehen höchstens { $limit } Seiten. Bitte teilen Sie es auf.
no-correspondent-address = Diese Nachricht bleibt im Raum: Zu diesem Vorgang ist keine Adresse bekannt, an die eine Antwort gehen könnte. Bitte wählen Sie einen anderen Weg.
not-a-kim-address = Diese Nachricht bleibt im Raum: Die Adresse der Gegenseite ist keine KIM-Adresse, und KIM stellt nur an KIM-Adressen zu. Bitte wählen Sie einen anderen Weg.
other-kim-environment = Diese Nachricht bleibt im Raum: Test- und Echtbetrieb von KIM sind getrennt, und die Adresse der Gegenseite gehört zum anderen. Bitte wählen Sie einen anderen Weg.
fax-off = Diese Nachricht bleibt im Raum: Auf diesem Anschluss verschickt Umstieg keine Faxe. Bitte antworten Sie auf einem anderen Weg oder bitten Sie Ihre Systemverwaltung, das Faxen einzuschalten.
fax-emergency-number = Diese Nachricht bleibt im Raum: Das ist eine Notruf- oder Bereitschaftsnummer, und dorthin geht kein Fax. Im Notfall rufen Sie bitte dort an; für ein Fax erfragen Sie bitte die richtige Nummer.
fax-short-number = Diese Nachricht bleibt im Raum: Das ist eine Kurzwahlnummer, und dorthin geht kein Fax. Bitte erfragen Sie die vollständige Faxnummer mit Vorwahl.
fax-premium-number = Diese Nachricht bleibt im Raum: Diese Nummer kostet einen besonderen Preis, und Umstieg wählt sie nicht. Bitte erfragen Sie eine Faxnummer mit gewöhnlicher Vorwahl.
fax-satellite-number = Diese Nachricht bleibt im Raum: Das ist die Nummer eines Satellitentelefons, und Umstieg wählt sie nicht. Bitte wählen Sie einen anderen Weg.
fax-own-number = Diese Nachricht bleibt im Raum: Das ist Ihre eigene Faxnummer; das Fax käme zu Ihnen zurück. Bitte suchen Sie die Nummer auf dem Fax und wählen Sie einen anderen Weg.
fax-other-country = Diese Nachricht bleibt im Raum: Die Nummer liegt in einem Land, in das von hier aus nicht gefaxt werden darf. Bitte prüfen Sie die Nummer oder bitten Sie Ihre Systemverwaltung, das Land freizugeben.
fax-no-such-number = Diese Nachricht bleibt im Raum: Eine solche Faxnummer gibt es nicht. Bitte prüfen Sie die Nummer auf dem Fax und wählen Sie einen anderen Weg.
fax-preview =
    Noch nicht abgeschickt: Bitte prüfen Sie dieses Fax. So ginge es hinaus:
    Nummer: { $number }
    Umfang: { $pages ->
        [one] eine Seite
       *[other] { $pages } Seiten
    }{ $text ->
        [yes] , Ihr Text
       *[no] {""}
    }{ $files ->
        [0] {""}
        [one] , eine Datei
       *[other] , { $files } Dateien
    }
    Warum Sie gefragt werden: { $why ->
        [claimed] Die Nummer nennt nur das Faxgerät, von dem das Fax kam; der Fax-Dienst bestätigt sie nicht.
        [differs] Das Faxgerät nennt sich anders, als der Fax-Dienst sagt.
        [new] An diese Nummer ging von hier noch kein bestätigtes Fax.
        [back] Die Bestätigung dieses Faxes wurde zurückgenommen.
       *[always] Auf diesem Anschluss wird jedes Fax bestätigt.
    }
    Ein Fax kommt als Papier an und lässt sich nicht zurückholen. Stimmen Nummer und Seiten, reagieren Sie mit ✅ auf diese Meldung, oder schreiben Sie !faxen als Antwort darauf. Sonst löschen oder ändern Sie Ihre Nachricht; nach einer Änderung kommt eine neue Vorschau.
fax-preview-file = Vorschau-Fax.pdf
fax-preview-picture = Vorschau-Fax-Seite-1.png
fax-preview-too-large = Dieses Fax ist nicht abgeschickt worden: Es muss vorher bestätigt werden, und seine Vorschau ist größer, als der Chat-Server annimmt. Bitte schicken Sie weniger oder kleinere Dateien.
fax-waits = Dieses Fax ist noch nicht abgeschickt: Es wartet darauf, dass jemand seine Vorschau mit ✅ oder !faxen bestätigt. Von selbst geht es nicht hinaus. Soll es nicht mehr hinaus, löschen Sie bitte die Nachricht.
fax-file-form = Die Datei „{ $file }“ bleibt im Raum: Sie hat Formularfelder, Stempel oder Notizen, die auf dem Fax fehlen könnten. Bitte drucken Sie sie in eine neue PDF-Datei, prüfen Sie, ob darin alles zu sehen ist, und schicken Sie diese.
fax-file-layers = Die Datei „{ $file }“ bleibt im Raum: Sie hat Ebenen, die ausgeblendet sein können und auf dem Fax zu sehen wären. Bitte drucken Sie sie in eine neue PDF-Datei, prüfen Sie, was darin zu sehen ist, und schicken Sie diese.
fax-file-locked = Die Datei „{ $file }“ bleibt im Raum: Sie ist mit einem Kennwort geschützt. Bitte drucken Sie sie in eine neue PDF-Datei ohne Kennwort und schicken Sie diese.
fax-confirmed = { $member } hat dieses Fax bestätigt; es wird jetzt verschickt.
fax-confirmed-before = Dieses Fax ist schon von { $member } bestätigt und wird verschickt. Sie müssen nichts tun.
fax-nothing-to-send = Hier wartet kein Fax auf eine Bestätigung. Bitte beantworten Sie mit !faxen die Vorschau eines Faxes oder die Nachricht, die gefaxt werden soll.
fax-send-answers-preview = Es ist nicht zu erkennen, welches Fax gemeint ist; abgeschickt ist nichts. Bitte schreiben Sie !faxen als Antwort auf die Vorschau oder auf die Nachricht.
fax-preview-is-old = Das Fax ist nicht abgeschickt worden, denn diese Vorschau gilt nicht mehr: Inzwischen wurde etwas geändert. Bitte prüfen Sie die neue Vorschau und bestätigen Sie diese mit ✅ oder !faxen.
fax-preview-follows = Das Fax ist noch nicht bestätigt, denn seine Vorschau stand noch nicht im Raum. Muss es bestätigt werden, kommt sie gleich; bitte bestätigen Sie sie dann mit ✅ oder !faxen.
fax-being-rewritten = Das Fax ist noch nicht bestätigt, denn seine Nachricht wird gerade neu gefasst. Ändert sich dadurch das Fax, kommt gleich eine neue Vorschau. Bitte bestätigen Sie danach die neueste mit ✅ oder !faxen.
fax-has-left = Dieses Fax ist schon an den Fax-Dienst übergeben; es geht nicht noch einmal hinaus. Soll es noch einmal hinaus, schicken Sie die Nachricht bitte neu.
fax-send-failed = Dieses Fax ist gescheitert, oder es ist unklar, ob es ankam; was zu tun ist, steht an der Nachricht. Soll es noch einmal versucht werden, schreiben Sie bitte !erneut.
fax-send-withdrawn = Dieses Fax wurde zurückgezogen und geht nicht hinaus. Soll es doch hinaus, schicken Sie die Nachricht bitte neu.
fax-taken-back-too-late = Zu spät: Die Bestätigung ist zurückgenommen, aber das Fax ist schon beim Fax-Dienst oder auf dem Weg dorthin. Soll es nicht gelten, rufen Sie bitte den Empfänger an.
fax-retry-waits = Gescheitert ist hier nichts; ein Fax wartet auf seine Bestätigung. Bitte bestätigen Sie seine Vorschau mit ✅ oder !faxen.
file-lost = Die Datei „{ $file }“ ist auf dem Chat-Server nicht mehr vorhanden; die ganze Antwort wurde nicht übergeben. Bitte schicken Sie sie mit der Datei noch einmal.
message-without-key = Diese Nachricht ist hier noch nicht lesbar: Der Schlüssel dazu ist nicht angekommen, sie wurde nicht weitergegeben. Bitte lassen Sie die App einen Moment geöffnet, mit der Sie geschrieben haben. Wenn sich hier nichts ändert, schicken Sie die Nachricht bitte noch einmal.
message-before-copy = Nachdem diese Nachricht geschrieben war, wurde Umstieg aus einer Sicherung wiederhergestellt. Ob sie weitergegeben wurde, sagt die frühere Meldung zu ihr. Gibt es keine, schicken Sie die Nachricht bitte noch einmal.
message-before-keys = Diese Nachricht ist hier nicht mehr lesbar: Nachdem sie geschrieben war, hat Umstieg neue Schlüssel bekommen. Ob sie weitergegeben wurde, sagt die frühere Meldung zu ihr. Gibt es keine, schicken Sie die Nachricht bitte noch einmal.
message-readable-now = Der Schlüssel ist angekommen: Die Nachricht ist jetzt lesbar und wird weitergegeben. Bitte schicken Sie sie nicht noch einmal.
message-readable-stays = Der Schlüssel ist angekommen, aber diese Nachricht bleibt im Raum und wird nicht weitergegeben.
command-readable-now = Der Schlüssel ist angekommen: Der Befehl ist jetzt lesbar und wird beantwortet. Bitte schicken Sie ihn nicht noch einmal.
message-not-believed = Diese Nachricht bleibt im Raum: Sie kam von einem Gerät, das ihr Absender nicht bestätigt hat. Bitte bestätigen Sie das Gerät in den Einstellungen Ihrer App (Sitzung verifizieren) und schicken Sie die Nachricht dann noch einmal.
message-of-other-identity = Diese Nachricht bleibt im Raum: Die Verschlüsselung ihres Absenders wurde zurückgesetzt (neue Identität), und das ist noch nicht bestätigt. Bitte lassen Sie es von einer anderen Person, die hier antworten darf, mit !vertrauen und der Kennung des Absenders (@name:server) bestätigen, oder von Ihrer Systemverwaltung. Schicken Sie die Nachricht dann noch einmal.
message-broken = Diese Nachricht bleibt im Raum: Sie lässt sich nicht entschlüsseln, vielleicht wurde sie unterwegs verändert. Bitte schicken Sie sie noch einmal.
member-locked-out = { $member }: Sie können die Briefe in diesem Raum nicht lesen, weil keines Ihrer Geräte bestätigt ist. Bitte öffnen Sie die Einstellungen Ihrer App und bestätigen Sie dort Ihre Sitzung (Sitzung verifizieren): mit Ihrem Wiederherstellungsschlüssel oder mit einer anderen App, in der Sie angemeldet sind. Ab dem nächsten Brief lesen Sie dann mit; frühere erhalten Sie, wenn jemand, der sie lesen kann, auf den Brief mit !original antwortet.
message-not-encrypted = Diese Nachricht bleibt im Raum: Sie kam unverschlüsselt. Bitte schreiben Sie mit einer App, die verschlüsselt, und schicken Sie die Nachricht noch einmal.
file-not-encrypted = Diese Nachricht bleibt im Raum: Ihre Datei ist nicht verschlüsselt, vielleicht wurde sie aus einem anderen Raum weitergeleitet. Bitte speichern Sie die Datei und schicken Sie sie hier neu.

# Wer mitliest und wem geglaubt wird
identity-changed = { $member } hat die Verschlüsselung zurückgesetzt (neue Identität). Bis das bestätigt ist, sind neue Briefe für dieses Konto nicht lesbar, und was es schreibt, bleibt im Raum. Bitte fragen Sie persönlich oder am Telefon nach, ob es gewollt war. Wenn ja, schreibt eine andere Person, die hier antworten darf: !vertrauen { $member } – oder Ihre Systemverwaltung bestätigt es. Wenn nein, informieren Sie bitte sofort Ihre Systemverwaltung: Dann kennt möglicherweise jemand das Passwort.
strangers-many = In diesen Raum kommen heute viele Konten, die nicht zum Team gehören. Weitere werden hier bis morgen nicht mehr einzeln genannt; Briefe kann keines von ihnen lesen. Bitte fragen Sie Ihre Systemverwaltung, wie sie in den Raum kommen.
stranger-present = { $member } ist in diesem Raum, gehört aber nicht zum Team und wurde hier nicht eingelassen. Die Briefe kann dieses Konto nicht lesen; was Sie selbst hier schreiben, möglicherweise schon. Soll es mitlesen, schreibt eine Person, die hier antworten darf: !einlassen { $member } – sonst fragen Sie bitte Ihre Systemverwaltung, wie es in den Raum kam.
insured-present = { $member } gehört zu einer Krankenkasse und ist in diesem Raum, der nicht für Versicherte ist. Die Briefe kann dieses Konto nicht lesen; was Sie selbst hier schreiben, möglicherweise schon. Bitte lassen Sie es von Ihrer Systemverwaltung entfernen.
insured-present-beside-another = { $member } gehört zu einer Krankenkasse, und in diesem Raum ist schon eine andere versicherte Person. Zwei Versicherte dürfen einander hier nicht begegnen. Neue Briefe kann dieses Konto nicht lesen; was Sie selbst hier schreiben, möglicherweise schon. Bitte lassen Sie es von Ihrer Systemverwaltung entfernen.
member-not-removed = { $member } gehört nicht mehr in diesen Raum, lässt sich von hier aber nicht entfernen. Neue Briefe kann dieses Konto nicht lesen; was Sie selbst hier schreiben, möglicherweise schon. Bitte lassen Sie es von Ihrer Systemverwaltung entfernen.
member-asked-anew = Umstieg wurde aus einer Sicherung wiederhergestellt. Darin ist { $member } hier eingelassen; ob das seither beendet wurde, ist nicht bekannt. Bis das neu entschieden ist, erhält dieses Konto keine neuen Briefe. Soll es weiter mitlesen, schreibt eine Person, die hier antworten darf: !einlassen { $member } – sonst: !ausladen { $member }.
member-unknown = { $member } ist auf dem Chat-Server nicht bekannt und kann hier noch nicht mitlesen. Bitte prüfen Sie die Schreibweise. War sie falsch, schreiben Sie !ausladen { $member } und dann den Befehl mit der richtigen Kennung.
member-not-invited = { $member } lässt sich in diesen Raum nicht einladen und kann hier nicht mitlesen: Der Chat-Server lässt es nicht zu, vielleicht weil das Konto ausgeschlossen oder seine Organisation gesperrt ist. Bitte wenden Sie sich an Ihre Systemverwaltung. Danach schreiben Sie noch einmal !einlassen { $member }.
letters-missed = { $member }: { $letters ->
    [one] Ein früherer Brief dieses Raums kam, bevor Sie hier mitlesen konnten, und ist für Sie nicht lesbar. Bitte
   *[other] { $letters } frühere Briefe dieses Raums kamen, bevor Sie hier mitlesen konnten, und sind für Sie nicht lesbar. Bitte
    } lassen Sie jemanden, der ihn lesen kann, auf den Brief mit !original antworten; dann erhalten Sie ihn neu.
letters-again = Was nun folgt, kam schon früher, als hier noch niemand lesen konnte. Deshalb steht es noch einmal da.

# Was zu einem Brief zu sagen ist
scanner-away = Der Virenscanner antwortet seit einiger Zeit nicht. Neue Briefe bleiben ungeprüft liegen und erscheinen erst, wenn er wieder arbeitet; verloren ist nichts. Was Sie schreiben, geht weiter hinaus. Bitte informieren Sie Ihre Systemverwaltung (Dienst clamd).
scanner-works = Der Virenscanner arbeitet wieder. Briefe, die gewartet haben, erscheinen jetzt.
letter-infected = Der Virenscanner meldet in diesem Brief „{ $virus }“, aber in keiner seiner Dateien.{ $files ->
        [0] {""}
        [one] {" "}Seine Datei wird vorsorglich nicht gezeigt.
       *[other] {" "}Seine { $files } Dateien werden vorsorglich nicht gezeigt.
    } Bitte folgen Sie keinem Link aus dem Brief, öffnen Sie ihn auch nicht in einem Mailprogramm, und fragen Sie beim Absender auf einem anderen Weg nach. Der Brief ist nicht verloren; Ihre Systemverwaltung weiß, wo sie ihn findet.
file-infected = Die Datei „{ $file }“ wird nicht gezeigt: Der Virenscanner meldet darin „{ $virus }“. Bitte öffnen Sie sie auch nicht in einem Mailprogramm, und bitten Sie den Absender auf einem anderen Weg um eine saubere Datei. Die Nachricht ist nicht verloren; Ihre Systemverwaltung weiß, wo sie sie findet.
file-unscanned = Die Datei „{ $file }“ wird nicht gezeigt: Sie ist zu groß für den Virenscanner. Bitte lassen Sie sich vom Absender eine kleinere Datei oder mehrere schicken, oder wenden Sie sich an Ihre Systemverwaltung. Die Nachricht ist nicht verloren.
file-passed = Die Datei „{ $file }“ wurde nicht auf Viren geprüft: Sie ist zu groß für den Virenscanner. Bitte öffnen Sie sie nur, wenn Sie sie erwartet haben.
original-infected = Das Original wird nicht herausgegeben: Der Virenscanner meldet darin „{ $virus }“. Die Nachricht ist nicht verloren; bitte wenden Sie sich an Ihre Systemverwaltung, wenn Sie sie brauchen.
original-unscanned = Das Original wird nicht herausgegeben: Es ist zu groß für den Virenscanner. Bitte wenden Sie sich an Ihre Systemverwaltung, wenn Sie es brauchen.
no-sender = Dieser Brief nennt keinen lesbaren Absender und lässt sich von hier nicht beantworten. Bitte prüfen Sie das Original: Antworten Sie auf den Brief mit !original.
several-senders = Dieser Brief nennt mehrere Absender, oder nicht alle sind lesbar; wer ihn geschrieben hat, ist nicht sicher. Bitte prüfen Sie das Original, bevor Sie sich darauf verlassen: Antworten Sie auf den Brief mit !original.
letter-defects = Teile dieses Briefs waren nicht lesbar; einzelne Zeichen oder Dateien können falsch sein. Bitte verlassen Sie sich nicht auf Zahlen und Namen, ohne das Original zu prüfen: Antworten Sie auf den Brief mit !original.
letter-not-a-mail = Was hier ankam, ist keine lesbare E-Mail; es ist als Datei beigefügt, wie es kam. Bitte fragen Sie den Absender, wenn Sie damit nichts anfangen können.
letter-head-cut = Der Kopf dieses Briefs (Betreff, Absender, Empfänger) ist zu lang und hier nicht vollständig. Bitte prüfen Sie das Original: Antworten Sie auf den Brief mit !original.
letter-parts-left-out = Dieser Brief besteht aus sehr vielen Teilen; nicht alle stehen hier. Den ganzen Brief erhalten Sie, wenn Sie auf ihn mit !original antworten.
letter-structure = Dieser Brief ist fehlerhaft aufgebaut. Am Anfang oder am Ende des Textes können Zeilen stehen, die dort nicht hingehören. Bitte prüfen Sie das Original, bevor Sie sich darauf verlassen: Antworten Sie auf den Brief mit !original.
letter-renderings = Dieser Brief enthält zwei Fassungen, die nicht dasselbe sagen; beide stehen hier untereinander. Bitte fragen Sie den Absender, welche gilt.
letter-signature-unchecked = Dieser Brief ist elektronisch unterschrieben. Die Unterschrift wurde hier nicht geprüft; wenn es darauf ankommt, lassen Sie sie bitte mit einem E-Mail-Programm prüfen.
letter-encrypted = Dieser Brief oder ein Teil davon ist verschlüsselt und hier nicht lesbar. Bitte öffnen Sie die Datei mit dem Programm, das den Schlüssel dazu hat, oder bitten Sie den Absender, den Inhalt anders zu schicken.
letter-unopened = Ein Teil dieses Briefs steckt in einer Datei, die hier nicht geöffnet wird (zum Beispiel winmail.dat). Auch der Text kann darin stehen. Bitte öffnen Sie die Datei mit einem E-Mail-Programm oder bitten Sie den Absender, den Inhalt als Text oder PDF zu schicken.
letter-partial = Dies ist nur ein Stück eines längeren Briefs, der in mehreren Stücken verschickt wurde. Bitte lassen Sie sich den Brief in einem Stück schicken.
letter-elsewhere = Ein Teil dieses Briefs wurde nicht mitgeschickt; der Brief nennt nur eine Stelle, an der er liegt, und von dort wird nichts geholt. Bitte lassen Sie sich den Inhalt vom Absender schicken.
letter-markup = Dieser Brief enthält Wörter, die ein Mailprogramm nicht zeigt, oder eine Gestaltung, die sich hier nicht sicher wiedergeben lässt (zum Beispiel Durchgestrichenes). Bitte vergleichen Sie mit dem Original: Antworten Sie auf den Brief mit !original.
letter-cut = Hier steht nur der Anfang dieses Briefs. Den ganzen erhalten Sie, wenn Sie auf den Brief mit !original antworten.
unknown-thread = Dieser Brief gehört möglicherweise zu einem anderen Vorgang; sicher ist es nicht. Deshalb steht er in einem eigenen Raum. Bitte prüfen Sie selbst, wohin er gehört.
letter-undecrypted =
    Ein KIM-Brief ließ sich nicht entschlüsseln. { $why ->
        [key] Die Karte mit dem Schlüssel (SMC-B oder HBA) ist gesperrt oder steckt nicht. Bitte sehen Sie nach, ob sie im Kartenterminal steckt, und schalten Sie sie frei (PIN).
        [konnektor] Der Konnektor ist nicht erreichbar. Bitte sehen Sie nach, ob er läuft, und informieren Sie sonst Ihre Systemverwaltung.
        [attachments] Der Dienst, bei dem große Nachrichten liegen, hat den Inhalt nicht vollständig geliefert. Meist hilft es, zu warten.
        [version] Der Brief setzt eine neuere KIM-Version voraus. Bitte lassen Sie Ihre Systemverwaltung das KIM-Clientmodul aktualisieren.
        [large-mails] Der Brief ist groß, und der Empfang großer Nachrichten ist für Ihre Adresse nicht eingeschaltet. Bitte lassen Sie ihn von Ihrer Systemverwaltung einschalten.
        [form] Die Nachricht ist nicht so verschlüsselt, wie KIM es vorsieht. Bitte fragen Sie beim Absender nach.
       *[other] Ein genauer Grund ist nicht bekannt. Bitte wenden Sie sich an Ihre Systemverwaltung.
    }
    { $sender ->
        [none] Absender: nicht angegeben
       *[other] Absender nach eigener Angabe: { $sender }
    }{ $day ->
        [none] {""}
       *[other] , geschrieben am { $day } um { $time } Uhr
    }.
    Der Brief liegt weiter im Postfach und wird von Zeit zu Zeit wieder abgerufen; gelingt es, erscheint er in dem Raum, zu dem er gehört.
letter-decrypted =
    Erledigt: Ein KIM-Brief, der sich zuerst nicht entschlüsseln ließ, ist inzwischen entschlüsselt und steht in dem Raum, zu dem er gehört.
    { $sender ->
        [none] Absender: nicht angegeben
       *[other] Absender nach eigener Angabe: { $sender }
    }{ $day ->
        [none] {""}
       *[other] , geschrieben am { $day } um { $time } Uhr
    }.
letter-withheld =
    Vorsicht: KIM bestätigt diesen Brief nicht. { $why ->
        [altered] Der Inhalt oder die Angaben zu Absender und Empfängern stimmen nicht mit dem überein, was unterschrieben wurde.
        [unsigned] Der Brief ist nicht elektronisch unterschrieben.
        [certificate] Ob das Zertifikat der elektronischen Unterschrift gültig ist, konnte nicht bestätigt werden.
        [unclear] Die Prüfung der elektronischen Unterschrift hatte kein klares Ergebnis.
       *[silent] Ein eindeutiges Ergebnis der Prüfung liegt nicht vor.
    } Der Inhalt wird deshalb nicht gezeigt.
    { $sender ->
        [none] Absender: nicht angegeben
       *[other] Absender nach eigener Angabe: { $sender }
    }{ $day ->
        [none] {""}
       *[other] , geschrieben am { $day } um { $time } Uhr
    }.
    Bitte fragen Sie auf einem anderen Weg beim Absender nach, zum Beispiel am Telefon. Wer hier antworten darf, kann den Inhalt trotzdem zeigen lassen: mit !freigeben als Antwort auf diese Meldung.
letter-released = Vorsicht, von KIM nicht bestätigt ({ $why ->
        [altered] Inhalt oder Angaben verändert
        [unsigned] keine elektronische Unterschrift
        [certificate] Zertifikat der Unterschrift nicht bestätigt
        [unclear] Prüfung ohne klares Ergebnis
       *[silent] kein eindeutiges Prüfergebnis
    })
letter-unconfirmed = Dieser Brief kam unverschlüsselt; KIM bestätigt weder Absender noch Inhalt. Bitte fragen Sie auf einem anderen Weg nach, bevor Sie sich darauf verlassen.
letter-checked = Von KIM entschlüsselt, Unterschrift geprüft{ $report ->
    [yes] {""} (der Prüfbericht liegt dem Original bei: !original)
   *[no] {""}
}
letter-unknown-fields = Unbekannte KIM-Angaben des Absenders, hier nicht ausgewertet: { $fields }{ $more ->
        [0] {""}
        [one] {" "}(und eine weitere, siehe !original)
       *[other] {" "}(und { $more } weitere, siehe !original)
    }
letter-too-large = Dieser Brief ist größer als { $limit } MB und wurde nicht abgerufen; hier steht nur, von wem er kam und, soweit von außen lesbar, worum es geht. Er liegt weiter im Postfach. Bitte wenden Sie sich an Ihre Systemverwaltung oder bitten Sie den Absender um kleinere Dateien.
letter-out-of-reach = Dieser Brief ließ sich nicht aus dem Postfach abrufen; hier steht nur, von wem er kam und, soweit von außen lesbar, worum es geht. Er liegt weiter im Postfach. Der Abruf wird von Zeit zu Zeit wieder versucht; gelingt er, erscheint der Brief hier. Bitte sehen Sie bis dahin mit einem Mailprogramm nach, bitten Sie den Absender, ihn noch einmal zu schicken, oder wenden Sie sich an Ihre Systemverwaltung (Befehl dort: umstieg parked list).
account-trouble = { $side ->
    [inbox] Umstieg kann das Postfach, zu dem dieser Raum gehört, zurzeit nicht abrufen:
   *[outbox] Antworten über das Postfach, zu dem dieser Raum gehört, gehen zurzeit nicht hinaus:
    } { $trouble ->
    [login] Der Mailserver lehnt die Anmeldung ab. { $kim ->
        [yes] Bitte sehen Sie nach, ob die Praxiskarte (SMC-B) steckt und freigeschaltet ist (PIN). Ist sie das, lassen Sie bitte Ihre Systemverwaltung Benutzername und Passwort prüfen.
       *[no] Bitte lassen Sie Ihre Systemverwaltung Benutzername und Passwort prüfen.
        } Damit das Konto nicht gesperrt wird, versucht Umstieg die Anmeldung nur wenige Male in der Stunde.
    [settings] Der Mailserver kann mit dem Benutzernamen nichts anfangen. Bitte lassen Sie Ihre Systemverwaltung die Einstellungen prüfen{ $kim ->
        [yes] {""}, auch Mandant, Clientsystem und Arbeitsplatz im Konnektor.
       *[no] .
        }
    [certificate] Der Mailserver weist sich nicht so aus, wie es vereinbart ist; vielleicht hat er ein neues Zertifikat. Bitte lassen Sie das Ihre Systemverwaltung prüfen (Befehl dort: umstieg check). Bis dahin überträgt Umstieg nichts.
    [own_certificate] Der Mailserver nimmt das Zertifikat nicht an, mit dem Umstieg sich ausweist, oder es fehlt. Bitte lassen Sie das Ihre Systemverwaltung prüfen (Befehl dort: umstieg check).
   *[away] Der Mailserver ist seit mindestens einer Viertelstunde nicht zu erreichen. { $kim ->
        [yes] Bitte sehen Sie nach, ob Clientmodul und Konnektor laufen, und informieren Sie sonst Ihre Systemverwaltung.
       *[no] Bitte informieren Sie Ihre Systemverwaltung.
        }
    } { $side ->
    [inbox] Was für Sie ankommt, bleibt so lange im Postfach.
   *[outbox] Was hinaus soll, wartet; bei jeder Antwort steht in ihrem Raum, was daraus wird.
    }
account-works = { $side ->
    [inbox] Umstieg kann das Postfach, zu dem dieser Raum gehört, wieder abrufen. Sie müssen nichts tun.
   *[outbox] Die Anmeldung am Mailserver gelingt wieder: Antworten über das Postfach, zu dem dieser Raum gehört, gehen von selbst hinaus. Sie müssen nichts tun.
    }
letter-for-machines =
    Diese KIM-Nachricht ist { $application ->
        [app-eau] eine Arbeitsunfähigkeitsbescheinigung
        [app-eeb] eine elektronische Ersatzbescheinigung einer Krankenkasse
        [app-erezept] eine Nachricht zu einem E-Rezept
        [app-ldt-auftrag] ein Laborauftrag
        [app-ldt-befund] ein Laborbefund für die Praxissoftware
        [app-ebz] ein Antrag oder eine Antwort im zahnärztlichen Genehmigungsverfahren
        [app-dale-uv] eine Nachricht der Unfallversicherung
        [app-edmp] eine Dokumentation zu einem Behandlungsprogramm (DMP)
        [app-1clickabrechnung] eine Nachricht zur Abrechnung
        [app-1clickhybriddrg] eine Nachricht zur Abrechnung
        [app-kzvabr] eine Nachricht zur Abrechnung
        [app-pfl] eine Nachricht zur Abrechnung in der Pflege
        [app-mio] ein medizinisches Informationsobjekt (MIO)
        [app-selbsttest] ein Selbsttest der Praxissoftware
       *[other] nicht für Menschen gedacht, sondern für ein Programm
    } (Dienstkennung { $service }). Ihr Inhalt ist für die Praxissoftware bestimmt und lässt sich hier vielleicht nicht lesen. Bitte prüfen Sie, ob sie dort verarbeitet werden muss.
letter-service-unknown = { $service ->
    [none] Diese KIM-Nachricht sagt nicht in lesbarer Form, wofür sie gedacht ist (Dienstkennung). Bitte prüfen Sie, ob ein anderes Programm sie braucht.
   *[other] Wofür diese KIM-Nachricht gedacht ist, ist hier nicht bekannt (Dienstkennung { $service }). Bitte prüfen Sie, ob ein anderes Programm sie braucht.
}
mail-out-of-reach = Im Postfach liegt eine Nachricht, die sich nicht abrufen ließ; auch ihr Absender ist nicht zu lesen. Sie bleibt dort und ist nicht verloren. Bitte sehen Sie mit einem Mailprogramm nach oder wenden Sie sich an Ihre Systemverwaltung (Befehl dort: umstieg parked list). Gelingt der Abruf später doch, erscheint die Nachricht in ihrem eigenen Raum.
mail-too-large = Im Postfach liegt eine Nachricht, die größer als { $limit } MB ist und deshalb nicht abgerufen wurde; auch ihr Absender war nicht zu lesen. Sie bleibt dort und ist nicht verloren. Bitte sehen Sie mit einem Mailprogramm nach oder wenden Sie sich an Ihre Systemverwaltung (Befehl dort: umstieg parked list).
automatic-letter = { $report ->
    [yes] Diese Nachricht ist ein automatischer Bericht darüber, was aus einer Nachricht wurde. Zu keiner Antwort aus diesen Räumen passt er sicher; es kann auch um eine Nachricht aus einem anderen Programm gehen, zum Beispiel der Praxissoftware.
   *[no] Diese Nachricht wurde automatisch erstellt, zum Beispiel als Abwesenheitsnotiz.
}
automatic-note = { $absent ->
        [yes] { $sender } ist abwesend und hat diese automatische Notiz hinterlassen
       *[no] Automatische Antwort von { $sender }, zum Beispiel eine Abwesenheitsnotiz
    } (kein Brief; eine Antwort darauf ist nicht nötig).{ $again ->
        [0] {""}
        [one] {" "}Sie kam seit der letzten Anzeige noch einmal und wurde nicht wiederholt.
       *[other] {" "}Sie kam seit der letzten Anzeige noch { $again }-mal und wurde nicht wiederholt.
    }
letter-own = Dieser Brief kommt von Ihrer eigenen Adresse: Eine Nachricht von Ihnen ist zurückgekommen (zum Beispiel weitergeleitet), oder ein anderes Programm schreibt unter dieser Adresse. Eine Antwort ginge an Sie selbst. Bitte fragen Sie bei Ihrer Systemverwaltung nach, wenn Sie das nicht erwartet haben.
answers-go-elsewhere = Der Absender wünscht Antworten an eine andere Adresse: Was Sie auf diesen Brief antworten, geht an { $address } und nicht an die Adresse, von der er kam.{ $more ->
    [yes] {" "}Der Brief nennt dafür noch weitere Adressen; an sie geht nichts.
   *[no] {""}
    } Bitte prüfen Sie, ob das richtig ist, bevor Sie antworten.
answers-wanted-elsewhere = Der Absender wünscht Antworten an eine andere Adresse{ $readable ->
    [yes] {" "}({ $address }), an die von hier nicht geschrieben werden kann
   *[no] {""}, die hier nicht lesbar ist
    }. Was Sie antworten, geht an die Adresse, von der der Brief kam, und wird dort vielleicht nicht gelesen. Ist es wichtig, wählen Sie bitte einen anderen Weg.
letter-sent-by = Verschickt hat diesen Brief { $address } im Auftrag der Person, von der er kommt – zum Beispiel ein Sekretariat oder eine Verteilerliste. Bitte prüfen Sie vor einer Antwort, für wen sie bestimmt ist.
letter-sent-by-unknown = Verschickt hat diesen Brief laut seinen Angaben ein anderes Konto als das, von dem er kommt; welches, ist nicht zu lesen. Bitte prüfen Sie das Original: Antworten Sie auf den Brief mit !original.
report-came = { $earlier ->
    [0] Zu dieser Nachricht
   *[other] Zu einer früheren Fassung dieser Nachricht
} ist ein Bericht gekommen, nach eigener Angabe von { $address }. Er steht in einem eigenen Raum. Bitte lesen Sie dort, ob { $earlier ->
    [0] die Nachricht
   *[other] diese Fassung
} angekommen ist.
report-came-from-nobody = { $earlier ->
    [0] Zu dieser Nachricht
   *[other] Zu einer früheren Fassung dieser Nachricht
} ist ein Bericht gekommen; von wem, ist nicht zu erkennen. Er steht in einem eigenen Raum. Bitte lesen Sie dort, ob { $earlier ->
    [0] die Nachricht
   *[other] diese Fassung
} angekommen ist.
sender-reads-no-answers = Die Adresse, von der dieser Brief kam, nimmt ihrem Namen nach keine Antworten an. Bitte wählen Sie für eine Antwort einen anderen Weg.
fax-number-claimed = Die Nummer { $number } nennt nur das absendende Faxgerät selbst; der Fax-Dienst bestätigt sie nicht. Bitte prüfen Sie sie auf dem Fax. Eine Antwort geht erst hinaus, wenn jemand, der hier antworten darf, !bestätigen geschrieben hat.
fax-numbers-differ = Dieses Fax kam laut Fax-Dienst vom Anschluss { $number }, das absendende Gerät nennt sich aber { $station }. Antworten gehen an { $number }. Bitte prüfen Sie die Nummer auf dem Fax. Eine Antwort geht erst hinaus, wenn jemand, der hier antworten darf, !bestätigen geschrieben hat.
letter-urgent = Vom Absender als dringend gekennzeichnet
letter-written = Geschrieben am { $day } um { $time } Uhr
letter-asks-receipt = Der Absender bittet um eine Lesebestätigung; sie geht erst hinaus, wenn jemand auf diesen Brief mit !quittung antwortet
letter-asks-receipt-in-vain = Der Absender bittet um eine Lesebestätigung; von hier aus lässt sie sich nicht senden
letter-also-to = Ging auch an: { $who }{ $more ->
    [0] {""}
   *[other] {" "}und { $more } weitere
    }

# Was mit dem Raum geschah
room-not-encrypted = Dieser Raum ist nicht verschlüsselt, und Umstieg darf das hier nicht ändern. Briefe kommen deshalb nicht mehr hierher, sondern in einen neuen, verschlüsselten Raum. Bitte schreiben Sie nur noch dort.
continues-older-room = Dieser Raum führt einen früheren Raum fort, der verlassen, gelöscht oder ersetzt wurde. Ältere Nachrichten stehen dort.
room-upgraded = Dieser Raum wurde durch einen neueren ersetzt. Bitte schreiben Sie nur noch dort.
parked = { $what ->
    [letter] Ein Brief konnte nicht vollständig in diesen Raum gestellt werden.
    [post] Eine Nachricht konnte nicht in diesen Raum gestellt werden.
    [event] Diese Nachricht konnte hier nicht gelesen werden und wurde nicht weitergegeben.
   *[dispatch] Eine Antwort konnte nicht übergeben werden.
    } Nichts ist verloren: Es wird aufbewahrt. Bitte informieren Sie Ihre Systemverwaltung (Befehl dort: umstieg parked list).

# Befehle
commands-help =
    Befehle in diesem Raum:
    { $commands }
    Alles andere, was freigegebene Personen hier schreiben, geht an die Gegenseite.
command-original = als Antwort auf einen Brief: schickt das Original, wie es ankam
command-retry = sendet gescheiterte oder unklare Antworten dieses Raums noch einmal
command-admit = lässt jemanden hier mitlesen, der nicht zum Team gehört
command-dismiss = beendet, dass jemand hier mitliest, der eingelassen wurde
command-trust = bestätigt, dass jemand seine Verschlüsselung selbst zurückgesetzt hat
command-confirm = die Nummer eines Faxes oder die Adresse einer neuen Unterhaltung ist richtig, Nachrichten dürfen dorthin gehen
command-send-fax = als Antwort auf die Vorschau eines Faxes: bestätigt Nummer und Seiten und verschickt es
command-release = zeigt den Inhalt eines Briefs, den KIM nicht bestätigt (als Antwort auf die Warnung)
command-receipt = als Antwort auf einen Brief: sendet die Lesebestätigung, um die der Absender bittet
command-help = diese Übersicht
unknown-command = Den Befehl „{ $command }“ gibt es nicht; die Nachricht bleibt im Raum. Die Befehle zeigt !hilfe.
original-follows = Das Original des Briefs, wie es ankam:
original-missing = Zu dieser Nachricht gibt es kein Original. Bitte antworten Sie auf den Brief selbst.
retry-queued = Die Antwort wird noch einmal übergeben …
retry-nothing = Hier gibt es nichts zu wiederholen: Es wartet keine gescheiterte oder unklare Antwort.
member-unclear = Bitte nennen Sie hinter dem Befehl genau eine Person mit ihrer vollen Kennung, zum Beispiel @anna:praxis.example. Die Kennung steht im Profil der Person.
member-of-team = { $member } gehört zum Team. Wer dazugehört, legt Ihre Systemverwaltung fest; bitte wenden Sie sich an sie.
insured-not-admitted = { $member } gehört zu einer Krankenkasse und wird nicht eingelassen: Die Räume dieses Kanals sind nicht für Versicherte. Soll sich das ändern, wenden Sie sich bitte an Ihre Systemverwaltung (insured_persons).
insured-not-a-second = { $member } wird nicht eingelassen: In diesem Raum ist schon eine andere versicherte Person, und zwei Versicherte dürfen einander hier nicht begegnen. Ist die andere hier fertig, laden Sie sie bitte zuerst mit !ausladen aus.
member-admitted = { $member } wird eingeladen und liest ab jetzt hier mit. Mit !ausladen { $member } endet das wieder.
member-here-already = { $member } ist hier schon eingelassen; es ändert sich nichts.
member-dismissed = { $member } erhält ab jetzt keine neuen Briefe mehr und wird aus dem Raum entfernt.
member-not-admitted = { $member } war hier nicht eingelassen; es ändert sich nichts.
trust-confirmed = Bestätigt: { $member } liest ab jetzt wieder mit, und was dieses Konto schreibt, gilt wieder. Briefe, die in der Zwischenzeit kamen, erhält es, wenn jemand, der sie lesen kann, auf den Brief mit !original antwortet.
trust-nothing = Für { $member } ist hier nichts zu bestätigen. Bitte prüfen Sie die Schreibweise.
trust-not-yourself = Die eigene Verschlüsselung kann niemand selbst bestätigen. Bitte lassen Sie es eine andere Person tun, die hier antworten darf, oder Ihre Systemverwaltung.
trust-not-asked = In diesem Raum wird jedem Gerät eines Mitglieds geglaubt; es gibt nichts zu bestätigen.
retry-may-double = Die Antwort wird noch einmal übergeben. War der erste Versuch doch angekommen, erhält die Gegenseite sie doppelt.
caller-confirmed = Danke, die Nummer ist bestätigt. Bitte schicken Sie Ihre Antwort jetzt noch einmal.
nothing-to-release = Hier gibt es nichts freizugeben: Zu dieser Nachricht wird kein Inhalt zurückgehalten.
release-answers-warning = Bitte antworten Sie mit !freigeben auf die Warnung selbst, damit klar ist, welcher Brief gemeint ist.
released-by = { $member } hat den Inhalt dieses Briefs freigegeben. Bitte verlassen Sie sich nicht auf Absender und Inhalt, bevor sie auf einem anderen Weg bestätigt sind.
original-withheld = Der Inhalt dieses Briefs wird nicht gezeigt, weil KIM ihn nicht bestätigt. Das Original gibt es erst, nachdem ihn jemand mit !freigeben freigegeben hat.
receipt-not-asked = Zu diesem Brief lässt sich keine Lesebestätigung senden: Der Absender bittet nicht darum, oder es ist nicht sicher, an wen sie ginge. Sie können ihm stattdessen antworten.
receipt-asked = { $member } bestätigt dem Absender, dass dieser Brief hier angezeigt wurde (Lesebestätigung). Was aus der Lesebestätigung wird, steht gleich hier.
receipt-before = { $standing ->
    [under-way] Die Lesebestätigung zu diesem Brief ist schon unterwegs; veranlasst hat sie { $member }.
    [failed] Die Lesebestätigung zu diesem Brief hat { $member } schon veranlasst, aber sie ist nicht angekommen. Mit !erneut wird sie noch einmal gesendet.
    [unclear] Die Lesebestätigung zu diesem Brief hat { $member } schon veranlasst; ob sie angekommen ist, ist nicht bekannt. Mit !erneut wird sie noch einmal gesendet und kommt dann vielleicht doppelt an.
   *[sent] Die Lesebestätigung zu diesem Brief ist schon gesendet; veranlasst hat sie { $member }. Sie wird nicht noch einmal gesendet.
    }
receipt-subject = Lesebestätigung: { $subject }
receipt-words = Ihre Nachricht wurde bei uns angezeigt. Diese Bestätigung hat eine Person veranlasst. Sie sagt nicht, dass der Inhalt gelesen, verstanden oder bearbeitet wurde.
nothing-to-confirm = Hier gibt es nichts zu bestätigen: Auf eine Bestätigung wartet in diesem Raum weder eine Faxnummer noch eine Adresse.

# Namen
tray-name = { $label } · Eingang
room-name = { $label } · Vorgang { $number }
ghost-kim = { $name } (KIM)
ghost-fax = { $number } (Fax)
ghost-claimed-fax = { $number } laut Kennung (Fax)
ghost-unknown-fax = Unbekannte Faxnummer (Fax)
ghost-unknown-kim = Unbekannter Absender (KIM)

# Was auf einem Fax steht
fax-from = Von
fax-to = An
fax-date = Datum
fax-subject = Betreff
fax-page = Seite
fax-moment = { $day }, { $time } Uhr

# Tabelle von »umstieg check«
check-heading = Prüfung
check-ok = OK
check-warn = Hinweis
check-fail = FEHLER
check-advice = Abhilfe
check-all-well = Alles in Ordnung.
check-not-well = { $failures ->
    [0] Nichts hindert den Start
    [one] { $failures } Fehler verhindert den Betrieb
   *[other] { $failures } Fehler verhindern den Betrieb
    }{ $warnings ->
    [0] .
    [one] , { $warnings } Hinweis.
   *[other] , { $warnings } Hinweise.
    }
