# Was Räume darüber erfahren, wer sich kümmert, und der Eingang über das, was wartet.

matter-line-open = • { $who }, { $at }: { $link }
matter-line-taken = • { $who }, { $at }, bei { $holder }: { $link }
matter-news = { $news ->
    [again] Wieder offen: neuer Brief von { $who }, { $at }. { $link }
   *[new] Neuer Brief von { $who }, { $at }. { $link }
}
matter-list =
    Das wartet, das Älteste zuerst:
    { $lines }{ $more ->
        [0] {""}
        [one] {"\u000A"}Und noch eines.
       *[other] {"\u000A"}Und noch { $more } weitere.
    }
matter-list-empty = Es ist nichts offen.
matter-remind =
    Das wartet schon länger auf eine Antwort. Bitte kümmern Sie sich darum, oder vermerken Sie es mit ✅ an seinem Brief oder mit !erledigt als erledigt:
    { $lines }{ $more ->
        [0] {""}
        [one] {"\u000A"}Und noch eines; !offen zeigt es.
       *[other] {"\u000A"}Und noch { $more } weitere; !offen zeigt sie.
    }
matter-taken = { $member } kümmert sich darum.
matter-handed-over = { $member } hat dies an { $to } übergeben.
matter-done = { $member } hat dies als erledigt vermerkt. Der nächste Brief öffnet es wieder.
matter-opened = { $member } hat dies wieder geöffnet.
matter-is-open = Dies ist schon offen.
matter-is-done = Dies ist schon erledigt.
matter-which-one = Bitte schreiben Sie diesen Befehl in den Raum, um den es geht, oder hier als Antwort auf die Zeile, die ihn nennt.
matter-not-of-team = { $member } gehört nicht zum Team und kann dies nicht übernehmen. Bitte nennen Sie jemanden aus dem Team.
command-take = ich kümmere mich um diesen Raum (auch ✋ oder 👀 am Brief)
command-hand-over = übergibt diesen Raum an jemanden aus dem Team
command-done = hier ist nichts mehr zu tun (auch ✅ am Brief)
command-open = im Eingang: zeigt, was wartet; sonst: hier ist doch noch etwas zu tun
