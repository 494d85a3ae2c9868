# Die Hilfe der Befehlszeile auf Deutsch; auf Englisch steht sie in `src/main.rs` und kommt von clap.
# Ein Satz heißt wie das, wozu er hilft: `parked-retry` der Befehl, `parked-retry-id` sein Argument. Was
# die lange Hilfe (`--help`) darüber hinaus sagt, heißt `-long`.

program = Bringt KIM-Mails und Faxe in Matrix-Räume, und Antworten wieder hinaus
program-long =
    Umstieg vermittelt zwischen Räumen des TI-Messengers (Matrix) und den Wegen, die das Gesundheitswesen hinter sich lässt: KIM-Mail und Fax per Mail. Ein Brief erscheint in einem Raum unter dem Namen dessen, der ihn geschickt hat; was das Team dort antwortet, geht als KIM-Mail oder Fax hinaus.
program-after =
    Die ersten Schritte:
      1. Kopieren Sie umstieg.example.toml nach umstieg.toml, und ändern Sie, was bei Ihnen anders ist.
      2. umstieg sealing-key    zeigt einen Schlüssel für [sealing]. Bewahren Sie eine Kopie davon auf.
      3. umstieg registration   schreibt registration.yaml. Nennen Sie sie in homeserver.yaml unter
                                app_service_config_files, und starten Sie den Homeserver neu.
      4. umstieg migrate        bereitet die Datenbank vor.
      5. umstieg check          prüft jeden Server und sagt, was gegen einen Fehler zu tun ist.
      6. umstieg run            startet das Gateway. Strg-C oder SIGTERM beendet es; nichts geht verloren.

    Beispiele:
      umstieg --settings /etc/umstieg/umstieg.toml check
      umstieg --lang en check
      umstieg sealing-key --output /etc/umstieg/sealing.key
      umstieg registration --output /etc/umstieg/registration.yaml
      umstieg parked list
      umstieg parked retry 17
      umstieg identities list
      umstieg kim classes
      umstieg kim lookup klinik@nord.kim.telematik
      umstieg rekey --old-key-file /etc/umstieg/sealing.key.old

    Rückgabewerte:
      0  erledigt
      1  etwas ist fehlgeschlagen: ein Server, eine Datei, eine Prüfung
      2  die Befehlszeile, die Einstellungen oder die Registrierung sind falsch
      3  run: ein neuer Versuch hilft nicht. Ein anderes Gateway hat die Datenbank, ihr Schlüssel oder
         ihre Version ist eine andere, oder ein Port ist belegt

# Überschriften und was clap selbst ergänzt
heading-usage = Aufruf:
heading-commands = Befehle:
heading-arguments = Argumente:
heading-options = Optionen:
help-flag = Zeigt diese Hilfe (ausführlich mit --help, kurz mit -h)
version-flag = Zeigt die Version
help-command = Zeigt diese Hilfe oder die eines Befehls

# Was für alle Befehle gilt
settings = Die Datei mit den Einstellungen [sonst umstieg.toml, oder was die Umgebungsvariable UMSTIEG_SETTINGS nennt]; umstieg.example.toml zeigt alle Schlüssel
lang = In welcher Sprache das Programm spricht: Deutsch (de) oder Englisch (en)
lang-long =
    Ohne diese Angabe gilt die Sprache der Umgebung (LC_ALL, sonst LC_MESSAGES, sonst LANG): Deutsch, wenn sie mit de beginnt, sonst Englisch. Räume haben ihre eigene Sprache, in den Einstellungen; das Log ist englisch.

# Die Befehle
run = Startet das Gateway
run-long =
    Bringt die Datenbank auf den Stand dieser Version, folgt dem Homeserver und jedem Postfach und übergibt Antworten, bis es beendet wird (Strg-C oder SIGTERM). Es darf jederzeit abgebrochen werden: Neu gestartet macht es weiter, wo es war.
sealing-key = Erzeugt einen Schlüssel, der versiegelt, was in der Datenbank liegt
sealing-key-long =
    Zeigt 32 zufällige Bytes in Base64, für sealing.key, sealing.key_file oder sealing.key_env der Einstellungen. Ohne diesen Schlüssel kann niemand die Datenbank lesen, auch Sie nicht: Bewahren Sie eine Kopie davon auf, und zwar nicht bei den Sicherungen der Datenbank. Braucht keine Einstellungen.
sealing-key-output = Schreibt ihn in eine neue Datei, die nur ihr Besitzer lesen darf, statt ihn zu zeigen
rekey = Versiegelt die Datenbank mit einem anderen Schlüssel
rekey-long =
    Erzeugen Sie zuerst einen Schlüssel (`umstieg sealing-key`), behalten Sie den alten in einer Datei, tragen Sie den neuen in die Einstellungen ein, und halten Sie das Gateway an. Vom ersten Augenblick an öffnet nur noch der neue Schlüssel die Datenbank; danach wird alles darin neu versiegelt. Das darf unterbrochen und wieder aufgerufen werden, und das Gateway darf laufen, bevor es fertig ist.

    Statt in einer Datei darf der alte Schlüssel auch in der Umgebungsvariable UMSTIEG_OLD_SEALING_KEY stehen.
rekey-old-key-file = Eine Datei mit dem Schlüssel, mit dem die Datenbank jetzt versiegelt ist, auf ihrer ersten Zeile
registration = Schreibt die Registrierungsdatei für den Homeserver
registration-long =
    Mit zufälligen Tokens, und nur für ihren Besitzer lesbar. Eine vorhandene Datei bleibt, weil der Homeserver ihre Tokens vielleicht kennt.
registration-output = Wohin sie geschrieben wird [sonst appservice.registration der Einstellungen]
registration-force = Ersetzt eine vorhandene Datei; der Homeserver braucht dann die neue und einen Neustart
check = Prüft jeden Server, den die Einstellungen nennen, und sagt, was zu tun ist
check-long =
    Ändert nichts, legt aber beim Homeserver das Konto des Bots an. Zeigt eine Tabelle: was geprüft wurde, wie es ausging, und was gegen einen Fehler zu tun ist. Der Rückgabewert ist 0, wenn nichts fehlgeschlagen ist.
migrate = Bereitet die Datenbank vor, oder bringt sie auf den Stand dieser Version
migrate-long =
    Darf jederzeit laufen, auch zweimal. `umstieg run` tut beim Start dasselbe.
identities = Kümmert sich um Mitglieder, die eine andere Identität haben als bisher
identities-long =
    Die Identität eines Mitglieds (was seine Geräte signiert) wird festgehalten, wenn das Gateway sie zum ersten Mal sieht. Wer eine andere hat, liest keine Briefe, und ihm wird nicht geglaubt, bis es jemand anders, der antworten darf, in einem Raum bestätigt oder jemand hier.
identities-list = Zeigt, wessen Identität auf Bestätigung wartet
identities-confirm = Glaubt der neuen Identität eines Benutzers, zum Beispiel @anna:praxis.example
identities-confirm-user = Die Matrix-Benutzerkennung
fax = Kümmert sich um das, was an Fax-Diensten besonders ist
fax-profiles = Zeigt, welche Fax-Dienste bekannt sind
fax-learn = Zeigt, was jedes Profil aus gespeicherten Mails eines Fax-Dienstes liest, und schlägt eines vor, wenn keines passt
fax-learn-long = Braucht keine Einstellungen und kein Netz.
fax-learn-mails = Gespeicherte Mails (.eml)
fax-learn-profile = Ein eigenes Profil, das mit gelesen wird
fax-test = Schickt eine Testseite an eine Faxnummer und verfolgt sie bis zum Sendebericht
fax-test-long = Das kostet, was ein Fax von einer Seite kostet. Das Gateway muss laufen: Es liest den Sendebericht.
fax-test-number = Die Nummer, mit oder ohne Landesvorwahl
fax-test-channel = Der Fax-Kanal; nötig, wo es mehrere gibt
fax-test-minutes = Wie viele Minuten auf den Sendebericht gewartet wird
fax-records = Zeigt, was von jedem Fax festgehalten ist: wann, Nummern, Seiten, Bytes, SHA-256, und was daraus wurde
fax-records-long = Eine Zeile für jedes Dokument, das kam oder ging. Von seinem Inhalt ist hier nichts.
fax-records-days = Wie viele Tage zurück
fax-learn-country = Das Land der Leitung, zwei Großbuchstaben
kim = Kümmert sich um das, was an KIM-Postfächern besonders ist
kim-classes = Zeigt, welche Mails anderen Programmen überlassen wurden, seit wann und warum
kim-lookup = Zeigt, was das Verzeichnis (VZD) über eine KIM-Adresse sagt, zum Beispiel klinik@nord.kim.telematik
kim-lookup-address = Die KIM-Adresse
parked = Kümmert sich um das, was endgültig fehlgeschlagen ist und auf einen Menschen wartet
parked-long =
    Nichts wird von selbst verworfen: Ein Brief, eine Nachricht oder eine Antwort, die zu oft fehlgeschlagen ist, wird zurückgestellt, mit einem Hinweis in ihrem Raum.
parked-list = Zeigt, was zurückgestellt ist, mit Nummern und Gründen
parked-retry = Versucht eines noch einmal
parked-retry-id = Die Nummer aus `umstieg parked list`
parked-drop = Gibt eines auf; die Zeile bleibt als Beleg
parked-drop-id = Die Nummer aus `umstieg parked list`

# Was an der Befehlszeile falsch ist
wrong-command = Den Befehl „{ $text }“ gibt es nicht.
wrong-no-command = Hinter „{ $command }“ fehlt ein Befehl; die Hilfe zeigt, welche es gibt.
wrong-argument = „{ $argument }“ gibt es hier nicht.
wrong-value = „{ $text }“ ist kein Wert für { $argument }. Erlaubt ist: { $allowed }
wrong-form = „{ $text }“ ist kein Wert für { $argument }: Dort gehört eine Zahl hin.
wrong-empty = Zu { $argument } fehlt der Wert.
wrong-missing = Es fehlt: { $argument }
wrong-twice = { $argument } passt nicht zum Übrigen oder steht zweimal da.
wrong-other = So lässt sich das Programm nicht aufrufen.
wrong-similar = Meinten Sie „{ $text }“?
wrong-help = Hilfe: { $command } --help
