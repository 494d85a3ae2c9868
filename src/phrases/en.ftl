# Every sentence says what happened and what to do.

# What becomes of an answer
dispatch-accepted-kim = Handed over to KIM at { $time }. There is no confirmation of delivery yet.
dispatch-accepted-elsewhere = Handed over to KIM at { $time }, to { $address } as the sender wishes. There is no confirmation of delivery yet.
dispatch-accepted-fax = Handed over to the fax service at { $time }. There is no sending report yet.
dispatch-try-later = Not yet handed over: { $trouble ->
    [recipient] nothing is accepted for this address at the moment.
    [sender] the mail server accepts nothing from our address at the moment.
    [size] the mail server does not have enough room at the moment.
    [mailbox] the other side’s mailbox is full at the moment.
    [quota] the store for large KIM messages is used up at the moment.
    [content] the mail server could not process the answer at the moment.
    [login] the login at the mail server does not work at the moment. For KIM, please check that the practice’s card (SMC-B) is in its terminal and unlocked (PIN); otherwise please tell your administrator.
    [unreachable] the mail server cannot be reached at the moment.
    [documents] Umstieg cannot open files at the moment. Please tell your administrator.
    [media] a file of your message cannot be fetched from the chat server at the moment.
    [disk] no files can be kept on Umstieg’s machine at the moment. Please tell your administrator.
   *[busy] the mail server is busy at the moment.
    } Next attempt on { $day } at { $time }; { $trouble ->
    [login] you need not write the answer again.
    [documents] you need not write the answer again.
    [disk] you need not write the answer again.
   *[other] you need not do anything.
    }
dispatch-waits-for-account = Not yet handed over: the login at the mail server does not work at the moment. For KIM, please check that the practice’s card (SMC-B) is in its terminal and unlocked (PIN); otherwise please tell your administrator. The login is tried again at least once an hour; once it works, the answer leaves by itself.
dispatch-failed = Not delivered: { $trouble ->
    [recipient] nothing is accepted for this address. Please check the address or choose another way.
    [sender] the mail server accepts nothing from our address. Please tell your administrator; then write !retry, or choose another way.
    [size] the answer is too large. Please send fewer or smaller files.
    [mailbox] the other side’s mailbox is full. Please call them; then write !retry, or choose another way.
    [quota] the store for large KIM messages is used up. Please send smaller files, or write !retry later.
    [content] the mail server refused the content. Please check the files or choose another way.
    [login] the login at the mail server has not worked for too long. For KIM, please check that the practice’s card (SMC-B) is in its terminal and unlocked (PIN); otherwise please tell your administrator. Then write !retry, or choose another way.
    [unreachable] the mail server could not be reached for too long. Please tell your administrator; then write !retry, or choose another way.
    [documents] Umstieg could not open files for too long. Please tell your administrator; then write !retry, or choose another way.
    [media] a file of your message could not be fetched from the chat server for too long. Please tell your administrator; then write !retry, or choose another way.
    [disk] no files could be kept on Umstieg’s machine for too long. Please tell your administrator; then write !retry, or choose another way.
   *[busy] the mail server was busy for too long. Please write !retry later, or choose another way.
    }{ $has-reply ->
    [yes] {" "}(The server’s reply: { $reply })
   *[no] {""}
    }
dispatch-delivered = Delivered: the answer is in the mailbox of the other side. This was reported on { $day } at { $time }.
dispatch-relayed = Passed on: the answer went to a mail server that confirms no delivery. This was reported on { $day } at { $time }. If it is urgent, please ask by telephone.
dispatch-delayed = Delayed: the answer could not be delivered yet. This was reported on { $day } at { $time }; delivery is being tried again. If it is urgent, please call.
dispatch-read = Opened: the answer was displayed on the other side. Their mail program reported this on { $day } at { $time }.
dispatch-discarded = Deleted: on the other side the answer was deleted without being displayed. Their mail program reported this on { $day } at { $time }. If necessary, please call them.
dispatch-undelivered = Not arrived: { $why ->
    [recipient] the other side has no such address. Please check the address, or choose another way.
    [mailbox] the mailbox of the other side is full. Please call them; then write !retry, or choose another way.
    [size] the answer is too large for the other side. Please send fewer or smaller files.
    [content] the mail server refused the content. Please check the files, or choose another way.
    [kim_version] the other side's KIM cannot receive this message, because it is too old or takes no large messages. Please send fewer or smaller files, or choose another way.
    [certificate] the answer could not be encrypted for the other side: their KIM certificate is missing or ambiguous. Please call them, or choose another way.
    [attachments] the KIM service for large files did not take them. Please write !retry later, or send fewer or smaller files.
    [unreachable] the mail server of the other side could not be reached for too long. Please write !retry later, or choose another way.
    [blocked] the other side takes nothing from our address. Please call them, or choose another way.
   *[unknown] the report gives no clear reason. Please call the other side, or choose another way.
    } (Reported on { $day } at { $time }. For the report itself, reply to this with !original.)
dispatch-unreported = Handed over to KIM on { $day } at { $time }. No delivery report has come since; it is not known whether the answer arrived. If it is important, please ask by telephone.
dispatch-contradicted = Contradictory: one report says that the answer arrived, another one that it did not. Please ask by telephone. If it did not arrive, write !retry. For the last report, reply to this with !original.
dispatch-unclear = Unclear: the connection broke at { $time } after everything had been sent. The answer may have arrived; a second attempt would then deliver it twice. Please ask by telephone. If it has not arrived, write !retry.
dispatch-unclear-interrupted = Unclear: Umstieg was interrupted while the answer was being handed over, and does not know whether it has arrived. If it has, a second attempt would arrive twice. Please ask by telephone. If it has not arrived, write !retry.
dispatch-unclear-damaged = Unclear: this answer is damaged in Umstieg’s storage. Umstieg can no longer find out whether it has arrived. Please ask by telephone. If it has not arrived, please write it again. Please tell your administrator as well.
dispatch-after-unclear = Unclear: the answer may have arrived at an earlier attempt. If necessary, please ask by telephone. Since then: { $said }
dispatch-accepted-again = { $said } An earlier attempt may have arrived as well; then the other side has the answer twice.
dispatch-of-receipt = Receipt: { $said }
dispatch-interrupted = Not delivered: Umstieg crashed at each attempt to hand this answer over, and has stopped trying. Please tell your administrator. Meanwhile, please send fewer or smaller files, or choose another way.
dispatch-damaged = Not delivered: this answer is damaged in Umstieg’s storage and can no longer be handed over. Please write it again, and tell your administrator.
dispatch-withdrawn = Withdrawn: nothing was handed over.
edit-too-late = Your change came too late: the answer has been handed over, and the other side sees the earlier version. Please send a correction as a new message.
edit-under-way = Your change came while the answer was being handed over. You will see here in a moment whether the other side receives the earlier version.
edit-in-time = Your change came in time: the earlier version was not handed over. You need not do anything.
edit-after-failure = Your change is noted: the answer had not been handed over. If you write !retry, the changed version is sent.
edit-unclear = It is unclear whether the other side has received the earlier version. Please ask by telephone. If you write !retry, the changed version is sent.
edit-next-time = Your change is noted: the next attempt sends the changed version. It is unclear whether the other side has received the earlier one. If necessary, please ask by telephone.
edit-stays = { $trouble ->
    [empty] Your change leaves nothing of the message that could be passed on.
    [size] With your change the message is too large.
    [speaker] Your change cannot be passed on, because you may no longer answer for the practice here.
    [device] Your change came from a device that is not confirmed.
    [clear] Your change came unencrypted.
    [broken] Your change cannot be read; perhaps it was altered on its way.
   *[kind] The changed message cannot be passed on.
    } The message stays in the room, and the earlier version is not passed on either. { $trouble ->
    [speaker] Please let a person who may answer here write what is right.
    [device] Please confirm the device in the settings of your app (verify session), and then send what is right as a new message.
    [clear] Please send what is right as a new message, with an app that encrypts.
   *[other] Please send what is right as a new message.
    }
edit-of-what-stayed = This message was not passed on, and neither is its change. Please send what should go out as a new message.
edit-without-key = Your change cannot be read here yet: its key has not arrived. Neither the earlier version nor the changed one was passed on. Please keep the app you wrote it with open for a moment. If nothing changes here, please send what is right as a new message.
edit-without-key-unclear = Your change cannot be read here yet: its key has not arrived. It is unclear whether the other side has received the earlier version; it is not sent once more, and the changed one is not handed over yet. Please keep the app you wrote it with open for a moment. If nothing changes here, please send what is right as a new message.
edit-readable-now = The key has arrived: your change can be read now and is taken into account. Please do not send the message again.
withdrawal-too-late = The message is deleted here, but it was already handed over and cannot be called back from the other side. If necessary, please call them.
withdrawal-under-way = The message is deleted here, but is being handed over right now. You will see here in a moment whether it still reaches the other side.
withdrawal-in-time = The message was deleted in time: it was not handed over and will not be.
withdrawal-after-failure = The message is deleted. It had not been handed over and is not sent by !retry either.
withdrawal-unclear = The message is deleted here and is not sent by !retry either. It is unclear whether the other side has received it. If necessary, please call them.
history-lost = Umstieg could not be reached, and could not read some messages of this room. What was written before that and not yet passed on stays here for now. Please check what should go out, and send it as a new message. Please tell your administrator as well (command there: umstieg parked list).
dispatch-before-gap = Not handed over: this answer may have been changed or deleted while Umstieg could not be reached. Please check it. If it is right, write !retry; otherwise please send what is right as a new message.

# Why a message does not leave the room
not-a-speaker = This message stays in the room: only the people named for it may answer for the practice here. Please let one of them answer, or ask your administrator to name you.
unknown-fax-not-answerable = This message stays in the room: the fax came without a number and cannot be answered. Please look for the number on the fax and choose another way.
caller-not-confirmed = This message stays in the room: it is not certain which line the fax came from. Please check the number on the fax. If it is right, write !confirm and then send the message again; otherwise please choose another way.
answer-to-withheld = This message stays in the room: it would answer a letter that KIM does not confirm, and it is not certain to whom it would go. Please reply to another letter, or release this one first: reply to the warning with !release, and then send the message again.
message-not-transferable = This kind of message cannot be passed on and stays in the room. Please send text or a file.
file-not-faxable = The file “{ $file }” cannot be faxed and stays in the room. Please send it as PDF or write its content as text.
file-too-costly = The file “{ $file }” stays in the room: opening it takes too much memory or time, or it is damaged. Please save it again, for example with a lower resolution or as PDF, and resend it.
message-too-large = This message is too large and stays in the room: at most { $limit } MB go this way. Please send fewer or smaller files.
large-mail-not-taken = { $why ->
    [not-taken] This message is too large for this recipient and was not handed over: above { $limit } MB, KIM delivers only to those who have switched on large messages, and the directory (VZD) does not say so for this address. Please send fewer or smaller files, or ask the recipient to switch on large messages; the directory shows it here within a day.
    [not-listed] This message is larger than { $limit } MB and was not handed over: the KIM address is not in the directory (VZD) at the moment, so it is not known whether it takes such large messages. Please send fewer or smaller files, or choose another way.
   *[not-known] This message is larger than { $limit } MB and was not handed over: the directory (VZD), which says whether the recipient takes such large messages, could not be reached. Please write !retry later, or send fewer or smaller files.
    }
address-vanished = The KIM address to which this answer goes is no longer in the directory (VZD). This may pass, for example when a card is being replaced there. Answers still go there; what becomes of each stands at the answer. If one does not arrive, please ask for the new address.
fax-signs-missing = Your fax was not sent and stays in the room, because it cannot show these characters: { $signs }. Please send the text once more, with words instead of these characters.
fax-too-long = With { $pages } pages this fax is too long and stays in the room: at most { $limit } pages go this way. Please split it.
no-correspondent-address = This message stays in the room: no address is known to which an answer could go. Please choose another way.
not-a-kim-address = This message stays in the room: the other side’s address is not a KIM address, and KIM delivers to KIM addresses only. Please choose another way.
other-kim-environment = This message stays in the room: KIM’s test and live environments are separate, and the other side’s address belongs to the other one. Please choose another way.
fax-off = This message stays in the room: no faxes are sent from this line. Please answer another way, or ask your administrator to switch faxing on.
fax-emergency-number = This message stays in the room: that is an emergency or on-call number, and no fax goes there. In an emergency please call it; for a fax please ask for the right number.
fax-short-number = This message stays in the room: that is a short number, and no fax goes there. Please ask for the whole fax number with its area code.
fax-premium-number = This message stays in the room: that number is charged at a special rate and is not dialled from here. Please ask for a fax number with an ordinary area code.
fax-satellite-number = This message stays in the room: that is the number of a satellite telephone and is not dialled from here. Please choose another way.
fax-own-number = This message stays in the room: that is your own fax number, and the fax would come back to you. Please look for the number on the fax and choose another way.
fax-other-country = This message stays in the room: the number is in a country that may not be faxed from here. Please check the number, or ask your administrator to allow that country.
fax-no-such-number = This message stays in the room: there is no such fax number. Please check the number on the fax and choose another way.
fax-preview =
    Not sent yet: please check this fax. This is how it would leave:
    Number: { $number }
    Size: { $pages ->
        [one] one page
       *[other] { $pages } pages
    }{ $text ->
        [yes] , your text
       *[no] {""}
    }{ $files ->
        [0] {""}
        [one] , one file
       *[other] , { $files } files
    }
    Why you are asked: { $why ->
        [claimed] only the machine that sent the fax names this number; the fax service does not confirm it.
        [differs] the machine that sent the fax names another number than the fax service.
        [new] no confirmed fax has gone to this number from here.
        [back] the confirmation of this fax was taken back.
       *[always] on this line each fax is confirmed.
    }
    A fax arrives as paper and cannot be called back. If number and pages are right, react with ✅ to this message, or write !fax as a reply to it. Otherwise delete or edit your message; after an edit there is a new preview.
fax-preview-file = fax-preview.pdf
fax-preview-picture = fax-preview-page-1.png
fax-preview-too-large = This fax was not sent: it has to be confirmed first, and its preview is larger than the chat server takes. Please send fewer or smaller files.
fax-waits = This fax has not been sent yet: it waits for somebody to confirm its preview with ✅ or !fax. It does not leave by itself. If it shall not leave any more, please delete the message.
fax-file-form = The file “{ $file }” stays in the room: it has form fields, stamps or notes that might be missing on the fax. Please print it to a new PDF file, check that everything is seen in it, and send that.
fax-file-layers = The file “{ $file }” stays in the room: it has layers that may be hidden and would be seen on the fax. Please print it to a new PDF file, check what is seen in it, and send that.
fax-file-locked = The file “{ $file }” stays in the room: a password protects it. Please print it to a new PDF file without a password, and send that.
fax-confirmed = { $member } has confirmed this fax; it is being sent now.
fax-confirmed-before = This fax was confirmed by { $member } before and is being sent. You need not do anything.
fax-nothing-to-send = No fax waits to be confirmed here. Please reply !fax to the preview of a fax, or to the message that shall be faxed.
fax-send-answers-preview = It is not clear which fax is meant; nothing was sent. Please write !fax as a reply to the preview or to the message.
fax-preview-is-old = The fax was not sent, because this preview is no longer true: something was changed since. Please check the new preview and confirm that one with ✅ or !fax.
fax-preview-follows = The fax is not confirmed yet, because its preview was not in the room. If it has to be confirmed, the preview comes in a moment; please confirm it then with ✅ or !fax.
fax-being-rewritten = The fax is not confirmed yet, because its message is being written anew. If the fax changes, a new preview comes in a moment. Please confirm the newest one then with ✅ or !fax.
fax-has-left = This fax was handed over to the fax service before; it does not leave once more. If it shall, please send the message anew.
fax-send-failed = This fax failed, or it is unclear whether it arrived; what to do stands at the message. To try it once more, please write !retry.
fax-send-withdrawn = This fax was withdrawn and does not leave. If it shall leave after all, please send the message anew.
fax-taken-back-too-late = Too late: the confirmation is taken back, but the fax is at the fax service or on its way there. If it shall not count, please call the recipient.
fax-retry-waits = Nothing has failed here; a fax waits to be confirmed. Please confirm its preview with ✅ or !fax.
file-lost = The file “{ $file }” is no longer on the chat server; none of the answer was handed over. Please send it once more, with the file.
message-without-key = This message cannot be read here yet: its key has not arrived, and it was not passed on. Please keep the app you wrote it with open for a moment. If nothing changes here, please send the message again.
message-before-copy = After this message was written, Umstieg was restored from a back-up. The earlier notice about the message says whether it was passed on. If there is none, please send the message again.
message-before-keys = This message can no longer be read here: after it was written, Umstieg was given new keys. The earlier notice about the message says whether it was passed on. If there is none, please send the message again.
message-readable-now = The key has arrived: the message can be read now and is being passed on. Please do not send it again.
message-readable-stays = The key has arrived, but this message stays in the room and is not passed on.
command-readable-now = The key has arrived: the command can be read now and is being answered. Please do not send it again.
message-not-believed = This message stays in the room: it came from a device that its sender has not confirmed. Please confirm the device in the settings of your app (verify session), and then send the message again.
message-of-other-identity = This message stays in the room: its sender’s encryption was reset (new identity), and that is not yet confirmed. Please have it confirmed by another person who may answer here, with !trust and the sender’s user id (@name:server), or by your administrator. Then send the message again.
message-broken = This message stays in the room: it cannot be decrypted; perhaps it was altered on its way. Please send it again.
member-locked-out = { $member }: you cannot read the letters in this room, because none of your devices is confirmed. Please open the settings of your app and verify your session there (your recovery key does it, or another app in which you are logged in). From the next letter on you can read along; you receive an earlier letter when somebody who can read it replies to it with !original.
message-not-encrypted = This message stays in the room: it came unencrypted. Please write with an app that encrypts, and send the message again.
file-not-encrypted = This message stays in the room: its file is not encrypted; perhaps it was forwarded from another room. Please save the file and send it here again.

# Who reads, and whom the room believes
identity-changed = { $member } has reset the encryption (new identity). Until that is confirmed, this account cannot read new letters, and what it writes stays in the room. Please ask in person or by telephone whether it was intended. If so, another person who may answer here writes: !trust { $member } – or your administrator confirms it. If not, please tell your administrator at once: somebody may know the password.
strangers-many = Many accounts that do not belong to the team have come into this room today. Further ones are not named here until tomorrow; none of them can read letters. Please ask your administrator how they came into the room.
stranger-present = { $member } is in this room, but does not belong to the team and was not let in here. This account cannot read the letters, but it may be able to read what you write here yourself. If it is to read along, a person who may answer here writes: !admit { $member } – otherwise please ask your administrator how it came into the room.
insured-present = { $member } belongs to a health insurer and is in this room, which is not for insured persons. This account cannot read the letters, but it may be able to read what you write here yourself. Please have your administrator remove it.
insured-present-beside-another = { $member } belongs to a health insurer, and another insured person is in this room already. Two insured persons must not meet here. This account cannot read new letters, but it may be able to read what you write here yourself. Please have your administrator remove it.
member-not-removed = { $member } no longer belongs in this room, but cannot be removed from here. This account cannot read new letters, but it may be able to read what you write here yourself. Please have your administrator remove it.
member-asked-anew = Umstieg was restored from a back-up. According to it, { $member } was let in here; Umstieg does not know whether that has ended since. Until a person decides again, this account gets no new letters. If it is to go on reading along, a person who may answer here writes: !admit { $member } – otherwise: !dismiss { $member }.
member-unknown = { $member } is not known to the chat server and cannot read along here yet. Please check the spelling. If it was wrong, write !dismiss { $member } and then the command with the right user id.
member-not-invited = { $member } cannot be invited into this room and cannot read along here: the chat server does not allow it, perhaps because the account is banned or its organisation is blocked. Please ask your administrator. Then write !admit { $member } once more.
letters-missed = { $member }: { $letters ->
    [one] An earlier letter of this room came before you could read along here, and you cannot read it. Please
   *[other] { $letters } earlier letters of this room came before you could read along here, and you cannot read them. Please
    } have somebody who can read it reply to the letter with !original; then you receive it again.
letters-again = What follows came earlier, when nobody could read here yet. That is why it is repeated here.

# What there is to say about a letter
scanner-away = The virus scanner has not answered for some time. New letters wait unscanned and appear once it works again; nothing is lost. What you write goes on leaving. Please tell your administrator (the service clamd).
scanner-works = The virus scanner works again. Letters that waited appear now.
letter-infected = The virus scanner reports “{ $virus }” in this letter, but in none of its files.{ $files ->
        [0] {""}
        [one] {" "}Its file is not shown, to be safe.
       *[other] {" "}Its { $files } files are not shown, to be safe.
    } Please follow no link in the letter, do not open it in a mail program either, and ask the sender in another way. The letter is not lost; your administrator knows where to find it.
file-infected = The file “{ $file }” is not shown: the virus scanner reports “{ $virus }” in it. Please do not open it in a mail program either, and ask the sender in another way for a clean file. The message is not lost; your administrator knows where to find it.
file-unscanned = The file “{ $file }” is not shown: it is too large for the virus scanner. Please ask the sender for a smaller file or for several, or ask your administrator. The message is not lost.
file-passed = The file “{ $file }” was not scanned for viruses: it is too large for the virus scanner. Please open it only if you expected it.
original-infected = The original is not handed out: the virus scanner reports “{ $virus }” in it. The message is not lost; please ask your administrator if you need it.
original-unscanned = The original is not handed out: it is too large for the virus scanner. Please ask your administrator if you need it.
no-sender = This letter names no readable sender and cannot be answered from here. Please check the original: reply to the letter with !original.
several-senders = This letter names several senders, or not all of them can be read; it is not certain who wrote it. Please check the original before you rely on it: reply to the letter with !original.
letter-defects = Parts of this letter could not be read; single characters or files may be wrong. Please do not rely on numbers and names without checking the original: reply to the letter with !original.
letter-not-a-mail = What arrived here is not a readable mail; it is attached as a file, as it came. Please ask the sender if it is of no use to you.
letter-head-cut = The head of this letter (subject, sender, recipients) is too long and is shown only in part. Please check the original: reply to the letter with !original.
letter-parts-left-out = This letter has very many parts; not all of them are here. You receive the whole letter when you reply to it with !original.
letter-structure = This letter is malformed. There may be lines at the beginning or the end of the text that do not belong there. Please check the original before you rely on it: reply to the letter with !original.
letter-renderings = This letter contains two versions that differ; both are here, one below the other. Please ask the sender which one counts.
letter-signature-unchecked = This letter is signed electronically. The signature was not checked here; if it matters, please have it checked by a mail program.
letter-encrypted = This letter, or a part of it, is encrypted and cannot be read here. Please open the file with the program that has its key, or ask the sender to send the content another way.
letter-unopened = A part of this letter is in a file that is not opened here (for example winmail.dat). The text may be in it as well. Please open the file with a mail program, or ask the sender to send the content as text or PDF.
letter-partial = This is only one piece of a longer letter that was sent in several pieces. Please ask the sender to send it in one piece.
letter-elsewhere = A part of this letter was not sent with it; the letter only names a place where it can be found, and nothing is fetched from there. Please ask the sender to send the content.
letter-markup = This letter contains words that a mail program does not show, or a layout that cannot be rendered reliably here (for example struck words). Please compare it with the original: reply to the letter with !original.
letter-cut = This is only the beginning of the letter. You receive all of it when you reply to the letter with !original.
unknown-thread = This letter may belong to another matter; it is not certain. So it has its own room. Please check yourself where it belongs.
letter-undecrypted =
    A KIM letter could not be decrypted. { $why ->
        [key] The card with the key (SMC-B or HBA) is locked or missing. Please check that it is in the card terminal, and unlock it (PIN).
        [konnektor] The Konnektor cannot be reached. Please check whether it is up, and otherwise tell your administrator.
        [attachments] The service that keeps large messages did not deliver all of the content. Mostly, it helps to wait.
        [version] The letter needs a newer version of KIM. Please have your administrator update the KIM Clientmodul.
        [large-mails] The letter is large, and receiving large messages is not switched on for your address. Please have your administrator switch it on.
        [form] The message is not encrypted as KIM requires. Please ask the sender.
       *[other] The exact reason is not known. Please tell your administrator.
    }
    { $sender ->
        [none] Sender: not given
       *[other] Sender by its own account: { $sender }
    }{ $day ->
        [none] {""}
       *[other] , written on { $day } at { $time }
    }.
    The letter stays in the mailbox and is fetched again now and then; when that works, it appears in the room it belongs to.
letter-decrypted =
    Done: a KIM letter that could not be decrypted at first has been decrypted, and is in the room it belongs to.
    { $sender ->
        [none] Sender: not given
       *[other] Sender by its own account: { $sender }
    }{ $day ->
        [none] {""}
       *[other] , written on { $day } at { $time }
    }.
letter-withheld =
    Caution: KIM does not confirm this letter. { $why ->
        [altered] The content, or what it says about its sender and recipients, is not what was signed.
        [unsigned] The letter bears no signature.
        [certificate] Whether the certificate of the signature is valid could not be confirmed.
        [unclear] The check of the signature had no clear result.
       *[silent] There is no clear result of the check.
    } So its content is not shown.
    { $sender ->
        [none] Sender: not given
       *[other] Sender by its own account: { $sender }
    }{ $day ->
        [none] {""}
       *[other] , written on { $day } at { $time }
    }.
    Please ask the sender in another way, for example by telephone. Anyone who may answer here can have the content shown all the same: with !release, as a reply to this message.
letter-released = Caution, not confirmed by KIM ({ $why ->
        [altered] content or details altered
        [unsigned] no signature
        [certificate] certificate of the signature not confirmed
        [unclear] no clear result of the check
       *[silent] no clear result of the check
    })
letter-unconfirmed = This letter came unencrypted; KIM confirms neither sender nor content. Please ask in another way before you rely on it.
letter-checked = Decrypted by KIM, signature checked{ $report ->
    [yes] {""} (the report is with the original: !original)
   *[no] {""}
}
letter-unknown-fields = Unknown KIM fields of the sender, not interpreted here: { $fields }{ $more ->
        [0] {""}
        [one] {" "}(and one more, see !original)
       *[other] {" "}(and { $more } more, see !original)
    }
letter-too-large = This letter is larger than { $limit } MB and was not fetched; here is only who sent it and, as far as it can be read from outside, what it is about. It is still in the mailbox. Please tell your administrator, or ask the sender for smaller files.
letter-out-of-reach = This letter could not be fetched from the mailbox; here is only who sent it and, as far as it can be read from outside, what it is about. It stays in the mailbox. Fetching it is tried again now and then; when that works, the letter appears here. Until then please look with a mail program, ask the sender to send it once more, or tell your administrator (command there: umstieg parked list).
account-trouble = { $side ->
    [inbox] Umstieg cannot fetch now from the mailbox that this room belongs to:
   *[outbox] Answers through the mailbox that this room belongs to are not leaving now:
    } { $trouble ->
    [login] The mail server refuses the login. { $kim ->
        [yes] Please check that the practice card (SMC-B) is in the terminal and unlocked (PIN). If it is, please have your administrator check user name and password.
       *[no] Please have your administrator check user name and password.
        } So that the account is not locked, Umstieg tries the login only a few times an hour.
    [settings] The mail server does not understand the user name. Please have your administrator check the settings{ $kim ->
        [yes] {""}, and mandant, client system and workplace in the Konnektor.
       *[no] .
        }
    [certificate] The mail server does not identify itself as agreed; it may have a new certificate. Please have your administrator check that (command there: umstieg check). Until then Umstieg transfers nothing.
    [own_certificate] The mail server does not accept the certificate that Umstieg shows, or it is missing. Please have your administrator check that (command there: umstieg check).
   *[away] The mail server has been out of reach for at least a quarter of an hour. { $kim ->
        [yes] Please check that Clientmodul and Konnektor are running, and otherwise tell your administrator.
       *[no] Please tell your administrator.
        }
    } { $side ->
    [inbox] What arrives for you stays in the mailbox until then.
   *[outbox] What shall leave waits; the room of each answer says what becomes of it.
    }
account-works = { $side ->
    [inbox] Umstieg can fetch again from the mailbox that this room belongs to. You need not do anything.
   *[outbox] The login at the mail server works again: answers through the mailbox that this room belongs to leave by themselves. You need not do anything.
    }
letter-for-machines =
    This KIM message is { $application ->
        [app-eau] a certificate of incapacity for work
        [app-eeb] an electronic proof of insurance
        [app-erezept] a message about an e-prescription
        [app-ldt-auftrag] a laboratory order
        [app-ldt-befund] a laboratory result for the practice's software
        [app-ebz] a request or an answer in the dental approval procedure
        [app-dale-uv] a message of the accident insurance
        [app-edmp] a documentation for a disease management programme (DMP)
        [app-1clickabrechnung] a message about billing
        [app-1clickhybriddrg] a message about billing
        [app-kzvabr] a message about billing
        [app-pfl] a message about billing in nursing care
        [app-mio] a medical information object (MIO)
        [app-selbsttest] a self-test of the practice's software
       *[other] not meant for people, but for a program
    } (Dienstkennung { $service }). Its content is for the practice's software, and perhaps cannot be read here. Please check whether it has to be processed there.
letter-service-unknown = { $service ->
    [none] This KIM message does not say in a readable form what it is for (Dienstkennung). Please check whether another program needs it.
   *[other] It is not known here what this KIM message is for (Dienstkennung { $service }). Please check whether another program needs it.
}
mail-out-of-reach = There is a message in the mailbox that could not be fetched; not even its sender can be read. It stays there and is not lost. Please look with a mail program or tell your administrator (command there: umstieg parked list). If it is fetched later after all, the message appears in its own room.
mail-too-large = There is a message in the mailbox that is larger than { $limit } MB and was therefore not fetched; not even its sender could be read. It stays there and is not lost. Please look with a mail program or tell your administrator (command there: umstieg parked list).
automatic-letter = { $report ->
    [yes] This message is an automatic report on what became of a message. It does not fit any answer from these rooms for certain; it may also be about a message from another program, for example the practice's software.
   *[no] This message was written by a machine, for example as an absence note.
}
automatic-note = { $absent ->
        [yes] { $sender } is away and left this automatic note
       *[no] Automatic answer of { $sender }, for example an absence note
    } (no letter; it needs no answer).{ $again ->
        [0] {""}
        [one] {" "}It came once more since it was shown last and was not repeated.
       *[other] {" "}It came { $again } more times since it was shown last and was not repeated.
    }
letter-own = This letter comes from your own address: a message of yours has come back (it may have been forwarded), or another program writes under this address. An answer would go to yourselves. Please ask your administrator if you did not expect this.
answers-go-elsewhere = The sender wants answers at another address: your answer to this letter goes to { $address } and not to the address it came from.{ $more ->
    [yes] {" "}The letter names further addresses for answers; nothing goes there.
   *[no] {""}
    } Please check that this is right before you answer.
answers-wanted-elsewhere = The sender wants answers at another address{ $readable ->
    [yes] {" "}({ $address }), which cannot be written to from here
   *[no] {""}, which cannot be read here
    }. Your answer goes to the address the letter came from, and may not be read there. If it is important, please choose another way.
letter-sent-by = { $address } sent this letter on behalf of its author – for example an office or a mailing list. Before you answer, please check whom the answer is meant for.
letter-sent-by-unknown = This letter says that an account other than its author’s sent it; which one cannot be read. Please check the original: reply to the letter with !original.
report-came = A report about { $earlier ->
    [0] this message
   *[other] an earlier version of this message
} has come. It says that it is from { $address }, and has a room of its own. Please read there whether { $earlier ->
    [0] the message
   *[other] that version
} arrived.
report-came-from-nobody = A report about { $earlier ->
    [0] this message
   *[other] an earlier version of this message
} has come; who it is from cannot be told. It has a room of its own. Please read there whether { $earlier ->
    [0] the message
   *[other] that version
} arrived.
sender-reads-no-answers = Judging by its name, the address this letter came from accepts no answers. Please choose another way to answer.
fax-number-claimed = Only the sending fax machine itself names the number { $number }; the fax service does not confirm it. Please check it on the fax. An answer leaves only after a person who may answer here has written !confirm.
fax-numbers-differ = According to the fax service this fax came from { $number }, but the sending machine calls itself { $station }. Answers go to { $number }. Please check the number on the fax. An answer leaves only after a person who may answer here has written !confirm.
letter-urgent = Marked as urgent by its sender
letter-written = Written on { $day } at { $time }
letter-asks-receipt = Its sender asks for a receipt; it leaves only when somebody replies to this letter with !receipt
letter-asks-receipt-in-vain = Its sender asks for a receipt; it cannot be sent from here
letter-also-to = Also sent to: { $who }{ $more ->
    [0] {""}
   *[other] {" "}and { $more } more
    }

# What happened to the room
room-not-encrypted = This room is not encrypted, and Umstieg may not change that here. So letters now come into a new, encrypted room. Please write only there.
continues-older-room = This room continues an earlier one that was left, deleted or replaced. Older messages are there.
room-upgraded = This room was replaced by a newer one. Please write only there from now on.
parked = { $what ->
    [letter] A letter could not be put into this room completely.
    [post] A message could not be put into this room.
    [event] This message could not be read here and was not passed on.
   *[dispatch] An answer could not be handed over.
    } Nothing is lost: it is kept. Please tell your administrator (command there: umstieg parked list).

# Commands
commands-help =
    Commands in this room:
    { $commands }
    Everything else goes to the other side when a person who may answer here writes it.
command-original = as a reply to a letter: sends the original as it arrived
command-retry = sends failed or unclear answers of this room once more
command-admit = lets somebody from outside the team read along here
command-dismiss = stops somebody who was let in from reading along
command-trust = confirms that somebody has reset the encryption themselves
command-confirm = says that a fax number, or the address of a new conversation, is right and messages may go there
command-send-fax = as a reply to the preview of a fax: confirms number and pages, and sends it
command-release = shows the content of a letter that KIM does not confirm (as a reply to the warning)
command-receipt = as a reply to a letter: sends the receipt that its sender asks for
command-help = this list
unknown-command = There is no command “{ $command }”; the message stays in the room. !help shows the commands.
original-follows = The original letter as it arrived:
original-missing = There is no original for this message. Please reply to the letter itself.
retry-queued = The answer is being handed over once more …
retry-nothing = There is nothing to repeat here: no failed or unclear answer is waiting.
member-unclear = Please name exactly one person after the command, with the full user id, for example @anna:praxis.example. The user id is in the person’s profile.
member-of-team = { $member } belongs to the team. Your administrator decides who belongs to it; please ask them.
insured-not-admitted = { $member } belongs to a health insurer and is not let in: the rooms of this channel are not for insured persons. If that is to change, please ask your administrator (insured_persons).
insured-not-a-second = { $member } is not let in: another insured person is in this room already, and two insured persons must not meet here. If the other one is done here, please send it out first with !dismiss.
member-admitted = { $member } is being invited and reads along here from now on. With !dismiss { $member } that ends again.
member-here-already = { $member } was let in here before; nothing changes.
member-dismissed = { $member } gets no new letters from now on and is being removed from the room.
member-not-admitted = { $member } was not let in here; nothing changes.
trust-confirmed = Confirmed: { $member } reads along again from now on, and what this account writes counts again. It receives letters that came meanwhile when somebody who can read them replies to the letter with !original.
trust-nothing = There is nothing to confirm here for { $member }. Please check the spelling.
trust-not-yourself = You cannot confirm your own encryption. Please ask another person who may answer here, or your administrator.
trust-not-asked = In this room every device of a member is believed; there is nothing to confirm.
retry-may-double = The answer is being handed over once more. If the first attempt did arrive, the other side receives it twice.
caller-confirmed = Thank you, the number is confirmed. Please send your answer again now.
nothing-to-release = There is nothing to release here: no content is held back for this message.
release-answers-warning = Please reply with !release to the warning itself, so that it is clear which letter is meant.
released-by = { $member } released the content of this letter. Please do not rely on its sender and content before they are confirmed in another way.
original-withheld = The content of this letter is not shown because KIM does not confirm it. The original is available once somebody has released it with !release.
receipt-not-asked = No receipt can be sent for this letter: its sender does not ask for one, or it is not certain to whom it would go. You can answer the letter instead.
receipt-asked = { $member } confirms to the sender that this letter was shown here (receipt). What becomes of the receipt follows here.
receipt-before = { $standing ->
    [under-way] The receipt for this letter is under way already; { $member } asked for it.
    [failed] { $member } had the receipt for this letter sent before, but it did not arrive. !retry sends it once more.
    [unclear] { $member } had the receipt for this letter sent before; it is not known whether it arrived. !retry sends it once more, and then it may arrive twice.
   *[sent] The receipt for this letter was sent before; { $member } asked for it. It is not sent again.
    }
receipt-subject = Receipt: { $subject }
receipt-words = Your message was displayed here. A person decided to send this confirmation. It does not say that the content was read, understood or acted upon.
nothing-to-confirm = There is nothing to confirm here: neither a fax number nor an address in this room waits for it.

# Names
tray-name = { $label } · Tray
room-name = { $label } · Matter { $number }
ghost-kim = { $name } (KIM)
ghost-fax = { $number } (Fax)
ghost-claimed-fax = { $number } by its station id (Fax)
ghost-unknown-fax = Unknown fax number (Fax)
ghost-unknown-kim = Unknown sender (KIM)

# What is printed on a fax
fax-from = From
fax-to = To
fax-date = Date
fax-subject = Subject
fax-page = Page
fax-moment = { $day }, { $time }

# The table of “umstieg check”
check-heading = Check
check-ok = OK
check-warn = note
check-fail = FAILED
check-advice = What to do
check-all-well = All is well.
check-not-well = { $failures ->
    [0] Nothing prevents the start
    [one] { $failures } failure prevents operation
   *[other] { $failures } failures prevent operation
    }{ $warnings ->
    [0] .
    [one] , { $warnings } note.
   *[other] , { $warnings } notes.
    }
