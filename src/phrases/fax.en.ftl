# What rooms are told of faxes.

fax-only-receives = Not sent: this fax service only receives; it takes no faxes by mail. Please fax it another way, or call.
fax-sent = Sent as a fax on { $day } at { $time }{ $pages ->
    [0] {""}
    [1] , 1 page
   *[other] , { $pages } pages
}. So the fax service reports; it does not say whether anybody reads it.
fax-not-sent = Not faxed: { $why ->
    [recipient] there is no such fax number. Please check the number.
    [busy] the line was busy at every attempt. Write !retry to try once more, or call.
    [no_answer] no machine answered. Please check the number; write !retry to try once more.
    [no_fax] what answered was no fax machine. Please check the number, or call.
    [line] the fax service had no free line. Write !retry, or tell your admin.
    [transmission] the transmission broke off; some pages may have arrived. Please call before you send everything again with !retry.
    [conversion] the fax service could not make a fax of the document. Please tell your admin.
    [gateway] the fax service refused the order. Please tell your admin.
    [expired] the fax service tried in vain until its time was over. Write !retry, or call.
    [cancelled] the order was deleted at the fax service. If the fax is to leave after all, write !retry.
   *[other] the fax service gives no reason that we know. Please call; write !retry to try once more.
} (Reported on { $day } at { $time })
fax-tries-again = Not faxed yet (reported on { $day } at { $time }): an attempt failed, and the fax service goes on trying. You need not do anything.
fax-unreported = Uncertain: it went to the fax service on { $day } at { $time }, and no report has come since. Please ask whether the fax arrived.
fax-came = Fax{ $name ->
    [none] {""}
   *[other] {" "}from { $name }
}{ $pages ->
    [0] {""}
    [1] , 1 page according to the fax service
   *[other] , { $pages } pages according to the fax service
}
fax-incomplete = ⚠ Incomplete: this fax did not arrive as a whole; pages or parts of them are missing. Please have it sent again.{ $reason ->
    [none] {""}
   *[other] {" "}The fax service gives as the reason: { $reason }
}
fax-without-document = There is no document in this mail of the fax service. Please ask the sender, or look at the fax service itself.
fax-unknown-form = We do not know this form of mail from this fax service, so no number is given. Please look into the document for its sender, and tell your admin.
fax-missed = A call on the fax line brought no fax{ $number ->
    [none] . The fax service names no number.
   *[other] . It came from { $number }.
}{ $reason ->
    [none] {""}
   *[other] {" "}The reason given is: { $reason }.
} If you expect a fax, please ask.
fax-report-unplaced = A report of the fax service fits no fax that left from here{ $number ->
    [none] {""}
   *[other] {" "}(number { $number })
}. It says: { $says ->
    [sent] sent.
    [failed] not sent.
    [again] not sent yet, more attempts follow.
    [taken] the order was taken.
   *[other] nothing definite.
} The state of your faxes does not change. Please check whether another program faxes on this line.
