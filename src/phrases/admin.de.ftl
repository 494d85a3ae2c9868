# Was eine Systemverwaltung liest. Die meisten Sätze enden ohne Punkt, weil noch einer folgen kann.

# Was andere sagen, und wie Sätze verbunden werden
of-others = „{ $text }“
as-it-is = { $text }
of-fax-line = { $said }
because = Ursache: { $cause }
note = Hinweis: { $said }
mistake-at = Zeile { $line }, { $key }: { $what }
mistake-on-line = Zeile { $line }: { $what }
mistake-in = { $file }, { $mistake }
mistakes-in =
    { $file } enthält { $count } Fehler:
    {"  "}{ $mistakes }

# Tabelle von »umstieg check«: was geprüft wurde
tried-settings = Einstellungen
tried-registration = Registrierung
tried-scanner = Virenscanner
tried-documents = Dokumente
tried-database = Datenbank
tried-migrations = Datenbankstand
tried-names = Namen
tried-channels = Kanäle
tried-sealing = Versiegelung
tried-homeserver = Homeserver
tried-as-token = as_token
tried-ping = ping
tried-encryption = Verschlüsselung
tried-team = Team { $channel }
tried-channel = Kanal { $channel }
tried-inbox = Posteingang { $channel }
tried-outbox = Postausgang { $channel }

tried-directory = KIM-Verzeichnis { $channel }
# Dieselbe: wie es ausging und was zu tun ist
scanner-answers = erkennt die Testdatei (EICAR); { $version }
scanner-blind = antwortet, erkennt aber die Testdatei (EICAR) nicht; { $version }
scanner-limit = nimmt keine Datei an, nicht einmal die kleine Testdatei; { $version }
update-signatures = Holen Sie die Signaturen (freshclam) und sehen Sie in das Protokoll des Virenscanners
start-scanner = Prüfen Sie address im Abschnitt [virus_scanner], ob clamd läuft und ob Umstieg den Socket öffnen darf. Bis dahin warten alle Briefe
scanner-unreachable = nicht erreichbar
scanner-no-verdict = antwortet nicht, wie clamd antwortet, oder nicht rechtzeitig
tried-page-reader = Faxe lesen
page-reader-ready = tesseract liest Deutsch und erkennt, wie eine Seite liegt
page-reader-away = tesseract lässt sich nicht starten
page-reader-lacks = tesseract ist da, aber ihm fehlt: { $models }
install-page-reader = Installieren Sie tesseract mit Deutsch (Debian: apt-get install tesseract-ocr tesseract-ocr-deu tesseract-ocr-osd), sodass es unter /usr/bin/tesseract liegt. Faxe kommen auch ohne es an
documents-shut-in = werden in einem Prozess ohne Dateien und Netz geöffnet
documents-not-shut-in = werden mit Grenzen für Speicher und Zeit geöffnet, aber nicht abgeschottet (offen: { $ways })
allow-seccomp = Erlauben Sie dem Gateway seccomp: einen Kernel mit CONFIG_SECCOMP_FILTER und, in Unit oder Container, keinen Filter, der den Systemaufruf seccomp verbietet
allow-child = Das Gateway startet sich selbst (/proc/self/exe), um Dateien von Faxen zu öffnen. /proc muss eingehängt sein, und Unit oder Container müssen die Systemaufrufe prlimit64 und seccomp erlauben
start-postgres = Starten Sie Postgres, und prüfen Sie database.url: Host, Port, Benutzer, Passwort, Datenbank. Im Passwort schreibt man # als %23, / als %2F, ? als %3F, @ als %40 und % als %25
reached = erreicht
up-to-date = aktuell
not-up-to-date = nicht aktuell
run-migrate = Rufen Sie auf: umstieg migrate
allow-to-read = Geben Sie dem Benutzer der Datenbank das Recht, die Tabellen des Gateways zu lesen
give-names-back = Geben Sie homeserver.server_name und appservice.user_prefix ihre alten Werte zurück
change-settings-so = Ändern Sie die Einstellungen so. Bis dahin startet das Gateway nicht
migrate-and-try-again = Rufen Sie auf: umstieg migrate, und prüfen Sie dann noch einmal
channel-renamed = Die Datenbank kennt ihn als { $from }, mit demselben Postfach: Mit dem nächsten Start geht er unter dem Namen { $to } weiter
give-channel-back = Ist das nicht gewollt, geben Sie ihm den Namen { $from } zurück
channel-not-in-settings = Die Datenbank kennt ihn, die Einstellungen nicht: Seine Briefe, Nachrichten und Antworten warten
put-channel-back = Nehmen Sie seinen Abschnitt wieder auf. Soll er anders heißen, geben Sie dem neuen Abschnitt host, port und user von { $name }, und starten Sie einmal
nothing-sealed = Noch ist nichts versiegelt. Der Schlüssel wird { $mark } sein
key-opens = Der Schlüssel { $mark } öffnet die Datenbank
key-opens-half = Der Schlüssel { $mark } öffnet die Datenbank. Ein Wechsel des Schlüssels ist nicht abgeschlossen
finish-rekey = Halten Sie das Gateway an, und rufen Sie auf: umstieg rekey
sealed-with-other = Die Datenbank ist mit dem Schlüssel { $sealed_with } versiegelt, nicht mit { $given }
give-key-back = Tragen Sie in [sealing] wieder den Schlüssel { $sealed_with } ein. Soll { $given } ihn ersetzen, rufen Sie auf: umstieg rekey --old-key-file DATEI
restore-keys = Stellen Sie, bevor Sie etwas anderes tun, die Tabelle seal_keys aus einer Sicherung wieder her
check-section-homeserver = Prüfen Sie [homeserver]
homeserver-speaks = erreicht, spricht bis { $newest }
no-version = keine Version
start-homeserver = Starten Sie den Homeserver, und prüfen Sie homeserver.url: http oder https, Host, Port
registration-known = Der Homeserver kennt die Registrierung
name-registration = Nennen Sie in homeserver.yaml unter app_service_config_files eine Kopie der Registrierungsdatei, die hier appservice.registration nennt, und starten Sie den Homeserver neu. Nach einer neuen Registrierung kopieren Sie sie noch einmal
team-unknown = Der Homeserver kennt { $names } nicht
correct-team = Berichtigen Sie team und speakers in den Einstellungen, oder legen Sie die Konten an. Briefe in Räumen, die niemand betritt, liest niemand
speakers-outside = Darf antworten und gehört nicht zum Team: { $names }
add-to-team = Wer nicht zum Team gehört, wird in keinen Raum eingeladen und liest keinen Brief. Nehmen Sie diese Konten in team auf, wenn sie nicht Raum für Raum eingelassen werden sollen
team-unclear = Unklar, ob es sie gibt: { $names }
check-spelling = Prüfen Sie die Schreibweise selbst: Ihr Homeserver sagt nicht, wen er kennt
team-known = Der Homeserver kennt { $count ->
    [one] das eine Konto
   *[other] alle { $count }
    }
not-encrypted = Die Räume sind NICHT verschlüsselt (encryption.required = false): Der Homeserver liest mit
encrypt = Schreiben Sie nichts über echte Patienten in diese Räume. Nehmen Sie encryption.required aus den Einstellungen, dann gilt true
keys-allowed = Geräte, ihre Schlüssel und Signaturen sind erlaubt
bot-not-registered = Nicht geprüft, weil sich der Bot nicht anmelden lässt
look-into-homeserver = Sehen Sie im Log des Homeservers nach. Der Name des Bots muss im Namensraum der Registrierung liegen
no-device = Ein Benutzer des Gateways bekommt ohne Passwort kein Gerät
no-keys-of-device = Das Gateway kann keine Schlüssel eines Geräts seiner Benutzer hochladen (?device_id=, MSC4326)
no-sync = Ein Gerät des Bots kann /sync nicht folgen, das ihm die Schlüssel bringt
no-signing-keys = Die Schlüssel, die ein Gerät signieren, werden ohne Passwort nicht angenommen
device-not-removed = Ein Gerät wird ohne Passwort nicht entfernt
take-new-synapse = Nehmen Sie Synapse 1.141 oder neuer, das dafür keine Einstellung braucht. Für 1.121 bis 1.140 muss in der Registrierung io.element.msc4190: true stehen, wie `umstieg registration` es schreibt
take-new-synapse-query = Nehmen Sie Synapse 1.141 oder neuer, das dafür keine Einstellung braucht. Steht ein Proxy davor, lassen Sie den Query-Teil einer Anfrage durch
take-new-synapse-sync = Nehmen Sie Synapse 1.141 oder neuer, das dafür keine Einstellung braucht. Steht ein Proxy davor, lassen Sie /_matrix/client/v3/sync durch
take-new-synapse-sign = Nehmen Sie Synapse 1.141 oder neuer, das dafür keine Einstellung braucht. Vor 1.139 lassen sich Schlüssel nicht ersetzen, vor 1.110 nicht einmal anlegen
ping-not-tried = Nicht geprüft: Ohne die Datenbank bleibt unsere Tür zu
database-first = Bringen Sie zuerst die Datenbank in Ordnung
door-closed = Die Tür ging wieder zu
check-listen = Prüfen Sie appservice.listen
ping-both-ways = hin und zurück in { $milliseconds } ms
homeserver-must-reach = Der Homeserver muss { $url } erreichen (url in der Registrierung) und das hs_token der Registrierung schicken. Öffnen Sie den Weg, oder berichtigen Sie appservice.url, schreiben Sie die Registrierung neu, und starten Sie den Homeserver neu. Wurde sie neu geschrieben, starten Sie auch das Gateway neu
inbox-works = Anmeldung gelingt, { $mails }
tried-headers = KIM-Kopfzeilen { $channel }
tried-fax-origin = Herkunft der Faxe { $channel }
fax-origin-checked = zählt nur, was der Mailserver { $server } als echt bestätigt
fax-origin-unchecked = nur die Absenderadresse: Wer in dieses Postfach schreiben kann, kann ein Fax vortäuschen
give-authserv-id = Lassen Sie Ihren Mailserver die Mails des Faxdienstes prüfen (SPF, DKIM oder DMARC) und nennen Sie seinen Namen als authserv_id; docs/security.md sagt, was das wert ist
headers-complete = vollständig
directory-answers = antwortet
check-directory = Prüfen Sie host, port und tls in [channel.kim.directory], und ob der LDAP-Proxy des Konnektors läuft. Briefe und Antworten gehen auch ohne ihn ihren Weg
check-base = Prüfen Sie base_dn in [channel.kim.directory]
headers-missing = Es fehlen Angaben, die KIM in jeder Mail verlangt: { $names }
give-headers = Tragen Sie in [channel.kim] ein: { $keys }. Die Adresse ist die des Supports für dieses System, die Produktkennung vergibt die gematik
outbox-reports = Anmeldung gelingt, Zustellungen werden gemeldet
outbox-reports-not = Anmeldung gelingt, Zustellungen werden nicht gemeldet
no-mails = keine Mails
mails = { $count ->
    [one] { $count } Mail
   *[other] { $count } Mails
    }
mails-known = { $count ->
    [one] { $count } Mail, schon bekannt
   *[other] { $count } Mails, alle schon bekannt
    }
mails-unknown = { $count ->
    [one] { $count } Mail
   *[other] { $count } Mails
    }, davon { $unknown ->
    [one] würde { $unknown }
   *[other] würden { $unknown }
    } zu Briefen in Räumen. `since` im Posteingang lässt beim ersten Blick ältere dort liegen
no-answer-in-time = Keine Antwort innerhalb von { $seconds } s
check-server = Prüfen Sie host, port und tls, bei einem Posteingang auch protocol, und ob der Server läuft
trust-server = Prüfen Sie tls, und vertrauen Sie dem Zertifikat des Servers mit ca_file oder pin_sha256
trust-certificate = Vergleichen Sie diesen Fingerabdruck mit dem, den die Verwaltung dieses Servers (bei KIM: des Clientmoduls oder des Konnektors) für sein Zertifikat anzeigt. Stimmen beide überein, tragen Sie ihn bei diesem Server ein: pin_sha256 = ["{ $fingerprint }"] – oder nennen Sie mit ca_file die Stelle, die das Zertifikat ausgestellt hat. Stimmen sie nicht überein, ist es ein anderer Server: Prüfen Sie host und port
check-login = Prüfen Sie user und password, bei KIM auch, ob die Karte im Terminal steckt und ihre PIN eingegeben ist, und ob die Angaben hinter # im Benutzernamen stimmen (Server des Anbieters, Aufrufkontext)
check-user-name = Prüfen Sie den Benutzernamen (user, oder [channel.kim]): Bei KIM müssen Mandant, Clientsystem und Arbeitsplatz so heißen wie im Konnektor, und ältere Clientmodule verlangen dazu den Server des Anbieters (pop3_server und smtp_server)
mailbox-busy = Jemand anders liest dieses Postfach gerade. Prüfen Sie in einer Minute noch einmal
look-into-mail-server = Sehen Sie im Log des Mailservers nach

# Die Datenbank
database-unreachable = Die Datenbank ist nicht zu benutzen. Bitte prüfen Sie url in [database] und ob Postgres läuft
database-not-migrated = Die Datenbank ließ sich nicht auf den Stand dieser Version bringen. Hat eine neuere Version sie benutzt, starten Sie bitte diese; sonst braucht der Benutzer der Datenbank das Recht, Tabellen anzulegen
job-tables-not-migrated = Die Tabellen der Auftragsverwaltung ließen sich nicht auf den Stand dieser Version bringen. Bitte geben Sie dem Benutzer der Datenbank das Recht, Tabellen anzulegen
needs-migration = Die Datenbank ist nicht auf dem Stand dieser Version. Bitte rufen Sie `umstieg migrate` auf
another-gateway = Ein anderes Gateway läuft auf dieser Datenbank. Bitte halten Sie es zuerst an
pooler-between = Zwischen Gateway und Postgres steht ein Pooler, der Verbindungen nur für eine Transaktion verleiht. Eine solche Verbindung kann die Sperre nicht halten, die ein zweites Gateway fernhält. Bitte nennen Sie in [database] als url Postgres selbst oder einen Pooler im Session-Modus
keys-unreadable = Die Schlüssel in der Datenbank ließen sich nicht lesen. Bitte sehen Sie im Log von Postgres nach
other-key = Die Datenbank ist mit dem Schlüssel { $sealed_with } versiegelt, und sealing.key der Einstellungen ist { $given }. Es wurde nichts geändert. Bitte tragen Sie wieder den Schlüssel { $sealed_with } in die Einstellungen ein. Soll { $given } ihn ersetzen, rufen Sie `umstieg rekey --old-key-file` mit einer Datei auf, in der { $sealed_with } steht
data-key-damaged = Der Datenschlüssel { $id } in der Tabelle seal_keys lässt sich nicht öffnen, obwohl sealing.key der richtige ist. Es wurde nichts geändert. Die Tabelle ist beschädigt: Bitte stellen Sie sie aus einer Sicherung wieder her
data-keys-lost = Die Tabelle seal_keys ist leer, und es gibt versiegelte Werte. Es wurde nichts geändert. Ohne die Schlüssel dieser Tabelle kann sie niemand lesen: Bitte stellen Sie sie aus einer Sicherung wieder her
seal-too-short = Der Wert ist zu kurz, um versiegelt zu sein
seal-version = Der Wert ist in Version { $version } versiegelt, die dieses Gateway nicht kennt
seal-data-key = Der Wert ist mit dem Datenschlüssel { $id } versiegelt, den die Datenbank nicht hat
seal-altered = Der Wert wurde verändert, oder er wurde für einen anderen Ort oder mit einem anderen Schlüssel versiegelt
database-failed = Die Datenbank hat nicht wie erwartet geantwortet. Bitte versuchen Sie es noch einmal, und sehen Sie sonst im Log von Postgres nach
damaged-row = In der Datenbank ist { $place } in Zeile { $row } beschädigt. Bitte stellen Sie diese Zeile aus einer Sicherung wieder her. Grund: { $why }
damaged-somewhere = In der Datenbank ist { $place } in einer Zeile beschädigt. Bitte stellen Sie sie aus einer Sicherung wieder her. Grund: { $why }
harm-form = Was dort versiegelt war, hat eine andere Form
harm-word = Es ist kein Wort, das dort bekannt ist
harm-name = Es ist kein Name, keine Adresse und keine Kennung
harm-number = Es ist keine Zahl, die dort möglich ist
harm-time = Es ist keine Zeit, die eine Uhr zeigt
harm-missing = Es fehlt
harm-refused = Postgres kann es nicht lesen oder lehnt es ab
harm-state = Was im Zustand „{ $from }“ ist, wird nicht „{ $to }“
other-server-name = Die Datenbank gehört zum Homeserver { $kept }, und homeserver.server_name ist { $given }. Es wurde nichts geändert. Ihre Räume und Benutzer sind auf { $kept }: Bitte tragen Sie diesen Namen wieder ein, oder beginnen Sie mit einer neuen, leeren Datenbank
other-user-prefix = Die Datenbank wurde mit dem user_prefix "{ $kept }" angelegt, und appservice.user_prefix ist "{ $given }". Es wurde nichts geändert. Die Namen aller ihrer Benutzer und Räume beginnen mit "{ $kept }": Bitte tragen Sie das wieder ein, oder beginnen Sie mit einer neuen, leeren Datenbank
channel-taken = Der Kanal { $to } der Einstellungen liest das Postfach des Kanals { $from }, und die Datenbank kennt einen anderen Kanal { $to }. Es wurde nichts geändert. Bitte geben Sie dem Kanal der Einstellungen seinen alten Namen { $from } oder einen, der noch nie benutzt wurde
channel-still-there = Der Kanal { $to } der Einstellungen liest das Postfach des Kanals { $from }, und die Einstellungen haben auch einen Kanal { $from } mit einem anderen Postfach. Es wurde nichts geändert. Ist { $to }, was { $from } war, geben Sie dem anderen bitte einen Namen, der noch nie benutzt wurde. Ist { $to } neu, nehmen Sie ihn aus den Einstellungen, starten Sie, bis { $from } in sein eigenes Postfach gesehen hat, und nehmen Sie ihn wieder auf
channel-one-source = Die Kanäle { $first } und { $second } der Einstellungen lesen beide Postfächer des Kanals { $from }. Es wurde nichts geändert. Bitte nehmen Sie den neuen aus den Einstellungen, starten Sie einmal, und nehmen Sie ihn wieder auf
channel-circle = Die Kanäle { $names } der Einstellungen haben ihre Postfächer oder ihre Namen im Kreis getauscht. Es wurde nichts geändert. Wurden die Postfächer verwechselt, berichtigen Sie sie bitte. Sollen sich die Namen ändern, geben Sie einem Kanal einen Namen, der noch nie benutzt wurde, starten Sie einmal, und geben Sie dann den anderen ihre Namen
channel-other-kind = Der Kanal { $to } der Einstellungen hat kind "{ $now }", und was die Datenbank unter { $from } von ihm kennt, hat kind "{ $before }". Es wurde nichts geändert. Bitte geben Sie ihm sein altes kind zurück. Legen Sie für das andere einen neuen Kanal an, mit einem Namen, der noch nie benutzt wurde, und einem eigenen Postfach

# Woran »umstieg run« scheitert
cannot-listen = Auf { $address } lässt sich nicht horchen. Bitte wählen Sie eine andere Adresse, oder beenden Sie, was dort horcht
metrics-failed = Die Messwerte ließen sich nicht einrichten. Bitte melden Sie das den Entwicklern
engine-failed = Die Auftragsverwaltung ließ sich nicht starten. Bitte prüfen Sie die Datenbank mit `umstieg check`
part-ended = Ein Teil des Gateways hat unerwartet geendet. Bitte sehen Sie im Log nach
runtime-failed = Das Programm bekommt vom Betriebssystem keine Threads. Bitte prüfen Sie die Grenzen für Prozesse und Speicher
signals-failed = Auf die Signale des Betriebssystems lässt sich nicht hören. Bitte prüfen Sie, was Unit oder Container verbieten
life-ended = Das Gateway beginnt von vorn (Log: { $why })
no-log-filter = log.filter ist nicht zu verstehen. Bitte berichtigen Sie es in den Einstellungen
no-log = Das Log lässt sich nicht beginnen. Bitte melden Sie das den Entwicklern
server-name-unusable = homeserver.server_name ist kein Name eines Homeservers. Bitte berichtigen Sie ihn
no-bot-id = appservice.bot und homeserver.server_name ergeben keine Benutzerkennung
roots-unusable = Die zusätzlichen Zertifikate für den Homeserver sind nicht zu benutzen
client-failed = Die Verbindung zum Homeserver ließ sich nicht einrichten

# Mailserver
plaintext-abroad = Ohne TLS ist nur eine Verbindung zu diesem Rechner erlaubt (127.0.0.0/8, ::1, localhost), und { $host } ist ein anderer
login-character = Benutzername und Passwort dürfen weder Zeilenende noch NUL enthalten
no-host-name = { $host } ist weder ein DNS-Name noch eine IP-Adresse
nobody-trusted = Eine Liste von Pins oder Zertifizierungsstellen darf nicht leer sein
mail-server-settings = Die Einstellungen dieses Mailservers sind nicht zu benutzen
mail-server-unreachable = Der Mailserver { $host } ist nicht erreichbar
mail-server-tls = Der Mailserver { $host } bietet keine TLS-Verbindung, der man trauen kann
mail-server-refuses = Der Mailserver { $host } lehnt die Anmeldung ab
mail-server-user-name = Der Mailserver { $host } versteht den Benutzernamen nicht
mail-server-waits = Die Anmeldung am Mailserver { $host } wurde abgelehnt und wird { $seconds } s lang nicht wieder versucht
mail-server-busy = Der Mailserver { $host } ist beschäftigt
mail-server-broke = Das Gespräch mit dem Mailserver { $host } brach ab
wire-failed = Die Verbindung kam nicht zustande oder brach ab
wire-untrusted = Gezeigt wurde das Zertifikat mit dem SHA-256-Fingerabdruck { $fingerprint } ({ $why })
certificate-not-pinned = keines von denen unter pin_sha256
certificate-of-nobody = von keiner Stelle ausgestellt, der hier vertraut wird
certificate-of-other = auf einen anderen Namen ausgestellt
certificate-out-of-date = abgelaufen oder noch nicht gültig
wire-not-secure = Die Verbindung ist nicht sicher
wire-closed = Der Server hat die Verbindung beendet
wire-silent = Der Server hat zu lange geschwiegen
wire-too-much = Der Server hat mehr geschickt, als das Gateway liest (Näheres auf Englisch mit --lang en)
wire-protocol = Der Server hat sich nicht an das Protokoll gehalten (Näheres auf Englisch mit --lang en)
wire-refused = Der Server antwortet „{ $reply }“
wire-over = Die Sitzung ist zu Ende

directory-settings = Die Einstellungen dieses Verzeichnisses sind nicht zu benutzen
directory-unreachable = Das Verzeichnis { $host } ist nicht erreichbar
directory-tls = Das Verzeichnis { $host } bietet keine TLS-Verbindung, der man trauen kann
directory-silent = Das Verzeichnis hat nicht rechtzeitig geantwortet
directory-closed = Das Verzeichnis hat die Verbindung beendet
directory-no-ldap = Das Verzeichnis antwortet etwas, das keine Antwort von LDAP auf diese Frage ist
directory-too-much = Das Verzeichnis schickt mehr, als eine Antwort haben darf
directory-no-base = Das Verzeichnis kennt den Namen nicht, unter dem gesucht wird
directory-elsewhere = Das Verzeichnis verweist an einen anderen Server; dort fragt das Gateway nicht
directory-refused = Das Verzeichnis lehnt die Frage ab (LDAP-Ergebnis { $code })
# Der Homeserver, und der Prozess für fremde Dateien
homeserver-unreachable = Der Homeserver war nicht zu erreichen (Anfrage { $asked })
homeserver-hung-up = Der Homeserver hat die Verbindung abgebrochen (Anfrage { $asked })
homeserver-late = Der Homeserver hat nicht rechtzeitig geantwortet (Anfrage { $asked })
homeserver-refused = Der Homeserver hat eine Anfrage abgelehnt (Anfrage { $asked }, Antwort { $status } { $errcode })
homeserver-refused-plain = Der Homeserver hat eine Anfrage abgelehnt (Anfrage { $asked }, Antwort { $status } ohne Fehlercode)
homeserver-garbled = Die Antwort des Homeservers ist nicht zu verstehen (Anfrage { $asked })
homeserver-too-long = Was gesendet oder empfangen wurde, ist länger als die erlaubten { $bytes_max } Bytes (Anfrage { $asked })
homeserver-unsendable = Eine Anfrage an den Homeserver ließ sich nicht schreiben (Anfrage { $asked })
sandbox-broken = Der Prozess für fremde Dateien ist an einer Datei gescheitert
sandbox-unavailable = Der Prozess für fremde Dateien ließ sich nicht starten

# Was die Befehle sagen
no-settings = Es gibt keine Einstellungen. Bitte kopieren Sie umstieg.example.toml nach umstieg.toml, oder nennen Sie mit --settings eine andere Datei
settings-forbidden = Sie dürfen die Einstellungen nicht lesen. Bitte rufen Sie das Programm als Benutzer des Gateways auf, zum Beispiel mit sudo -u umstieg
settings-unreadable = Die Datei { $file } mit den Einstellungen ist nicht lesbar
output-closed = Die Standardausgabe nimmt nichts an. Bitte prüfen Sie, wohin Sie sie umleiten
key-not-written = { $file } lässt sich nicht schreiben. Ein vorhandener Schlüssel wird nie ersetzt: Bitte nennen Sie eine Datei, die es noch nicht gibt
key-made = Das ist der Schlüssel { $mark }. Ohne ihn kann niemand die Datenbank lesen: Bitte bewahren Sie eine Kopie auf, und zwar nicht bei den Sicherungen der Datenbank
key-not-made = Es ist kein Schlüssel entstanden. Bitte melden Sie das den Entwicklern
key-not-base64 = ist kein Base64
key-wrong-length = ist in Base64 { $bytes } Bytes lang statt 32
key-no-secret = ist 32-mal dasselbe Byte und damit kein Geheimnis
old-key-unreadable = Die Datei { $file } ist nicht lesbar. Bitte prüfen Sie Namen und Rechte
old-key-wrong = Was in { $place } steht, { $why }. Erwartet werden die 32 Bytes in Base64, die in den Einstellungen standen
registration-written =
    { $file } ist geschrieben.
    Der Benutzer des Gateways und der des Homeservers müssen sie beide lesen: Geben Sie sie dem ersten
    und dem zweiten eine Kopie, wo er lesen darf. Nennen Sie diese Kopie in homeserver.yaml, und starten
    Sie den Homeserver neu:

    app_service_config_files:
    {"  "}- (Pfad der Kopie)

    Rufen Sie dann auf: umstieg check
rekey-nothing = Alles ist schon mit dem Schlüssel { $mark } versiegelt; es wurde nichts geändert.
rekey-wrapped =
    Von jetzt an öffnet nur noch der Schlüssel { $mark } die Datenbank.
    Was darin liegt, wird neu versiegelt; das darf unterbrochen und wieder aufgerufen werden.
rekey-goes-on = Es geht weiter, wo es unterbrochen wurde.
rekey-column = {"  "}{ $column }: { $done } von { $all }
rekey-done =
    Fertig. Entfernte alte Datenschlüssel: { $keys }.
    Bewahren Sie den alten Schlüssel so lange auf wie Sicherungen von vorher.
rekey-interrupted = Es wurde unterbrochen. Bitte rufen Sie den Befehl noch einmal auf; er geht weiter, wo er war
rekey-old-key-missing = Die Datenbank ist mit dem Schlüssel { $sealed_with } versiegelt, und das ist nicht der aus den Einstellungen. Es wurde nichts geändert. Bitte nennen Sie den alten Schlüssel mit --old-key-file
rekey-wrong-old-key = Der genannte alte Schlüssel ist { $given }, und die Datenbank ist mit dem Schlüssel { $sealed_with } versiegelt. Es wurde nichts geändert. Bitte nennen Sie die Datei, in der { $sealed_with } steht
rekey-damaged = Alles andere ist neu versiegelt, aber { $count ->
    [one] { $count } Wert lässt sich nicht öffnen, in { $table }, Spalte { $column }. Er ist beschädigt oder stammt aus einer anderen Datenbank
   *[other] { $count } Werte lassen sich nicht öffnen, der erste in { $table }, Spalte { $column }. Sie sind beschädigt oder stammen aus einer anderen Datenbank
    }. Die Datenschlüssel bleiben, damit sich Werte öffnen lassen, die Sie aus einer Sicherung wiederherstellen
list-broken = Die Liste ließ sich nicht schreiben. Bitte melden Sie das den Entwicklern
nothing-parked = Nichts ist zurückgestellt.
no-such-parked = Unter der Nummer { $id } ist nichts zurückgestellt. `umstieg parked list` zeigt die Nummern
parked-next = Noch einmal versuchen: umstieg parked retry ID. Aufgeben: umstieg parked drop ID.
parked-retried = { $id } wird wieder versucht, sobald das Gateway läuft.
parked-dropped = { $id } ist aufgegeben; die Zeile bleibt in der Datenbank.
head-id = ID
head-since = seit (UTC)
head-what = was
head-number = Nummer
head-things = Anzahl
head-channel = Kanal
head-reason = Grund
head-new-identity = neue Identität
head-user = Benutzer
kind-letter = Brief
kind-post = Nachricht
kind-dispatch = Antwort
kind-portal = Raum
kind-conversation = Vorgang
kind-event = Ereignis
kind-gap = Lücke
kind-mail = Mail
kind-unknown = unbekannt
nothing-left-alone = Es gibt keine Mail, die das Gateway anderen Programmen überlassen hat.
head-service = Dienstkennung
head-mails = Mails
left-to-others = Sie ist für die Software der Praxis bestimmt, und das Postfach wird geteilt (mailbox = "shared")
left-alone-next = Das Gateway ruft diese Mails nicht ab und löscht sie nicht. Soll eine dieser Anwendungen in die Räume kommen, geben Sie ihr in der Datei classes_file eine andere Klasse. Liest kein anderes Programm das Postfach, schreiben Sie mailbox = "owned" in [channel.kim].
left-alone-more = { $mails ->
    [one] Eine weitere Mail hat eine Dienstkennung, die hier nicht gezeigt wird.
   *[other] { $mails } weitere Mails haben Dienstkennungen, die hier nicht gezeigt werden.
}
head-profile = Profil
head-gateway = Fax-Dienst
head-known-from = bekannt aus
head-sends = sendet
fax-test-page = Dies ist eine Testseite. Bitte werfen Sie sie weg. Umlaute: ä ö ü ß Ä Ö Ü. Ziffern: 0123456789. Klein und fein: Befund, Überweisung, Größe, süß.
fax-test-taken = Die Testseite an { $number } ist beim Fax-Dienst. Jetzt wird auf seinen Sendebericht gewartet …
fax-test-no-reports = Dieser Fax-Dienst schreibt nach seinem Profil keine Sendeberichte. Bitte sehen Sie am Empfangsgerät nach
fax-test-underway = Der Fax-Dienst hat das Fax angenommen
fax-test-again = Ein Versuch schlug fehl; der Fax-Dienst versucht es weiter
fax-test-sent = Gesendet, so meldet es der Fax-Dienst
fax-test-not-sent = Nicht gesendet. { $why ->
    [recipient] Diese Faxnummer gibt es nicht, meldet der Fax-Dienst
    [busy] Der Anschluss war bei allen Versuchen besetzt
    [no_answer] Am anderen Ende nahm kein Gerät ab
    [no_fax] Am anderen Ende meldete sich kein Faxgerät
    [line] Der Fax-Dienst hatte keine freie Leitung: Bitte prüfen Sie seinen Anschluss
    [transmission] Die Übertragung brach ab, oder es kamen nicht alle Seiten an
    [conversion] Der Fax-Dienst konnte aus dem Dokument kein Fax machen: Bitte prüfen Sie, was er annimmt
    [gateway] Der Fax-Dienst hat den Auftrag abgelehnt: Bitte prüfen Sie Absender, Kennwort und Profil
    [expired] Der Fax-Dienst hat es bis zum Ende seiner Zeit vergeblich versucht
    [cancelled] Der Auftrag wurde beim Fax-Dienst gelöscht
   *[other] Der Fax-Dienst nennt keinen Grund, den das Profil kennt: Bitte lesen Sie seinen Sendebericht
}
fax-test-unreachable = An diese Nummer geht von hier kein Fax: { $why ->
    [emergency_number] Es ist eine Notrufnummer
    [short_number] Es ist eine Kurzwahl
    [premium_number] Sie kostet einen besonderen Preis
    [satellite_number] Sie gehört zu einem Satelliten
    [own_number] Es ist die eigene Nummer dieser Faxleitung
    [other_country] Ihr Land steht nicht in countries
    [gateway_only_receives] Dieser Fax-Dienst empfängt nur
   *[other] Es gibt keine solche Nummer, oder aus ihr wird keine Adresse des Fax-Dienstes
}
fax-test-silent = In dieser Zeit kam kein endgültiger Sendebericht. Läuft das Gateway? Sieht `umstieg parked list` eine Mail des Fax-Dienstes, die nicht zugeordnet wurde? Passt das Profil (`umstieg fax learn` mit der gespeicherten Mail)? Mit --minutes wird länger gewartet
fax-test-no-channel = Bitte nennen Sie mit --channel einen Kanal der Art fax
fax-test-no-number = Das ist keine Faxnummer. Beispiel: +49 30 1234567
fax-test-off = Dieser Kanal verschickt keine Faxe. Tragen Sie in [channel.fax] send = "confirm" oder "on" ein
fax-test-not-made = Die Testseite konnte nicht gemacht werden
fax-test-not-taken = Der Mailserver nahm das Fax nicht an
head-time = Zeit (UTC)
head-way = Weg
head-fax-number = Faxnummer
head-pages = Seiten
head-bytes = Bytes
head-state = Stand
head-digest = Prüfsumme (SHA-256)
way-in = ein
way-out = aus
no-fax-records = In den letzten { $days } Tagen kam und ging kein Fax
gateway-wrote = Der Fax-Dienst schrieb: { $words }
mail-is-purged = Die Mail ist gelöscht (keep_days)
head-reports = meldet
known-from-mails = Mails
known-from-documents = Dokumenten
known-from-others = Drittem
yes = ja
no = nein
no-number = ohne Nummer
number-claimed = { $number } (sagt das Gerät)
reads-fax = Fax von { $number }, Seiten: { $pages }{ $part ->
    [0] {""}
   *[other] , unvollständig
}
reads-missed = Anruf ohne Fax, { $number }
reads-report = Sendebericht an { $number }: { $says ->
    [sent] gesendet
    [failed] nicht gesendet
    [again] noch nicht, weitere Versuche
    [taken] angenommen
   *[other] nichts Eindeutiges
}, Seiten: { $pages }
reads-other = unbekannte Form
profile-proposed = Kein Profil kennt alle diese Mails. Ein Vorschlag; speichern Sie ihn neben den Einstellungen als eigene Datei (eigenes.toml), lesen und ergänzen Sie ihn, und nennen Sie ihn in [channel.fax]: profile = "eigenes.toml"
mail-unreadable = { $file } lässt sich nicht lesen
mail-too-long = { $file } ist zu groß für eine Mail
no-directory = Kein Kanal, zu dem diese Adresse passt, hat in den Einstellungen ein Verzeichnis. Bitte nennen Sie eines in [channel.kim.directory]
row-address = KIM-Adresse:
row-directory = Verzeichnis:
row-version = KIM-Version:
row-large = Große Nachrichten:
row-telematik-id = Telematik-ID:
row-name = Name:
is-listed = Die Adresse steht darin
is-not-listed = Die Adresse steht nicht darin
takes-large = nimmt sie an (über 15 MiB)
takes-no-large = nimmt sie nicht an (nur bis 15 MiB)
not-said = nicht angegeben
nobody-changed = Alle sind, wer sie waren; nichts wartet auf Bestätigung.
ask-changed =
    Bitte fragen Sie jede dieser Personen selbst oder am Telefon, ob sie ihre Verschlüsselung zurückgesetzt hat.
    Wenn ja: umstieg identities confirm BENUTZER. Wenn nein, kennt vielleicht jemand das Passwort: Bitte ändern Sie es, und beenden Sie alle Sitzungen des Kontos.
identity-believed = { $user } wird von jetzt an mit der Identität { $identity } geglaubt.
no-such-identity = Von diesem Benutzer wartet nichts auf Bestätigung. `umstieg identities list` zeigt, was wartet

# Die Registrierung
registration-exists = { $file } gibt es schon, und der Homeserver kennt vielleicht die Tokens darin. Mit --force wird sie ersetzt
registration-unwritable = { $file } lässt sich nicht schreiben. Bitte prüfen Sie Ordner und Rechte
registration-unreadable = Die Registrierungsdatei { $file } ist nicht lesbar. Gibt es keine, schreiben Sie eine mit: umstieg registration. Gibt es eine, geben Sie dem Benutzer des Gateways das Recht, sie zu lesen
registration-foreign = { $file }, Zeile { $line }: So schreibt es `umstieg registration` nicht. Bitte berichtigen Sie es, oder schreiben Sie eine neue mit: umstieg registration --force
registration-incomplete = { $file }: { $key } fehlt. Bitte ergänzen Sie es, oder schreiben Sie eine neue Datei mit: umstieg registration --force
registration-example = { $file }: { $key } ist ein Platzhalter aus dem Beispiel. Bitte schreiben Sie eine Datei mit eigenen Tokens mit: umstieg registration --force
registration-differs = { $file }: { $key } ist { $registered }, aber in den Einstellungen ergibt { $setting } { $set }. Bitte berichtigen Sie die Einstellungen, oder schreiben Sie die Registrierung neu (umstieg registration --force), geben Sie dem Homeserver seine Kopie, und starten Sie ihn neu
without-exclusive = ohne ein regex mit exclusive
prefix-and-server = appservice.user_prefix mit homeserver.server_name
same-tokens = { $file }: as_token und hs_token sind gleich. Bitte schreiben Sie eine neue Datei mit: umstieg registration --force
sender-is-bot = { $file }: sender_localpart ist der Bot ({ $bot }), dem der Homeserver /sync verweigern würde. Bitte wählen Sie für einen von beiden einen anderen Namen

# Was in den Einstellungen stehen soll
missing = Das fehlt: { $what }
missing-secret = Das fehlt: { $what }; stattdessen geht auch { $file } oder { $env }
wants-channel = Das fehlt: Bitte legen Sie mindestens einen Abschnitt [[channel]] an
wants-database-url = wo Postgres ist, zum Beispiel postgres://umstieg@localhost/umstieg, auch als Umgebungsvariable UMSTIEG_DATABASE_URL
wants-sealing-key = der Schlüssel, der versiegelt, was in der Datenbank liegt; Sie erzeugen einen mit: umstieg sealing-key
wants-homeserver-url = wo der Homeserver ist, zum Beispiel http://127.0.0.1:8008
wants-server-name = was in den Benutzerkennungen des Homeservers rechts steht, zum Beispiel praxis.example
wants-listen = wo das Gateway horcht, zum Beispiel 127.0.0.1:9800
wants-own-url = wo der Homeserver das Gateway erreicht, zum Beispiel http://127.0.0.1:9800
wants-monitoring = wo Messwerte und Zustand abzurufen sind, zum Beispiel 127.0.0.1:9801
wants-channel-name = ein kurzer Name aus a-z, 0-9 und -
wants-kind = "kim" oder "fax"
wants-label = wie die Räume dieses Kanals heißen
wants-address = unsere eigene Mailadresse auf diesem Kanal
wants-team = wer eingeladen wird, zum Beispiel ["@anna:praxis.example"]
wants-protocol = "pop3" oder "imap"
wants-fax-domain = was in den Adressen des Fax-Dienstes rechts steht
wants-fax-code = das Kennwort oder Kürzel, das der Fax-Dienst in der Mail verlangt
fax-address-form = Das ist keine Adresse, die eine Nummer nennt: Sie braucht ein @ und, wenn nicht schon Betreff oder Text des Profils die Nummer nennen, einen Platz für sie. docs/configuration.md nennt die Plätze
fax-profile-wrong = Das Profil in { $file } lässt sich nicht lesen: { $message }
wants-fax-number = unsere eigene Faxnummer, zum Beispiel +49301234567
wants-country = in welchem Land der Anschluss ist, zum Beispiel DE
wants-senders = wer Faxe bringen darf, zum Beispiel ["fax@gateway.example"]
wants-host = Name oder Adresse des Mailservers
wants-directory-host = Name oder Adresse des LDAP-Proxys im Konnektor
wants-port = der Port des Mailservers, zum Beispiel 995
wants-user = der Name für die Anmeldung
wants-password = das Passwort für die Anmeldung

# Was in den Einstellungen falsch ist
not-toml = Das ist kein TOML. Bitte berichtigen Sie diese Zeile (Meldung: „{ $message }“)
not-a-section = Hier gehört ein Abschnitt hin, gefunden: { $found }
not-sections = Hier gehören ein oder mehrere Abschnitte [[{ $key }]] hin, gefunden: { $found }
not-a-text = Hier gehört ein Text in Anführungszeichen hin, gefunden: { $found }
not-whole = Hier gehört eine ganze Zahl von { $least } bis { $most } hin, gefunden: { $found }
not-a-flag = Hier gehört true oder false hin, gefunden: { $found }
not-a-list = Hier gehört eine Liste von Texten ["…", "…"] hin, gefunden: { $found }
found-text = ein Text
found-number = eine Zahl
found-point = eine Zahl mit Punkt
found-flag = true oder false
found-date = ein Datum
found-list = eine Liste
found-section = ein Abschnitt
found-other = eine andere
no-such-key = Diesen Schlüssel gibt es nicht. Erlaubt sind hier: { $allowed }
allowed-are = Erlaubt sind "{ $one }" und "{ $other }"
allowed-forms = Erlaubt ist eines davon: { $names }
allowed-tls = Erlaubt sind "implicit", "starttls" und, zum eigenen Rechner, "none"
same-listen = Das ist dasselbe wie appservice.listen. Bitte wählen Sie einen anderen Port
not-a-database-url = Hier gehört eine URL postgres://user:password@host:port/database hin. Im Passwort schreibt man # als %23, / als %2F, ? als %3F, @ als %40 und % als %25
key-is-placeholder = Das ist der Platzhalter aus dem Beispiel. Bitte erzeugen Sie einen Schlüssel mit: umstieg sealing-key
key-unusable = Der Wert { $why }. Hier gehören 32 zufällige Bytes in Base64 hin; Sie erzeugen sie mit: umstieg sealing-key
url-unprotected = homeserver.url ist nicht geschützt (http zu einem anderen Rechner): Unser Token geht offen durch das Netz. Bitte nehmen Sie https
not-one-line = Hier gehört { $what } hin, nicht leer und auf einer Zeile
a-path = ein Pfad
a-name = ein Name
a-label = eine Bezeichnung
a-user-name = ein Benutzername
not-a-filter = Hier gehört error, warn, info, debug, trace oder eine Liste wie info,umstieg=debug hin
channel-twice = Es gibt noch einen Kanal { $name }. Bitte geben Sie jedem einen eigenen Namen
right-of-nobody = Die Liste darf nicht leer sein: Niemand könnte es tun. Ohne diese Zeile dürfen es alle, die im Namen der Praxis schreiben (speakers)
right-of-no-speaker = Jedes Konto der Liste muss auch unter speakers stehen (ohne speakers unter team): Nur wer im Namen der Praxis schreibt, kann mehr dürfen
too-few-for-two = Dafür braucht es mindestens zwei Konten, die es dürfen. Bitte nehmen Sie ein weiteres in die Liste auf, oder streichen Sie es aus two_persons
team-empty = Die Liste darf nicht leer sein: Niemand sähe, was ankommt. Bitte nennen Sie mindestens ein Konto
mailbox-twice = Ein anderer Kanal liest dasselbe Postfach; jede Mail käme doppelt an. Bitte nennen Sie ein anderes Postfach
kim-only = Das gehört nur zu einem Kanal mit kind = "kim". Bitte nehmen Sie es heraus
user-given-twice = Der Benutzername steht schon als Ganzes unter user in { $of }. Bitte nehmen Sie eines von beiden heraus: user dort oder diese Angabe hier
context-incomplete = Das fehlt: Zum Aufrufkontext gehören mandant, client_system und workplace, wie sie im Konnektor heißen. Bitte nennen Sie alle drei oder keines
an-id = eine Kennung
not-a-context-id = Hier gehört die Kennung hin, wie sie im Konnektor steht: höchstens 64 Zeichen, ohne # und ohne Leerzeichen am Rand. Was es nicht gibt, lassen Sie bitte weg (auch kein *)
not-a-server-part = Hier gehört der Mailserver des KIM-Anbieters mit Port hin, zum Beispiel mail.anbieter.kim.telematik:995, oder "*" oder "", wenn das Clientmodul das so verlangt
not-a-separator = Hier gehört ein einzelnes Satzzeichen hin, zum Beispiel ":"; nicht erlaubt sind # * . - und _
not-a-product = Hier gehören Name und Version mit ; dazwischen hin, zum Beispiel Praxisserver;2.1, ohne Umlaute und ohne @
not-a-user-agent = Hier gehören die Produktkennung der gematik und die Version mit / dazwischen hin, zum Beispiel MeinProdukt-gemApproved/2.0.0
not-a-support-address = Hier gehört eine Mailadresse ohne Umlaute hin
wants-large-mails = Über 15 MiB (15728640) nimmt KIM eine Mail nur für Empfänger an, die große Nachrichten freigeschaltet haben; mehr als 734003200 nimmt es nie an. Bitte nennen Sie hier weniger, oder nennen Sie ein Verzeichnis in [channel.kim.directory], oder setzen Sie large_mails = true in [channel.kim]
fax-only = Das gehört nur zu einem Kanal mit kind = "fax". Bitte nehmen Sie es heraus
deletes-in-shared-mailbox = Mit after_relay = "delete" löscht das Gateway Mails, die andere Programme der Praxis vielleicht noch nicht gelesen haben. Wenn nur das Gateway dieses Postfach liest, schreiben Sie mailbox = "owned" in den Abschnitt [channel.kim]. Wenn auch das Praxisverwaltungssystem es liest, nehmen Sie after_relay heraus
classes-too-long = Die Datei { $file } ist zu groß für eine Tabelle von Dienstkennungen. Bitte prüfen Sie, ob es die richtige ist
classes-row = { $file }, Zeile { $line }: { $why }
classes-no-equals = Hier gehört „Anwendung;Typ = Klasse“ oder „Anwendung = Klasse“ hin
classes-no-service = Links vom Gleichheitszeichen gehört „Anwendung;Typ“ oder „Anwendung“ hin, ohne Version und ohne Leerzeichen in den Wörtern
classes-no-class = Die Klasse ist „chat“, „receipt“, „absence“ oder „machine“
classes-twice = Für diese Anwendung und diesen Typ steht schon weiter oben eine Zeile. Bitte nehmen Sie eine der beiden heraus
classes-too-many = Die Tabelle hat mehr als 10000 Zeilen. Bitte prüfen Sie, ob es die richtige Datei ist
not-a-day = Hier gehört ein Tag in Anführungszeichen hin, zum Beispiel "2026-11-01"
senders-empty = Die Liste darf nicht leer sein: Kein Fax würde angenommen. Bitte nennen Sie mindestens einen Absender
authserv-id-at-door = Das gilt nur für ein Postfach: Wer über den eigenen Eingang (protocol = "smtp") liefert, weist sich dort aus. Bitte nehmen Sie es heraus
own-user = Hier steht einer der eigenen Benutzer des Gateways ({ $prefix }…). Bitte nehmen Sie ihn heraus
insured-in-team = Hier steht ein Konto auf { $server }, und homeserver.insured_servers nennt diesen Server: Versicherte gehören zu keinem Team und sprechen nicht für die Praxis. Bitte nehmen Sie es heraus
own-server-insurer = Hier steht der eigene Homeserver (homeserver.server_name). Das Gateway gehört auf den Homeserver einer Praxis oder eines Hauses, nicht auf den einer Krankenkasse. Bitte nehmen Sie ihn heraus
other-server = Kanal { $channel }: { $key } nennt ein Konto auf { $server }, nicht auf { $server_name }. Das ist nur richtig, wenn die beiden Server föderieren
not-a-web-url = Hier gehört eine URL mit Schema hin, zum Beispiel http://127.0.0.1:8008
not-a-server-name = Hier gehört der Name eines Matrix-Servers ohne Schema und @ hin, zum Beispiel praxis.example
not-a-user-id = Hier gehört eine Matrix-Benutzerkennung hin, zum Beispiel @anna:praxis.example
not-a-socket = Hier gehören eine IP-Adresse und ein Port hin, zum Beispiel 127.0.0.1:9800
not-an-id = Hier gehören 1 bis 64 Zeichen aus Buchstaben, Ziffern, . _ und - hin
not-a-prefix = Hier gehören 2 bis 32 Zeichen aus a-z, 0-9, . _ und - hin, am Ende ein _, zum Beispiel _umstieg_
bot-without-prefix = Der Name muss mit user_prefix ({ $prefix }) beginnen, zum Beispiel { $prefix }bot
not-a-bot = Hier gehört { $prefix } und ein kurzer Name aus a-z, 0-9, . _ und - hin
bot-taken = { $prefix }kim_…, { $prefix }fax_… und { $prefix }sender_… sind vergeben. Bitte wählen Sie einen anderen Namen
no-single-at = Eine Adresse hat genau ein @ mit Text auf beiden Seiten
address-too-long = Eine Adresse hat höchstens 64 Zeichen vor und 255 nach dem @ (RFC 5321 §4.5.3.1)
address-character = Eine Adresse darf keine Leerzeichen, Steuerzeichen, Anführungszeichen, Klammern und keine Buchstaben außerhalb von ASCII enthalten
not-a-fax-number = Eine Faxnummer schreibt man in internationaler Form: + und 7 bis 15 Ziffern (E.164)
address-not-kim = Hier gehört eine KIM-Adresse hin, am Ende .kim.telematik oder .kim.telematik-test, vor dem @ Buchstaben, Ziffern, . _ und -
not-a-channel-name = Der Name eines Kanals hat 1 bis 32 Zeichen aus a-z, 0-9 und -
not-an-area-code = Bitte schreiben Sie die Ortsvorwahl des Anschlusses in Ziffern, zum Beispiel "030"
not-a-country = Bitte schreiben Sie ein Land mit zwei Großbuchstaben, zum Beispiel DE, AT oder CH (ISO 3166-1)
not-a-sender = Bitte nennen Sie eine Adresse (fax@gateway.example) oder eine Domain (@gateway.example)
not-a-host = Hier gehört ein Hostname oder eine IP-Adresse ohne Schema, Port und Pfad hin
a-directory-name = ein Name im Verzeichnis
not-a-directory-name = Hier gehört ein Name im Verzeichnis hin, zum Beispiel dc=data,dc=vzd
wants-scanner = Adresse von clamd, zum Beispiel "unix:/run/clamav/clamd.ctl"
not-a-scanner = Erlaubt sind "unix:" mit einem vollständigen Pfad und "tcp:" mit Host und Port, zum Beispiel "tcp:127.0.0.1:3310"
scanner-abroad = Der Virenscanner muss auf diesem Rechner laufen: clamd verschlüsselt nicht. Nehmen Sie "unix:" oder "tcp:127.0.0.1:3310"
plain-abroad = "none" ist nur zum eigenen Rechner erlaubt. Bitte nehmen Sie "implicit" oder "starttls"
pins-empty = Die Liste darf nicht leer sein: Keinem Zertifikat würde vertraut
ca-and-pin = Bitte nennen Sie entweder ca_file oder pin_sha256: Mit einem Pin zählt keine Zertifizierungsstelle
needs-beside = Dazu gehört { $key }. Bitte nennen Sie beides
not-a-pin = Hier gehört ein SHA-256-Fingerabdruck hin: 64 hexadezimale Ziffern, Doppelpunkte sind erlaubt
file-unreadable = Die Datei { $file } ist nicht lesbar. Bitte prüfen Sie Namen und Rechte (Meldung: „{ $error }“)
no-certificate-in = Die Datei { $file } enthält kein Zertifikat in PEM-Form (-----BEGIN CERTIFICATE-----)
no-private-key-in = Die Datei { $file } enthält keinen privaten Schlüssel in PEM-Form (-----BEGIN PRIVATE KEY-----)
secret-line-end = Darin darf weder Zeilenende noch NUL stehen
give-only-one = Bitte nennen Sie nur eines davon: { $keys }
is-empty = Das darf nicht leer sein
first-line-empty = Die erste Zeile der Datei { $file } ist leer. Bitte schreiben Sie den Wert dorthin
variable-not-set = Die Umgebungsvariable { $variable } ist nicht gesetzt. Bitte setzen Sie sie
world-readable = { $file } enthält ein Geheimnis, und jeder auf diesem Rechner kann es lesen. Rufen Sie auf: chmod o= { $file }

# Warum etwas zurückgestellt ist
parked-for = { $code } ({ $why })
reason-sender = kommt von jemandem, der nicht in senders steht
reason-sender-not-proven = der Mailserver hat nicht bestätigt, dass die Mail von dieser Domain kommt
reason-no-sender = nennt keinen Absender
reason-several-senders = nennt mehrere Absender
reason-nobody-joined = niemand hat den Raum betreten
reason-nobody-reads = wer den Raum betreten hat, kann dort nicht lesen
reason-not-fetched = der Mailserver gibt sie nicht heraus
reason-expires = Der Mailserver löscht diese Mail bald, und sie konnte noch nicht abgerufen oder entschlüsselt werden. Bitte prüfen Sie Karte, Konnektor und Clientmodul
reason-too-large = größer als mail_bytes_max
reason-no-name = der Mailserver führt sie ohne Namen
reason-unreadable = die Mail ist nicht zu lesen
reason-unscannable = der Virenscanner arbeitet, kam aber bei dieser Mail zu keinem Ergebnis
reason-infected = der Virenscanner meldet einen Fund, oder sie ist zu groß für ihn
reason-interrupted = das Gateway endete mitten in jedem Versuch
reason-damaged = was die Datenbank davon hält, ist nicht zu lesen
reason-room = der Raum war weder zu benutzen noch zu ersetzen
reason-address = die Adresse passt nicht in eine Matrix-Benutzerkennung
reason-lost = der Datenbank fehlt, was sie enthalten sollte
reason-gap = ein Teil des Verlaufs im Raum ging verloren
reason-unclear = niemand weiß, ob sie angekommen ist
reason-refused = der Mailserver hat sie endgültig abgelehnt
reason-try-later = der Mailserver war bei jedem Versuch nicht erreichbar oder beschäftigt
reason-homeserver = der Homeserver hat es endgültig abgelehnt

# Woran ein fremdes Dokument herankommt
way-read = Dateien lesen
way-write = Dateien schreiben
way-network = das Netz
way-process = andere Programme
way-memory = mehr Speicher

# Die Tür für Faxserver im Haus
tried-door = Faxserver-Tür
door-opens = { $address } kann geöffnet werden; { $protection }
door-is-open = { $address } ist offen; { $protection }
door-secured = verschlüsselt, Zertifikat gültig bis { $until }
door-may-secure = verschlüsselt nur, wer es will; Zertifikat gültig bis { $until }
door-plain = unverschlüsselt
door-taken = Der Port ist belegt, und nicht von Umstieg
choose-door = Prüfen Sie listen im Abschnitt [listener]: die Adresse muss zu diesem Rechner gehören und der Port frei sein
renew-certificate = Erneuern Sie das Zertifikat vor dem { $until } und starten Sie Umstieg danach neu. Danach liefern Faxserver, die es prüfen, nichts mehr ab
in-by-address = Abliefern darf, wer eine dieser Adressen hat: { $peers }. Das beweist wenig: Wer in Ihrem Netz eine solche Adresse annehmen kann, kann Faxe unterschieben. Der Absender (From) beweist nichts
in-by-login = Abliefern darf, wer das Passwort von { $user } kennt, von überall, wo die Tür zu erreichen ist. Der Absender (From) beweist nichts
in-by-both = Abliefern darf, wer das Passwort von { $user } kennt und eine dieser Adressen hat: { $peers }. Der Absender (From) beweist nichts
wants-door-listen = wo Faxserver abliefern, zum Beispiel 127.0.0.1:2525
door-in-public = Diese Adresse ist aus dem Internet zu erreichen. Nehmen Sie eine des Hauses (127.0.0.1, 10.…, 172.16.… bis 172.31.…, 192.168.…, fd…)
door-everywhere = listener.listen öffnet die Tür für Faxserver auf allen Netzanschlüssen des Rechners. Sorgen Sie dafür, dass sie von außen nicht zu erreichen ist
door-unprotected = Faxe kommen unverschlüsselt durch das Netz der Praxis (listener.tls): Wer dort mitliest, liest sie. Nehmen Sie "starttls" oder "implicit", wenn Ihre Geräte es können
not-a-peer = Hier gehören Adressen oder Netze hin, zum Beispiel "192.168.1.20" oder "10.0.0.0/24"; alle Adressen der Welt sind nicht erlaubt
wants-recipients = die Adressen, an die Faxserver für diesen Kanal schicken, zum Beispiel ["fax-praxis@umstieg.internal"]
recipient-twice = Diese Adresse steht schon da. Jede darf nur einmal und nur bei einem Kanal stehen
wants-proof = wer abliefern darf: Adressen (peers), eine Anmeldung (user und password) oder beides. Der Absender allein genügt nie
only-with-smtp = Das gibt es nur mit protocol = "smtp"
needs-listener = Dazu gehört der Abschnitt [listener]
login-needs-tls = Eine Anmeldung braucht Verschlüsselung. Nehmen Sie im Abschnitt [listener] tls = "starttls", "implicit" oder "optional", oder lassen Sie user weg
key-of-other-certificate = Dieser Schlüssel gehört nicht zu dem Zertifikat in cert_file, oder beide sind nicht zu gebrauchen

tried-address-book = Adressbuch { $channel }
book-numbers = { $numbers ->
    [one] eine Nummer mit Namen
   *[other] { $numbers } Nummern mit Namen
} gelesen
book-faults = { $numbers ->
    [one] eine Nummer mit Namen
   *[other] { $numbers } Nummern mit Namen
} gelesen; { $faults ->
    [one] eine Zeile ist
   *[other] { $faults } Zeilen sind
} nicht zu verwenden
book-fault = Zeile { $line } in { $file }: { $why ->
    [number] Hier ist keine Faxnummer zu erkennen. Bitte schreiben Sie sie mit Vorwahl, zum Beispiel 030 1234567
    [name] Der Name fehlt. Bitte ergänzen Sie ihn
    [shown] Der Name könnte mit einer Nummer oder Adresse verwechselt werden. Bitte schreiben Sie ihn mit höchstens vier Ziffern, ohne @ und ohne unsichtbare Zeichen
    [twice] Dieselbe Nummer steht mit anderem Namen in Zeile { $first }; jener gilt. Bitte löschen Sie eine der beiden
    [many] Das Adressbuch hat zu viele Nummern; ab hier gilt keine mehr. Bitte kürzen Sie es
   *[broken] Ein Feld ist länger als erlaubt, oder ein Anführungszeichen ist nicht geschlossen. Bitte prüfen Sie die Zeile
}
make-book-readable = Bitte prüfen Sie Name, Größe und Rechte der Datei. Faxe kommen und gehen auch ohne sie, nur ohne Namen
