# Was Räume über Faxe erfahren.

fax-only-receives = Nicht gesendet: Dieser Fax-Dienst empfängt nur; Faxe zum Versenden nimmt er nicht als Mail an. Bitte faxen Sie auf anderem Weg, oder rufen Sie an.
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
    [gateway] Der Fax-Dienst hat den Auftrag abgelehnt. Bitte geben Sie der Technik Bescheid.
    [expired] Der Fax-Dienst hat es bis zum Ende seiner Zeit vergeblich versucht. Schreiben Sie !erneut, oder rufen Sie an.
    [cancelled] Der Auftrag wurde beim Fax-Dienst gelöscht. Soll das Fax doch hinaus, schreiben Sie !erneut.
   *[other] Der Fax-Dienst nennt keinen Grund, den wir kennen. Bitte rufen Sie an; schreiben Sie !erneut, um es noch einmal zu versuchen.
} (Meldung vom { $day }, { $time } Uhr)
fax-tries-again = Noch nicht gefaxt (Meldung vom { $day }, { $time } Uhr): Ein Versuch schlug fehl, der Fax-Dienst versucht es weiter. Sie müssen nichts tun.
fax-unreported = Ungewiss: Am { $day } um { $time } Uhr ging es an den Fax-Dienst, und seither kam kein Sendebericht. Bitte fragen Sie nach, ob das Fax angekommen ist.
fax-came = Fax{ $name ->
    [none] {""}
   *[other] {" "}von { $name }
}{ $pages ->
    [0] {""}
    [1] , laut Fax-Dienst 1 Seite
   *[other] , laut Fax-Dienst { $pages } Seiten
}
fax-incomplete = ⚠ Unvollständig: Dieses Fax kam nicht ganz an; Seiten oder Teile davon fehlen. Bitte lassen Sie es noch einmal senden.{ $reason ->
    [none] {""}
   *[other] {" "}Der Fax-Dienst nennt als Grund: { $reason }
}
fax-without-document = In dieser Mail des Fax-Dienstes ist kein Dokument. Bitte fragen Sie beim Absender nach, oder sehen Sie beim Fax-Dienst nach.
fax-unknown-form = Die Form dieser Mail kennen wir von diesem Fax-Dienst nicht; deshalb ist keine Nummer angegeben. Bitte sehen Sie im Dokument nach, von wem sie ist, und geben Sie der Technik Bescheid.
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
