# What an admin is told. Most sentences end without a full stop, because another may follow.

# What others say, and how sentences are joined
of-others = { $text }
as-it-is = { $text }
of-fax-line = { $said }
because = because: { $cause }
note = note: { $said }
mistake-at = line { $line }, { $key }: { $what }
mistake-on-line = line { $line }: { $what }
mistake-in = { $file }, { $mistake }
mistakes-in =
    { $file } has { $count } mistakes:
    {"  "}{ $mistakes }

# The table of “umstieg check”: what was tried
tried-settings = settings
tried-registration = registration
tried-scanner = virus scanner
tried-documents = documents
tried-database = database
tried-migrations = migrations
tried-names = names
tried-channels = channels
tried-sealing = sealing
tried-homeserver = homeserver
tried-as-token = as_token
tried-ping = ping
tried-encryption = encryption
tried-team = team { $channel }
tried-channel = channel { $channel }
tried-inbox = inbox { $channel }
tried-outbox = outbox { $channel }

tried-directory = KIM directory { $channel }
# The same: how it went, and what to do
scanner-answers = finds the test file (EICAR); { $version }
scanner-blind = answers, but does not find the test file (EICAR); { $version }
scanner-limit = takes no file, not even the small test file; { $version }
update-signatures = fetch the signatures (freshclam), and look into the virus scanner's log
start-scanner = check address in the section [virus_scanner], that clamd runs, and that Umstieg may open the socket; all letters wait until then
scanner-unreachable = cannot be reached
scanner-no-verdict = does not answer as clamd does, or not in time
tried-page-reader = reading faxes
page-reader-ready = tesseract reads German, and sees how a page lies
page-reader-away = tesseract cannot be started
page-reader-lacks = tesseract is there, but lacks: { $models }
install-page-reader = install tesseract with German (Debian: apt-get install tesseract-ocr tesseract-ocr-deu tesseract-ocr-osd), so that it is /usr/bin/tesseract. Faxes come without it as well
documents-shut-in = opened in a process without files and network
documents-not-shut-in = opened with limits of memory and time, but not shut in: { $ways }
allow-seccomp = let the gateway use seccomp: a kernel with CONFIG_SECCOMP_FILTER, and in the unit or container no filter that forbids the system call seccomp
allow-child = the gateway starts itself (/proc/self/exe) to open the files of faxes; /proc must be mounted, and the unit or container must allow the system calls prlimit64 and seccomp
start-postgres = start Postgres, and check database.url: host, port, user, password, database; within the password # is written %23, / %2F, ? %3F, @ %40 and % %25
reached = reached
up-to-date = up to date
not-up-to-date = not up to date
run-migrate = run: umstieg migrate
allow-to-read = give the database user the right to read the gateway's tables
give-names-back = set homeserver.server_name and appservice.user_prefix back to their old values
change-settings-so = change the settings accordingly; until then the gateway does not start
migrate-and-try-again = run: umstieg migrate; then try again
channel-renamed = the database knows it as { $from }, with the same mailbox: with the next start it goes on under the name { $to }
give-channel-back = if that is not intended, give it back the name { $from }
channel-not-in-settings = the database knows it, and the settings do not: its letters, posts and answers wait
put-channel-back = put its section back; or, if it is to have another name, give the new section the host, port and user of { $name }, and start once
nothing-sealed = nothing is sealed yet; the key will be { $mark }
key-opens = the key { $mark } opens the database
key-opens-half = the key { $mark } opens the database; a change of keys is not finished
finish-rekey = stop the gateway and run: umstieg rekey
sealed-with-other = the database is sealed with the key { $sealed_with }, not with { $given }
give-key-back = put the key { $sealed_with } back into [sealing]; or, if { $given } is to replace it, run: umstieg rekey --old-key-file FILE
restore-keys = restore the table seal_keys from a backup, before anything else is done
check-section-homeserver = check [homeserver]
homeserver-speaks = reached, speaks up to { $newest }
no-version = no version
start-homeserver = start the homeserver, and check homeserver.url: http or https, host, port
registration-known = the homeserver knows the registration
name-registration = name a copy of the registration file under app_service_config_files in homeserver.yaml, with the same content as the file that appservice.registration names here, and restart the homeserver; after a new registration, copy it again
team-unknown = the homeserver does not know { $names }
correct-team = correct team and speakers in the settings, or make the accounts; nobody reads the letters in rooms that nobody joins
speakers-outside = may speak, but are not in the team: { $names }
add-to-team = a user who is not in the team is invited to no room and reads no letter; add such users to team, unless a speaker is to let them in room by room
team-unclear = it is not certain that these users exist: { $names }
check-spelling = check the spelling by hand; their homeserver does not say which users it knows
team-known = the homeserver knows all { $count }
not-encrypted = portals are NOT encrypted (encryption.required = false): the homeserver reads along
encrypt = write nothing about real patients into these rooms; take encryption.required out of the settings, which means true
keys-allowed = devices, their keys and signatures are allowed
bot-not-registered = not tried, because the bot cannot be registered
look-into-homeserver = look into the homeserver's log; the bot's name must be in the namespace of the registration
no-device = a user of the gateway gets no device without a password
no-keys-of-device = the gateway cannot upload keys for a device of its users (?device_id=, MSC4326)
no-sync = a device of the bot cannot follow /sync, which brings it the keys
no-signing-keys = the keys that sign a device are not taken without a password
device-not-removed = a device is not removed without a password
take-new-synapse = take Synapse 1.141 or newer, which needs no setting for it; for 1.121 to 1.140 the registration has to say io.element.msc4190: true, as `umstieg registration` writes it
take-new-synapse-query = take Synapse 1.141 or newer, which needs no setting for it; if a proxy is in front of it, let the query of a request pass
take-new-synapse-sync = take Synapse 1.141 or newer, which needs no setting for it; if a proxy is in front of it, let /_matrix/client/v3/sync pass
take-new-synapse-sign = take Synapse 1.141 or newer, which needs no setting for it; before 1.139 keys cannot be replaced, before 1.110 not even made
ping-not-tried = not tried: without the database the gateway accepts no requests
database-first = fix the database first
door-closed = closed
check-listen = check appservice.listen
ping-both-ways = both ways in { $milliseconds } ms
homeserver-must-reach = the homeserver must reach { $url } (url in the registration) and send this hs_token; open the way, or correct appservice.url, write the registration again and restart the homeserver; if it was written anew, restart the gateway as well
inbox-works = login works, { $mails }
tried-headers = KIM headers { $channel }
tried-fax-origin = origin of faxes { $channel }
fax-origin-checked = only what the mail server { $server } confirms as genuine counts
fax-origin-unchecked = the sender's address alone: anyone who can write to this mailbox can feign a fax
give-authserv-id = let your mail server check the fax gateway's mails (SPF, DKIM or DMARC), and name that server as authserv_id; docs/security.md says what it is worth
headers-complete = complete
directory-answers = answers
check-directory = check host, port and tls in [channel.kim.directory], and that the Konnektor's LDAP proxy runs; letters and answers go their way without it
check-base = check base_dn in [channel.kim.directory]
headers-missing = what KIM demands in every mail is missing: { $names }
give-headers = set in [channel.kim]: { $keys }; the address is that of the support for this system, and gematik gives a product its id
outbox-reports = login works, reports delivery
outbox-reports-not = login works, reports no delivery
no-mails = no mails
mails = { $count } mails
mails-known = { $count } mails, all of them known
mails-unknown = { $count } mails, { $unknown } of them would become letters in rooms; `since` of the inbox leaves older ones there at the first look
no-answer-in-time = no answer in { $seconds } s
check-server = check host, port and tls, for an inbox protocol as well, and that the server runs
trust-server = check tls, and trust the server's certificate with ca_file or pin_sha256
trust-certificate = compare this fingerprint with the one that the administration of this server (for KIM: of the Clientmodul or the Konnektor) shows for its certificate. If they agree, write for this server: pin_sha256 = ["{ $fingerprint }"] – or name, with ca_file, the authority that issued the certificate. If they do not agree, it is another server: check host and port
check-login = check user and password; for KIM also whether the card is in its terminal and its PIN entered, and what is behind # in the user name (the provider's server, the call context)
check-user-name = check the user name (user, or [channel.kim]): for KIM, mandant, client system and workplace must be named as in the Konnektor, and older Clientmodule want the provider's server as well (pop3_server and smtp_server)
mailbox-busy = another program is reading this mailbox now; try again in a minute
look-into-mail-server = look into the mail server's log

# The database
database-unreachable = the database cannot be used; check [database] url, and that Postgres is running
database-not-migrated = the database could not be migrated; if a newer version has used it, start that one; otherwise allow its user to create tables
job-tables-not-migrated = the job engine's tables could not be migrated; allow the database user to create tables
needs-migration = the database was not migrated to this version; run `umstieg migrate`
another-gateway = another gateway is running on this database; stop it first
pooler-between = a pooler between the gateway and Postgres lends connections for one transaction; such a connection cannot hold the lock that keeps a second gateway away. Name Postgres itself in [database] url, or a pooler in session mode
keys-unreadable = the keys in the database could not be read
other-key = the database is sealed with the key { $sealed_with }, and sealing.key of the settings is { $given }; nothing was changed. Put the key { $sealed_with } back into the settings; or, if { $given } is to replace it, run `umstieg rekey --old-key-file` with a file that holds { $sealed_with }
data-key-damaged = data key { $id } in the table seal_keys does not open although sealing.key is the right one; nothing was changed. The table was damaged: restore it from a backup
data-keys-lost = the table seal_keys is empty although there are sealed values; nothing was changed. Without the keys of that table nobody can read them: restore it from a backup
seal-too-short = the value is too short to be sealed
seal-version = the value is sealed in version { $version }, which this gateway does not know
seal-data-key = the value is sealed with data key { $id }, which the database does not have
seal-altered = the value was altered, or sealed for another place or with another key
database-failed = the database did not answer as expected
damaged-row = { $place } of row { $row } is damaged: { $why }
damaged-somewhere = { $place } of some row is damaged: { $why }
harm-form = what was sealed there has another form
harm-word = it is not a word that is known there
harm-name = it is not a name, address or id
harm-number = it is not a number that is possible there
harm-time = it is not a time that a clock can show
harm-missing = it is missing
harm-refused = Postgres cannot read it, or refuses it
harm-state = a thing that is { $from } does not become { $to }
other-server-name = the database was made for the homeserver { $kept }, and homeserver.server_name is { $given }; nothing was changed. Its rooms and users are at { $kept }: set that name again, or start with a new, empty database
other-user-prefix = the database was made with the user_prefix "{ $kept }", and appservice.user_prefix is "{ $given }"; nothing was changed. The names of all its users and rooms begin with "{ $kept }": set that again, or start with a new, empty database
channel-taken = the channel { $to } of the settings reads the mailbox of the channel { $from }, and the database knows another channel { $to }; nothing was changed. Give the channel of the settings its old name { $from }, or a name that was never used
channel-still-there = the channel { $to } of the settings reads the mailbox of the channel { $from }, and the settings have a channel { $from } with another mailbox as well; nothing was changed. If { $to } is what { $from } was, give the other one a name that was never used. If { $to } is new, take it out of the settings, start until { $from } has looked into its own mailbox, and put it back
channel-one-source = the channels { $first } and { $second } of the settings both read mailboxes of the channel { $from }; nothing was changed. Take the new one out of the settings, start once, and put it back
channel-circle = the channels { $names } of the settings have changed their mailboxes, or their names, in a circle; nothing was changed. If the mailboxes were mixed up, correct them. If the names are to change, give one channel a name that was never used, start once, and then the others theirs
channel-other-kind = the channel { $to } of the settings is of kind "{ $now }", and what the database knows of it, as { $from }, is of kind "{ $before }"; nothing was changed. Give it its old kind back; for the other kind make a new channel, with a name that was never used and its own mailbox

# What “umstieg run” fails at
cannot-listen = the gateway cannot listen on { $address }; choose another address, or stop the program that listens there
metrics-failed = the metrics could not be set up
engine-failed = the job engine could not be started
part-ended = a part of the gateway ended unexpectedly
runtime-failed = the runtime could not be started
signals-failed = the gateway cannot receive the operating system's signals
life-ended = { $why }
no-log-filter = log.filter cannot be understood
no-log = the log could not be started
server-name-unusable = homeserver.server_name is not a server name
no-bot-id = the bot's local part and the server name do not form a user id
roots-unusable = the homeserver's additional certificates cannot be used
client-failed = the client for the homeserver could not be set up

# Mail servers
plaintext-abroad = a connection without TLS is allowed to this machine only (127.0.0.0/8, ::1, localhost), and { $host } is another machine
login-character = a user name or password must not contain line ends or NUL
no-host-name = { $host } is neither a DNS name nor an IP address
nobody-trusted = a pin list, or a list of authorities, must not be empty
mail-server-settings = the settings of this mail server cannot be used
mail-server-unreachable = the mail server { $host } cannot be reached
mail-server-tls = the mail server { $host } offers no TLS connection that can be trusted
mail-server-refuses = the mail server { $host } refuses the login
mail-server-user-name = the mail server { $host } does not understand the user name
mail-server-waits = the account on { $host } was refused, and is not tried again for { $seconds } s
mail-server-busy = the mail server { $host } is busy
mail-server-broke = the dialogue with the mail server { $host } broke off
wire-failed = the connection failed
wire-untrusted = what was shown is the certificate with the SHA-256 fingerprint { $fingerprint } ({ $why })
certificate-not-pinned = none of those in pin_sha256
certificate-of-nobody = issued by no authority that is trusted here
certificate-of-other = issued for another name
certificate-out-of-date = expired, or not valid yet
wire-not-secure = the connection is not secure
wire-closed = the server closed the connection
wire-silent = the server stayed silent for too long
wire-too-much = the server sent { $what }, which is more than the gateway reads
wire-protocol = the server broke the protocol: { $what }
wire-refused = the server answered: { $reply }
wire-over = the session is over

directory-settings = the settings of this directory cannot be used
directory-unreachable = the directory { $host } cannot be reached
directory-tls = the directory { $host } offers no TLS connection that can be trusted
directory-silent = the directory did not answer in time
directory-closed = the directory closed the connection
directory-no-ldap = the directory answers what is no answer of LDAP to this question
directory-too-much = the directory sends more than an answer may have
directory-no-base = the directory does not know the name below which is searched
directory-elsewhere = the directory refers to another server, which the gateway does not ask
directory-refused = the directory refuses the question (LDAP result { $code })
# The homeserver, and the sandbox
homeserver-unreachable = the homeserver could not be reached for { $asked }
homeserver-hung-up = the homeserver hung up during { $asked }
homeserver-late = the homeserver did not answer { $asked } in time
homeserver-refused = the homeserver refused { $asked }: { $status } { $errcode }
homeserver-refused-plain = the homeserver refused { $asked }: { $status }, no error code
homeserver-garbled = the homeserver's answer to { $asked } makes no sense
homeserver-too-long = the body in { $asked } is longer than the allowed { $bytes_max } bytes
homeserver-unsendable = the request for { $asked } could not be written
sandbox-broken = a document broke the process it was opened in
sandbox-unavailable = the sandbox could not be started

# What the commands say
no-settings = there are no settings: copy umstieg.example.toml to umstieg.toml, or name another file with --settings
settings-forbidden = you may not read the settings: run this as the gateway's own user, for example with sudo -u umstieg
settings-unreadable = the settings file { $file } cannot be read
output-closed = standard output cannot be written
key-not-written = { $file } cannot be written; an existing key is never replaced
key-made = this is the key { $mark }. Without it nobody can read the database: keep a copy of it, apart from the backups of the database
key-not-made = no key was made
key-not-base64 = is not base64
key-wrong-length = is { $bytes } bytes long in base64, not 32
key-no-secret = is 32 times the same byte, which is not a secret
old-key-unreadable = the file { $file } cannot be read
old-key-wrong = what { $place } holds { $why }; expected the 32 bytes in base64 that were in the settings
registration-written =
    Wrote { $file }.
    The gateway's user and the homeserver's user both have to read it: give it to the first, and
    give the second a copy in a place that it may read. Name that copy in homeserver.yaml, and restart the homeserver:

    app_service_config_files:
    {"  "}- (the path of the copy)

    Then run: umstieg check
rekey-nothing = Everything is sealed with the key { $mark } already; nothing was changed.
rekey-wrapped =
    From now on the database opens with the key { $mark } only.
    Sealing its contents again; you may interrupt this and run it again.
rekey-goes-on = Going on where it was interrupted.
rekey-column = {"  "}{ $column }: { $done } of { $all }
rekey-done =
    Done. Old data keys removed: { $keys }.
    Keep the old key as long as you keep backups made before this change.
rekey-interrupted = the change of keys was interrupted; run the command again, and it goes on where it was
rekey-old-key-missing = the database is sealed with the key { $sealed_with }, which is not the one in the settings; nothing was changed. Give the old key with --old-key-file
rekey-wrong-old-key = the old key given is { $given }, and the database is sealed with the key { $sealed_with }; nothing was changed. Give the file that holds { $sealed_with }
rekey-damaged = everything else is sealed again, but { $count } values do not open, the first in { $table }, column { $column }; they were damaged, or belong to another database. The data keys stay, so that values restored from a backup open
list-broken = the list could not be written
nothing-parked = Nothing is parked.
no-such-parked = nothing with the number { $id } is parked; `umstieg parked list` shows the numbers
parked-next = Try one again: umstieg parked retry ID. Give one up: umstieg parked drop ID.
parked-retried = { $id } is tried again as soon as the gateway runs.
parked-dropped = { $id } is given up; its row stays in the database.
head-id = id
head-since = since (UTC)
head-what = what
head-number = number
head-things = things
head-channel = channel
head-reason = reason
head-new-identity = new identity
head-user = user
kind-letter = letter
kind-post = post
kind-dispatch = dispatch
kind-portal = portal
kind-conversation = conversation
kind-event = event
kind-gap = gap
kind-mail = mail
kind-unknown = unknown
nothing-left-alone = There is no mail that the gateway has left to other programs.
head-service = Dienstkennung (service)
head-mails = mails
left-to-others = it is for the practice's software, and the mailbox is shared (mailbox = "shared")
left-alone-next = The gateway neither fetches nor deletes these mails. If one of these applications should come into the rooms, give it another class in the file classes_file. If no other program reads the mailbox, write mailbox = "owned" into [channel.kim].
left-alone-more = { $mails ->
    [one] One more mail has a Dienstkennung that is not shown here.
   *[other] { $mails } more mails have Dienstkennungen that are not shown here.
}
head-profile = profile
head-gateway = gateway
head-known-from = known from
head-sends = sends
fax-test-page = This is a test page. Please throw it away. Umlauts: ä ö ü ß Ä Ö Ü. Digits: 0123456789. Small print: Befund, Überweisung, Größe, süß.
fax-test-taken = the fax gateway has the test page to { $number }; waiting for its report …
fax-test-no-reports = by its profile this fax gateway writes no reports; please look at the receiving machine
fax-test-underway = the fax gateway has taken the fax over
fax-test-again = an attempt failed; the fax gateway tries again
fax-test-sent = sent, as the fax gateway reports
fax-test-not-sent = not sent: { $why ->
    [recipient] the fax gateway reports that there is no such number
    [busy] the line was busy at every attempt
    [no_answer] no machine answered
    [no_fax] what answered was no fax machine
    [line] the fax gateway had no free line; please check its connection
    [transmission] the transmission broke off, or not all pages arrived
    [conversion] the fax gateway could not make a fax of the document; please check what it takes
    [gateway] the fax gateway refused the order; please check sender, password and profile
    [expired] the fax gateway tried in vain until the end of its time
    [cancelled] the order was deleted at the fax gateway
   *[other] the fax gateway names no reason that the profile knows; please read its report
}
fax-test-unreachable = no fax goes to this number from here: { $why ->
    [emergency_number] it is an emergency number
    [short_number] it is a short number
    [premium_number] it is charged at a premium
    [satellite_number] it is a satellite's
    [own_number] it is this fax line's own
    [other_country] its country is not in countries
    [gateway_only_receives] this fax gateway only receives
   *[other] there is no such number, or it makes no address of the fax gateway
}
fax-test-silent = no final report came in this time. Is the gateway running? Does `umstieg parked list` show a mail of the fax gateway that was not placed? Does the profile fit (`umstieg fax learn` with the saved mail)? --minutes waits longer
fax-test-no-channel = name a channel of kind fax with --channel
fax-test-no-number = this is no fax number; an example is +49 30 1234567
fax-test-off = this channel sends no faxes; write send = "confirm" or "on" in [channel.fax]
fax-test-not-made = the test page could not be made
fax-test-not-taken = the mail server did not take the fax
head-time = time (UTC)
head-way = way
head-fax-number = fax number
head-pages = pages
head-bytes = bytes
head-state = state
head-digest = checksum (SHA-256)
way-in = in
way-out = out
no-fax-records = no fax came or left in the last { $days } days
gateway-wrote = the fax gateway wrote: { $words }
mail-is-purged = its mail is deleted (keep_days)
head-reports = reports
known-from-mails = mails
known-from-documents = documents
known-from-others = others
yes = yes
no = no
no-number = no number
number-claimed = { $number } (says the machine)
reads-fax = fax from { $number }, pages: { $pages }{ $part ->
    [0] {""}
   *[other] , incomplete
}
reads-missed = a call without a fax, { $number }
reads-report = report about { $number }: { $says ->
    [sent] sent
    [failed] not sent
    [again] not yet, more attempts follow
    [taken] taken over
   *[other] nothing definite
}, pages: { $pages }
reads-other = unknown form
profile-proposed = No profile knows all these mails. A proposal: save it beside the settings as a file of its own (own.toml), read it, complete it, and name it in [channel.fax]: profile = "own.toml"
mail-unreadable = { $file } cannot be read
mail-too-long = { $file } is too large for a mail
no-directory = no channel that this address fits has a directory in the settings; give one in [channel.kim.directory]
row-address = KIM address:
row-directory = directory:
row-version = KIM version:
row-large = large mails:
row-telematik-id = Telematik ID:
row-name = name:
is-listed = the address is in it
is-not-listed = the address is not in it
takes-large = are taken (over 15 MiB)
takes-no-large = are not taken (15 MiB at most)
not-said = not said
nobody-changed = Everybody is who they were; nothing waits to be confirmed.
ask-changed =
    Ask each of them, in person or by telephone, whether they reset their encryption themselves.
    If so: umstieg identities confirm USER. If not, somebody may know the password: change it, and end all sessions of the account.
identity-believed = { $user } is believed from now on with the identity { $identity }.
no-such-identity = no identity of this user waits to be confirmed; `umstieg identities list` shows what does

# The registration
registration-exists = { $file } exists already, and the homeserver may know its tokens; --force replaces it
registration-unwritable = { $file } cannot be written
registration-unreadable = the registration file { $file } cannot be read; if there is none, write one with: umstieg registration; if there is one, give the gateway's user the right to read it
registration-foreign = { $file }, line { $line }: this is not what `umstieg registration` writes; correct it or write a new one with: umstieg registration --force
registration-incomplete = { $file }: { $key } is missing; add it or write a new file with: umstieg registration --force
registration-example = { $file }: { $key } is a placeholder of the example; write a file with your own tokens with: umstieg registration --force
registration-differs = { $file }: { $key } is { $registered }, but the settings say { $setting } is { $set }; correct the settings, or write the registration again (umstieg registration --force), give the homeserver its copy and restart it
without-exclusive = without an exclusive regex
prefix-and-server = appservice.user_prefix with homeserver.server_name
same-tokens = { $file }: as_token and hs_token are the same; write a new file with: umstieg registration --force
sender-is-bot = { $file }: sender_localpart is the bot ({ $bot }), whose /sync the homeserver would refuse; choose another name for one of them

# What the settings should hold
missing = is missing: { $what }
missing-secret = is missing: { $what }; or { $file } or { $env }
wants-channel = is missing: add at least one section [[channel]]
wants-database-url = where Postgres is, for example postgres://umstieg@localhost/umstieg, also as the environment variable UMSTIEG_DATABASE_URL
wants-sealing-key = the key that seals the contents of the database; make one with: umstieg sealing-key
wants-homeserver-url = where the homeserver is, for example http://127.0.0.1:8008
wants-server-name = the right side of the homeserver's user ids, for example praxis.example
wants-listen = where the gateway listens, for example 127.0.0.1:9800
wants-own-url = where the homeserver reaches the gateway, for example http://127.0.0.1:9800
wants-monitoring = where metrics and health are served, for example 127.0.0.1:9801
wants-channel-name = a short name of a-z, 0-9 and -
wants-kind = "kim" or "fax"
wants-label = how rooms of this channel are named
wants-address = our own mail address on this channel
wants-team = who is invited, for example ["@anna:praxis.example"]
wants-protocol = "pop3" or "imap"
wants-fax-domain = the right side of the gateway's addresses
wants-fax-code = the password or word that the gateway wants in a mail
fax-address-form = this is no address that names a number: it needs an @ and, unless the profile's subject or text names the number, a place for it; docs/configuration.md lists the places
fax-profile-wrong = the profile in { $file } cannot be read: { $message }
wants-fax-number = our own fax number, for example +49301234567
wants-country = where the line is, for example DE
wants-senders = which addresses may bring faxes, for example ["fax@gateway.example"]
wants-host = the mail server's name or address
wants-directory-host = the name or address of the Konnektor's LDAP proxy
wants-port = the mail server's port, for example 995
wants-user = the name to log in with
wants-password = the password to log in with

# What is wrong in the settings
not-toml = this is not TOML: { $message }
not-a-section = expected a section, found { $found }
not-sections = expected one or more sections [[{ $key }]], found { $found }
not-a-text = expected a text in quotes, found { $found }
not-whole = expected a whole number from { $least } to { $most }, found { $found }
not-a-flag = expected true or false, found { $found }
not-a-list = expected a list of texts ["…", "…"], found { $found }
found-text = a text
found-number = a number
found-point = a number with a point
found-flag = true or false
found-date = a date
found-list = a list
found-section = a section
found-other = another one
no-such-key = there is no such key; here are allowed: { $allowed }
allowed-are = allowed are "{ $one }" and "{ $other }"
allowed-forms = allowed is one of these: { $names }
allowed-tls = allowed are "implicit", "starttls" and, on loopback, "none"
same-listen = is the same as appservice.listen; choose another port
not-a-database-url = expected a URL postgres://user:password@host:port/database; within the password # is written %23, / %2F, ? %3F, @ %40 and % %25
key-is-placeholder = is the placeholder of the example; make a key with: umstieg sealing-key
key-unusable = { $why }; expected 32 random bytes in base64; make them with: umstieg sealing-key
url-unprotected = homeserver.url is not protected (http to another machine): the gateway's token crosses the network unencrypted; use https
not-one-line = expected { $what }: not empty, on one line
a-path = a path
a-name = a name
a-label = a label
a-user-name = a user name
not-a-filter = expected error, warn, info, debug, trace, or a list such as info,umstieg=debug
channel-twice = there is another channel { $name }; each needs its own name
right-of-nobody = must not be empty: nobody could do it. Without this line all may who write for the practice (speakers)
right-of-no-speaker = each account has to be among speakers as well (without speakers: team); only who writes for the practice can be allowed more
too-few-for-two = takes at least two accounts that may do it; add one to the list, or take it out of two_persons
team-empty = must not be empty: nobody would see what arrives
mailbox-twice = another channel reads the same mailbox; every mail would arrive twice
kim-only = belongs to a channel of kind "kim" only
user-given-twice = the user name is given as a whole already, as user in { $of }; take one of the two out
context-incomplete = missing: a call context has mandant, client_system and workplace, named as in the Konnektor; give all three or none
an-id = an id
not-a-context-id = expected the id as the Konnektor has it: at most 64 characters, no #, no blank at the ends; leave out what there is none of (and give no *)
not-a-server-part = expected the KIM provider's mail server with its port, for example mail.provider.kim.telematik:995, or "*" or "" if the Clientmodul wants it so
not-a-separator = expected one punctuation character, for example ":"; not allowed are # * . - and _
not-a-product = expected name and version with ; between, for example Praxisserver;2.1, in ASCII and without @
not-a-user-agent = expected gematik's id of the product and the version with / between, for example MyProduct-gemApproved/2.0.0
not-a-support-address = expected a mail address in ASCII
wants-large-mails = above 15 MiB (15728640) KIM takes a mail only for recipients who have large mails switched on, and above 734003200 never; give less, or name a directory in [channel.kim.directory], or set large_mails = true in [channel.kim]
fax-only = belongs to a channel of kind "fax" only
deletes-in-shared-mailbox = with after_relay = "delete" the gateway deletes mails that other programs of the practice may not have read yet. If only the gateway reads this mailbox, write mailbox = "owned" into [channel.kim]; if the practice's software reads it too, remove after_relay
classes-too-long = { $file } is too long for a table of Dienstkennungen; check whether it is the right file
classes-row = { $file }, line { $line }: { $why }
classes-no-equals = this should be "Anwendung;Typ = class" or "Anwendung = class"
classes-no-service = left of the equals sign should be "Anwendung;Typ" or "Anwendung", without a version and without blanks in the words
classes-no-class = the class is "chat", "receipt", "absence" or "machine"
classes-twice = an earlier line is for the same application and type; remove one of the two
classes-too-many = the table has more than 10000 lines; check whether it is the right file
not-a-day = expected a day in quotes, for example "2026-11-01"
senders-empty = must not be empty: no fax would be accepted
authserv-id-at-door = counts for a mailbox only: whoever delivers to the listener (protocol = "smtp") proves it there; please take it out
own-user = names one of the gateway's own users ({ $prefix }…)
insured-in-team = names a user on { $server }, which homeserver.insured_servers lists: insured persons are in no team and do not speak for the practice
own-server-insurer = names our own homeserver (homeserver.server_name): the gateway belongs on the homeserver of a practice or a house, not on a health insurer's
other-server = channel { $channel }: { $key } names a user on { $server }, not on { $server_name }; that is right only when the two servers federate
not-a-web-url = expected a URL with scheme, for example http://127.0.0.1:8008
not-a-server-name = expected a Matrix server name without scheme and @, for example praxis.example
not-a-user-id = expected a Matrix user id, for example @anna:praxis.example
not-a-socket = expected an IP address and a port, for example 127.0.0.1:9800
not-an-id = expected 1 to 64 characters: letters, digits, . _ and -
not-a-prefix = expected 2 to 32 characters of a-z, 0-9, . _ and -, ending with _, for example _umstieg_
bot-without-prefix = has to begin with user_prefix ({ $prefix }), for example { $prefix }bot
not-a-bot = expected { $prefix } and a short name of a-z, 0-9, . _ and -
bot-taken = { $prefix }kim_…, { $prefix }fax_… and { $prefix }sender_… are taken
no-single-at = an address needs exactly one @ with text on both sides
address-too-long = an address has at most 64 characters before and 255 after the @ (RFC 5321 §4.5.3.1)
address-character = an address must not contain white space, control characters, quotes, brackets or letters outside ASCII
not-a-fax-number = a fax number is written in international form: + and 7 to 15 digits (E.164)
address-not-kim = expected a KIM address, ending with .kim.telematik or .kim.telematik-test, with letters, digits, . _ and - before the @
not-a-channel-name = a channel's name has 1 to 32 characters of a-z, 0-9 and -
not-an-area-code = write the area code of the line in digits, for example "030"
not-a-country = write a country as two capital letters, for example DE, AT or CH (ISO 3166-1)
not-a-sender = write an address (fax@gateway.example) or a domain (@gateway.example)
not-a-host = expected a host name or an IP address without scheme, port and path
a-directory-name = a name in the directory
not-a-directory-name = expected a name in the directory, for example dc=data,dc=vzd
wants-scanner = the address of clamd, for example "unix:/run/clamav/clamd.ctl"
not-a-scanner = allowed are "unix:" with a full path and "tcp:" with host and port, for example "tcp:127.0.0.1:3310"
scanner-abroad = the virus scanner has to be on this machine, because clamd does not encrypt; use "unix:" or "tcp:127.0.0.1:3310"
plain-abroad = "none" is allowed on loopback only; use "implicit" or "starttls"
pins-empty = must not be empty: no certificate would be trusted
ca-and-pin = give either ca_file or pin_sha256: with a pin, no authority counts
needs-beside = needs { $key } beside it
not-a-pin = expected a SHA-256 fingerprint: 64 hexadecimal digits, colons allowed
file-unreadable = the file { $file } cannot be read: { $error }
no-certificate-in = the file { $file } contains no certificate in PEM form (-----BEGIN CERTIFICATE-----)
no-private-key-in = the file { $file } contains no private key in PEM form (-----BEGIN PRIVATE KEY-----)
secret-line-end = must not contain line ends or NUL
give-only-one = give only one of { $keys }
is-empty = must not be empty
first-line-empty = the file { $file } has an empty first line
variable-not-set = the environment variable { $variable } is not set
world-readable = { $file } contains a secret and everybody on this machine can read it; run: chmod o= { $file }

# Why something is parked
parked-for = { $code } ({ $why })
reason-sender = from an address that is not in senders
reason-sender-not-proven = its mail server did not confirm that it is from this domain
reason-no-sender = names no sender
reason-several-senders = names more than one sender
reason-nobody-joined = nobody has joined its room
reason-nobody-reads = no member who has joined its room can read there
reason-not-fetched = the mail server does not hand it out
reason-expires = the mail server deletes this mail soon, and it could not be fetched or decrypted yet; check card, Konnektor and Clientmodul
reason-too-large = larger than mail_bytes_max
reason-no-name = the mail server lists it without a name
reason-unreadable = the parser cannot read it
reason-unscannable = the virus scanner works, but reached no verdict about this mail
reason-infected = the virus scanner reports something in it, or it is too large for the scanner
reason-interrupted = the gateway ended in the middle of every attempt
reason-damaged = what the database holds of it cannot be read
reason-room = its room could be neither used nor replaced
reason-address = the address does not fit into a Matrix user id
reason-lost = the database does not hold what it should
reason-gap = a part of its room's history was lost
reason-unclear = it is not known whether it arrived
reason-refused = the mail server said no for good
reason-try-later = the mail server was away or busy at every attempt
reason-homeserver = the homeserver said no for good

# What a document can get at
way-read = reading files
way-write = writing files
way-network = the network
way-process = other programs
way-memory = more memory

# The door for fax servers in the house
tried-door = fax server door
door-opens = { $address } can be opened; { $protection }
door-is-open = { $address } is open; { $protection }
door-secured = encrypted, certificate valid until { $until }
door-may-secure = encrypted only by those who want it; certificate valid until { $until }
door-plain = not encrypted
door-taken = the port is in use, and not by Umstieg
choose-door = check listen in the section [listener]: the address has to be one of this machine, and the port free
renew-certificate = renew the certificate before { $until }, and then restart Umstieg; after that day, fax servers that check it deliver nothing more
in-by-address = may deliver: whoever has one of these addresses: { $peers }. That proves little: anybody who can take such an address in your network can slip faxes in. The sender (From) proves nothing
in-by-login = may deliver: whoever knows the password of { $user }, from anywhere the door can be reached. The sender (From) proves nothing
in-by-both = may deliver: whoever knows the password of { $user } and has one of these addresses: { $peers }. The sender (From) proves nothing
wants-door-listen = where fax servers deliver, for example 127.0.0.1:2525
door-in-public = this address can be reached from the internet; use one of the house (127.0.0.1, 10.…, 172.16.… to 172.31.…, 192.168.…, fd…)
door-everywhere = listener.listen opens the door for fax servers on every network of the machine; make sure that it cannot be reached from outside
door-unprotected = faxes cross the practice's network unencrypted (listener.tls): whoever listens there reads them; use "starttls" or "implicit" if your devices can
not-a-peer = expected addresses or networks, for example "192.168.1.20" or "10.0.0.0/24"; all addresses there are are not allowed
wants-recipients = the addresses that fax servers use for this channel, for example ["fax-praxis@umstieg.internal"]
recipient-twice = this address is there already; each may be given once, and for one channel only
wants-proof = who may deliver: addresses (peers), a login (user and password), or both; the sender alone never suffices
only-with-smtp = goes only with protocol = "smtp"
needs-listener = needs the section [listener]
login-needs-tls = a login needs encryption; use tls = "starttls", "implicit" or "optional" in the section [listener], or leave user out
key-of-other-certificate = this key does not belong to the certificate in cert_file, or they cannot be used

tried-address-book = address book { $channel }
book-numbers = { $numbers ->
    [one] one number with a name
   *[other] { $numbers } numbers with names
} read
book-faults = { $numbers ->
    [one] one number with a name
   *[other] { $numbers } numbers with names
} read; { $faults ->
    [one] one line
   *[other] { $faults } lines
} cannot be used
book-fault = line { $line } of { $file }: { $why ->
    [number] no fax number can be read here; write it with its area code, for example 030 1234567
    [name] the name is missing; add it
    [shown] the name could be taken for a number or an address; write it with at most four digits, without @ and without unseen characters
    [twice] the same number has another name in line { $first }, which counts; delete one of the two
    [many] the address book has too many numbers; none counts from here on. Shorten it
   *[broken] a field is longer than allowed, or a quotation mark is not closed; check the line
}
make-book-readable = check the name, size and rights of the file. Faxes come and go without it, but without names
