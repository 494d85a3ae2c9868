# Was Räume über Unterhaltungen erfahren, die von hier aus beginnen.

start-team-room = Dies ist der Eingang Ihres Teams für „{ $channel }“. Was neu ist und wartet, steht hier; !offen zeigt es. Wer für die Praxis antworten darf, beginnt hier eine Unterhaltung mit { $usage }; sie bekommt ihren eigenen Raum. Hier steht auch, wenn Umstieg dieses Postfach nicht erreicht.
start-refused =
    Es wurde keine Unterhaltung begonnen und nichts verschickt. { $why ->
        [missing] Bitte schreiben Sie hinter den Befehl, an wen sie gehen soll, und danach den Betreff: !kim ADRESSE Betreff oder !fax NUMMER Betreff.
        [name] Bitte schreiben Sie nur die Adresse oder Nummer, ohne Namen davor und ohne Klammern oder Anführungszeichen.
        [link] Das ist ein Link. Bitte schreiben Sie nur die Adresse oder Nummer, ohne mailto: oder tel: davor.
        [several] Dort stehen mehrere Empfänger. Bitte beginnen Sie mit jedem eine eigene Unterhaltung, und nennen Sie im Betreff keine weitere Adresse.
        [blanks] Bitte schreiben Sie die Nummer ohne Leerzeichen. Beginnt der Betreff mit einer Zahl, stellen Sie bitte ein Wort davor.
        [characters] Die Nachricht hat Zeichen, die nicht zu sehen sind oder anders sind, als sie aussehen. Bitte tippen Sie Adresse oder Nummer und Betreff von Hand.
        [no-address] Das ist keine KIM-Adresse. Sie sieht so aus: praxis@muster.kim.telematik
        [no-number] Das ist keine Faxnummer, oder es ist nicht sicher, welche. Bitte schreiben Sie sie mit Vorwahl und ohne Leerzeichen, zum Beispiel 0305550171 oder +49305550171.
        [own] Das ist Ihre eigene Adresse oder Nummer.
        [too-long] Die Adresse ist so lang, dass der Chat-Server sie nicht aufnimmt.
        [no-subject] Bitte schreiben Sie hinter die Adresse einen Betreff.
        [long-subject] Der Betreff ist zu lang; höchstens 200 Zeichen sind möglich. Alles Weitere schreiben Sie bitte in den neuen Raum.
        [lines] Bitte schreiben Sie Adresse und Betreff in eine einzige Zeile, und den Text danach in den neuen Raum.
       *[no-channel] Sie dürfen für die Praxis auf keinem solchen Postfach oder Anschluss antworten. Bitte prüfen Sie den Namen hinter dem @ oder wenden Sie sich an Ihre Systemverwaltung.
    }
start-which-channel = Es wurde noch keine Unterhaltung begonnen: Sie dürfen auf mehreren Postfächern oder Anschlüssen antworten ({ $channels }). Bitte schreiben Sie, auf welchem, zum Beispiel !{ $command } Betreff.
start-begun = Die Unterhaltung beginnt in einem eigenen Raum, in den Ihr Team gleich eingeladen wird. Verschickt ist noch nichts; bitte schreiben Sie dort weiter.
start-exists = Mit dieser Gegenseite gibt es schon einen Raum: { $link } Bitte schreiben Sie dort weiter. Verschickt ist noch nichts, und der Betreff hier zählt nicht.
start-exists-soon = Mit dieser Gegenseite gibt es schon einen Raum; Ihr Team wird gleich dorthin eingeladen. Bitte schreiben Sie dort weiter. Verschickt ist noch nichts, und der Betreff hier zählt nicht.
start-opened-kim =
    Neue Unterhaltung – noch ist nichts verschickt.
    An: { $address }
    { $listed }
    Von: { $channel }
    Betreff: { $subject }
    { $confirm ->
        [yes] An diese Adresse ging von hier noch nichts. Bitte prüfen Sie sie Zeichen für Zeichen. Stimmt sie, schreibt jemand, der für die Praxis antworten darf, hier !bestätigen. Vorher geht nichts hinaus.
       *[no] Was Sie jetzt hier schreiben, geht als KIM-Nachricht dorthin.
    }
start-opened-fax =
    Neue Unterhaltung – noch ist nichts verschickt.
    An: { $number }
    Von: { $channel }
    Betreff: { $subject }
    Was Sie jetzt hier schreiben, geht als Fax dorthin. Ging an diese Nummer von hier noch keines, kommt vorher eine Vorschau, die jemand mit ✅ oder !faxen bestätigt.
start-waits = Diese Nachricht ist noch nicht abgeschickt: An { $address } ging von hier noch nichts. Bitte prüfen Sie die Adresse. Stimmt sie, schreiben Sie !bestätigen; dann geht alles hinaus, was hier wartet. Stimmt sie nicht, löschen Sie bitte die Nachricht.
start-confirmed = { $member } hat die Adresse bestätigt. Was hier wartet, geht jetzt hinaus, und was Sie noch schreiben, auch.
start-confirmed-before = Die Adresse dieses Raums ist schon bestätigt. Sie müssen nichts tun.
start-not-shown-yet = Die Adresse ist noch nicht bestätigt, denn sie stand noch nicht in diesem Raum. Bitte prüfen Sie sie oben, und schreiben Sie dann noch einmal !bestätigen.
start-taken-back = Die Bestätigung der Adresse ist zurückgenommen. Was noch nicht unterwegs ist, wartet, bis jemand wieder !bestätigen schreibt.
start-retry-waits = Hier ist nichts gescheitert; eine Nachricht wartet darauf, dass jemand die Adresse mit !bestätigen bestätigt.
directory-nothing = Im Verzeichnis wurde nicht nachgesehen.
directory-not-listed = Im Verzeichnis steht diese Adresse nicht. Bitte prüfen Sie sie besonders genau.
directory-listed = Im Verzeichnis steht diese Adresse, ohne Namen.
directory-named = Im Verzeichnis: { $name }
command-start-kim = beginnt eine Unterhaltung mit einer KIM-Adresse
command-start-fax = beginnt eine Unterhaltung mit einer Faxnummer
