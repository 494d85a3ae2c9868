// A Matrix client for the tests, on top of matrix-js-sdk with its Rust crypto, as Element has it:
// nothing of the gateway's own code is in it.
//
// The first command is "login" or "resume". After it the client follows its /sync on its own: it
// accepts invitations and tells of every event of every timeline once, and once more when an event
// that could not be deciphered could be later.

import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { follow, tell } from "./lines.mjs";
import { restore, save } from "./databases.mjs";

// Only now: they keep the console they find.
const sdk = await import("matrix-js-sdk");
const cryptoApi = await import("matrix-js-sdk/lib/crypto-api/index.js");
const { default: attachments } = await import("matrix-encrypt-attachment");

// More than any test puts into a room between two answers of the server.
const TIMELINE_MAX = 5000;
const UNDECIPHERED = "m.room.encrypted";
// Some seconds, on a machine that is busy.
const JOINS_MAX = 40;
const JOIN_AGAIN_MS = 250;

const log = console;
const logger = {
    trace() {},
    debug() {},
    info() {},
    warn: (...what) => log.warn(...what),
    error: (...what) => log.error(...what),
    getChild: () => logger,
};

let client;
let acceptsInvitations = true;
/** The ids of the events told, and whether each was deciphered (or needed no deciphering). */
const told = new Map();

/** The rooms that some /sync has shown to its end: half-way, a room has no encryption yet. */
const settled = new Set();

async function start({ homeserver, account, onlySigned }) {
    // Rooms and the place in /sync, as Element keeps them. A client that asked for everything anew
    // would be given what Synapse answered it last time, up to two minutes ago.
    const store = new sdk.IndexedDBStore({ indexedDB, dbName: "rooms" });
    await store.startup();
    client = sdk.createClient({
        baseUrl: homeserver,
        userId: account.user_id,
        deviceId: account.device_id,
        accessToken: account.access_token,
        store,
        logger,
    });
    await client.initRustCrypto();
    client.getCrypto().setDeviceIsolationMode(
        onlySigned
            ? new cryptoApi.OnlySignedDevicesIsolationMode()
            : new cryptoApi.AllDevicesIsolationMode(false),
    );
}

async function followSync() {
    client.on(sdk.ClientEvent.Event, (event) => saw(event).catch((error) => log.error("saw:", error)));
    client.on(sdk.RoomEvent.MyMembership, (room, membership) => {
        if (membership === "invite") invited(room);
    });
    const definition = { room: { timeline: { limit: TIMELINE_MAX } } };
    const filter = sdk.Filter.fromJson(client.getUserId(), undefined, definition);
    client.on(sdk.ClientEvent.Sync, () => {
        for (const room of client.getRooms()) settled.add(room.roomId);
    });
    // "PREPARED" comes before it when there are rooms in the store.
    const first = new Promise((resolve) => {
        client.on(sdk.ClientEvent.Sync, (state) => state === "SYNCING" && resolve());
    });
    await client.startClient({ filter, initialSyncLimit: TIMELINE_MAX });
    await first;
}

function invited(room) {
    const membership = room.getMember(client.getUserId())?.events.member;
    tell({
        event: {
            room_id: room.roomId,
            type: "m.room.member",
            sender: membership?.getSender() ?? "",
            state_key: client.getUserId(),
            content: membership?.getContent() ?? { membership: "invite" },
        },
    });
    if (acceptsInvitations) enter(room.roomId);
}

// Between homeservers an invitation reaches its guest a moment before the room itself knows of it.
async function enter(roomId) {
    for (let tries = 1; ; tries++) {
        try {
            return await client.joinRoom(roomId);
        } catch (error) {
            if (error.errcode !== "M_FORBIDDEN" || tries === JOINS_MAX) return log.error("join:", error);
            await new Promise((resolve) => setTimeout(resolve, JOIN_AGAIN_MS));
        }
    }
}

async function saw(event) {
    // To-device messages and account data come the same way; an invitation has no event ids.
    if (!event.getId() || !event.getRoomId()) return;
    if (event.getWireType() === UNDECIPHERED) {
        event.on(sdk.MatrixEventEvent.Decrypted, () => tellOnce(event));
        await client.decryptEventIfNeeded(event);
    }
    await tellOnce(event);
}

async function tellOnce(event) {
    const failed = event.isDecryptionFailure() || event.getType() === UNDECIPHERED;
    const before = told.get(event.getId());
    if (before === true || (before === false && failed)) return;
    told.set(event.getId(), !failed);
    tell({ event: await describe(event, failed) });
}

async function describe(event, failed) {
    const wire = event.getWireContent();
    const content = failed ? wire : { ...event.getOriginalContent() };
    // A relation travels outside of what is encrypted.
    if (wire["m.relates_to"]) content["m.relates_to"] ??= wire["m.relates_to"];
    return {
        room_id: event.getRoomId(),
        event_id: event.getId(),
        type: failed ? event.getWireType() : event.getType(),
        sender: event.getSender(),
        sender_name: client.getRoom(event.getRoomId())?.getMember(event.getSender())?.name ?? "",
        state_key: event.getStateKey(),
        origin_server_ts: event.getTs(),
        content,
        redacts: event.event.redacts ?? content.redacts,
        encrypted: event.isEncrypted(),
        undecipherable: failed,
        undecipherable_because: failed ? event.decryptionFailureReason : undefined,
        shield: failed ? undefined : await shieldOf(event),
    };
}

async function shieldOf(event) {
    const info = await client.getCrypto().getEncryptionInfoForEvent(event);
    if (!info) return undefined;
    return {
        colour: cryptoApi.EventShieldColour[info.shieldColour],
        reason: info.shieldReason === null ? undefined : cryptoApi.EventShieldReason[info.shieldReason],
    };
}

/** A room once /sync has shown it so. What is sent to an unknown room would go unencrypted. */
async function roomOf(room_id, isSo = () => true) {
    while (!settled.has(room_id) || !isSo(client.getRoom(room_id))) {
        await new Promise((resolve) => client.once(sdk.ClientEvent.Sync, resolve));
    }
    return client.getRoom(room_id);
}

const commands = {
    async login({ homeserver, user, password, cross_signed, only_signed }) {
        const password_of = { identifier: { type: "m.id.user", user }, password };
        const account = await sdk
            .createClient({ baseUrl: homeserver, logger })
            .loginRequest({ type: "m.login.password", initial_device_display_name: "client", ...password_of });
        await start({ homeserver, account, onlySigned: only_signed });
        if (cross_signed) {
            await client.getCrypto().bootstrapCrossSigning({
                authUploadDeviceSigningKeys: (upload) =>
                    upload({ type: "m.login.password", ...password_of }),
            });
        }
        await followSync();
        return account;
    },

    /** As the same device again, from the file "save" has written. */
    async resume({ homeserver, account, only_signed, path }) {
        await restore(path);
        await start({ homeserver, account, onlySigned: only_signed });
        await followSync();
        return account;
    },

    /** Makes an identity for its user and signs this device with it. */
    async sign({ user, password }) {
        const password_of = { identifier: { type: "m.id.user", user }, password };
        await client.getCrypto().bootstrapCrossSigning({
            authUploadDeviceSigningKeys: (upload) =>
                upload({ type: "m.login.password", ...password_of }),
        });
    },

    /** Ends in an orderly way, and leaves a file to resume from. */
    async save({ path }) {
        client.stopClient();
        await client.store.save(true);
        await save(path);
    },

    async send({ room_id, content, type = "m.room.message" }) {
        await roomOf(room_id);
        return client.sendEvent(room_id, type, content);
    },

    async send_file({ room_id, path, name, content_type }) {
        const bytes = await readFile(path);
        const encrypted = (await roomOf(room_id)).hasEncryptionStateEvent();
        const msgtype = content_type.startsWith("image/") ? "m.image" : "m.file";
        const content = { msgtype, body: name, filename: name };
        content.info = { mimetype: content_type, size: bytes.length };
        if (encrypted) {
            const plain = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
            const { data, info } = await attachments.encryptAttachment(plain);
            const type = "application/octet-stream";
            const upload = await client.uploadContent(Buffer.from(data), { type, includeFilename: false });
            content.file = { ...info, url: upload.content_uri };
        } else {
            content.url = (await client.uploadContent(bytes, { type: content_type, name })).content_uri;
        }
        return client.sendEvent(room_id, "m.room.message", content);
    },

    /** The bytes of a file event, deciphered if need be, as a path to read them from. */
    async download({ content }) {
        const { file, url } = content;
        const address = client.mxcUrlToHttp(file?.url ?? url, undefined, undefined, undefined, false, true, true);
        const answer = await fetch(address, { headers: { Authorization: `Bearer ${client.getAccessToken()}` } });
        if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
        const bytes = await answer.arrayBuffer();
        const path = join(process.cwd(), `download-${randomUUID()}`);
        await writeFile(path, Buffer.from(file ? await attachments.decryptAttachment(bytes, file) : bytes));
        return { path, content_type: answer.headers.get("content-type") };
    },

    async redact({ room_id, event_id, reason }) {
        return client.redactEvent(room_id, event_id, undefined, { reason });
    },

    async leave({ room_id }) {
        await client.leave(room_id);
    },

    async join({ room_id }) {
        return { room_id: (await client.joinRoom(room_id)).roomId };
    },

    async invite({ room_id, user_id }) {
        await client.invite(room_id, user_id);
    },

    async create_room({ invite, name, is_direct = false, encrypted = false }) {
        const encryption = {
            type: "m.room.encryption",
            state_key: "",
            content: { algorithm: "m.megolm.v1.aes-sha2" },
        };
        const initial_state = encrypted ? [encryption] : [];
        const { room_id } = await client.createRoom({ invite, name, is_direct, initial_state });
        // A /sync may fall between two events of the making; who is not known yet gets no keys.
        const complete = (room) =>
            room.hasEncryptionStateEvent() === encrypted && invite.every((who) => room.getMember(who));
        await roomOf(room_id, complete);
        return { room_id };
    },

    async export_keys({ path }) {
        await writeFile(path, await client.getCrypto().exportRoomKeysAsJson());
    },

    async import_keys({ path }) {
        await client.getCrypto().importRoomKeysAsJson(await readFile(path, "utf8"));
    },

    async rooms() {
        const joined = client.getRooms().filter((room) => room.getMyMembership() === "join");
        return {
            rooms: joined.map((room) => {
                const members = [...room.getMembersWithMembership("join"), ...room.getMembersWithMembership("invite")];
                const state = (kind) => room.currentState.getStateEvents(kind, "")?.getContent() ?? {};
                return {
                    room_id: room.roomId,
                    display_name: room.name,
                    name: state("m.room.name").name ?? null,
                    topic: state("m.room.topic").topic ?? null,
                    encrypted: room.hasEncryptionStateEvent(),
                    version: room.getVersion(),
                    members: Object.fromEntries(members.map((it) => [it.userId, it.rawDisplayName])),
                    invited: room.getMembersWithMembership("invite").map((it) => it.userId),
                };
            }),
        };
    },

    /** From now on. Those that wait are accepted at once too. */
    async accept_invitations({ accept }) {
        acceptsInvitations = accept;
        if (!accept) return;
        const waiting = client.getRooms().filter((room) => room.getMyMembership() === "invite");
        await Promise.all(waiting.map((room) => client.joinRoom(room.roomId)));
    },

    /** The shield a person would see beside an event now: it goes when the device becomes known. */
    async shield({ room_id, event_id }) {
        const event = (await roomOf(room_id)).findEventById(event_id);
        if (!event) throw new Error(`${event_id} is not in the timeline`);
        return { shield: await shieldOf(event) };
    },

    async end() {
        client?.stopClient();
    },
};

follow(commands);
