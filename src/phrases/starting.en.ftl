# What rooms are told of conversations that begin here.

start-team-room = This is your team’s tray for “{ $channel }”. What is new and waits is here; !open shows it. A person who may answer for the practice begins a conversation here with { $usage }; it gets a room of its own. Here you also read when Umstieg does not reach this mailbox.
start-refused =
    No conversation was begun and nothing was sent. { $why ->
        [missing] Please write behind the command to whom it shall go, and then the subject: !kim ADDRESS subject or !fax NUMBER subject.
        [name] Please write the address or number alone, without a name before it and without brackets or quotation marks.
        [link] That is a link. Please write the address or number alone, without mailto: or tel: before it.
        [several] There are several recipients. Please begin a conversation with each of them, and name no further address in the subject.
        [blanks] Please write the number without blanks. If the subject begins with a number, please put a word before it.
        [characters] The message has characters that are not seen, or that are not what they look like. Please type address or number and subject by hand.
        [no-address] That is no KIM address. One looks like this: praxis@muster.kim.telematik
        [no-number] That is no fax number, or it is not certain which one. Please write it with its area code and without blanks, for example 0305550171 or +49305550171.
        [own] That is your own address or number.
        [too-long] The address is so long that the chat server does not take it.
        [no-subject] Please write a subject behind the address.
        [long-subject] The subject is too long; it may have 200 characters. Please write everything else in the new room.
        [lines] Please write address and subject in one line, and the text in the new room after that.
       *[no-channel] You may not answer for the practice on such a mailbox or line. Please check the name behind the @ or ask your administrator.
    }
start-which-channel = No conversation was begun yet: you may answer on several mailboxes or lines ({ $channels }). Please write on which, for example !{ $command } subject.
start-begun = The conversation begins in a room of its own, to which your team is invited in a moment. Nothing has been sent yet; please go on there.
start-exists = There is a room for this correspondent already: { $link } Please go on there. Nothing has been sent yet, and the subject here does not count.
start-exists-soon = There is a room for this correspondent already; your team is invited there in a moment. Please go on there. Nothing has been sent yet, and the subject here does not count.
start-opened-kim =
    New conversation – nothing has been sent yet.
    To: { $address }
    { $listed }
    From: { $channel }
    Subject: { $subject }
    { $confirm ->
        [yes] Nothing has gone to this address from here. Please check it character by character. If it is right, a person who may answer for the practice writes !confirm here. Nothing leaves before that.
       *[no] What you write here from now on goes there as a KIM message.
    }
start-opened-fax =
    New conversation – nothing has been sent yet.
    To: { $number }
    From: { $channel }
    Subject: { $subject }
    What you write here from now on goes there as a fax. If none has gone to this number from here, a preview comes first, which a person confirms with ✅ or !fax.
start-waits = This message has not been sent yet: nothing has gone to { $address } from here. Please check the address. If it is right, write !confirm; then everything that waits here leaves. If it is not, please delete the message.
start-confirmed = { $member } has confirmed the address. What waits here leaves now, and so does what you write from now on.
start-confirmed-before = The address of this room was confirmed before. You need not do anything.
start-not-shown-yet = The address is not confirmed yet, because it was not in this room. Please check it above and then write !confirm again.
start-taken-back = The confirmation of the address is taken back. What is not on its way yet waits until a person writes !confirm again.
start-retry-waits = Nothing has failed here; a message waits for a person to confirm the address with !confirm.
directory-nothing = The directory was not asked.
directory-not-listed = The directory does not list this address. Please check it with special care.
directory-listed = The directory lists this address, without a name.
directory-named = In the directory: { $name }
command-start-kim = begins a conversation with a KIM address
command-start-fax = begins a conversation with a fax number
