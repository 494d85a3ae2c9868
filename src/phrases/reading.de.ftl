
# What the document of a fax says of the call that brought it.
fax-called = Angerufen wurde laut Dokument die Nummer { $line }.

# What a machine read on a fax that came.
read-intro = Von einem Programm gelesen, vielleicht falsch: Maßgeblich ist nur das Fax. Namen, Zahlen und Dosierungen lesen Sie bitte immer dort nach. Die Schrift ist { $legible ->
        [good] gut
        [middling] mäßig
       *[poor] schlecht
    } lesbar; von 100 Wörtern scheinen { $sure } sicher.
read-only-codes = Von einem Programm gelesen, vielleicht falsch: Maßgeblich ist nur das Fax. Wörter waren nicht zu lesen, aber ein Barcode.
read-sender = Absender, vermutlich: „{ $text }“
read-subject = Betreff, vermutlich: „{ $text }“
read-number = { $kind ->
        [phone] Telefon
        [fax] Fax
        [bsnr] Betriebsstättennummer (BSNR)
       *[lanr] Arztnummer (LANR)
    }, vermutlich: { $number }
read-number-of-code = { $kind ->
        [phone] Telefon
        [fax] Fax
        [bsnr] Betriebsstättennummer (BSNR)
       *[lanr] Arztnummer (LANR)
    }, aus einem Barcode des Fax: { $number }
read-code-plan = Auf Seite { $page } steht der Barcode eines Medikationsplans.
read-code-prescription = Auf Seite { $page } steht der Code eines E-Rezepts. Wer ihn hat, kann das Rezept einlösen: Bitte geben Sie das Fax nur an Befugte weiter.
read-code-form = Auf Seite { $page } steht der Barcode eines Formulars der kassenärztlichen Versorgung.
read-code-link = Auf Seite { $page } steht ein Barcode ({ $form }), der auf eine Adresse im Internet führt. Bitte öffnen Sie sie nur, wenn Sie dem Absender vertrauen.
read-code-shown = Auf Seite { $page } steht ein Barcode ({ $form }): „{ $text }“
read-code-other = Auf Seite { $page } steht ein Barcode ({ $form }).
read-first-pages = Gelesen { $read ->
        [one] wurde nur die erste Seite
       *[other] wurden nur die ersten { $read } Seiten
    } von { $pages }.
read-marks = (?) steht hinter allen Zahlen und hinter unsicheren Wörtern, […] für Unlesbares.
read-page =
    Seite { $page }:
    { $text }
read-shortened = Der Text ist hier gekürzt. Das ganze Fax steht darüber.
