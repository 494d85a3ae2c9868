# Was Räume über die Namen von Faxnummern erfahren.

name-set = Die Nummer { $number } heißt hier jetzt „{ $name }“. Der Name steht gleich über ihren Faxen, die Nummer immer dabei. Mit !name ohne Namen wird er wieder entfernt.
name-from-book = Der hier vergebene Name ist entfernt. Die Nummer { $number } heißt wieder „{ $name }“, wie im Adressbuch.
name-undone = Der hier vergebene Name ist entfernt; über den Faxen steht wieder die Nummer { $number } allein.
name-refused = Dieser Name ist nicht gesetzt worden: Er könnte mit einer Nummer oder Adresse verwechselt werden, oder er enthält unsichtbare Zeichen. Bitte wählen Sie einen Namen mit höchstens vier Ziffern, ohne @ und ohne Internet-Adresse.
name-no-number = Hier lässt sich kein Name setzen: Diese Faxe kamen ohne Nummer und können von verschiedenen Absendern sein.
name-only-fax = Hier lässt sich kein Name setzen: Das geht nur bei Faxnummern. Bei KIM steht der Name, den der Absender in seinen Briefen nennt.
command-name = setzt einen Namen für die Faxnummer dieses Raums; ohne Namen wird er wieder entfernt
fax-subaddress = Gewählt wurde die Unteradresse { $subaddress }.
