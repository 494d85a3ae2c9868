"""TI-Messenger's rules, as a module of the Synapse of the tests.

The rules themselves are synapse-invite-checker's, which providers run. Around it stands what it needs: the
federation's list, signed by a chain of our own, is served to it from a thread of this process; and what it asks of a
Synapse other than Debian's or PyPI's is left out (the limit on versions of upgraded rooms).

Settings: `domains` (names of the federation's servers; one that ends in `!` is an insurer's), `rules` (the settings of
the invite checker, without the two addresses).
"""

import base64
import datetime
import http.server
import inspect
import json
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jwcrypto import jwk, jws
from synapse_invite_checker import InviteChecker

LIST = "/federationList.jws"
ROOT, ISSUER, SIGNER = "TEST.RCA1", "TEST SUB-CA1", "Test list"


class Authority:
    """A name with a key, and a certificate that another one signed."""

    def __init__(self, name, signed_by=None, may_sign=True):
        self.name = name
        self.key = ec.generate_private_key(ec.BrainpoolP256R1())
        issuer = signed_by or self
        now = datetime.datetime.now(datetime.timezone.utc)
        usage = dict.fromkeys(
            ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"], False)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(distinguished(name))
            .issuer_name(distinguished(issuer.name))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=may_sign, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not may_sign, key_cert_sign=may_sign,
                              crl_sign=may_sign, **usage),
                critical=True)
            .sign(issuer.key, hashes.SHA256()))

    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def text(self):
        return base64.b64encode(self.der()).decode()


def distinguished(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def pages(domains):
    """What is served: the signed list, and the certificates to check it with."""
    root = Authority(ROOT)
    issuer = Authority(ISSUER, signed_by=root)
    signer = Authority(SIGNER, signed_by=issuer, may_sign=False)
    listed = [
        {
            "domain": domain.rstrip("!"),
            "telematikID": f"1-{domain.rstrip('!')}",
            "isInsurance": domain.endswith("!"),
            "ik": ["109500969"] if domain.endswith("!") else [],
        }
        for domain in domains
    ]
    token = jws.JWS(json.dumps({"version": 1, "domainList": listed}))
    token.allowed_algs = ["BP256R1"]
    head = json.dumps({"alg": "BP256R1", "x5c": [signer.text()]})
    token.add_signature(jwk.JWK.from_pyca(signer.key), None, head, None)
    return {
        LIST: token.serialize(compact=True).encode(),
        "/ECC/ROOT-CA/roots.json": json.dumps([{"cert": root.text()}]).encode(),
        f"/ECC/SUB-CA/{ISSUER.replace(' ', '_')}.der": issuer.der(),
    }


def serve(domains):
    """Serves the list for as long as this process lives, and gives its address."""
    served = pages(domains)

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = served.get(urllib.parse.unquote(self.path))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class StockApi:
    """Synapse's module API, to which callbacks that it does not have are not given."""

    def __init__(self, api):
        self.__dict__["api"] = api

    def __getattr__(self, name):
        return getattr(self.api, name)

    def __setattr__(self, name, value):
        setattr(self.api, name, value)

    def register_third_party_rules_callbacks(self, **callbacks):
        known = inspect.signature(self.api.register_third_party_rules_callbacks).parameters
        callbacks = {name: each for name, each in callbacks.items() if name in known}
        self.api.register_third_party_rules_callbacks(**callbacks)


class TiMessengerRules(InviteChecker):
    """The module that homeserver.yaml names."""

    @staticmethod
    def parse_config(config):
        address = serve(config["domains"])
        rules = {"federation_list_url": address + LIST, "gematik_ca_baseurl": address}
        return InviteChecker.parse_config({**rules, **config["rules"]})

    def __init__(self, config, api):
        super().__init__(config, StockApi(api))
