# What rooms are told of who takes care, and the tray of what waits.

matter-line-open = • { $who }, { $at }: { $link }
matter-line-taken = • { $who }, { $at }, with { $holder }: { $link }
matter-news = { $news ->
    [again] Open again: new letter from { $who }, { $at }. { $link }
   *[new] New letter from { $who }, { $at }. { $link }
}
matter-list =
    This waits, the oldest first:
    { $lines }{ $more ->
        [0] {""}
        [one] {"\u000A"}And one more.
       *[other] {"\u000A"}And { $more } more.
    }
matter-list-empty = Nothing is open.
matter-remind =
    This has been waiting for an answer for some time. Please take care of it, or mark it as done with ✅ on its letter or with !done:
    { $lines }{ $more ->
        [0] {""}
        [one] {"\u000A"}And one more; !open shows it.
       *[other] {"\u000A"}And { $more } more; !open shows them.
    }
matter-taken = { $member } takes care of this.
matter-handed-over = { $member } has handed this over to { $to }.
matter-done = { $member } has marked this as done. The next letter opens it again.
matter-opened = { $member } has opened this again.
matter-is-open = This is open already.
matter-is-done = This is done already.
matter-which-one = Please write this command in the room that it is about, or here as a reply to the line that names it.
matter-not-of-team = { $member } does not belong to the team and cannot take this over. Please name a member of the team.
command-take = I take care of this room (✋ or 👀 on the letter does the same)
command-hand-over = hands this room over to another member of the team
command-done = nothing is left to do here (✅ on the letter does the same)
command-open = in the tray: shows what waits; elsewhere: something is left to do here after all
