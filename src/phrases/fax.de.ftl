# Was Räume über Faxe erfahren.

fax-only-receives = Nicht gesendet: Dieser Fax-Dienst empfängt nur; Faxe zum Versenden nimmt er nicht als Mail an. Bitte faxen Sie auf anderem Weg, oder rufen Sie an.
fax-handed-over = An den Fax-Dienst übergeben um { $time } Uhr. Dieser Fax-Dienst meldet nicht, ob ein Fax ankommt. Wenn es darauf ankommt, fragen Sie beim Empfänger nach.
fax-mail-delayed = Noch nicht beim Fax-Dienst (Meldung vom { $day }, { $time } Uhr): Der Mailserver konnte ihn noch nicht erreichen und versucht es weiter. Gewählt wurde noch nicht. Sie müssen nichts tun.
fax-sent = Als Fax gesendet am { $day } um { $time } Uhr{ $pages ->
    [0] {""}
    [1] , 1 Seite
   *[other] , { $pages } Seiten
}. So meldet es der Fax-Dienst; ob es gelesen wird, sagt das nicht.
fax-not-sent = Nicht gefaxt: { $why ->
    [recipient] Diese Faxnummer gibt es nicht. Bitte prüfen Sie die Nummer.
    [busy] Der Anschluss war bei allen Versuchen besetzt. Schreiben Sie !erneut, um es noch einmal zu versuchen, oder rufen Sie an.
    [no_answer] Am anderen Ende nahm kein Gerät ab. Bitte prüfen Sie die Nummer; schreiben Sie !erneut, um es noch einmal zu versuchen.
    [no_fax] Am anderen Ende meldete sich kein Faxgerät. Bitte prüfen Sie die Nummer, oder rufen Sie an.
    [line] Der Fax-Dienst hatte keine freie Leitung. Schreiben Sie !erneut, oder geben Sie der Technik Bescheid.
    [transmission] Die Übertragung brach ab; es können Seiten angekommen sein. Bitte rufen Sie an, bevor Sie mit !erneut alles noch einmal senden.
    [conversion] Der Fax-Dienst konnte aus dem Dokument kein Fax machen. Bitte geben Sie der Technik Bescheid.
    [mail_server] Der Mailserver konnte den Auftrag nicht an den Fax-Dienst übergeben; gewählt wurde nicht. Bitte geben Sie der Technik Bescheid, und faxen Sie auf anderem Weg, oder rufen Sie an.
    [gateway] Der Fax-Dienst hat den Auftrag abgelehnt. Bitte geben Sie der Technik Bescheid.
    [expired] Der Fax-Dienst hat es bis zum Ende seiner Zeit vergeblich versucht. Schreiben Sie !erneut, oder rufen Sie an.
    [cancelled] Der Auftrag wurde beim Fax-Dienst gelöscht. Soll das Fax doch hinaus, schreiben Sie !erneut.
   *[other] Der Fax-Dienst nennt keinen Grund, den wir kennen. Bitte rufen Sie an; schreiben Sie !erneut, um es noch einmal zu versuchen.
} (Meldung vom { $day }, { $time } Uhr)
fax-tries-again = Noch nicht gefaxt (Meldung vom { $day }, { $time } Uhr): Ein Versuch schlug fehl, der Fax-Dienst versucht es weiter. Sie müssen nichts tun.
fax-unreported = Ungewiss: Am { $day } um { $time } Uhr ging es an den Fax-Dienst, und seither kam kein Sendebericht. Bitte fragen Sie nach, ob das Fax angekommen ist.
fax-came = Fax von { $name }
fax-incomplete = ⚠ Unvollständig: Dieses Fax kam nicht ganz an; Seiten oder Teile davon fehlen. Bitte lassen Sie es noch einmal senden.{ $reason ->
    [none] {""}
   *[other] {" "}Der Fax-Dienst nennt als Grund: { $reason }
}
fax-without-document = In dieser Mail des Fax-Dienstes ist kein Dokument. Bitte fragen Sie beim Absender nach, oder sehen Sie beim Fax-Dienst nach.
fax-unknown-form = Die Form dieser Mail kennen wir von diesem Fax-Dienst nicht; deshalb ist keine Nummer angegeben. Bitte sehen Sie im Dokument nach, von wem sie ist, und geben Sie der Technik Bescheid.
fax-mail-purged = Die Mail, die dieses Fax brachte, gibt es hier nicht mehr: Sie wurde gelöscht, wie es für diese Faxleitung eingestellt ist. Was in diesem Raum steht, bleibt. Wenn Sie das Fax noch einmal brauchen, bitten Sie die Gegenstelle, es erneut zu senden.
fax-missed = Ein Anruf auf der Faxleitung brachte kein Fax{ $number ->
    [none] . Der Fax-Dienst nennt keine Nummer.
   *[other] . Er kam von { $number }.
}{ $reason ->
    [none] {""}
   *[other] {" "}Als Grund nennt er: { $reason }.
} Falls Sie ein Fax erwarten, fragen Sie bitte nach.
fax-report-unplaced = Ein Sendebericht des Fax-Dienstes passt zu keinem Fax, das von hier ging{ $number ->
    [none] {""}
   *[other] {" "}(Nummer { $number })
}. Er meldet: { $says ->
    [sent] gesendet.
    [failed] nicht gesendet.
    [again] noch nicht gesendet, es wird weiter versucht.
    [taken] der Auftrag ist angenommen.
   *[other] nichts Eindeutiges.
} Der Stand Ihrer Faxe ändert sich dadurch nicht. Bitte prüfen Sie, ob ein anderes Programm über diese Leitung faxt.

# Pages of a fax that came.
fax-seen = { $pages ->
        [one] Fax mit einer Seite
       *[other] Fax mit { $pages } Seiten
    }, eingegangen am { $at }.
fax-damaged = ⚠ Dieses Fax ist beschädigt angekommen: Seite { $pages } ist nicht ganz lesbar. Bitte verlassen Sie sich nicht darauf, und bitten Sie den Absender, es noch einmal zu senden.
fax-damaged-many = ⚠ Dieses Fax ist beschädigt angekommen: Seite { $pages } und { $more ->
        [one] eine weitere Seite
       *[other] { $more } weitere Seiten
    } sind nicht ganz lesbar. Bitte verlassen Sie sich nicht darauf, und bitten Sie den Absender, es noch einmal zu senden.
fax-cut = ⚠ Dieses Fax ist vielleicht unvollständig: Das Ende der Datei fehlt, und mit ihm vielleicht weitere Seiten. Bitte fragen Sie beim Absender nach.
fax-pages-differ = ⚠ Dieses Fax ist vielleicht unvollständig: Der Fax-Dienst nennt { $declared ->
        [one] eine Seite
       *[other] { $declared } Seiten
    }, hier { $pages ->
        [one] ist eine
       *[other] sind { $pages }
    }. Bitte fragen Sie beim Absender nach.
fax-forms-differ = ⚠ Dieses Fax kam als PDF und als TIFF, und beide sind nicht gleich: Das PDF hat { $pdf ->
        [one] eine Seite
       *[other] { $pdf } Seiten
    }, das TIFF { $tiff ->
        [one] eine
       *[other] { $tiff }
    }. Bitte öffnen Sie beide Dateien, und fragen Sie im Zweifel beim Absender nach.
fax-some-pictures = Als Bild sehen Sie { $shown ->
        [one] die erste Seite
       *[other] die ersten { $shown } Seiten
    } von { $pages }; alle stehen in der Datei.
fax-no-picture = Seite { $pages } lässt sich nicht als Bild zeigen. Bitte öffnen Sie die Datei.
fax-not-shown = Die Seiten der Datei „{ $file }“ lassen sich hier nicht zeigen: { $trouble ->
        [encrypted] Sie ist mit einem Kennwort geschützt
        [colour] Sie ist farbig oder in Graustufen
        [coding] Sie ist in einem Verfahren gespeichert, das hier nicht gelesen wird
        [too-many-pages] Sie hat zu viele Seiten
        [too-large] Eine ihrer Seiten ist größer, als ein Fax sein kann
       *[unreadable] Sie ist beschädigt oder unvollständig
    }. Sie ist beigefügt, wie sie kam. Bitte versuchen Sie, sie zu öffnen, oder fragen Sie beim Absender nach.
fax-broken = ⚠ Die Seiten der Datei „{ $file }“ lassen sich hier nicht zeigen: Sie zu öffnen braucht zu viel Speicher oder Zeit. Sie ist beigefügt, wie sie kam. Bitte öffnen Sie sie nur, wenn Sie dieses Fax erwartet haben, und fragen Sie sonst beim Absender nach.
fax-skipped = ⚠ Die Datei „{ $file }“ wurde hier nicht geöffnet, weil schon die Dateien davor zu viel Speicher oder Zeit gebraucht haben. Sie ist beigefügt, wie sie kam. Bitte öffnen Sie sie nur, wenn Sie dieses Fax erwartet haben, und fragen Sie sonst beim Absender nach.
fax-too-large = Die Seiten der Datei „{ $file }“ werden hier nicht gezeigt: Sie ist zu groß. Sie ist beigefügt, wie sie kam.
fax-postscript = Die Seiten der Datei „{ $file }“ lassen sich hier nicht zeigen: Sie ist eine PostScript-Datei. Sie ist beigefügt, wie sie kam. Bitte lassen Sie den Fax-Dienst auf PDF umstellen.
fax-unknown-file = Die Datei „{ $file }“ ist weder PDF noch TIFF und wird hier nicht als Fax gezeigt. Sie ist beigefügt, wie sie kam. Bitte öffnen Sie sie nur, wenn Sie sie erwartet haben.
fax-foreign-file = ⚠ Die Datei „{ $file }“ wird nicht gezeigt: Kein Faxgerät sendet solche Dateien, und sie kann Schaden anrichten. Bitte öffnen Sie sie auch nicht in einem Mailprogramm, und fragen Sie beim Absender nach. Die Nachricht liegt weiter im Postfach; Ihre Systemverwaltung kann sie dort prüfen.
fax-unopened = Die Seiten dieses Fax werden nicht als Bild gezeigt, weil das Programm sie zurzeit nicht öffnen kann. Bitte öffnen Sie die Datei, und sagen Sie Ihrer Systemverwaltung Bescheid.
fax-picture-name = Fax-Seite-{ $page }-von-{ $pages }.png
fax-pdf-name = Fax.pdf
fax-pdf-name-of = Fax-{ $number }.pdf
