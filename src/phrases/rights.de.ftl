
# Wer etwas darf, und wozu es zwei braucht.
rights-only-these = Es ist nichts geschehen: Das dürfen auf diesem Kanal nur { $members }. Bitte wenden Sie sich an eine dieser Personen.
rights-another-for-fax = Das Fax ist noch nicht gesendet worden: Auf diesem Kanal gibt eine zweite Person es frei. Bitte lassen Sie jemand anderen aus dem Team die Vorschau prüfen und mit ✅ oder !faxen bestätigen.
rights-release-asked = { $member } möchte diesen Brief freigeben. Auf diesem Kanal braucht es dafür zwei Personen: Wenn eine zweite Person auf dieselbe Warnung mit !freigeben antwortet, wird er gezeigt.
