"""A Matrix client for the tests, on top of matrix-nio: nothing of the gateway's own code is in it.

It reads one command per line from standard input and writes one JSON object per line to standard
output:

    {"id": 1, "do": "send", "room_id": "...", "content": {...}}    a command
    {"id": 1, "ok": {...}}   or   {"id": 1, "error": "..."}        its answer
    {"event": {...}}                                               something it saw

An event that could not be deciphered when it came is told once more when its key has come.

The first command is "login". After it the client follows its /sync on its own: it accepts
invitations and tells of every event of every room once. It ends with its standard input.

With "encryption": true at login it has a device with keys, reads encrypted events, and encrypts
what it sends to encrypted rooms.

The program is a nursery of such clients: for each line on its own standard input, which names a
folder to work in, a log, and a socket, it forks one that speaks through two connections to the
socket, for its input and for its output.
"""

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import tempfile

import nio
from nio.crypto import attachments

# More than any test puts into a room between two answers of the server.
TIMELINE_MAX = 5000
SYNC_TIMEOUT_MS = 30_000
# The file of exported keys does not leave the folder of the test.
PASSPHRASE = "client"
# A line is a command; files go by path, so that a line stays short. HTML bodies may be long.
LINE_BYTES_MAX = 64 * 1024 * 1024


class Refused(Exception):
    """The homeserver said no."""


def ok(response):
    """The response, unless it is an error."""
    if isinstance(response, nio.ErrorResponse):
        raise Refused(f"{response.status_code}: {response.message}")
    return response


def tell(**what):
    sys.stdout.write(json.dumps(what, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class Client:
    def __init__(self):
        self.nio = None
        self.folder = tempfile.mkdtemp(prefix="files-", dir=os.getcwd())
        self.accepts_invitations = True
        self.following = None
        self.undeciphered = []

    # Commands: each returns the fields of its answer.

    async def login(self, homeserver, user, password, encryption=False):
        config = nio.AsyncClientConfig(
            encryption_enabled=encryption, store_sync_tokens=False, request_timeout=90
        )
        self.nio = nio.AsyncClient(homeserver, user, store_path=self.folder, config=config)
        answer = ok(await self.nio.login(password, device_name="client"))
        self.nio.add_event_callback(self.saw, nio.Event)
        self.nio.add_event_callback(self.invited, nio.InviteMemberEvent)
        await self.keep_keys()
        first = asyncio.Event()
        self.following = asyncio.create_task(self.follow(first))
        await first.wait()
        return {"user_id": answer.user_id, "device_id": answer.device_id}

    async def send(self, room_id, content, type="m.room.message"):
        await self.know_devices(room_id)
        answer = ok(
            await self.nio.room_send(room_id, type, content, ignore_unverified_devices=True)
        )
        return {"event_id": answer.event_id}

    async def send_file(self, room_id, path, name, content_type):
        room = self.nio.rooms.get(room_id)
        encrypted = bool(room and room.encrypted and self.nio.config.encryption_enabled)
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            uploaded, keys = await self.nio.upload(
                file, content_type=content_type, filename=name, encrypt=encrypted, filesize=size
            )
        uri = ok(uploaded).content_uri
        kind = "m.image" if content_type.startswith("image/") else "m.file"
        content = {"msgtype": kind, "body": name, "filename": name}
        content["info"] = {"mimetype": content_type, "size": size}
        if encrypted:
            content["file"] = {"url": uri, **keys}
        else:
            content["url"] = uri
        return await self.send(room_id, content)

    async def download(self, content):
        """The bytes of a file event, deciphered if need be, as a path to read them from."""
        file = content.get("file")
        answer = ok(await self.nio.download(mxc=file["url"] if file else content["url"]))
        data = answer.body
        if file:
            data = attachments.decrypt_attachment(
                data, file["key"]["k"], file["hashes"]["sha256"], file["iv"]
            )
        handle, path = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(handle, "wb") as target:
            target.write(data)
        return {"path": path, "content_type": answer.content_type}

    async def redact(self, room_id, event_id, reason=None):
        return {"event_id": ok(await self.nio.room_redact(room_id, event_id, reason)).event_id}

    async def leave(self, room_id):
        ok(await self.nio.room_leave(room_id))
        return {}

    async def join(self, room_id):
        return {"room_id": ok(await self.nio.join(room_id)).room_id}

    async def invite(self, room_id, user_id):
        ok(await self.nio.room_invite(room_id, user_id))
        return {}

    async def create_room(self, invite, name=None, is_direct=False, encrypted=False):
        state = []
        if encrypted:
            state.append(
                {
                    "type": "m.room.encryption",
                    "state_key": "",
                    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
                }
            )
        answer = await self.nio.room_create(
            name=name, invite=invite, is_direct=is_direct, initial_state=state
        )
        return {"room_id": ok(answer).room_id}

    async def encrypt(self, room_id, payload):
        """Encrypts what no client would: all that is inside is given."""
        if self.nio.olm.should_share_group_session(room_id):
            ok(await self.nio.share_group_session(room_id, ignore_unverified_devices=True))
        return {"content": self.nio.olm.group_encrypt(room_id, payload)}

    async def export_keys(self, path):
        await self.nio.export_keys(path, PASSPHRASE)
        return {}

    async def import_keys(self, path):
        await self.nio.import_keys(path, PASSPHRASE)
        await self.try_again()
        return {}

    async def rooms(self):
        return {"rooms": [self.describe(room) for room in self.nio.rooms.values()]}

    async def accept_invitations(self, accept):
        """From now on. Those that wait are accepted or left at once too."""
        self.accepts_invitations = accept
        if accept:
            for room_id in list(self.nio.invited_rooms):
                ok(await self.nio.join(room_id))
        return {}

    # What comes by itself.

    async def follow(self, first):
        """Follows /sync for good; a homeserver that is away for a while is asked again."""
        filter_ = {"room": {"timeline": {"limit": TIMELINE_MAX}}}
        while True:
            try:
                timeout = SYNC_TIMEOUT_MS if first.is_set() else 0
                full = not first.is_set()
                ok(await self.nio.sync(timeout, sync_filter=filter_, full_state=full))
                await self.keep_keys()
                await self.try_again()
                first.set()
            except Exception as error:  # noqa: BLE001: whatever it was, it is in the log and tried again
                print(f"sync: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(0.2)

    async def keep_keys(self):
        """What a client with encryption has to do beside its /sync."""
        if not self.nio.config.encryption_enabled:
            return
        await self.nio.send_to_device_messages()
        if self.nio.should_upload_keys:
            await self.nio.keys_upload()
        if self.nio.should_query_keys:
            await self.nio.keys_query()
        if self.nio.should_claim_keys:
            await self.nio.keys_claim(self.nio.get_users_for_key_claiming())

    async def know_devices(self, room_id):
        """Before something is encrypted: matrix-nio gives the key of a room to the devices it knows,
        which are none in a room that has just come, and never to any others later."""
        room = self.nio.rooms.get(room_id)
        if not (room and room.encrypted and self.nio.config.encryption_enabled):
            return
        if not room.members_synced:
            ok(await self.nio.joined_members(room_id))
        if self.nio.should_query_keys:
            ok(await self.nio.keys_query())

    async def invited(self, room, event):
        if event.state_key != self.nio.user_id or event.membership != "invite":
            return
        tell(event={
            "room_id": room.room_id,
            "type": "m.room.member",
            "sender": event.sender,
            "state_key": event.state_key,
            "content": event.content,
        })
        if self.accepts_invitations:
            answer = await self.nio.join(room.room_id)
            if isinstance(answer, nio.ErrorResponse):
                print(f"join: {answer}", file=sys.stderr, flush=True)

    async def try_again(self):
        """Deciphers what could not be deciphered before, if its key is there now."""
        if not self.nio.config.encryption_enabled:
            return
        waiting, self.undeciphered = self.undeciphered, []
        for room, event in waiting:
            try:
                deciphered = self.nio.decrypt_event(event)
            except nio.EncryptionError:
                self.undeciphered.append((room, event))
            else:
                await self.saw(room, deciphered)

    async def saw(self, room, event):
        source = event.source
        undecipherable = isinstance(event, nio.MegolmEvent)
        if undecipherable:
            self.undeciphered.append((room, event))
        tell(event={
            "room_id": room.room_id,
            "event_id": event.event_id,
            "type": source.get("type"),
            "sender": event.sender,
            # None for somebody who has just left.
            "sender_name": room.user_name(event.sender) or "",
            "state_key": source.get("state_key"),
            "origin_server_ts": event.server_timestamp,
            "content": source.get("content", {}),
            "redacts": source.get("redacts"),
            "encrypted": event.decrypted or undecipherable,
            "undecipherable": undecipherable,
            "verified": event.verified if event.decrypted else None,
        })

    def describe(self, room):
        return {
            "room_id": room.room_id,
            "display_name": room.display_name,
            "name": room.name,
            "topic": room.topic,
            "encrypted": room.encrypted,
            "version": room.room_version,
            "members": {user.user_id: user.display_name for user in room.users.values()},
            "invited": [user.user_id for user in room.invited_users.values()],
        }


async def carry_out(client, command):
    number, verb = command.pop("id"), command.pop("do")
    try:
        if client.nio is None and verb != "login":
            raise Refused("not logged in")
        tell(id=number, ok=await COMMANDS[verb](client, **command))
    except Exception as error:  # noqa: BLE001: every failure is an answer
        tell(id=number, error=f"{type(error).__name__}: {error}")


COMMANDS = {
    command.__name__: command
    for command in (
        Client.login, Client.send, Client.send_file, Client.download, Client.redact, Client.leave,
        Client.join, Client.invite, Client.create_room, Client.rooms, Client.accept_invitations,
        Client.export_keys, Client.import_keys, Client.encrypt,
    )
}


async def main():
    client = Client()
    lines = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    running = set()
    while line := await lines.readline():
        task = asyncio.create_task(carry_out(client, json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    if client.nio:
        client.following.cancel()
        await client.nio.close()


def leave_the_nursery(folder, log, door):
    """Makes a fork a process of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(folder)
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = None
    for number in (0, 1):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(door)
        os.dup2(connection.detach(), number)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)


def nurse():
    # Nobody waits for the forks.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # What is read by now stays shared.
    gc.collect()
    gc.freeze()
    while line := sys.stdin.readline():
        if os.fork() == 0:
            leave_the_nursery(**json.loads(line))
            asyncio.run(main())
            return


nurse()
