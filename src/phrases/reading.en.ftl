
# What the document of a fax says of the call that brought it.
fax-called = The document says that the number { $line } was called.

# What a machine read on a fax that came.
read-intro = Read by a program, perhaps wrongly: only the fax itself counts. Please always look there for names, numbers and doses. The writing is { $legible ->
        [good] easy
        [middling] moderately hard
       *[poor] hard
    } to read; of 100 words, { $sure } seem certain.
read-only-codes = Read by a program, perhaps wrongly: only the fax itself counts. No words could be read, but a barcode.
read-sender = Sender, probably: “{ $text }”
read-subject = Subject, probably: “{ $text }”
read-number = { $kind ->
        [phone] Telephone
        [fax] Fax
        [bsnr] Number of the practice (BSNR)
       *[lanr] Number of the doctor (LANR)
    }, probably: { $number }
read-number-of-code = { $kind ->
        [phone] Telephone
        [fax] Fax
        [bsnr] Number of the practice (BSNR)
       *[lanr] Number of the doctor (LANR)
    }, from a barcode of the fax: { $number }
read-code-plan = Page { $page } has the barcode of a medication plan.
read-code-prescription = Page { $page } has the code of an e-prescription. Whoever has it can redeem the prescription: please pass the fax on only to people who may have it.
read-code-form = Page { $page } has the barcode of a form of statutory health care.
read-code-link = Page { $page } has a barcode ({ $form }) that leads to an address on the internet. Please open it only if you trust the sender.
read-code-shown = Page { $page } has a barcode ({ $form }): “{ $text }”
read-code-other = Page { $page } has a barcode ({ $form }).
read-first-pages = Only { $read ->
        [one] the first page was
       *[other] the first { $read } pages were
    } read, of { $pages }.
read-marks = (?) stands behind all numbers and behind uncertain words, […] for what could not be read.
read-page =
    Page { $page }:
    { $text }
read-shortened = The text is shortened here. The whole fax stands above it.
