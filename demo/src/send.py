"""Sends one of the mails described in the files beside this one, as a mail program would:

    python3 send.py letter.json

Nothing of the gateway is in it. Every call sends a new mail (Message-ID, Date), and prints the
Message-ID.
"""

import json
import os
import smtplib
import ssl
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

with open(sys.argv[1], encoding="utf-8") as file:
    told = json.load(file)
folder = os.path.dirname(os.path.abspath(sys.argv[1]))

mail = EmailMessage()
mail["From"] = told["from"]
mail["To"] = told["to"]
mail["Subject"] = told["subject"]
mail["Date"] = formatdate(localtime=True)
mail["Message-ID"] = make_msgid(domain="mail.local")
for name, value in told["headers"].items():
    mail[name] = value
mail.set_content(told["text"], cte="quoted-printable")
for name in told["files"]:
    with open(os.path.join(folder, name), "rb") as file:
        mail.add_attachment(file.read(), maintype="application", subtype="pdf", filename=name)

server = told["server"]
trust = ssl.create_default_context(cafile=server["ca_file"])
with smtplib.SMTP_SSL("127.0.0.1", server["smtps"], context=trust, timeout=30) as smtp:
    smtp.login(server["user"], server["password"])
    smtp.send_message(mail)
print(mail["Message-ID"].strip("<>"))
