// What every peer is asked to do; see ../frame.py.
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

export const url = process.env.PEER_URL;

export function stamp(sent) {
  appendFileSync(process.env.PEER_STAMPS, `${(Date.now() / 1000).toFixed(6)} ${sent.toFixed(6)}\n`);
}

export async function sql(text) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

export async function main(peer) {
  const [command, number] = process.argv.slice(2);
  const count = Number(number ?? 0);
  if (command === "prepare") await peer.prepare();
  else if (command === "work") return peer.work();
  else if (command === "wait") {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    while ((await client.query(peer.left)).rows.length) await sleep(3);
    console.log(Date.now() / 1000);
    await client.end();
  } else {
    const sender = await peer.sender();
    const began = performance.now();
    if (command === "fill") await sender.fill(count);
    else
      for (let n = 0; n < count; n++) {
        if (command === "stamps") await sleep(10 + 15 * Math.random());
        await (command === "stamps" ? sender.one("stamp", { sent: Date.now() / 1000 }) : sender.one("noop", {}));
      }
    console.log((count * 1000) / (performance.now() - began));
    await sender.close();
  }
}
