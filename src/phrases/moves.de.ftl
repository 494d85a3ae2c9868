
# Briefe und Unterhaltungen, die in einen anderen Raum gehören.
move-moved = Dieser Brief steht jetzt im Raum { $link }. Antworten Sie bitte dort; auch was der Absender dazu noch schreibt, kommt dort an. Hier bleibt nur der alte Text stehen.
move-moved-here = Der folgende Brief wurde aus dem Raum { $link } hierher verschoben.
move-split = Dieser Brief bekommt einen eigenen Raum, in den das Team gleich eingeladen wird. Antworten Sie bitte dort; auch was der Absender dazu noch schreibt, kommt dort an. Hier bleibt nur der alte Text stehen.
move-split-from = Der folgende Brief hat jetzt diesen eigenen Raum. Er stand vorher im Raum { $link }.
move-joined = Diese Unterhaltung geht ab jetzt im Raum { $link } weiter: Neue Briefe dazu kommen dort an. Antworten Sie bitte auch dort. Was bisher hier steht, bleibt hier.
move-joined-here = Die Unterhaltung aus dem Raum { $link } geht ab jetzt hier weiter. Was bisher dort steht, bleibt dort.
move-answer-there = Ihre Antwort ist nicht gesendet worden: Der Brief, auf den Sie antworten, steht jetzt im Raum { $link }. Bitte antworten Sie dort.
move-which-letter = Es wurde nichts verschoben: Bitte antworten Sie mit dem Befehl auf den Brief, um den es geht.
move-not-yet = Es wurde nichts verschoben: Von diesem Brief steht noch nicht alles hier. Bitte warten Sie, bis er vollständig ist, und geben Sie den Befehl dann noch einmal.
move-gone = Es wurde nichts verschoben: Dieser Brief steht schon in einem anderen Raum.
move-which-room = Es wurde nichts verschoben: Bitte nennen Sie den Link des Raums, in den es gehört. Sie finden ihn in den Einstellungen jenes Raums unter „Raum teilen“ oder „Link kopieren“. Es muss ein Raum dieses Postfachs sein.
move-other-correspondent = Es wurde nichts verschoben: Jener Raum gehört zu einem anderen Absender. Was einer schreibt, darf nicht im Raum eines anderen stehen.
move-same-room = Es wurde nichts verschoben: Das ist dieser Raum.
move-one-room-each = Es wurde nichts verschoben: Auf diesem Kanal hat jede Gegenstelle einen Raum für alles.
move-joined-before = Es wurde nichts geändert: Die eine dieser Unterhaltungen geht schon in der anderen weiter.
command-move = als Antwort auf einen Brief: stellt ihn in einen anderen Raum desselben Absenders
command-split = als Antwort auf einen Brief: gibt ihm einen eigenen Raum
command-join = lässt diese Unterhaltung in einem anderen Raum desselben Absenders weitergehen
