// How a client of the tests is spoken to: a command per line from standard input, a JSON object per
// line to standard output.
//
//     {"id": 1, "do": "send", "room_id": "...", "content": {...}}    a command
//     {"id": 1, "ok": {...}}   or   {"id": 1, "error": "..."}        its answer
//     {"event": {...}}                                               something it saw
//
// Commands run side by side. The client ends with its standard input.

import { Console } from "node:console";
import { createInterface } from "node:readline";

// Standard output is ours; what libraries have to say goes to the log.
globalThis.console = new Console(process.stderr, process.stderr);
process.on("unhandledRejection", (error) => console.error("unhandled:", error));

export function tell(what) {
    process.stdout.write(JSON.stringify(what) + "\n");
}

/** Carries out what the lines ask for: `commands` is an object of async functions by their names. */
export function follow(commands) {
    const carryOut = async ({ id, do: verb, ...fields }) => {
        try {
            tell({ id, ok: (await commands[verb](fields)) ?? {} });
        } catch (error) {
            console.error(`${verb}:`, error);
            tell({ id, error: error.errcode ? `${error.errcode}: ${error.message}` : String(error) });
        }
    };
    const lines = createInterface({ input: process.stdin });
    lines.on("line", (line) => carryOut(JSON.parse(line)));
    lines.on("close", async () => {
        await commands.end?.();
        process.exit(0);
    });
}
