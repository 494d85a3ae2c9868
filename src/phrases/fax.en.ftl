# What rooms are told of faxes.

fax-only-receives = Not sent: this fax service only receives; it takes no faxes by mail. Please fax it another way, or call.
fax-handed-over = Handed over to the fax service at { $time }. This fax service does not report whether a fax arrives. If that matters, ask the recipient.
fax-mail-delayed = Not at the fax service yet (reported on { $day } at { $time }): the mail server could not reach it yet and keeps trying. Nothing was dialled yet. You need not do anything.
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
    [mail_server] The mail server could not hand the order to the fax service; nothing was dialled. Please tell your technical support, and send the fax another way, or call.
    [gateway] the fax service refused the order. Please tell your admin.
    [expired] the fax service tried in vain until its time was over. Write !retry, or call.
    [cancelled] the order was deleted at the fax service. If the fax is to leave after all, write !retry.
   *[other] the fax service gives no reason that we know. Please call; write !retry to try once more.
} (Reported on { $day } at { $time })
fax-tries-again = Not faxed yet (reported on { $day } at { $time }): an attempt failed, and the fax service goes on trying. You need not do anything.
fax-unreported = Uncertain: it went to the fax service on { $day } at { $time }, and no report has come since. Please ask whether the fax arrived.
fax-came = Fax from { $name }
fax-incomplete = ⚠ Incomplete: this fax did not arrive as a whole; pages or parts of them are missing. Please have it sent again.{ $reason ->
    [none] {""}
   *[other] {" "}The fax service gives as the reason: { $reason }
}
fax-without-document = There is no document in this mail of the fax service. Please ask the sender, or look at the fax service itself.
fax-unknown-form = We do not know this form of mail from this fax service, so no number is given. Please look into the document for its sender, and tell your admin.
fax-mail-purged = The mail that brought this fax is no longer here: it was deleted, as is set for this fax line. What is in this room stays. If you need the fax once more, ask the sender to send it again.
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

# Pages of a fax that came.
fax-seen = { $pages ->
        [one] Fax of one page
       *[other] Fax of { $pages } pages
    }, received on { $at }.
fax-damaged = ⚠ This fax arrived damaged: page { $pages } cannot be read completely. Please do not rely on it, and ask the sender to send it again.
fax-damaged-many = ⚠ This fax arrived damaged: page { $pages } and { $more ->
        [one] one more page
       *[other] { $more } more pages
    } cannot be read completely. Please do not rely on it, and ask the sender to send it again.
fax-cut = ⚠ This fax may be incomplete: the end of the file is missing, and further pages may be with it. Please ask the sender.
fax-pages-differ = ⚠ This fax may be incomplete: the fax gateway speaks of { $declared ->
        [one] one page
       *[other] { $declared } pages
    }, here { $pages ->
        [one] is one
       *[other] are { $pages }
    }. Please ask the sender.
fax-forms-differ = ⚠ This fax came as a PDF and as a TIFF, and the two are not the same: the PDF has { $pdf ->
        [one] one page
       *[other] { $pdf } pages
    }, the TIFF { $tiff ->
        [one] one
       *[other] { $tiff }
    }. Please open both files, and ask the sender when in doubt.
fax-some-pictures = You see { $shown ->
        [one] the first page
       *[other] the first { $shown } pages
    } of { $pages } as a picture; all of them are in the file.
fax-no-picture = Page { $pages } cannot be shown as a picture. Please open the file.
fax-not-shown = The pages of the file “{ $file }” cannot be shown here: { $trouble ->
        [encrypted] a password protects it
        [colour] it is in colour or in shades of grey
        [coding] it is stored in a way that is not read here
        [too-many-pages] it has too many pages
        [too-large] one of its pages is larger than a fax can be
       *[unreadable] it is damaged or incomplete
    }. It is attached as it came. Please try to open it, or ask the sender.
fax-broken = ⚠ The pages of the file “{ $file }” cannot be shown here: opening it takes too much memory or time. It is attached as it came. Please open it only if you expected this fax, and ask the sender otherwise.
fax-skipped = ⚠ The file “{ $file }” was not opened here, because the files before it took too much memory or time already. It is attached as it came. Please open it only if you expected this fax, and ask the sender otherwise.
fax-too-large = The pages of the file “{ $file }” are not shown here: it is too large. It is attached as it came.
fax-postscript = The pages of the file “{ $file }” cannot be shown here: it is a PostScript file. It is attached as it came. Please have the fax gateway changed to PDF.
fax-unknown-file = The file “{ $file }” is neither PDF nor TIFF and is not shown as a fax. It is attached as it came. Please open it only if you expected it.
fax-foreign-file = ⚠ The file “{ $file }” is not shown: no fax machine sends such files, and it can do harm. Please do not open it in a mail program either, and ask the sender. The message is still in the mailbox, where your administrator can examine it.
fax-unopened = The pages of this fax are not shown as a picture, because the program cannot open them at the moment. Please open the file, and tell your administrator.
fax-picture-name = Fax-page-{ $page }-of-{ $pages }.png
fax-pdf-name = fax.pdf
fax-pdf-name-of = fax-{ $number }.pdf
