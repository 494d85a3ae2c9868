// Hydrogen in a browser without a window, for the tests: what a person would see.
//
// Serves Hydrogen on a free port of 127.0.0.1 and opens it in Chromium. A test logs in, opens a
// room, waits until it is shown what it should, and takes a picture.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";

import { follow } from "./lines.mjs";

const { chromium } = await import("playwright-core");

// A busy machine may take a minute for what takes seconds.
const PATIENCE_MS = 60_000;
// As at a practice's desk: the gateway writes times of day as they are there.
const PAGE = {
    viewport: { width: 1200, height: 800 },
    locale: "de-DE",
    timezoneId: "Europe/Berlin",
};
const KINDS = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
};

let browser, page, server;

/** Serves the files of a folder, and Hydrogen's page; returns its address. */
async function serve(files) {
    const start = await readFile(join(import.meta.dirname, "hydrogen.html"));
    server = createServer(async (request, response) => {
        const { pathname } = new URL(request.url, "http://localhost");
        try {
            const body = pathname === "/" ? start : await readFile(join(files, pathname));
            const kind = KINDS[pathname === "/" ? ".html" : extname(pathname)];
            response.writeHead(200, { "content-type": kind ?? "application/octet-stream" }).end(body);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${server.address().port}/`;
}

const timeline = () => page.locator(".Timeline");

const commands = {
    async login({ homeserver, user, password, files, browser: program }) {
        const address = await serve(files);
        // No sandbox: root may not have one, and the page is ours.
        const options = { handleSIGTERM: false, args: ["--no-sandbox"] };
        browser = await chromium.launch({ executablePath: program, ...options });
        page = await browser.newPage(PAGE);
        page.setDefaultTimeout(PATIENCE_MS);
        page.on("pageerror", (error) => console.error("page:", error));
        page.on("console", (line) => line.type() === "error" && console.error("page:", line.text()));
        await page.goto(`${address}?homeserver=${encodeURIComponent(homeserver)}`);
        await page.fill("#username", user);
        await page.fill("#password", password);
        await page.click(".PasswordLoginView button[type=submit]");
        const list = page.locator(".RoomList");
        const refused = page.locator(".PasswordLoginView .error");
        await list.or(refused).first().waitFor({ state: "attached" });
        if (await refused.count()) throw new Error(await refused.first().innerText());
    },

    /** Opens a room by its id or by the name it has in the list, and accepts an invitation to it. */
    async open_room({ room }) {
        // Found and clicked in one step: the list is sorted anew whenever something is said.
        const click = (room) => {
            const link = [...document.querySelectorAll(".RoomList a")].find((link) =>
                room.startsWith("!")
                    ? decodeURIComponent(link.getAttribute("href")).endsWith(`/${room}`)
                    : link.querySelector(".name").textContent.trim() === room,
            );
            link?.click();
            return link !== undefined;
        };
        await page.waitForFunction(click, room);
        const accept = page.locator(".InviteView button.primary:not(.destructive)");
        await timeline().or(accept).first().waitFor();
        if (await accept.count()) await accept.click();
        await timeline().waitFor();
    },

    /** Waits until a text stands in the open room, scrolls to it, and waits until it can be seen. */
    async wait_for_text({ text }) {
        // Found, scrolled to and measured in one step: the page puts another element in a message's
        // place when the homeserver has taken it.
        const seen = (text) => {
            const holds = (element) => element.textContent.includes(text);
            const innermost = (element) => holds(element) && ![...element.children].some(holds);
            const last = [...document.querySelectorAll(".Timeline *")].filter(innermost).at(-1);
            last?.scrollIntoView({ block: "nearest" });
            return last?.checkVisibility({ visibilityProperty: true }) ?? false;
        };
        await page.waitForFunction(seen, text);
    },

    async say({ text }) {
        await page.fill(".MessageComposer textarea", text);
        await page.press(".MessageComposer textarea", "Enter");
    },

    /** All of the open room's timeline that is in the page, as text. */
    async shown() {
        return { text: await timeline().innerText() };
    },

    /** Clicks on the latest picture of the open room, and waits until it fills the page. */
    async open_picture() {
        await page.locator(".Timeline a img.picture, .Timeline .picture a, .Timeline a img").last().click();
        await page.locator(".lightbox .picture").waitFor();
    },

    async screenshot({ path }) {
        await page.screenshot({ path });
    },

    async end() {
        await browser?.close();
    },
};

process.on("SIGTERM", async () => {
    await commands.end();
    process.exit(0);
});
follow(commands);
