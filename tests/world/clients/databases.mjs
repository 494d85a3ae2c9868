// The databases of a browser (IndexedDB), kept in memory, written to a file and read back.
//
// Node has no IndexedDB. fake-indexeddb stands in for it, and forgets everything with its process;
// so that a client can be started again with the keys it had, its databases are carried over here.

import "fake-indexeddb/auto";
import { readFile, writeFile } from "node:fs/promises";
import { deserialize, serialize } from "node:v8";

const done = (request) =>
    new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });

/** Writes all databases. Nobody may be writing to them meanwhile. */
export async function save(path) {
    const databases = [];
    for (const { name, version } of await indexedDB.databases()) {
        const database = await done(indexedDB.open(name));
        const stores = [];
        for (const storeName of database.objectStoreNames) {
            const store = database.transaction(storeName).objectStore(storeName);
            const { keyPath, autoIncrement } = store;
            const indexes = [...store.indexNames].map((indexName) => {
                const { keyPath, unique, multiEntry } = store.index(indexName);
                return { name: indexName, keyPath, unique, multiEntry };
            });
            const keys = await done(store.getAllKeys());
            const values = await done(store.getAll());
            stores.push({ name: storeName, keyPath, autoIncrement, indexes, keys, values });
        }
        database.close();
        databases.push({ name, version, stores });
    }
    await writeFile(path, serialize(databases));
}

/** Makes the databases of a file anew. */
export async function restore(path) {
    for (const { name, version, stores } of deserialize(await readFile(path))) {
        const opening = indexedDB.open(name, version);
        opening.onupgradeneeded = () => {
            for (const { name, keyPath, autoIncrement, indexes, keys, values } of stores) {
                const store = opening.result.createObjectStore(name, { keyPath, autoIncrement });
                for (const { name, keyPath, ...options } of indexes) {
                    store.createIndex(name, keyPath, options);
                }
                // A key that lies within its value may not be given beside it.
                values.forEach((value, row) =>
                    keyPath === null ? store.put(value, keys[row]) : store.put(value),
                );
            }
        };
        (await done(opening)).close();
    }
}
