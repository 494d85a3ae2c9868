
# Letters and conversations that belong into another room.
move-moved = This letter is in the room { $link } now. Please answer there; what its sender writes about it arrives there as well. Only the old text stays here.
move-moved-here = The letter below was moved here from the room { $link }.
move-split = This letter gets a room of its own, into which the team is invited in a moment. Please answer there; what its sender writes about it arrives there as well. Only the old text stays here.
move-split-from = The letter below has this room of its own now. It was in the room { $link } before.
move-joined = From now on this conversation goes on in the room { $link }: new letters of it arrive there. Please answer there as well. What is here stays here.
move-joined-here = From now on the conversation of the room { $link } goes on here. What is there stays there.
move-answer-there = Your answer was not sent: the letter that you answer is in the room { $link } now. Please answer there.
move-which-letter = Nothing was moved: please give the command as an answer to the letter that it is about.
move-not-yet = Nothing was moved: not all of this letter is here yet. Please wait until it is complete, and give the command again.
move-gone = Nothing was moved: this letter is in another room already.
move-which-room = Nothing was moved: please name the link of the room into which it belongs. It is in the settings of that room under “Share room” or “Copy link”. It has to be a room of this mailbox.
move-other-correspondent = Nothing was moved: that room belongs to another sender. What one of them writes must not be in the room of another.
move-same-room = Nothing was moved: that is this room.
move-one-room-each = Nothing was moved: on this channel each correspondent has one room for everything.
move-joined-before = Nothing was changed: one of these conversations goes on in the other one already.
command-move = as an answer to a letter: puts it into another room of the same sender
command-split = as an answer to a letter: gives it a room of its own
command-join = lets this conversation go on in another room of the same sender
